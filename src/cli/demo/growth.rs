//! The demo's data: that of a real Axon Server, as it was at several moments of its growth.
//!
//! A server only ever appends. So what it looked like after any event follows from what it looks like in the end: later segments were not
//! there, and the one being written held zeros behind its last transaction.

use crate::axon::event;
use crate::axon::name::FileKind;
use crate::axon::name::Store;
use crate::axon::name::classify;
use crate::axon::segment::Transaction;
use crate::axon::segment::walk;
use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// The data directory, the control database's zips and the listings of an Axon Server SE 4.6.11.
const ARCHIVE: &[u8] = include_bytes!("../../../fixtures/axon/se-4.6.11-json.tar.zst");
/// The directory inside.
const NAME: &str = "se-4.6.11-json";
/// The window of the archive's zstd frame.
const WINDOW_LOG: u32 = 27;

/// The last events of the moments that are backed up; the last moment is the data as it is.
pub const MOMENTS: [Option<u64>; 6] = [Some(149), Some(612), Some(1_390), Some(1_395), Some(2_500), None];

/// Unpacks the real data into a directory; gives its root.
pub fn unpack(into: &Path) -> io::Result<PathBuf> {
    let mut decoder = zstd::Decoder::with_buffer(ARCHIVE)?;
    decoder.window_log_max(WINDOW_LOG)?;
    tar::Archive::new(decoder).unpack(into)?;
    Ok(into.join(NAME))
}

/// The control-db zip that belongs to a moment: the older one until the last.
pub fn control_db(root: &Path, is_last: bool) -> io::Result<PathBuf> {
    let mut zips: Vec<PathBuf> =
        fs::read_dir(root.join("backups"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    zips.sort();
    let zip = if is_last { zips.pop() } else { zips.into_iter().next() };
    zip.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no control-db zip in the demo's data"))
}

/// Writes the data directory as it was after the event `last` (as it is, without one) to `target`.
pub fn write_moment(root: &Path, last: Option<u64>, target: &Path) -> io::Result<()> {
    let from = root.join("data/default");
    let to = target.join("data/default");
    fs::create_dir_all(&to)?;
    let until = match last.and_then(Token::new) {
        Some(token) => Some((token, time_of(&from, token)?)),
        None => None,
    };
    for entry in fs::read_dir(&from)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let FileKind::Data { store, name: segment, .. } = classify(&name) {
            let bytes = fs::read(from.join(&name))?;
            let kept = match until {
                Some(until) => cut(&bytes, store, segment.number, until),
                None => Some(bytes),
            };
            if let Some(kept) = kept {
                write_sparse(&to.join(&name), &kept)?;
            }
        }
    }
    Ok(())
}

/// The time of an event.
fn time_of(directory: &Path, token: Token) -> io::Result<Timestamp> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let FileKind::Data { store: Store::Events, name, .. } = classify(&name) {
            let bytes = fs::read(&path)?;
            let holder =
                walk(&bytes, name.number).find(|t| t.first_token <= token && t.last_token() >= token);
            if let Some(time) = holder.and_then(|transaction| last_time(&transaction)) {
                return Ok(time);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "no such event in the demo's data"))
}

fn last_time(transaction: &Transaction<'_>) -> Option<Timestamp> {
    transaction.event_bytes().last().and_then(|bytes| event::timestamp(bytes).ok())
}

/// A segment as it was when the last event had that token and time; none if it was not there yet.
fn cut(bytes: &[u8], store: Store, first: Token, (last, time): (Token, Timestamp)) -> Option<Vec<u8>> {
    let was_there = |transaction: &Transaction<'_>| match store {
        Store::Events => transaction.last_token() <= last,
        Store::Snapshots => last_time(transaction).is_some_and(|at| at <= time),
    };
    if first > last && store == Store::Events {
        return None;
    }
    let mut transactions = walk(bytes, first);
    let mut end = usize::try_from(crate::axon::segment::HEADER_LENGTH).unwrap_or_default();
    for transaction in transactions.by_ref() {
        if !was_there(&transaction) {
            let mut kept = bytes.get(..end)?.to_vec();
            kept.resize(bytes.len(), 0);
            return Some(kept);
        }
        end = usize::try_from(transaction.end()).ok()?;
    }
    Some(bytes.to_vec())
}

/// Writes a file with its zero tail as a hole, as the server's preallocated files are.
fn write_sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    fs::write(path, bytes.get(..content).unwrap_or_default())?;
    fs::OpenOptions::new().write(true).open(path)?.set_len(bytes.len() as u64)
}
