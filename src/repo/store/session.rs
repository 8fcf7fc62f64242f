//! Writing to a repository.

use crate::axon::name::Store;
use crate::repo::codec::{Encoded, Look};
use crate::repo::disk::Guard;
use crate::repo::error::Error;
use crate::repo::format::act::PointRef;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PackId, PageId};
use crate::repo::format::limits;
use crate::repo::format::pack::{Directory, PackKind};
use crate::repo::format::page;
use crate::repo::store::effort::Effort;
use crate::repo::store::known::Known;
use crate::repo::store::locks;
use crate::repo::store::lost::finish_giving_up;
use crate::repo::store::packer::{Neighbours, Outlet, Packer};
use crate::repo::store::read::Repository;
use crate::repo::store::settle;
use crate::repo::store::staging::Staging;
use crate::repo::store::waiting::Waiting;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a session has stored so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Chunks that were stored.
    pub new_chunks: u64,
    /// Their bytes.
    pub new_raw_bytes: u64,
    /// What they take in packs, encoded, without the packs' directories.
    pub new_stored_bytes: u64,
    /// Chunks that were there already.
    pub known_chunks: u64,
    /// Their bytes.
    pub known_raw_bytes: u64,
    /// Bytes of new files of all kinds (packs, pages, records, point).
    pub file_bytes: u64,
}

impl Tally {
    /// Counts a chunk that was there already.
    pub fn meet(&mut self, length: u32) {
        self.known_chunks = self.known_chunks.saturating_add(1);
        self.known_raw_bytes = self.known_raw_bytes.saturating_add(u64::from(length));
    }
}

/// Proof that all chunks and pages put so far are durable. Worth nothing once more have been put.
#[derive(Debug)]
#[must_use = "a barrier is for records and a point"]
pub struct Durable {
    pub(super) generation: u64,
}

/// Proof that the records are durable too.
#[derive(Debug)]
#[must_use = "records are for a point"]
pub struct RecordsDurable {
    pub(super) generation: u64,
}

/// A point, published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number and hash.
    pub point: PointRef,
    /// What the session stored in all.
    pub tally: Tally,
}

/// A writer. Holds `locks/writer` until it is dropped; dropping it without a point leaves only debris that the next session may use.
///
/// After an error of the repository it is worth nothing: it refuses everything, and another one has to be begun.
pub struct Session<'r> {
    pub(super) repository: &'r Repository,
    pub(super) staging: Staging<'r>,
    pub(super) known: Known,
    pub(super) tally: Tally,
    /// Counts what was put.
    pub(super) generation: u64,
    pub(super) packer: Packer,
    /// Packs that barriers made durable, with their lengths.
    pub(super) written: Vec<(PackId, u64)>,
    /// Pages that are there, or will be with the next barrier.
    pub(super) pages: HashSet<PageId>,
    /// The pages that were damaged and are whole again.
    pub(super) mended_pages: Vec<String>,
    interrupt: Option<Arc<AtomicBool>>,
    /// Set while something is done, and left set by an error.
    failed: bool,
    _writer: Box<dyn Guard>,
}

impl<'r> Session<'r> {
    pub(super) fn begin(repository: &'r Repository) -> Result<Self, Error> {
        let disk = repository.disk();
        let writer = locks::writer(disk, &repository.options)?;
        if repository.is_unlocked() {
            // Whoever deletes would not know of us.
            return Err(Error::NoLocks { path: disk.display("") });
        }
        let found = settle::settle(disk, &repository.index, &repository.unsynced)?;
        repository.index.refresh()?;
        let acts = repository.read_acts()?;
        finish_giving_up(disk, &acts.acts)?;
        let known = Known::new(&acts, found);
        Ok(Self {
            repository,
            staging: Staging::open(disk)?,
            packer: Packer::new(repository.naming(), known.attempt()),
            known,
            tally: Tally::default(),
            generation: 0,
            written: Vec::new(),
            pages: HashSet::new(),
            mended_pages: Vec::new(),
            interrupt: None,
            failed: false,
            _writer: writer,
        })
    }

    /// The repository.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// Chooses how hard to work from here on.
    pub fn set_effort(&mut self, effort: Effort) {
        self.packer.set_effort(effort);
    }

