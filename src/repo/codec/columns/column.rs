//! Columns: all values of one path, with what is known of them.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::finder::Names;
use crate::repo::codec::columns::finder::Pairs;
use crate::repo::codec::columns::predict::Trust;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::symbol::tree;
use crate::repo::codec::columns::values::id::Style;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::values::time;

/// Columns of a block.
pub(super) const COLUMNS_MAX: usize = 4096;
/// Identifiers that a column remembers as recent.
const RECENT: usize = 8;

/// How a value is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// It is this guess.
    Guess(u8),
    /// It stands in this event already.
    Local,
    /// It is one of the key's values.
    Listed,
    /// It is one of the column's recent identifiers.
    Recent,
    /// It is an identifier that was seen before.
    Known,
    /// It is a new random identifier (version 4).
    Random,
    /// It is another new identifier.
    Identifier,
    /// A number.
    Number,
    /// A number, from the column's last one on.
    Step,
    /// A number, from the first guess on.
    AggregateStep,
    /// A moment, or a number, from the event's timestamp on.
    Moment,
    /// Words.
    Text,
    /// Bytes in the stream of long values.
    Stream,
}

impl Op {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Guess(number) => number as u32,
            Self::Local => 4,
            Self::Listed => 5,
            Self::Recent => 6,
            Self::Known => 7,
            Self::Random => 8,
            Self::Identifier => 9,
            Self::Number => 10,
            Self::Step => 11,
            Self::AggregateStep => 12,
            Self::Moment => 13,
            Self::Text => 14,
            Self::Stream => 15,
        }
    }

    pub(super) const fn of(number: u32) -> Self {
        match number {
            0..4 => Self::Guess(number as u8),
            4 => Self::Local,
            5 => Self::Listed,
            6 => Self::Recent,
            7 => Self::Known,
            8 => Self::Random,
            9 => Self::Identifier,
            10 => Self::Number,
            11 => Self::Step,
            12 => Self::AggregateStep,
            13 => Self::Moment,
            14 => Self::Text,
            _ => Self::Stream,
        }
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
    last_ops: [u8; 8],
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
            base: coder.allocate(COLUMN_SLOTS),
            last_ops: [14; 8],
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
        let slot = self.base + OPS + mask * 16 + u32::from(*last);
        if coder.bit(slot, u32::from(*last) == op.number()) {
            return Op::of(u32::from(*last));
        }
        let number = tree(coder, self.base + TREES + mask * 16, 4, op.number());
        *last = number as u8;
        Op::of(number)
    }

    /// Codes a place in the event, below 64.
    pub(super) fn local<C: Coder>(&self, coder: &mut C, at: u32) -> u32 {
        tree(coder, self.base + LOCALS, 6, at)
    }

    /// Codes a rank among the recent identifiers.
    pub(super) fn recent_rank<C: Coder>(&self, coder: &mut C, rank: u32) -> u32 {
        tree(coder, self.base + RECENTS, 3, rank)
    }

    /// Codes which kind of an identifier or number follows, below 8.
    pub(super) fn kind<C: Coder>(&self, coder: &mut C, kind: u32) -> u32 {
        tree(coder, self.base + KINDS, 3, kind)
    }

    pub(super) fn recent(&self) -> &[Value] {
        &self.recent
    }

    /// Moves an identifier to the front.
    #[inline]
    pub(super) fn touch(&mut self, value: Value) {
        let at = self.recent.iter().position(|known| known.hash == value.hash).unwrap_or(RECENT - 1);
        if let Some(front) = self.recent.get_mut(..=at) {
            front.rotate_right(1);
        }
        if let Some(first) = self.recent.first_mut() {
            *first = value;
        }
    }

    /// Codes a spelling.
    pub(super) fn code_style<C: Coder>(&mut self, coder: &mut C, style: Style) -> Style {
        if !coder.bit(self.base + FLAGS, style == self.style) {
            self.style = Style::of(coder.raw(2, u64::from(style.number())) as u8);
        }
        self.style
    }

    /// Codes how a number is written.
    pub(super) fn code_format<C: Coder>(&mut self, coder: &mut C, format: number::Format) -> number::Format {
        if !coder.bit(self.base + FLAGS + 1, format == self.format) {
            let packed = u64::from(format.scale & 31)
                | u64::from(format.width & 31) << 5
                | u64::from(format.stripped) << 10;
            let packed = coder.raw(11, packed);
            let (scale, width) = ((packed & 31) as u8, (packed >> 5 & 31) as u8);
            self.format = number::Format { scale, width, stripped: packed >> 10 == 1 };
        }
        self.format
    }

    /// Codes how a moment is written.
    pub(super) fn code_time<C: Coder>(&mut self, coder: &mut C, format: time::Format) -> time::Format {
        if !coder.bit(self.base + FLAGS + 2, format == self.time) {
            let packed = u64::from(format.digits & 15)
                | u64::from(format.suffix & 7) << 4
                | u64::from(format.space) << 7;
            let packed = coder.raw(8, packed);
            let (digits, suffix) = ((packed & 15) as u8, (packed >> 4 & 7) as u8);
            self.time = time::Format { digits, suffix, space: packed >> 7 == 1 };
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
const NAMES_MAX: usize = 4096;

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
