//! What `status` tells.

use crate::engine::points::Problem;
use crate::engine::retention::Hold;
use crate::engine::status::concerns::{Concern, Level};
use crate::repo::format::moment::Moment;
use serde::Serialize;

/// All of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    /// When it was looked at.
    pub at: Moment,
    /// The worst of the concerns.
    pub level: Level,
    /// The sources, by name.
    pub sources: Vec<SourceStatus>,
    /// What was read of the packs, and when.
    pub verification: Verification,
    /// The last restore that was tried; none if none was.
    pub drill: Option<DrillStatus>,
    /// When the oldest point that is listed was made.
    pub first_point: Option<Moment>,
    /// The repository.
    pub repository: Size,
    /// All holds.
    pub holds: Vec<Hold>,
    /// What is not as it should be, the worst first.
    pub concerns: Vec<Concern>,
    /// What could not be read (exit 20).
    pub problems: Vec<Problem>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceStatus {
    /// Its name.
    pub source: String,
    /// How many points are listed.
    pub points: u64,
    /// The newest one.
    pub last: Option<Age>,
    /// The newest one that is complete.
    pub last_complete: Option<Age>,
    /// What that one lacks, so that it can't be restored: a page that can't be read, a chunk that is in no pack that is there (exit 20).
    pub lacks: Option<String>,
    /// Why the source could not be looked at, if it should have been.
    pub unreachable: Option<String>,
    /// Its contexts, each in the incarnation that its newest point saw.
    pub contexts: Vec<ContextStatus>,
}

/// A point and its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Age {
    /// Its number.
    pub point: u64,
    /// When its backup began.
    pub at: Moment,
    /// So many seconds ago.
    pub seconds: i64,
    /// Whether it is complete.
    pub complete: bool,
}

/// A context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextStatus {
    /// Its name.
    pub context: String,
    /// The incarnation that its newest point saw; 0 if nothing of it is archived.
    pub incarnation: u32,
    /// Its events.
    pub events: LogStatus,
    /// Its snapshots.
    pub snapshots: LogStatus,
}

/// What can be restored of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogStatus {
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The last token; none if it is empty.
    pub last: Option<u64>,
    /// When the first event happened.
    pub from: Option<Moment>,
    /// When the last event happened.
    pub to: Option<Moment>,
    /// How many gaps lie between.
    pub gaps: u64,
    /// The last token that the source has now, if that is known.
    pub source_head: Option<u64>,
    /// How many events the source has more; none if it was not looked at.
    pub behind: Option<u64>,
}

/// What `verify --data` has read and found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verification {
    /// When packs were read last.
    pub last: Option<Moment>,
    /// So many seconds ago.
    pub seconds: Option<i64>,
    /// When the pack was read that was read longest ago.
    pub oldest: Option<Moment>,
    /// All packs.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of those that were read since they were written.
    pub verified_bytes: u64,
    /// Packs that are damaged.
    pub damaged_packs: u64,
}

/// A restore that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DrillStatus {
    /// The point.
    pub point: u64,
    /// When.
    pub at: Moment,
    /// So many seconds ago.
    pub seconds: i64,
    /// How many seconds it took.
    pub took_seconds: u64,
    /// Whether it was what it should be.
    pub passed: bool,
}

/// The repository on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Size {
    /// Bytes of all its files.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
    /// Bytes that are free.
    pub free: Option<u64>,
    /// By how many bytes it grows in a day.
    pub per_day: Option<u64>,
    /// The disk is full in so many days.
    pub full_in_days: Option<u64>,
    /// Files in `damaged/`: damaged once, and made again since, or given up.
    pub aside_files: u64,
}

impl Verification {
    /// The share that was read, in thousandths; all, if there is nothing to read.
    pub fn permille(&self) -> u64 {
        if self.bytes == 0 {
            1000
        } else {
            u64::try_from(u128::from(self.verified_bytes) * 1000 / u128::from(self.bytes)).unwrap_or(1000)
        }
    }
}
