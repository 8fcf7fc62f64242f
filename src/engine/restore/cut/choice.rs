//! Which control database goes with a cut: that of the newest point whose safepoint is kept in every context, and that was captured in time.

use crate::axon::control_db::named_ms;
use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::history::{Forks, History, key};
use crate::engine::pieces;
use crate::engine::restore::error::Error as Refused;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{ControlDb, Finding, Order, PointBody, StepKind, Weight};
use crate::repo::store::{Journal, ListedPoint, Repository};
use serde::Serialize;

/// A context as it is going to be.
pub struct Kept {
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// The last event that is kept.
    pub last: Option<u64>,
    /// The highest version of a segment that is kept.
    pub version: u32,
    /// How its incarnations hang together.
    pub forks: Forks,
}

impl Kept {
    /// Of the events that are kept.
    pub fn of(history: &History, last: Option<u64>, forks: Forks) -> Self {
        Self {
            context: history.context.clone(),
            incarnation: history.incarnation,
            last,
            version: history.events.iter().map(|piece| piece.span.name.version).max().unwrap_or(0),
            forks,
        }
    }
}

/// The point whose control database is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlDbOf {
    /// The point.
    pub point: u64,
    /// When the database was captured.
    pub captured: Option<Moment>,
    /// True if the point was named by the user.
    pub named: bool,
    /// Why it may not fit, if it was named: one sentence each.
    pub unfit: Vec<String>,
}

/// The newest point that fits; `newest` limits which.
pub fn fitting<'j>(
    journal: &'j Journal,
    source: &str,
    kept: &[Kept],
    time: Option<i64>,
    newest: Option<u64>,
) -> Option<&'j ListedPoint> {
    let is_wanted = |listed: &&ListedPoint| {
        let (number, body) = (listed.point.number, &listed.point.body);
        body.source == source
            && newest.is_none_or(|newest| number <= newest)
            && !matches!(body.control_db, ControlDb::Absent { .. })
            && unfit(body, kept, time).is_empty()
    };
    journal.listed().rev().find(is_wanted)
}

/// Why the control database of a point does not fit.
pub fn unfit(body: &PointBody, kept: &[Kept], time: Option<i64>) -> Vec<String> {
    let mut why = Vec::new();
    if body.unordered {
        why.push("it is newer than the segments of its own point".to_owned());
    }
    for context in kept {
        why.extend(unfit_context(body, context));
    }
    let captured = captured(body).map(|at| at.0);
    if let (Some(time), Some(captured)) = (time, captured)
        && captured > time
    {
        why.push(format!("it was captured at {}, later than the moment asked for", Moment(captured)));
    }
    why
}

fn unfit_context(body: &PointBody, kept: &Kept) -> Option<String> {
    let name = &kept.context;
    let Some(held) = body.contexts.get(name) else {
        return kept.last.map(|_| format!("its point does not have the context {name}"));
    };
    let safepoint = held.events.safepoint;
    if safepoint > kept.last {
        let safepoint = safepoint.unwrap_or_default();
        return Some(format!("it may rely on events of {name} up to token {safepoint}, which are not kept"));
    }
    if is_head_doubtful(body, name, safepoint) {
        return Some(format!(
            "nobody knows which events of {name} it may rely on: their end was damaged, or could not be read"
        ));
    }
    let is_shared = kept.forks.share(held.incarnation, kept.incarnation, safepoint);
    (!is_shared).then(|| format!("it belongs to another incarnation of {name}"))
}

/// Whether the events' head was not what the server had when the safepoint was read: what could be read ends there, in damage.
fn is_head_doubtful(body: &PointBody, context: &str, safepoint: Option<u64>) -> bool {
    let hides_it = |finding: &&Finding| {
        matches!(finding.what.as_str(), "damage" | "unreadable" | "noise")
            && finding.weight > Weight::Note
            && finding.context.as_deref() == Some(context)
            && finding.store.as_deref() == Some(Store::Events.as_str())
    };
    let mut found = body.findings.iter().filter(hides_it);
    found.any(|finding| finding.first.is_none() || finding.first > safepoint)
}

/// When a control database was captured: as the server named its zip, or else when this program asked for it.
pub fn captured(body: &PointBody) -> Option<Moment> {
    let step = body.steps.iter().find(|step| step.step == StepKind::ControlDb).map(|step| step.at);
    let name = match &body.control_db {
        ControlDb::Inner { zip, .. } => zip.as_ref().map(|zip| zip.name.as_str()),
        ControlDb::Zip { name, .. } => Some(name.as_str()),
        ControlDb::Absent { .. } => return None,
    };
    let named = name.and_then(named_ms).map(Moment);
    match (body.order, named, step) {
        // A zip that was handed in is older than the run that took it.
        (Order::Claimed, Some(named), step) => Some(step.map_or(named, |step| step.min(named))),
        (_, named, step) => step.or(named),
    }
}

/// Refuses a control database that does not know the highest version of a segment: the next transformation would use it again.
pub fn refuse_version_reuse(
    repository: &Repository,
    listed: Option<&ListedPoint>,
    kept: &[Kept],
) -> Result<(), Error> {
    for context in kept.iter().filter(|context| context.version > 0) {
        let known = listed.map(|listed| known_version(repository, listed, context)).transpose()?;
        if known.unwrap_or(0) < context.version {
            let point = listed.map(|listed| listed.point.number);
            let (context, version) = (context.context.clone(), context.version);
            return Err(Refused::VersionReuse { context, version, point }.into());
        }
    }
    Ok(())
}

/// The highest version of a segment that a point saw: its control database was captured while those were there.
fn known_version(repository: &Repository, listed: &ListedPoint, context: &Kept) -> Result<u32, Error> {
    let body = &listed.point.body;
    let Some(held) = body.contexts.get(&context.context) else { return Ok(0) };
    let key = key(&body.source, &context.context, held.incarnation, Store::Events);
    let path = format!("points/{}.json", listed.point.number);
    let pieces = pieces::of_point(repository, &key, &held.events, &path)?;
    Ok(pieces.iter().map(|piece| piece.span.name.version).max().unwrap_or(0))
}
