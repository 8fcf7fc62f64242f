//! Writes values: chooses how each one is given.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::finder::Ids;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::put::is_bits;
use crate::repo::codec::columns::put::time_base;
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
use crate::repo::codec::columns::whole::rows::Entry;
use crate::repo::codec::columns::whole::sheet::Group;

/// A value that is to be written, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// The key.
    pub(super) group: u32,
    pub(super) form: Form,
    pub(super) event: u32,
    pub(super) entry: &'a Entry,
    pub(super) value: Value,
    pub(super) text: &'a [u8],
}

impl Row<'_> {
    const fn timestamp(&self) -> i64 {
        self.entry.timestamp.cast_signed()
    }
}

/// What is known of a key, and where its listed values are.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) known: Known,
    finder: Finder,
}

impl Listing {
    pub(super) fn new(places: u32) -> Self {
        Self { known: Known::new(places), finder: Finder::default() }
    }

    fn list(&mut self, value: Value) {
        if let Some(place) = self.known.list(value) {
            self.finder.entry(value.hash).or_insert(place);
        }
    }
}

/// A writer of values.
#[derive(Debug)]
pub(super) struct Put<'a, C> {
    pub(super) coder: C,
    block: &'a [u8],
    /// What is carried as it is; long values behind it.
    pub(super) stream: Vec<u8>,
    words: Words,
    lengths: Number,
    places: Number,
    distances: Number,
    /// All that were new, and where they are.
    ids: Vec<u128>,
    places_of_ids: Ids,
    /// The number of the first identifier that is a message.
    messages: u32,
}

impl<'a, C: Coder> Put<'a, C> {
    /// Of a block with so many events.
    pub(super) fn new(block: &'a [u8], mut coder: C, stream: Vec<u8>, events: usize) -> Self {
        let words = Words::new(&mut coder);
        let (lengths, places, distances) = Default::default();
        let (ids, places_of_ids) = (Vec::with_capacity(2 * events), Ids::with_room(2 * events));
        Self { coder, block, stream, words, lengths, places, distances, ids, places_of_ids, messages: 0 }
    }

    /// Bytes of memory that identifiers take, so that they are found again.
    pub(super) fn weight(&self) -> usize {
        self.ids.capacity() * size_of::<u128>() + self.places_of_ids.weight()
    }

    /// Says that messages come next.
    pub(super) fn begin_messages(&mut self) {
        self.messages = self.ids.len() as u32;
    }

