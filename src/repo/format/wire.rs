//! Little-endian numbers and bounded bytes: the small tools of the binary formats.
//!
//! A [`Reader`] never reads past its bytes and never allocates by a count that it has not checked against what is left. A [`Writer`] is
//! told the name of each field, so that the tables of FORMAT.md can be held against what the encoders really write.

use crate::repo::format::Damage;
use std::fmt;

const SHORT: &str = "it is cut short";

/// Reads a structure front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: u64,
}

impl<'a> Reader<'a> {
    /// A reader at the head of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Where it stands.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Damage at this place.
    pub fn damage(&self, what: &'static str) -> Damage {
        Damage::Bytes { at: self.at, what }
    }

    /// Damage at this place, unless `fits`.
    pub fn check(&self, fits: bool, what: &'static str) -> Result<(), Damage> {
        if fits { Ok(()) } else { Err(self.damage(what)) }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damage(SHORT))?;
        self.rest = rest;
        self.at = self.at.saturating_add(length as u64);
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.damage(SHORT))?;
        self.rest = rest;
        self.at = self.at.saturating_add(N as u64);
        Ok(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Damage> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Damage> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Damage> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Damage> {
        self.array().map(u64::from_le_bytes)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, Damage> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number in groups of seven bits, the lowest first; the high bit says that another group follows. Only the shortest spelling counts.
    pub fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let group = u64::from(byte & 0x7f);
            self.check(shift < 63 || group <= 1, "a number above 64 bits")?;
            value |= group << shift;
            if byte & 0x80 == 0 {
                self.check(byte != 0 || shift == 0, "a number that is not in its shortest spelling")?;
                return Ok(value);
            }
        }
        Err(self.damage("a number above 64 bits"))
    }

    /// A signed number as a [`Reader::varint`]: 0, -1, 1, -2, … are 0, 1, 2, 3, …
    pub fn zigzag(&mut self) -> Result<i64, Damage> {
        let folded = self.varint()?;
        Ok((folded >> 1).cast_signed() ^ -((folded & 1).cast_signed()))
    }

    /// A text of 1 to `most` bytes of UTF-8, its length in front as two bytes.
    pub fn string(&mut self, most: usize) -> Result<String, Damage> {
        let length = usize::from(self.u16()?);
        self.check((1..=most).contains(&length), "a text that is empty or too long")?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.damage("a text that is not UTF-8"))
    }

    /// A count of things that take at least `least` bytes each: never more than there is room for.
    pub fn count(&mut self, least: usize) -> Result<usize, Damage> {
        let count = self.u32()?;
        usize::try_from(count)
            .ok()
            .filter(|count| count.saturating_mul(least.max(1)) <= self.left())
            .ok_or_else(|| self.damage("a count that is larger than what is there"))
    }

    /// A magic number.
    pub fn magic<const N: usize>(&mut self, expected: &[u8; N]) -> Result<(), Damage> {
        let at = self.at;
        let found = self.array::<N>()?;
        if found == *expected { Ok(()) } else { Err(Damage::Bytes { at, what: "another magic number" }) }
    }

    /// A version, from 1 to `supported`.
    pub fn version(&mut self, what: &'static str, supported: u16) -> Result<u16, Damage> {
        let version = self.u16()?;
        self.check(version != 0, "version 0")?;
        if version > supported {
            let (found, supported) = (version.to_string(), supported.to_string());
            return Err(Damage::Newer { what, found, supported });
        }
        Ok(version)
    }

    /// `N` bytes that must be zero.
    pub fn reserved<const N: usize>(&mut self) -> Result<(), Damage> {
        let found = self.array::<N>()?;
        self.check(found == [0; N], "reserved bytes that are not zero")
    }

    /// The end: nothing may be left.
    pub fn finish(self) -> Result<(), Damage> {
        self.check(self.rest.is_empty(), "more bytes than there should be")
    }
}

/// How many bytes a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Always so many.
    Fixed(usize),
    /// A number in groups of seven bits.
    Varint,
    /// Two bytes with a length, and so many bytes.
    Text,
    /// As many as another field says.
    Body,
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Varint => f.write_str("1 to 10"),
            Self::Text => f.write_str("2 + n"),
            Self::Body => f.write_str("n"),
        }
    }
}

/// A field, as an encoder wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What FORMAT.md calls it.
    pub name: &'static str,
    /// How many bytes it takes.
    pub width: Width,
    /// Where it begins.
    pub offset: usize,
    /// How many bytes it took this time.
    pub length: usize,
}

/// Writes a structure front to back.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    fields: Option<Vec<Field>>,
}

