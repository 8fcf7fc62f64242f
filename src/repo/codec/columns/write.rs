//! Writes a block: transactions, events, payloads, each value by its column.

use super::coder::Coder;
use super::envelope::Envelope;
use super::envelope::Scope;
use super::grammar::NONE;
use super::grammar::key_of;
use super::lex;
use super::lex::Piece;
use super::parse::Event;
use super::parse::Transaction;
use super::parse::form_of;
use super::predict::Value;
use super::put::Put;
use super::shape::ENTRIES_MAX;
use super::shape::SHAPES_MAX;
use super::shape::Shape;
use super::span::Span;
use super::values::Form;

/// The header of a segment's file.
const HEADER: usize = 5;

/// The streams of a block, before zstd.
#[derive(Debug)]
pub(super) struct Streams {
    /// Decisions.
    pub(super) coded: Vec<u8>,
    /// Bits that nothing predicts.
    pub(super) raw: Vec<u8>,
    /// Literals and keys.
    pub(super) literals: Vec<u8>,
    /// Long values, raw events, what is not transactions.
    pub(super) values: Vec<u8>,
}

struct Write<'a> {
    put: Put<'a>,
    envelope: Envelope,
    literals: Vec<u8>,
    pieces: Vec<Piece>,
    metadata: Vec<(u32, Value)>,
}

/// Writes a block; none if most of it is not transactions.
pub(super) fn write(raw: &[u8]) -> Option<Streams> {
    let (start, transactions, end) = transactions(raw);
    if end - start < raw.len() / 2 {
        return None;
    }
    let mut put = Put::new(raw);
    let envelope = Envelope::new(&mut put.coder, &mut put.model);
    let (literals, pieces, metadata) = (Vec::new(), Vec::new(), Vec::new());
    let mut write = Write { put, envelope, literals, pieces, metadata };
    write.bytes(Span::new(0, start));
    write.envelope.lengths.code(&mut write.put.coder, transactions.len() as u64);
    transactions.iter().for_each(|transaction| write.transaction(transaction));
    write.bytes(Span::new(end, raw.len() - end));
    let Write { put, literals, .. } = write;
    let (coded, bits) = put.coder.finish();
    Some(Streams { coded, raw: bits, literals, values: put.stream })
}

/// All transactions from the front on, behind a header if there is one: where they begin, they, where they end.
fn transactions(raw: &[u8]) -> (usize, Vec<Transaction>, usize) {
    let mut start = 0;
    let mut first = Transaction::parse(raw, 0);
    if first.is_none() {
        first = Transaction::parse(raw, HEADER);
        start = HEADER.min(raw.len());
    }
    let (mut transactions, mut at) = (Vec::new(), start);
    while let Some(transaction) = first.take().or_else(|| Transaction::parse(raw, at)) {
        at = transaction.end;
        transactions.push(transaction);
    }
    (start, transactions, at)
}

