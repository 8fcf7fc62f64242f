//! Blocks of one pack, read from there and from nowhere else: to copy them, or to prove that they are there.

use crate::repo::codec;
use crate::repo::codec::{CodecError, Compression, Encoded};
use crate::repo::error::Error;
use crate::repo::format::id::{ChunkId, PackId, PageId};
use crate::repo::format::pack::{Block, Header};
use crate::repo::paths;
use crate::repo::store::packs;
use crate::repo::store::read::Repository;
use crate::repo::store::session::Session;
use crate::repo::store::waiting::Waiting;
use std::io;
use std::ops::Range;

/// A block as it lies in a pack, and decoded; each of its chunks was compared with its name.
#[derive(Clone, Debug)]
pub struct ReadBlock {
    /// The encoded bytes.
    pub encoded: Vec<u8>,
    /// The decoded bytes.
    pub raw: Vec<u8>,
}

impl Repository {
    /// Reads a block of a pack from the disk, decodes it, and compares each chunk with its name. No other pack, no index and no cache is asked.
    pub fn block(&self, pack: PackId, block: &Block) -> Result<ReadBlock, Error> {
        let path = paths::pack(pack);
        self.block_by(pack, block, &|offset, length| self.disk().read_range(&path, offset, length))
    }

    /// The same of a pack that is read in some other way.
    pub(super) fn block_by(
        &self,
        pack: PackId,
        block: &Block,
        read: &dyn Fn(u64, u64) -> io::Result<Vec<u8>>,
    ) -> Result<ReadBlock, Error> {
        let path = paths::pack(pack);
        let name = || self.disk().display(&path);
        block.check_readable().map_err(|damage| Error::damaged(name(), damage))?;
        let read = read(block.body_offset, u64::from(block.encoded_length));
        let encoded = read.map_err(|source| Error::reading(name(), source))?;
        let first = block.chunks.first().map_or(ChunkId([0; 32]), |place| place.chunk);
        let damaged = |chunk| Error::ChunkDamaged { chunk, path: name() };
        let raw =
            codec::decode(block.codec, &encoded, block.raw_length).map_err(|_: CodecError| damaged(first))?;
        for place in &block.chunks {
            let bytes = raw.get(range(place.offset, place.length));
            if bytes.is_none_or(|bytes| self.naming().chunk(bytes) != place.chunk) {
                return Err(damaged(place.chunk));
            }
        }
        Ok(ReadBlock { encoded, raw })
    }

    /// Reads a pack through, as it is on the disk, and compares it with its name.
    pub fn prove_pack(&self, pack: PackId) -> Result<(), Error> {
        let path = paths::pack(pack);
        let length = self.disk().length(&path);
        let length = length.map_err(|source| Error::reading(self.disk().display(&path), source))?;
        packs::prove(self.disk(), self.naming(), pack, length)
    }
}

fn range(offset: u32, length: u32) -> Range<usize> {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    from..from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX))
}

impl Session<'_> {
    /// Copies the chunks of a block that `wanted` chooses into new packs, although they are known: those packs are about to go, or another
    /// repository's. A block of which all is wanted is copied as it is encoded, and to a pack that says of its writer what the header of the old
    /// pack says; any other is encoded anew. What this session has stored already is left out. Gives how many bytes of chunks were copied.
    pub fn copy_block(
        &mut self,
        header: Header,
        block: &Block,
        read: ReadBlock,
        wanted: &dyn Fn(ChunkId) -> bool,
    ) -> Result<u64, Error> {
        let mut chunks = Vec::with_capacity(block.chunks.len());
        let mut raw = Vec::new();
        for place in &block.chunks {
            if wanted(place.chunk) && !self.known.is_stored(place.chunk) {
                chunks.push((place.chunk, place.length));
                raw.extend_from_slice(read.raw.get(range(place.offset, place.length)).unwrap_or_default());
            }
        }
        if chunks.is_empty() {
            return Ok(0);
        }
        let copied = raw.len() as u64;
        let whole = chunks.len() == block.chunks.len();
        self.guarded(|session| {
            session.generation = session.generation.saturating_add(1);
            for (chunk, _) in &chunks {
                session.known.store(*chunk);
            }
            session.tally.new_chunks = session.tally.new_chunks.saturating_add(chunks.len() as u64);
            session.tally.new_raw_bytes = session.tally.new_raw_bytes.saturating_add(copied);
            let encoded = Encoded { codec: block.codec, bytes: read.encoded };
            let effort = Compression::said_of(header.effort, block.codec);
            let waiting = Waiting::of(header.kind, chunks, raw).with_effort(effort);
            if whole { session.copy(&waiting, &encoded) } else { session.queue(waiting) }
        })?;
        Ok(copied)
    }

    /// Stores a page of another repository, unless it is there.
    pub fn copy_page(&mut self, page: PageId, bytes: &[u8]) -> Result<(), Error> {
        self.guarded(|session| {
            session.generation = session.generation.saturating_add(1);
            if session.put_page(bytes)? == page {
                Ok(())
            } else {
                Err(session.rule(format!("page {page} is not written as it was read")))
            }
        })
    }
}
