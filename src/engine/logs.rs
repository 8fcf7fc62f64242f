//! The logs of a repository, one by one: a log whose records can't be read hides no other.

use crate::engine::points::Problem;
use crate::repo::Error;
use crate::repo::format::Damage;
use crate::repo::format::act::Act;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::record;
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::{LostFiles, Repository, record_in, records_in};

/// A directory of records.
#[derive(Clone, Debug)]
pub struct LogDirectory {
    /// Its path in the repository.
    pub path: String,
    /// The numbers of the records, rising.
    pub numbers: Vec<u64>,
    /// Whose it is: the newest record that can be read says so. None if there is none.
    pub key: Option<LogKey>,
    /// The newest record that a newer program wrote, and how that shows, if there is none that can be read.
    pub newer: Option<(u64, Damage)>,
}

/// The same, without records that acts call lost, which may still have their names: they count no more.
pub fn that_count<'a>(
    repository: &Repository,
    acts: impl IntoIterator<Item = &'a Act>,
) -> Result<Vec<LogDirectory>, Error> {
    let lost = LostFiles::by(acts);
    let mut found = directories(repository)?;
    for log in &mut found {
        log.numbers.retain(|number| !lost.has(&log.path, *number));
    }
    found.retain(|log| !log.numbers.is_empty());
    Ok(found)
}

/// All directories of records that have a record.
pub fn directories(repository: &Repository) -> Result<Vec<LogDirectory>, Error> {
    let mut found = Vec::new();
    for listed in
        paths::list(repository.disk(), paths::LOGS)?.into_iter().filter(|listed| listed.is_directory)
    {
        let path = format!("{}/{}", paths::LOGS, listed.name);
        let numbers: Vec<u64> = records_in(repository.disk(), &path)?.into_keys().collect();
        let key = numbers.iter().rev().find_map(|number| key_in(repository, &path, *number));
        let newer = |number: &u64| {
            let bytes = repository.disk().read(&record_in(&path, *number), SMALL_FILE_MAX).ok()?;
            Some((*number, newer(&bytes)?))
        };
        let newer = if key.is_none() { numbers.iter().rev().find_map(newer) } else { None };
        if !numbers.is_empty() {
            found.push(LogDirectory { path, numbers, key, newer });
        }
    }
    found.sort_by(|one, other| (&one.key, &one.path).cmp(&(&other.key, &other.path)));
    Ok(found)
}

/// How it shows that a newer program wrote a record: it says so, and its check fits, which a flipped bit in the version would not. None if none did.
pub fn newer(bytes: &[u8]) -> Option<Damage> {
    match Record::decode(bytes) {
        Err(newer @ Damage::Newer { .. }) if record::is_intact(bytes).unwrap_or(false) => Some(newer),
        _ => None,
    }
}

impl LogDirectory {
    /// The path of one of its records.
    pub fn record(&self, number: u64) -> String {
        record_in(&self.path, number)
    }

    /// Where none of its records can be read: what the user would call it, and why.
    pub fn trouble(&self, repository: &Repository) -> Option<Problem> {
        let display = |path: &str| repository.disk().display(path);
        match (&self.key, &self.newer) {
            (Some(_), _) => None,
            (None, Some((number, why))) => {
                let path = display(&self.record(*number));
                Some(Problem { path, why: why.to_string(), newer: true })
            }
            (None, None) => {
                Some(Problem::damaged(display(&self.path), "none of its records can be read".to_owned()))
            }
        }
    }
}

fn key_in(repository: &Repository, path: &str, number: u64) -> Option<LogKey> {
    let bytes = repository.disk().read(&record_in(path, number), SMALL_FILE_MAX).ok()?;
    let record = Record::decode(&bytes).ok()?;
    Some(record.state.key).filter(|key| paths::log(key) == path)
}
