//! Puts events together of what was read.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::fields::put_entry;
use crate::repo::codec::columns::fields::put_number;
use crate::repo::codec::columns::fields::put_text;
use crate::repo::codec::columns::fields::set_length;
use crate::repo::codec::columns::fields::text_length;
use crate::repo::codec::columns::parse::NO_VALUE;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::whole::MESSAGE;
use crate::repo::codec::columns::whole::frame::Frame;
use crate::repo::codec::columns::whole::head::Kind;
use crate::repo::codec::columns::whole::head::Literal;
use crate::repo::codec::columns::whole::read::Block;
use crate::repo::codec::columns::whole::rows::Entry;
use crate::repo::codec::columns::whole::rows::Texts;

const SHORT: Bad = Bad("it ends too early");
const LONG: Bad = Bad("it is longer than it says");

/// The block, in a buffer whose content is forgotten.
pub(super) fn join(
    block: &Block,
    values: Texts<'_>,
    carried: &[u8],
    mut out: Vec<u8>,
) -> Result<Vec<u8>, Bad> {
    out.clear();
    out.reserve_exact(block.raw_length);
    let next = vec![0; block.table.rows.len()];
    let literals = Literals::new(&block.head.literals);
    let (walk, data) = (&block.walks[..], Vec::new());
    let mut join = Join { block, literals, values, carried, next, walk, event: 0, out, data };
    let (mut frames, mut raw_events) = (block.frames.iter(), block.raw_events.iter());
    for (length, count) in &block.head.runs {
        join.carry(*length)?;
        for _ in 0..*count {
            join.transaction(frames.next().ok_or(SHORT)?, &mut raw_events)?;
        }
    }
    if join.out.len() == block.raw_length { Ok(join.out) } else { Err(Bad("another length")) }
}

/// The texts of literals, side by side, so that they are read and copied sooner than from all over the memory.
struct Literals {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Literals {
    fn new(literals: &[Literal]) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(literals.len()));
        for literal in literals {
            spans.push(Span::new(bytes.len(), literal.text.len()));
            bytes.extend(&literal.text);
        }
        Self { bytes, spans }
    }
}

struct Join<'a> {
    block: &'a Block,
    literals: Literals,
    values: Texts<'a>,
    carried: &'a [u8],
    /// By column: the row that is next.
    next: Vec<u32>,
    walk: &'a [u16],
    event: u32,
    out: Vec<u8>,
    /// The payload of the event that is put together.
    data: Vec<u8>,
}

impl<'a> Join<'a> {
    /// Whether there is room for so many bytes more.
    #[inline]
    fn check(&self, more: usize) -> Result<(), Bad> {
        if more <= self.block.raw_length.saturating_sub(self.out.len()) { Ok(()) } else { Err(LONG) }
    }

    fn carry(&mut self, length: u32) -> Result<(), Bad> {
        let (bytes, rest) = self.carried.split_at_checked(length as usize).ok_or(SHORT)?;
        self.check(bytes.len())?;
        self.out.extend_from_slice(bytes);
        self.carried = rest;
        Ok(())
    }

    fn transaction(
        &mut self,
        frame: &Frame,
        raw_events: &mut std::slice::Iter<'_, Option<u32>>,
    ) -> Result<(), Bad> {
        self.check(11)?;
        let from = self.out.len();
        self.out.extend([0, 0, 0, 0, frame.version]);
        self.out.extend(frame.events.to_be_bytes());
        for _ in 0..frame.events {
            let from = self.out.len();
            self.check(4)?;
            self.out.extend([0; 4]);
            match raw_events.next().ok_or(SHORT)? {
                Some(length) => self.carry(*length)?,
                None => self.event()?,
            }
            set_length(from, from + 4, &mut self.out);
        }
        set_length(from, from + 7, &mut self.out);
        self.check(4)?;
        let area = self.out.get(from + 7..).unwrap_or_default();
        let crc = frame.wrong_crc.unwrap_or_else(|| crc32fast::hash(area));
        self.out.extend(crc.to_be_bytes());
        Ok(())
    }

