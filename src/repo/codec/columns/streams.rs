//! The other coder under the columns: each symbol is a byte in a stream of its place, and the streams go through zstd. Less short than
//! decisions, and faster both ways.
//!
//! Streams lie one behind the other by their numbers; a directory says which there are and how long they are. They are cut into groups
//! that are compressed by themselves, so that a long stream has its own statistics, and short ones share theirs.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::bits::BitReader;
use crate::repo::codec::columns::bits::BitWriter;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::packed;
use crate::repo::codec::columns::packed::Packer;
use crate::repo::codec::columns::values::put_varint;

/// Streams have numbers below this.
const STREAMS_MAX: u32 = 1 << 18;
/// The longest directory: no number in it has more than four bytes.
const DIRECTORY_MAX: usize = 8 * STREAMS_MAX as usize;
/// A group ends behind so many bytes, and before a stream that has so many.
const GROUP: usize = 8192;
/// Symbols are fewer than the bytes of a block and so many: nearly all stand for several bytes, but an event of no bytes has some.
const MORE_SYMBOLS: usize = 1 << 16;
/// Symbols that a stream has room for at once: growing to that step by step takes time.
const STREAM_AT_FIRST: usize = 64;
/// Of zstd: most of what is in streams has no long matches, so that higher levels gain nothing.
const LEVEL: i32 = 1;

/// The most symbols of a block of so many bytes.
const fn symbols_max(raw_length: usize) -> usize {
    raw_length.saturating_add(MORE_SYMBOLS)
}

/// Gives streams their numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    next: u32,
}

impl Default for Numbers {
    fn default() -> Self {
        // 0 stands for what is not made yet.
        Self { next: 1 }
    }
}

impl Numbers {
    /// The first of so many new streams; 0 if there is no more room.
    pub(super) fn allocate(&mut self, streams: u32) -> u32 {
        let (first, next) = (self.next, self.next.saturating_add(streams));
        if next > STREAMS_MAX {
            return 0;
        }
        self.next = next;
        first
    }
}

/// Where groups begin.
#[derive(Debug, Default)]
struct Groups {
    length: usize,
}

impl Groups {
    /// Whether the next stream, which is so long, begins a new group.
    fn begins(&mut self, length: usize) -> bool {
        let begins = self.length > 0 && self.length.max(length) >= GROUP;
        self.length = if begins { length } else { self.length.saturating_add(length) };
        begins
    }
}

/// Writes symbols into streams.
#[derive(Debug, Default)]
pub(super) struct StreamWriter {
    numbers: Numbers,
    streams: Vec<Vec<u8>>,
    raw: BitWriter,
}

impl StreamWriter {
    /// Appends the directory, the groups, and the raw bits; none if a block of so many bytes can't have so many symbols.
    pub(super) fn finish(self, raw_length: usize, out: &mut Vec<u8>) -> Option<()> {
        let symbols: usize = self.streams.iter().map(Vec::len).sum();
        if symbols > symbols_max(raw_length) {
            return None;
        }
        let mut packer = Packer::new(LEVEL);
        packer.put(&self.directory(), out);
        let (mut group, mut groups) = (Vec::with_capacity(GROUP * 2), Groups::default());
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

    /// For each stream that has symbols: how many before it have none, and its length.
    fn directory(&self) -> Vec<u8> {
        let (mut directory, mut skipped) = (Vec::new(), 0);
        for stream in &self.streams {
            if stream.is_empty() {
                skipped += 1;
            } else {
                put_varint(skipped, &mut directory);
                put_varint(stream.len() as u64, &mut directory);
                skipped = 0;
            }
        }
        directory
    }

    #[inline]
    fn push(&mut self, stream: u32, symbol: u8) {
        if let Some(stream) = self.streams.get_mut(stream as usize) {
            if stream.capacity() == 0 {
                stream.reserve(STREAM_AT_FIRST);
            }
            stream.push(symbol);
        }
    }
}

impl Coder for StreamWriter {
    const IN_STREAMS: bool = true;

