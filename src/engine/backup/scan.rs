//! Reading one segment of the source: once, front to back, every transaction parsed and every CRC checked, cut into chunks on the way.

use crate::axon::event;
use crate::axon::name::Store;
use crate::axon::segment::Ending;
use crate::axon::segment::HEADER_LENGTH;
use crate::axon::segment::Reason;
use crate::axon::segment::Transaction;
use crate::axon::time::Times;
use crate::engine::backup::flawed::Behind;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::Event;
use crate::engine::observe::Observer;
use crate::engine::window::Bytes;
use crate::engine::window::Walked;
use crate::engine::window::Window;
use crate::engine::window::walk_window;
use crate::repo::chunking::Cutter;
use crate::repo::chunking::Profile;
use crate::repo::format::entry::End;
use crate::repo::format::entry::Extent;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::format::id::ContentHash;
use crate::repo::format::id::Hasher;
use crate::repo::format::limits::TRANSACTION_CUT;
use crate::repo::format::pack::PackKind;
use crate::repo::format::time_map::{Block, TimeMapBuilder};
use crate::source;
use crate::source::listing::StoreFile;
use std::sync::Arc;

/// Bytes of the prefix that are hashed together: still warm in the cache.
const HASHED_AT_ONCE: usize = 256 << 10;

/// A segment of the source, read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Its file.
    pub file: StoreFile,
    /// What stood behind the valid prefix.
    pub ending: Ending,
    /// The valid prefix, as an entry.
    pub entry: Arc<SegmentEntry>,
    /// Whether anything but zeros stands behind the prefix and its end.
    pub noise: bool,
    /// Hashes of the prefixes that were asked for, as far as they end at a transaction of this segment, with their lengths. There are one or two,
    /// and of segments a hundred thousand: a map would take ten times the room.
    pub checkpoints: Vec<(u64, ContentHash)>,
    /// The hash of the prefix, to go on with; only where something stands behind it that is no proper end.
    pub(super) prefix: Option<Box<Hasher>>,
    /// Why no more of it could be read, if that is why it stopped.
    pub unreadable: Option<String>,
}

impl Scan {
    /// Whether the prefix ends at a proper end, not at something torn or damaged.
    pub fn is_clean(&self) -> bool {
        !matches!(self.ending, Ending::Stopped(_))
    }