    /// The next value of a column.
    #[inline]
    fn value(&mut self, column: u32) -> Result<&'a [u8], Bad> {
        Ok(self.values.of(self.span(column)?))
    }

    /// Where that is.
    #[inline]
    fn span(&mut self, column: u32) -> Result<Span, Bad> {
        let next = self.next.get_mut(column as usize).ok_or(SHORT)?;
        let rows = self.block.table.column(column).ok_or(SHORT)?;
        let span = rows.values.span(*next as usize).ok_or(SHORT)?;
        *next += 1;
        Ok(span)
    }

    fn event(&mut self) -> Result<(), Bad> {
        let block = self.block;
        let entry = block.table.entry(self.event).ok_or(SHORT)?;
        let kind = block.head.kinds.get(entry.kind as usize).ok_or(SHORT)?;
        self.event += 1;
        let message = self.value(MESSAGE)?;
        let aggregate = self.values.of(block.table.aggregate(entry.aggregate).span);
        self.data(entry, kind)?;
        self.check(message.len() + aggregate.len() + kind.length() + self.data.len())?;
        put_text(1, message, &mut self.out);
        put_text(2, aggregate, &mut self.out);
        put_number(3, entry.sequence, &mut self.out);
        put_text(4, &kind.aggregate_type, &mut self.out);
        put_number(5, entry.timestamp, &mut self.out);
        if kind.shape.has_payload {
            self.payload(kind);
        }
        self.metadata(&kind.shape)?;
        put_number(8, u64::from(kind.shape.snapshot), &mut self.out);
        self.check(0)
    }

    /// Puts a payload together.
    fn data(&mut self, entry: &Entry, kind: &Kind) -> Result<(), Bad> {
        self.data.clear();
        if !entry.is_cut {
            if kind.shape.has_data {
                let value = self.value(kind.whole)?;
                self.check(value.len())?;
                self.data.extend_from_slice(value);
            }
            return Ok(());
        }
        loop {
            let (number, rest) = self.walk.split_first().ok_or(SHORT)?;
            let literal = self.block.head.literals.get(usize::from(*number)).ok_or(SHORT)?;
            self.walk = rest;
            let text = self.literals.spans.get(usize::from(*number)).copied().unwrap_or_default();
            if literal.form == Form::End {
                return self.add_literal(text, 0);
            }
            let value = self.span(literal.column)?;
            self.add_literal(text, value.length as usize)?;
            if literal.form == Form::Prefixed {
                put_varint(u64::from(value.length), &mut self.data);
            }
            self.values.append(value, &mut self.data);
        }
    }

    /// Adds a literal to the payload, which must not be longer than there is room, with what comes behind.
    #[inline]
    fn add_literal(&mut self, text: Span, behind: usize) -> Result<(), Bad> {
        self.check(self.data.len() + text.length as usize + behind)?;
        text.append(&self.literals.bytes, &mut self.data);
        Ok(())
    }

    fn payload(&mut self, kind: &Kind) {
        let (name, revision, data) = (&kind.payload_type, &kind.revision, &self.data);
        let length = text_length(name.len()) + text_length(revision.len()) + text_length(data.len());
        self.out.push(6 << 3 | 2);
        put_varint(length as u64, &mut self.out);
        put_text(1, name, &mut self.out);
        put_text(2, revision, &mut self.out);
        put_text(3, data, &mut self.out);
    }

    fn metadata(&mut self, shape: &Shape) -> Result<(), Bad> {
        for entry in &shape.entries {
            let value = if entry.kind == NO_VALUE { &[][..] } else { self.value(entry.column)? };
            self.check(entry.name.len() + value.len())?;
            put_entry(&entry.name, entry.kind, value, &mut self.out);
        }
        Ok(())
    }
}

impl Kind {
    /// The bytes of its names.
    fn length(&self) -> usize {
        self.aggregate_type.len() + self.payload_type.len() + self.revision.len()
    }
}
