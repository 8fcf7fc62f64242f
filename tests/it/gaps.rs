//! Histories with holes, and files that a server is still making: archived around, and said.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup_data};
use serde_json::Value;
use std::fs;

fn whats(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| finding["what"].as_str().unwrap()).collect()
}

#[test]
fn a_gap_is_archived_around_and_parts_the_windows() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    fs::remove_file(data.join("default/00000000000000000406.events")).unwrap();
    room.refused(21, &format!("{} --strict", backup_data(&data)), &["events of default: tokens 406 to 804"]);
    assert_eq!(room.points(), [0; 0], "nothing was published");
    let report = room.document(3, "backup", &backup_data(&data));
    let gap = &report["findings"][0];
    assert_eq!((&gap["what"], &gap["first"], &gap["last"]), (&"gap".into(), &406.into(), &804.into()));
    assert_eq!(report["complete"], false);
    let points = room.document(0, "points", "points");
    let windows = points["windows"].as_array().unwrap().iter().filter(|window| window["store"] == "events");
    let windows: Vec<_> = windows.map(|window| (&window["first"], &window["last"])).collect();
    assert_eq!(windows[0], (&0.into(), &405.into()));
    assert_eq!(windows[1].0, &805);
    let restored = room.restore(3, "1", "out");
    assert_eq!(
        restored["contexts"][0]["events"]["missing"],
        serde_json::json!([{"first": 406, "last": 804}])
    );
    assert_eq!(restored["verified"], false);
    room.ends(0, "verify --data");
}

#[test]
fn a_first_token_above_0_is_no_gap() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    for number in ["00000000000000000000", "00000000000000000406"] {
        fs::remove_file(data.join(format!("default/{number}.events"))).unwrap();
    }
    let report = room.document(0, "backup", &format!("{} --strict", backup_data(&data)));
    assert_eq!((&report["complete"], &report["contexts"][0]["events"]["first"]), (&true.into(), &805.into()));
    assert_eq!(room.restore(0, "1", "out")["verified"], true);
}

#[test]
fn a_transformation_in_progress_is_left_alone_and_said() {
    let room = Room::new();
    let data = room.server("core-2023.2.1-transformed").join("data");
    for name in [
        "00000000000000000203_00002.events.transformed",
        "00000000000000000203_00002.index.transformed",
        "00000000000000001404.index.temp",
    ] {
        fs::write(data.join("default").join(name), "being written").unwrap();
    }
    let report = room.document(0, "backup", &backup_data(&data));
    assert_eq!(whats(&report["findings"]), ["in-progress"; 3]);
    let shown = room.document(0, "point", "show");
    assert_eq!(whats(&shown["findings"]), ["in-progress"; 3]);
    room.restore(0, "1", "out");
    let restored = fixtures::files(&room.path("out/data/default"));
    assert!(restored.iter().all(|path| path.extension().is_some_and(|e| e == "events" || e == "snapshots")));
}

#[test]
fn forked_incarnations_have_windows_of_their_own() {
    let room = Room::new();
    let (one, other) = (room.server(SERVER), room.server("se-4.6.11-odd"));
    let line = |root: &std::path::Path| format!("{} --new-incarnation", backup_data(&root.join("data")));
    room.ends(0, &line(&one));
    room.document(3, "backup", &line(&other));
    let points = room.document(0, "points", "points");
    let windows = points["windows"].as_array().unwrap().iter().filter(|window| window["store"] == "events");
    let incarnations: Vec<_> = windows.map(|window| (&window["incarnation"], &window["first"])).collect();
    assert_eq!(incarnations, [(&1.into(), &0.into()), (&2.into(), &0.into())]);
    room.refused(2, "restore 9 --target out", &["9"]);
}
