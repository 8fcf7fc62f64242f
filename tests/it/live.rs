//! Backups of a node at work: every point that is called whole holds a contiguous history that reaches what the server had when its control
//! database was captured, and equals what the node wrote. Whatever the server answers.
//!
//! Each round has a seed; the node moves while requests are answered and files are opened, never by the clock.
//! `SEGVAULT_LIVE_ROUNDS=10000` runs more rounds than the few hundred of an ordinary test run, `SEGVAULT_LIVE_FROM=5000` begins with that
//! seed (several processes can share the work), and `SEGVAULT_LIVE_DIR=/dev/shm` puts the nodes where files cost little.

use crate::support::archive::{config, quick};
use crate::support::crash_disk::CrashDisk;
use crate::support::fixtures;
use crate::support::node::Node;
use crate::support::rest::{Asked, Body, Reply, Version};
use crate::support::world::{VERSIONS, World, still};
use segvault::axon::name::{FileKind, SegmentName, Store, classify};
use segvault::engine;
use segvault::engine::backup::{self, BackupOptions, BackupReport};
use segvault::engine::observe::Unobserved;
use segvault::engine::pieces;
use segvault::engine::restore::{self, RestoreOptions};
use segvault::repo::format::point::{Finding, Order, PointBody, PointLog, Weight};
use segvault::repo::format::record::LogKey;
use segvault::repo::store::{OpenOptions, Repository};
use segvault::source;
use segvault::source::Source;
use segvault::source::listing::{ControlDbCapture, Identity, Listing, Remark, StoreFile};
use segvault::source::live::LiveSource;
use segvault::source::segment_bytes::SegmentBytes;
use segvault::source::server::Surroundings;
use segvault::source::server::answers::ClaimedHeads;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

fn options() -> BackupOptions {
    quick("test")
}

fn repository() -> Repository {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    Repository::open(Arc::new(disk), OpenOptions::default()).unwrap()
}

/// A source whose node goes on working whenever a file of it is opened.
struct Stirred {
    source: LiveSource,
    node: Arc<Mutex<Node>>,
    most: usize,
}

impl Stirred {
    fn stir(&self) {
        // Not each time: a history must not grow faster than it is read.
        let mut node = self.node.lock().unwrap();
        if node.random.u8(0..4) == 0 {
            let count = node.random.usize(0..=self.most);
            node.steps(count);
        }
    }
}

impl Source for Stirred {
    fn identity(&self) -> Result<Identity, source::Error> {
        self.source.identity()
    }

