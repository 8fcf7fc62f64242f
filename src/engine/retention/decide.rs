//! Which points a policy keeps, and why. Pure.
//!
//! Points are ordered by their numbers, never by their clocks. Each rule decides by itself, so that more rules never keep less. What is always
//! kept, whatever the rules say: held points, the newest one of each source, its newest complete one, its newest one with a control database,
//! the last one of it whose restore was tried with success, and points that are dated in the future (a clock was wrong; nobody knows whose).

use crate::engine::retention::hold::held;
use crate::engine::retention::policy::{Period, Policy};
use crate::repo::format::act::PointRef;
use crate::repo::format::id::FileHash;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::ControlDb;
use crate::repo::store::ListedPoint;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is decided of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decision {
    /// Its number.
    pub number: u64,
    /// The hash of its file.
    pub blake3: FileHash,
    /// When the backup began.
    pub at: Moment,
    /// Its source.
    pub source: String,
    /// Whether it is kept.
    pub keep: bool,
    /// Why.
    pub reasons: Vec<String>,
}

impl Decision {
    /// Number and hash.
    pub fn reference(&self) -> PointRef {
        PointRef { number: self.number, blake3: self.blake3 }
    }
}

/// Decides of all points, which come by rising number. `tried` are those whose restore was tried with success. With `by_source` the
/// rules look at each source by itself.
pub fn decide(
    points: &[&ListedPoint],
    tried: &BTreeSet<PointRef>,
    policy: &Policy,
    by_source: bool,
    now: Moment,
) -> Vec<Decision> {
    let mut groups: BTreeMap<&str, Vec<&ListedPoint>> = BTreeMap::new();
    for listed in points {
        let group = if by_source { listed.point.body.source.as_str() } else { "" };
        groups.entry(group).or_default().push(listed);
    }
    let mut decisions: Vec<Decision> =
        groups.into_values().flat_map(|group| Group::new(group, now).decide(tried, policy)).collect();
    decisions.sort_by_key(|decision| decision.number);
    decisions
}

/// Points that are looked at together, the newest first.
struct Group<'a> {
    points: Vec<&'a ListedPoint>,
    now: Moment,
    reasons: BTreeMap<u64, Vec<String>>,
    /// Who stands for a period.
    standing: BTreeMap<String, u64>,
}

impl<'a> Group<'a> {
    fn new(mut points: Vec<&'a ListedPoint>, now: Moment) -> Self {
        points.sort_by_key(|listed| std::cmp::Reverse(listed.point.number));
        Self { points, now, reasons: BTreeMap::new(), standing: BTreeMap::new() }
    }

    fn decide(mut self, tried: &BTreeSet<PointRef>, policy: &Policy) -> Vec<Decision> {
        self.holds();
        self.always(tried);
        self.last(policy.last);
        self.within(policy.within_ms);
        for (period, count) in &policy.periods {
            self.period(*period, *count);
        }
        self.tags(&policy.tags);
        let decision = |listed: &&ListedPoint| self.decision(listed, policy);
        self.points.iter().map(decision).collect()
    }

    fn keep(&mut self, listed: &ListedPoint, reason: String) {
        self.reasons.entry(listed.point.number).or_default().push(reason);
    }

    fn keep_first(&mut self, of: &[&ListedPoint], reason: &str, fits: impl Fn(&ListedPoint) -> bool) {
        if let Some(found) = of.iter().find(|listed| fits(listed)) {
            self.keep(found, reason.to_owned());
        }
    }

    fn keep_all(&mut self, fits: impl Fn(&ListedPoint) -> Option<String>) {
        for listed in self.points.clone() {
            if let Some(reason) = fits(listed) {
                self.keep(listed, reason);
            }
        }
    }

    fn holds(&mut self) {
        let now = self.now;
        self.keep_all(|listed| held(listed, now));
    }

    fn always(&mut self, tried: &BTreeSet<PointRef>) {
        // Of each source, even if all are looked at together: without its newest point nothing of it can be restored.
        for of_source in self.by_source().into_values() {
            self.always_of(&of_source, tried);
        }
        let now = self.now;
        self.keep_all(|listed| {
            (listed.point.body.at > now).then(|| "dated in the future: no rule applies".to_owned())
        });
    }

