//! `erase`: after a transformation in the server (an erasure of personal data) the old versions of its segments leave the archive at once: of
//! every incarnation, sealed ones, tails and damaged copies. Points that held one read the current version from then on; an act says so and why.
//!
//! One run does all of it, alone: nobody else has the repository open. The order is: new trees; acts, which name what is erased and what points
//! say now; records without it, two of each log, so that no root reaches it; then what is mostly dead is written anew, and what nothing reaches is
//! deleted. A run that stops leaves a repository that is whole; the next one goes on.

mod gather;
mod lists;
pub mod prove;
mod report;
mod views;

pub use report::{CopyRow, EraseReport, ErasedRow, Proof, SnapshotRow};

use crate::axon::name::Store;
use crate::engine::drop_history::POINTS_OF_ACT;
use crate::engine::erase::gather::{Changed, Log};
use crate::engine::erase::prove::{Erased, prove};
use crate::engine::erase::views::Views;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::prune;
use crate::engine::prune::DeleteReport;
use crate::engine::retention::{self, is_held, readable};
use crate::engine::rewrite;
use crate::engine::rewrite::{Rewritten, points_of};
use crate::engine::select;
use crate::repo::format::act::{Deed, ErasedSegment, View};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, ContentHash, FileHash};
use crate::repo::format::moment::Moment;
use crate::repo::format::record::LogState;
use crate::repo::store::{Alone, Journal, Repository, Session, reserve};
use std::collections::BTreeMap;

/// So many hashes are named by one act.
const HASHES_OF_ACT: usize = 200_000;

/// What to erase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseOptions {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// Whether the context's snapshots go, too.
    pub snapshots: bool,
    /// Why, for the act.
    pub reason: String,
    /// Whether every block is read behind it.
    pub prove: bool,
}

/// What is done to a point: its events, its snapshots.
type PointLogs = [Option<Rewritten>; 2];

/// What has to be done.
struct Plan {
    report: EraseReport,
    logs: Vec<Log>,
    snapshots: Vec<(LogState, Vec<SegmentEntry>)>,
    segments: Vec<ErasedSegment>,
    chunks: Vec<ChunkId>,
    changed: Changed,
    points: BTreeMap<(u64, FileHash), PointLogs>,
}

/// Says what would be erased.
pub fn plan(
    repository: &Repository,
    options: &EraseOptions,
    observer: &dyn Observer,
) -> Result<EraseReport, Error> {
    Ok(make_plan(repository, options, observer)?.report)
}

/// Erases. On a full disk the reserve is given up, and what is dead goes before anything is written anew.
pub fn erase(alone: &Alone, options: &EraseOptions, observer: &dyn Observer) -> Result<EraseReport, Error> {
    let disk = alone.repository().disk();
    let done = match try_erase(alone, options, false, observer) {
        Err(error) if prune::is_full(&error) && reserve::release(disk)? => {
            try_erase(alone, options, true, observer)
        }
        done => done,
    }?;
    // A disk that is still full will have to do without.
    let _ = reserve::make(disk);
    Ok(done)
}

fn try_erase(
    alone: &Alone,
    options: &EraseOptions,
    is_full: bool,
    observer: &dyn Observer,
) -> Result<EraseReport, Error> {
    let repository = alone.repository();
    let mut plan = make_plan(repository, options, observer)?;
    plan.report.dry_run = false;
    let mut report = if plan.segments.is_empty() {
        plan.report
    } else {
        let mut session = repository.session()?;
        plan.carry_out(&mut session, options, observer)?
    };
    let erased = Erased::by_acts(repository, &options.source, &options.context)?;
    if !erased.hashes.is_empty() || !erased.chunks.is_empty() {
        // An earlier run may have stopped before this.
        rewrite::go_on(&mut repository.session()?, |key| {
            key.source == options.source && key.context == options.context
        })?;
        let mut deleted = DeleteReport::default();
        if is_full {
            deleted = prune::at_once(alone, false, observer)?;
        }
        report.deleted = Some(deleted.and(prune::at_once(alone, true, observer)?));
        // Before anybody is told that it is gone.
        alone.settle_removals()?;
        report.left = lists::left(repository, &erased.chunks)?;
    }
    if options.prove {
        report.proof = Some(prove(repository, &erased, observer)?);
    }
    Ok(report)
}

fn make_plan(
    repository: &Repository,
    options: &EraseOptions,
    observer: &dyn Observer,
) -> Result<Plan, Error> {
    let journal = readable(repository)?;
    let (source, context) = (options.source.as_str(), options.context.as_str());
    let (logs, changed) = gather::logs(repository, (source, context), observer)?;
    if logs.is_empty() {
        select::source(&journal, source)?;
        return Err(retention::Error::NoContext { context: context.to_owned() }.into());
    }
    let mut report = lists::report(repository, &journal, options, (&logs, &changed))?;
    let snapshots = if options.snapshots && !report.snapshots.is_empty() {
        report.snapshots_dropped = true;
        lists::snapshot_logs(repository, source, context)?
    } else {
        Vec::new()
    };
    let segments = segments(&logs, &snapshots);
    let chunks = lists::chunks(repository, &logs, &snapshots)?;
    let mut plan = Plan { report, logs, snapshots, segments, chunks, changed, points: BTreeMap::new() };
    plan.points(repository, &journal, Moment(observer.now_ms()))?;
    Ok(plan)
}

