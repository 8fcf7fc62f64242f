//! From one repository to another, without the source: blocks as they are encoded, pages as they are, then records, then the points.
//!
//! The copy is a full archive: it holds all that the logs of the copied points hold, restores, verifies, and takes backups. A run that was
//! interrupted is gone on with: what is there already is not copied again.

mod error;
mod left_out;
mod logs;
mod points;
mod taken;
mod there;

pub use error::Error;
pub use left_out::LostHistory;
pub use points::ORIGIN;
pub(in crate::engine) use there::Looked;
pub use there::LostPoint;

use crate::engine;
use crate::engine::copy::logs::{LostLogs, Next};
use crate::engine::copy::points::{Choice, choose};
use crate::engine::observe::{Event, Observer};
use crate::engine::prune::Survey;
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::moment::Moment;
use crate::repo::format::pack::{Block, Header};
use crate::repo::paths;
use crate::repo::store::{RecordsDurable, Repository, Session};
use serde::Serialize;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// What to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// These points, as the user names them; all that are listed, if none is named.
    pub points: Vec<String>,
    /// Only points of this source.
    pub source: Option<String>,
    /// Only points that are newer than the newest one of their source that was copied before.
    pub since_last: bool,
    /// Where the other repository is, in the user's words: remembered here.
    pub place: String,
    /// Only say what would be copied.
    pub dry_run: bool,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopyReport {
    /// The points, and the numbers that they have there.
    pub points: Vec<CopiedPoint>,
    /// Points that had been copied before.
    pub known: Vec<CopiedPoint>,
    /// Of them, those that lack something there: no restore of them can succeed.
    pub lost: Vec<LostPoint>,
    /// Points that were not copied, since something that they need is lost here.
    pub left_out: Vec<LostPoint>,
    /// Points that are not there and were not asked for: newer ones of their source had been copied before (see [`CopyOptions::since_last`]).
    pub older: Vec<u64>,
    /// What the logs of the points hold here that was not copied, since it is lost here.
    pub history_left_out: Vec<LostHistory>,
    /// Chunks that were copied.
    pub chunks: u64,
    /// Their bytes.
    pub raw_bytes: u64,
    /// By how much the other repository grew.
    pub file_bytes: u64,
    /// Whether this is only what would be done.
    pub dry_run: bool,
    /// Why it is not remembered here that there is a copy, if it is not.
    pub not_noted: Option<String>,
}

/// A point in both repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopiedPoint {
    /// Its number here.
    pub from: u64,
    /// Its number there; none if it was not copied yet.
    pub to: Option<u64>,
}

/// Copies.
pub fn copy(
    from: &Repository,
    to: &Repository,
    options: &CopyOptions,
    observer: &dyn Observer,
) -> Result<CopyReport, engine::Error> {
    if from.config().id == to.config().id {
        return Err(Error::SameRepository.into());
    }
    if from.naming() != to.naming() {
        return Err(Error::Naming.into());
    }
    if options.dry_run {
        return rehearse(from, to, options, observer);
    }
    let session = to.session()?;
    let mut choice = choose(from, to, options)?;
    let mut report = choice.report();
    left_out::unheld(from, to, &mut choice, &mut report)?;
    if !choice.missing.is_empty() {
        session.may_publish_point()?;
    }
    let needed = survey(from, to, &choice, observer)?;
    copy_all(session, needed, choice, &mut report)?;
    let lost = there::lost(to, &report.known, observer);
    points::copy_acts(from, to, &report, observer)?;
    // Not for the copy's sake: an erasure has to name all copies.
    report.not_noted = note(from, to, options, observer).err().map(|error| error.to_string());
    // What can't be looked at there, since a newer program wrote it, say, is no reason to keep the rest from it.
    report.lost = lost?;
    Ok(report)
}

