//! Opening the file of the index, and throwing away what can't be used.
//!
//! A file is thrown away under an exclusive `locks/index` only: who uses one holds that lock shared. (A journal of `SQLite` belongs to a
//! name; with two files under one name it would be played into the wrong one.)

use super::rows;
use crate::repo::disk::Disk;
use crate::repo::disk::Guard;
use crate::repo::disk::LockMode;
use crate::repo::paths;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Counts up with schema.sql; an index with another number is thrown away.
const SCHEMA_VERSION: i64 = 3;
const SCHEMA: &str = include_str!("schema.sql");
/// Older ones have bugs that matter here.
const SQLITE_AT_LEAST: i32 = 3_051_003;
/// How long another process may write before memory serves instead.
const BUSY: Duration = Duration::from_secs(10);

/// A file of the index that is in use.
pub(super) struct OpenFile {
    path: PathBuf,
    /// None if the repository can't be written.
    lock: Option<Box<dyn Guard>>,
}

/// Which repository an index is of, and in which directory.
pub(super) struct Owner {
    pub repository: String,
    pub identity: String,
}

/// Whether this program was built with an `SQLite` that will do.
pub(super) fn sqlite_is_fit() -> bool {
    rusqlite::version_number() >= SQLITE_AT_LEAST
}

/// An empty index in memory.
pub(super) fn memory(owner: &Owner) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    settle_plans(&connection)?;
    create(&connection, owner)?;
    Ok(connection)
}

/// The index in a file, made anew if it can't be used; none if it can't be made either.
pub(super) fn file(disk: &dyn Disk, path: &Path, owner: &Owner) -> Option<(Connection, OpenFile)> {
    for _ in 0..2 {
        let lock = match disk.try_lock(paths::INDEX_LOCK, LockMode::Shared) {
            Ok(None) => return None,
            Ok(lock) => lock,
            Err(_) => None,
        };
        let file = OpenFile { path: path.to_owned(), lock };
        match open(path, owner) {
            Ok(connection) => return Some((connection, file)),
            Err(error) if is_hopeless(&error) => throw_away(disk, file).ok()??,
            Err(_) => return None,
        }
    }
    None
}

/// Whether a file will never be of use; one that can't be reached, or not just now, may be.
fn is_hopeless(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    !code.is_some_and(|code| {
        matches!(
            code,
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
        )
    })
}

/// Removes the file and its journals, whatever it is; none if somebody uses it.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<Option<()>> {
    let Some(lock) = disk.try_lock(paths::INDEX_LOCK, LockMode::Shared)? else { return Ok(None) };
    throw_away(disk, OpenFile { path: path.to_owned(), lock: Some(lock) })
}

/// Removes the file and its journals; none if somebody else uses it.
pub(super) fn throw_away(disk: &dyn Disk, file: OpenFile) -> io::Result<Option<()>> {
    let alone = match file.lock {
        Some(shared) => {
            drop(shared);
            let Some(alone) = disk.try_lock(paths::INDEX_LOCK, LockMode::Exclusive)? else { return Ok(None) };
            Some(alone)
        }
        None => None,
    };
    // Journals first: one without its database would be played into the next.
    for suffix in ["-journal", "-wal", "-shm", ""] {
        let mut name = OsString::from(&file.path);
        name.push(suffix);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    drop(alone);
    Ok(Some(()))
}

fn open(path: &Path, owner: &Owner) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    make_private(path);
    let mut connection = Connection::open_with_flags(path, flags)?;
    settle_plans(&connection)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    let begun = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if begun.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0 {
        create(&begun, owner)?;
    }
    check(&begun, owner)?;
    begun.commit()?;
    Ok(connection)
}

/// `SQLite` would make a file that others may read; its journals take after it. Where this fails `SQLite` says why.
fn make_private(path: &Path) {
    let _ = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
}

/// Otherwise a cached statement is planned anew for each value that is bound to it.
fn settle_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(32);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn create(connection: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    rows::set_meta(connection, "repository", &owner.repository)?;
    rows::set_meta(connection, "identity", &owner.identity)
}

/// Fails if the index is another repository's, or of another program's. In another directory (a copy) nothing counts as synced.
fn check(connection: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != SCHEMA_VERSION || rows::meta(connection, "repository")?.as_ref() != Some(&owner.repository)
    {
        return Err(rusqlite::Error::InvalidQuery);
    }
    if rows::meta(connection, "identity")?.as_ref() != Some(&owner.identity) {
        rows::forget_durability(connection)?;
        rows::set_meta(connection, "identity", &owner.identity)?;
    }
    Ok(())
}
