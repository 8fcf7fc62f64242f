//! Links: what another column has in the same event, and the value that is likely by that.

use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::rows::Table;

/// How another column's value leads to a likely one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    #[default]
    None,
    /// The value that came with the same one last.
    Same,
    /// The message of the last event that had it.
    Message,
    /// The value in the event whose message it is; or that came with the same one last: whichever came later.
    Chain,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Same, Self::Message, Self::Chain];
}

/// Which other column says something about a column's values, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) way: Way,
    pub(super) column: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { way: Way::None, column: NONE }
    }
}

/// Places of a link's table.
const PLACES_MIN: usize = 16;
const PLACES_MAX: usize = 1 << 14;
/// Nothing is remembered.
const NOTHING: u32 = u32::MAX;

/// A link as it is followed from row to row.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) link: Link,
    /// By what the other column had: the row that had it last, or its event.
    places: Vec<u32>,
    /// The other column's row, and the event that was asked for last.
    at: usize,
    event: u32,
    /// The hash of what the other column has in this event; 0 if it has nothing.
    pub(super) other: u64,
    place: usize,
}

impl Follower {
    /// For a column of so many rows.
    pub(super) fn new(link: Link, rows: usize) -> Self {
        let places = rows.next_power_of_two().clamp(PLACES_MIN, PLACES_MAX);
        let places = if link.way == Way::None { Vec::new() } else { vec![NOTHING; places] };
        Self { link, places, at: 0, event: NONE, other: 0, place: 0 }
    }

    #[inline]
    fn place_of(&self, hash: u64) -> usize {
        (mix(hash, 7) >> 20) as usize & self.places.len().wrapping_sub(1)
    }

    /// Goes to what the other column has for the next row, which is of this event: of its values there the one at the same place, or the last
    /// one.
    #[inline]
    pub(super) fn go(&mut self, other: &Rows, event: u32) {
        if self.event != event {
            self.at = other.first_of(event, self.at);
        } else if other.event(self.at + 1) == event {
            self.at += 1;
        }
        self.event = event;
        self.other = if other.event(self.at) == event { other.hash(self.at) } else { 0 };
        self.place = self.place_of(self.other);
    }

    /// What the other column has in this event, if there is something.
    pub(super) fn other_value(&self, table: &Table) -> Value {
        let rows = table.column(self.link.column).filter(|rows| rows.event(self.at) == self.event);
        rows.map(|rows| rows.value(self.at)).unwrap_or_default()
    }

    /// The likely value, of a column with these rows; nothing, if there is none.
    #[inline]
    pub(super) fn likely(&self, own: &Rows, table: &Table) -> Value {
        let place = self.likely_place();
        if self.link.way == Way::Message { table.message(place) } else { own.value(place as usize) }
    }

    /// The hash of that.
    #[inline]
    pub(super) fn likely_hash(&self, own: &Rows, table: &Table) -> u64 {
        let place = self.likely_place();
        if self.link.way == Way::Message { table.message_hash(place) } else { own.hash(place as usize) }
    }

    #[inline]
    fn likely_place(&self) -> u32 {
        self.places.get(self.place).copied().unwrap_or(NOTHING)
    }

