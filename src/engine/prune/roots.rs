//! What must stay, whatever else goes: the points that are not about to go, and the two newest records of each log. Whatever can't be read,
//! or is not there and should be, ends the prune: what it reaches is not known.

use crate::axon::name::Store;
use crate::engine;
use crate::engine::logs::{LogDirectory, that_count};
use crate::engine::pieces::hold;
use crate::engine::points::Problem;
use crate::engine::prune::Error;
use crate::engine::retention::is_held;
use crate::repo;
use crate::repo::format::act::{Act, Deed, PointRef};
use crate::repo::format::id::PackId;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{PointBody, PointLog};
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::{Journal, ListedPoint, LostFiles, Repository};
use std::collections::{BTreeMap, BTreeSet};

/// Points and acts, all of them readable, and all that is in them known.
pub(super) struct Books {
    pub journal: Journal,
    pub logs: Vec<LogDirectory>,
}

impl Books {
    /// Reads all points, acts and logs.
    pub fn read(repository: &Repository) -> Result<Self, engine::Error> {
        let journal = repository.journal()?;
        if let Some(file) = journal.unreadable.iter().find(|file| !file.is_newer) {
            return Err(unreliable(file.path.clone(), file.why.clone()));
        }
        if let Some(file) = journal.unreadable.first() {
            return Err(Error::Newer { path: file.path.clone() }.into());
        }
        if let Some(act) = journal.acts.iter().find(|act| act.deed == Deed::Unknown) {
            return Err(Error::UnknownAct { number: act.number }.into());
        }
        let logs = that_count(repository, &journal.acts)?;
        let (newer, damaged): (Vec<_>, Vec<_>) =
            logs.iter().filter_map(|log| log.trouble(repository)).partition(|problem| problem.newer);
        match (damaged.into_iter().next(), newer.into_iter().next()) {
            (Some(problem), _) => return Err(Error::Unreliable(problem).into()),
            (None, Some(problem)) => return Err(Error::Newer { path: problem.path }.into()),
            (None, None) => {}
        }
        Ok(Self { journal, logs })
    }

    /// The number of the newest act.
    pub fn newest_act(&self) -> u64 {
        self.journal.acts.last().map_or(0, |act| act.number)
    }

    /// The newest point always stays: its number must not be used again.
    fn is_newest(&self, listed: &ListedPoint) -> bool {
        self.journal.points.last().is_some_and(|newest| newest.point.number == listed.point.number)
    }

    /// Forgotten points that nothing protects.
    pub fn forgotten(&self, now: Moment) -> impl Iterator<Item = &ListedPoint> {
        let leaves =
            move |listed: &&ListedPoint| listed.forgotten && !self.is_newest(listed) && !is_held(listed, now);
        self.journal.points.iter().filter(leaves)
    }

    /// Of those, the ones that have been forgotten for the whole grace, by an act that was there when the run began.
    pub fn overdue(&self, now: Moment, grace_ms: i64, newest_act: u64) -> Vec<PointRef> {
        let since = last_acts(&self.journal.acts);
        let is_overdue = |listed: &&ListedPoint| {
            since.get(&listed.reference()).is_some_and(|act| is_over(act, now, grace_ms, newest_act))
        };
        self.forgotten(now).filter(is_overdue).map(ListedPoint::reference).collect()
    }

    /// Packs that are marked, and whether that has been so for the whole grace, by an act that was there when the run began.
    pub fn marked(&self, now: Moment, grace_ms: i64, newest_act: u64) -> BTreeMap<PackId, bool> {
        let mut marked = BTreeMap::new();
        for act in &self.journal.acts {
            if let Deed::Dead { packs } = &act.deed {
                for pack in packs {
                    *marked.entry(*pack).or_insert(false) |= is_over(act, now, grace_ms, newest_act);
                }
            }
        }
        marked
    }

    /// Packs that an act calls damaged.
    pub fn damaged(&self) -> BTreeSet<PackId> {
        let packs = self.journal.acts.iter().flat_map(|act| match &act.deed {
            Deed::Damaged { packs } => packs.as_slice(),
            _ => &[],
        });
        packs.copied().collect()
    }

    /// Whether readers have been told that records and pages may be gone.
    pub fn has_told(&self) -> bool {
        self.journal.acts.iter().any(|act| matches!(act.deed, Deed::Gone { .. } | Deed::Dead { .. }))
    }

    /// The points that must stay when `leaving` go.
    pub fn staying(&self, leaving: &BTreeSet<PointRef>) -> Vec<&ListedPoint> {
        self.journal.points.iter().filter(|listed| !leaving.contains(&listed.reference())).collect()
    }

    /// The two newest records of each log. They must be there, and fit together; and be no older than what points name.
    pub fn records(&self, repository: &Repository) -> Result<Vec<Record>, engine::Error> {
        let (mut found, lost) = (Vec::new(), LostFiles::by(&self.journal.acts));
        for log in &self.logs {
            found.extend(newest_two(repository, log, &lost)?);
        }
        let newest: BTreeMap<&LogKey, u64> =
            self.logs.iter().filter_map(|log| Some((log.key.as_ref()?, *log.numbers.last()?))).collect();
        for listed in &self.journal.points {
            for (key, log) in logs_of(listed) {
                if lost.has(&paths::log(&key), log.record) {
                    self.claims_are_held(repository, listed, (&key, log), &found)?;
                } else if newest.get(&key).is_none_or(|newest| *newest < log.record) {
                    let path = repository.disk().display(&paths::record(&key, log.record));
                    return Err(unreliable(path, format!("point {} names it", listed.point.number)));
                }
            }
        }
        Ok(found)
    }

