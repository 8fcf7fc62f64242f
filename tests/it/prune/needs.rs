//! What is needed, kind by kind; and what a pack that goes has to have elsewhere, and where that is read back.

use super::lab::*;
use crate::store::model::{back_up_forked, check, config, entry, key, noise, open, prepare, put_all};
use crate::store::odd_disk::OddDisk;
use crate::support::crash_disk::{CrashDisk, Image};
use segvault::axon::name::Store;
use segvault::engine;
use segvault::engine::content;
use segvault::engine::observe::{Event, Observer, Unobserved};
use segvault::engine::prune;
use segvault::engine::verify::{self, VerifyOptions};
use segvault::repo::disk::Disk;
use segvault::repo::format::act::Deed;
use segvault::repo::format::entry::{End, SegmentEntry, decode_extents, encode_extents};
use segvault::repo::format::id::ChunkId;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{Content, ControlDb};
use segvault::repo::format::record::{LogState, Record};
use segvault::repo::paths;
use segvault::repo::store::{Alone, Neighbours, OpenOptions, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Marked and deleted, as often as there is something to do.
fn prune_all(disk: &CrashDisk) {
    for day in 1..5 {
        prune_at(disk, day * DAY, 0).unwrap();
    }
}

#[test]
fn a_zip_that_is_kept_as_it_is_stays_with_its_point() {
    let (disk, points) = lab(2);
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = noise(88, 3000);
    let list = encode_extents(&put_all(&mut session, PackKind::ControlDb, &bytes).unwrap());
    let zip = Content {
        length: bytes.len() as u64,
        blake3: config().naming.content(&bytes),
        list: session.put(PackKind::ControlDb, list).unwrap(),
    };
    let (records, mut body) = prepare(&mut session, 3).unwrap();
    let name = "controldb1.zip".to_owned();
    body.control_db = ControlDb::Zip { entry: "controldb.mv.db".to_owned(), name, zip: zip.clone() };
    let _ = session.publish_point(records, body).unwrap();
    drop(repository);
    forget(&disk, &points, 0);
    prune_all(&disk);
    content::stream(&open(&disk).unwrap(), &zip, &mut |_| Ok(())).unwrap();
}

/// One more record of the events, of whose sealed segments something is changed.
fn with_tree<T>(disk: &CrashDisk, change: impl FnOnce(&mut Session<'_>, &mut Vec<SegmentEntry>) -> T) -> T {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let state = repository.newest_record(&key(Store::Events)).unwrap().unwrap().state;
    let mut sealed = repository.tree(state.root).unwrap();
    let changed = change(&mut session, &mut sealed);
    let state = LogState { root: session.put_tree(&sealed).unwrap(), ..state };
    let durable = session.barrier().unwrap();
    let _ = session.publish_records(durable, vec![(state, Vec::new())]).unwrap();
    changed
}

#[test]
fn the_time_maps_of_segments_stay_with_them() {
    let (disk, points) = lab(2);
    let map = with_tree(&disk, |session, sealed| {
        let map = session.put(PackKind::Sealed, noise(99, 300)).unwrap();
        sealed[0].time_map = Some(map);
        map
    });
    forget(&disk, &points[..1], 0);
    prune_all(&disk);
    assert!(open(&disk).unwrap().chunk(map).is_ok());
}

/// A record that is well in itself, and none of this history: what it should have held is not known.
#[test]
fn nothing_is_deleted_beside_a_record_that_the_one_behind_it_does_not_know() {
    let (disk, points) = lab(4);
    forget(&disk, &points[..3], 0);
    let path = paths::record(&key(Store::Events), 3);
    disk.damage(&path, |bytes| {
        let record = Record::decode(bytes).unwrap();
        let state = LogState { tails: Vec::new(), ..record.state };
        *bytes = Record { state, ..record }.encode();
    });
    let files = disk.files();
    let refused = prune_at(&disk, 9 * DAY, 0).unwrap_err();
    assert!(refused.to_string().contains("holds another hash of it"), "{refused}");
    assert_eq!(disk.files(), files);
}

#[test]
fn a_marked_pack_stays_while_nobody_knows_what_it_holds() {
    let (disk, _) = lab(3);
    let pack = needed_pack(&disk);
    copy_of(&disk, &pack);
    act(&disk, 0, Deed::Dead { packs: vec![id_of(&pack)] });
    disk.damage(&pack, |bytes| {
        let footer = bytes.len() - 20;
        bytes[footer] ^= 1;
    });
    let report = delete_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!((report.packs.files, report.kept.len()), (0, 1));
    assert!(report.kept[0].why.contains("nobody knows what it holds"), "{:?}", report.kept);
    assert!(disk.files().contains(&pack));
}

/// A pack that can't be emptied stays, and that is told; the others are written anew all the same.
#[test]
fn a_pack_of_which_something_needed_can_not_be_read_stays_and_that_is_told() {
    let (disk, _) = lab(20);
    let pack = needed_pack(&disk);
    let middle = disk.length(&pack).unwrap() / 2;
    disk.damage(&pack, |bytes| bytes[middle as usize] ^= 1);
    let (mark, _) = prune_at(&disk, DAY, 0).unwrap();
    let skipped: Vec<&str> = mark.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, [format!("memory:{pack}")]);
    assert!(mark.repacked_packs > 0, "{mark:?}");
    assert!(!marked(&disk).contains(&pack));
}

#[test]
fn a_pack_whose_directory_can_not_be_read_is_told_though_nothing_needs_it() {
    let (disk, _) = lab(3);
    let copy = copy_of(&disk, &needed_pack(&disk));
    disk.damage(&copy, |bytes| {
        let footer = bytes.len() - 20;
        bytes[footer] ^= 1;
    });
    let (mark, _) = prune_at(&disk, DAY, 0).unwrap();
    let skipped: Vec<&str> = mark.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, [format!("memory:{copy}")]);
    assert!(mark.skipped[0].why.contains("its directory can't be read"), "{:?}", mark.skipped);
}

