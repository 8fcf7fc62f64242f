//! What is read, how often, and what becomes of files that vanish, shrink, are being written, or can't be read.

use crate::sees::lab::{
    Failing, Growing, Lab, Opened, blocks, context, ends, flipped, incarnation, open_segment, says, segment,
    server, show, unreadable, whole,
};
use crate::support::server::Server;
use segvault::axon::name::{SegmentName, Store};
use segvault::repo::format::act::Deed;
use segvault::repo::format::moment::Moment;
use segvault::source::Error;
use segvault::source::listing::StoreFile;
use std::cell::RefCell;

fn skipped(report: &segvault::engine::backup::BackupReport) -> u64 {
    report.contexts[0].events.skipped_segments
}

#[test]
fn sealed_segments_are_skipped_only_after_two_complete_points() {
    let (lab, mut server) = (Lab::new(), server(1));
    let sealed = server.contexts["default"].events.sealed().count() as u64;
    assert_eq!(skipped(&lab.complete(&mut server)), 0);
    assert_eq!(skipped(&lab.complete(&mut server)), 0);
    assert_eq!(skipped(&lab.complete(&mut server)), sealed);
    // What is sealed since is read once more, until a complete point has done so.
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 1);
    assert_eq!(skipped(&lab.complete(&mut server)), sealed);
    assert_eq!(skipped(&lab.complete(&mut server)), sealed);
    assert_eq!(skipped(&lab.complete(&mut server)), sealed + 1);
    let all = lab.try_with(&mut server, |options| options.reread = true).unwrap();
    assert_eq!(skipped(&all), 0);
    server.restored += 1;
    assert_eq!(skipped(&lab.complete(&mut server)), 0, "another time");
}

/// Rot leaves the size and the time of a file: what looks as it did is damaged all the same, until it was read good.
#[test]
fn what_was_found_damaged_is_read_until_it_is_found_good() {
    let (lab, mut server) = (Lab::new(), server(19));
    for _ in 0..2 {
        lab.complete(&mut server);
    }
    let skips = skipped(&lab.complete(&mut server));
    let image = segment(&server, 1);
    show(&mut server, image.name(), flipped(image.bytes(), 60));
    lab.complete(&mut server);
    let found = lab.try_with(&mut server, |options| options.reread = true).unwrap();
    assert!(!found.complete, "{:?}", found.findings);
    for _ in 0..2 {
        let report = lab.incomplete(&mut server, "damage");
        assert_eq!(skipped(&report), skips - 2, "it is read, and the one that does not fit it any more");
    }
    context(&mut server).damaged.clear();
    assert_eq!(skipped(&lab.complete(&mut server)), skips - 1);
    assert_eq!(skipped(&lab.complete(&mut server)), skips);
}

#[test]
fn a_sealed_segment_that_became_shorter_is_read_though_its_time_stands_still() {
    let (lab, mut server) = (Lab::new(), server(14));
    for _ in 0..2 {
        lab.complete(&mut server);
    }
    let image = segment(&server, 1);
    show(&mut server, image.name(), image.bytes()[..ends(&image)[0] + 20].to_vec());
    let report = lab.incomplete(&mut server, "damage");
    assert_eq!(lab.events(&report), whole(&server));
}

#[test]
fn what_was_read_of_another_history_proves_nothing_read_of_this_one() {
    let (lab, mut before) = (Lab::new(), server(15));
    context(&mut before).store_mut(Store::Events).roll_now();
    context(&mut before).append(Store::Events, 3);
    for _ in 0..2 {
        lab.complete(&mut before.clone());
    }
    let mut after = before.clone();
    let image = open_segment(&before);
    context(&mut after).events.insert(crate::sees::lab::image_of(image.name(), 1_500, &blocks(&image)[..1]));
    context(&mut after).history.reseed(7);
    context(&mut after).append(Store::Events, 6);
    assert_eq!(incarnation(&lab.incomplete(&mut after, "fork")), 2);
    for _ in 0..2 {
        assert_eq!(skipped(&lab.complete(&mut after)), 0);
    }
    assert!(skipped(&lab.complete(&mut after)) > 0);
}