    /// Looked at between blocks: once it is set, what is going on ends with `Interrupted`.
    pub fn set_interrupt(&mut self, interrupt: Arc<AtomicBool>) {
        self.interrupt = Some(interrupt);
    }

    /// Whether a chunk need not be stored: it is in a durable pack that no act speaks against, by that pack's own word.
    pub fn knows(&mut self, chunk: ChunkId) -> Result<bool, Error> {
        let repository = self.repository;
        self.known.has(repository, chunk)
    }

    /// Stores a chunk, unless it is there already, durably, in a pack that is neither marked dead nor called damaged.
    pub fn put(&mut self, kind: PackKind, bytes: Vec<u8>) -> Result<ChunkId, Error> {
        self.guarded(|session| {
            let (id, is_new) = session.look_up(&bytes)?;
            if let Some(length) = is_new {
                session.queue(Waiting::of(kind, vec![(id, length)], bytes))?;
            }
            Ok(id)
        })
    }

    /// Stores a chunk of a sealed segment, in a block that it shares with its neighbours.
    pub fn put_sealed(&mut self, store: Store, bytes: Vec<u8>) -> Result<ChunkId, Error> {
        self.guarded(|session| {
            let (id, is_new) = session.look_up(&bytes)?;
            match is_new {
                Some(length) => session.join(Neighbours::Segments(store), (id, length), bytes)?,
                None => session.check_interrupt()?,
            }
            Ok(id)
        })
    }

    /// Stores chunks; those that are new share blocks (small chunks that resemble each other).
    pub fn put_together(&mut self, kind: PackKind, chunks: Vec<Vec<u8>>) -> Result<Vec<ChunkId>, Error> {
        self.guarded(|session| {
            let mut ids = Vec::with_capacity(chunks.len());
            let mut block = Waiting::empty(kind);
            for bytes in chunks {
                let (id, is_new) = session.look_up(&bytes)?;
                ids.push(id);
                let Some(length) = is_new else { continue };
                if block.raw().len().saturating_add(bytes.len()) > limits::memory::SHARED_BLOCK
                    && !block.raw().is_empty()
                {
                    session.queue(std::mem::replace(&mut block, Waiting::empty(kind)))?;
                }
                block.push((id, length), bytes, Look::default());
            }
            if !block.raw().is_empty() {
                session.queue(block)?;
            }
            Ok(ids)
        })
    }

    /// The name of a chunk, and its length if it has to be stored; from then on it counts as known.
    fn look_up(&mut self, bytes: &[u8]) -> Result<(ChunkId, Option<u32>), Error> {
        let length =
            u32::try_from(bytes.len()).ok().filter(|length| (1..=limits::CHUNK_MAX).contains(length));
        let length = length.ok_or_else(|| self.rule(format!("a chunk of {} bytes", bytes.len())))?;
        self.generation = self.generation.saturating_add(1);
        let id = self.repository.naming().chunk(bytes);
        if self.known.has(self.repository, id)? {
            self.tally.meet(length);
            return Ok((id, None));
        }
        self.count_new(id, length);
        Ok((id, Some(length)))
    }

    /// Counts a chunk that is known to be there, and was not handed over for that reason.
    pub fn meet(&mut self, length: u32) {
        self.tally.meet(length);
    }

    /// A chunk of this length is about to be stored.
    pub(super) fn count_new(&mut self, id: ChunkId, length: u32) {
        self.generation = self.generation.saturating_add(1);
        self.tally.new_chunks = self.tally.new_chunks.saturating_add(1);
        self.tally.new_raw_bytes = self.tally.new_raw_bytes.saturating_add(u64::from(length));
        self.known.store(id);
    }

    pub(super) fn join(
        &mut self,
        neighbours: Neighbours,
        chunk: (ChunkId, u32),
        bytes: Vec<u8>,
    ) -> Result<(), Error> {
        if self.packer.join(neighbours, chunk, bytes) {
            self.pack(Packer::flush)
        } else {
            self.check_interrupt()
        }
    }

