//! Segments as a server would write them, made in memory: for tests that need a history of their own.
//!
//! ```ignore
//! let mut image = SegmentImage::new(0, 64 * 1024);
//! image.append(&[Event::of("bike-1", 0), Event::of("bike-1", 1)]);
//! let open = image.bytes();
//! image.roll();
//!
//! let mut store = StoreImage::new(64 * 1024);
//! let mut history = History::seeded(7);
//! for _ in 0..100 {
//!     store.append(&history.transaction());
//! }
//! store.write_to(&directory, Store::Events);
//! ```

use segvault::axon::name::SegmentName;
use segvault::axon::name::Store;
use segvault::axon::token::Token;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The most events of one block: longer transactions are several blocks.
pub const BLOCK_EVENTS: usize = 32_767;
const HEADER: [u8; 5] = [2, 0, 0, 0, 0];
const ROLLED: [u8; 4] = [0xff; 4];
const END: usize = 4;

/// An event, before it is protobuf.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub message_id: String,
    pub aggregate: String,
    pub sequence: i64,
    pub aggregate_type: String,
    pub timestamp: i64,
    pub payload_type: String,
    pub payload_revision: String,
    pub payload: Vec<u8>,
    pub metadata: Vec<(String, Value)>,
    pub snapshot: bool,
}

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Boolean(bool),
    Double(f64),
    Bytes { payload_type: String, revision: String, data: Vec<u8> },
}

impl Event {
    /// An event of an aggregate of type `Bike`, with a small payload, a second after the one before it.
    pub fn of(aggregate: &str, sequence: i64) -> Self {
        Self {
            message_id: format!("{aggregate}-{sequence}"),
            aggregate: aggregate.to_owned(),
            sequence,
            aggregate_type: "Bike".to_owned(),
            timestamp: 1_700_000_000_000 + sequence * 1_000,
            payload_type: "BikeRented".to_owned(),
            payload: format!("{{\"bike\":\"{aggregate}\",\"rides\":{sequence}}}").into_bytes(),
            ..Self::default()
        }
    }

    /// An event without an aggregate.
    pub fn without_aggregate(message_id: &str) -> Self {
        Self {
            aggregate: String::new(),
            aggregate_type: String::new(),
            message_id: message_id.to_owned(),
            ..Self::of(message_id, 0)
        }
    }

    /// The same at another time, in milliseconds since 1970.
    pub fn at(self, timestamp: i64) -> Self {
        Self { timestamp, ..self }
    }

    /// The same with another payload.
    pub fn carrying(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// The same with one more value in its metadata.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.metadata.push((key.to_owned(), value));
        self
    }

    /// What a transformation leaves of a deleted event, as seen in transformed segments.
    pub fn deleted(&self) -> Self {
        Self {
            message_id: String::new(),
            payload_type: "empty".to_owned(),
            payload_revision: String::new(),
            payload: Vec::new(),
            metadata: Vec::new(),
            ..self.clone()
        }
    }

    /// As a server stores it: protobuf, absent where it is the default.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, self.message_id.as_bytes());
        put_bytes(&mut out, 2, self.aggregate.as_bytes());
        put_number(&mut out, 3, self.sequence as u64);
        put_bytes(&mut out, 4, self.aggregate_type.as_bytes());
        put_number(&mut out, 5, self.timestamp as u64);
        put_message(&mut out, 6, &object(&self.payload_type, &self.payload_revision, &self.payload));
        for (key, value) in &self.metadata {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, key.as_bytes());
            put_message(&mut entry, 2, &value.encode());
            put_message(&mut out, 7, &entry);
        }
        put_number(&mut out, 8, u64::from(self.snapshot));
        out
    }
}

impl Value {
    /// A member of a `oneof` is written even where it is the default.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Text(text) => put_message(&mut out, 1, text.as_bytes()),
            Self::Number(number) => {
                put_varint(&mut out, 2 << 3);
                put_varint(&mut out, ((number << 1) ^ (number >> 63)) as u64);
            }
            Self::Boolean(truth) => out.extend([3 << 3, u8::from(*truth)]),
            Self::Double(number) => {
                put_varint(&mut out, 4 << 3 | 1);
                out.extend(number.to_bits().to_le_bytes());
            }
            Self::Bytes { payload_type, revision, data } => {
                put_message(&mut out, 5, &object(payload_type, revision, data));
            }
        }
        out
    }
}

fn object(object_type: &str, revision: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, object_type.as_bytes());
    put_bytes(&mut out, 2, revision.as_bytes());
    put_bytes(&mut out, 3, data);
    out
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    if number != 0 {
        put_varint(out, field << 3);
        put_varint(out, number);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_message(out, field, bytes);
    }
}

fn put_message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// The events area of a block: each event with its length in front.
fn events_area(events: &[Vec<u8>]) -> Vec<u8> {
    let mut area = Vec::new();
    for event in events {
        area.extend((event.len() as i32).to_be_bytes());
        area.extend(event);
    }
    area
}

