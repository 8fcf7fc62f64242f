//! A plain model (which event each point has under each token) against random lives: backups of a server that appends, transforms and compacts;
//! holds, forgetting, erasures, drops, prunes, copies, crashes in all of them. What the model says is there must be there; what was erased must
//! not; a copy keeps what it has.
//!
//! `SEGVAULT_LETTING_GO=500` runs more lives, `SEGVAULT_LETTING_GO_FROM=40` begins with another seed.

use crate::copy::{another, copy_all};
use crate::prune::lab::{At, DAY, prune_at};
use crate::store::model::{config, key, open};
use crate::support::archive::{bytes_of, quick};
use crate::support::asked;
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::backup;
use segvault::engine::drop_history::{self, Before, DropOptions, DropReport};
use segvault::engine::erase::{self, EraseOptions};
use segvault::engine::history::History;
use segvault::engine::pieces::Piece;
use segvault::engine::prune::{Skipped, tails};
use segvault::engine::retention::{self, ForgetOptions, HoldOptions, Wanted};
use segvault::engine::verify::{self, Class, VerifyOptions};
use segvault::repo::format::act::PointRef;
use segvault::repo::store::{Alone, ListedPoint, OpenOptions, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The event under each token.
type Events = BTreeMap<u64, Vec<u8>>;

#[derive(Clone, Debug, PartialEq)]
struct Known {
    events: Events,
    held: bool,
    forgotten: bool,
}

struct Life {
    random: fastrand::Rng,
    disk: CrashDisk,
    server: Server,
    now: i64,
    points: BTreeMap<PointRef, Known>,
    /// The events of all versions that the server ever had.
    versions: BTreeMap<(u64, u32), Events>,
    /// Events that were erased, and are in no newest version.
    erased: BTreeSet<Vec<u8>>,
    /// What is dropped, up to here.
    before: u64,
    log: Vec<String>,
    /// Another repository, to which points are copied, and what its points have.
    copy: CrashDisk,
    copied: BTreeMap<u64, Events>,
}

fn options(snapshots: bool) -> EraseOptions {
    EraseOptions {
        source: "node".to_owned(),
        context: "default".to_owned(),
        snapshots,
        reason: "life".to_owned(),
        prove: true,
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let disk = CrashDisk::default();
        Repository::init(&disk, &config()).unwrap();
        let mut life = Self {
            random: fastrand::Rng::with_seed(seed),
            disk,
            server: Server::new("node", &["default"], seed),
            now: 0,
            points: BTreeMap::new(),
            versions: BTreeMap::new(),
            erased: BTreeSet::new(),
            before: 0,
            log: vec![format!("seed {seed}")],
            copy: another('c'),
            copied: BTreeMap::new(),
        };
        life.append(12);
        life.back_up();
        life.check(None);
        life
    }

    fn append(&mut self, transactions: usize) {
        let context = self.server.contexts.get_mut("default").unwrap();
        context.append(Store::Events, transactions);
        context.append(Store::Snapshots, transactions / 4);
    }

    fn step(&mut self) {
        self.now += self.random.i64(0..DAY);
        let dice = self.random.u32(0..100);
        self.log.push(format!("{dice}"));
        let image = (self.random.u8(0..4) == 0).then(|| Image::ALL[self.random.usize(0..6)]);
        if image.is_some() {
            let at = self.random.u64(1..80);
            self.disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        }
        let after = match dice {
            0..=34 => self.change_and_back_up(),
            35..=44 => self.forget(),
            45..=52 => self.hold(),
            53..=69 => self.erase(),
            70..=76 => self.drop_history(),
            77..=84 => self.copy(image.is_some()),
            _ => self.prune(),
        };
        if let Some(image) = image {
            self.log.push(format!("  {image:?}"));
            self.disk = self.disk.reboot(image);
        }
        self.check(after.filter(|_| image.is_some()));
    }

    fn change_and_back_up(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let transactions = self.random.usize(1..6);
        self.append(transactions);
        let which = self.random.usize(0..8);
        let context = self.server.contexts.get_mut("default").unwrap();
        match self.random.u8(0..4) {
            0 => context.transform(which),
            1 => context.compact(),
            _ => {}
        }
        self.back_up()
    }

    /// All events of the server, of the highest versions.
    fn shown(&mut self) -> Events {
        let mut all = Events::new();
        for image in self.server.contexts["default"].events.segments.values() {
            let name = image.name();
            let mut events = Events::new();
            for transaction in segvault::axon::segment::walk(&image.bytes(), name.number) {
                for (token, event) in (transaction.first_token.get()..).zip(transaction.event_bytes()) {
                    events.insert(token, event.to_vec());
                }
            }
            all.extend(events.clone());
            self.versions.insert((name.number.get(), name.version), events);
        }
        all.retain(|token, _| *token >= self.before);
        all
    }

    /// The events of the highest archived version of each segment that was transformed. (Which ones are archived, the newest record says: a
    /// backup that crashed may have come so far.)
    fn newest(&self) -> Events {
        let repository = open(&self.disk.reboot(Image::ProcessKilled)).unwrap();
        let record = repository.newest_record(&key(Store::Events)).unwrap().unwrap();
        let names = repository.tree(record.state.root).unwrap().into_iter().map(|entry| entry.name);
        let highest: BTreeMap<u64, u32> = names.map(|name| (name.number.get(), name.version)).collect();
        let transformed = highest.into_iter().filter(|(_, version)| *version > 0);
        transformed.flat_map(|name| self.versions[&name].clone()).collect()
    }

    /// What a backup publishes, if it does.
    fn back_up(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let events = self.shown();
        let Ok(repository) = open(&self.disk) else { return None };
        let report = backup::run(&repository, &mut self.server, &quick("life"), &At(self.now));
        let known = Known { events, held: false, forgotten: false };
        match report {
            Ok(report) => {
                assert!(report.complete, "{:?} {:?}", report.findings, self.log);
                self.points.insert(report.point.unwrap(), known);
                let _ = tails::mark(&repository, &At(self.now));
                let newest_act = tails::newest_act(&repository).unwrap_or(0);
                let superseded = tails::worth_giving_back(&repository, newest_act).unwrap_or_default();
                drop(repository);
                if let (false, Ok(alone)) = (superseded.is_empty(), self.alone()) {
                    let _ = tails::give_back(&alone, &superseded, &At(self.now));
                }
                None
            }
            Err(_) => {
                // It may have been published all the same.
                let mut after = self.points.clone();
                let none = PointRef { number: 0, blake3: segvault::repo::format::id::FileHash([0; 32]) };
                after.insert(none, known);
                Some(after)
            }
        }
    }

    fn alone(&self) -> Result<Alone, segvault::repo::Error> {
        Alone::open(Arc::new(self.disk.clone()), OpenOptions::default())
    }

    fn one(&mut self) -> Option<PointRef> {
        let all: Vec<PointRef> = self.points.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.random.usize(0..all.len())])
    }

    fn forget(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let point = self.one()?;
        let wanted = Wanted::Points(vec![point.number.to_string()]);
        let options = ForgetOptions { wanted, source: None, reason: "life".to_owned(), dry_run: false };
        let mut after = self.points.clone();
        after.get_mut(&point)?.forgotten = !self.points[&point].held;
        let repository = open(&self.disk).ok()?;
        if retention::forget(&repository, &options, &At(self.now)).is_ok() {
            self.points.get_mut(&point)?.forgotten = true;
        }
        Some(after)
    }

    fn hold(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let point = self.one()?;
        let number = point.number.to_string();
        let mut after = self.points.clone();
        let known = after.get_mut(&point)?;
        known.held = !known.held && !known.forgotten;
        let repository = open(&self.disk).ok()?;
        let options = HoldOptions {
            point: number.clone(),
            source: None,
            reason: "life".to_owned(),
            until: None,
            dry_run: false,
        };
        let done = if self.points[&point].held {
            retention::release(&repository, (&number, None, false), &At(self.now)).is_ok()
        } else {
            retention::hold(&repository, &options, &At(self.now)).is_ok()
        };
        if done {
            self.points = after.clone();
        }
        Some(after)
    }

    /// What points have once old versions are erased; none of them if a hold forbids it.
    fn without_old(&self) -> Option<BTreeMap<PointRef, Known>> {
        let (mut after, newest) = (self.points.clone(), self.newest());
        for known in after.values_mut() {
            let was = known.clone();
            for (token, event) in &mut known.events {
                if let Some(newer) = newest.get(token) {
                    *event = newer.clone();
                }
            }
            if was.held && was.events != known.events {
                return None;
            }
        }
        Some(after)
    }

    fn erase(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let after = self.without_old();
        let erased: BTreeSet<Vec<u8>> = match &after {
            Some(after) => {
                let now: BTreeSet<&Vec<u8>> =
                    after.values().flat_map(|known| known.events.values()).collect();
                let was = self.points.values().flat_map(|known| known.events.values());
                was.filter(|event| !now.contains(event)).cloned().collect()
            }
            None => BTreeSet::new(),
        };
        let Ok(alone) = self.alone() else { return after };
        let snapshots = self.random.bool();
        match erase::erase(&alone, &options(snapshots), &At(self.now)) {
            Ok(report) => {
                let proof = report.proof.unwrap();
                // The server still has the snapshots that were erased here: a backup has archived them anew.
                let is_back = |found: &Skipped| found.why.contains("archived again since");
                assert!(proof.found.iter().all(is_back), "{proof:?} {:?}", self.log);
                assert!(proof.unreadable.is_empty(), "{proof:?} {:?}", self.log);
                assert!(
                    report.left.is_empty() || !proof.found.is_empty(),
                    "{:?} {:?}",
                    report.left,
                    self.log
                );
                self.points = after.clone().unwrap_or_else(|| panic!("a hold forbade it: {:?}", self.log));
                drop(alone);
                let found = self.all_events();
                assert!(erased.is_disjoint(&found), "{:?}", self.log);
                self.erased.extend(erased);
            }
            Err(error) => self.log.push(format!("  {error}")),
        }
        after
    }

    /// Every event in every block on the disk, found without a word of the erasure's own.
    fn all_events(&self) -> BTreeSet<Vec<u8>> {
        let mut found = BTreeSet::new();
        let repository = open(&self.disk).unwrap();
        let disk = repository.disk();
        for (pack, length) in segvault::repo::paths::packs(disk).unwrap() {
            for block in segvault::repo::index::read_directory(disk, pack, length).unwrap().blocks {
                let raw = repository.block(pack, &block).unwrap().raw;
                for place in &block.chunks {
                    let chunk = &raw[place.offset as usize..(place.offset + place.length) as usize];
                    let whole = if chunk.first() == Some(&2) {
                        chunk.to_vec()
                    } else {
                        [&[2, 0, 0, 0, 0], chunk].concat()
                    };
                    for transaction in
                        segvault::axon::segment::walk(&whole, segvault::axon::token::Token::ZERO)
                    {
                        found.extend(transaction.event_bytes().map(<[u8]>::to_vec));
                    }
                }
            }
        }
        found
    }

    fn drop_history(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let head = self.points.values().filter_map(|known| known.events.keys().next_back()).max().copied()?;
        let token = self.random.u64(0..=head / 2 + 1);
        let mut options = DropOptions {
            source: None,
            context: "default".to_owned(),
            before: Before::Token(token),
            reason: "life".to_owned(),
            confirmed: None,
        };
        let repository = open(&self.disk).ok()?;
        let planned = drop_history::drop_history(&repository, &options, &At(self.now));
        let plan: DropReport = planned.ok().filter(|plan| !plan.logs.is_empty())?;
        options.confirmed = plan.confirmation.clone();
        let before = plan.logs[0].before;
        assert!(before <= token, "{:?}", self.log);
        let mut after = self.points.clone();
        after.retain(|_, known| known.events.keys().next_back().is_some_and(|head| *head >= before));
        after.values_mut().for_each(|known| known.events.retain(|token, _| *token >= before));
        if drop_history::drop_history(&repository, &options, &At(self.now)).is_ok() {
            self.points = after.clone();
            self.before = self.before.max(before);
        } else if !self
            .points
            .values()
            .any(|known| known.events.keys().next().is_some_and(|first| *first >= before))
        {
            // The act may be there: then a backup leaves it out.
            let journal = open(&self.disk.reboot(Image::ProcessKilled)).unwrap().acts().unwrap().0;
            let is_said = journal
                .iter()
                .any(|act| matches!(&act.deed, segvault::repo::format::act::Deed::Dropped { .. }));
            self.log.push(format!("  said {is_said}"));
        }
        self.before = self.dropped();
        Some(after)
    }

    /// What the acts say, on the disk as it will be seen next.
    fn dropped(&self) -> u64 {
        let acts = open(&self.disk.reboot(Image::ProcessKilled)).unwrap().acts().unwrap().0;
        let of = |act: &segvault::repo::format::act::Act| match &act.deed {
            segvault::repo::format::act::Deed::Dropped { logs, .. } => {
                logs.iter().map(|log| log.before).max()
            }
            _ => None,
        };
        acts.iter().filter_map(of).max().unwrap_or(0)
    }

    fn prune(&mut self) -> Option<BTreeMap<PointRef, Known>> {
        let done = prune_at(&self.disk, self.now, [0, DAY][self.random.usize(0..2)]);
        self.log.push(format!(
            "  {:?}",
            done.map(|(mark, delete)| (mark.marked_packs, mark.versions, delete.gone))
        ));
        None
    }

    /// Copies all that is listed. What the copy has it keeps, whatever becomes of the original.
    fn copy(&mut self, is_in_trouble: bool) -> Option<BTreeMap<PointRef, Known>> {
        let image = (self.random.u8(0..3) == 0).then(|| Image::ALL[self.random.usize(0..6)]);
        if image.is_some() {
            let at = self.random.u64(1..60);
            self.copy.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        }
        let done = copy_all(&self.disk, &self.copy);
        if let Some(image) = image {
            self.copy = self.copy.reboot(image);
        }
        let found = self.check_copy();
        match done {
            Ok(report) => {
                let of = |number| self.points.iter().find(|(point, _)| point.number == number).unwrap().1;
                for point in &report.points {
                    assert_eq!(found[&point.to.unwrap()], of(point.from).events, "{:?}", self.log);
                }
                let listed = self.points.values().filter(|known| !known.forgotten).count();
                assert_eq!(report.points.len() + report.known.len(), listed, "{:?}", self.log);
            }
            Err(error) => {
                assert!(image.is_some() || is_in_trouble, "{error} {:?}", self.log);
                self.log.push(format!("  {error}"));
            }
        }
        self.copied = found;
        None
    }

    /// The points of the copy: those that it had, and none that the original has not; all of it whole.
    fn check_copy(&self) -> BTreeMap<u64, Events> {
        let repository = open(&self.copy).unwrap();
        let journal = repository.journal().unwrap();
        assert_eq!(journal.unreadable, [], "{:?}", self.log);
        let point = |listed: &ListedPoint| (listed.point.number, read(&repository, listed));
        let found: BTreeMap<u64, Events> = journal.points.iter().map(point).collect();
        for (number, events) in &found {
            let is_known = self.copied.get(number).map_or_else(
                || self.points.values().any(|known| known.events == *events),
                |known| known == events,
            );
            assert!(is_known, "copied point {number}: {:?}", self.log);
        }
        assert!(self.copied.keys().all(|number| found.contains_key(number)), "{:?}", self.log);
        self.whole(&repository);
        found
    }

    fn whole(&self, repository: &Repository) {
        let options = VerifyOptions { data: true, ..VerifyOptions::default() };
        let report = verify::verify(repository, &options, &At(self.now)).unwrap();
        let bad: Vec<_> = report.findings.iter().filter(|finding| finding.class > Class::Note).collect();
        assert!(bad.is_empty(), "{bad:?} {:?}", self.log);
    }

    /// All that is there is what the model says, or (behind a crash) what it would say after the deed; and the repository is whole.
    fn check(&mut self, after: Option<BTreeMap<PointRef, Known>>) {
        self.before = self.dropped();
        let repository = open(&self.disk).unwrap();
        let journal = repository.journal().unwrap();
        assert_eq!(journal.unreadable, [], "{:?}", self.log);
        let mut found = BTreeMap::new();
        for listed in &journal.points {
            let point = listed.reference();
            let is = Known {
                events: read(&repository, listed),
                held: listed.held.is_some(),
                forgotten: listed.forgotten,
            };
            let new = after.iter().flat_map(|after| after.iter().filter(|(point, _)| point.number == 0));
            let expected =
                self.points.get(&point).into_iter().chain(after.iter().filter_map(|after| after.get(&point)));
            let fits = expected.clone().chain(new.map(|(_, known)| known)).any(|known| *known == is);
            assert!(
                fits,
                "point {}: {:?} not {:?}: {:?}",
                point.number,
                is.events.keys(),
                expected.map(|known| (known.events.keys(), known.held, known.forgotten)).collect::<Vec<_>>(),
                self.log
            );
            found.insert(point, is);
        }
        for (point, known) in &self.points {
            let may_go = known.forgotten || after.as_ref().is_some_and(|after| !after.contains_key(point));
            assert!(found.contains_key(point) || may_go, "point {} is gone: {:?}", point.number, self.log);
            assert!(found.contains_key(point) || !known.held, "held: {:?}", self.log);
        }
        self.points = found;
        self.whole(&repository);
    }
}