    fn listing(&mut self) -> Result<Listing, source::Error> {
        self.stir();
        self.source.listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, source::Error> {
        self.stir();
        self.source.control_db()
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, source::Error> {
        self.stir();
        let opened = self.source.open(file);
        self.stir();
        opened
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }

    fn claimed_heads(&self) -> ClaimedHeads {
        self.source.claimed_heads()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.source.facts()
    }

    fn remarks(&mut self) -> Vec<Remark> {
        self.source.remarks()
    }

    fn published(&mut self) -> Vec<Remark> {
        self.source.published()
    }
}

fn back_up(world: &World, repository: &Repository, most: usize) -> Result<BackupReport, engine::Error> {
    let source = LiveSource::open(world.options(), world.surroundings())?;
    let mut source = Stirred { source, node: Arc::clone(&world.node), most };
    backup::run(repository, &mut source, &options(), &Unobserved)
}

/// The segments of a point's log that count, with their valid bytes.
fn read(repository: &Repository, key: &LogKey, log: &PointLog) -> Vec<(SegmentName, u64, Vec<u8>)> {
    let pieces = pieces::of_point(repository, key, log, "point").unwrap();
    let bytes_of = |piece: &pieces::Piece| {
        let mut bytes = Vec::new();
        let entry = piece.entry.clone().unwrap();
        let mut take = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        repository.read_extents(&entry.extents, 0..piece.prefix(), &mut take).unwrap();
        bytes
    };
    pieces.iter().map(|piece| (piece.span.name, piece.span.events, bytes_of(piece))).collect()
}

/// Checks one log of a point against what the node wrote.
fn check_log(
    node: &Node,
    repository: &Repository,
    key: &LogKey,
    log: &PointLog,
    captured: Option<u64>,
    story: &str,
) {
    let store = node.store(&key.context, key.store);
    let mut next = 0;
    for (name, events, bytes) in read(repository, key, log) {
        assert_eq!(name.number.get(), next, "{story}: {key:?}: contiguous");
        let written = &store.written[&name].content;
        assert!(
            written.starts_with(&bytes),
            "{story}: {key:?} {name}: {} bytes are not those written",
            bytes.len()
        );
        next += events;
    }
    assert_eq!(log.head, next.checked_sub(1), "{story}: {key:?}");
    assert!(
        log.head >= captured,
        "{story}: {key:?}: {:?} is below {captured:?}, when the zip was made",
        log.head
    );
    assert!(log.head >= log.safepoint && log.safepoint >= captured, "{story}: {key:?}");
}

/// Checks a point that was called whole.
fn check(world: &World, repository: &Repository, report: &BackupReport, story: &str) -> PointBody {
    let journal = repository.journal().unwrap();
    let point = journal.points.iter().find(|point| Some(point.reference()) == report.point).unwrap();
    let body = point.point.body.clone();
    let node = world.node.lock().unwrap();
    assert_eq!(body.order, Order::Observed, "{story}");
    assert_eq!(body.contexts.keys().cloned().collect::<Vec<_>>(), node.contexts(), "{story}");
    // The last capture is that of this backup.
    let (_, captured) = node.captures.last().unwrap();
    for (context, found) in &body.contexts {
        for (store, log) in [(Store::Snapshots, &found.snapshots), (Store::Events, &found.events)] {
            let (source, incarnation) = (body.source.clone(), found.incarnation);
            assert_eq!(incarnation, 1, "{story}: nothing forked");
            let key = LogKey { source, context: context.clone(), incarnation, store };
            check_log(&node, repository, &key, log, captured[&(context.clone(), store)], story);
        }
    }
    body
}

/// Restores the newest point; compares every file with what the node wrote.
fn check_restored(world: &World, repository: &Repository, story: &str) {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let zip = place.path().join("zip");
    let options = RestoreOptions {
        control_db_zip_to: Some(zip),
        ..RestoreOptions::latest(place.path().join("target"))
    };
    let plan = restore::plan(repository, &options).unwrap();
    let restored = restore::apply(repository, plan, &Unobserved).unwrap();
    assert!(restored.verified, "{story}");
    let node = world.node.lock().unwrap();
    let control_db = restored.control_db.unwrap();
    let (name, _) = node.captures.last().unwrap();
    assert_eq!(fs::read(control_db.zip.unwrap()).unwrap(), fs::read(node.zip_path(name)).unwrap(), "{story}");
    for context in node.contexts() {
        for store in Store::ALL {
            for (name, written) in &node.store(&context, store).written {
                let path = place.path().join("target/data").join(&context).join(name.file_name(store));
                let Ok(bytes) = fs::read(&path) else { continue };
                let same = bytes.iter().zip(&written.content).take_while(|(one, other)| one == other).count();
                let rest = &bytes[same..];
                let end = rest.starts_with(&[0xff; 4]) as usize * 4;
                assert!(
                    rest[end..].iter().all(|byte| *byte == 0),
                    "{story}: {}: nothing else behind it",
                    path.display()
                );
            }
        }
    }
}

/// What came of a round.
#[derive(Debug, Default)]
struct Tally {
    whole: u64,
    incomplete: u64,
    refused: BTreeMap<String, u64>,
    heads: Vec<Option<u64>>,
}

impl Tally {
    /// Checks what came of a backup of a node at work: whole and true, or said to be unsettled.
    fn count(
        &mut self,
        world: &World,
        repository: &Repository,
        came: Result<BackupReport, engine::Error>,
        story: &str,
    ) -> Option<PointBody> {
        match came {
            Ok(report) if report.complete => {
                self.whole += 1;
                return Some(check(world, repository, &report, story));
            }
            Ok(report) => {
                self.incomplete += 1;
                let said = || report.findings.iter().filter(|finding| finding.weight == Weight::Incomplete);
                // What was transformed away in the last attempt can't be read: that is said beside.
                let moved =
                    |finding: &Finding| finding.what == "unsettled" || finding.text.ends_with(" vanished");
                let is_unsettled = said().any(|finding| finding.what == "unsettled");
                assert!(is_unsettled && said().all(moved), "{story}: {:?}", report.findings);
            }
            Err(error) => self.refuse(&error),
        }
        None
    }

    /// The words of a source that did not stand still; anything else is an error of ours.
    fn refused_only_what_moved(&self) -> bool {
        self.refused.keys().all(|word| word.starts_with("Unsettled") || word.starts_with("Source(Vanished"))
    }

    fn backups(&self) -> u64 {
        self.whole + self.incomplete + self.refused.values().sum::<u64>()
    }

    fn refuse(&mut self, error: &engine::Error) {
        let text = format!("{error:?}");
        let word = text.split('{').next().unwrap_or_default().trim().to_owned();
        *self.refused.entry(word).or_default() += 1;
    }
}

/// The seeds of a run.
fn seeds(ordinary: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("SEGVAULT_LIVE_FROM").unwrap_or(0);
    from..from + number("SEGVAULT_LIVE_ROUNDS").unwrap_or(ordinary)
}

/// Plays a round for each seed; long runs say now and then how far they are.
fn play(what: &str, ordinary: u64, mut round: impl FnMut(u64, &mut Tally)) -> Tally {
    let (seeds, mut tally) = (seeds(ordinary), Tally::default());
    for seed in seeds.clone() {
        round(seed, &mut tally);
        if (seed + 1).is_multiple_of(500) {
            println!("{what}, seeds {} to {seed}: {tally:?}", seeds.start);
        }
    }
    println!("{what}, {} rounds from seed {}: {tally:?}", seeds.end - seeds.start, seeds.start);
    tally
}

fn busy_world(seed: u64) -> World {
    let version = VERSIONS[seed as usize % 2];
    let contexts: &[&str] = if seed.is_multiple_of(3) { &["default", "other"] } else { &["default"] };
    let mut node = Node::new(contexts, seed);
    node.transforms = version == Version::Core2023 && seed % 4 == 1;
    // What is checked bit by bit is a real one.
    node.makes_up_zips = !seed.is_multiple_of(8);
    let before = node.random.usize(0..250);
    node.steps(before);
    World::of(version, node, None, 6)
}

/// Backs up a node that never stands still, several times into one repository.
fn honest_round(seed: u64, tally: &mut Tally) {
    let (world, repository) = (busy_world(seed), repository());
    for backup in 0..1 + seed % 3 {
        let story = format!("seed {seed}, backup {backup}");
        world.node.lock().unwrap().steps(40);
        let came = back_up(&world, &repository, 4);
        if tally.count(&world, &repository, came, &story).is_some() && seed % 8 < 2 {
            check_restored(&world, &repository, &story);
        }
    }
}

#[test]
fn a_node_that_never_stands_still_is_backed_up_whole() {
    let tally = play("honest", 60, honest_round);
    assert!(tally.whole * 10 >= tally.backups() * 8, "eight of ten succeed: {tally:?}");
    assert!(tally.refused_only_what_moved(), "{tally:?}");
}

/// So many times a node at full speed appends: its directories stay small enough to be listed in one go. Thousands of files that come within a
/// second are listed with holes, however often one looks.
const AT_FULL_SPEED: usize = 600;

/// A thread that makes the node append as fast as it can, until it is stopped or has done enough.
fn at_full_speed(node: &Arc<Mutex<Node>>) -> impl FnOnce() + use<> {
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (node, stop) = (Arc::clone(node), Arc::clone(&stop));
        move || {
            for _ in (0..AT_FULL_SPEED).take_while(|_| !stop.load(Ordering::Relaxed)) {
                node.lock().unwrap().steps(3);
                std::thread::yield_now();
            }
        }
    });
    move || {
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }
}