    fn by_source(&self) -> BTreeMap<&'a str, Vec<&'a ListedPoint>> {
        let mut sources: BTreeMap<&str, Vec<&ListedPoint>> = BTreeMap::new();
        for listed in self.points.iter().copied() {
            sources.entry(&listed.point.body.source).or_default().push(listed);
        }
        sources
    }

    /// Of the points of one source, the newest first.
    fn always_of(&mut self, points: &[&ListedPoint], tried: &BTreeSet<PointRef>) {
        let newest = points.first();
        self.keep_first(points, "last", |_| true);
        if !newest.is_some_and(|listed| listed.is_complete()) {
            self.keep_first(points, "newest complete one", ListedPoint::is_complete);
        }
        if !newest.is_some_and(|listed| has_control_db(listed)) {
            self.keep_first(points, "newest one with a control db", has_control_db);
        }
        let is_tried = |listed: &ListedPoint| tried.contains(&listed.reference());
        self.keep_first(points, "last one whose restore was tried", is_tried);
    }

    /// Points that a rule of the calendar can apply to.
    fn dated(&self) -> Vec<&'a ListedPoint> {
        let now = self.now;
        self.points.iter().copied().filter(|listed| listed.point.body.at <= now).collect()
    }

    fn last(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for (at, listed) in self.points.clone().into_iter().take(count).enumerate() {
            self.keep(listed, format!("last {}", at.saturating_add(1)));
        }
    }

    /// Counted back from the newest point, not from the clock: a node that is off for a year keeps what it has.
    fn within(&mut self, within_ms: Option<i64>) {
        let newest = self.dated().iter().map(|listed| listed.point.body.at.0).max();
        let (Some(within), Some(newest)) = (within_ms, newest) else { return };
        for listed in self.dated() {
            if listed.point.body.at.0 >= newest.saturating_sub(within) {
                self.keep(listed, "within the time".to_owned());
            }
        }
    }

    /// One point for each of the newest periods that have points: the newest complete one, or else the newest.
    fn period(&mut self, period: Period, count: u64) {
        let mut buckets: Vec<(String, Vec<&ListedPoint>)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for listed in self.dated() {
            let Some(name) = period.of(listed.point.body.at) else { continue };
            let place = *places.entry(name.clone()).or_insert(buckets.len());
            match buckets.get_mut(place) {
                Some((_, bucket)) => bucket.push(listed),
                None => buckets.push((name, vec![listed])),
            }
        }
        buckets.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        for (name, bucket) in buckets {
            self.stand_for(&format!("{} {name}", period.name()), &bucket);
        }
    }

    fn stand_for(&mut self, name: &str, bucket: &[&ListedPoint]) {
        let complete = bucket.iter().find(|listed| listed.is_complete());
        let Some(chosen) = complete.or(bucket.first()) else { return };
        self.keep(chosen, name.to_owned());
        self.standing.insert(name.to_owned(), chosen.point.number);
        if !has_control_db(chosen)
            && let Some(other) = bucket.iter().find(|listed| has_control_db(listed))
        {
            self.keep(other, format!("only one with a control db for {name}"));
        }
    }

    fn tags(&mut self, tags: &[(String, String)]) {
        for (key, value) in tags {
            self.keep_all(|listed| {
                let found = listed.point.body.tags.get(key);
                (found == Some(value)).then(|| format!("tag {key}={value}"))
            });
        }
    }

    fn decision(&self, listed: &ListedPoint, policy: &Policy) -> Decision {
        let reasons = self.reasons.get(&listed.point.number).cloned();
        Decision {
            number: listed.point.number,
            blake3: listed.hash,
            at: listed.point.body.at,
            source: listed.point.body.source.clone(),
            keep: reasons.is_some(),
            reasons: reasons.unwrap_or_else(|| vec![self.why_not(listed, policy)]),
        }
    }

    /// Who stands for it, if somebody does.
    fn why_not(&self, listed: &ListedPoint, policy: &Policy) -> String {
        let standing = policy.periods.iter().find_map(|(period, _)| {
            let name = format!("{} {}", period.name(), period.of(listed.point.body.at)?);
            self.standing.get(&name).map(|number| format!("point {number} stands for {name}"))
        });
        standing.unwrap_or_else(|| "no rule keeps it".to_owned())
    }
}

fn has_control_db(listed: &ListedPoint) -> bool {
    !matches!(listed.point.body.control_db, ControlDb::Absent { .. })
}
