//! Seeded corpora: segments as Axon Server writes them, with payloads of four kinds, and the entropy of what was drawn for them.
//!
//! What is drawn, by kind, each draw adding its exact information content to the sum of its kind ([`Corpus::entropy`]):
//! - which chain goes on or begins (up to 24 run interleaved), which type of aggregate, which event, one or two events a transaction;
//! - new aggregates; existing ones by Zipf's law over all that live (thousands), their ranks turning slowly as new ones come;
//! - random (version 4) and time-ordered (version 7) identifiers: 122 and 74 bits each;
//! - clocks: geometric steps, one in a hundred runs behind, one in 20,000 jumps by up to ten hours;
//! - names, mail addresses, places, products, free text: skewed draws from vocabularies of 800 to 6,000 entries;
//! - enums, flags, small numbers, money, reference numbers, coordinates with all their digits, moments of three precisions;
//! - whether an optional field is there, how many elements a list has, whether an aggregate's attribute stays as it was;
//! - for snapshots: what changes between two of the same aggregate.
//!
//! Not drawn, so not counted: the schema (8 aggregate types, 44 event types, 4 applications with key orders and metadata of their
//! own; half the types get a field and revision 2 on the way) and the spelling of the vocabularies. They stand once, however long a
//! corpus is. Identifiers are made with the bits they hold; popularity depends on nothing but rank. The generator knows nothing of
//! any codec.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "the numbers of a corpus are small, and its lists are as long as its draws say"
)]

mod draws;
mod node;
mod schema;
mod snapshots;
mod story;
mod wire;
mod words;

use std::collections::BTreeMap;

/// What a segment begins with.
pub(crate) const HEADER: [u8; 5] = [2, 0, 0, 0, 0];

/// What the payloads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events with payloads as Jackson writes them.
    Json,
    /// Events with payloads as `XStream` writes them.
    Xml,
    /// Events with small payloads as protobuf writes them.
    Binary,
    /// Snapshots, as Jackson writes them.
    Snapshots,
}

impl Kind {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 4] =
        [("json", Self::Json), ("xml", Self::Xml), ("binary", Self::Binary), ("snapshots", Self::Snapshots)];
}

/// A corpus: one long segment.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// A segment's header and its transactions.
    pub data: Vec<u8>,
    /// Where its transactions begin, and its end.
    pub cuts: Vec<usize>,
    /// Events in it.
    pub events: u64,
    /// Bits of information that were drawn, by kind of draw.
    pub entropy: BTreeMap<&'static str, f64>,
}

impl Corpus {
    /// Bytes that no compressor can go below on average.
    pub fn entropy_bytes(&self) -> f64 {
        self.entropy.values().sum::<f64>() / 8.0
    }

    /// Whole transactions, cut into blocks of about `length` bytes.
    pub fn blocks(&self, length: usize) -> Vec<&[u8]> {
        let (mut blocks, mut from) = (Vec::new(), 0);
        for &cut in self.cuts.iter().skip(1) {
            if cut - from >= length || cut == self.data.len() {
                blocks.push(&self.data[from..cut]);
                from = cut;
            }
        }
        blocks
    }
}

/// A corpus that is told transaction by transaction, in bounded memory.
#[derive(Clone, Debug)]
pub struct Telling {
    world: story::World,
    kind: Kind,
    written: usize,
    length: usize,
}

/// What is told at once.
#[derive(Clone, Debug)]
pub struct Told {
    /// The bytes of a transaction.
    pub bytes: Vec<u8>,
    /// Events in it.
    pub events: u64,
}

impl Telling {
    /// A corpus of at least `length` bytes, its header included. The same arguments give the same bytes.
    pub fn new(kind: Kind, length: usize, seed: u64) -> Self {
        Self { world: story::World::new(kind, seed), kind, written: HEADER.len(), length }
    }

    /// Bytes told so far, with the header.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Bits of information that were drawn so far, by kind of draw.
    pub fn entropy(&self) -> &BTreeMap<&'static str, f64> {
        self.world.draws.entropy()
    }
}

impl Iterator for Telling {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        if self.written >= self.length {
            return None;
        }
        let progress = self.written as f64 / self.length as f64;
        let transaction = match self.kind {
            Kind::Snapshots => vec![snapshots::snapshot(&mut self.world)],
            _ => self.world.transaction(progress),
        };
        let mut bytes = Vec::new();
        wire::transaction(&transaction, &mut bytes);
        self.written += bytes.len();
        Some(Told { bytes, events: transaction.len() as u64 })
    }
}

/// A corpus of at least `length` bytes, all at once. The same arguments give the same bytes.
pub fn corpus(kind: Kind, length: usize, seed: u64) -> Corpus {
    let mut telling = Telling::new(kind, length, seed);
    let mut data = HEADER.to_vec();
    let (mut cuts, mut events) = (vec![0], 0);
    for told in &mut telling {
        data.extend(&told.bytes);
        events += told.events;
        cuts.push(data.len());
    }
    Corpus { data, cuts, events, entropy: telling.entropy().clone() }
}