#[test]
fn a_node_at_full_speed_is_backed_up_whole_or_refused() {
    let mut node = Node::new(&["default"], 42);
    node.transforms = false;
    node.steps(100);
    let world = World::of(Version::Core2023, node, None, 0);
    let stop = at_full_speed(&world.node);
    let (repository, mut tally) = (repository(), Tally::default());
    let back_up = |story: &str, tally: &mut Tally| {
        let mut source = LiveSource::open(world.options(), still()).unwrap();
        let came = backup::run(&repository, &mut source, &options(), &Unobserved);
        let body = tally.count(&world, &repository, came, story);
        tally.heads.extend(body.map(|body| body.contexts["default"].events.head));
    };
    (0..4).for_each(|backup| back_up(&format!("backup {backup}"), &mut tally));
    stop();
    // How the threads were scheduled decides how often a listing outran the files; a refusal is honest, a false point is not.
    assert!(tally.refused_only_what_moved(), "{tally:?}");
    world.node.lock().unwrap().steps(40);
    back_up("when it stands still", &mut tally);
    assert!(tally.whole > 0 && tally.heads.is_sorted(), "{tally:?}");
    let head = world.node.lock().unwrap().store("default", Store::Events).head();
    assert_eq!(tally.heads.last(), Some(&head), "the last one has it all: {tally:?}");
    check_restored(&world, &repository, "at the end");
}

