//! A disk that does what a good one never does.

use crate::support::crash_disk::CrashDisk;
use segvault::repo::disk::{Disk, Guard, Listed, LockMode, NewFile};
use std::io::{Result, Write};

/// A disk in memory, with oddities.
#[derive(Clone)]
pub struct OddDisk {
    pub disk: CrashDisk,
    /// False: locks keep nobody out.
    pub locks_work: bool,
    /// Somebody else takes names that begin so, right before they are published: what can happen where locks don't reach.
    pub overtaken_at: Option<&'static str>,
}

struct Nothing;

impl Guard for Nothing {}

impl Disk for OddDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn NewFile>> {
        self.disk.create_new(path)
    }
    fn publish(&self, from: &str, to: &str) -> Result<()> {
        if self.overtaken_at.is_some_and(|path| to.starts_with(path)) {
            self.disk.create_new(to)?.write_all(b"theirs")?;
        }
        self.disk.publish(from, to)
    }
    fn create_directory(&self, path: &str) -> Result<bool> {
        self.disk.create_directory(path)
    }
    fn sync_file(&self, path: &str) -> Result<()> {
        self.disk.sync_file(path)
    }
    fn sync_directory(&self, path: &str) -> Result<()> {
        self.disk.sync_directory(path)
    }
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        self.disk.read(path, limit)
    }
    fn read_range(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.disk.read_range(path, offset, length)
    }
    fn length(&self, path: &str) -> Result<u64> {
        self.disk.length(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Listed>> {
        self.disk.list(path)
    }
    fn remove(&self, path: &str) -> Result<()> {
        self.disk.remove(path)
    }
    fn try_lock(&self, path: &str, mode: LockMode) -> Result<Option<Box<dyn Guard>>> {
        if self.locks_work { self.disk.try_lock(path, mode) } else { Ok(Some(Box::new(Nothing))) }
    }
    fn identity(&self) -> Result<String> {
        self.disk.identity()
    }
    fn display(&self, path: &str) -> String {
        self.disk.display(path)
    }
}
