//! A node at work in a directory: it appends, rolls, hands over, transforms and compacts as the real one does, in the order in which the real
//! one writes its files; and it remembers every byte of history that it wrote.

use crate::support::fixtures;
use crate::support::now_ms;
use crate::support::segments::{Event, History, SegmentImage, block};
use segvault::axon::control_db;
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::token::Token;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Bytes of a segment: small, so that a short history has many.
pub const SEGMENT: usize = 1_500;
const HEADER: [u8; 5] = [2, 0, 0, 0, 0];

/// What was written into a segment.
#[derive(Clone, Debug)]
pub struct Written {
    /// Header and whole blocks.
    pub content: Vec<u8>,
    pub rolled: bool,
    blocks: Vec<Vec<Vec<u8>>>,
}

/// What a store is in the middle of.
#[derive(Debug)]
enum Half {
    /// A block whose size field is still 0.
    Block(Vec<u8>, Vec<Vec<u8>>),
    /// A new file whose header is not written yet.
    File(Vec<Event>),
}

#[derive(Debug)]
pub struct LiveStore {
    pub directory: PathBuf,
    store: Store,
    /// Every segment and version that was ever written.
    pub written: BTreeMap<SegmentName, Written>,
    /// Open, or rolled and not handed over yet, in their order.
    active: Vec<SegmentName>,
    /// Closed and on the disk.
    closed: Vec<SegmentName>,
    half: Option<Half>,
    next: u64,
    version: u32,
}

fn name(number: u64, version: u32) -> SegmentName {
    SegmentName { number: Token::new(number).unwrap(), version }
}

impl LiveStore {
    fn new(directory: PathBuf, store: Store) -> Self {
        fs::create_dir_all(&directory).unwrap();
        let mut new = Self {
            directory,
            store,
            written: BTreeMap::new(),
            active: Vec::new(),
            closed: Vec::new(),
            half: None,
            next: 0,
            version: 0,
        };
        new.create(&[]);
        new.begin();
        new
    }

    /// What is there already: all but the newest number is closed.
    fn adopt(directory: PathBuf, store: Store) -> Self {
        let mut adopted = Self {
            directory,
            store,
            written: BTreeMap::new(),
            active: Vec::new(),
            closed: Vec::new(),
            half: None,
            next: 0,
            version: 0,
        };
        for path in fixtures::files(&adopted.directory) {
            let file = path.file_name().unwrap().to_str().unwrap();
            if let segvault::axon::name::FileKind::Data { store: other, name, .. } =
                segvault::axon::name::classify(file)
                && other == store
            {
                adopted.closed.push(name);
            }
        }
        adopted.active.extend(adopted.closed.pop());
        adopted
    }

    pub fn path(&self, name: SegmentName) -> PathBuf {
        self.directory.join(name.file_name(self.store))
    }

    fn file(&self, name: SegmentName) -> File {
        File::options().write(true).open(self.path(name)).unwrap()
    }