#[test]
fn the_manifest_tells_what_was_asked_of_whom() {
    let world = World::quiet(Version::Core2023);
    let repository = repository();
    let report = back_up(&world, &repository, 0).unwrap();
    let body = check(&world, &repository, &report, "quiet");
    assert_eq!(body.source, "localhost");
    let fact = |key: &str| body.facts[key].as_str();
    assert_eq!(
        [fact("server.version"), fact("server.edition"), fact("server.node")],
        ["2023.2.1", "Standard Edition", "localhost"]
    );
    assert_eq!([fact("server.contexts"), fact("server")], ["default", world.rest.address.as_str()]);
    let head = world.node.lock().unwrap().store("default", Store::Events).head().unwrap();
    assert_eq!(fact("server.head.default.events"), head.to_string());
    let requests: Vec<&String> = body
        .facts
        .iter()
        .filter(|(key, _)| key.starts_with("server.request."))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(requests.len(), world.rest.asked().len());
    assert!(
        requests
            .iter()
            .any(|text| text.contains("Z POST /createControlDbBackup 200 ") && text.ends_with(" ms")),
        "{requests:?}"
    );
}

#[test]
fn an_archived_head_below_the_server_s_claim_is_an_error() {
    let world = World::quiet(Version::Core2023);
    world.rest.lie(|asked, reply| {
        if asked.path == "/actuator/health" {
            Reply::json(reply.text().replace("lastEvent\":", "lastEvent\":9"))
        } else {
            reply
        }
    });
    let repository = repository();
    let error = back_up(&world, &repository, 0).unwrap_err();
    assert!(matches!(error, engine::Error::Backup(backup::Error::BehindServer { .. })), "{error:?}");
    assert_eq!(
        world.node.lock().unwrap().captures.len(),
        3,
        "begun again, each time with a new control database"
    );
    assert!(repository.journal().unwrap().points.is_empty(), "nothing was published");
}

#[test]
fn a_hole_in_the_history_is_an_error_that_names_the_tokens() {
    let world = World::quiet(Version::Se46);
    let (gone, next) = {
        let mut node = world.node.lock().unwrap();
        let closed = node.store("default", Store::Events).closed().to_vec();
        fs::remove_file(node.store("default", Store::Events).path(closed[1])).unwrap();
        node.forget("default", Store::Events, closed[1]);
        (closed[1].number.get(), closed[2].number.get())
    };
    let repository = repository();
    let error = back_up(&world, &repository, 0).unwrap_err();
    let engine::Error::Backup(backup::Error::Gap { first, last, .. }) = error else { panic!("{error:?}") };
    assert_eq!((first, last), (gone, next - 1));
    assert!(repository.journal().unwrap().points.is_empty(), "nothing was published");
}

