//! Reading a repository.

use crate::repo::disk::Disk;
use crate::repo::disk::Guard;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::act::Act;
use crate::repo::format::config::Config;
use crate::repo::format::entry::{Extent, SegmentEntry};
use crate::repo::format::id::{ChunkId, Naming, PackId, PageId};
use crate::repo::format::limits;
use crate::repo::format::page;
use crate::repo::format::page::{LoadError, Page};
use crate::repo::format::record::{LogKey, LogState, Record};
use crate::repo::index;
use crate::repo::index::Index;
use crate::repo::paths;
use crate::repo::store::cache::BlockCache;
use crate::repo::store::chunks;
use crate::repo::store::chunks::{ChunkBytes, ChunkSink, LookedAgain};
use crate::repo::store::init;
use crate::repo::store::journal;
use crate::repo::store::journal::{Journal, ReadActs};
use crate::repo::store::kept_acts::KeptActs;
use crate::repo::store::locks;
use crate::repo::store::locks::{Lock, Unlocked};
use crate::repo::store::lost::LostFiles;
use crate::repo::store::numbered::Row;
use crate::repo::store::pages;
use crate::repo::store::protect::{Healer, Healings};
use crate::repo::store::session::Session;
use crate::repo::store::settle::Unsynced;
use crate::repo::store::trees::{Tree, Trees};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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
    /// Whether things may be removed from a repository that is append-only.
    pub allow_delete: bool,
    /// Told of all that is healed.
    pub healings: Healings,
}

/// An open repository, under a shared `locks/repository` (or none, if there can be none: see [`Repository::unlocked`]).
pub struct Repository {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: Config,
    pub(super) options: OpenOptions,
    pub(super) index: Index,
    pub(super) cache: BlockCache,
    trees: Trees,
    kept_acts: KeptActs,
    pub(super) unsynced: Unsynced,
    pub(super) looked_again: LookedAgain,
    pub(super) healer: Healer,
    lock: Lock,
}

impl Repository {
    /// Makes a repository: its directories, then `segvault.json`. The directory must be missing or empty (`lost+found` may be there).
    pub fn init(disk: &dyn Disk, config: &Config) -> Result<(), Error> {
        init::init(disk, config)
    }

    /// Opens a repository and brings its index up to date with the packs that are there.
    pub fn open(disk: Arc<dyn Disk>, options: OpenOptions) -> Result<Self, Error> {
        Self::open_under(disk, options, locks::reader)
    }

    /// Opens a repository under the lock that `lock` takes.
    pub(super) fn open_under(
        disk: Arc<dyn Disk>,
        options: OpenOptions,
        lock: impl FnOnce(&dyn Disk, &OpenOptions) -> Result<Lock, Error>,
    ) -> Result<Self, Error> {
        let config = read_config(disk.as_ref())?;
        let lock = lock(disk.as_ref(), &options)?;
        let path = match &options.index {
            IndexPlace::Memory => None,
            IndexPlace::File(path) => Some(path.as_path()),
        };
        let index = Index::open(Arc::clone(&disk), path, &config.id)?;
        let for_threads = rayon::current_num_threads().saturating_mul(limits::memory::BLOCK_CACHE_CORE);
        let cache = BlockCache::new(limits::memory::BLOCK_CACHE.max(for_threads));
        let healer = Healer::new(limits::memory::HEALED_CACHE);
        let (looked_again, trees) = (LookedAgain::default(), Trees::default());
        let (kept_acts, unsynced) = (KeptActs::default(), Unsynced::default());
        Ok(Self {
            disk,
            config,
            options,
            index,
            cache,
            trees,
            kept_acts,
            unsynced,
            looked_again,
            healer,
            lock,
        })
    }

