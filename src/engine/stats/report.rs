//! What is counted.

use crate::engine::points::Problem;
use crate::repo::format::moment::Moment;
use serde::Serialize;

/// All that is counted. Bytes, unless it says otherwise.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stats {
    /// The size of the repository: all its files, the index and debris included.
    pub bytes: u64,
    /// How many files that is.
    pub files: u64,
    /// The files by kind; they add up to `bytes` and `files`.
    pub kinds: Vec<Kind>,
    /// What is saved, step by step.
    pub savings: Savings,
    /// Each log. What these rows, `control_dbs`, `plain_files`, `shared`, `unneeded` and `overhead` store adds up to the packs.
    pub logs: Vec<LogStats>,
    /// The control databases of each source.
    pub control_dbs: Vec<Beside>,
    /// The index files and replication logs of each source.
    pub plain_files: Vec<Beside>,
    /// What more than one of the rows above need.
    pub shared: Lot,
    /// What no point and no log needs: superseded tails, leftovers, second copies. A prune frees it.
    pub unneeded: Lot,
    /// Of the packs: headers and directories, and packs that can't be read.
    pub overhead: u64,
    /// Each point that is not gone.
    pub points: Vec<PointStats>,
    /// The months in which the history happened, and in which the points were made.
    pub months: Vec<MonthStats>,
    /// How the repository grows.
    pub growth: Growth,
    /// What could not be read: it counts as overhead, or is missing above (exit 20).
    pub problems: Vec<Problem>,
}

/// Files of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Kind {
    /// `packs`, `pages`, `records`, `points`, `acts`, `index`, or the name of what lies there beside them.
    pub kind: String,
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// From copies to the repository.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Savings {
    /// How many points are there.
    pub points: u64,
    /// The valid bytes of the history and the control databases of each point, as often as there are points: what copies would take.
    pub copies: u64,
    /// The same, each byte once.
    pub unique: u64,
    /// The same, compressed.
    pub stored: u64,
    /// `copies / unique`.
    pub deduplicated: Option<f64>,
    /// `unique / stored`.
    pub compressed: Option<f64>,
    /// `copies` / the size of the repository.
    pub together: Option<f64>,
}

/// Bytes before and after compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lot {
    /// Raw, each byte once.
    pub unique: u64,
    /// In packs.
    pub stored: u64,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogStats {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// Segments, all versions, damaged copies too.
    pub segments: u64,
    /// Events in them.
    pub events: u64,
    /// The lengths of their files at the source, the zeros behind the history included.
    pub apparent: u64,
    /// What its files took on the source's disk when the newest point was made that looked at it.
    pub on_disk: Option<u64>,
    /// The valid bytes in them.
    pub valid: u64,
    /// The valid bytes that each point holds, as often as there are points.
    pub copies: u64,
    /// What only this log needs.
    #[serde(flatten)]
    pub own: Lot,
}

/// What stands beside the logs of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Beside {
    /// The source.
    pub source: String,
    /// How many points have it.
    pub points: u64,
    /// Their lengths, as often as there are points.
    pub copies: u64,
    /// What only they need.
    #[serde(flatten)]
    pub own: Lot,
}

/// One point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointStats {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub at: Moment,
    /// Its source.
    pub source: String,
    /// Whether it is forgotten, and not gone yet.
    pub forgotten: bool,
    /// The valid bytes and the control database that it holds.
    pub copies: u64,
    /// By how much the repository grew: packs, pages and records that no earlier point needs, and its manifest.
    pub added: u64,
    /// What it alone holds: forgetting it frees so much.
    pub frees: u64,
}

/// One month, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MonthStats {
    /// `2026-11`; `none` for what has no time.
    pub month: String,
    /// Points that were made in it.
    pub points: u64,
    /// By how much they made the repository grow.
    pub added: u64,
    /// Events in segments whose last event happened in it.
    pub events: u64,
    /// What these segments need, and no earlier month.
    #[serde(flatten)]
    pub own: Lot,
}

/// How the repository grows, from its points of the last 30 days before the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Growth {
    /// Bytes a day; none with less than two points, or less than an hour between them.
    pub per_day: Option<u64>,
    /// Bytes a month of 30 days.
    pub per_month: Option<u64>,
    /// Bytes that are free where the repository lies; none if that is not known.
    pub free: Option<u64>,
    /// The disk is full in so many days.
    pub full_in_days: Option<u64>,
}
