//! A copy of the repository's files that was written to since: it goes on from the same point, act or record with others of its own, under the same
//! numbers. What it has behind the last file that both have in common is none of ours.

use crate::engine::error::Error;
use crate::engine::prune::logs_in;
use crate::engine::repair::files::Numbered;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::point::Point;
use crate::repo::format::record::Record;
use crate::repo::paths;
use crate::repo::store::{NumberedRow, Repository};

/// Whether anything shows that the copy was written to: a number that was never used here, or one under which both have something else.
pub(super) fn was_used_on(
    repository: &Repository,
    other: &Repository,
    rows: &[Numbered],
) -> Result<bool, Error> {
    for row in rows {
        let theirs = row.there(other)?;
        if theirs.last().copied() > Some(row.newest(repository)?) {
            return Ok(true);
        }
        let ours = row.there(repository)?;
        if ours.intersection(&theirs).any(|number| differ(repository, other, &row.row, *number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether both are well, and not the same.
fn differ(repository: &Repository, other: &Repository, row: &NumberedRow, number: u64) -> bool {
    let path = row.path(number);
    let read = |from: &Repository| from.disk().read(&path, SMALL_FILE_MAX).ok();
    read(repository) != read(other)
        && [repository, other].iter().all(|either| either.is_undoubted(row, number))
}

/// Whether what a point or a record rests on was stored here, so that it may have been made here. Nothing shows that of an act.
pub(super) fn is_of(repository: &Repository, row: &NumberedRow, bytes: &[u8]) -> bool {
    match row {
        NumberedRow::Acts => false,
        NumberedRow::Points => Point::decode(bytes).is_ok_and(|point| {
            logs_in(&point.body).iter().all(|(key, log)| {
                repository.page(log.root).is_ok() && repository.disk().list(&paths::log(key)).is_ok()
            })
        }),
        NumberedRow::Records(_) => Record::decode(bytes).is_ok_and(|record| {
            let mut chunks = record.state.tails.iter().flat_map(|tail| &tail.extents);
            repository.page(record.state.root).is_ok()
                && chunks.all(|extent| repository.names_chunk(extent.chunk).unwrap_or(false))
        }),
    }
}
