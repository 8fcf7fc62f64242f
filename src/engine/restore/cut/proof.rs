//! Proves the snapshot rule of what was written, as it is read again from the target's disk: it knows nothing of points and pairs.

use crate::axon::event::Event;
use crate::axon::segment::Transaction;
use crate::engine::restore::cut::snapshots::aggregate_key;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Aggregates that are compared, at most: memory is bounded.
const AGGREGATES_MAX: usize = 1 << 21;

/// What the proof found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleFigures {
    /// Snapshots that were read.
    pub snapshots: u64,
    /// Aggregates that have one, and were compared with their events.
    pub aggregates: u64,
    /// Snapshots that could not be read, or were too many to compare.
    pub left_out: u64,
    /// Aggregates whose newest snapshot is ahead of their last event.
    pub ahead: u64,
    /// The first of them by name.
    pub first_ahead: Option<String>,
}

/// The newest snapshot of an aggregate, and its last event.
struct Aggregate {
    name: String,
    snapshot: i64,
    event: AtomicI64,
}

/// Compares snapshots with events: first all snapshots are shown to it, then all events.
pub struct RuleProof {
    is_wanted: bool,
    collected: Mutex<HashMap<[u8; 16], Aggregate>>,
    aggregates: HashMap<[u8; 16], Aggregate>,
    snapshots: AtomicU64,
    left_out: AtomicU64,
}

impl RuleProof {
    /// One that does nothing unless it is wanted.
    pub fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            collected: Mutex::default(),
            aggregates: HashMap::new(),
            snapshots: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// A block of snapshots.
    pub fn snapshot(&self, transaction: &Transaction<'_>) {
        if !self.is_wanted {
            return;
        }
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in transaction.event_bytes() {
            self.snapshots.fetch_add(1, Ordering::Relaxed);
            let Ok(event) = Event::parse(bytes) else {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (key, sequence) =
                (aggregate_key(event.aggregate_identifier), event.aggregate_sequence_number);
            if let Some(held) = collected.get_mut(&key) {
                held.snapshot = held.snapshot.max(sequence);
            } else if collected.len() < AGGREGATES_MAX {
                let name = event.aggregate_identifier.to_owned();
                collected.insert(key, Aggregate { name, snapshot: sequence, event: AtomicI64::new(-1) });
            } else {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// All snapshots were shown.
    pub fn begin_events(&mut self) {
        self.aggregates = std::mem::take(&mut self.collected.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A block of events.
    pub fn event(&self, transaction: &Transaction<'_>) {
        if self.aggregates.is_empty() {
            return;
        }
        for event in transaction.event_bytes().filter_map(|bytes| Event::parse(bytes).ok()) {
            let found = self.aggregates.get(&aggregate_key(event.aggregate_identifier));
            if let Some(found) = found.filter(|_| !event.aggregate_type.is_empty()) {
                found.event.fetch_max(event.aggregate_sequence_number, Ordering::Relaxed);
            }
        }
    }

    /// What it found. Where the events don't begin with the first one there ever was (`first`), an aggregate without any is no wonder.
    pub fn figures(&self, first: Option<u64>) -> RuleFigures {
        let is_ahead = |aggregate: &&Aggregate| {
            let event = aggregate.event.load(Ordering::Relaxed);
            aggregate.snapshot > event && (event >= 0 || first.is_none_or(|first| first == 0))
        };
        let ahead: Vec<_> = self.aggregates.values().filter(is_ahead).collect();
        RuleFigures {
            snapshots: self.snapshots.load(Ordering::Relaxed),
            aggregates: self.aggregates.len() as u64,
            left_out: self.left_out.load(Ordering::Relaxed),
            ahead: ahead.len() as u64,
            first_ahead: ahead.iter().map(|aggregate| aggregate.name.clone()).min(),
        }
    }
}