/// The event under each token, as a point has it.
fn read(repository: &Repository, listed: &ListedPoint) -> Events {
    let context = &listed.point.body.contexts["default"];
    let history = History::of_point(repository, listed, "default", context).unwrap();
    let mut events = Events::new();
    for piece in &history.events {
        let bytes = bytes(repository, piece);
        for transaction in segvault::axon::segment::walk(&bytes, piece.span.name.number) {
            for (token, event) in (transaction.first_token.get()..).zip(transaction.event_bytes()) {
                assert!(events.insert(token, event.to_vec()).is_none());
            }
        }
    }
    assert_eq!(events.keys().next().copied(), context.events.first);
    assert_eq!(events.keys().next_back().copied(), context.events.head);
    events
}

fn bytes(repository: &Repository, piece: &Piece) -> Vec<u8> {
    let bytes = bytes_of(repository, piece).unwrap();
    if let Some(content) = piece.content() {
        assert_eq!(repository.naming().content(&bytes), content);
    }
    bytes
}

#[test]
fn random_lives_keep_what_stays_and_lose_what_is_erased_and_dropped() {
    let from = asked("SEGVAULT_LETTING_GO_FROM", 0);
    for seed in from..from + asked("SEGVAULT_LETTING_GO", 4) {
        let mut life = Life::new(seed);
        for _ in 0..24 {
            life.step();
        }
    }
}

#[test]
fn an_erasure_that_stops_anywhere_leaves_all_whole_and_is_gone_on_with() {
    let mut life = Life::new(77);
    let context = life.server.contexts.get_mut("default").unwrap();
    context.transform(0);
    context.transform(1);
    life.append(3);
    life.back_up();
    life.check(None);
    let (start, points) = (life.disk.reboot(Image::ProcessKilled), life.points.clone());
    let mut stops = 0;
    for at in (1..).step_by(3) {
        life.disk = start.reboot(Image::ProcessKilled);
        life.points = points.clone();
        life.disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let after = life.without_old();
        let done = life.alone().is_ok_and(|alone| erase::erase(&alone, &options(false), &At(1)).is_ok());
        life.disk = life.disk.reboot(Image::ALL[(at / 3) as usize % 6]);
        life.check(after);
        if done {
            break;
        }
        stops += 1;
        life.erase();
        life.check(None);
        assert!(
            life.points.values().any(|known| !points.values().any(|was| was == known)),
            "at {at}: {:?}",
            life.log
        );
    }
    assert!(stops > 8, "{stops}");
}
