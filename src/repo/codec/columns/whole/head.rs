//! The head of a block: what is said once of columns, kinds of events, and literals.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::packed;
use crate::repo::codec::columns::parse::form_of;
use crate::repo::codec::columns::shape::ENTRIES_MAX;
use crate::repo::codec::columns::shape::Key;
use crate::repo::codec::columns::shape::Shape;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::whole::COLUMNS_MAX;
use crate::repo::codec::columns::whole::KINDS_MAX;
use crate::repo::codec::columns::whole::LITERALS_MAX;
use crate::repo::codec::columns::whole::MESSAGE;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::link::Link;
use crate::repo::codec::columns::whole::link::Way;

/// What the numbers of a column are counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Base {
    /// From 0 on.
    #[default]
    Zero,
    /// From the column's last one on.
    Last,
    /// From the aggregate's last one on.
    Aggregate,
    /// From the event's timestamp on.
    Time,
}

impl Base {
    pub(super) const ALL: [Self; 4] = [Self::Zero, Self::Last, Self::Aggregate, Self::Time];
}

/// How the values of a column are guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) links: [Link; 2],
    pub(super) base: Base,
}

/// A column: all values of one key in one place, such as a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The key: columns of one key share what is known.
    pub(super) group: u32,
    pub(super) form: Form,
    pub(super) plan: Plan,
}

/// What events have in common.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) aggregate_type: Vec<u8>,
    pub(super) payload_type: Vec<u8>,
    pub(super) revision: Vec<u8>,
    pub(super) shape: Shape,
    /// The literal that stands before payloads, and the column of those that are not cut.
    pub(super) start: u32,
    pub(super) whole: u32,
}

/// The text between two values of a payload.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub(super) text: Vec<u8>,
    /// How the value behind it lies.
    pub(super) form: Form,
    /// The column of that; none behind the last literal.
    pub(super) column: u32,
}

/// All of it. `first_kinds` may be of the first event of an aggregate; `next_kinds` behind each kind; `next_literals` behind each literal.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Bytes that are carried as they are, and how many transactions are behind them.
    pub(super) runs: Vec<(u32, u32)>,
    /// By key: the places for aggregates, as a power of two.
    pub(super) places: Vec<u32>,
    pub(super) columns: Vec<Column>,
    pub(super) kinds: Vec<Kind>,
    pub(super) literals: Vec<Literal>,
    pub(super) first_kinds: Vec<u32>,
    pub(super) next_kinds: Vec<Vec<u32>>,
    pub(super) next_literals: Vec<Vec<u32>>,
}

/// The most places for aggregates, as a power of two.
pub(super) const PLACES_MAX: u32 = 17;

/// The most runs of a block of so many bytes: behind each one but the last is a transaction, which has eleven bytes besides its events.
const fn runs_max(raw_length: usize) -> usize {
    raw_length / 11 + 1
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_varint(text.len() as u64, out);
    out.extend(text);
}

fn put_all<T>(all: &[T], out: &mut Vec<u8>, put: impl Fn(&T, &mut Vec<u8>)) {
    put_varint(all.len() as u64, out);
    for one in all {
        put(one, out);
    }
}

fn put_number(number: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number), out);
}

fn put_numbers(all: &[u32], out: &mut Vec<u8>) {
    put_all(all, out, |number, out| put_number(*number, out));
}

