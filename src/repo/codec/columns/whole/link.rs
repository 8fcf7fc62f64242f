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
    /// What the other column has in this event.
    pub(super) other: Value,
    place: usize,
}

impl Follower {
    /// For a column of so many rows.
    pub(super) fn new(link: Link, rows: usize) -> Self {
        let places = rows.next_power_of_two().clamp(PLACES_MIN, PLACES_MAX);
        let places = if link.way == Way::None { Vec::new() } else { vec![NOTHING; places] };
        Self { link, places, at: 0, event: NONE, other: Value::default(), place: 0 }
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
        self.other = if other.event(self.at) == event { other.value(self.at) } else { Value::default() };
        self.place = self.place_of(self.other.hash);
    }

    /// The likely value, of a column with these rows; nothing, if there is none.
    #[inline]
    pub(super) fn likely(&self, own: &Rows, table: &Table) -> Value {
        let place = self.places.get(self.place).copied().unwrap_or(NOTHING);
        if self.link.way == Way::Message { table.message(place) } else { own.value(place as usize) }
    }

    /// Learns that the row at `at`, of this event, came.
    #[inline]
    pub(super) fn learn(&mut self, at: u32, event: u32, table: &Table) {
        let what = if self.link.way == Way::Message { event } else { at };
        if let Some(place) = self.places.get_mut(self.place) {
            *place = what;
        }
        if self.link.way == Way::Chain {
            let behind = self.place_of(table.message(event).hash);
            if let Some(place) = self.places.get_mut(behind) {
                *place = what;
            }
        }
    }
}
