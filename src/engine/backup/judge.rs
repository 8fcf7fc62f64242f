//! What a backup sees, compared with what is archived: one verdict for each segment.
//!
//! A store is compared as a whole, by tokens, with its log; segments are only where the bytes lie.

use crate::axon::event::Event;
use crate::axon::name::SegmentName;
use crate::axon::segment::Ending;
use crate::axon::segment::HEADER_LENGTH;
use crate::axon::segment::Reason;
use crate::axon::segment::Step;
use crate::axon::segment::Transaction;
use crate::axon::segment::Walker;
use crate::axon::segment::flags;
use crate::axon::token::Token;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::archived::prefix_hash;
use crate::engine::backup::scan::Scan;
use crate::engine::backup::scan::read_exactly;
use crate::engine::error::Error;
use crate::engine::window::Bytes;
use crate::engine::window::Window;
use crate::engine::window::walk;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::store::Repository;

/// What a segment is, beside the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Archived already, byte for byte (or a tail that has not grown).
    Known,
    /// Not archived yet; fits.
    New,
    /// Begins with the archived tail, and is longer or sealed now.
    Extends {
        /// Length of the archived tail.
        tail: u64,
    },
    /// A shorter, equal prefix in the last segment seen: an older copy, a lagging node.
    Lags {
        /// Length of what is archived.
        archived: u64,
    },
    /// A bad CRC or an incomplete transaction where there must be none.
    Damaged {
        /// What is wrong.
        reason: Reason,
        /// Whether a good transaction behind it is the archived one.
        equal_behind: bool,
    },
    /// Another history.
    Forks(Fork),
}

impl Verdict {
    /// Whether it is damaged.
    pub const fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// Where and why a history is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The segment seen.
    pub name: SegmentName,
    /// Why.
    pub why: &'static str,
    /// Set if only the cut into segments differs so far: the token from which to compare transactions.
    pub cut_at: Option<Token>,
}

/// What there is to compare.
pub struct Judge<'a> {
    /// The repository, to read archived bytes.
    pub repository: &'a Repository,
    /// The log to compare with.
    pub log: &'a ArchivedLog,
}

/// A segment seen: read, and its bytes once more where they must be compared.
pub struct Seen<'a> {
    /// What was read.
    pub scan: &'a Scan,
    /// Its bytes.
    pub bytes: Bytes<'a>,
    /// Whether it is the last segment of its store.
    pub is_last: bool,
    /// The head when the control database had been captured: that much must be there.
    pub safepoint: Option<Token>,
    /// The number of the segment behind it; none for the last one.
    pub next_number: Option<Token>,
}

impl Seen<'_> {
    fn fork(&self, why: &'static str, cut_at: Option<Token>) -> Verdict {
        Verdict::Forks(Fork { name: self.scan.file.name, why, cut_at })
    }

    /// Damaged: the walk says why, or the next segment does.
    fn damaged(&self, equal_behind: bool) -> Verdict {
        Verdict::Damaged { reason: self.scan.reason().unwrap_or(Reason::EarlyEnd), equal_behind }
    }

    /// Whether what stands behind the prefix is damage by itself, whatever is archived.
    fn is_damaged_alone(&self) -> bool {
        let next = self.scan.entry.next_token();
        if self.is_last && self.scan.file.is_volatile {
            let reaches = self.safepoint.is_none_or(|head| next.is_some_and(|next| next > head));
            return !self.scan.is_clean() && !reaches;
        }
        !self.scan.is_clean() || self.ends_early()
    }

    /// Whether a segment that others follow seems to end before them: a flipped bit can look like an end, but then bytes stand behind it, or the
    /// end is not that of a rolled segment.
    fn ends_early(&self) -> bool {
        let is_short = self.next_number.is_some_and(|number| self.scan.entry.next_token() < Some(number));
        is_short && (self.scan.ending != Ending::Rolled || self.scan.noise)
    }

    /// What walks on where the prefix ends; behind the header, if not even that could be read.
    fn walker_behind(&self) -> Walker {
        let entry = &self.scan.entry;
        let token = entry.next_token().unwrap_or(entry.name.number);
        Walker::resume(entry.logical_end.max(HEADER_LENGTH), token, self.bytes.length())
    }

    /// Whether the prefix ends in something torn: not a clean end, or what looks like one with bytes behind it.
    fn is_torn(&self) -> bool {
        !self.scan.is_clean() || self.scan.noise
    }
}