    /// Writes a block that is encoded already.
    pub(super) fn copy(&mut self, block: &Waiting, encoded: &Encoded) -> Result<(), Error> {
        self.check_interrupt()?;
        let mut outlet =
            Outlet { disk: self.repository.disk(), staging: &mut self.staging, interrupted: &|| false };
        self.packer.write(block, encoded, &mut outlet)
    }

    pub(super) fn queue(&mut self, block: Waiting) -> Result<(), Error> {
        if self.packer.take(block) { self.pack(Packer::flush) } else { self.check_interrupt() }
    }

    fn pack(&mut self, work: fn(&mut Packer, &mut Outlet<'_, '_>) -> Result<(), Error>) -> Result<(), Error> {
        let interrupted =
            || self.interrupt.as_ref().is_some_and(|interrupt| interrupt.load(Ordering::Relaxed));
        let disk = self.repository.disk();
        work(&mut self.packer, &mut Outlet { disk, staging: &mut self.staging, interrupted: &interrupted })
    }

    pub(super) fn check_interrupt(&self) -> Result<(), Error> {
        match &self.interrupt {
            Some(interrupt) if interrupt.load(Ordering::Relaxed) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }

    /// Stores the page tree of sorted entries; gives its root.
    pub fn put_tree(&mut self, entries: &[SegmentEntry]) -> Result<PageId, Error> {
        self.guarded(|session| {
            session.generation = session.generation.saturating_add(1);
            if !entries.is_sorted_by(|one, next| one.key() < next.key()) {
                return Err(
                    session.rule("entries of a tree that are not sorted, or not all different".to_owned())
                );
            }
            for entry in entries {
                entry.check().map_err(|what| session.rule(format!("segment {}: {what}", entry.name)))?;
            }
            page::build(entries, &mut |bytes| session.put_page(&bytes))
        })
    }

    /// Makes all chunks and pages put so far durable: packs and pages are synced, published, their directories synced; then the index
    /// learns of them.
    pub fn barrier(&mut self) -> Result<Durable, Error> {
        self.guarded(|session| {
            session.pack(Packer::finish_all)?;
            session.tally.new_stored_bytes = session.packer.written.stored_bytes;
            let pack_bytes = std::mem::take(&mut session.packer.written.file_bytes);
            session.tally.file_bytes = session.tally.file_bytes.saturating_add(pack_bytes);
            let packs = session.packer.take_finished();
            let new: Vec<(PackId, u64)> =
                packs.iter().map(|(id, directory)| (*id, directory.length)).collect();
            session.written.extend(&new);
            session.sync_directories(packs)?;
            session.protect_new(&new)?;
            Ok(Durable { generation: session.generation })
        })
    }

    /// Makes what was published durable; then the index learns of it.
    pub(super) fn settle_directories(&mut self) -> Result<(), Error> {
        self.sync_directories(Vec::new())
    }

    fn sync_directories(&mut self, packs: Vec<(PackId, Directory)>) -> Result<(), Error> {
        let durable = self.staging.sync_directories()?;
        self.repository.index.add(packs)?;
        self.repository.index.mark_durable(&durable)
    }

    /// The packs that barriers of this session made durable. One of them may have been there before, under the very same name.
    pub fn written(&self) -> impl Iterator<Item = PackId> + '_ {
        self.written.iter().map(|(pack, _)| *pack)
    }

    /// What was stored so far; bytes in packs as of the last barrier.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Bytes that were taken so far, and what had to be stored of them; what waits to be encoded counts as it is.
    pub fn saving(&self) -> (u64, u64) {
        let tally = &self.tally;
        let stored = self.packer.written.stored_bytes.saturating_add(self.packer.waiting_bytes());
        (tally.known_raw_bytes.saturating_add(tally.new_raw_bytes), stored)
    }

    /// Does something, unless something failed before: what a failed sync or write left is not to be built upon.
    pub(super) fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.failed {
            return Err(self.rule("this session has failed before".to_owned()));
        }
        self.failed = true;
        let done = work(self)?;
        self.failed = false;
        Ok(done)
    }

    pub(super) fn rule(&self, rule: String) -> Error {
        Error::Rule { path: self.repository.disk().display(""), rule }
    }
}
