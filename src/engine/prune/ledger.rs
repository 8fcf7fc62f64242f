//! What is needed, and where it lies: a temporary `SQLite` database, which goes to a temporary file where it gets large.

use crate::engine;
use crate::engine::prune::Error;
use crate::engine::temporary;
use crate::repo::format::id::{ChunkId, PackId, PageId};
use crate::repo::format::pack::{Directory, PackKind};
use rusqlite::{Connection, OptionalExtension, params};

const SCHEMA: &str = "
BEGIN;
CREATE TABLE page (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE reached (chunk BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE list (chunk BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE pack (
    id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, length INTEGER NOT NULL, kind INTEGER NOT NULL, standing INTEGER NOT NULL);
CREATE TABLE place (
    chunk BLOB NOT NULL, pack INTEGER NOT NULL, block INTEGER NOT NULL, length INTEGER NOT NULL, PRIMARY KEY (chunk, pack))
    WITHOUT ROWID;
CREATE INDEX place_pack ON place (pack);
CREATE TABLE proven (pack INTEGER NOT NULL, block INTEGER NOT NULL, good INTEGER NOT NULL, PRIMARY KEY (pack, block)) WITHOUT ROWID;
";

/// The pack that counts for a chunk: one that stays before any other, then the first by name.
const CHOSEN: &str = "SELECT place.chunk AS chunk, place.length AS length, pack.id AS pack, min(pack.standing || hex(pack.name))
    FROM reached JOIN place ON place.chunk = reached.chunk JOIN pack ON pack.id = place.pack GROUP BY place.chunk";

/// What a pack is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum Standing {
    /// It stays: what lies in it is there.
    Stays,
    /// It is marked for deletion, or is about to be.
    Marked,
    /// An act calls it damaged, or not all of it can be read by this program: it is no copy to rely on.
    Weak,
}

/// A pack, and what of it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct PackUse {
    pub name: PackId,
    pub length: u64,
    pub kind: PackKind,
    pub standing: Standing,
    /// Bytes of all its chunks.
    pub raw: u64,
    /// Chunks that are needed, and for which this pack counts; and their bytes.
    pub live_chunks: u64,
    pub live_raw: u64,
}

impl PackUse {
    /// Bytes of the file that are needed, as nearly as can be said without decoding.
    pub fn live_bytes(&self) -> u64 {
        let share = u128::from(self.length) * u128::from(self.live_raw) / u128::from(self.raw.max(1));
        u64::try_from(share).unwrap_or(self.length).min(self.length)
    }
}

/// The database.
pub(in crate::engine) struct Ledger {
    connection: Connection,
}

impl Ledger {
    pub fn new() -> Result<Self, Error> {
        let connection = temporary::database(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self { connection })
    }

    /// True if the page was not there yet.
    pub fn enter_page(&self, page: PageId) -> Result<bool, Error> {
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO page VALUES (?)")?;
        Ok(insert.execute([page.0])? > 0)
    }

    pub fn has_page(&self, page: PageId) -> Result<bool, Error> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM page WHERE id = ?")?.exists([page.0])?)
    }

    pub fn enter_chunk(&self, chunk: ChunkId) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO reached VALUES (?)")?;
        insert.execute([chunk.0])?;
        Ok(())
    }

    /// Enters a chunk that lists others. True if it was not there yet as such: a file may hold the very bytes of a list, and lists nothing.
    pub fn enter_list(&self, chunk: ChunkId) -> Result<bool, Error> {
        self.enter_chunk(chunk)?;
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO list VALUES (?)")?;
        Ok(insert.execute([chunk.0])? > 0)
    }

    pub fn has_chunk(&self, chunk: ChunkId) -> Result<bool, Error> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM reached WHERE chunk = ?")?.exists([chunk.0])?)
    }

    /// Hands out all chunks that are needed.
    pub fn each_chunk(
        &self,
        each: &mut dyn FnMut(ChunkId) -> Result<(), engine::Error>,
    ) -> Result<(), engine::Error> {
        self.each("SELECT chunk FROM reached", &mut |name| each(ChunkId(name)))
    }

    /// Hands out all pages that are needed.
    pub fn each_page(
        &self,
        each: &mut dyn FnMut(PageId) -> Result<(), engine::Error>,
    ) -> Result<(), engine::Error> {
        self.each("SELECT id FROM page", &mut |name| each(PageId(name)))
    }

    fn each(
        &self,
        query: &str,
        each: &mut dyn FnMut([u8; 32]) -> Result<(), engine::Error>,
    ) -> Result<(), engine::Error> {
        let mut statement = self.connection.prepare_cached(query).map_err(Error::from)?;
        let mut rows = statement.query([]).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            each(row.get(0).map_err(Error::from)?)?;
        }
        Ok(())
    }

    /// Enters a pack with all that it holds, unless it is there.
    pub fn enter_pack(&self, name: PackId, standing: Standing, directory: &Directory) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO pack (name, length, kind, standing) VALUES (?, ?, ?, ?)",
        )?;
        let facts = params![name.0, signed(directory.length), directory.kind.number(), standing as u8];
        if insert.execute(facts)? == 0 {
            return Ok(());
        }
        let id = self.connection.last_insert_rowid();
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO place VALUES (?, ?, ?, ?)")?;
        for (number, block) in (0_i64..).zip(&directory.blocks) {
            for place in &block.chunks {
                insert.execute(params![place.chunk.0, id, number, place.length])?;
            }
        }
        Ok(())
    }

    pub fn has_pack(&self, name: PackId) -> Result<bool, Error> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM pack WHERE name = ?")?.exists([name.0])?)
    }

    /// From here on the pack is no place to rely on: what was needed of it lies elsewhere.
    pub fn mark(&self, name: PackId) -> Result<(), Error> {
        let mut update = self.connection.prepare_cached("UPDATE pack SET standing = ? WHERE name = ?")?;
        update.execute(params![Standing::Marked as u8, name.0])?;
        Ok(())
    }

    /// Nobody waits for a chunk any more that is in no pack.
    pub fn give_up(&self, chunk: ChunkId) -> Result<(), Error> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM reached WHERE chunk = ?1 AND NOT EXISTS (SELECT 1 FROM place WHERE place.chunk = ?1)",
        )?;
        delete.execute([chunk.0])?;
        Ok(())
    }

    /// A chunk that is needed and in no pack.
    pub fn missing(&self) -> Result<Option<ChunkId>, Error> {
        let found = self.connection.query_row(
            "SELECT chunk FROM reached WHERE NOT EXISTS (SELECT 1 FROM place WHERE place.chunk = reached.chunk) LIMIT 1",
            [],
            |row| row.get(0).map(ChunkId),
        );
        Ok(found.optional()?)
    }

    /// All packs, by their names.
    pub fn packs(&self) -> Result<Vec<PackUse>, Error> {
        let query = format!(
            "SELECT pack.name, pack.length, pack.kind, pack.standing,
                (SELECT coalesce(sum(length), 0) FROM place WHERE place.pack = pack.id),
                coalesce(live.chunks, 0), coalesce(live.raw, 0)
            FROM pack LEFT JOIN (SELECT pack, count(*) AS chunks, sum(length) AS raw FROM ({CHOSEN}) GROUP BY pack) AS live
                ON live.pack = pack.id
            ORDER BY pack.name"
        );
        let mut statement = self.connection.prepare(&query)?;
        let rows = statement.query_map([], |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
            Ok(PackUse {
                name: PackId(row.get(0)?),
                length: number(1)?,
                kind: kind(row.get(2)?),
                standing: standing(row.get(3)?),
                raw: number(4)?,
                live_chunks: number(5)?,
                live_raw: number(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Of the chunks of a pack that are needed: those that lie in no pack that stays.
    pub fn uncovered(&self, name: PackId) -> Result<u64, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM place JOIN pack ON pack.id = place.pack JOIN reached ON reached.chunk = place.chunk
            WHERE pack.name = ?1 AND NOT EXISTS (
                SELECT 1 FROM place AS other JOIN pack AS stays ON stays.id = other.pack
                WHERE other.chunk = place.chunk AND stays.standing = 0 AND stays.name <> ?1)",
        )?;
        let count: i64 = statement.query_row([name.0], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Where the needed chunks of a pack lie in packs that stay: of each chunk the first by name. Pack and block, each once.
    pub fn copies(&self, name: PackId) -> Result<Vec<(PackId, usize)>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT copy, block FROM (
                SELECT stays.name AS copy, other.block AS block, min(stays.name)
                FROM place JOIN pack ON pack.id = place.pack JOIN reached ON reached.chunk = place.chunk
                JOIN place AS other ON other.chunk = place.chunk JOIN pack AS stays ON stays.id = other.pack
                WHERE pack.name = ?1 AND stays.standing = 0 AND stays.name <> ?1 GROUP BY place.chunk)
            ORDER BY copy, block",
        )?;
        let rows = statement.query_map([name.0], |row| {
            Ok((PackId(row.get(0)?), usize::try_from(row.get::<_, i64>(1)?).unwrap_or(usize::MAX)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The chunks of a pack for which it counts.
    pub fn counts_for(&self, name: PackId, chunk: ChunkId) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT pack.name FROM reached JOIN place ON place.chunk = reached.chunk JOIN pack ON pack.id = place.pack
            WHERE reached.chunk = ? ORDER BY pack.standing, pack.name LIMIT 1",
        )?;
        let found = statement.query_row([chunk.0], |row| row.get(0).map(PackId)).optional()?;
        Ok(found == Some(name))
    }

    /// What was found when a block was read in this run.
    pub fn proven(&self, pack: PackId, block: usize) -> Result<Option<bool>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT good FROM proven JOIN pack ON pack.id = proven.pack WHERE pack.name = ? AND block = ?",
        )?;
        Ok(statement.query_row(params![pack.0, signed(block as u64)], |row| row.get(0)).optional()?)
    }

    /// Remembers what was found.
    pub fn prove(&self, pack: PackId, block: usize, good: bool) -> Result<(), Error> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO proven SELECT id, ?2, ?3 FROM pack WHERE name = ?1")?;
        insert.execute(params![pack.0, signed(block as u64), good])?;
        Ok(())
    }
}

/// No length of ours comes near.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn kind(number: u8) -> PackKind {
    PackKind::ALL.into_iter().find(|kind| kind.number() == number).unwrap_or(PackKind::Sealed)
}

fn standing(number: u8) -> Standing {
    match number {
        0 => Standing::Stays,
        1 => Standing::Marked,
        _ => Standing::Weak,
    }
}
