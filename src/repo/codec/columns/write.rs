//! Writes a block: transactions, events, payloads, each value by its column.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::column::Columns;
use crate::repo::codec::columns::envelope::Envelope;
use crate::repo::codec::columns::envelope::Scope;
use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::finder::Same;
use crate::repo::codec::columns::grammar::NONE;
use crate::repo::codec::columns::grammar::key_of;
use crate::repo::codec::columns::lex;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::model::Model;
use crate::repo::codec::columns::packed::Packer;
use crate::repo::codec::columns::parse::Event;
use crate::repo::codec::columns::parse::Transaction;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::put::Put;
use crate::repo::codec::columns::shape::Key;
use crate::repo::codec::columns::shape::SHAPES_MAX;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Literals that a payload type may bring, and how many pieces there must be for each one beyond that.
const LITERALS_AT_FIRST: usize = 512;
const LITERALS_OF: usize = 16;
/// The header of a segment's file.
const HEADER: usize = 5;

/// The texts of a block, before zstd: what is no symbol.
#[derive(Debug)]
pub(super) struct Texts {
    /// Literals and keys.
    pub(super) literals: Vec<u8>,
    /// Long values, raw events, what is not transactions.
    pub(super) values: Vec<u8>,
}

impl Texts {
    /// Both, through zstd at this level.
    pub(super) fn packed(&self, level: i32) -> Vec<u8> {
        let (mut packer, mut out) = (Packer::new(level), Vec::new());
        for text in [&self.literals, &self.values] {
            packer.put(text, &mut out);
        }
        out
    }
}

struct Write<'a, C> {
    put: Put<'a, C>,
    envelope: Envelope,
    literals: Vec<u8>,
    pieces: Vec<Piece>,
    metadata: Vec<(u32, Value)>,
    event: Event,
    shapes: Finder,
    /// By scope: pieces, and literals that were new among them.
    walks: HashMap<u64, (usize, usize), BuildHasherDefault<Same>>,
}

/// Writes a block; none if most of it is not transactions. Gives the coder back, and the columns that there were.
pub(super) fn write<C: Coder>(raw: &[u8], coder: C) -> Option<(C, Texts, Columns)> {
    let mut transaction = Transaction::default();
    let start = [0, HEADER].into_iter().find(|start| transaction.parse(raw, *start).is_some())?;
    let mut put = Put::new(raw, coder);
    let envelope = Envelope::new(&mut put.coder, &mut put.model);
    let (literals, pieces, metadata) = (Vec::new(), Vec::new(), Vec::new());
    let mut write = Write {
        put,
        envelope,
        literals,
        pieces,
        metadata,
        event: Event::default(),
        shapes: Finder::default(),
        walks: HashMap::default(),
    };
    write.bytes(Span::new(0, start));
    let mut at = start;
    loop {
        let begin = at;
        while transaction.parse(raw, at).is_some() {
            write.envelope.is_more(&mut write.put.coder, true);
            write.transaction(&transaction);
            at = transaction.end;
        }
        let next = next_segment(raw, at, &mut transaction);
        if next == raw.len() && at - begin < (raw.len() - begin) / 2 {
            return None;
        }
        write.envelope.is_more(&mut write.put.coder, false);
        write.bytes(Span::new(at, next - at));
        at = next;
        if at == raw.len() {
            break;
        }
    }
    let Write { put, literals, .. } = write;
    Some((put.coder, Texts { literals, values: put.stream }, put.model.columns))
}

/// Where transactions go on behind the header of another segment; the end, if they don't.
fn next_segment(raw: &[u8], at: usize, transaction: &mut Transaction) -> usize {
    let behind = at.saturating_add(HEADER);
    if transaction.parse(raw, behind).is_some() { behind } else { raw.len() }
}

