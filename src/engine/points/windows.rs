//! The windows of tokens that the archive holds of each log: from the newest record, tails included. Gaps, forks and damage part windows.

use crate::axon::name::Store;
use crate::axon::time::Times;
use crate::engine::pieces::span_of;
use crate::engine::span::{self, Span, Standing};
use crate::repo::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{ControlDb, PointTimes};
use crate::repo::format::record::{LogKey, Record};
use crate::repo::store::{Journal, ListedPoint, LostFiles, Repository};
use serde::Serialize;
use std::collections::BTreeSet;

/// A run of transactions without a gap: each of them can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// Where the incarnation left its parent.
    pub parent: Option<Parent>,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// The first token.
    pub first: u64,
    /// The last token.
    pub last: u64,
    /// Times of its events; none if one of them can't be read.
    pub times: Option<TimeSpan>,
    /// How many segments.
    pub segments: u64,
    /// Bytes of history.
    pub bytes: u64,
    /// True if it ends in a damaged segment, before the damage.
    pub ends_in_damage: bool,
    /// Points whose control database goes with a state in this window: each from its safepoint on.
    pub control_dbs: Vec<ControlDbIn>,
    /// The record that says so.
    pub record: u64,
}

/// A point whose control database goes with states of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlDbIn {
    /// The point.
    pub point: u64,
    /// The token of its safepoint; none if the store was empty.
    pub safepoint: Option<u64>,
}

/// Where an incarnation left its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Parent {
    /// The incarnation that it left.
    pub incarnation: u32,
    /// The last token that both share; none if they share none.
    pub token: Option<u64>,
}

/// The times of a run of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeSpan {
    /// Of the first event.
    pub first: Moment,
    /// Of the last event.
    pub last: Moment,
    /// The least.
    pub least: Moment,
    /// The greatest.
    pub greatest: Moment,
}

impl From<PointTimes> for TimeSpan {
    fn from(times: PointTimes) -> Self {
        let PointTimes { first, last, least, greatest } = times;
        Self { first: Moment(first), last: Moment(last), least: Moment(least), greatest: Moment(greatest) }
    }
}

impl From<Times> for TimeSpan {
    fn from(times: Times) -> Self {
        Self {
            first: Moment(times.first.0),
            last: Moment(times.last.0),
            least: Moment(times.least.0),
            greatest: Moment(times.greatest.0),
        }
    }
}

/// The windows of one log; none if it has no record yet. What needs a chunk that was given up, and is in no pack, can't be restored.
pub fn of_log(
    repository: &Repository,
    key: &LogKey,
    (lost, given_up): (&LostFiles, &BTreeSet<ChunkId>),
) -> Result<Vec<Window>, Error> {
    let Some(record) = repository.newest_record_but(key, lost)? else { return Ok(Vec::new()) };
    let mut entries = repository.entries(record.state.clone())?;
    let mut lost = BTreeSet::new();
    for chunk in entries.iter().flat_map(|entry| &entry.extents).map(|extent| extent.chunk) {
        if given_up.contains(&chunk) && !repository.names_chunk(chunk)? {
            lost.insert(chunk);
        }
    }
    entries.retain(|entry| !entry.extents.iter().any(|extent| lost.contains(&extent.chunk)));
    Ok(windows(&record, entries))
}

fn windows(record: &Record, entries: Vec<SegmentEntry>) -> Vec<Window> {
    let entries = span::current(entries, span_of);
    let mut windows: Vec<Window> = Vec::new();
    let mut before: Option<Span> = None;
    for entry in entries.iter().filter(|entry| entry.events > 0) {
        let span = span_of(entry);
        match windows.last_mut() {
            Some(window) if before.is_some_and(|before| follows(&before, &span)) => extend(window, entry),
            _ => windows.extend(begin(record, entry)),
        }
        before = Some(span);
    }
    windows
}