impl Writer {
    /// A writer without bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that also notes what it is told to write.
    pub fn noting() -> Self {
        Self { bytes: Vec::new(), fields: Some(Vec::new()) }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// What was noted.
    pub fn fields(&self) -> &[Field] {
        self.fields.as_deref().unwrap_or_default()
    }

    /// What was written so far.
    pub fn so_far(&self) -> &[u8] {
        &self.bytes
    }

    fn put(&mut self, name: &'static str, width: Width, bytes: &[u8]) {
        if let Some(fields) = &mut self.fields {
            fields.push(Field { name, width, offset: self.bytes.len(), length: bytes.len() });
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes of a length that is fixed by the format.
    pub fn array<const N: usize>(&mut self, name: &'static str, bytes: &[u8; N]) {
        self.put(name, Width::Fixed(N), bytes);
    }

    /// Bytes whose length stands in another field.
    pub fn body(&mut self, name: &'static str, bytes: &[u8]) {
        self.put(name, Width::Body, bytes);
    }

    /// One byte.
    pub fn u8(&mut self, name: &'static str, value: u8) {
        self.array(name, &[value]);
    }

    /// Two bytes.
    pub fn u16(&mut self, name: &'static str, value: u16) {
        self.array(name, &value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, name: &'static str, value: u32) {
        self.array(name, &value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, name: &'static str, value: u64) {
        self.array(name, &value.to_le_bytes());
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, name: &'static str, value: i64) {
        self.array(name, &value.to_le_bytes());
    }

    /// `N` zero bytes.
    pub fn reserved<const N: usize>(&mut self) {
        self.array("reserved", &[0; N]);
    }

    /// A number in groups of seven bits, in its shortest spelling.
    pub fn varint(&mut self, name: &'static str, value: u64) {
        let mut bytes = Vec::with_capacity(10);
        let mut rest = value;
        while rest >= 0x80 {
            bytes.push(low_byte(rest) | 0x80);
            rest >>= 7;
        }
        bytes.push(low_byte(rest));
        self.put(name, Width::Varint, &bytes);
    }

    /// A signed number, folded.
    pub fn zigzag(&mut self, name: &'static str, value: i64) {
        self.varint(name, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// A text with its length in front. Longer ones than 65,535 bytes are cut at a character, and then refused by the reader's own limit.
    pub fn string(&mut self, name: &'static str, text: &str) {
        let end = text.floor_char_boundary(usize::from(u16::MAX));
        let kept = text.get(..end).unwrap_or_default();
        let length = u16::try_from(kept.len()).unwrap_or(u16::MAX);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(kept.as_bytes());
        self.put(name, Width::Text, &bytes);
    }

    /// How many things follow, as four bytes. No structure holds more than they can say: every limit lies far below.
    pub fn count(&mut self, name: &'static str, count: usize) {
        self.u32(name, u32::try_from(count).unwrap_or(u32::MAX));
    }
}

fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_went() {
        let mut writer = Writer::new();
        writer.u8("a", 1);
        writer.u16("b", 0x0203);
        writer.u32("c", 0x0405_0607);
        writer.u64("d", u64::MAX - 1);
        writer.i64("e", i64::MIN);
        writer.string("f", "Ärger");
        let bytes = writer.finish();
        assert_eq!(bytes[..3], [1, 3, 2]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u32(), Ok(0x0405_0607));
        assert_eq!(reader.u64(), Ok(u64::MAX - 1));
        assert_eq!(reader.i64(), Ok(i64::MIN));
        assert_eq!(reader.string(10).as_deref(), Ok("Ärger"));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn varints_and_folded_numbers_come_back_at_every_size() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, !(1_u64 << shift), u64::MAX] {
                let mut writer = Writer::new();
                writer.varint("v", value);
                writer.zigzag("z", value.cast_signed());
                let bytes = writer.finish();
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.varint(), Ok(value));
                assert_eq!(reader.zigzag(), Ok(value.cast_signed()));
                assert_eq!(reader.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn a_varint_has_one_spelling_and_64_bits() {
        assert!(Reader::new(&[0x80, 0x00]).varint().is_err());
        assert!(Reader::new(&[0xff; 10]).varint().is_err());
        let mut above = [0xff; 10];
        above[9] = 2;
        assert!(Reader::new(&above).varint().is_err());
        assert_eq!(Reader::new(&[0]).varint(), Ok(0));
        assert_eq!(Reader::new(&[0x80, 1]).varint(), Ok(128));
    }

    #[test]
    fn a_reader_never_reads_past_its_bytes() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.u16(), Err(Damage::Bytes { at: 2, what: SHORT }));
        assert_eq!(reader.take(usize::MAX), Err(Damage::Bytes { at: 2, what: SHORT }));
        assert_eq!(reader.u8(), Ok(3));
    }

    #[test]
    fn a_count_is_never_larger_than_what_is_there() {
        let bytes = [2, 0, 0, 0, 9, 9, 9, 9];
        assert_eq!(Reader::new(&bytes).count(2), Ok(2));
        assert!(Reader::new(&bytes).count(3).is_err());
        assert!(Reader::new(&[0xff; 8]).count(usize::MAX).is_err());
    }

    #[test]
    fn what_is_left_over_is_refused() {
        assert!(Reader::new(&[0]).finish().is_err());
    }

    #[test]
    fn a_newer_version_is_no_damage() {
        assert_eq!(Reader::new(&[1, 0]).version("a page", 1), Ok(1));
        assert!(matches!(Reader::new(&[2, 0]).version("a page", 1), Err(Damage::Newer { .. })));
        assert!(matches!(Reader::new(&[0, 0]).version("a page", 1), Err(Damage::Bytes { .. })));
    }

    #[test]
    fn texts_are_bounded_and_utf_8() {
        assert!(Reader::new(&[0, 0]).string(5).is_err());
        assert!(Reader::new(&[3, 0, b'a', b'b', b'c']).string(2).is_err());
        assert!(Reader::new(&[1, 0, 0xff]).string(5).is_err());
        assert!(Reader::new(&[2, 0, b'a']).string(5).is_err());
    }
}
