//! What a value may be: the last one of the same aggregate and key, the one that followed the same value before, and so on.
//!
//! The tables are small and forget: a place is taken by who comes last. They only choose what is compared or offered; a wrong entry
//! costs bits and nothing else.

use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::values::id;

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
        Self::read(bytes, span).0
    }

    /// The value that lies here, and how it is spelled if it is an identifier.
    #[inline]
    pub(super) fn read(bytes: &[u8], span: Span) -> (Self, Option<id::Style>) {
        let text = span.of(bytes);
        match id::parse(text) {
            Some((id, style)) => (Self { span, hash: id_hash(id) }, Some(style)),
            None => (Self { span, hash: hash(text) & !3 | 2 }, None),
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

/// A value, and 8 bits of the situation that it is for.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    at: u32,
    length_and_tag: u32,
    hash: u64,
}

/// Places of one owner.
const GROUP: u32 = 32;
/// Values that are longer are not remembered.
const LENGTH_MAX: u32 = 1 << 24;

/// A place in a [`Table`]; none where nothing is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: u32,
    tag: u32,
}

impl Place {
    /// Nothing is looked for, nothing remembered.
    pub(super) const NONE: Self = Self { at: u32::MAX, tag: 0 };

    /// The place, if what comes is worth to be remembered there.
    #[inline]
    pub(super) const fn kept(self, trust: &Trust) -> Self {
        if trust.is_kept() { self } else { Self::NONE }
    }
}

/// The last value of each situation.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    mask: u32,
}

impl Table {
    /// The place of a key of an owner: those of one owner lie side by side.
    #[inline]
    pub(super) fn place_of(&self, owner: u64, key: u32) -> Place {
        let at = (owner >> 32) as u32 & self.mask & !(GROUP - 1) | key & (GROUP - 1);
        Place { at, tag: (owner as u32 ^ (key / GROUP).wrapping_mul(37)) & 0xff }
    }

    /// A table for a block of so many bytes, with at most so many entries, a power of two.
    pub(super) fn new(raw_length: usize, entries_max: usize) -> Self {
        let entries = (raw_length / 64).next_power_of_two().clamp(1 << 10, entries_max);
        Self { entries: vec![Entry::default(); entries], mask: entries as u32 - 1 }
    }

    #[inline]
    pub(super) fn place(&self, situation: u64) -> Place {
        Place { at: (situation >> 32) as u32 & self.mask, tag: situation as u32 & 0xff }
    }

    /// What is at a place, if that is worth a look.
    #[inline]
    pub(super) fn look(&self, trust: &Trust, place: Place) -> Value {
        if trust.is_worth() { self.get(place) } else { Value::default() }
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Value {
        match self.entries.get(place.at as usize) {
            Some(entry) if entry.length_and_tag & 0xff == place.tag => {
                Value { span: Span { at: entry.at, length: entry.length_and_tag >> 8 }, hash: entry.hash }
            }
            _ => Value::default(),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, place: Place, value: Value) {
        let Span { at, length } = value.span;
        if length < LENGTH_MAX
            && let Some(entry) = self.entries.get_mut(place.at as usize)
        {
            *entry = Entry { at, length_and_tag: length << 8 | place.tag, hash: value.hash };
        }
    }
}

/// How often a way to guess was right. One that seldom is costs time: it is tried now and then only, and given up if it never was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    asked: u32,
    looked: u32,
    right: u32,
    is_good: bool,
    is_worth: bool,
    /// When it is given up: never, once it was right.
    end: u32,
}

/// Values after which a way is judged anew, how many of these are tried anyway, and how often it must be right.
const WINDOW: u32 = 512;
const TRIED: u32 = 64;
const RIGHT_OF: u32 = 64;
/// A way that was never right is given up after so many values.
const GIVEN_UP: u32 = 1024;

impl Default for Trust {
    fn default() -> Self {
        Self { asked: 0, looked: 0, right: 0, is_good: true, is_worth: true, end: GIVEN_UP }
    }
}

impl Trust {
    /// Whether a guess is worth a look.
    #[inline]
    pub(super) const fn is_worth(&self) -> bool {
        self.is_worth
    }

    /// Whether a value is worth to be remembered for such guesses.
    #[inline]
    pub(super) const fn is_kept(&self) -> bool {
        self.asked < self.end
    }

    #[inline]
    pub(super) const fn learn(&mut self, right: bool) {
        self.looked += self.is_worth as u32;
        self.right += right as u32;
        if right {
            self.end = u32::MAX;
        }
        self.asked = self.asked.wrapping_add(1);
        if self.asked.is_multiple_of(TRIED) {
            self.judge();
        }
    }

    const fn judge(&mut self) {
        if self.asked.is_multiple_of(WINDOW) {
            self.is_good = self.right * RIGHT_OF >= self.looked;
            self.right = 0;
            self.looked = 0;
        }
        self.is_worth = self.is_good || self.asked % WINDOW < TRIED;
    }
}

/// Values that are likely.
pub(super) const GUESSES: usize = 4;

/// What the next value may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// The last of this aggregate and key; behind the same value; of this column; behind the same identifier.
    pub(super) values: [Value; GUESSES],
    pub(super) places: [Place; 3],
    /// Which of them there are and agree: 8 cases.
    pub(super) mask: u32,
}

impl Default for Guess {
    fn default() -> Self {
        Self { values: Default::default(), places: [Place::NONE; 3], mask: 0 }
    }
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
