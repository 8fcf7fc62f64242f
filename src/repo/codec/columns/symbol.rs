//! Symbols made of decisions: small symbols, numbers of any size, indexes into lists that grow.

use crate::repo::codec::columns::coder::Coder;

/// Slots of a number.
const NUMBER_SLOTS: u32 = 64 + 64 * 8;
/// Bits behind a number's first one that are predicted.
const NUMBER_BITS: u32 = 3;
/// The length that stands for "64 bits follow".
const NUMBER_LONG: u32 = 63;
/// In streams: a number's streams, and what is below this is a byte.
const NUMBER_STREAMS: u32 = 2;
const SMALL: u64 = 190;

/// A symbol of `bits` bits.
#[inline]
pub(super) fn tree<C: Coder>(coder: &mut C, base: u32, bits: u32, symbol: u32) -> u32 {
    coder.symbol(base, bits, symbol)
}

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
            return self.bytes(coder, value);
        }
        let length = (64 - value.leading_zeros()).min(NUMBER_LONG);
        let length = tree(coder, self.base, 6, length);
        match length {
            0 => 0,
            NUMBER_LONG => coder.raw(64, value),
            _ => self.rest(coder, length, value),
        }
    }

    /// In streams: a small number as it is, or its length; the highest bits behind the first; the others raw.
    fn bytes<C: Coder>(self, coder: &mut C, value: u64) -> u64 {
        let length = 64 - value.leading_zeros();
        let first = if value < SMALL { value as u32 } else { SMALL as u32 + length };
        let first = coder.symbol(self.base, 8, first);
        if first < SMALL as u32 {
            return u64::from(first);
        }
        let behind = (first - SMALL as u32).clamp(1, 64) - 1;
        let high = behind.min(8);
        let raw = behind - high;
        let top = coder.symbol(self.base + 1, 8, (value >> raw) as u32 & ((1 << high) - 1));
        let low = if raw > 0 { coder.raw(raw, value & ((1 << raw) - 1)) } else { 0 };
        1 << behind | u64::from(top & ((1 << high) - 1)) << raw | low
    }

    fn rest<C: Coder>(self, coder: &mut C, length: u32, value: u64) -> u64 {
        let modelled = NUMBER_BITS.min(length - 1);
        let raw = length - 1 - modelled;
        let first = (value >> raw) as u32 & ((1 << modelled) - 1);
        let first = tree(coder, self.base + 64 + length * 8, modelled, first);
        let low = if raw > 0 { coder.raw(raw, value & ((1 << raw) - 1)) } else { 0 };
        1 << (length - 1) | u64::from(first) << raw | low
    }

    /// Codes a number that may be negative: its size, then, if it is not 0, its sign.
    pub(super) fn signed<C: Coder>(&mut self, coder: &mut C, value: i64) -> i64 {
        if C::IN_STREAMS {
            let folded = self.code(coder, (value << 1 ^ value >> 63).cast_unsigned());
            return (folded >> 1).cast_signed() ^ -((folded & 1).cast_signed());
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
            self.head = coder.allocate(16, 2);
        }
        if C::IN_STREAMS {
            let first = coder.symbol(self.head, 8, if index < 128 { index } else { 128 | index >> 8 });
            return if first < 128 { first } else { (first & 127) << 8 | coder.symbol(self.head + 1, 8, index & 255) };
        }
        let length = tree(coder, self.head, 4, 32 - index.leading_zeros());
        if length < 2 {
            return length;
        }
        let Some(class) = self.classes.get_mut(length as usize) else { return 0 };
        if *class == 0 {
            *class = coder.allocate(1 << (length - 1), 0);
        }
        let rest = index & ((1 << (length - 1)) - 1);
        1 << (length - 1) | tree(coder, *class, length - 1, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::coder::Reader;
    use crate::repo::codec::columns::coder::Source;
    use crate::repo::codec::columns::coder::Writer;
    use crate::repo::codec::columns::slots::Slots;

    fn numbers(seed: u64) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut numbers = vec![0, 1, 2, u64::MAX, 1 << 62, (1 << 62) - 1, 1 << 63, (1 << 63) - 1];
        numbers.extend((0..20_000).map(|_| random.u64(..) >> random.u32(0..64)));
        numbers
    }

    #[test]
    fn symbols_come_back() {
        let (mut writer, mut number, mut index) =
            (Writer::<Slots>::new(0), Number::default(), Index::default());
        for value in numbers(1) {
            number.code(&mut writer, value);
            index.code(&mut writer, value as u32 % INDEX_MAX);
            writer.raw(
                (value % 65) as u32,
                if value % 65 == 64 { value } else { value & ((1 << (value % 65)) - 1) },
            );
        }
        let (coded, raw, _) = writer.finish();
        let mut reader = Reader::<Slots>::new(&coded, &raw, 0);
        let (mut number, mut index) = (Number::default(), Index::default());
        for value in numbers(1) {
            assert_eq!(number.code(&mut reader, 0), value);
            assert_eq!(index.code(&mut reader, 0), value as u32 % INDEX_MAX);
            let bits = (value % 65) as u32;
            assert_eq!(reader.raw(bits, 0), if bits == 64 { value } else { value & ((1 << bits) - 1) });
        }
        assert!(!reader.is_past());
    }

    #[test]
    fn what_is_certain_costs_nothing() {
        let (mut writer, mut number) = (Writer::<Slots>::new(0), Number::default());
        for _ in 0..100_000 {
            number.code(&mut writer, 5);
        }
        assert!(writer.finish().0.len() < 60);
    }

    #[test]
    fn signs_come_back() {
        let values = [0, -1, 1, i64::MIN, i64::MAX, -1000, 1000];
        let (mut writer, mut number) = (Writer::<Slots>::new(0), Number::default());
        for value in values {
            number.signed(&mut writer, value);
        }
        let (coded, raw, _) = writer.finish();
        let (mut reader, mut number) = (Reader::<Slots>::new(&coded, &raw, 0), Number::default());
        assert_eq!(values.map(|_| number.signed(&mut reader, 0)), values);
    }
}
