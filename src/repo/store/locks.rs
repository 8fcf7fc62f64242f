//! Locks of the repository: advisory locks of the operating system, which die with their process.

use crate::repo::disk::Disk;
use crate::repo::disk::Guard;
use crate::repo::disk::LockMode;
use crate::repo::error::Error;
use crate::repo::paths;
use crate::repo::store::read::OpenOptions;
use std::io::{self, ErrorKind};

/// Why a repository is read without locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// It can't be written.
    ReadOnly,
    /// Locks don't work there.
    NoLocks,
}

/// A lock that is held, or why there is none.
pub(super) type Lock = Result<Box<dyn Guard>, Unlocked>;

/// The shared lock of everything that runs; none if the repository can't be written, or knows no locks: it is read without.
pub(super) fn reader(disk: &dyn Disk, options: &OpenOptions) -> Result<Lock, Error> {
    match wait(disk, paths::REPOSITORY_LOCK, LockMode::Shared, options) {
        Ok(guard) => Ok(Ok(guard)),
        Err(Error::ReadOnly { .. }) => Ok(Err(Unlocked::ReadOnly)),
        Err(Error::NoLocks { .. }) => Ok(Err(Unlocked::NoLocks)),
        Err(error) => Err(error),
    }
}

/// The lock of the one that writes, proven to keep another one out.
pub(super) fn writer(disk: &dyn Disk, options: &OpenOptions) -> Result<Box<dyn Guard>, Error> {
    exclusive(disk, paths::WRITER_LOCK, options)
}

/// The lock of the one that deletes, proven to keep everybody out.
pub(super) fn alone(disk: &dyn Disk, options: &OpenOptions) -> Result<Box<dyn Guard>, Error> {
    exclusive(disk, paths::REPOSITORY_LOCK, options)
}

/// The lock of the one that watches a source. It is held between rounds, and keeps nobody but another one like it out.
pub(super) fn watcher(disk: &dyn Disk, source: &str, options: &OpenOptions) -> Result<Box<dyn Guard>, Error> {
    let digits = blake3::hash(source.as_bytes()).to_hex();
    let path = format!("{}/watch-{}", paths::LOCKS, digits.get(..16).unwrap_or_default());
    exclusive(disk, &path, options)
}

fn exclusive(disk: &dyn Disk, path: &str, options: &OpenOptions) -> Result<Box<dyn Guard>, Error> {
    let guard = wait(disk, path, LockMode::Exclusive, options)?;
    match try_lock(disk, path, LockMode::Exclusive) {
        Ok(None) => Ok(guard),
        Ok(Some(_)) => Err(Error::NoLocks { path: disk.display("") }),
        Err(source) => Err(failed(disk, path, source)),
    }
}

fn wait(disk: &dyn Disk, path: &str, mode: LockMode, options: &OpenOptions) -> Result<Box<dyn Guard>, Error> {
    loop {
        match try_lock(disk, path, mode).map_err(|source| failed(disk, path, source))? {
            Some(guard) => return Ok(guard),
            None if options.keep_waiting.as_ref().is_some_and(|keep_waiting| keep_waiting()) => {}
            None => return Err(Error::Locked { path: disk.display(path) }),
        }
    }
}

/// A repository that was copied by a tool that leaves out empty directories has no `locks/`.
fn try_lock(disk: &dyn Disk, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>> {
    match disk.try_lock(path, mode) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            disk.create_directory(paths::parent(path))?;
            disk.try_lock(path, mode)
        }
        tried => tried,
    }
}

fn failed(disk: &dyn Disk, path: &str, source: io::Error) -> Error {
    match source.kind() {
        ErrorKind::Unsupported => Error::NoLocks { path: disk.display("") },
        _ => Error::writing(disk.display(path), source),
    }
}
