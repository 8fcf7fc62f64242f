//! Proves a repository: its structure, and with `data` every byte and the history in it.
//!
//! Every file that is published is read from the disk, whatever the index says. Each page, segment, pack and control database is looked at
//! once, however many points share it. What is wrong is told as data: the file, what it means for which points and tokens, what to do. One
//! damage hides no other.

mod book;
mod contents;
mod control_db;
mod debris;
mod files;
mod history;
mod manifest;
mod pack_findings;
mod packs;
mod pages;
mod point_logs;
mod records;
mod report;
mod run;
mod structure;
mod uses;

pub use report::{Class, Counts, Finding, Report, Tokens};

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::repo::store::Repository;

/// What to prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Read all packs, and prove the history in them; without it the structure alone.
    pub data: bool,
}

/// Proves the repository. Damage is told in the report; an error means that there is none. Packs that a whole read found damaged are
/// named in an act, if the repository can be written, so that the next backup stores again what is in them; nothing else is written.
pub fn verify(
    repository: &Repository,
    options: &VerifyOptions,
    observer: &dyn Observer,
) -> Result<Report, Error> {
    run::run(repository, *options, observer)
}
