//! What surrounds payloads: transactions, and the fields of events. Shared by writer and reader.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::finder::Names;
use crate::repo::codec::columns::grammar::Grammar;
use crate::repo::codec::columns::model::Model;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::values::Form;

/// Aggregates whose sequence is remembered.
const SEQUENCES: usize = 1 << 15;
/// By this and an aggregate its last payload type is remembered.
const LAST_TYPE: u64 = 0x7479_7065;

/// What is known of a payload type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    at: u32,
    pub(super) number: u32,
    /// The literal that stands before its payloads.
    pub(super) start: u32,
    /// The column of payloads that are not cut.
    pub(super) whole: u32,
    pub(super) revision: u32,
    /// Slots, or streams: whether payloads are cut; whether the shape is the last one.
    pub(super) flags: u32,
    pub(super) shape: u32,
}

/// What is known of events besides their values.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) grammar: Grammar,
    pub(super) message: u32,
    pub(super) aggregate: u32,
    pub(super) aggregate_type: u32,
    scopes: Vec<Scope>,
    scope_names: Names,
    type_columns: Names,
    pub(super) shapes: Vec<Shape>,
    shape_number: Number,
    sequences: Vec<(u32, u64)>,
    sequence_first: Number,
    sequence_steps: Number,
    times: [Number; 2],
    pub(super) counts: Number,
    pub(super) lengths: Number,
    flags: u32,
    last_timestamp: u64,
    last_aggregate: u64,
    last_version: u8,
}

/// Slots, or streams, of single decisions.
const IS_NEXT: u32 = 0;
const IS_RAW: u32 = 2;
const IS_VERSION: u32 = 3;
const IS_CRC: u32 = 4;
const IS_MORE: u32 = 5;
const FLAGS: u32 = 8;

/// Payload types with a scope of their own.
const SCOPES_MAX: usize = 2048;

impl Envelope {
    pub(super) fn new<C: Coder>(coder: &mut C, model: &mut Model) -> Self {
        let grammar = Grammar::new(coder);
        let scope = model.columns.scope(b"\0event");
        let mut column = |name: &[u8]| {
            let key = model.columns.key(name);
            model.columns.column(coder, scope, key)
        };
        let (message, aggregate) = (column(b"\0message"), column(b"\0aggregate"));
        let aggregate_type = column(b"\0aggregate type");
        Self {
            grammar,
            message,
            aggregate,
            aggregate_type,
            scopes: Vec::new(),
            scope_names: Names::default(),
            type_columns: Names::default(),
            shapes: Vec::new(),
            shape_number: Number::default(),
            sequences: vec![(0, 0); SEQUENCES],
            sequence_first: Number::default(),
            sequence_steps: Number::default(),
            times: [Number::default(); 2],
            counts: Number::default(),
            lengths: Number::default(),
            flags: coder.allocate(FLAGS, FLAGS),
            last_timestamp: 0,
            last_aggregate: 0,
            last_version: 2,
        }
    }

    /// The scope of a payload type.
    pub(super) fn scope<C: Coder>(&mut self, coder: &mut C, model: &mut Model, name: &[u8]) -> Scope {
        if let Some(scope) = self.scope_names.get(name).and_then(|at| self.scopes.get(*at as usize)) {
            return *scope;
        }
        if self.scopes.len() >= SCOPES_MAX
            && let Some(last) = self.scopes.last()
        {
            return *last;
        }
        let number = model.columns.scope(name);
        let mut column = |name: &[u8]| {
            let key = model.columns.key(name);
            model.columns.column(coder, number, key)
        };
        let (whole, revision) = (column(b"\0payload"), column(b"\0revision"));
        let start = self.grammar.add(coder, number, (vec![0], Form::End, u16::MAX), None);
        let flags = coder.allocate(2, 2);
        let at = self.scopes.len() as u32;
        let scope = Scope { at, number, start, whole, revision, flags, shape: u32::MAX };
        self.scope_names.insert(name.to_vec(), at);
        self.scopes.push(scope);
        scope
    }

    /// The column of payload types of this aggregate type.
    pub(super) fn type_column<C: Coder>(
        &mut self,
        coder: &mut C,
        model: &mut Model,
        aggregate_type: &[u8],
    ) -> u32 {
        if let Some(column) = self.type_columns.get(aggregate_type) {
            return *column;
        }
        let name = [b"\0types ", aggregate_type].concat();
        let scope = model.columns.scope(&name);
        let key = model.columns.key(&name);
        let column = model.columns.column(coder, scope, key);
        if self.type_columns.len() < SCOPES_MAX {
            self.type_columns.insert(aggregate_type.to_vec(), column);
        }
        column
    }

