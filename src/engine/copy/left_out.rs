//! What is lost here is not copied, nor are points that need it; all else is.

use crate::engine;
use crate::engine::copy::logs::{self, Next, name};
use crate::engine::copy::points::Choice;
use crate::engine::copy::there::Looked;
use crate::engine::copy::{CopiedPoint, CopyReport, LostPoint};
use crate::engine::prune::Survey;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::format::record::LogKey;
use crate::repo::store::{ListedPoint, Repository, lost_chunks};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a log holds and the copy does not, since it is lost here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostHistory {
    /// Which log.
    pub log: String,
    /// The segments; none where it is all of the log.
    pub segments: Vec<String>,
    /// What is missing or damaged of the first of them.
    pub why: String,
    /// Whether all that is missing of them was given up here.
    pub given_up: bool,
}

/// Takes the points out of the choice that need a lost chunk, and the segments out of the logs; both are reported.
pub(super) fn leave_out(
    (from, to): (&Repository, &Repository),
    lost: &BTreeSet<ChunkId>,
    choice: &mut Choice,
    (next, lost_logs): (&mut [Next], &[(LogKey, String)]),
    report: &mut CopyReport,
) -> Result<(), engine::Error> {
    let mut looked = Looked::at(from, Some((lost, to)));
    for (key, why) in lost_logs {
        looked.without(key, why);
        report.history_left_out.push(lost_log(key, why.clone()));
    }
    sift(choice, report, &mut |listed| looked.point(listed))?;
    report.left_out.sort_by_key(|left| left.point.from);
    let given_up = lost_chunks(&from.acts()?.0);
    for log in next {
        let left = log.leave_out((from, to), &|entry| entry.chunks().any(|chunk| lost.contains(&chunk)))?;
        report.history_left_out.extend(history(name(&log.state.key), &left, lost, &given_up));
    }
    Ok(())
}

/// Takes the points out of the choice that rest on a record which is lost.
pub(super) fn unheld(
    from: &Repository,
    to: &Repository,
    choice: &mut Choice,
    report: &mut CopyReport,
) -> Result<(), engine::Error> {
    let unheld = logs::unheld(from, to, &choice.missing)?;
    sift(choice, report, &mut |listed| Ok(unheld.get(&listed.point.number).cloned()))
}

/// Takes the points out of the choice that can't be copied, for the reason that `why` has.
fn sift(
    choice: &mut Choice,
    report: &mut CopyReport,
    why: &mut dyn FnMut(&ListedPoint) -> Result<Option<String>, engine::Error>,
) -> Result<(), engine::Error> {
    for listed in std::mem::take(&mut choice.missing) {
        match why(&listed)? {
            None => choice.missing.push(listed),
            Some(why) => {
                let point = CopiedPoint { from: listed.point.number, to: None };
                report.left_out.push(LostPoint { point, why });
            }
        }
    }
    report.points = choice.report().points;
    Ok(())
}

/// A log of which nothing can be read.
fn lost_log(key: &LogKey, why: String) -> LostHistory {
    LostHistory { log: name(key), segments: Vec::new(), why, given_up: false }
}

fn history(
    log: String,
    left: &[SegmentEntry],
    lost: &BTreeSet<ChunkId>,
    given_up: &BTreeSet<ChunkId>,
) -> Option<LostHistory> {
    let chunks: Vec<ChunkId> =
        left.iter().flat_map(SegmentEntry::chunks).filter(|chunk| lost.contains(chunk)).collect();
    let why = repo::Error::ChunkMissing { chunk: *chunks.first()? }.to_string();
    let given_up = chunks.iter().all(|chunk| given_up.contains(chunk));
    Some(LostHistory {
        log,
        segments: left.iter().map(|entry| entry.name.to_string()).collect(),
        why,
        given_up,
    })
}

/// What is needed and in no pack, neither here nor there, as far as their directories tell.
pub(super) fn nowhere(survey: &Survey<'_>, to: &Repository) -> Result<BTreeSet<ChunkId>, engine::Error> {
    let mut lost = BTreeSet::new();
    survey.ledger.each_chunk(&mut |chunk| {
        lost.extend(is_nowhere(survey.repository, to, chunk)?.then_some(chunk));
        Ok(())
    })?;
    Ok(lost)
}

/// Whether no pack has a chunk, neither here nor there. What is in a pack that a newer program wrote is not lost.
fn is_nowhere(from: &Repository, to: &Repository, chunk: ChunkId) -> Result<bool, repo::Error> {
    if to.names_chunk(chunk)? || from.names_chunk(chunk)? {
        return Ok(false);
    }
    from.refuse_newer_packs()?;
    Ok(true)
}
