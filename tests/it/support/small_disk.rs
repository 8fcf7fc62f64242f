//! A disk that is full.

use crate::support::crash_disk::ENOSPC;
use segvault::repo::disk::{Disk, Guard, Listed, LockMode, NewFile};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Another disk with room for so many bytes of files, and no more.
#[derive(Clone)]
pub struct SmallDisk {
    disk: Arc<dyn Disk>,
    used: Arc<AtomicU64>,
    room: u64,
}

impl SmallDisk {
    /// What is there already fills it.
    pub fn full(disk: impl Disk + 'static) -> Self {
        let used = bytes_under(&disk, "");
        Self { disk: Arc::new(disk), used: Arc::new(AtomicU64::new(used)), room: used }
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// Bytes that fit.
    pub fn room(&self) -> u64 {
        self.room
    }
}

fn bytes_under(disk: &dyn Disk, directory: &str) -> u64 {
    let mut sum = 0;
    for listed in disk.list(directory).unwrap() {
        let path = format!("{directory}/{}", listed.name);
        let path = path.trim_start_matches('/');
        sum += if listed.is_directory { bytes_under(disk, path) } else { disk.length(path).unwrap() };
    }
    sum
}

struct SmallFile {
    file: Box<dyn NewFile>,
    disk: SmallDisk,
}

impl Write for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.used() + bytes.len() as u64 > self.disk.room {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        let written = self.file.write(bytes)?;
        self.disk.used.fetch_add(written as u64, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for SmallFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Disk for SmallDisk {
    fn create_new(&self, path: &str) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(SmallFile { file: self.disk.create_new(path)?, disk: self.clone() }))
    }

    fn publish(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.publish(from, to)
    }

    fn create_directory(&self, path: &str) -> io::Result<bool> {
        self.disk.create_directory(path)
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.disk.sync_file(path)
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.disk.read(path, limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.disk.read_range(path, offset, length)
    }

    fn length(&self, path: &str) -> io::Result<u64> {
        self.disk.length(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Listed>> {
        self.disk.list(path)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let length = self.disk.length(path).unwrap_or(0);
        self.disk.remove(path)?;
        self.used.fetch_sub(length, Ordering::SeqCst);
        Ok(())
    }

    fn try_lock(&self, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>> {
        self.disk.try_lock(path, mode)
    }

    fn identity(&self) -> io::Result<String> {
        self.disk.identity()
    }

    fn display(&self, path: &str) -> String {
        self.disk.display(path)
    }
}