    /// Removes the file of an index, which is only a cache: the next one that opens the repository makes it anew. `Locked` while somebody
    /// uses it; `NotARepository` where there is none.
    pub fn remove_index(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
        read_config(disk)?;
        index::remove(disk, path)
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Refuses where nothing may be removed, nor prepared for it.
    pub fn may_remove(&self) -> Result<(), Error> {
        if self.config.is_append_only() && !self.options.allow_delete {
            return Err(Error::AppendOnly { path: self.disk.display("") });
        }
        Ok(())
    }

    /// Keeps every other watcher of the same source out, until it is dropped. Whoever holds it need not have the repository open.
    pub fn watch_lock(&self, source: &str) -> Result<Box<dyn Guard>, Error> {
        locks::watcher(self.disk(), source, &OpenOptions { keep_waiting: None, ..self.options.clone() })
    }

    /// How names are made here.
    pub fn naming(&self) -> Naming {
        self.config.naming
    }

    /// The disk, for `verify`, which reads every file itself.
    pub fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// The index, for `verify`: packs that can't be read, and why.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Whether it is read without locks.
    pub fn is_unlocked(&self) -> bool {
        self.lock.is_err()
    }

    /// Why it is read without locks, if it is.
    pub fn unlocked(&self) -> Option<Unlocked> {
        self.lock.as_ref().err().copied()
    }

    /// All points and acts. One unreadable file does not hide the others.
    pub fn journal(&self) -> Result<Journal, Error> {
        journal::read(self.disk(), &self.config, &self.kept_acts)
    }

    /// All acts. One that can't be read does not hide the others; none of them is hidden if the second is true.
    pub fn acts(&self) -> Result<(Vec<Act>, bool), Error> {
        let read = self.read_acts()?;
        Ok((read.acts, read.unreadable.is_empty()))
    }

    pub(super) fn read_acts(&self) -> Result<ReadActs, Error> {
        journal::acts(self.disk(), &self.config, &self.kept_acts)
    }

    /// The logs that have a record, in order. A log none of whose records can be read is an error, unless all of them were given up: then it has none.
    pub fn logs(&self) -> Result<Vec<LogKey>, Error> {
        self.past_lost(&|lost| {
            let mut logs = Vec::new();
            for listed in paths::list(self.disk(), paths::LOGS)?.iter().filter(|listed| listed.is_directory) {
                logs.extend(self.key_of(&format!("{}/{}", paths::LOGS, listed.name), lost)?);
            }
            logs.sort();
            Ok(logs)
        })
    }

    /// The newest record that can be read says whose directory it is; none if there are no records but lost ones.
    fn key_of(&self, directory: &str, lost: &LostFiles) -> Result<Option<LogKey>, Error> {
        let row = Row::in_directory(directory.to_owned());
        let mut failed = None;
        let numbers = row.list(self.disk())?.into_keys().rev();
        for number in numbers.filter(|number| !lost.has(directory, *number)) {
            match self.read_record(&row, number) {
                Ok(record) if paths::log(&record.state.key) == directory => {
                    return Ok(Some(record.state.key));
                }
                Ok(_) => failed = failed.or(Some(self.damaged(&row.path(number), "a record of another log"))),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The numbers of a log's records that are there, rising.
    pub fn record_numbers(&self, key: &LogKey) -> Result<Vec<u64>, Error> {
        Ok(Row::records(key).list(self.disk())?.into_keys().collect())
    }

    /// One record of a log.
    pub fn record(&self, key: &LogKey, number: u64) -> Result<Record, Error> {
        let row = Row::records(key);
        let record = self.read_record(&row, number)?;
        if record.state.key == *key {
            Ok(record)
        } else {
            Err(self.damaged(&row.path(number), "a record of another log"))
        }
    }

    fn read_record(&self, row: &Row, number: u64) -> Result<Record, Error> {
        let bytes = row.read(self.disk(), number)?;
        let name = || self.disk.display(&row.path(number));
        let record = Record::decode(&bytes).map_err(|damage| Error::damaged(name(), damage))?;
        if record.number == number {
            Ok(record)
        } else {
            Err(self.damaged(&row.path(number), "a record of another number"))
        }
    }

    fn damaged(&self, path: &str, what: &'static str) -> Error {
        Error::Damaged { path: self.disk.display(path), source: Damage::Bytes { at: 0, what } }
    }

    /// The newest record of a log; none if the log has none.
    pub fn newest_record(&self, key: &LogKey) -> Result<Option<Record>, Error> {
        self.past_lost(&|lost| self.newest_record_but(key, lost))
    }

    /// The same, with the entries of its tree: sealed segments.
    pub fn newest_sealed(&self, key: &LogKey) -> Result<Option<(Record, Vec<SegmentEntry>)>, Error> {
        self.past_lost(&|lost| {
            let Some(record) = self.newest_record_but(key, lost)? else { return Ok(None) };
            let sealed = self.tree(record.state.root)?;
            Ok(Some((record, sealed)))
        })
    }

    /// The same, with all its entries: those of its tree, and its tails behind them.
    pub fn newest_whole(&self, key: &LogKey) -> Result<Option<(Record, Vec<SegmentEntry>)>, Error> {
        Ok(self.newest_sealed(key)?.map(|(record, mut entries)| {
            entries.extend_from_slice(&record.state.tails);
            (record, entries)
        }))
    }

    /// Reads a log; where that meets damage, once more without the records that acts call lost: they may still have their names, where whoever gave
    /// them up was killed.
    fn past_lost<T>(&self, read: &dyn Fn(&LostFiles) -> Result<T, Error>) -> Result<T, Error> {
        match read(&LostFiles::default()) {
            Err(error) if error.is_lost() => read(&LostFiles::by(&self.read_acts()?.acts)),
            read => read,
        }
    }

    /// The same, for those who know which ones are lost: these may still have their names.
    pub fn newest_record_but(&self, key: &LogKey, lost: &LostFiles) -> Result<Option<Record>, Error> {
        let mut missed = None;
        loop {
            let numbers = self.record_numbers(key)?;
            let mut counting = numbers.iter().rev().filter(|number| !lost.has(&paths::log(key), **number));
            let Some(number) = counting.next().copied() else { return Ok(None) };
            match self.record(key, number) {
                // Whoever reads without locks may come too late for one that newer ones have replaced.
                Err(Error::Missing { .. }) if missed != Some(number) => missed = Some(number),
                record => return record.map(Some),
            }
        }
    }

    /// All entries of a page tree, in the order of their keys; each page's hash is checked.
    pub fn tree(&self, root: PageId) -> Result<Vec<SegmentEntry>, Error> {
        page::load(root, &mut |id| pages::read(self.disk(), self.naming(), id)).map_err(|error| match error {
            LoadError::Get(error) => error,
            LoadError::Page { page, damage } => Error::damaged(self.disk.display(&paths::page(page)), damage),
        })
    }

    /// All entries of a log as a record has it: those of its tree, and its tails behind them.
    pub fn entries(&self, state: LogState) -> Result<Vec<SegmentEntry>, Error> {
        let mut entries = self.tree(state.root)?;
        entries.extend(state.tails);
        Ok(entries)
    }

    /// All entries of a log as its newest record has it; none if the log has none.
    pub fn newest_entries(&self, key: &LogKey) -> Result<Option<Vec<SegmentEntry>>, Error> {
        Ok(self.newest_whole(key)?.map(|(_, entries)| entries))
    }

    /// The entries of a tree, read once while it is held: for those who ask for one tree again and again.
    pub fn shared_tree(&self, root: PageId) -> Result<Tree, Error> {
        self.trees.get(root, || self.tree(root))
    }

    /// One page, its hash checked.
    pub fn page(&self, id: PageId) -> Result<Page, Error> {
        let bytes = pages::read(self.disk(), self.naming(), id)?;
        Page::decode(&bytes).map_err(|damage| Error::damaged(self.disk.display(&paths::page(id)), damage))
    }

    /// Whether some pack that is there names a chunk: for estimates. What a writer may build on is [`Session::knows`].
    pub fn names_chunk(&self, id: ChunkId) -> Result<bool, Error> {
        self.index.holds(id)
    }

    /// The same for whoever calls it lost where none does: packs are listed again before that.
    pub fn has_chunk(&self, id: ChunkId) -> Result<bool, Error> {
        chunks::is_somewhere(self, id)
    }

    /// The bytes of a chunk, its hash checked. Tries every pack that holds it.
    pub fn chunk(&self, id: ChunkId) -> Result<ChunkBytes, Error> {
        Ok(chunks::chunk(self, id)?.bytes)
    }

    /// The bytes of a chunk as they lie in this pack, its hash checked.
    pub fn chunk_in(&self, id: ChunkId, pack: PackId) -> Result<ChunkBytes, Error> {
        chunks::chunk_in(self, id, pack)
    }

    /// Hands the bytes `from..to` of what `extents` hold to `sink`, in order, chunk by chunk. Asking for more than there is is refused.
    pub fn read_extents(
        &self,
        extents: &[Extent],
        range: std::ops::Range<u64>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        chunks::read_extents(self, extents, range, &mut |bytes, _, _| sink(bytes))
    }

    /// Hands over all that `extents` hold, as [`Repository::read_extents`] does, each chunk with its name and the pack that gave it.
    pub fn read_chunks(&self, extents: &[Extent], sink: ChunkSink<'_>) -> Result<(), Error> {
        let length = extents.iter().map(|extent| u64::from(extent.length)).sum();
        chunks::read_extents(self, extents, 0..length, sink)
    }

    /// Begins to write: takes `locks/writer`, and makes durable whatever is there and is not known to be.
    pub fn session(&self) -> Result<Session<'_>, Error> {
        Session::begin(self)
    }
}

fn read_config(disk: &dyn Disk) -> Result<Config, Error> {
    let name = || disk.display(paths::CONFIG);
    match disk.read(paths::CONFIG, limits::SMALL_FILE_MAX) {
        Ok(bytes) => Config::decode(&bytes).map_err(|damage| Error::damaged(name(), damage)),
        // A file that is named as the repository is none, either.
        Err(source) if source.kind() == ErrorKind::NotADirectory => {
            Err(Error::NotARepository { path: disk.display("") })
        }
        Err(source) => match Error::reading(name(), source) {
            missing @ Error::Missing { .. } if has_history(disk) => Err(missing),
            Error::Missing { .. } => Err(Error::NotARepository { path: disk.display("") }),
            error => Err(error),
        },
    }
}

/// Whether something was published here: `segvault.json` came before all of that.
fn has_history(disk: &dyn Disk) -> bool {
    let is_any = |row: &Row| row.list(disk).is_ok_and(|files| !files.is_empty());
    [Row::points(), Row::acts()].iter().any(is_any)
}
