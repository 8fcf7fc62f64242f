//! Points, acts, records and pages that are missing or damaged, put back from a copy of the repository.

use crate::engine::error::Error;
use crate::engine::logs;
use crate::engine::observe::Observer;
use crate::engine::repair::report::Mended;
use crate::engine::verify::{Depth, diagnose};
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::paths;
use crate::repo::store::{NumberedRow, Repository, Session};
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
        for (row, directory, suffix) in rows(repository, other)? {
            numbered(repository, session, other, (&row, &directory, suffix), mended)?;
        }
    }
    // A page that comes back may name others that are missing.
    loop {
        let bad = diagnose(repository, Depth::Structure, observer)?.pages;
        let mut is_better = false;
        for page in bad {
            let path = paths::page(page);
            let Ok(bytes) = other.disk().read(&path, SMALL_FILE_MAX) else { continue };
            if other.naming().page(&bytes) == page && repository.naming() == other.naming() {
                is_better |=
                    put(repository, session, mended, &path, |session| session.mend_page(page, &bytes))?;
            }
        }
        if !is_better {
            return Ok(());
        }
    }
}

type NumberedDirectory = (NumberedRow, String, &'static str);

fn rows(repository: &Repository, other: &Repository) -> Result<Vec<NumberedDirectory>, Error> {
    let mut rows = vec![
        (NumberedRow::Acts, paths::ACTS.to_owned(), ".json"),
        (NumberedRow::Points, paths::POINTS.to_owned(), ".json"),
    ];
    let keys: BTreeSet<_> = [repository, other]
        .into_iter()
        .map(logs::directories)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .filter_map(|directory| directory.key)
        .collect();
    rows.extend(keys.into_iter().map(|key| {
        let directory = paths::log(&key);
        (NumberedRow::Records(key), directory, "")
    }));
    Ok(rows)
}

/// Again and again: each one that is back vouches for its neighbours.
fn numbered(
    repository: &Repository,
    session: &mut Option<Session<'_>>,
    other: &Repository,
    (row, directory, suffix): (&NumberedRow, &str, &str),
    mended: &mut Mended,
) -> Result<(), Error> {
    let ours = paths::numbered(repository.disk(), directory, suffix)?;
    let Some(newest) = ours.keys().next_back().copied() else { return Ok(()) };
    let theirs = paths::numbered(other.disk(), directory, suffix)?;
    let mut bad: BTreeSet<u64> = theirs.into_keys().filter(|number| *number <= newest).collect();
    loop {
        bad.retain(|number| !is_good(repository, row, *number));
        let mut is_better = false;
        for number in bad.clone() {
            let path = row.path(number);
            let Ok(bytes) = other.disk().read(&path, SMALL_FILE_MAX) else { continue };
            if repository.is_vouched_for(row, number, &bytes) {
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

fn is_good(repository: &Repository, row: &NumberedRow, number: u64) -> bool {
    let read = repository.disk().read(&row.path(number), SMALL_FILE_MAX);
    read.is_ok_and(|bytes| repository.is_vouched_for(row, number, &bytes))
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
