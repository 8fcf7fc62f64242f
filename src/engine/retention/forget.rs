//! Forgetting points, and remembering them again until a prune has deleted them.

use crate::engine::Error;
use crate::engine::observe::Observer;
use crate::engine::prune;
use crate::engine::retention;
use crate::engine::retention::decide::{Decision, decide};
use crate::engine::retention::hold::held;
use crate::engine::retention::policy::Policy;
use crate::engine::select;
use crate::repo::format::act::{Act, Deed, PointRef};
use crate::repo::format::moment::Moment;
use crate::repo::store::{Journal, ListedPoint, Repository, reserve};
use serde::Serialize;
use std::collections::BTreeSet;

/// Which points to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These, as the user names them.
    Points(Vec<String>),
    /// Those that no rule keeps; with `by_source`, each source is looked at by itself.
    Policy {
        /// The rules.
        policy: Policy,
        /// One source after the other, or all points together.
        by_source: bool,
    },
}

/// How to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetOptions {
    /// Which points.
    pub wanted: Wanted,
    /// Only points of this source.
    pub source: Option<String>,
    /// Why, for the act.
    pub reason: String,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What is decided, and what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ForgetReport {
    /// What is decided of each point that was looked at.
    pub points: Vec<Decision>,
    /// How many of the listed points are kept, of the source if one was given.
    pub kept: usize,
    /// How many are forgotten, or would be.
    pub forgotten: usize,
    /// Sources of which no point is listed any more: only points that are named do that.
    pub bare: Vec<String>,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// The act; none if nothing was done.
    pub act: Option<u64>,
}

/// Decides, and forgets. Decided under the lock of the one that writes: a hold that comes first is seen. On a full disk the reserve is given up,
/// which is enough for this act and for the prune that comes next.
pub fn forget(
    repository: &Repository,
    options: &ForgetOptions,
    observer: &dyn Observer,
) -> Result<ForgetReport, Error> {
    match try_forget(repository, options, observer) {
        Err(error) if prune::is_full(&error) && reserve::release(repository.disk())? => {
            try_forget(repository, options, observer)
        }
        done => done,
    }
}

fn try_forget(
    repository: &Repository,
    options: &ForgetOptions,
    observer: &dyn Observer,
) -> Result<ForgetReport, Error> {
    let now = Moment(observer.now_ms());
    if options.dry_run {
        let journal = readable(repository)?;
        return Ok(report(&journal, options, decisions(&journal, options, now)?, None));
    }
    let mut session = repository.session()?;
    let journal = readable(repository)?;
    let points = decisions(&journal, options, now)?;
    let leaving: Vec<PointRef> = points.iter().filter(|one| !one.keep).map(Decision::reference).collect();
    let act = if leaving.is_empty() {
        None
    } else {
        Some(session.publish_act(now, Deed::Forgotten { points: leaving, reason: options.reason.clone() })?)
    };
    Ok(report(&journal, options, points, act))
}

/// `journal`: as it was before.
fn report(
    journal: &Journal,
    options: &ForgetOptions,
    points: Vec<Decision>,
    act: Option<u64>,
) -> ForgetReport {
    let leaving: BTreeSet<PointRef> =
        points.iter().filter(|one| !one.keep).map(Decision::reference).collect();
    let wanted = options.source.as_deref();
    let left: Vec<&str> = journal
        .listed()
        .filter(|listed| !leaving.contains(&listed.reference()))
        .map(|listed| listed.point.body.source.as_str())
        .collect();
    let sources: BTreeSet<&str> = left.iter().copied().collect();
    let is_bare = |one: &&Decision| !one.keep && !sources.contains(one.source.as_str());
    let bare: BTreeSet<String> = points.iter().filter(is_bare).map(|one| one.source.clone()).collect();
    ForgetReport {
        kept: left.iter().filter(|source| wanted.is_none_or(|wanted| wanted == **source)).count(),
        forgotten: leaving.len(),
        points,
        bare: bare.into_iter().collect(),
        dry_run: options.dry_run,
        act,
    }
}