/// Enters the points whose safepoint lies in a window of events.
pub fn enter_control_dbs(windows: &mut [Window], journal: &Journal) {
    for window in windows.iter_mut().filter(|window| window.store == Store::Events.as_str()) {
        let of = |listed: &ListedPoint| {
            let body = &listed.point.body;
            let held = body.contexts.get(&window.context)?;
            let has = !matches!(body.control_db, ControlDb::Absent { .. }) && !body.unordered;
            let is_its = has && body.source == window.source && held.incarnation == window.incarnation;
            let safepoint = held.events.safepoint;
            let is_in = safepoint.is_none_or(|token| (window.first..=window.last).contains(&token));
            (is_its && is_in).then_some(ControlDbIn { point: listed.point.number, safepoint })
        };
        window.control_dbs = journal.listed().filter_map(of).collect();
    }
}

fn follows(before: &Span, span: &Span) -> bool {
    before.standing != Standing::Damaged && before.next() == Some(span.name.number)
}

fn begin(record: &Record, entry: &SegmentEntry) -> Option<Window> {
    let key = &record.state.key;
    let parent = record.state.branch.map(|branch| Parent {
        incarnation: branch.parent,
        token: branch.token.map(crate::axon::token::Token::get),
    });
    Some(Window {
        source: key.source.clone(),
        context: key.context.clone(),
        incarnation: key.incarnation,
        parent,
        store: key.store.as_str(),
        first: entry.name.number.get(),
        last: entry.last_token()?.get(),
        times: entry.times.map(TimeSpan::from),
        segments: 1,
        bytes: entry.logical_end,
        ends_in_damage: entry.flaw.is_some(),
        control_dbs: Vec::new(),
        record: record.number,
    })
}

fn extend(window: &mut Window, entry: &SegmentEntry) {
    window.last = entry.last_token().map_or(window.last, crate::axon::token::Token::get);
    window.times = window.times.zip(entry.times.map(TimeSpan::from)).map(|(before, next)| TimeSpan {
        first: before.first,
        last: next.last,
        least: before.least.min(next.least),
        greatest: before.greatest.max(next.greatest),
    });
    window.segments += 1;
    window.bytes = window.bytes.saturating_add(entry.logical_end);
    window.ends_in_damage = entry.flaw.is_some();
}

#[cfg(test)]
mod tests {
    use super::windows;
    use crate::axon::name::{SegmentName, Store};
    use crate::axon::segment::Reason;
    use crate::axon::time::{Times, Timestamp};
    use crate::axon::token::Token;
    use crate::repo::format::entry::{End, Flaw, SegmentEntry};
    use crate::repo::format::id::{ContentHash, PageId};
    use crate::repo::format::record::{LogKey, LogState, Record};

    fn entry(number: u64, version: u32, events: u64) -> SegmentEntry {
        SegmentEntry {
            name: SegmentName { number: Token::new(number).unwrap(), version },
            logical_end: 100,
            stored_length: 100,
            file_length: 200,
            end: End::Rolled,
            flaw: None,
            modified_ns: 0,
            events,
            transactions: events,
            times: Some(Times::of(Timestamp(i64::try_from(number).unwrap()))),
            content: ContentHash([0; 32]),
            extents: vec![],
            time_map: None,
        }
    }

    fn seen(entries: Vec<SegmentEntry>) -> Vec<(u64, u64, u64, bool)> {
        let key = LogKey { source: "s".into(), context: "c".into(), incarnation: 1, store: Store::Events };
        let state = LogState { key, branch: None, root: PageId([0; 32]), tails: vec![] };
        let record = Record { number: 3, previous: None, state };
        let all = windows(&record, entries);
        all.iter().map(|found| (found.first, found.last, found.segments, found.ends_in_damage)).collect()
    }

    #[test]
    fn neighbours_join_and_old_versions_and_empty_segments_do_not_count() {
        let entries = vec![entry(0, 0, 10), entry(0, 1, 10), entry(10, 0, 5), entry(15, 0, 0)];
        assert_eq!(seen(entries), [(0, 14, 2, false)]);
        assert_eq!(seen(vec![entry(0, 0, 0)]), []);
    }

    #[test]
    fn a_gap_and_a_damage_part_windows() {
        let mut damaged = entry(30, 0, 5);
        damaged.flaw = Some(Flaw { reason: Reason::Checksum });
        let entries = vec![entry(0, 0, 10), entry(20, 0, 10), damaged, entry(35, 0, 1)];
        assert_eq!(seen(entries), [(0, 9, 1, false), (20, 34, 2, true), (35, 35, 1, false)]);
    }
}
