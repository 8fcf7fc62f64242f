//! Codec 6: event columns, each as a whole.

mod head;
mod tests;
mod values;

use self::head::{Head, Kind};
use self::values::Values;
use super::columns::{Coder, Lazy};
use super::events::stream;
use super::fields::{self, Fields, put_varint};
use super::streams::Streams;
use super::wire::{Read, check};
use std::collections::HashMap;

struct Transaction {
    version: u8,
    crc: Option<u32>,
    events: u16,
}

/// An event that is not raw.
pub struct Event {
    /// Whether it is not the first one of its transaction.
    later: bool,
    aggregate: usize,
    /// Whether its aggregate is a new one.
    founds: bool,
    kind: usize,
    sequence: u64,
    time: u64,
    /// The literals of a walk.
    walk: Option<Vec<usize>>,
}

/// What all values are known of before the first one is read: in the order of the events.
#[derive(Clone, Copy)]
pub struct Place {
    event: usize,
    column: usize,
    occurrence: usize,
}

struct Block<'a> {
    coder: Coder<'a>,
    head: Head,
    length: usize,
    transactions: Vec<Transaction>,
    /// For each event of all transactions the length of a raw one.
    all: Vec<Option<usize>>,
    events: Vec<Event>,
}

pub fn decode(mut bytes: &[u8], length: usize) -> Read<Vec<u8>> {
    let head = stream(&mut bytes, length + 65_536)?;
    let carried = stream(&mut bytes, length)?;
    let streams = Streams::read(&mut bytes, length)?;
    let block = read(&head, &carried, Coder::in_streams(streams, bytes), length)?;
    check(block.len() == length, "a block has another length than declared")?;
    Ok(block)
}

/// A block of its parts; it is not longer than declared.
fn read(head: &[u8], carried: &[u8], coder: Coder<'_>, length: usize) -> Read<Vec<u8>> {
    let head = Head::read(head, length)?;
    let mut block =
        Block { coder, head, length, transactions: Vec::new(), all: Vec::new(), events: Vec::new() };
    let values = Values::new(&mut block.coder, &block.head);
    block.transactions()?;
    block.aggregates()?;
    block.kinds()?;
    block.moments()?;
    let places = block.walks()?;
    let lengths = block.head.runs.iter().map(|run| run.bytes).chain(block.all.iter().copied().flatten());
    let sum = lengths.fold(0, usize::saturating_add);
    let (raw, long) = carried.split_at_checked(sum).ok_or("less is carried than there should be")?;
    let values = values.read(&mut block.coder, (&block.head, &block.events, &places), (long, length))?;
    block.written(raw, values.into_iter().map(|value| value.bytes))
}

