//! Numbers of any size, and indexes into lists that grow: made of small symbols.

use crate::repo::codec::columns::coder::Coder;

/// Slots of a number.
const NUMBER_SLOTS: u32 = 64 + 64 * 8;
/// Bits behind a number's first one that are predicted.
const NUMBER_BITS: u32 = 3;
/// The length that stands for "64 bits follow".
const NUMBER_LONG: u32 = 63;
/// Streams of a number: itself or its length, and what is behind its first bit.
const NUMBER_STREAMS: u32 = 2;
/// In streams numbers below this are a symbol; it and a length stand for others.
const SMALL: u32 = 190;
/// Slots of an index, before it has any of a length.
const INDEX_SLOTS: u32 = 16;
/// Streams of an index: itself or its high bits, and its low ones.
const INDEX_STREAMS: u32 = 2;
/// In streams indexes below this are a symbol; it and the high bits stand for others.
const INDEX_SMALL: u32 = 128;

/// Predicts numbers by how many bits they have and by the first of these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    base: u32,
}

impl Number {
    /// Codes a number.
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, value: u64) -> u64 {
        if self.base == 0 {
            self.base = coder.allocate(NUMBER_SLOTS, NUMBER_STREAMS);
        }
        if C::IN_STREAMS {
            return self.in_streams(coder, value);
        }
        let length = (64 - value.leading_zeros()).min(NUMBER_LONG);
        let length = coder.symbol(self.base, 6, length);
        match length {
            0 => 0,
            NUMBER_LONG => coder.raw(64, value),
            _ => self.rest(coder, length, value),
        }
    }

    /// A small number as it is, or its length; then up to 8 bits behind its first one; all others raw.
    fn in_streams<C: Coder>(self, coder: &mut C, value: u64) -> u64 {
        let length = 64 - value.leading_zeros();
        let first = if value < u64::from(SMALL) { value as u32 } else { SMALL + length };
        let first = coder.symbol(self.base, 8, first);
        let Some(length) = first.checked_sub(SMALL) else { return u64::from(first) };
        // Any byte may be read, and any of it stands for some number.
        let behind = length.clamp(1, 64) - 1;
        let high = behind.min(8);
        let raw = behind - high;
        let mask = (1 << high) - 1;
        let top = coder.symbol(self.base + 1, 8, (value >> raw) as u32 & mask) & mask;
        let low = if raw > 0 { coder.raw(raw, value & ((1 << raw) - 1)) } else { 0 };
        1 << behind | u64::from(top) << raw | low
    }

    fn rest<C: Coder>(self, coder: &mut C, length: u32, value: u64) -> u64 {
        let modelled = NUMBER_BITS.min(length - 1);
        let raw = length - 1 - modelled;
        let first = (value >> raw) as u32 & ((1 << modelled) - 1);
        let first = coder.symbol(self.base + 64 + length * 8, modelled, first);
        let low = if raw > 0 { coder.raw(raw, value & ((1 << raw) - 1)) } else { 0 };
        1 << (length - 1) | u64::from(first) << raw | low
    }

    /// Codes a number that may be negative: its size, then, if it is not 0, its sign; in streams both in one number.
    pub(super) fn signed<C: Coder>(&mut self, coder: &mut C, value: i64) -> i64 {
        if C::IN_STREAMS {
            let folded = self.code(coder, (value << 1 ^ value >> 63).cast_unsigned());
            return (folded >> 1).cast_signed() ^ (folded & 1).cast_signed().wrapping_neg();
        }
        let size = self.code(coder, value.unsigned_abs());
        let length = (64 - size.leading_zeros()).min(NUMBER_LONG);
        let negative = size != 0 && coder.bit(self.base + 64 + length * 8, value < 0);
        if negative { size.wrapping_neg().cast_signed() } else { size.cast_signed() }
    }
}

/// The highest index plus one.
pub(super) const INDEX_MAX: u32 = 1 << 15;

/// Learns how often each entry of a list is named. Entries are numbered as they come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Index {
    head: u32,
    classes: [u32; 16],
}

