//! The values of a block of codec 6, key by key.

use super::head::Head;
use super::{Event, Place};
use crate::second_reader::columns::{Coder, Format, Index, Lazy, hash_of, mix, styled};
use crate::second_reader::numbers;
use crate::second_reader::wire::{Read, check};
use crate::second_reader::words::Words;
use std::collections::HashMap;
use std::rc::Rc;

/// A value; that of an empty one is 0.
#[derive(Clone, Default)]
pub struct Value {
    pub bytes: Rc<Vec<u8>>,
    hash: u64,
}

impl Value {
    fn new(bytes: Vec<u8>) -> Self {
        Self { hash: hash_of(&bytes), bytes: Rc::new(bytes) }
    }
}

#[derive(Clone, Default)]
struct Column {
    streams: Option<usize>,
    last: Value,
    number: u64,
    format: Format,
    time_format: Format,
    style: u8,
    numbers: Lazy,
    moments: Lazy,
    /// What the links remember: an event, and a value.
    links: [Vec<Option<(usize, Value)>>; 2],
}

#[derive(Default)]
struct Key {
    places: Vec<Value>,
    listed: Vec<Value>,
    hits: usize,
    index: Index,
}

pub struct Values {
    words: Words,
    columns: Vec<Column>,
    key: Key,
    ids: Vec<u128>,
    /// How many of them there were before key 1.
    ids_before: usize,
    /// How long new values may be yet.
    room: usize,
    back: Lazy,
    numbered: Lazy,
    lengths: Lazy,
}

/// Where all values lie that are read, or will be.
struct Known<'a> {
    head: &'a Head,
    events: &'a [Event],
    places: &'a [Place],
    /// By event and column.
    of: HashMap<(usize, usize), Vec<usize>>,
    /// The first value of each event.
    first: Vec<usize>,
    /// The values of aggregates.
    aggregates: Vec<usize>,
    values: Vec<Value>,
}

impl<'a> Known<'a> {
    fn new(head: &'a Head, events: &'a [Event], places: &'a [Place]) -> Self {
        let (mut of, mut first, mut aggregates) = (HashMap::<_, Vec<_>>::new(), Vec::new(), Vec::new());
        for (at, place) in places.iter().enumerate() {
            of.entry((place.event, place.column)).or_default().push(at);
            if first.len() <= place.event {
                first.push(at);
                aggregates.extend(events[place.event].founds.then_some(at));
            }
        }
        Self { head, events, places, of, first, aggregates, values: vec![Value::default(); places.len()] }
    }

    fn message(&self, event: usize) -> &Value {
        &self.values[self.first[event] + usize::from(self.events[event].founds)]
    }

    /// The other value of a link.
    fn other(&self, at: usize, link: usize) -> Value {
        let Place { event, column, occurrence } = self.places[at];
        let (way, to) = self.head.columns[column].links[link];
        let others = self.of.get(&(event, to)).filter(|_| way > 0);
        others.map_or_else(Value::default, |others| {
            self.values[others[occurrence.min(others.len() - 1)]].clone()
        })
    }
}

/// Where a value is read.
struct At {
    event: usize,
    column: usize,
    time: u64,
    aggregate: Value,
    others: [Value; 2],
    guesses: [Value; 4],
}

impl Values {
    pub fn new(coder: &mut Coder<'_>, head: &Head) -> Self {
        Self {
            words: Words::new(coder, head.keys.len()),
            columns: vec![Column::default(); head.columns.len()],
            key: Key::default(),
            ids: Vec::new(),
            ids_before: 0,
            room: 0,
            back: Lazy::default(),
            numbered: Lazy::default(),
            lengths: Lazy::default(),
        }
    }