    fn allocate(&mut self, _: u32, streams: u32) -> u32 {
        let first = self.numbers.allocate(streams);
        self.streams.resize_with(self.numbers.next as usize, Vec::new);
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

/// Where the next symbol of a stream is, and where the stream ends.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    at: u32,
    end: u32,
}

/// Reads symbols from streams. Behind the end of one it reads zeros and says so.
#[derive(Debug)]
pub(super) struct StreamReader<'a> {
    numbers: Numbers,
    /// All streams, one behind the other.
    symbols: Vec<u8>,
    cursors: Vec<Cursor>,
    raw: BitReader<'a>,
    is_past: bool,
}

impl<'a> StreamReader<'a> {
    /// Reads the directory and the groups of a block of so many bytes; all else are raw bits.
    pub(super) fn new(mut rest: &'a [u8], raw_length: usize) -> Result<Self, Bad> {
        let cursors = cursors(&packed::take(&mut rest, DIRECTORY_MAX)?, symbols_max(raw_length))?;
        let symbols = symbols(&mut rest, &cursors)?;
        let (numbers, raw) = (Numbers::default(), BitReader::new(rest));
        Ok(Self { numbers, symbols, cursors, raw, is_past: false })
    }
}

/// The streams that a directory names; all of them together have at most so many symbols.
fn cursors(mut directory: &[u8], most: usize) -> Result<Vec<Cursor>, Bad> {
    let (mut cursors, mut end) = (Vec::new(), 0_usize);
    while !directory.is_empty() {
        let (skipped, length) = (packed::number(&mut directory)?, packed::number(&mut directory)?);
        let number = cursors.len().saturating_add(skipped);
        if number >= STREAMS_MAX as usize {
            return Err(Bad("too many streams"));
        }
        if length == 0 {
            return Err(Bad("a stream of nothing"));
        }
        let at = end;
        end = at.checked_add(length).filter(|end| *end <= most).ok_or(Bad("streams are too long"))?;
        cursors.resize(number, Cursor::default());
        cursors.push(Cursor { at: at as u32, end: end as u32 });
    }
    Ok(cursors)
}

/// Takes all groups.
fn symbols(rest: &mut &[u8], cursors: &[Cursor]) -> Result<Vec<u8>, Bad> {
    let all = cursors.last().map_or(0, |last| last.end as usize);
    let (mut symbols, mut groups, mut end) = (Vec::with_capacity(all), Groups::default(), 0);
    for cursor in cursors.iter().filter(|cursor| cursor.end > cursor.at) {
        let length = cursor.end.saturating_sub(cursor.at) as usize;
        if groups.begins(length) {
            packed::take_known(rest, end - symbols.len(), &mut symbols)?;
        }
        end = cursor.end as usize;
    }
    packed::take_known(rest, end - symbols.len(), &mut symbols)?;
    Ok(symbols)
}

impl Source for StreamReader<'_> {
    fn is_past(&self) -> bool {
        self.is_past || self.raw.is_past()
    }
}

