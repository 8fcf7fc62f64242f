//! What the archive holds of a log, as its newest record says it.

use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::lost_records;
use crate::engine::backup::proven::Known;
use crate::engine::error::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::format::record::Branch;
use crate::repo::format::record::LogKey;
use crate::repo::format::record::LogState;
use crate::repo::format::record::PrefixProof;
use crate::repo::store::{Repository, Tree};
use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A log of the archive.
#[derive(Clone, Debug)]
pub struct ArchivedLog {
    /// Number of the newest record; 0 if there is none yet.
    pub record: u64,
    /// Which log.
    pub key: LogKey,
    /// Where it left its parent.
    pub branch: Option<Branch>,
    /// What the newest record says; none if there is no record yet, or if it does not say all of what follows.
    pub state: Option<LogState>,
    /// Sealed segments and damaged copies, in the order of their keys.
    pub sealed: Tree,
    /// Tails, in the order of their keys.
    pub tails: Vec<SegmentEntry>,
    /// Why sealed segments are what tails of the newest record were.
    pub proofs: Vec<PrefixProof>,
    /// Where the last segment was that somebody asked for: mostly they ask for one after the other.
    last: Cell<usize>,
}

impl ArchivedLog {
    /// A log that has no record yet.
    pub fn empty(key: LogKey, branch: Option<Branch>) -> Self {
        Self {
            record: 0,
            key,
            branch,
            state: None,
            sealed: Tree::default(),
            tails: Vec::new(),
            proofs: Vec::new(),
            last: Cell::default(),
        }
    }

    /// Reads the newest record of a log, and its tree.
    pub fn load(repository: &Repository, key: LogKey) -> Result<Self, Error> {
        let Some(record) = repository.newest_record(&key)? else {
            return Ok(Self::empty(key, None));
        };
        let sealed = repository.shared_tree(record.state.root)?;
        let (branch, tails) = (record.state.branch, record.state.tails.clone());
        Ok(Self {
            record: record.number,
            key,
            branch,
            state: Some(record.state),
            sealed,
            tails,
            proofs: Vec::new(),
            last: Cell::default(),
        })
    }

    /// The good sealed copy of a segment.
    pub fn good(&self, name: SegmentName) -> Option<&SegmentEntry> {
        self.shared(name).map(Arc::as_ref)
    }

    /// The same, to be held on to.
    pub fn shared(&self, name: SegmentName) -> Option<&Arc<SegmentEntry>> {
        let first_of = |at: &usize| {
            let is_there = self.sealed.get(*at).is_some_and(|entry| entry.name == name);
            let before = at.checked_sub(1).and_then(|before| self.sealed.get(before));
            is_there && before.is_none_or(|before| before.name < name)
        };
        let last = self.last.get();
        let near = [last.saturating_add(1), last].into_iter().find(first_of);
        let at = near.unwrap_or_else(|| self.sealed.partition_point(|entry| entry.name < name));
        self.last.set(at);
        self.sealed.get(at).filter(|entry| entry.name == name && entry.flaw.is_none())
    }

    /// The tail of a segment.
    pub fn tail(&self, name: SegmentName) -> Option<&SegmentEntry> {
        self.tails.iter().find(|entry| entry.name == name)
    }

    /// The longest good bytes of a segment, sealed or not.
    pub fn best(&self, name: SegmentName) -> Option<&SegmentEntry> {
        self.good(name).or_else(|| self.tail(name))
    }

    /// All good copies and tails, no order promised.
    pub fn whole(&self) -> impl Iterator<Item = &SegmentEntry> {
        self.sealed.iter().map(Arc::as_ref).filter(|entry| entry.flaw.is_none()).chain(&self.tails)
    }

    /// Whether it holds any event.
    pub fn has_events(&self) -> bool {
        self.whole().any(|entry| entry.events > 0)
    }

    /// The highest token it holds.
    pub fn head(&self) -> Option<Token> {
        self.whole().filter_map(SegmentEntry::last_token).max()
    }

    /// The good copies and tails of all versions of a number.
    fn versions(&self, number: Token) -> impl Iterator<Item = &SegmentEntry> {
        let sealed = of_number(&self.sealed, number).iter().map(Arc::as_ref);
        let sealed = sealed.filter(|entry| entry.flaw.is_none());
        sealed.chain(of_number(&self.tails, number))
    }

    /// Of all versions of a number the one that reaches furthest; of those that reach as far, the highest.
    pub fn longest(&self, number: Token) -> Option<&SegmentEntry> {
        self.versions(number).max_by_key(|entry| (entry.events, entry.name.version))
    }

    /// Another version of the segment with this number: the one that reaches furthest.
    pub fn other_version(&self, name: SegmentName) -> Option<&SegmentEntry> {
        self.versions(name.number)
            .filter(|entry| entry.name.version != name.version)
            .max_by_key(|entry| (entry.events, entry.name.version))
    }

    /// A segment of another number that holds one of the tokens `number..next`.
    pub fn overlapping(&self, number: Token, next: Token) -> Option<&SegmentEntry> {
        self.near(number, next).find(|entry| {
            entry.name.number != number
                && entry.name.number < next
                && entry.next_token().is_some_and(|end| end > number)
        })
    }

