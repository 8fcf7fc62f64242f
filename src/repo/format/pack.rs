//! Packs: files of blocks that describe themselves, with a directory of them at the end.

use crate::repo::format::Damage;
use crate::repo::format::id::ChunkId;

/// What a pack holds: packs are of one kind, so that what is superseded lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackKind {
    /// Chunks of sealed segments.
    Sealed,
    /// Chunks of tails.
    Tail,
    /// Chunks of control databases.
    ControlDb,
}

/// How a block is encoded: the codec byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// 0: as it is.
    Raw,
    /// 1: one zstd frame.
    Zstd,
}

/// One chunk inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The chunk.
    pub chunk: ChunkId,
    /// Where it begins in the decoded block.
    pub offset: u32,
    /// Its length.
    pub length: u32,
}

/// One block of a pack, as its header and the directory describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where its header begins in the pack.
    pub offset: u64,
    /// Where its encoded bytes begin in the pack.
    pub body_offset: u64,
    /// Length of the encoded bytes.
    pub encoded_length: u32,
    /// Length of the decoded bytes.
    pub raw_length: u32,
    /// The codec.
    pub codec: CodecId,
    /// The block of this pack that serves as its dictionary.
    pub dictionary: Option<u32>,
    /// Its chunks, back to back.
    pub chunks: Vec<ChunkPlace>,
}

/// A pack's directory: read from its end, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The kind.
    pub kind: PackKind,
    /// Length of the whole pack.
    pub length: u64,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

/// Bytes of the footer, at the very end of a pack.
pub const FOOTER_LENGTH: u64 = 64;

/// Reads the footer (the last [`FOOTER_LENGTH`] bytes of a pack of `length` bytes): where the directory begins.
pub fn directory_offset(footer: &[u8], length: u64) -> Result<u64, Damage> {
    let _ = (footer, length);
    todo!()
}

/// Reads the directory: `tail` is the pack's bytes from [`directory_offset`] to the end, footer included.
pub fn parse_directory(tail: &[u8], length: u64) -> Result<Directory, Damage> {
    let _ = (tail, length);
    todo!()
}
