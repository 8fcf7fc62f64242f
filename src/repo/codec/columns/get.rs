//! Reads values: the other way round of `put`. Nothing that is read is believed; each index and length is checked.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::column::Op;
use crate::repo::codec::columns::model::Model;
use crate::repo::codec::columns::predict::Guess;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::put::NUMBER_BY_TIME;
use crate::repo::codec::columns::put::is_bits;
use crate::repo::codec::columns::put::time_base;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::id;
use crate::repo::codec::columns::values::id::Style;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;

/// A reader of values.
#[derive(Debug)]
pub(super) struct Get<'a, S> {
    pub(super) coder: S,
    pub(super) model: Model,
    /// All new values, one behind the other.
    pub(super) values: Vec<u8>,
    /// The stream of long values.
    pub(super) stream: &'a [u8],
}

impl<'a, S: Source> Get<'a, S> {
    pub(super) fn new(mut coder: S, stream: &'a [u8], raw_length: usize) -> Self {
        let model = Model::new(&mut coder, raw_length);
        // All long values come there, and some others: grown step by step, it would take up to three times as much.
        let values = Vec::with_capacity(stream.len().saturating_add(raw_length / 8));
        Self { coder, model, values, stream }
    }

    /// Reads a value of a column.
    pub(super) fn get(&mut self, column: u32, form: Form) -> Result<Value, Bad> {
        let guess = self.model.guess(column);
        self.model.contexts(&mut self.coder, column, &guess);
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let key = state.key;
        let op = state.op(&mut self.coder, guess.mask, Op::STREAM);
        let value = if let Some(at) = op.is_guess() {
            present(guess.values.get(usize::from(at)).copied().unwrap_or_default())?
        } else {
            match op {
                Op::LOCAL => self.get_local(column)?,
                Op::RECENT => self.get_recent(column)?,
                Op::LISTED => self.get_listed(key)?,
                other => self.get_new(column, form, &guess, other)?,
            }
        };
        self.model.learn(column, &guess, value);
        Ok(value)
    }

    fn get_local(&mut self, column: u32) -> Result<Value, Bad> {
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let at = state.local(&mut self.coder, 0);
        let local =
            self.model.now.locals.get(at as usize).copied().ok_or(Bad("no such value in the event"))?;
        if !local.is_id() {
            return Ok(local);
        }
        let (id, style) = id::parse(local.span.of(&self.values)).ok_or(Bad("no identifier"))?;
        let wanted = state.code_style(&mut self.coder, style);
        if wanted == style {
            return Ok(local);
        }
        let from = self.values.len();
        id::render(id, wanted, &mut self.values);
        Ok(Value { span: Span::new(from, self.values.len() - from), hash: local.hash })
    }

    fn get_recent(&mut self, column: u32) -> Result<Value, Bad> {
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let rank = state.recent_rank(&mut self.coder, 0);
        present(state.recent().get(rank as usize).copied().unwrap_or_default())
    }

    fn get_listed(&mut self, key: u32) -> Result<Value, Bad> {
        let listed = self.model.listed(key).ok_or(Bad("no such key"))?;
        listed.hits += 1;
        let at = listed.index.code(&mut self.coder, 0);
        listed.values.get(at as usize).copied().ok_or(Bad("no such value"))
    }

    fn get_new(&mut self, column: u32, form: Form, guess: &Guess, op: Op) -> Result<Value, Bad> {
        let from = self.values.len();
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let key = state.key;
        let listed = !matches!(op, Op::MOMENT | Op::STREAM);
        match op {
            Op::KNOWN | Op::RANDOM | Op::IDENTIFIER => self.get_id(column, op)?,
            Op::NUMBER | Op::STEP | Op::AGGREGATE_STEP => self.get_number(column, form, guess, op)?,
            Op::MOMENT => self.get_moment(column, form)?,
            Op::TEXT => self.model.words.read(&mut self.coder, key, &mut self.values)?,
            _ => self.get_stream()?,
        }
        let value = Value::new(&self.values, Span::new(from, self.values.len() - from));
        if listed {
            self.model.list(key, value);
        }
        Ok(value)
    }