/// Who waits for a backup has to know that none ever comes.
#[test]
fn a_claim_that_no_backup_can_make_whole_any_more_asks_for_its_point_to_be_forgotten() {
    let (disk, points) = lab(3);
    let record = paths::record(&key(Store::Events), 3);
    let repository = open(&disk).unwrap();
    repository.session().unwrap().give_up(Moment(0), (&[record], &[]), "a test").unwrap();
    drop(repository);
    let refused = || prune_at(&disk, DAY, 0).unwrap_err().to_string();
    assert!(
        refused().contains("point 3 needs it until a backup of its source makes another"),
        "{}",
        refused()
    );
    back_up_forked(&disk).unwrap();
    let why = refused();
    let said = "point 3 needs it, and no backup makes another, since its source has gone on as default@2";
    assert!(why.contains(said) && why.contains("forget that point"), "{why}");
    forget(&disk, &points[2..], 0);
    prune_at(&disk, DAY, 0).unwrap();
}

#[test]
fn a_pack_that_an_act_calls_damaged_is_no_copy_to_rely_on() {
    let (disk, _) = lab(3);
    let pack = needed_pack(&disk);
    let copy = copy_of(&disk, &pack);
    act(&disk, 0, Deed::Dead { packs: vec![id_of(&pack)] });
    act(&disk, 0, Deed::Damaged { packs: vec![id_of(&copy)] });
    let report = delete_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!((report.packs.files, report.kept.len()), (0, 1));
    assert!(report.kept[0].why.contains("lie in no pack that stays"), "{:?}", report.kept);
}

/// Writes chunks once more, all in one block of one pack; gives its file.
fn written_again(disk: &CrashDisk, chunks: &[ChunkId]) -> String {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    for chunk in chunks {
        let bytes = repository.chunk(*chunk).unwrap().to_vec();
        session.put_again(Ok(Neighbours::ControlDb), *chunk, bytes).unwrap();
    }
    let _ = session.barrier().unwrap();
    let written: Vec<String> = session.written().map(paths::pack).collect();
    assert_eq!(written.len(), 1);
    written[0].clone()
}

/// The chunks of a control database, and the list of them.
fn chunks_of(bytes: &[u8], list: &[u8]) -> Vec<ChunkId> {
    let extents = decode_extents(list, bytes.len() as u64).unwrap();
    let names = extents.iter().map(|extent| extent.chunk);
    names.chain([config().naming.chunk(list)]).collect()
}

fn pack_with(disk: &CrashDisk, chunk: ChunkId) -> String {
    paths::pack(open(disk).unwrap().index().places(chunk).unwrap()[0].pack)
}

/// A power loss would take what could not be synced.
#[test]
fn a_copy_that_can_not_be_synced_is_no_copy_to_rely_on() {
    let (disk, _) = lab(3);
    let pack = needed_pack(&disk);
    copy_of(&disk, &pack);
    act(&disk, 0, Deed::Dead { packs: vec![id_of(&pack)] });
    for told_once in [None, Some(Arc::default())] {
        let odd = OddDisk { unsyncable: Some("packs/"), told_once, ..OddDisk::of(&disk) };
        let alone = Alone::open(Arc::new(odd), OpenOptions::default()).unwrap();
        let report = prune::delete(&alone, &options(0), &At(2 * DAY)).unwrap();
        assert_eq!((report.packs.files, report.kept.len()), (0, 1));
        assert!(report.kept[0].why.contains("can't be read back"), "{:?}", report.kept);
    }
}

/// Its number must not be used again, whatever acts say of it; and what stands under a number is gone only if it is what an act names.
#[test]
fn of_points_that_are_gone_the_newest_stays_and_a_file_that_is_none_of_them() {
    let (disk, points) = lab(3);
    act(&disk, 0, Deed::Gone { points });
    disk.damage("points/1.json", |bytes| bytes.push(b' '));
    assert_eq!(delete_at(&disk, DAY, 0).unwrap().points.files, 1);
    assert_eq!(numbers(&disk, "points"), [1, 3]);
}

