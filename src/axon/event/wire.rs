//! Protobuf's wire format, as much of it as an event needs: fields one by one, borrowed from the bytes.
//!
//! Every length is checked against what is there before it is used; nesting of unknown groups is bounded.

use crate::axon::event::Malformed;

/// Groups inside groups, at most: protobuf's own readers allow as many.
const GROUP_DEPTH: usize = 100;
/// Bytes of the longest varint.
const VARINT: u32 = 10;

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
