//! The list of all points, and the windows of all logs.

use crate::engine::error::Error;
use crate::engine::logs::that_count;
use crate::engine::points::row::{PointRow, row};
use crate::engine::points::windows::{self, Window};
use crate::repo;
use crate::repo::format::point::Point;
use crate::repo::store::{Journal, LostFiles, Repository, Unreadable, lost_chunks};
use serde::Serialize;
use std::collections::BTreeMap;

/// All that can be restored.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Overview {
    /// The points that are listed, by rising number.
    pub points: Vec<PointRow>,
    /// How many points are forgotten and not gone: they are not among `points`.
    pub forgotten: usize,
    /// What the archive holds, by source, context, incarnation and store.
    pub windows: Vec<Window>,
    /// What could not be read: points and windows may be missing above (exit 20; 13 where a newer program wrote all of it).
    pub problems: Vec<Problem>,
}

/// A file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem {
    /// What the user would call it.
    pub path: String,
    /// What is wrong.
    pub why: String,
    /// Whether a newer program wrote it: then it is not damaged.
    pub newer: bool,
}

impl Problem {
    /// Something that is damaged, or missing.
    pub const fn damaged(path: String, why: String) -> Self {
        Self { path, why, newer: false }
    }
}

impl From<&Unreadable> for Problem {
    fn from(file: &Unreadable) -> Self {
        Self { path: file.path.clone(), why: file.why.clone(), newer: file.is_newer }
    }
}

impl Overview {
    /// Leaves so many of the newest points of each source.
    pub fn keep_last(&mut self, last: usize) {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        for point in &self.points {
            *left.entry(point.source.clone()).or_default() += 1;
        }
        self.points.retain(|point| {
            let Some(left) = left.get_mut(&point.source) else { return true };
            let is_kept = *left <= last;
            *left = left.saturating_sub(1);
            is_kept
        });
    }
}

/// Lists everything. Only errors that say nothing of a single file (interrupted) end it.
pub fn overview(repository: &Repository) -> Result<Overview, Error> {
    overview_of(repository, &repository.journal()?)
}

/// The same, for those that have the journal already.
pub fn overview_of(repository: &Repository, journal: &Journal) -> Result<Overview, Error> {
    let mut problems: Vec<_> = journal.unreadable.iter().map(Problem::from).collect();
    let (mut windows, given_up) = (Vec::new(), lost_chunks(&journal.acts));
    let lost = LostFiles::by(&journal.acts);
    for directory in that_count(repository, &journal.acts)? {
        problems.extend(directory.trouble(repository));
        let Some(key) = directory.key else { continue };
        match windows::of_log(repository, &key, (&lost, &given_up)) {
            Ok(found) => windows.extend(found),
            Err(error) => {
                let log = format!("{} of {} ({})", key.store, key.context, key.source);
                problems.push(problem(&log, error)?);
            }
        }
    }
    windows::enter_control_dbs(&mut windows, journal);
    let forgotten = journal.points.iter().filter(|listed| listed.forgotten).count();
    Ok(Overview { points: rows(journal), forgotten, windows, problems })
}

/// Damage is a problem, and so is a file that the system does not let be read; anything else ends the list.
pub fn problem(log: &str, error: repo::Error) -> Result<Problem, Error> {
    match error {
        repo::Error::Damaged { path, source } => {
            Ok(Problem::damaged(path, format!("{source}; it is needed for the {log}")))
        }
        repo::Error::Missing { path } => {
            Ok(Problem::damaged(path, format!("it is missing; it is needed for the {log}")))
        }
        repo::Error::Unsupported { path, source } => {
            Ok(Problem { path, why: source.to_string(), newer: true })
        }
        repo::Error::Io { path, source } => {
            let why = format!("{source}; it is needed for the {log}; see to its permissions, or to the disk");
            Ok(Problem::damaged(path, why))
        }
        other => Err(other.into()),
    }
}

fn rows(journal: &Journal) -> Vec<PointRow> {
    let mut newest: BTreeMap<&str, &Point> = BTreeMap::new();
    let mut rows = Vec::new();
    for listed in journal.listed() {
        let previous = newest.insert(&listed.point.body.source, &listed.point);
        rows.push(row(listed, previous));
    }
    rows
}