impl Block<'_> {
    fn transactions(&mut self) -> Read<()> {
        let flags = self.coder.make(0, 3);
        let (mut counts, mut lengths, mut version) = (Lazy::default(), Lazy::default(), 2);
        for run in &self.head.runs {
            for _ in 0..run.transactions {
                let events = u16::try_from(self.coder.number(&mut counts))?;
                if !self.coder.decision(flags) {
                    version = self.coder.raw(8) as u8;
                }
                let is_right = self.coder.decision(flags + 1);
                let crc = (!is_right).then(|| self.coder.raw(32) as u32);
                self.coder.check()?;
                self.transactions.push(Transaction { version, crc, events });
            }
        }
        for transaction in &self.transactions {
            for at in 0..transaction.events {
                let is_raw = self.coder.decision(flags + 2);
                let length = if is_raw { Some(self.coder.number(&mut lengths)) } else { None };
                self.all.push(length.map(usize::try_from).transpose()?);
                self.coder.check()?;
                if !is_raw {
                    self.events.push(Event {
                        later: at > 0,
                        aggregate: 0,
                        founds: false,
                        kind: 0,
                        sequence: 0,
                        time: 0,
                        walk: None,
                    });
                }
            }
        }
        check(self.events.len() <= self.length / 32 + 4_096, "too many events")
    }

    fn aggregates(&mut self) -> Read<()> {
        let streams = self.coder.make(0, 2);
        // All aggregates, the newest first; and what followed each one last.
        let (mut recent, mut followers, mut number) =
            (Vec::new(), Vec::<Option<usize>>::new(), Lazy::default());
        for event in &mut self.events {
            let byte = self.coder.byte(streams + usize::from(event.later)) as usize;
            self.coder.check()?;
            let before = recent.first().copied();
            let chosen = match byte {
                0 => Some(followers.len()),
                1 => before.and_then(|before: usize| followers[before]),
                2 => Some(usize::try_from(self.coder.number(&mut number))?)
                    .filter(|aggregate| *aggregate < followers.len()),
                3..=18 => recent.get(byte - 3).copied(),
                _ => None,
            };
            event.aggregate = chosen.ok_or("no such aggregate")?;
            event.founds = byte == 0;
            if event.founds {
                followers.push(None);
            }
            if let Some(before) = before {
                followers[before] = Some(event.aggregate);
            }
            if let Some(place) = recent.iter().position(|aggregate| *aggregate == event.aggregate) {
                recent.remove(place);
            }
            recent.insert(0, event.aggregate);
        }
        self.coder.check()
    }

    /// One of what can follow, by the stream of its list.
    fn of_list(&mut self, list: &[usize], stream: usize, far: &mut Lazy) -> Read<usize> {
        if let [only] = list {
            return Ok(*only);
        }
        let place = match self.coder.byte(stream) {
            255 => self.coder.number(far),
            place => place,
        };
        self.coder.check()?;
        list.get(usize::try_from(place)?).copied().ok_or_else(|| "nothing follows there".into())
    }

    fn kinds(&mut self) -> Read<()> {
        let lists = std::mem::take(&mut self.head.kinds_behind);
        let streams = self.coder.make(0, lists.len());
        // The last kind of each aggregate, plus 1.
        let (mut last, mut far) = (vec![0; self.events.len()], Lazy::default());
        for at in 0..self.events.len() {
            let list = &mut last[self.events[at].aggregate];
            let kind = self.of_list(&lists[*list], streams + *list, &mut far)?;
            self.events[at].kind = kind;
            *list = kind + 1;
        }
        Ok(())
    }

    fn moments(&mut self) -> Read<()> {
        let stream = self.coder.make(0, 1);
        let (mut likely, mut time) = (vec![0_u64; self.events.len()], 0_u64);
        let [mut first, mut next] = [Lazy::default(); 2];
        let mut clocks = [Lazy::default(); 2];
        for event in &mut self.events {
            let likely = &mut likely[event.aggregate];
            event.sequence = if self.coder.decision(stream) {
                *likely
            } else if *likely == 0 {
                self.coder.number(&mut first)
            } else {
                likely.wrapping_add(self.coder.signed(&mut next))
            };
            *likely = event.sequence.wrapping_add(1);
            time = time.wrapping_add(self.coder.signed(&mut clocks[usize::from(event.later)]));
            event.time = time;
            self.coder.check()?;
        }
        Ok(())
    }

    /// All walks, and so which columns have values in which events.
    fn walks(&mut self) -> Read<Vec<Place>> {
        let cuts = self.coder.make(0, 1);
        for event in &mut self.events {
            event.walk = self.coder.decision(cuts).then(Vec::new);
        }
        self.coder.check()?;
        let lists = std::mem::take(&mut self.head.literals_behind);
        let streams = self.coder.make(0, lists.len());
        let (mut places, mut far) = (Vec::new(), Lazy::default());
        for at in 0..self.events.len() {
            let kind = self.events[at].kind;
            let mut columns = if self.events[at].founds { vec![0, 1] } else { vec![1] };
            let metadata = self.head.kinds[kind].metadata.iter();
            columns.extend(metadata.filter(|(_, field, _)| *field != 0).map(|(_, _, column)| *column));
            if let Some(mut walk) = self.events[at].walk.take() {
                check(self.head.kinds[kind].flags & 2 > 0, "a walk where there is no data")?;
                let mut literal = self.head.kinds[kind].literal;
                loop {
                    literal = self.of_list(&lists[literal], streams + literal, &mut far)?;
                    walk.push(literal);
                    if self.head.literals[literal].form == 5 {
                        break;
                    }
                    columns.push(self.head.literals[literal].column);
                    check(places.len() + columns.len() <= self.length / 12 + 65_536, "too many values")?;
                }
                self.events[at].walk = Some(walk);
            } else if self.head.kinds[kind].flags & 2 > 0 {
                columns.push(self.head.kinds[kind].column);
            }
            let mut occurrences = HashMap::<usize, usize>::new();
            for column in columns {
                let occurrence = occurrences.entry(column).or_insert(0);
                places.push(Place { event: at, column, occurrence: *occurrence });
                *occurrence += 1;
            }
            check(places.len() <= self.length / 12 + 65_536, "too many values")?;
        }
        Ok(places)
    }

    fn written<V: std::ops::Deref<Target = Vec<u8>>>(
        &self,
        mut raw: &[u8],
        mut values: impl Iterator<Item = V>,
    ) -> Read<Vec<u8>> {
        let mut carried = |length: usize| {
            let (taken, rest) = raw.split_at(length);
            raw = rest;
            taken
        };
        let (mut out, mut all, mut events) = (Vec::new(), self.all.iter(), self.events.iter());
        let (mut transactions, mut aggregates) = (self.transactions.iter(), Vec::new());
        for run in &self.head.runs {
            out.extend(carried(run.bytes));
            for transaction in transactions.by_ref().take(run.transactions) {
                let mut area = Vec::new();
                for is_raw in all.by_ref().take(transaction.events.into()) {
                    match is_raw {
                        Some(length) => fields::put_event(carried(*length), &mut area)?,
                        None => {
                            let event = events.next().unwrap();
                            if event.founds {
                                aggregates.push(values.next().unwrap());
                            }
                            let aggregate = &aggregates[event.aggregate];
                            let event = event.written(&self.head, aggregate, &mut values);
                            fields::put_event(&event, &mut area)?;
                        }
                    }
                    check(out.len() + area.len() <= self.length, "a block is longer than declared")?;
                }
                let Transaction { version, crc, events } = *transaction;
                out.extend(fields::transaction(version, events, crc, &area)?);
            }
        }
        check(out.len() <= self.length, "a block is longer than declared")?;
        Ok(out)
    }
}

