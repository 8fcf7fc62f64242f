//! What the chunks of tails held is given back.

use super::{Growing, bytes, open};
use crate::support::program::{Room, backup_data, flip, told};
use segvault::axon::name::Store;
use segvault::repo::format::act::Deed;
use segvault::repo::paths;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Backups of a growing store end near the size of one fresh backup. `SEGVAULT_TAILS=30` makes so many, of a larger store,
/// and holds them to 1.10 before and 1.02 after the tails are given back.
#[test]
fn many_backups_of_a_growing_store_end_near_one_fresh_backup() {
    let large: Option<u64> = std::env::var("SEGVAULT_TAILS").ok().and_then(|text| text.parse().ok());
    let (backups, segment, growth, effort) = match large {
        Some(backups) => (backups, 16 << 20, 6 << 20, "default"),
        None => (8, 600_000, 250_000, "fast"),
    };
    let (room, mut growing) = (Room::new(), Growing::new(segment));
    let data = room.path("data");
    for _ in 0..backups {
        growing.grow(growth, &data);
        room.ends(0, &format!("{} --compression {effort}", backup_data(&data)));
    }
    let grown = bytes(&room);
    room.ends(0, "prune --grace 0");
    room.ends(0, "prune --grace 0");
    let given_back = bytes(&room);
    room.ends(0, "verify --data");
    let fresh = Room::new();
    let line = format!("{} --compression {effort}", backup_data(&data));
    fresh.ends(0, &line);
    let of_fresh = bytes(&fresh);
    println!("grown {grown}, given back {given_back}, fresh {of_fresh}");
    // The records and points of so small a store weigh more than those of a real one.
    let (before, after) = if large.is_some() { (110, 102) } else { (170, 110) };
    assert!(grown * 100 <= of_fresh * before, "{grown} {of_fresh}");
    assert!(given_back * 100 <= of_fresh * after, "{given_back} {of_fresh}");
    for point in [1, 5, backups] {
        room.restore(0, &point.to_string(), &format!("restored-{point}"));
    }
}

#[test]
fn a_backup_deletes_what_an_earlier_one_marked_and_waits_for_nobody() {
    let (room, mut growing) = (Room::new(), Growing::new(200_000));
    let data = room.path("data");
    let packs = || room.files().keys().filter(|path| path.starts_with("packs")).count();
    // A reader that stands still: nothing is deleted, and no backup fails or waits for that.
    fs::create_dir_all(room.repository().join("locks")).unwrap();
    let lock = fs::File::options()
        .create(true)
        .append(true)
        .open(room.repository().join("locks/repository"))
        .unwrap();
    lock.lock_shared().unwrap();
    for _ in 0..6 {
        growing.grow(70_000, &data);
        room.ends(0, &backup_data(&data));
    }
    let kept = packs();
    lock.unlock().unwrap();
    growing.grow(70_000, &data);
    room.ends(0, &backup_data(&data));
    assert!(packs() < kept, "{} packs, {kept} before", packs());
    room.ends(0, "verify --data");
    for point in 1..=7 {
        room.restore(0, &point.to_string(), &format!("restored-{point}"));
    }
}

/// The files of all packs.
fn packs(room: &Room) -> BTreeSet<PathBuf> {
    let files = room.files().into_keys().filter(|path| path.starts_with("packs"));
    files.map(|path| room.repository().join(path)).collect()
}

/// The files of packs that acts mark.
fn marked(room: &Room) -> BTreeSet<PathBuf> {
    let journal = open(room).journal().unwrap();
    let packs = journal.acts.iter().flat_map(|act| match &act.deed {
        Deed::Dead { packs } => packs.as_slice(),
        _ => &[],
    });
    packs.map(|pack| room.repository().join(paths::pack(*pack))).collect()
}

/// Backups that sealed a small segment each, and what the first prune behind them said: it joins their packs. With the packs
/// that it wrote.
fn pruned() -> (Room, Value, BTreeSet<PathBuf>) {
    let (room, mut growing) = (Room::new(), Growing::new(20_000));
    let data = room.path("data");
    for _ in 0..18 {
        growing.grow(20_000, &data);
        room.ends(0, &backup_data(&data));
    }
    let before = packs(&room);
    let first = room.document(0, "prune", "prune --grace 0");
    let written = packs(&room).difference(&before).cloned().collect();
    (room, first, written)
}

