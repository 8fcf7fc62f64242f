//! Directories that have names of files: no file can ever get such a name, and nobody knows what became of the one that had it.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::paths;
use crate::repo::store::numbered::Row;
use crate::repo::store::read::Repository;

/// Which files have such names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// Points, or acts.
    Journal,
    /// Records of a log.
    Record,
    /// Pages.
    Page,
    /// Packs.
    Pack,
}

/// What it means that one stands at this path.
pub(super) fn directory(disk: &dyn Disk, path: &str) -> Error {
    let why = "a directory stands there: move it out of the repository".to_owned();
    Error::Damaged { path: disk.display(path), source: Damage::Json(why) }
}

impl Repository {
    /// The directories that stand in the places of files, by their paths in the repository.
    pub fn in_the_way(&self) -> Result<Vec<(InTheWay, String)>, Error> {
        let disk = self.disk();
        let mut found = Vec::new();
        for row in Row::all(disk)? {
            let of = if row.is_of_a_log() { InTheWay::Record } else { InTheWay::Journal };
            found.extend(row.in_the_way(disk)?.into_iter().map(|path| (of, path)));
        }
        for (of, top) in [(InTheWay::Page, paths::PAGES), (InTheWay::Pack, paths::PACKS)] {
            found.extend(paths::hashed_in_the_way(disk, top)?.into_iter().map(|path| (of, path)));
        }
        Ok(found)
    }

    /// Fails if there is one: what is missing may be so for that alone, and is not lost.
    pub fn refuse_directories(&self) -> Result<(), Error> {
        match self.in_the_way()?.first() {
            Some((_, path)) => Err(directory(self.disk(), path)),
            None => Ok(()),
        }
    }
}
