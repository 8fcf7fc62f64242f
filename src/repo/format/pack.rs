//! Packs: files of blocks that describe themselves, with a directory of them at the end.
//!
//! Whoever reads a pack needs its footer and its directory only. Every length is bounded and compared with what is there before anything
//! is done with it, and a builder reads its own directory back before it lets it out.

use crate::repo::format::Damage;
pub use crate::repo::format::block::{BLOCK_MAGIC, Block, ChunkPlace, CodecId, NO_DICTIONARY, scan_blocks};
use crate::repo::format::block::{bytes_from, newer};
use crate::repo::format::id::ChunkId;
use crate::repo::format::limits;
pub use crate::repo::format::pack_builder::PackBuilder;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;
use std::collections::HashSet;

/// The first bytes of a pack, and the last ones.
pub const MAGIC: [u8; 8] = *b"SEGVPACK";
/// The version of packs that this program writes.
pub const VERSION: u16 = 1;
/// Bytes of the header, at the head of a pack.
pub const HEADER_LENGTH: u64 = 16;
/// Bytes of the footer, at the very end of a pack.
pub const FOOTER_LENGTH: u64 = FOOTER_BYTES as u64;

const FOOTER_BYTES: usize = 64;
/// Bytes of the footer in front of its hash.
const FOOTER_FIELDS: usize = 24;

/// What a pack holds: packs are of one kind, so that what is superseded lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackKind {
    /// Chunks of sealed segments.
    Sealed,
    /// Chunks of tails.
    Tail,
    /// Chunks of control databases.
    ControlDb,
    /// Chunks of plain files, and the lists of them.
    Files,
}

impl PackKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Sealed, Self::Tail, Self::ControlDb, Self::Files];

    /// The kind byte.
    pub const fn number(self) -> u8 {
        match self {
            Self::Sealed => 1,
            Self::Tail => 2,
            Self::ControlDb => 3,
            Self::Files => 4,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let number = reader.u8()?;
        let kind = Self::ALL.into_iter().find(|kind| kind.number() == number);
        kind.ok_or_else(|| newer("pack kind", &number, "1 to 4"))
    }
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

/// The header at the head of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind.
    pub kind: PackKind,
    /// Any number: it gives a pack another name than one of the same content that is damaged.
    pub attempt: u8,
    /// How hard its writer compressed, for who compresses again; 0 says nothing, a higher number means harder.
    pub effort: u8,
}

impl Header {
    /// The header of a pack of which nothing more is known.
    pub const fn of(kind: PackKind) -> Self {
        Self { kind, attempt: 0, effort: 0 }
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        writer.array("magic", &MAGIC);
        writer.u16("version", VERSION);
        writer.u8("kind", self.kind.number());
        writer.u8("attempt", self.attempt);
        writer.u8("effort", self.effort);
        writer.reserved::<3>();
    }
}

/// Reads the first [`HEADER_LENGTH`] bytes of a pack.
pub fn parse_header(bytes: &[u8]) -> Result<Header, Damage> {
    let mut reader = Reader::new(bytes);
    reader.magic(&MAGIC)?;
    reader.version("a pack of version", VERSION)?;
    let kind = PackKind::read(&mut reader)?;
    let (attempt, effort) = (reader.u8()?, reader.u8()?);
    reader.reserved::<3>()?;
    reader.finish()?;
    Ok(Header { kind, attempt, effort })
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
    let cut = tail.len().checked_sub(FOOTER_BYTES).ok_or_else(|| short.clone())?;
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
    hasher.update(footer.get(..FOOTER_FIELDS).unwrap_or_default());
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
    seen.reserve(block.chunks.len());
    let fresh = block.chunks.iter().all(|place| seen.insert(place.chunk));
    reader.check(fresh, "a chunk that the pack holds already")
}

/// Reads a whole pack: its directory, and that its header and the headers of its blocks say the same. The encoded bytes are not looked
/// at: the pack's name proves them, and the names of its chunks what they decode to.
pub fn parse_pack(bytes: &[u8]) -> Result<Directory, Damage> {
    let length = bytes.len() as u64;
    let footer = bytes.get(bytes.len().saturating_sub(FOOTER_BYTES)..).unwrap_or_default();
    let offset = directory_offset(footer, length)?;
    let directory = parse_directory(bytes_from(bytes, offset), length)?;
    let header = bytes.get(..16).unwrap_or_default();
    let other = |at| Damage::Bytes { at, what: "a header that is not what the directory says" };
    if parse_header(header)?.kind != directory.kind {
        return Err(other(0));
    }
    for block in &directory.blocks {
        let found = Block::read_header(bytes_from(bytes, block.offset), block.offset);
        if found? != *block {
            return Err(other(block.offset));
        }
    }
    Ok(directory)
}

/// The directory of these blocks, and the footer behind it.
pub(super) fn write_tail(writer: &mut Writer, offset: u64, kind: PackKind, blocks: &[Block]) {
    let begin = writer.so_far().len();
    for block in blocks {
        writer.u64("offset", block.offset);
        block.write_description(writer);
    }
    write_footer(writer, begin, offset, kind, blocks.len());
}

