//! `status`: am I safe? What the archive holds of each source and how old that is, how far it is behind, when it was verified, when a restore was tried.

mod concerns;
mod lag;
mod report;

pub use concerns::{Concern, Level, Limits};
pub use lag::{Heads, heads};
pub use report::{Age, ContextStatus, DrillStatus, LogStatus, Size, SourceStatus, Status, Verification};

use crate::axon::name::Store;
use crate::engine::copy::Looked;
use crate::engine::error::Error;
use crate::engine::points::{Overview, PointRow, Problem, Window, overview_of};
use crate::engine::retention;
use crate::engine::stats::{self, Kind};
use crate::engine::verify::Checked;
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::moment::Moment;
use crate::repo::paths;
use crate::repo::store::{Journal, ListedPoint, Repository};
use std::collections::BTreeMap;

/// What to look at, and how.
#[derive(Clone, Debug)]
pub struct StatusOptions {
    /// The clock.
    pub now: Moment,
    /// Only this source.
    pub source: Option<String>,
    /// When to be alarmed.
    pub limits: Limits,
    /// How far the sources reach now, by name; why one could not be asked.
    pub heads: BTreeMap<String, Result<Heads, String>>,
    /// Bytes that are free where the repository lies.
    pub free: Option<u64>,
    /// Whether to walk the repository to tell how it grows.
    pub growth: bool,
}

/// Looks at everything.
pub fn status(repository: &Repository, options: &StatusOptions) -> Result<Status, Error> {
    let journal = repository.journal()?;
    let mut overview = overview_of(repository, &journal)?;
    let size = size(repository, &journal, options)?;
    let mut sources = sources(&overview, options);
    look_for_lost(repository, &journal, &mut sources, &mut overview.problems)?;
    let mut status = Status {
        at: options.now,
        level: Level::Ok,
        sources,
        verification: verification(repository, &journal, options.now)?,
        drill: drill(&journal, options.now),
        first_point: overview.points.iter().map(|point| point.at).min(),
        repository: size,
        holds: retention::holds_in(&journal, options.now),
        concerns: Vec::new(),
        problems: overview.problems,
    };
    status.concerns = concerns::concerns(&status, options);
    status.level = status.concerns.iter().map(|concern| concern.level).max().unwrap_or(Level::Ok);
    Ok(status)
}

fn size(repository: &Repository, journal: &Journal, options: &StatusOptions) -> Result<Size, Error> {
    if options.growth {
        let stats = stats::stats_of(repository, journal, options.free)?;
        let growth = stats.growth;
        return Ok(Size {
            bytes: stats.bytes,
            files: stats.files,
            free: growth.free,
            per_day: growth.per_day,
            full_in_days: growth.full_in_days,
            aside_files: aside_files(&stats.kinds),
        });
    }
    let kinds = stats::files(repository)?;
    let (files, bytes) =
        kinds.iter().fold((0, 0_u64), |sum, kind| (sum.0 + kind.files, sum.1.saturating_add(kind.bytes)));
    let aside_files = aside_files(&kinds);
    Ok(Size { bytes, files, free: options.free, per_day: None, full_in_days: None, aside_files })
}

/// The files in `damaged/`: they were counted with all others.
fn aside_files(kinds: &[Kind]) -> u64 {
    kinds.iter().filter(|kind| kind.kind == paths::DAMAGED).map(|kind| kind.files).sum()
}

fn sources(overview: &Overview, options: &StatusOptions) -> Vec<SourceStatus> {
    let of_points = overview.points.iter().map(|point| point.source.clone());
    let of_windows = overview.windows.iter().map(|window| window.source.clone());
    let mut names: Vec<String> = of_points.chain(of_windows).chain(options.heads.keys().cloned()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| options.source.as_ref().is_none_or(|wanted| wanted == name));
    names.into_iter().map(|name| source(overview, options, name)).collect()
}

fn source(overview: &Overview, options: &StatusOptions, name: String) -> SourceStatus {
    let points: Vec<&PointRow> = overview.points.iter().filter(|point| point.source == name).collect();
    let age = |point: &&PointRow| Age {
        point: point.number,
        at: point.at,
        seconds: seconds(options.now, point.at),
        complete: point.complete,
    };
    let last_complete = points.iter().rev().find(|point| point.complete).map(age);
    let heads = options.heads.get(&name);
    SourceStatus {
        points: points.len() as u64,
        last: points.last().map(age),
        last_complete,
        lacks: None,
        unreachable: heads.and_then(|heads| heads.as_ref().err().cloned()),
        contexts: contexts(overview, &name, heads.and_then(|heads| heads.as_ref().ok())),
        source: name,
    }
}

fn newest_complete<'j>(journal: &'j Journal, source: &SourceStatus) -> Option<&'j ListedPoint> {
    let number = source.last_complete?.point;
    journal.points.iter().find(|listed| listed.point.number == number)
}