/// One block: size, version, count, events, CRC-32.
pub fn block(events: &[Vec<u8>]) -> Vec<u8> {
    assert!((1..=BLOCK_EVENTS).contains(&events.len()), "a block holds 1 to 32,767 events");
    let area = events_area(events);
    let mut block = (area.len() as i32).to_be_bytes().to_vec();
    block.push(2);
    block.extend((events.len() as i16).to_be_bytes());
    block.extend(&area);
    block.extend(crc32fast::hash(&area).to_be_bytes());
    block
}

/// The blocks of one transaction of events that are bytes already.
fn blocks_of(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
    events.chunks(BLOCK_EVENTS).map(block).collect()
}

fn encoded(events: &[Event]) -> Vec<Vec<u8>> {
    events.iter().map(Event::encode).collect()
}

/// A segment in memory: header, blocks, end, zeros up to the length that the server allocated.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentImage {
    first: u64,
    version: u32,
    bytes: Vec<u8>,
    /// Where the valid content ends.
    end: usize,
    /// The events of each block, as they are stored.
    blocks: Vec<Vec<Vec<u8>>>,
    rolled: bool,
}

/// What a transformation does to an event.
pub enum Change {
    Keep,
    Replace(Event),
}

impl SegmentImage {
    /// A new segment whose first event will have token `first`, preallocated with `capacity` bytes.
    pub fn new(first: u64, capacity: usize) -> Self {
        let mut bytes = vec![0; capacity.max(HEADER.len() + END)];
        bytes[..HEADER.len()].copy_from_slice(&HEADER);
        Self { first, version: 0, bytes, end: HEADER.len(), blocks: Vec::new(), rolled: false }
    }

    /// A segment made for one transaction that is larger than a segment: exactly as long as its content.
    pub fn of_one(first: u64, events: &[Event]) -> Self {
        let blocks: usize = blocks_of(&encoded(events)).iter().map(Vec::len).sum();
        let mut image = Self::new(first, HEADER.len() + blocks + END);
        image.append(events);
        image
    }

    /// Appends one transaction, as a server does: its blocks, and nothing behind them. Panics if it doesn't fit.
    pub fn append(&mut self, events: &[Event]) -> &mut Self {
        self.append_raw(&encoded(events))
    }

    /// Appends one transaction of events that are bytes already, whatever they are.
    pub fn append_raw(&mut self, events: &[Vec<u8>]) -> &mut Self {
        assert!(!self.rolled, "a rolled segment is no longer written");
        assert!(self.fits_raw(events), "the transaction does not fit into the segment");
        for events in events.chunks(BLOCK_EVENTS) {
            let block = block(events);
            self.bytes[self.end..self.end + block.len()].copy_from_slice(&block);
            self.end += block.len();
            self.blocks.push(events.to_vec());
        }
        self
    }

    /// Whether a transaction fits: with room for the end behind it.
    pub fn fits(&self, events: &[Event]) -> bool {
        self.fits_raw(&encoded(events))
    }

    fn fits_raw(&self, events: &[Vec<u8>]) -> bool {
        let blocks: usize = blocks_of(events).iter().map(Vec::len).sum();
        self.end + blocks + END <= self.bytes.len()
    }

    /// Ends the segment with -1.
    pub fn roll(&mut self) -> &mut Self {
        self.bytes[self.end..self.end + END].copy_from_slice(&ROLLED);
        self.rolled = true;
        self
    }

