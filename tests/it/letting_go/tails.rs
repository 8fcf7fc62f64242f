//! What the chunks of tails held is given back.

use super::{Growing, bytes};
use crate::support::program::{Room, backup_data};
use std::fs;

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