    /// What a point claims of open segments is in records alone. Where the one that it was made with was given up, the newest one of the log has
    /// to hold it; until it does, nobody knows which packs have it. (Nobody waits for points that are forgotten.)
    fn claims_are_held(
        &self,
        repository: &Repository,
        listed: &ListedPoint,
        (key, log): (&LogKey, &PointLog),
        records: &[Record],
    ) -> Result<(), engine::Error> {
        if listed.forgotten || log.open.is_empty() {
            return Ok(());
        }
        let newest =
            records.iter().filter(|record| record.state.key == *key).max_by_key(|record| record.number);
        let held = newest.map_or(Ok(Vec::new()), |newest| repository.entries(newest.state.clone()))?;
        if hold(&held, log) {
            return Ok(());
        }
        let path = repository.disk().display(&paths::record(key, log.record));
        let number = listed.point.number;
        let why = match left_for(&self.journal, key) {
            None => format!(
                "point {number} needs it until a backup of its source makes another; or forget that point"
            ),
            Some(other) => format!(
                "point {number} needs it, and no backup makes another, since its source has gone on as {}@{other}: forget that point",
                key.context
            ),
        };
        Err(unreliable(path, why))
    }
}

/// The incarnation of a context that its source is on now, if that is another one.
pub(in crate::engine) fn left_for(journal: &Journal, key: &LogKey) -> Option<u32> {
    let of_source = journal.points.iter().filter(|listed| listed.point.body.source == key.source);
    let newest = of_source.filter_map(|listed| listed.point.body.contexts.get(&key.context)).next_back()?;
    (newest.incarnation != key.incarnation).then_some(newest.incarnation)
}

/// The logs of a point.
pub(in crate::engine) fn logs_of(listed: &ListedPoint) -> Vec<(LogKey, &PointLog)> {
    logs_in(&listed.point.body)
}

/// The logs that a point names.
pub(in crate::engine) fn logs_in(body: &PointBody) -> Vec<(LogKey, &PointLog)> {
    let mut logs = Vec::new();
    for (context, both) in &body.contexts {
        for (store, log) in [(Store::Snapshots, &both.snapshots), (Store::Events, &both.events)] {
            let (source, context) = (body.source.clone(), context.clone());
            logs.push((LogKey { source, context, incarnation: both.incarnation, store }, log));
        }
    }
    logs
}

/// The two newest records of each log, whatever points say.
pub(super) fn newest_records(repository: &Repository, acts: &[Act]) -> Result<Vec<Record>, engine::Error> {
    let mut found = Vec::new();
    let lost = LostFiles::by(acts);
    for log in that_count(repository, acts)? {
        found.extend(newest_two(repository, &log, &lost)?);
    }
    Ok(found)
}

fn newest_two(
    repository: &Repository,
    log: &LogDirectory,
    lost: &LostFiles,
) -> Result<Vec<Record>, engine::Error> {
    let (Some(key), Some(newest)) = (&log.key, log.numbers.last()) else { return Ok(Vec::new()) };
    let record = repository.record(key, *newest)?;
    let Some(before) = lost.before(&log.path, *newest) else { return Ok(vec![record]) };
    let is_neighbour = lost.neighbour(&log.path, *newest).is_some();
    // Of those before one that was given up a prune may have left none.
    if !is_neighbour && !log.numbers.contains(&before) {
        return Ok(vec![record]);
    }
    let second = repository.record(key, before)?;
    if is_neighbour {
        fits(repository, &paths::record(key, before), &record)?;
    }
    Ok(vec![record, second])
}

/// Fails if the record behind a file holds another hash of it.
fn fits(repository: &Repository, path: &str, behind: &Record) -> Result<(), engine::Error> {
    let name = || repository.disk().display(path);
    let read = repository.disk().read(path, SMALL_FILE_MAX);
    let bytes = read.map_err(|source| repo::Error::reading(name(), source))?;
    if behind.previous == Some(repository.naming().file(&bytes)) {
        return Ok(());
    }
    Err(unreliable(name(), "the record behind it holds another hash of it".to_owned()))
}

/// For each point that was forgotten, the last act that did it.
fn last_acts(acts: &[Act]) -> BTreeMap<PointRef, &Act> {
    let mut last = BTreeMap::new();
    for act in acts {
        if let Deed::Forgotten { points, .. } = &act.deed {
            last.extend(points.iter().map(|point| (*point, act)));
        }
    }
    last
}

/// A clock alone decides nothing: the act was there when the run began, too.
fn is_over(act: &Act, now: Moment, grace_ms: i64, newest_act: u64) -> bool {
    // Without a grace no clock is asked: it may have been set back since.
    act.number <= newest_act && (grace_ms == 0 || act.at.0.saturating_add(grace_ms) <= now.0)
}

pub(super) fn unreliable(path: String, why: String) -> engine::Error {
    Error::Unreliable(Problem::damaged(path, why)).into()
}