#[test]
fn what_the_archive_has_lost_is_stored_again_however_often_it_was_read() {
    let (lab, mut server) = (Lab::new(), server(16));
    for _ in 0..2 {
        lab.complete(&mut server);
    }
    let mut lost = lab.archive.files();
    lost.retain(|file| file.starts_with("packs/"));
    let packs = lost.iter().map(|file| file.rsplit('/').next().unwrap().parse().unwrap()).collect();
    let repository = lab.archive.open();
    repository.session().unwrap().publish_act(Moment(1), Deed::Damaged { packs }).unwrap();
    drop(repository);
    let report = lab.complete(&mut server);
    lost.iter().for_each(|file| lab.archive.remove(file));
    assert_eq!((skipped(&report), lab.events(&report)), (0, whole(&server)));
}

/// Nothing says then how far the history must reach.
#[test]
fn a_head_that_cannot_be_read_leaves_the_point_incomplete_though_all_is_read_later() {
    let (lab, server) = (Lab::new(), server(17));
    let name = open_segment(&server).name();
    let mut source = Opened::new(server.clone(), |file: &StoreFile, count| {
        let is_it = file.store == Store::Events && file.name == name;
        (is_it && count == 0).then(|| Err(unreadable(file)))
    });
    let report = lab.incomplete(&mut source, "unreadable");
    assert_eq!(lab.events(&report), whole(&server));
    lab.complete(&mut server.clone());
}

/// The walk that archives it sees less of it than the one before it, and no damage.
#[test]
fn a_history_that_ends_before_its_safepoint_is_incomplete() {
    let (lab, mut server) = (Lab::new(), server(18));
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 4);
    let image = open_segment(&server);
    let mut less = image.bytes();
    less[ends(&image)[1]..].fill(0);
    let mut source = Opened::new(server.clone(), |file: &StoreFile, count| {
        let is_it = file.store == Store::Events && file.name == image.name();
        let less = || Growing { states: vec![less.clone()], reads: RefCell::new(0) };
        (is_it && count == 1).then(|| Ok(Box::new(less()) as Box<_>))
    });
    lab.incomplete(&mut source, "behind-safepoint");
    assert_eq!(lab.events(&lab.complete(&mut server)), whole(&server));
}

#[test]
fn incomplete_points_prove_nothing_read() {
    let (lab, mut server) = (Lab::new(), server(2));
    context(&mut server).append(Store::Events, 8);
    let (bad, good) = (segment(&server, 1), segment(&server, 2));
    show(&mut server, bad.name(), flipped(bad.bytes(), 60));
    for _ in 0..3 {
        assert_eq!(skipped(&lab.incomplete(&mut server, "damage")), 0);
    }
    context(&mut server).damaged.clear();
    lab.complete(&mut server);
    // Rot between the first complete point and the second is seen.
    show(&mut server, good.name(), flipped(good.bytes(), 60));
    lab.incomplete(&mut server, "damage");
}

#[test]
fn an_open_segment_is_never_skipped() {
    let (lab, mut server) = (Lab::new(), server(3));
    for _ in 0..4 {
        lab.complete(&mut server);
    }
    // Neither its size nor its time changes.
    context(&mut server).append(Store::Events, 1);
    let report = lab.complete(&mut server);
    assert_eq!(lab.events(&report), whole(&server));
}

#[test]
fn a_fork_of_what_was_skipped_reads_both_stores_again_snapshots_first() {
    let lab = Lab::new();
    let mut before = server(4);
    context(&mut before).append(Store::Snapshots, 12);
    context(&mut before).store_mut(Store::Events).roll_now();
    context(&mut before).append(Store::Events, 3);
    for _ in 0..3 {
        lab.complete(&mut before);
    }
    let mut after = before.clone();
    let image = open_segment(&before);
    let shorter = crate::sees::lab::image_of(image.name(), 1_500, &blocks(&image)[..1]);
    context(&mut after).events.insert(shorter);
    context(&mut after).history.reseed(7);
    context(&mut after).append(Store::Events, 1);
    // Of the events only the sealed segments would be read again; the snapshots are read again before them.
    let order = RefCell::new(Vec::new());
    let mut source = Opened::new(after.clone(), |file: &StoreFile, _| {
        order.borrow_mut().push((file.store, file.name));
        None
    });
    let report = lab.incomplete(&mut source, "fork");
    assert_eq!((incarnation(&report), lab.events(&report)), (2, whole(&after)));
    let order = order.into_inner();
    let newest_snapshots = after.contexts["default"].snapshots.open().name();
    let newest_events = open_segment(&after).name();
    let scans = |store, name: SegmentName| order.iter().filter(|one| **one == (store, name)).count();
    assert_eq!(scans(Store::Snapshots, newest_snapshots) >= 4, scans(Store::Events, newest_events) >= 4);
    let body = lab.body(&report);
    let steps: Vec<String> = body.steps.iter().map(|step| format!("{:?}", step.step)).collect();
    assert_eq!(steps[3..7], ["Snapshots", "Events", "Snapshots", "Events"]);
}

