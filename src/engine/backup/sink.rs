//! Where chunks go: into the repository, or (in a dry run) only into the sums.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::format::id::Naming;
use crate::repo::format::id::PageId;
use crate::repo::format::pack::PackKind;
use crate::repo::store::Repository;
use crate::repo::store::Session;
use crate::repo::store::Tally;

/// Takes chunks and pages.
pub enum Sink<'s> {
    /// Stores them.
    Stored(Box<Session<'s>>),
    /// Names them and counts what would be new.
    Counted(&'s Repository, Tally),
}

impl<'s> Sink<'s> {
    /// The repository behind it.
    pub fn repository(&self) -> &'s Repository {
        match self {
            Self::Stored(session) => session.repository(),
            Self::Counted(repository, _) => repository,
        }
    }

    /// How names are made.
    pub fn naming(&self) -> Naming {
        self.repository().naming()
    }

    /// Takes a chunk.
    pub fn put(&mut self, kind: PackKind, bytes: Vec<u8>) -> Result<ChunkId, Error> {
        match self {
            Self::Stored(session) => Ok(session.put(kind, bytes)?),
            Self::Counted(repository, tally) => {
                let id = repository.naming().chunk(&bytes);
                let length = bytes.len() as u64;
                if repository.names_chunk(id)? {
                    tally.meet(u32::try_from(length).unwrap_or(u32::MAX));
                } else {
                    tally.new_chunks += 1;
                    tally.new_raw_bytes += length;
                }
                Ok(id)
            }
        }
    }

    /// Takes a chunk of a segment: those of sealed ones share blocks.
    pub fn put_segment(
        &mut self,
        (kind, store): (PackKind, Store),
        bytes: Vec<u8>,
    ) -> Result<ChunkId, Error> {
        match self {
            Self::Stored(session) if kind == PackKind::Sealed => Ok(session.put_sealed(store, bytes)?),
            _ => self.put(kind, bytes),
        }
    }

    /// Takes chunks that resemble each other.
    pub fn put_together(&mut self, kind: PackKind, chunks: Vec<Vec<u8>>) -> Result<Vec<ChunkId>, Error> {
        match self {
            Self::Stored(session) => Ok(session.put_together(kind, chunks)?),
            Self::Counted(..) => chunks.into_iter().map(|bytes| self.put(kind, bytes)).collect(),
        }
    }

    /// Takes the page tree of sorted entries.
    pub fn put_tree(&mut self, entries: &[SegmentEntry]) -> Result<PageId, Error> {
        match self {
            Self::Stored(session) => Ok(session.put_tree(entries)?),
            Self::Counted(repository, _) => {
                let naming = repository.naming();
                crate::repo::format::page::build(entries, &mut |bytes| Ok(naming.page(&bytes)))
            }
        }
    }

    /// Whether a chunk is there, readable, in a pack that nothing is said against.
    pub fn knows(&mut self, chunk: ChunkId) -> Result<bool, Error> {
        match self {
            Self::Stored(session) => Ok(session.knows(chunk)?),
            Self::Counted(repository, _) => Ok(repository.names_chunk(chunk)?),
        }
    }

    /// Counts the chunks of an entry whose bytes were read and are there already.
    pub fn meet(&mut self, entry: &SegmentEntry) {
        for extent in &entry.extents {
            match self {
                Self::Stored(session) => session.meet(extent.length),
                Self::Counted(_, tally) => tally.meet(extent.length),
            }
        }
    }

    /// Bytes that were taken so far, and what had to be stored of them.
    pub fn saving(&self) -> (u64, u64) {
        match self {
            Self::Stored(session) => session.saving(),
            Self::Counted(_, tally) => {
                (tally.known_raw_bytes.saturating_add(tally.new_raw_bytes), tally.new_raw_bytes)
            }
        }
    }

    /// What was taken so far.
    pub fn tally(&self) -> Tally {
        match self {
            Self::Stored(session) => session.tally(),
            Self::Counted(_, tally) => *tally,
        }
    }
}
