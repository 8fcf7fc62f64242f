//! Numbered files: points, acts, the records of a log. Each holds the hash of its predecessor; numbers are never used twice.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::id::FileHash;
use crate::repo::format::id::Naming;
use crate::repo::format::limits;
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::staging::Staging;
use std::collections::BTreeMap;

/// A row of numbered files.
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

    pub fn path(&self, number: u64) -> String {
        format!("{}/{number}{}", self.directory, self.suffix)
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
    fn set_aside(&self, disk: &dyn Disk) -> Result<u64, Error> {
        let begin = format!("{}-", self.directory.replace('/', "-"));
        let number = |name: &str| -> Option<u64> {
            let (file, _copy) = name.strip_prefix(&begin)?.rsplit_once('.')?;
            file.strip_suffix(self.suffix)?.parse().ok()
        };
        let aside = paths::list(disk, paths::DAMAGED)?;
        Ok(aside.iter().filter_map(|file| number(&file.name)).max().unwrap_or(0))
    }

    /// The number that comes next, above `at_least` and all that are there or were, and the hash of the file with the highest number.
    pub fn next(
        &self,
        disk: &dyn Disk,
        naming: Naming,
        at_least: u64,
    ) -> Result<(u64, Option<FileHash>), Error> {
        let newest = self.list(disk)?.last_key_value().map(|(number, _)| *number);
        let previous = match newest {
            Some(number) => Some(naming.file(&self.read(disk, number)?)),
            None => None,
        };
        let number = newest.unwrap_or(0).max(at_least).max(self.set_aside(disk)?).checked_add(1);
        let number = number.ok_or_else(|| Error::Rule {
            path: disk.display(&self.directory),
            rule: "there is no higher number".to_owned(),
        })?;
        Ok((number, previous))
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
        if staging.publish(staged, &path, length)? {
            Ok(())
        } else {
            Err(Error::Overtaken { path: disk.display(&path) })
        }
    }
}
