//! What a value may be: the last one of the same aggregate and key, the one that followed the same value before, and so on.
//!
//! The tables are small and forget: a place is taken by who comes last. They only choose what is compared or offered; a wrong entry
//! costs bits and nothing else.

use super::span::Span;
use super::span::hash;
use super::span::mix;
use super::values::id;

/// A value and its hash. An identifier has the same hash in all spellings, and bit 0 of it set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) span: Span,
    pub(super) hash: u64,
}

impl Value {
    /// The value that lies here.
    #[inline]
    pub(super) fn new(bytes: &[u8], span: Span) -> Self {
        let text = span.of(bytes);
        match id::parse(text) {
            Some((id, _)) => Self { span, hash: id_hash(id) },
            None => Self { span, hash: hash(text) & !3 | 2 },
        }
    }

    pub(super) const fn is_none(self) -> bool {
        self.hash == 0
    }

    pub(super) const fn is_id(self) -> bool {
        self.hash & 1 == 1
    }
}

/// The hash of an identifier.
#[inline]
pub(super) fn id_hash(id: u128) -> u64 {
    mix((id >> 64) as u64, id as u64) | 3
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    value: Value,
    tag: u32,
}

/// A place in a [`Table`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    at: u32,
    tag: u32,
}

/// The last value of each situation.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    mask: u32,
}

impl Table {
    /// A table for a block of so many bytes.
    pub(super) fn new(raw_length: usize) -> Self {
        let entries = (raw_length / 48).next_power_of_two().clamp(1 << 10, 1 << 18);
        Self { entries: vec![Entry::default(); entries], mask: entries as u32 - 1 }
    }

    #[inline]
    pub(super) fn place(&self, situation: u64) -> Place {
        Place { at: (situation >> 32) as u32 & self.mask, tag: situation as u32 }
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Value {
        match self.entries.get(place.at as usize) {
            Some(entry) if entry.tag == place.tag => entry.value,
            _ => Value::default(),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, place: Place, value: Value) {
        if let Some(entry) = self.entries.get_mut(place.at as usize) {
            *entry = Entry { value, tag: place.tag };
        }
    }
}

/// Values that are likely.
pub(super) const GUESSES: usize = 4;

/// What the next value may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    /// The last of this aggregate and key; behind the same value; of this column; behind the same identifier.
    pub(super) values: [Value; GUESSES],
    pub(super) places: [Place; 3],
    /// Which of them there are and agree: 8 cases.
    pub(super) mask: u32,
}

impl Guess {
    /// From the four values.
    #[inline]
    pub(super) fn new(values: [Value; GUESSES], places: [Place; 3]) -> Self {
        let [a, b, c, _] = values;
        let first = if a.is_none() { b.hash } else { a.hash };
        let mask = u32::from(!a.is_none())
            | u32::from(!b.is_none() && b.hash == first) << 1
            | u32::from(!c.is_none() && c.hash == first) << 2;
        Self { values, places, mask }
    }
}
