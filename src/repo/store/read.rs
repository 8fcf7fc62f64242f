//! Reading a repository.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::config::Config;
use crate::repo::format::entry::{Extent, SegmentEntry};
use crate::repo::format::id::{ChunkId, Naming, PageId};
use crate::repo::format::record::{LogKey, Record};
use crate::repo::store::journal::Journal;
use crate::repo::store::session::Session;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the index lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IndexPlace {
    /// In memory: made anew each time.
    #[default]
    Memory,
    /// A file; if it can't be written or used, memory serves for this run.
    File(PathBuf),
}

/// How to open a repository.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// Where the index lies.
    pub index: IndexPlace,
    /// Asked again and again while a lock is in the way (it may sleep); false gives up. Without it the first refusal is final.
    pub keep_waiting: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

/// An open repository, under a shared `locks/repository` (or none, if it can't be written: see [`Repository::is_unlocked`]).
pub struct Repository {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: Config,
    pub(super) options: OpenOptions,
}

impl Repository {
    /// Makes a repository: its directories, then `segvault.json`. The directory must be missing or empty.
    pub fn init(disk: &dyn Disk, config: &Config) -> Result<(), Error> {
        let _ = (disk, config);
        todo!()
    }

    /// Opens a repository and brings its index up to date with the packs that are there.
    pub fn open(disk: Arc<dyn Disk>, options: OpenOptions) -> Result<Self, Error> {
        let _ = (disk, options);
        todo!()
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How names are made here.
    pub fn naming(&self) -> Naming {
        self.config.naming
    }

    /// The disk, for `verify`, which reads every file itself.
    pub fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// Whether it is read without locks, since it can't be written.
    pub fn is_unlocked(&self) -> bool {
        todo!()
    }

    /// All points and acts. One unreadable file does not hide the others.
    pub fn journal(&self) -> Result<Journal, Error> {
        todo!()
    }

    /// The logs that have a record, in order.
    pub fn logs(&self) -> Result<Vec<LogKey>, Error> {
        todo!()
    }

    /// The numbers of a log's records that are there, rising.
    pub fn record_numbers(&self, key: &LogKey) -> Result<Vec<u64>, Error> {
        let _ = key;
        todo!()
    }

    /// One record of a log.
    pub fn record(&self, key: &LogKey, number: u64) -> Result<Record, Error> {
        let _ = (key, number);
        todo!()
    }

    /// The newest record of a log; none if the log has none.
    pub fn newest_record(&self, key: &LogKey) -> Result<Option<Record>, Error> {
        let _ = key;
        todo!()
    }

    /// All entries of a page tree, in the order of their keys; each page's hash is checked.
    pub fn tree(&self, root: PageId) -> Result<Vec<SegmentEntry>, Error> {
        let _ = root;
        todo!()
    }

    /// Whether a chunk is in a readable pack that is neither marked dead nor called damaged.
    pub fn knows(&self, id: ChunkId) -> Result<bool, Error> {
        let _ = id;
        todo!()
    }

    /// The bytes of a chunk, its hash checked. Tries every pack that holds it.
    pub fn chunk(&self, id: ChunkId) -> Result<Arc<Vec<u8>>, Error> {
        let _ = id;
        todo!()
    }

    /// Hands the bytes `from..to` of what `extents` hold to `sink`, in order, chunk by chunk.
    pub fn read_extents(
        &self,
        extents: &[Extent],
        range: std::ops::Range<u64>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _ = (extents, range, sink);
        todo!()
    }

    /// Begins to write: takes `locks/writer`, and makes durable whatever is there and is not known to be.
    pub fn session(&self) -> Result<Session<'_>, Error> {
        todo!()
    }
}
