//! The head of a block of codec 6: what is said once.

use crate::second_reader::events::varint;
use crate::second_reader::wire::{Read, check};
use std::collections::BTreeSet;

/// Bytes that are carried, and transactions behind them.
pub struct Run {
    pub bytes: usize,
    pub transactions: usize,
}

pub struct Column {
    pub key: usize,
    pub form: u64,
    pub base: u64,
    /// Ways, and the columns that they lead to.
    pub links: [(u64, usize); 2],
}

pub struct Kind {
    pub aggregate_type: Vec<u8>,
    pub payload_type: Vec<u8>,
    pub revision: Vec<u8>,
    /// What a walk begins behind.
    pub literal: usize,
    /// Of payloads that are no walks.
    pub column: usize,
    pub flags: u64,
    /// Keys, fields, columns.
    pub metadata: Vec<(Vec<u8>, u64, usize)>,
}

pub struct Literal {
    pub text: Vec<u8>,
    pub form: u64,
    pub column: usize,
}

pub struct Head {
    pub runs: Vec<Run>,
    /// How many places each key has for aggregates.
    pub keys: Vec<usize>,
    pub columns: Vec<Column>,
    pub kinds: Vec<Kind>,
    pub literals: Vec<Literal>,
    /// The first kinds, then those behind each kind.
    pub kinds_behind: Vec<Vec<usize>>,
    pub literals_behind: Vec<Vec<usize>>,
}

fn list<T>(bytes: &mut &[u8], longest: usize, mut each: impl FnMut(&mut &[u8]) -> Read<T>) -> Read<Vec<T>> {
    let count = varint(bytes)?;
    check(count <= longest, "a list is too long")?;
    (0..count).map(|_| each(bytes)).collect()
}

fn text(bytes: &mut &[u8]) -> Read<Vec<u8>> {
    let length = varint(bytes)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or("it ends in a text")?;
    *bytes = rest;
    Ok(text.to_vec())
}

/// A number up to this one.
fn up_to(bytes: &mut &[u8], most: u64) -> Read<u64> {
    let number = varint(bytes)? as u64;
    check(number <= most, "a number of the head is too high")?;
    Ok(number)
}

impl Head {
    pub fn read(mut bytes: &[u8], raw_length: usize) -> Read<Self> {
        let bytes = &mut bytes;
        let runs = list(bytes, raw_length / 11 + 1, |bytes| {
            Ok(Run { bytes: varint(bytes)?, transactions: varint(bytes)? })
        })?;
        let keys = list(bytes, 8_192, |bytes| Ok(1 << up_to(bytes, 17)?))?;
        let columns = list(bytes, 8_192, column)?;
        let kinds = list(bytes, 4_096, kind)?;
        let literals = list(bytes, 32_768, literal)?;
        let kinds_behind = (0..=kinds.len()).map(|_| list(bytes, 4_096, varint));
        let kinds_behind = kinds_behind.collect::<Read<_>>()?;
        let literals_behind = literals.iter().map(|_| list(bytes, 32_768, varint));
        let literals_behind = literals_behind.collect::<Read<_>>()?;
        check(bytes.is_empty(), "something is behind the head")?;
        let head = Self { runs, keys, columns, kinds, literals, kinds_behind, literals_behind };
        check(head.is_whole(), "something that is named is not there")?;
        Ok(head)
    }

    /// Whether all that is named is there.
    fn is_whole(&self) -> bool {
        let column = |column: usize| column < self.columns.len();
        let of_metadata: BTreeSet<usize> =
            self.kinds.iter().flat_map(|kind| &kind.metadata).map(|(_, _, column)| *column).collect();
        // Columns of payloads serve nothing else.
        let own = |own: usize| own > 1 && column(own) && !of_metadata.contains(&own);
        let leads = |key: usize, way, to: usize| {
            way == 0 || (way == 1 || key > 1) && column(to) && self.columns[to].key < key
        };
        let good = |own: &Column| {
            own.key < self.keys.len() && own.links.iter().all(|(way, to)| leads(own.key, *way, *to))
        };
        let kind = |kind: &Kind| kind.literal < self.literals.len() && own(kind.column);
        self.columns.len() > 1
            && (self.columns[0].key, self.columns[1].key) == (0, 1)
            && of_metadata.iter().all(|own| *own > 1 && column(*own))
            && self.columns.iter().all(good)
            && self.kinds.iter().all(kind)
            && self.literals.iter().all(|literal| literal.form == 5 || own(literal.column))
            && self.kinds_behind.iter().flatten().all(|kind| *kind < self.kinds.len())
            && self.literals_behind.iter().flatten().all(|literal| *literal < self.literals.len())
    }
}

fn column(bytes: &mut &[u8]) -> Read<Column> {
    let (key, number) = (varint(bytes)?, up_to(bytes, 511)?);
    let (form, base, ways) = (number % 8, number / 8 % 4, [number / 32 % 4, number / 128]);
    check(form < 6, "no such form")?;
    let mut links = ways.map(|way| (way, 0));
    for (_, column) in links.iter_mut().filter(|(way, _)| *way > 0) {
        *column = varint(bytes)?;
    }
    Ok(Column { key, form, base, links })
}

fn kind(bytes: &mut &[u8]) -> Read<Kind> {
    let kind = Kind {
        aggregate_type: text(bytes)?,
        payload_type: text(bytes)?,
        revision: text(bytes)?,
        literal: varint(bytes)?,
        column: varint(bytes)?,
        flags: up_to(bytes, 7)?,
        metadata: list(bytes, 256, |bytes| Ok((text(bytes)?, up_to(bytes, 5)?, varint(bytes)?)))?,
    };
    let is_empty = kind.payload_type.is_empty() && kind.revision.is_empty() && kind.flags & 2 == 0;
    check(kind.flags & 1 > 0 || is_empty, "something of a payload that is not there")?;
    Ok(kind)
}

fn literal(bytes: &mut &[u8]) -> Read<Literal> {
    let (text, form) = (text(bytes)?, up_to(bytes, 5)?);
    Ok(Literal { text, form, column: if form == 5 { 0 } else { varint(bytes)? } })
}
