//! Packs: files of blocks that describe themselves, with a directory of them at the end.
//!
//! Whoever reads a pack needs its footer and its directory only; whoever has lost them finds the blocks by their own headers
//! ([`scan_blocks`]). Every length is bounded and compared with what is there before anything is done with it, and a builder reads its own
//! directory back before it lets it out.

use crate::repo::format::Damage;
use crate::repo::format::id::ChunkId;
use crate::repo::format::limits;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;
use std::collections::HashSet;

/// The first bytes of a pack, and the last ones.
pub const MAGIC: [u8; 8] = *b"SEGVPACK";
/// The first bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"SVBK";
/// The version of packs that this program writes.
pub const VERSION: u16 = 1;
/// Bytes of the header, at the head of a pack.
pub const HEADER_LENGTH: u64 = 16;
/// Bytes of the footer, at the very end of a pack.
pub const FOOTER_LENGTH: u64 = 64;
/// Stands for "no dictionary".
pub const NO_DICTIONARY: u32 = u32::MAX;

/// Bytes of a block's header besides its chunks: magic, description, check.
const BLOCK_OVERHEAD: usize = 4 + DESCRIPTION_LENGTH + CHECK_LENGTH;
/// Bytes of a block's description besides its chunks.
const DESCRIPTION_LENGTH: usize = 20;
const CHECK_LENGTH: usize = 8;
/// Bytes of one chunk in a description.
const CHUNK_LENGTH: usize = 36;

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

impl PackKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Sealed, Self::Tail, Self::ControlDb];

    /// The kind byte.
    pub const fn number(self) -> u8 {
        match self {
            Self::Sealed => 1,
            Self::Tail => 2,
            Self::ControlDb => 3,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let number = reader.u8()?;
        let kind = Self::ALL.into_iter().find(|kind| kind.number() == number);
        kind.ok_or_else(|| newer("pack kind", number, "1 to 3"))
    }
}

/// How a block is encoded: the codec byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// 0: as it is.
    Raw,
    /// 1: one zstd frame.
    Zstd,
    /// Any other: its block can't be read by this program (2 and 3 are reserved for event columns).
    Other(u8),
}

