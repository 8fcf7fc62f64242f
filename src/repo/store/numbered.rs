//! Numbered files: points, acts, the records of a log. Each holds the hash of its predecessor; numbers are never used twice.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::act::Act;
use crate::repo::format::config::Config;
use crate::repo::format::id::FileHash;
use crate::repo::format::json;
use crate::repo::format::limits;
use crate::repo::format::point::Point;
use crate::repo::format::record;
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::in_the_way::directory;
use crate::repo::store::staging::Staging;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

/// A row of numbered files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberedRow {
    /// Points.
    Points,
    /// Acts.
    Acts,
    /// The records of a log.
    Records(LogKey),
}

impl NumberedRow {
    pub(super) fn row(&self) -> Row {
        match self {
            Self::Points => Row::points(),
            Self::Acts => Row::acts(),
            Self::Records(key) => Row::records(key),
        }
    }

    /// The path of one of its files.
    pub fn path(&self, number: u64) -> String {
        self.row().path(number)
    }

    /// Its directory in the repository.
    pub fn directory(&self) -> String {
        self.row().directory
    }

    /// The numbers that are there.
    pub fn numbers(&self, disk: &dyn Disk) -> Result<BTreeSet<u64>, Error> {
        Ok(self.row().list(disk)?.into_keys().collect())
    }

    /// The same, with the lengths of their files.
    pub fn list(&self, disk: &dyn Disk) -> Result<BTreeMap<u64, u64>, Error> {
        self.row().list(disk)
    }

    /// The highest number of a file that a repair has set aside; 0 if there is none.
    pub fn set_aside(&self, disk: &dyn Disk) -> Result<u64, Error> {
        self.row().set_aside(disk)
    }

    /// The hash of the file before that a file holds, if it is this row's file with this number; `repository` is the one it belongs to.
    pub fn previous(&self, number: u64, repository: &str, bytes: &[u8]) -> Option<Option<FileHash>> {
        self.read(number, repository, bytes).ok()
    }

    /// The same, and why not.
    fn read(&self, number: u64, repository: &str, bytes: &[u8]) -> Result<Option<FileHash>, Damage> {
        let (found, is_ours, previous) = match self {
            Self::Points => {
                let point = Point::decode(bytes)?;
                (point.number, point.repository == repository, point.previous)
            }
            Self::Acts => {
                let act = Act::decode(bytes)?;
                (act.number, act.repository == repository, act.previous)
            }
            Self::Records(key) => {
                let record = Record::decode(bytes)?;
                (record.number, record.state.key == *key, record.previous)
            }
        };
        if found != number {
            return Err(Damage::Json(format!("it says that it is number {found}")));
        }
        if is_ours { Ok(previous) } else { Err(Damage::Json("it belongs elsewhere".to_owned())) }
    }

    /// Whether a newer program wrote these bytes: they say so, and their check fits, which a flipped bit in the version would not.
    pub(super) fn is_newer(&self, bytes: &[u8]) -> bool {
        let is_intact = match self {
            Self::Points | Self::Acts => json::is_intact(bytes),
            Self::Records(_) => record::is_intact(bytes).unwrap_or(false),
        };
        is_intact && matches!(self.read(0, "", bytes), Err(Damage::Newer { .. }))
    }

    /// The number that comes next, above `at_least` and all that are there or were, and the hash of the file with the highest number.
    pub(super) fn next(
        &self,
        disk: &dyn Disk,
        config: &Config,
        at_least: u64,
    ) -> Result<(u64, Option<FileHash>), Error> {
        let row = self.row();
        let newest = self.newest(disk, config)?;
        let number = newest.map_or(0, |newest| newest.0).max(at_least).max(row.set_aside(disk)?);
        let number = number.checked_add(1).ok_or_else(|| Error::Rule {
            path: disk.display(&row.directory),
            rule: "there is no higher number".to_owned(),
        })?;
        Ok((number, newest.map(|newest| newest.1)))
    }

    /// The newest file's number and hash. One that is not right is an error: a file that held the hash of damaged bytes would keep the good
    /// ones from their place for good.
    pub(super) fn newest(&self, disk: &dyn Disk, config: &Config) -> Result<Option<(u64, FileHash)>, Error> {
        let row = self.row();
        let Some((number, _)) = row.list(disk)?.pop_last() else { return Ok(None) };
        let bytes = row.read(disk, number)?;
        self.read(number, &config.id, &bytes)
            .map_err(|damage| Error::damaged(disk.display(&row.path(number)), damage))?;
        Ok(Some((number, config.naming.file(&bytes))))
    }
}

