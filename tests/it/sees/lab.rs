//! A repository to back up into, sources that change or fail on cue, and what points hold.

use crate::support::archive::{Archive, bytes_of, quick};
use crate::support::segments::SegmentImage;
use crate::support::server::{Context, Server};
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::token::Token;
use segvault::engine::Error;
use segvault::engine::backup::{self, BackupOptions, BackupReport};
use segvault::engine::observe::{Event, Observer};
use segvault::engine::pieces;
use segvault::repo::format::point::PointBody;
use segvault::repo::format::record::{LogKey, LogState};
use segvault::source::Source;
use segvault::source::listing::{ControlDbCapture, Identity, Listing, StoreFile};
use segvault::source::segment_bytes::SegmentBytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// The bytes of a log's segments, as a restore would write them.
pub type Held = BTreeMap<SegmentName, Vec<u8>>;

pub struct Lab {
    pub archive: Archive,
}

impl Lab {
    pub fn new() -> Self {
        Self { archive: Archive::new() }
    }

    pub fn try_with(
        &self,
        source: &mut dyn Source,
        change: impl FnOnce(&mut BackupOptions),
    ) -> Result<BackupReport, Error> {
        self.observed(source, change, &Phases::default())
    }

    pub fn observed(
        &self,
        source: &mut dyn Source,
        change: impl FnOnce(&mut BackupOptions),
        observer: &dyn Observer,
    ) -> Result<BackupReport, Error> {
        let mut options = quick("test");
        change(&mut options);
        backup::run(&self.archive.open(), source, &options, observer)
    }

    pub fn try_backup(&self, source: &mut dyn Source) -> Result<BackupReport, Error> {
        self.try_with(source, |_| ())
    }

    pub fn backup(&self, source: &mut dyn Source) -> BackupReport {
        self.try_backup(source).unwrap()
    }

    /// Backs up, and expects a complete point.
    pub fn complete(&self, source: &mut dyn Source) -> BackupReport {
        let report = self.backup(source);
        assert!(report.complete, "{:?}", report.findings);
        report
    }

    /// Backs up, and expects an incomplete point with a finding of this kind.
    pub fn incomplete(&self, source: &mut dyn Source, what: &str) -> BackupReport {
        let report = self.backup(source);
        assert!(!report.complete, "{:?}", report.findings);
        assert!(report.findings.iter().any(|finding| finding.what == what), "{:?}", report.findings);
        report
    }

    pub fn body(&self, report: &BackupReport) -> PointBody {
        let point = report.point.unwrap();
        self.archive.points().into_iter().find(|listed| listed.reference() == point).unwrap().point.body
    }

    /// What a point holds of a store of the context `default`.
    pub fn held(&self, report: &BackupReport, store: Store) -> Held {
        let body = self.body(report);
        let context = &body.contexts["default"];
        let log = if store == Store::Events { &context.events } else { &context.snapshots };
        let repository = self.archive.open();
        let key = key(context.incarnation, store);
        let read = |piece: &pieces::Piece| (piece.span.name, bytes_of(&repository, piece).unwrap());
        pieces::of_point(&repository, &key, log, "point").unwrap().iter().map(read).collect()
    }

    pub fn events(&self, report: &BackupReport) -> Held {
        self.held(report, Store::Events)
    }

    /// The newest record of the events of `default`.
    pub fn record(&self, incarnation: u32) -> LogState {
        self.record_of(incarnation, Store::Events)
    }

    /// The newest record of a store of `default`.
    pub fn record_of(&self, incarnation: u32, store: Store) -> LogState {
        self.archive.open().newest_record(&key(incarnation, store)).unwrap().unwrap().state
    }

    /// Whether the repository holds the damaged bytes of a segment, as they were found.
    pub fn keeps_damaged(&self, incarnation: u32, name: SegmentName) -> bool {
        let sealed = self.archive.open().tree(self.record(incarnation).root).unwrap();
        sealed.iter().any(|entry| entry.name == name && entry.flaw.is_some())
    }

    /// Points, records and acts: what counts.
    pub fn published(&self) -> Vec<String> {
        let mut files = self.archive.files();
        files.retain(|file| {
            !file.starts_with("packs/") && !file.starts_with("pages/") && !file.starts_with("index")
        });
        files
    }
}

fn key(incarnation: u32, store: Store) -> LogKey {
    LogKey { source: "node".to_owned(), context: "default".to_owned(), incarnation, store }
}

pub fn incarnation(report: &BackupReport) -> u32 {
    report.contexts.iter().find(|context| context.name == "default").unwrap().incarnation
}

pub fn says(report: &BackupReport, what: &str) -> bool {
    report.findings.iter().any(|finding| finding.what == what)
}

/// A server with one context, `default`, of a few sealed segments of events and an open one, and some snapshots.
pub fn server(seed: u64) -> Server {
    let mut server = Server::new("node", &["default"], seed);
    context(&mut server).append(Store::Events, 24);
    context(&mut server).append(Store::Snapshots, 3);
    assert!(context(&mut server).events.segments.len() >= 4);
    server
}

pub fn context(server: &mut Server) -> &mut Context {
    server.contexts.get_mut("default").unwrap()
}

/// The `at`th segment of events, in order.
pub fn segment(server: &Server, at: usize) -> SegmentImage {
    server.contexts["default"].events.segments.values().nth(at).unwrap().clone()
}

pub fn open_segment(server: &Server) -> SegmentImage {
    server.contexts["default"].events.open().clone()
}

