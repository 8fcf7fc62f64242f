//! `init --append-only`.

use super::Growing;
use crate::support::program::{Room, backup_data};
use serde_json::Value;
use std::fs;

fn room() -> Room {
    let room = Room::empty();
    room.ends(0, "init --append-only");
    room
}

#[test]
fn nothing_is_ever_removed_by_a_backup_and_sealed_segments_use_the_chunks_of_their_tails() {
    let (room, mut growing) = (room(), Growing::new(3_000_000));
    let data = room.path("data");
    let config: Value =
        serde_json::from_slice(&fs::read(room.repository().join("segvault.json")).unwrap()).unwrap();
    assert_eq!(config["features"], serde_json::json!(["append-only"]));
    let (mut before, mut sealed) = (room.files(), 0);
    for _ in 0..5 {
        growing.grow(1_000_000, &data);
        let report = room.document(0, "backup", &format!("{} --compression fast", backup_data(&data)));
        if report["contexts"][0]["events"]["new_segments"] == 1 {
            // Of 3 MB no more than is behind the last chunk that ended, and what is new.
            assert!(report["new_raw_bytes"].as_u64().unwrap() < 2_500_000, "{report}");
            sealed += 1;
        }
        let after = room.files();
        assert!(before.iter().all(|(path, length)| after.get(path) == Some(length)), "something is gone");
        before = after;
    }
    assert_eq!(sealed, 1);
    room.ends(0, "verify --data");
    for point in 1..=5 {
        room.restore(0, &point.to_string(), &format!("restored-{point}"));
    }
}

#[test]
fn forgetting_is_recorded_and_an_operator_prunes() {
    let (room, mut growing) = (room(), Growing::new(100_000));
    let data = room.path("data");
    for _ in 0..4 {
        growing.grow(60_000, &data);
        room.ends(0, &backup_data(&data));
    }
    room.ends(0, "forget --keep-last 1 --yes");
    assert_eq!(room.points(), [4]);
    let files = room.files();
    for refused in [
        "prune --grace 0",
        "recompress",
        "drop-history --context default --before 300 --confirm default@1",
        "erase --source node-1 --context default --yes",
    ] {
        room.refused(2, refused, &["append-only", "--allow-delete"]);
    }
    assert_eq!(room.files(), files);
    room.ends(0, "prune --dry-run");
    room.ends(0, "prune --grace 0 --allow-delete");
    let pruned = room.document(0, "prune", "prune --grace 0 --allow-delete");
    assert!(pruned["delete"]["packs"]["files"].as_u64().unwrap() > 0, "{pruned}");
    room.ends(0, "recompress --allow-delete");
    room.ends(0, "verify --data");
    room.restore(0, "4", "restored");
}
