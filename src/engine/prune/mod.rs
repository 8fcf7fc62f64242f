//! Deleting what nothing needs any more, in two phases and never on one look alone.
//!
//! 1. [`mark`]: beside readers, as one that writes. Packs without use are named by an act; what is needed of mostly dead ones is written anew
//!    first. Nothing is deduplicated against a marked pack from then on.
//! 2. [`delete`]: in a later run, alone. What is needed is computed anew, from all points that stay and the two newest records of each log;
//!    forgotten points are named gone; then points, records, pages and packs go, in this order.
//!
//! A root that can't be read, a number that is missing, a chunk that is nowhere, an act of a newer program: nothing is deleted.

mod choice;
mod closure;
mod deletion;
mod error;
mod ledger;
mod marking;
mod report;
mod roots;
pub mod tails;
mod versions;

pub use error::Error;
pub use report::{DeleteReport, Freed, MarkReport, Skipped};

pub(in crate::engine) use closure::{Survey, here_or_aside};
pub(in crate::engine) use deletion::is_full;
pub(in crate::engine) use roots::{left_for, logs_in, logs_of};

use crate::engine;
use crate::engine::observe::Observer;
use crate::engine::prune::roots::Books;
use crate::engine::rewrite;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::store::{Alone, Repository, reserve};
use serde::Serialize;

/// How to prune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// How long a mark and a forgotten point stand before anything is deleted, in milliseconds.
    pub grace_ms: i64,
    /// How much of the packs may be dead before they are written anew, in thousandths.
    pub max_unused_permille: u64,
    /// The same of the packs of tails alone: what they held is superseded all the time, and it is little that has to be written anew.
    pub max_unused_tails_permille: u64,
    /// Whether small packs are joined.
    pub join: bool,
    /// Whether forgotten points may go. Those of others have their undo.
    pub points: bool,
    /// At most so many bytes are written anew.
    pub max_repack: u64,
    /// After this moment nothing more is written anew.
    pub deadline_ms: Option<i64>,
    /// The newest act when the run began: what was marked or forgotten later is not deleted in this run. None: what is there now.
    pub newest_act: Option<u64>,
}

impl Default for PruneOptions {
    /// A day between the phases; at most a twentieth unused, of tails a fiftieth.
    fn default() -> Self {
        Self {
            grace_ms: 24 * 3_600_000,
            max_unused_permille: 50,
            max_unused_tails_permille: 20,
            join: true,
            points: true,
            max_repack: u64::MAX,
            deadline_ms: None,
            newest_act: None,
        }
    }
}

/// What a prune would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    /// What it would mark and write anew.
    pub mark: MarkReport,
    /// What it would delete.
    pub delete: DeleteReport,
}

/// Says what a prune would do, without doing it. What can't be told under a shared lock (whether others let it delete, whether copies can be
/// read back) the deed finds out.
pub fn plan(
    repository: &Repository,
    options: &PruneOptions,
    observer: &dyn Observer,
) -> Result<Plan, engine::Error> {
    let books = Books::read(repository)?;
    let versions = versions::find(repository, &books, &mut |_| Ok(true))?.iter().map(|log| log.count).sum();
    let mark = MarkReport { versions, ..marking::plan(repository, options, observer, &books)?.report() };
    let delete = deletion::plan(repository, options, observer, false)?.report();
    Ok(Plan { mark, delete })
}

/// The number of the newest act: see [`PruneOptions::newest_act`].
pub fn newest_act(repository: &Repository) -> Result<u64, engine::Error> {
    Ok(Books::read(repository)?.newest_act())
}

/// The first phase, if somebody else writes: see `marking::beside`.
pub fn mark_beside(repository: &Repository, observer: &dyn Observer) -> Result<MarkReport, engine::Error> {
    marking::beside(repository, observer)
}

/// The first phase. On a full disk the reserve is given up, and nothing is written anew.
pub fn mark(
    repository: &Repository,
    options: &PruneOptions,
    observer: &dyn Observer,
) -> Result<MarkReport, engine::Error> {
    match try_mark(repository, options, observer) {
        Err(error) if deletion::is_full(&error) && reserve::release(repository.disk())? => {
            try_mark(repository, &PruneOptions { max_repack: 0, ..options.clone() }, observer)
        }
        done => done,
    }
}

/// Under the lock of the one that writes, from the first look on: nothing comes in between.
fn try_mark(
    repository: &Repository,
    options: &PruneOptions,
    observer: &dyn Observer,
) -> Result<MarkReport, engine::Error> {
    repository.may_remove()?;
    let mut session = repository.session()?;
    rewrite::go_on(&mut session, |_| true)?;
    let mut unread = Vec::new();
    let mut proof = |entry: &SegmentEntry| {
        let is_good = versions::is_readable(repository, entry, observer)?;
        unread.extend((!is_good).then(|| versions::kept_for(entry)));
        Ok(is_good)
    };
    let versions = versions::find(repository, &Books::read(repository)?, &mut proof)?;
    let versions = versions::leave(&mut session, versions)?;
    let plan = marking::plan(repository, options, observer, &Books::read(repository)?)?;
    let mut report = MarkReport { versions, ..marking::carry_out(&mut session, plan, options)? };
    report.skipped.extend(unread);
    Ok(report)
}

/// Both phases at once, for what was erased: who does it is alone from the first to the last. Packs with anything that nothing needs are written
/// anew without it, if `writes` says that there is room for it: superseded tails hold the erased events, too, and no record names their chunks
/// any more. Forgotten points keep their undo.
pub(in crate::engine) fn at_once(
    alone: &Alone,
    writes: bool,
    observer: &dyn Observer,
) -> Result<DeleteReport, engine::Error> {
    let repository = alone.repository();
    let options = PruneOptions {
        grace_ms: 0,
        max_unused_permille: 0,
        max_unused_tails_permille: 0,
        join: false,
        points: false,
        max_repack: if writes { u64::MAX } else { 0 },
        ..PruneOptions::default()
    };
    let mut session = repository.session()?;
    let plan = marking::plan(repository, &options, observer, &Books::read(repository)?)?;
    marking::carry_out(&mut session, plan, &options)?;
    drop(session);
    try_delete(alone, &options, observer)
}

/// The second phase. Makes the reserve anew at its end, if there is room.
pub fn delete(
    alone: &Alone,
    options: &PruneOptions,
    observer: &dyn Observer,
) -> Result<DeleteReport, engine::Error> {
    let disk = alone.repository().disk();
    let done = match try_delete(alone, options, observer) {
        Err(error) if deletion::is_full(&error) && reserve::release(disk)? => {
            try_delete(alone, options, observer)
        }
        done => done,
    }?;
    // A disk that is still full will have to do without.
    let _ = reserve::make(disk);
    Ok(done)
}

/// As one that writes, first: whatever is there becomes durable before anything is deleted that it stands in for.
fn try_delete(
    alone: &Alone,
    options: &PruneOptions,
    observer: &dyn Observer,
) -> Result<DeleteReport, engine::Error> {
    let mut session = alone.repository().session()?;
    let deletion = deletion::plan(alone.repository(), options, observer, true)?;
    deletion::carry_out(alone, &mut session, &deletion, observer)
}
