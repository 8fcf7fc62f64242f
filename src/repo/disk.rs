//! The seam to the disk: verbs as low as system calls, so that a twin in the tests can lose exactly what a disk loses.
//!
//! Paths are relative to the repository, with `/` between their parts; `InvalidInput` for any that could lead out of it. What may be seen after a crash is said by each verb;
//! `tests/it/disk_contract.rs` holds every implementation to these promises.

use std::io;

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name (no path).
    pub name: String,
    /// Its length in bytes; 0 for a directory.
    pub length: u64,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Beside other shared ones.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock that is held until it is dropped, or its process dies.
pub trait Guard: Send + Sync {}

/// A file being written to staging: not yet durable, not yet under its own name.
pub trait NewFile: io::Write + Send {
    /// Makes its content durable. A failed sync is never retried: the file is given up and written again under another name.
    fn sync(&mut self) -> io::Result<()>;
}

/// Where a repository lies.
pub trait Disk: Send + Sync {
    /// Creates a file that is not there yet; `AlreadyExists` if it is. Neither name nor content are durable.
    fn create_new(&self, path: &str) -> io::Result<Box<dyn NewFile>>;
    /// Gives the file `from` the name `to`, never replacing: `AlreadyExists` if `to` is there (then `from` stays). Durable after
    /// `sync_directory` of the directory of `to`.
    fn publish(&self, from: &str, to: &str) -> io::Result<()>;
    /// Creates a directory; false if it was there. Durable after `sync_directory` of its parent. `""` makes the repository's own
    /// directory with all that is missing above it, durable at once.
    fn create_directory(&self, path: &str) -> io::Result<bool>;
    /// Makes the content of a file durable, whoever wrote it. What is read of it from then on comes from the disk, as far as the system lets one.
    fn sync_file(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable (`""` is the repository itself).
    fn sync_directory(&self, path: &str) -> io::Result<()>;
    /// Reads a whole file; fails with `InvalidData` if it is longer than `limit`.
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;
    /// Reads `length` bytes at `offset`; `UnexpectedEof` if the file is shorter.
    fn read_range(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>>;
    /// Length of a file.
    fn length(&self, path: &str) -> io::Result<u64>;
    /// What is in a directory, in no order. `NotFound` if it is not there.
    fn list(&self, path: &str) -> io::Result<Vec<Listed>>;
    /// Removes a file. Durable after `sync_directory`.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Tries to take a lock on a file (made if need be). None if somebody else's lock is in the way.
    fn try_lock(&self, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>>;
    /// What tells this very directory from a copy of it, as well as can be: what was synced here was not synced there.
    fn identity(&self) -> io::Result<String>;
    /// What the user would call `path`: for messages.
    fn display(&self, path: &str) -> String;
}
