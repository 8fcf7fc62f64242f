//! Walking a segment front to back in bounded memory, wherever its bytes lie: in a map, in a file, in the archive.
//!
//! A window is as long as the longest transaction so far, and at least 256 KiB. The bytes of a transaction are read once: what was
//! checked is what is archived.

use crate::axon::segment::Ending;
use crate::axon::segment::HEADER_LENGTH;
use crate::axon::segment::Step;
use crate::axon::segment::Transaction;
use crate::axon::segment::Walker;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::limits::memory::SPILL_ABOVE;
use crate::repo::store::Repository;
use crate::source::segment_bytes::{SegmentBytes, Spill, Spilled};

/// Bytes that are read at once.
const WINDOW: usize = 256 << 10;

/// Giants are read in such pieces.
const SPILL_PIECE: usize = 4 << 20;

/// Where the bytes come from.
#[derive(Clone, Copy)]
pub enum Bytes<'a> {
    /// A file at the source.
    Source(&'a dyn SegmentBytes),
    /// The stored bytes of an entry.
    Archived(&'a Repository, &'a SegmentEntry),
}

impl Bytes<'_> {
    /// How many there are.
    pub fn length(&self) -> u64 {
        match self {
            Self::Source(bytes) => bytes.length(),
            Self::Archived(_, entry) => entry.stored_length,
        }
    }

    /// Reads at `offset`; fewer bytes than asked for only at the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Source(bytes) => Ok(bytes.read_at(offset, buffer)?),
            Self::Archived(repository, entry) => read_archived(repository, entry, offset, buffer),
        }
    }
}

fn skip_in(begin: u64, offset: u64) -> usize {
    usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX)
}

fn read_archived(
    repository: &Repository,
    entry: &SegmentEntry,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, Error> {
    let end = offset.saturating_add(buffer.len() as u64).min(entry.stored_length);
    let mut filled = 0;
    if offset < end {
        repository.read_extents(&entry.extents, offset..end, &mut |piece| {
            if let Some(place) = buffer.get_mut(filled..filled + piece.len()) {
                place.copy_from_slice(piece);
                filled += piece.len();
            }
            Ok(())
        })?;
    }
    Ok(filled)
}

/// A window over bytes that only moves forward.
pub struct Window<'a> {
    bytes: Bytes<'a>,
    buffer: Vec<u8>,
    /// In place of `buffer`, where that would be too long: a giant.
    spilled: Option<Spilled>,
    /// Offset of the first byte in `buffer`.
    begin: u64,
}

impl<'a> Window<'a> {
    /// A window at the head.
    pub fn new(bytes: Bytes<'a>) -> Self {
        Self { bytes, buffer: Vec::new(), spilled: None, begin: 0 }
    }

    /// The bytes from `offset` on: at least `least`, unless the end comes first.
    pub fn at(&mut self, offset: u64, least: usize) -> Result<&[u8], Error> {
        if let Bytes::Source(bytes) = self.bytes
            && let Some(all) = bytes.mapped()
        {
            return Ok(usize::try_from(offset).ok().and_then(|at| all.get(at..)).unwrap_or_default());
        }
        let skip = skip_in(self.begin, offset);
        if self.spills(offset, skip, least)? {
            return Ok(self
                .spilled
                .as_deref()
                .and_then(|all| all.get(skip_in(self.begin, offset)..))
                .unwrap_or_default());
        }
        if self.buffer.len().saturating_sub(skip) < least {
            self.refill(offset, skip, least)?;
            return Ok(&self.buffer);
        }
        Ok(self.buffer.get(skip..).unwrap_or_default())
    }

    /// Whether the bytes from `offset` on are those of a giant, in a temporary file. Where none can be made, memory has to do.
    fn spills(&mut self, offset: u64, skip: usize, least: usize) -> Result<bool, Error> {
        if let Some(all) = &self.spilled {
            if all.len().saturating_sub(skip) >= least {
                return Ok(true);
            }
            // What is left of it is less than a block's head, or nothing.
            self.buffer = all.get(skip..).unwrap_or_default().to_vec();
            (self.spilled, self.begin) = (None, offset);
            return Ok(false);
        }
        if least <= SPILL_ABOVE || self.buffer.len().saturating_sub(skip) >= least {
            return Ok(false);
        }
        let Some(spilled) = self.spill(offset, skip, least)? else { return Ok(false) };
        self.buffer = Vec::new();
        (self.spilled, self.begin) = (Some(spilled), offset);
        Ok(true)
    }

