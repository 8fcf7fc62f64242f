//! Where the bytes of the default setting go, column by column, on the sample's own blocks: as nearly as that can be said before zstd.

use crate::engine::bench::corpus::HEADER;
use crate::engine::bench::error::Error;
use crate::engine::bench::measure::interrupted;
use crate::engine::bench::sample::{Log, Part, Sample};
use crate::engine::error;
use crate::engine::observe::{Event, Observer};
use crate::repo::codec::Compression;
use crate::repo::codec::columns::{Mode, Spent, account};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// At most so many bytes are looked at: more would say the same.
const LOOKED_AT: u64 = 64 << 20;

/// Where the bytes go.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Columns {
    /// Bytes of history that were looked at.
    pub raw: u64,
    /// What they take in columns: about so much, since what zstd finds beside is not counted by column.
    pub stored: u64,
    /// Bytes that could not be put into columns, of those looked at: stored as zstd makes them, and not counted.
    pub not_in_columns: u64,
    /// The columns, the largest first.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Column {
    /// What is in it.
    pub name: String,
    /// What it takes.
    pub bytes: u64,
    /// Its part of all columns.
    pub share: f64,
    /// Values in it.
    pub values: u64,
    /// Of its bytes, those that nothing predicts: random identifiers, new text.
    pub unpredicted: u64,
}

/// Counts.
pub(super) fn of(sample: &Sample, observer: &dyn Observer) -> Result<Columns, error::Error> {
    let mut all: BTreeMap<String, Spent> = BTreeMap::new();
    let (mut raw, mut not_in_columns, total) = (0, 0, sample.bytes());
    observer.event(&Event::Phase { name: "columns", total: Some(total.min(LOOKED_AT)) });
    for (log, part) in sample.logs.iter().flat_map(|log| log.parts.iter().map(move |part| (log, part))) {
        for (from, to) in blocks(log, part, total) {
            interrupted(observer)?;
            let block = read(part, from, to)?;
            observer.event(&Event::Bytes(to - from));
            raw += to - from;
            match account(&block, Mode::Whole).or_else(|| account(&block, Mode::Streams)) {
                Some(found) => add(&mut all, found),
                None => not_in_columns += to - from,
            }
        }
    }
    Ok(sorted(all, raw, not_in_columns))
}

/// The blocks that are looked at: all, or of a large sample the first ones of each segment.
fn blocks(log: &Log, part: &Part, total: u64) -> Vec<(u64, u64)> {
    let length = u64::from(Compression::Default.block_length(log.store));
    let length = length - length / 8;
    let share = u128::from(part.bytes()) * u128::from(LOOKED_AT) / u128::from(total.max(1));
    let most =
        if total <= LOOKED_AT { part.to } else { part.from + u64::try_from(share).unwrap_or(u64::MAX) };
    let (mut found, mut from) = (Vec::new(), part.from);
    for mark in &part.marks {
        if mark.offset - from >= length || mark.offset == part.to || mark.offset >= most {
            found.push((from, mark.offset));
            from = mark.offset;
        }
        if mark.offset >= most {
            break;
        }
    }
    found
}

/// A block as it is encoded: the first one of a segment has its header.
fn read(part: &Part, from: u64, to: u64) -> Result<Vec<u8>, Error> {
    let mut file = File::open(&part.path).map_err(Error::of(&part.path))?;
    let from = if from == HEADER.len() as u64 { 0 } else { from };
    let mut block = Vec::new();
    file.seek(SeekFrom::Start(from)).map_err(Error::of(&part.path))?;
    file.take(to - from).read_to_end(&mut block).map_err(Error::of(&part.path))?;
    Ok(block)
}

fn add(all: &mut BTreeMap<String, Spent>, found: Vec<(String, Spent)>) {
    for (name, spent) in found {
        let sum = all.entry(name).or_default();
        sum.times += spent.times;
        sum.decided += spent.decided;
        sum.raw += spent.raw;
    }
}

fn sorted(all: BTreeMap<String, Spent>, raw: u64, not_in_columns: u64) -> Columns {
    let sum: f64 = all.values().map(Spent::bits).sum();
    let mut columns: Vec<Column> = all
        .into_iter()
        .map(|(name, spent)| Column {
            name,
            bytes: whole(spent.bits() / 8.0),
            share: if sum > 0.0 { spent.bits() / sum } else { 0.0 },
            values: spent.times,
            unpredicted: spent.raw / 8,
        })
        .collect();
    columns.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.name.cmp(&other.name)));
    Columns { raw, stored: whole(sum / 8.0), not_in_columns, columns }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a sample")]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0).round() as u64
}

/// Where the bytes of some data go, and nothing else.
pub fn columns(
    source: &mut dyn crate::source::Source,
    limit: u64,
    observer: &dyn Observer,
) -> Result<Columns, error::Error> {
    let sample = crate::engine::bench::sample::take(source, limit, observer)?;
    interrupted(observer)?;
    of(&sample, observer)
}
