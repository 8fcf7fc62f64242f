//! Crashes while parity is written: with a backup, and later.

use super::model::{back_up_on, check, config, open};
use crate::support::crash_disk::{CrashDisk, ENOSPC, Image, Trouble};
use segvault::engine::observe::Unobserved;
use segvault::engine::repair::add_parity;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::config::Config;
use segvault::repo::paths;
use segvault::repo::store::Repository;
use std::io::Write;

fn repository(parity: Option<u8>) -> (CrashDisk, PointRef) {
    let disk = CrashDisk::default();
    Repository::init(&disk, &Config { parity, ..config() }).unwrap();
    let point = back_up_on(&disk, 1).unwrap();
    (disk, point)
}

fn is_protected(disk: &CrashDisk) -> Result<(), String> {
    let without = open(disk).unwrap().without_parity(true).unwrap();
    if without.is_empty() { Ok(()) } else { Err(format!("without parity: {without:?}")) }
}

fn protect(disk: &CrashDisk) -> bool {
    let add = |repository: Repository| add_parity(&repository, None, false, &Unobserved).ok();
    open(disk).ok().and_then(add).is_some_and(|done| done.damaged.is_empty())
}

#[test]
fn a_new_pack_relies_on_no_damaged_parity_that_stands_there() {
    let (whole, _) = repository(Some(10));
    let disk = CrashDisk::default();
    Repository::init(&disk, &Config { parity: Some(10), ..config() }).unwrap();
    for (pack, length) in paths::parities(&whole).unwrap() {
        let path = paths::parity(pack);
        let mut bytes = whole.read_range(&path, 0, length).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        disk.create_directory(paths::PARITY).unwrap();
        disk.create_directory(paths::parent(&path)).unwrap();
        disk.create_new(&path).unwrap().write_all(&bytes).unwrap();
    }
    back_up_on(&disk, 1).unwrap();
    is_protected(&disk).unwrap();
}

/// The images that are tried for a crash: all where `SEGVAULT_CRASHES` is set, else one of them, by turns.
fn images(at: u64) -> Vec<Image> {
    match std::env::var_os("SEGVAULT_CRASHES") {
        Some(_) => Image::ALL.to_vec(),
        None => vec![Image::ALL[at as usize % Image::ALL.len()]],
    }
}

/// Parity is added, with a crash at each mutation; and what was done then is gone on with.
fn crash_everywhere() -> Result<u64, String> {
    let (start, point) = repository(None);
    let measured = start.reboot(Image::ProcessKilled);
    assert!(protect(&measured));
    let mut crashes = 0;
    for at in 1..=measured.mutations() + 1 {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let acknowledged = protect(&disk);
        for image in images(at) {
            let disk = disk.reboot(image);
            let told = |why| format!("crash at {at}, {image:?}: {why}");
            check(&open(&disk).unwrap(), &[point]).map_err(told)?;
            if acknowledged {
                is_protected(&disk).map_err(told)?;
            }
            assert!(protect(&disk), "it is gone on with");
            is_protected(&disk.reboot(Image::OnlySynced)).map_err(told)?;
            crashes += 1;
        }
    }
    Ok(crashes)
}

#[test]
fn parity_is_added_through_any_crash() {
    assert!(crash_everywhere().unwrap() > 20);
}

#[test]
fn a_sync_that_is_left_out_is_seen() {
    for wrong in [
        Trouble { skip_file_sync: true, ..Trouble::default() },
        Trouble { skip_directory_sync: true, ..Trouble::default() },
    ] {
        let (disk, _) = repository(None);
        disk.plan(wrong);
        assert!(protect(&disk));
        is_protected(&disk.reboot(Image::OnlySynced)).unwrap_err();
    }
}

#[test]
fn a_backup_with_parity_crashes_anywhere_and_loses_nothing_that_was_acknowledged() {
    let (start, first) = repository(Some(10));
    is_protected(&start.reboot(Image::OnlySynced)).unwrap();
    let measured = start.reboot(Image::ProcessKilled);
    back_up_on(&measured, 2).unwrap();
    for at in (1..=measured.mutations() + 1).step_by(2) {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let acknowledged: Vec<PointRef> = [first].into_iter().chain(back_up_on(&disk, 2)).collect();
        let image = Image::ALL[at as usize % Image::ALL.len()];
        let disk = disk.reboot(image);
        check(&open(&disk).unwrap(), &acknowledged).unwrap_or_else(|why| panic!("{at}, {image:?}: {why}"));
        if acknowledged.len() > 1 {
            is_protected(&disk).unwrap_or_else(|why| panic!("{at}, {image:?}: {why}"));
        }
        let next = back_up_on(&disk, 3).unwrap();
        let all = [acknowledged, vec![next]].concat();
        check(&open(&disk.reboot(Image::OnlySynced)).unwrap(), &all).unwrap();
    }
}

#[test]
fn a_full_disk_leaves_no_false_success() {
    let (start, point) = repository(None);
    let measured = start.reboot(Image::ProcessKilled);
    assert!(protect(&measured));
    for at in 1..=measured.operations() {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { fail_at: Some((at, ENOSPC)), ..Trouble::default() });
        let done = protect(&disk);
        disk.plan(Trouble::default());
        if done {
            is_protected(&disk).unwrap_or_else(|why| panic!("{at}: {why}"));
        }
        check(&open(&disk).unwrap(), &[point]).unwrap();
        assert!(protect(&disk), "{at}");
    }
}
