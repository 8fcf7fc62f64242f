//! Reading the segments of a store: those that are proven to be unchanged are not read again.

use crate::axon::name::SegmentName;
use crate::axon::token::Token;
use crate::engine::backup::again::Again;
use crate::engine::backup::archived::ArchivedContext;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::proven::Names;
use crate::engine::backup::scan::Scan;
use crate::engine::backup::scan::scan;
use crate::engine::backup::sink::Sink;
use crate::engine::error::Error;
use crate::engine::observe::Event;
use crate::engine::observe::Observer;
use crate::engine::window::Bytes;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::limits::SEALED_CHUNK_MIN;
use crate::repo::format::limits::TAIL_CHUNK_MIN;
use crate::source;
use crate::source::Source;
use crate::source::listing::StoreFile;
use crate::source::segment_bytes::SegmentBytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A segment of the source.
pub enum SeenSegment {
    /// It was read.
    Scanned(Box<Scan>),
    /// It was not read again: number, version, size and time are those of the archived copy, which two complete points have read.
    Skipped(StoreFile, Arc<SegmentEntry>),
    /// It could not be read, and why.
    Unreadable(StoreFile, String),
}

impl SeenSegment {
    /// Its file.
    pub fn file(&self) -> &StoreFile {
        match self {
            Self::Scanned(scan) => &scan.file,
            Self::Skipped(file, _) | Self::Unreadable(file, _) => file,
        }
    }

    /// Number and version.
    pub fn name(&self) -> SegmentName {
        self.file().name
    }

    /// Its valid prefix, as far as it is known.
    pub fn entry(&self) -> Option<&SegmentEntry> {
        match self {
            Self::Scanned(scan) => Some(&scan.entry),
            Self::Skipped(_, entry) => Some(entry),
            Self::Unreadable(..) => None,
        }
    }

    /// Whether it was read and ends cleanly (or was proven before).
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Scanned(scan) => scan.is_clean(),
            Self::Skipped(..) => true,
            Self::Unreadable(..) => false,
        }
    }
}

/// What reads segments.
pub struct Reader<'a, 's> {
    /// Where chunks go.
    pub sink: &'a mut Sink<'s>,
    /// Where segments come from.
    pub source: &'a dyn Source,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Whether nothing is begun again any more: then a file that vanished is one that can't be read.
    pub is_last: bool,
}

/// What need not be read again.
pub struct Proven<'a> {
    /// The newest incarnation's log.
    pub log: Option<&'a ArchivedLog>,
    /// Names of segments that two complete points have read since they were sealed.
    pub twice: Names,
}

impl Proven<'_> {
    /// Nothing: everything is read.
    pub fn nothing() -> Self {
        Self { log: None, twice: Names::default() }
    }

    /// The archived copy of a segment that is sealed, or open, at the source, too.
    fn archived(&self, file: &StoreFile) -> Option<&SegmentEntry> {
        let log = self.log?;
        let entry = match (log.good(file.name), file.is_volatile) {
            // Pieces that a watch has left are joined by a scan.
            (None, true) => log.tail(file.name).filter(|tail| !has_shorter(tail, TAIL_CHUNK_MIN)),
            (good, false) => good,
            (Some(_), true) => None,
        };
        entry.filter(|entry| entry.events > 0)
    }

    /// The archived copy of a segment that need not be read.
    fn entry(&self, file: &StoreFile) -> Option<&Arc<SegmentEntry>> {
        if file.is_volatile || !self.twice.contains(file.name) {
            return None;
        }
        let entry = self.log?.shared(file.name)?;
        let same = entry.file_length == file.length && entry.modified_ns == file.modified_ns;
        same.then_some(entry)
    }
}

impl Reader<'_, '_> {
    /// Opens a segment.
    pub fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, Error> {
        Ok(self.source.open(file)?)
    }

    /// Reads all segments of a store, in their order.
    pub fn store(
        &mut self,
        files: &[StoreFile],
        proven: &Proven<'_>,
        archived: &[ArchivedContext],
    ) -> Result<Vec<SeenSegment>, Error> {
        let mut seen = Vec::with_capacity(files.len());
        for file in files {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            seen.push(self.segment(file, proven, archived)?);
        }
        Ok(seen)
    }

    /// Reads those segments again that were not read, and do not fit a neighbour that was: their sizes and times have lied. True if there were any.
    pub fn doubtful(
        &mut self,
        seen: &mut [SeenSegment],
        archived: &[ArchivedContext],
    ) -> Result<bool, Error> {
        let mut any = false;
        for at in misfits(seen) {
            let Some(place) = seen.get_mut(at) else { continue };
            *place = self.segment(&place.file().clone(), &Proven::nothing(), archived)?;
            any = true;
        }
        Ok(any)
    }

