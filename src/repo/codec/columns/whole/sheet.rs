//! Where the writer puts values: each to those of its column, its bytes beside those of its key.

use crate::repo::codec::columns::finder::Finder;
use crate::repo::codec::columns::predict::Value;
use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::whole::COLUMNS_MAX;
use crate::repo::codec::columns::whole::head::Column;
use crate::repo::codec::columns::whole::head::Plan;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::rows::Table;

/// Longer values are left where they are in the block.
const LONG: u32 = 64;
/// Where these lie begins with this. No block is so long.
const IN_BLOCK: u32 = 1 << 31;
/// Columns that are remembered as those before one.
const BEFORE_MAX: usize = 64;

/// The values of a key, in the order of the block.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The columns that they belong to.
    pub(super) order: Vec<u16>,
    /// The bytes of all that are not long. Side by side they are read sooner than from all over the block.
    text: Vec<u8>,
}

impl Group {
    /// The bytes of a value.
    #[inline]
    pub(super) fn text<'a>(&'a self, block: &'a [u8], span: Span) -> &'a [u8] {
        if span.at & IN_BLOCK == 0 {
            span.of(&self.text)
        } else {
            Span { at: span.at ^ IN_BLOCK, ..span }.of(block)
        }
    }
}

/// How a column is found, and how it is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    /// Tells keys apart that are called alike.
    pub(super) space: u64,
    /// Where: a payload type, say.
    pub(super) scope: &'a [u8],
    pub(super) key: &'a [u8],
}

impl Name<'_> {
    fn group(&self) -> u64 {
        mix(hash(self.key), self.space)
    }
}

/// All values of a block.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    pub(super) block: &'a [u8],
    pub(super) table: Table,
    pub(super) columns: Vec<Column>,
    pub(super) groups: Vec<Group>,
    /// By column: those that had values before it, in the first event that has one; the nearest first.
    pub(super) before: Vec<Vec<u32>>,
    pub(super) is_metadata: Vec<bool>,
    /// By column: its scope and key, for those who count.
    pub(super) names: Vec<(String, String)>,
    values: usize,
    column_finder: Finder,
    group_finder: Finder,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self {
            block,
            table: Table::default(),
            columns: Vec::new(),
            groups: Vec::new(),
            before: Vec::new(),
            is_metadata: Vec::new(),
            names: Vec::new(),
            values: 0,
            column_finder: Finder::default(),
            group_finder: Finder::default(),
        }
    }

    /// How many columns may still be made.
    pub(super) const fn room(&self) -> usize {
        COLUMNS_MAX.saturating_sub(self.columns.len())
    }

    /// How many values there are.
    pub(super) const fn count(&self) -> usize {
        self.values
    }

    /// The column of this name and form. When there are too many, the last one serves for all others: who asks sees to it that there is room.
    pub(super) fn column(&mut self, name: Name<'_>, form: Form, is_metadata: bool) -> u32 {
        let found = mix(mix(name.group(), hash(name.scope)), u64::from(form.number()));
        if let Some(column) = self.column_finder.get(&found) {
            return *column;
        }
        if self.room() > 0 {
            let group = self.group(name.group());
            self.column_finder.insert(found, self.columns.len() as u32);
            self.columns.push(Column { group, form, plan: Plan::default() });
            self.table.rows.push(Rows::with_room());
            self.before.push(Vec::new());
            self.is_metadata.push(is_metadata);
            self.names
                .push([name.scope, name.key].map(|name| String::from_utf8_lossy(name).into_owned()).into());
        }
        self.columns.len() as u32 - 1
    }

    fn group(&mut self, name: u64) -> u32 {
        let next = self.groups.len() as u32;
        let group = *self.group_finder.entry(name).or_insert(next);
        if group == next {
            self.groups.push(Group::default());
        }
        group
    }

    /// Puts a value of this event to its column.
    #[inline]
    pub(super) fn put(&mut self, column: u32, event: u32, span: Span) {
        let text = span.of(self.block);
        let Some(group) = self.columns.get(column as usize) else { return };
        let Some(group) = self.groups.get_mut(group.group as usize) else { return };
        let Some(rows) = self.table.rows.get_mut(column as usize) else { return };
        let at = if span.length > LONG { span.at | IN_BLOCK } else { group.text.len() as u32 };
        if span.length <= LONG {
            group.text.extend_from_slice(text);
        }
        group.order.push(column as u16);
        rows.events.push(event);
        rows.values.push(Value { span: Span { at, length: span.length }, hash: hash(text) });
        if rows.events.len() == 1 {
            self.remember_before(column, event);
        }
        self.values += 1;
    }

    /// Remembers which columns have values in this event already. Those of one place have numbers in the order in which they came.
    fn remember_before(&mut self, column: u32, event: u32) {
        let is_before = |other: &u32| {
            let rows = self.table.column(*other);
            *other != column && rows.is_some_and(|rows| rows.events.last() == Some(&event))
        };
        let before = (0..self.columns.len() as u32).rev().filter(is_before).take(BEFORE_MAX).collect();
        if let Some(place) = self.before.get_mut(column as usize) {
            *place = before;
        }
    }
}
