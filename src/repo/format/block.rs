//! Blocks: one codec run over one or more chunks, with a header that says so.
//!
//! A pack's directory repeats what the headers say; whoever has lost it finds the blocks by their headers ([`scan_blocks`]). Every length is
//! bounded and compared with what is there before anything is done with it.

use crate::repo::format::Damage;
use crate::repo::format::id::ChunkId;
use crate::repo::format::limits;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;

/// The first bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"SVBK";
/// Stands for "no dictionary".
pub const NO_DICTIONARY: u32 = u32::MAX;

/// Bytes of a block's header besides its chunks: magic, description, check.
const BLOCK_OVERHEAD: usize = 4 + DESCRIPTION_LENGTH + CHECK_LENGTH;
/// Bytes of a block's description besides its chunks.
const DESCRIPTION_LENGTH: usize = 20;
const CHECK_LENGTH: usize = 8;
/// Bytes of one chunk in a description.
const CHUNK_LENGTH: usize = 36;

/// How a block is encoded: the codec byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// 0: as it is.
    Raw,
    /// 1: one zstd frame.
    Zstd,
    /// 2: event columns.
    Columns,
    /// 3: event columns, their decisions by a mixture.
    MixedColumns,
    /// 4: event columns, their symbols in streams.
    StreamedColumns,
    /// 5: event columns, their decisions by a mixture of fewer situations.
    LeanColumns,
    /// 6: event columns, each as a whole.
    WholeColumns,
    /// 7: event columns, their decisions by the mixture of 5, but only where that pays.
    SparingColumns,
    /// Any other: its block can't be read by this program.
    Other(u8),
}

impl CodecId {
    /// The codec byte.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
            Self::Columns => 2,
            Self::MixedColumns => 3,
            Self::StreamedColumns => 4,
            Self::LeanColumns => 5,
            Self::WholeColumns => 6,
            Self::SparingColumns => 7,
            Self::Other(number) => number,
        }
    }

    /// The codec with this byte.
    pub const fn of(number: u8) -> Self {
        match number {
            0 => Self::Raw,
            1 => Self::Zstd,
            2 => Self::Columns,
            3 => Self::MixedColumns,
            4 => Self::StreamedColumns,
            5 => Self::LeanColumns,
            6 => Self::WholeColumns,
            7 => Self::SparingColumns,
            other => Self::Other(other),
        }
    }
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

impl Block {
    /// Where it ends in the pack.
    pub fn end(&self) -> u64 {
        self.body_offset.saturating_add(u64::from(self.encoded_length))
    }

    /// Whether this program can decode it: `Newer` if its codec is unknown, or if it needs a dictionary.
    pub fn check_readable(&self) -> Result<(), Damage> {
        if let CodecId::Other(number) = self.codec {
            return Err(newer("codec", &number, "0 to 5"));
        }
        match self.dictionary {
            Some(block) => Err(newer("dictionary", &block, "none")),
            None => Ok(()),
        }
    }

    /// The header as it stands in front of the encoded bytes.
    pub(crate) fn write_header(&self, writer: &mut Writer) {
        let begin = writer.so_far().len();
        writer.array("magic", &BLOCK_MAGIC);
        self.write_description(writer);
        let check = check_of(writer.so_far().get(begin..).unwrap_or_default());
        writer.array("check", &check);
    }

    pub(super) fn write_description(&self, writer: &mut Writer) {
        writer.u8("codec", self.codec.number());
        writer.u8("flags", 0);
        writer.reserved::<2>();
        writer.u32("dictionary", self.dictionary.unwrap_or(NO_DICTIONARY));
        writer.u32("encoded length", self.encoded_length);
        writer.u32("raw length", self.raw_length);
        writer.count("chunks", self.chunks.len());
        for place in &self.chunks {
            writer.array("chunk", &place.chunk.0);
            writer.u32("chunk length", place.length);
        }
    }

    /// Reads a header at `offset` of a pack; `bytes` begin there.
    pub(super) fn read_header(bytes: &[u8], offset: u64) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        reader.magic(&BLOCK_MAGIC)?;
        let block = Self::read_description(&mut reader, offset)?;
        let header = bytes.get(..header_length(block.chunks.len())).unwrap_or_default();
        let before = header.get(..header.len().saturating_sub(CHECK_LENGTH)).unwrap_or_default();
        let stated = reader.array::<CHECK_LENGTH>()?;
        reader.check(stated == check_of(before), "a block header whose check does not fit")?;
        Ok(block)
    }

    /// Reads a description of the block at `offset`. All its lengths are proven to be within the limits and to add up.
    pub(super) fn read_description(reader: &mut Reader<'_>, offset: u64) -> Result<Self, Damage> {
        let codec = CodecId::of(reader.u8()?);
        read_flags(reader)?;
        reader.reserved::<2>()?;
        let dictionary = Some(reader.u32()?).filter(|index| *index != NO_DICTIONARY);
        let encoded_length = reader.u32()?;
        let raw_length = reader.u32()?;
        check_lengths(reader, codec, encoded_length, raw_length)?;
        let chunks = read_chunks(reader, raw_length)?;
        let body_offset = offset.saturating_add(header_length(chunks.len()) as u64);
        Ok(Self { offset, body_offset, encoded_length, raw_length, codec, dictionary, chunks })
    }
}