    /// All values, in the order of the events. Long ones lie in these bytes.
    pub fn read(
        mut self,
        coder: &mut Coder<'_>,
        (head, events, places): (&Head, &[Event], &[Place]),
        (mut long, length): (&[u8], usize),
    ) -> Read<Vec<Value>> {
        self.room = length;
        let (mut known, mut by_key) = (Known::new(head, events, places), vec![Vec::new(); head.keys.len()]);
        let mut counts = vec![0_usize; head.columns.len()];
        for (at, place) in places.iter().enumerate() {
            by_key[head.columns[place.column].key].push(at);
            counts[place.column] += 1;
        }
        for (column, count) in self.columns.iter_mut().zip(counts) {
            column.links = [0, 1].map(|_| vec![None; count.next_power_of_two().clamp(16, 1 << 14)]);
        }
        for (key, own) in by_key.into_iter().enumerate() {
            check(head.keys[key] <= own.len().next_power_of_two().max(16), "a key has too many places")?;
            self.key = Key { places: vec![Value::default(); head.keys[key]], ..Key::default() };
            if key == 1 {
                self.ids_before = self.ids.len();
            }
            for at in own {
                known.values[at] = self.value(coder, &known, (key, at), &mut long)?;
                self.remember(&known, at);
            }
        }
        Ok(known.values)
    }

    fn value(
        &mut self,
        coder: &mut Coder<'_>,
        known: &Known<'_>,
        (key, at): (usize, usize),
        long: &mut &[u8],
    ) -> Read<Value> {
        let Place { event, column, .. } = known.places[at];
        let others = [0, 1].map(|link| known.other(at, link));
        let [second, fourth] = [0, 1].map(|link| self.by_link(known, column, link, &others[link]));
        let (place, last) = (self.place_of_owner(known, at), self.columns[column].last.clone());
        let aggregate = if key == 0 {
            Value::default()
        } else {
            known.values[known.aggregates[known.events[event].aggregate]].clone()
        };
        let guesses = [self.key.places[place].clone(), second, last, fourth];
        let at = At { event, column, time: known.events[event].time, aggregate, others, guesses };
        let value = self.operate(coder, (key, &known.head.columns[column]), &at, long)?;
        coder.check()?;
        Ok(value)
    }

    fn place_of_owner(&self, known: &Known<'_>, at: usize) -> usize {
        let Place { event, column, occurrence } = known.places[at];
        let owner =
            if known.head.columns[column].key == 0 { u32::MAX } else { known.events[event].aggregate as u32 };
        owner.wrapping_add(0x9e35_u32.wrapping_mul(occurrence as u32)) as usize % self.key.places.len()
    }

    /// The place of a value at a link.
    fn place_of(&self, column: usize, link: usize, value: &Value) -> usize {
        (mix(value.hash, 7) >> 20) as usize % self.columns[column].links[link].len()
    }

    fn by_link(&self, known: &Known<'_>, column: usize, link: usize, other: &Value) -> Value {
        let remembered = &self.columns[column].links[link][self.place_of(column, link, other)];
        match (known.head.columns[column].links[link].0, remembered) {
            (1 | 3, Some((_, value))) => value.clone(),
            (2, Some((event, _))) => known.message(*event).clone(),
            _ => Value::default(),
        }
    }

    /// What follows a value.
    fn remember(&mut self, known: &Known<'_>, at: usize) {
        let (Place { event, column, .. }, value) = (known.places[at], &known.values[at]);
        let place = self.place_of_owner(known, at);
        self.key.places[place] = value.clone();
        self.columns[column].last = value.clone();
        for (link, (way, _)) in known.head.columns[column].links.into_iter().enumerate() {
            let mut places = vec![self.place_of(column, link, &known.other(at, link))];
            if way == 3 {
                // A message is not there yet while it is read itself.
                let message = if column == 1 { Value::default() } else { known.message(event).clone() };
                places.push(self.place_of(column, link, &message));
            }
            for place in places {
                self.columns[column].links[link][place] = Some((event, value.clone()));
            }
        }
    }

