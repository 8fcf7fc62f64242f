//! The protocol against a plain model: random histories of a server and of its backups, with crashes of the repository's disk in between.
//!
//! The server appends, rolls, transforms, compacts, purges, loses what was not synced, is rotten for a while, is restored to an older state;
//! backups see it as it is or an older copy of it, all of it or one context. At the end: each acknowledged point still reads as what was seen
//! when it was made; nothing acknowledged has left a log; no two points of one incarnation hold different events at one token; a point that
//! says that it is complete holds all that was written.
//!
//! `SEGVAULT_MODEL_HISTORIES=20000` runs more of them than the 150 of an ordinary test run, `SEGVAULT_MODEL_HISTORIES=202..203` one that is named by
//! its seed. [`play`] lets a fuzzer choose what happens (fuzz/).

use crate::support::archive::{bytes_of, config, quick};
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use crate::support::segments::SegmentImage;
use crate::support::server::{Context, Server};
use segvault::axon::name::{SegmentName, Store};
use segvault::engine::backup::{self, BackupOptions};
use segvault::engine::observe::Unobserved;
use segvault::engine::pieces;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{PointLog, Weight};
use segvault::repo::format::record::LogKey;
use segvault::repo::store::{OpenOptions, Repository};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

const IMAGES: [Image; 4] =
    [Image::ProcessKilled, Image::OnlySynced, Image::NamesWithoutData, Image::DataWithoutNames];

/// What a store showed when a point was made: the valid prefix of each segment that was whole.
type Shown = BTreeMap<SegmentName, Vec<u8>>;

/// A point that was acknowledged, and what was seen then.
struct Acknowledged {
    point: PointRef,
    complete: bool,
    shown: BTreeMap<(String, Store), Shown>,
    /// All that lay there then: every version, and what was damaged as it would be without the damage.
    written: BTreeMap<(String, Store), Shown>,
}

/// Where chance comes from: bytes that somebody chose, then a seed.
struct Chance {
    chosen: VecDeque<u8>,
    random: fastrand::Rng,
}

impl Chance {
    fn seeded(seed: u64) -> Self {
        Self { chosen: VecDeque::new(), random: fastrand::Rng::with_seed(seed) }
    }

    fn chosen(bytes: &[u8]) -> Self {
        Self { chosen: bytes.iter().copied().collect(), ..Self::seeded(0) }
    }

    fn u8(&mut self, range: Range<u8>) -> u8 {
        match self.chosen.pop_front() {
            Some(byte) => range.start + byte % (range.end - range.start),
            None => self.random.u8(range),
        }
    }

    fn u32(&mut self, range: Range<u32>) -> u32 {
        match self.chosen.pop_front() {
            Some(byte) => range.start + u32::from(byte) % (range.end - range.start),
            None => self.random.u32(range),
        }
    }

    fn usize(&mut self, range: Range<usize>) -> usize {
        match self.chosen.pop_front() {
            Some(byte) => range.start + usize::from(byte) % (range.end - range.start),
            None => self.random.usize(range),
        }
    }

    fn u64(&mut self, range: Range<u64>) -> u64 {
        match self.chosen.pop_front() {
            Some(byte) => range.start + u64::from(byte) % (range.end - range.start),
            None => self.random.u64(range),
        }
    }

    /// Any number.
    fn any(&mut self) -> u64 {
        match (self.chosen.pop_front(), self.chosen.pop_front()) {
            (Some(one), Some(other)) => u64::from(one) << 8 | u64::from(other),
            _ => self.random.u64(..),
        }
    }
}

struct World {
    seed: u64,
    random: Chance,
    server: Server,
    /// Older states of the server: copies, and what it may be restored to.
    older: Vec<Server>,
    disk: CrashDisk,
    acknowledged: Vec<Acknowledged>,
    log: Vec<String>,
}

/// Mostly what is asked for when nothing is.
fn options(random: &mut Chance) -> BackupOptions {
    let mut options = quick("model");
    match random.u8(0..20) {
        0 => options.contexts = vec!["default".to_owned()],
        1 => options.excluded = vec!["default".to_owned()],
        2 => options.reread = true,
        3 => options.no_fork = true,
        _ => {}
    }
    options
}

fn open(disk: &CrashDisk) -> Repository {
    Repository::open(Arc::new(disk.clone()), OpenOptions::default())
        .expect("a repository opens after any crash")
}

impl World {
    fn new(seed: u64) -> Self {
        Self::with(seed, Chance::seeded(seed))
    }

