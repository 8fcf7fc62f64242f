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
use crate::repo::codec::columns::whole::rows::FAR;
use crate::repo::codec::columns::whole::rows::Texts;

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
    /// All new values that are not long, one behind the other.
    values: Vec<u8>,
    /// The most bytes that these may have.
    most: usize,
    /// Long values; where the next one is.
    long: &'a [u8],
    next_long: usize,
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
            long: &[],
            next_long: 0,
            words,
            lengths,
            places,
            distances,
            ids: Vec::new(),
            messages: 0,
        }
    }

    /// Says which bytes long values are. Makes room for others: grown step by step, it would take up to three times as much.
    pub(super) fn begin(&mut self, long: &'a [u8]) {
        self.long = long;
        self.values.reserve(self.most / 8);
    }

    /// The bytes of all values so far.
    #[inline]
    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { near: &self.values, far: self.long }
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
        let value = if op == op::BYTES {
            self.long_value()?
        } else {
            let from = self.values.len();
            let is_listed = self.render((state, guess), known, place, op)?;
            let span = Span::new(from, self.values.len() - from);
            let value = Value { span, hash: hash(span.of(&self.values)) };
            if is_listed {
                known.list(value);
            }
            value
        };
        let are_too_long = self.values.len().saturating_add(self.next_long) > self.most;
        if are_too_long { Err(Bad("values are longer than the block")) } else { Ok(value) }
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
            if (10..time::DATE).contains(&state.time.digits) {
                return Err(Bad("no such digits of a moment"));
            }
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
                    number::aligned(self.texts().of(of_owner.span), place.form, format).unwrap_or(0)
                }
                Base::Time => time_base(place.timestamp, format),
            };
            base.wrapping_add(state.numbers.signed(&mut self.coder, 0))
        };
        number::render(state.number, place.form, format, &mut self.values);
    }

    fn long_value(&mut self) -> Result<Value, Bad> {
        let length = usize::try_from(self.lengths.code(&mut self.coder, 0)).unwrap_or(usize::MAX);
        let end = self.next_long.checked_add(length).filter(|end| *end <= self.long.len());
        let end = end.ok_or(Bad("the stream of values is too short"))?;
        let span = Span::new(self.next_long, length);
        self.next_long = end;
        let span = Span { at: span.at | FAR, ..span };
        Ok(Value { span, hash: hash(self.texts().of(span)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::streams::StreamWriter;
    use crate::repo::codec::columns::whole::head::Plan;
    use crate::repo::codec::columns::whole::link::Link;
    use crate::repo::codec::columns::whole::link::Way;
    use crate::repo::codec::columns::whole::rows::Rows;
    use crate::repo::codec::columns::whole::rows::Table;

    const NO_LINK: Link = Link { way: Way::None, column: u32::MAX };
    const PLACE: Place = Place { group: 2, form: Form::Text, event: 3, timestamp: 1_700_000_000_123 };
    const PLAN: Plan = Plan { links: [NO_LINK; 2], base: Base::Zero };

    /// What a column's first value is that these operations give, of which the first one was read already, and whether it is listed; written by
    /// hand, with long values.
    fn read(
        (plan, place): (Plan, Place),
        op: u8,
        stream: &[u8],
        write: impl FnOnce(&mut StreamWriter, &mut State, &Guess),
    ) -> Result<(Vec<u8>, usize), Bad> {
        let (table, rows) = (Table::default(), Rows::default());
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        let _ = Words::new(&mut writer);
        let (mut state, mut known) = (State::new(&mut writer, &plan, 1), Known::new(0));
        let guess = known.guess(&mut state, (3, 0), &table, &rows);
        write(&mut writer, &mut state, &guess);
        writer.finish(1000, &mut bytes).unwrap();
        let mut get = Get::new(StreamReader::new(&bytes, 1000).unwrap(), 1000);
        get.begin(stream);
        get.ids = vec![7, 8, 9];
        get.messages = 1;
        let mut state = State::new(&mut get.coder, &plan, 1);
        let value = get.new_value((&mut state, &guess), &mut known, &place, op)?;
        let text = get.texts().of(value.span);
        assert_eq!(value.hash, hash(text));
        Ok((text.to_vec(), known.listed.len()))
    }

    fn text(op: u8, write: impl FnOnce(&mut StreamWriter, &mut State, &Guess)) -> Result<String, Bad> {
        let (value, listed) = read((PLAN, PLACE), op, b"", write)?;
        assert_eq!(listed, usize::from(!matches!(op, op::MOMENT | op::MOMENT_AS)), "whether it is listed");
        Ok(String::from_utf8(value).unwrap())
    }

    #[test]
    fn identifiers_are_named_by_their_distance_or_place_or_are_new() {
        let named = |op, number: u64| {
            text(op, |coder, _, _| {
                Number::default().code(coder, number);
            })
        };
        let id = |id: u128| Ok(format!("00000000-0000-0000-0000-{id:012x}"));
        // The event's own identifier would be number 4, were it there.
        assert_eq!([2, 3, 4].map(|distance| named(op::MESSAGE, distance)), [id(9), id(8), id(7)]);
        assert_eq!([0, 1, 2].map(|at| named(op::KNOWN, at)), [id(7), id(8), id(9)]);
        for wrong in [0, 1, 5, u64::MAX] {
            assert_eq!(named(op::MESSAGE, wrong), Err(Bad("no such identifier")), "{wrong}");
        }
        for wrong in [3, u64::from(u32::MAX) + 1, u64::MAX] {
            assert_eq!(named(op::KNOWN, wrong), Err(Bad("no such identifier")), "{wrong}");
        }
        let bits = |coder: &mut StreamWriter, all: &[(u32, u64)]| {
            for (bits, value) in all {
                coder.raw(*bits, *value);
            }
        };
        let random =
            text(op::RANDOM, |coder, _, _| bits(coder, &[(48, 0x1234_5678_9abc), (12, 0xdef), (62, 5)]));
        assert_eq!(random.as_deref(), Ok("12345678-9abc-4def-8000-000000000005"));
        let whole = text(op::IDENTIFIER, |coder, state, _| {
            state.kind(coder, 0);
            bits(coder, &[(64, 0x1234_5678_9abc_1def), (64, 5)]);
        });
        assert_eq!(whole.as_deref(), Ok("12345678-9abc-1def-0000-000000000005"));
        let timed = |delta: i64| {
            text(op::IDENTIFIER, |coder, state, _| {
                state.kind(coder, 1);
                state.moments.signed(coder, delta);
                bits(coder, &[(12, 0xdef), (62, 5)]);
            })
        };
        assert_eq!(timed(-3).as_deref(), Ok("018bcfe5-6878-7def-8000-000000000005"));
        assert_eq!(timed(i64::MIN).as_deref(), Ok("018bcfe5-687b-7def-8000-000000000005"));
    }

    #[test]
    fn a_style_comes_before_an_identifier_and_nothing_else() {
        let styled = |style: u64, op: u8| {
            let write = |coder: &mut StreamWriter, state: &mut State, guess: &Guess| {
                coder.raw(2, style);
                state.op(coder, guess, op);
                Number::default().code(coder, 2);
            };
            read((PLAN, PLACE), op::STYLE, b"", write)
        };
        assert_eq!(styled(0, op::KNOWN).unwrap().0, b"00000000-0000-0000-0000-000000000009");
        assert_eq!(styled(2, op::KNOWN).unwrap().0, b"00000000000000000000000000000009");
        assert_eq!(styled(3, op::MESSAGE).unwrap().0, 9_u128.to_be_bytes());
        for wrong in [0, 4, 5, op::NUMBER, op::TEXT, op::BYTES, 16, 17, op::STYLE, 19, 255] {
            assert_eq!(styled(0, wrong), Err(Bad("no such operation")), "{wrong}");
        }
        for wrong in [19, 20, 255] {
            assert_eq!(read((PLAN, PLACE), wrong, b"", |_, _, _| ()), Err(Bad("no such operation")));
        }
    }

    #[test]
    fn numbers_are_counted_from_their_base_and_wrap() {
        let number = |base: Base, format: u64, delta: i64| {
            let plan = Plan { base, ..PLAN };
            let write = |coder: &mut StreamWriter, state: &mut State, _: &Guess| {
                coder.raw(11, format);
                state.numbers.signed(coder, delta);
            };
            let (value, listed) = read((plan, PLACE), op::NUMBER_AS, b"", write).unwrap();
            assert_eq!(listed, usize::from(base != Base::Time), "{base:?}");
            String::from_utf8(value).unwrap()
        };
        assert_eq!([Base::Zero, Base::Last, Base::Aggregate].map(|base| number(base, 2, -5)), ["-0.05"; 3]);
        assert_eq!(number(Base::Time, 0, -23), "1700000000100");
        assert_eq!(number(Base::Time, 6, 5), "1700000000.123005");
        assert_eq!(number(Base::Time, 0, i64::MAX), "-9223370336854775686");
        // Formats that no writer writes.
        assert_eq!(
            number(Base::Zero, 0x7ff, i64::MIN),
            format!("-{:020}.{:018}", 9, 223_372_036_854_775_808_u64)
        );
        assert!((0..0x800).all(|format| number(Base::Time, format, 1).len() < 50));
    }

    #[test]
    fn doubles_may_be_the_bits_they_are() {
        let place = Place { form: Form::Fixed64, ..PLACE };
        let bits = std::f64::consts::PI.to_bits();
        let write = |coder: &mut StreamWriter, state: &mut State, _: &Guess| {
            coder.raw(11, u64::from(number::BITS));
            state.numbers.code(coder, bits >> 44);
            coder.raw(44, bits & ((1 << 44) - 1));
        };
        assert_eq!(read((PLAN, place), op::NUMBER_AS, b"", write), Ok((bits.to_le_bytes().to_vec(), 1)));
        let most = |coder: &mut StreamWriter, state: &mut State, _: &Guess| {
            coder.raw(11, u64::from(number::BITS));
            state.numbers.code(coder, u64::MAX);
            coder.raw(44, 1);
        };
        let high = u64::MAX << 44 | 1;
        assert_eq!(read((PLAN, place), op::NUMBER_AS, b"", most), Ok((high.to_le_bytes().to_vec(), 1)));
    }

    #[test]
    fn moments_have_a_year_of_four_digits() {
        let moment = |format: u64, delta: i64| {
            text(op::MOMENT_AS, |coder, state, _| {
                coder.raw(8, format);
                state.moments.signed(coder, delta);
            })
        };
        assert_eq!(moment(3, -123).as_deref(), Ok("2023-11-14T22:13:20.000Z"));
        assert_eq!(moment(15, 1).as_deref(), Ok("2023-11-15"));
        for delta in [i64::MAX, i64::MIN, 1 << 50] {
            assert_eq!(moment(3, delta), Err(Bad("a moment of no year")), "{delta}");
        }
        for format in 0..256 {
            let has_digits = !matches!(format & 15, 10..15);
            match moment(format, 0) {
                Ok(text) => assert!(has_digits && text.len() < 50, "{text}"),
                Err(bad) => {
                    assert!(!has_digits && bad == Bad("no such digits of a moment"), "{format} {bad}");
                }
            }
        }
    }

    #[test]
    fn long_values_are_as_long_as_they_say_and_together_no_longer_than_the_block() {
        let bytes = |length: u64, stream: &[u8]| {
            read((PLAN, PLACE), op::BYTES, stream, |coder, _, _| {
                Number::default().code(coder, length);
            })
        };
        assert_eq!(bytes(3, b"abcdef"), Ok((b"abc".to_vec(), 0)));
        assert_eq!(bytes(0, b"abcdef"), Ok((Vec::new(), 0)));
        for wrong in [7, 1 << 40, u64::MAX] {
            assert_eq!(bytes(wrong, b"abcdef"), Err(Bad("the stream of values is too short")), "{wrong}");
        }
        assert_eq!(bytes(1000, &[7; 2000]).map(|read| read.0.len()), Ok(1000));
        assert_eq!(bytes(1001, &[7; 2000]), Err(Bad("values are longer than the block")));
    }
}
