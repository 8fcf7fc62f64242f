//! `drop-history`: the oldest events of a context leave, whole segments of them, in every incarnation; snapshots stay. What a server accepts is a
//! history with a first token above 0. Points that reach beyond begin later from then on, and an act says so; points that end before are
//! forgotten, and gone.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::retention::{self, is_held, readable};
use crate::engine::rewrite;
use crate::engine::rewrite::{Rewritten, Trees, points_of};
use crate::engine::span;
use crate::engine::{pieces, select};
use crate::repo::format::act::{Deed, DroppedLog, PointRef, View};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{PointLog, PointTimes};
use crate::repo::format::record::{LogKey, LogState};
use crate::repo::store::{Journal, ListedPoint, Repository, Session};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// So many points are rewritten by one act: it stays far below the longest that a reader takes.
pub(in crate::engine) const POINTS_OF_ACT: usize = 4_000;

/// Up to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// What is kept begins at this token or before it.
    Token(u64),
    /// No event of this moment or later is dropped.
    Time(Moment),
}

/// What to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropOptions {
    /// The source; needed where several have the context.
    pub source: Option<String>,
    /// The context.
    pub context: String,
    /// Up to where.
    pub before: Before,
    /// Why, for the act.
    pub reason: String,
    /// What the dry run said: see [`DropReport::confirmation`]. None is a dry run.
    pub confirmed: Option<String>,
}

/// What was dropped, or would be.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DropReport {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// What the deed has to repeat.
    pub confirmation: Option<String>,
    /// Each incarnation of which something leaves.
    pub logs: Vec<DroppedPart>,
    /// Points that begin later from now on.
    pub later: Vec<u64>,
    /// Points that end before what is kept: they are gone.
    pub gone: Vec<u64>,
    /// The acts.
    pub acts: Vec<u64>,
}

/// What leaves of an incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DroppedPart {
    /// The incarnation.
    pub incarnation: u32,
    /// How many segments leave.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first token that leaves.
    pub first: u64,
    /// The first token that is kept.
    pub before: u64,
    /// When the first event that is kept was written, if that is known.
    pub begins: Option<Moment>,
}

/// What has to be done.
struct Plan {
    report: DropReport,
    states: Vec<(LogState, Vec<SegmentEntry>)>,
    later: Vec<(PointRef, Rewritten)>,
    ends: Vec<(PointRef, bool)>,
}

/// Says what would be dropped, or drops it. Decided under the lock of the one that writes.
pub fn drop_history(
    repository: &Repository,
    options: &DropOptions,
    observer: &dyn Observer,
) -> Result<DropReport, Error> {
    if options.confirmed.is_none() {
        return Ok(plan(repository, &readable(repository)?, options, observer)?.report);
    }
    repository.may_remove()?;
    let mut session = repository.session()?;
    rewrite::go_on(&mut session, |key| key.context == options.context && key.store == Store::Events)?;
    let plan = plan(repository, &readable(repository)?, options, observer)?;
    let needed = plan.report.confirmation.clone();
    if needed.is_some() && needed != options.confirmed {
        let needed = needed.unwrap_or_default();
        return Err(retention::Error::NotConfirmed { needed }.into());
    }
    carry_out(&mut session, plan, options, observer)
}

fn source_of(journal: &Journal, options: &DropOptions) -> Result<String, Error> {
    if let Some(source) = &options.source {
        select::source(journal, source)?;
        return Ok(source.clone());
    }
    let has = |listed: &&ListedPoint| listed.point.body.contexts.contains_key(&options.context);
    let sources: BTreeSet<String> =
        journal.points.iter().filter(has).map(|listed| listed.point.body.source.clone()).collect();
    match (sources.len(), sources.first()) {
        (1, Some(source)) => Ok(source.clone()),
        (0, _) => Err(retention::Error::NoContext { context: options.context.clone() }.into()),
        _ => Err(select::Error::Sources {
            name: options.context.clone(),
            sources: sources.into_iter().collect(),
        }
        .into()),
    }
}

fn plan(
    repository: &Repository,
    journal: &Journal,
    options: &DropOptions,
    observer: &dyn Observer,
) -> Result<Plan, Error> {
    let source = source_of(journal, options)?;
    let (mut logs, mut states) = (Vec::new(), Vec::new());
    for key in events_logs(repository, &source, &options.context)? {
        if let Some((part, state)) = in_log(repository, &key, options.before)? {
            logs.push(part);
            states.push(state);
        }
    }
    if logs.is_empty() && events_logs(repository, &source, &options.context)?.is_empty() {
        return Err(retention::Error::NoContext { context: options.context.clone() }.into());
    }
    let confirmation = logs.last().map(|part| format!("{}@{}", options.context, part.before));
    let mut plan = Plan {
        report: DropReport {
            source,
            context: options.context.clone(),
            dry_run: options.confirmed.is_none(),
            confirmation,
            logs,
            later: Vec::new(),
            gone: Vec::new(),
            acts: Vec::new(),
        },
        states,
        later: Vec::new(),
        ends: Vec::new(),
    };
    plan.points(repository, journal, Moment(observer.now_ms()))?;
    Ok(plan)
}