impl CodecId {
    /// The codec byte.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
            Self::Other(number) => number,
        }
    }

    /// The codec with this byte.
    pub const fn of(number: u8) -> Self {
        match number {
            0 => Self::Raw,
            1 => Self::Zstd,
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

impl Block {
    /// Where it ends in the pack.
    pub fn end(&self) -> u64 {
        self.body_offset.saturating_add(u64::from(self.encoded_length))
    }

    /// Whether this program can decode it: `Newer` if its codec is unknown, or if it needs a dictionary.
    pub fn check_readable(&self) -> Result<(), Damage> {
        if let CodecId::Other(number) = self.codec {
            return Err(newer("codec", number, "0 and 1"));
        }
        match self.dictionary {
            Some(block) => Err(newer("dictionary", block, "none")),
            None => Ok(()),
        }
    }

    /// The header as it stands in front of the encoded bytes.
    fn write_header(&self, writer: &mut Writer) {
        writer.array("magic", &BLOCK_MAGIC);
        self.write_description(writer);
        let check = check_of(writer.so_far());
        writer.array("check", &check);
    }

    fn write_description(&self, writer: &mut Writer) {
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
    fn read_header(bytes: &[u8], offset: u64) -> Result<Self, Damage> {
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
    fn read_description(reader: &mut Reader<'_>, offset: u64) -> Result<Self, Damage> {
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
        flags => Err(newer("block flags", flags, "0")),
    }
}

fn check_lengths(reader: &Reader<'_>, codec: CodecId, encoded: u32, raw: u32) -> Result<(), Damage> {
    reader.check((1..=limits::BLOCK_RAW_MAX).contains(&raw), "a block that is empty or too long")?;
    reader.check((1..=raw).contains(&encoded), "a block that is longer encoded than decoded")?;
    reader.check(codec != CodecId::Raw || encoded == raw, "a raw block of two lengths")
}

fn read_chunks(reader: &mut Reader<'_>, raw_length: u32) -> Result<Vec<ChunkPlace>, Damage> {
    let count = reader.count(CHUNK_LENGTH)?;
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

fn newer(what: &'static str, found: impl ToString, supported: &str) -> Damage {
    Damage::Newer { what, found: found.to_string(), supported: supported.to_owned() }
}

/// The header at the head of a pack.
fn write_header(writer: &mut Writer, kind: PackKind) {
    writer.array("magic", &MAGIC);
    writer.u16("version", VERSION);
    writer.u8("kind", kind.number());
    writer.reserved::<5>();
}

/// Reads the first [`HEADER_LENGTH`] bytes of a pack.
pub fn parse_header(bytes: &[u8]) -> Result<PackKind, Damage> {
    let mut reader = Reader::new(bytes);
    reader.magic(&MAGIC)?;
    reader.version("a pack of version", VERSION)?;
    let kind = PackKind::read(&mut reader)?;
    reader.reserved::<5>()?;
    reader.finish()?;
    Ok(kind)
}

/// The footer, read but not yet believed.
struct Footer {
    directory_offset: u64,
    directory_length: u64,
    blocks: u32,
    kind: PackKind,
    hash: [u8; 32],
}

impl Footer {
    /// The part that the hash covers, together with the directory in front of it.
    fn write(&self, writer: &mut Writer) {
        writer.u64("directory offset", self.directory_offset);
        writer.u64("directory length", self.directory_length);
        writer.u32("blocks", self.blocks);
        writer.u16("version", VERSION);
        writer.u8("kind", self.kind.number());
        writer.reserved::<1>();
    }

    /// Reads the footer of a pack of `length` bytes: the directory lies between the header and the footer, and ends where the footer begins.
    fn read(footer: &[u8], length: u64) -> Result<Self, Damage> {
        check_magic_behind(footer)?;
        let mut reader = Reader::new(footer);
        let (directory_offset, directory_length) = (reader.u64()?, reader.u64()?);
        let blocks = reader.u32()?;
        reader.version("a pack of version", VERSION)?;
        let kind = PackKind::read(&mut reader)?;
        reader.reserved::<1>()?;
        let hash = reader.array()?;
        reader.magic(&MAGIC)?;
        let read = Self { directory_offset, directory_length, blocks, kind, hash };
        reader.check(read.fits(length), "a directory that does not lie right before the footer")?;
        reader.finish()?;
        Ok(read)
    }

    fn fits(&self, length: u64) -> bool {
        let end = self.directory_offset.checked_add(self.directory_length);
        self.directory_offset >= HEADER_LENGTH
            && self.directory_length <= limits::PACK_DIRECTORY_MAX
            && end.and_then(|end| end.checked_add(FOOTER_LENGTH)) == Some(length)
    }
}

/// The magic first: what is no footer at all must not pass for a newer one.
fn check_magic_behind(footer: &[u8]) -> Result<(), Damage> {
    if footer.ends_with(&MAGIC) {
        Ok(())
    } else {
        Err(Damage::Bytes { at: footer.len() as u64, what: "another magic number" })
    }
}

/// Reads the footer (the last [`FOOTER_LENGTH`] bytes of a pack of `length` bytes): where the directory begins.
pub fn directory_offset(footer: &[u8], length: u64) -> Result<u64, Damage> {
    Footer::read(footer, length).map(|footer| footer.directory_offset)
}

/// Reads the directory: `tail` is the pack's bytes from [`directory_offset`] to the end, footer included.
pub fn parse_directory(tail: &[u8], length: u64) -> Result<Directory, Damage> {
    let short = Damage::Bytes { at: tail.len() as u64, what: "a pack without a footer" };
    let cut = tail.len().checked_sub(64).ok_or_else(|| short.clone())?;
    let (directory, footer_bytes) = tail.split_at_checked(cut).ok_or(short)?;
    let footer = Footer::read(footer_bytes, length)?;
    let mut reader = Reader::new(directory);
    reader.check(footer.directory_length == directory.len() as u64, "a directory of another length")?;
    reader.check(footer.hash == tail_hash(directory, footer_bytes), "a directory whose hash does not fit")?;
    let blocks = read_blocks(&mut reader, &footer)?;
    reader.finish()?;
    Ok(Directory { kind: footer.kind, length, blocks })
}

/// What the footer's hash covers: the directory, and the footer's own fields in front of the hash.
fn tail_hash(directory: &[u8], footer: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(directory);
    hasher.update(footer.get(..24).unwrap_or_default());
    *hasher.finalize().as_bytes()
}

/// Blocks lie back to back from the header to the directory: they can't overlap, and nothing hides between them.
fn read_blocks(reader: &mut Reader<'_>, footer: &Footer) -> Result<Vec<Block>, Damage> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut seen = HashSet::new();
    let mut offset = HEADER_LENGTH;
    for index in 0..footer.blocks {
        let stated = reader.u64()?;
        reader.check(stated == offset, "a block that does not begin where the one before ends")?;
        let block = Block::read_description(reader, offset)?;
        check_block(reader, &block, index, &mut seen)?;
        offset = block.end();
        blocks.push(block);
    }
    reader.check(offset == footer.directory_offset, "blocks that do not reach the directory")?;
    Ok(blocks)
}

fn check_block(
    reader: &Reader<'_>,
    block: &Block,
    index: u32,
    seen: &mut HashSet<ChunkId>,
) -> Result<(), Damage> {
    let before = block.dictionary.is_none_or(|dictionary| dictionary < index);
    reader.check(before, "a dictionary that does not lie before its block")?;
    let fresh = block.chunks.iter().all(|place| seen.insert(place.chunk));
    reader.check(fresh, "a chunk that the pack holds already")
}

/// Reads a whole pack: its directory, and that its header and the headers of its blocks say the same. The encoded bytes are not looked
/// at: the pack's name proves them, and the names of its chunks what they decode to.
pub fn parse_pack(bytes: &[u8]) -> Result<Directory, Damage> {
    let length = bytes.len() as u64;
    let footer = bytes.get(bytes.len().saturating_sub(64)..).unwrap_or_default();
    let offset = directory_offset(footer, length)?;
    let directory = parse_directory(from(bytes, offset), length)?;
    let header = bytes.get(..16).unwrap_or_default();
    let other = |at| Damage::Bytes { at, what: "a header that is not what the directory says" };
    if parse_header(header)? != directory.kind {
        return Err(other(0));
    }
    for block in &directory.blocks {
        let found = Block::read_header(from(bytes, block.offset), block.offset);
        if found? != *block {
            return Err(other(block.offset));
        }
    }
    Ok(directory)
}

fn from(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default()
}

/// Finds the blocks of a pack whose directory is lost, by their own headers. Only blocks that are there to their last byte are given;
/// what they decode to has to be proven by the names of their chunks.
pub fn scan_blocks(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut offset = 0_u64;
    while let Some(at) = next_magic(bytes, offset) {
        match Block::read_header(from(bytes, at), at) {
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
    let found = from(bytes, offset).windows(BLOCK_MAGIC.len()).position(|window| window == BLOCK_MAGIC)?;
    offset.checked_add(found as u64)
}

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
        let mut writer = Writer::new();
        write_header(&mut writer, kind);
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
        let block = describe(self.length, codec, encoded, chunks)?;
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
        for block in &self.blocks {
            writer.u64("offset", block.offset);
            block.write_description(&mut writer);
        }
        let directory = writer.finish();
        let tail = with_footer(&directory, self.kind, self.length, self.blocks.len());
        let length = self.length.saturating_add(tail.len() as u64);
        let read = parse_directory(&tail, length)?;
        if read != (Directory { kind: self.kind, length, blocks: self.blocks }) {
            return Err(Damage::Bytes { at: self.length, what: "a directory that does not read back" });
        }
        Ok((tail, read))
    }
}

fn describe(offset: u64, codec: CodecId, encoded: &[u8], chunks: &[(ChunkId, u32)]) -> Result<Block, Damage> {
    let long = Damage::Bytes { at: offset, what: "a block that is too long" };
    let encoded_length = u32::try_from(encoded.len()).map_err(|_| long.clone())?;
    let mut places = Vec::with_capacity(chunks.len());
    let mut raw_length = 0_u32;
    for (chunk, length) in chunks {
        places.push(ChunkPlace { chunk: *chunk, offset: raw_length, length: *length });
        raw_length = raw_length.checked_add(*length).ok_or_else(|| long.clone())?;
    }
    let body_offset = offset.saturating_add(header_length(places.len()) as u64);
    Ok(Block { offset, body_offset, encoded_length, raw_length, codec, dictionary: None, chunks: places })
}

fn with_footer(directory: &[u8], kind: PackKind, offset: u64, blocks: usize) -> Vec<u8> {
    let footer = Footer {
        directory_offset: offset,
        directory_length: directory.len() as u64,
        blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
        kind,
        hash: [0; 32],
    };
    let mut writer = Writer::new();
    footer.write(&mut writer);
    let hash = tail_hash(directory, writer.so_far());
    writer.array("hash", &hash);
    writer.array("magic", &MAGIC);
    [directory, &writer.finish()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::Naming;

    fn chunk(bytes: &[u8]) -> (ChunkId, u32) {
        (Naming::Blake3.chunk(bytes), u32::try_from(bytes.len()).unwrap())
    }

    /// A pack of two raw blocks: one of one chunk, one of two.
    fn pack() -> (Vec<u8>, Directory) {
        let (mut builder, mut bytes) = PackBuilder::begin(PackKind::Tail);
        bytes.extend(builder.block(CodecId::Raw, b"first", &[chunk(b"first")]).unwrap());
        bytes.extend(
            builder.block(CodecId::Raw, b"secondthird", &[chunk(b"second"), chunk(b"third")]).unwrap(),
        );
        assert_eq!(builder.length(), bytes.len() as u64);
        let (tail, directory) = builder.finish().unwrap();
        bytes.extend(tail);
        (bytes, directory)
    }

    /// Reads a pack as a reader does that has it by pieces.
    fn read(bytes: &[u8]) -> Result<Directory, Damage> {
        let length = bytes.len() as u64;
        let footer = &bytes[bytes.len().saturating_sub(64)..];
        let offset = directory_offset(footer, length)?;
        parse_directory(&bytes[usize::try_from(offset).unwrap()..], length)
    }

    /// The same pack, with a directory that was tampered with and a hash that fits.
    fn tampered(change: impl Fn(&mut Vec<u8>)) -> Result<Directory, Damage> {
        let (bytes, directory) = pack();
        let end = directory.blocks.last().unwrap().end();
        let (at, blocks) = (usize::try_from(end).unwrap(), directory.blocks.len());
        let mut listed = bytes[at..bytes.len() - 64].to_vec();
        change(&mut listed);
        read(&[&bytes[..at], &with_footer(&listed, PackKind::Tail, end, blocks)].concat())
    }

    #[test]
    fn a_pack_comes_back() {
        let (bytes, directory) = pack();
        assert_eq!(read(&bytes), Ok(directory.clone()));
        assert_eq!(parse_pack(&bytes), Ok(directory.clone()));
        assert_eq!(parse_header(&bytes[..16]), Ok(PackKind::Tail));
        let second = &directory.blocks[1];
        let body = usize::try_from(second.body_offset).unwrap();
        assert_eq!(&bytes[body..][..11], b"secondthird");
        assert_eq!(second.chunks[1].offset, 6);
    }

    #[test]
    fn an_empty_pack_is_a_pack() {
        let (builder, mut bytes) = PackBuilder::begin(PackKind::Sealed);
        assert!(builder.is_empty());
        let (tail, directory) = builder.finish().unwrap();
        bytes.extend(tail);
        assert_eq!(parse_pack(&bytes), Ok(directory));
    }

    #[test]
    fn any_flipped_bit_outside_the_blocks_is_found() {
        let (bytes, directory) = pack();
        let bodies: Vec<_> = directory.blocks.iter().map(|block| block.body_offset..block.end()).collect();
        for at in 0..bytes.len() {
            if bodies.iter().any(|body| body.contains(&(at as u64))) {
                continue;
            }
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(parse_pack(&bad).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_pack_that_was_cut_is_no_pack() {
        let (bytes, _) = pack();
        for length in 0..bytes.len() {
            assert!(parse_pack(&bytes[..length]).is_err(), "{length}");
            assert!(parse_directory(&bytes[..length], bytes.len() as u64).is_err(), "{length}");
        }
        assert!(parse_pack(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn random_bytes_are_never_a_pack() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..300)).map(|_| random.u8(..)).collect();
            bytes.extend(MAGIC);
            assert!(parse_pack(&bytes).is_err());
            assert!(scan_blocks(&[&BLOCK_MAGIC[..], &bytes].concat()).is_empty());
        }
    }

    #[test]
    fn what_a_directory_says_is_not_believed() {
        assert!(tampered(|_| ()).is_ok());
        let offset = |listed: &mut Vec<u8>| listed[0] += 1;
        let dictionary = |listed: &mut Vec<u8>| listed[12..16].copy_from_slice(&[0; 4]);
        let encoded = |listed: &mut Vec<u8>| listed[16] -= 1;
        let raw = |listed: &mut Vec<u8>| listed[20] += 1;
        let huge = |listed: &mut Vec<u8>| listed[24..28].fill(0xff);
        let length = |listed: &mut Vec<u8>| listed[28 + 32] += 1;
        let twice = |listed: &mut Vec<u8>| listed.copy_within(28..60, 64 + 28);
        let reserved = |listed: &mut Vec<u8>| listed[10] = 1;
        let behind = |listed: &mut Vec<u8>| listed.push(0);
        for change in [offset, dictionary, encoded, raw, huge, length, twice, reserved, behind] {
            assert!(matches!(tampered(change), Err(Damage::Bytes { .. })));
        }
    }

    #[test]
    fn what_newer_programs_may_write_is_told_from_damage() {
        let unknown = tampered(|listed| listed[8] = 2).unwrap();
        assert!(matches!(unknown.blocks[0].check_readable(), Err(Damage::Newer { .. })));
        assert_eq!(unknown.blocks[1].check_readable(), Ok(()));
        let with_dictionary = tampered(|listed| listed[64 + 12..64 + 16].fill(0)).unwrap();
        assert!(matches!(with_dictionary.blocks[1].check_readable(), Err(Damage::Newer { .. })));
        assert!(matches!(tampered(|listed| listed[9] = 1), Err(Damage::Newer { .. })));
        let (mut bytes, _) = pack();
        let version = bytes.len() - 64 + 20;
        bytes[version] = 2;
        assert!(matches!(parse_pack(&bytes), Err(Damage::Newer { .. })));
    }

    #[test]
    fn a_builder_refuses_what_a_reader_would() {
        let (mut builder, _) = PackBuilder::begin(PackKind::Sealed);
        let (one, two) = (chunk(b"one"), chunk(b"two"));
        assert!(builder.block(CodecId::Raw, b"", &[]).is_err());
        assert!(builder.block(CodecId::Raw, b"onetw", &[one]).is_err());
        assert!(builder.block(CodecId::Zstd, b"longer than it", &[one]).is_err());
        assert!(builder.block(CodecId::Raw, b"oneone", &[one, one]).is_err());
        assert!(builder.block(CodecId::Zstd, b"x", &[(one.0, limits::CHUNK_MAX + 1)]).is_err());
        assert!(builder.block(CodecId::Zstd, b"x", &[(one.0, u32::MAX), (two.0, 1)]).is_err());
        assert!(builder.is_empty() && !builder.holds(one.0) && builder.length() == HEADER_LENGTH);
        assert!(builder.block(CodecId::Raw, b"one", &[one]).is_ok());
        assert!(builder.block(CodecId::Raw, b"one", &[one]).is_err());
        assert!(builder.holds(one.0) && builder.finish().is_ok());
    }

    #[test]
    fn blocks_are_found_without_the_directory() {
        let (bytes, directory) = pack();
        assert_eq!(scan_blocks(&bytes), directory.blocks);
        let end = usize::try_from(directory.blocks[1].end()).unwrap();
        assert_eq!(scan_blocks(&bytes[..end]), directory.blocks);
        assert_eq!(scan_blocks(&bytes[..end - 1]), directory.blocks[..1]);
        let mut bad = bytes[..end].to_vec();
        bad[20] ^= 1;
        assert_eq!(scan_blocks(&bad), directory.blocks[1..]);
    }
}
