//! Reads a block: the other way round of `write`. Bounded by the length that the block must have; hostile bytes end in an error.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::envelope::Envelope;
use crate::repo::codec::columns::envelope::Scope;
use crate::repo::codec::columns::fields::put_entry;
use crate::repo::codec::columns::fields::put_number;
use crate::repo::codec::columns::fields::put_text;
use crate::repo::codec::columns::fields::set_length;
use crate::repo::codec::columns::fields::text_length;
use crate::repo::codec::columns::get::Get;
use crate::repo::codec::columns::grammar::NONE;
use crate::repo::codec::columns::lex::LITERAL_MAX;
use crate::repo::codec::columns::parse::NO_VALUE;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::shape::ENTRIES_MAX;
use crate::repo::codec::columns::shape::Key;
use crate::repo::codec::columns::shape::SHAPES_MAX;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::write::column_of;

/// The texts of a block: see `write`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    pub(super) literals: &'a [u8],
    pub(super) values: &'a [u8],
}

struct Read<'a, S> {
    get: Get<'a, S>,
    envelope: Envelope,
    literals: &'a [u8],
    out: Vec<u8>,
    raw_length: usize,
    /// The payload of the event that is read.
    data: Vec<u8>,
    metadata: Vec<(u32, Value)>,
    /// Steps that may still be made: a bound for what adds nothing to the block.
    steps: usize,
}

/// What is read of an event before it is put together.
struct Fields {
    message: Span,
    aggregate: Span,
    sequence: u64,
    aggregate_type: Span,
    timestamp: u64,
    payload_type: Span,
    revision: Span,
    shape: u32,
}

/// Reads a block of exactly `raw_length` bytes into `out`, whose content is forgotten.
pub(super) fn read<S: Source>(
    coder: S,
    texts: Texts<'_>,
    raw_length: usize,
    mut out: Vec<u8>,
) -> Result<Vec<u8>, Bad> {
    let mut get = Get::new(coder, texts.values, raw_length);
    let envelope = Envelope::new(&mut get.coder, &mut get.model);
    out.clear();
    out.reserve_exact(raw_length);
    let (data, metadata) = (Vec::new(), Vec::new());
    let literals = texts.literals;
    let steps = raw_length.saturating_add(1 << 16);
    let mut read = Read { get, envelope, literals, out, raw_length, data, metadata, steps };
    read.bytes()?;
    loop {
        while read.envelope.is_more(&mut read.get.coder, false) {
            read.transaction()?;
        }
        read.bytes()?;
        read.step()?;
        if read.out.len() >= raw_length {
            break;
        }
    }
    if read.out.len() == raw_length { Ok(read.out) } else { Err(Bad("another length")) }
}