    /// Learns that the row at `at`, of this event, came.
    #[inline]
    pub(super) fn learn(&mut self, at: u32, event: u32, table: &Table) {
        let what = if self.link.way == Way::Message { event } else { at };
        if let Some(place) = self.places.get_mut(self.place) {
            *place = what;
        }
        if self.link.way == Way::Chain {
            let behind = self.place_of(table.message_hash(event));
            if let Some(place) = self.places.get_mut(behind) {
                *place = what;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::span::Span;

    fn value(number: u64) -> Value {
        Value { span: Span::new(number as usize, 1), hash: number }
    }

    fn rows(all: &[(u32, u64)]) -> Rows {
        let (events, numbers): (Vec<u32>, Vec<u64>) = all.iter().copied().unzip();
        Rows { events, values: numbers.into_iter().map(value).collect() }
    }

    /// The messages of a block.
    fn messages(all: &[u64]) -> Table {
        let messages: Vec<(u32, u64)> = (0..).zip(all.iter().copied()).collect();
        Table { rows: vec![Rows::default(), rows(&messages)], ..Table::default() }
    }

    /// What each value of a column was thought to be; 0 for nothing.
    fn likely(way: Way, other: &[(u32, u64)], own: &[(u32, u64)], table: &Table) -> Vec<u64> {
        let mut follower = Follower::new(Link { way, column: 9 }, own.len());
        let (other, own) = (rows(other), rows(own));
        let mut next = |at: usize| {
            follower.go(&other, own.event(at));
            let likely = follower.likely(&own, table).hash;
            follower.learn(at as u32, own.event(at), table);
            likely
        };
        (0..own.events.len()).map(&mut next).collect()
    }

    #[test]
    fn the_value_that_came_with_the_same_one_last_is_likely() {
        let other = [(0, 5), (1, 6), (3, 5), (4, 5), (5, 6)];
        let own = [(0, 10), (1, 11), (2, 12), (3, 13), (4, 14), (5, 15), (6, 16)];
        // Events 2 and 6 don't have the other one: they are alike, too.
        assert_eq!(likely(Way::Same, &other, &own, &Table::default()), [0, 0, 0, 10, 13, 11, 12]);
    }

    #[test]
    fn the_message_of_the_last_event_that_had_it_is_likely() {
        let other = [(0, 5), (1, 6), (2, 5), (3, 5)];
        let own = [(0, 10), (1, 11), (2, 12), (3, 13)];
        assert_eq!(likely(Way::Message, &other, &own, &messages(&[21, 22, 23, 24])), [0, 0, 21, 23]);
    }

    #[test]
    fn a_chain_goes_on_from_the_event_whose_message_it_is() {
        // Events that say which message they come of have the value of that event.
        let (other, own) =
            ([(0, 1), (1, 2), (2, 21), (3, 23), (4, 2)], [(0, 7), (1, 8), (2, 7), (3, 9), (4, 8)]);
        assert_eq!(likely(Way::Chain, &other, &own, &messages(&[21, 22, 23, 24, 25])), [0, 0, 7, 7, 8]);
        // What came with the same one later counts more.
        let (other, own) = ([(0, 1), (1, 21), (2, 21)], [(0, 7), (1, 8), (2, 8)]);
        assert_eq!(likely(Way::Chain, &other, &own, &messages(&[21, 22, 23])), [0, 7, 8]);
    }

    #[test]
    fn of_several_in_an_event_the_one_at_the_same_place_counts_or_the_last_one() {
        let other = rows(&[(3, 1), (3, 2), (3, 3), (5, 4), (7, 5), (7, 6)]);
        let mut follower = Follower::new(Link { way: Way::Same, column: 9 }, 8);
        let mut at = |event: u32| {
            follower.go(&other, event);
            follower.other
        };
        assert_eq!([1, 3, 3, 3, 3, 3].map(&mut at), [0, 1, 2, 3, 3, 3]);
        assert_eq!([4, 5, 5, 6, 7, 7, 7, 8, 8].map(&mut at), [0, 4, 4, 0, 5, 6, 6, 0, 0]);
    }

    #[test]
    fn there_are_as_many_places_as_values_within_limits_and_none_without_a_link() {
        let places = |way, rows| Follower::new(Link { way, column: 9 }, rows).places.len();
        let rows = [0, 16, 17, 1000, 1 << 14, (1 << 14) + 1, 1 << 25];
        assert_eq!(rows.map(|rows| places(Way::Same, rows)), [16, 16, 32, 1024, 1 << 14, 1 << 14, 1 << 14]);
        assert_eq!(rows.map(|rows| places(Way::None, rows)), [0; 7]);
    }

    #[test]
    fn without_a_link_nothing_is_likely() {
        let own = [(0, 10), (1, 10), (2, 10)];
        assert_eq!(likely(Way::None, &own, &own, &messages(&[1, 2, 3])), [0; 3]);
    }
}
