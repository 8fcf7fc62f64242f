//! What a value may be: the last one of its aggregate, what its links lead to, the last one of its column. Shared by writer and reader.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::symbol::INDEX_MAX;
use crate::repo::codec::columns::symbol::Index;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::values::id::Style;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::head::Plan;
use crate::repo::codec::columns::whole::link::Follower;
use crate::repo::codec::columns::whole::link::Way;
use crate::repo::codec::columns::whole::op::GUESSES;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::rows::Table;

/// Streams of a column: one of operations for each mask, and one of kinds of identifiers.
const MASKS: u32 = 8;
/// How far the places of an aggregate's first and second value in an event lie apart.
const APART: u32 = 0x9e35;
/// Values that a key lists before any was named again, and more for each time.
const LISTED_AT_FIRST: usize = 64;
const LISTED_PER_HIT: usize = 16;

/// A column as it is gone through.
#[derive(Debug)]
pub(super) struct State {
    pub(super) plan: Plan,
    pub(super) links: [Follower; 2],
    pub(super) row: u32,
    last: Value,
    event: u32,
    occurrence: u32,
    streams: u32,
    pub(super) format: number::Format,
    pub(super) time: time::Format,
    pub(super) style: Style,
    /// The last number.
    pub(super) number: i64,
    pub(super) numbers: Number,
    pub(super) moments: Number,
}

impl State {
    pub(super) fn new<C: Coder>(coder: &mut C, plan: &Plan, rows: usize) -> Self {
        Self {
            plan: *plan,
            links: plan.links.map(|link| Follower::new(link, rows)),
            row: 0,
            last: Value::default(),
            event: NONE,
            occurrence: 0,
            streams: coder.allocate(0, MASKS + 1),
            format: number::Format::default(),
            time: time::Format::default(),
            style: Style::default(),
            number: 0,
            numbers: Number::default(),
            moments: Number::default(),
        }
    }

    /// Codes an operation.
    #[inline]
    pub(super) fn op<C: Coder>(&self, coder: &mut C, guess: &Guess, op: u8) -> u8 {
        coder.symbol(self.streams + guess.mask, 8, u32::from(op)) as u8
    }

    /// Codes which kind of an identifier follows.
    pub(super) fn kind<C: Coder>(&self, coder: &mut C, kind: u32) -> u32 {
        coder.symbol(self.streams + MASKS, 8, kind)
    }
}

/// The columns of a key as they are gone through.
#[derive(Debug)]
pub(super) struct States {
    /// By column: which of all its state is.
    places: Vec<u32>,
    all: Vec<State>,
}

impl States {
    /// Of a block with so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { places: vec![NONE; columns], all: Vec::new() }
    }

    /// Begins a key: columns of others don't come again.
    pub(super) fn begin(&mut self) {
        self.all.clear();
    }

    #[inline]
    pub(super) fn has(&self, column: u32) -> bool {
        self.places.get(column as usize).is_some_and(|place| *place != NONE)
    }

    pub(super) fn add(&mut self, column: u32, state: State) {
        if let Some(place) = self.places.get_mut(column as usize) {
            *place = self.all.len() as u32;
            self.all.push(state);
        }
    }

    #[inline]
    pub(super) fn get(&mut self, column: u32) -> Option<&mut State> {
        self.all.get_mut(*self.places.get(column as usize)? as usize)
    }
}

/// The hashes of what a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// The last one of its aggregate; by the first link; the last one of its column; by the second link. 0 for none.
    pub(super) hashes: [u64; GUESSES as usize],
    /// Which of the first three there are and agree.
    mask: u32,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) struct Known {
    /// The last values of aggregates.
    owners: Vec<Value>,
    owner: usize,
    pub(super) listed: Vec<Value>,
    pub(super) index: Index,
    pub(super) hits: usize,
}

impl Known {
    /// With 2 to the power of `places` places for aggregates.
    pub(super) fn new(places: u32) -> Self {
        let owners = vec![Value::default(); 1 << places];
        Self { owners, owner: 0, listed: Vec::new(), index: Index::default(), hits: 0 }
    }

    /// The last value of this aggregate.
    #[inline]
    pub(super) fn of_owner(&self) -> Value {
        self.owners.get(self.owner).copied().unwrap_or_default()
    }

    /// What the next value of a column with these rows may be: it is in this event, of this aggregate.
    #[inline]
    pub(super) fn guess(
        &mut self,
        state: &mut State,
        (event, owner): (u32, u32),
        table: &Table,
        own: &Rows,
    ) -> Guess {
        state.occurrence = if state.event == event { state.occurrence.wrapping_add(1) } else { 0 };
        state.event = event;
        let place = owner.wrapping_add(state.occurrence.wrapping_mul(APART));
        self.owner = place as usize & self.owners.len().wrapping_sub(1);
        let [b, d] = state.links.each_mut().map(|follower| match table.column(follower.link.column) {
            Some(other) if follower.link.way != Way::None => {
                follower.go(other, event);
                follower.likely_hash(own, table)
            }
            _ => 0,
        });
        let (a, c) = (self.of_owner().hash, state.last.hash);
        let first = if a == 0 { b } else { a };
        let mask =
            u32::from(a != 0) | u32::from(b != 0 && b == first) << 1 | u32::from(c != 0 && c == first) << 2;
        Guess { hashes: [a, b, c, d], mask }
    }

    /// The value that was guessed.
    #[inline]
    pub(super) fn guessed(&self, state: &State, at: u8, table: &Table, own: &Rows) -> Value {
        let [first, second] = &state.links;
        match at {
            0 => self.of_owner(),
            1 => first.likely(own, table),
            2 => state.last,
            _ => second.likely(own, table),
        }
    }