    /// The token of the last event; none if there is none.
    pub fn head(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    pub fn closed(&self) -> &[SegmentName] {
        &self.closed
    }

    pub fn active(&self) -> &[SegmentName] {
        &self.active
    }

    fn open(&self) -> SegmentName {
        *self.active.last().unwrap()
    }

    /// A new file, preallocated; its header comes later.
    fn create(&mut self, events: &[Event]) {
        let name = name(self.next, 0);
        let needed = HEADER.len() + block_of(events).len() + 4;
        let file = File::create(self.path(name)).unwrap();
        file.set_len(needed.max(SEGMENT) as u64).unwrap();
        self.active.push(name);
        self.written.insert(name, Written { content: HEADER.to_vec(), rolled: false, blocks: Vec::new() });
    }

    fn begin(&mut self) {
        self.file(self.open()).write_all_at(&HEADER, 0).unwrap();
    }

    /// A transaction: the block without its size, then the size. Returns after each write once more if `slowly`.
    fn append(&mut self, events: Vec<Event>) {
        let bytes = block_of(&events);
        let open = self.open();
        let at = self.written[&open].content.len();
        let length = self.file(open).metadata().unwrap().len() as usize;
        if at + bytes.len() + 4 > length {
            self.roll(events);
            return;
        }
        self.file(open).write_all_at(&bytes[4..], at as u64 + 4).unwrap();
        self.half = Some(Half::Block(bytes, events.iter().map(Event::encode).collect()));
    }

    fn roll(&mut self, events: Vec<Event>) {
        let open = self.open();
        let written = self.written.get_mut(&open).unwrap();
        written.rolled = true;
        let end = written.content.len() as u64;
        self.file(open).write_all_at(&[0xff; 4], end).unwrap();
        self.create(&events);
        self.half = Some(Half::File(events));
    }

    /// Goes on with what was begun; true if there was something.
    fn go_on(&mut self) -> bool {
        match self.half.take() {
            None => return false,
            Some(Half::Block(bytes, events)) => {
                let open = self.open();
                let written = self.written.get_mut(&open).unwrap();
                let at = written.content.len() as u64;
                written.content.extend(&bytes);
                self.next += events.len() as u64;
                written.blocks.push(events);
                self.file(open).write_all_at(&bytes[..4], at).unwrap();
            }
            Some(Half::File(events)) => {
                self.begin();
                self.append(events);
            }
        }
        true
    }

    /// Index and bloom of the oldest rolled segment are built; then it is closed.
    fn hand_over(&mut self) {
        if self.active.len() < 2 {
            return;
        }
        let oldest = self.active.remove(0);
        for suffix in index_suffixes(self.store) {
            fs::write(self.path(oldest).with_extension(suffix), b"index").unwrap();
        }
        self.closed.push(oldest);
        self.closed.sort();
    }

    /// The next version of a closed segment: written under another name first.
    fn transform(&mut self, which: usize) {
        let mut newest: BTreeMap<Token, SegmentName> = BTreeMap::new();
        newest.extend(self.closed.iter().map(|name| (name.number, *name)));
        let Some(old) = newest.values().nth(which % newest.len().max(1)).copied() else { return };
        self.version += 1;
        let new = SegmentName { version: self.version, ..old };
        let mut image = SegmentImage::new(old.number.get(), 1 << 20);
        let mut written = Written { content: HEADER.to_vec(), rolled: true, blocks: Vec::new() };
        let mut first = true;
        for events in &self.written[&old].blocks {
            let mut events = events.clone();
            if std::mem::take(&mut first) {
                events[0] = rewritten(&events[0]);
            }
            image.append_raw(&events);
            written.content.extend(block(&events));
            written.blocks.push(events);
        }
        assert_eq!(image.prefix(), written.content);
        let begun = self.path(new).with_extension(format!("{}.transformed", self.store));
        fs::write(&begun, [written.content.as_slice(), &[0xff; 4]].concat()).unwrap();
        self.written.insert(new, written);
        for suffix in index_suffixes(self.store) {
            fs::write(self.path(new).with_extension(suffix), b"index").unwrap();
        }
        fs::rename(&begun, self.path(new)).unwrap();
        self.closed.push(new);
        self.closed.sort();
    }

    /// Removes all versions but the highest; the index names stay listed.
    fn compact(&mut self) {
        let all = self.closed.clone();
        let is_old = |name: &SegmentName| {
            all.iter().any(|other| other.number == name.number && other.version > name.version)
        };
        for name in all.iter().filter(|name| is_old(name)) {
            fs::remove_file(self.path(*name)).unwrap();
        }
        self.closed.retain(|name| !is_old(name));
    }
}

pub fn index_suffixes(store: Store) -> [&'static str; 2] {
    match store {
        Store::Snapshots => ["sindex", "sbloom"],
        Store::Events => ["index", "bloom"],
    }
}

/// Where nodes live. Long runs do best on a file system in memory: most of what a node does is to make files.
fn place() -> PathBuf {
    let named = std::env::var_os("SEGVAULT_LIVE_DIR");
    named.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

/// A zip as the server writes it, of a few pages of a real database and a number.
fn made_up(real: &[u8], number: u64) -> Vec<u8> {
    let apart = control_db::take_apart(real, 1 << 30).unwrap();
    let mut inner = apart.inner[..8192].to_vec();
    inner[8184..].copy_from_slice(&number.to_le_bytes());
    control_db::rebuild(&apart.recipe.unwrap(), &inner)
}

fn block_of(events: &[Event]) -> Vec<u8> {
    if events.is_empty() {
        return Vec::new();
    }
    block(&events.iter().map(Event::encode).collect::<Vec<_>>())
}

/// The same event with another payload, as a transformation replaces it.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let event = segvault::axon::event::Event::parse(bytes).unwrap();
    let new = Event {
        message_id: event.message_identifier.to_owned(),
        ..Event::of(event.aggregate_identifier, event.aggregate_sequence_number)
    };
    new.at(event.timestamp).carrying("transformed").encode()
}

/// The last token of each store.
pub type Heads = BTreeMap<(String, Store), Option<u64>>;

/// A node: its contexts in `data/`, the zips of its control database in `backups/`.
#[derive(Debug)]
pub struct Node {
    pub root: TempDir,
    pub stores: BTreeMap<(String, Store), LiveStore>,
    pub random: fastrand::Rng,
    history: History,
    /// Whether events are transformed (2023).
    pub transforms: bool,
    /// Whether the zips of its control database are made up, small and each another one; else copies of a real one.
    pub makes_up_zips: bool,
    /// The replication groups whose logs it has, each with the files that it lists. None but in a cluster.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The heads when a zip was made, and its name.
    pub captures: Vec<(String, Heads)>,
    zips: u64,
}

impl Node {
    pub fn new(contexts: &[&str], seed: u64) -> Self {
        let root = tempfile::tempdir_in(place()).unwrap();
        fs::create_dir(root.path().join("backups")).unwrap();
        let mut stores = BTreeMap::new();
        for context in contexts {
            for store in Store::ALL {
                let directory = root.path().join("data").join(context);
                stores.insert(((*context).to_owned(), store), LiveStore::new(directory, store));
            }
        }
        let (random, history) = (fastrand::Rng::with_seed(seed), History::seeded(seed));
        Self::at(root, stores, (random, history), true)
    }

