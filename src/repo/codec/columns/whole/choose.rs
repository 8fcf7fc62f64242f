//! Chooses how the values of a column are guessed, by those of its first events. A poor choice costs bits and nothing else.

use crate::repo::codec::columns::finder::Same;
use crate::repo::codec::columns::put::time_base;
use crate::repo::codec::columns::values::number;
use crate::repo::codec::columns::whole::NONE;
use crate::repo::codec::columns::whole::head::Base;
use crate::repo::codec::columns::whole::head::Plan;
use crate::repo::codec::columns::whole::link::Follower;
use crate::repo::codec::columns::whole::link::Link;
use crate::repo::codec::columns::whole::link::Way;
use crate::repo::codec::columns::whole::rows::Rows;
use crate::repo::codec::columns::whole::sheet::Group;
use crate::repo::codec::columns::whole::sheet::Sheet;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Events whose values are tried, and values that are tried at most.
const EVENTS: usize = 32;
const ROWS: usize = 1024;
/// Columns with fewer values have no links.
const ROWS_MIN: usize = 12;
/// A link must be right once in so many values, and more than once in so many that nothing else guesses.
const RIGHT_OF: usize = 50;
const OPEN_OF: usize = 32;

/// By aggregate.
type ByAggregate<T> = HashMap<u64, T, BuildHasherDefault<Same>>;

/// How the values of this column, which is of this key, are guessed.
pub(super) fn plan(sheet: &Sheet<'_>, group: &Group, column: u32) -> Plan {
    let Some(rows) = sheet.table.column(column).filter(|rows| rows.events.len() >= ROWS_MIN) else {
        return Plan::default();
    };
    let tried = tried(rows);
    let mut open = open(sheet, rows, tried);
    let mut links = [Link::default(); 2];
    if open.iter().filter(|open| **open).count() * OPEN_OF >= tried {
        let candidates = candidates(sheet, column);
        let right: Vec<Vec<bool>> = candidates.iter().map(|link| right(sheet, rows, *link, tried)).collect();
        for link in &mut links {
            let counts = right.iter().map(|right| both(right, &open));
            let best = counts.enumerate().max_by_key(|(at, count)| (*count, usize::MAX - at));
            let Some((at, count)) = best.filter(|best| best.1 * RIGHT_OF >= tried && best.1 > 0) else {
                break;
            };
            debug_assert!(count <= tried);
            *link = candidates.get(at).copied().unwrap_or_default();
            let right = right.get(at).map_or(&[][..], Vec::as_slice);
            open.iter_mut().zip(right).for_each(|(open, right)| *open &= !right);
        }
    }
    Plan { links, base: base(sheet, group, column, rows) }
}

fn both(one: &[bool], other: &[bool]) -> usize {
    one.iter().zip(other).filter(|(one, other)| **one && **other).count()
}

/// How many rows the first events have.
fn tried(rows: &Rows) -> usize {
    let mut events = 0;
    let mut last = NONE;
    let within = |event: &&u32| {
        events += usize::from(**event != last);
        last = **event;
        events <= EVENTS
    };
    rows.events.iter().take(ROWS).take_while(within).count()
}

/// Which of the first rows neither the last one of the aggregate nor that of the column guesses.
fn open(sheet: &Sheet<'_>, rows: &Rows, tried: usize) -> Vec<bool> {
    let mut owners = ByAggregate::<u64>::default();
    let mut last = 0;
    let mut is_open = |(value, event): (u64, u32)| {
        let of_owner = owners.insert(aggregate(sheet, event), value);
        of_owner != Some(value) && std::mem::replace(&mut last, value) != value
    };
    let hashes = rows.values.iter().map(|value| value.hash);
    hashes.zip(rows.events.iter().copied()).take(tried).map(&mut is_open).collect()
}

fn aggregate(sheet: &Sheet<'_>, event: u32) -> u64 {
    sheet.table.entry(event).map_or(0, |entry| u64::from(entry.aggregate))
}

/// Which of the first rows a link guesses.
fn right(sheet: &Sheet<'_>, rows: &Rows, link: Link, tried: usize) -> Vec<bool> {
    let Some(other) = sheet.table.column(link.column) else { return Vec::new() };
    let mut follower = Follower::new(link, 4 * tried);
    let mut is_right = |at: usize| {
        let (value, event) = (rows.value(at), rows.event(at));
        follower.go(other, event);
        let is_right = [follower.likely(rows, &sheet.table), follower.other]
            .iter()
            .any(|likely| likely.hash == value.hash);
        follower.learn(at as u32, event, &sheet.table);
        is_right
    };
    (0..tried).map(&mut is_right).collect()
}

/// Links that are worth a try: to the nearest column before, to the nearest with identifiers. Of the metadata an identifier may be that of an
/// earlier message.
fn candidates(sheet: &Sheet<'_>, column: u32) -> Vec<Link> {
    let number = column as usize;
    let (Some(before), Some(of)) = (sheet.before.get(number), sheet.columns.get(number)) else {
        return Vec::new();
    };
    let group = |column: u32| sheet.columns.get(column as usize).map_or(NONE, |column| column.group);
    let before = || before.iter().copied().filter(|other| group(*other) < of.group);
    let is_id = |other: &u32| {
        let first = sheet.table.column(*other).and_then(|rows| rows.values.first());
        first.is_some_and(|value| matches!(value.span.length, 16 | 32 | 36))
    };
    let ways = if sheet.is_metadata.get(number) == Some(&true) { &Way::ALL[1..] } else { &[Way::Same] };
    let near = before().find(|other| !is_id(other)).map(|column| Link { way: Way::Same, column });
    let ids = before()
        .find(is_id)
        .into_iter()
        .flat_map(|column| ways.iter().map(move |way| Link { way: *way, column }));
    near.into_iter().chain(ids).collect()
}

/// What numbers are best counted from; 0 if the first value is none.
fn base(sheet: &Sheet<'_>, group: &Group, column: u32, rows: &Rows) -> Base {
    let Some(of) = sheet.columns.get(column as usize) else { return Base::Zero };
    let mut owners = ByAggregate::<i64>::default();
    let (mut costs, mut format, mut last) = ([0_u64; 4], number::Format::default(), 0);
    for (at, (value, event)) in rows.values.iter().zip(&rows.events).take(EVENTS).enumerate() {
        let text = group.text(sheet.block, value.span);
        let Some((number, written)) = number::parse(text, of.form, format) else {
            if at == 0 {
                return Base::Zero;
            }
            continue;
        };
        let of_owner = owners.insert(aggregate(sheet, *event), number).unwrap_or(0);
        let timestamp = sheet.table.entry(*event).map_or(0, |entry| entry.timestamp.cast_signed());
        for (cost, base) in costs.iter_mut().zip([0, last, of_owner, time_base(timestamp, written)]) {
            *cost += u64::from(64 - number.wrapping_sub(base).unsigned_abs().leading_zeros());
        }
        (last, format) = (number, written);
    }
    let cheapest = costs.iter().zip(Base::ALL).min_by_key(|(cost, _)| **cost);
    cheapest.map_or(Base::Zero, |cheapest| cheapest.1)
}
