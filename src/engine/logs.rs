//! The logs of a repository, one by one: a log whose records can't be read hides no other.

use crate::repo::Error;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::Repository;

/// A directory of records.
#[derive(Clone, Debug)]
pub struct LogDirectory {
    /// Its path in the repository.
    pub path: String,
    /// The numbers of the records, rising.
    pub numbers: Vec<u64>,
    /// Whose it is: the newest record that can be read says so. None if there is none.
    pub key: Option<LogKey>,
}

/// All directories of records that have a record.
pub fn directories(repository: &Repository) -> Result<Vec<LogDirectory>, Error> {
    let mut found = Vec::new();
    for listed in
        paths::list(repository.disk(), paths::LOGS)?.into_iter().filter(|listed| listed.is_directory)
    {
        let path = format!("{}/{}", paths::LOGS, listed.name);
        let numbers: Vec<u64> = paths::numbered(repository.disk(), &path, "")?.into_keys().collect();
        let key = numbers.iter().rev().find_map(|number| key_in(repository, &path, *number));
        if !numbers.is_empty() {
            found.push(LogDirectory { path, numbers, key });
        }
    }
    found.sort_by(|one, other| (&one.key, &one.path).cmp(&(&other.key, &other.path)));
    Ok(found)
}

fn key_in(repository: &Repository, path: &str, number: u64) -> Option<LogKey> {
    let bytes = repository.disk().read(&format!("{path}/{number}"), SMALL_FILE_MAX).ok()?;
    let record = Record::decode(&bytes).ok()?;
    Some(record.state.key).filter(|key| paths::log(key) == path)
}