    /// Learns the value of this row.
    #[inline]
    pub(super) fn learn(&mut self, state: &mut State, value: Value, table: &Table) {
        if let Some(owner) = self.owners.get_mut(self.owner) {
            *owner = value;
        }
        state.last = value;
        let (row, event) = (state.row, state.event);
        for follower in &mut state.links {
            if follower.link.way != Way::None {
                follower.learn(row, event, table);
            }
        }
        state.row = row.wrapping_add(1);
    }

    /// Lists a new value, if there is room; gives its place.
    pub(super) fn list(&mut self, value: Value) -> Option<u32> {
        let room = (LISTED_AT_FIRST + LISTED_PER_HIT * self.hits).min(INDEX_MAX as usize);
        let place = self.listed.len();
        (place < room).then(|| {
            self.listed.push(value);
            place as u32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::span::Span;
    use crate::repo::codec::columns::streams::StreamWriter;
    use crate::repo::codec::columns::whole::head::Base;
    use crate::repo::codec::columns::whole::link::Link;

    fn value(number: u64) -> Value {
        Value { span: Span::new(number as usize, 1), hash: number }
    }

    /// The guesses and the mask of each value of a column: event, aggregate, value. By a link to a column with these values.
    fn guesses(other: &[(u32, u64)], own: &[(u32, u32, u64)]) -> Vec<([u64; 4], u32)> {
        let rows = |all: &[(u32, u64)]| Rows {
            events: all.iter().map(|row| row.0).collect(),
            values: all.iter().map(|row| value(row.1)).collect(),
        };
        let table = Table { rows: vec![rows(other)], ..Table::default() };
        let own_rows = rows(&own.iter().map(|row| (row.0, row.2)).collect::<Vec<_>>());
        let links = [Link { way: Way::Same, column: 0 }, Link::default()];
        let plan = Plan { links, base: Base::Zero };
        let (mut state, mut known) =
            (State::new(&mut StreamWriter::default(), &plan, own.len()), Known::new(4));
        let mut next = |(event, owner, number): &(u32, u32, u64)| {
            let guess = known.guess(&mut state, (*event, *owner), &table, &own_rows);
            for at in 0..GUESSES {
                let hash = guess.hashes[usize::from(at)];
                assert_eq!(known.guessed(&state, at, &table, &own_rows).hash, hash, "guess {at}");
            }
            known.learn(&mut state, value(*number), &table);
            (guess.hashes, guess.mask)
        };
        own.iter().map(&mut next).collect()
    }

    #[test]
    fn a_value_may_be_that_of_its_aggregate_of_its_link_or_the_last_one() {
        let other = [(0, 5), (1, 6), (2, 5), (3, 6)];
        let own = [(0, 1, 10), (1, 2, 11), (2, 1, 10), (3, 3, 11), (4, 1, 10)];
        let none = [0; 4];
        // What agrees with the aggregate's, or with the link's if that is none, is in the mask.
        let expected = [
            (none, 0),
            ([0, 0, 10, 0], 0),
            ([10, 10, 11, 0], 1 | 2),
            ([0, 11, 10, 0], 2),
            ([10, 0, 11, 0], 1),
        ];
        assert_eq!(guesses(&other, &own), expected);
        let same = guesses(&[(0, 5), (1, 5)], &[(0, 1, 10), (1, 1, 10)]);
        assert_eq!(same[1], ([10, 10, 10, 0], 1 | 2 | 4));
    }

    #[test]
    fn each_value_of_an_event_has_a_place_of_its_own() {
        let own = [(0, 1, 10), (0, 1, 11), (0, 1, 12), (1, 1, 10), (1, 1, 11), (1, 1, 12)];
        let of_owner: Vec<u64> = guesses(&[], &own).iter().map(|guess| guess.0[0]).collect();
        assert_eq!(of_owner, [0, 0, 0, 10, 11, 12]);
    }

    #[test]
    fn aggregates_share_places_when_there_are_few() {
        let own = [(0, 1, 10), (1, 17, 11), (2, NONE, 12), (3, 15, 13)];
        let of_owner: Vec<u64> = guesses(&[], &own).iter().map(|guess| guess.0[0]).collect();
        assert_eq!(of_owner, [0, 10, 0, 12]);
    }

    #[test]
    fn more_values_are_listed_the_more_they_are_named() {
        let mut known = Known::new(0);
        let mut listed = |hits: usize| {
            known.hits = hits;
            while known.list(value(known.listed.len() as u64)).is_some() {}
            assert_eq!(known.list(value(0)), None);
            known.listed.len()
        };
        assert_eq!([0, 1, 10, 10, 2043].map(&mut listed), [64, 80, 224, 224, 32_752]);
        assert_eq!([2044, 2045, 100_000].map(&mut listed), [32_768; 3]);
        assert_eq!(known.listed[40_000 % 32_768].hash, 40_000 % 32_768);
    }

    #[test]
    fn states_are_those_of_one_key() {
        let (mut coder, mut states) = (StreamWriter::default(), States::new(4));
        let mut add = |states: &mut States, column: u32| {
            let state = State::new(&mut coder, &Plan::default(), 1);
            states.add(column, state);
        };
        add(&mut states, 2);
        add(&mut states, 1);
        add(&mut states, 4);
        states.get(1).unwrap().row = 7;
        assert_eq!(
            [0, 1, 2, 3, 4, NONE].map(|column| states.has(column)),
            [false, true, true, false, false, false]
        );
        assert_eq!(states.get(2).map(|state| state.row), Some(0));
        states.begin();
        add(&mut states, 3);
        assert!(states.get(1).is_none() && states.get(0).is_none(), "a column of another key");
        assert_eq!(states.get(3).map(|state| state.row), Some(0));
    }
}
