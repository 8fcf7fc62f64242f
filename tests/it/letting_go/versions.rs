//! Old versions of transformed segments leave by prune, once no point names them.

use super::{decoded, holds, old_events, transformed};
use crate::support::program::{Room, assert_restored, backup_data, files_below, flip};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn packs(room: &Room) -> BTreeSet<PathBuf> {
    files_below(&room.repository().join("packs")).into_keys().collect()
}

#[test]
fn an_old_version_stays_while_the_higher_one_can_t_be_read() {
    let room = Room::new();
    let before = transformed(&room, "before", |name, _| name.version == 0);
    let after = transformed(&room, "after", |_, is_old| !is_old);
    room.ends(0, &backup_data(&before));
    let old = packs(&room);
    room.ends(0, &backup_data(&after));
    for pack in packs(&room).difference(&old) {
        flip(&room.repository().join("packs").join(pack), 300);
    }
    room.ends(0, "forget 1 --yes");
    // The first one makes sure that nobody takes point 1 back.
    for code in [0, 3, 3] {
        room.ends(code, "prune --grace 0 --max-unused 0%");
    }
    assert!(packs(&room).is_superset(&old), "what may be the last good copy is there");
}

#[test]
fn an_old_version_leaves_once_no_point_names_it() {
    let room = Room::new();
    let [before, between, after] = [
        transformed(&room, "before", |name, _| name.version == 0),
        transformed(&room, "between", |_, _| true),
        transformed(&room, "after", |_, is_old| !is_old),
    ];
    for data in [&before, &between, &after] {
        room.ends(0, &backup_data(data));
    }
    let old = old_events();
    assert!(holds(&decoded(&room), &old[0]));
    // Points 1 and 2 name the old versions: nothing leaves, not as long as forgetting can be undone.
    for line in ["prune --grace 0", "forget 1 --yes", "prune --grace 24h"] {
        room.ends(0, line);
        room.restore(0, "2", &format!("two-{}", line.len()));
    }
    let early = room.document(0, "prune", "prune --grace 24h");
    assert_eq!(early["mark"]["versions"], 0);
    room.ends(0, "forget 2 --yes");
    let mut versions = 0;
    for _ in 0..4 {
        let pruned = room.document(0, "prune", "prune --grace 0 --max-unused 0%");
        versions += pruned["mark"]["versions"].as_u64().unwrap();
        room.ends(0, "verify --data");
    }
    assert!(versions > 0);
    let blocks = decoded(&room);
    assert!(old.iter().all(|event| !holds(&blocks, event)), "and what only they held is gone");
    room.ends(0, &backup_data(&after));
    room.ends(0, "verify --data --history");
    room.restore(0, "3", "restored");
    assert_restored(&after.join("default"), &room.path("restored/data/default"));
}

#[test]
fn a_forgotten_point_whose_page_is_lost_can_go() {
    let room = Room::new();
    let between = transformed(&room, "between", |_, _| true);
    let after = transformed(&room, "after", |_, is_old| !is_old);
    let pages =
        || -> BTreeSet<PathBuf> { files_below(&room.repository().join("pages")).into_keys().collect() };
    room.ends(0, &backup_data(&between));
    let before = pages();
    room.ends(0, &backup_data(&after));
    let of_the_second = pages();
    for _ in 0..2 {
        room.ends(0, &backup_data(&between));
    }
    for page in of_the_second.difference(&before) {
        flip(&room.repository().join("pages").join(page), 40);
    }
    let (told, _) = room.ends(20, "verify");
    room.ends(20, "prune --grace 0");
    room.ends(0, "forget 2 --yes");
    for _ in 0..2 {
        room.ends(0, "prune --grace 0");
    }
    room.ends(0, "verify --data");
    room.restore(0, "latest", "restored");
    assert_restored(&between.join("default"), &room.path("restored/data/default"));
    assert!(
        told.contains("not whole any more: point 2") && told.contains("forget the points that need it"),
        "{told}"
    );
}