    /// Why it stopped, if it did.
    pub fn reason(&self) -> Option<Reason> {
        match self.ending {
            Ending::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the first `length` bytes are known to hash to `content`.
    pub fn begins_with(&self, length: u64, content: ContentHash) -> bool {
        // Everything begins with nothing.
        length == 0 || self.checkpoints.contains(&(length, content))
    }
}

/// What reads a segment: its chunks go to `sink`.
pub struct Scanner<'a, 's> {
    sink: &'a mut Sink<'s>,
    observer: &'a dyn Observer,
    kind: PackKind,
    store: Store,
    cutter: Cutter,
    pending: Vec<u8>,
    /// So many bytes of these are hashed: many at once cost a fraction of what as many transactions cost.
    hashed: usize,
    /// Bytes that were taken since somebody was told.
    untold: u64,
    extents: Vec<Extent>,
    hasher: Hasher,
    /// Lengths at which the hash of the prefix is wanted.
    wanted: &'a [u64],
    checkpoints: Vec<(u64, ContentHash)>,
    events: u64,
    transactions: u64,
    /// Where the last transaction ended.
    end: u64,
    times: TimesSoFar,
    map: TimeMapBuilder,
}

/// Times of the events so far.
#[derive(Clone, Copy, Debug)]
enum TimesSoFar {
    None,
    Known(Times),
    /// An event could not be read: an encrypting transformer, or no event at all.
    Unreadable,
}

/// Reads a segment. `wanted` are the lengths (rising) at which the hash of the prefix is wanted. A sealed one is cut as tails are, if `as_tail`
/// says so.
pub fn scan(
    sink: &mut Sink<'_>,
    observer: &dyn Observer,
    file: &StoreFile,
    bytes: Bytes<'_>,
    (wanted, as_tail): (&[u64], bool),
) -> Result<Scan, Error> {
    let profile = if file.is_volatile || as_tail { Profile::Tail } else { Profile::Sealed };
    let kind = if file.is_volatile { PackKind::Tail } else { PackKind::Sealed };
    let hasher = sink.naming().hasher();
    let mut scanner = Scanner {
        sink,
        observer,
        kind,
        store: file.store,
        cutter: Cutter::new(profile),
        pending: Vec::new(),
        hashed: 0,
        untold: 0,
        extents: Vec::new(),
        hasher,
        wanted,
        checkpoints: Vec::with_capacity(wanted.len().saturating_add(1)),
        events: 0,
        transactions: 0,
        end: 0,
        times: TimesSoFar::None,
        map: TimeMapBuilder::new(),
    };
    let (walked, unreadable) = scanner.walk(file, bytes)?;
    let scan = scanner.finish(file, bytes, walked)?;
    Ok(Scan { unreadable, ..scan })
}

/// The header of a segment, as far as it is there, through the window through which it is walked then: a header that was being written must not be
/// taken together with transactions that came later.
fn header_of(window: &mut Window<'_>) -> Result<Vec<u8>, Error> {
    let head = window.at(0, 5)?;
    Ok(head.get(..5).unwrap_or(head).to_vec())
}

impl Scanner<'_, '_> {
    /// Takes all transactions. A read error ends the valid prefix: what could be read before it is history all the same.
    fn walk(&mut self, file: &StoreFile, bytes: Bytes<'_>) -> Result<(Walked, Option<String>), Error> {
        let mut window = Window::new(bytes);
        let head = header_of(&mut window)?;
        let readable = head.get(1..5) == Some(&[0; 4]);
        let walked = walk_window(&mut window, file.name.number, &mut |transaction| {
            self.take(transaction, &head, readable)
        });
        let (walked, unreadable) = match walked {
            Ok(walked) => (walked, None),
            Err(Error::Source(source::Error::Io { path, source })) if self.transactions > 0 => {
                let why = format!("{} can't be read: {source}", path.display());
                (self.stopped(file), Some(why))
            }
            Err(error) => return Err(error),
        };
        if walked.logical_end == HEADER_LENGTH {
            self.header(&head)?;
        }
        Ok((walked, unreadable))
    }

    /// Where it stands, if it can go no further.
    fn stopped(&self, file: &StoreFile) -> Walked {
        Walked {
            logical_end: self.end,
            ending: Ending::Stopped(Reason::Truncated),
            next_token: file.name.number.plus(self.events).unwrap_or(file.name.number),
        }
    }

    fn header(&mut self, head: &[u8]) -> Result<(), Error> {
        let header = head.get(..5).unwrap_or(head);
        self.cutter.header(header.len() as u64);
        self.append(header)?;
        self.checkpoint(header.len() as u64);
        Ok(())
    }

    /// Remembers the hash of the prefix of this length, if it is wanted.
    fn checkpoint(&mut self, length: u64) {
        if self.wanted.binary_search(&length).is_ok() {
            self.hash();
            self.checkpoints.push((length, self.hasher.content()));
        }
    }

    /// Takes the bytes of the prefix, into the chunk under construction.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() - self.hashed >= HASHED_AT_ONCE {
            self.hash();
        }
        if self.observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Hashes what is not yet hashed. What is stored is what is hashed, even if the file changes under a map.
    fn hash(&mut self) {
        self.hasher.update(self.pending.get(self.hashed..).unwrap_or_default());
        self.hashed = self.pending.len();
        self.observer.event(&Event::Bytes(std::mem::take(&mut self.untold)));
    }

    fn take(&mut self, transaction: &Transaction<'_>, head: &[u8], readable: bool) -> Result<(), Error> {
        if self.transactions == 0 {
            self.header(head)?;
        }
        let length = transaction.bytes.len() as u64;
        let cut = self.cutter.transaction(length, transaction.crc);
        if cut.before {
            self.flush()?;
        }
        if cut.inside {
            self.append_cut(transaction.bytes)?;
        } else {
            self.append(transaction.bytes)?;
        }
        if cut.after {
            self.flush()?;
        }
        self.untold += length;
        self.count(transaction, readable);
        Ok(())
    }

    /// A giant is cut inside, so that no chunk is too large.
    fn append_cut(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.chunks(usize::try_from(TRANSACTION_CUT).unwrap_or(usize::MAX)) {
            self.append(piece)?;
            self.flush()?;
        }
        Ok(())
    }

    fn count(&mut self, transaction: &Transaction<'_>, readable: bool) {
        self.events += u64::from(transaction.events);
        self.transactions += 1;
        self.end = transaction.end();
        let times = if readable { event::times(transaction) } else { None };
        self.times = match (self.times, times) {
            (TimesSoFar::None, Some(times)) => TimesSoFar::Known(times),
            (TimesSoFar::Known(before), Some(times)) => TimesSoFar::Known(before.then(times)),
            _ => TimesSoFar::Unreadable,
        };
        if let (Some(times), Some(next)) = (times, transaction.last_token().plus(1)) {
            self.map.push(Block {
                end_offset: transaction.end(),
                next_token: next,
                least: times.least,
                greatest: times.greatest,
                is_continued: transaction.is_continued(),
            });
        }
        self.checkpoint(transaction.end());
    }

    /// Ends the chunk under construction.
    fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.hash();
        self.hashed = 0;
        // The next chunk is likely as long.
        let room = Vec::with_capacity(self.pending.len());
        let mut bytes = std::mem::replace(&mut self.pending, room);
        // It waits for others now: without the room that it grew into.
        bytes.shrink_to_fit();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let chunk = self.sink.put_segment((self.kind, self.store), bytes)?;
        self.extents.push(Extent { chunk, length });
        Ok(())
    }