impl Write<'_> {
    /// Bytes that are carried as they are.
    fn bytes(&mut self, span: Span) {
        self.envelope.lengths.code(&mut self.put.coder, u64::from(span.length));
        self.put.stream.extend(span.of(self.put.bytes));
    }

    fn transaction(&mut self, transaction: &Transaction) {
        let coder = &mut self.put.coder;
        self.envelope.counts.code(coder, transaction.events.len() as u64);
        self.envelope.version(coder, transaction.version);
        self.envelope.is_crc(coder, transaction.wrong_crc.is_none());
        if let Some(crc) = transaction.wrong_crc {
            coder.raw(32, u64::from(crc));
        }
        for (at, span) in transaction.events.iter().enumerate() {
            let event = Event::parse(self.put.bytes, *span).filter(|event| event.metadata.len() <= ENTRIES_MAX);
            self.envelope.is_raw(&mut self.put.coder, event.is_none());
            match event {
                Some(event) => self.event(&event, at > 0),
                None => self.bytes(*span),
            }
        }
    }

    fn event(&mut self, event: &Event, later: bool) {
        self.envelope.before_aggregate(&mut self.put.model);
        self.put.model.now.before = u64::from(later);
        let aggregate = self.put.put(self.envelope.aggregate, Form::Text, event.aggregate);
        self.put.model.now.owner = aggregate.hash;
        self.put.put(self.envelope.aggregate_type, Form::Text, event.aggregate_type);
        self.envelope.before_type(&mut self.put.model, aggregate);
        let bytes = self.put.bytes;
        let (coder, model) = (&mut self.put.coder, &mut self.put.model);
        let types = Envelope::type_column(coder, model, event.aggregate_type.of(bytes));
        let payload_type = self.put.put(types, Form::Text, event.payload_type);
        let name = event.payload_type.of(bytes);
        let scope = self.envelope.scope(&mut self.put.coder, &mut self.put.model, name);
        Envelope::behind_type(&mut self.put.model, aggregate, payload_type);
        self.put.put(scope.revision, Form::Text, event.revision);
        self.envelope.sequence(&mut self.put.coder, aggregate, event.sequence);
        self.envelope.timestamp(&mut self.put.coder, later, event.timestamp);
        self.put.model.now.timestamp = event.timestamp.cast_signed();
        let message = self.put.put(self.envelope.message, Form::Text, event.message);
        self.put.model.now.before = payload_type.hash;
        self.put.model.now.identifier = 0;
        self.shape(event, scope, name);
        self.metadata(event);
        self.put.model.now.before = payload_type.hash;
        self.put.model.now.identifier = aggregate.hash;
        if !event.data.is_empty() {
            self.payload(scope, event.data);
        }
        self.put.model.end_event(message, &self.metadata);
    }

    fn shape(&mut self, event: &Event, scope: Scope, name: &[u8]) {
        let bytes = self.put.bytes;
        let mut shape = Shape::of(0);
        shape.has_payload = event.has_payload;
        shape.has_data = !event.data.is_empty();
        shape.snapshot = event.snapshot;
        shape.entries = event.metadata.iter().map(|entry| (entry.key.of(bytes).to_vec(), entry.kind)).collect();
        let count = self.envelope.shapes.len() as u32;
        let number = self.envelope.shape_names.get(&shape).copied().unwrap_or(count);
        let coder = &mut self.put.coder;
        self.envelope.shape_number(coder, scope, number);
        if number == count {
            coder.raw(3, shape.flags());
            self.envelope.counts.code(coder, shape.entries.len() as u64);
            for (key, kind) in &shape.entries {
                coder.raw(3, u64::from(*kind));
                self.envelope.lengths.code(coder, key.len() as u64);
                self.literals.extend(key);
            }
            if self.envelope.shapes.len() < SHAPES_MAX {
                self.envelope.shape_names.insert(shape.clone(), number);
                self.envelope.shapes.push(shape);
            }
        }
        if (number as usize) < self.envelope.shapes.len() {
            self.envelope.learn_shape(name, number);
        }
    }

    fn metadata(&mut self, event: &Event) {
        self.metadata.clear();
        for entry in &event.metadata {
            let key = entry.key.of(self.put.bytes);
            let column = Envelope::metadata_column(&mut self.put.coder, &mut self.put.model, key);
            if let Some(form) = form_of(entry.kind).filter(|form| *form != Form::End) {
                let value = self.put.put(column, form, entry.value);
                self.metadata.push((column, value));
            }
        }
    }

    fn payload(&mut self, scope: Scope, data: Span) {
        let mut pieces = std::mem::take(&mut self.pieces);
        let room = !self.envelope.grammar.is_full();
        let cut = room && lex::cut(self.put.bytes, data, &mut pieces);
        // A payload that brings too many new literals is none that repeats.
        self.put.coder.bit(scope.flags, cut);
        if cut {
            self.walk(scope, &pieces);
        } else {
            self.put.put(scope.whole, Form::Text, data);
        }
        self.pieces = pieces;
    }

    fn walk(&mut self, scope: Scope, pieces: &[Piece]) {
        let (mut state, mut column) = (scope.start, scope.whole);
        for piece in pieces {
            let literal = self.literal(scope, state, piece);
            let known = self.envelope.grammar.get(literal).and_then(|literal| literal.column);
            column = known.unwrap_or(column);
            if piece.form != Form::End {
                self.put.put(column, piece.form, piece.value);
            }
            state = literal;
        }
    }

    fn literal(&mut self, scope: Scope, state: u32, piece: &Piece) -> u32 {
        let text = piece.literal.of(self.put.bytes);
        let grammar = &mut self.envelope.grammar;
        let found = grammar.find(state, scope.number, (text, piece.form, piece.label));
        let now = (self.put.model.now.owner, self.put.model.now.event);
        grammar.next(&mut self.put.coder, state, now, found);
        if found != NONE {
            return found;
        }
        let coder = &mut self.put.coder;
        coder.raw(3, u64::from(piece.form.number()));
        coder.raw(16, u64::from(piece.label));
        self.envelope.lengths.code(coder, text.len() as u64);
        self.literals.extend(text);
        let what = (text.to_vec(), piece.form, piece.label);
        let column = column_of(coder, &mut self.put.model, scope, &what);
        let literal = grammar.add(coder, scope.number, what, column);
        grammar.learn_new(state, literal);
        literal
    }
}

/// The column of the values behind a literal.
pub(super) fn column_of<C: Coder>(
    coder: &mut C,
    model: &mut super::model::Model,
    scope: Scope,
    literal: &(Vec<u8>, Form, u16),
) -> Option<u32> {
    let (text, form, label) = literal;
    if *form == Form::End {
        return None;
    }
    let key = if *label == 0 {
        model.columns.key(key_of(text)?)
    } else {
        let name = [&[0, 0][..], &scope.number.to_be_bytes(), &label.to_be_bytes()].concat();
        model.columns.key(&name)
    };
    Some(model.columns.column(coder, scope.number, key))
}

