//! What writer and reader both know of the values so far, and learn from each one in the same way.

use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::column::Column;
use crate::repo::codec::columns::column::Columns;
use crate::repo::codec::columns::column::NAMES_MAX;
use crate::repo::codec::columns::predict::Guess;
use crate::repo::codec::columns::predict::Table;
use crate::repo::codec::columns::predict::Trust;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::symbol::INDEX_MAX;
use crate::repo::codec::columns::symbol::Index;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::text::Words;

/// Values of an event that later ones of it may be equal to.
const LOCALS_MAX: usize = 64;
/// Values that a key lists before any was named twice, and more for each time.
const LISTED_AT_FIRST: usize = 64;
const LISTED_PER_HIT: usize = 16;

/// Places in the table of a large block: where symbols are bytes it is the table that takes the time, so that it had better fit a cache.
const TABLE_MAX: usize = 1 << 18;
const TABLE_IN_STREAMS: usize = 1 << 17;

/// By this and an identifier the last message is remembered whose metadata had the identifier.
const MESSAGE: u64 = 0x4d45_5353;

/// The values of a key that may come again.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) values: Vec<Value>,
    pub(super) index: Index,
    pub(super) hits: usize,
}

/// Where one is: the event and the value before.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    pub(super) event: u32,
    /// The hash of what values are remembered by: the aggregate.
    pub(super) owner: u64,
    /// The hash of the value before.
    pub(super) before: u64,
    /// The hash of the last identifier.
    pub(super) identifier: u64,
    /// The event's timestamp.
    pub(super) timestamp: i64,
    pub(super) locals: Vec<Value>,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) columns: Columns,
    pub(super) table: Table,
    pub(super) words: Words,
    pub(super) listed: Vec<Listed>,
    /// By key: whether the last value of the same owner, or behind the same identifier, is worth a look.
    trusts: Vec<[Trust; 2]>,
    /// Identifiers in the order in which they came.
    pub(super) ids: Vec<u128>,
    pub(super) distance: Number,
    pub(super) lengths: Number,
    pub(super) now: Situation,
}

impl Model {
    /// Nothing is known yet.
    pub(super) fn new<C: Coder>(coder: &mut C, raw_length: usize) -> Self {
        Self {
            columns: Columns::default(),
            table: Table::new(raw_length, if C::IN_STREAMS { TABLE_IN_STREAMS } else { TABLE_MAX }),
            words: Words::new(coder),
            listed: Vec::new(),
            trusts: vec![Default::default(); NAMES_MAX + 1],
            ids: Vec::new(),
            distance: Number::default(),
            lengths: Number::default(),
            now: Situation::default(),
        }
    }

    /// Begins an event.
    pub(super) fn begin_event(&mut self) {
        self.now.event = self.now.event.wrapping_add(1);
        self.now.locals.clear();
        self.now.before = 0;
        self.now.identifier = 0;
    }

    #[inline]
    pub(super) fn column(&mut self, column: u32) -> Option<&mut Column> {
        self.columns.get(column)
    }

    /// What the next value of a column may be.
    #[inline]
    pub(super) fn guess(&mut self, column: u32) -> Guess {
        let now = &self.now;
        let Some(column) = self.columns.get(column) else { return Guess::default() };
        let occurrence = u64::from(column.occur(now.event));
        let Some([owner, identifier]) = self.trusts.get(column.key as usize) else { return Guess::default() };
        let beside = if column.is_metadata { MESSAGE } else { u64::from(column.key) };
        // All places first: that one of them has to be fetched from afar need not keep the next one waiting.
        let table = &self.table;
        let of_owner = table.place_of(mix(now.owner, occurrence), column.key);
        let behind = table.place(mix(now.before, column.salt));
        let of_identifier = table.place(mix(now.identifier, beside));
        let a = table.look(owner, of_owner);
        let b = table.look(&column.trust, behind);
        let d = table.look(identifier, of_identifier);
        let places = [of_owner.kept(owner), behind.kept(&column.trust), of_identifier.kept(identifier)];
        Guess::new([a, b, column.last, d], places)
    }