impl<C: Coder> Write<'_, C> {
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
            let mut event = std::mem::take(&mut self.event);
            let parsed = event.parse(self.put.bytes, *span).is_some() && self.has_shape(&event);
            self.envelope.is_raw(&mut self.put.coder, !parsed);
            if parsed {
                self.event(&event, at > 0);
            } else {
                self.bytes(*span);
            }
            self.event = event;
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
        let types = self.envelope.type_column(coder, model, event.aggregate_type.of(bytes));
        let payload_type = self.put.put(types, Form::Text, event.payload_type);
        let name = event.payload_type.of(bytes);
        let scope = self.envelope.scope(&mut self.put.coder, &mut self.put.model, name);
        Envelope::behind_type(&mut self.put.model, aggregate, payload_type);
        self.put.put(scope.revision, Form::Text, event.revision);
        self.put.model.event_contexts(&mut self.put.coder, payload_type, later);
        self.envelope.sequence(&mut self.put.coder, aggregate, event.sequence);
        self.envelope.timestamp(&mut self.put.coder, later, event.timestamp);
        self.put.model.now.timestamp = event.timestamp.cast_signed();
        let message = self.put.put(self.envelope.message, Form::Text, event.message);
        self.put.model.now.before = payload_type.hash;
        self.put.model.now.identifier = 0;
        self.put.model.event_contexts(&mut self.put.coder, payload_type, later);
        let shape = self.shape(event, scope);
        self.metadata(event, shape);
        self.put.model.now.before = payload_type.hash;
        self.put.model.now.identifier = aggregate.hash;
        if !event.data.is_empty() {
            self.payload(scope, event.data);
        }
        self.put.model.end_event(message, &self.metadata);
    }

    /// Whether there is room for the event's shape, if it is a new one.
    fn has_shape(&self, event: &Event) -> bool {
        self.envelope.shapes.len() < SHAPES_MAX || self.known_shape(event).is_some()
    }

    fn known_shape(&self, event: &Event) -> Option<u32> {
        let bytes = self.put.bytes;
        let found = self.shapes.get(&Shape::hash_of(event, bytes)).copied()?;
        self.envelope.shapes.get(found as usize).filter(|shape| shape.is_of(event, bytes)).map(|_| found)
    }

    fn shape(&mut self, event: &Event, scope: Scope) -> u32 {
        let bytes = self.put.bytes;
        let count = self.envelope.shapes.len() as u32;
        let last = self.envelope.shapes.get(scope.shape as usize);
        let number = match last.filter(|shape| shape.is_of(event, bytes)) {
            Some(_) => scope.shape,
            None => self.known_shape(event).unwrap_or(count),
        };
        self.envelope.shape_number(&mut self.put.coder, scope, number);
        if number == count {
            self.new_shape(event, number);
        }
        self.envelope.learn_shape(scope, number);
        number
    }

    fn new_shape(&mut self, event: &Event, number: u32) {
        let bytes = self.put.bytes;
        let mut shape = Shape::of(self.put.coder.raw(3, Shape::flags(event)));
        self.envelope.counts.code(&mut self.put.coder, event.metadata.len() as u64);
        for entry in &event.metadata {
            let name = entry.key.of(bytes).to_vec();
            self.put.coder.raw(3, u64::from(entry.kind));
            self.envelope.lengths.code(&mut self.put.coder, name.len() as u64);
            self.literals.extend(&name);
            let column = Envelope::metadata_column(&mut self.put.coder, &mut self.put.model, &name);
            shape.entries.push(Key { name, kind: entry.kind, column });
        }
        self.shapes.entry(Shape::hash_of(event, bytes)).or_insert(number);
        self.envelope.shapes.push(shape);
    }

    fn metadata(&mut self, event: &Event, shape: u32) {
        self.metadata.clear();
        let Some(shape) = self.envelope.shapes.get(shape as usize) else { return };
        for (entry, key) in event.metadata.iter().zip(&shape.entries) {
            if let Some(form) = form_of(entry.kind).filter(|form| *form != Form::End) {
                let value = self.put.put(key.column, form, entry.value);
                self.metadata.push((key.column, value));
            }
        }
    }

    fn payload(&mut self, scope: Scope, data: Span) {
        let mut pieces = std::mem::take(&mut self.pieces);
        let cut = self.is_worth_cutting(scope)
            && lex::cut(self.put.bytes, data, &mut pieces)
            && self.has_room(scope, &pieces);
        self.put.coder.bit(scope.flags, cut);
        if cut {
            self.walk(scope, &pieces);
        } else {
            self.put.put(scope.whole, Form::Text, data);
        }
        self.pieces = pieces;
    }

    /// Payloads whose literals never come again (keys that are identifiers, say) are better left whole, before they fill the grammar.
    fn is_worth_cutting(&self, scope: Scope) -> bool {
        let (walked, added) = self.walks.get(&u64::from(scope.number)).copied().unwrap_or_default();
        added < LITERALS_AT_FIRST || added * LITERALS_OF < walked
    }

    /// Whether all literals that are new among these can be added: a walk that was begun can't be taken back.
    fn has_room(&self, scope: Scope, pieces: &[Piece]) -> bool {
        let grammar = &self.envelope.grammar;
        let is_new = |piece: &&Piece| {
            let text = piece.literal.of(self.put.bytes);
            grammar.find(NONE, scope.number, (text, piece.form, piece.label)) == NONE
        };
        pieces.len() <= grammar.room() || pieces.iter().filter(is_new).count() <= grammar.room()
    }

    fn walk(&mut self, scope: Scope, pieces: &[Piece]) {
        let before = self.envelope.grammar.count();
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
        let added = self.envelope.grammar.count() - before;
        let walks = self.walks.entry(u64::from(scope.number)).or_default();
        *walks = (walks.0 + pieces.len(), walks.1 + added);
    }

    fn literal(&mut self, scope: Scope, state: u32, piece: &Piece) -> u32 {
        let text = piece.literal.of(self.put.bytes);
        let grammar = &mut self.envelope.grammar;
        let found = grammar.find(state, scope.number, (text, piece.form, piece.label));
        self.put.model.walk_contexts(&mut self.put.coder, state);
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
    model: &mut Model,
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
