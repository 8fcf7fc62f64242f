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
use crate::repo::codec::columns::whole::rows::FAR;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::rows::Table;
use crate::repo::codec::columns::whole::rows::Texts;

/// Longer values are left where they are in the block.
const LONG: u32 = 64;
/// Bytes of memory that a value takes besides its own: its column, its event, its place, and its hash.
const VALUE: usize = 2 + 4 + 4 + 8;
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
        Texts { near: &self.text, far: block }.of(span)
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
    /// Bytes of them that lie side by side.
    text: usize,
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
            text: 0,
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

    /// Bytes of memory that the values take, about.
    pub(super) const fn weight(&self) -> usize {
        self.values * VALUE + self.text
    }

    /// Puts a value of this event to its column.
    #[inline]
    pub(super) fn put(&mut self, column: u32, event: u32, span: Span) {
        let text = span.of(self.block);
        let Some(group) = self.columns.get(column as usize) else { return };
        let Some(group) = self.groups.get_mut(group.group as usize) else { return };
        let Some(rows) = self.table.rows.get_mut(column as usize) else { return };
        let at = if span.length > LONG { span.at | FAR } else { group.text.len() as u32 };
        if span.length <= LONG {
            span.append(self.block, &mut group.text);
            self.text += span.length as usize;
        }
        group.order.push(column as u16);
        rows.events.push(event);
        rows.values.push(Value { span: Span { at, length: span.length }, hash: hash(text) });
        if rows.events.len() == 1 {
            self.remember_before(column, event);
        }
        self.values += 1;
    }

    /// Makes room for the values of all of a block, of which one of so many parts was looked at. Grown step by step, what is there would be copied
    /// again and again.
    pub(super) fn make_room(&mut self, parts: usize) {
        let more = |count: usize| count * parts;
        for rows in &mut self.table.rows {
            rows.events.reserve_exact(more(rows.events.len()));
            rows.values.reserve(more(rows.values.len()));
        }
        for group in &mut self.groups {
            group.order.reserve_exact(more(group.order.len()));
            group.text.reserve_exact(more(group.text.len()));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(space: u64, scope: &'static str, key: &'static str) -> Name<'static> {
        Name { space, scope: scope.as_bytes(), key: key.as_bytes() }
    }

    #[test]
    fn columns_of_one_name_share_a_key_wherever_they_are() {
        let mut sheet = Sheet::new(b"");
        let first = sheet.column(name(1, "one", "a"), Form::Text, false);
        assert_eq!(sheet.column(name(1, "one", "a"), Form::Text, false), first);
        let others = [
            sheet.column(name(1, "other", "a"), Form::Text, false),
            sheet.column(name(1, "one", "a"), Form::Varint, true),
            sheet.column(name(2, "one", "a"), Form::Text, false),
            sheet.column(name(1, "one", "b"), Form::Text, false),
        ];
        assert_eq!(others, [1, 2, 3, 4]);
        assert_eq!(sheet.columns.iter().map(|column| column.group).collect::<Vec<_>>(), [0, 0, 0, 1, 2]);
        assert_eq!(sheet.is_metadata, [false, false, true, false, false]);
        assert_eq!(sheet.names[1], ("other".to_owned(), "a".to_owned()));
    }

    #[test]
    fn when_there_are_too_many_columns_the_last_one_serves() {
        let mut sheet = Sheet::new(b"");
        for at in 0..COLUMNS_MAX as u64 {
            assert_eq!(sheet.room(), COLUMNS_MAX - at as usize);
            assert_eq!(sheet.column(name(at, "", ""), Form::Text, false), at as u32);
        }
        let (last, more) = (COLUMNS_MAX as u32 - 1, COLUMNS_MAX as u64);
        assert_eq!((sheet.room(), sheet.column(name(more, "", ""), Form::Text, false)), (0, last));
        assert_eq!(sheet.column(name(5, "", ""), Form::Text, false), 5, "those that are there are found");
        assert_eq!([sheet.columns.len(), sheet.groups.len(), sheet.table.rows.len()], [COLUMNS_MAX; 3]);
    }

    #[test]
    fn a_long_value_stays_where_it_is() {
        let block: Vec<u8> = (0..1000_u32).map(|at| (at % 251) as u8).collect();
        let mut sheet = Sheet::new(&block);
        let columns = ["a", "b"].map(|key| sheet.column(name(0, "", key), Form::Text, false));
        let lengths = [64, 65, 0, 1, 400];
        for (at, length) in lengths.into_iter().enumerate() {
            for column in columns {
                sheet.put(column, at as u32, Span::new(100 * at, length));
            }
        }
        for (column, group) in columns.iter().zip(&sheet.groups) {
            assert_eq!((group.text.len(), &group.order[..]), (65, &[*column as u16; 5][..]));
            let rows = &sheet.table.rows[*column as usize];
            assert_eq!(rows.events, [0, 1, 2, 3, 4]);
            for (at, length) in lengths.into_iter().enumerate() {
                let (value, text) = (rows.value(at), &block[100 * at..100 * at + length]);
                assert_eq!((group.text(&block, value.span), value.hash), (text, hash(text)));
            }
        }
        assert_eq!(sheet.count(), 10);
    }

    #[test]
    fn the_columns_before_one_are_remembered_the_nearest_first() {
        let mut sheet = Sheet::new(b"");
        for at in 0..100 {
            sheet.column(name(at, "", ""), Form::Text, false);
        }
        for column in [0, 1, 0, 1, 2, 1, 3, 3] {
            sheet.put(column, 0, Span::default());
        }
        assert_eq!(sheet.before[..4], [vec![], vec![0], vec![1, 0], vec![2, 1, 0]]);
        // Only the first event of a column counts, and there only so many.
        (3..100).for_each(|column| sheet.put(column, 1, Span::default()));
        assert_eq!(sheet.before[3], [2, 1, 0]);
        assert_eq!(sheet.before[5], [4, 3]);
        assert_eq!((sheet.before[99].len(), sheet.before[99][0]), (BEFORE_MAX, 98));
    }
}