#[test]
fn a_segment_that_cannot_be_read_makes_the_point_incomplete_and_keeps_the_archived_copy() {
    let (lab, server) = (Lab::new(), server(5));
    lab.complete(&mut server.clone());
    for at in [1, server.contexts["default"].events.segments.len() - 1] {
        let name = segment(&server, at).name();
        let mut source = Opened::new(server.clone(), |file: &StoreFile, _| {
            (file.store == Store::Events && file.name == name).then(|| Err(unreadable(file)))
        });
        let report = lab.incomplete(&mut source, "unreadable");
        assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    }
}

#[test]
fn what_can_be_read_of_a_segment_is_archived() {
    for at in [1, 3] {
        let (lab, server) = (Lab::new(), server(6));
        let image = segment(&server, at);
        let from = ends(&image)[0] + 10;
        let mut source = Opened::new(server.clone(), |file: &StoreFile, _| {
            let is_it = file.store == Store::Events && file.name == image.name();
            is_it.then(|| Ok(Box::new(Failing { bytes: image.bytes(), from, file: file.clone() }) as Box<_>))
        });
        let report = lab.backup(&mut source);
        assert!(!report.complete, "{:?}", report.findings);
        let held = lab.events(&report);
        assert_eq!(held[&image.name()], image.bytes()[..ends(&image)[0]], "{:?}", report.findings);
        let report = lab.complete(&mut server.clone());
        assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    }
}

#[test]
fn a_file_that_vanished_is_looked_for_again_and_is_missing_in_the_end() {
    let (lab, server) = (Lab::new(), server(7));
    lab.complete(&mut server.clone());
    let name = segment(&server, 1).name();
    let gone = |file: &StoreFile| Some(Err(Error::Vanished { path: file.path.to_path_buf() }));
    let is_it = |file: &StoreFile| file.store == Store::Events && file.name == name;
    let mut once = Opened::new(
        server.clone(),
        |file: &StoreFile, count| {
            if is_it(file) && count == 0 { gone(file) } else { None }
        },
    );
    lab.complete(&mut once);
    let mut always =
        Opened::new(server.clone(), |file: &StoreFile, _| if is_it(file) { gone(file) } else { None });
    let report = lab.try_with(&mut always, |options| options.reread = true).unwrap();
    assert!(!report.complete && says(&report, "unreadable"), "{:?}", report.findings);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
}

#[test]
fn a_file_that_vanishes_each_time_between_two_looks_makes_the_point_incomplete() {
    let (lab, server) = (Lab::new(), server(14));
    lab.complete(&mut server.clone());
    let name = segment(&server, 1).name();
    let gone = |file: &StoreFile| Some(Err(Error::Vanished { path: file.path.to_path_buf() }));
    let is_it = |file: &StoreFile| file.store == Store::Events && file.name == name;
    // It is read, and gone when it is compared.
    let mut source =
        Opened::new(
            server.clone(),
            |file: &StoreFile, count| {
                if is_it(file) && count % 2 == 1 { gone(file) } else { None }
            },
        );
    let report = lab.try_with(&mut source, |options| options.reread = true).unwrap();
    assert!(!report.complete, "{:?}", report.findings);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)));
    assert_eq!(incarnation(&lab.complete(&mut server.clone())), 1);
}