    /// The bytes from `offset` on, `least` of them if there are so many: those that were read are not read again.
    fn spill(&self, offset: u64, skip: usize, least: usize) -> Result<Option<Spilled>, Error> {
        let Ok(mut spill) = Spill::new() else { return Ok(None) };
        if spill.push(self.buffer.get(skip..).unwrap_or_default()).is_err() {
            return Ok(None);
        }
        let mut piece = vec![0; SPILL_PIECE];
        while spill.length() < least as u64 {
            let left = usize::try_from(least as u64 - spill.length()).unwrap_or(SPILL_PIECE);
            let place = piece.get_mut(..left.min(SPILL_PIECE)).unwrap_or_default();
            let got = self.bytes.read_at(offset.saturating_add(spill.length()), place)?;
            if got == 0 {
                break;
            }
            if spill.push(place.get(..got).unwrap_or_default()).is_err() {
                return Ok(None);
            }
        }
        Ok(spill.read().ok())
    }

    /// Moves the window to `offset` and fills it: what was read before is not read again.
    fn refill(&mut self, offset: u64, skip: usize, least: usize) -> Result<(), Error> {
        self.buffer.drain(..skip.min(self.buffer.len()));
        self.begin = offset;
        // Behind the end there is nothing to make room for. What a file has grown by meanwhile is not read: as long as it was when it was opened.
        let rest = usize::try_from(self.bytes.length().saturating_sub(offset)).unwrap_or(WINDOW);
        let wanted = least.max(WINDOW.min(rest));
        let had = self.buffer.len();
        self.buffer.resize(wanted, 0);
        let mut filled = had;
        while filled < wanted {
            let at = offset.saturating_add(filled as u64);
            match self.bytes.read_at(at, self.buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(got) => filled += got,
                // What could be read before the bad place serves as far as it goes.
                Err(_) if filled > had && filled >= least => break,
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Length of the valid prefix.
    pub logical_end: u64,
    /// What stands there.
    pub ending: Ending,
    /// The token that the next event would have.
    pub next_token: Token,
}

/// Walks all transactions of a segment whose first token is `first`, handing each to `visit`.
pub fn walk(
    bytes: Bytes<'_>,
    first: Token,
    visit: &mut dyn FnMut(&Transaction<'_>) -> Result<(), Error>,
) -> Result<Walked, Error> {
    walk_window(&mut Window::new(bytes), first, visit)
}

/// The same through a window of which nothing before its head was dropped yet: what was looked at through it is not read again.
pub fn walk_window(
    window: &mut Window<'_>,
    first: Token,
    visit: &mut dyn FnMut(&Transaction<'_>) -> Result<(), Error>,
) -> Result<Walked, Error> {
    let mut walker = Walker::new(first, window.bytes.length());
    let mut least = HEADER_LENGTH + 4;
    loop {
        let offset = walker.offset();
        let visible = window.at(offset, usize::try_from(least).unwrap_or(usize::MAX))?;
        match walker.step(visible) {
            Step::Transaction(transaction) => {
                visit(&transaction)?;
                least = 4;
            }
            Step::NeedMore(more) if (visible.len() as u64) < more => {
                if more <= least {
                    // The file is shorter than it said when it was opened.
                    return Ok(ended(&walker, Ending::Stopped(crate::axon::segment::Reason::Truncated)));
                }
                least = more;
            }
            Step::NeedMore(_) => {
                return Ok(ended(&walker, Ending::Stopped(crate::axon::segment::Reason::Truncated)));
            }
            Step::End(ending) => return Ok(ended(&walker, ending)),
        }
    }
}

fn ended(walker: &Walker, ending: Ending) -> Walked {
    Walked { logical_end: walker.offset(), ending, next_token: walker.next_token() }
}
