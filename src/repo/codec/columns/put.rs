//! Writes values: chooses how each one is given.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::column::Op;
use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::finder::Ids;
use crate::repo::codec::columns::model::Model;
use crate::repo::codec::columns::predict::Guess;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::text::Words;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::id;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;

/// The shortest value that is looked for in its event.
const LOCAL_MIN: u32 = 3;
/// The digits that stand for a number beside the timestamp.
pub(super) const NUMBER_BY_TIME: u8 = 14;

/// A writer of values: what is known, and where it was seen.
#[derive(Debug)]
pub(super) struct Put<'a, C> {
    pub(super) bytes: &'a [u8],
    pub(super) coder: C,
    pub(super) model: Model,
    /// The stream of long values.
    pub(super) stream: Vec<u8>,
    listed: Finder,
    ids: Ids,
    /// Whether an identifier was spelled in upper case.
    has_upper: bool,
}

/// A number to be written: it, its format, and what it is counted from.
struct Numeric {
    number: i64,
    format: number::Format,
    bases: [i64; 4],
    usable: [bool; 4],
}

impl<'a, C: Coder> Put<'a, C> {
    pub(super) fn new(bytes: &'a [u8], mut coder: C) -> Self {
        let model = Model::new(&mut coder, bytes.len());
        let (listed, ids) = (Finder::default(), Ids::default());
        Self { bytes, coder, model, stream: Vec::new(), listed, ids, has_upper: false }
    }

    /// Writes a value of a column.
    pub(super) fn put(&mut self, column: u32, form: Form, span: Span) -> Value {
        let guess = self.model.guess(column);
        let (value, style) = Value::read(self.bytes, span);
        self.has_upper |= style == Some(id::Style::Upper);
        self.model.contexts(&mut self.coder, column, &guess);
        match self.guessed(&guess, value) {
            Some(at) => self.op(column, &guess, Op::guess(at)),
            None => self.put_other(column, form, &guess, value),
        }
        self.model.learn(column, &guess, value);
        value
    }

    #[inline]
    fn guessed(&self, guess: &Guess, value: Value) -> Option<u8> {
        guess.values.iter().position(|guess| self.is_same(*guess, value)).map(|at| at as u8)
    }

    /// Whether a value that is known is the same as this one, in the same spelling. That their hashes are equal is enough to write it so,
    /// as each block is read again before it is kept: the bytes of the one that is known would have to be fetched from afar.
    #[inline]
    fn is_same(&self, known: Value, value: Value) -> bool {
        known.hash == value.hash
            && known.span.length == value.span.length
            && (!self.has_upper || known.span.of(self.bytes) == value.span.of(self.bytes))
    }

    fn op(&mut self, column: u32, guess: &Guess, op: Op) {
        if let Some(column) = self.model.columns.get(column) {
            column.op(&mut self.coder, guess.mask, op);
        }
    }

    fn put_other(&mut self, column: u32, form: Form, guess: &Guess, value: Value) {
        if self.put_local(column, guess, value) {
            return;
        }
        let key = self.model.column(column).map_or(0, |column| column.key);
        if value.is_id()
            && (self.put_recent(column, guess, value) || self.put_listed(column, key, guess, value))
        {
            return;
        }
        let done = if value.is_id() {
            self.put_id(column, key, guess, value)
        } else {
            self.put_moment(column, guess, value)
                || self.put_number(column, key, form, guess, value)
                || self.put_listed(column, key, guess, value)
        };
        if !done {
            self.put_text(column, key, guess, value);
        }
    }

    fn list(&mut self, key: u32, value: Value) {
        if let Some(at) = self.model.list(key, value) {
            self.listed.entry(mix(u64::from(key), value.hash)).or_insert(at);
        }
    }

    fn put_local(&mut self, column: u32, guess: &Guess, value: Value) -> bool {
        if value.span.length < LOCAL_MIN {
            return false;
        }
        let Some(at) = self.model.now.locals.iter().position(|local| local.hash == value.hash) else {
            return false;
        };
        let local = self.model.now.locals.get(at).copied().unwrap_or_default();
        let id = id::parse(value.span.of(self.bytes));
        let same_id =
            id.is_some() && id.map(|id| id.0) == id::parse(local.span.of(self.bytes)).map(|id| id.0);
        if !same_id && local.span.of(self.bytes) != value.span.of(self.bytes) {
            return false;
        }
        self.op(column, guess, Op::LOCAL);
        let Some(column) = self.model.columns.get(column) else { return true };
        column.local(&mut self.coder, at as u32);
        if let Some((_, style)) = id {
            column.code_style(&mut self.coder, style);
        }
        true
    }

