//! The snapshot rule: no snapshot is kept that is ahead of its aggregate's last kept event. Servers hand such snapshots out as they are, and
//! the aggregate is stuck for good.
//!
//! Each point pairs a snapshot head with an event head: snapshots are read first, so those up to the one need no event behind the other.
//! What the newest pair at or before the cut holds is kept untested; later snapshots are tested against the events behind the cut, pair by
//! pair, up to the first one that is ahead.

use crate::axon::event::Event;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::pieces::Piece;
use crate::engine::restore::cut::log::Log;
use crate::repo::format::point::{PointBody, PointContext, Weight};
use crate::repo::store::Journal;
use serde::Serialize;
use std::collections::HashMap;
use std::ops::ControlFlow::{Break, Continue};

/// Aggregates behind a cut that are held in memory, at most; beyond that the test ends early. What is dropped then is only slower to load.
const AGGREGATES_MAX: usize = 1 << 20;

/// A snapshot head and an event head that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The point.
    pub point: u64,
    /// Token behind the last snapshot.
    pub snapshots: u64,
    /// Token behind the last event.
    pub events: u64,
}

/// How many snapshots are kept, and how that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SnapshotRule {
    /// The point whose snapshots are kept untested: its events are all kept.
    pub point: Option<u64>,
    /// Snapshots that were tested beyond that.
    pub tested: u64,
    /// The first snapshot that is ahead of its aggregate's last kept event.
    pub ahead: Option<Ahead>,
    /// Why the test ended before all were tested, if not for one that is ahead.
    pub untested: Option<String>,
}

/// A snapshot that is ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ahead {
    /// Its token.
    pub token: u64,
    /// Its aggregate.
    pub aggregate: String,
    /// Its sequence number.
    pub sequence: i64,
    /// The sequence number of the aggregate's first event behind the cut.
    pub first_dropped: i64,
}

/// The pairs of all points of an incarnation of a context, up to the point `newest` if there is one.
pub fn pairs(journal: &Journal, source: &str, context: (&str, u32), newest: Option<u64>) -> Vec<Pair> {
    let (name, incarnation) = context;
    let of = |point: u64, body: &PointBody| {
        let held = body.contexts.get(name).filter(|held| held.incarnation == incarnation)?;
        let is_sound = body.source == source
            && newest.is_none_or(|newest| point <= newest)
            && is_sound(body, name, held);
        let behind = |head: Option<u64>| head.map_or(0, |head| head.saturating_add(1));
        is_sound.then(|| Pair {
            point,
            snapshots: behind(held.snapshots.head),
            events: behind(held.events.head),
        })
    };
    journal.points.iter().filter_map(|listed| of(listed.point.number, &listed.point.body)).collect()
}

/// Whether all snapshots of the point rest on events that it has: nothing was missing, damaged, torn or behind. A fork alone is only said so
/// that somebody looks.
fn is_sound(body: &PointBody, name: &str, held: &PointContext) -> bool {
    let is_bad = |weight, what: &str| weight > Weight::Note && what != "fork";
    let concerns = |context: Option<&String>| context.is_none_or(|context| context == name);
    held.events.safepoint <= held.events.head
        && !body
            .findings
            .iter()
            .any(|finding| is_bad(finding.weight, &finding.what) && concerns(finding.context.as_ref()))
}

