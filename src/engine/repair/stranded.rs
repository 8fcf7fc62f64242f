//! Points that no backup makes whole again once a record is given up: their last events are in that record alone, and their source has left that
//! history.

use crate::engine::error::Error;
use crate::engine::pieces::hold;
use crate::engine::prune::{left_for, logs_of};
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::{Journal, ListedPoint, LostFiles, Repository};

/// Their numbers, if these files are given up.
pub(super) fn find(repository: &Repository, files: &[String]) -> Result<Vec<u64>, Error> {
    if !files.iter().any(|file| file.starts_with(paths::LOGS)) {
        return Ok(Vec::new());
    }
    let journal = repository.journal()?;
    let lost = LostFiles::by(&journal.acts).and(files);
    let mut found = Vec::new();
    for listed in journal.points.iter().filter(|listed| !listed.forgotten) {
        if is_stranded(repository, &journal, listed, (files, &lost))? {
            found.push(listed.point.number);
        }
    }
    Ok(found)
}

fn is_stranded(
    repository: &Repository,
    journal: &Journal,
    listed: &ListedPoint,
    (files, lost): (&[String], &LostFiles),
) -> Result<bool, Error> {
    let is_hit = |key: &LogKey| {
        let directory = format!("{}/", paths::log(key));
        files.iter().any(|file| file.starts_with(&directory))
    };
    for (key, log) in logs_of(listed) {
        if log.open.is_empty() || !is_hit(&key) || left_for(journal, &key).is_none() {
            continue;
        }
        let record = repository.newest_record_but(&key, lost)?;
        let held = match record.map(|record| repository.entries(record.state)) {
            Some(Err(error)) if !error.is_lost() => return Err(error.into()),
            Some(Ok(held)) => held,
            _ => Vec::new(),
        };
        if !hold(&held, log) {
            return Ok(true);
        }
    }
    Ok(false)
}
