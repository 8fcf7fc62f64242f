//! The store: what was put is there, and stays there.

mod crash;
mod index;
mod journal;
pub mod model;
pub mod odd_disk;
mod parity;
mod recompress;
mod rules;

use crate::support::crash_disk::{CrashDisk, Trouble};
use crate::support::segments::{Event, block};
use model::{NAMING, back_up, back_up_on, check, config, entry, key, noise, open, read};
use odd_disk::OddDisk;
use segvault::axon::name::Store;
use segvault::engine::pieces;
use segvault::engine::status::{Limits, StatusOptions, status};
use segvault::repo::Error;
use segvault::repo::disk::{Disk, LockMode};
use segvault::repo::format::act::Deed;
use segvault::repo::format::config::Config;
use segvault::repo::format::entry::{End, Extent};
use segvault::repo::format::id::{ChunkId, PackId, PageId};
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::paths;
use segvault::repo::store::{NumberedRow, OpenOptions, Repository, Session, Unlocked};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A new repository in memory.
fn new() -> CrashDisk {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    disk
}

/// Stores chunks and makes them durable.
fn store(disk: &CrashDisk, kind: PackKind, chunks: &[Vec<u8>]) -> Vec<ChunkId> {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let ids = chunks.iter().map(|bytes| session.put(kind, bytes.clone()).unwrap()).collect();
    let _ = session.barrier().unwrap();
    ids
}

fn packs(disk: &CrashDisk) -> Vec<String> {
    disk.files().into_iter().filter(|path| path.starts_with("packs/")).collect()
}

fn id_of(pack: &str) -> PackId {
    pack.rsplit('/').next().unwrap().parse().unwrap()
}

fn is_new(session: &mut Session<'_>, bytes: &[u8]) -> bool {
    let before = session.tally().new_chunks;
    session.put(PackKind::Tail, bytes.to_vec()).unwrap();
    session.tally().new_chunks > before
}

#[test]
fn backups_come_back_from_a_real_disk() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("new/repository");
    Repository::init(&LocalDisk::new(root.clone()), &config()).unwrap();
    let open = || Repository::open(Arc::new(LocalDisk::new(root.clone())), OpenOptions::default()).unwrap();
    let points: Vec<_> = (1..=3).map(|backup| back_up(&open(), backup).unwrap()).collect();
    assert_eq!(points.iter().map(|point| point.number).collect::<Vec<_>>(), [1, 2, 3]);
    check(&open(), &points).unwrap();
    assert_eq!(std::fs::read_dir(root.join("staging")).unwrap().count(), 0);
}

#[test]
fn backups_come_back_from_memory() {
    let disk = new();
    let points: Vec<_> = (1..=3).map(|backup| back_up_on(&disk, backup).unwrap()).collect();
    let repository = open(&disk).unwrap();
    check(&repository, &points).unwrap();
    let logs = repository.logs().unwrap();
    assert_eq!(logs.len(), 2);
    for log in &logs {
        assert_eq!(repository.record_numbers(log).unwrap(), [1, 2, 3]);
        assert_eq!(repository.record(log, 2).unwrap().number, 2);
        assert_eq!(repository.newest_record(log).unwrap().unwrap().number, 3);
    }
    assert!(!repository.is_unlocked());
}

#[test]
fn what_is_known_is_stored_once() {
    let disk = new();
    store(&disk, PackKind::Sealed, &[noise(1, 5000), noise(1, 5000)]);
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    session.put(PackKind::Tail, noise(1, 5000)).unwrap();
    session.put_together(PackKind::Tail, vec![noise(2, 50), noise(1, 5000), noise(2, 50)]).unwrap();
    let _ = session.barrier().unwrap();
    let tally = session.tally();
    assert_eq!((tally.new_chunks, tally.new_raw_bytes), (1, 50));
    assert_eq!((tally.known_chunks, tally.known_raw_bytes), (3, 10_050));
    assert_eq!(tally.new_stored_bytes, 50);
    let written: u64 = packs(&disk)[..].iter().map(|pack| disk.length(pack).unwrap()).min().unwrap();
    assert_eq!(tally.file_bytes, written);
}

