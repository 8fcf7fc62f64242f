//! Which old versions there are, in every incarnation, and which current version holds their tokens.

use crate::axon::event::Event;
use crate::axon::name::{SegmentName, Store};
use crate::axon::segment::Transaction;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::history::Forks;
use crate::engine::observe::Observer;
use crate::engine::window::{Bytes, walk};
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::ContentHash;
use crate::repo::format::point::Claim;
use crate::repo::format::record::{LogKey, LogState, replacement};
use crate::repo::store::Repository;
use std::collections::{BTreeMap, BTreeSet};

/// An old version, and the current one.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub old: SegmentEntry,
    pub current: SegmentEntry,
    pub is_tail: bool,
    /// How many events of the old one the current one has no more.
    pub events: u64,
}

/// A log, as it is and as it will be.
pub(super) struct Log {
    pub key: LogKey,
    pub state: LogState,
    /// What stays in its tree, with current versions that other incarnations lend.
    pub sealed: Vec<SegmentEntry>,
    pub pairs: Vec<Pair>,
    /// Old versions without a current one that holds all their tokens; segments of another history that hold some of the same old events.
    pub alone: Vec<(SegmentEntry, bool)>,
}

impl Log {
    /// The pair of a segment: the good copy and damaged ones of the same number and version are told apart.
    pub fn pair(&self, key: EntryKey) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.old.key() == key)
    }

    /// The pair of what a point claims: a good copy.
    pub fn pair_of_claim(&self, claim: &Claim) -> Option<&Pair> {
        let number = Token::new(claim.number)?;
        self.pair(EntryKey { name: SegmentName { number, version: claim.version }, flawed: None })
    }
}

/// What was found in old versions and is in no current one.
#[derive(Default)]
pub(super) struct Changed {
    pub hashes: BTreeSet<ContentHash>,
    pub aggregates: BTreeSet<String>,
}

/// Reads all event logs of a context, and compares old versions with current ones.
pub(super) fn logs(
    repository: &Repository,
    (source, context): (&str, &str),
    observer: &dyn Observer,
) -> Result<(Vec<Log>, Changed), Error> {
    let mut logs = Vec::new();
    for key in repository.logs()? {
        if key.source == source && key.context == context && key.store == Store::Events {
            logs.extend(read(repository, key)?);
        }
    }
    let (lent, lenders) = lend(&logs);
    let newest = logs.iter().map(|log| log.key.incarnation).max().unwrap_or_default();
    let forks = Forks::read(repository, source, context, newest)?;
    let mut changed = Changed::default();
    for log in &mut logs {
        let gatherer = Gatherer { repository, observer, lent: &lent, lenders: &lenders, forks: &forks };
        gatherer.pair_up(log, &mut changed)?;
    }
    Ok((logs, changed))
}

fn read(repository: &Repository, key: LogKey) -> Result<Option<Log>, Error> {
    let Some((record, sealed)) = repository.newest_sealed(&key)? else { return Ok(None) };
    Ok(Some(Log { key, state: record.state, sealed, pairs: Vec::new(), alone: Vec::new() }))
}

/// Of each number the incarnation that lends its highest good version.
type Lenders = BTreeMap<Token, u32>;

/// Of each number the highest good version of any incarnation, sorted.
fn lend(logs: &[Log]) -> (Vec<SegmentEntry>, Lenders) {
    let mut highest: BTreeMap<Token, (u32, &SegmentEntry)> = BTreeMap::new();
    let all = logs.iter().flat_map(|log| log.sealed.iter().map(|entry| (log.key.incarnation, entry)));
    for (incarnation, entry) in all.filter(|(_, entry)| entry.flaw.is_none()) {
        let place = highest.entry(entry.name.number).or_insert((incarnation, entry));
        if place.1.name.version < entry.name.version {
            *place = (incarnation, entry);
        }
    }
    let lenders = highest.iter().map(|(number, (incarnation, _))| (*number, *incarnation)).collect();
    (highest.into_values().map(|(_, entry)| entry.clone()).collect(), lenders)
}

struct Gatherer<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    lent: &'a [SegmentEntry],
    lenders: &'a Lenders,
    forks: &'a Forks,
}

/// A segment beside the current version that may stand for it.
enum Compared {
    /// An old version, in which so many events are others.
    Old(u64),
    /// None of the same segment: another history has one of that number. True if it holds old events all the same.
    Stranger(bool),
}

/// The events of the current version, by their tokens: the hash of their bytes, and of what a transformation keeps.
type Events = BTreeMap<u64, (ContentHash, u64)>;

