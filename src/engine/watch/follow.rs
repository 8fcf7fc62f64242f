//! Follows one open segment: its state after the last record, so that only what is new has to be read.

use crate::axon::event;

use crate::axon::segment::{Step, Transaction, Walker};
use crate::axon::time::Times;
use crate::engine::backup::scan::read_exactly;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::window::{Bytes, Window, walk};
use crate::repo::chunking::{Cutter, Profile};
use crate::repo::format::entry::{End, Extent, SegmentEntry};
use crate::repo::format::id::{Hasher, Naming};
use crate::repo::format::limits::TRANSACTION_CUT;
use crate::repo::format::pack::PackKind;
use crate::repo::store::Session;
use crate::source::Source;
use crate::source::listing::StoreFile;

/// So much of what is archived is compared before it is read on from there.
const COMPARED: usize = 1 << 20;
/// Bytes that are hashed at once.
const PIECE: u64 = 1 << 20;

/// What has become of a segment.
pub(super) enum Followed {
    /// Nothing is new.
    Same,
    /// So many events more.
    Grown {
        /// The whole prefix, as an entry.
        entry: Box<SegmentEntry>,
        /// How many are new.
        events: u64,
    },
    /// It is shorter, or holds other bytes.
    Odd,
}

/// The state of an open segment right behind what is archived of it.
pub(super) struct Follower {
    entry: SegmentEntry,
    hasher: Hasher,
    /// The last archived bytes.
    last: Vec<u8>,
}

/// Whether a segment holds any transaction.
pub(super) fn has_transaction(source: &dyn Source, file: &StoreFile) -> Result<bool, Error> {
    let bytes = source.open(file)?;
    let mut any = false;
    walk(Bytes::Source(bytes.as_ref()), file.name.number, &mut |_| {
        any = true;
        Ok(())
    })?;
    Ok(any)
}

impl Follower {
    /// Proves that a segment begins with all that is archived of it. None if it does not.
    pub(super) fn prove(
        naming: Naming,
        source: &dyn Source,
        file: &StoreFile,
        tail: &SegmentEntry,
    ) -> Result<Option<Self>, Error> {
        let bytes = source.open(file)?;
        let bytes = Bytes::Source(bytes.as_ref());
        let (mut hasher, mut last, mut at) = (naming.hasher(), Vec::new(), 0);
        if bytes.length() < tail.logical_end {
            return Ok(None);
        }
        while at < tail.logical_end {
            let piece = read_exactly(bytes, at, PIECE.min(tail.logical_end - at))?;
            hasher.update(&piece);
            at += piece.len() as u64;
            keep_last(&mut last, &piece);
        }
        let is_same = hasher.content() == tail.content;
        Ok(is_same.then(|| Self { entry: tail.clone(), hasher, last }))
    }

    /// Whether it stands where the archive does: nobody else has archived more.
    pub(super) fn stands_at(&self, tail: &SegmentEntry) -> bool {
        self.entry.name == tail.name
            && self.entry.logical_end == tail.logical_end
            && self.entry.content == tail.content
    }

    /// Archives the transactions behind it. An interrupt ends that behind a whole transaction.
    pub(super) fn extend(
        &mut self,
        session: &mut Session<'_>,
        source: &dyn Source,
        file: &StoreFile,
        observer: &dyn Observer,
    ) -> Result<Followed, Error> {
        let opened = source.open(file)?;
        let bytes = Bytes::Source(opened.as_ref());
        if !self.is_unchanged(bytes)? {
            return Ok(Followed::Odd);
        }
        let before = self.entry.clone();
        let mut growth =
            Growth { session, cutter: Cutter::new(Profile::Tail), pending: Vec::new(), extents: Vec::new() };
        let next = before.next_token().unwrap_or(before.name.number);
        let mut walker = Walker::resume(before.logical_end, next, bytes.length());
        let mut window = Window::new(bytes);
        while !observer.interrupted() {
            let Some(length) = self.step(&mut walker, &mut window, &mut growth)? else { break };
            observer.event(&Event::Bytes(length));
        }
        growth.flush()?;
        if self.entry.events == before.events {
            return Ok(Followed::Same);
        }
        self.entry.extents.append(&mut growth.extents);
        self.entry.content = self.hasher.content();
        self.entry.stored_length = self.entry.logical_end;
        self.entry.file_length = bytes.length();
        self.entry.modified_ns = file.modified_ns;
        self.entry.end = End::Open;
        // It would say nothing of what is new; the next point makes it anew.
        self.entry.time_map = None;
        let events = self.entry.events - before.events;
        Ok(Followed::Grown { entry: Box::new(self.entry.clone()), events })
    }