    fn put_recent(&mut self, column: u32, guess: &Guess, value: Value) -> bool {
        let Some(state) = self.model.columns.get(column) else { return false };
        let Some(rank) = state.recent().iter().position(|recent| recent.hash == value.hash) else {
            return false;
        };
        let recent = state.recent().get(rank).copied().unwrap_or_default();
        if !self.is_same(recent, value) {
            return false;
        }
        let Some(state) = self.model.columns.get(column) else { return false };
        state.op(&mut self.coder, guess.mask, Op::RECENT);
        state.recent_rank(&mut self.coder, rank as u32);
        true
    }

    fn put_listed(&mut self, column: u32, key: u32, guess: &Guess, value: Value) -> bool {
        let Some(at) = self.listed.get(&mix(u64::from(key), value.hash)).copied() else { return false };
        let known = self.model.listed(key).and_then(|listed| listed.values.get(at as usize).copied());
        if !self.is_same(known.unwrap_or_default(), value) {
            return false;
        }
        let Some(listed) = self.model.listed.get_mut(key as usize) else { return false };
        if let Some(column) = self.model.columns.get(column) {
            column.op(&mut self.coder, guess.mask, Op::LISTED);
        }
        listed.hits += 1;
        listed.index.code(&mut self.coder, at);
        true
    }

    fn put_id(&mut self, column: u32, key: u32, guess: &Guess, value: Value) -> bool {
        let Some((id, style)) = id::parse(value.span.of(self.bytes)) else { return false };
        let known = self.ids.get(id, &self.model.ids);
        let random = id >> 76 & 15 == 4 && id >> 62 & 3 == 2;
        let op = match known {
            Some(_) => Op::KNOWN,
            None if random => Op::RANDOM,
            None => Op::IDENTIFIER,
        };
        let timestamp = self.model.now.timestamp;
        let Some(state) = self.model.columns.get(column) else { return false };
        state.op(&mut self.coder, guess.mask, op);
        state.code_style(&mut self.coder, style);
        if let Some(at) = known {
            let back = self.model.ids.len() as u64 - 1 - u64::from(at);
            self.model.distance.code(&mut self.coder, back);
            self.list(key, value);
            return true;
        }
        if random {
            random_bits(&mut self.coder, id);
        } else if id >> 76 & 15 == 7 && id >> 62 & 3 == 2 {
            state.kind(&mut self.coder, 1);
            let delta = ((id >> 80) as i64).wrapping_sub(timestamp);
            state.moments.signed(&mut self.coder, delta);
            ordered_bits(&mut self.coder, id);
        } else {
            state.kind(&mut self.coder, 0);
            self.coder.raw(64, (id >> 64) as u64);
            self.coder.raw(64, id as u64);
        }
        self.ids.push(id, &mut self.model.ids);
        self.list(key, value);
        true
    }

    fn put_moment(&mut self, column: u32, guess: &Guess, value: Value) -> bool {
        let text = value.span.of(self.bytes);
        let Some((units, format)) = time::parse(text) else { return false };
        let base = format.base(self.model.now.timestamp);
        let Some(state) = self.model.columns.get(column) else { return false };
        state.op(&mut self.coder, guess.mask, Op::MOMENT);
        state.code_time(&mut self.coder, format);
        state.moments.signed(&mut self.coder, units.wrapping_sub(base));
        true
    }

    fn put_number(&mut self, column: u32, key: u32, form: Form, guess: &Guess, value: Value) -> bool {
        let text = value.span.of(self.bytes);
        let before = self.model.column(column).map_or(number::Format::default(), |column| column.format);
        let Some((number, format)) = number::parse(text, form, before) else { return false };
        let numeric = self.numeric((number, format), form, guess);
        let costs = costs(&numeric);
        let listed = self.model.listed(key).map_or(0, |listed| listed.values.len() as u32);
        let Some(state) = self.model.columns.get(column) else { return false };
        let best = choose(&mut state.costs, costs, numeric.usable);
        let cheapest = state.costs.get(best).copied().unwrap_or(0);
        let known = cheapest > 16 * (32 - listed.leading_zeros());
        if known && self.put_listed(column, key, guess, value) {
            return true;
        }
        self.put_numeric(column, form, guess, &numeric, best);
        if best < 3 {
            self.list(key, value);
        }
        true
    }

