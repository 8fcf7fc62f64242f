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