fn changing(server: &Server, name: SegmentName, states: &[Vec<u8>]) -> impl segvault::source::Source {
    let states = states.to_vec();
    Opened::new(server.clone(), move |file: &StoreFile, _| {
        let is_it = file.store == Store::Events && file.name == name;
        is_it.then(|| Ok(Box::new(Growing { states: states.clone(), reads: RefCell::new(0) }) as Box<_>))
    })
}

#[test]
fn a_header_that_is_being_written_is_not_taken_together_with_what_came_later() {
    let lab = Lab::new();
    let server = server(8);
    let image = open_segment(&server);
    let states = [vec![0; image.bytes().len()], image.bytes()];
    let mut source = changing(&server, image.name(), &states);
    lab.backup(&mut source);
    let report = lab.complete(&mut server.clone());
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&server)), "{:?}", report.findings);
}

#[test]
fn a_transaction_that_was_being_written_is_no_damage_when_it_is_whole() {
    let lab = Lab::new();
    let mut server = server(9);
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 2);
    let image = open_segment(&server);
    let ends = ends(&image);
    let mut torn = image.bytes();
    torn[ends[0] + 20..ends[1]].fill(0);
    // Each time it is opened for the walk that archives it is torn; whoever looks again finds it whole.
    let mut source = Opened::new(server.clone(), |file: &StoreFile, count| {
        let is_it = file.store == Store::Events && file.name == image.name();
        let bytes = if count < 2 { torn.clone() } else { image.bytes() };
        is_it.then(|| Ok(Box::new(Growing { states: vec![bytes], reads: RefCell::new(0) }) as Box<_>))
    });
    let report = lab.complete(&mut source);
    assert!(says(&report, "noise") && !says(&report, "damage"), "{:?}", report.findings);
    let mut seen = whole(&server);
    seen.get_mut(&image.name()).unwrap().truncate(ends[0]);
    assert_eq!(lab.events(&report), seen);
}

#[test]
fn leftovers_behind_the_end_are_noise_and_are_cut() {
    let (lab, mut server) = (Lab::new(), server(10));
    let image = open_segment(&server);
    let mut bytes = image.bytes();
    let end = usize::try_from(image.end()).unwrap();
    bytes[end + 6..end + 30].fill(7);
    show(&mut server, image.name(), bytes);
    let report = lab.complete(&mut server);
    assert!(says(&report, "noise"));
    assert_eq!(lab.events(&report), whole(&server));
    context(&mut server).damaged.clear();
    context(&mut server).append(Store::Events, 1);
    assert_eq!(incarnation(&lab.complete(&mut server)), 1);
}

#[test]
fn a_damaged_copy_says_what_it_holds_even_if_the_file_changes_meanwhile() {
    let lab = Lab::new();
    let server = server(11);
    let image = segment(&server, 1);
    let damaged = flipped(image.bytes(), ends(&image)[1] + 20);
    let mut later = damaged.clone();
    later[ends(&image)[0] - 6] ^= 1;
    // The walk reads one, whoever keeps the damaged bytes the other.
    let mut source = Opened::new(server.clone(), |file: &StoreFile, count| {
        let is_it = file.store == Store::Events && file.name == image.name();
        let bytes = if count < 1 { damaged.clone() } else { later.clone() };
        is_it.then(|| Ok(Box::new(Growing { states: vec![bytes], reads: RefCell::new(0) }) as Box<_>))
    });
    lab.incomplete(&mut source, "damage");
    let repository = lab.archive.open();
    for entry in repository.tree(lab.record(1).root).unwrap() {
        let mut hasher = repository.naming().hasher();
        let all = 0..entry.stored_length;
        repository
            .read_extents(&entry.extents, all, &mut |bytes| {
                hasher.update(bytes);
                Ok(())
            })
            .unwrap();
        assert_eq!(hasher.content(), entry.content, "{}", entry.name);
    }
}

#[test]
fn a_dry_run_stores_nothing_and_says_what_it_would() {
    let (lab, mut server) = (Lab::new(), server(12));
    let files = lab.archive.files();
    let dry = lab.try_with(&mut server, |options| options.dry_run = true).unwrap();
    assert_eq!(lab.archive.files(), files);
    let real = lab.complete(&mut server);
    assert_eq!((dry.point, dry.new_chunks, dry.new_raw_bytes), (None, real.new_chunks, real.new_raw_bytes));
}