    fn is_unchanged(&self, bytes: Bytes<'_>) -> Result<bool, Error> {
        let (end, length) = (self.entry.logical_end, self.last.len() as u64);
        if bytes.length() < end {
            return Ok(false);
        }
        match read_exactly(bytes, end.saturating_sub(length), length) {
            Ok(found) => Ok(found == self.last),
            Err(Error::Shrank { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the next transaction; gives its length. None if there is none (yet).
    fn step(
        &mut self,
        walker: &mut Walker,
        window: &mut Window<'_>,
        growth: &mut Growth<'_, '_>,
    ) -> Result<Option<u64>, Error> {
        let mut least = 16;
        loop {
            let offset = walker.offset();
            let visible = window.at(offset, least)?;
            match walker.step(visible) {
                Step::Transaction(transaction) => {
                    growth.take(&transaction)?;
                    self.count(&transaction);
                    return Ok(Some(transaction.bytes.len() as u64));
                }
                Step::NeedMore(more) if more > visible.len() as u64 && more > least as u64 => {
                    least = usize::try_from(more).unwrap_or(usize::MAX);
                }
                Step::NeedMore(_) | Step::End(_) => return Ok(None),
            }
        }
    }

    fn count(&mut self, transaction: &Transaction<'_>) {
        let had_events = self.entry.events > 0;
        self.hasher.update(transaction.bytes);
        keep_last(&mut self.last, transaction.bytes);
        self.entry.events += u64::from(transaction.events);
        self.entry.transactions += 1;
        self.entry.logical_end = transaction.end();
        self.entry.times = match (self.entry.times, times_of(transaction)) {
            (Some(before), Some(times)) => Some(before.then(times)),
            (None, Some(times)) if !had_events => Some(times),
            _ => None,
        };
    }
}

fn times_of(transaction: &Transaction<'_>) -> Option<Times> {
    let mut all: Option<Times> = None;
    for bytes in transaction.event_bytes() {
        let times = Times::of(event::timestamp(bytes).ok()?);
        all = Some(all.map_or(times, |before| before.then(times)));
    }
    all
}

/// Keeps the last bytes, so many as are compared.
fn keep_last(last: &mut Vec<u8>, piece: &[u8]) {
    let piece = piece.get(piece.len().saturating_sub(COMPARED)..).unwrap_or_default();
    let keep = last.len().min(COMPARED - piece.len());
    last.drain(..last.len() - keep);
    last.extend_from_slice(piece);
}

/// The chunks of what is new.
struct Growth<'a, 's> {
    session: &'a mut Session<'s>,
    cutter: Cutter,
    pending: Vec<u8>,
    extents: Vec<Extent>,
}

impl Growth<'_, '_> {
    fn take(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let cut = self.cutter.transaction(transaction.bytes.len() as u64, transaction.crc);
        if cut.before {
            self.flush()?;
        }
        if cut.inside {
            for piece in transaction.bytes.chunks(usize::try_from(TRANSACTION_CUT).unwrap_or(usize::MAX)) {
                self.pending.extend_from_slice(piece);
                self.flush()?;
            }
        } else {
            self.pending.extend_from_slice(transaction.bytes);
        }
        if cut.after {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.pending);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let chunk = self.session.put(PackKind::Tail, bytes)?;
        self.extents.push(Extent { chunk, length });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{COMPARED, keep_last};

    #[test]
    fn the_last_mebibyte_is_kept() {
        let mut last = Vec::new();
        for piece in [vec![1; 10], vec![2; COMPARED - 5], vec![3; 3]] {
            keep_last(&mut last, &piece);
        }
        assert_eq!((last.len(), last[0], last[1], last[2]), (COMPARED, 1, 1, 2));
        keep_last(&mut last, &vec![4; 3 * COMPARED]);
        assert!(last.len() == COMPARED && last.iter().all(|byte| *byte == 4));
    }
}
