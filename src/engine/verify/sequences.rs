//! Where each aggregate stands: the sequence number and token of its last event. In memory as long as it fits, then in a temporary `SQLite`
//! file without a name, which goes with its process.

use crate::engine::error::Error;
use crate::engine::temporary;
use crate::engine::temporary::failed;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Bytes of aggregates, about, that are held in memory.
const HELD_BYTES: usize = 64 << 20;
/// What one takes beside its identifier.
const OVERHEAD: usize = 96;

const TABLE: &str = "CREATE TABLE aggregates (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, token INTEGER NOT NULL) WITHOUT ROWID;";

/// Where an aggregate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Sequence number of its last event.
    pub sequence: i64,
    /// The token of that.
    pub token: u64,
}

/// All aggregates of a log.
pub struct Sequences {
    held: HashMap<Box<str>, Standing>,
    bytes: usize,
    limit: usize,
    /// Made when it is needed.
    file: Option<Connection>,
    /// Which may be there.
    filed: Filter,
}

impl Sequences {
    /// None yet.
    pub fn new() -> Self {
        Self::with_limit(HELD_BYTES)
    }

    fn with_limit(limit: usize) -> Self {
        Self { held: HashMap::new(), bytes: 0, limit, file: None, filed: Filter::default() }
    }

    /// Where an aggregate stands; none if it has no event yet.
    pub fn get(&self, aggregate: &str) -> Result<Option<Standing>, Error> {
        if let Some(found) = self.held.get(aggregate) {
            return Ok(Some(*found));
        }
        match &self.file {
            Some(file) if self.filed.may_have(aggregate) => read(file, aggregate).map_err(failed),
            _ => Ok(None),
        }
    }

    /// Where it stands from now on.
    pub fn set(&mut self, aggregate: &str, standing: Standing) -> Result<(), Error> {
        if let Some(found) = self.held.get_mut(aggregate) {
            *found = standing;
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(aggregate.len()).saturating_add(OVERHEAD);
        self.held.insert(aggregate.into(), standing);
        if self.bytes > self.limit { self.spill().map_err(failed) } else { Ok(()) }
    }

    fn spill(&mut self) -> rusqlite::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(temporary::database(TABLE)?),
        };
        let begun = file.transaction()?;
        {
            let mut insert = begun.prepare_cached("INSERT OR REPLACE INTO aggregates VALUES (?, ?, ?)")?;
            // In their order: each page of the table is visited once.
            let mut leaving: Vec<(Box<str>, Standing)> = self.held.drain().collect();
            leaving.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            for (aggregate, standing) in leaving {
                self.filed.add(&aggregate);
                insert.execute(params![aggregate, standing.sequence, standing.token.cast_signed()])?;
            }
        }
        self.bytes = 0;
        begun.commit()
    }
}

/// Tells most aggregates that were never seen from those that were, without a look into the file (a Bloom filter).
#[derive(Default)]
struct Filter {
    bits: Vec<u64>,
    hasher: RandomState,
}

impl Filter {
    /// 16 MiB: of 20 million aggregates one in 25 is looked for in vain.
    const WORDS: usize = 2 << 20;
    const PROBES: u64 = 4;

    fn places(&self, aggregate: &str) -> impl Iterator<Item = (usize, u64)> + use<> {
        let hash = self.hasher.hash_one(aggregate);
        let (first, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
        (0..Self::PROBES).map(move |probe| {
            let bit = first.wrapping_add(probe.wrapping_mul(step));
            (usize::try_from(bit / 64).unwrap_or(0) % Self::WORDS, 1 << (bit % 64))
        })
    }

    fn add(&mut self, aggregate: &str) {
        self.bits.resize(Self::WORDS, 0);
        for (word, bit) in self.places(aggregate) {
            if let Some(word) = self.bits.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn may_have(&self, aggregate: &str) -> bool {
        self.places(aggregate).all(|(word, bit)| self.bits.get(word).is_some_and(|word| word & bit != 0))
    }
}

fn read(file: &Connection, aggregate: &str) -> rusqlite::Result<Option<Standing>> {
    let mut ask = file.prepare_cached("SELECT sequence, token FROM aggregates WHERE id = ?")?;
    let standing = |row: &rusqlite::Row<'_>| {
        Ok(Standing { sequence: row.get(0)?, token: row.get::<_, i64>(1)?.cast_unsigned() })
    };
    ask.query_row([aggregate], standing).optional()
}

#[cfg(test)]
mod tests {
    use super::{Sequences, Standing};

    #[test]
    fn what_does_not_fit_into_memory_is_found_again() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut model = std::collections::HashMap::new();
        let mut sequences = Sequences::with_limit(2_000);
        for token in 0..5_000 {
            let aggregate = format!("bike-{}", random.u8(..));
            let standing = Standing { sequence: random.i64(..), token };
            assert_eq!(sequences.get(&aggregate).unwrap(), model.get(&aggregate).copied());
            sequences.set(&aggregate, standing).unwrap();
            model.insert(aggregate, standing);
        }
        assert!(sequences.file.is_some() && sequences.held.len() < 30);
        assert_eq!(sequences.get("nobody").unwrap(), None);
    }
}