impl Coder for StreamReader<'_> {
    const IN_STREAMS: bool = true;

    fn allocate(&mut self, _: u32, streams: u32) -> u32 {
        self.numbers.allocate(streams)
    }

    #[inline]
    fn bit(&mut self, stream: u32, _: bool) -> bool {
        self.symbol(stream, 1, 0) != 0
    }

    #[inline]
    fn symbol(&mut self, stream: u32, _: u32, _: u32) -> u32 {
        if let Some(Cursor { at, end }) = self.cursors.get_mut(stream as usize)
            && at < end
            && let Some(symbol) = self.symbols.get(*at as usize)
        {
            *at += 1;
            return u32::from(*symbol);
        }
        self.is_past = true;
        0
    }

    fn raw(&mut self, bits: u32, _: u64) -> u64 {
        self.raw.take(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written of a block of so many bytes.
    fn finish(writer: StreamWriter, raw_length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        writer.finish(raw_length, &mut out).unwrap();
        out
    }

    /// A container with this directory, and groups that were not packed.
    fn container(directory: &[u64], groups: &[&[u8]]) -> Vec<u8> {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        for number in directory {
            put_varint(*number, &mut bytes);
        }
        put_varint(bytes.len() as u64, &mut out);
        out.push(0);
        out.extend(bytes);
        for group in groups {
            out.push(0);
            out.extend(*group);
        }
        out
    }

    fn refused(bytes: &[u8], raw_length: usize) -> Option<Bad> {
        StreamReader::new(bytes, raw_length).err()
    }

    #[test]
    fn symbols_come_back_by_their_streams_whatever_the_order() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut writer = StreamWriter::default();
        let streams: Vec<u32> = (0..60).map(|_| writer.allocate(9, 1)).collect();
        // Streams of every length: some have nothing, some are groups of their own.
        let written: Vec<(u32, u8)> = (0..200_000)
            .map(|_| (streams[random.usize(0..60) & random.usize(0..60)], random.u8(..)))
            .collect();
        for (stream, symbol) in &written {
            writer.symbol(*stream, 8, u32::from(*symbol));
            writer.raw(5, u64::from(symbol & 31));
        }
        writer.bit(streams[59], true);
        let bytes = finish(writer, 200_000);
        let mut reader = StreamReader::new(&bytes, 200_000).unwrap();
        assert_eq!(streams, (0..60).map(|_| reader.allocate(9, 1)).collect::<Vec<_>>());
        let mut sorted = written.clone();
        sorted.sort_by_key(|(stream, _)| *stream);
        for (stream, symbol) in sorted.iter().filter(|(stream, _)| *stream != streams[59]) {
            assert_eq!(reader.symbol(*stream, 8, 0), u32::from(*symbol));
        }
        for (_, symbol) in &written {
            assert_eq!(reader.raw(5, 0), u64::from(symbol & 31));
        }
        assert!(!reader.is_past());
    }

    #[test]
    fn a_long_stream_is_a_group_of_its_own_and_short_ones_share_one() {
        let mut groups = Groups::default();
        let lengths = [10, 8000, 8191, 8192, 1, 9000, 20, 8191, 5];
        let begins = [false, false, false, true, true, true, true, false, true];
        assert_eq!(lengths.map(|length| groups.begins(length)), begins);
    }

    #[test]
    fn numbers_begin_at_one_and_end() {
        let mut numbers = Numbers::default();
        assert_eq!([numbers.allocate(3), numbers.allocate(1), numbers.allocate(2)], [1, 4, 5]);
        assert_eq!(numbers.allocate(u32::MAX), 0);
        assert_eq!([numbers.allocate(STREAMS_MAX - 8), numbers.allocate(2)], [7, 0]);
        assert_eq!([numbers.allocate(1), numbers.allocate(1)], [STREAMS_MAX - 1, 0]);
    }

    #[test]
    fn behind_the_end_of_a_stream_come_zeros_and_that_is_said() {
        let bytes = container(&[2, 2, 0, 1], &[&[9, 8, 7]]);
        let mut reader = StreamReader::new(&bytes, 0).unwrap();
        assert_eq!([2, 3, 2].map(|stream| reader.symbol(stream, 8, 0)), [9, 7, 8]);
        assert!(!reader.is_past());
        assert_eq!(reader.symbol(2, 8, 0), 0, "the next stream's symbol is not this one's");
        assert!(reader.is_past());
        for nowhere in [0, 1, 4, u32::MAX] {
            let mut reader = StreamReader::new(&bytes, 0).unwrap();
            assert!(!reader.bit(nowhere, true) && reader.is_past(), "{nowhere}");
        }
        let mut reader = StreamReader::new(&bytes, 0).unwrap();
        assert_eq!(reader.raw(9, 0), 0);
        assert!(reader.is_past(), "raw bits end, too");
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        let bytes = container(&[0, 3], &[&[0, 1, 200]]);
        let mut reader = StreamReader::new(&bytes, 0).unwrap();
        assert_eq!([0; 3].map(|stream| reader.bit(stream, false)), [false, true, true]);
    }

    #[test]
    fn hostile_directories_are_refused() {
        let most = u64::from(STREAMS_MAX);
        assert_eq!(refused(&container(&[most - 1, 1], &[&[7]]), 0), None);
        for skipped in [most, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(refused(&container(&[skipped, 1], &[&[7]]), 0), Some(Bad("too many streams")));
        }
        assert_eq!(refused(&container(&[most - 1, 1, 0, 1], &[&[7, 7]]), 0), Some(Bad("too many streams")));
        let longest = 1000 + MORE_SYMBOLS as u64;
        for lengths in [[1, longest], [longest, 1], [1, u64::MAX], [u64::MAX, 1]] {
            let [one, other] = lengths;
            let bytes = container(&[0, one, 0, other], &[]);
            assert_eq!(refused(&bytes, 1000), Some(Bad("streams are too long")), "{lengths:?}");
        }
        assert_eq!(refused(&container(&[0, longest], &[&vec![1; longest as usize]]), 1000), None);
        assert_eq!(refused(&container(&[0, 1, 3, 0], &[&[7]]), 0), Some(Bad("a stream of nothing")));
        assert_eq!(refused(&container(&[0], &[&[7]]), 0), Some(Bad("no length")));
        assert_eq!(refused(&container(&[0, 3], &[&[7, 7]]), 0), Some(Bad("it ends inside a stream")));
        assert_eq!(refused(&container(&[0, 3], &[]), 0), Some(Bad("no length")));
        assert_eq!(refused(&[], 0), Some(Bad("no length")));
        let mut longer = Vec::new();
        put_varint(DIRECTORY_MAX as u64 + 1, &mut longer);
        assert_eq!(refused(&longer, 1 << 25), Some(Bad("a stream is too long")));
    }

    #[test]
    fn more_symbols_than_a_block_can_have_are_not_written() {
        let mut writer = StreamWriter::default();
        let stream = writer.allocate(1, 1);
        for _ in 0..=MORE_SYMBOLS {
            writer.bit(stream, true);
        }
        assert!(writer.finish(0, &mut Vec::new()).is_none());
    }

    #[test]
    fn the_longest_directory_fits() {
        let mut writer = StreamWriter::default();
        let first = writer.allocate(0, STREAMS_MAX - 1);
        for stream in (first..STREAMS_MAX).step_by(2) {
            writer.bit(stream, true);
        }
        let bytes = finish(writer, 1 << 20);
        assert!(StreamReader::new(&bytes, 1 << 20).is_ok());
    }
}
