//! A disk that does what a good one never does.

use crate::support::crash_disk::{CrashDisk, EIO};
use segvault::repo::disk::{Disk, Guard, Listed, LockMode, NewFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Is told of a path.
type Told = Arc<dyn Fn(&str) + Send + Sync>;

/// A disk in memory, with oddities.
#[derive(Clone)]
pub struct OddDisk {
    pub disk: CrashDisk,
    /// False: locks keep nobody out.
    pub locks_work: bool,
    /// The error with which every lock is refused.
    pub lock_error: Option<ErrorKind>,
    /// Somebody else takes names that begin so, right before they are published: what can happen where locks don't reach.
    pub overtaken_at: Option<&'static str>,
    /// Is told of the name in staging of each file that is about to be published.
    pub before_publish: Option<Told>,
    /// Is told of each directory before it is listed.
    pub before_list: Option<Told>,
    /// Files whose names begin so can't be synced.
    pub unsyncable: Option<&'static str>,
    /// The files whose failure was told, where that is done once, as Linux does: from then on syncing them seems to work.
    pub told_once: Option<Arc<Mutex<BTreeSet<String>>>>,
    /// Directories that are seen once more as they were: by somebody who lists them while another one deletes.
    pub late: Arc<Mutex<BTreeMap<String, Vec<Listed>>>>,
    /// A file that is in no listing, though it can be read.
    pub hidden: Option<String>,
    /// A file that can't be read, and the error.
    pub forbidden: Option<(String, i32)>,
    /// True: what is published can't be removed.
    pub keeps_all: bool,
    /// Is told of each part of a file before it is read.
    pub before_part: Option<Told>,
    /// The files that were read whole, in their order.
    pub read: Arc<Mutex<Vec<String>>>,
    /// Counts how often a part of a file was read.
    pub parts_read: Arc<AtomicU32>,
}

impl OddDisk {
    /// A disk without oddities.
    pub fn of(disk: &CrashDisk) -> Self {
        Self {
            disk: disk.clone(),
            locks_work: true,
            lock_error: None,
            overtaken_at: None,
            before_publish: None,
            before_list: None,
            unsyncable: None,
            told_once: None,
            late: Arc::default(),
            hidden: None,
            forbidden: None,
            keeps_all: false,
            before_part: None,
            read: Arc::default(),
            parts_read: Arc::default(),
        }
    }

    fn refuse(&self, path: &str) -> Result<()> {
        match &self.forbidden {
            Some((forbidden, error)) if forbidden == path => Err(Error::from_raw_os_error(*error)),
            _ => Ok(()),
        }
    }
}

struct Nothing;

impl Guard for Nothing {}

impl Disk for OddDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn NewFile>> {
        self.disk.create_new(path)
    }
    fn publish(&self, from: &str, to: &str) -> Result<()> {
        if let Some(before) = &self.before_publish {
            before(from);
        }
        if self.overtaken_at.is_some_and(|path| to.starts_with(path)) {
            self.disk.create_new(to)?.write_all(b"theirs")?;
        }
        self.disk.publish(from, to)
    }
    fn create_directory(&self, path: &str) -> Result<bool> {
        self.disk.create_directory(path)
    }
    fn sync_file(&self, path: &str) -> Result<()> {
        let is_told = |told: &Arc<Mutex<BTreeSet<String>>>| !told.lock().unwrap().insert(path.to_owned());
        if self.unsyncable.is_some_and(|begin| path.starts_with(begin))
            && !self.told_once.as_ref().is_some_and(is_told)
        {
            return Err(Error::from_raw_os_error(EIO));
        }
        self.disk.sync_file(path)
    }
    fn sync_directory(&self, path: &str) -> Result<()> {
        self.disk.sync_directory(path)
    }
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        self.read.lock().unwrap().push(path.to_owned());
        self.refuse(path)?;
        self.disk.read(path, limit)
    }
    fn read_range(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.parts_read.fetch_add(1, Ordering::Relaxed);
        if let Some(before) = &self.before_part {
            before(path);
        }
        self.refuse(path)?;
        self.disk.read_range(path, offset, length)
    }
    fn length(&self, path: &str) -> Result<u64> {
        self.disk.length(path)
    }
    fn list(&self, path: &str) -> Result<Vec<Listed>> {
        if let Some(before) = &self.before_list {
            before(path);
        }
        let mut listed = match self.late.lock().unwrap().remove(path) {
            Some(listed) => listed,
            None => self.disk.list(path)?,
        };
        listed.retain(|listed| self.hidden.as_deref() != Some(&format!("{path}/{}", listed.name)));
        Ok(listed)
    }
    fn remove(&self, path: &str) -> Result<()> {
        assert!(!self.keeps_all || path.starts_with("staging/"), "{path} is removed");
        self.disk.remove(path)
    }
    fn try_lock(&self, path: &str, mode: LockMode) -> Result<Option<Box<dyn Guard>>> {
        if let Some(kind) = self.lock_error {
            return Err(kind.into());
        }
        if self.locks_work { self.disk.try_lock(path, mode) } else { Ok(Some(Box::new(Nothing))) }
    }
    fn identity(&self) -> Result<String> {
        self.disk.identity()
    }
    fn display(&self, path: &str) -> String {
        self.disk.display(path)
    }
}
