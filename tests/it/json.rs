//! With `--json` everything is as the published schemas say, to the last member: what is printed on the real data is held to them.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup, told};
use boon::{Compiler, Schemas};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// No member may be printed that the schema does not name.
fn closed(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(closed),
        Value::Object(members) => {
            members.values_mut().for_each(closed);
            let is_open = ["oneOf", "anyOf", "allOf"].iter().any(|name| members.contains_key(*name));
            if members.contains_key("properties") && !is_open {
                members.entry("additionalProperties").or_insert(false.into());
            }
        }
        _ => {}
    }
}

fn path(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{kind}.json"))
}

pub fn complaint(document: &Value) -> Option<String> {
    let kind = document["type"].as_str().unwrap();
    let mut schema: Value = serde_json::from_slice(&fs::read(path(kind)).unwrap()).unwrap();
    closed(&mut schema);
    schema.as_object_mut().unwrap().remove("$id");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("file:///schema.json", schema).unwrap();
    let index = compiler.compile("file:///schema.json", &mut schemas).unwrap();
    schemas.validate(document, index).err().map(|error| format!("{kind}: {error:#}"))
}

/// Runs a line; what it prints on stdout and stderr has to fit its schema.
fn fits(room: &Room, code: i32, kind: &str, line: &str) -> Value {
    tried(room, code, kind, line).unwrap()
}

fn tried(room: &Room, code: i32, kind: &str, line: &str) -> Result<Value, String> {
    let (ended, stdout, stderr) = told(room.command(&format!("{line} --json")).output().unwrap());
    if ended != Some(code) {
        return Err(format!("{line}: {ended:?}\n{stdout}\n{stderr}"));
    }
    let mut documents: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    documents.extend((!stdout.is_empty()).then(|| serde_json::from_str::<Value>(&stdout).unwrap()));
    if let Some(complaint) = documents.iter().find_map(complaint) {
        return Err(format!("{line}: {complaint}"));
    }
    let found = documents.into_iter().find(|document| document["type"] == kind);
    found.ok_or_else(|| format!("{line} prints no {kind}"))
}

#[test]
fn every_document_fits_its_schema() {
    let room = Room::new();
    let server = room.server(SERVER);
    for number in ["1", "2"] {
        let report = fits(&room, 0, "backup", &backup(&server));
        assert_eq!(report["point"]["number"].to_string(), number);
    }
    let lines = [
        (0, "init", "init -n -r other"),
        (0, "points", "points"),
        (0, "points-at", "points --at default=100"),
        (0, "point", "show 1"),
        (0, "restore-plan", "restore -n --target t"),
        (0, "restore", "restore --target t"),
        (3, "restore", "restore --to-token default=100 --target cut"),
        (0, "restore-plan", "restore --target cut --delta -n"),
        (0, "restore", "restore --target cut --delta"),
        (0, "verify", "verify --data --history"),
        (0, "against", "verify --against se-4.6.11-json"),
        (0, "events", "events --context default --from 10 --to 20"),
        (0, "diff", "diff 1 2"),
        (0, "stats", "stats"),
        (0, "bench-plan", "bench --data-dir se-4.6.11-json --against none -n"),
        (0, "bench-columns", "bench --data-dir se-4.6.11-json --columns --sample 50KiB"),
        (0, "bench-data", "bench --synthetic json --size 20KiB --into made"),
        (0, "recompress", "recompress -n"),
        (0, "hold", "hold add 1 --reason audit"),
        (0, "holds", "hold list"),
        (0, "hold", "hold remove 1"),
        (0, "forget", "forget --keep-last 1 --yes"),
        (0, "remember", "forget --undo 1"),
        (0, "prune", "prune -n"),
        (0, "prune", "prune"),
        (0, "init", "init -r copy"),
        (0, "copy", "copy --to copy"),
        (0, "erase", "erase --source node-1 --context default"),
        (3, "erase-proof", "erase --source node-1 --context default --prove"),
        (0, "drop-history", "drop-history --context default --before 1000"),
        (0, "drop-history", "drop-history --context default --before 1000 --confirm default@805"),
        (0, "repair-index", "repair index"),
        (0, "repair", "repair packs"),
        (0, "repair-points", "repair points"),
        (0, "repair-give-up", "repair give-up"),
        (0, "repair-add-parity", "repair add-parity"),
        (0, "exit-codes", "help exit-codes"),
        (0, "errors", "explain"),
        (0, "man", "man pages"),
        (31, "error", "restore --target t"),
        (2, "error", "explain no.such"),
        (2, "error", "no-such-verb"),
        (41, "check-server", "check-server --server http://127.0.0.1:9 --timeout 1s"),
    ];
    let complaints: Vec<String> =
        lines.into_iter().filter_map(|(code, kind, line)| tried(&room, code, kind, line).err()).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn findings_and_damage_fit_too() {
    let room = Room::new();
    let copy = room.server(SERVER);
    let segment = copy.join("data/default/00000000000000000805.events");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[60_000] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert_eq!(fits(&room, 3, "backup", &backup(&copy))["complete"], false);
    fits(&room, 3, "restore", "restore --target t");
    fits(&room, 0, "point", "show 1");
    let pack = fixtures::files(&room.repository().join("packs")).into_iter().next().unwrap();
    let pack = fixtures::files(&pack).into_iter().next().unwrap();
    fs::write(&pack, "no pack").unwrap();
    fits(&room, 20, "verify", "verify --data");
    fits(&room, 20, "repair", "repair packs -n");
}

#[test]
fn the_demo_fits_too() {
    fits(&Room::empty(), 0, "demo", "demo");
}

#[test]
fn a_member_too_many_or_too_few_is_found() {
    let room = Room::new();
    let mut codes = fits(&room, 0, "exit-codes", "help exit-codes");
    codes["exit_codes"][0]["more"] = 1.into();
    assert!(complaint(&codes).is_some());
    codes["exit_codes"][0].as_object_mut().unwrap().clear();
    assert!(complaint(&codes).is_some());
}