impl Index {
    /// Codes an index below [`INDEX_MAX`].
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, index: u32) -> u32 {
        if self.head == 0 {
            self.head = coder.allocate(INDEX_SLOTS, INDEX_STREAMS);
        }
        if C::IN_STREAMS {
            return self.in_streams(coder, index);
        }
        let length = coder.symbol(self.head, 4, 32 - index.leading_zeros());
        if length < 2 {
            return length;
        }
        let Some(class) = self.classes.get_mut(length as usize) else { return 0 };
        if *class == 0 {
            *class = coder.allocate(1 << (length - 1), 0);
        }
        let rest = index & ((1 << (length - 1)) - 1);
        1 << (length - 1) | coder.symbol(*class, length - 1, rest)
    }

    fn in_streams<C: Coder>(self, coder: &mut C, index: u32) -> u32 {
        let first = if index < INDEX_SMALL { index } else { INDEX_SMALL | index >> 8 };
        let first = coder.symbol(self.head, 8, first);
        let Some(high) = first.checked_sub(INDEX_SMALL) else { return first };
        high << 8 | coder.symbol(self.head + 1, 8, index & 0xff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::coder::Reader;
    use crate::repo::codec::columns::coder::Source;
    use crate::repo::codec::columns::coder::Writer;
    use crate::repo::codec::columns::slots::Slots;
    use crate::repo::codec::columns::streams::StreamReader;
    use crate::repo::codec::columns::streams::StreamWriter;

    fn numbers(seed: u64) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut numbers = vec![0, 1, 2, u64::MAX, 1 << 62, (1 << 62) - 1, 1 << 63, (1 << 63) - 1];
        numbers
            .extend([126, 127, 128, 129, 188, 189, 190, 191, 254, 255, 256, 257, 510, 511, 512, 513, 1000]);
        numbers.extend([-1000, -1, -127, -128, -129, -190].map(i64::cast_unsigned));
        numbers.extend((0..20_000).map(|_| random.u64(..) >> random.u32(0..64)));
        numbers
    }

    /// All of a number's bits, or fewer, as many as it says.
    fn bits_of(value: u64) -> (u32, u64) {
        let bits = (value % 65) as u32;
        (bits, if bits == 64 { value } else { value & ((1 << bits) - 1) })
    }

    fn write<C: Coder>(coder: &mut C) {
        let (mut number, mut signed, mut index) = (Number::default(), Number::default(), Index::default());
        for value in numbers(1) {
            number.code(coder, value);
            signed.signed(coder, value.cast_signed());
            index.code(coder, value as u32 % INDEX_MAX);
            let (bits, value) = bits_of(value);
            coder.raw(bits, value);
        }
    }

    fn read<S: Source>(coder: &mut S) {
        let (mut number, mut signed, mut index) = (Number::default(), Number::default(), Index::default());
        for value in numbers(1) {
            assert_eq!(number.code(coder, 0), value);
            assert_eq!(signed.signed(coder, 0), value.cast_signed());
            assert_eq!(index.code(coder, 0), value as u32 % INDEX_MAX);
            let (bits, value) = bits_of(value);
            assert_eq!(coder.raw(bits, 0), value);
        }
        assert!(!coder.is_past());
    }

    #[test]
    fn symbols_come_back() {
        let mut writer = Writer::<Slots>::new(0);
        write(&mut writer);
        let (coded, raw, _) = writer.finish();
        read(&mut Reader::<Slots>::new(&coded, &raw, 0));
    }

    #[test]
    fn symbols_come_back_in_streams() {
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        write(&mut writer);
        writer.finish(1 << 20, &mut bytes).unwrap();
        read(&mut StreamReader::new(&bytes, 1 << 20).unwrap());
    }

    /// What any two symbols, and all raw bits set, are read as.
    fn read_symbols(first: u8, second: u8, read: impl Fn(&mut StreamReader<'_>) -> u64) -> u64 {
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        let stream = writer.allocate(0, 2);
        writer.symbol(stream, 8, u32::from(first));
        writer.symbol(stream + 1, 8, u32::from(second));
        writer.raw(64, u64::MAX);
        writer.finish(100, &mut bytes).unwrap();
        let mut reader = StreamReader::new(&bytes, 100).unwrap();
        read(&mut reader)
    }

    #[test]
    fn any_symbols_in_streams_are_some_number() {
        for (first, second) in (0..=255).flat_map(|first| [0, 1, 128, 255].map(|second| (first, second))) {
            let number = read_symbols(first, second, |reader| Number::default().code(reader, 0));
            let length = 64 - number.leading_zeros();
            let expected = match first {
                0..190 => 64 - u64::from(first).leading_zeros(),
                _ => u32::from(first - 190).clamp(1, 64),
            };
            assert_eq!(length, expected, "{first} {second}");
            let index = read_symbols(first, second, |reader| u64::from(Index::default().code(reader, 0)));
            assert!(index < u64::from(INDEX_MAX), "{first} {second}");
            read_symbols(first, second, |reader| Number::default().signed(reader, 0).cast_unsigned());
        }
        let number = |first, second| read_symbols(first, second, |reader| Number::default().code(reader, 0));
        assert_eq!([number(190, 255), number(191, 255), number(192, 3)], [1, 1, 3]);
        assert_eq!(
            [number(198, 62), number(199, 1), number(254, 255), number(255, 255)],
            [190, 257, u64::MAX, u64::MAX]
        );
    }

    #[test]
    fn what_is_certain_costs_nothing() {
        let (mut writer, mut number) = (Writer::<Slots>::new(0), Number::default());
        for _ in 0..100_000 {
            number.code(&mut writer, 5);
        }
        assert!(writer.finish().0.len() < 60);
    }
}