#[test]
fn a_damaged_segment_that_is_not_archived_yet_is_kept_and_named() {
    let world = World::quiet(Version::Se46);
    let path = {
        let node = world.node.lock().unwrap();
        let closed = node.store("default", Store::Events).closed().to_vec();
        node.store("default", Store::Events).path(closed[1])
    };
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let repository = repository();
    let report = back_up(&world, &repository, 0).unwrap();
    let said = |what: &str| {
        let found = report.findings.iter().find(|finding| finding.what == what);
        found.map(|finding| finding.weight) == Some(Weight::Incomplete)
    };
    assert!(!report.complete && said("damage") && said("gap"), "{:?}", report.findings);
    let strict = BackupOptions { strict: true, ..options() };
    let error = backup::run(&repository, &mut world.source(), &strict, &Unobserved).unwrap_err();
    assert!(matches!(error, engine::Error::Backup(backup::Error::Gap { .. })), "{error:?}");
}

fn warned(report: &BackupReport, what: &str) -> bool {
    let found = report.findings.iter().find(|finding| finding.what == what);
    found.map(|finding| finding.weight) == Some(Weight::Warning)
}

#[test]
fn a_context_that_only_the_heads_name_is_said() {
    let world = World::quiet(Version::Core2023);
    world.rest.lie(|asked, reply| {
        if asked.path == "/actuator/health" {
            let more = "\"details\":{\"orders.lastEvent\":49,\"default.lastEvent";
            Reply::json(reply.text().replace("\"details\":{\"default.lastEvent", more))
        } else {
            reply
        }
    });
    let report = back_up(&world, &repository(), 0).unwrap();
    assert!(warned(&report, "unnamed-context"), "{:?}", report.findings);
}

#[test]
fn a_store_of_which_nobody_shows_anything_is_said_where_the_server_tells_no_heads() {
    let world = World::quiet(Version::Core2023);
    let snapshots: Vec<PathBuf> = {
        let node = world.node.lock().unwrap();
        let store = node.store("default", Store::Snapshots);
        store.written.keys().map(|name| store.path(*name)).collect()
    };
    snapshots.iter().for_each(|path| fs::remove_file(path).unwrap());
    world.rest.lie(|asked, reply| {
        let nothing = r#"{"lastClosedSegment":-1,"filenames":[]}"#;
        match (asked.path.as_str(), asked.parameter("type")) {
            ("/actuator/health", _) => Reply::bare(404, ""),
            (_, Some("SNAPSHOT")) => Reply::json(nothing),
            _ => reply,
        }
    });
    let report = back_up(&world, &repository(), 0).unwrap();
    assert!(warned(&report, "bare-store"), "{:?}", report.findings);
}

#[test]
fn what_does_not_hang_together_is_begun_again_after_growing_pauses() {
    let world = World::quiet(Version::Se46);
    {
        let mut node = world.node.lock().unwrap();
        let gone = node.store("default", Store::Events).closed()[1];
        fs::remove_file(node.store("default", Store::Events).path(gone)).unwrap();
        node.forget("default", Store::Events, gone);
    }
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&pauses);
    let surroundings =
        Surroundings { pause: Arc::new(move |pause| noted.lock().unwrap().push(pause)), ..still() };
    let mut source = LiveSource::open(world.options(), surroundings).unwrap();
    let error = backup::run(&repository(), &mut source, &options(), &Unobserved).unwrap_err();
    assert!(matches!(error, engine::Error::Backup(backup::Error::Gap { .. })), "{error:?}");
    assert_eq!(*pauses.lock().unwrap(), [100, 300].map(std::time::Duration::from_millis));
}

