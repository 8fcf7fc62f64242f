//! Writing to a repository.

use crate::repo::codec::Compression;
use crate::repo::error::Error;
use crate::repo::format::act::{Deed, PointRef};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PageId};
use crate::repo::format::moment::Moment;
use crate::repo::format::pack::PackKind;
use crate::repo::format::point::PointBody;
use crate::repo::format::record::LogState;
use crate::repo::format::superset::PrefixProof;
use crate::repo::store::read::Repository;

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
    /// Bytes of its file.
    pub file_bytes: u64,
}

/// A writer. Holds `locks/writer` until it is dropped; dropping it without a point leaves only debris that the next session may use.
pub struct Session<'r> {
    pub(super) repository: &'r Repository,
}

impl<'r> Session<'r> {
    /// The repository.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// Chooses how hard to compress from here on.
    pub fn set_compression(&mut self, compression: Compression) {
        let _ = compression;
        todo!()
    }

    /// Stores a chunk, unless it is there already, durably, in a pack that is neither marked dead nor called damaged.
    pub fn put(&mut self, kind: PackKind, bytes: Vec<u8>) -> Result<ChunkId, Error> {
        let _ = (kind, bytes);
        todo!()
    }

    /// Stores chunks; those that are new share blocks (small chunks that resemble each other).
    pub fn put_together(&mut self, kind: PackKind, chunks: Vec<Vec<u8>>) -> Result<Vec<ChunkId>, Error> {
        let _ = (kind, chunks);
        todo!()
    }

    /// Stores the page tree of sorted entries; gives its root.
    pub fn put_tree(&mut self, entries: &[SegmentEntry]) -> Result<PageId, Error> {
        let _ = entries;
        todo!()
    }

    /// Makes all chunks and pages put so far durable: packs and pages are synced, published, their directories synced; then the index learns of them.
    pub fn barrier(&mut self) -> Result<Durable, Error> {
        todo!()
    }

    /// Publishes one record for each state, numbered behind the newest one of its log, as a whole batch; gives their numbers, in order.
    /// `Overtaken` if somebody else took a number: nothing of ours counts then, begin again.
    pub fn publish_records(
        &mut self,
        durable: Durable,
        states: Vec<(LogState, Vec<PrefixProof>)>,
    ) -> Result<(RecordsDurable, Vec<u64>), Error> {
        let _ = (durable, states);
        todo!()
    }

    /// Publishes the point: the commit. Ends the session.
    pub fn publish_point(self, records: RecordsDurable, body: PointBody) -> Result<Published, Error> {
        let _ = (records, body);
        todo!()
    }

    /// Writes an act.
    pub fn publish_act(&mut self, at: Moment, deed: Deed) -> Result<u64, Error> {
        let _ = (at, deed);
        todo!()
    }

    /// What was stored so far.
    pub fn tally(&self) -> Tally {
        todo!()
    }
}
