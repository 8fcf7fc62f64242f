//! What an erasure does, or would do; and what it does not reach: nothing of that is skipped silently.

use crate::engine::prune::{DeleteReport, Skipped};
use serde::Serialize;

/// What was erased, or would be.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EraseReport {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// The old versions.
    pub segments: Vec<ErasedRow>,
    /// How many events of theirs no current version has.
    pub events: u64,
    /// Their aggregates.
    pub aggregates: Vec<String>,
    /// Points that held an old version, and read the current one from now on.
    pub points: Vec<u64>,
    /// Snapshots of those aggregates.
    pub snapshots: Vec<SnapshotRow>,
    /// Whether all snapshots of the context go with it.
    pub snapshots_dropped: bool,
    /// Points with a control database, which may name what was erased.
    pub control_dbs: Vec<u64>,
    /// Points with a replication log, which may hold it.
    pub replication_logs: Vec<u64>,
    /// Damaged bytes that are kept, and may hold it.
    pub damaged: Vec<String>,
    /// Old versions for which there is no whole newer one with all their tokens, and segments of a history that parted within them: they stay.
    pub not_replaced: Vec<ErasedRow>,
    /// The same bytes in other sources or contexts: they stay.
    pub elsewhere: Vec<String>,
    /// Other repositories that points were copied to or from.
    pub copies: Vec<CopyRow>,
    /// The acts.
    pub acts: Vec<u64>,
    /// What was deleted at once.
    pub deleted: Option<DeleteReport>,
    /// Packs that still hold chunks of it, or might.
    pub left: Vec<Skipped>,
    /// What the proof says, if one was asked for.
    pub proof: Option<Proof>,
}

impl EraseReport {
    /// Whether something stays that may hold what was to be erased.
    pub fn leaves_something(&self) -> bool {
        let snapshots = !self.snapshots.is_empty() && !self.snapshots_dropped;
        snapshots
            || !self.control_dbs.is_empty()
            || !self.replication_logs.is_empty()
            || !self.damaged.is_empty()
            || !self.not_replaced.is_empty()
            || !self.elsewhere.is_empty()
            || !self.copies.is_empty()
            || !self.left.is_empty()
    }
}

/// A version of a segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErasedRow {
    /// The incarnation.
    pub incarnation: u32,
    /// The store.
    pub store: &'static str,
    /// The segment's number.
    pub number: u64,
    /// The version.
    pub version: u32,
    /// The version that is read in its place; none if there is none.
    pub current: Option<u32>,
    /// `sealed`, `tail` or `damaged`.
    pub kind: &'static str,
    /// How many of its events the current version has no more.
    pub events: u64,
}

/// A snapshot of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SnapshotRow {
    /// The incarnation.
    pub incarnation: u32,
    /// The token in the snapshot store.
    pub token: u64,
    /// The aggregate.
    pub aggregate: String,
}

/// A repository that holds copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopyRow {
    /// Its id.
    pub repository: String,
    /// Where it was, in the user's words; of the origin of points nothing is known.
    pub place: Option<String>,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Proof {
    /// Packs.
    pub packs: u64,
    /// Blocks that were decoded.
    pub blocks: u64,
    /// Chunks in them.
    pub chunks: u64,
    /// Events in them that were compared, by their hashes.
    pub events: u64,
    /// How many hashes of erased events they were compared with.
    pub hashes: u64,
    /// How many names of erased chunks.
    pub names: u64,
    /// Pieces of transactions that are cut inside: they were compared by name alone.
    pub pieces: u64,
    /// Packs and blocks that can't be read.
    pub unreadable: Vec<Skipped>,
    /// Where erased bytes still are.
    pub found: Vec<Skipped>,
}

impl Proof {
    /// Whether all was read, and nothing found.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty() && self.unreadable.is_empty() && self.hashes.saturating_add(self.names) > 0
    }
}
