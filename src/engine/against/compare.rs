//! Two copies of one segment.

use crate::axon::name::{SegmentName, Store};
use crate::axon::segment::Ending;
use crate::axon::token::Token;
use crate::engine::against::Gone;
use crate::engine::against::report::{Against, Difference, Kind, Run, Side};
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::proof::{Mark, Proven, Prover};
use crate::engine::window::{self, Bytes};
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::store::Repository;
use crate::source;
use crate::source::segment_bytes::SegmentBytes;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;

const ADVICE_OTHER: &str = "the copy that it was compared with is damaged; restore it from the archive";
const ADVICE_ARCHIVE: &str =
    "the archived copy is damaged: 'segvault verify --data', then 'segvault repair from' the good one";
const ADVICE_BEHIND: &str =
    "it is damaged behind all that is archived: look for a node or a backup that still has these tokens";
const ADVICE_CONFLICT: &str =
    "both are good: a power loss, a purge or a restore made two histories; the next backup keeps both";
const ADVICE_BOTH: &str = "compare with a third copy, and keep both as they are";

/// The copy that the archived one is compared with.
pub enum Other<'a> {
    /// A file, and whether it may still be written: then what stands behind its valid prefix is no damage.
    File(&'a dyn SegmentBytes, bool),
    /// What another repository holds.
    Entry(&'a Repository, &'a SegmentEntry),
}

impl<'a> Other<'a> {
    fn is_open(&self) -> bool {
        matches!(self, Self::File(_, true))
    }

    fn bytes(&self) -> Bytes<'a> {
        match self {
            Self::File(bytes, _) => Bytes::Source(*bytes),
            Self::Entry(repository, entry) => Bytes::Archived(repository, entry),
        }
    }
}

/// A comparison at work.
pub struct Comparison<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    gone: Gone,
    found: Against,
}

impl<'a> Comparison<'a> {
    /// Nothing compared yet.
    pub fn new(
        repository: &'a Repository,
        observer: &'a dyn Observer,
        (gone, found): (Gone, Against),
    ) -> Self {
        Self { repository, observer, gone, found }
    }

    /// The segments that the other has. What was dropped says nothing of a history that has none where the kept one begins.
    pub fn meets(&mut self, place: &(String, Store), mut names: impl Iterator<Item = SegmentName>) {
        if let Some(gone) = self.gone.get_mut(place) {
            gone.before = gone.before.filter(|before| names.any(|name| name.number == *before));
        }
    }

    /// What was found.
    pub fn finish(self) -> Against {
        self.found
    }

    /// A file of the other's that can't be opened.
    pub fn unreadable(&mut self, place: &(String, Store), name: SegmentName, error: &source::Error) {
        self.found.unread_there.push(unread(place, name, error));
    }

    /// A segment that only the archive has.
    pub fn only_here(&mut self, place: &(String, Store), entry: &SegmentEntry) {
        self.found.only_archived_segments += 1;
        if let Some(last) = entry.last_token() {
            self.found.only_archived.push(run(place, entry.name, entry.name.number.get(), last.get()));
        }
    }

