//! A plain model of points against random lives of a repository: backups, forgetting, holds, prunes, crashes. What the model says is there
//! must be there, whole; a log never loses anything.
//!
//! `SEGVAULT_PRUNE_LIVES=5000` runs more of them. `SEGVAULT_PRUNE_LARGE=1` prunes 10,000 points.

use super::lab::*;
use crate::store::model::{
    NAMING, back_up_on, body, check, config, entry, key, noise, open, point_log, put_all,
};
use crate::support::asked;
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use segvault::axon::name::Store;
use segvault::engine::retention::{self, ForgetOptions, HoldOptions, Policy, Wanted};
use segvault::repo::disk::Disk;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::entry::{End, encode_extents};
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{Content, ControlDb, PointLog};
use segvault::repo::format::record::LogState;
use segvault::repo::store::Repository;
use std::collections::BTreeMap;
use std::io::Write;

/// What the model knows of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Listed,
    Held,
    /// Since when.
    Forgotten(i64),
}

struct Life {
    random: fastrand::Rng,
    disk: CrashDisk,
    now: i64,
    backups: u64,
    points: BTreeMap<PointRef, State>,
    log: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let (disk, points) = lab(1);
        let points = points.into_iter().map(|point| (point, State::Listed)).collect();
        let (random, log) = (fastrand::Rng::with_seed(seed), vec![format!("seed {seed}")]);
        Self { random, disk, now: 0, backups: 1, points, log }
    }

    fn step(&mut self) {
        self.now += self.random.i64(0..DAY);
        let dice = self.random.u32(0..100);
        self.log.push(format!("{dice} at {}", self.now));
        // A crash anywhere in what follows, now and then.
        let image = (self.random.u8(0..4) == 0).then(|| Image::ALL[self.random.usize(0..6)]);
        if image.is_some() {
            let at = self.random.u64(1..50);
            self.disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        }
        match dice {
            0..=34 => self.back_up(),
            35..=54 => self.forget(),
            55..=62 => self.hold(),
            63..=69 => self.remember(),
            _ => self.prune(),
        }
        if let Some(image) = image {
            self.log.push(format!("  {image:?}"));
            self.disk = self.disk.reboot(image);
            self.learn();
        }
        self.check();
    }

    fn back_up(&mut self) {
        // What a crashed backup has stored is history already: the source has gone on.
        self.backups += 1;
        if let Ok(point) = back_up_on(&self.disk, self.backups) {
            self.log.push(format!("  point {}", point.number));
            self.points.insert(point, State::Listed);
        }
    }

    fn one(&mut self) -> Option<PointRef> {
        let all: Vec<PointRef> = self.points.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.random.usize(0..all.len())])
    }

    fn forget(&mut self) {
        let policy = Policy { last: self.random.u64(1..4), ..Policy::default() };
        let wanted = if self.random.bool() {
            Wanted::Policy { policy, by_source: true }
        } else {
            let Some(point) = self.one() else { return };
            Wanted::Points(vec![point.number.to_string()])
        };
        let options = ForgetOptions { wanted, source: None, reason: "life".to_owned(), dry_run: false };
        let Ok(repository) = open(&self.disk) else { return };
        if let Ok(report) = retention::forget(&repository, &options, &At(self.now)) {
            for point in report.points.iter().filter(|point| !point.keep) {
                let was = self.points.insert(point.reference(), State::Forgotten(self.now));
                assert_eq!(was, Some(State::Listed), "{:?}", self.log);
            }
        }
    }

    fn hold(&mut self) {
        let Some(point) = self.one() else { return };
        let Ok(repository) = open(&self.disk) else { return };
        let number = point.number.to_string();
        let options = HoldOptions {
            point: number.clone(),
            source: None,
            reason: "life".to_owned(),
            until: None,
            dry_run: false,
        };
        if self.points[&point] == State::Held {
            if retention::release(&repository, (&number, None, false), &At(self.now)).is_ok() {
                self.points.insert(point, State::Listed);
            }
        } else if retention::hold(&repository, &options, &At(self.now)).is_ok() {
            self.points.insert(point, State::Held);
        }
    }

    fn remember(&mut self) {
        let Ok(repository) = open(&self.disk) else { return };
        if let Ok(report) = retention::remember(&repository, (&[], None, false), &At(self.now)) {
            for (point, state) in &mut self.points {
                if report.points.contains(&point.number) {
                    assert!(matches!(state, State::Forgotten(_)), "{:?}", self.log);
                    *state = State::Listed;
                }
            }
        }
    }

    fn prune(&mut self) {
        let grace = [0, DAY, 3 * DAY][self.random.usize(0..3)];
        if let Ok((mark, delete)) = prune_at(&self.disk, self.now, grace) {
            self.log.push(format!("  grace {grace}: marked {}, {:?}", mark.marked_packs, delete));
        }
        // What is gone was forgotten, and for long enough.
        let journal = open(&self.disk.reboot(Image::ProcessKilled)).unwrap().journal().unwrap();
        let there: Vec<PointRef> = journal.points.iter().map(|listed| listed.reference()).collect();
        self.points.retain(|point, state| {
            let is_there = there.contains(point);
            let may_go = matches!(state, State::Forgotten(since) if *since + grace <= self.now);
            assert!(is_there || may_go, "point {} is gone: {:?}", point.number, self.log);
            is_there
        });
    }

    /// After a crash: what was not acknowledged may have happened, or not. What was acknowledged has.
    fn learn(&mut self) {
        let journal = open(&self.disk).unwrap().journal().unwrap();
        assert_eq!(journal.unreadable, [], "{:?}", self.log);
        for listed in &journal.points {
            let state = match (listed.held.is_some(), listed.forgotten) {
                (true, _) => State::Held,
                (false, true) => State::Forgotten(self.now),
                (false, false) => State::Listed,
            };
            let known = self.points.entry(listed.reference()).or_insert(state);
            if !matches!((&known, state), (State::Forgotten(_), State::Forgotten(_))) {
                *known = state;
            }
        }
        let there: Vec<PointRef> = journal.points.iter().map(|listed| listed.reference()).collect();
        for (point, state) in &self.points {
            let may_go = matches!(state, State::Forgotten(_));
            assert!(there.contains(point) || may_go, "point {} is gone: {:?}", point.number, self.log);
        }
        self.points.retain(|point, _| there.contains(point));
    }

    fn check(&self) {
        let repository = open(&self.disk).unwrap();
        let journal = repository.journal().unwrap();
        let found: Vec<PointRef> = journal.points.iter().map(|listed| listed.reference()).collect();
        let known: Vec<PointRef> = self.points.keys().copied().collect();
        assert_eq!(found, known, "{:?}", self.log);
        // Forgotten ones are whole, too, until they are gone.
        for listed in &journal.points {
            crate::store::model::check_point(&repository, listed)
                .unwrap_or_else(|error| panic!("point {}: {error}\n{:?}", listed.point.number, self.log));
        }
        check(&repository, &[]).unwrap();
        whole_logs(&self.disk);
    }
}

