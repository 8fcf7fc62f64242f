//! The chunks of an `MVStore` file of format 1, and the pages in them: each is checked against what is written beside it.
//!
//! A chunk begins on a block of 4096 bytes with a line of text and ends with another one that carries a Fletcher-32 checksum.
//! Pages say their own length and a check value; their contents carry no checksum.

use crate::axon::control_db::facts::BLOCK;
use crate::axon::control_db::facts::checked;
use crate::axon::control_db::facts::number;

/// Bytes of the line at the end of a chunk.
const FOOTER: usize = 128;
/// The longest line at the beginning of a chunk.
const HEADER: usize = 1024;

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) id: u64,
    pub(super) version: u64,
    /// Position of the root page of the map of maps, in this chunk.
    pub(super) root: u64,
    /// Its first block, and how many blocks it is long.
    pub(super) block: u64,
    blocks: u64,
}

impl Chunk {
    /// A chunk as its header, or the map of maps, describes it.
    pub(super) fn described(text: &str) -> Option<Self> {
        Some(Self {
            id: number(text, "chunk")?,
            version: number(text, "version")?,
            root: number(text, "root")?,
            block: number(text, "block")?,
            blocks: number(text, "len")?,
        })
    }

    /// The chunk whose header stands in this block of the file.
    pub(super) fn at(file: &[u8], block: u64) -> Option<Self> {
        let begin = usize::try_from(block).ok()?.checked_mul(BLOCK)?;
        let head = file.get(begin..)?;
        if !head.starts_with(b"chunk:") {
            return None;
        }
        let line = head.get(..HEADER).unwrap_or(head).split(|byte| *byte == b'\n').next()?;
        Self::described(str::from_utf8(line).ok()?.trim_end()).filter(|chunk| chunk.block == block)
    }

    /// All its bytes; none if they are not all there, or its last line is not its own.
    pub(super) fn bytes(self, file: &[u8]) -> Option<&[u8]> {
        let begin = usize::try_from(self.block).ok()?.checked_mul(BLOCK)?;
        let length = usize::try_from(self.blocks).ok()?.checked_mul(BLOCK)?;
        let bytes = file.get(begin..begin.checked_add(length)?)?;
        let footer = checked(bytes.get(length.checked_sub(FOOTER)?..)?)?;
        let own = number(footer, "chunk")? == self.id && number(footer, "version")? == self.version;
        own.then_some(bytes)
    }
}

/// A page: a leaf with keys and values, or a node with the positions of its children.
pub(super) struct Page<'a> {
    /// How many bytes it says it has.
    pub(super) length: usize,
    pub(super) keys: u64,
    pub(super) children: Vec<u64>,
    /// The keys, and a leaf's values behind them, as they are stored.
    pub(super) body: Bytes<'a>,
    pub(super) compressed: bool,
}

/// The id of the chunk in which a page lies.
pub(super) const fn chunk_of(position: u64) -> u64 {
    position >> 38
}

impl<'a> Page<'a> {
    /// The page at `position`, whose chunk has these bytes.
    pub(super) fn at(position: u64, chunk: &'a [u8]) -> Option<Self> {
        let offset = (position >> 6) & 0xffff_ffff;
        let mut bytes = Bytes(chunk.get(usize::try_from(offset).ok()?..)?);
        let length = u32::from_be_bytes(bytes.array()?);
        let check = u16::from_be_bytes(bytes.array()?);
        if check != check_value(chunk_of(position)) ^ check_value(offset) ^ check_value(u64::from(length)) {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        bytes.0 = bytes.0.get(..length.checked_sub(6)?)?;
        let (_map, keys, [kind]) = (bytes.varint()?, bytes.varint()?, bytes.array()?);
        let children = if kind & 1 == 1 { bytes.children(keys.checked_add(1)?)? } else { Vec::new() };
        Some(Self { length, keys, children, body: bytes, compressed: kind & 2 != 0 })
    }
}

fn check_value(number: u64) -> u16 {
    let [.., a, b, c, d] = number.to_be_bytes();
    u16::from_be_bytes([a, b]) ^ u16::from_be_bytes([c, d])
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// A number in groups of seven bits, the lowest first.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The positions of a node's children; the counts behind them are stepped over.
    fn children(&mut self, count: u64) -> Option<Vec<u64>> {
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(u64::from_be_bytes(self.array()?));
        }
        for _ in 0..count {
            self.varint()?;
        }
        Some(children)
    }

    /// A text: its length in characters, then each in one to three bytes.
    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.varint()?;
        let mut units = Vec::new();
        for _ in 0..length {
            units.push(self.unit()?);
        }
        String::from_utf16(&units).ok()
    }

    /// Steps over so many texts.
    pub(super) fn skip_texts(&mut self, count: u64) -> Option<()> {
        for _ in 0..count {
            for _ in 0..self.varint()? {
                self.unit()?;
            }
        }
        Some(())
    }

    fn unit(&mut self) -> Option<u16> {
        let [first] = self.array()?;
        let mut more = |unit: u16| self.array().map(|[next]| (unit << 6) | u16::from(next & 0x3f));
        match first {
            0..0x80 => Some(u16::from(first)),
            0x80..0xe0 => more(u16::from(first & 0x1f)),
            _ => more(u16::from(first & 0x0f)).and_then(more),
        }
    }
}