fn events_logs(repository: &Repository, source: &str, context: &str) -> Result<Vec<LogKey>, Error> {
    let is_meant =
        |key: &LogKey| key.source == source && key.context == context && key.store == Store::Events;
    let mut logs = repository.logs()?;
    logs.retain(is_meant);
    logs.sort_by_key(|key| key.incarnation);
    Ok(logs)
}

type Leaving = (DroppedPart, (LogState, Vec<SegmentEntry>));

/// The longest run of segments from the beginning that may leave. The last segment always stays.
fn in_log(repository: &Repository, key: &LogKey, before: Before) -> Result<Option<Leaving>, Error> {
    let Some((record, current)) = pieces::of_log(repository, key)? else { return Ok(None) };
    let leaves = |piece: &&pieces::Piece| match (before, piece.span.next(), &piece.entry) {
        (Before::Token(token), Some(next), _) => next.get() <= token,
        (Before::Time(time), Some(_), Some(entry)) => {
            entry.events == 0 || entry.times.is_some_and(|times| times.greatest.0 < time.0)
        }
        _ => false,
    };
    let mut count = current.iter().take(current.len().saturating_sub(1)).take_while(leaves).count();
    let mut sealed = repository.tree(record.state.root)?;
    while may_reach_beyond(&current, count, (&sealed, before)) {
        count = count.saturating_sub(1);
    }
    let (Some(first), Some(kept)) = (current.first().filter(|_| count > 0), current.get(count)) else {
        return Ok(None);
    };
    let from = kept.span.name.number;
    let part = DroppedPart {
        incarnation: key.incarnation,
        segments: count as u64,
        bytes: current.iter().take(count).map(pieces::Piece::prefix).sum(),
        first: first.span.name.number.get(),
        before: from.get(),
        begins: kept.entry.as_ref().and_then(|entry| entry.times).map(|times| Moment(times.first.0)),
    };
    let mut state = record.state;
    sealed.retain(|entry| entry.name.number >= from);
    state.tails.retain(|entry| entry.name.number >= from);
    Ok(Some((part, (state, sealed))))
}

/// Whether the last of these that leave has a damaged copy that may hold what is to be kept: nobody knows what is behind the damage, but that it
/// ends where the next segment begins.
fn may_reach_beyond(
    current: &[pieces::Piece],
    count: usize,
    (sealed, before): (&[SegmentEntry], Before),
) -> bool {
    let last = count.checked_sub(1).and_then(|last| current.get(last));
    let (Some(last), Some(next)) = (last, current.get(count).map(|next| next.span.name.number)) else {
        return false;
    };
    let is_early = matches!(before, Before::Token(token) if next.get() <= token);
    let is_whole = last.span.next() == Some(next);
    let is_damaged =
        |entry: &SegmentEntry| entry.flaw.is_some() && entry.name.number == last.span.name.number;
    !is_early && !is_whole && sealed.iter().any(is_damaged)
}

impl Plan {
    /// Decides of each point that is not gone, forgotten ones too. A hold forbids it.
    fn points(&mut self, repository: &Repository, journal: &Journal, now: Moment) -> Result<(), Error> {
        let newest = journal.points.last().map(ListedPoint::reference);
        let before: BTreeMap<u32, u64> =
            self.report.logs.iter().map(|part| (part.incarnation, part.before)).collect();
        let (source, context) = (self.report.source.clone(), self.report.context.clone());
        let mut trees = Trees::default();
        for (listed, logs) in points_of(&journal.points, &source, &context) {
            let Some(before) = before.get(&logs.incarnation).copied() else { continue };
            let ends = logs.events.head.is_none_or(|head| head < before) && logs.events.first.is_some();
            let rewritten = later(trees.read(repository, logs.events.root)?, &logs.events, before);
            if !ends && rewritten.is_none() {
                continue;
            }
            let point = listed.point.number;
            if is_held(listed, now) {
                let reason = listed.held.as_ref().map_or_else(String::new, |(reason, _)| reason.clone());
                return Err(retention::Error::Held { point, reason }.into());
            }
            match rewritten.filter(|_| !ends) {
                Some(rewritten) => {
                    self.later.push((listed.reference(), rewritten));
                    self.report.later.push(point);
                }
                None if newest == Some(listed.reference()) => {
                    return Err(retention::Error::NewestEnds { point, before }.into());
                }
                None => {
                    self.ends.push((listed.reference(), listed.forgotten));
                    self.report.gone.push(point);
                }
            }
        }
        Ok(())
    }
}

