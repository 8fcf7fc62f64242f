//! Proves a repository: its structure, and with `data` every byte and the history in it.
//!
//! Every file that is published is read from the disk, whatever the index says. Each page, segment, pack and control database is looked at
//! once, however many points share it. What is wrong is told as data: the file, what it means for which points and tokens, what to do. One
//! damage hides no other.

mod book;
mod contents;
mod control_db;
mod data;
mod debris;
mod diagnosis;
mod files;
mod follow;
mod histories;
mod history;
mod kept;
pub(in crate::engine) mod manifest;
mod pack_findings;
mod packs;
mod pages;
mod parity;
mod places;
mod point_logs;
mod record_acts;
mod records;
mod report;
mod rotation;
mod run;
mod sequences;
mod structure;
mod times;
mod uses;
mod withheld;

pub use diagnosis::{Depth, Diagnosis, LostEntry, diagnose};
pub use pack_findings::GIVEN_UP;
pub use report::{Class, Counts, Coverage, Finding, LogHistory, Report, Tokens};
pub use rotation::{Checked, Rotation};
pub(in crate::engine) use withheld::{refuse_forbidden, refuse_withheld};

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::repo::store::Repository;

/// What to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Read packs, and prove the history in them; without it the structure alone.
    pub data: bool,
    /// Of the packs, leave some for another time.
    pub rotation: Rotation,
    /// Follow each aggregate through the events, and compare the snapshots with them.
    pub history: bool,
    /// Only this point.
    pub point: Option<String>,
    /// The source whose points are meant.
    pub source: Option<String>,
    /// What to remember in acts of what was read.
    pub remember: Remember,
}

/// What a run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remember {
    /// Which packs are damaged: nothing is deduplicated against them from then on.
    #[default]
    Damage,
    /// Also which packs were found good: a run that reads a part of them begins with others.
    Verdicts,
    /// Nothing at all.
    Nothing,
}

/// Proves the repository. Damage is told in the report; an error means that there is none. Packs that a whole read found damaged are
/// named in an act, if the repository can be written, so that the next backup stores again what is in them; see [`Remember`]. Nothing else is
/// written.
pub fn verify(
    repository: &Repository,
    options: &VerifyOptions,
    observer: &dyn Observer,
) -> Result<Report, Error> {
    run::run(repository, options, observer).map(|(report, _)| report)
}