    /// The column of a key of the metadata.
    pub(super) fn metadata_column<C: Coder>(coder: &mut C, model: &mut Model, name: &[u8]) -> u32 {
        let scope = model.columns.scope(b"\0metadata");
        let key = model.columns.key(name);
        let column = model.columns.column(coder, scope, key);
        if let Some(column) = model.columns.get(column) {
            column.is_metadata = true;
        }
        column
    }

    /// Before an event's aggregate: the one before likely has the same successor again.
    pub(super) fn before_aggregate(&self, model: &mut Model) {
        model.begin_event();
        model.now.owner = self.last_aggregate;
    }

    /// Before the payload type: that of the same aggregate before likely has the same successor again.
    pub(super) fn before_type(&mut self, model: &mut Model, aggregate: Value) {
        self.last_aggregate = aggregate.hash;
        let place = model.table.place(mix(aggregate.hash, LAST_TYPE));
        let last = model.table.get(place);
        model.now.owner = mix(last.hash, LAST_TYPE);
    }

    /// Behind the payload type.
    pub(super) fn behind_type(model: &mut Model, aggregate: Value, payload_type: Value) {
        let place = model.table.place(mix(aggregate.hash, LAST_TYPE));
        model.table.set(place, payload_type);
        model.now.owner = mix(aggregate.hash, 1);
        model.now.before = payload_type.hash;
        model.now.identifier = 0;
    }

    /// Codes whether an event is carried raw.
    pub(super) fn is_raw<C: Coder>(&self, coder: &mut C, raw: bool) -> bool {
        coder.bit(self.flags + IS_RAW, raw)
    }

    /// Codes whether the CRC-32 is right.
    pub(super) fn is_crc<C: Coder>(&self, coder: &mut C, right: bool) -> bool {
        coder.bit(self.flags + IS_CRC, right)
    }

    /// Codes the version of a transaction.
    pub(super) fn version<C: Coder>(&mut self, coder: &mut C, version: u8) -> u8 {
        if !coder.bit(self.flags + IS_VERSION, version == self.last_version) {
            self.last_version = coder.raw(8, u64::from(version)) as u8;
        }
        self.last_version
    }

    /// Codes the sequence number of an aggregate's event.
    pub(super) fn sequence<C: Coder>(&mut self, coder: &mut C, aggregate: Value, sequence: u64) -> u64 {
        let (at, tag) = (aggregate.hash as usize / 4 % SEQUENCES, (aggregate.hash >> 32) as u32);
        let Some(entry) = self.sequences.get_mut(at) else { return sequence };
        let known = entry.0 == tag;
        let next = if known { entry.1.wrapping_add(1) } else { 0 };
        let sequence = if coder.bit(self.flags + IS_NEXT + u32::from(known), sequence == next) {
            next
        } else if known {
            let step = self.sequence_steps.signed(coder, sequence.wrapping_sub(next).cast_signed());
            next.wrapping_add(step.cast_unsigned())
        } else {
            self.sequence_first.code(coder, sequence)
        };
        *entry = (tag, sequence);
        sequence
    }

    /// Codes a timestamp; `later` says that it is not the first one of its transaction.
    pub(super) fn timestamp<C: Coder>(&mut self, coder: &mut C, later: bool, timestamp: u64) -> u64 {
        let step = timestamp.wrapping_sub(self.last_timestamp).cast_signed();
        let Some(times) = self.times.get_mut(usize::from(later)) else { return timestamp };
        self.last_timestamp = self.last_timestamp.wrapping_add(times.signed(coder, step).cast_unsigned());
        self.last_timestamp
    }

    /// Codes the number of a shape: that of the type's last event, or any; the number of shapes for a new one.
    pub(super) fn shape_number<C: Coder>(&mut self, coder: &mut C, scope: Scope, shape: u32) -> u32 {
        if scope.shape != u32::MAX && coder.bit(scope.flags + 1, shape == scope.shape) {
            return scope.shape;
        }
        u32::try_from(self.shape_number.code(coder, u64::from(shape))).unwrap_or(u32::MAX)
    }

    /// Remembers the shape of a type.
    pub(super) fn learn_shape(&mut self, scope: Scope, shape: u32) {
        if let Some(scope) = self.scopes.get_mut(scope.at as usize) {
            scope.shape = shape;
        }
    }

    /// Codes whether another transaction follows.
    pub(super) fn is_more<C: Coder>(&self, coder: &mut C, more: bool) -> bool {
        coder.bit(self.flags + IS_MORE, more)
    }
}
