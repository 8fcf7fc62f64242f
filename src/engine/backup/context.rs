//! One context, compared with the incarnations that the archive has of it.

use crate::axon::name::Store;
use crate::axon::segment::Reason;
use crate::axon::token::Token;
use crate::engine::backup;
use crate::engine::backup::archived::ArchivedContext;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::branch::archived_transaction;
use crate::engine::backup::branch::last_shared;
use crate::engine::backup::branch::transaction_at;
use crate::engine::backup::judge::Fork;
use crate::engine::backup::judge::Judge;
use crate::engine::backup::judge::Seen;
use crate::engine::backup::judge::Verdict;
use crate::engine::backup::read::SeenSegment;
use crate::engine::backup::scan::Scan;
use crate::engine::error::Error;
use crate::engine::window::Bytes;
use crate::repo::store::Repository;
use crate::source;
use crate::source::Source;

/// A context of the source, read.
pub struct SeenContext {
    /// Its name.
    pub name: String,
    /// Its snapshots.
    pub snapshots: SeenStore,
    /// Its events.
    pub events: SeenStore,
}

impl SeenContext {
    /// One of its stores.
    pub fn store(&self, store: Store) -> &SeenStore {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }

    /// Whether any event or snapshot was seen.
    pub fn has_events(&self) -> bool {
        self.snapshots.has_events() || self.events.has_events()
    }
}

/// A store of the source, read.
pub struct SeenStore {
    /// Its segments, in their order.
    pub segments: Vec<SeenSegment>,
    /// Its head when the control database had been captured.
    pub safepoint: Option<Token>,
}

impl SeenStore {
    /// The last token of its volatile segments: where the walk of [`head`](crate::engine::backup::read::head) ended when they were read.
    pub fn head(&self) -> Option<Token> {
        let mut next: Option<Token> = None;
        for segment in self.segments.iter().filter(|segment| segment.file().is_volatile) {
            let follows = next.is_none_or(|next| next == segment.name().number);
            let Some(entry) = segment.entry().filter(|_| follows) else { break };
            next = entry.next_token();
        }
        next.and_then(Token::before)
    }

    /// Bytes that its files take on the disk.
    pub fn on_disk(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.file().on_disk))
    }

    /// Whether any event was seen.
    pub fn has_events(&self) -> bool {
        self.segments.iter().filter_map(SeenSegment::entry).any(|entry| entry.events > 0)
    }
}

/// What a store is beside a log.
#[derive(Clone, Debug)]
pub struct Judged {
    /// A verdict for each segment, in their order.
    pub verdicts: Vec<Verdict>,
    /// Whether at least one transaction is the archived one.
    pub shares: bool,
}

impl Judged {
    /// The first fork, if there is one.
    pub fn fork(&self) -> Option<&Fork> {
        self.verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Forks(fork) => Some(fork),
            _ => None,
        })
    }
}

/// A context beside an incarnation.
#[derive(Clone, Debug)]
pub struct JudgedContext {
    /// Its snapshots.
    pub snapshots: Judged,
    /// Its events.
    pub events: Judged,
}

impl JudgedContext {
    /// One of its stores.
    pub fn store(&self, store: Store) -> &Judged {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }

    /// The first fork of either store.
    pub fn fork(&self) -> Option<(Store, &Fork)> {
        Store::ALL.into_iter().find_map(|store| self.store(store).fork().map(|fork| (store, fork)))
    }

    /// Whether at least one transaction of either store is the archived one.
    pub fn shares(&self) -> bool {
        self.snapshots.shares || self.events.shares
    }

    /// Whether a segment of either store is damaged: behind damage nothing is proven.
    pub fn has_damage(&self) -> bool {
        self.snapshots.verdicts.iter().chain(&self.events.verdicts).any(Verdict::is_damaged)
    }
}

/// What compares.
pub struct Comparer<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The source.
    pub source: &'a dyn Source,
    /// Whether a file that vanishes between two looks is borne: it is not begun again.
    pub is_last: bool,
}

