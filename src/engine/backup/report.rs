//! What a backup says when it is done.

use crate::axon::name::Store;
use crate::repo::codec::Compression;
use crate::repo::format::act::PointRef;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Order;
use crate::repo::format::point::PointBody;
use crate::repo::format::point::Weight;
use crate::repo::store::Tally;
use serde::Serialize;

/// A backup, done.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackupReport {
    /// The point that was made; none in a dry run.
    pub point: Option<PointRef>,
    /// The source's name.
    pub source: String,
    /// Whether nothing is missing or damaged.
    pub complete: bool,
    /// How the order is known.
    pub order: Order,
    /// Whether the control database is newer than the data, and was taken all the same.
    pub unordered: bool,
    /// The control database: its name and size in bytes, or why there is none.
    pub control_db: ControlDbReport,
    /// What was found in each context.
    pub contexts: Vec<ContextReport>,
    /// Contexts that were there and left out.
    pub left_out: Vec<String>,
    /// What must be known.
    pub findings: Vec<Finding>,
    /// Bytes read at the source.
    pub read_bytes: u64,
    /// How hard new chunks were compressed.
    pub compression: Compression,
    /// Chunks stored: how many, their bytes, what they take.
    pub new_chunks: u64,
    /// Bytes of these chunks.
    pub new_raw_bytes: u64,
    /// What these chunks take in the repository.
    pub new_stored_bytes: u64,
    /// Chunks that were there already.
    pub known_chunks: u64,
    /// Bytes of these.
    pub known_raw_bytes: u64,
    /// Bytes of all new files (packs, pages, records, the point).
    pub file_bytes: u64,
    /// Milliseconds from begin to end.
    pub milliseconds: i64,
}

impl BackupReport {
    /// What a point that is about to be published says; the sums come later.
    pub fn new(
        body: &PointBody,
        control_db: ControlDbReport,
        contexts: Vec<ContextReport>,
        compression: Compression,
    ) -> Self {
        let read = |context: &ContextReport| context.snapshots.read_bytes + context.events.read_bytes;
        Self {
            point: None,
            source: body.source.clone(),
            complete: body.complete,
            order: body.order,
            unordered: body.unordered,
            control_db,
            read_bytes: contexts.iter().map(read).sum(),
            contexts,
            left_out: body.left_out.clone(),
            findings: body.findings.clone(),
            compression,
            new_chunks: 0,
            new_raw_bytes: 0,
            new_stored_bytes: 0,
            known_chunks: 0,
            known_raw_bytes: 0,
            file_bytes: 0,
            milliseconds: 0,
        }
    }

    /// Enters the sums of the session, and the time.
    pub fn count(&mut self, tally: Tally, now: Moment, begun: Moment) {
        self.new_chunks = tally.new_chunks;
        self.new_raw_bytes = tally.new_raw_bytes;
        self.new_stored_bytes = tally.new_stored_bytes;
        self.known_chunks = tally.known_chunks;
        self.known_raw_bytes = tally.known_raw_bytes;
        self.file_bytes = tally.file_bytes;
        self.milliseconds = now.0.saturating_sub(begun.0);
    }

    /// The weightiest finding.
    pub fn weight(&self) -> Option<Weight> {
        self.findings.iter().map(|finding| finding.weight).max()
    }
}

/// The control database of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ControlDbReport {
    /// It was archived.
    Archived {
        /// Name of the zip or file it came in.
        name: String,
        /// Bytes of the database.
        bytes: u64,
        /// Whether the zip is rebuilt bit by bit from the database (else the zip itself is kept).
        rebuilt: bool,
    },
    /// There is none.
    Absent {
        /// Why.
        reason: String,
    },
}

/// A context of a backup.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextReport {
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: StoreReport,
    /// Its events.
    pub events: StoreReport,
}

impl ContextReport {
    /// One of its stores.
    pub fn store(&self, store: Store) -> &StoreReport {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }
}

/// A store of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoreReport {
    /// Sealed segments archived for the first time.
    pub new_segments: u64,
    /// Sealed segments archived already (read again or not).
    pub known_segments: u64,
    /// Of these, those that were not read again.
    pub skipped_segments: u64,
    /// Open entries that were replaced: grown, or sealed since.
    pub replaced_segments: u64,
    /// Damaged ones.
    pub damaged_segments: u64,
    /// Bytes read at the source.
    pub read_bytes: u64,
    /// Bytes of history: all valid prefixes.
    pub bytes: u64,
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The last token; none if it is empty.
    pub head: Option<u64>,
    /// The head when the control database had been captured.
    pub safepoint: Option<u64>,
    /// Events that the archive did not have before.
    pub new_events: u64,
}