impl Gatherer<'_> {
    fn pair_up(&self, log: &mut Log, changed: &mut Changed) -> Result<(), Error> {
        let own = std::mem::take(&mut log.sealed);
        let tails = std::mem::take(&mut log.state.tails);
        let highest = |entry: &SegmentEntry| {
            let same = self.lent.iter().find(|other| other.name.number == entry.name.number);
            same.is_some_and(|other| other.name.version > entry.name.version)
        };
        let mut events: Option<(SegmentEntry, Events)> = None;
        let all = own.iter().map(|entry| (entry, false)).chain(tails.iter().map(|tail| (tail, true)));
        let mut borrowed: BTreeMap<_, SegmentEntry> = BTreeMap::new();
        let (mut stay, mut stay_tails) = (Vec::new(), Vec::new());
        for (entry, is_tail) in all {
            let mut keep = |entry: &SegmentEntry| {
                if is_tail { stay_tails.push(entry.clone()) } else { stay.push(entry.clone()) }
            };
            if !highest(entry) {
                keep(entry);
                continue;
            }
            let lent = replacement(entry, &own).or_else(|| replacement(entry, self.lent)).cloned();
            let Some(current) = lent else {
                log.alone.push((entry.clone(), is_tail));
                keep(entry);
                continue;
            };
            if events.as_ref().is_none_or(|(of, _)| of.content != current.content) {
                events = Some((current.clone(), self.events(&current)?));
            }
            let of_current = events.as_ref().map(|(_, events)| events);
            // A damaged copy ends early: what the good one beside it holds counts.
            let good = own.iter().find(|other| other.name == entry.name && other.flaw.is_none());
            let is_shared =
                replacement(entry, &own).is_some() || self.shares(log.key.incarnation, good.unwrap_or(entry));
            match self.compare((entry, is_shared), of_current.unwrap_or(&Events::new()), changed)? {
                Compared::Old(count) => {
                    borrowed.insert(current.key(), current.clone());
                    log.pairs.push(Pair { old: entry.clone(), current, is_tail, events: count });
                }
                Compared::Stranger(has_old) => {
                    log.alone.extend(has_old.then(|| (entry.clone(), is_tail)));
                    keep(entry);
                }
            }
        }
        for (key, entry) in borrowed {
            if !stay.iter().any(|other| other.key() == key) {
                stay.push(entry);
            }
        }
        stay.sort_by_key(SegmentEntry::key);
        (log.sealed, log.state.tails) = (stay, stay_tails);
        Ok(())
    }

    /// Whether the history that lends the current version has all events of this one. Where two histories have parted, one may go on with the very
    /// aggregates and sequences of the other: a client tries again what a power loss took.
    fn shares(&self, incarnation: u32, entry: &SegmentEntry) -> bool {
        let lender = self.lenders.get(&entry.name.number).copied();
        let last = entry.last_token().map(Token::get);
        lender.is_some_and(|lender| self.forks.share(incarnation, lender, last))
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn events(&self, entry: &SegmentEntry) -> Result<Events, Error> {
        let mut events = Events::new();
        walk(Bytes::Archived(self.repository, entry), entry.name.number, &mut |transaction| {
            self.go_on()?;
            each(transaction, &mut |token, bytes| {
                events.insert(token, (self.hash(bytes), shape(bytes)));
            });
            Ok(())
        })?;
        Ok(events)
    }

    /// Compares event by event; `is_shared` says that no history has parted within the segment.
    fn compare(
        &self,
        (old, is_shared): (&SegmentEntry, bool),
        current: &Events,
        changed: &mut Changed,
    ) -> Result<Compared, Error> {
        let (mut count, mut fits) = (0_u64, is_shared);
        let (mut hashes, mut aggregates) = (Vec::new(), Vec::new());
        walk(Bytes::Archived(self.repository, old), old.name.number, &mut |transaction| {
            self.go_on()?;
            each(transaction, &mut |token, bytes| {
                let hash = self.hash(bytes);
                match current.get(&token) {
                    Some((same, _)) if *same == hash => {}
                    Some((_, kept)) if *kept == shape(bytes) => {
                        count = count.saturating_add(1);
                        hashes.push(hash);
                        let event = Event::parse(bytes).unwrap_or_default();
                        aggregates.push(event.aggregate_identifier.to_owned());
                    }
                    _ => fits = false,
                }
            });
            Ok(())
        })?;
        if !fits {
            return Ok(Compared::Stranger(count > 0));
        }
        changed.hashes.extend(hashes);
        changed.aggregates.extend(aggregates.into_iter().filter(|name| !name.is_empty()));
        Ok(Compared::Old(count))
    }

    fn hash(&self, bytes: &[u8]) -> ContentHash {
        let mut hasher = self.repository.naming().hasher();
        hasher.update(bytes);
        hasher.content()
    }
}

/// Hands out the events of a transaction with their tokens.
pub(super) fn each(transaction: &Transaction<'_>, visit: &mut dyn FnMut(u64, &[u8])) {
    for (at, bytes) in (0_u64..).zip(transaction.event_bytes()) {
        visit(transaction.first_token.get().saturating_add(at), bytes);
    }
}

/// What a transformation keeps of an event: its aggregate and sequence.
fn shape(bytes: &[u8]) -> u64 {
    let event = Event::parse(bytes).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(event.aggregate_identifier.as_bytes());
    hasher.update(&event.aggregate_sequence_number.to_le_bytes());
    let hash = hasher.finalize();
    u64::from_le_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}