    fn segment(
        &mut self,
        file: &StoreFile,
        proven: &Proven<'_>,
        archived: &[ArchivedContext],
    ) -> Result<SeenSegment, Error> {
        if let Some(entry) = proven.entry(file)
            && self.has_all_chunks(entry)?
        {
            self.observer.event(&Event::Bytes(file.length));
            return Ok(SeenSegment::Skipped(file.clone(), Arc::clone(entry)));
        }
        self.observer.event(&Event::File { name: &file.path.to_string_lossy() });
        if let Some(scan) = self.again(file, proven, archived)? {
            self.sink.meet(&scan.entry);
            self.tell(file, &scan);
            return Ok(SeenSegment::Scanned(Box::new(scan)));
        }
        let as_tail = self.sink.repository().config().is_append_only() && is_cut_as_tail(archived, file);
        match self.scan(file, (&lengths_of(archived, file), as_tail)) {
            Ok(scan) => {
                self.tell(file, &scan);
                Ok(SeenSegment::Scanned(Box::new(scan)))
            }
            Err(Error::Source(source::Error::Io { path, source })) => Ok(SeenSegment::Unreadable(
                file.clone(),
                format!("{} can't be read: {source}", path.display()),
            )),
            Err(Error::Source(gone @ source::Error::Vanished { .. })) if self.is_last => {
                Ok(SeenSegment::Unreadable(file.clone(), gone.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a segment once more that is archived as it is now; none if it has to be scanned.
    fn again(
        &mut self,
        file: &StoreFile,
        proven: &Proven<'_>,
        archived: &[ArchivedContext],
    ) -> Result<Option<Scan>, Error> {
        let Some(entry) = proven.archived(file) else { return Ok(None) };
        if !self.has_all_chunks(entry)? {
            return Ok(None);
        }
        // What can't be opened is for the scan to say.
        let Ok(bytes) = self.source.open(file) else { return Ok(None) };
        let again = Again { observer: self.observer, entry, wanted: &lengths_of(archived, file) };
        again.scan(file, Bytes::Source(bytes.as_ref()), self.sink.naming().hasher())
    }

    /// The zeros behind the history are done, too; and what was saved so far.
    fn tell(&self, file: &StoreFile, scan: &Scan) {
        self.observer.event(&Event::Bytes(file.length.saturating_sub(scan.entry.logical_end)));
        let (raw, stored) = self.sink.saving();
        self.observer.event(&Event::Saved { raw, stored });
    }

    fn scan(&mut self, file: &StoreFile, wanted: (&[u64], bool)) -> Result<Scan, Error> {
        let bytes = self.source.open(file)?;
        scan(self.sink, self.observer, file, Bytes::Source(bytes.as_ref()), wanted)
    }

    /// Whether the archive still has every byte of an entry, and its time map: else it is read again, and stored again.
    fn has_all_chunks(&mut self, entry: &SegmentEntry) -> Result<bool, Error> {
        for chunk in entry.chunks() {
            if !self.sink.knows(chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The segments that were not read and do not begin or end where a neighbour that was read does. Two neighbours that were not read fit as they did
/// when they were.
fn misfits(seen: &[SeenSegment]) -> BTreeSet<usize> {
    let is_skipped = |segment: &SeenSegment| matches!(segment, SeenSegment::Skipped(..));
    let pairs = seen.iter().zip(seen.iter().skip(1)).enumerate();
    pairs
        .filter(|(_, (one, other))| is_skipped(one) != is_skipped(other) && !fit(one, other))
        .map(|(at, (one, _))| if is_skipped(one) { at } else { at + 1 })
        .collect()
}

/// Whether one segment begins where the one before ends, or is another version of it.
fn fit(one: &SeenSegment, other: &SeenSegment) -> bool {
    let next = one.entry().and_then(SegmentEntry::next_token);
    one.name().number == other.name().number || next == Some(other.name().number)
}

/// Whether a segment is held as a tail, or is held sealed and was cut as tails are: then its chunks are those that are there.
fn is_cut_as_tail(archived: &[ArchivedContext], file: &StoreFile) -> bool {
    archived.iter().map(|context| context.log(file.store)).any(|log| {
        let is_short = |entry| has_shorter(entry, SEALED_CHUNK_MIN);
        log.tail(file.name).is_some() || log.good(file.name).is_some_and(is_short)
    })
}

/// Whether any chunk but the last is shorter than that.
fn has_shorter(entry: &SegmentEntry, least: u64) -> bool {
    let all_but_last = entry.extents.split_last().map(|(_, others)| others).unwrap_or_default();
    all_but_last.iter().any(|extent| u64::from(extent.length) < least)
}

/// The lengths at which the hash of a segment's prefix is wanted: those archived of it, in any incarnation.
fn lengths_of(archived: &[ArchivedContext], file: &StoreFile) -> Vec<u64> {
    let mut lengths: Vec<u64> = archived
        .iter()
        .map(|context| context.log(file.store))
        .flat_map(|log| [log.good(file.name), log.tail(file.name)])
        .flatten()
        .map(|entry| entry.logical_end)
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// The head of a store as it lies at the source: the last token of the longest valid prefix that its volatile segments show. None if it is empty.
pub fn head(source: &dyn Source, files: &[StoreFile]) -> Result<Option<Token>, Error> {
    let mut next: Option<Token> = None;
    for file in files.iter().filter(|file| file.is_volatile) {
        if next.is_some_and(|next| next != file.name.number) {
            break;
        }
        let bytes = source.open(file)?;
        let walked =
            crate::engine::window::walk(Bytes::Source(bytes.as_ref()), file.name.number, &mut |_| Ok(()))?;
        next = Some(walked.next_token);
    }
    Ok(next.and_then(Token::before))
}
