//! Files on their way: written to `staging/`, synced, published under their names; then the directories are synced.
//!
//! What was published counts from [`Staging::sync_directories`] on, never before.

use crate::repo::disk::Disk;
use crate::repo::disk::NewFile;
use crate::repo::error::Error;
use crate::repo::paths;
use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;

/// The files of one writer. Only one is at work at a time: it holds `locks/writer`.
pub(super) struct Staging<'d> {
    disk: &'d dyn Disk,
    last: u64,
    /// Directories that are there, their names synced or among the unsynced.
    directories: HashSet<String>,
    /// Directories that hold new names.
    unsynced: BTreeSet<String>,
    /// Files, by name and length, that are durable once these directories are.
    published: Vec<(String, u64)>,
}

/// A file in staging.
pub(super) struct Staged {
    pub path: String,
    pub file: Box<dyn NewFile>,
}

impl<'d> Staging<'d> {
    /// Removes what earlier writers left.
    pub fn open(disk: &'d dyn Disk) -> Result<Self, Error> {
        create_directory(disk, paths::STAGING)?;
        for left in paths::list(disk, paths::STAGING)?.iter().filter(|left| !left.is_directory) {
            let path = format!("{}/{}", paths::STAGING, left.name);
            match disk.remove(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::writing(disk.display(&path), error));
                }
                _ => {}
            }
        }
        let (unsynced, published) = (BTreeSet::new(), Vec::new());
        Ok(Self { disk, last: 0, directories: HashSet::new(), unsynced, published })
    }

    /// A new file in staging.
    pub fn create(&mut self) -> Result<Staged, Error> {
        self.last = self.last.saturating_add(1);
        let path = format!("{}/{}.new", paths::STAGING, self.last);
        let file = self.disk.create_new(&path).map_err(|source| self.failed(&path, source))?;
        Ok(Staged { path, file })
    }

    /// A whole new file in staging, synced.
    pub fn write(&mut self, bytes: &[u8]) -> Result<String, Error> {
        let mut staged = self.create()?;
        staged.file.write_all(bytes).map_err(|source| self.failed(&staged.path, source))?;
        self.sync(staged)
    }

    /// Syncs a file in staging; gives its path. A sync that failed is not tried again.
    pub fn sync(&self, mut staged: Staged) -> Result<String, Error> {
        staged.file.sync().map_err(|source| self.failed(&staged.path, source))?;
        Ok(staged.path)
    }

    /// Gives a synced file of this length its name. False if the name is taken; the file in staging is removed then.
    pub fn publish(&mut self, staged: &str, path: &str, length: u64) -> Result<bool, Error> {
        self.make_directory(paths::parent(path))?;
        match self.disk.publish(staged, path) {
            Ok(()) => {
                self.count(path, length);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // What stays in staging is debris.
                let _ = self.disk.remove(staged);
                Ok(false)
            }
            Err(source) => Err(self.failed(path, source)),
        }
    }

    /// Makes a file count that was there already, under its name.
    pub fn adopt(&mut self, path: &str, length: u64) -> Result<(), Error> {
        self.disk.sync_file(path).map_err(|source| self.failed(path, source))?;
        self.count(path, length);
        Ok(())
    }

    /// The name of the directory itself, too: whoever made it, nobody may have synced it.
    fn count(&mut self, path: &str, length: u64) {
        let directory = paths::parent(path);
        if self.directories.insert(directory.to_owned()) {
            self.unsynced.insert(paths::parent(directory).to_owned());
        }
        self.unsynced.insert(directory.to_owned());
        self.published.push((path.to_owned(), length));
    }

    /// Makes the names of all that was published durable; gives these files.
    pub fn sync_directories(&mut self) -> Result<Vec<(String, u64)>, Error> {
        for directory in std::mem::take(&mut self.unsynced) {
            self.disk.sync_directory(&directory).map_err(|source| self.failed(&directory, source))?;
        }
        Ok(std::mem::take(&mut self.published))
    }

    fn make_directory(&self, path: &str) -> Result<(), Error> {
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        create_directory(self.disk, path).map(|_| ())
    }

    fn failed(&self, path: &str, source: std::io::Error) -> Error {
        Error::writing(self.disk.display(path), source)
    }
}

/// So many may do that at once.
const AT_ONCE: u32 = 64;

/// Names in staging that are none of the one writer's. They tell one process, and one content, from another: where a writer that begins sweeps the
/// file away, what somebody else makes under its name meanwhile would be published in its place, perhaps half written.
fn beside(bytes: &[u8]) -> impl Iterator<Item = String> {
    let (process, content) = (std::process::id(), blake3::hash(bytes).to_hex());
    (0..AT_ONCE).map(move |number| format!("{}/beside-{process}-{content}-{number}.new", paths::STAGING))
}

/// Writes a whole file, synced, and gives it its name, durably, beside the one writer: under a name in staging that is none of its. False if the
/// name is taken, or a writer that began meanwhile has swept staging.
pub(super) fn publish_alone(disk: &dyn Disk, path: &str, bytes: &[u8]) -> Result<bool, Error> {
    create_directory(disk, paths::STAGING)?;
    let failed = |path: &str, source| Error::writing(disk.display(path), source);
    for staged in beside(bytes) {
        let mut file = match disk.create_new(&staged) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            made => made.map_err(|source| failed(&staged, source))?,
        };
        file.write_all(bytes).and_then(|()| file.sync()).map_err(|source| failed(&staged, source))?;
        drop(file);
        let published = disk.publish(&staged, path);
        if let Err(error) = published {
            let _ = disk.remove(&staged);
            let again = matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound);
            return if again { Ok(false) } else { Err(failed(path, error)) };
        }
        let parent = paths::parent(path);
        let synced = disk.sync_directory(parent).and_then(|()| disk.sync_directory(paths::parent(parent)));
        return synced.map(|()| true).map_err(|source| failed(parent, source));
    }
    Ok(false)
}

fn create_directory(disk: &dyn Disk, path: &str) -> Result<bool, Error> {
    disk.create_directory(path).map_err(|source| Error::writing(disk.display(path), source))
}