/// What the newest points lack, as far as pages and the directories of packs tell; bytes are for `verify --data`. What a newer program wrote, or may
/// be in a pack of one, is not lost: it is a problem.
fn look_for_lost(
    repository: &Repository,
    journal: &Journal,
    sources: &mut [SourceStatus],
    problems: &mut Vec<Problem>,
) -> Result<(), Error> {
    let mut looked = Looked::at(repository, None);
    for source in sources {
        let Some(listed) = newest_complete(journal, source) else { continue };
        match looked.point(listed) {
            Err(Error::Repo(repo::Error::Unsupported { path, source })) => {
                if problems.iter().all(|problem| problem.path != path) {
                    problems.push(Problem { path, why: source.to_string(), newer: true });
                }
            }
            lacks => source.lacks = lacks?,
        }
    }
    Ok(())
}

fn seconds(now: Moment, then: Moment) -> i64 {
    now.0.saturating_sub(then.0).div_euclid(1_000)
}

/// The contexts of a source, each with the incarnation that its newest point saw; of one that no point names, the newest.
fn incarnations<'o>(overview: &'o Overview, source: &str) -> BTreeMap<&'o str, u32> {
    let mut followed: BTreeMap<&str, u32> = BTreeMap::new();
    for window in overview.windows.iter().filter(|window| window.source == source) {
        let incarnation = followed.entry(&window.context).or_default();
        *incarnation = (*incarnation).max(window.incarnation);
    }
    // A later point may be of an older one.
    for row in overview.points.iter().filter(|point| point.source == source).flat_map(|point| &point.contexts)
    {
        followed.insert(&row.context, row.incarnation);
    }
    followed
}

fn contexts(overview: &Overview, source: &str, heads: Option<&Heads>) -> Vec<ContextStatus> {
    let mut followed = incarnations(overview, source);
    let unseen = heads.into_iter().flat_map(|heads| heads.keys()).map(|(context, _)| context.as_str());
    for context in unseen {
        followed.entry(context).or_default();
    }
    let log = |context: &str, incarnation: u32, store: Store| {
        let of_log = |window: &&Window| {
            window.source == source
                && window.context == context
                && window.incarnation == incarnation
                && window.store == store.as_str()
        };
        let windows: Vec<&Window> = overview.windows.iter().filter(of_log).collect();
        log_status(&windows, heads.and_then(|heads| heads.get(&(context.to_owned(), store))))
    };
    followed
        .into_iter()
        .map(|(context, incarnation)| ContextStatus {
            context: context.to_owned(),
            incarnation,
            events: log(context, incarnation, Store::Events),
            snapshots: log(context, incarnation, Store::Snapshots),
        })
        .collect()
}

/// `head`: the last token that the source has, if it was looked at.
fn log_status(windows: &[&Window], head: Option<&Option<u64>>) -> LogStatus {
    let last = windows.last().map(|window| window.last);
    let next = |token: Option<u64>| token.map_or(0, |token| token.saturating_add(1));
    LogStatus {
        first: windows.first().map(|window| window.first),
        last,
        from: windows.first().and_then(|window| window.times).map(|times| times.first),
        to: windows.last().and_then(|window| window.times).map(|times| times.last),
        gaps: (windows.len() as u64).saturating_sub(1),
        source_head: head.copied().flatten(),
        behind: head.map(|head| next(*head).saturating_sub(next(last))),
    }
}

fn verification(repository: &Repository, journal: &Journal, now: Moment) -> Result<Verification, Error> {
    let checked = Checked::by(&journal.acts);
    let packs = repository.index().packs()?;
    let total: u64 = packs.iter().map(|(_, length)| length).sum();
    let read = packs.iter().filter_map(|(id, length)| Some((checked.last(*id)?, length)));
    let verified: u64 = read.clone().map(|(_, length)| length).sum();
    let last =
        journal.acts.iter().filter(|act| matches!(act.deed, Deed::Verified { .. })).map(|act| act.at).max();
    let damaged = packs.iter().filter(|(id, _)| checked.damaged().contains(id)).count() as u64;
    Ok(Verification {
        last,
        seconds: last.map(|last| seconds(now, last)),
        oldest: read.map(|(at, _)| at).min(),
        packs: packs.len() as u64,
        bytes: total,
        verified_bytes: verified,
        damaged_packs: damaged,
    })
}

fn drill(journal: &Journal, now: Moment) -> Option<DrillStatus> {
    journal.acts.iter().rev().find_map(|act| match &act.deed {
        Deed::Drilled { point, seconds: took, passed, .. } => Some(DrillStatus {
            point: point.number,
            at: act.at,
            seconds: seconds(now, act.at),
            took_seconds: *took,
            passed: *passed,
        }),
        _ => None,
    })
}
