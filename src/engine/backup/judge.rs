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

/// Bytes that are compared at once.
const COMPARED_AT_ONCE: u64 = 1 << 20;

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
        let next = seen.scan.entry.next_token().unwrap_or(name.number);
        if let Some(other) = self.log.overlapping(name.number, next) {
            let cut_at = name.number.max(other.name.number);
            return Ok(seen.fork("its tokens overlap those of another segment in the archive", Some(cut_at)));
        }
        Ok(if is_damaged(seen)? { seen.damaged(false) } else { Verdict::New })
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
        if seen.is_torn() {
            return self.behind_damage(seen, archived);
        }
        if scan.file.is_volatile && seen.is_last {
            return Ok(Verdict::Lags { archived: archived.logical_end });
        }
        Ok(seen.fork("it ends before what is archived of it", scan.entry.next_token()))
    }

    /// Its bytes are not the archived ones. If that is true of the header alone (no CRC covers it), a sealed segment is damaged; that of an
    /// open one may have been written anew by the server, which nobody can tell from another history.
    fn beside_other_bytes(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let end = seen.scan.entry.logical_end.min(archived.logical_end);
        let theirs = Bytes::Archived(self.repository, archived);
        let other_header = end >= HEADER_LENGTH
            && read_exactly(theirs, 0, HEADER_LENGTH)? != read_exactly(seen.bytes, 0, HEADER_LENGTH)?;
        if !other_header || !is_equal(theirs, seen.bytes, HEADER_LENGTH..end)? {
            return Ok(seen.fork("it holds another transaction than archived", None));
        }
        if seen.scan.file.is_volatile || self.log.good(archived.name).is_none() {
            return Ok(seen.fork("its header is not the archived one", None));
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
        if !is_sealed && is_damaged(seen)? {
            return Ok(seen.damaged(false));
        }
        if is_sealed || (!is_longer && seen.scan.file.is_volatile) {
            return Ok(Verdict::Known);
        }
        Ok(Verdict::Extends { tail: archived.logical_end })
    }

    /// Damage before the end of what is archived: transactions behind it are compared too.
    fn behind_damage(&self, seen: &Seen<'_>, archived: &SegmentEntry) -> Result<Verdict, Error> {
        let scan = seen.scan;
        let mut walker = Walker::resume(
            scan.entry.logical_end,
            scan.entry.next_token().unwrap_or(scan.file.name.number),
            seen.bytes.length(),
        );
        let mut window = Window::new(seen.bytes);
        let archived_bytes = Bytes::Archived(self.repository, archived);
        let mut equal_behind = false;
        while let Some((offset, block)) = next_behind(&mut walker, &mut window)? {
            let end = offset + block.len() as u64;
            if end > archived.logical_end {
                break;
            }
            if read_exactly(archived_bytes, offset, block.len() as u64)? != block {
                return Ok(seen.fork("behind damage it holds another transaction than archived", None));
            }
            equal_behind = true;
        }
        Ok(seen.damaged(equal_behind))
    }

    /// Another version of it is archived: the same tokens, cut into the same transactions, each event of the same aggregate and sequence.
    fn beside_other_version(&self, seen: &Seen<'_>, other: &SegmentEntry) -> Result<Verdict, Error> {
        let mut theirs = Shape::default();
        walk(Bytes::Archived(self.repository, other), other.name.number, &mut |t| theirs.take(t))?;
        let mut ours = Shape::default();
        walk(seen.bytes, seen.scan.file.name.number, &mut |t| ours.take(t))?;
        let shorter_is_fine = seen.scan.file.is_volatile || self.log.good(other.name).is_none();
        let fits = if shorter_is_fine || !seen.scan.is_clean() {
            ours.is_prefix_of(&theirs) || theirs.is_prefix_of(&ours)
        } else {
            ours == theirs
        };
        if !fits {
            return Ok(seen.fork("it is no transformed version of the segment in the archive", None));
        }
        Ok(if is_damaged(seen)? { seen.damaged(false) } else { Verdict::New })
    }
}

/// Whether two segments hold the same bytes there.
fn is_equal(one: Bytes<'_>, other: Bytes<'_>, range: std::ops::Range<u64>) -> Result<bool, Error> {
    let mut at = range.start;
    while at < range.end {
        let length = (range.end - at).min(COMPARED_AT_ONCE);
        if read_exactly(one, at, length)? != read_exactly(other, at, length)? {
            return Ok(false);
        }
        at += length;
    }
    Ok(true)
}

/// Whether a segment is damaged, not only torn at its end: a good block behind what can't be read proves that something is lost.
fn is_damaged(seen: &Seen<'_>) -> Result<bool, Error> {
    if seen.is_damaged_alone() || seen.scan.is_clean() {
        return Ok(seen.is_damaged_alone());
    }
    let entry = &seen.scan.entry;
    let token = entry.next_token().unwrap_or(entry.name.number);
    let mut walker = Walker::resume(entry.logical_end, token, seen.bytes.length());
    Ok(next_behind(&mut walker, &mut Window::new(seen.bytes))?.is_some())
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
    #[expect(clippy::unnecessary_wraps, reason = "the signature of a visitor")]
    fn take(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&transaction.events.to_le_bytes());
        for bytes in transaction.event_bytes() {
            // An event that can't be read (an encrypting transformer) says nothing; its count does.
            let event = Event::parse(bytes).unwrap_or_default();
            hasher.update(&(event.aggregate_identifier.len() as u64).to_le_bytes());
            hasher.update(event.aggregate_identifier.as_bytes());
            hasher.update(&event.aggregate_sequence_number.to_le_bytes());
        }
        let hash = hasher.finalize();
        self.transactions
            .push(u64::from_le_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()));
        Ok(())
    }

    fn is_prefix_of(&self, other: &Self) -> bool {
        other.transactions.starts_with(&self.transactions)
    }
}
