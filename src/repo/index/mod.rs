//! The index: a cache in `SQLite` of which chunk lies where. Missing, stale or damaged, it is rebuilt unasked from the packs.
//!
//! Whatever fails in it, while it is opened or later, costs time and nothing else: an empty one in memory takes its place and is filled
//! from the packs' directories. Its answers are hints: who reads checks hashes, who deduplicates asks the pack itself.

mod connect;
mod refresh;
mod rows;

pub(crate) use refresh::directory_of;
pub use refresh::{DirectoryError, read_directory};
pub use rows::Place;

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::id::ChunkId;
use crate::repo::format::id::PackId;
use crate::repo::format::pack::{Directory, PackKind};
use crate::repo::paths;
use rows::FoundPack;
use rusqlite::Connection;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Removes the file of an index and its journals; `Locked` while somebody uses it.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    let name = path.display().to_string();
    match connect::remove(disk, path) {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err(Error::Locked { path: name }),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Err(Error::NoLocks { path: disk.display("") })
        }
        Err(source) => Err(Error::writing(name, source)),
    }
}

/// The index of one repository. May be asked from many threads.
pub struct Index {
    disk: Arc<dyn Disk>,
    owner: connect::Owner,
    open: Mutex<Open>,
}

struct Open {
    connection: Connection,
    /// None: in memory.
    file: Option<connect::OpenFile>,
}

impl Index {
    /// Opens the index in a file (in memory, if there is no path or no way) and brings it up to date.
    pub fn open(disk: Arc<dyn Disk>, path: Option<&Path>, repository: &str) -> Result<Self, Error> {
        if !connect::sqlite_is_fit() {
            let rule = format!("SQLite {} is too old", rusqlite::version());
            return Err(Error::Rule { path: disk.display(""), rule });
        }
        let identity = disk.identity().map_err(|source| Error::reading(disk.display(""), source))?;
        let owner = connect::Owner { repository: repository.to_owned(), identity };
        let open = match path.and_then(|path| connect::file(disk.as_ref(), path, &owner)) {
            Some((connection, file)) => Open { connection, file: Some(file) },
            None => Open { connection: connect::memory(&owner).map_err(unusable)?, file: None },
        };
        let index = Self { disk, owner, open: Mutex::new(open) };
        index.refresh()?;
        Ok(index)
    }

    /// Whether it lies in memory, by choice or since the file can't be used.
    pub fn is_in_memory(&self) -> bool {
        self.lock().file.is_none()
    }

