//! Temporary databases: for what grows with the data and does not fit into memory.

use crate::engine::error::Error;
use rusqlite::Connection;

/// Nothing in it outlives its process, so nothing is synced and nothing can be rolled back; 32 MiB of it are held in memory.
const SETTINGS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;";

/// A database with these tables. `SQLite` makes one with an empty name in a temporary file, unlinked from the start, once its cache is full.
pub fn database(tables: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open("")?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(tables)?;
    Ok(connection)
}

/// What went wrong with one.
pub fn failed(source: rusqlite::Error) -> Error {
    Error::Temporary { source }
}
