//! What was restored.

use crate::engine::restore::cut::CutPlan;
use crate::engine::restore::cut::proof::RuleFigures;
use crate::engine::restore::plain::PlainPlan;
use crate::engine::restore::plan::TokenRange;
use crate::repo::format::act::PointRef;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::Finding;
use serde::Serialize;
use std::path::PathBuf;

/// A restore that is done: everything stands under the target's name and was read again from there before.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Restored {
    /// The point.
    pub point: PointRef,
    /// Its source.
    pub source: String,
    /// When it was made.
    pub at: Moment,
    /// The target.
    pub target: PathBuf,
    /// Where the history was cut; none if it was restored as the point has it.
    pub cut: Option<CutPlan>,
    /// The contexts, by name.
    pub contexts: Vec<RestoredContext>,
    /// The control database; none if there is none, or it was not wanted.
    pub control_db: Option<RestoredControlDb>,
    /// Index files and replication logs.
    pub plain_files: Vec<PlainPlan>,
    /// How many files.
    pub files: u64,
    /// Their lengths together, holes of zeros included.
    pub length: u64,
    /// Bytes that came from the archive.
    pub bytes: u64,
    /// Whether all history was proven whole: tokens contiguous from the first to the head, CRC-32, hashes. False if damaged segments were handed
    /// out, or tokens are missing.
    pub verified: bool,
    /// What makes it less than whole: exit 3.
    pub warnings: Vec<Finding>,
    /// What is worth knowing.
    pub notes: Vec<Finding>,
}

/// A context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestoredContext {
    /// Its name.
    pub context: String,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: RestoredStore,
    /// Its events.
    pub events: RestoredStore,
    /// Whether each snapshot is at or behind its aggregate's last event, as read again from the target; none if nothing was cut.
    pub snapshot_rule: Option<RuleFigures>,
}

/// A store, as it was read again from the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestoredStore {
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The new head: the last token; none if it is empty.
    pub head: Option<u64>,
    /// Its events.
    pub events: u64,
    /// Its transactions.
    pub transactions: u64,
    /// When its first event happened; none if that can't be read.
    pub first_time: Option<Moment>,
    /// When its last event happened.
    pub last_time: Option<Moment>,
    /// How many segments.
    pub segments: u64,
    /// Bytes of history: valid prefixes.
    pub bytes: u64,
    /// Tokens between first and head that are not in it.
    pub missing: Vec<TokenRange>,
}

/// The control database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestoredControlDb {
    /// The database, below the target; none if only the zip was wanted.
    pub path: Option<String>,
    /// Its length.
    pub length: u64,
    /// Where its zip was written, if that was wanted.
    pub zip: Option<PathBuf>,
    /// False if the zip is not, byte for byte, the one that the server wrote.
    pub zip_is_original: bool,
}