#[test]
fn a_block_is_held_until_all_of_it_was_handed_out() {
    let disk = new();
    let alone = store(&disk, PackKind::Tail, &[noise(1, 5000)]);
    let together = {
        let repository = open(&disk).unwrap();
        let mut session = repository.session().unwrap();
        let together = session.put_together(PackKind::Tail, vec![noise(2, 5000), noise(3, 5000)]).unwrap();
        let _ = session.barrier().unwrap();
        together
    };
    let odd = OddDisk::of(&disk);
    let repository = Repository::open(Arc::new(odd.clone()), OpenOptions::default()).unwrap();
    let reads = |chunk: ChunkId, ranges: &[std::ops::Range<u64>]| {
        let before = odd.parts_read.load(Ordering::Relaxed);
        for range in ranges {
            let extents = [Extent { chunk, length: 5000 }];
            repository.read_extents(&extents, range.clone(), &mut |_| Ok(())).unwrap();
        }
        odd.parts_read.load(Ordering::Relaxed) - before
    };
    assert_eq!(reads(alone[0], &[0..10, 10..4999, 3..4]), 1, "whoever asks for parts asks again");
    assert_eq!(reads(alone[0], &[10..5000, 0..10]), 1, "held until its end, then read anew");
    assert_eq!(reads(alone[0], &[0..5000, 0..5000]), 1, "the first one was held");
    assert_eq!(reads(together[0], &[0..5000, 0..5000]), 1, "its neighbour will be asked for");
    assert_eq!(reads(together[1], &[0..5000, 0..10]), 0);
}

#[test]
fn chunks_that_are_put_together_share_blocks() {
    let disk = new();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let small: Vec<Vec<u8>> = (0..1200).map(|seed| noise(seed, 16 << 10)).collect();
    let ids = session.put_together(PackKind::ControlDb, small.clone()).unwrap();
    let _ = session.barrier().unwrap();
    let blocks: std::collections::BTreeSet<u32> =
        ids.iter().map(|id| repository.index().places(*id).unwrap()[0].block).collect();
    assert_eq!(blocks.len(), 3, "1200 chunks of 16 KiB are 19 MiB: 8 and 8 and 3");
    for (id, bytes) in ids.iter().zip(&small) {
        assert_eq!(*repository.chunk(*id).unwrap(), *bytes);
    }
}

#[test]
fn sealed_chunks_share_blocks_with_their_neighbours() {
    let disk = new();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let text = |seed, mib: usize| {
        let one = block(&[Event::of("account", 1).carrying(noise(seed, 1 << 10)).encode()]);
        one.repeat((mib << 20) / one.len())
    };
    let mut put = |store, seed, mib| session.put_sealed(store, text(seed, mib)).unwrap();
    let events = [3, 4, 2, 12, 1].map(|mib| put(Store::Events, mib as u64, mib));
    let snapshots = [20, 6, 9, 2].map(|mib| put(Store::Snapshots, 100 + mib as u64, mib));
    let _ = session.barrier().unwrap();
    let number = |id: &ChunkId| repository.index().places(*id).unwrap()[0].block;
    let sizes = |ids: &[ChunkId]| {
        let blocks: Vec<u32> = ids.iter().map(number).collect();
        blocks.iter().map(|number| blocks.iter().filter(|other| *other == number).count()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&events), [3, 3, 3, 2, 2], "3, 4 and 2 MiB fit into 16, 12 more don't");
    assert_eq!(sizes(&snapshots), [1, 2, 2, 1], "6 and 9 MiB fit into 16");
    assert!(*repository.chunk(events[1]).unwrap() == text(4, 4));
}

#[test]
fn packs_end_at_their_size_and_are_the_same_whatever_the_number_of_workers() {
    let chunks: Vec<Vec<u8>> = (0..10).map(|seed| noise(seed, 9 << 20)).collect();
    let stored: Vec<Vec<String>> = [1, 3]
        .into_iter()
        .map(|workers| {
            let disk = new();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().unwrap();
            let ids = pool.install(|| store(&disk, PackKind::Sealed, &chunks));
            let repository = open(&disk).unwrap();
            for (id, bytes) in ids.iter().zip(&chunks) {
                assert!(*repository.chunk(*id).unwrap() == *bytes);
            }
            packs(&disk)
        })
        .collect();
    assert_eq!(stored[0].len(), 2, "90 MiB");
    assert_eq!(stored[0], stored[1]);
}

#[test]
fn extents_are_read_in_any_range_and_never_beyond() {
    let disk = new();
    let bytes = noise(1, 2500);
    let parts: Vec<Vec<u8>> = bytes.chunks(1000).map(<[u8]>::to_vec).collect();
    let ids = store(&disk, PackKind::Tail, &parts);
    let extents: Vec<Extent> = ids
        .iter()
        .zip(&parts)
        .map(|(chunk, part)| Extent { chunk: *chunk, length: part.len() as u32 })
        .collect();
    let repository = open(&disk).unwrap();
    for (from, to) in [(0, 2500), (0, 0), (999, 1001), (1000, 2000), (2499, 2500), (300, 301), (2500, 2500)] {
        let mut read = Vec::new();
        let mut sink = |part: &[u8]| {
            read.extend_from_slice(part);
            Ok(())
        };
        repository.read_extents(&extents, from..to, &mut sink).unwrap();
        assert_eq!(read, bytes[from as usize..to as usize], "{from}..{to}");
    }
    let beyond = repository.read_extents(&extents, 2400..2501, &mut |_| Ok(()));
    assert!(matches!(beyond, Err(Error::Rule { .. })));
    let longer = [Extent { chunk: ids[0], length: 1001 }];
    let lied = repository.read_extents(&longer, 0..10, &mut |_| Ok(()));
    assert!(matches!(lied, Err(Error::Damaged { .. })));
}

