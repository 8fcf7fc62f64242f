//! Deleting: whoever deletes is alone, under an exclusive `locks/repository`. Nothing else removes a file of the truth.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::paths;
use crate::repo::store::locks;
use crate::repo::store::read::{OpenOptions, Repository};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;

/// A repository that nobody else has open. (Whoever reads one that it can't write takes no lock; such a reader looks again when a file is gone.)
pub struct Alone {
    repository: Repository,
}

impl Alone {
    /// Opens a repository when nobody else has it open; waits for that as `options` say.
    pub fn open(disk: Arc<dyn Disk>, options: OpenOptions) -> Result<Self, Error> {
        let alone = |disk: &dyn Disk, options: &OpenOptions| locks::alone(disk, options).map(Ok);
        let repository = Repository::open_under(disk, options, alone)?;
        repository.may_remove()?;
        Ok(Self { repository })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Makes it durable that files are gone, whoever removed them: a run that was killed may not have done that.
    pub fn settle_removals(&self) -> Result<(), Error> {
        let disk = self.repository.disk();
        // Of what a writer that was killed left in staging, too.
        let tops = [paths::PACKS, paths::PAGES, paths::PARITY, paths::LOGS, paths::POINTS, paths::STAGING];
        for top in tops {
            let mut directories: Vec<String> = Vec::new();
            for listed in paths::list(disk, top)?.iter().filter(|listed| listed.is_directory) {
                directories.push(format!("{top}/{}", listed.name));
            }
            directories.push(top.to_owned());
            for directory in directories {
                match disk.sync_directory(&directory) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(Error::writing(disk.display(&directory), error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes files, in this order, and makes that durable. Stops between two files when `go_on` says no; gives how many are gone. A file
    /// that is not there any more counts: an interrupted deletion is begun anew.
    pub fn remove(&self, files: &[String], go_on: &dyn Fn() -> bool) -> Result<usize, Error> {
        let disk = self.repository.disk();
        let mut directories = BTreeSet::new();
        let mut gone: usize = 0;
        for path in files {
            if !go_on() {
                break;
            }
            match disk.remove(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::writing(disk.display(path), error));
                }
                _ => {}
            }
            directories.insert(paths::parent(path));
            gone = gone.saturating_add(1);
        }
        for directory in directories {
            disk.sync_directory(directory)
                .map_err(|source| Error::writing(disk.display(directory), source))?;
        }
        Ok(gone)
    }
}