#[test]
fn files_that_change_places_while_they_are_read_are_no_history() {
    let world = World::quiet(Version::Se46);
    let source = LiveSource::open(world.options(), still()).unwrap();
    let paths: Vec<_> = {
        let node = world.node.lock().unwrap();
        let store = node.store("default", Store::Events);
        let events = |at: usize| store.closed()[at + 1].number.get() - store.closed()[at].number.get();
        let other = (1..5).find(|at| events(*at) != events(0)).expect("segments of different lengths");
        [0, other].map(|at| store.path(store.closed()[at])).to_vec()
    };
    let repository = repository();
    let mut source = Swapping { source, paths };
    let error = backup::run(&repository, &mut source, &options(), &Unobserved).unwrap_err();
    assert!(
        matches!(error, engine::Error::Backup(backup::Error::Gap { .. } | backup::Error::Overlap { .. })),
        "{error:?}"
    );
    assert!(repository.journal().unwrap().points.is_empty(), "nothing was published");
}

/// A source two of whose files change places when the control database has been captured.
struct Swapping {
    source: LiveSource,
    paths: Vec<PathBuf>,
}

impl Source for Swapping {
    fn identity(&self) -> Result<Identity, source::Error> {
        self.source.identity()
    }

    fn listing(&mut self) -> Result<Listing, source::Error> {
        self.source.listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, source::Error> {
        if let [one, other] = self.paths.as_slice() {
            let aside = one.with_extension("aside");
            for (from, to) in [(one, &aside), (other, one), (&aside, other)] {
                fs::rename(from, to).unwrap();
            }
            self.paths.clear();
        }
        self.source.control_db()
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, source::Error> {
        self.source.open(file)
    }

    fn is_live(&self) -> bool {
        true
    }
}

const LIES: u8 = 22;

/// What a server may answer instead of the truth.
fn lie_of(
    kind: u8,
    random: &mut fastrand::Rng,
    root: &Path,
    (asked, truth): (&Asked, Reply),
    kept: &mut BTreeMap<String, Reply>,
) -> Reply {
    let key = format!("{} {}", asked.path, asked.parameter("type").unwrap_or_default());
    let earlier = kept.insert(key, truth.clone());
    let others: Vec<Reply> = kept.values().cloned().collect();
    match kind {
        0 => Reply::bare(500, ""),
        1 => Reply::bare(401, ""),
        2 => Reply::bare(403, "Invalid token\r\n"),
        3 => Reply::new(503, "text/plain", "[AXONIQ-7000] Not ready").with("AxonIQ-ErrorCode", "AXONIQ-7000"),
        4 => Reply::bare(302, "").with("Location", "/login"),
        5 => Reply::new(200, "text/html", "<html>Login</html>"),
        6 => Reply::json("{}"),
        7 => Reply::json("[]"),
        8 => truth.clone().body(Body::Text(cut(random, &truth.text()))),
        9 | 10 => Reply::json(without_some_names(random, &truth.text())),
        11 => Reply::json(with_another_number(random, &truth.text())),
        12 => earlier.unwrap_or(truth),
        13 => random.choice(&others).cloned().unwrap_or(truth),
        14 => Reply::json(truth.text().replace("/default/", "/other/")),
        15 => Reply::new(200, "text/plain", truth.text().replace("/backups/", "/backups/../../")),
        16 => Reply::bare(404, ""),
        17 => {
            tear(random, root, &truth.text());
            truth
        }
        18 => {
            link(root, &truth.text());
            truth
        }
        19 => {
            // Once: a second time might undo the first by halves.
            if kept.insert("swapped".to_owned(), truth.clone()).is_none() {
                swap(random, root);
            }
            truth
        }
        20 => Reply::new(200, "text/plain", truth.text().replace("/axonserver/", "/elsewhere/")),
        _ => truth.body(Body::Repeated(b'x', 40 << 20, 0)),
    }
}

/// Cuts the zip that an answer names.
fn tear(random: &mut fastrand::Rng, root: &Path, text: &str) {
    if let Some(name) = text.strip_prefix("/axonserver/./") {
        let file = fs::File::options().write(true).open(root.join(name)).unwrap();
        file.set_len(random.u64(0..file.metadata().unwrap().len())).unwrap();
    }
}

/// Puts a link to the zip where the zip was.
fn link(root: &Path, text: &str) {
    if let Some(name) = text.strip_prefix("/axonserver/./") {
        let (path, aside) = (root.join(name), root.join(name).with_extension("aside"));
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &path).unwrap();
    }
}

/// Two segments change their places. They hold different numbers of events: two that hold as many can't be told apart by their tokens.
fn swap(random: &mut fastrand::Rng, root: &Path) {
    let directory = root.join("data/default");
    let mut versions: BTreeMap<u64, Vec<SegmentName>> = BTreeMap::new();
    for path in fixtures::files(&directory) {
        if let FileKind::Data { store: Store::Events, name, .. } =
            classify(path.file_name().unwrap().to_str().unwrap())
        {
            versions.entry(name.number.get()).or_default().push(name);
        }
    }
    let numbers: Vec<u64> = versions.keys().copied().collect();
    let counted = numbers.windows(2).map(|pair| (versions[&pair[0]].clone(), pair[1] - pair[0]));
    let closed: Vec<_> = counted.filter(|(names, _)| names.len() == 1).collect();
    let Some((one, events)) = random.choice(&closed) else { return };
    let others: Vec<_> = closed.iter().filter(|(_, other)| other != events).collect();
    let Some((other, _)) = random.choice(&others) else { return };
    let [one, other] = [one, other].map(|names| directory.join(names[0].file_name(Store::Events)));
    let aside = root.join("aside");
    for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
        fs::rename(from, to).unwrap();
    }
}

