//! Points, acts, records and pages that are missing or damaged, put back from a copy of the repository.
//!
//! A numbered file is proven by the one behind it. The newest of a row has none: all that is known is that it follows the one before it, and that
//! is true as well of what was written to the copy itself, where that was used on (see [`twin`]).

use crate::engine::error::Error;
use crate::engine::logs;
use crate::engine::observe::Observer;
use crate::engine::repair::report::Mended;
use crate::engine::repair::twin;
use crate::engine::verify::{Depth, diagnose};
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::paths;
use crate::repo::store::{LostFiles, NumberedRow, Repository, Session};
use std::collections::BTreeSet;

/// Puts back what `other` has. Numbered files only from a copy of this very repository; pages from any.
pub(super) fn mend(
    repository: &Repository,
    other: &Repository,
    mended: &mut Mended,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let mut session = if mended.dry_run { None } else { Some(repository.session()?) };
    let session = &mut session;
    if repository.config().id == other.config().id {
        let rows = rows(repository, other)?;
        let is_trusted = !twin::was_used_on(repository, other, &rows)?;
        for row in rows {
            numbered(repository, session, (other, is_trusted), &row, mended)?;
        }
    }
    // A page that comes back may name others that are missing.
    loop {
        let bad = diagnose(repository, Depth::Structure, observer)?.pages;
        let mut is_better = false;
        for page in bad {
            let path = paths::page(page);
            let Ok(bytes) = other.disk().read(&path, SMALL_FILE_MAX) else { continue };
            if repository.naming().page(&bytes) == page {
                is_better |=
                    put(repository, session, mended, &path, |session| session.mend_page(page, &bytes))?;
            }
        }
        if !is_better {
            return Ok(());
        }
    }
}

/// Numbered files, and the highest number that is known to have been there although its file may be gone.
pub(super) struct Numbered {
    pub row: NumberedRow,
    named: u64,
}

impl Numbered {
    /// The numbers that are there.
    pub fn there(&self, repository: &Repository) -> Result<BTreeSet<u64>, Error> {
        Ok(self.row.numbers(repository.disk())?)
    }

    /// The highest number that was ever used here, as far as that is known.
    pub fn newest(&self, repository: &Repository) -> Result<u64, Error> {
        let there = self.there(repository)?.last().copied().unwrap_or(0);
        Ok(there.max(self.named).max(self.row.set_aside(repository.disk())?))
    }
}

/// Acts and points first: points name records.
fn rows(repository: &Repository, other: &Repository) -> Result<Vec<Numbered>, Error> {
    let of = |row| Numbered { row, named: 0 };
    let mut rows = vec![of(NumberedRow::Acts), of(NumberedRow::Points)];
    let points = repository.journal()?.points;
    let keys: BTreeSet<_> = [repository, other]
        .into_iter()
        .map(logs::directories)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .filter_map(|directory| directory.key)
        .collect();
    rows.extend(keys.into_iter().map(|key| {
        let named = points.iter().filter_map(|listed| Some(listed.log(&key)?.record)).max().unwrap_or(0);
        Numbered { row: NumberedRow::Records(key), named }
    }));
    Ok(rows)
}

/// Again and again: each one that is back vouches for its neighbours.
fn numbered(
    repository: &Repository,
    session: &mut Option<Session<'_>>,
    (other, is_trusted): (&Repository, bool),
    rows: &Numbered,
    mended: &mut Mended,
) -> Result<(), Error> {
    let (row, directory) = (&rows.row, rows.row.directory());
    let (ours, newest) = (rows.there(repository)?, rows.newest(repository)?);
    let theirs = rows.there(other)?;
    let away = Away::by(&repository.journal()?.acts);
    let is_away = |number: u64| {
        away.lost.has(&directory, number) || !ours.contains(&number) && away.may_be(row, number, newest)
    };
    let may_be_ours = |number: &u64| *number <= newest && !is_away(*number);
    let mut bad: BTreeSet<u64> = theirs.into_iter().filter(may_be_ours).collect();
    loop {
        bad.retain(|number| !repository.is_undoubted(row, *number));
        let mut is_better = false;
        for number in bad.clone() {
            let path = row.path(number);
            let Ok(bytes) = other.disk().read(&path, SMALL_FILE_MAX) else { continue };
            let may_follow =
                is_trusted || repository.has_one_behind(row, number) || twin::is_of(repository, row, &bytes);
            if may_follow && repository.is_vouched_for(row, number, &bytes) {
                bad.remove(&number);
                is_better |= put(repository, session, mended, &path, |session| {
                    session.mend_numbered(row, number, &bytes)
                })?;
            }
        }
        if !is_better {
            break;
        }
    }
    mended.not_mended.extend(bad.into_iter().map(|number| repository.disk().display(&row.path(number))));
    Ok(())
}

/// What a prune has deleted for good, or somebody has given up: that a copy still has it is no reason to bring it back.
struct Away {
    gone: BTreeSet<u64>,
    lost: LostFiles,
    is_pruned: bool,
}

impl Away {
    fn by(acts: &[Act]) -> Self {
        let mut away = Self { gone: BTreeSet::new(), lost: LostFiles::by(acts), is_pruned: false };
        for act in acts {
            match &act.deed {
                Deed::Gone { points } => {
                    away.is_pruned = true;
                    away.gone.extend(points.iter().map(|point| point.number));
                }
                Deed::Dead { .. } | Deed::Unknown => away.is_pruned = true,
                _ => {}
            }
        }
        away
    }

    /// Whether a file that is not there may be missing with good reason.
    fn may_be(&self, row: &NumberedRow, number: u64, newest: u64) -> bool {
        match row {
            NumberedRow::Acts => false,
            NumberedRow::Points => self.gone.contains(&number),
            NumberedRow::Records(_) => self.is_pruned && number.saturating_add(1) < newest,
        }
    }
}

fn put(
    repository: &Repository,
    session: &mut Option<Session<'_>>,
    mended: &mut Mended,
    path: &str,
    work: impl FnOnce(&mut Session<'_>) -> Result<(), crate::repo::Error>,
) -> Result<bool, Error> {
    mended.files.push(repository.disk().display(path));
    let Some(session) = session else { return Ok(false) };
    work(session)?;
    Ok(true)
}