impl Event {
    /// The event, of the values that come next.
    fn written<V: std::ops::Deref<Target = Vec<u8>>>(
        &self,
        head: &Head,
        aggregate: &[u8],
        values: &mut impl Iterator<Item = V>,
    ) -> Vec<u8> {
        let kind: &Kind = &head.kinds[self.kind];
        let message = values.next().unwrap();
        let metadata: Vec<_> =
            kind.metadata.iter().map(|(_, field, _)| if *field > 0 { values.next() } else { None }).collect();
        let mut data = Vec::new();
        for literal in self.walk.iter().flatten().map(|literal| &head.literals[*literal]) {
            data.extend(&literal.text);
            if literal.form < 5 {
                let value = values.next().unwrap();
                if literal.form == 1 {
                    put_varint(value.len() as u64, &mut data);
                }
                data.extend(value.iter());
            }
        }
        if self.walk.is_none() && kind.flags & 2 > 0 {
            data.extend(values.next().unwrap().iter());
        }
        let entries = kind.metadata.iter().zip(&metadata);
        let entries = entries
            .map(|((key, field, _), value)| (*field, &key[..], value.as_ref().map(|value| &value[..])));
        Fields {
            message: &message,
            aggregate,
            sequence: self.sequence,
            aggregate_type: &kind.aggregate_type,
            time: self.time,
            payload: [&kind.payload_type, &kind.revision, &data],
            flags: kind.flags,
            metadata: entries.collect(),
        }
        .written()
    }
}
