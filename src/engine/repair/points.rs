//! Points that can't be restored whole, marked as incomplete. Nothing is deleted.

use crate::engine::error::Error;
use crate::engine::logs;
use crate::engine::logs::directories;
use crate::engine::observe::Observer;
use crate::engine::repair::report::Marked;
use crate::engine::verify::{Class, Depth, Finding, GIVEN_UP, Report, diagnose, refuse_forbidden};
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;
use std::collections::{BTreeMap, BTreeSet};

/// What does not keep a point from being restored whole.
const HARMLESS: [&str; 3] = ["time-map", "steps", "point-times"];

fn hurts(finding: &Finding) -> bool {
    finding.class == Class::Damage && !HARMLESS.contains(&finding.what)
}

/// The points that some damage hits.
pub(super) fn hit(report: &Report) -> Vec<u64> {
    let points = report
        .findings
        .iter()
        .filter(|finding| hurts(finding))
        .flat_map(|finding| finding.points.iter().copied());
    points.collect::<BTreeSet<_>>().into_iter().collect()
}

/// How many findings of damage there are.
pub(super) fn count(report: &Report) -> u64 {
    report.findings.iter().filter(|finding| hurts(finding)).count() as u64
}

/// Files that are damaged, but for packs: of those only what is lost with them counts.
pub(super) fn files(report: &Report) -> Vec<String> {
    let bad = report
        .findings
        .iter()
        .filter(|finding| hurts(finding))
        .filter(|finding| !finding.what.starts_with("pack"));
    bad.filter_map(|finding| finding.path.clone()).collect()
}

/// Files that a newer program wrote.
pub(super) fn newer(report: &Report) -> Vec<String> {
    let newer = report.findings.iter().filter(|finding| finding.class == Class::Newer);
    newer.filter_map(|finding| finding.path.clone()).collect()
}

/// Marks every point that is hit and calls itself complete.
pub fn points(repository: &Repository, dry_run: bool, observer: &dyn Observer) -> Result<Marked, Error> {
    refuse_newer_records(repository)?;
    let depth = if dry_run { Depth::DataUnrecorded } else { Depth::Data };
    let diagnosis = diagnose(repository, depth, observer)?;
    let mut reasons: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    let is_hit = |finding: &&Finding| hurts(finding) || finding.what == GIVEN_UP;
    for finding in diagnosis.report.findings.iter().filter(is_hit) {
        for point in &finding.points {
            reasons.entry(*point).or_default().push(&finding.text);
        }
    }
    // Whether points can be restored whole is not known where a pack may not be read, or a directory has its name: to say so would stay said.
    if !reasons.is_empty() {
        repository.refuse_directories()?;
        diagnosis.damaged.keys().try_for_each(|pack| refuse_forbidden(repository, *pack))?;
    }
    let paths = |is_newer: bool| {
        let files = diagnosis.journal.unreadable.iter().filter(move |file| file.is_newer == is_newer);
        files.map(|file| file.path.clone()).collect()
    };
    let mut marked = Marked { dry_run, unreadable: paths(false), newer: paths(true), ..Marked::default() };
    let mut session = None;
    for listed in &diagnosis.journal.points {
        let number = listed.point.number;
        let Some(reasons) = reasons.get(&number) else { continue };
        if !listed.is_complete() {
            marked.known.push(number);
            continue;
        }
        let reason = reason(reasons);
        if !dry_run {
            let session = match &mut session {
                Some(session) => session,
                None => session.insert(repository.session()?),
            };
            let deed = Deed::Incomplete { point: listed.reference(), reason: reason.clone() };
            session.publish_act(Moment(observer.now_ms()), deed)?;
        }
        marked.marked.push((number, reason));
    }
    if session.is_none() && !dry_run {
        repository.settle()?;
    }
    Ok(marked)
}

/// Whether points of a log can be restored whole is not known here where a newer program wrote its records: to say so would stay said.
fn refuse_newer_records(repository: &Repository) -> Result<(), Error> {
    for log in directories(repository)? {
        for path in log.numbers.iter().map(|number| log.record(*number)) {
            // One that can't be read, or in which a bit was flipped, is damaged.
            let Ok(bytes) = repository.disk().read(&path, SMALL_FILE_MAX) else { continue };
            if let Some(newer) = logs::newer(&bytes) {
                return Err(repo::Error::damaged(repository.disk().display(&path), newer).into());
            }
        }
    }
    Ok(())
}

fn reason(all: &[&str]) -> String {
    let first = all.first().copied().unwrap_or_default();
    match all.len() {
        0 | 1 => first.to_owned(),
        many => format!("{first}; and {} more findings of verify", many - 1),
    }
}
