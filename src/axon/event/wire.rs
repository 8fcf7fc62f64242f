//! Protobuf's wire format, as much of it as an event needs: fields one by one, borrowed from the bytes.
//!
//! Every length is checked against what is there before it is used; nesting of unknown groups is bounded.

use crate::axon::event::Malformed;

/// Groups inside groups, at most: protobuf's own readers allow as many.
const GROUP_DEPTH: usize = 100;
/// Bytes of the longest varint.
const VARINT: u32 = 10;

/// The last varint of a field, 0 if there is none, of a message as servers write them: field numbers below 16, varints and what has a length in
/// front. None of any other: then its fields are to be read one by one, and what is wrong with it is said there. A proof reads each event so.
pub(super) fn last_varint(mut rest: &[u8], field: u8) -> Option<u64> {
    let mut last = 0;
    while let Some((tag, behind)) = rest.split_first() {
        let (number, behind) = short_varint(behind)?;
        rest = match (tag >> 3, tag & 7) {
            (1..16, 2) => behind.get(usize::try_from(number).ok()?..)?,
            (found @ 1..16, 0) => {
                last = if found == field { number } else { last };
                behind
            }
            _ => return None,
        };
    }
    Some(last)
}

/// A varint of up to nine bytes, and what is behind it.
#[inline]
fn short_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut number = u64::from(first & 0x7f);
    let (mut last, mut shift) = (*first, 0);
    while last >= 0x80 {
        shift += 7;
        let (next, behind) = rest.split_first().filter(|_| shift < 63)?;
        number |= u64::from(next & 0x7f) << shift;
        (last, rest) = (*next, behind);
    }
    Some((number, rest))
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Wire<'a>,
}

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes or a message.
    Bytes(Reader<'a>),
    /// A value of a type that no field of an event has.
    Skipped,
}

/// Reads the fields of a message; or stands for the bytes of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends in the event.
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    pub(super) const fn bytes(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.rest).map_err(|error| Malformed {
            at: self.at().saturating_add(error.valid_up_to()),
            what: "a string is not UTF-8",
        })
    }

    /// The next field; none at the end.
    pub(super) fn next_field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = self.value(number, wire_type, 0)?;
        Ok(Some(Field { number, value }))
    }

    /// Where `rest` begins in the event.
    const fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    const fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at(), what }
    }

    fn tag(&mut self) -> Result<(u32, u32), Malformed> {
        let start = *self;
        let tag =
            u32::try_from(self.varint()?).map_err(|_| start.malformed("a field number is too large"))?;
        if tag >> 3 == 0 {
            return Err(start.malformed("a field number is 0"));
        }
        Ok((tag >> 3, tag & 7))
    }

    fn value(&mut self, number: u32, wire_type: u32, depth: usize) -> Result<Wire<'a>, Malformed> {
        match wire_type {
            0 => Ok(Wire::Varint(self.varint()?)),
            1 => Ok(Wire::Fixed64(u64::from_le_bytes(self.fixed()?))),
            2 => Ok(Wire::Bytes(self.delimited()?)),
            3 => self.skip_group(number, depth).map(|()| Wire::Skipped),
            5 => self.fixed::<4>().map(|_| Wire::Skipped),
            _ => Err(self.malformed("a wire type is unknown, or a group ends that did not begin")),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let start = *self;
        let mut number = 0;
        for index in 0..VARINT {
            let [byte] = self.fixed().map_err(|_| start.malformed("it ends inside a number"))?;
            // The tenth byte has room for one bit; protobuf drops the others.
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(start.malformed("a number is longer than ten bytes"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.malformed("it ends inside a number"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn delimited(&mut self) -> Result<Self, Malformed> {
        let start = *self;
        let length = self.varint()?;
        let parts = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = parts.ok_or_else(|| start.malformed("a length runs past the end"))?;
        self.rest = rest;
        Ok(Self { rest: bytes, end: self.at() })
    }

    fn skip_group(&mut self, number: u32, depth: usize) -> Result<(), Malformed> {
        if depth >= GROUP_DEPTH {
            return Err(self.malformed("groups are nested too deeply"));
        }
        loop {
            let (inside, wire_type) = self.tag()?;
            if wire_type != 4 {
                self.value(inside, wire_type, depth + 1)?;
            } else if inside == number {
                return Ok(());
            } else {
                return Err(self.malformed("a group ends that did not begin"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Field by field.
    fn slowly(bytes: &[u8], wanted: u32) -> Result<u64, Malformed> {
        let (mut last, mut fields) = (0, Reader::new(bytes));
        while let Some(field) = fields.next_field()? {
            if let (true, Wire::Varint(number)) = (field.number == wanted, field.value) {
                last = number;
            }
        }
        Ok(last)
    }

    #[test]
    fn what_is_read_at_a_glance_is_what_is_read_field_by_field() {
        let mut random = fastrand::Rng::with_seed(7);
        // Tags of the fields 1, 2, 5 and others, lengths, numbers that go on, and what no event has.
        let alphabet =
            [0x08, 0x0a, 0x12, 0x28, 0x2a, 0x28, 1, 2, 3, 0x80, 0xff, 0, 0x2d, 0x29, 0x2b, 0x2c, 0xa8, 0x7a];
        let (mut glances, mut errors) = (0, 0);
        for _ in 0..200_000 {
            let length = random.usize(0..24);
            let bytes: Vec<u8> = (0..length).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
            let expected = slowly(&bytes, 5);
            errors += u32::from(expected.is_err());
            if let Some(number) = last_varint(&bytes, 5) {
                glances += 1;
                assert_eq!(expected, Ok(number), "{bytes:02x?}");
            }
        }
        assert!(glances > 10_000 && errors > 100_000, "{glances} {errors}");
    }

    #[test]
    fn what_servers_write_is_read_at_a_glance() {
        let written =
            [&[0x0a, 3][..], b"abc", &[0x18, 7, 0x28, 0x91, 0xfa, 0xe3, 0xa8, 0xa0, 0x34, 0x32, 1, 0]];
        assert_eq!(last_varint(&written.concat(), 5), Some(1_795_381_853_457));
        assert_eq!(last_varint(&[0x28, 1, 0x28, 2], 5), Some(2));
        let longest = [&[0x28][..], &[0xff; 8], &[0x7f]].concat();
        assert_eq!(last_varint(&longest, 5), Some((1 << 63) - 1));
        // Ten bytes are read field by field.
        assert_eq!(last_varint(&[&[0x28][..], &[0x80; 9], &[1]].concat(), 5), None);
    }
}