/// The footer of a directory that stands at `offset` of the pack, and from `begin` on in the writer.
fn write_footer(writer: &mut Writer, begin: usize, offset: u64, kind: PackKind, blocks: usize) {
    let length = writer.so_far().len().saturating_sub(begin);
    writer.u64("directory offset", offset);
    writer.u64("directory length", length as u64);
    writer.count("blocks", blocks);
    writer.u16("version", VERSION);
    writer.u8("kind", kind.number());
    writer.reserved::<1>();
    let hash = blake3::hash(writer.so_far().get(begin..).unwrap_or_default());
    writer.array("hash", hash.as_bytes());
    writer.array("magic", &MAGIC);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::Naming;

    /// Tampers with bytes.
    type Change = fn(&mut Vec<u8>);

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
        with_tail(|listed, _, _| change(listed))
    }

    /// The same pack, with another directory, or another place and number of blocks in the footer; the hash fits.
    fn with_tail(change: impl Fn(&mut Vec<u8>, &mut u64, &mut usize)) -> Result<Directory, Damage> {
        let (bytes, directory) = pack();
        let mut offset = directory.blocks.last().unwrap().end();
        let (at, mut blocks) = (usize::try_from(offset).unwrap(), directory.blocks.len());
        let mut listed = bytes[at..bytes.len() - 64].to_vec();
        change(&mut listed, &mut offset, &mut blocks);
        let mut writer = Writer::new();
        writer.body("directory", &listed);
        write_footer(&mut writer, 0, offset, PackKind::Tail, blocks);
        read(&[&bytes[..at], &writer.finish()].concat())
    }

    #[test]
    fn a_pack_comes_back() {
        let (bytes, directory) = pack();
        assert_eq!(read(&bytes), Ok(directory.clone()));
        assert_eq!(parse_pack(&bytes), Ok(directory.clone()));
        assert_eq!(parse_header(&bytes[..16]), Ok(Header::of(PackKind::Tail)));
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
        // Bodies are proven by their chunks; attempt and effort may be any numbers, only the pack's name proves them.
        let attempt = 11..13;
        let bodies = directory.blocks.iter().map(|block| block.body_offset..block.end());
        let bodies: Vec<_> = bodies.chain([attempt]).collect();
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
        let changes: [(&str, Change); 15] = [
            ("a block that does not begin where the one before ends", |listed| listed[0] += 1),
            ("a dictionary that does not lie before its block", |listed| listed[12..16].fill(0)),
            ("a raw block of two lengths", |listed| listed[16] -= 1),
            ("a raw block of two lengths", |listed| listed[20] += 1),
            ("a block that is longer encoded than decoded", |listed| (listed[8], listed[16]) = (1, 6)),
            ("a block that is longer encoded than decoded", |listed| (listed[8], listed[16]) = (1, 0)),
            ("a block that is empty or too long", |listed| (listed[16], listed[20]) = (0, 0)),
            ("a block that is empty or too long", |listed| listed[20..24].fill(0xff)),
            ("chunks that do not fill their block", |listed| (listed[8], listed[20]) = (1, 6)),
            ("a count that is larger than what is there", |listed| listed[24..28].fill(0xff)),
            ("a chunk past the end of its block", |listed| listed[28 + 32] += 1),
            ("a chunk that is empty or too long", |listed| listed[28 + 32] = 0),
            ("a chunk that the pack holds already", |listed| listed.copy_within(28..60, 64 + 28)),
            ("reserved bytes that are not zero", |listed| listed[10] = 1),
            ("more bytes than there should be", |listed| listed.push(0)),
        ];
        for (reason, change) in changes {
            let read = tampered(change);
            assert!(matches!(read, Err(Damage::Bytes { what, .. }) if what == reason), "{reason}: {read:?}");
        }
        let many = tampered(|listed| {
            let count = limits::BLOCK_CHUNKS_MAX + 1;
            listed[24..28].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
            listed.resize(28 + count * 36, 1);
        });
        assert!(matches!(many, Err(Damage::Bytes { what: "a block of too many chunks", .. })), "{many:?}");
    }

    #[test]
    fn what_a_footer_says_is_not_believed() {
        assert!(with_tail(|_, _, _| ()).is_ok());
        let fewer = with_tail(|listed, _, blocks| {
            listed.truncate(64);
            *blocks = 1;
        });
        let reason = "blocks that do not reach the directory";
        assert!(matches!(fewer, Err(Damage::Bytes { what, .. }) if what == reason), "{fewer:?}");
        // The last one: a pack without a header.
        let (builder, _) = PackBuilder::begin(PackKind::Sealed);
        let (mut alone, _) = builder.finish().unwrap();
        alone[..8].fill(0);
        let alone = directory_offset(&alone, alone.len() as u64);
        let misplaced =
            [1, u64::MAX].map(|by| with_tail(|_, offset, _| *offset = offset.wrapping_add(by)).map(|_| 0));
        let reason = "a directory that does not lie right before the footer";
        for read in misplaced.into_iter().chain([alone]) {
            assert!(matches!(read, Err(Damage::Bytes { what, .. }) if what == reason), "{read:?}");
        }
    }

    #[test]
    fn what_is_no_footer_at_all_is_none_of_a_newer_program() {
        let (mut bytes, _) = pack();
        let (version, magic) = (bytes.len() - 64 + 20, bytes.len() - 1);
        bytes[version] = 2;
        assert!(matches!(read(&bytes), Err(Damage::Newer { .. })));
        bytes[magic] ^= 1;
        assert!(matches!(read(&bytes), Err(Damage::Bytes { .. })));
    }

    #[test]
    fn a_directory_is_read_from_where_it_begins() {
        let (bytes, directory) = pack();
        let at = usize::try_from(directory.blocks.last().unwrap().end()).unwrap();
        for from in [at - 1, at + 1] {
            let read = parse_directory(&bytes[from..], bytes.len() as u64);
            let fits = matches!(read, Err(Damage::Bytes { what: "a directory of another length", .. }));
            assert!(fits, "{read:?}");
        }
    }

    #[test]
    fn what_newer_programs_may_write_is_told_from_damage() {
        let unknown = tampered(|listed| listed[8] = 200).unwrap();
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