#[test]
fn a_place_that_is_not_empty_is_left_alone() {
    let disk = CrashDisk::default();
    disk.create_directory("lost+found").unwrap();
    Repository::init(&disk, &config()).unwrap();
    assert!(matches!(Repository::init(&disk, &config()), Err(Error::NotEmpty { .. })));
    for other in ["photos", "packs/ab", "staging/mine", "locks/key"] {
        let disk = CrashDisk::default();
        let (above, name) = other.split_once('/').unwrap_or(("", other));
        disk.create_directory(above).unwrap();
        disk.create_new(&format!("{above}{}{name}", if above.is_empty() { "" } else { "/" })).unwrap();
        let before = disk.files();
        assert!(matches!(Repository::init(&disk, &config()), Err(Error::NotEmpty { .. })), "{other}");
        assert_eq!(disk.files(), before);
    }
}

#[test]
fn what_is_no_repository_or_a_newer_one_is_said_so() {
    assert!(matches!(open(&CrashDisk::default()), Err(Error::NotARepository { .. })));
    let missing = LocalDisk::new("/nowhere/at/all".into());
    let missing = Repository::open(Arc::new(missing), OpenOptions::default());
    assert!(matches!(missing, Err(Error::NotARepository { .. })));
    let disk = new();
    let newer = Config { version: 2, ..config() }.encode();
    disk.damage("segvault.json", |bytes| *bytes = newer);
    assert!(matches!(open(&disk), Err(Error::Unsupported { .. })));
    disk.damage("segvault.json", |bytes| bytes.truncate(20));
    assert!(matches!(open(&disk), Err(Error::Damaged { .. })));
}

#[test]
fn only_one_writes_and_who_deletes_is_alone() {
    let disk = new();
    let (one, two) = (open(&disk).unwrap(), open(&disk).unwrap());
    let session = one.session().unwrap();
    assert!(matches!(two.session(), Err(Error::Locked { .. })));
    assert!(disk.try_lock("locks/repository", LockMode::Exclusive).unwrap().is_none());
    drop(session);
    drop(two.session().unwrap());
    drop((one, two));
    let deleting = disk.try_lock("locks/repository", LockMode::Exclusive).unwrap();
    assert!(deleting.is_some());
    assert!(matches!(open(&disk), Err(Error::Locked { .. })));
}

#[test]
fn who_waits_is_asked_as_long_as_it_takes() {
    let disk = new();
    let holder = open(&disk).unwrap();
    let session = holder.session().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    // Gives up at the third time of asking.
    let keep_waiting = Arc::new(move || count.fetch_add(1, Ordering::Relaxed) < 2);
    let options = OpenOptions { keep_waiting: Some(keep_waiting), ..OpenOptions::default() };
    let waiter = Repository::open(Arc::new(disk.clone()), options).unwrap();
    assert!(matches!(waiter.session(), Err(Error::Locked { .. })));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    drop(session);
    drop(waiter.session().unwrap());
}

