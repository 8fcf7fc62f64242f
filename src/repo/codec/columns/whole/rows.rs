//! What is known of a block while it is taken apart or put together.

use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::whole::spans::Spans;

/// An event that is not carried raw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Which aggregate it is of: they are numbered as they come.
    pub(super) aggregate: u32,
    pub(super) kind: u32,
    pub(super) sequence: u64,
    pub(super) timestamp: u64,
    /// Whether another event of its transaction is before it.
    pub(super) is_later: bool,
    /// Whether its payload is a walk, and not one value.
    pub(super) is_cut: bool,
}

/// Where a value lies begins with this if it is a long one: it stays where it was. No block is so long.
pub(super) const FAR: u32 = 1 << 31;

/// Where the bytes of values are: those that lie side by side, and the long ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    pub(super) near: &'a [u8],
    pub(super) far: &'a [u8],
}

impl<'a> Texts<'a> {
    /// The bytes of a value.
    #[inline]
    pub(super) fn of(self, span: Span) -> &'a [u8] {
        let (span, bytes) = self.place(span);
        span.of(bytes)
    }

    /// Appends the bytes of a value.
    #[inline]
    pub(super) fn append(self, span: Span, out: &mut Vec<u8>) {
        let (span, bytes) = self.place(span);
        span.append(bytes, out);
    }

    #[inline]
    const fn place(self, span: Span) -> (Span, &'a [u8]) {
        if span.at & FAR == 0 { (span, self.near) } else { (Span { at: span.at ^ FAR, ..span }, self.far) }
    }
}

/// The values of a column, and the events that have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) events: Vec<u32>,
    pub(super) values: Values,
}

/// Values one behind the other. Who guesses asks for hashes, who puts events together for places: each lie side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    spans: Spans,
    hashes: Vec<u64>,
}

impl Values {
    fn with_room(values: usize) -> Self {
        Self { spans: Spans::with_room(values), hashes: Vec::with_capacity(values) }
    }

    /// Makes room for so many more, and no more than that.
    pub(super) fn reserve(&mut self, values: usize) {
        self.spans.reserve(values);
        self.hashes.reserve_exact(values);
    }

    #[inline]
    pub(super) fn push(&mut self, value: Value) {
        self.spans.push(value.span);
        self.hashes.push(value.hash);
    }

    pub(super) const fn len(&self) -> usize {
        self.spans.len()
    }

    /// The place of a value.
    #[inline]
    pub(super) fn span(&self, at: usize) -> Option<Span> {
        self.spans.get(at)
    }

    /// Leaves nothing but their places.
    pub(super) fn forget_hashes(&mut self) {
        self.hashes = Vec::new();
    }
}

#[cfg(test)]
impl FromIterator<Value> for Values {
    fn from_iter<I: IntoIterator<Item = Value>>(all: I) -> Self {
        let mut values = Self::default();
        all.into_iter().for_each(|value| values.push(value));
        values
    }
}

/// Values that a column is given room for at once: growing to that step by step takes time, and most have more.
const ROOM: usize = 64;

impl Rows {
    /// Nothing yet, with room for some.
    pub(super) fn with_room() -> Self {
        Self { events: Vec::with_capacity(ROOM), values: Values::with_room(ROOM) }
    }

    /// The event of a row; behind the last one, one that is behind all.
    #[inline]
    pub(super) fn event(&self, at: usize) -> u32 {
        self.events.get(at).copied().unwrap_or(u32::MAX)
    }

    /// The value of a row, if it is there.
    #[inline]
    pub(super) fn value(&self, at: usize) -> Value {
        Value { span: self.values.span(at).unwrap_or_default(), hash: self.hash(at) }
    }

    /// The hash of a row's value; 0 if it is not there.
    #[inline]
    pub(super) fn hash(&self, at: usize) -> u64 {
        self.values.hashes.get(at).copied().unwrap_or(0)
    }

    /// The first row from `at` on that is not before an event: likely near, perhaps far.
    #[inline]
    pub(super) fn first_of(&self, event: u32, mut at: usize) -> usize {
        let near = at + 4;
        while self.event(at) < event {
            if at == near {
                let rest = self.events.get(at..).unwrap_or_default();
                return at + rest.partition_point(|other| *other < event);
            }
            at += 1;
        }
        at
    }
}

/// The events and values of all columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Rows>,
    pub(super) entries: Vec<Entry>,
    /// By event: its aggregate. Each column asks for that, and for nothing else of most events.
    pub(super) owners: Vec<u32>,
}

impl Table {
    #[inline]
    pub(super) fn column(&self, column: u32) -> Option<&Rows> {
        self.rows.get(column as usize)
    }

    #[inline]
    pub(super) fn entry(&self, event: u32) -> Option<&Entry> {
        self.entries.get(event as usize)
    }

    /// Says that all events are there.
    pub(super) fn know_owners(&mut self) {
        self.owners = self.entries.iter().map(|entry| entry.aggregate).collect();
    }

    /// The aggregate that an event is of.
    #[inline]
    pub(super) fn owner(&self, event: u32) -> Option<u32> {
        self.owners.get(event as usize).copied()
    }

    /// The message of an event.
    #[inline]
    pub(super) fn message(&self, event: u32) -> Value {
        self.column(super::MESSAGE).map(|rows| rows.value(event as usize)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn message_hash(&self, event: u32) -> u64 {
        self.column(super::MESSAGE).map_or(0, |rows| rows.hash(event as usize))
    }

    /// An aggregate.
    pub(super) fn aggregate(&self, aggregate: u32) -> Value {
        self.column(super::AGGREGATE).map(|rows| rows.value(aggregate as usize)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn aggregate_hash(&self, aggregate: u32) -> u64 {
        self.column(super::AGGREGATE).map_or(0, |rows| rows.hash(aggregate as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_an_event_is_found_near_and_far() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut events: Vec<u32> = (0..500).map(|_| random.u32(..300)).collect();
        events.sort_unstable();
        let rows = Rows { events, values: Values::default() };
        for from in [0, 3, 100, 499, 500, 501] {
            for event in 0..310 {
                let found = rows.first_of(event, from);
                let slow = (from..600).find(|at| rows.event(*at) >= event).unwrap();
                assert_eq!(found, slow, "event {event} from {from}");
            }
        }
    }
}