    fn operation(&mut self, coder: &mut Coder<'_>, at: &At) -> Read<u64> {
        let [zero, one, two, _] = at.guesses.each_ref().map(|guess| guess.hash);
        let first = if zero == 0 { one } else { zero };
        let same = |hash: u64| usize::from(hash != 0 && hash == first);
        let mask = usize::from(zero != 0) + 2 * same(one) + 4 * same(two);
        let column = &mut self.columns[at.column];
        let stream = *column.streams.get_or_insert_with(|| coder.make(0, 9)) + mask;
        let operation = coder.byte(stream);
        if operation != 18 {
            return Ok(operation);
        }
        column.style = coder.raw(2) as u8;
        let operation = coder.byte(stream);
        check((6..=9).contains(&operation), "a style of what is no identifier")?;
        Ok(operation)
    }

    fn operate(
        &mut self,
        coder: &mut Coder<'_>,
        (key, said): (usize, &super::head::Column),
        at: &At,
        long: &mut &[u8],
    ) -> Read<Value> {
        let operation = self.operation(coder, at)?;
        let bytes = match operation {
            0..=3 => return Ok(at.guesses[operation as usize].clone()),
            4 => return Ok(at.aggregate.clone()),
            5 => {
                self.key.hits += 1;
                let place = coder.index(&mut self.key.index);
                return self.key.listed.get(place).cloned().ok_or_else(|| "no listed value".into());
            }
            16 | 17 => return Ok(at.others[operation as usize - 16].clone()),
            6..=9 => styled(self.identifier(coder, operation, at)?, self.columns[at.column].style),
            10 | 11 => self.number(coder, operation, said, at)?,
            12 | 13 => {
                let column = &mut self.columns[at.column];
                if operation == 13 {
                    column.time_format = coder.time_format();
                    check(!(10..15).contains(&column.time_format.0), "no such digits")?;
                }
                let delta = coder.signed(&mut column.moments).cast_signed();
                numbers::moment(at.time.cast_signed(), delta, (column.time_format, None), 0)?
            }
            14 => self.words.text(coder, key, 0)?,
            15 => {
                let length = usize::try_from(coder.number(&mut self.lengths))?;
                let (taken, rest) =
                    long.split_at_checked(length).ok_or("less is carried than there should be")?;
                *long = rest;
                taken.to_vec()
            }
            _ => return Err("no such operation".into()),
        };
        self.room = self.room.checked_sub(bytes.len()).ok_or("values are longer than the block")?;
        let value = Value::new(bytes);
        let listed = matches!(operation, 6..=9 | 14) || operation < 12 && said.base != 3;
        if listed && self.key.listed.len() < (64 + 16 * self.key.hits).min(32_768) {
            self.key.listed.push(value.clone());
        }
        Ok(value)
    }

    fn identifier(&mut self, coder: &mut Coder<'_>, operation: u64, at: &At) -> Read<u128> {
        let place = match operation {
            6 => {
                let own = self.ids_before + at.event;
                own.checked_sub(usize::try_from(coder.number(&mut self.back))?)
            }
            7 => Some(usize::try_from(coder.number(&mut self.numbered))?),
            _ => {
                let column = &mut self.columns[at.column];
                let kinds = column.streams.unwrap() + 8;
                let id = coder.new_id(operation as usize, kinds, at.time, &mut column.moments);
                self.ids.push(id);
                return Ok(id);
            }
        };
        place.and_then(|place| self.ids.get(place)).copied().ok_or_else(|| "no such identifier".into())
    }

    fn number(
        &mut self,
        coder: &mut Coder<'_>,
        operation: u64,
        said: &super::head::Column,
        at: &At,
    ) -> Read<Vec<u8>> {
        let column = &mut self.columns[at.column];
        if operation == 11 {
            column.format = coder.number_format();
        }
        let (form, format) = (said.form, column.format);
        column.number = if form == 4 && format.0 == 31 {
            coder.number(&mut column.numbers).wrapping_shl(44) | coder.raw(44)
        } else {
            let base = match said.base {
                0 => 0,
                1 => column.number,
                2 => numbers::read(&at.guesses[0].bytes, form, format).unwrap_or(0),
                _ => numbers::timestamp(at.time.cast_signed(), format).cast_unsigned(),
            };
            base.wrapping_add(coder.signed(&mut column.numbers))
        };
        numbers::write(column.number, form, format)
    }
}
