//! What the program is made of, and under which licences: docs/licences.md is what Cargo builds, and no licence is among them that deny.toml does not
//! allow. After a change of dependencies: `SEGVAULT_WRITE_LICENCES=1 cargo test licences`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What Cargo says of all crates, from the lock file and what lies on this machine.
fn metadata() -> Value {
    let asked = [
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ];
    let output = Command::new(env!("CARGO")).args(asked).current_dir(at("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value[member].as_array().unwrap()
}

/// The crates that the program is built of, by their ids; tests and fuzzing bring more.
fn shipped(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (node["id"].as_str().unwrap(), node)).collect();
    let (mut found, mut open) = (BTreeSet::new(), vec![metadata["resolve"]["root"].as_str().unwrap()]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let is_wanted = |dependency: &&Value| {
                list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].as_str() != Some("dev"))
            };
            let wanted = list(nodes[id], "deps").iter().filter(is_wanted);
            open.extend(wanted.map(|dependency| dependency["pkg"].as_str().unwrap()));
        }
    }
    found
}

/// The licence of a crate, spelled as SPDX spells it now.
fn licence(package: &Value) -> String {
    package["license"].as_str().unwrap_or("none").replace(" / ", " OR ").replace('/', " OR ")
}

fn document(metadata: &Value) -> String {
    let shipped = shipped(metadata);
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let mut text = "# Licences\n\nsegvault itself: Apache-2.0. What its program is built of (on Linux, x86-64), tests aside; \
                    `tests/it/licences.rs` keeps this table.\n\n| crate | version | licence |\n| --- | --- | --- |\n"
        .to_owned();
    let mut rows = BTreeSet::new();
    for package in list(metadata, "packages") {
        let id = package["id"].as_str().unwrap();
        if id != root && shipped.contains(id) {
            let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
            rows.insert(format!("| {name} | {version} | {} |", licence(package)));
        }
    }
    rows.iter().for_each(|row| writeln!(text, "{row}").unwrap());
    text
}

#[test]
fn the_licences_of_all_dependencies_are_listed() {
    let text = document(&metadata());
    let path = at("docs/licences.md");
    if std::env::var_os("SEGVAULT_WRITE_LICENCES").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let stated = fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(stated.lines()).find(|(built, stated)| built != stated);
    assert!(text == stated, "docs/licences.md is another: {first:?}");
}

/// What deny.toml allows.
fn allowed() -> BTreeSet<String> {
    let file = fs::read_to_string(at("deny.toml")).unwrap();
    let list = file.split_once("\nallow = [\n").unwrap().1.split_once("]\n").unwrap().0;
    list.lines().map(|line| line.trim().trim_matches([',', '"']).to_owned()).collect()
}

/// Whether some choice that an expression leaves is allowed: all parts of an `AND`, one of an `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let one = |licence: &str| allowed.contains(licence.trim_matches(['(', ')', ' ']));
    expression.split(" AND ").all(|part| part.split(" OR ").any(one))
}

#[test]
fn every_licence_is_one_that_is_allowed() {
    let (metadata, allowed) = (metadata(), allowed());
    for package in list(&metadata, "packages") {
        let licence = licence(package);
        assert!(is_allowed(&licence, &allowed), "{}: {licence}", package["name"]);
    }
    assert!(is_allowed("(MIT OR GPL-3.0) AND ISC", &allowed) && !is_allowed("GPL-3.0", &allowed));
    assert!(!is_allowed("MIT AND GPL-3.0", &allowed));
}