/// What would be copied.
fn rehearse(
    from: &Repository,
    to: &Repository,
    options: &CopyOptions,
    observer: &dyn Observer,
) -> Result<CopyReport, engine::Error> {
    let mut choice = choose(from, to, options)?;
    let mut report = CopyReport { dry_run: true, ..choice.report() };
    left_out::unheld(from, to, &mut choice, &mut report)?;
    let Needed { survey, mut next, lost_logs, is_less } = survey(from, to, &choice, observer)?;
    let lost = left_out::nowhere(&survey, to)?;
    if is_less || !lost.is_empty() {
        left_out::leave_out((from, to), &lost, &mut choice, (&mut next, &lost_logs), &mut report)?;
    }
    report.lost = there::lost(to, &report.known, observer)?;
    survey.ledger.each_chunk(&mut |chunk| {
        let is_new = !lost.contains(&chunk) && !to.names_chunk(chunk)?;
        report.chunks = report.chunks.saturating_add(u64::from(is_new));
        Ok(())
    })?;
    Ok(report)
}

/// Remembers here, once, that there is a copy.
fn note(
    from: &Repository,
    to: &Repository,
    options: &CopyOptions,
    observer: &dyn Observer,
) -> Result<(), engine::Error> {
    let deed = Deed::Copied { to: to.config().id.clone(), place: options.place.clone() };
    if from.acts()?.0.iter().any(|act| act.deed == deed) {
        return Ok(from.settle()?);
    }
    from.session()?.publish_act(Moment(observer.now_ms()), deed)?;
    Ok(())
}

/// All that must be there.
struct Needed<'a> {
    survey: Survey<'a>,
    next: Vec<Next>,
    lost_logs: LostLogs,
    /// Whether a page or a list of chunks can't be read: what it names is not known.
    is_less: bool,
}

/// What the records of the logs hold, and what the points hold.
fn survey<'a>(
    from: &'a Repository,
    to: &'a Repository,
    choice: &Choice,
    observer: &'a dyn Observer,
) -> Result<Needed<'a>, engine::Error> {
    observer.event(&Event::Phase { name: "what is needed", total: None });
    let survey = Survey::strict(from, to, observer)?;
    let (next, lost_logs) = logs::next(from, to, choice)?;
    for log in &next {
        survey.tree(log.state.root)?;
        log.state.tails.iter().try_for_each(|tail| survey.entry(tail))?;
    }
    let mut is_less = !lost_logs.is_empty();
    for listed in &choice.missing {
        match survey.point(listed) {
            Err(engine::Error::Repo(error)) if logs::is_lost(&error) => is_less = true,
            done => done?,
        }
    }
    Ok(Needed { survey, next, lost_logs, is_less })
}

/// The pages that have to be there as they are here: of the points, and of the logs of which nothing is left out.
fn needed_pages<'a>(
    survey: &Survey<'a>,
    to: &'a Repository,
    choice: &Choice,
    next: &[Next],
) -> Result<Survey<'a>, engine::Error> {
    let needed = Survey::strict(survey.repository, to, survey.observer)?;
    for log in next.iter().filter(|log| log.fewer.is_none()) {
        needed.tree(log.state.root)?;
    }
    choice.missing.iter().try_for_each(|listed| needed.point(listed))?;
    Ok(needed)
}

