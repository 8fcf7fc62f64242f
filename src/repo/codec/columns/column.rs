//! Columns: all values of one path, with what is known of them.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::finder::Names;
use crate::repo::codec::columns::finder::Pairs;
use crate::repo::codec::columns::predict::Trust;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::values::id::Style;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;

/// Columns of a block.
pub(super) const COLUMNS_MAX: usize = 4096;
/// Identifiers that a column remembers as recent.
const RECENT: usize = 8;

/// How a value is given: a number below 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op(u8);

impl Op {
    /// It stands in this event already.
    pub(super) const LOCAL: Self = Self(4);
    /// It is one of the key's values.
    pub(super) const LISTED: Self = Self(5);
    /// It is one of the column's recent identifiers.
    pub(super) const RECENT: Self = Self(6);
    /// It is an identifier that was seen before.
    pub(super) const KNOWN: Self = Self(7);
    /// It is a new random identifier (version 4).
    pub(super) const RANDOM: Self = Self(8);
    /// It is another new identifier.
    pub(super) const IDENTIFIER: Self = Self(9);
    /// A number.
    pub(super) const NUMBER: Self = Self(10);
    /// A number, from the column's last one on.
    pub(super) const STEP: Self = Self(11);
    /// A number, from the first guess on.
    pub(super) const AGGREGATE_STEP: Self = Self(12);
    /// A moment, or a number, from the event's timestamp on.
    pub(super) const MOMENT: Self = Self(13);
    /// Words.
    pub(super) const TEXT: Self = Self(14);
    /// Bytes in the stream of long values.
    pub(super) const STREAM: Self = Self(15);

    /// It is this guess, of four.
    pub(super) const fn guess(at: u8) -> Self {
        Self(at & 3)
    }

    /// Which guess it is, if it is one.
    pub(super) const fn is_guess(self) -> Option<u8> {
        if self.0 < 4 { Some(self.0) } else { None }
    }
}

/// Slots of a column: for each mask and last operation, then trees of operations, formats, places.
const OPS: u32 = 0;
const TREES: u32 = OPS + 8 * 16;
const FLAGS: u32 = TREES + 8 * 16;
const LOCALS: u32 = FLAGS + 8;
const RECENTS: u32 = LOCALS + 64;
const KINDS: u32 = RECENTS + 8;
const COLUMN_SLOTS: u32 = KINDS + 8;
/// Streams of a column: one of operations for each mask, then those of places, ranks, kinds, and of flags.
const LOCALS_STREAM: u32 = 8;
const RECENTS_STREAM: u32 = LOCALS_STREAM + 1;
const KINDS_STREAM: u32 = RECENTS_STREAM + 1;
const FLAGS_STREAM: u32 = KINDS_STREAM + 1;
const COLUMN_STREAMS: u32 = FLAGS_STREAM + 3;

/// All values of one path.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) key: u32,
    pub(super) salt: u64,
    pub(super) is_metadata: bool,
    /// Whether the value behind the same value is worth a look.
    pub(super) trust: Trust,
    pub(super) last: Value,
    pub(super) format: number::Format,
    pub(super) time: time::Format,
    pub(super) style: Style,
    pub(super) direct: Number,
    pub(super) steps: Number,
    pub(super) aggregate_steps: Number,
    pub(super) moments: Number,
    /// What a number costs, in 16ths of a bit, on average: used by the writer to choose.
    pub(super) costs: [u32; 4],
    base: u32,
    last_ops: [Op; 8],
    recent: [Value; RECENT],
    event: u32,
    occurrence: u32,
}

impl Column {
    fn new<C: Coder>(coder: &mut C, key: u32, salt: u64) -> Self {
        Self {
            key,
            salt,
            is_metadata: false,
            trust: Trust::default(),
            last: Value::default(),
            format: number::Format::default(),
            time: time::Format::default(),
            style: Style::default(),
            direct: Number::default(),
            steps: Number::default(),
            aggregate_steps: Number::default(),
            moments: Number::default(),
            costs: [0; 4],
            base: coder.allocate(COLUMN_SLOTS, COLUMN_STREAMS),
            last_ops: [Op::TEXT; 8],
            recent: [Value::default(); RECENT],
            event: 0,
            occurrence: 0,
        }
    }

    /// How often this column had a value in this event before.
    pub(super) fn occur(&mut self, event: u32) -> u32 {
        if self.event == event {
            self.occurrence += 1;
        } else {
            self.event = event;
            self.occurrence = 0;
        }
        self.occurrence
    }

    /// Codes an operation.
    #[inline]
    pub(super) fn op<C: Coder>(&mut self, coder: &mut C, mask: u32, op: Op) -> Op {
        let Some(last) = self.last_ops.get_mut(mask as usize) else { return op };
        if C::IN_STREAMS {
            let symbol = if *last == op { 0 } else { u32::from(op.0) + 1 };
            if let Some(number) = coder.symbol(self.base + mask, 8, symbol).checked_sub(1) {
                *last = Op(number as u8 & 15);
            }
            return *last;
        }
        let slot = self.base + OPS + mask * 16 + u32::from(last.0);
        if !coder.bit(slot, *last == op) {
            *last = Op(coder.symbol(self.base + TREES + mask * 16, 4, u32::from(op.0)) as u8);
        }
        *last
    }