/// The numbers of the records in a directory of `logs/`, whosever they are, with the lengths of their files.
pub fn records_in(disk: &dyn Disk, directory: &str) -> Result<BTreeMap<u64, u64>, Error> {
    Row::in_directory(directory.to_owned()).list(disk)
}

/// The path of one of them.
pub fn record_in(directory: &str, number: u64) -> String {
    Row::in_directory(directory.to_owned()).path(number)
}

/// Where a row lies.
#[derive(Clone, Debug)]
pub(super) struct Row {
    directory: String,
    suffix: &'static str,
}

impl Row {
    pub fn points() -> Self {
        Self { directory: paths::POINTS.to_owned(), suffix: ".json" }
    }

    pub fn acts() -> Self {
        Self { directory: paths::ACTS.to_owned(), suffix: ".json" }
    }

    pub fn records(key: &LogKey) -> Self {
        Self::in_directory(paths::log(key))
    }

    /// The records in a directory of `logs/`.
    pub fn in_directory(directory: String) -> Self {
        Self { directory, suffix: "" }
    }

    /// Those that there are: points, acts, and the records of each log.
    pub fn all(disk: &dyn Disk) -> Result<Vec<Self>, Error> {
        let logs = paths::list(disk, paths::LOGS)?.into_iter().filter(|listed| listed.is_directory);
        let logs = logs.map(|log| Self::in_directory(format!("{}/{}", paths::LOGS, log.name)));
        Ok([Self::points(), Self::acts()].into_iter().chain(logs).collect())
    }

    /// The one of a directory; none if it has no numbered files.
    pub fn of(directory: &str) -> Option<Self> {
        match directory {
            paths::POINTS => Some(Self::points()),
            paths::ACTS => Some(Self::acts()),
            _ => {
                let is_log = directory.strip_prefix(paths::LOGS).is_some_and(|log| log.starts_with('/'));
                is_log.then(|| Self::in_directory(directory.to_owned()))
            }
        }
    }

    /// Whether it is of records.
    pub const fn is_of_a_log(&self) -> bool {
        self.suffix.is_empty()
    }

    pub fn path(&self, number: u64) -> String {
        format!("{}/{number}{}", self.directory, self.suffix)
    }

    /// The number that a name in its directory stands for, if it does.
    pub fn number(&self, name: &str) -> Option<u64> {
        name.strip_suffix(self.suffix)?.parse().ok()
    }

    /// The directories that have names of its files.
    pub fn in_the_way(&self, disk: &dyn Disk) -> Result<Vec<String>, Error> {
        paths::in_the_way(disk, &self.directory, self.suffix)
    }

    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The numbers that are there, with the lengths of their files.
    pub fn list(&self, disk: &dyn Disk) -> Result<BTreeMap<u64, u64>, Error> {
        paths::numbered(disk, &self.directory, self.suffix)
    }

    pub fn read(&self, disk: &dyn Disk, number: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(number);
        disk.read(&path, limits::SMALL_FILE_MAX).map_err(|source| Error::reading(disk.display(&path), source))
    }

    /// The highest number of a file that a repair has set aside: it was used, whether its good copy is there by now or not.
    pub fn set_aside(&self, disk: &dyn Disk) -> Result<u64, Error> {
        let begin = format!("{}-", self.directory.replace('/', "-"));
        let number = |name: &str| -> Option<u64> {
            let (file, _copy) = name.strip_prefix(&begin)?.rsplit_once('.')?;
            self.number(file)
        };
        let aside = paths::list(disk, paths::DAMAGED)?;
        Ok(aside.iter().filter_map(|file| number(&file.name)).max().unwrap_or(0))
    }

    /// Publishes a synced file as `number`; durable once the directories are synced.
    pub fn publish(
        &self,
        staging: &mut Staging<'_>,
        disk: &dyn Disk,
        number: u64,
        file: (&str, u64),
    ) -> Result<(), Error> {
        let path = self.path(number);
        let (staged, length) = file;
        if staging.publish(staged, &path, length)? { Ok(()) } else { Err(taken(disk, &path)) }
    }
}

/// What it means that the name of a numbered file is taken: another writer was there first, or what stands there is no file, and stays.
pub(super) fn taken(disk: &dyn Disk, path: &str) -> Error {
    match disk.length(path) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => directory(disk, path),
        _ => Error::Overtaken { path: disk.display(path) },
    }
}
