//! What stands behind the valid prefix of a file that goes: whole transactions behind damage, and bytes that are none. Nobody knows what those were, so
//! they count, unless the archive has what stood there.

use crate::axon::segment::{Ending, HEADER_LENGTH, Step, Walker};
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::proof::Proven;
use crate::engine::restore::check::is_lost;
use crate::engine::restore::error::at;
use crate::engine::window::{Bytes, Window};
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::store::Repository;
use crate::source;
use crate::source::segment_bytes::SegmentBytes;
use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that are looked at together; a disk that has lost one of them has lost them all.
const PAGE: u64 = 4096;

/// What a sealed segment ends with.
const SEALED: [u8; 4] = [0xff; 4];

/// What stands there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Events of whole transactions.
    pub events: u64,
    /// Those that the archive has not.
    pub unarchived: u64,
    /// The last one's token.
    pub last: Option<Token>,
    /// Which of the entries have one of the transactions.
    pub equal: BTreeSet<usize>,
    /// Where no transaction can be read.
    gaps: Vec<Range<u64>>,
}

/// The file, of which what the disk has lost can't be read: as if it ended there.
struct Found {
    path: PathBuf,
    file: File,
    length: u64,
}

/// Which of the archived entries have the bytes of a transaction at this offset.
type Having<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<Vec<usize>, Error>;

impl SegmentBytes for Found {
    fn length(&self) -> u64 {
        self.length
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, source::Error> {
        match self.file.read_at(buffer, offset) {
            Err(error) if is_lost(&error) => Ok(0),
            read => read.map_err(|source| source::Error::Io { path: self.path.clone(), source }),
        }
    }
}

impl Behind {
    /// Walks on behind the valid prefix. `entries` are those of the same name.
    pub fn of(
        repository: &Repository,
        path: &Path,
        length: u64,
        proven: &Proven,
        (first, entries): (Token, &[SegmentEntry]),
    ) -> Result<Self, Error> {
        let file = File::open(path).map_err(at(path))?;
        let found = Found { path: path.to_owned(), file, length };
        let mut behind = Self::default();
        if !matches!(proven.ending, Ending::Stopped(_)) {
            behind.rest(proven.logical_end, proven.ending, length);
            return Ok(behind);
        }
        let begin = proven.logical_end.max(HEADER_LENGTH).min(length);
        behind.gap(proven.logical_end..begin);
        let token = first.plus(proven.events).unwrap_or(first);
        let mut archived: Vec<_> =
            entries.iter().map(|entry| Some(Window::new(Bytes::Archived(repository, entry)))).collect();
        behind.walk(&found, Walker::resume(begin, token, length), &mut |offset, block| {
            equal(&mut archived, entries, offset, block)
        })?;
        Ok(behind)
    }

    /// Walks as far as sizes lead; of each whole transaction `has` says which entries have it.
    fn walk(&mut self, found: &Found, mut walker: Walker, has: Having<'_>) -> Result<(), Error> {
        let mut window = Window::new(Bytes::Source(found));
        let mut least = 16;
        loop {
            let begin = walker.offset();
            let visible = window.at(begin, least)?;
            match walker.step(visible) {
                Step::Transaction(block) => {
                    let who = has(block.offset, block.bytes)?;
                    self.events += u64::from(block.events);
                    self.unarchived += if who.is_empty() { u64::from(block.events) } else { 0 };
                    self.last = Some(block.last_token());
                    self.equal.extend(who);
                }
                Step::NeedMore(more) if more > visible.len() as u64 && more > least as u64 => {
                    least = usize::try_from(more).unwrap_or(usize::MAX);
                    continue;
                }
                Step::End(Ending::Stopped(_)) if walker.skip_damaged(visible).is_some() => {
                    self.gap(begin..walker.offset());
                }
                Step::End(ending @ (Ending::Open | Ending::Rolled)) => {
                    self.rest(begin, ending, found.length);
                    return Ok(());
                }
                Step::NeedMore(_) | Step::End(_) => {
                    self.gap(begin..found.length);
                    return Ok(());
                }
            }
            least = 16;
        }
    }

    /// All behind an end, which itself is nothing.
    fn rest(&mut self, begin: u64, ending: Ending, length: u64) {
        let end = if ending == Ending::Rolled { SEALED.len() as u64 } else { 0 };
        self.gap(begin.saturating_add(end)..length);
    }

    fn gap(&mut self, gap: Range<u64>) {
        match self.gaps.last_mut() {
            _ if gap.is_empty() => {}
            Some(last) if last.end == gap.start => last.end = gap.end,
            _ => self.gaps.push(gap),
        }
    }

    /// Bytes that are no transaction, no zeros, and stand where the archive, which has all up to `archived`, has nothing.
    pub fn unreadable(&self, path: &Path, archived: u64) -> Result<u64, Error> {
        let file = File::open(path).map_err(at(path))?;
        let mut bytes = 0;
        for gap in &self.gaps {
            let begin = behind_end(&file, path, gap.start, archived)?;
            bytes += span(&file, path, begin..gap.end)?;
        }
        Ok(bytes)
    }
}

/// Where what the archive has not begins: where it ends may stand that the segment was sealed.
fn behind_end(file: &File, path: &Path, begin: u64, archived: u64) -> Result<u64, Error> {
    if archived < begin {
        return Ok(begin);
    }
    let sealed = archived.saturating_add(SEALED.len() as u64);
    Ok(if page(file, path, archived..sealed)?.as_deref() == Some(&SEALED) { sealed } else { archived })
}

/// From the first byte that is not zero to the last one; what can't be read may be anything.
fn span(file: &File, path: &Path, range: Range<u64>) -> Result<u64, Error> {
    let (mut first, mut end, mut offset) = (None, 0, range.start);
    while offset < range.end {
        let next = offset.saturating_add(PAGE).min(range.end);
        let bytes = page(file, path, offset..next)?;
        let bytes = bytes.as_deref();
        let from = bytes.map_or(Some(0), |bytes| bytes.iter().position(|byte| *byte != 0));
        let last = bytes.map_or(Some(0), |bytes| bytes.iter().rposition(|byte| *byte != 0));
        first = first.or(from.map(|from| offset.saturating_add(from as u64)));
        end = last.map_or(end, |last| offset.saturating_add(last as u64).saturating_add(1));
        offset = next;
    }
    Ok(first.map_or(0, |first| end.saturating_sub(first)))
}

/// Some bytes of a file, fewer at its end; none if its disk has lost them.
fn page(file: &File, path: &Path, range: Range<u64>) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default()];
    let mut filled = 0;
    loop {
        let place = bytes.get_mut(filled..).unwrap_or_default();
        match file.read_at(place, range.start.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if is_lost(&error) => return Ok(None),
            Err(error) => return Err(at(path)(error).into()),
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// The entries that have these bytes at this place. What the repository has lost, it has not.
fn equal(
    archived: &mut [Option<Window<'_>>],
    entries: &[SegmentEntry],
    offset: u64,
    block: &[u8],
) -> Result<Vec<usize>, Error> {
    let mut who = Vec::new();
    for (at, (place, entry)) in archived.iter_mut().zip(entries).enumerate() {
        let Some(window) = place else { continue };
        if entry.stored_length < offset.saturating_add(block.len() as u64) {
            continue;
        }
        match window.at(offset, block.len()) {
            Ok(bytes) if bytes.starts_with(block) => who.push(at),
            Ok(_) => {}
            Err(Error::Repo(repo::Error::ChunkDamaged { .. } | repo::Error::ChunkMissing { .. })) => {
                *place = None;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(who)
}