    fn with(seed: u64, random: Chance) -> Self {
        let disk = CrashDisk::default();
        Repository::init(&disk, &config()).unwrap();
        let server = Server::new("node", &["default", "other"], seed);
        Self { seed, random, server, older: Vec::new(), disk, acknowledged: Vec::new(), log: Vec::new() }
    }

    fn context(&mut self) -> &mut Context {
        let name = if self.random.u8(0..4) == 0 { "other" } else { "default" };
        self.server.contexts.get_mut(name).unwrap()
    }

    fn step(&mut self) {
        let dice = self.random.u32(0..100);
        let (few, which) = (self.random.usize(1..12), self.random.usize(0..8));
        let store = if self.random.u8(0..4) == 0 { Store::Snapshots } else { Store::Events };
        self.log.push(format!("{dice} few {few} which {which} {store}"));
        match dice {
            0..=29 => self.context().append(store, few),
            30..=34 => {
                self.context().store_mut(store).roll_now();
            }
            35..=38 => self.context().transform(which),
            39..=40 => self.context().compact(),
            41..=42 => self.context().purge(),
            43..=45 => self.older.push(self.server.clone()),
            46 => self.lose_unsynced(store, false),
            47 => self.lose_unsynced(store, true),
            48 => self.restore_server(),
            49..=52 => self.rot(store, which),
            53..=55 => self.context().damaged.clear(),
            56 => self.back_up_beside_another(),
            57..=60 => self.back_up_older_copy(),
            61..=72 => self.back_up_and_crash(),
            _ => self.back_up(),
        }
    }

