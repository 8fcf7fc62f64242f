//! What a place in a history costs: its neighbourhood, however long the history is. Operations of the disk are counted, no time.

use super::{to_time, to_token};
use crate::store::model::{config, open};
use crate::support::crash_disk::{CrashDisk, Trouble};
use crate::support::segments::Event;
use crate::support::server::Server;
use segvault::engine::backup::{self, BackupOptions};
use segvault::engine::observe::{Observer, Unobserved};
use segvault::engine::points::{self, AtOptions};
use segvault::engine::restore::cut::request::CutRequest;
use segvault::engine::restore::{self, RestoreOptions};
use segvault::repo::store::Repository;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

/// A repository of a history of so many segments with one event each, backed up so many times on its way; each fifth event has a snapshot.
fn archived(segments: i64, points: i64) -> CrashDisk {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let mut server = Server::new("node", &["default"], 12);
    for at in 0..segments {
        let context = server.contexts.get_mut("default").unwrap();
        let event = Event::of("a", at).at(at * 1_000);
        context.events.append(std::slice::from_ref(&event)).roll_now();
        if points > 1 && at % 5 == 0 {
            context.snapshots.append(&[Event { snapshot: true, ..event }]);
        }
        if (at + 1) % (segments / points) == 0 {
            backup::run(&open(&disk).unwrap(), &mut server, &BackupOptions::all("test"), &Unobserved)
                .unwrap();
        }
    }
    disk
}

/// Operations of the disk while `act` runs.
fn counted<T>(disk: &CrashDisk, act: impl FnOnce() -> T) -> (u64, T) {
    disk.plan(Trouble::default());
    let done = act();
    (disk.operations(), done)
}

fn looking(segments: i64) -> u64 {
    let disk = archived(segments, 1);
    let repository = open(&disk).unwrap();
    let options = AtOptions { source: None, request: to_time(segments * 500), count_aggregates: false };
    let (operations, at) = counted(&disk, || points::at(&repository, &options).unwrap());
    assert_eq!(at.cut.contexts[0].behind.events as i64, segments / 2 - 1);
    operations
}

#[test]
fn looking_at_a_moment_costs_the_same_however_long_the_history_is() {
    let (short, long) = (looking(10), looking(80));
    assert!(long <= short + 10, "{short} operations for 10 segments, {long} for 80");
}

fn options(target: &Path, cut: Option<CutRequest>) -> RestoreOptions {
    RestoreOptions { cut, ..RestoreOptions::latest(target.to_owned()) }
}

/// What it takes to plan a cut in the middle, without what it takes to read the list of points; and then to do it.
fn restoring(segments: i64, points: i64) -> (u64, u64) {
    let (disk, room) = (archived(segments, points), tempfile::tempdir().unwrap());
    let repository = open(&disk).unwrap();
    let (listing, _) = counted(&disk, || repository.journal().unwrap());
    let options = options(&room.path().join("out"), Some(to_token(segments as u64 / 2 - 1)));
    let (planning, plan) = counted(&disk, || restore::plan(&repository, &options).unwrap());
    let (doing, restored) = counted(&disk, || restore::apply(&repository, plan, &Unobserved).unwrap());
    assert_eq!(restored.contexts[0].events.events as i64, segments / 2);
    (planning - listing, doing)
}

#[test]
fn a_cut_costs_its_neighbourhood_and_copying_what_is_kept() {
    let (short, long) = (restoring(10, 1), restoring(80, 1));
    assert!(long.0 <= short.0 + 10, "{} operations for a plan of 10 segments, {} of 80", short.0, long.0);
    // The same events, uncut.
    let (disk, room) = (archived(40, 1), tempfile::tempdir().unwrap());
    let repository = open(&disk).unwrap();
    let plan = restore::plan(&repository, &options(&room.path().join("whole"), None)).unwrap();
    let (whole, _) = counted(&disk, || restore::apply(&repository, plan, &Unobserved).unwrap());
    assert!(
        long.1 <= whole + 10,
        "{whole} operations to copy 40 segments, {} to copy them out of 80",
        long.1
    );
}

/// Of the events behind the cut those up to the next pair are read, not all.
#[test]
fn snapshots_are_tested_pair_by_pair() {
    let (short, long) = (restoring(20, 4), restoring(80, 16));
    assert!(long.0 <= short.0 + 20, "{} operations for 20 segments, {} for 80", short.0, long.0);
}

/// A clock that stands a tenth of a second further whenever somebody looks.
#[derive(Default)]
struct Clock(AtomicI64);

impl Observer for Clock {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(100, Ordering::Relaxed)
    }
}

#[test]
fn the_estimate_follows_what_was_measured() {
    let (disk, room) = (archived(20, 1), tempfile::tempdir().unwrap());
    let repository = open(&disk).unwrap();
    let plan = restore::plan(&repository, &options(&room.path().join("out"), None)).unwrap();
    let found = restore::estimate(&repository, &plan, &Clock::default());
    // Four samples, and the clock is looked at before, after each, and at the end.
    assert_eq!(found.decoded_in_ms, 500);
    let of_one = plan.contexts[0].events.segments[0].prefix;
    assert!((of_one * 3..=of_one * 5).contains(&found.decoded), "{found:?}");
    let rate = found.decoded * 2 * found.at_once;
    let expected = found.to_decode.div_ceil(rate) + found.at_target.div_ceil(found.target_bytes_per_second);
    assert_eq!((found.seconds, found.decoded_per_second()), (expected, found.decoded * 2));
}
