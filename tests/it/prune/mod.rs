//! Deleting: what a point that stays or a log needs is never removed, whatever crashes; what nothing needs goes.

mod full;
pub mod lab;
mod life;
mod needs;
mod program;

use crate::store::model::{back_up_on, check, config, key, noise, open, prepare};
use crate::store::odd_disk::OddDisk;
use crate::support::clock::Ticks;
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use lab::*;
use segvault::axon::name::Store;
use segvault::engine;
use segvault::engine::observe::Unobserved;
use segvault::engine::prune::{self, PruneOptions};
use segvault::engine::verify::{self, Class, VerifyOptions};
use segvault::repo;
use segvault::repo::codec::Compression;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::Deed;
use segvault::repo::format::id::PackId;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::record::{LogKey, LogState};
use segvault::repo::store::{Alone, Effort, OpenOptions, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[test]
fn two_runs_delete_what_nothing_needs_and_no_run_before_the_grace_is_over() {
    let (disk, points) = lab(6);
    forget(&disk, &points[..4], 0);
    let before = disk.files();
    let first = prune_at(&disk, DAY, 0).unwrap();
    assert!(first.0.marked_packs > 0);
    assert_eq!(first.1.gone, [1, 2, 3, 4], "forgotten a day ago");
    assert_eq!(first.1.packs.files, 0, "marked just now");
    let marked = disk.files();
    let early = prune_at(&disk, DAY + DAY - 1, DAY).unwrap();
    assert!(early.1.is_empty(), "{early:?}");
    assert_eq!(without_acts(&disk.files()), without_acts(&marked));
    let second = prune_at(&disk, 2 * DAY, DAY).unwrap();
    assert!(second.1.packs.files > 0);
    assert!(disk.files().len() < before.len());
    check(&open(&disk).unwrap(), &points[4..]).unwrap();
    whole_logs(&disk);
    assert_eq!(numbers(&disk, "points"), [5, 6]);
    let after = disk.files();
    let third = prune_at(&disk, 9 * DAY, DAY).unwrap();
    let fourth = prune_at(&disk, 19 * DAY, DAY).unwrap();
    assert_eq!(fourth.0.marked_packs + fourth.1.packs.files, 0, "{third:?} {fourth:?}");
    assert!(disk.files().len() <= after.len());
    // The history goes on, and comes back after a power loss.
    let next = back_up_on(&disk, 7).unwrap();
    assert_eq!(next.number, 7);
    check(&open(&disk.reboot(Image::OnlySynced)).unwrap(), &[points[4], points[5], next]).unwrap();
}

#[test]
fn that_one_of_the_two_newest_records_is_missing_is_damage_after_a_prune_too() {
    let (disk, points) = lab(4);
    forget(&disk, &points[..2], 0);
    prune_at(&disk, DAY, 0).unwrap();
    prune_at(&disk, 2 * DAY, 0).unwrap();
    let missing = || {
        let report = verify::verify(&open(&disk).unwrap(), &VerifyOptions::default(), &Unobserved).unwrap();
        let of_records = report.findings.into_iter().filter(|finding| finding.what == "record");
        of_records.map(|finding| (finding.class, finding.path.unwrap())).collect::<Vec<_>>()
    };
    let records = || disk.files().into_iter().filter(|file| file.starts_with("logs/")).collect::<Vec<_>>();
    let before = records().into_iter().find(|file| file.ends_with("/3")).unwrap();
    assert!(!records().iter().any(|file| file.ends_with("/2")), "older ones were deleted");
    assert_eq!(missing(), []);
    disk.remove(&before).unwrap();
    assert_eq!(missing(), [(Class::Damage, format!("memory:{before}"))]);
    assert!(prune_at(&disk, 3 * DAY, 0).is_err(), "a prune refuses for the same reason");
}

#[test]
fn a_dry_run_says_what_the_deed_does_and_does_nothing() {
    let (disk, points) = lab(5);
    forget(&disk, &points[..3], 0);
    let files = disk.files();
    let plan = prune::plan(&open(&disk).unwrap(), &options(0), &At(DAY)).unwrap();
    assert_eq!(disk.files(), files);
    let (mark, delete) = prune_at(&disk, DAY, 0).unwrap();
    assert_eq!((plan.mark.marked_packs, plan.mark.dead_bytes), (mark.marked_packs, mark.dead_bytes));
    assert_eq!((plan.delete.gone.clone(), plan.delete.points), (delete.gone.clone(), delete.points));
    let plan = prune::plan(&open(&disk).unwrap(), &options(0), &At(2 * DAY)).unwrap();
    let (_, delete) = prune_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!(plan.delete.bytes(), delete.bytes());
    assert!(delete.bytes() > 0);
}

#[test]
fn the_newest_point_a_held_one_and_one_remembered_in_time_stay() {
    let (disk, points) = lab(4);
    forget(&disk, &points, 0);
    act(&disk, 0, Deed::Held { point: points[1], reason: "late".to_owned(), until: None });
    act(&disk, 0, Deed::Remembered { points: vec![points[2]] });
    for day in 1..4 {
        prune_at(&disk, day * DAY, 0).unwrap();
    }
    assert_eq!(numbers(&disk, "points"), [2, 3, 4]);
    act(&disk, 0, Deed::Remembered { points: points.clone() });
    check(&open(&disk).unwrap(), &points[1..]).unwrap();
    assert_eq!(back_up_on(&disk, 5).unwrap().number, 5);
}

#[test]
fn the_grace_begins_anew_when_a_point_is_forgotten_again() {
    let (disk, points) = lab(3);
    forget(&disk, &points[..1], 0);
    act(&disk, DAY, Deed::Remembered { points: points[..1].to_vec() });
    forget(&disk, &points[..1], 9 * DAY);
    assert!(prune_at(&disk, 10 * DAY - 1, DAY).unwrap().1.gone.is_empty());
    assert_eq!(prune_at(&disk, 10 * DAY, DAY).unwrap().1.gone, [1]);
}

/// What is marked and needed again (a forgotten point was remembered) is written anew before the pack goes.
#[test]
fn a_point_that_is_remembered_after_its_packs_were_marked_is_whole() {
    let (disk, points) = lab(4);
    forget(&disk, &points[..2], 0);
    prune_at(&disk, 1, DAY).unwrap();
    act(&disk, 2, Deed::Remembered { points: points[..2].to_vec() });
    for day in 3..9 {
        prune_at(&disk, day * DAY, 0).unwrap();
        check(&open(&disk).unwrap(), &points).unwrap();
    }
    let packs = disk.files().iter().filter(|path| path.starts_with("packs/")).count();
    let marked = marked(&disk);
    assert!(disk.files().iter().all(|path| !marked.contains(path)), "of {packs} packs");
}

#[test]
fn nobody_deduplicates_against_a_marked_pack() {
    let (disk, points) = lab(3);
    forget(&disk, &points[..2], 0);
    let tight = PruneOptions { max_unused_permille: 0, ..options(DAY) };
    prune::mark(&open(&disk).unwrap(), &tight, &At(1)).unwrap();
    // The same content as that of a forgotten control database, in a new point.
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = [noise(1, 500), noise(11, 500)].concat();
    for chunk in bytes.chunks(250) {
        session.put(PackKind::ControlDb, chunk.to_vec()).unwrap();
    }
    assert!(session.tally().new_chunks > 0);
}

#[test]
fn a_backup_that_stands_still_before_its_commit_is_not_disturbed() {
    let (disk, points) = lab(3);
    forget(&disk, &points[..2], 0);
    prune_at(&disk, 1, DAY).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let (records, body) = prepare(&mut session, 4).unwrap();
    for day in 3..5 {
        assert!(is_locked(&prune_at(&disk, day * DAY, 0).unwrap_err()));
        // A prune that only deletes does not come in, either.
        assert!(Alone::open(Arc::new(disk.clone()), OpenOptions::default()).is_err());
    }
    let point = session.publish_point(records, body).unwrap().point;
    drop(repository);
    for day in 5..8 {
        prune_at(&disk, day * DAY, 0).unwrap();
        check(&open(&disk).unwrap(), &[points[2], point]).unwrap();
    }
}

#[test]
fn whoever_reads_keeps_the_deleting_out_and_the_marks_wait() {
    let (disk, points) = lab(3);
    forget(&disk, &points[..2], 0);
    let reader = open(&disk).unwrap();
    prune::mark(&open(&disk).unwrap(), &options(0), &At(DAY)).unwrap();
    assert!(is_locked(&alone(&disk).err().unwrap().into()));
    drop(reader);
    let alone = alone(&disk).unwrap();
    assert!(repo::store::Repository::open(Arc::new(disk.clone()), OpenOptions::default()).is_err());
    assert!(!prune::delete(&alone, &options(0), &At(2 * DAY)).unwrap().is_empty());
}

/// Every file that deletion rests on, damaged or missing: nothing is deleted.
#[test]
fn nothing_is_deleted_while_something_can_not_be_relied_on() {
    let (start, points) = lab(5);
    forget(&start, &points[1..4], 0);
    prune_at(&start, 1, DAY).unwrap();
    let needed: Vec<String> = start.files().into_iter().filter(|path| counts(&start, path)).collect();
    assert!(needed.len() > 12, "{needed:?}");
    for path in &needed {
        for missing in [false, true] {
            let disk = start.reboot(Image::ProcessKilled);
            if missing {
                disk.remove(path).unwrap();
            } else {
                disk.damage(path, |bytes| {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                });
            }
            let files = disk.files();
            let pruned = alone(&disk).map_err(engine::Error::from);
            let pruned = pruned.and_then(|alone| prune::delete(&alone, &options(0), &At(9 * DAY)));
            assert!(pruned.is_err(), "{path}, missing {missing}: {pruned:?}");
            assert_eq!(disk.files(), files, "{path}, missing {missing}");
        }
    }
}

/// Nobody else says what it holds.
#[test]
fn a_log_of_which_nothing_can_be_read_stops_everything_though_no_point_names_it() {
    let (disk, points) = lab(3);
    let before = disk.files();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let state = repository.newest_record(&key(Store::Events)).unwrap().unwrap().state;
    let state = LogState { key: LogKey { incarnation: 9, ..key(Store::Events) }, ..state };
    let durable = session.barrier().unwrap();
    let _ = session.publish_records(durable, vec![(state, Vec::new())]).unwrap();
    drop(session);
    drop(repository);
    forget(&disk, &points[..2], 0);
    let record = disk.files().into_iter().find(|path| path.starts_with("logs/") && !before.contains(path));
    disk.damage(&record.unwrap(), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let files = disk.files();
    let refused = prune_at(&disk, 9 * DAY, 0).unwrap_err();
    assert!(refused.to_string().contains("none of its records"), "{refused}");
    assert_eq!(disk.files(), files);
}

/// Of a repository that was never pruned older records are there, and look like the newest ones.
#[test]
fn a_newest_record_that_is_not_there_and_that_a_point_names_stops_everything() {
    for store in Store::ALL {
        let (disk, points) = lab(4);
        forget(&disk, &points[..2], 0);
        let newest = open(&disk).unwrap().record_numbers(&key(store)).unwrap().pop().unwrap();
        disk.remove(&repo::paths::record(&key(store), newest)).unwrap();
        let files = disk.files();
        let refused = prune::delete(&alone(&disk).unwrap(), &options(0), &At(9 * DAY)).unwrap_err();
        assert!(refused.to_string().contains("names it"), "{store}: {refused}");
        assert_eq!(disk.files(), files, "{store}");
    }
}

#[test]
fn an_act_of_a_newer_program_stops_everything() {
    let (disk, points) = lab(3);
    forget(&disk, &points[..2], 0);
    forge_unknown_act(&disk);
    let files = disk.files();
    let refused = prune_at(&disk, 9 * DAY, 0).unwrap_err();
    assert!(matches!(refused, engine::Error::Prune(prune::Error::UnknownAct { number: 2 })), "{refused}");
    assert_eq!(disk.files(), files);
}

/// A listing is no proof that something is gone: whatever file it hides, nothing is deleted that is needed.
#[test]
fn what_a_listing_hides_is_not_taken_for_gone() {
    let (start, points) = lab(5);
    forget(&start, &points[1..4], 0);
    prune_at(&start, 1, DAY).unwrap();
    let needed = [points[0], points[4]];
    let (mut refused, mut pruned) = (0, 0);
    for hidden in start.files().into_iter().filter(|path| path.contains('/') && !path.starts_with("locks/")) {
        let disk = start.reboot(Image::ProcessKilled);
        let odd = OddDisk { hidden: Some(hidden.clone()), ..OddDisk::of(&disk) };
        let mark = open(&odd)
            .map_err(engine::Error::from)
            .and_then(|it| prune::mark(&it, &options(0), &At(9 * DAY)));
        let alone = Alone::open(Arc::new(odd.clone()), OpenOptions::default()).map_err(engine::Error::from);
        let deleted = alone.and_then(|alone| prune::delete(&alone, &options(0), &At(9 * DAY)));
        *if mark.is_ok() && deleted.is_ok() { &mut pruned } else { &mut refused } += 1;
        // It is back in the listing: all is there.
        check(&open(&disk).unwrap(), &needed).unwrap_or_else(|why| panic!("{hidden}: {why}, {deleted:?}"));
        whole_logs(&disk);
    }
    assert!(refused > 10, "{refused} refused, {pruned} pruned");
}

/// A marked pack goes only if what it holds and is needed lies in a pack that stays, and is read back from there.
#[test]
fn a_pack_whose_only_copy_is_damaged_stays() {
    let (disk, points) = lab(4);
    let pack = needed_pack(&disk);
    let copy = copy_of(&disk, &pack);
    act(&disk, 0, Deed::Dead { packs: vec![id_of(&pack)] });
    let start = disk.reboot(Image::ProcessKilled);
    let report = delete_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!(report.packs.files, 1);
    assert!(!disk.files().contains(&pack));
    check(&open(&disk).unwrap(), &points).unwrap();
    // The same with a copy that is damaged inside, its directory being whole.
    start.damage(&copy, |bytes| bytes[130] ^= 1);
    let report = delete_at(&start, 2 * DAY, 0).unwrap();
    assert_eq!((report.packs.files, report.kept.len()), (0, 1));
    assert!(report.kept[0].why.contains("can't be read back"), "{:?}", report.kept);
    check(&open(&start).unwrap(), &points).unwrap();
}

#[test]
fn of_two_marked_packs_with_the_same_chunk_both_stay() {
    let (disk, points) = lab(4);
    let pack = needed_pack(&disk);
    let copy = copy_of(&disk, &pack);
    act(&disk, 0, Deed::Dead { packs: vec![id_of(&pack), id_of(&copy)] });
    let report = delete_at(&disk, 2 * DAY, 0).unwrap();
    assert_eq!((report.packs.files, report.kept.len()), (0, 2));
    check(&open(&disk).unwrap(), &points).unwrap();
    // A prune that may write helps itself.
    for day in 3..7 {
        prune_at(&disk, day * DAY, 0).unwrap();
        check(&open(&disk).unwrap(), &points).unwrap();
    }
    assert!(!disk.files().contains(&pack) && !disk.files().contains(&copy));
}

/// Whoever writes files at the source may know how a list of chunks looks.
#[test]
fn a_file_that_holds_the_bytes_of_a_list_hides_nothing_that_the_list_reaches() {
    let (disk, _) = lab(0);
    let database = noise(77, 3000);
    let (first, list) = back_up_database(&disk, 1, &database);
    let (second, _) = back_up_database(&disk, 2, &list);
    let (third, _) = back_up_database(&disk, 3, &database);
    forget(&disk, &[first], 0);
    for day in 1..5 {
        prune_at(&disk, day * DAY, 0).unwrap();
        check(&open(&disk).unwrap(), &[second, third]).unwrap();
    }
}

/// A crash at each mutation of both phases, in each image: what stays is whole, and the next prune ends where an undisturbed one ends.
#[test]
fn a_prune_that_is_interrupted_anywhere_loses_nothing_and_is_gone_on_with() {
    let (disk, points) = lab(5);
    forget(&disk, &points[..3], 0);
    prune_at(&disk, 1, DAY).unwrap();
    forget(&disk, &points[3..4], 2);
    let kept = [points[4]];
    let undisturbed = settled(&disk.reboot(Image::ProcessKilled));
    let measured = disk.reboot(Image::ProcessKilled);
    measured.plan(Trouble::default());
    prune_at(&measured, 3 * DAY, 0).unwrap();
    let mutations = measured.mutations();
    assert!(mutations > 20, "{mutations}");
    for at in 1..=mutations {
        let crashed = disk.reboot(Image::ProcessKilled);
        crashed.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let _ = prune_at(&crashed, 3 * DAY, 0);
        for (turn, image) in (at..).zip(Image::ALL) {
            let place = format!("crash at {at} of {mutations}, {image:?}");
            let after = crashed.reboot(image);
            check(&open(&after).unwrap(), &kept).unwrap_or_else(|why| panic!("{place}: {why}"));
            whole_logs(&after);
            // To the end in one image each time: it takes a while.
            if turn % 6 != 0 {
                continue;
            }
            assert_eq!(settled(&after), undisturbed, "{place}");
            let next = back_up_on(&after, 6).unwrap();
            let after = after.reboot(Image::OnlySynced);
            check(&open(&after).unwrap(), &[points[4], next]).unwrap_or_else(|why| panic!("{place}: {why}"));
        }
    }
}

/// Errors instead of crashes: no false success, nothing lost.
#[test]
fn a_disk_that_fails_at_any_operation_of_a_prune_loses_nothing() {
    let (disk, points) = lab(4);
    forget(&disk, &points[..2], 0);
    prune_at(&disk, 1, DAY).unwrap();
    let measured = disk.reboot(Image::ProcessKilled);
    measured.plan(Trouble::default());
    prune_at(&measured, 3 * DAY, 0).unwrap();
    for at in (1..=measured.operations()).step_by(3) {
        let failing = disk.reboot(Image::ProcessKilled);
        failing.plan(Trouble { fail_at: Some((at, crate::support::crash_disk::EIO)), ..Trouble::default() });
        let _ = prune_at(&failing, 3 * DAY, 0);
        let after = failing.reboot(Image::ProcessKilled);
        check(&open(&after).unwrap(), &points[2..]).unwrap_or_else(|why| panic!("{at}: {why}"));
        whole_logs(&after);
    }
}

#[test]
fn mostly_dead_packs_are_written_anew_within_the_budget_and_the_time() {
    let (disk, points) = lab(8);
    forget(&disk, &points[..6], 0);
    let plan = |options: &PruneOptions| prune::plan(&open(&disk).unwrap(), options, &At(DAY)).unwrap().mark;
    let all = plan(&PruneOptions { max_unused_permille: 0, ..options(0) });
    assert!(all.repacked_packs > 1, "{all:?}");
    let some = plan(&PruneOptions { max_unused_permille: 0, max_repack: all.copied_bytes / 2, ..options(0) });
    assert!(some.repacked_packs < all.repacked_packs && some.copied_bytes <= all.copied_bytes / 2);
    let none = PruneOptions { max_unused_permille: 0, deadline_ms: Some(DAY), ..options(0) };
    let mark = prune::mark(&open(&disk).unwrap(), &none, &At(DAY)).unwrap();
    assert_eq!(mark.repacked_packs, 0, "the time was over before it began");
    let tight = PruneOptions { max_unused_permille: 0, ..options(0) };
    for day in 1..6 {
        prune::mark(&open(&disk).unwrap(), &tight, &At(day * DAY)).unwrap();
        delete_at(&disk, day * DAY + 1, 0).unwrap();
        check(&open(&disk).unwrap(), &points[6..]).unwrap();
        whole_logs(&disk);
    }
    let left = prune::plan(&open(&disk).unwrap(), &tight, &At(9 * DAY)).unwrap().mark;
    assert_eq!((left.repacked_packs, left.dead_packs), (0, 0), "nothing is left to gain");
}

#[test]
fn many_small_packs_are_joined() {
    let (disk, points) = lab(20);
    let packs = |disk: &CrashDisk| disk.files().iter().filter(|path| path.starts_with("packs/")).count();
    let before = packs(&disk);
    for day in 1..5 {
        prune_at(&disk, day * DAY, 0).unwrap();
    }
    // Of each kind fewer than sixteen are left as they are.
    assert!(before == 60 && packs(&disk) < 20, "{before} packs became {}", packs(&disk));
    check(&open(&disk).unwrap(), &points).unwrap();
}

/// Small packs are joined, and nothing else.
fn joins(deadline_ms: Option<i64>) -> PruneOptions {
    PruneOptions { max_unused_permille: 1000, max_unused_tails_permille: 1000, deadline_ms, ..options(0) }
}

/// One alone would be the same again, or get another name by each act: there is time for two, or for none.
#[test]
fn a_small_pack_is_not_written_anew_alone_for_want_of_time() {
    let (disk, points) = lab(20);
    open(&disk)
        .unwrap()
        .session()
        .unwrap()
        .publish_act(Moment(DAY), Deed::Dead { packs: vec![PackId([7; 32])] })
        .unwrap();
    for (ticks, joined) in [(1, 0), (2, 2), (3, 3), (4, 4)] {
        let disk = disk.reboot(Image::ProcessKilled);
        let clock = Ticks::from(DAY);
        let mark = prune::mark(&open(&disk).unwrap(), &joins(Some(DAY + ticks)), &clock).unwrap();
        assert_eq!(mark.repacked_packs, joined, "{ticks}: {mark:?}");
        check(&open(&disk).unwrap(), &points).unwrap();
    }
}

/// A run that was stopped before it said what it had done leaves what it wrote: that stays, and doesn't count.
#[test]
fn a_pack_that_comes_out_as_it_was_stays_and_does_not_count() {
    let (disk, points) = lab(20);
    let mark = || prune::mark(&open(&disk).unwrap(), &joins(None), &At(DAY)).unwrap();
    let first = mark();
    assert!(first.repacked_packs > 16 && first.marked_packs == first.dead_packs + first.repacked_packs);
    disk.remove("acts/1.json").unwrap();
    let second = mark();
    assert_eq!(second.marked_packs, second.dead_packs + second.repacked_packs, "{second:?}");
    check(&open(&disk).unwrap(), &points).unwrap();
}

/// What the headers of the packs say of their writers, by the packs' names.
fn efforts(disk: &CrashDisk) -> BTreeMap<String, u8> {
    let packs = disk.files().into_iter().filter(|path| path.starts_with("packs/"));
    packs.map(|path| (path.clone(), disk.read_range(&path, 12, 1).unwrap()[0])).collect()
}

/// Blocks that are moved as they are stay what they are for who compresses again.
#[test]
fn a_pack_that_takes_blocks_over_says_how_hard_they_were_compressed() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let back_up = |backup| {
        let repository = open(&disk).unwrap();
        let mut session = repository.session().unwrap();
        session.set_effort(Effort { compression: Compression::Fast, memory: None });
        let (records, body) = prepare(&mut session, backup).unwrap();
        session.publish_point(records, body).unwrap().point
    };
    let points: Vec<_> = (1..=6).map(back_up).collect();
    let before = efforts(&disk);
    assert!(before.values().all(|effort| *effort == Compression::Fast.number()));
    forget(&disk, &points[..5], 0);
    let tight = PruneOptions { max_unused_permille: 0, ..options(0) };
    prune::mark(&open(&disk).unwrap(), &tight, &At(DAY)).unwrap();
    let new: Vec<_> = efforts(&disk).into_iter().filter(|(pack, _)| !before.contains_key(pack)).collect();
    // What was not needed whole is compressed again.
    let [whole, cut] = [Compression::Fast, Compression::Default].map(Compression::number);
    assert_eq!(
        new.iter().map(|(_, effort)| *effort).collect::<BTreeSet<_>>(),
        [whole, cut].into(),
        "{new:?}"
    );
    check(&open(&disk).unwrap(), &points[5..]).unwrap();
}