    /// Segments that two points have seen as sealed, in any context: by then they are synced, and no power loss takes them.
    fn seen_sealed_twice(&self, store: Store) -> Vec<SegmentName> {
        let logs = self.acknowledged.iter().flat_map(|point| &point.shown);
        let sealed =
            logs.filter(|((_, of), _)| *of == store).flat_map(|(_, shown)| shown.keys().rev().skip(1));
        let mut seen: BTreeMap<SegmentName, u32> = BTreeMap::new();
        sealed.for_each(|name| *seen.entry(*name).or_default() += 1);
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name).collect()
    }

    /// A power loss: the open segment goes back, and may be written differently. It may take the newest file as a whole, and with it
    /// what was not synced of the one before, which is then open again.
    fn lose_unsynced(&mut self, store: Store, with_newest: bool) {
        let keep = self.random.usize(0..4);
        let seed = self.random.any();
        let synced = self.seen_sealed_twice(store);
        let context = self.context();
        if context.store(store).segments.keys().any(|name| name.version > 0) {
            return;
        }
        let before_newest = context.store(store).segments.keys().rev().nth(1).copied();
        if with_newest && before_newest.is_some_and(|name| !synced.contains(&name)) {
            context.store_mut(store).segments.pop_last();
        }
        let open = context.store(store).open().clone();
        let blocks: Vec<Vec<Vec<u8>>> = blocks_of(&open);
        let kept = blocks.len().saturating_sub(keep);
        let mut shorter = SegmentImage::new(open.name().number.get(), open.bytes().len());
        for block in &blocks[..kept] {
            shorter.append_raw(block);
        }
        context.store_mut(store).insert(shorter);
        context.history.reseed(seed);
    }

    /// The operator restores the server to an older state, and it goes on from there.
    fn restore_server(&mut self) {
        if self.older.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.older.len());
        let restored = self.server.restored + 1;
        self.server = Server { restored, ..self.older[at].clone() };
        let seed = self.random.any();
        for context in self.server.contexts.values_mut() {
            context.history.reseed(seed);
        }
    }

    /// One bit of a segment flips.
    fn rot(&mut self, store: Store, which: usize) {
        let (at, bit) = (self.random.any() as usize, self.random.u8(0..8));
        let context = self.context();
        let images: Vec<SegmentImage> = context.store(store).segments.values().cloned().collect();
        let image = &images[which % images.len()];
        let mut bytes = image.bytes();
        let valid = usize::try_from(image.end()).unwrap();
        // No CRC covers the flags of a header and the version of a transaction: what flips there before it was archived can't be told.
        let mut at = at % (valid + 4);
        while (1..5).contains(&at) || versions_of(image).contains(&at) {
            at += 1;
        }
        bytes[at] ^= 1 << bit;
        context.damaged.insert((store, image.name()), bytes);
    }

    /// What a backup of the server has to give back: of each segment that is whole the highest version.
    fn shown(&self, server: &Server) -> BTreeMap<(String, Store), Shown> {
        let mut all = self.written(server);
        for ((name, store), shown) in &mut all {
            let newest: BTreeMap<_, _> = shown.keys().map(|name| (name.number, *name)).collect();
            let damaged = &server.contexts[name].damaged;
            shown.retain(|name, _| newest[&name.number] == *name && !damaged.contains_key(&(*store, *name)));
        }
        all
    }

    /// What the server wrote and still has, whatever the disk shows of it.
    fn written(&self, server: &Server) -> BTreeMap<(String, Store), Shown> {
        let stores =
            server.contexts.iter().flat_map(|(name, context)| Store::ALL.map(|store| (name, context, store)));
        stores
            .map(|(name, context, store)| {
                let segments = &context.store(store).segments;
                let written = segments.iter().map(|(name, image)| (*name, image.prefix().to_vec())).collect();
                ((name.clone(), store), written)
            })
            .collect()
    }

    fn run_backup(&mut self, mut server: Server) -> Result<(), segvault::engine::Error> {
        let repository = Repository::open(Arc::new(self.disk.clone()), OpenOptions::default())?;
        let options = options(&mut self.random);
        let (only, without) = (&options.contexts, &options.excluded);
        self.log.push(format!("  only {only:?} without {without:?} no-fork {}", options.no_fork));
        let report = backup::run(&repository, &mut server, &options, &Unobserved)?;
        self.log.push(format!(
            "  acknowledged {:?} complete {}",
            report.point.map(|p| p.number),
            report.complete
        ));
        for finding in &report.findings {
            self.log.push(format!("    {:?} {}: {}", finding.weight, finding.what, finding.text));
        }
        let is_whole = report.findings.iter().all(|finding| finding.weight < Weight::Incomplete);
        assert_eq!(report.complete, is_whole, "{}", self.story());
        let (shown, written) = (self.shown(&server), self.written(&server));
        let (point, complete) = (report.point.unwrap(), report.complete);
        self.acknowledged.push(Acknowledged { point, complete, shown, written });
        Ok(())
    }

    fn back_up(&mut self) {
        let server = self.server.clone();
        self.log.push("back up".to_owned());
        match self.run_backup(server) {
            Ok(()) => {}
            Err(error) if is_refused(&error) => self.log.push("  refused: another history".to_owned()),
            Err(error) => panic!("a backup failed: {error:?}\n{}\n{}", self.server.describe(), self.story()),
        }
    }

    fn back_up_older_copy(&mut self) {
        if self.older.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.older.len());
        self.log.push(format!("back up older copy {at}"));
        let server = self.older[at].clone();
        match self.run_backup(server) {
            Ok(()) => {}
            Err(error) if is_refused(&error) => {}
            Err(error) => panic!("a backup of an older copy failed: {error:?}\n{}", self.story()),
        }
    }

    /// Another run is at work, and has stored something: this one is refused, and neither disturbs the other.
    fn back_up_beside_another(&mut self) {
        self.log.push("back up beside another run".to_owned());
        let other = open(&self.disk);
        let mut session = other.session().unwrap();
        session.put(PackKind::Tail, vec![self.random.u8(0..255); 700]).unwrap();
        let refused = self.run_backup(self.server.clone());
        let is_locked =
            matches!(refused, Err(segvault::engine::Error::Repo(segvault::repo::Error::Locked { .. })));
        assert!(is_locked, "{refused:?}\n{}", self.story());
        let _ = session.barrier().unwrap();
    }

    /// The machine dies at some step of a backup; the disk shows one of the images that are possible then.
    fn back_up_and_crash(&mut self) {
        let at = self.random.u64(1..60);
        let image = IMAGES[self.random.usize(0..4)];
        self.log.push(format!("back up, crash at mutation {at}, {image:?}"));
        self.disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let server = self.server.clone();
        let _ = self.run_backup(server);
        self.disk = self.disk.reboot(image);
    }

    fn story(&self) -> String {
        format!("seed {}\n{}", self.seed, self.log.join("\n"))
    }

    /// Every acknowledged point reads as what was seen.
    fn check(&self) {
        let repository = open(&self.disk);
        let journal = repository.journal().unwrap();
        assert_eq!(journal.unreadable, [], "{}", self.story());
        let mut incarnations: BTreeMap<(String, Store, u32), Shown> = BTreeMap::new();
        let mut written: BTreeMap<(String, Store, u32), Vec<&Shown>> = BTreeMap::new();
        for acknowledged in &self.acknowledged {
            let listed =
                journal.points.iter().find(|point| point.reference() == acknowledged.point).unwrap_or_else(
                    || panic!("point {} is gone\n{}", acknowledged.point.number, self.story()),
                );
            for (name, context) in &listed.point.body.contexts {
                for (store, log) in [(Store::Snapshots, &context.snapshots), (Store::Events, &context.events)]
                {
                    let read = self.read(&repository, name, (context.incarnation, store), log);
                    let shown = &acknowledged.shown[&(name.clone(), store)];
                    self.compare(acknowledged.point.number, (name, store), shown, &read);
                    let one = &acknowledged.written[&(name.clone(), store)];
                    if acknowledged.complete {
                        self.compare(acknowledged.point.number, (name, store), &closed(one), &read);
                    }
                    let together =
                        incarnations.entry((name.clone(), store, context.incarnation)).or_default();
                    self.merge(together, read);
                    written.entry((name.clone(), store, context.incarnation)).or_default().push(one);
                }
            }
        }
        for ((context, store, number), shown) in &incarnations {
            assert!(
                !contradict(shown, shown),
                "{store} of {context}@{number} holds two histories\n{}",
                self.story()
            );
        }
        self.check_forks(&incarnations, &written);
        self.check_records(&repository);
    }

    /// Of each log the newest record holds no token in two segments.
    fn check_records(&self, repository: &Repository) {
        for key in repository.logs().unwrap() {
            let state = repository.newest_record(&key).unwrap().unwrap().state;
            let mut entries = repository.tree(state.root).unwrap();
            entries.extend(state.tails);
            entries.retain(|entry| entry.flaw.is_none() && entry.events > 0);
            for one in &entries {
                let into = entries.iter().find(|other| {
                    one.name.number < other.name.number && one.next_token().unwrap() > other.name.number
                });
                assert!(
                    into.is_none(),
                    "{key:?}: {} and {:?}\n{}",
                    one.name,
                    into.map(|e| e.name),
                    self.story()
                );
            }
        }
    }

    /// No incarnation without a reason: each contradicts every one before it, in one of its stores. What proves it may lie behind damage, where no
    /// restore shows it.
    fn check_forks(
        &self,
        incarnations: &BTreeMap<(String, Store, u32), Shown>,
        written: &BTreeMap<(String, Store, u32), Vec<&Shown>>,
    ) {
        for ((context, store, number), shown) in incarnations {
            for earlier in 1..*number {
                let twin = |store, number| (context.clone(), store, number);
                let shares =
                    incarnations.get(&twin(*store, earlier)).is_some_and(|other| share(shown, other));
                let contradicts = || {
                    Store::ALL.into_iter().any(|store| {
                        let (mine, theirs) =
                            (&written[&twin(store, *number)], &written[&twin(store, earlier)]);
                        mine.iter().any(|one| theirs.iter().any(|other| contradict(one, other)))
                    })
                };
                assert!(
                    !shares || contradicts(),
                    "{context}@{number} does not contradict @{earlier}\n{}",
                    self.story()
                );
            }
        }
    }

    /// The segments of a point's log: the bytes that a restore would write.
    fn read(
        &self,
        repository: &Repository,
        context: &str,
        (incarnation, store): (u32, Store),
        log: &PointLog,
    ) -> Shown {
        let key = LogKey { source: "node".to_owned(), context: context.to_owned(), incarnation, store };
        let pieces = pieces::of_point(repository, &key, log, "point").unwrap();
        let mut read = Shown::new();
        for piece in pieces {
            assert!(piece.entry.is_some(), "a claim is lost\n{}", self.story());
            let bytes =
                bytes_of(repository, &piece).unwrap_or_else(|error| panic!("{error:?}\n{}", self.story()));
            read.insert(piece.span.name, bytes);
        }
        read
    }

    fn compare(&self, point: u64, (context, store): (&str, Store), shown: &Shown, read: &Shown) {
        for (name, bytes) in shown {
            let Some(found) = read.get(name) else {
                panic!("point {point}: {store} of {context}: segment {name} is not there\n{}", self.story());
            };
            assert!(
                found == bytes,
                "point {point}: {store} of {context}: segment {name} has {} bytes, not the {} that were seen\n{}",
                found.len(),
                bytes.len(),
                self.story()
            );
        }
    }

    /// Within one incarnation a segment is always the same as far as it goes.
    fn merge(&self, together: &mut BTreeMap<SegmentName, Vec<u8>>, read: Shown) {
        for (name, bytes) in read {
            let known = together.entry(name).or_default();
            let common = known.len().min(bytes.len());
            assert!(
                known[..common] == bytes[..common],
                "segment {name} was merged with a fork\n{}",
                self.story()
            );
            if bytes.len() > known.len() {
                *known = bytes;
            }
        }
    }
}