    /// Codes a place in the event, below 64.
    pub(super) fn local<C: Coder>(&self, coder: &mut C, at: u32) -> u32 {
        coder.symbol(self.base + C::place(LOCALS, LOCALS_STREAM), 6, at)
    }

    /// Codes a rank among the recent identifiers.
    pub(super) fn recent_rank<C: Coder>(&self, coder: &mut C, rank: u32) -> u32 {
        coder.symbol(self.base + C::place(RECENTS, RECENTS_STREAM), 3, rank)
    }

    /// Codes which kind of an identifier or number follows, below 8.
    pub(super) fn kind<C: Coder>(&self, coder: &mut C, kind: u32) -> u32 {
        coder.symbol(self.base + C::place(KINDS, KINDS_STREAM), 3, kind)
    }

    pub(super) fn recent(&self) -> &[Value] {
        &self.recent
    }

    /// Moves an identifier to the front.
    #[inline]
    pub(super) fn touch(&mut self, value: Value) {
        let mut moved = value;
        for place in &mut self.recent {
            let before = std::mem::replace(place, moved);
            if before.hash == value.hash {
                return;
            }
            moved = before;
        }
    }

    /// Codes a spelling.
    pub(super) fn code_style<C: Coder>(&mut self, coder: &mut C, style: Style) -> Style {
        if !coder.bit(self.base + C::place(FLAGS, FLAGS_STREAM), style == self.style) {
            self.style = Style::of(coder.raw(2, u64::from(style.number())) as u8);
        }
        self.style
    }

    /// Codes how a number is written.
    pub(super) fn code_format<C: Coder>(&mut self, coder: &mut C, format: number::Format) -> number::Format {
        if !coder.bit(self.base + C::place(FLAGS + 1, FLAGS_STREAM + 1), format == self.format) {
            self.format = number::Format::of(coder.raw(11, format.packed()));
        }
        self.format
    }

    /// Codes how a moment is written.
    pub(super) fn code_time<C: Coder>(&mut self, coder: &mut C, format: time::Format) -> time::Format {
        if !coder.bit(self.base + C::place(FLAGS + 2, FLAGS_STREAM + 2), format == self.time) {
            self.time = time::Format::of(coder.raw(8, format.packed()));
        }
        self.time
    }
}

/// The columns of a block, by scope (such as a payload type) and key.
#[derive(Debug, Default)]
pub(super) struct Columns {
    all: Vec<Column>,
    names: Pairs,
    keys: Names,
    scopes: Names,
}

impl Columns {
    /// The number of a key.
    pub(super) fn key(&mut self, name: &[u8]) -> u32 {
        number_of(&mut self.keys, name)
    }

    /// The number of a scope.
    pub(super) fn scope(&mut self, name: &[u8]) -> u32 {
        number_of(&mut self.scopes, name)
    }

    /// The column of a key in a scope. When there are too many, the last one serves for all others.
    pub(super) fn column<C: Coder>(&mut self, coder: &mut C, scope: u32, key: u32) -> u32 {
        if let Some(column) = self.names.get(&(scope, key)) {
            return *column;
        }
        if self.all.len() < COLUMNS_MAX {
            let salt = mix(u64::from(scope) << 32 | u64::from(key), 0x5a17);
            self.all.push(Column::new(coder, key, salt));
            self.names.insert((scope, key), self.all.len() as u32 - 1);
        }
        self.all.len() as u32 - 1
    }

    /// The scope and the key of each column.
    pub(super) fn names(&self) -> Vec<(String, String)> {
        let named = |names: &Names, number: u32| {
            let found = names.iter().find(|entry| *entry.1 == number);
            found.map_or_else(
                || "others".to_owned(),
                |entry| String::from_utf8_lossy(entry.0).replace('\0', ""),
            )
        };
        let mut all = vec![(String::new(), String::new()); self.all.len()];
        for ((scope, key), column) in &self.names {
            if let Some(name) = all.get_mut(*column as usize) {
                *name = (named(&self.scopes, *scope), named(&self.keys, *key));
            }
        }
        all
    }

    #[inline]
    pub(super) fn get(&mut self, column: u32) -> Option<&mut Column> {
        self.all.get_mut(column as usize)
    }
}

/// Names beyond this many share the last number.
pub(super) const NAMES_MAX: usize = 4096;

fn number_of(names: &mut Names, name: &[u8]) -> u32 {
    if let Some(number) = names.get(name) {
        return *number;
    }
    let number = names.len().min(NAMES_MAX) as u32;
    if names.len() < NAMES_MAX {
        names.insert(name.to_vec(), number);
    }
    number
}
