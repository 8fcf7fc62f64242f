//! The sample as a node's directory that grows: whole, or cut at a transaction.

use crate::axon::name::{SegmentName, Store};
use crate::axon::token::Token;
use crate::engine::bench::corpus::HEADER;
use crate::engine::bench::error::Error;
use crate::engine::bench::sample::{Log, Mark, Part, Sample};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const END_SEALED: [u8; 4] = [0xff; 4];
const END_OPEN: [u8; 4] = [0; 4];

/// The node.
#[derive(Debug)]
pub(super) struct Node {
    root: PathBuf,
    logs: Vec<Log>,
    /// The log that grows, by its place.
    growing: usize,
}

/// A state of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The last segment but one is open, and half written; the last one is not there.
    First,
    /// That segment has grown by a quarter of its length.
    Grown,
    /// That segment is sealed, and the last one is there.
    Sealed,
    /// What had happened up to this time.
    At(i64),
}

/// What of a segment is there.
#[derive(Clone, Copy)]
enum Cut {
    None,
    Open(u64),
    Sealed,
}

impl Node {
    /// A node below `root`; of the log with the most bytes the last segment is cut in two where there is only one.
    pub(super) fn new(root: PathBuf, sample: &Sample) -> Self {
        let mut logs = sample.logs.clone();
        let weight = |log: &Log| (log.store == Store::Events, log.bytes());
        let growing = (0..logs.len()).max_by_key(|at| logs.get(*at).map(weight)).unwrap_or(0);
        if let Some(log) = logs.get_mut(growing).filter(|log| log.parts.len() == 1) {
            split(log);
        }
        Self { root, logs, growing }
    }

    /// Its directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Brings it into a state: files that are as they should be are left alone. Gives its bytes of history.
    pub(super) fn set(&self, state: State) -> Result<u64, Error> {
        let mut bytes = 0;
        for (at, log) in self.logs.iter().enumerate() {
            for (index, part) in log.parts.iter().enumerate() {
                let behind = log.parts.len() - index;
                let cut = cut(state, part, if at == self.growing { behind } else { 0 });
                let path = self.path(log, part);
                bytes += write(part, cut, &path).map_err(Error::of(&path))?;
            }
        }
        Ok(bytes)
    }

    /// The files, relative to the root.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let logs = self.logs.iter().flat_map(|log| log.parts.iter().map(|part| self.path(log, part)));
        let there = logs.filter(|path| path.exists());
        there.filter_map(|path| path.strip_prefix(&self.root).ok().map(Path::to_path_buf)).collect()
    }

    fn path(&self, log: &Log, part: &Part) -> PathBuf {
        let number = Token::new(part.token).unwrap_or(Token::ZERO);
        let name = SegmentName { number, version: part.version }.file_name(log.store);
        self.root.join("data").join(&log.context).join(name)
    }
}

/// One segment becomes two: so one of them can be sealed.
fn split(log: &mut Log) {
    let Some(part) = log.parts.first_mut() else { return };
    let middle = part.marks.len().saturating_mul(3) / 4;
    let Some(mark) = middle.checked_sub(1).and_then(|at| part.marks.get(at)).copied() else { return };
    let mut rest = part.clone();
    rest.marks.drain(..middle);
    (rest.from, rest.token, rest.version) = (mark.offset, mark.token, 0);
    part.marks.truncate(middle);
    (part.to, part.sealed) = (mark.offset, true);
    log.parts.push(rest);
}

/// `behind`: how many segments of the log that grows are from this one on; 0 for other logs.
fn cut(state: State, part: &Part, behind: usize) -> Cut {
    let whole = if part.sealed { Cut::Sealed } else { Cut::Open(part.to) };
    match (state, behind) {
        (State::First, 2) => Cut::Open(marked(part, 2)),
        (State::Grown, 2) => Cut::Open(marked(part, 3)),
        (State::First | State::Grown, 1) => Cut::None,
        (State::At(time), _) => cut_at(part, time, whole),
        _ => whole,
    }
}

/// The mark at so many quarters of a segment.
fn marked(part: &Part, quarters: u64) -> u64 {
    let wanted = part.from.saturating_add(part.bytes() / 4 * quarters);
    let before = part.marks.partition_point(|mark| mark.offset <= wanted);
    part.marks.get(before.saturating_sub(1)).map_or(part.to, |mark| mark.offset)
}

fn cut_at(part: &Part, time: i64, whole: Cut) -> Cut {
    let before = part.marks.partition_point(|mark| mark.at <= time);
    if before == part.marks.len() {
        return whole;
    }
    let last: Option<&Mark> = before.checked_sub(1).and_then(|at| part.marks.get(at));
    last.map_or(Cut::None, |mark| Cut::Open(mark.offset))
}

/// Writes what is there of a segment, unless it is there already; gives the bytes of its history.
fn write(part: &Part, cut: Cut, path: &Path) -> io::Result<u64> {
    let (to, end) = match cut {
        Cut::None => return remove(path).map(|()| 0),
        Cut::Open(to) => (to, END_OPEN),
        Cut::Sealed => (part.to, END_SEALED),
    };
    let header = HEADER.len() as u64;
    let bytes = to.saturating_sub(part.from).saturating_add(header);
    let length =
        part.length.saturating_sub(part.from.saturating_sub(header)).max(bytes + END_OPEN.len() as u64);
    if is_there(path, bytes, end, length)? {
        return Ok(bytes);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut input = File::open(&part.path)?;
    let mut head = [0; HEADER.len()];
    input.read_exact(&mut head)?;
    input.seek(SeekFrom::Start(part.from))?;
    let mut out = File::create(path)?;
    out.write_all(&head)?;
    io::copy(&mut input.take(bytes - header), &mut out)?;
    out.write_all(&end)?;
    out.set_len(length)?;
    Ok(bytes)
}

/// The same segment ends at another place in each state: what stands there tells which one the file is in.
fn is_there(path: &Path, bytes: u64, end: [u8; 4], length: u64) -> io::Result<bool> {
    let mut file = match OpenOptions::new().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    if file.metadata()?.len() != length {
        return Ok(false);
    }
    let mut found = [0; 5];
    file.seek(SeekFrom::Start(bytes.saturating_sub(1)))?;
    file.read_exact(&mut found)?;
    // The last byte of a transaction is that of its CRC-32, which can be 0: then the file is written once more than needed.
    Ok(found[0] != 0 && found[1..] == end)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