#[test]
fn random_lives_lose_nothing_that_a_point_or_a_log_needs() {
    for seed in 0..asked("SEGVAULT_PRUNE_LIVES", 12) {
        let mut life = Life::new(seed);
        for _ in 0..30 {
            life.step();
        }
    }
}

#[test]
fn ten_thousand_points_and_segments_are_pruned_in_seconds() {
    if std::env::var("SEGVAULT_PRUNE_LARGE").is_err() {
        return;
    }
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let points = many_points(&disk, 10_000);
    forget(&disk, &points[..9_000], 0);
    for day in 1..4 {
        // Not the clock on the wall: others may be at work on the machine.
        let begun = processor_seconds();
        let (mark, delete) = prune_at(&disk, day * DAY, 0).unwrap();
        let took = processor_seconds() - begun;
        println!("{took} s: marked {}, {} points gone", mark.marked_packs, delete.gone.len());
        assert!(took < 60);
    }
    assert_eq!(numbers(&disk, "points").len(), 1_000);
}

/// Points of a log with as many segments, each with a control database of its own. Their files are written by hand: through sessions it would take hours.
fn many_points(disk: &CrashDisk, count: u64) -> Vec<PointRef> {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = noise(1, 1000);
    let extents = put_all(&mut session, PackKind::Sealed, &bytes).unwrap();
    let sealed: Vec<_> =
        (0..count).map(|number| entry(number * 10, &bytes, extents.clone(), End::Rolled, 10)).collect();
    let mut databases = Vec::new();
    for number in 0..count {
        let bytes = noise(100 + number, 300);
        let extents = put_all(&mut session, PackKind::ControlDb, &bytes).unwrap();
        let list = session.put(PackKind::ControlDb, encode_extents(&extents)).unwrap();
        let inner = Content { length: 300, blake3: NAMING.content(&bytes), list };
        databases.push(ControlDb::Inner { entry: "db".to_owned(), inner, zip: None });
    }
    let root = session.put_tree(&sealed).unwrap();
    let durable = session.barrier().unwrap();
    let state = |store| LogState { key: key(store), branch: None, root, tails: Vec::new() };
    let states = [Store::Snapshots, Store::Events].map(|store| (state(store), Vec::new()));
    let (records, numbers) = session.publish_records(durable, states.to_vec()).unwrap();
    let log = |number| PointLog { open: Vec::new(), ..point_log(number, root, &sealed, &sealed[0]) };
    let body = body(databases[0].clone(), log(numbers[0]), log(numbers[1]));
    let first = session.publish_point(records, body).unwrap().point;
    let mut point = repository.journal().unwrap().points.pop().unwrap().point;
    let mut points = vec![first];
    for database in &databases[1..] {
        point.previous = points.last().map(|point| point.blake3);
        point.number += 1;
        point.body.control_db = database.clone();
        let bytes = point.encode().unwrap();
        let mut file = disk.create_new(&format!("points/{}.json", point.number)).unwrap();
        file.write_all(&bytes).unwrap();
        points.push(PointRef { number: point.number, blake3: NAMING.file(&bytes) });
    }
    points
}

fn processor_seconds() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec
}