    fn numeric(&self, parsed: (i64, number::Format), form: Form, guess: &Guess) -> Numeric {
        let (number, format) = parsed;
        let [first, _, last, _] = guess.values;
        let read = |value: Value| number::aligned(value.span.of(self.bytes), form, format);
        let step = if last.is_none() { None } else { read(last) };
        let aggregate = if first.is_none() { None } else { read(first) };
        let bits = is_bits(form, format);
        let time = time_base(self.model.now.timestamp, format);
        let near = number.wrapping_sub(time).unsigned_abs() < 1 << 44;
        Numeric {
            number,
            format,
            bases: [0, step.unwrap_or(0), aggregate.unwrap_or(0), time],
            usable: [true, step.is_some() && !bits, aggregate.is_some() && !bits, near && !bits],
        }
    }

    fn put_numeric(&mut self, column: u32, form: Form, guess: &Guess, numeric: &Numeric, best: usize) {
        let op = match best {
            0 => Op::NUMBER,
            1 => Op::STEP,
            2 => Op::AGGREGATE_STEP,
            _ => Op::MOMENT,
        };
        let Some(state) = self.model.columns.get(column) else { return };
        let coder = &mut self.coder;
        state.op(coder, guess.mask, op);
        if op == Op::MOMENT {
            let format = time::Format { digits: NUMBER_BY_TIME, space: false, suffix: 0 };
            state.code_time(coder, format);
        }
        state.code_format(coder, numeric.format);
        let base = numeric.bases.get(best).copied().unwrap_or(0);
        let difference = numeric.number.wrapping_sub(base);
        match op {
            Op::NUMBER if is_bits(form, numeric.format) => {
                state.direct.code(coder, numeric.number.cast_unsigned() >> 44);
                coder.raw(44, numeric.number.cast_unsigned() & ((1 << 44) - 1));
            }
            Op::NUMBER => _ = state.direct.signed(coder, difference),
            Op::STEP => _ = state.steps.signed(coder, difference),
            Op::AGGREGATE_STEP => _ = state.aggregate_steps.signed(coder, difference),
            _ => _ = state.moments.signed(coder, difference),
        }
    }

    fn put_text(&mut self, column: u32, key: u32, guess: &Guess, value: Value) {
        let text = value.span.of(self.bytes);
        if Words::fits(text) {
            self.op(column, guess, Op::TEXT);
            self.model.words.write(&mut self.coder, key, text);
            self.list(key, value);
        } else {
            self.op(column, guess, Op::STREAM);
            self.model.lengths.code(&mut self.coder, text.len() as u64);
            self.stream.extend(text);
        }
    }
}

/// Whether a number is the bits of a double.
pub(super) fn is_bits(form: Form, format: number::Format) -> bool {
    form == Form::Fixed64 && format.scale == number::BITS
}

/// The event's timestamp as a number of this format: milliseconds, or seconds with decimals.
pub(super) fn time_base(timestamp: i64, format: number::Format) -> i64 {
    let exponent = u32::from(format.scale.min(9)).saturating_sub(3);
    timestamp.wrapping_mul(10_i64.pow(exponent))
}

fn costs(numeric: &Numeric) -> [u32; 4] {
    numeric.bases.map(|base| 16 * (65 - numeric.number.wrapping_sub(base).unsigned_abs().leading_zeros()))
}

/// The way that was cheapest on average, of those that can be used.
fn choose(averages: &mut [u32; 4], costs: [u32; 4], usable: [bool; 4]) -> usize {
    let (mut best, mut least) = (0, u32::MAX);
    for (at, (average, (cost, usable))) in averages.iter_mut().zip(costs.iter().zip(usable)).enumerate() {
        let cost = if usable { *cost } else { 16 * 64 };
        *average = if *average == 0 { cost } else { (*average * 7 + cost) / 8 };
        if usable && *average < least {
            (best, least) = (at, *average);
        }
    }
    best
}

/// The 122 bits of a version 4 identifier that are random.
fn random_bits<C: Coder>(coder: &mut C, id: u128) {
    coder.raw(48, (id >> 80) as u64);
    coder.raw(12, (id >> 64) as u64 & 0xfff);
    coder.raw(62, id as u64 & ((1 << 62) - 1));
}

/// The 74 bits of a version 7 identifier that are random.
fn ordered_bits<C: Coder>(coder: &mut C, id: u128) {
    coder.raw(12, (id >> 64) as u64 & 0xfff);
    coder.raw(62, id as u64 & ((1 << 62) - 1));
}