/// Chunks and pages, then records, then the points, one by one.
fn copy_all<'r>(
    mut session: Session<'r>,
    Needed { mut survey, mut next, lost_logs, is_less }: Needed<'r>,
    mut choice: Choice,
    report: &mut CopyReport,
) -> Result<(), engine::Error> {
    let to: &'r Repository = session.repository();
    if choice.missing.is_empty() && next.is_empty() && !is_less {
        return Ok(());
    }
    let before = paths::packs(to.disk())?;
    let lost = copy_chunks(&mut session, &survey)?;
    if is_less || !lost.is_empty() {
        let logs = (next.as_mut_slice(), lost_logs.as_slice());
        left_out::leave_out((survey.repository, to), &lost, &mut choice, logs, report)?;
        if choice.missing.is_empty() {
            next.retain(|log| choice.settled.contains(&logs::context(&log.state.key)));
        }
        survey = needed_pages(&survey, to, &choice, &next)?;
    }
    survey
        .ledger
        .each_page(&mut |page| Ok(session.copy_page(page, &survey.repository.page(page)?.encode())?))?;
    let mut states = Vec::new();
    for mut log in next.into_iter().filter(|log| log.is_new) {
        let proofs = std::mem::take(&mut log.proofs);
        let state = log.publishable(&mut session, survey.repository)?;
        // What was left out before is left out again: nothing is new there.
        if to.newest_record(&state.key)?.is_none_or(|record| record.state != state) {
            states.push((state, proofs));
        }
    }
    if choice.missing.is_empty() && states.is_empty() {
        return Ok(());
    }
    let durable = session.barrier()?;
    for pack in paths::packs(to.disk())?.keys().filter(|pack| !before.contains_key(pack)) {
        to.prove_pack(*pack)?;
    }
    let (records, _) = session.publish_records(durable, states)?;
    let mut waiting = Some((session, records));
    let mut numbers = Vec::new();
    for listed in &choice.missing {
        let (session, records) = match waiting.take() {
            Some(ready) => ready,
            None => another(to)?,
        };
        let published = session.publish_point(records, points::body(survey.repository, to, listed)?)?;
        report.count(published.tally);
        numbers.push(published.point.number);
    }
    if let Some((session, _)) = waiting {
        report.count(session.tally());
    }
    for (point, number) in report.points.iter_mut().zip(numbers) {
        point.to = Some(number);
    }
    Ok(())
}

/// A session in which nothing is stored but a point.
fn another(to: &Repository) -> Result<(Session<'_>, RecordsDurable), engine::Error> {
    let mut session = to.session()?;
    let durable = session.barrier()?;
    let (records, _) = session.publish_records(durable, Vec::new())?;
    Ok((session, records))
}

/// Pack by pack, as the blocks lie there. What can't be read in one pack may be in another; gives what is in none.
fn copy_chunks(session: &mut Session<'_>, survey: &Survey<'_>) -> Result<BTreeSet<ChunkId>, engine::Error> {
    let from = survey.repository;
    survey.observer.event(&Event::Phase { name: "copying", total: None });
    for (pack, length) in paths::packs(from.disk())? {
        let Some(directory) = from.directory(pack, length) else { continue };
        // Asked for with the first block that is copied.
        let header = OnceCell::new();
        let header = || *header.get_or_init(|| from.header(pack, directory.kind));
        for block in &directory.blocks {
            if survey.observer.interrupted() {
                return Err(engine::Error::Interrupted);
            }
            copy_block(session, survey, pack, (&header, block))?;
        }
    }
    let mut lost = BTreeSet::new();
    survey.ledger.each_chunk(&mut |chunk| {
        if !session.knows(chunk)? {
            from.refuse_newer_packs()?;
            lost.insert(chunk);
        }
        Ok(())
    })?;
    Ok(lost)
}

fn copy_block(
    session: &mut Session<'_>,
    survey: &Survey<'_>,
    pack: PackId,
    (header, block): (&dyn Fn() -> Header, &Block),
) -> Result<(), engine::Error> {
    let mut wanted = BTreeSet::new();
    for place in &block.chunks {
        if survey.ledger.has_chunk(place.chunk)? && !session.knows(place.chunk)? {
            wanted.insert(place.chunk);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    match survey.repository.block_or_healed(pack, block) {
        Ok(read) => {
            let copied = session.copy_block(header(), block, read, &|chunk| wanted.contains(&chunk))?;
            survey.observer.event(&Event::Bytes(copied));
            Ok(())
        }
        Err(repo::Error::ChunkDamaged { .. } | repo::Error::Unsupported { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
