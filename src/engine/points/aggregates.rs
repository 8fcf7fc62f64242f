//! Counts different names in bounded memory: what is too much for it goes to a temporary database.

use crate::engine::error::Error;
use crate::engine::restore::cut::snapshots::aggregate_key;
use crate::engine::temporary;
use crate::repo;
use rusqlite::Connection;
use std::collections::HashSet;

/// So many keys are held in memory.
const HELD_MAX: usize = 1 << 20;

const TABLE: &str = "CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID";

/// A set of names, of which only the number is asked.
pub struct Aggregates {
    held: HashSet<[u8; 16]>,
    held_max: usize,
    spilled: Option<Connection>,
}

impl Default for Aggregates {
    fn default() -> Self {
        Self::holding(HELD_MAX)
    }
}

impl Aggregates {
    fn holding(held_max: usize) -> Self {
        Self { held: HashSet::new(), held_max, spilled: None }
    }

    /// One more.
    pub fn add(&mut self, name: &str) -> Result<(), Error> {
        self.held.insert(aggregate_key(name));
        if self.held.len() >= self.held_max { self.spill().map_err(failed) } else { Ok(()) }
    }

    fn spill(&mut self) -> rusqlite::Result<()> {
        let connection = self.spilled.take().map_or_else(|| temporary::database(TABLE), Ok)?;
        connection.execute_batch("BEGIN")?;
        // In their order: each page of the table is visited once.
        let mut keys: Vec<[u8; 16]> = self.held.drain().collect();
        keys.sort_unstable();
        for key in keys {
            connection.prepare_cached("INSERT OR IGNORE INTO names VALUES (?1)")?.execute([key])?;
        }
        connection.execute_batch("COMMIT")?;
        self.spilled = Some(connection);
        Ok(())
    }

    /// How many there are.
    pub fn count(mut self) -> Result<u64, Error> {
        if self.spilled.is_none() {
            return Ok(self.held.len() as u64);
        }
        self.spill().map_err(failed)?;
        let Some(connection) = &self.spilled else { return Ok(0) };
        let count: i64 =
            connection.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).map_err(failed)?;
        Ok(count.unsigned_abs())
    }
}

fn failed(source: rusqlite::Error) -> Error {
    repo::Error::Index { path: "a temporary file".to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::Aggregates;

    #[test]
    fn names_are_counted_once_whether_they_are_held_or_spilled() {
        for held_max in [3, 100_000] {
            let mut names = Aggregates::holding(held_max);
            for at in 0..200 {
                names.add(&format!("bike-{}", at % 70)).unwrap();
            }
            assert_eq!(names.count().unwrap(), 70);
        }
        assert_eq!(Aggregates::default().count().unwrap(), 0);
    }
}
