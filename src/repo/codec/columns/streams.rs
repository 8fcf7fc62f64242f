//! The other coder under the columns: each symbol is a byte in a stream of its place, and the streams go through zstd. Less short than
//! decisions, and faster both ways.
//!
//! Streams lie one behind the other by their numbers; a directory says which there are and how long they are. They are cut into groups
//! that are compressed by themselves: a long stream has its own statistics.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::bits::BitReader;
use crate::repo::codec::columns::bits::BitWriter;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::packed;
use crate::repo::codec::columns::packed::Packer;
use crate::repo::codec::columns::values::put_varint;

/// Streams have numbers below this. What is allocated beyond shares the first ones.
const STREAMS_MAX: u32 = 1 << 18;
/// A group ends behind so many bytes, and before a stream that has so many.
const GROUP: usize = 8192;

/// Writes symbols into streams.
#[derive(Debug)]
pub(super) struct StreamWriter {
    streams: Vec<Vec<u8>>,
    raw: BitWriter,
}

impl StreamWriter {
    /// Nothing is written yet.
    pub(super) fn new() -> Self {
        Self { streams: vec![Vec::new()], raw: BitWriter::default() }
    }

    /// Appends the directory, the groups, and the raw bits; none if they are longer than `limit`, before zstd.
    pub(super) fn finish(self, packer: &mut Packer, limit: usize, out: &mut Vec<u8>) -> Option<()> {
        let mut directory = Vec::new();
        let mut gap = 0;
        for stream in &self.streams {
            if stream.is_empty() {
                gap += 1;
            } else {
                put_varint(gap, &mut directory);
                put_varint(stream.len() as u64, &mut directory);
                gap = 0;
            }
        }
        let total: usize = self.streams.iter().map(Vec::len).sum();
        if total.max(directory.len()) > limit {
            return None;
        }
        packer.put(&directory, out);
        let mut group = Vec::with_capacity(GROUP * 2);
        let mut groups = Groups::default();
        for stream in self.streams.iter().filter(|stream| !stream.is_empty()) {
            if groups.begins(stream.len()) {
                packer.put_known(&group, out);
                group.clear();
            }
            group.extend(stream);
        }
        packer.put_known(&group, out);
        out.extend(self.raw.finish());
        Some(())
    }

    #[inline]
    fn push(&mut self, stream: u32, byte: u8) {
        if let Some(stream) = self.streams.get_mut(stream as usize) {
            stream.push(byte);
        }
    }
}

/// Where groups begin.
#[derive(Default)]
struct Groups {
    length: usize,
}

impl Groups {
    /// Whether the next stream begins a new group.
    fn begins(&mut self, length: usize) -> bool {
        let begins = self.length > 0 && self.length.max(length) >= GROUP;
        self.length = if begins { length } else { self.length + length };
        begins
    }
}

impl Coder for StreamWriter {
    const IN_STREAMS: bool = true;

    fn allocate(&mut self, _: u32, streams: u32) -> u32 {
        let first = self.streams.len() as u32;
        if first + streams > STREAMS_MAX {
            return 0;
        }
        self.streams.resize_with((first + streams) as usize, Vec::new);
        first
    }

    #[inline]
    fn bit(&mut self, stream: u32, bit: bool) -> bool {
        self.push(stream, u8::from(bit));
        bit
    }

    #[inline]
    fn symbol(&mut self, stream: u32, _: u32, symbol: u32) -> u32 {
        self.push(stream, symbol as u8);
        symbol
    }

    fn raw(&mut self, bits: u32, value: u64) -> u64 {
        self.raw.put(bits, value);
        value
    }
}

/// Reads symbols from streams.
#[derive(Debug)]
pub(super) struct StreamReader<'a> {
    /// All streams, one behind the other.
    data: Vec<u8>,
    /// Of each stream: where the next symbol is, and where it ends.
    cursors: Vec<(u32, u32)>,
    allocated: u32,
    raw: BitReader<'a>,
    is_past: bool,
}

impl<'a> StreamReader<'a> {
    /// Reads the directory and the groups; all else are raw bits. Nothing is longer than `limit`.
    pub(super) fn new(mut rest: &'a [u8], limit: usize) -> Result<Self, Bad> {
        let directory = packed::take(&mut rest, limit)?;
        let mut reader = Self {
            data: Vec::new(),
            cursors: Vec::new(),
            allocated: 1,
            raw: BitReader::new(&[]),
            is_past: false,
        };
        let (mut left, mut groups, mut group, mut end) = (&directory[..], Groups::default(), 0, 0_usize);
        while !left.is_empty() {
            let (gap, length) = (packed::number(&mut left)?, packed::number(&mut left)?);
            let from = end;
            end = from.checked_add(length).filter(|end| *end <= limit).ok_or(Bad("streams are too long"))?;
            reader.add(gap, (from as u32, end as u32))?;
            if groups.begins(length) {
                packed::take_known(&mut rest, from - group, &mut reader.data)?;
                group = from;
            }
        }
        packed::take_known(&mut rest, end - group, &mut reader.data)?;
        reader.raw = BitReader::new(rest);
        Ok(reader)
    }

    fn add(&mut self, gap: usize, place: (u32, u32)) -> Result<(), Bad> {
        let number = self.cursors.len().saturating_add(gap);
        if number >= STREAMS_MAX as usize {
            return Err(Bad("too many streams"));
        }
        self.cursors.resize(number, (0, 0));
        self.cursors.push(place);
        Ok(())
    }
}

impl Source for StreamReader<'_> {
    fn is_past(&self) -> bool {
        self.is_past || self.raw.is_past()
    }
}

impl Coder for StreamReader<'_> {
    const IN_STREAMS: bool = true;

    fn allocate(&mut self, _: u32, streams: u32) -> u32 {
        let first = self.allocated;
        if first + streams > STREAMS_MAX {
            return 0;
        }
        self.allocated += streams;
        first
    }

    #[inline]
    fn bit(&mut self, stream: u32, _: bool) -> bool {
        self.symbol(stream, 1, 0) != 0
    }

    #[inline]
    fn symbol(&mut self, stream: u32, _: u32, _: u32) -> u32 {
        if let Some((at, end)) = self.cursors.get_mut(stream as usize)
            && at < end
            && let Some(byte) = self.data.get(*at as usize)
        {
            *at += 1;
            return u32::from(*byte);
        }
        self.is_past = true;
        0
    }

    fn raw(&mut self, bits: u32, _: u64) -> u64 {
        self.raw.take(bits)
    }
}
