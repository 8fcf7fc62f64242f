//! A server in memory: what it wrote, and the source that shows it to a backup.

use crate::support::segments::{Change, Event, History, SegmentImage, StoreImage};
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::token::Token;
use segvault::source::Source;
use segvault::source::listing::{
    ContextListing, ControlDbCapture, Identity, Listing, StoreFile, StoreListing,
};
use segvault::source::segment_bytes::SegmentBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Bytes of a segment: small, so that a short history has many.
pub const SEGMENT: usize = 1_500;

/// A context of the server.
#[derive(Clone, Debug)]
pub struct Context {
    pub events: StoreImage,
    pub snapshots: StoreImage,
    pub history: History,
    /// Bytes that the disk shows instead of what was written: bit rot, lost pages.
    pub damaged: BTreeMap<(Store, SegmentName), Vec<u8>>,
}

impl Context {
    pub fn seeded(seed: u64) -> Self {
        Self {
            events: StoreImage::new(SEGMENT),
            snapshots: StoreImage::new(SEGMENT),
            history: History::seeded(seed),
            damaged: BTreeMap::new(),
        }
    }

    pub fn store(&self, store: Store) -> &StoreImage {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }

    pub fn store_mut(&mut self, store: Store) -> &mut StoreImage {
        match store {
            Store::Snapshots => &mut self.snapshots,
            Store::Events => &mut self.events,
        }
    }

    pub fn append(&mut self, store: Store, transactions: usize) {
        for _ in 0..transactions {
            let transaction = self.history.transaction();
            self.store_mut(store).append(&transaction);
        }
    }

    /// Writes the next version of a sealed event segment, with one of its payloads replaced.
    pub fn transform(&mut self, which: usize) {
        let sealed = self.newest_sealed();
        if let Some(image) = sealed.get(which % sealed.len().max(1)).cloned() {
            let name = image.name();
            let next = image.transformed(|token, bytes| {
                if token == name.number.get() { Change::Replace(rewritten(bytes)) } else { Change::Keep }
            });
            self.events.insert(next);
        }
    }

    /// The highest version of each sealed segment of events.
    fn newest_sealed(&self) -> Vec<SegmentImage> {
        let mut newest: BTreeMap<Token, SegmentImage> = BTreeMap::new();
        for image in self.events.sealed() {
            newest.insert(image.name().number, image.clone());
        }
        newest.into_values().collect()
    }

    /// Removes all versions but the highest.
    pub fn compact(&mut self) {
        let keep: BTreeSet<SegmentName> = self.newest_sealed().iter().map(SegmentImage::name).collect();
        self.events.segments.retain(|name, image| !image.is_rolled() || keep.contains(name));
    }

    /// Removes the oldest segment of events, as a tier move does.
    pub fn purge(&mut self) {
        let first = self.events.segments.keys().next().map(|name| name.number);
        if self.events.segments.keys().any(|name| Some(name.number) != first) {
            self.events.segments.retain(|name, _| Some(name.number) != first);
        }
    }
}

/// The same event with another payload, as a transformation replaces it.
fn rewritten(bytes: &[u8]) -> Event {
    let event = segvault::axon::event::Event::parse(bytes).unwrap();
    Event {
        message_id: event.message_identifier.to_owned(),
        ..Event::of(event.aggregate_identifier, event.aggregate_sequence_number)
    }
    .at(event.timestamp)
    .carrying("transformed")
}

/// A server in memory.
#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub contexts: BTreeMap<String, Context>,
    /// Counts restores of the server: restored files have a time of their own.
    pub restored: i64,
}

impl Server {
    pub fn new(name: &str, contexts: &[&str], seed: u64) -> Self {
        let contexts = contexts
            .iter()
            .enumerate()
            .map(|(at, context)| ((*context).to_owned(), Context::seeded(seed * 31 + at as u64)))
            .collect();
        Self { name: name.to_owned(), contexts, restored: 0 }
    }

    /// What it holds, for messages.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (name, context) in &self.contexts {
            for store in Store::ALL {
                for image in context.store(store).segments.values() {
                    let (segment, events, rolled) = (image.name(), image.events(), image.is_rolled());
                    let damaged = context.damaged.contains_key(&(store, segment));
                    text += &format!(
                        "{name} {store} {segment}: {events} events, rolled {rolled}, damaged {damaged}\n"
                    );
                }
            }
        }
        text
    }

    fn path(context: &str, store: Store, name: SegmentName) -> PathBuf {
        PathBuf::from(format!("/{context}/{}", name.file_name(store)))
    }

    fn bytes(&self, context: &str, store: Store, name: SegmentName) -> Option<Vec<u8>> {
        let context = self.contexts.get(context)?;
        let damaged = context.damaged.get(&(store, name)).cloned();
        damaged.or_else(|| context.store(store).segments.get(&name).map(SegmentImage::bytes))
    }

    fn list(&self, context_name: &str, context: &Context, store: Store) -> StoreListing {
        let last = context.store(store).segments.keys().next_back().copied();
        let segments = context
            .store(store)
            .segments
            .keys()
            .map(|name| StoreFile {
                store,
                name: *name,
                path: Self::path(context_name, store, *name).into(),
                length: self.bytes(context_name, store, *name).unwrap().len() as u64,
                on_disk: 4_096,
                // A mapped file's time stands still while it is written, and through a power loss: nothing may rest on it.
                modified_ns: self.restored,
                is_volatile: Some(*name) == last,
            })
            .collect();
        StoreListing { segments, in_progress: Vec::new() }
    }
}

impl Source for Server {
    fn identity(&self) -> Result<Identity, segvault::source::Error> {
        Ok(Identity { name: self.name.clone(), facts: BTreeMap::new() })
    }

    fn listing(&mut self) -> Result<Listing, segvault::source::Error> {
        let list = |(name, context): (&String, &Context)| {
            let snapshots = self.list(name, context, Store::Snapshots);
            let events = self.list(name, context, Store::Events);
            (name.clone(), ContextListing { snapshots, events })
        };
        Ok(Listing { contexts: self.contexts.iter().map(list).collect(), ..Listing::default() })
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, segvault::source::Error> {
        Ok(ControlDbCapture::Absent { reason: "a server in memory has none".to_owned() })
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, segvault::source::Error> {
        let context = file.path.iter().nth(1).unwrap().to_string_lossy();
        match self.bytes(&context, file.store, file.name) {
            Some(bytes) => Ok(Box::new(InMemory(bytes))),
            None => Err(segvault::source::Error::Vanished { path: file.path.to_path_buf() }),
        }
    }
}

struct InMemory(Vec<u8>);

impl SegmentBytes for InMemory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, segvault::source::Error> {
        let from = (offset as usize).min(self.0.len());
        let length = buffer.len().min(self.0.len() - from);
        buffer[..length].copy_from_slice(&self.0[from..from + length]);
        Ok(length)
    }
}