    fn at(
        root: TempDir,
        stores: BTreeMap<(String, Store), LiveStore>,
        (random, history): (fastrand::Rng, History),
        transforms: bool,
    ) -> Self {
        let (captures, groups) = (Vec::new(), BTreeMap::new());
        Self { root, stores, random, history, transforms, makes_up_zips: false, groups, captures, zips: 0 }
    }

    /// The node whose data is in the fixtures.
    pub fn of_fixture(server: &str) -> Self {
        let root = fixtures::copy(server);
        let directory = root.path().join("data/default");
        let stores = Store::ALL
            .map(|store| (("default".to_owned(), store), LiveStore::adopt(directory.clone(), store)))
            .into_iter()
            .collect();
        let (random, history) = (fastrand::Rng::with_seed(0), History::seeded(0));
        Self::at(root, stores, (random, history), false)
    }

    /// The server lists this segment no longer.
    pub fn forget(&mut self, context: &str, store: Store, name: SegmentName) {
        self.stores.get_mut(&(context.to_owned(), store)).unwrap().closed.retain(|other| *other != name);
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub fn contexts(&self) -> Vec<String> {
        let mut names: Vec<String> = self.stores.keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    pub fn store(&self, context: &str, store: Store) -> &LiveStore {
        &self.stores[&(context.to_owned(), store)]
    }

    pub fn heads(&self) -> Heads {
        self.stores.iter().map(|(key, store)| (key.clone(), store.head())).collect()
    }

    /// One small thing happens.
    pub fn step(&mut self) {
        let which = self.random.usize(0..self.stores.len());
        let dice = self.random.u32(0..100);
        let choice = self.random.usize(0..64);
        let store = self.stores.values_mut().nth(which).unwrap();
        let is_events = store.store == Store::Events;
        if store.go_on() {
            return;
        }
        match dice {
            0..=11 => store.hand_over(),
            12 if self.transforms && is_events && choice < 16 => store.transform(choice),
            13 if self.transforms && is_events && choice < 1 => store.compact(),
            15..=16 => store.append(self.history.transaction_of(40)),
            _ => store.append(self.history.transaction()),
        }
    }

    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Nothing is half done any more.
    pub fn settle(&mut self) {
        for store in self.stores.values_mut() {
            while store.go_on() {}
        }
    }

    /// The server writes a zip of its control database; gives its name.
    pub fn write_zip(&mut self) -> String {
        self.zips = now_ms().unsigned_abs().max(self.zips + 1);
        let name = format!("controldb{}.zip", self.zips);
        let real = fs::read(&fixtures::control_db_zips("se-4.6.11-json")[0]).unwrap();
        let zip = if self.makes_up_zips { made_up(&real, self.zips) } else { real };
        fs::write(self.root.path().join("backups").join(&name), zip).unwrap();
        self.captures.push((name.clone(), self.heads()));
        name
    }

    /// It is a node of a cluster, with the log of a replication group.
    pub fn join(&mut self, group: &str, logs: &[(&str, &[u8])]) {
        let directory = self.root.path().join("log").join(group);
        fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in logs {
            fs::write(directory.join(name), bytes).unwrap();
        }
        self.groups.insert(group.to_owned(), logs.iter().map(|(name, _)| (*name).to_owned()).collect());
    }

    pub fn zip_path(&self, name: &str) -> PathBuf {
        Path::new(self.root.path()).join("backups").join(name)
    }
}
