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
    let rows = sheet.table.column(column).filter(|rows| rows.events.len() >= ROWS_MIN);
    rows.map_or_else(Plan::default, |rows| Plan {
        links: links(sheet, column, rows),
        base: base(sheet, group, column, rows),
    })
}

/// The links that guess most of what nothing else does.
fn links(sheet: &Sheet<'_>, column: u32, rows: &Rows) -> [Link; 2] {
    let tried = tried(rows);
    let (mut open, mut links) = (open(sheet, rows, tried), [Link::default(); 2]);
    if open.iter().filter(|open| **open).count() * OPEN_OF < tried {
        return links;
    }
    let candidates = candidates(sheet, column).into_iter();
    let candidates: Vec<_> = candidates.map(|link| (link, right(sheet, rows, link, tried))).collect();
    for link in &mut links {
        let counts = candidates.iter().map(|(link, right)| (both(right, &open), link, right));
        // Of those that are right as often as others, the first one.
        let Some((count, best, right)) = counts.rev().max_by_key(|counted| counted.0) else { break };
        if count == 0 || count * RIGHT_OF < tried {
            break;
        }
        *link = *best;
        open.iter_mut().zip(right).for_each(|(open, right)| *open &= !right);
    }
    links
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
    let rows = rows.events.iter().take(tried).enumerate().map(|(at, event)| (rows.hash(at), *event));
    rows.map(&mut is_open).collect()
}

fn aggregate(sheet: &Sheet<'_>, event: u32) -> u64 {
    sheet.table.entry(event).map_or(0, |entry| u64::from(entry.aggregate))
}

/// Which of the first rows a link guesses.
fn right(sheet: &Sheet<'_>, rows: &Rows, link: Link, tried: usize) -> Vec<bool> {
    let Some(other) = sheet.table.column(link.column) else { return Vec::new() };
    let mut follower = Follower::new(link, 4 * tried);
    let mut is_right = |at: usize| {
        let (hash, event) = (rows.hash(at), rows.event(at));
        follower.go(other, event);
        let is_right = [follower.likely_hash(rows, &sheet.table), follower.other].contains(&hash);
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
        let first = sheet.table.column(*other).and_then(|rows| rows.values.span(0));
        first.is_some_and(|first| matches!(first.length, 16 | 32 | 36))
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
    for (at, event) in rows.events.iter().take(EVENTS).enumerate() {
        let text = group.text(sheet.block, rows.value(at).span);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::whole::sample::block;
    use crate::repo::codec::columns::whole::sample::event;
    use crate::repo::codec::columns::whole::scan::Scan;

    /// A message, an aggregate, a timestamp, a payload, and metadata.
    type Told<'a> = (String, String, u64, String, Vec<(&'a str, String)>);

    /// The plan of the column that is called so.
    fn plan_of(name: &str, events: &[Told<'_>]) -> Plan {
        let block = block(events.iter().map(|(message, aggregate, _, data, metadata)| {
            let metadata: Vec<(&str, &str)> = metadata.iter().map(|(key, text)| (*key, &text[..])).collect();
            event([message, aggregate, "T"], data.as_bytes(), &metadata)
        }));
        let mut scan = Scan::new(&block).unwrap();
        for (entry, event) in scan.sheet.table.entries.iter_mut().zip(events) {
            entry.timestamp = event.2;
        }
        let column = scan.sheet.names.iter().position(|(_, key)| key == name).unwrap();
        let group = &scan.sheet.groups[scan.sheet.columns[column].group as usize];
        let Plan { mut links, base } = plan(&scan.sheet, group, column as u32);
        // By the column that a link leads to as it is called.
        let called = |column: u32| scan.sheet.names.get(column as usize).map(|name| name.1.clone());
        for link in links.iter_mut().filter(|link| link.way != Way::None) {
            link.column =
                KEYS.iter().position(|key| called(link.column).as_deref() == Some(key)).unwrap() as u32;
        }
        Plan { links, base }
    }

    const KEYS: [&str; 5] = ["aggregate", "message", "who", "cause", "n"];

    fn id(number: u64) -> String {
        format!("{:08x}-0000-4000-8000-000000000000", number.wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
    }

    /// So many events with numbers in their payloads.
    fn numbers(count: u64, number: impl Fn(u64) -> u64) -> Plan {
        let event = |at: u64| {
            let data = format!("{{\"n\":{}}}", number(at));
            (id(at), format!("a{}", at % 4), 1_700_000_000_000 + at * at * 1000, data, vec![])
        };
        plan_of("n", &(0..count).map(event).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_counted_from_what_is_nearest() {
        assert_eq!(numbers(40, |at| if at % 5 == 0 { 1000 } else { 0 }).base, Base::Zero);
        assert_eq!(numbers(40, |at| 1_000_000 + at).base, Base::Last);
        assert_eq!(numbers(40, |at| 1_000_000 * (at % 4) + at).base, Base::Aggregate);
        assert_eq!(numbers(40, |at| 1_700_000_000_000 + at * at * 1000 + at % 3).base, Base::Time);
        assert_eq!(numbers(11, |at| 1_000_000 + at), Plan::default(), "there are too few");
        assert_eq!(numbers(12, |at| 1_000_000 + at).base, Base::Last);
    }

    #[test]
    fn a_value_that_comes_with_another_is_guessed_by_it() {
        // Who did it has a name: twenty people, without any order.
        let event = |at: u64| {
            let who = at * at % 19;
            let data = format!("{{\"who\":\"p{who}\",\"n\":\"name {}\"}}", who * 31);
            (id(at), id(1000 + at), 0, data, vec![])
        };
        let plan = plan_of("n", &(0..200).map(event).collect::<Vec<_>>());
        assert_eq!(plan.links, [Link { way: Way::Same, column: 2 }, Link::default()]);
        // What is the same each time needs no link.
        let event = |at: u64| (id(at), id(1000 + at), 0, "{\"who\":\"x\",\"n\":\"y\"}".to_owned(), vec![]);
        assert_eq!(plan_of("n", &(0..200).map(event).collect::<Vec<_>>()), Plan::default());
    }

    #[test]
    fn of_the_metadata_a_value_may_be_an_earlier_message() {
        // Each event comes of the last one of its aggregate.
        let event = |at: u64| {
            let cause = if at < 5 { id(5000 + at) } else { id(at - 5) };
            (id(at), id(1000 + at % 5), 0, String::new(), vec![("cause", cause)])
        };
        let plan = plan_of("cause", &(0..200).map(event).collect::<Vec<_>>());
        assert_eq!(plan.links, [Link::default(); 2], "only the message stands before it, and tells nothing");
        let event = |at: u64| {
            let (who, cause) = (id(1000 + at % 5), if at < 5 { id(5000 + at) } else { id(at - 5) });
            (id(at), "a".to_owned(), 0, String::new(), vec![("who", who), ("cause", cause)])
        };
        let plan = plan_of("cause", &(0..200).map(event).collect::<Vec<_>>());
        assert_eq!(plan.links[0], Link { way: Way::Message, column: 2 });
    }
}
