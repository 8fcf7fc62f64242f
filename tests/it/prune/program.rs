//! The same through the program, on the real data.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, assert_restored, backup, told};
use std::fs;
use std::process::Stdio;

/// A room with points of a server whose control database was another one each time.
fn room(points: usize) -> Room {
    let room = Room::new();
    let root = room.server(SERVER);
    for _ in 0..points {
        room.ends(0, &backup(&root));
    }
    room
}

fn bytes(room: &Room) -> u64 {
    room.files().values().sum()
}

#[test]
fn forgetting_and_pruning_free_what_points_added_and_keep_the_history() {
    let room = room(4);
    let root = room.path(SERVER);
    let before = bytes(&room);
    room.ends(0, "forget --keep-last 1 --yes");
    let (plan, _) = room.ends(0, "prune --dry-run --grace 0");
    assert!(plan.contains("would be gone for good: 3 points (1, 2, 3)"), "{plan}");
    assert_eq!(bytes(&room) - before, fs::metadata(room.repository().join("acts/1.json")).unwrap().len());
    let early = room.document(0, "prune", "prune");
    assert_eq!(early["delete"]["gone"].as_array().unwrap().len(), 0, "the grace is a day");
    room.ends(0, "forget --undo");
    assert_eq!(room.points(), [1, 2, 3, 4]);
    room.ends(0, "forget --keep-last 1 --yes");
    let pruned = room.document(0, "prune", "prune --grace 0");
    assert_eq!(pruned["delete"]["gone"], serde_json::json!([1, 2, 3]));
    room.ends(0, "prune --grace 0");
    assert_eq!(room.points(), [4]);
    let (nothing, _) = room.ends(0, "forget --undo");
    assert_eq!(nothing, "no point is forgotten\n");
    room.restore(0, "latest", "restored");
    assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
    room.ends(0, "verify --data");
    room.ends(0, &backup(&root));
    room.ends(0, "verify --data");
    assert_eq!(room.points(), [4, 5]);
}

#[test]
fn whoever_reads_is_waited_for_and_the_marks_stay() {
    let room = room(2);
    room.ends(0, "forget 1 --yes");
    // Nobody reads the pipe to its end: a reader that stands still, with the repository open.
    let lock = fs::File::open(room.repository().join("locks/repository")).unwrap();
    lock.lock_shared().unwrap();
    let (code, stdout, stderr) =
        told(room.command("prune --grace 0 --wait 1s").stdin(Stdio::null()).output().unwrap());
    assert_eq!(code, Some(3), "{stdout} {stderr}");
    assert!(stderr.contains("others have the repository open"), "{stderr}");
    lock.unlock().unwrap();
    let done = room.document(0, "prune", "prune --grace 0");
    assert_eq!(done["delete"]["gone"], serde_json::json!([1]));
}

#[test]
fn what_is_damaged_stops_a_prune_and_says_so() {
    let room = room(2);
    room.ends(0, "forget 1 --yes");
    let pack = fixtures::files(&room.repository().join("packs")).into_iter().next().unwrap();
    let pack = fixtures::files(&pack).into_iter().next().unwrap();
    let away = room.path("away");
    fs::rename(&pack, &away).unwrap();
    let before = room.files();
    room.refused(20, "prune --grace 0", &["chunk"]);
    assert_eq!(room.files(), before);
    fs::rename(&away, &pack).unwrap();
    room.ends(0, "prune --grace 0");
    room.ends(0, "verify --data");
}