impl Head {
    /// As bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_all(&self.runs, &mut out, |(length, count), out| {
            put_number(*length, out);
            put_number(*count, out);
        });
        put_numbers(&self.places, &mut out);
        put_all(&self.columns, &mut out, Column::put);
        put_all(&self.kinds, &mut out, Kind::put);
        put_all(&self.literals, &mut out, Literal::put);
        put_numbers(&self.first_kinds, &mut out);
        for next in self.next_kinds.iter().chain(&self.next_literals) {
            put_numbers(next, &mut out);
        }
        out
    }

    /// From bytes, of a block of so many. What is named is there: kinds, literals, keys, columns; a link leads to a column of an earlier key.
    pub(super) fn from_bytes(mut bytes: &[u8], raw_length: usize) -> Result<Self, Bad> {
        let rest = &mut bytes;
        let runs = take_all(rest, runs_max(raw_length), |rest| Ok((number(rest)?, number(rest)?)))?;
        let places = take_all(rest, COLUMNS_MAX, number)?;
        let columns = take_all(rest, COLUMNS_MAX, Column::take)?;
        let kinds = take_all(rest, KINDS_MAX, Kind::take)?;
        let literals = take_all(rest, LITERALS_MAX, Literal::take)?;
        let first_kinds = take_all(rest, KINDS_MAX, number)?;
        let next_kinds = kinds.iter().map(|_| take_all(rest, KINDS_MAX, number)).collect::<Result<_, _>>()?;
        let next_literals =
            literals.iter().map(|_| take_all(rest, LITERALS_MAX, number)).collect::<Result<_, _>>()?;
        let head = Self { runs, places, columns, kinds, literals, first_kinds, next_kinds, next_literals };
        if !bytes.is_empty() {
            return Err(Bad("more than a head"));
        }
        head.check()
    }

    fn check(self) -> Result<Self, Bad> {
        let is_column = |column: u32| (column as usize) < self.columns.len();
        let is_group = |column: &Column| (column.group as usize) < self.places.len();
        let is_before = |link: &Link, column: &Column| {
            let other = self.columns.get(link.column as usize);
            let is_known = column.group > MESSAGE || matches!(link.way, Way::None | Way::Same);
            is_known && (link.way == Way::None || other.is_some_and(|other| other.group < column.group))
        };
        let columns = self
            .columns
            .iter()
            .all(|column| is_group(column) && column.plan.links.iter().all(|link| is_before(link, column)));
        let fixed = self.columns.iter().take(2).map(|column| column.group).eq([0, 1]);
        let of_metadata = self.of_metadata();
        // A column of payloads serves nothing else.
        let is_own = |column: u32| of_metadata.get(column as usize) == Some(&false) && column > MESSAGE;
        let kinds = self.kinds.iter().all(|kind| {
            let columns = kind.shape.entries.iter().map(|entry| entry.column);
            let entries = columns.into_iter().all(|column| is_column(column) && column > MESSAGE);
            entries && is_own(kind.whole) && (kind.start as usize) < self.literals.len()
        });
        let literals =
            self.literals.iter().all(|literal| literal.form == Form::End || is_own(literal.column));
        let within = |next: &[u32], all: usize| next.iter().all(|one| (*one as usize) < all);
        let steps = within(&self.first_kinds, self.kinds.len())
            && self.next_kinds.iter().all(|next| within(next, self.kinds.len()))
            && self.next_literals.iter().all(|next| within(next, self.literals.len()));
        let places = self.places.iter().all(|places| *places <= PLACES_MAX);
        let good = columns && fixed && kinds && literals && steps && places;
        if good { Ok(self) } else { Err(Bad("a head that names what is not there")) }
    }

    /// By column: whether it is one of the metadata.
    fn of_metadata(&self) -> Vec<bool> {
        let mut all = vec![false; self.columns.len()];
        for entry in self.kinds.iter().flat_map(|kind| &kind.shape.entries) {
            if let Some(is) = all.get_mut(entry.column as usize) {
                *is = true;
            }
        }
        all
    }
}

/// What a head says of a column: the form, the base, and the ways of its links, as one number; then its links.
impl Column {
    fn put(&self, out: &mut Vec<u8>) {
        let Plan { links, base } = &self.plan;
        let ways = links.iter().rev().fold(0, |ways, link| ways << 2 | link.way as u64);
        put_number(self.group, out);
        put_varint(u64::from(self.form.number()) | (*base as u64) << 3 | ways << 5, out);
        for link in links.iter().filter(|link| link.way != Way::None) {
            put_number(link.column, out);
        }
    }

    fn take(rest: &mut &[u8]) -> Result<Self, Bad> {
        let (group, what) = (number(rest)?, number(rest)?);
        if what >= 1 << 9 {
            return Err(Bad("no such way"));
        }
        let form = Form::of((what & 7) as u8).ok_or(Bad("no such form"))?;
        let base = Base::ALL.get((what >> 3 & 3) as usize).copied().unwrap_or_default();
        let link = |ways: u32, rest: &mut &[u8]| {
            let way = Way::ALL.get((ways & 3) as usize).copied().unwrap_or_default();
            let column = if way == Way::None { NONE } else { number(rest)? };
            Ok(Link { way, column })
        };
        let links = [link(what >> 5, rest)?, link(what >> 7, rest)?];
        Ok(Self { group, form, plan: Plan { links, base } })
    }
}

impl Kind {
    fn put(&self, out: &mut Vec<u8>) {
        for name in [&self.aggregate_type, &self.payload_type, &self.revision] {
            put_text(name, out);
        }
        put_number(self.start, out);
        put_number(self.whole, out);
        out.push(self.shape.to_flags());
        put_all(&self.shape.entries, out, |entry, out| {
            put_text(&entry.name, out);
            out.push(entry.kind);
            put_number(entry.column, out);
        });
    }

