//! Row 2: the history goes on differently than archived.

use crate::sees::lab::{
    Lab, blocks, context, ends, flipped, image_of, incarnation, open_segment, segment, server, show, token,
    whole,
};
use crate::store::model::{entry, put_all};
use crate::support::segments::{Change, Event as Written, SegmentImage};
use crate::support::server::{Context, Server};
use segvault::axon::event::Event;
use segvault::axon::name::{SegmentName, Store};
use segvault::engine::Error;
use segvault::engine::against::{self, With};
use segvault::engine::backup;
use segvault::engine::erase::{self, EraseOptions, EraseReport};
use segvault::engine::observe::Unobserved;
use segvault::engine::status::{self, Limits, StatusOptions};
use segvault::repo::format::entry::End;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{Alone, OpenOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The same server, whose events are lost from the `kept`th block of the open segment on, and go on differently.
fn after_a_power_loss(before: &Server, kept: usize) -> Server {
    let mut after = before.clone();
    let image = open_segment(before);
    let capacity = image.bytes().len();
    let shorter = image_of(image.name(), capacity, &blocks(&image)[..kept]);
    context(&mut after).events.insert(shorter);
    context(&mut after).history.reseed(99);
    context(&mut after).append(Store::Events, 12);
    after
}

/// Checks that `after` forks `before`, and that with `--no-fork` nothing is published.
fn forks(before: &Server, after: &Server) -> Lab {
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    let published = lab.published();
    match lab.try_with(&mut after.clone(), |options| options.no_fork = true) {
        Err(Error::Backup(backup::Error::Fork { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.published(), published);
    let report = lab.incomplete(&mut after.clone(), "fork");
    assert_eq!(incarnation(&report), 2);
    assert_eq!(lab.events(&report), whole(after), "only what was seen this time");
    // Somebody had the chance to look.
    assert_eq!(incarnation(&lab.complete(&mut after.clone())), 2);
    lab
}

/// A server whose open segment has a few transactions.
fn with_an_open_segment(seed: u64) -> Server {
    let mut server = server(seed);
    context(&mut server).store_mut(Store::Events).roll_now();
    context(&mut server).append(Store::Events, 3);
    server
}

#[test]
fn another_transaction_than_archived() {
    let before = with_an_open_segment(1);
    let lab = forks(&before, &after_a_power_loss(&before, 1));
    let shared: usize = blocks(&open_segment(&before))[..1].iter().map(Vec::len).sum();
    let last = open_segment(&before).name().number.get() + shared as u64 - 1;
    assert_eq!(lab.record(2).branch.unwrap().token, Some(token(last)));
}

#[test]
fn both_stores_fork_together_and_share_their_chunks() {
    let before = with_an_open_segment(2);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    let report = lab.incomplete(&mut after_a_power_loss(&before, 1), "fork");
    let logs = lab.archive.open().logs().unwrap();
    assert_eq!(logs.iter().filter(|log| log.incarnation == 2).count(), 2);
    // The snapshots, and all sealed segments but the new ones, are there already.
    assert!(report.known_raw_bytes > report.new_raw_bytes / 2);
    assert_eq!(
        lab.held(&report, Store::Snapshots).len(),
        before.contexts["default"].snapshots.segments.len()
    );
}

#[test]
fn a_sealed_segment_that_goes_on_where_it_was_sealed() {
    let before = with_an_open_segment(3);
    let mut after = before.clone();
    // The power loss took the newest file, and the end of the one before.
    let open = open_segment(&before).name();
    let store = context(&mut after).store_mut(Store::Events);
    store.segments.remove(&open);
    let last = store.open().clone();
    store.insert(image_of(last.name(), 3_000, &blocks(&last)));
    context(&mut after).history.reseed(5);
    context(&mut after).append(Store::Events, 2);
    forks(&before, &after);
}

#[test]
fn a_sealed_segment_that_goes_on_where_nothing_behind_it_was_archived() {
    let mut before = server(11);
    context(&mut before).store_mut(Store::Events).roll_now();
    let mut after = before.clone();
    let open = open_segment(&before).name();
    let store = context(&mut after).store_mut(Store::Events);
    store.segments.remove(&open);
    let last = store.open().clone();
    store.insert(image_of(last.name(), 3_000, &blocks(&last)));
    context(&mut after).append(Store::Events, 2);
    forks(&before, &after);
}

#[test]
fn a_sealed_segment_with_another_transaction_of_the_same_length() {
    let before = with_an_open_segment(12);
    let mut after = before.clone();
    let image = segment(&before, 1);
    let mut all = blocks(&image);
    let event = all[1].last_mut().unwrap();
    let at = event.len() - 2;
    event[at] ^= 1;
    let mut other = image_of(image.name(), image.bytes().len(), &all);
    other.roll();
    context(&mut after).events.insert(other);
    forks(&before, &after);
}

#[test]
fn a_segment_that_is_sealed_before_the_end_of_the_archived_tail() {
    let before = with_an_open_segment(4);
    let mut after = before.clone();
    let image = open_segment(&before);
    let mut shorter = image_of(image.name(), image.bytes().len(), &blocks(&image)[..1]);
    shorter.roll();
    let next = shorter.next_token();
    let store = context(&mut after).store_mut(Store::Events);
    store.insert(shorter);
    store.insert(crate::support::segments::SegmentImage::new(next, 1_500));
    context(&mut after).history.reseed(6);
    context(&mut after).append(Store::Events, 2);
    forks(&before, &after);
}

#[test]
fn a_sealed_segment_that_ends_before_its_archived_self() {
    let before = with_an_open_segment(5);
    let mut after = before.clone();
    let image = segment(&before, 1);
    let all = blocks(&image);
    let mut shorter = image_of(image.name(), image.bytes().len(), &all[..all.len() - 1]);
    shorter.roll();
    let next = shorter.next_token();
    let store = context(&mut after).store_mut(Store::Events);
    store.segments.retain(|name, _| *name < image.name());
    store.insert(shorter);
    store.insert(crate::support::segments::SegmentImage::new(next, 1_500));
    context(&mut after).history.reseed(6);
    context(&mut after).append(Store::Events, 9);
    forks(&before, &after);
}

#[test]
fn a_segment_whose_tokens_overlap_those_of_another_number() {
    let before = with_an_open_segment(6);
    let mut after = before.clone();
    // Purged up to here, and restored elsewhere: the first number is one that the archive does not have.
    let image = segment(&before, 2);
    let first = image.name().number.get() + blocks(&image)[0].len() as u64;
    let store = context(&mut after).store_mut(Store::Events);
    store.segments.retain(|name, _| *name < image.name());
    let mut other = segment(&before, 1);
    let all = blocks(&other);
    other = image_of(other.name(), 4_000, &all);
    other.append_raw(&blocks(&image)[0]);
    other.roll();
    assert_eq!(other.next_token(), first);
    store.segments.remove(&other.name());
    store.insert(crate::support::segments::SegmentImage::new(first, 1_500));
    context(&mut after).history.reseed(6);
    context(&mut after).append(Store::Events, 9);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    let report = lab.incomplete(&mut after, "fork");
    assert_eq!(incarnation(&report), 2);
}

#[test]
fn a_tail_that_grows_into_the_tokens_of_another_archived_segment() {
    let mut before = with_an_open_segment(7);
    let open = open_segment(&before);
    let lab = Lab::new();
    // Seen whole as a tail; then rotten, while the next segment is written; then a power loss takes that next one.
    lab.complete(&mut before);
    let mut rolled = before.clone();
    context(&mut rolled).store_mut(Store::Events).roll_now();
    context(&mut rolled).append(Store::Events, 2);
    let bytes = context(&mut rolled).events.segments[&open.name()].bytes();
    let end = ends(&open)[2];
    crate::sees::lab::show(&mut rolled, open.name(), crate::sees::lab::flipped(bytes, end - 9));
    lab.incomplete(&mut rolled, "damage");
    let mut after = before.clone();
    context(&mut after).events.insert(image_of(open.name(), 4_000, &blocks(&open)));
    context(&mut after).history.reseed(8);
    context(&mut after).append(Store::Events, 4);
    let report = lab.incomplete(&mut after, "fork");
    assert_eq!((incarnation(&report), lab.events(&report)), (2, whole(&after)));
}

#[test]
fn what_forks_the_newest_incarnation_and_extends_an_older_one_belongs_to_that_one() {
    let before = with_an_open_segment(8);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    lab.incomplete(&mut after_a_power_loss(&before, 1), "fork");
    lab.complete(&mut after_a_power_loss(&before, 1));
    lab.complete(&mut after_a_power_loss(&before, 1));
    let mut again = before.clone();
    context(&mut again).append(Store::Events, 2);
    let report = lab.complete(&mut again);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&again)));
    assert!(crate::sees::lab::says(&report, "older-incarnation"));
    // And back: the newest is asked first.
    assert_eq!(incarnation(&lab.complete(&mut after_a_power_loss(&before, 1))), 2);
}

/// What status shows of the only context: its incarnation, and the last token of its events.
fn shown(lab: &Lab) -> (u32, Option<u64>) {
    let limits = Limits { max_age_ms: i64::MAX, max_verify_age_ms: i64::MAX, max_drill_age_ms: i64::MAX };
    let heads = BTreeMap::new();
    let now = Moment(1_795_442_729_123);
    let options = StatusOptions { now, source: None, limits, heads, free: None, growth: false };
    let status = status::status(&lab.archive.open(), &options).unwrap();
    let context = &status.sources[0].contexts[0];
    (context.incarnation, context.events.last)
}

#[test]
fn who_asks_is_told_of_the_incarnation_that_the_source_is_back_on() {
    let before = with_an_open_segment(17);
    let after = after_a_power_loss(&before, 1);
    let last = |server: &Server| Some(server.contexts["default"].events.next_token() - 1);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    lab.incomplete(&mut after.clone(), "fork");
    assert_eq!(shown(&lab), (2, last(&after)));
    let mut again = before.clone();
    context(&mut again).append(Store::Events, 2);
    assert_eq!(incarnation(&lab.complete(&mut again)), 1);
    assert_eq!(shown(&lab), (1, last(&again)));
    let found = against::against(&lab.archive.open(), None, With::Source(&mut again), &Unobserved).unwrap();
    assert_eq!((found.differences.len(), found.not_archived.len(), found.only_archived.len()), (0, 0, 0));
}

#[test]
fn what_shares_nothing_with_the_newest_incarnation_and_extends_an_older_one_belongs_to_that_one() {
    let mut before = with_an_open_segment(13);
    let mut other = Context::seeded(77);
    other.append(Store::Events, 3);
    before.contexts.insert("other".to_owned(), other);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    // Made anew, with one short segment: beside it, nothing tells the first history from one that goes on behind a gap.
    let mut anew = before.clone();
    anew.contexts.insert("default".to_owned(), Context::seeded(78));
    context(&mut anew).append(Store::Events, 1);
    assert_eq!(incarnation(&lab.incomplete(&mut anew, "fork")), 2);
    let mut again = before.clone();
    context(&mut again).purge();
    context(&mut again).append(Store::Events, 2);
    let report = lab.complete(&mut again);
    assert_eq!((incarnation(&report), lab.events(&report)), (1, whole(&again)));
    assert!(crate::sees::lab::says(&report, "older-incarnation"));
    // Damage proves nothing, but what can be read says where it belongs.
    let rotten = segment(&again, 1);
    let bytes = crate::sees::lab::flipped(rotten.bytes(), ends(&rotten)[0] - 9);
    crate::sees::lab::show(&mut again, rotten.name(), bytes);
    assert_eq!(incarnation(&lab.incomplete(&mut again, "damage")), 1);
}

/// What was transformed there are the events of the newer history; the older one's of the same number are no old version of them.
#[test]
fn an_erasure_takes_nothing_of_a_history_that_forked_within_the_segment() {
    let mut before = server(16);
    context(&mut before).store_mut(Store::Events).roll_now();
    context(&mut before).append(Store::Events, 2);
    let mut after = after_a_power_loss(&before, 1);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    lab.incomplete(&mut after, "fork");
    let parted = open_segment(&before).name();
    let at = after.contexts["default"].events.segments.keys().position(|name| *name == parted).unwrap();
    assert!(segment(&after, at).next_token() >= open_segment(&before).next_token());
    context(&mut after).transform(at);
    lab.complete(&mut after);
    let plan = erase::plan(&lab.archive.open(), &erasure(), &Unobserved).unwrap();
    let erased: Vec<_> = plan.segments.iter().map(|row| (row.incarnation, row.number)).collect();
    assert_eq!(erased, [(2, parted.number.get())]);
}

/// A damaged copy ends before the branch: as far as it goes, the other history's current version holds the same.
#[test]
fn an_erasure_gives_no_point_another_history_for_a_good_copy_that_has_a_damaged_one_beside_it() {
    let open = with_an_open_segment(16);
    let parted = open_segment(&open);
    let mut before = open.clone();
    context(&mut before).store_mut(Store::Events).roll_now();
    context(&mut before).append(Store::Events, 1);
    let mut rotten = before.clone();
    show(&mut rotten, parted.name(), flipped(parted.bytes(), ends(&parted)[1] + 20));
    let lab = Lab::new();
    let points = [lab.complete(&mut before.clone()), lab.incomplete(&mut rotten, "damage")];
    assert!(lab.keeps_damaged(1, parted.name()));
    let stays = erased_behind_a_fork(&lab, &parted, after_a_power_loss(&open, 2));
    assert_eq!(stays, [(1, "sealed"), (1, "damaged")]);
    points.iter().for_each(|point| assert!(lab.events(point) == whole(&before)));
}

/// What a power loss took is tried again: the same aggregates and sequences, and yet other events.
#[test]
fn an_erasure_takes_nothing_that_another_history_only_tried_again() {
    let mut before = with_an_open_segment(17);
    let parted = open_segment(&before);
    let mut blocks = blocks(&parted);
    let again = |bytes: &Vec<u8>| {
        let event = Event::parse(bytes).unwrap();
        Written::of(event.aggregate_identifier, event.aggregate_sequence_number).carrying("again").encode()
    };
    let last = blocks.last_mut().unwrap();
    *last = last.iter().map(again).collect();
    let mut after = before.clone();
    context(&mut after).events.insert(image_of(parted.name(), parted.bytes().len(), &blocks));
    context(&mut after).append(Store::Events, 12);
    context(&mut before).store_mut(Store::Events).roll_now();
    context(&mut before).append(Store::Events, 1);
    let lab = Lab::new();
    let point = lab.complete(&mut before.clone());
    let stays = erased_behind_a_fork(&lab, &parted, after);
    assert_eq!(stays, [(1, "sealed")]);
    assert!(lab.events(&point) == whole(&before));
}

/// What both have of a segment leaves both; the older one holds from then on what the newer one has of it.
#[test]
fn an_erasure_lends_the_current_version_to_a_history_that_parted_behind_it() {
    let before = with_an_open_segment(18);
    let mut after = after_a_power_loss(&before, 1);
    let lab = Lab::new();
    let point = lab.complete(&mut before.clone());
    lab.incomplete(&mut after, "fork");
    context(&mut after).transform(0);
    lab.complete(&mut after);
    let report = erased(&lab);
    let rows: Vec<_> = report.segments.iter().map(|row| (row.incarnation, row.version)).collect();
    assert_eq!((rows, report.dry_run), (vec![(1, 0), (2, 0)], false));
    let mut expected = whole(&before);
    expected.retain(|name, _| name.number != token(0));
    expected.extend(whole(&after).into_iter().filter(|(name, _)| name.number == token(0)));
    assert!(lab.events(&point) == expected);
    let held = lab.archive.open().tree(lab.record(1).root).unwrap();
    let sealed = expected.keys().filter(|name| **name != open_segment(&before).name());
    assert!(held.iter().map(|entry| &entry.name).eq(sealed), "{held:?}");
    assert_eq!(lab.archive.verify(true).findings, []);
}

/// What a transformation keeps is what tells an old version. A backup has proven it; an erasure does not rely on that.
#[test]
fn an_erasure_takes_no_version_for_one_whose_events_are_of_another_aggregate_or_sequence() {
    let is_old = |aggregate: &str, more: i64| {
        let mut server = server(19);
        let lab = Lab::new();
        lab.complete(&mut server);
        let other = segment(&server, 0).transformed(|at, bytes| {
            let event = Event::parse(bytes).unwrap();
            let aggregate = if aggregate.is_empty() { event.aggregate_identifier } else { aggregate };
            let other = Written::of(aggregate, event.aggregate_sequence_number + more);
            if at == 0 { Change::Replace(other.carrying("transformed")) } else { Change::Keep }
        });
        let repository = lab.archive.open();
        let mut session = repository.session().unwrap();
        let mut state = lab.record(1);
        let mut sealed = repository.tree(state.root).unwrap();
        let extents = put_all(&mut session, PackKind::Sealed, other.prefix()).unwrap();
        let mut entry = entry(0, other.prefix(), extents, End::Rolled, other.events());
        (entry.name, entry.transactions) = (other.name(), other.transactions());
        sealed.insert(1, entry);
        state.root = session.put_tree(&sealed).unwrap();
        let durable = session.barrier().unwrap();
        let _ = session.publish_records(durable, vec![(state, Vec::new())]).unwrap();
        drop(session);
        let plan = erase::plan(&repository, &erasure(), &Unobserved).unwrap();
        !plan.segments.is_empty()
    };
    assert!(is_old("", 0));
    assert!(!is_old("another", 0) && !is_old("", 1));
}

/// Backs up a history that has parted within a segment, transforms that, and erases; gives what is said to stay. All that was archived of the
/// first incarnation must be there behind it, and nothing else.
fn erased_behind_a_fork(lab: &Lab, parted: &SegmentImage, mut after: Server) -> Vec<(u32, &'static str)> {
    lab.incomplete(&mut after, "fork");
    let is_it = |name: &SegmentName| *name == parted.name();
    let at = after.contexts["default"].events.segments.keys().position(is_it).unwrap();
    context(&mut after).transform(at);
    let last = lab.complete(&mut after);
    let held = lab.record(1);
    let report = erased(lab);
    let erased: Vec<_> = report.segments.iter().map(|row| (row.incarnation, row.kind)).collect();
    assert_eq!(erased, [(2, "sealed")]);
    assert_eq!(lab.record(1), held);
    assert!(lab.events(&last) == whole(&after));
    assert_eq!(lab.archive.verify(true).findings, []);
    report.not_replaced.iter().map(|row| (row.incarnation, row.kind)).collect()
}

fn erased(lab: &Lab) -> EraseReport {
    let disk = Arc::new(LocalDisk::new(lab.archive.repository_path()));
    let alone = Alone::open(disk, OpenOptions::default()).unwrap();
    erase::erase(&alone, &erasure(), &Unobserved).unwrap()
}

fn erasure() -> EraseOptions {
    EraseOptions {
        source: "node".to_owned(),
        context: "default".to_owned(),
        snapshots: false,
        reason: "test".to_owned(),
        prove: false,
    }
}

#[test]
fn records_without_a_point_do_not_make_an_incarnation_known() {
    let before = with_an_open_segment(9);
    let after = after_a_power_loss(&before, 1);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    let fork = lab.incomplete(&mut after.clone(), "fork");
    // As after a crash between the records and the point.
    lab.archive.remove(&format!("points/{}.json", fork.point.unwrap().number));
    let report = lab.incomplete(&mut after.clone(), "fork");
    assert_eq!(incarnation(&report), 2);
    lab.complete(&mut after.clone());
}

#[test]
fn half_of_an_incarnation_is_left_alone() {
    let before = with_an_open_segment(10);
    let after = after_a_power_loss(&before, 1);
    let lab = Lab::new();
    lab.complete(&mut before.clone());
    let files = lab.published();
    let fork = lab.incomplete(&mut after.clone(), "fork");
    lab.archive.remove(&format!("points/{}.json", fork.point.unwrap().number));
    let records: Vec<_> = lab.published().into_iter().filter(|file| !files.contains(file)).collect();
    lab.archive.remove(&records[0]);
    let report = lab.incomplete(&mut after.clone(), "fork");
    assert_eq!((incarnation(&report), lab.events(&report)), (3, whole(&after)));
}