    fn get_id(&mut self, column: u32, op: Op) -> Result<(), Bad> {
        let timestamp = self.model.now.timestamp;
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let style = state.code_style(&mut self.coder, Style::default());
        let id = match op {
            Op::KNOWN => {
                let back = self.model.distance.code(&mut self.coder, 0);
                let last = self.model.ids.len() as u64;
                let at = last
                    .checked_sub(back)
                    .and_then(|at| at.checked_sub(1))
                    .ok_or(Bad("no such identifier"))?;
                let id = self.model.ids.get(at as usize).copied().ok_or(Bad("no such identifier"))?;
                id::render(id, style, &mut self.values);
                return Ok(());
            }
            Op::RANDOM => {
                let high = self.coder.raw(48, 0);
                random(high, 4, &mut self.coder)
            }
            _ if state.kind(&mut self.coder, 0) == 1 => {
                let delta = state.moments.signed(&mut self.coder, 0);
                random(timestamp.wrapping_add(delta).cast_unsigned() & 0xffff_ffff_ffff, 7, &mut self.coder)
            }
            _ => {
                let high = self.coder.raw(64, 0);
                u128::from(high) << 64 | u128::from(self.coder.raw(64, 0))
            }
        };
        self.model.ids.push(id);
        id::render(id, style, &mut self.values);
        Ok(())
    }

    fn get_moment(&mut self, column: u32, form: Form) -> Result<(), Bad> {
        let timestamp = self.model.now.timestamp;
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let format = state.code_time(&mut self.coder, time::Format::default());
        if format.digits == NUMBER_BY_TIME {
            let format = state.code_format(&mut self.coder, number::Format::default());
            let number = time_base(timestamp, format).wrapping_add(state.moments.signed(&mut self.coder, 0));
            number::render(number, form, format, &mut self.values);
            return Ok(());
        }
        let units = format.base(timestamp).wrapping_add(state.moments.signed(&mut self.coder, 0));
        if time::render(units, format, &mut self.values) { Ok(()) } else { Err(Bad("a moment of no year")) }
    }

    fn get_number(&mut self, column: u32, form: Form, guess: &Guess, op: Op) -> Result<(), Bad> {
        let [first, _, last, _] = guess.values;
        let state = self.model.columns.get(column).ok_or(Bad("no such column"))?;
        let coder = &mut self.coder;
        let format = state.code_format(coder, number::Format::default());
        let read = |value: Value| number::aligned(value.span.of(&self.values), form, format).unwrap_or(0);
        let number = match op {
            Op::NUMBER if is_bits(form, format) => {
                let high = state.direct.code(coder, 0) << 44;
                (high | coder.raw(44, 0)).cast_signed()
            }
            Op::NUMBER => state.direct.signed(coder, 0),
            Op::STEP => read(last).wrapping_add(state.steps.signed(coder, 0)),
            _ => read(first).wrapping_add(state.aggregate_steps.signed(coder, 0)),
        };
        number::render(number, form, format, &mut self.values);
        Ok(())
    }

    fn get_stream(&mut self) -> Result<(), Bad> {
        let length = usize::try_from(self.model.lengths.code(&mut self.coder, 0)).unwrap_or(usize::MAX);
        let (bytes, rest) =
            self.stream.split_at_checked(length).ok_or(Bad("the stream of values is too short"))?;
        self.values.extend(bytes);
        self.stream = rest;
        Ok(())
    }
}

fn present(value: Value) -> Result<Value, Bad> {
    if value.is_none() { Err(Bad("a guess that there is not")) } else { Ok(value) }
}

fn random<S: Source>(high: u64, version: u128, coder: &mut S) -> u128 {
    let middle = coder.raw(12, 0);
    let low = coder.raw(62, 0);
    u128::from(high) << 80 | version << 76 | u128::from(middle) << 64 | 2 << 62 | u128::from(low)
}
