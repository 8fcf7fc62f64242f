//! Events as they are stored, taken apart: every field is a place in the bytes.
//!
//! Only what would be written again in exactly the same bytes is taken apart: fields in ascending order, each at most once, numbers
//! in the fewest bytes, nothing that is empty where protobuf would leave it out. Everything else is none of ours, and carried raw.

use crate::repo::codec::columns::shape::ENTRIES_MAX;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::varint;

/// A value in the metadata: its key, the field that it has in `MetaDataValue`, and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) kind: u8,
    pub(super) value: Span,
}

/// The field of a value in the metadata that has none.
pub(super) const NO_VALUE: u8 = 0;

/// How a value of this kind lies; none for kinds that there are not.
pub(super) const fn form_of(kind: u8) -> Option<Form> {
    Some(match kind {
        1 | 5 => Form::Text,
        2 | 3 => Form::Varint,
        4 => Form::Fixed64,
        NO_VALUE => Form::End,
        _ => return None,
    })
}

/// An event, taken apart. What is absent is empty or 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) message: Span,
    pub(super) aggregate: Span,
    pub(super) sequence: u64,
    pub(super) aggregate_type: Span,
    pub(super) timestamp: u64,
    /// Whether there is a payload, though it may be empty.
    pub(super) has_payload: bool,
    pub(super) payload_type: Span,
    pub(super) revision: Span,
    pub(super) data: Span,
    pub(super) metadata: Vec<Entry>,
    pub(super) snapshot: bool,
}

/// Wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;

/// Steps through the fields of a message. Each method takes a field if it comes next; none means that it is not what we would write.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], span: Span) -> Self {
        Self { bytes, at: span.at as usize, end: span.end() }
    }

    /// Whether all was taken.
    fn done(&self) -> Option<()> {
        (self.at == self.end).then_some(())
    }

    /// Whether a field comes next: then its tag is taken.
    #[inline]
    fn is_next(&mut self, number: u8, wire: u8) -> bool {
        let next = self.at < self.end && self.bytes.get(self.at) == Some(&(number << 3 | wire));
        self.at += usize::from(next);
        next
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let (value, length) = varint(self.bytes.get(self.at..self.end)?)?;
        self.at += length;
        Some(value)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<Span> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end)?;
        let span = Span::new(self.at, length);
        self.at = end;
        Some(span)
    }

    #[inline]
    fn block(&mut self) -> Option<Span> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    /// A text, which is never empty when it is there.
    #[inline]
    fn text(&mut self, number: u8) -> Option<Span> {
        if !self.is_next(number, BYTES) {
            return Some(Span::default());
        }
        self.block().filter(|span| !span.is_empty())
    }

    /// A number, which is never 0 when it is there.
    #[inline]
    fn number(&mut self, number: u8) -> Option<u64> {
        if !self.is_next(number, VARINT) {
            return Some(0);
        }
        self.varint().filter(|number| *number != 0)
    }
}

impl Event {
    /// Takes an event apart; none if it is not written as we would write it.
    pub(super) fn parse(&mut self, bytes: &[u8], span: Span) -> Option<()> {
        let mut fields = Fields::new(bytes, span);
        self.message = fields.text(1)?;
        self.aggregate = fields.text(2)?;
        self.sequence = fields.number(3)?;
        self.aggregate_type = fields.text(4)?;
        self.timestamp = fields.number(5)?;
        self.has_payload = fields.is_next(6, BYTES);
        let payload = if self.has_payload { fields.block()? } else { Span::default() };
        self.set_payload(bytes, payload)?;
        self.metadata.clear();
        while fields.is_next(7, BYTES) {
            self.metadata.push(entry(bytes, fields.block()?)?);
        }
        self.snapshot = match fields.number(8)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        fields.done().filter(|()| self.metadata.len() <= ENTRIES_MAX)
    }

    fn set_payload(&mut self, bytes: &[u8], span: Span) -> Option<()> {
        let mut fields = Fields::new(bytes, span);
        self.payload_type = fields.text(1)?;
        self.revision = fields.text(2)?;
        self.data = fields.text(3)?;
        fields.done()
    }
}

/// A key, which must be there, and a value of one field.
fn entry(bytes: &[u8], span: Span) -> Option<Entry> {
    let mut fields = Fields::new(bytes, span);
    let key = if fields.is_next(1, BYTES) { fields.block()? } else { return None };
    let inner = if fields.is_next(2, BYTES) { fields.block()? } else { return None };
    fields.done()?;
    let mut fields = Fields::new(bytes, inner);
    let Some(tag) = inner.of(bytes).first() else {
        return Some(Entry { key, kind: NO_VALUE, value: Span::new(inner.at as usize, 0) });
    };
    fields.at += 1;
    let kind = tag >> 3;
    let value = match (kind, tag & 7) {
        (1 | 5, BYTES) => fields.block()?,
        (2 | 3, VARINT) => {
            let from = fields.at;
            fields.varint()?;
            Span::new(from, fields.at - from)
        }
        (4, FIXED64) => fields.take(8)?,
        _ => return None,
    };
    fields.done()?;
    Some(Entry { key, kind, value })
}

/// A transaction: a run of events behind a head, with its CRC-32 behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Transaction {
    pub(super) version: u8,
    /// The CRC-32, if it is not that of the events.
    pub(super) wrong_crc: Option<u32>,
    pub(super) events: Vec<Span>,
    pub(super) end: usize,
}

impl Transaction {
    /// Reads the transaction at `at`; none if there is none.
    pub(super) fn parse(&mut self, bytes: &[u8], at: usize) -> Option<()> {
        self.events.clear();
        let rest = bytes.get(at..)?;
        let size = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let version = *rest.get(4)?;
        let count = u16::from_be_bytes(*rest.get(5..)?.first_chunk()?);
        let area = rest.get(7..)?.get(..size)?;
        let crc = u32::from_be_bytes(*rest.get(7 + size..)?.first_chunk()?);
        let mut from = 0;
        for _ in 0..count {
            let length = usize::try_from(u32::from_be_bytes(*area.get(from..)?.first_chunk()?)).ok()?;
            area.get(from + 4..)?.get(..length)?;
            self.events.push(Span::new(at + 7 + from + 4, length));
            from += 4 + length;
        }
        self.version = version;
        self.wrong_crc = Some(crc).filter(|crc| crc32fast::hash(area) != *crc);
        self.end = at + 11 + size;
        (from == size && count > 0).then_some(())
    }
}