    /// A segment that the other has.
    pub fn segment(
        &mut self,
        place: &(String, Store),
        name: SegmentName,
        entry: Option<&SegmentEntry>,
        other: &Other<'_>,
    ) -> Result<(), Error> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        match self.compared(place, name, entry, other) {
            // What can't be read in one of the archives hides nothing else.
            Err(Error::Repo(error)) if !matches!(error, repo::Error::Interrupted) => {
                self.found.unread.push(unread(place, name, &error));
                Ok(())
            }
            Err(Error::Source(error)) => {
                self.found.unread_there.push(unread(place, name, &error));
                Ok(())
            }
            done => done,
        }
    }

    fn compared(
        &mut self,
        place: &(String, Store),
        name: SegmentName,
        entry: Option<&SegmentEntry>,
        other: &Other<'_>,
    ) -> Result<(), Error> {
        let Some(entry) = entry else {
            let theirs = self.prove(other.bytes(), name, Vec::new())?;
            self.only_there(place, name, &theirs);
            return Ok(());
        };
        let behind = name.number.plus(entry.events).unwrap_or(name.number);
        let is_good = entry.flaw.is_none();
        let marks = if is_good {
            vec![Mark { length: entry.logical_end, content: entry.content, next: behind }]
        } else {
            Vec::new()
        };
        let theirs = self.prove(other.bytes(), name, marks)?;
        if is_good && theirs.missed.is_empty() {
            self.equal(entry.logical_end);
            self.not_archived(place, name, behind, &theirs);
            if !other.is_open() {
                self.damage_behind(place, name, &theirs);
            }
            return Ok(());
        }
        self.different(place, entry, other, &theirs)
    }

    fn equal(&mut self, bytes: u64) {
        self.found.equal_segments += 1;
        self.found.equal_bytes = self.found.equal_bytes.saturating_add(bytes);
    }

    /// The archived bytes are all there, and what stands behind them is damaged.
    fn damage_behind(&mut self, place: &(String, Store), name: SegmentName, theirs: &Proven) {
        if let Ending::Stopped(_) = theirs.ending {
            let token = name.number.get().saturating_add(theirs.events);
            let (at, kind) = ((theirs.logical_end, token), Kind::Damage);
            self.push(place, name, at, (kind, None, ADVICE_BEHIND));
        }
    }

    /// A segment that only the other has: new, or let go here.
    fn only_there(&mut self, place: &(String, Store), name: SegmentName, theirs: &Proven) {
        let next = name.number.plus(theirs.events);
        let Some(gone) = self.gone.get(place).filter(|gone| gone.has(name, next, theirs.content)) else {
            return self.not_archived(place, name, name.number, theirs);
        };
        let runs = if gone.erased.contains(&(name, theirs.content)) {
            &mut self.found.erased
        } else {
            &mut self.found.dropped
        };
        if let Some(last) = next.and_then(Token::before).filter(|_| theirs.events > 0) {
            runs.push(run(place, name, name.number.get(), last.get()));
        }
    }

    fn not_archived(&mut self, place: &(String, Store), name: SegmentName, from: Token, theirs: &Proven) {
        let last = name.number.plus(theirs.events).and_then(Token::before);
        if let Some(last) = last.filter(|last| *last >= from && theirs.events > 0) {
            self.found.not_archived.push(run(place, name, from.get(), last.get()));
        }
    }

    /// Not the same: the other is shorter, or one of them is damaged, or they are two histories.
    fn different(
        &mut self,
        place: &(String, Store),
        entry: &SegmentEntry,
        other: &Other<'_>,
        theirs: &Proven,
    ) -> Result<(), Error> {
        let name = entry.name;
        let ours = Bytes::Archived(self.repository, entry);
        let ends = (entry.logical_end, theirs.logical_end);
        let at = self.first_difference(ours, other.bytes(), ends.0.min(ends.1))?;
        let is_damaged = matches!(theirs.ending, Ending::Stopped(_)) && !other.is_open();
        if at.is_none() && ends.1 < ends.0 && !is_damaged {
            // A lagging copy: the same, as far as it goes.
            self.equal(theirs.logical_end);
            let first = name.number.get().saturating_add(theirs.events);
            if let Some(last) = entry.last_token() {
                self.found.only_archived.push(run(place, name, first, last.get()));
            }
            return Ok(());
        }
        let at = at.unwrap_or(ends.0.min(ends.1));
        // A transaction that is whole in the valid prefix has a good CRC.
        let is_good = (at < ends.0, at < ends.1);
        let token = if is_good.0 {
            Self::token_at(ours, name, at)?
        } else {
            Self::token_at(other.bytes(), name, at)?
        };
        self.differs(place, name, (at, token), is_good);
        Ok(())
    }

    fn differs(
        &mut self,
        place: &(String, Store),
        name: SegmentName,
        (at, token): (u64, u64),
        is_good: (bool, bool),
    ) {
        let what = match is_good {
            (true, true) => (Kind::Conflict, None, ADVICE_CONFLICT),
            (true, false) => (Kind::Damage, Some(Side::Archive), ADVICE_OTHER),
            (false, true) => (Kind::Damage, Some(Side::Other), ADVICE_ARCHIVE),
            (false, false) => (Kind::BothDamaged, None, ADVICE_BOTH),
        };
        self.push(place, name, (at, token), what);
    }

    fn push(
        &mut self,
        place: &(String, Store),
        name: SegmentName,
        (at, token): (u64, u64),
        (kind, good, advice): (Kind, Option<Side>, &'static str),
    ) {
        let (context, store, segment) = (place.0.clone(), place.1.as_str(), name.to_string());
        self.found.differences.push(Difference { context, store, segment, kind, at, token, good, advice });
    }

    fn prove(&self, bytes: Bytes<'_>, name: SegmentName, marks: Vec<Mark>) -> Result<Proven, Error> {
        let mut prover = Prover::new(self.repository.naming(), name.number, bytes.length()).with_marks(marks);
        let mut buffer = vec![0; PIECE];
        let mut at = 0_u64;
        loop {
            let got = bytes.read_at(at, &mut buffer)?;
            if got == 0 {
                return Ok(prover.finish());
            }
            prover.feed(buffer.get(..got).unwrap_or_default());
            at = at.saturating_add(got as u64);
            self.observer.event(&Event::Bytes(got as u64));
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
        }
    }

    /// The first of these bytes that is not the same.
    fn first_difference(
        &self,
        ours: Bytes<'_>,
        theirs: Bytes<'_>,
        length: u64,
    ) -> Result<Option<u64>, Error> {
        let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
        let mut at = 0_u64;
        while at < length {
            let step = usize::try_from(length.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let (Some(one), Some(other)) = (one.get_mut(..step), other.get_mut(..step)) else { break };
            let got = ours.read_at(at, one)?.min(theirs.read_at(at, other)?);
            let found = one.iter().zip(other.iter()).take(got).position(|(one, other)| one != other);
            if let Some(found) = found {
                return Ok(Some(at.saturating_add(found as u64)));
            }
            if got == 0 || self.observer.interrupted() {
                break;
            }
            at = at.saturating_add(got as u64);
        }
        Ok(None)
    }

    /// The first token of the transaction that holds a byte; the next token, where none does.
    fn token_at(bytes: Bytes<'_>, name: SegmentName, at: u64) -> Result<u64, Error> {
        let mut token = None;
        let walked = window::walk(bytes, name.number, &mut |transaction| {
            if token.is_none() && at < transaction.end() {
                token = Some(transaction.first_token.get());
            }
            Ok(())
        })?;
        Ok(token.unwrap_or(walked.next_token.get()))
    }
}

fn run(place: &(String, Store), name: SegmentName, first: u64, last: u64) -> Run {
    Run { context: place.0.clone(), store: place.1.as_str(), segment: name.to_string(), first, last }
}

fn unread(place: &(String, Store), name: SegmentName, error: &dyn std::error::Error) -> String {
    format!("{} {name} of {}: {error}", place.1, place.0)
}