/// The journal, if all of it can be read: what can't be might be a hold.
pub(in crate::engine) fn readable(repository: &Repository) -> Result<Journal, Error> {
    let journal = repository.journal()?;
    match journal.unreadable.first() {
        None => Ok(journal),
        Some(file) => {
            let means = if file.is_newer { retention::Error::Newer } else { retention::Error::Unreadable };
            Err(means(file.into()).into())
        }
    }
}

fn decisions(journal: &Journal, options: &ForgetOptions, now: Moment) -> Result<Vec<Decision>, Error> {
    match &options.wanted {
        Wanted::Points(names) if names.is_empty() => Err(retention::Error::NothingSaid.into()),
        Wanted::Points(names) => named(journal, names, options.source.as_deref(), now),
        Wanted::Policy { policy, .. } if policy.is_empty() => Err(retention::Error::NothingSaid.into()),
        Wanted::Policy { policy, by_source } => {
            let wanted = options.source.as_deref();
            if let Some(source) = wanted {
                select::source(journal, source)?;
            }
            let is_of = |listed: &&ListedPoint| wanted.is_none_or(|name| listed.point.body.source == name);
            let points: Vec<&ListedPoint> = journal.listed().filter(is_of).collect();
            Ok(decide(&points, &tried(&journal.acts), policy, *by_source, now))
        }
    }
}

/// Points whose restore was tried with success.
fn tried(acts: &[Act]) -> BTreeSet<PointRef> {
    let passed = acts.iter().filter_map(|act| match act.deed {
        Deed::Drilled { point, passed: true, .. } => Some(point),
        _ => None,
    });
    passed.collect()
}

/// Points that the user names: a hold forbids it.
fn named(
    journal: &Journal,
    names: &[String],
    source: Option<&str>,
    now: Moment,
) -> Result<Vec<Decision>, Error> {
    let mut decisions: Vec<Decision> = Vec::new();
    for name in names {
        let listed = select::point(journal, name, source)?;
        let point = listed.point.number;
        if let Some(reason) = held(listed, now) {
            let reason = reason.trim_start_matches("hold: ").to_owned();
            return Err(retention::Error::Held { point, reason }.into());
        }
        if listed.forgotten {
            return Err(retention::Error::Forgotten { point }.into());
        }
        decisions.push(Decision {
            number: point,
            blake3: listed.hash,
            at: listed.point.body.at,
            source: listed.point.body.source.clone(),
            keep: false,
            reasons: vec!["named".to_owned()],
        });
    }
    decisions.sort_by_key(|decision| decision.number);
    decisions.dedup_by_key(|decision| decision.number);
    Ok(decisions)
}

/// Points that are listed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remembered {
    /// Their numbers.
    pub points: Vec<u64>,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// The act; none if nothing was done.
    pub act: Option<u64>,
}

/// Lists forgotten points again: those that are named, or all that are not gone.
pub fn remember(
    repository: &Repository,
    (names, source, dry_run): (&[String], Option<&str>, bool),
    observer: &dyn Observer,
) -> Result<Remembered, Error> {
    let numbers = |points: &[PointRef]| points.iter().map(|point| point.number).collect();
    if dry_run {
        let points = forgotten(&readable(repository)?, names, source)?;
        return Ok(Remembered { points: numbers(&points), dry_run, act: None });
    }
    let mut session = repository.session()?;
    let points = forgotten(&readable(repository)?, names, source)?;
    let listed = numbers(&points);
    let act = if points.is_empty() {
        None
    } else {
        Some(session.publish_act(Moment(observer.now_ms()), Deed::Remembered { points })?)
    };
    Ok(Remembered { points: listed, dry_run, act })
}

fn forgotten(journal: &Journal, names: &[String], source: Option<&str>) -> Result<Vec<PointRef>, Error> {
    if names.is_empty() {
        let is_meant = |listed: &&ListedPoint| {
            listed.forgotten && source.is_none_or(|name| listed.point.body.source == name)
        };
        return Ok(journal.points.iter().filter(is_meant).map(ListedPoint::reference).collect());
    }
    let mut points = BTreeSet::new();
    for name in names {
        let listed = select::point(journal, name, source)?;
        if !listed.forgotten {
            return Err(retention::Error::NotForgotten { point: listed.point.number }.into());
        }
        points.insert(listed.reference());
    }
    Ok(points.into_iter().collect())
}