/// Without a grace, too: what is marked in a run is computed once more before it goes.
#[test]
fn no_prune_deletes_packs_that_it_has_marked_itself() {
    let (room, first, _) = pruned();
    let deleted = |done: &Value| done["delete"]["packs"]["files"].as_u64().unwrap();
    let now_marked = first["mark"]["marked_packs"].as_u64().unwrap();
    assert!(now_marked > 0, "{first}");
    assert_eq!(marked(&room).iter().filter(|pack| pack.exists()).count() as u64, now_marked);
    assert_eq!(deleted(&room.document(0, "prune", "prune --grace 0")), now_marked);
}

/// A marked pack goes only beside a good copy of what is needed of it: that there is none is no success.
#[test]
fn a_marked_pack_that_stays_since_its_copy_is_damaged_is_a_warning() {
    let (room, first, written) = pruned();
    assert!(first["mark"]["repacked_packs"].as_u64().unwrap() > 0, "{first}");
    let marked = marked(&room);
    for pack in written {
        flip(&pack, fs::metadata(&pack).unwrap().len() / 3);
    }
    let (stdout, stderr) = room.ends(3, "prune --grace 0");
    assert!(stdout.contains("stays: ") && stderr.contains("can't be read back"), "{stdout} {stderr}");
    assert!(marked.iter().any(|pack| pack.exists()));
    room.ends(0, "repair packs");
    room.ends(0, "prune --grace 0");
    room.ends(0, "verify --data");
}

/// What a backup marks is computed once more, by a later one, before it goes.
#[test]
fn no_backup_deletes_what_it_has_marked_itself() {
    let (room, mut growing) = (Room::new(), Growing::new(200_000));
    let data = room.path("data");
    let mut before = BTreeSet::new();
    for _ in 0..10 {
        growing.grow(70_000, &data);
        room.ends(0, &backup_data(&data));
        let now = marked(&room);
        for new in now.difference(&before) {
            assert!(new.exists(), "{} was marked and deleted at once", new.display());
        }
        before = now;
    }
    assert!(before.iter().any(|pack| !pack.exists()), "later ones delete it");
}

/// Acts stay for good: a small store, of which each tail is a good part of the repository, must not get one with each backup.
#[test]
fn many_small_backups_leave_few_acts() {
    let (room, mut growing) = (Room::new(), Growing::new(200_000));
    let data = room.path("data");
    for _ in 0..24 {
        growing.grow(600, &data);
        room.ends(0, &backup_data(&data));
    }
    let acts = open(&room).journal().unwrap().acts;
    assert!((1..=2).contains(&acts.len()), "{acts:?}");
}

/// What keeps tails from being given back keeps a prune from it, too: nobody else may look at the repository for long.
#[test]
fn that_nothing_can_be_given_back_is_a_warning() {
    let (room, mut growing) = (Room::new(), Growing::new(200_000));
    let data = room.path("data");
    let mut said = Vec::new();
    for round in 0..8 {
        growing.grow(150_000, &data);
        let (code, report, _) =
            told(room.command(&format!("{} --json", backup_data(&data))).output().unwrap());
        let report: Value = serde_json::from_str(&report).unwrap();
        let warnings = report["findings"].as_array().unwrap().iter().filter(|one| one["weight"] != "note");
        let warnings: Vec<_> = warnings.map(|one| one["what"].as_str().unwrap().to_owned()).collect();
        assert_eq!(code, Some(if warnings.is_empty() { 0 } else { 3 }), "{report}");
        said.extend(warnings);
        if round == 3 {
            // The list of segments of an old point, which no backup reads; what is given back must not be what it needs.
            let repository = open(&room);
            let log = repository.logs().unwrap().into_iter().find(|log| log.store == Store::Events).unwrap();
            let root = repository.journal().unwrap().points[2].log(&log).unwrap().root;
            flip(&room.repository().join(paths::page(root)), 9);
        }
    }
    assert!(said.contains(&"not-given-back".to_owned()), "{said:?}");
}