/// Another history, or one that has forked where that is not wanted: nothing was published.
fn is_refused(error: &segvault::engine::Error) -> bool {
    use backup::Error;
    matches!(error, segvault::engine::Error::Backup(Error::OtherHistory { .. } | Error::Fork { .. }))
}

/// The highest version of each segment but the last one: the end of that one may be damaged, and look as if it were still being written.
fn closed(written: &Shown) -> Shown {
    let mut closed: BTreeMap<_, _> =
        written.iter().map(|(name, bytes)| (name.number, (*name, bytes.clone()))).collect();
    closed.pop_last();
    closed.into_values().collect()
}

/// Whether two histories can't be one: other bytes in a segment, other transactions in another version of it, other events at a token.
fn contradict(one: &Shown, other: &Shown) -> bool {
    let differs = |(name, bytes): (&SegmentName, &Vec<u8>)| {
        let mut of_number = other.iter().filter(|(theirs, _)| theirs.number == name.number);
        of_number.any(|(theirs, other)| {
            let is_same = name == theirs;
            if is_same {
                parts(bytes, other)
            } else {
                parts(&shape_of(*name, bytes), &shape_of(*theirs, other))
            }
        })
    };
    one.iter().any(differs) || overlap(one, other) || overlap(other, one)
}

/// Whether neither begins with the other.
fn parts<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    !one.starts_with(other) && !other.starts_with(one)
}

