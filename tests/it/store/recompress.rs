//! Whatever crashes while packs are written anew: every point stays whole, also when what is marked goes; the next run goes on.

use super::model::{back_up_on, check, open};
use crate::support::crash_disk::{CrashDisk, EIO, ENOSPC, Image, Trouble};
use segvault::engine;
use segvault::engine::observe::Unobserved;
use segvault::engine::recompress::{self, RecompressOptions, Recompressed};
use segvault::repo::codec::Compression;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::{Deed, PointRef};
use segvault::repo::paths;
use segvault::repo::store::{Effort, Repository};

/// Three backups, written with the default compression.
fn history() -> (CrashDisk, Vec<PointRef>) {
    let disk = CrashDisk::default();
    Repository::init(&disk, &super::config()).unwrap();
    let points = (1..=3).map(|backup| back_up_on(&disk, backup).unwrap()).collect();
    (disk, points)
}

fn recompress(disk: &CrashDisk) -> Result<Recompressed, engine::Error> {
    let effort = Effort { compression: Compression::Max, memory: None };
    let options = RecompressOptions { effort, max_ms: None, dry_run: false };
    recompress::run(&open(disk)?, &options, &Unobserved)
}

/// Deletes what is marked dead; gives how many packs that were.
fn prune(disk: &CrashDisk) -> usize {
    let journal = open(disk).unwrap().journal().unwrap();
    let dead = journal.acts.iter().flat_map(|act| match &act.deed {
        Deed::Dead { packs } => packs.clone(),
        deed => panic!("{deed:?}"),
    });
    dead.map(|pack| disk.remove(&paths::pack(pack)).unwrap()).count()
}

fn is_whole(disk: &CrashDisk, points: &[PointRef]) -> Result<(), String> {
    check(&open(disk).map_err(|error| error.to_string())?, points)
}

/// After a stop: nothing is lost, with what is marked or without; the next run finishes, and backups go on.
fn go_on(disk: &CrashDisk, points: &[PointRef]) -> Result<(), String> {
    is_whole(disk, points)?;
    let pruned = disk.reboot(Image::ProcessKilled);
    prune(&pruned);
    is_whole(&pruned, points).map_err(|why| format!("pruned: {why}"))?;
    let done = recompress(disk).map_err(|error| format!("the next run: {error}"))?;
    if !done.finished {
        return Err("the next run has not finished".to_owned());
    }
    prune(disk);
    let next = back_up_on(disk, 4).map_err(|error| format!("the next backup: {error}"))?;
    let points = [points, &[next]].concat();
    is_whole(&disk.reboot(Image::OnlySynced), &points)
}

fn matrix(wrong: Trouble) -> Result<u64, String> {
    let (start, points) = history();
    let measured = start.reboot(Image::ProcessKilled);
    assert!(recompress(&measured).unwrap().finished);
    for at in 1..=measured.mutations() + 1 {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { crash_at: Some(at), ..wrong });
        let stopped = recompress(&disk);
        assert!(stopped.is_err() || at > measured.mutations(), "a crash at {at} was not noticed");
        for image in Image::ALL {
            go_on(&disk.reboot(image), &points).map_err(|why| format!("crash at {at}, {image:?}: {why}"))?;
        }
    }
    Ok(measured.mutations())
}

#[test]
fn packs_are_written_anew_and_the_old_ones_are_marked() {
    let (disk, points) = history();
    let done = recompress(&disk).unwrap();
    assert_eq!((done.marked_packs, done.finished), (done.planned_packs, true));
    assert!(
        done.planned_packs >= 4,
        "of three backups the packs of segments and of control databases: {done:?}"
    );
    assert_eq!(prune(&disk) as u64, done.marked_packs);
    is_whole(&disk, &points).unwrap();
}

#[test]
fn a_crash_anywhere_loses_nothing_and_the_next_run_goes_on() {
    assert!(matrix(Trouble::default()).unwrap() > 10);
}

#[test]
fn the_matrix_sees_it_if_new_packs_are_not_synced() {
    matrix(Trouble { skip_file_sync: true, ..Trouble::default() }).unwrap_err();
    matrix(Trouble { skip_directory_sync: true, ..Trouble::default() }).unwrap_err();
}

#[test]
fn no_error_of_the_disk_is_taken_for_success() {
    let (start, points) = history();
    let measured = start.reboot(Image::ProcessKilled);
    recompress(&measured).unwrap();
    for (error, at) in
        [ENOSPC, EIO].into_iter().flat_map(|error| (1..=measured.operations()).map(move |at| (error, at)))
    {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { fail_at: Some((at, error)), ..Trouble::default() });
        let done = recompress(&disk);
        disk.plan(Trouble::default());
        assert!(done.is_err() || done.is_ok_and(|done| done.marked_packs > 0), "{error} at {at}");
        go_on(&disk, &points).unwrap_or_else(|why| panic!("{error} at {at}: {why}"));
    }
}