impl Judge<'_> {
    /// The verdict on a segment.
    pub fn judge(&self, seen: &Seen<'_>) -> Result<Verdict, Error> {
        let name = seen.scan.file.name;
        if let Some(archived) = self.log.best(name) {
            return self.beside_itself(seen, archived);
        }
        if let Some(other) = self.log.other_version(name) {
            return self.beside_other_version(seen, other);
        }
        if let Some(fork) = self.overlap(seen) {
            return Ok(fork);
        }
        Ok(if is_damaged(seen)? { seen.damaged(false) } else { Verdict::New })
    }

    /// A fork, if another number is archived that holds one of its tokens.
    fn overlap(&self, seen: &Seen<'_>) -> Option<Verdict> {
        let number = seen.scan.file.name.number;
        let next = seen.scan.entry.next_token().unwrap_or(number);
        let other = self.log.overlapping(number, next)?;
        let cut_at = number.max(other.name.number);
        Some(seen.fork("its tokens overlap those of another segment in the archive", Some(cut_at)))
    }

    /// The same number and version is archived.
    fn beside_itself(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let scan = seen.scan;
        if scan.begins_with(archived.logical_end, archived.content) {
            return self.beside_its_prefix(seen, archived);
        }
        let is_shorter = scan.entry.logical_end < archived.logical_end;
        if !is_shorter
            || prefix_hash(self.repository, archived, scan.entry.logical_end)? != scan.entry.content
        {
            return self.beside_other_bytes(seen, archived);
        }
        if seen.is_torn() || seen.ends_early() {
            return self.behind_damage(seen, archived);
        }
        if scan.file.is_volatile && seen.is_last {
            return Ok(Verdict::Lags { archived: archived.logical_end });
        }
        Ok(seen.fork("it ends before what is archived of it", scan.entry.next_token()))
    }

    /// Its bytes are not the archived ones. If that is true of bytes alone that no CRC covers (the header, the version of a transaction), a sealed
    /// segment is damaged; an open one may have been written anew by the server, which nobody can tell from another history.
    fn beside_other_bytes(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let own_end = seen.scan.entry.logical_end;
        let end = own_end.min(archived.logical_end);
        if !same_transactions(seen, Bytes::Archived(self.repository, archived), end)? {
            return Ok(seen.fork("it holds another transaction than archived", None));
        }
        if seen.scan.file.is_volatile || self.log.good(archived.name).is_none() {
            return Ok(seen.fork("its header, or that of a transaction, is not the archived one", None));
        }
        let is_cut_short = own_end < archived.logical_end && (seen.is_torn() || seen.ends_early());
        if own_end != archived.logical_end && !is_cut_short {
            return Ok(seen.fork("it ends elsewhere than what is archived of it", None));
        }
        Ok(Verdict::Damaged { reason: Reason::HeaderChanged, equal_behind: end > HEADER_LENGTH })
    }

    /// All that is archived of it stands in it, unchanged.
    fn beside_its_prefix(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let is_sealed = self.log.good(archived.name).is_some();
        let is_longer = seen.scan.entry.logical_end > archived.logical_end;
        if is_sealed && is_longer {
            return Ok(seen.fork("it goes on where it was sealed", archived.next_token()));
        }
        if is_longer && let Some(fork) = self.beyond(seen)? {
            return Ok(fork);
        }
        // Of a sealed one that holds all that is archived only the end can be damaged.
        if !(is_sealed && seen.scan.is_clean()) && is_damaged(seen)? {
            return Ok(seen.damaged(false));
        }
        if is_sealed || (!is_longer && seen.scan.file.is_volatile) {
            return Ok(Verdict::Known);
        }
        Ok(Verdict::Extends { tail: archived.logical_end })
    }

    /// A fork, if what it holds beyond its archived self does not fit another segment that is archived.
    fn beyond(&self, seen: &Seen<'_>) -> Result<Option<Verdict>, Error> {
        if let Some(fork) = self.overlap(seen) {
            return Ok(Some(fork));
        }
        match self.log.other_version(seen.scan.file.name) {
            Some(other) => self.other_shape(seen, other),
            None => Ok(None),
        }
    }

    /// Damage before the end of what is archived: transactions behind it are compared too.
    fn behind_damage(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let mut walker = seen.walker_behind();
        let mut window = Window::new(seen.bytes);
        let archived_bytes = Bytes::Archived(self.repository, archived);
        let mut equal_behind = false;
        while let Some((offset, block)) = next_behind(&mut walker, &mut window)? {
            let end = offset + block.len() as u64;
            if offset >= archived.logical_end {
                break;
            }
            if end > archived.logical_end
                || read_exactly(archived_bytes, offset, block.len() as u64)? != block
            {
                return Ok(seen.fork("behind damage it holds another transaction than archived", None));
            }
            equal_behind = true;
        }
        Ok(seen.damaged(equal_behind))
    }

    /// Another version of it is archived: the same tokens, cut into the same transactions, each event of the same aggregate and sequence.
    fn beside_other_version(&self, seen: &Seen<'_>, other: &SegmentEntry) -> Result<Verdict, Error> {
        if let Some(fork) = self.other_shape(seen, other)? {
            return Ok(fork);
        }
        if let Some(fork) = self.overlap(seen) {
            return Ok(fork);
        }
        Ok(if is_damaged(seen)? { seen.damaged(false) } else { Verdict::New })
    }

    /// A fork, if it is no version of `other`. Each may hold less than the other only if it is not whole.
    fn other_shape(&self, seen: &Seen<'_>, other: &SegmentEntry) -> Result<Option<Verdict>, Error> {
        let archived = Bytes::Archived(self.repository, other);
        let readable = is_readable(archived)? && is_readable(seen.bytes)?;
        let theirs = Shape::of(archived, other, readable)?;
        let ours = Shape::of(seen.bytes, &seen.scan.entry, readable)?;
        let we_may_be_short =
            (seen.scan.file.is_volatile && seen.is_last) || !seen.scan.is_clean() || seen.ends_early();
        let they_may_be_short = self.log.good(other.name).is_none();
        let fits = ours == theirs
            || (we_may_be_short && ours.is_prefix_of(&theirs))
            || (they_may_be_short && theirs.is_prefix_of(&ours));
        let fork = || seen.fork("it is no transformed version of the segment in the archive", None);
        Ok((!fits).then(fork))
    }
}

