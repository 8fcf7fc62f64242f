//! What `verify` found, as data.

use crate::repo::format::id::PackId;
use crate::repo::format::moment::Moment;
use serde::Serialize;

/// What kind of trouble a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing is lost and nothing is wrong: worth knowing.
    Note,
    /// Tokens are missing, or there twice, and the point does not say so (exit 21).
    History,
    /// A newer program wrote it: this one can't judge it (exit 13).
    Newer,
    /// A file of the repository is missing, damaged, or contradicts others (exit 20).
    Damage,
}

/// Tokens of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tokens {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// The first token.
    pub first: u64,
    /// The last token.
    pub last: u64,
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What kind of trouble it is.
    pub class: Class,
    /// A stable word: `journal` (points and acts), `steps`, `safepoint`, `record`, `record-chain`, `record-lost`, `not-a-superset`, `page`, `claim`,
    /// `chunk-lost`, `chunk-given-up`, `pack`, `pack-healed`, `pack-directory`, `pack-newer`, `chunk-newer`, `index`, `segment`, `time-map`, `control-db`, `gap`, `overlap`, `sum`, `point-times`, `not-recorded`,
    /// `sequence`, `snapshot-ahead`, `begins-later`, `times`, `not-followed`, `control-db-inside` (with `history`).
    pub what: &'static str,
    /// The file, as the user would call it, if it is one.
    pub path: Option<String>,
    /// What is wrong.
    pub text: String,
    /// The points that are hit: they can't be restored whole. Rising.
    pub points: Vec<u64>,
    /// The tokens that are hit. Rising.
    pub tokens: Vec<Tokens>,
    /// What to do.
    pub advice: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// Points that can be read and are not gone.
    pub points: u64,
    /// Acts.
    pub acts: u64,
    /// Logs.
    pub logs: u64,
    /// Records.
    pub records: u64,
    /// Pages that points and newest records reach.
    pub pages: u64,
    /// Segments, each version and each damaged copy for itself.
    pub segments: u64,
    /// Packs.
    pub packs: u64,
    /// Bytes of packs.
    pub pack_bytes: u64,
    /// Chunks in packs; one that lies in several counts for each.
    pub chunks: u64,
    /// Control databases, equal ones once.
    pub control_dbs: u64,
    /// With `data`: bytes of packs that were read.
    pub bytes_read: u64,
    /// With `data`: segments whose history was proven.
    pub proven_segments: u64,
    /// With `data`: transactions in them.
    pub proven_transactions: u64,
    /// With `data`: events in them.
    pub proven_events: u64,
    /// Files that nothing needs: left by interrupted runs, or superseded, as packs of tails that have grown since are. No damage.
    pub debris_files: u64,
    /// Their bytes.
    pub debris_bytes: u64,
    /// Files in `damaged/`: damaged once, and made again since, or given up. Nothing needs them.
    pub aside_files: u64,
    /// Their bytes.
    pub aside_bytes: u64,
}

/// What the events of a log tell, read in the order of their tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogHistory {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// Events that were read.
    pub events: u64,
    /// Of them, how many have no aggregate.
    pub without_aggregate: u64,
    /// Aggregates.
    pub aggregates: u64,
    /// Aggregates whose history begins behind their first event, since that of the log does, or has a hole.
    pub begin_later: u64,
    /// Snapshots that were compared with the events.
    pub snapshots: u64,
    /// Events that are older than one before them.
    pub out_of_time: u64,
    /// By how many milliseconds at most.
    pub furthest_back_ms: u64,
}

/// What a run that does not read all packs has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Coverage {
    /// Packs that were read.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of those that were not read, how many no run has ever read.
    pub never: u64,
    /// Of those that were not read now but once: when the one that was read longest ago was found good.
    pub oldest: Option<Moment>,
}

/// What `verify` found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// Whether all packs and all history were read (of the point, if one was named), or the part that was asked for: see `coverage`.
    pub data: bool,
    /// The point, if only one was looked at.
    pub point: Option<u64>,
    /// What was read, if not all was meant to be.
    pub coverage: Option<Coverage>,
    /// With `history`: what each log tells of its aggregates.
    pub histories: Vec<LogHistory>,
    /// What is wrong or worth knowing, the worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub counts: Counts,
    /// Packs that are damaged.
    pub damaged_packs: Vec<PackId>,
    /// The act that says so, if one was written: the next backup stores again what is in these packs.
    pub act: Option<u64>,
    /// The act that says which packs were read whole and found good, if one was written.
    pub verified_act: Option<u64>,
}

impl Report {
    /// The worst class that was found; none if all is well.
    pub fn worst(&self) -> Option<Class> {
        self.findings.iter().map(|finding| finding.class).filter(|class| *class > Class::Note).max()
    }
}