/// Two packs are marked whose chunks lie together in one block of a pack that stays: it is read once, and what was found counts for both.
#[test]
fn none_of_several_packs_goes_whose_chunks_share_a_damaged_copy() {
    let disk = lab(0).0;
    let databases = [noise(71, 2000), noise(72, 2000)];
    let (mut chunks, mut packs, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (backup, bytes) in (1..).zip(&databases) {
        let (point, list) = back_up_database(&disk, backup, bytes);
        points.push(point);
        chunks.extend(chunks_of(bytes, &list));
        packs.push(pack_with(&disk, *chunks.last().unwrap()));
    }
    let copy = written_again(&disk, &chunks);
    act(&disk, 0, Deed::Dead { packs: packs.iter().map(|pack| id_of(pack)).collect() });
    let whole = disk.reboot(Image::ProcessKilled);
    let middle = disk.length(&copy).unwrap() / 2;
    disk.damage(&copy, |bytes| bytes[middle as usize] ^= 1);
    let report = delete_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!(report.kept.iter().filter(|kept| kept.why.contains("can't be read back")).count(), 2);
    check(&open(&disk).unwrap(), &points).unwrap();
    // As it was, they go.
    assert_eq!(delete_at(&whole, 2 * DAY, 0).unwrap().packs.files, 2);
    check(&open(&whole).unwrap(), &points).unwrap();
}

/// Two copies: one is marked, too, and good, the other stays, and is damaged. It is the one that stays that has to be read.
#[test]
fn a_copy_that_is_marked_itself_stands_for_none_that_stays() {
    // Whichever of them has the first name.
    for seed in 0..4 {
        let disk = lab(0).0;
        let bytes = noise(200 + seed, 2000);
        let (point, list) = back_up_database(&disk, 1, &bytes);
        let mut chunks = chunks_of(&bytes, &list);
        let first = pack_with(&disk, chunks[0]);
        let marked = written_again(&disk, &chunks);
        chunks.reverse();
        let stays = written_again(&disk, &chunks);
        act(&disk, 0, Deed::Dead { packs: vec![id_of(&first), id_of(&marked)] });
        let middle = disk.length(&stays).unwrap() / 2;
        disk.damage(&stays, |bytes| bytes[middle as usize] ^= 1);
        let report = delete_at(&disk, 2 * DAY, 0).unwrap();
        assert_eq!(report.kept.iter().filter(|kept| kept.why.contains("can't be read back")).count(), 2);
        assert_eq!(report.unproven, report.kept);
        check(&open(&disk).unwrap(), &[point]).unwrap();
    }
}

#[test]
fn a_tree_is_followed_into_all_its_pages() {
    let (disk, points) = lab(2);
    with_tree(&disk, |session, sealed| {
        for number in 0..300 {
            let bytes = noise(500 + number, 40);
            let extents = put_all(session, PackKind::Sealed, &bytes).unwrap();
            sealed.push(entry(500_000 + number, &bytes, extents, End::Rolled, 1));
        }
    });
    forget(&disk, &points[..1], 0);
    prune_all(&disk);
    whole_logs(&disk);
}

/// Old records go though nothing else does: a reader that misses them must learn that they were deleted.
#[test]
fn what_only_deletes_old_records_says_so() {
    let (disk, points) = lab(4);
    act(&disk, 0, Deed::Held { point: points[0], reason: "says nothing of it".to_owned(), until: None });
    let report = delete_at(&disk, DAY, 0).unwrap();
    assert!(report.records.files > 0 && report.packs.files == 0 && report.gone.is_empty(), "{report:?}");
    let report = verify::verify(&open(&disk).unwrap(), &VerifyOptions::default(), &Unobserved).unwrap();
    let of_records: Vec<_> =
        report.findings.iter().filter(|found| found.what.starts_with("record")).collect();
    assert!(of_records.is_empty(), "{of_records:?}");
}

/// Somebody who presses Ctrl-C when files begin to go.
#[derive(Default)]
struct Hasty(AtomicBool);

impl Observer for Hasty {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Phase { name: "deleting", .. }) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_deletion_that_is_interrupted_is_not_told_as_done() {
    let (disk, _) = lab(4);
    let stopped = prune::delete(&alone(&disk).unwrap(), &options(0), &Hasty::default());
    assert!(matches!(stopped, Err(engine::Error::Interrupted)), "{stopped:?}");
    assert!(delete_at(&disk, DAY, 0).unwrap().records.files > 0);
}

/// The mark of one that does not write, beside the one that does, is an act like all others.
#[test]
fn a_mark_beside_a_writer_survives_a_power_loss() {
    let (disk, _) = lab(2);
    let pack = id_of(&needed_pack(&disk));
    let repository = open(&disk).unwrap();
    let number = repository.publish_mark(Moment(1), vec![pack]).unwrap();
    drop(repository);
    let journal = open(&disk.reboot(Image::OnlySynced)).unwrap().journal().unwrap();
    assert!(journal.unreadable.is_empty(), "{:?}", journal.unreadable);
    assert_eq!(journal.acts.last().map(|act| act.number), Some(number));
}