    /// The next version, as a transformation writes it: rolled, exactly as long as its content, cut into the same blocks. `change`
    /// is asked for each event, with its token and its bytes.
    pub fn transformed(&self, mut change: impl FnMut(u64, &[u8]) -> Change) -> Self {
        let mut token = self.first;
        let mut next = Self { version: self.version + 1, ..Self::new(self.first, 0) };
        for events in &self.blocks {
            let changed: Vec<Vec<u8>> = events
                .iter()
                .zip(token..)
                .map(|(event, token)| match change(token, event) {
                    Change::Keep => event.clone(),
                    Change::Replace(other) => other.encode(),
                })
                .collect();
            token += events.len() as u64;
            let room = next.end + block(&changed).len() + END;
            next.bytes.resize(room, 0);
            next.append_raw(&changed);
        }
        next.roll();
        next
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The longest valid prefix: what the archive keeps.
    pub fn prefix(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Where the valid content ends.
    pub fn end(&self) -> u64 {
        self.end as u64
    }

    pub fn is_rolled(&self) -> bool {
        self.rolled
    }

    /// How many events it holds.
    pub fn events(&self) -> u64 {
        self.blocks.iter().map(|events| events.len() as u64).sum()
    }

    /// How many blocks it holds.
    pub fn transactions(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Token of the next event.
    pub fn next_token(&self) -> u64 {
        self.first + self.events()
    }

    pub fn name(&self) -> SegmentName {
        SegmentName { number: Token::new(self.first).unwrap(), version: self.version }
    }

    /// Writes the file into `directory` and returns its path.
    pub fn write_to(&self, directory: &Path, store: Store) -> PathBuf {
        let path = directory.join(self.name().file_name(store));
        fs::write(&path, &self.bytes).unwrap();
        path
    }
}

/// A store in memory: segments that roll as a server's do.
#[derive(Clone, Debug)]
pub struct StoreImage {
    segment_size: usize,
    /// The newest version of each segment, and all older ones: in the order of their names.
    pub segments: BTreeMap<SegmentName, SegmentImage>,
}

impl StoreImage {
    /// An empty store, with its first segment preallocated.
    pub fn new(segment_size: usize) -> Self {
        Self::starting_at(0, segment_size)
    }

    /// A store whose first token is not 0.
    pub fn starting_at(first: u64, segment_size: usize) -> Self {
        let mut store = Self { segment_size, segments: BTreeMap::new() };
        store.insert(SegmentImage::new(first, segment_size));
        store
    }

    /// Appends one transaction; rolls first where it would not fit.
    pub fn append(&mut self, events: &[Event]) -> &mut Self {
        if !self.open().fits(events) {
            self.roll(events);
        }
        self.open_mut().append(events);
        self
    }

    /// Ends the open segment; the next one has room for at least `events`.
    fn roll(&mut self, events: &[Event]) {
        self.open_mut().roll();
        let next = self.next_token();
        let blocks: usize = blocks_of(&encoded(events)).iter().map(Vec::len).sum();
        let capacity = self.segment_size.max(HEADER.len() + blocks + END);
        self.insert(SegmentImage::new(next, capacity));
    }

    /// Ends the open segment and starts the next one.
    pub fn roll_now(&mut self) -> &mut Self {
        self.roll(&[]);
        self
    }

    /// Puts a segment in its place: a transformed one beside the older version, or a changed one in its stead.
    pub fn insert(&mut self, image: SegmentImage) {
        self.segments.insert(image.name(), image);
    }

    /// The segment that is written.
    pub fn open(&self) -> &SegmentImage {
        self.segments.values().next_back().unwrap()
    }

    fn open_mut(&mut self) -> &mut SegmentImage {
        self.segments.values_mut().next_back().unwrap()
    }

    /// The sealed segments, in the order of their names.
    pub fn sealed(&self) -> impl Iterator<Item = &SegmentImage> {
        self.segments.values().filter(|image| image.is_rolled())
    }

    /// Token of the next event.
    pub fn next_token(&self) -> u64 {
        self.open().next_token()
    }

    /// Writes all files into `directory`, which is made if need be.
    pub fn write_to(&self, directory: &Path, store: Store) -> Vec<PathBuf> {
        fs::create_dir_all(directory).unwrap();
        self.segments.values().map(|image| image.write_to(directory, store)).collect()
    }
}

/// A made-up history: aggregates whose sequences rise one by one, times that rise, payloads like JSON.
#[derive(Clone, Debug)]
pub struct History {
    random: fastrand::Rng,
    sequences: Vec<i64>,
    now: i64,
}

impl History {
    /// The same seed makes the same history.
    pub fn seeded(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), sequences: vec![0; 20], now: 1_700_000_000_000 }
    }

    /// From here on it goes on differently, as a server does after a power loss or a restore.
    pub fn reseed(&mut self, seed: u64) {
        self.random = fastrand::Rng::with_seed(seed);
    }

    /// The next transaction: one to four events of one aggregate.
    pub fn transaction(&mut self) -> Vec<Event> {
        let events = self.random.usize(1..=4);
        self.transaction_of(events)
    }

    /// The next transaction, with this many events.
    pub fn transaction_of(&mut self, events: usize) -> Vec<Event> {
        let aggregate = self.random.usize(0..self.sequences.len());
        (0..events).map(|_| self.event(aggregate)).collect()
    }

    /// This many transactions.
    pub fn transactions(&mut self, count: usize) -> Vec<Vec<Event>> {
        (0..count).map(|_| self.transaction()).collect()
    }

    fn event(&mut self, aggregate: usize) -> Event {
        let sequence = self.sequences[aggregate];
        self.sequences[aggregate] += 1;
        self.now += self.random.i64(0..50);
        let payload = format!(
            "{{\"bike\":\"bike-{aggregate}\",\"place\":\"{}\",\"by\":\"{:016x}\"}}",
            self.random.choice(["Utrecht", "Gent", "Aarhus", "Basel"]).unwrap(),
            self.random.u64(..)
        );
        let mut event = Event::of(&format!("bike-{aggregate}"), sequence).at(self.now).carrying(payload);
        event.message_id = format!("{:032x}", self.random.u128(..));
        if self.random.u8(..) < 64 {
            event = event.with("traceId", Value::Text(format!("{:08x}", self.random.u32(..))));
        }
        event
    }
}