    /// Compares it with the packs that are there, by names and lengths.
    pub fn refresh(&self) -> Result<(), Error> {
        match self.try_refresh() {
            Err(Failure::Index(_)) => self.begin_anew(),
            Err(Failure::Repository(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// The lock is not held while directories are read: the workers that read them may be asked for chunks in between.
    fn try_refresh(&self) -> Result<(), Failure> {
        let disk = self.disk.as_ref();
        let there = paths::packs(disk).map_err(Failure::Repository)?;
        let new = refresh::forget_and_compare(&mut self.lock().connection, &there)?;
        for group in new.chunks(refresh::GROUP) {
            let found = refresh::read_directories(disk, group);
            refresh::insert(&mut self.lock().connection, &found)?;
        }
        Ok(())
    }

    /// All places of a chunk, by the names of the packs; those that parity had to tell of are the last.
    pub fn places(&self, chunk: ChunkId) -> Result<Vec<Place>, Error> {
        self.ask(|connection| rows::places(connection, chunk))
    }

    /// Whether some pack is known to hold a chunk.
    pub fn holds(&self, chunk: ChunkId) -> Result<bool, Error> {
        self.ask(|connection| rows::holds(connection, chunk))
    }

    /// The packs whose directories can be read, with their lengths.
    pub fn packs(&self) -> Result<Vec<(PackId, u64)>, Error> {
        let known = self.ask(|connection| rows::packs(connection))?;
        let readable = known.into_iter().filter(|(_, pack)| pack.trouble.is_none());
        Ok(readable.map(|(name, pack)| (name, pack.length)).collect())
    }

    /// The packs of a kind, with their lengths: for estimates.
    pub fn packs_of(&self, kind: PackKind) -> Result<Vec<(PackId, u64)>, Error> {
        self.ask(|connection| rows::packs_of(connection, kind.number()))
    }

    /// The chunks of a pack: for estimates.
    pub fn chunks_in(&self, pack: PackId) -> Result<Vec<ChunkId>, Error> {
        self.ask(|connection| rows::chunks_in(connection, pack))
    }

    /// The packs whose directories can't be read, and why: they count as absent.
    pub fn unreadable(&self) -> Result<Vec<(PackId, String)>, Error> {
        let known = self.ask(|connection| rows::packs(connection))?;
        Ok(known.into_iter().filter_map(|(name, pack)| Some((name, pack.trouble?))).collect())
    }

    /// Forgets a pack: the next refresh reads its directory again.
    pub fn forget(&self, pack: PackId) -> Result<(), Error> {
        self.ask(|connection| in_one(connection, |begun| rows::remove_pack(begun, pack)))
    }

    /// Learns of packs that are durable.
    pub fn add(&self, packs: Vec<(PackId, Directory)>) -> Result<(), Error> {
        let found = packs.into_iter().map(|(name, directory)| FoundPack {
            name,
            length: directory.length,
            directory: Ok(directory),
            healed: false,
        });
        let found: Vec<FoundPack> = found.collect();
        self.ask(|connection| refresh::insert(connection, &found))
    }

    /// Learns that files of these lengths are durable: synced by this process, and their directories too.
    pub fn mark_durable(&self, files: &[(String, u64)]) -> Result<(), Error> {
        self.ask(|connection| in_one(connection, |begun| rows::mark_durable(begun, files)))
    }

    /// Of these files, all there are, those that are not known to be durable. Forgets files that are not among them.
    pub fn not_durable(&self, files: &[(String, u64)]) -> Result<Vec<(String, u64)>, Error> {
        let there: HashSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        self.ask(|connection| {
            in_one(connection, |begun| {
                rows::keep_files(begun, &there)?;
                let mut rest = Vec::new();
                for (path, length) in files {
                    if !rows::is_durable(begun, path, *length)? {
                        rest.push((path.clone(), *length));
                    }
                }
                Ok(rest)
            })
        })
    }

    /// Whether a file of this length is known to be durable.
    pub fn is_durable(&self, path: &str, length: u64) -> Result<bool, Error> {
        self.ask(|connection| rows::is_durable(connection, path, length))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Whoever panicked left a connection whose transaction was rolled back.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; if the index fails, asks the one that takes its place.
    fn ask<T>(&self, question: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        if let Ok(answer) = question(&mut self.lock().connection) {
            return Ok(answer);
        }
        self.begin_anew()?;
        question(&mut self.lock().connection).map_err(unusable)
    }

    /// Goes on in memory, with what the packs say. A file that failed is thrown away, unless others use it.
    pub fn begin_anew(&self) -> Result<(), Error> {
        let connection = connect::memory(&self.owner).map_err(unusable)?;
        let mut open = self.lock();
        open.connection = connection;
        let file = open.file.take();
        drop(open);
        if let Some(file) = file {
            let _ = connect::throw_away(self.disk.as_ref(), file);
        }
        match self.try_refresh() {
            Err(Failure::Index(error)) => Err(unusable(error)),
            Err(Failure::Repository(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }
}

/// Why a refresh failed.
enum Failure {
    /// The repository.
    Repository(Error),
    /// The index: it is made anew.
    Index(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

fn in_one<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = work(&begun)?;
    begun.commit()?;
    Ok(done)
}

fn unusable(source: rusqlite::Error) -> Error {
    Error::Index { path: "in memory".to_owned(), source }
}