/// What no transformation changes of a segment: how it is cut into transactions, the aggregate and sequence of each event.
fn shape_of(name: SegmentName, bytes: &[u8]) -> Vec<Vec<(String, i64)>> {
    let of = |bytes: &[u8]| {
        let event = segvault::axon::event::Event::parse(bytes).unwrap();
        (event.aggregate_identifier.to_owned(), event.aggregate_sequence_number)
    };
    segvault::axon::segment::walk(bytes, name.number)
        .map(|transaction| transaction.event_bytes().map(of).collect())
        .collect()
}

/// Whether two histories have a transaction in common.
fn share(one: &Shown, other: &Shown) -> bool {
    one.iter().any(|(name, bytes)| {
        let mine = segvault::axon::segment::walk(bytes, name.number).next();
        let theirs =
            other.get(name).and_then(|theirs| segvault::axon::segment::walk(theirs, name.number).next());
        mine.is_some_and(|mine| theirs.is_some_and(|theirs| mine.bytes == theirs.bytes))
    })
}

/// Whether a segment of one begins inside a segment of the other.
fn overlap(one: &Shown, other: &Shown) -> bool {
    one.keys().any(|name| {
        other.iter().any(|(theirs, bytes)| {
            let events: u64 =
                segvault::axon::segment::walk(bytes, theirs.number).map(|t| u64::from(t.events)).sum();
            theirs.number < name.number && theirs.number.get() + events > name.number.get()
        })
    })
}

/// Where the versions of an image's transactions stand.
fn versions_of(image: &SegmentImage) -> Vec<usize> {
    let bytes = image.bytes();
    segvault::axon::segment::walk(&bytes, image.name().number)
        .map(|transaction| usize::try_from(transaction.offset).unwrap() + 4)
        .collect()
}

/// The events of each block of an image.
fn blocks_of(image: &SegmentImage) -> Vec<Vec<Vec<u8>>> {
    let bytes = image.bytes();
    segvault::axon::segment::walk(&bytes, image.name().number)
        .map(|transaction| transaction.event_bytes().map(<[u8]>::to_vec).collect())
        .collect()
}

/// The seeds of the histories that are run: a number of them, or a range of seeds.
fn seeds() -> Range<u64> {
    let asked = std::env::var("SEGVAULT_MODEL_HISTORIES").unwrap_or_else(|_| "150".to_owned());
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    from.parse().expect("a seed")..to.parse().expect("a seed")
}

/// A history in which `chosen` says what happens: a few steps, as far as it goes.
pub fn play(chosen: &[u8]) {
    let mut world = World::with(0, Chance::chosen(chosen));
    for _ in 0..40 {
        if world.random.chosen.is_empty() {
            break;
        }
        world.step();
    }
    world.check();
}

#[test]
fn random_histories_of_a_server_and_its_backups_lose_nothing_and_merge_nothing() {
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..40 {
            world.step();
        }
        world.check();
    }
}
