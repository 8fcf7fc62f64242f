//! What left here and is still in a copy; what left the copy and is still here.

use super::{decoded, holds, old_events, transformed};
use crate::support::program::{Room, assert_restored, backup_data};
use std::path::PathBuf;

const ERASE: &str = "erase --source node-1 --context default";

/// A point before the transformation, copied; and the directory of today.
fn room() -> (Room, PathBuf, PathBuf, String) {
    let room = Room::new();
    let before = transformed(&room, "before", |name, _| name.version == 0);
    let after = transformed(&room, "after", |_, is_old| !is_old);
    let there = format!("-r {}", room.path("copy").display());
    room.ends(0, &backup_data(&before));
    room.ends(0, &format!("{there} init"));
    room.ends(0, "copy --to copy");
    room.ends(0, &backup_data(&after));
    (room, before, after, there)
}

/// The copy has the first point as it was, and the second.
fn both_are_there(room: &Room, there: &str, (before, after): (&PathBuf, &PathBuf)) {
    room.ends(0, &format!("{there} verify --data"));
    for (point, data) in [(1, before), (2, after)] {
        let target = format!("restored-{point}{}", there.replace([' ', '/'], "-"));
        room.ends(0, &format!("{there} restore {point} --target {target}"));
        assert_restored(&data.join("default"), &room.path(&target).join("data/default"));
    }
}

#[test]
fn a_copy_goes_on_when_old_versions_have_left_here() {
    let (room, before, after, there) = room();
    room.ends(0, "forget 1 --yes");
    (0..4).for_each(|_| drop(room.ends(0, "prune --grace 0 --max-unused 0%")));
    assert!(!holds(&decoded(&room), &old_events()[0]), "they have left");
    room.ends(0, "copy --to copy");
    both_are_there(&room, &there, (&before, &after));
    // A copy of the copy has all of it.
    room.ends(0, &format!("-r {} init", room.path("third").display()));
    room.ends(0, &format!("{there} copy --to third"));
    both_are_there(&room, "-r third", (&before, &after));
}

#[test]
fn a_copy_goes_on_when_something_was_erased_or_dropped_here() {
    let (room, before, after, there) = room();
    room.ends(3, &format!("{ERASE} --yes"));
    let line = "drop-history --context default --before 404";
    room.ends(0, &format!("{line} --confirm default@404"));
    room.ends(0, "copy 2 --to copy");
    room.ends(0, &format!("{there} verify --data"));
    room.ends(0, &format!("{there} restore 1 --target copied-1"));
    assert_restored(&before.join("default"), &room.path("copied-1/data/default"));
    let restored = room.document(0, "restore", &format!("{there} restore 2 --target copied-2"));
    assert_eq!(restored["contexts"][0]["events"]["first"], 404, "the point begins there as it does here");
    // What is backed up there is the whole history again.
    room.ends(0, &format!("{there} {}", backup_data(&after)));
    room.ends(0, &format!("{there} restore latest --target copied-3"));
    assert_restored(&after.join("default"), &room.path("copied-3/data/default"));
}

/// Nothing that they have is left here: that it was dropped tells this history from another one.
#[test]
fn a_copy_goes_on_when_all_that_it_has_was_dropped_here() {
    let room = Room::new();
    let first = transformed(&room, "first", |name, is_old| !is_old && name.number.get() == 0);
    let after = transformed(&room, "after", |_, is_old| !is_old);
    room.ends(0, &backup_data(&first));
    room.ends(0, "init -r copy");
    room.ends(0, "copy --to copy");
    room.ends(0, &backup_data(&after));
    room.ends(0, "drop-history --context default --before 404 --confirm default@404");
    room.ends(0, "copy --to copy");
    room.ends(0, "-r copy verify --data");
    for (point, token) in [(1, 0), (2, 404)] {
        let line = format!("-r copy restore {point} --target restored-{point}");
        assert_eq!(room.document(0, "restore", &line)["contexts"][0]["events"]["first"], token);
    }
}

#[test]
fn what_was_erased_in_a_copy_does_not_come_back_from_here() {
    let (room, _, _, there) = room();
    room.ends(0, "copy --to copy");
    room.ends(3, &format!("{there} {ERASE} --yes --prove"));
    let after = transformed(&room, "later", |_, is_old| !is_old);
    room.ends(0, &backup_data(&after));
    room.refused(23, "copy --to copy", &["was erased there", "erase it here, too"]);
    room.ends(0, &format!("{there} {ERASE} --prove"));
    room.ends(3, &format!("{ERASE} --yes"));
    room.ends(0, "copy --to copy");
    room.ends(0, &format!("{there} {ERASE} --prove"));
    room.ends(0, &format!("{there} verify --data"));
}

#[test]
fn what_was_dropped_in_a_copy_does_not_come_back_from_here() {
    let (room, _, after, there) = room();
    room.ends(0, "copy --to copy");
    let line = "drop-history --context default --before 404 --confirm default@404";
    room.ends(0, &format!("{there} {line}"));
    room.ends(0, "copy --to copy");
    room.ends(0, &backup_data(&after));
    room.refused(23, "copy --to copy", &["before token 404", "were dropped there", "drop them here, too"]);
    room.refused(23, "copy --to copy --dry-run", &["were dropped there"]);
    room.ends(0, line);
    room.ends(0, "copy --to copy");
    let restored = room.document(0, "restore", &format!("{there} restore latest --target restored"));
    assert_eq!(restored["contexts"][0]["events"]["first"], 404);
    room.ends(0, &format!("{there} verify --data"));
}