impl<S: Source> Read<'_, S> {
    fn check(&self, more: usize) -> Result<(), Bad> {
        if self.get.coder.is_past() {
            return Err(Bad("it ends too early"));
        }
        let room = self.raw_length.saturating_sub(self.out.len());
        if more <= room { Ok(()) } else { Err(Bad("it is longer than it says")) }
    }

    fn step(&mut self) -> Result<(), Bad> {
        self.steps = self.steps.checked_sub(1).ok_or(Bad("too many steps"))?;
        let limit = self.raw_length.saturating_add(1 << 16);
        if self.get.values.len() <= limit { Ok(()) } else { Err(Bad("too many values")) }
    }

    fn bytes(&mut self) -> Result<(), Bad> {
        let length =
            usize::try_from(self.envelope.lengths.code(&mut self.get.coder, 0)).unwrap_or(usize::MAX);
        self.check(length)?;
        let stream = self.get.stream;
        let (bytes, rest) =
            stream.split_at_checked(length).ok_or(Bad("the stream of values is too short"))?;
        self.out.extend(bytes);
        self.get.stream = rest;
        Ok(())
    }

    fn transaction(&mut self) -> Result<(), Bad> {
        self.check(11)?;
        let from = self.out.len();
        let coder = &mut self.get.coder;
        let count = self.envelope.counts.code(coder, 0);
        let count = u16::try_from(count).map_err(|_| Bad("too many events"))?;
        let version = self.envelope.version(coder, 0);
        let crc = if self.envelope.is_crc(coder, true) { None } else { Some(coder.raw(32, 0) as u32) };
        self.out.extend([0, 0, 0, 0, version]);
        self.out.extend(count.to_be_bytes());
        for at in 0..count {
            let from = self.out.len();
            self.check(4)?;
            self.out.extend([0; 4]);
            if self.envelope.is_raw(&mut self.get.coder, false) {
                self.bytes()?;
            } else {
                self.event(at > 0)?;
            }
            set_length(from, from + 4, &mut self.out);
        }
        set_length(from, from + 7, &mut self.out);
        self.check(4)?;
        let area = self.out.get(from + 7..).unwrap_or_default();
        let crc = crc.unwrap_or_else(|| crc32fast::hash(area));
        self.out.extend(crc.to_be_bytes());
        Ok(())
    }

    fn event(&mut self, later: bool) -> Result<(), Bad> {
        self.step()?;
        self.envelope.before_aggregate(&mut self.get.model);
        self.get.model.now.before = u64::from(later);
        let aggregate = self.get.get(self.envelope.aggregate, Form::Text)?;
        self.get.model.now.owner = aggregate.hash;
        let aggregate_type = self.get.get(self.envelope.aggregate_type, Form::Text)?.span;
        self.envelope.before_type(&mut self.get.model, aggregate);
        let (coder, model) = (&mut self.get.coder, &mut self.get.model);
        let types = self.envelope.type_column(coder, model, aggregate_type.of(&self.get.values));
        let payload_type = self.get.get(types, Form::Text)?;
        let name = payload_type.span.of(&self.get.values);
        let scope = self.envelope.scope(&mut self.get.coder, &mut self.get.model, name);
        Envelope::behind_type(&mut self.get.model, aggregate, payload_type);
        let revision = self.get.get(scope.revision, Form::Text)?.span;
        self.get.model.event_contexts(&mut self.get.coder, payload_type, later);
        let sequence = self.envelope.sequence(&mut self.get.coder, aggregate, 0);
        let timestamp = self.envelope.timestamp(&mut self.get.coder, later, 0);
        self.get.model.now.timestamp = timestamp.cast_signed();
        let message = self.get.get(self.envelope.message, Form::Text)?;
        self.get.model.now.before = payload_type.hash;
        self.get.model.now.identifier = 0;
        self.get.model.event_contexts(&mut self.get.coder, payload_type, later);
        let shape = self.shape(scope)?;
        self.metadata(shape)?;
        self.get.model.now.before = payload_type.hash;
        self.get.model.now.identifier = aggregate.hash;
        self.data.clear();
        if self.envelope.shapes.get(shape as usize).is_some_and(|shape| shape.has_data) {
            self.payload(scope)?;
        }
        self.get.model.end_event(message, &self.metadata);
        let (message, aggregate, payload_type) = (message.span, aggregate.span, payload_type.span);
        let fields =
            Fields { message, aggregate, sequence, aggregate_type, timestamp, payload_type, revision, shape };
        self.put_event(&fields)
    }

    fn shape(&mut self, scope: Scope) -> Result<u32, Bad> {
        let count = self.envelope.shapes.len() as u32;
        let number = self.envelope.shape_number(&mut self.get.coder, scope, 0);
        if number == count {
            let shape = self.new_shape()?;
            self.envelope.shapes.push(shape);
        } else if number > count {
            return Err(Bad("no such shape"));
        }
        self.envelope.learn_shape(scope, number);
        Ok(number)
    }

    fn new_shape(&mut self) -> Result<Shape, Bad> {
        let coder = &mut self.get.coder;
        let mut shape = Shape::of(coder.raw(3, 0));
        let entries = self.envelope.counts.code(coder, 0);
        if entries > ENTRIES_MAX as u64 || self.envelope.shapes.len() >= SHAPES_MAX {
            return Err(Bad("too many entries or shapes"));
        }
        for _ in 0..entries {
            let kind = self.get.coder.raw(3, 0) as u8;
            form_of(kind).ok_or(Bad("no such kind"))?;
            let length = self.envelope.lengths.code(&mut self.get.coder, 0);
            let name = self.take_literal(length)?;
            let column = Envelope::metadata_column(&mut self.get.coder, &mut self.get.model, &name);
            shape.entries.push(Key { name, kind, column });
        }
        Ok(shape)
    }

    fn take_literal(&mut self, length: u64) -> Result<Vec<u8>, Bad> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (text, rest) = self.literals.split_at_checked(length).ok_or(Bad("the literals are too short"))?;
        self.literals = rest;
        Ok(text.to_vec())
    }

    fn metadata(&mut self, shape: u32) -> Result<(), Bad> {
        self.metadata.clear();
        let Some(shape) = self.envelope.shapes.get(shape as usize) else { return Ok(()) };
        for key in &shape.entries {
            if let Some(form) = form_of(key.kind).filter(|form| *form != Form::End) {
                let value = self.get.get(key.column, form)?;
                self.metadata.push((key.column, value));
            }
        }
        self.step()
    }

    fn payload(&mut self, scope: Scope) -> Result<(), Bad> {
        if !self.get.coder.bit(scope.flags, false) {
            let value = self.get.get(scope.whole, Form::Text)?.span;
            return self.put_part(Form::Text, value);
        }
        let (mut state, mut column) = (scope.start, scope.whole);
        loop {
            self.step()?;
            let literal = self.literal(scope, state)?;
            let known = self.envelope.grammar.get(literal).ok_or(Bad("no such literal"))?;
            let form = known.form;
            column = known.column.unwrap_or(column);
            self.check(self.data.len().saturating_add(known.text.len()))?;
            self.data.extend(&known.text);
            if form == Form::End {
                return Ok(());
            }
            let value = self.get.get(column, form)?.span;
            self.put_part(form, value)?;
            state = literal;
        }
    }

    /// Adds a value to the payload, which must not be longer than there is room: a walk of nothing takes no memory, however long it is.
    fn put_part(&mut self, form: Form, value: Span) -> Result<(), Bad> {
        let value = value.of(&self.get.values);
        let length = self.data.len().saturating_add(value.len());
        self.check(length)?;
        if form == Form::Prefixed {
            put_varint(value.len() as u64, &mut self.data);
        }
        self.data.extend(value);
        Ok(())
    }

    fn literal(&mut self, scope: Scope, state: u32) -> Result<u32, Bad> {
        let now = (self.get.model.now.owner, self.get.model.now.event);
        self.get.model.walk_contexts(&mut self.get.coder, state);
        let found = self.envelope.grammar.next(&mut self.get.coder, state, now, NONE);
        if found != NONE {
            return Ok(found);
        }
        let coder = &mut self.get.coder;
        let form = Form::of(coder.raw(3, 0) as u8).ok_or(Bad("no such form"))?;
        let label = coder.raw(16, 0) as u16;
        let length = self.envelope.lengths.code(coder, 0);
        if length > LITERAL_MAX as u64 {
            return Err(Bad("a literal is too long"));
        }
        let what = (self.take_literal(length)?, form, label);
        let column = column_of(&mut self.get.coder, &mut self.get.model, scope, &what);
        let literal = self.envelope.grammar.add(&mut self.get.coder, scope.number, what, column);
        if literal == NONE {
            return Err(Bad("too many literals"));
        }
        self.envelope.grammar.learn_new(state, literal);
        Ok(literal)
    }

    /// Puts an event together.
    fn put_event(&mut self, fields: &Fields) -> Result<(), Bad> {
        let Some(shape) = self.envelope.shapes.get(fields.shape as usize) else {
            return Err(Bad("no such shape"));
        };
        let (has_payload, snapshot) = (shape.has_payload, shape.snapshot);
        self.check_length(fields)?;
        let (out, values) = (&mut self.out, &self.get.values);
        put_text(1, fields.message.of(values), out);
        put_text(2, fields.aggregate.of(values), out);
        put_number(3, fields.sequence, out);
        put_text(4, fields.aggregate_type.of(values), out);
        put_number(5, fields.timestamp, out);
        if has_payload {
            self.put_payload(fields);
        }
        self.put_metadata(fields.shape);
        put_number(8, u64::from(snapshot), &mut self.out);
        self.check(0)
    }

    /// The event must not be longer than there is room, so that nothing is written that is not wanted.
    fn check_length(&self, fields: &Fields) -> Result<(), Bad> {
        let texts =
            [fields.message, fields.aggregate, fields.aggregate_type, fields.payload_type, fields.revision];
        let texts: usize = texts.iter().map(|text| text.length as usize).sum();
        let metadata: usize = self.metadata.iter().map(|entry| entry.1.span.length as usize).sum();
        self.check(texts.saturating_add(metadata).saturating_add(self.data.len()))
    }

    fn put_payload(&mut self, fields: &Fields) {
        let data = self.data.len();
        let values = &self.get.values;
        let (name, revision) = (fields.payload_type.of(values), fields.revision.of(values));
        let length = text_length(name.len()) + text_length(revision.len()) + text_length(data);
        let out = &mut self.out;
        out.push(6 << 3 | 2);
        put_varint(length as u64, out);
        put_text(1, name, out);
        put_text(2, revision, out);
        put_text(3, &self.data, out);
    }

    fn put_metadata(&mut self, shape: u32) {
        let Some(shape) = self.envelope.shapes.get(shape as usize) else { return };
        let mut metadata = self.metadata.iter();
        for Key { name: key, kind, .. } in &shape.entries {
            let value = if *kind == NO_VALUE { None } else { metadata.next() };
            let value = value.map_or(&[][..], |value| value.1.span.of(&self.get.values));
            put_entry(key, *kind, value, &mut self.out);
        }
    }
}
