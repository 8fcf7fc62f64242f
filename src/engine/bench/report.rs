//! What a bench found.

use crate::engine::bench::advice::{Advice, Costs};
use crate::engine::bench::child::Used;
use crate::engine::bench::columns::Columns;
use crate::engine::bench::synthetic::Made;
use serde::Serialize;
use std::path::PathBuf;

/// All that was measured. Bytes, unless it says otherwise.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// What was measured.
    pub data: Data,
    /// The tools, in the order in which they were measured.
    pub rows: Vec<Row>,
    /// How a month was simulated; none if it was not.
    pub month: Option<Month>,
    /// Where the bytes of the default setting go; none if it was not asked for.
    pub columns: Option<Columns>,
    /// What follows.
    pub advice: Option<Advice>,
    /// What a year costs; none without a price.
    pub costs: Option<Costs>,
}

/// The data.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Data {
    /// Where it is.
    pub directory: PathBuf,
    /// What was made for this run, if it is synthetic.
    pub synthetic: Vec<Made>,
    /// The lengths of all segments there.
    pub files: u64,
    /// The lengths of those that the sample comes from.
    pub sampled_files: u64,
    /// Bytes of history in the sample.
    pub sample: u64,
    /// Events and snapshots in it.
    pub events: u64,
    /// Segments, and contexts.
    pub segments: usize,
    /// How many contexts.
    pub contexts: usize,
    /// When its first event happened, milliseconds since 1970.
    pub first_ms: Option<i64>,
    /// When its last event happened.
    pub last_ms: Option<i64>,
    /// Bytes of history at the first backup.
    pub at_first: u64,
    /// By how many bytes of history the open segment grew before the second backup.
    pub grown: u64,
    /// By how many bytes of history it had grown at the third backup: that segment was sealed, and the next one begun.
    pub sealed: u64,
}

/// A tool.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// Its name.
    pub tool: String,
    /// Whether it is this program.
    pub own: bool,
    /// What it says of its version.
    pub version: Option<String>,
    /// How it was told to work, or what is to be known of the figures.
    pub settings: String,
    /// What was measured; none if it failed.
    pub measured: Option<Measured>,
    /// Why it failed, or was left out.
    pub failed: Option<String>,
    /// What is wrong with its restore; none if all was equal.
    pub differs: Option<String>,
    /// Its month; none if it was not simulated.
    pub growth: Option<Growth>,
}

/// What a tool did.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measured {
    /// What it stores after the first backup: all files of its repository.
    pub stored: u64,
    /// What the second backup added: the open segment had grown.
    pub grown: u64,
    /// What the third backup added: one more segment was sealed.
    pub sealed: u64,
    /// The first backup.
    pub first: Used,
    /// The second one.
    pub second: Used,
    /// The third one.
    pub third: Used,
    /// The restore of the third one.
    pub restore: Used,
    /// Bytes of history a second in the first backup.
    pub encode_speed: u64,
    /// Bytes of history a second in the restore.
    pub decode_speed: u64,
    /// Whether what was restored is what was there.
    pub equal: bool,
}

/// How a month was simulated.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Month {
    /// Hourly backups in it.
    pub backups: u32,
    /// How many of them were made: at equal distances.
    pub made: u32,
    /// When it begins and ends, in the data's own time.
    pub from_ms: i64,
    /// Its end.
    pub to_ms: i64,
    /// Whether the data spans less than a month, and its time was stretched.
    pub stretched: bool,
}

/// How a tool's repository grows in the month.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Growth {
    /// The backups that were made.
    pub steps: Vec<Step>,
    /// What a backup adds that finds nothing new.
    pub idle: u64,
    /// What the month ends with at least: the last step, and for each hour without a backup one that finds nothing new.
    pub at_least: u64,
    /// Why it ended early.
    pub failed: Option<String>,
}

/// A backup of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// The hour of the month, from 0.
    pub hour: u32,
    /// Bytes of history.
    pub history: u64,
    /// What the repository stores.
    pub stored: u64,
}

impl Row {
    /// A tool that was not measured, and why.
    pub(super) fn failed(tool: String, own: bool, why: String) -> Self {
        let (version, measured, differs, growth) = (None, None, None, None);
        Self { tool, own, version, settings: String::new(), measured, failed: Some(why), differs, growth }
    }

    /// The figures of a tool that gave back what it was given.
    pub fn sound(&self) -> Option<&Measured> {
        self.measured.as_ref().filter(|measured| measured.equal)
    }
}