    /// The segment that holds a token.
    pub fn holding(&self, token: Token) -> Option<&SegmentEntry> {
        self.near(token, token.plus(1).unwrap_or(token))
            .find(|entry| entry.name.number <= token && entry.last_token().is_some_and(|last| last >= token))
    }

    /// All that may hold one of the tokens `first..next`.
    fn near(&self, first: Token, next: Token) -> impl Iterator<Item = &SegmentEntry> {
        near(&self.sealed, first, next).chain(near(&self.tails, first, next))
    }
}

/// The entries of one number, of sorted ones.
fn of_number<E: Borrow<SegmentEntry>>(entries: &[E], number: Token) -> &[E] {
    let from = entries.partition_point(|entry| entry.borrow().name.number < number);
    let behind = entries.get(from..).unwrap_or_default();
    behind.get(..behind.partition_point(|entry| entry.borrow().name.number == number)).unwrap_or_default()
}

/// Good entries with events that begin within `first..next`, and those of the last number before: numbers do not overlap within a log, so that no
/// other one reaches there.
fn near<E: Borrow<SegmentEntry>>(
    entries: &[E],
    first: Token,
    next: Token,
) -> impl Iterator<Item = &SegmentEntry> {
    let counts = |entry: &&SegmentEntry| entry.flaw.is_none() && entry.events > 0;
    let from = entries.partition_point(|entry| entry.borrow().name.number < first);
    let to = entries.partition_point(|entry| entry.borrow().name.number < next).max(from);
    let before = entries.get(..from).unwrap_or_default();
    let last = before.iter().rev().map(E::borrow).find(counts).map(|entry| entry.name.number);
    let begin = before.partition_point(|entry| last.is_none_or(|last| entry.borrow().name.number < last));
    // Nothing, if `next` is not behind `first`, but what comes before.
    entries.get(begin..to).unwrap_or_default().iter().map(E::borrow).filter(counts)
}

/// Both logs of a context within one incarnation.
#[derive(Clone, Debug)]
pub struct ArchivedContext {
    /// The incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: ArchivedLog,
    /// Its events.
    pub events: ArchivedLog,
}

impl ArchivedContext {
    /// One of its logs.
    pub fn log(&self, store: Store) -> &ArchivedLog {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }

    /// Whether it holds any event or snapshot.
    pub fn has_events(&self) -> bool {
        self.snapshots.has_events() || self.events.has_events()
    }
}

/// The incarnations of a context that exist, by falling number; and the highest number that was ever begun. One exists once both its logs have a
/// record; and as long as a point names it, whatever has become of its records: half of one that no point names is what a crash left.
#[derive(Clone, Debug, Default)]
pub struct Incarnations {
    /// Those that exist, newest first.
    pub existing: Vec<ArchivedContext>,
    /// The highest number of any record, half of an incarnation included.
    pub highest: u32,
}

/// Reads what the archive holds of a context.
pub fn incarnations(
    repository: &Repository,
    known: &Known,
    source: &str,
    context: &str,
) -> Result<Incarnations, Error> {
    let has = |incarnation, store| {
        let is_it = |log: &&LogKey| (log.incarnation, log.store) == (incarnation, store);
        known.logs.iter().filter(is_it).any(|log| log.source == source && log.context == context)
    };
    let mine = known.logs.iter().filter(|log| log.source == source && log.context == context);
    let mut numbers: BTreeSet<u32> = mine.map(|log| log.incarnation).collect();
    let named = known.incarnations(source, context);
    numbers.extend(&named);
    let mut found = Incarnations { existing: Vec::new(), highest: numbers.last().copied().unwrap_or(0) };
    for incarnation in numbers.into_iter().rev() {
        if named.contains(&incarnation) || Store::ALL.into_iter().all(|store| has(incarnation, store)) {
            found.existing.push(existing(repository, known, (source, context, incarnation))?);
        }
    }
    Ok(found)
}

fn existing(
    repository: &Repository,
    known: &Known,
    (source, context, incarnation): (&str, &str, u32),
) -> Result<ArchivedContext, Error> {
    let load = |store| {
        let (source, context) = (source.to_owned(), context.to_owned());
        lost_records::load(repository, &known.journal, LogKey { source, context, incarnation, store })
    };
    let (mut snapshots, mut events) = (load(Store::Snapshots)?, load(Store::Events)?);
    let twins = [events.branch, snapshots.branch];
    for (log, twin) in [&mut snapshots, &mut events].into_iter().zip(twins) {
        // Where this store left the parent is not known any more.
        let lost = twin.filter(|_| log.record == 0).map(|branch| Branch { token: None, ..branch });
        log.branch = log.branch.or(lost);
    }
    Ok(ArchivedContext { incarnation, snapshots, events })
}

/// Hash of the first `length` stored bytes of an entry.
pub fn prefix_hash(repository: &Repository, entry: &SegmentEntry, length: u64) -> Result<ContentHash, Error> {
    let mut hasher = repository.naming().hasher();
    repository.read_extents(&entry.extents, 0..length.min(entry.stored_length), &mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.content())
}