#[test]
fn a_repository_that_cannot_be_written_is_read_without_locks() {
    let disk = new();
    let point = back_up_on(&disk, 1).unwrap();
    disk.plan(Trouble { read_only: true, ..Trouble::default() });
    let repository = open(&disk).unwrap();
    assert!(repository.is_unlocked());
    check(&repository, &[point]).unwrap();
    assert!(matches!(repository.session(), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_repository_whose_file_system_has_no_locks_is_read_without() {
    let disk = new();
    let point = back_up_on(&disk, 1).unwrap();
    assert_eq!(open(&disk).unwrap().unlocked(), None);
    for (kind, why) in
        [(ErrorKind::Unsupported, Unlocked::NoLocks), (ErrorKind::PermissionDenied, Unlocked::ReadOnly)]
    {
        let odd = OddDisk { lock_error: Some(kind), ..OddDisk::of(&disk) };
        let repository = open(&odd).unwrap();
        assert_eq!(repository.unlocked(), Some(why));
        check(&repository, std::slice::from_ref(&point)).unwrap();
        let refused = repository.session();
        assert!(matches!(refused, Err(Error::NoLocks { .. })) == (why == Unlocked::NoLocks), "{kind}");
        assert!(refused.is_err());
    }
}

#[test]
fn where_locks_keep_nobody_out_nothing_is_written() {
    let disk = new();
    let before = disk.files();
    let odd = OddDisk { locks_work: false, ..OddDisk::of(&disk) };
    assert!(matches!(open(&odd).unwrap().session(), Err(Error::NoLocks { .. })));
    assert_eq!(disk.files(), before);
}

#[test]
fn who_is_overtaken_replaces_nothing_and_says_so() {
    for path in ["points/1.json", "logs/"] {
        let disk = new();
        let odd = OddDisk { overtaken_at: Some(path), ..OddDisk::of(&disk) };
        assert!(matches!(back_up_on(&odd, 1), Err(Error::Overtaken { .. })));
        let taken = disk.files().into_iter().find(|file| file.starts_with(path)).unwrap();
        assert_eq!(disk.read(&taken, 99).unwrap(), b"theirs");
    }
}

#[test]
fn what_somebody_else_puts_under_the_name_of_a_pack_or_a_page_is_not_taken_for_ours() {
    for path in ["packs/", "pages/"] {
        let disk = new();
        let odd = OddDisk { overtaken_at: Some(path), ..OddDisk::of(&disk) };
        assert!(back_up_on(&odd, 1).is_err());
        assert!(disk.list("points").unwrap().is_empty());
    }
}

#[test]
fn who_reads_beside_a_deletion_lists_again_and_resolves_from_the_newest_record() {
    let disk = new();
    back_up_on(&disk, 1).unwrap();
    back_up_on(&disk, 2).unwrap();
    let odd = OddDisk::of(&disk);
    let repository = open(&odd).unwrap();
    let first = repository.journal().unwrap().points.remove(0).point.body;
    let logs: Vec<String> =
        disk.list("logs").unwrap().iter().map(|log| format!("logs/{}", log.name)).collect();
    let as_they_were: BTreeMap<_, _> =
        logs.iter().map(|log| (log.clone(), disk.list(log).unwrap())).collect();
    back_up_on(&disk, 3).unwrap();
    for log in &logs {
        disk.remove(&format!("{log}/1")).unwrap();
        disk.remove(&format!("{log}/2")).unwrap();
    }
    let events = key(Store::Events);
    odd.late.lock().unwrap().clone_from(&as_they_were);
    assert_eq!(repository.newest_record(&events).unwrap().unwrap().number, 3);
    odd.late.lock().unwrap().clone_from(&as_they_were);
    let log = &first.contexts["default"].events;
    let claimed = pieces::of_point(&repository, &events, log, "point").unwrap().pop().unwrap();
    let bytes = read(&repository, &claimed.entry.unwrap().extents, log.open[0].length).unwrap();
    assert_eq!(NAMING.content(&bytes), log.open[0].blake3);
    // What is missing and stays missing is found nowhere.
    logs.iter().for_each(|log| disk.remove(&format!("{log}/3")).unwrap());
    odd.late.lock().unwrap().clone_from(&as_they_were);
    let claimed = pieces::of_point(&repository, &events, log, "point").unwrap().pop().unwrap();
    assert!(claimed.entry.is_none());
}

#[test]
fn a_signal_ends_it_between_blocks_and_leaves_nothing_that_counts() {
    let disk = new();
    let first = back_up_on(&disk, 1).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    session.set_interrupt(Arc::clone(&stop));
    session.put(PackKind::Tail, noise(77, 100)).unwrap();
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(session.barrier(), Err(Error::Interrupted)));
    drop(session);
    check(&repository, &[first]).unwrap();
    back_up(&repository, 2).unwrap();
}

#[test]
fn leftovers_in_staging_go_with_the_next_writer() {
    let disk = new();
    disk.create_new("staging/1.new").unwrap().write_all(b"half").unwrap();
    disk.create_new("staging/other").unwrap();
    drop(open(&disk).unwrap());
    assert_eq!(disk.list("staging").unwrap().len(), 2, "a reader removes nothing");
    drop(open(&disk).unwrap().session().unwrap());
    assert_eq!(disk.list("staging").unwrap(), []);
}

#[test]
fn a_chunk_in_two_packs_survives_damage_in_one() {
    let disk = new();
    let id = store(&disk, PackKind::Tail, &[noise(1, 1000)])[0];
    let first = packs(&disk).remove(0);
    // An act calls the pack damaged: the chunk is written again, beside another one, so that the packs differ.
    act(&disk, Deed::Damaged { packs: vec![id_of(&first)] });
    store(&disk, PackKind::Tail, &[noise(2, 1000), noise(1, 1000)]);
    assert_eq!(packs(&disk).len(), 2);
    for damaged in packs(&disk) {
        let disk = disk.reboot(crate::support::crash_disk::Image::ProcessKilled);
        disk.damage(&damaged, |bytes| bytes[600] ^= 1);
        assert_eq!(*open(&disk).unwrap().chunk(id).unwrap(), noise(1, 1000));
        disk.remove(&damaged).unwrap();
        assert_eq!(*open(&disk).unwrap().chunk(id).unwrap(), noise(1, 1000));
    }
}

fn act(disk: &CrashDisk, deed: Deed) {
    let repository = open(disk).unwrap();
    repository.session().unwrap().publish_act(Moment(1), deed).unwrap();
}

#[test]
fn damaged_and_missing_chunks_are_told_apart() {
    let disk = new();
    let id = store(&disk, PackKind::Tail, &[noise(1, 1000)])[0];
    let pack = packs(&disk).remove(0);
    let repository = open(&disk).unwrap();
    disk.damage(&pack, |bytes| bytes[600] ^= 1);
    assert!(matches!(repository.chunk(id), Err(Error::ChunkDamaged { chunk, .. }) if chunk == id));
    disk.remove(&pack).unwrap();
    assert!(matches!(repository.chunk(id), Err(Error::Missing { .. })));
    assert!(matches!(open(&disk).unwrap().chunk(id), Err(Error::ChunkMissing { chunk }) if chunk == id));
}

#[test]
fn a_reader_finds_what_was_moved_while_it_runs() {
    let disk = new();
    let id = store(&disk, PackKind::Tail, &[noise(1, 1000)])[0];
    let pack = packs(&disk).remove(0);
    let reader = open(&disk).unwrap();
    // What a prune does, in short: the chunk is written to another pack, the first one goes.
    act(&disk, Deed::Dead { packs: vec![id_of(&pack)] });
    store(&disk, PackKind::Tail, &[noise(1, 1000), noise(2, 1000)]);
    disk.remove(&pack).unwrap();
    assert_eq!(*reader.chunk(id).unwrap(), noise(1, 1000));
}

#[test]
fn many_readers_at_once_find_what_was_moved() {
    use rayon::prelude::*;
    let disk = new();
    let chunks: Vec<Vec<u8>> = (0..64).map(|seed| noise(seed, 1000)).collect();
    let mut ids = Vec::new();
    for some in chunks.chunks(4) {
        ids.extend(store(&disk, PackKind::Tail, some));
    }
    let reader = open(&disk).unwrap();
    let old = packs(&disk);
    act(&disk, Deed::Dead { packs: old.iter().map(|pack| id_of(pack)).collect() });
    for some in chunks.chunks(7) {
        store(&disk, PackKind::Tail, some);
    }
    old.iter().for_each(|pack| disk.remove(pack).unwrap());
    ids.par_iter().zip(&chunks).for_each(|(id, bytes)| assert_eq!(*reader.chunk(*id).unwrap(), *bytes));
}

#[test]
fn a_pack_that_was_found_is_read_through_before_it_is_built_upon() {
    let disk = new();
    store(&disk, PackKind::Tail, &[noise(1, 1000), noise(2, 1000)]);
    let pack = packs(&disk).remove(0);
    // Its directory is good, and so is the chunk that is asked for; but its other block is not what was written.
    disk.damage(&pack, |bytes| bytes[1500] ^= 1);
    assert!(is_new(&mut open(&disk).unwrap().session().unwrap(), &noise(1, 1000)));
}

#[test]
fn packs_that_an_act_speaks_against_are_not_built_upon() {
    for deed in
        [|packs| Deed::Dead { packs }, |packs| Deed::Damaged { packs }] as [fn(Vec<PackId>) -> Deed; 2]
    {
        let disk = new();
        store(&disk, PackKind::Tail, &[noise(1, 1000)]);
        let pack = id_of(&packs(&disk)[0]);
        assert!(!is_new(&mut open(&disk).unwrap().session().unwrap(), &noise(1, 1000)));
        act(&disk, deed(vec![pack]));
        assert!(is_new(&mut open(&disk).unwrap().session().unwrap(), &noise(1, 1000)));
    }
}

#[test]
fn with_an_act_that_cannot_be_read_no_pack_is_built_upon() {
    let disk = new();
    store(&disk, PackKind::Tail, &[noise(1, 1000)]);
    act(&disk, Deed::Verified { packs: Vec::new() });
    disk.damage("acts/1.json", |bytes| bytes.truncate(9));
    assert!(is_new(&mut open(&disk).unwrap().session().unwrap(), &noise(1, 1000)));
}

#[test]
fn a_pack_is_asked_itself_before_it_is_built_upon() {
    let disk = new();
    store(&disk, PackKind::Tail, &[noise(1, 1000)]);
    let pack = packs(&disk).remove(0);
    for harm in [
        |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(500),
        |bytes: &mut Vec<u8>| bytes.fill(0),
    ] {
        let disk = disk.reboot(crate::support::crash_disk::Image::ProcessKilled);
        let repository = open(&disk).unwrap();
        let mut session = repository.session().unwrap();
        // Behind the index's back.
        disk.damage(&pack, harm);
        assert!(is_new(&mut session, &noise(1, 1000)));
    }
}

#[test]
fn a_pack_that_is_there_already_is_read_before_it_is_used() {
    let disk = new();
    let id = store(&disk, PackKind::Tail, &[noise(1, 1000)])[0];
    let pack = packs(&disk).remove(0);
    act(&disk, Deed::Verified { packs: Vec::new() });
    // Nothing is built upon where an act can't be read: the same pack again.
    disk.damage("acts/1.json", |bytes| bytes.truncate(9));
    assert_eq!(store(&disk, PackKind::Tail, &[noise(1, 1000)]), [id]);
    assert_eq!(packs(&disk).len(), 1);
    assert_eq!(disk.list("staging").unwrap(), []);
    disk.damage(&pack, |bytes| bytes[600] ^= 1);
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    session.put(PackKind::Tail, noise(1, 1000)).unwrap();
    let _ = session.barrier().unwrap();
    assert_eq!(
        session.mended().collect::<Vec<_>>(),
        [&disk.display(&pack)],
        "its name proves what belongs there"
    );
    assert!(disk.files().iter().any(|path| path.starts_with("damaged/packs-")));
}

#[test]
fn what_was_in_a_damaged_pack_is_stored_again_under_another_name() {
    let disk = new();
    let id = store(&disk, PackKind::Tail, &[noise(1, 1000)])[0];
    let pack = packs(&disk).remove(0);
    disk.damage(&pack, |bytes| bytes[600] ^= 1);
    act(&disk, Deed::Damaged { packs: vec![id_of(&pack)] });
    assert_eq!(store(&disk, PackKind::Tail, &[noise(1, 1000)]), [id]);
    assert_eq!(packs(&disk).len(), 2);
    assert_eq!(*open(&disk).unwrap().chunk(id).unwrap(), noise(1, 1000));
}

/// Its name proves the bytes that are written there.
#[test]
fn a_damaged_page_that_is_put_again_is_whole_again_and_what_stood_there_is_kept() {
    let disk = new();
    let first = back_up_on(&disk, 1).unwrap();
    let root = open(&disk).unwrap().newest_record(&key(Store::Events)).unwrap().unwrap().state.root;
    let (page, entries) = (paths::page(root), open(&disk).unwrap().tree(root).unwrap());
    let whole = disk.read(&page, 1 << 20).unwrap();
    disk.damage(&page, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let damaged = disk.read(&page, 1 << 20).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    assert_eq!(session.put_tree(&entries).unwrap(), root);
    assert_eq!(session.mended().collect::<Vec<_>>(), [&disk.display(&page)]);
    assert_eq!(disk.read(&page, 1 << 20).unwrap(), whole);
    let kept = disk.files().into_iter().find(|path| path.starts_with("damaged/pages-")).unwrap();
    assert_eq!(disk.read(&kept, 1 << 20).unwrap(), damaged);
    drop(session);
    check(&repository, &[first]).unwrap();
}

#[test]
fn nothing_is_put_back_but_what_name_and_neighbours_prove() {
    let (disk, other) = (new(), new());
    for (disk, backup) in [(&disk, 1), (&disk, 2), (&other, 2), (&other, 3)] {
        back_up_on(disk, backup).unwrap();
    }
    let before = disk.files();
    let repository = open(&disk).unwrap();
    let points = NumberedRow::Points;
    for number in [1, 2] {
        let read = |disk: &CrashDisk| disk.read(&paths::point(number), 1 << 20).unwrap();
        let put = |bytes| repository.session().unwrap().mend_numbered(&points, number, bytes);
        assert!(matches!(put(&read(&other)), Err(Error::Rule { .. })), "point {number} of another one");
        assert_eq!(disk.files(), before);
        assert!(repository.is_undoubted(&points, number));
        assert!(repository.is_vouched_for(&points, number, &read(&disk)));
    }
    let put = repository.session().unwrap().mend_page(PageId([0; 32]), &noise(1, 10));
    assert!(matches!(put, Err(Error::Rule { .. })));
    assert_eq!(disk.files(), before);
}

#[test]
fn a_damaged_page_that_a_cut_short_run_left_is_no_hindrance() {
    for damage in [|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1, |bytes: &mut Vec<u8>| bytes.clear()]
    {
        let disk = new();
        let first = back_up_on(&disk, 1).unwrap();
        let before = disk.files();
        let repository = open(&disk).unwrap();
        let mut session = repository.session().unwrap();
        let pages = |disk: &CrashDisk| {
            disk.files().into_iter().filter(|path| path.starts_with("pages/")).collect::<Vec<_>>()
        };
        model::put_only(&mut session, 2).unwrap();
        drop(session);
        drop(repository);
        let left: Vec<_> = pages(&disk).into_iter().filter(|page| !before.contains(page)).collect();
        assert!(!left.is_empty());
        left.iter().for_each(|page| disk.damage(page, damage));
        let second = back_up_on(&disk, 2).unwrap();
        check(&open(&disk).unwrap(), &[first, second]).unwrap();
        let kept = disk.files().into_iter().filter(|path| path.starts_with("damaged/pages-")).count();
        assert_eq!(kept, left.len());
    }
}

#[test]
fn a_pack_that_can_not_be_synced_is_not_built_upon() {
    let disk = new();
    let chunk = store(&disk, PackKind::Tail, &[noise(1, 100)])[0];
    let odd = OddDisk { unsyncable: Some("packs/"), told_once: Some(Arc::default()), ..OddDisk::of(&disk) };
    for (is_known, repository) in [(false, open(&odd).unwrap()), (true, open(&disk).unwrap())] {
        // The second session of a run would be told that it is synced.
        for _ in 0..2 {
            assert_eq!(repository.session().unwrap().knows(chunk).unwrap(), is_known);
        }
    }
}

#[test]
fn what_was_copied_here_is_synced_before_anything_is_built_upon_it() {
    let other = new();
    let first = back_up_on(&other, 1).unwrap();
    let disk = CrashDisk::default();
    copy_without_syncs(&other, &disk, "");
    let second = back_up_on(&disk, 2).unwrap();
    let after = disk.reboot(crate::support::crash_disk::Image::OnlySynced);
    check(&open(&after).unwrap(), &[first, second]).unwrap();
}

fn copy_without_syncs(from: &CrashDisk, to: &CrashDisk, only: &str) {
    for path in from.files().iter().filter(|path| path.starts_with(only)) {
        for (at, _) in path.match_indices('/') {
            to.create_directory(&path[..at]).unwrap();
        }
        let bytes = from.read(path, 1 << 20).unwrap();
        to.create_new(path).unwrap().write_all(&bytes).unwrap();
    }
}

#[test]
fn files_that_appear_meanwhile_are_synced_before_they_count() {
    let other = new();
    back_up_on(&other, 1).unwrap();
    let disk = new();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    // Somebody copies the very packs and pages of this backup into the repository, and syncs nothing.
    copy_without_syncs(&other, &disk, "pa");
    let (records, body) = model::prepare(&mut session, 1).unwrap();
    let point = session.publish_point(records, body).unwrap().point;
    let after = disk.reboot(crate::support::crash_disk::Image::OnlySynced);
    check(&open(&after).unwrap(), &[point]).unwrap();
}

#[test]
fn a_damaged_record_is_named() {
    let disk = new();
    back_up_on(&disk, 1).unwrap();
    let record = disk.files().into_iter().find(|path| path.starts_with("logs/")).unwrap();
    disk.damage(&record, |bytes| *bytes.last_mut().unwrap() ^= 1);
    match open(&disk).unwrap().logs() {
        Err(Error::Damaged { path, .. }) => assert!(path.ends_with(&record), "{path}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_of_which_any_byte_was_changed_is_named() {
    let disk = new();
    back_up_on(&disk, 1).unwrap();
    let repository = open(&disk).unwrap();
    let root = repository.newest_record(&key(Store::Events)).unwrap().unwrap().state.root;
    let page = paths::page(root);
    for at in 0..usize::try_from(disk.length(&page).unwrap()).unwrap() {
        disk.damage(&page, |bytes| bytes[at] ^= 1);
        match repository.tree(root) {
            Err(Error::Damaged { path, .. }) => assert!(path.ends_with(&page), "{path}"),
            other => panic!("byte {at}: {other:?}"),
        }
        disk.damage(&page, |bytes| bytes[at] ^= 1);
    }
    assert!(repository.tree(root).is_ok());
}

#[test]
fn chunks_are_neither_empty_nor_too_long() {
    let disk = new();
    for length in [0, (24 << 20) + 1] {
        let repository = open(&disk).unwrap();
        let refused = repository.session().unwrap().put(PackKind::Tail, vec![0; length]);
        assert!(matches!(refused, Err(Error::Rule { .. })));
    }
}

/// As on storage that refuses to overwrite and to delete.
#[test]
fn nothing_that_is_published_is_ever_removed_or_replaced_but_by_who_deletes() {
    let disk = CrashDisk::default();
    let odd = OddDisk { keeps_all: true, ..OddDisk::of(&disk) };
    Repository::init(&odd, &config()).unwrap();
    let mut before: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for backup in 1..=4 {
        back_up_on(&odd, backup).unwrap();
        let repository = open(&odd).unwrap();
        let point = repository.journal().unwrap().points[0].reference();
        let mut session = repository.session().unwrap();
        session
            .publish_act(Moment(1), Deed::Forgotten { points: vec![point], reason: "test".to_owned() })
            .unwrap();
        for (path, bytes) in &before {
            assert!(disk.read(path, u64::MAX).unwrap() == *bytes, "{path}");
        }
        let files = disk.files().into_iter().filter(|path| !path.starts_with("staging/"));
        before = files.map(|path| (path.clone(), disk.read(&path, u64::MAX).unwrap())).collect();
    }
    check(&open(&disk).unwrap(), &[]).unwrap();
}

#[test]
fn a_tree_of_many_entries_comes_back_and_shares_its_pages() {
    let disk = new();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let extent = Extent { chunk: session.put(PackKind::Sealed, noise(1, 10)).unwrap(), length: 10 };
    let entries: Vec<_> =
        (0..2000).map(|number| entry(number * 5, &noise(1, 10), vec![extent], End::Rolled, 5)).collect();
    let root = session.put_tree(&entries).unwrap();
    let pages = disk.files().iter().filter(|path| path.starts_with("pages/")).count();
    assert!(pages > 16, "{pages}");
    session.put_tree(&entries[..1999]).unwrap();
    let more = disk.files().iter().filter(|path| path.starts_with("pages/")).count();
    assert!(more <= pages + 3, "{more} {pages}");
    assert_eq!(repository.tree(root).unwrap(), entries);
    let page = disk.files().into_iter().find(|path| path.starts_with("pages/")).unwrap();
    disk.damage(&page, |bytes| bytes[40] ^= 1);
    drop(session);
    // Nothing that is published needs it yet.
    assert_eq!(repository.session().unwrap().put_tree(&entries).unwrap(), root);
    assert_eq!(repository.tree(root).unwrap(), entries);
    let mut session = repository.session().unwrap();
    let backwards: Vec<_> = entries.iter().rev().cloned().collect();
    assert!(matches!(session.put_tree(&backwards), Err(Error::Rule { .. })));
}

/// All files are counted once: what lies in `damaged/` is one kind of them.
#[test]
fn status_lists_what_was_put_aside_once() {
    for growth in [false, true] {
        let disk = new();
        back_up_on(&disk, 1).unwrap();
        disk.create_directory(paths::DAMAGED).unwrap();
        for name in ["a", "b"] {
            disk.create_new(&format!("{}/{name}", paths::DAMAGED)).unwrap().write_all(b"x").unwrap();
        }
        let listed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&listed);
        let mut odd = OddDisk::of(&disk);
        odd.before_list = Some(Arc::new(move |path: &str| {
            count.fetch_add(u32::from(path == paths::DAMAGED), Ordering::Relaxed);
        }));
        let repository = open(&odd).unwrap();
        let rest = listed.load(Ordering::Relaxed);
        repository.journal().unwrap();
        let of_journal = listed.load(Ordering::Relaxed) - rest;
        let options = look(growth);
        let before = listed.load(Ordering::Relaxed);
        assert_eq!(status(&repository, &options).unwrap().repository.aside_files, 2);
        assert_eq!(listed.load(Ordering::Relaxed) - before, of_journal + 1);
    }
}

/// What status says that the newest complete point of the only source lacks.
fn lacks(repository: &Repository) -> Option<String> {
    status(repository, &look(false)).unwrap().sources.remove(0).lacks
}

fn look(growth: bool) -> StatusOptions {
    let limits = Limits { max_age_ms: 1, max_verify_age_ms: 1, max_drill_age_ms: 1 };
    StatusOptions { now: Moment(1), source: None, limits, heads: BTreeMap::new(), free: None, growth }
}

/// An index in memory, or in a user's cache directory, learns of packs when it is opened.
#[test]
fn status_calls_nothing_lost_that_a_backup_stored_since_it_began() {
    let disk = new();
    back_up_on(&disk, 1).unwrap();
    let repository = open(&disk).unwrap();
    back_up_on(&disk, 2).unwrap();
    assert_eq!(lacks(&repository), None);
}
