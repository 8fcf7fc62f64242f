//! A part of somebody's data that is measured: the newest transactions of each log, up to a number of bytes.

use crate::axon::event;
use crate::axon::name::{SegmentName, Store};
use crate::axon::segment::{Step, Transaction, Walker};
use crate::axon::token::Token;
use crate::engine::bench::error::Error;
use crate::engine::error;
use crate::engine::observe::{Event, Observer};
use crate::source::Source;
use crate::source::listing::{Listing, StoreFile, StoreListing};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// Marks are at least so many bytes apart: a sample is cut there.
const MARK_EVERY: u64 = 4 << 10;
/// What is read of a file at once.
const READ: usize = 1 << 20;

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The logs that have a transaction.
    pub(super) logs: Vec<Log>,
    /// Lengths of all segments of the data directory, sampled or not.
    pub files: u64,
    /// Lengths of the segments that the sample comes from.
    pub sampled_files: u64,
    /// Events in it.
    pub events: u64,
}

/// The newest part of a log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) context: String,
    pub(super) store: Store,
    /// Its segments, oldest first.
    pub(super) parts: Vec<Part>,
}

/// A segment, or what is taken of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Token of the first event that is taken.
    pub(super) token: u64,
    pub(super) version: u32,
    /// Where the first transaction taken begins, and where the last one ends.
    pub(super) from: u64,
    pub(super) to: u64,
    /// The file's length.
    pub(super) length: u64,
    pub(super) sealed: bool,
    pub(super) events: u64,
    /// Ends of transactions, in their order; the last one is `to`.
    pub(super) marks: Vec<Mark>,
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    /// Token of the next event.
    pub(super) token: u64,
    /// The latest time of an event so far, milliseconds.
    pub(super) at: i64,
}

impl Part {
    /// Bytes of history.
    pub(super) fn bytes(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl Log {
    /// Bytes of history.
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::bytes).sum()
    }
}

impl Sample {
    /// Bytes of history.
    pub fn bytes(&self) -> u64 {
        self.logs.iter().map(Log::bytes).sum()
    }

    /// When its first and its last event happened, milliseconds; none if no time can be read.
    pub fn times(&self) -> Option<(i64, i64)> {
        let marks = || self.logs.iter().flat_map(|log| log.parts.iter().flat_map(|part| &part.marks));
        let times = || marks().map(|mark| mark.at).filter(|at| *at > i64::MIN);
        Some((times().min()?, times().max()?))
    }

    /// How many segments it comes from, and how many contexts.
    pub fn counts(&self) -> (usize, usize) {
        let mut contexts: Vec<&str> = self.logs.iter().map(|log| log.context.as_str()).collect();
        contexts.dedup();
        (self.logs.iter().map(|log| log.parts.len()).sum(), contexts.len())
    }
}

/// Takes the newest `limit` bytes, each log by its share of the whole.
pub(super) fn take(
    source: &mut dyn Source,
    limit: u64,
    observer: &dyn Observer,
) -> Result<Sample, error::Error> {
    let listing = source.listing()?;
    let all: u64 = stores(&listing).map(|(_, _, store)| length(store)).sum();
    let mut sample = Sample { files: all, ..Sample::default() };
    observer.event(&Event::Phase { name: "sampling", total: Some(limit.min(all)) });
    for (context, store, found) in stores(&listing) {
        let share = u128::from(limit) * u128::from(length(found)) / u128::from(all.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX).max(1);
        let parts = newest(found, if limit >= all { u64::MAX } else { share }, observer)?;
        sample.sampled_files += parts.iter().map(|part| part.length).sum::<u64>();
        sample.events += parts.iter().map(|part| part.events).sum::<u64>();
        if !parts.is_empty() {
            sample.logs.push(Log { context: context.to_owned(), store, parts });
        }
    }
    Ok(sample)
}

fn stores(listing: &Listing) -> impl Iterator<Item = (&str, Store, &StoreListing)> {
    listing.contexts.iter().flat_map(|(name, context)| {
        [Store::Snapshots, Store::Events].map(|store| (name.as_str(), store, context.store(store)))
    })
}

fn length(store: &StoreListing) -> u64 {
    store.segments.iter().map(|file| file.length).sum()
}