    /// Says where one is: what a decision about the next value may depend on.
    #[inline]
    pub(super) fn contexts<C: Coder>(&mut self, coder: &mut C, number: u32, guess: &Guess) {
        let Some(column) = self.columns.get(number) else { return };
        let (salt, now) = (column.salt, &self.now);
        coder.account(Account::Column(number));
        let [first, _, _, fourth] = guess.values.map(|value| value.hash);
        self.words.behind = now.before;
        coder.contexts(|| {
            [
                mix(now.before, salt),
                mix(now.owner, salt),
                mix(mix(first, fourth), salt ^ u64::from(guess.mask)),
            ]
        });
    }

    /// The same before the literal behind `state`.
    #[inline]
    pub(super) fn walk_contexts<C: Coder>(&mut self, coder: &mut C, state: u32) {
        coder.account(Account::Literals);
        let (state, now) = (u64::from(state), &self.now);
        coder.contexts(|| {
            let place = (now.locals.len() as u64) << 32 | state;
            [mix(now.before, state), mix(now.owner, state), mix(now.owner, place)]
        });
    }

    /// The same before what the envelope says besides values.
    #[inline]
    pub(super) fn event_contexts<C: Coder>(&mut self, coder: &mut C, payload_type: Value, later: bool) {
        coder.account(Account::Envelope);
        let (later, now) = (u64::from(later), &self.now);
        coder.contexts(|| {
            [
                mix(payload_type.hash, later),
                mix(now.owner, later),
                mix(mix(now.owner, payload_type.hash), later),
            ]
        });
    }

    /// Learns a value, and whether one of the guesses was right.
    #[inline]
    pub(super) fn learn(&mut self, column: u32, guess: &Guess, value: Value) {
        let [a, b, _, d] = &guess.values;
        let [of_owner, behind, of_identifier] = guess.places;
        self.table.set(of_owner, value);
        self.table.set(behind, value);
        self.table.set(of_identifier, value);
        if let Some(column) = self.columns.get(column) {
            column.last = value;
            column.trust.learn(b.hash == value.hash);
            if value.is_id() {
                column.touch(value);
            }
            if let Some([owner, identifier]) = self.trusts.get_mut(column.key as usize) {
                owner.learn(a.hash == value.hash);
                identifier.learn(d.hash == value.hash);
            }
        }
        if self.now.locals.len() < LOCALS_MAX {
            self.now.locals.push(value);
        }
        self.now.before = value.hash;
        if value.is_id() {
            self.now.identifier = value.hash;
        }
    }

    /// Ends an event: whatever names its message later is likely to have the same metadata; whatever is of the same trace is likely to
    /// name its message.
    pub(super) fn end_event(&mut self, message: Value, metadata: &[(u32, Value)]) {
        for (column, value) in metadata {
            let Some(column) = self.columns.get(*column) else { continue };
            let place = self.table.place(mix(message.hash, column.salt));
            self.table.set(place, *value);
            if value.is_id() {
                let place = self.table.place(mix(value.hash, MESSAGE));
                self.table.set(place, message);
            }
        }
    }

    pub(super) fn listed(&mut self, key: u32) -> Option<&mut Listed> {
        while self.listed.len() <= key as usize {
            self.listed.push(Listed::default());
        }
        self.listed.get_mut(key as usize)
    }

    /// Lists a value that was not; gives its place.
    pub(super) fn list(&mut self, key: u32, value: Value) -> Option<u32> {
        let listed = self.listed(key)?;
        let room = (LISTED_AT_FIRST + LISTED_PER_HIT * listed.hits).min(INDEX_MAX as usize);
        if listed.values.len() >= room {
            return None;
        }
        listed.values.push(value);
        Some(listed.values.len() as u32 - 1)
    }
}
