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

/// Steps through the fields of a message.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    last: u64,
}

enum Field {
    Number(u64),
    Bytes(Span),
    Fixed64(Span),
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], span: Span) -> Self {
        Self { bytes, at: span.at as usize, end: span.end(), last: 0 }
    }

    fn is_done(&self) -> bool {
        self.at >= self.end
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, length) = varint(self.bytes.get(self.at..self.end)?)?;
        self.at += length;
        Some(value)
    }

    /// The next field: its number, which never falls, and rises unless it is `repeated`.
    fn next(&mut self, repeated: u64) -> Option<(u64, Field)> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number <= self.last && !(number == repeated && number == self.last) {
            return None;
        }
        self.last = number;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Fixed64(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((number, field))
    }

    fn take(&mut self, length: usize) -> Option<Span> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end)?;
        let span = Span::new(self.at, length);
        self.at = end;
        Some(span)
    }
}

fn full(span: Span) -> Option<Span> {
    (!span.is_empty()).then_some(span)
}

fn positive(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

impl Event {
    /// Takes an event apart; none if it is not written as we would write it.
    pub(super) fn parse(&mut self, bytes: &[u8], span: Span) -> Option<()> {
        let mut metadata = std::mem::take(&mut self.metadata);
        metadata.clear();
        *self = Self { metadata, ..Self::default() };
        let event = self;
        let mut fields = Fields::new(bytes, span);
        while !fields.is_done() {
            match fields.next(7)? {
                (1, Field::Bytes(span)) => event.message = full(span)?,
                (2, Field::Bytes(span)) => event.aggregate = full(span)?,
                (3, Field::Number(number)) => event.sequence = positive(number)?,
                (4, Field::Bytes(span)) => event.aggregate_type = full(span)?,
                (5, Field::Number(number)) => event.timestamp = positive(number)?,
                (6, Field::Bytes(span)) => event.set_payload(bytes, span)?,
                (7, Field::Bytes(span)) => event.metadata.push(entry(bytes, span)?),
                (8, Field::Number(1)) => event.snapshot = true,
                _ => return None,
            }
        }
        (event.metadata.len() <= ENTRIES_MAX).then_some(())
    }

    fn set_payload(&mut self, bytes: &[u8], span: Span) -> Option<()> {
        self.has_payload = true;
        let mut fields = Fields::new(bytes, span);
        while !fields.is_done() {
            match fields.next(0)? {
                (1, Field::Bytes(span)) => self.payload_type = full(span)?,
                (2, Field::Bytes(span)) => self.revision = full(span)?,
                (3, Field::Bytes(span)) => self.data = full(span)?,
                _ => return None,
            }
        }
        Some(())
    }
}

/// A key, which must be there, and a value of one field.
fn entry(bytes: &[u8], span: Span) -> Option<Entry> {
    let mut fields = Fields::new(bytes, span);
    let (1, Field::Bytes(key)) = fields.next(0)? else { return None };
    let (2, Field::Bytes(inner)) = fields.next(0)? else { return None };
    if !fields.is_done() {
        return None;
    }
    if inner.is_empty() {
        return Some(Entry { key, kind: NO_VALUE, value: Span::new(inner.at as usize, 0) });
    }
    let mut fields = Fields::new(bytes, inner);
    let from = fields.at;
    let (kind, value) = match fields.next(0)? {
        (kind @ (1 | 5), Field::Bytes(value)) => (kind, value),
        (kind @ (2 | 3), Field::Number(_)) => (kind, Span::new(from + 1, fields.at - from - 1)),
        (4, Field::Fixed64(value)) => (4, value),
        _ => return None,
    };
    fields.is_done().then_some(Entry { key, kind: kind as u8, value })
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
