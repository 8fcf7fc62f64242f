//! What the index is asked and told, in SQL.

use crate::repo::format::id::ChunkId;
use crate::repo::format::id::PackId;
use crate::repo::format::pack::Block;
use crate::repo::format::pack::CodecId;
use crate::repo::format::pack::Directory;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, HashSet};

/// Where a chunk lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The pack.
    pub pack: PackId,
    /// The block, counted from 0.
    pub block: u32,
    /// Where the block's encoded bytes begin in the pack.
    pub body_offset: u64,
    /// Length of the encoded bytes.
    pub encoded_length: u32,
    /// Length of the decoded bytes.
    pub raw_length: u32,
    /// The codec.
    pub codec: CodecId,
    /// The block that serves as its dictionary.
    pub dictionary: Option<u32>,
    /// Where the chunk begins in the decoded block.
    pub offset: u32,
    /// Its length.
    pub length: u32,
    /// Whether the pack's directory is damaged, and known from its parity.
    pub healed: bool,
}

/// A pack that the index knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownPack {
    pub length: u64,
    pub trouble: Option<String>,
}

/// A pack as it was found: its directory, or why that can't be read.
pub(super) struct FoundPack {
    pub name: PackId,
    pub length: u64,
    pub directory: Result<Directory, String>,
    /// Whether only its parity knows the directory.
    pub healed: bool,
}

pub(super) fn packs(connection: &Connection) -> rusqlite::Result<BTreeMap<PackId, KnownPack>> {
    let mut statement = connection.prepare_cached("SELECT name, length, trouble FROM packs")?;
    let rows = statement.query_map([], |row| {
        let known = KnownPack { length: unsigned(row, 1)?, trouble: row.get(2)? };
        Ok((PackId(row.get(0)?), known))
    })?;
    rows.collect()
}

/// The packs of a kind, with their lengths.
pub(super) fn packs_of(connection: &Connection, kind: u8) -> rusqlite::Result<Vec<(PackId, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT name, length FROM packs WHERE kind = ? AND trouble IS NULL")?;
    let rows = statement.query_map([kind], |row| Ok((PackId(row.get(0)?), unsigned(row, 1)?)))?;
    rows.collect()
}

/// The chunks of a pack.
pub(super) fn chunks_in(connection: &Connection, name: PackId) -> rusqlite::Result<Vec<ChunkId>> {
    let mut statement = connection.prepare_cached(
        "SELECT chunk FROM chunks JOIN packs ON packs.id = chunks.pack WHERE packs.name = ?",
    )?;
    let rows = statement.query_map([name.0], |row| Ok(ChunkId(row.get(0)?)))?;
    rows.collect()
}

pub(super) fn insert_pack(connection: &Connection, found: &FoundPack) -> rusqlite::Result<()> {
    remove_pack(connection, found.name)?;
    let kind = found.directory.as_ref().ok().map(|directory| directory.kind.number());
    connection
        .prepare_cached("INSERT INTO packs (name, length, trouble, kind, healed) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            found.name.0,
            signed(found.length)?,
            found.directory.as_ref().err(),
            kind,
            found.healed
        ])?;
    let id = connection.last_insert_rowid();
    let blocks = found.directory.as_ref().map_or(&[][..], |directory| &directory.blocks);
    (0_u32..).zip(blocks).try_for_each(|(number, block)| insert_block(connection, id, number, block))
}

fn insert_block(connection: &Connection, pack: i64, number: u32, block: &Block) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        pack,
        number,
        signed(block.body_offset)?,
        block.encoded_length,
        block.raw_length,
        block.codec.number(),
        block.dictionary,
    ])?;
    let mut insert = connection.prepare_cached("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)")?;
    for place in &block.chunks {
        insert.execute(params![place.chunk.0, pack, number, place.offset, place.length])?;
    }
    Ok(())
}

pub(super) fn remove_pack(connection: &Connection, name: PackId) -> rusqlite::Result<()> {
    let mut find = connection.prepare_cached("SELECT id FROM packs WHERE name = ?")?;
    let Some(id) = find.query_row([name.0], |row| row.get::<_, i64>(0)).optional()? else { return Ok(()) };
    for remove in [
        "DELETE FROM chunks WHERE pack = ?",
        "DELETE FROM blocks WHERE pack = ?",
        "DELETE FROM packs WHERE id = ?",
    ] {
        connection.prepare_cached(remove)?.execute([id])?;
    }
    Ok(())
}

/// All places of a chunk, by the names of the packs; those that parity had to tell of are the last.
pub(super) fn places(connection: &Connection, chunk: ChunkId) -> rusqlite::Result<Vec<Place>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.name, b.number, b.body_offset, b.encoded_length, b.raw_length, b.codec, b.dictionary, c.offset, c.length,
           p.healed
         FROM chunks c JOIN packs p ON p.id = c.pack JOIN blocks b ON b.pack = c.pack AND b.number = c.block
         WHERE c.chunk = ? ORDER BY p.healed, p.name, b.number, c.offset",
    )?;
    statement.query_map([chunk.0], place)?.collect()
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        pack: PackId(row.get(0)?),
        block: row.get(1)?,
        body_offset: unsigned(row, 2)?,
        encoded_length: row.get(3)?,
        raw_length: row.get(4)?,
        codec: CodecId::of(row.get(5)?),
        dictionary: row.get(6)?,
        offset: row.get(7)?,
        length: row.get(8)?,
        healed: row.get(9)?,
    })
}

/// Whether some pack is known to hold a chunk.
pub(super) fn holds(connection: &Connection, chunk: ChunkId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM chunks WHERE chunk = ?")?.exists([chunk.0])
}

pub(super) fn is_durable(connection: &Connection, path: &str, length: u64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM files WHERE path = ? AND length = ? AND durable = 1")?
        .exists(params![path, signed(length)?])
}

pub(super) fn mark_durable(connection: &Connection, files: &[(String, u64)]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO files VALUES (?, ?, 1)")?;
    for (path, length) in files {
        insert.execute(params![path, signed(*length)?])?;
    }
    Ok(())
}

/// Forgets the files that are not in `there`.
pub(super) fn keep_files(connection: &Connection, there: &HashSet<&str>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT path FROM files")?;
    let mut gone: Vec<String> = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let path = row.get_ref(0)?.as_str()?;
        if !there.contains(path) {
            gone.push(path.to_owned());
        }
    }
    let mut remove = connection.prepare_cached("DELETE FROM files WHERE path = ?")?;
    gone.iter().try_for_each(|path| remove.execute([path]).map(|_| ()))
}

pub(super) fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

pub(super) fn set_meta(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?.execute([name, value]).map(|_| ())
}

pub(super) fn forget_durability(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM files", []).map(|_| ())
}

/// Integers are signed there; no length of ours comes near.
fn signed(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(error)))
}