impl Comparer<'_> {
    /// Compares a context with one incarnation.
    pub fn judge(&self, seen: &SeenContext, archived: &ArchivedContext) -> Result<JudgedContext, Error> {
        Ok(JudgedContext {
            snapshots: self.judge_store(&seen.snapshots, &archived.snapshots)?,
            events: self.judge_store(&seen.events, &archived.events)?,
        })
    }

    /// Compares a store with a log.
    pub fn judge_store(&self, seen: &SeenStore, log: &ArchivedLog) -> Result<Judged, Error> {
        let judge = Judge { repository: self.repository, log };
        let mut judged = Judged { verdicts: Vec::with_capacity(seen.segments.len()), shares: false };
        for (at, segment) in seen.segments.iter().enumerate() {
            let behind = seen.segments.get(at + 1..).unwrap_or_default();
            let verdict = self.judge_segment(&judge, seen, segment, behind)?;
            judged.shares |= self.shares(&judge, segment, &verdict)?;
            judged.verdicts.push(verdict);
        }
        Ok(judged)
    }

    fn judge_segment(
        &self,
        judge: &Judge<'_>,
        seen: &SeenStore,
        segment: &SeenSegment,
        behind: &[SeenSegment],
    ) -> Result<Verdict, Error> {
        match segment {
            SeenSegment::Skipped(..) => Ok(Verdict::Known),
            SeenSegment::Unreadable(..) => {
                Ok(Verdict::Damaged { reason: Reason::Truncated, equal_behind: false })
            }
            SeenSegment::Scanned(scan) => match self.judge_scanned(judge, seen, scan, behind) {
                Err(Error::Source(error)) if self.is_borne(&error) => {
                    Ok(Verdict::Damaged { reason: Reason::Truncated, equal_behind: false })
                }
                verdict => verdict,
            },
        }
    }

    /// What can't be read twice is worth no more than what can't be read: nothing is proven of it.
    const fn is_borne(&self, error: &source::Error) -> bool {
        match error {
            source::Error::Io { .. } => true,
            source::Error::Vanished { .. } => self.is_last,
            _ => false,
        }
    }

    fn judge_scanned(
        &self,
        judge: &Judge<'_>,
        seen: &SeenStore,
        scan: &Scan,
        behind: &[SeenSegment],
    ) -> Result<Verdict, Error> {
        let bytes = self.source.open(&scan.file)?;
        let bytes = Bytes::Source(bytes.as_ref());
        let number = scan.file.name.number;
        let next_number = behind.iter().map(|other| other.name().number).find(|other| *other > number);
        let (is_last, safepoint) = (behind.is_empty(), seen.safepoint);
        judge.judge(&Seen { scan, bytes, is_last, safepoint, next_number })
    }

    /// Whether a segment holds at least one archived transaction.
    fn shares(&self, judge: &Judge<'_>, segment: &SeenSegment, verdict: &Verdict) -> Result<bool, Error> {
        let log = judge.log;
        let events = segment.entry().map_or(0, |entry| entry.events);
        let archived = log.best(segment.name()).map_or(0, |entry| entry.events);
        Ok(match verdict {
            Verdict::Damaged { equal_behind: true, .. } => true,
            Verdict::Known | Verdict::Extends { .. } | Verdict::Lags { .. } | Verdict::Damaged { .. } => {
                events > 0 && archived > 0
            }
            Verdict::New => {
                events > 0 && log.other_version(segment.name()).is_some_and(|other| other.events > 0)
            }
            Verdict::Forks(_) => self.last_shared(segment, log)?.is_some(),
        })
    }

    fn last_shared(&self, segment: &SeenSegment, log: &ArchivedLog) -> Result<Option<Token>, Error> {
        let Some(archived) = log.best(segment.name()) else { return Ok(None) };
        let bytes = self.source.open(segment.file())?;
        last_shared(self.repository, (segment.name(), Bytes::Source(bytes.as_ref())), archived)
    }

    /// The last token of a store that it shares with a log, up to its first fork or damage. None if they share none.
    pub fn branch(
        &self,
        seen: &SeenStore,
        log: &ArchivedLog,
        judged: &Judged,
    ) -> Result<Option<Token>, Error> {
        let mut last = None;
        for (segment, verdict) in seen.segments.iter().zip(&judged.verdicts) {
            let name = segment.name();
            let Some(archived) = log.best(name).or_else(|| log.other_version(name)) else { continue };
            let seen_last = segment.entry().and_then(crate::repo::format::entry::SegmentEntry::last_token);
            match verdict {
                Verdict::Forks(_) => return Ok(self.last_shared(segment, log)?.or(last)),
                Verdict::Damaged { .. } => return Ok(seen_last.min(archived.last_token()).or(last)),
                _ => last = seen_last.min(archived.last_token()).or(last),
            }
        }
        Ok(last)
    }

    /// Whether a fork is none: the same transactions, cut into other segments, as another node of the same cluster has them.
    pub fn is_cut_elsewhere(&self, seen: &SeenStore, log: &ArchivedLog, fork: &Fork) -> Result<bool, Error> {
        let Some(token) = fork.cut_at else { return Ok(false) };
        let Some(theirs) = archived_transaction(self.repository, log, token)? else { return Ok(false) };
        let holder = seen.segments.iter().find(|segment| {
            let last = segment.entry().and_then(crate::repo::format::entry::SegmentEntry::last_token);
            segment.name().number <= token && last.is_some_and(|last| last >= token)
        });
        let Some(segment) = holder else { return Ok(false) };
        let bytes = self.source.open(segment.file())?;
        let ours = transaction_at(Bytes::Source(bytes.as_ref()), segment.name().number, token)?;
        Ok(ours.as_ref() == Some(&theirs))
    }

    /// The error that names a fork; without one, not one event is the archived one.
    pub fn refuse(seen: &SeenContext, fork: Option<(Store, &Fork)>) -> Error {
        let (store, segment, why) = if let Some((store, fork)) = fork {
            (store, fork.name.to_string(), fork.why)
        } else {
            let first = seen.events.segments.first().map(|segment| segment.name().to_string());
            (Store::Events, first.unwrap_or_default(), "not one event is the archived one")
        };
        let (context, store) = (seen.name.clone(), store.to_string());
        Error::Backup(backup::Error::Fork { context, store, segment, why: why.to_owned() })
    }
}