/// A point's log without what is before a token; none if there is nothing.
fn later(entries: &[SegmentEntry], log: &PointLog, before: u64) -> Option<Rewritten> {
    let stays = |number: u64| number >= before;
    let kept: Vec<SegmentEntry> =
        entries.iter().filter(|entry| stays(entry.name.number.get())).cloned().collect();
    let open: Vec<_> = log.open.iter().filter(|claim| stays(claim.number)).copied().collect();
    if kept.len() == entries.len() && open.len() == log.open.len() {
        return None;
    }
    let numbers = kept.iter().filter(|entry| entry.events > 0).map(|entry| entry.name.number.get());
    let claims = open.iter().filter(|claim| claim.last.is_some()).map(|claim| claim.number);
    let first = numbers.chain(claims).min();
    let times = log.times.and_then(|times| narrowed(&kept, !open.is_empty(), times));
    Some(Rewritten { before: PointLog { first, times, ..log.clone() }, entries: kept, open })
}

/// The times of what is left. Of claims nothing is known but that they lie within what was said before.
fn narrowed(kept: &[SegmentEntry], has_claims: bool, before: PointTimes) -> Option<PointTimes> {
    let spans: Vec<span::Span> = kept.iter().map(pieces::span_of).collect();
    let first = kept.iter().zip(&spans).find(|(_, span)| span.events > 0).map(|(entry, _)| entry);
    let Some(first) = first else { return has_claims.then_some(before) };
    let times = kept.iter().filter_map(|entry| entry.times);
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for times in times {
        (least, greatest) = (least.min(times.least.0), greatest.max(times.greatest.0));
    }
    if has_claims {
        greatest = greatest.max(before.last);
    }
    let within = |time: i64| time.clamp(before.least, before.greatest);
    let first = first.times?.first.0;
    let (least, greatest) = (within(least.min(before.last)), within(greatest));
    Some(PointTimes { first, last: before.last, least: least.min(first), greatest: greatest.max(first) })
}

/// Points that end first; then the act that says what was dropped; then records without it: in two of them, so that no root reaches it.
fn carry_out(
    session: &mut Session<'_>,
    plan: Plan,
    options: &DropOptions,
    observer: &dyn Observer,
) -> Result<DropReport, Error> {
    let Plan { mut report, states, later, ends } = plan;
    if states.is_empty() {
        return Ok(report);
    }
    let now = || Moment(observer.now_ms());
    let mut views = Vec::with_capacity(later.len());
    for (PointRef { number, blake3 }, rewritten) in later {
        let events = Some(rewritten.store(session)?);
        views.push(View { number, blake3, events, snapshots: None });
    }
    let mut next = Vec::with_capacity(states.len());
    for (state, sealed) in states {
        next.push(LogState { root: session.put_tree(&sealed)?, ..state });
    }
    let durable = session.barrier()?;
    let forgotten: Vec<PointRef> = ends.iter().filter(|(_, is)| !is).map(|(point, _)| *point).collect();
    if !forgotten.is_empty() {
        let deed = Deed::Forgotten { points: forgotten, reason: options.reason.clone() };
        report.acts.push(session.publish_act(now(), deed)?);
    }
    if !ends.is_empty() {
        let points = ends.into_iter().map(|(point, _)| point).collect();
        report.acts.push(session.publish_act(now(), Deed::Gone { points })?);
    }
    report.acts.extend(publish_dropped(session, &report, views, options, now())?);
    rewrite::leave(session, durable, next)?;
    Ok(report)
}

fn publish_dropped(
    session: &mut Session<'_>,
    report: &DropReport,
    views: Vec<View>,
    options: &DropOptions,
    at: Moment,
) -> Result<Vec<u64>, Error> {
    let log = |part: &DroppedPart| DroppedLog { incarnation: part.incarnation, before: part.before };
    let mut acts = Vec::new();
    let mut rest = views;
    loop {
        let more = rest.split_off(rest.len().min(POINTS_OF_ACT));
        let deed = Deed::Dropped {
            source: report.source.clone(),
            context: report.context.clone(),
            logs: report.logs.iter().map(log).collect(),
            points: rest,
            reason: options.reason.clone(),
        };
        acts.push(session.publish_act(at, deed)?);
        rest = more;
        if rest.is_empty() {
            return Ok(acts);
        }
    }
}
