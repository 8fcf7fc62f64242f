//! Builds packs; pure: it hands out bytes, somebody else writes them.

use crate::repo::format::Damage;
use crate::repo::format::block::{Block, CodecId};
use crate::repo::format::id::ChunkId;
use crate::repo::format::pack::{Directory, HEADER_LENGTH, Header, PackKind, parse_directory, write_tail};
use crate::repo::format::wire::Writer;
use std::collections::HashSet;

/// Builds a pack piece by piece. It hands out bytes, to be appended to the file in this order; nothing has to be kept in memory but the
/// descriptions of the blocks.
#[derive(Clone, Debug)]
#[must_use = "a pack without its directory is debris"]
pub struct PackBuilder {
    kind: PackKind,
    length: u64,
    blocks: Vec<Block>,
    chunks: HashSet<ChunkId>,
}

impl PackBuilder {
    /// Begins a pack; gives the bytes of its header.
    pub fn begin(kind: PackKind) -> (Self, Vec<u8>) {
        Self::begin_with(Header::of(kind))
    }

    /// Begins a pack with this header.
    pub fn begin_with(header: Header) -> (Self, Vec<u8>) {
        let mut writer = Writer::new();
        header.write(&mut writer);
        let kind = header.kind;
        (Self { kind, length: HEADER_LENGTH, blocks: Vec::new(), chunks: HashSet::new() }, writer.finish())
    }

    /// Bytes handed out so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the pack holds this chunk already.
    pub fn holds(&self, chunk: ChunkId) -> bool {
        self.chunks.contains(&chunk)
    }

    /// Whether no block was added.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds a block that decodes to `chunks`, back to back; gives its bytes. Refuses what a reader would refuse; the pack is then as it was.
    pub fn block(
        &mut self,
        codec: CodecId,
        encoded: &[u8],
        chunks: &[(ChunkId, u32)],
    ) -> Result<Vec<u8>, Damage> {
        let block = Block::describe(self.length, codec, encoded, chunks)?;
        let mut writer = Writer::new();
        block.write_header(&mut writer);
        let header = writer.finish();
        if Block::read_header(&header, self.length)? != block {
            return Err(Damage::Bytes { at: self.length, what: "a block header that does not read back" });
        }
        self.remember(block)?;
        Ok([header.as_slice(), encoded].concat())
    }

    fn remember(&mut self, block: Block) -> Result<(), Damage> {
        let ids: HashSet<ChunkId> = block.chunks.iter().map(|place| place.chunk).collect();
        if ids.len() < block.chunks.len() || !ids.is_disjoint(&self.chunks) {
            return Err(Damage::Bytes { at: self.length, what: "a chunk that the pack holds already" });
        }
        self.chunks.extend(ids);
        self.length = block.end();
        self.blocks.push(block);
        Ok(())
    }

    /// Ends the pack: gives the bytes of the directory and the footer, read back, and what they say.
    pub fn finish(self) -> Result<(Vec<u8>, Directory), Damage> {
        let mut writer = Writer::new();
        write_tail(&mut writer, self.length, self.kind, &self.blocks);
        let tail = writer.finish();
        let length = self.length.saturating_add(tail.len() as u64);
        let read = parse_directory(&tail, length)?;
        if read != (Directory { kind: self.kind, length, blocks: self.blocks }) {
            return Err(Damage::Bytes { at: self.length, what: "a directory that does not read back" });
        }
        Ok((tail, read))
    }
}