    fn finish(mut self, file: &StoreFile, bytes: Bytes<'_>, walked: Walked) -> Result<Scan, Error> {
        self.flush()?;
        self.observer.event(&Event::Bytes(self.untold));
        let content = self.hasher.content();
        self.checkpoints.push((walked.logical_end, content));
        self.extents.shrink_to_fit();
        let time_map = self.put_time_map()?;
        let behind = match Behind::look(bytes, walked, self.observer) {
            Err(Error::Source(source::Error::Io { .. })) => Behind { last_byte: None },
            result => result?,
        };
        let is_clean = !matches!(walked.ending, Ending::Stopped(_));
        let prefix = (!is_clean || behind.last_byte.is_some()).then(|| Box::new(self.hasher));
        let entry = Arc::new(SegmentEntry {
            name: file.name,
            logical_end: walked.logical_end,
            stored_length: walked.logical_end,
            file_length: bytes.length(),
            end: end_of(walked.ending),
            flaw: None,
            modified_ns: file.modified_ns,
            events: self.events,
            transactions: self.transactions,
            times: match self.times {
                TimesSoFar::Known(times) => Some(times),
                _ => None,
            },
            content,
            extents: self.extents,
            time_map,
        });
        Ok(Scan {
            file: file.clone(),
            ending: walked.ending,
            entry,
            noise: behind.last_byte.is_some(),
            checkpoints: self.checkpoints,
            prefix,
            unreadable: None,
        })
    }

    /// A time map pays only where there is more than one chunk to choose from.
    fn put_time_map(&mut self) -> Result<Option<ChunkId>, Error> {
        if self.extents.len() < 2 || !matches!(self.times, TimesSoFar::Known(_)) {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.map).finish().encode();
        Ok(Some(self.sink.put(self.kind, bytes)?))
    }
}

/// An ending as an entry says it.
pub(super) fn end_of(ending: Ending) -> End {
    match ending {
        Ending::Rolled => End::Rolled,
        Ending::EndOfFile => End::EndOfFile,
        Ending::Open | Ending::Stopped(_) => End::Open,
    }
}

/// Reads `length` bytes; a file that has become shorter is a torn one, and must not be taken for whole.
pub fn read_exactly(bytes: Bytes<'_>, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < buffer.len() {
        let place = buffer.get_mut(filled..).unwrap_or_default();
        match bytes.read_at(offset + filled as u64, place)? {
            0 => return Err(Error::Shrank { offset: offset + filled as u64 }),
            got => filled += got,
        }
    }
    Ok(buffer)
}