/// Whether up to `end` both hold the same transactions, whatever stands in the bytes that no CRC covers.
fn same_transactions(seen: &Seen<'_>, theirs: Bytes<'_>, end: u64) -> Result<bool, Error> {
    let mut window = Window::new(theirs);
    let mut same = true;
    walk(seen.bytes, seen.scan.file.name.number, &mut |transaction| {
        if same && transaction.offset < end {
            let other = window.at(transaction.offset, transaction.bytes.len())?;
            let other = other.get(..transaction.bytes.len()).unwrap_or_default();
            same = transaction.end() <= end && but_version(other) == but_version(transaction.bytes);
        }
        Ok(())
    })?;
    Ok(same)
}

/// A transaction without its version: its size, and all behind.
fn but_version(block: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    (block.get(..4), block.get(5..))
}

/// Whether its events are as the server was given them: other flags say that it changed (encrypted) what it stored.
fn is_readable(bytes: Bytes<'_>) -> Result<bool, Error> {
    Ok(flags(Window::new(bytes).at(0, 5)?).is_none_or(|flags| flags == 0))
}

/// Whether a segment is damaged, not only torn at its end: a good block behind what can't be read proves that something is lost.
fn is_damaged(seen: &Seen<'_>) -> Result<bool, Error> {
    if seen.is_damaged_alone() || seen.scan.is_clean() {
        return Ok(seen.is_damaged_alone());
    }
    let found = next_behind(&mut seen.walker_behind(), &mut Window::new(seen.bytes))?;
    // What is whole by now was only being written when it was read.
    Ok(found.is_some_and(|(offset, _)| offset > seen.scan.entry.logical_end.max(HEADER_LENGTH)))
}

/// The next good block at or behind a damaged one: its offset and its bytes. None where the sizes lead no further.
fn next_behind(walker: &mut Walker, window: &mut Window<'_>) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let mut least = 16;
    loop {
        let visible = window.at(walker.offset(), least)?;
        match walker.step(visible) {
            Step::Transaction(block) => return Ok(Some((block.offset, block.bytes.to_vec()))),
            Step::NeedMore(more) if more > visible.len() as u64 && more > least as u64 => {
                least = usize::try_from(more).unwrap_or(usize::MAX);
            }
            Step::End(Ending::Stopped(_)) if walker.skip_damaged(visible).is_some() => least = 16,
            Step::NeedMore(_) | Step::End(_) => return Ok(None),
        }
    }
}

/// What a transformation keeps of a segment: a hash for each transaction over its count and its events' aggregates and sequences.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    transactions: Vec<u64>,
}

impl Shape {
    /// The shape of the valid prefix of `entry`, which lies in `bytes`; of events that can't be read only their count.
    fn of(bytes: Bytes<'_>, entry: &SegmentEntry, readable: bool) -> Result<Self, Error> {
        let mut shape = Self::default();
        walk(bytes, entry.name.number, &mut |transaction| {
            // An open segment may have grown since.
            if transaction.end() <= entry.logical_end {
                shape.take(transaction, readable);
            }
            Ok(())
        })?;
        Ok(shape)
    }

    fn take(&mut self, transaction: &Transaction<'_>, readable: bool) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&transaction.events.to_le_bytes());
        for bytes in transaction.event_bytes().filter(|_| readable) {
            let event = Event::parse(bytes).unwrap_or_default();
            hasher.update(&(event.aggregate_identifier.len() as u64).to_le_bytes());
            hasher.update(event.aggregate_identifier.as_bytes());
            hasher.update(&event.aggregate_sequence_number.to_le_bytes());
        }
        let hash = hasher.finalize();
        self.transactions
            .push(u64::from_le_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()));
    }

    fn is_prefix_of(&self, other: &Self) -> bool {
        other.transactions.starts_with(&self.transactions)
    }
}