fn read_flags(reader: &mut Reader<'_>) -> Result<(), Damage> {
    match reader.u8()? {
        0 => Ok(()),
        flags => Err(newer("block flags", &flags, "0")),
    }
}

fn check_lengths(reader: &Reader<'_>, codec: CodecId, encoded: u32, raw: u32) -> Result<(), Damage> {
    reader.check((1..=limits::BLOCK_RAW_MAX).contains(&raw), "a block that is empty or too long")?;
    reader.check((1..=raw).contains(&encoded), "a block that is longer encoded than decoded")?;
    reader.check(codec != CodecId::Raw || encoded == raw, "a raw block of two lengths")
}

fn read_chunks(reader: &mut Reader<'_>, raw_length: u32) -> Result<Vec<ChunkPlace>, Damage> {
    let count = reader.count(CHUNK_LENGTH)?;
    reader.check(count <= limits::BLOCK_CHUNKS_MAX, "a block of too many chunks")?;
    let mut chunks = Vec::with_capacity(count);
    let mut offset = 0_u32;
    for _ in 0..count {
        let chunk = ChunkId(reader.array()?);
        let length = reader.u32()?;
        reader.check((1..=limits::CHUNK_MAX).contains(&length), "a chunk that is empty or too long")?;
        reader.check(length <= raw_length.saturating_sub(offset), "a chunk past the end of its block")?;
        chunks.push(ChunkPlace { chunk, offset, length });
        offset = offset.saturating_add(length);
    }
    reader.check(offset == raw_length, "chunks that do not fill their block")?;
    Ok(chunks)
}

fn header_length(chunks: usize) -> usize {
    BLOCK_OVERHEAD.saturating_add(chunks.saturating_mul(CHUNK_LENGTH))
}

/// The first bytes of the hash of a header: it proves nothing about who wrote it, but finds every slip of a disk.
fn check_of(header: &[u8]) -> [u8; CHECK_LENGTH] {
    let mut check = [0; CHECK_LENGTH];
    for (to, from) in check.iter_mut().zip(blake3::hash(header).as_bytes()) {
        *to = *from;
    }
    check
}

pub(super) fn newer(what: &'static str, found: &impl ToString, supported: &str) -> Damage {
    Damage::Newer { what, found: found.to_string(), supported: supported.to_owned() }
}

impl Block {
    /// The block of these encoded bytes at `offset`, not yet held to the limits.
    pub(super) fn describe(
        offset: u64,
        codec: CodecId,
        encoded: &[u8],
        chunks: &[(ChunkId, u32)],
    ) -> Result<Self, Damage> {
        let long = Damage::Bytes { at: offset, what: "a block that is too long" };
        let encoded_length = u32::try_from(encoded.len()).map_err(|_| long.clone())?;
        let mut places = Vec::with_capacity(chunks.len());
        let mut raw_length = 0_u32;
        for (chunk, length) in chunks {
            places.push(ChunkPlace { chunk: *chunk, offset: raw_length, length: *length });
            raw_length = raw_length.checked_add(*length).ok_or_else(|| long.clone())?;
        }
        let body_offset = offset.saturating_add(header_length(places.len()) as u64);
        Ok(Self { offset, body_offset, encoded_length, raw_length, codec, dictionary: None, chunks: places })
    }
}

/// The bytes of a pack from an offset on; none past its end.
pub(super) fn bytes_from(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
}

/// Finds the blocks of a pack whose directory is lost, by their own headers. Only blocks that are there to their last byte are given;
/// what they decode to has to be proven by the names of their chunks.
pub fn scan_blocks(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut offset = 0_u64;
    while let Some(at) = next_magic(bytes, offset) {
        match Block::read_header(bytes_from(bytes, at), at) {
            Ok(block) if block.end() <= bytes.len() as u64 => {
                offset = block.end();
                blocks.push(block);
            }
            _ => offset = at.saturating_add(1),
        }
    }
    blocks
}

fn next_magic(bytes: &[u8], offset: u64) -> Option<u64> {
    let found =
        bytes_from(bytes, offset).windows(BLOCK_MAGIC.len()).position(|window| window == BLOCK_MAGIC)?;
    offset.checked_add(found as u64)
}