/// How many snapshots can be kept: the token behind the last one. `cut` is the token of the first event that is dropped.
pub fn kept(
    snapshots: Log<'_>,
    events: Log<'_>,
    pairs: &[Pair],
    cut: u64,
) -> Result<(u64, SnapshotRule), Error> {
    let safe = pairs.iter().filter(|pair| pair.events <= cut).max_by_key(|pair| (pair.snapshots, pair.point));
    let mut rule = SnapshotRule { point: safe.map(|pair| pair.point), ..SnapshotRule::default() };
    let mut keep = safe.map_or(0, |pair| pair.snapshots);
    let mut later: Vec<_> = pairs.iter().filter(|pair| pair.snapshots > keep).collect();
    later.sort_by_key(|pair| (pair.snapshots, pair.events));
    let mut dropped = Dropped { first: HashMap::new(), read_to: cut };
    if !later.is_empty() {
        rule.untested = unreadable(events).or_else(|| unreadable(snapshots));
    }
    for pair in later {
        let from = keep;
        if rule.untested.is_none() {
            rule.untested = dropped.read(events, pair.events)?;
        }
        if rule.untested.is_none() {
            keep = test(snapshots, &dropped, from..pair.snapshots, &mut rule)?;
        }
        if rule.untested.is_some() || rule.ahead.is_some() {
            break;
        }
    }
    Ok((keep, rule))
}

/// What an encrypting server stored may look like an event, and is none: such segments have no times.
fn unreadable(log: Log<'_>) -> Option<String> {
    let has_no_times = |piece: &&Piece| {
        piece.span.events > 0 && piece.entry.as_ref().is_none_or(|entry| entry.times.is_none())
    };
    let piece = log.pieces.iter().find(has_no_times)?;
    Some(format!("what is in segment {} can't be read", piece.span.name))
}

/// The aggregates that have events behind the cut: the first sequence number of each. Keys are hashes: names may be long.
struct Dropped {
    first: HashMap<[u8; 16], i64>,
    read_to: u64,
}

impl Dropped {
    /// Reads on; gives why that was not possible.
    fn read(&mut self, events: Log<'_>, to: u64) -> Result<Option<String>, Error> {
        let Some(last) = to.checked_sub(1).filter(|last| *last >= self.read_to) else { return Ok(None) };
        let (mut expected, mut why) = (self.read_to, None);
        let first = &mut self.first;
        events.visit(expected, last, &mut |token, bytes| {
            let Ok(event) = Event::parse(bytes) else {
                why = Some(format!("event {token} can't be read"));
                return Ok(Break(()));
            };
            if token != expected || first.len() > AGGREGATES_MAX {
                why = Some(format!("what lies behind the cut was read up to event {token} only"));
                return Ok(Break(()));
            }
            expected = token.saturating_add(1);
            if !event.aggregate_type.is_empty() {
                let sequence = event.aggregate_sequence_number;
                let held = first.entry(aggregate_key(event.aggregate_identifier)).or_insert(sequence);
                *held = sequence.min(*held);
            }
            Ok(Continue(()))
        })?;
        self.read_to = expected;
        if why.is_none() && expected != to {
            why = Some(format!("the archive has no event {expected}"));
        }
        Ok(why)
    }
}

/// An aggregate's name, in 16 bytes.
pub fn aggregate_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut key);
    key
}

/// Tests the snapshots in `range`; gives the token behind the last one that can be kept.
fn test(
    snapshots: Log<'_>,
    dropped: &Dropped,
    range: std::ops::Range<u64>,
    rule: &mut SnapshotRule,
) -> Result<u64, Error> {
    let mut keep = range.start;
    snapshots.visit(range.start, range.end.saturating_sub(1), &mut |token, bytes| {
        let Ok(event) = Event::parse(bytes) else {
            rule.untested = Some(format!("snapshot {token} can't be read"));
            return Ok(Break(()));
        };
        let sequence = event.aggregate_sequence_number;
        let first = dropped.first.get(&aggregate_key(event.aggregate_identifier));
        rule.tested += 1;
        if let Some(first_dropped) = first.copied().filter(|first| *first <= sequence) {
            let aggregate = event.aggregate_identifier.to_owned();
            rule.ahead = Some(Ahead { token, aggregate, sequence, first_dropped });
            return Ok(Break(()));
        }
        keep = token.saturating_add(1);
        Ok(Continue(()))
    })?;
    Ok(keep)
}

/// What `Token` calls the last one that is kept.
pub fn last(keep: u64) -> Option<u64> {
    Token::new(keep).and_then(Token::before).map(Token::get)
}