    fn take(rest: &mut &[u8]) -> Result<Self, Bad> {
        let (aggregate_type, payload_type, revision) = (text(rest)?, text(rest)?, text(rest)?);
        let (start, whole) = (number(rest)?, number(rest)?);
        let flags = byte(rest)?;
        let mut shape = Shape::of(u64::from(flags));
        let is_named = shape.has_data || !payload_type.is_empty() || !revision.is_empty();
        if shape.to_flags() != flags || is_named && !shape.has_payload {
            return Err(Bad("no such kind of an event"));
        }
        shape.entries = take_all(rest, ENTRIES_MAX, |rest| {
            let (name, kind, column) = (text(rest)?, byte(rest)?, number(rest)?);
            form_of(kind).ok_or(Bad("no such kind of a value"))?;
            Ok(Key { name, kind, column })
        })?;
        Ok(Self { aggregate_type, payload_type, revision, shape, start, whole })
    }
}

impl Literal {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(&self.text, out);
        out.push(self.form.number());
        if self.form != Form::End {
            put_number(self.column, out);
        }
    }

    fn take(rest: &mut &[u8]) -> Result<Self, Bad> {
        let text = text(rest)?;
        let form = Form::of(byte(rest)?).ok_or(Bad("no such form"))?;
        let column = if form == Form::End { NONE } else { number(rest)? };
        Ok(Self { text, form, column })
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, Bad> {
    u32::try_from(packed::number(rest)?).map_err(|_| Bad("a number is too large"))
}

fn byte(rest: &mut &[u8]) -> Result<u8, Bad> {
    let (byte, behind) = rest.split_first().ok_or(Bad("the head ends too early"))?;
    *rest = behind;
    Ok(*byte)
}

fn text(rest: &mut &[u8]) -> Result<Vec<u8>, Bad> {
    let length = packed::number(rest)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(Bad("the head ends too early"))?;
    *rest = behind;
    Ok(text.to_vec())
}

/// Takes as many as a number says, of which each takes a byte at least.
fn take_all<T>(
    rest: &mut &[u8],
    most: usize,
    take: impl Fn(&mut &[u8]) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let count = packed::number(rest)?;
    if count > rest.len().min(most) {
        return Err(Bad("the head names too many"));
    }
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(take(rest)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES_NOTHING: Bad = Bad("a head that names what is not there");
    const TOO_MANY: Bad = Bad("the head names too many");

    fn column(group: u32, links: [Link; 2]) -> Column {
        Column { group, form: Form::Text, plan: Plan { links, base: Base::Time } }
    }

    fn link(way: Way, column: u32) -> Link {
        Link { way, column }
    }

    fn literal(text: &[u8], form: Form, column: u32) -> Literal {
        Literal { text: text.to_vec(), form, column }
    }

    /// A kind with one entry in its metadata, whose payloads are cut into a value and the end; of a key with two columns.
    fn head() -> Head {
        let mut shape = Shape::of(7);
        shape.entries = vec![Key { name: b"trace".to_vec(), kind: 1, column: 3 }];
        let (aggregate_type, payload_type, revision) = (b"A".to_vec(), b"P".to_vec(), b"1.0".to_vec());
        Head {
            runs: vec![(5, 2), (0, 0)],
            places: vec![4, 17, 4],
            columns: vec![
                column(0, Default::default()),
                column(1, [link(Way::Same, 0), Link::default()]),
                column(2, [link(Way::Message, 0), link(Way::Chain, 1)]),
                column(2, [Link::default(), link(Way::Same, 1)]),
            ],
            kinds: vec![Kind { aggregate_type, payload_type, revision, shape, start: 0, whole: 2 }],
            literals: vec![
                literal(b"", Form::Text, 2),
                literal(b"{\"a\":", Form::Varint, 2),
                literal(b"}", Form::End, NONE),
            ],
            first_kinds: vec![0],
            next_kinds: vec![vec![0]],
            next_literals: vec![vec![1], vec![2, 1], vec![]],
        }
    }

    fn read(head: &Head) -> Result<Head, Bad> {
        Head::from_bytes(&head.to_bytes(), 100)
    }

    fn changed(change: impl FnOnce(&mut Head)) -> Option<Bad> {
        let mut head = head();
        change(&mut head);
        read(&head).err()
    }

    #[test]
    fn a_head_comes_back() {
        let head = head();
        let again = read(&head).unwrap();
        assert_eq!(format!("{again:?}"), format!("{head:?}"));
    }

    #[test]
    fn a_head_that_ends_too_early_or_too_late_is_refused() {
        let bytes = head().to_bytes();
        for end in 0..bytes.len() {
            assert!(Head::from_bytes(&bytes[..end], 100).is_err(), "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Head::from_bytes(&longer, 100).err(), Some(Bad("more than a head")));
    }

    #[test]
    fn what_is_named_is_there() {
        let changes: [fn(&mut Head); 20] = [
            |head| head.columns[3].group = 3,
            |head| head.columns[3].group = u32::MAX - 1,
            // A link leads to an earlier key: not to its own, a later one, or none.
            |head| head.columns[3].plan.links[0] = link(Way::Same, 2),
            |head| head.columns[3].plan.links[1] = link(Way::Same, 3),
            |head| head.columns[0].plan.links[0] = link(Way::Message, 1),
            |head| head.columns[1].plan.links[0] = link(Way::Chain, 4),
            // The first two columns are those of aggregates and messages.
            |head| head.columns[0].group = 1,
            |head| head.columns[1].group = 0,
            |head| head.columns[1].group = 2,
            |head| head.kinds[0].start = 3,
            |head| head.kinds[0].whole = 4,
            |head| head.kinds[0].shape.entries[0].column = 4,
            |head| head.literals[0].column = 4,
            |head| head.literals[1].column = NONE - 1,
            |head| head.first_kinds[0] = 1,
            |head| head.next_kinds[0].push(1),
            |head| head.next_literals[1][0] = 3,
            |head| head.next_literals[2].push(NONE - 1),
            |head| head.places[0] = PLACES_MAX + 1,
            |head| head.places[2] = NONE - 1,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert_eq!(changed(change), Some(NAMES_NOTHING), "{at}");
        }
        let nothing = Head { places: vec![4], ..Head::default() };
        assert_eq!(read(&nothing).err(), Some(NAMES_NOTHING));
        let [first, ..] = head().columns[..] else { return };
        let one = Head { places: vec![4], columns: vec![first], ..Head::default() };
        assert_eq!(read(&one).err(), Some(NAMES_NOTHING));
    }

    #[test]
    fn lists_have_limits() {
        // A block of 100 bytes has at most nine transactions with events, and something behind them.
        assert_eq!(changed(|head| head.runs = vec![(0, 0); 10]), None);
        assert_eq!(changed(|head| head.runs = vec![(0, 0); 11]), Some(TOO_MANY));
        let last = head().columns[3];
        for (more, refused) in [(0, None), (1, Some(TOO_MANY))] {
            assert_eq!(changed(|head| head.places.resize(COLUMNS_MAX + more, 4)), refused);
            assert_eq!(changed(|head| head.columns.resize(COLUMNS_MAX + more, last)), refused);
            assert_eq!(changed(|head| head.first_kinds.resize(KINDS_MAX + more, 0)), refused);
            assert_eq!(changed(|head| head.next_kinds[0].resize(KINDS_MAX + more, 0)), refused);
            assert_eq!(changed(|head| head.next_literals[0].resize(LITERALS_MAX + more, 0)), refused);
            let many = |head: &mut Head| {
                head.kinds.resize(KINDS_MAX + more, head.kinds[0].clone());
                head.next_kinds.resize(KINDS_MAX + more, Vec::new());
            };
            assert_eq!(changed(many), refused);
            let many = |head: &mut Head| {
                head.literals.resize(LITERALS_MAX + more, head.literals[2].clone());
                head.next_literals.resize(LITERALS_MAX + more, Vec::new());
            };
            assert_eq!(changed(many), refused);
            let many = |head: &mut Head| {
                let entries = &mut head.kinds[0].shape.entries;
                entries.resize(ENTRIES_MAX + more, entries[0].clone());
            };
            assert_eq!(changed(many), refused);
        }
    }

    #[test]
    fn more_than_there_are_bytes_is_refused_before_there_is_room_for_it() {
        for count in [7, 1 << 20, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(count, &mut bytes);
            bytes.extend([0; 6]);
            assert_eq!(Head::from_bytes(&bytes, 1 << 25).err(), Some(TOO_MANY), "{count}");
        }
    }

    #[test]
    fn forms_and_kinds_of_values_are_those_there_are() {
        let form = |what: u64| {
            let mut bytes = vec![7];
            put_varint(what, &mut bytes);
            Column::take(&mut &bytes[..]).map(|column| (column.form, column.plan.base))
        };
        assert_eq!(form(4 | 3 << 3), Ok((Form::Fixed64, Base::Time)));
        assert_eq!([form(6), form(7)], [Err(Bad("no such form")); 2]);
        assert_eq!(form(1 << 32), Err(Bad("a number is too large")));
        assert_eq!(Literal::take(&mut &[0, 6][..]).err(), Some(Bad("no such form")));
        assert_eq!(
            changed(|head| head.kinds[0].shape.entries[0].kind = 6),
            Some(Bad("no such kind of a value"))
        );
        assert_eq!(changed(|head| head.kinds[0].shape.entries[0].kind = 0), None);
    }
}