fn cut(random: &mut fastrand::Rng, text: &str) -> String {
    let keep = random.usize(0..=text.len());
    text.chars().take(keep).collect()
}

fn without_some_names(random: &mut fastrand::Rng, text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    let most = random.u8(1..6);
    let names = match value.get_mut("filenames") {
        Some(names) => names.as_array_mut(),
        None => value.get_mut("storageContextNames").and_then(serde_json::Value::as_array_mut),
    };
    if let Some(names) = names {
        names.retain(|_| random.u8(0..most) > 0);
    }
    value.to_string()
}

fn with_another_number(random: &mut fastrand::Rng, text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    if let Some(last) = value.get_mut("lastClosedSegment") {
        let number = last.as_i64().unwrap_or_default();
        *last = (number + random.i64(-40..400)).into();
    }
    value.to_string()
}

/// Backs up a server that lies now and then: it is caught, or what it said made no difference.
fn lying_round(seed: u64, tally: &mut Tally) {
    let (world, repository) = (busy_world(seed), repository());
    let mut random = fastrand::Rng::with_seed(seed ^ 0x0011_a12e);
    let rarely = *random.choice(&[4, 30, 100, 300]).unwrap();
    // Half of the liars have one lie, which they repeat.
    let stubborn = random.bool().then(|| random.u8(0..LIES));
    let mut kept = BTreeMap::new();
    let root = world.root();
    world.rest.lie(move |asked, truth| {
        let often = if stubborn.is_some() && asked.path.contains("/backup/") { 2 } else { rarely };
        if random.u32(0..often) > 0 {
            return truth;
        }
        let kind = stubborn.unwrap_or_else(|| random.u8(0..LIES));
        lie_of(kind, &mut random, &root, (asked, truth), &mut kept)
    });
    for backup in 0..2 {
        let story = format!("lies, seed {seed}, backup {backup}");
        match back_up(&world, &repository, 3) {
            Ok(report) if report.complete && report.order == Order::Observed => {
                tally.whole += 1;
                check(&world, &repository, &report, &story);
            }
            Ok(_) => tally.incomplete += 1,
            Err(error) => tally.refuse(&error),
        }
    }
}

#[test]
fn no_lie_makes_a_false_success() {
    let tally = play("liars", 200, lying_round);
    assert!(tally.whole > 0 && tally.refused.len() > 5, "{tally:?}");
}