    /// Writes a value that is none of the guesses.
    pub(super) fn other(
        &mut self,
        state: &mut State,
        guess: &Guess,
        (group, listing): (&Group, &mut Listing),
        (row, aggregate): (&Row<'_>, u64),
    ) {
        let others = [aggregate, state.links[0].other, state.links[1].other];
        let found = others.iter().position(|other| *other == row.value.hash);
        if let Some(op) = found.and_then(|at| [op::AGGREGATE, op::OTHER[0], op::OTHER[1]].get(at).copied()) {
            state.op(&mut self.coder, guess, op);
        } else if let Some((id, style)) = id::parse(row.text) {
            if !self.listed(state, guess, listing, row) {
                self.id(state, guess, row, (id, style));
                listing.list(row.value);
            }
        } else if !self.moment(state, guess, row)
            && !self.number(state, guess, (group, listing), row)
            && !self.listed(state, guess, listing, row)
        {
            self.text(state, guess, listing, row);
        }
    }

    fn listed(&mut self, state: &State, guess: &Guess, listing: &mut Listing, row: &Row<'_>) -> bool {
        let Some(at) = listing.finder.get(&row.value.hash) else { return false };
        state.op(&mut self.coder, guess, op::LISTED);
        listing.known.hits += 1;
        listing.known.index.code(&mut self.coder, *at);
        true
    }

    fn id(&mut self, state: &mut State, guess: &Guess, row: &Row<'_>, (id, style): (u128, id::Style)) {
        if style != state.style {
            state.op(&mut self.coder, guess, op::STYLE);
            self.coder.raw(2, u64::from(style.number()));
            state.style = style;
        }
        if let Some(at) = self.places_of_ids.get(id, &self.ids) {
            return self.known_id(state, guess, row, at);
        }
        self.places_of_ids.push(id, &mut self.ids);
        if id >> 76 & 15 == 4 && id >> 62 & 3 == 2 {
            state.op(&mut self.coder, guess, op::RANDOM);
            self.coder.raw(48, (id >> 80) as u64);
            self.random_bits(id);
        } else {
            state.op(&mut self.coder, guess, op::IDENTIFIER);
            self.other_id(state, row, id);
        }
    }

    fn known_id(&mut self, state: &State, guess: &Guess, row: &Row<'_>, at: u32) {
        let own = self.messages.wrapping_add(row.event);
        if at >= self.messages && at < own {
            state.op(&mut self.coder, guess, op::MESSAGE);
            self.distances.code(&mut self.coder, u64::from(own - at));
        } else {
            state.op(&mut self.coder, guess, op::KNOWN);
            self.places.code(&mut self.coder, u64::from(at));
        }
    }

    fn other_id(&mut self, state: &mut State, row: &Row<'_>, id: u128) {
        if id >> 76 & 15 == 7 && id >> 62 & 3 == 2 {
            state.kind(&mut self.coder, 1);
            let delta = ((id >> 80) as i64).wrapping_sub(row.timestamp());
            state.moments.signed(&mut self.coder, delta);
            self.random_bits(id);
        } else {
            state.kind(&mut self.coder, 0);
            self.coder.raw(64, (id >> 64) as u64);
            self.coder.raw(64, id as u64);
        }
    }

    /// The 74 bits of an identifier behind its first 48 and its version that are random.
    fn random_bits(&mut self, id: u128) {
        self.coder.raw(12, (id >> 64) as u64 & 0xfff);
        self.coder.raw(62, id as u64 & ((1 << 62) - 1));
    }

    fn moment(&mut self, state: &mut State, guess: &Guess, row: &Row<'_>) -> bool {
        let Some((units, format)) = time::parse(row.text) else { return false };
        if format == state.time {
            state.op(&mut self.coder, guess, op::MOMENT);
        } else {
            state.op(&mut self.coder, guess, op::MOMENT_AS);
            self.coder.raw(8, format.packed());
            state.time = format;
        }
        state.moments.signed(&mut self.coder, units.wrapping_sub(format.base(row.timestamp())));
        true
    }

    fn number(
        &mut self,
        state: &mut State,
        guess: &Guess,
        (group, listing): (&Group, &mut Listing),
        row: &Row<'_>,
    ) -> bool {
        let Some((number, format)) = number::parse(row.text, row.form, state.format) else { return false };
        let base = match state.plan.base {
            Base::Zero => 0,
            Base::Last => state.number,
            Base::Aggregate => {
                let text = group.text(self.block, listing.known.of_owner().span);
                number::aligned(text, row.form, format).unwrap_or(0)
            }
            Base::Time => time_base(row.timestamp(), format),
        };
        let delta = number.wrapping_sub(base);
        let bits = 64 - delta.unsigned_abs().leading_zeros();
        let is_long = bits > usize::BITS - listing.known.listed.len().leading_zeros();
        if is_long && self.listed(state, guess, listing, row) {
            return true;
        }
        self.plain_number(state, guess, row, (number, format, delta));
        if state.plan.base != Base::Time {
            listing.list(row.value);
        }
        true
    }

    fn plain_number(
        &mut self,
        state: &mut State,
        guess: &Guess,
        row: &Row<'_>,
        (number, format, delta): (i64, number::Format, i64),
    ) {
        if format == state.format {
            state.op(&mut self.coder, guess, op::NUMBER);
        } else {
            state.op(&mut self.coder, guess, op::NUMBER_AS);
            self.coder.raw(11, format.packed());
            state.format = format;
        }
        if is_bits(row.form, format) {
            state.numbers.code(&mut self.coder, number.cast_unsigned() >> 44);
            self.coder.raw(44, number.cast_unsigned() & ((1 << 44) - 1));
        } else {
            state.numbers.signed(&mut self.coder, delta);
        }
        state.number = number;
    }

    fn text(&mut self, state: &State, guess: &Guess, listing: &mut Listing, row: &Row<'_>) {
        if Words::fits(row.text) {
            state.op(&mut self.coder, guess, op::TEXT);
            self.words.write(&mut self.coder, row.group, row.text);
            listing.list(row.value);
        } else {
            state.op(&mut self.coder, guess, op::BYTES);
            self.lengths.code(&mut self.coder, row.text.len() as u64);
            self.stream.extend(row.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::span::Span;
    use crate::repo::codec::columns::whole::head::Plan;
    use crate::repo::codec::columns::whole::link::Link;
    use crate::repo::codec::columns::whole::rows::Rows;
    use crate::repo::codec::columns::whole::rows::Table;

    const RANDOM: &str = "0f1e2d3c-4b5a-4968-8776-655443322110";

    /// Keeps what is written: the symbols with their streams.
    #[derive(Default)]
    struct Recorder {
        streams: u32,
        symbols: Vec<(u32, u8)>,
    }

    impl Coder for Recorder {
        const IN_STREAMS: bool = true;

        fn allocate(&mut self, _: u32, streams: u32) -> u32 {
            self.streams += streams;
            self.streams - streams
        }

        fn bit(&mut self, _: u32, bit: bool) -> bool {
            bit
        }

        fn symbol(&mut self, base: u32, _: u32, symbol: u32) -> u32 {
            self.symbols.push((base, symbol as u8));
            symbol
        }

        fn raw(&mut self, _: u32, value: u64) -> u64 {
            value
        }
    }

    /// A column that is written.
    struct Column {
        state: State,
        listing: Listing,
        streams: std::ops::Range<u32>,
    }

    fn writer() -> Put<'static, Recorder> {
        Put::new(b"", Recorder::default(), Vec::new(), 10)
    }

    fn column(put: &mut Put<'_, Recorder>, base: Base) -> Column {
        let plan = Plan { links: [Link::default(); 2], base };
        let before = put.coder.streams;
        let state = State::new(&mut put.coder, &plan, 100);
        Column { state, listing: Listing::new(0), streams: before..put.coder.streams }
    }

    /// The operations by which a value is written: of event 3, whose aggregate is `account`.
    fn write(put: &mut Put<'_, Recorder>, column: &mut Column, text: &str) -> Vec<u8> {
        let value = |text: &str| Value::new(text.as_bytes(), Span::new(0, text.len()));
        let (table, rows, entry) = (Table::default(), Rows::default(), Entry::default());
        let guess = column.listing.known.guess(&mut column.state, (3, 0), &table, &rows);
        let row = Row {
            group: 0,
            form: Form::Text,
            event: 3,
            entry: &entry,
            value: value(text),
            text: text.as_bytes(),
        };
        let key = (&Group::default(), &mut column.listing);
        put.coder.symbols.clear();
        put.other(&mut column.state, &guess, key, (&row, value("account").hash));
        column.listing.known.learn(&mut column.state, value(text), &table);
        let is_op = |(stream, _): &&(u32, u8)| column.streams.contains(stream);
        put.coder.symbols.iter().filter(is_op).map(|(_, symbol)| *symbol).collect()
    }

    /// The same of values one after the other in a new column.
    fn written<const N: usize>(put: &mut Put<'_, Recorder>, base: Base, texts: [&str; N]) -> [Vec<u8>; N] {
        let mut column = column(put, base);
        texts.map(|text| write(put, &mut column, text))
    }

    #[test]
    fn each_kind_of_value_has_its_operation() {
        let words = ["some words", "some words", "account", &"long ".repeat(20_000)];
        let ops = [op::TEXT, op::LISTED, op::AGGREGATE, op::BYTES].map(|op| vec![op]);
        let mut put = writer();
        assert_eq!(written(&mut put, Base::Zero, words), ops);
        assert_eq!(put.stream, words[3].as_bytes());
        let numbers = ["12", "13", "0.5", "0.7", "14"];
        let ops = [op::NUMBER, op::NUMBER, op::NUMBER_AS, op::NUMBER, op::NUMBER_AS].map(|op| vec![op]);
        assert_eq!(written(&mut writer(), Base::Zero, numbers), ops);
        let moments = ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.679Z", "2026-01-02"];
        let ops = [op::MOMENT_AS, op::MOMENT, op::MOMENT_AS].map(|op| vec![op]);
        assert_eq!(written(&mut writer(), Base::Zero, moments), ops);
    }

    #[test]
    fn numbers_are_named_where_that_is_shorter() {
        let numbers = ["1", "1000000", "1", "1000000", "1000001"];
        let plain = vec![op::NUMBER];
        let ops = [plain.clone(), plain.clone(), plain.clone(), vec![op::LISTED], plain.clone()];
        assert_eq!(written(&mut writer(), Base::Zero, numbers), ops);
        let near = ["1000000", "1000001", "1000000", "1000001"];
        assert_eq!(written(&mut writer(), Base::Last, near), [(); 4].map(|()| plain.clone()));
    }

    #[test]
    fn an_identifier_is_new_once() {
        let mut put = writer();
        let timed = "018bcfe5-687b-7def-8000-000000000005";
        let [random, other, again] = written(&mut put, Base::Zero, [RANDOM, timed, RANDOM]);
        assert_eq!([random, again], [vec![op::RANDOM], vec![op::LISTED]]);
        assert_eq!(other, [op::IDENTIFIER, 1], "an identifier with a time: what kind it is comes behind");
        put.begin_messages();
        assert_eq!(written(&mut put, Base::Zero, [timed, RANDOM]), [[op::KNOWN], [op::KNOWN]]);
        let bare = [RANDOM, &RANDOM.replace("0f", "1f")].map(|id| id.replace('-', ""));
        let ops = [vec![op::STYLE, op::KNOWN], vec![op::RANDOM], vec![op::LISTED]];
        assert_eq!(written(&mut put, Base::Zero, [&bare[0], &bare[1], &bare[0]]), ops);
    }

    #[test]
    fn a_message_is_named_by_its_distance_if_it_came_before() {
        let mut put = writer();
        assert_eq!(written(&mut put, Base::Zero, [RANDOM]), [[op::RANDOM]]);
        put.begin_messages();
        // Messages 0 to 3: the last one is the event's own.
        let more = (0..4).map(|number: u8| RANDOM.replace("0f", &format!("{number}e")));
        let messages: Vec<String> = more.collect();
        let mut ids = column(&mut put, Base::Zero);
        for message in &messages {
            assert_eq!(write(&mut put, &mut ids, message), [op::RANDOM]);
        }
        let mut named = column(&mut put, Base::Zero);
        for (message, op) in messages.iter().zip([op::MESSAGE, op::MESSAGE, op::MESSAGE, op::KNOWN]) {
            assert_eq!(write(&mut put, &mut named, message), [op]);
        }
        assert_eq!(write(&mut put, &mut named, RANDOM), [op::KNOWN], "it was no message");
    }
}
