//! A point in a list.

use crate::engine::points::windows::TimeSpan;
use crate::repo::format::id::FileHash;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{ControlDb, Order, Point, PointContext, PointLog, Weight};
use crate::repo::store::ListedPoint;
use serde::Serialize;
use std::collections::BTreeMap;

/// A point.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointRow {
    /// Its number.
    pub number: u64,
    /// The hash of its file.
    pub blake3: FileHash,
    /// When the backup began.
    pub at: Moment,
    /// Its source.
    pub source: String,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
    /// Whether nothing was missing or damaged when it was made, nor found so later.
    pub complete: bool,
    /// Why it was marked incomplete after it was made.
    pub marked_incomplete: Option<String>,
    /// How it is known that the control database is not newer than the segments.
    pub order: Order,
    /// True if the control database is newer than the segments.
    pub unordered: bool,
    /// Why it is held.
    pub held: Option<String>,
    /// Until when it is held; for good if there is nothing.
    pub held_until: Option<Moment>,
    /// Set if it is forgotten.
    pub forgotten: bool,
    /// The control database.
    pub control_db: ControlDbRow,
    /// The contexts, by name.
    pub contexts: Vec<ContextRow>,
    /// Contexts that were left out on request.
    pub left_out: Vec<String>,
    /// Bytes of history, and of the control database.
    pub bytes: u64,
    /// How many findings are warnings or worse.
    pub warnings: usize,
}

/// The control database of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlDbRow {
    /// Whether there is one.
    pub present: bool,
    /// Why there is none.
    pub reason: Option<String>,
    /// Name of the database file.
    pub entry: Option<String>,
    /// Name of the zip that it came in.
    pub zip: Option<String>,
    /// Length of the database; of the zip, if only that was archived.
    pub bytes: u64,
}

/// A context of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextRow {
    /// Its name.
    pub context: String,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: LogRow,
    /// Its events.
    pub events: LogRow,
}

/// A log of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogRow {
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The last token; none if it is empty.
    pub head: Option<u64>,
    /// The head when the control database had been captured.
    pub safepoint: Option<u64>,
    /// Sealed segments.
    pub segments: u64,
    /// Segments that could still be written.
    pub open: u64,
    /// Bytes of history.
    pub bytes: u64,
    /// Times of its events.
    pub times: Option<TimeSpan>,
    /// Compared with the point before of the same source; none if that did not have this incarnation of this context.
    pub changed: Option<Changed>,
}

/// What changed since the point before. Below zero where a source showed less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Changed {
    /// New events (or snapshots).
    pub events: i64,
    /// New sealed segments.
    pub segments: i64,
    /// New bytes of history.
    pub bytes: i64,
}

/// The row of a point; `previous` is the one before of the same source.
pub fn row(listed: &ListedPoint, previous: Option<&Point>) -> PointRow {
    let body = &listed.point.body;
    let control_db = control_db(&body.control_db);
    let of_logs = body.contexts.values().flat_map(|context| [context.snapshots.bytes, context.events.bytes]);
    let bytes = of_logs.fold(control_db.bytes, u64::saturating_add);
    PointRow {
        number: listed.point.number,
        blake3: listed.hash,
        at: body.at,
        source: body.source.clone(),
        tags: body.tags.clone(),
        complete: listed.is_complete(),
        marked_incomplete: listed.marked_incomplete.clone(),
        order: body.order,
        unordered: body.unordered,
        held: listed.held.as_ref().map(|(reason, _)| reason.clone()),
        held_until: listed.held.as_ref().and_then(|(_, until)| *until),
        forgotten: listed.forgotten,
        control_db,
        contexts: body
            .contexts
            .iter()
            .map(|(name, context)| self::context(name, context, previous))
            .collect(),
        left_out: body.left_out.clone(),
        bytes,
        warnings: body.findings.iter().filter(|finding| finding.weight > Weight::Note).count(),
    }
}

fn control_db(database: &ControlDb) -> ControlDbRow {
    match database {
        ControlDb::Absent { reason } => {
            ControlDbRow { present: false, reason: Some(reason.clone()), entry: None, zip: None, bytes: 0 }
        }
        ControlDb::Inner { entry, inner, zip } => ControlDbRow {
            present: true,
            reason: None,
            entry: Some(entry.clone()),
            zip: zip.as_ref().map(|zip| zip.name.clone()),
            bytes: inner.length,
        },
        ControlDb::Zip { entry, name, zip } => ControlDbRow {
            present: true,
            reason: None,
            entry: Some(entry.clone()),
            zip: Some(name.clone()),
            bytes: zip.length,
        },
    }
}

fn context(name: &str, context: &PointContext, previous: Option<&Point>) -> ContextRow {
    let before = previous
        .and_then(|point| point.body.contexts.get(name))
        .filter(|before| before.incarnation == context.incarnation);
    ContextRow {
        context: name.to_owned(),
        incarnation: context.incarnation,
        snapshots: log(&context.snapshots, before.map(|before| &before.snapshots)),
        events: log(&context.events, before.map(|before| &before.events)),
    }
}

/// The row of a log.
pub fn log(log: &PointLog, before: Option<&PointLog>) -> LogRow {
    let changed = before.map(|before| Changed {
        events: difference(next(log), next(before)),
        segments: difference(log.segments, before.segments),
        bytes: difference(log.bytes, before.bytes),
    });
    LogRow {
        first: log.first,
        head: log.head,
        safepoint: log.safepoint,
        segments: log.segments,
        open: log.open.len() as u64,
        bytes: log.bytes,
        times: log.times.map(TimeSpan::from),
        changed,
    }
}

fn next(log: &PointLog) -> u64 {
    log.head.map_or(log.first.unwrap_or(0), |head| head.saturating_add(1))
}

fn difference(now: u64, before: u64) -> i64 {
    let distance = i128::from(now) - i128::from(before);
    i64::try_from(distance).unwrap_or(if distance < 0 { i64::MIN } else { i64::MAX })
}