/// The newest segments, oldest first; of the oldest one only what there is room for.
fn newest(store: &StoreListing, limit: u64, observer: &dyn Observer) -> Result<Vec<Part>, error::Error> {
    let (mut parts, mut left): (Vec<Part>, u64) = (Vec::new(), limit);
    for file in newest_versions(&store.segments).into_iter().rev() {
        if left == 0 || observer.interrupted() {
            break;
        }
        let mut part = read(file, observer)?;
        shorten(&mut part, left);
        let behind = parts.last().map(|next| next.token);
        // A segment that does not lead up to the next one is damaged, or a hole: the sample begins behind it.
        if behind.is_some_and(|token| part.marks.last().is_none_or(|mark| mark.token != token)) {
            break;
        }
        left = left.saturating_sub(part.bytes());
        if part.bytes() > 0 {
            part.sealed = !parts.is_empty();
            parts.push(part);
        }
    }
    parts.reverse();
    Ok(parts)
}

/// The highest version of each number.
fn newest_versions(segments: &[StoreFile]) -> Vec<&StoreFile> {
    let mut found: Vec<&StoreFile> = Vec::new();
    for file in segments {
        if found.last().is_some_and(|last| last.name.number == file.name.number) {
            found.pop();
        }
        found.push(file);
    }
    found
}

/// Leaves out the oldest transactions, but never all of them.
fn shorten(part: &mut Part, limit: u64) {
    if part.bytes() <= limit {
        return;
    }
    let wanted = part.to.saturating_sub(limit);
    let last = part.marks.len().saturating_sub(1);
    let at = part.marks.partition_point(|mark| mark.offset < wanted).min(last.saturating_sub(1));
    if let Some(mark) = part.marks.get(at).copied().filter(|mark| mark.offset < part.to) {
        let share = part.bytes();
        (part.from, part.token) = (mark.offset, mark.token);
        part.events = part.events.saturating_mul(part.bytes()) / share.max(1);
        part.marks.drain(..=at);
    }
}

/// Walks a segment.
fn read(file: &StoreFile, observer: &dyn Observer) -> Result<Part, Error> {
    let mut input = File::open(&file.path).map_err(Error::of(&file.path))?;
    let mut walker = Walker::new(file.name.number, file.length);
    let mut part = empty(file);
    let (mut window, mut at, mut latest) = (Vec::new(), 0, i64::MIN);
    loop {
        let before = walker.offset();
        match walker.step(window.get(at..).unwrap_or_default()) {
            Step::Transaction(transaction) => {
                latest = latest.max(time(&transaction).unwrap_or(i64::MIN));
                if part.events == 0 {
                    part.from = transaction.offset;
                }
                part.events += u64::from(transaction.events);
                mark(&mut part, &transaction, latest);
                at += usize::try_from(walker.offset() - before).unwrap_or(usize::MAX);
            }
            Step::NeedMore(more) => {
                window.drain(..at.min(window.len()));
                at = 0;
                if !fill(&mut input, &mut window, more).map_err(Error::of(&file.path))? {
                    break;
                }
            }
            Step::End(_) => break,
        }
    }
    part.to = part.marks.last().map_or(part.from, |mark| mark.offset);
    observer.event(&Event::Bytes(part.length));
    Ok(part)
}

fn empty(file: &StoreFile) -> Part {
    let SegmentName { number, version } = file.name;
    Part {
        path: file.path.to_path_buf(),
        token: number.get(),
        version,
        from: 0,
        to: 0,
        length: file.length,
        sealed: false,
        events: 0,
        marks: Vec::new(),
    }
}

/// Marks the end of a transaction: the newest one always; those before it where they are far enough apart. A block that belongs together
/// with the next one is no place to cut.
fn mark(part: &mut Part, transaction: &Transaction<'_>, at: i64) {
    let Some(token) =
        transaction.last_token().plus(1).map(Token::get).filter(|_| !transaction.is_continued())
    else {
        return;
    };
    if let [.., before, last] = part.marks.as_slice()
        && last.offset.saturating_sub(before.offset) < MARK_EVERY
    {
        part.marks.pop();
    }
    part.marks.push(Mark { offset: transaction.end(), token, at });
}

/// The time of a transaction's first event.
fn time(transaction: &Transaction<'_>) -> Option<i64> {
    let first = transaction.event_bytes().next()?;
    event::timestamp(first).ok().map(|time| time.0)
}

/// Reads on until there are so many bytes; false at the end of the file.
fn fill(input: &mut File, window: &mut Vec<u8>, wanted: u64) -> std::io::Result<bool> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let more = wanted.saturating_sub(window.len()).max(READ) as u64;
    let read = input.by_ref().take(more).read_to_end(window)?;
    Ok(read > 0)
}