fn segments(logs: &[Log], snapshots: &[(LogState, Vec<SegmentEntry>)]) -> Vec<ErasedSegment> {
    let of = |incarnation: u32, store: Store, entry: &SegmentEntry| ErasedSegment {
        incarnation,
        store,
        number: entry.name.number.get(),
        version: entry.name.version,
        blake3: entry.content,
    };
    let old = logs
        .iter()
        .flat_map(|log| log.pairs.iter().map(|pair| of(log.key.incarnation, Store::Events, &pair.old)));
    let states = snapshots.iter().flat_map(|(state, sealed)| {
        let entries = sealed.iter().chain(&state.tails);
        entries.map(|entry| of(state.key.incarnation, Store::Snapshots, entry))
    });
    old.chain(states).collect()
}

impl Plan {
    /// All points that are not gone, forgotten ones too. Holds forbid it, all of them are named.
    fn points(&mut self, repository: &Repository, journal: &Journal, now: Moment) -> Result<(), Error> {
        let (source, context) = (self.report.source.clone(), self.report.context.clone());
        let mut held = Vec::new();
        for log in &self.logs {
            let mine = || {
                points_of(&journal.points, &source, &context)
                    .filter(|(_, logs)| logs.incarnation == log.key.incarnation)
            };
            let mut views = Views::new(repository, log, mine().map(|(_, logs)| &logs.events))?;
            for (listed, logs) in mine() {
                let events = views.without(log, &logs.events)?;
                let has_snapshots = logs.snapshots.segments > 0 || !logs.snapshots.open.is_empty();
                let drops = self.report.snapshots_dropped && has_snapshots;
                let snapshots = drops.then(|| lists::emptied(&logs.snapshots));
                if events.is_none() && snapshots.is_none() {
                    continue;
                }
                if is_held(listed, now) {
                    let why = listed.held.as_ref().map_or("", |(reason, _)| reason.as_str());
                    held.push(format!("{} ({why})", listed.point.number));
                }
                self.report.points.push(listed.point.number);
                self.points.insert((listed.point.number, listed.hash), [events, snapshots]);
            }
        }
        self.report.points.sort_unstable();
        if held.is_empty() {
            return Ok(());
        }
        Err(retention::Error::HeldAgainst { points: held.join(", ") }.into())
    }

    fn carry_out(
        self,
        session: &mut Session<'_>,
        options: &EraseOptions,
        observer: &dyn Observer,
    ) -> Result<EraseReport, Error> {
        let Self { mut report, logs, snapshots, segments, chunks, changed, points } = self;
        let mut views = Vec::with_capacity(points.len());
        for ((number, blake3), [events, snapshots]) in points {
            let events = events.map(|log| log.store(session)).transpose()?;
            let snapshots = snapshots.map(|log| log.store(session)).transpose()?;
            views.push(View { number, blake3, events, snapshots });
        }
        let mut states = Vec::new();
        for log in logs.into_iter().filter(|log| !log.pairs.is_empty()) {
            states.push(LogState { root: session.put_tree(&log.sealed)?, ..log.state });
        }
        for (state, _) in snapshots {
            states.push(LogState { root: session.put_tree(&[])?, tails: Vec::new(), ..state });
        }
        let durable = session.barrier()?;
        let hashes: Vec<ContentHash> = changed.hashes.into_iter().collect();
        let said = Said { segments, chunks, hashes, views };
        report.acts = said.publish(session, options, Moment(observer.now_ms()))?;
        rewrite::leave(session, durable, states)?;
        Ok(report)
    }
}

/// What the acts say.
struct Said {
    segments: Vec<ErasedSegment>,
    chunks: Vec<ChunkId>,
    hashes: Vec<ContentHash>,
    views: Vec<View>,
}

impl Said {
    /// As many acts as are needed.
    fn publish(
        self,
        session: &mut Session<'_>,
        options: &EraseOptions,
        at: Moment,
    ) -> Result<Vec<u64>, Error> {
        let Self { mut segments, mut chunks, mut hashes, mut views } = self;
        let mut acts = Vec::new();
        loop {
            let more_hashes = hashes.split_off(hashes.len().min(HASHES_OF_ACT));
            let more_views = views.split_off(views.len().min(POINTS_OF_ACT));
            let deed = Deed::Erased {
                source: options.source.clone(),
                context: options.context.clone(),
                segments: std::mem::take(&mut segments),
                chunks: std::mem::take(&mut chunks),
                hashes: std::mem::replace(&mut hashes, more_hashes),
                points: std::mem::replace(&mut views, more_views),
                reason: options.reason.clone(),
            };
            acts.push(session.publish_act(at, deed)?);
            if hashes.is_empty() && views.is_empty() {
                return Ok(acts);
            }
        }
    }
}