/// The disk shows `bytes` instead of a segment of events.
pub fn show(server: &mut Server, name: SegmentName, bytes: Vec<u8>) {
    context(server).damaged.insert((Store::Events, name), bytes);
}

/// The same bytes with one bit flipped.
pub fn flipped(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

/// The events of each block of an image.
pub fn blocks(image: &SegmentImage) -> Vec<Vec<Vec<u8>>> {
    segvault::axon::segment::walk(&image.bytes(), image.name().number)
        .map(|transaction| transaction.event_bytes().map(<[u8]>::to_vec).collect())
        .collect()
}

/// Where each block of an image ends.
pub fn ends(image: &SegmentImage) -> Vec<usize> {
    segvault::axon::segment::walk(&image.bytes(), image.name().number)
        .map(|transaction| usize::try_from(transaction.end()).unwrap())
        .collect()
}

/// An open segment with these blocks.
pub fn image_of(name: SegmentName, capacity: usize, blocks: &[Vec<Vec<u8>>]) -> SegmentImage {
    let mut image = SegmentImage::new(name.number.get(), capacity);
    for block in blocks {
        image.append_raw(block);
    }
    image
}

pub fn token(number: u64) -> Token {
    Token::new(number).unwrap()
}

/// All that the server holds of the events of `default`: for each number the highest version.
pub fn whole(server: &Server) -> Held {
    let mut held = Held::new();
    for image in server.contexts["default"].events.segments.values() {
        held.retain(|name, _| name.number != image.name().number);
        held.insert(image.name(), image.prefix().to_vec());
    }
    held
}

/// Counts the phases "reading" that have begun.
#[derive(Default)]
pub struct Phases {
    pub reading: AtomicU32,
}

impl Observer for Phases {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Phase { name: "reading", .. }) {
            self.reading.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A server to which something is done before each listing: it is told how many there were.
pub struct Moving<F: FnMut(u32, &mut Server)> {
    pub server: Server,
    pub listings: u32,
    pub before: F,
}

impl<F: FnMut(u32, &mut Server)> Moving<F> {
    pub fn new(server: Server, before: F) -> Self {
        Self { server, listings: 0, before }
    }
}

impl<F: FnMut(u32, &mut Server)> Source for Moving<F> {
    fn identity(&self) -> Result<Identity, segvault::source::Error> {
        self.server.identity()
    }

    fn listing(&mut self) -> Result<Listing, segvault::source::Error> {
        (self.before)(self.listings, &mut self.server);
        self.listings += 1;
        self.server.listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, segvault::source::Error> {
        self.server.control_db()
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, segvault::source::Error> {
        self.server.open(file)
    }
}

/// A server whose files are opened by `open`: it is told how often a file was opened before, and may leave it to the server.
pub struct Opened<F> {
    pub server: Server,
    counts: RefCell<BTreeMap<(Store, SegmentName), u32>>,
    open: F,
}

pub type Bytes = Result<Box<dyn SegmentBytes>, segvault::source::Error>;

impl<F: Fn(&StoreFile, u32) -> Option<Bytes>> Opened<F> {
    pub fn new(server: Server, open: F) -> Self {
        Self { server, counts: RefCell::default(), open }
    }

    /// The files that were opened, and how often.
    pub fn counts(&self) -> BTreeMap<(Store, SegmentName), u32> {
        self.counts.borrow().clone()
    }
}

impl<F: Fn(&StoreFile, u32) -> Option<Bytes>> Source for Opened<F> {
    fn identity(&self) -> Result<Identity, segvault::source::Error> {
        self.server.identity()
    }

    fn listing(&mut self) -> Result<Listing, segvault::source::Error> {
        self.server.listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, segvault::source::Error> {
        self.server.control_db()
    }

    fn open(&self, file: &StoreFile) -> Bytes {
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry((file.store, file.name)).or_default();
        *count += 1;
        (self.open)(file, *count - 1).unwrap_or_else(|| self.server.open(file))
    }
}

/// Bytes that can be read up to a place, and no further.
pub struct Failing {
    pub bytes: Vec<u8>,
    pub from: usize,
    pub file: StoreFile,
}

impl SegmentBytes for Failing {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, segvault::source::Error> {
        let at = usize::try_from(offset).unwrap();
        let readable = self.bytes.len().min(self.from);
        if at >= readable {
            return Err(unreadable(&self.file));
        }
        let length = buffer.len().min(readable - at);
        buffer[..length].copy_from_slice(&self.bytes[at..at + length]);
        Ok(length)
    }
}

/// The error of a disk that fails.
pub fn unreadable(file: &StoreFile) -> segvault::source::Error {
    segvault::source::Error::Io {
        path: file.path.to_path_buf(),
        source: std::io::Error::other("the disk fails"),
    }
}

/// Bytes whose `read_at` gives something else each time: what a file shows that is being written.
pub struct Growing {
    pub states: Vec<Vec<u8>>,
    pub reads: RefCell<usize>,
}

impl SegmentBytes for Growing {
    fn length(&self) -> u64 {
        self.states[0].len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, segvault::source::Error> {
        let mut reads = self.reads.borrow_mut();
        let bytes = &self.states[(*reads).min(self.states.len() - 1)];
        *reads += 1;
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let length = buffer.len().min(bytes.len() - from);
        buffer[..length].copy_from_slice(&bytes[from..from + length]);
        Ok(length)
    }
}
