//! Reads values: the other way round of `put`. Nothing that is read is believed.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::put::is_bits;
use crate::repo::codec::columns::put::time_base;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::streams::StreamReader;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::text::Words;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::id;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;
use crate::repo::codec::columns::whole::guess::Guess;
use crate::repo::codec::columns::whole::guess::Known;
use crate::repo::codec::columns::whole::guess::State;
use crate::repo::codec::columns::whole::head::Base;
use crate::repo::codec::columns::whole::op;

/// Where a value is that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The key.
    pub(super) group: u32,
    pub(super) form: Form,
    pub(super) event: u32,
    pub(super) timestamp: i64,
}

/// A reader of values.
#[derive(Debug)]
pub(super) struct Get<'a> {
    pub(super) coder: StreamReader<'a>,
    /// All new values, one behind the other.
    pub(super) values: Vec<u8>,
    /// The most bytes that these may have.
    most: usize,
    /// Long values.
    stream: &'a [u8],
    words: Words,
    lengths: Number,
    places: Number,
    distances: Number,
    ids: Vec<u128>,
    /// The number of the first identifier that is a message.
    messages: u32,
}

impl<'a> Get<'a> {
    /// Of a block of so many bytes.
    pub(super) fn new(mut coder: StreamReader<'a>, raw_length: usize) -> Self {
        let words = Words::new(&mut coder);
        let (lengths, places, distances) = Default::default();
        Self {
            coder,
            values: Vec::new(),
            most: raw_length,
            stream: &[],
            words,
            lengths,
            places,
            distances,
            ids: Vec::new(),
            messages: 0,
        }
    }

    /// Says which bytes long values are; makes room for all values: grown step by step, it would take up to three times as much.
    pub(super) fn begin(&mut self, stream: &'a [u8]) {
        self.stream = stream;
        self.values.reserve(stream.len().saturating_add(self.most / 8));
    }

    /// Says that messages come next.
    pub(super) fn begin_messages(&mut self) {
        self.messages = self.ids.len() as u32;
    }

    /// Reads the value that this operation gives; it is no guess, and nothing that is there already.
    pub(super) fn new_value(
        &mut self,
        (state, guess): (&mut State, &Guess),
        known: &mut Known,
        place: &Place,
        op: u8,
    ) -> Result<Value, Bad> {
        let from = self.values.len();
        let is_listed = self.render((state, guess), known, place, op)?;
        if self.values.len() > self.most {
            return Err(Bad("values are longer than the block"));
        }
        let span = Span::new(from, self.values.len() - from);
        let value = Value { span, hash: hash(span.of(&self.values)) };
        if is_listed {
            known.list(value);
        }
        Ok(value)
    }

    /// Appends a value; gives whether it is listed.
    fn render(
        &mut self,
        (state, guess): (&mut State, &Guess),
        known: &Known,
        place: &Place,
        op: u8,
    ) -> Result<bool, Bad> {
        match op {
            op::MOMENT | op::MOMENT_AS => self.moment(state, place, op == op::MOMENT_AS)?,
            op::NUMBER | op::NUMBER_AS => {
                self.number(state, known.of_owner(), place, op == op::NUMBER_AS);
                return Ok(state.plan.base != Base::Time);
            }
            op::BYTES => self.bytes()?,
            op::TEXT => {
                self.words.read(&mut self.coder, place.group, &mut self.values)?;
                return Ok(true);
            }
            _ => {
                let id = self.id(state, guess, place, op)?;
                id::render(id, state.style, &mut self.values);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn id(&mut self, state: &mut State, guess: &Guess, place: &Place, op: u8) -> Result<u128, Bad> {
        let op = if op == op::STYLE {
            state.style = id::Style::of(self.coder.raw(2, 0) as u8);
            state.op(&mut self.coder, guess, 0)
        } else {
            op
        };
        let at = match op {
            op::RANDOM => {
                let high = self.coder.raw(48, 0);
                return Ok(self.new_id(high, 4));
            }
            op::IDENTIFIER => return Ok(self.other_id(state, place)),
            op::MESSAGE => {
                let own = u64::from(self.messages) + u64::from(place.event);
                own.wrapping_sub(self.distances.code(&mut self.coder, 0))
            }
            op::KNOWN => self.places.code(&mut self.coder, 0),
            _ => return Err(Bad("no such operation")),
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.ids.get(at).copied().ok_or(Bad("no such identifier"))
    }

    fn other_id(&mut self, state: &mut State, place: &Place) -> u128 {
        if state.kind(&mut self.coder, 0) == 1 {
            let delta = state.moments.signed(&mut self.coder, 0);
            return self.new_id(place.timestamp.wrapping_add(delta).cast_unsigned() & 0xffff_ffff_ffff, 7);
        }
        let high = self.coder.raw(64, 0);
        let id = u128::from(high) << 64 | u128::from(self.coder.raw(64, 0));
        self.ids.push(id);
        id
    }

    /// A new identifier of this version with random bits behind its first ones.
    fn new_id(&mut self, high: u64, version: u128) -> u128 {
        let middle = self.coder.raw(12, 0);
        let low = self.coder.raw(62, 0);
        let id =
            u128::from(high) << 80 | version << 76 | u128::from(middle) << 64 | 2 << 62 | u128::from(low);
        self.ids.push(id);
        id
    }

    fn moment(&mut self, state: &mut State, place: &Place, is_new: bool) -> Result<(), Bad> {
        if is_new {
            state.time = time::Format::of(self.coder.raw(8, 0));
        }
        let units = state.time.base(place.timestamp).wrapping_add(state.moments.signed(&mut self.coder, 0));
        if time::render(units, state.time, &mut self.values) {
            Ok(())
        } else {
            Err(Bad("a moment of no year"))
        }
    }

    fn number(&mut self, state: &mut State, of_owner: Value, place: &Place, is_new: bool) {
        if is_new {
            state.format = number::Format::of(self.coder.raw(11, 0));
        }
        let format = state.format;
        state.number = if is_bits(place.form, format) {
            let high = state.numbers.code(&mut self.coder, 0) << 44;
            (high | self.coder.raw(44, 0)).cast_signed()
        } else {
            let base = match state.plan.base {
                Base::Zero => 0,
                Base::Last => state.number,
                Base::Aggregate => {
                    number::aligned(of_owner.span.of(&self.values), place.form, format).unwrap_or(0)
                }
                Base::Time => time_base(place.timestamp, format),
            };
            base.wrapping_add(state.numbers.signed(&mut self.coder, 0))
        };
        number::render(state.number, place.form, format, &mut self.values);
    }

    fn bytes(&mut self) -> Result<(), Bad> {
        let length = usize::try_from(self.lengths.code(&mut self.coder, 0)).unwrap_or(usize::MAX);
        let (bytes, rest) =
            self.stream.split_at_checked(length).ok_or(Bad("the stream of values is too short"))?;
        self.values.extend(bytes);
        self.stream = rest;
        Ok(())
    }
}
