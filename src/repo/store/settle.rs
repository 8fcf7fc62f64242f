//! What a writer does before anything else: make durable whatever is there and not known to be. Seen is not durable.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::id::PackId;
use crate::repo::index::Index;
use crate::repo::paths;
use crate::repo::store::numbered::Row;
use crate::repo::store::read::Repository;
use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

impl Repository {
    /// Makes a pack durable, and its name; false if that can't be done, or could not be before. Seen is not durable: what stands in for something
    /// that is deleted is synced first.
    pub fn sync_pack(&self, pack: PackId) -> bool {
        let (disk, path) = (self.disk(), paths::pack(pack));
        if self.unsynced.has(&path) {
            return false;
        }
        let synced = disk.sync_file(&path).and_then(|()| disk.sync_directory(paths::parent(&path)));
        let is_durable = synced.and_then(|()| disk.sync_directory(paths::PACKS)).is_ok();
        if !is_durable {
            self.unsynced.enter(path);
        }
        is_durable
    }

    /// Makes durable whatever is there: for a verb that finds all done, which may be the work of a run that was killed. Where somebody writes just
    /// now, they have done that; where nothing can be written, there is nothing to be done.
    pub fn settle(&self) -> Result<(), Error> {
        if self.is_unlocked() {
            return Ok(());
        }
        match self.session() {
            Err(Error::Locked { .. }) => Ok(()),
            begun => begun.map(drop),
        }
    }
}

/// Files that could not be synced. They are not tried again: the system tells of a failure once, and what it then still remembers of the file reads
/// well until the power fails.
#[derive(Debug, Default)]
pub(super) struct Unsynced(Mutex<BTreeSet<String>>);

impl Unsynced {
    fn all(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, path: &str) -> bool {
        self.all().contains(path)
    }

    fn enter(&self, path: String) {
        self.all().insert(path);
    }
}

/// Syncs every file of the repository's truth that is not known to be durable, then the directories. Packs and pages that can't be
/// synced count as absent. Gives the packs that were synced here: whoever wrote them may not have finished, so they don't count before
/// they were read through; all else is read whole wherever it counts.
pub(super) fn settle(disk: &dyn Disk, index: &Index, unsynced: &Unsynced) -> Result<HashSet<String>, Error> {
    make_directories(disk)?;
    let rest = index.not_durable(&all_files(disk)?)?;
    let mut synced = Vec::new();
    for (path, length) in rest {
        if unsynced.has(&path) {
            continue;
        }
        if sync(disk, &path)? {
            synced.push((path, length));
        } else if disk.length(&path).is_ok() {
            unsynced.enter(path);
        }
    }
    sync_directories(disk, &synced)?;
    let (packs, others): (Vec<_>, Vec<_>) =
        synced.into_iter().partition(|(path, _)| is_in(path, paths::PACKS));
    index.mark_durable(&others)?;
    Ok(packs.into_iter().map(|(path, _)| path).collect())
}

/// Tools that copy a repository may leave out empty directories.
fn make_directories(disk: &dyn Disk) -> Result<(), Error> {
    paths::DIRECTORIES.into_iter().try_for_each(|directory| {
        let made = disk.create_directory(directory).map(|_| ());
        made.map_err(|source| Error::writing(disk.display(directory), source))
    })
}

fn all_files(disk: &dyn Disk) -> Result<Vec<(String, u64)>, Error> {
    let packs = paths::packs(disk)?.into_iter().map(|(id, length)| (paths::pack(id), length));
    let pages = paths::pages(disk)?.into_iter().map(|(id, length)| (paths::page(id), length));
    let parities = paths::parities(disk)?.into_iter().map(|(id, length)| (paths::parity(id), length));
    let mut files: Vec<(String, u64)> = packs.chain(pages).chain(parities).collect();
    let config = disk.length(paths::CONFIG);
    let config = config.map_err(|source| Error::reading(disk.display(paths::CONFIG), source))?;
    files.push((paths::CONFIG.to_owned(), config));
    for row in Row::all(disk)? {
        files.extend(row.list(disk)?.into_iter().map(|(number, length)| (row.path(number), length)));
    }
    Ok(files)
}

/// Whether the file counts now. A numbered file that can't be synced stops the writer: others build on it.
fn sync(disk: &dyn Disk, path: &str) -> Result<bool, Error> {
    match disk.sync_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound || is_named_by_hash(path) => Ok(false),
        // It is opened to be read: that may be forbidden where all can be written.
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            Err(Error::reading(disk.display(path), source))
        }
        Err(source) => Err(Error::writing(disk.display(path), source)),
    }
}

fn is_named_by_hash(path: &str) -> bool {
    [paths::PACKS, paths::PAGES, paths::PARITY].into_iter().any(|top| is_in(path, top))
}

fn is_in(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

/// The directories of these files; and always the fixed ones, in which a crash may have left new directories without files.
fn sync_directories(disk: &dyn Disk, files: &[(String, u64)]) -> Result<(), Error> {
    let fixed = ["", paths::PACKS, paths::PAGES, paths::LOGS, paths::POINTS, paths::ACTS];
    let mut directories: BTreeSet<&str> = fixed.into_iter().collect();
    directories.extend(files.iter().map(|(path, _)| paths::parent(path)));
    // Not in every repository.
    directories.extend(files.iter().any(|(path, _)| is_in(path, paths::PARITY)).then_some(paths::PARITY));
    for directory in directories {
        disk.sync_directory(directory).map_err(|source| Error::writing(disk.display(directory), source))?;
    }
    Ok(())
}
