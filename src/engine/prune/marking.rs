//! The first phase: what is needed of mostly dead packs is written anew, then packs without use are marked. Nothing is deleted here.

use crate::engine;
use crate::engine::observe::{Event, Observer};
use crate::engine::prune::PruneOptions;
use crate::engine::prune::choice::{Choice, choose};
use crate::engine::prune::closure::Survey;
use crate::engine::prune::ledger::PackUse;
use crate::engine::prune::report::{MarkReport, Skipped};
use crate::engine::prune::roots::Books;
use crate::engine::words::puts_aside;
use crate::repo;
use crate::repo::format::act::{Deed, PointRef};
use crate::repo::format::id::PackId;
use crate::repo::format::moment::Moment;
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{ListedPoint, Repository, Session};
use std::collections::{BTreeMap, BTreeSet};

/// So many packs are named by one act: little room is needed at a time.
const AT_A_TIME: usize = 8_000;

/// What is to be marked and written anew: shown by a dry run, and done by [`carry_out`].
pub(super) struct MarkPlan<'a> {
    pub survey: Survey<'a>,
    pub choice: Choice,
    packs: BTreeMap<PackId, PackUse>,
    damaged: BTreeSet<PackId>,
    marked: BTreeMap<PackId, bool>,
}

/// Looks, as if all forgotten points were gone already. `books` as they are under the lock that the marks will be written under.
pub(super) fn plan<'a>(
    repository: &'a Repository,
    options: &PruneOptions,
    observer: &'a dyn Observer,
    books: &Books,
) -> Result<MarkPlan<'a>, engine::Error> {
    let now = Moment(observer.now_ms());
    observer.event(&Event::Phase { name: "what is needed", total: None });
    let forgotten = books.forgotten(now).filter(|_| options.points);
    let leaving: BTreeSet<PointRef> = forgotten.map(ListedPoint::reference).collect();
    let marked = books.marked(now, 0, u64::MAX);
    let survey = Survey::take(repository, observer, books, &leaving, &marked)?;
    MarkPlan::new(survey, options, (marked, books.damaged()))
}

/// Marks beside one that writes. Its packs, which nothing needs yet, are not taken for packs without use: marked is only what something
/// that leaves (a forgotten point, an old record) still reaches, or once reached, and nothing that stays. Nothing is written anew. What it
/// relies on all the same, since it had read the acts before, deletion finds to be needed, and it stays.
///
/// The act is written without the lock of the one that writes: its file is created under a number that nobody else has, behind one that is
/// there; the writer's next act finds the number taken, and takes the next one.
pub(super) fn beside(repository: &Repository, observer: &dyn Observer) -> Result<MarkReport, engine::Error> {
    let books = Books::read(repository)?;
    let (now, options) =
        (Moment(observer.now_ms()), PruneOptions { max_repack: 0, ..PruneOptions::default() });
    let plan = plan(repository, &options, observer, &books)?;
    let reached = Survey::all(repository, observer, &books)?;
    let mut of_use = BTreeSet::new();
    for pack in reached.ledger.packs()?.iter().filter(|pack| pack.live_chunks > 0) {
        of_use.insert(pack.name);
    }
    let dead: Vec<PackId> = plan.choice.dead.iter().copied().filter(|name| of_use.contains(name)).collect();
    let bytes = dead.iter().filter_map(|name| plan.packs.get(name)).map(|pack| pack.length).sum();
    let mut report = MarkReport {
        dead_packs: dead.len() as u64,
        dead_bytes: bytes,
        marked_packs: dead.len() as u64,
        skipped: plan.unreadable(),
        beside: true,
        ..MarkReport::default()
    };
    for some in dead.chunks(AT_A_TIME) {
        report.acts.push(repository.publish_mark(now, some.to_vec())?);
    }
    Ok(report)
}

impl<'a> MarkPlan<'a> {
    /// Chooses among the packs of a survey; `marked` and damaged ones are known.
    pub fn new(
        survey: Survey<'a>,
        options: &PruneOptions,
        (marked, damaged): (BTreeMap<PackId, bool>, BTreeSet<PackId>),
    ) -> Result<Self, engine::Error> {
        let packs = survey.ledger.packs()?;
        let effort = |pack: &PackUse| survey.repository.header(pack.name, pack.kind).effort;
        let choice = choose(&packs, options, &effort);
        let packs = packs.into_iter().map(|pack| (pack.name, pack)).collect();
        Ok(Self { survey, choice, packs, damaged, marked })
    }

    /// What it would do.
    pub fn report(&self) -> MarkReport {
        let sum = |names: &[PackId], of: fn(&PackUse) -> u64| {
            names.iter().filter_map(|name| self.packs.get(name)).map(of).fold(0, u64::saturating_add)
        };
        MarkReport {
            dead_packs: self.choice.dead.len() as u64,
            dead_bytes: sum(&self.choice.dead, |pack| pack.length),
            repacked_packs: self.choice.repack.len() as u64,
            repacked_bytes: sum(&self.choice.repack, |pack| pack.length),
            copied_bytes: sum(&self.choice.repack, PackUse::live_bytes),
            marked_packs: self.choice.dead.len().saturating_add(self.choice.repack.len()) as u64,
            skipped: self.unreadable(),
            ..MarkReport::default()
        }
    }

    fn unreadable(&self) -> Vec<Skipped> {
        let path = |pack: &PackId| self.survey.repository.disk().display(&paths::pack(*pack));
        let puts_aside = puts_aside(self.survey.repository.config().is_append_only());
        let why = format!("its directory can't be read: it stays; {puts_aside} if nothing needs it");
        let skipped = |pack| Skipped { path: path(pack), why: why.clone() };
        self.survey.unreadable.iter().map(skipped).collect()
    }
}

/// Does it.
pub(super) fn carry_out(
    session: &mut Session<'_>,
    plan: MarkPlan<'_>,
    options: &PruneOptions,
) -> Result<MarkReport, engine::Error> {
    let mut report = plan.report();
    let MarkPlan { mut survey, choice, packs, damaged, marked } = plan;
    let observer = survey.observer;
    let total = choice.repack.iter().filter_map(|name| packs.get(name)).map(PackUse::live_bytes).sum();
    observer.event(&Event::Phase { name: "repacking", total: Some(total) });
    let mut emptied = Vec::new();
    (report.copied_bytes, report.repacked_bytes) = (0, 0);
    for name in &choice.repack {
        let Some(pack) = packs.get(name) else { continue };
        let is_over = || options.deadline_ms.is_some_and(|deadline| observer.now_ms() >= deadline);
        let goes_with_last = emptied.last().is_some_and(|last| choice.with_previous.get(name) == Some(last));
        if !goes_with_last && is_over() {
            break;
        }
        match empty(session, &survey, pack) {
            Ok(copied) => {
                report.copied_bytes = report.copied_bytes.saturating_add(copied);
                report.repacked_bytes = report.repacked_bytes.saturating_add(pack.length);
                emptied.push(*name);
            }
            Err(engine::Error::Repo(error)) if is_of_that_pack(&error) => report.skipped.push(Skipped {
                path: survey.repository.disk().display(&paths::pack(*name)),
                why: format!("{error}: it stays"),
            }),
            Err(error) => return Err(error),
        }
    }
    if !emptied.is_empty() {
        let _ = session.barrier()?;
        survey.packs(&marked, &damaged)?;
    }
    // A run that was interrupted may have written the very pack before; nothing seemed to need it then, and now it is what stays.
    let written: BTreeSet<PackId> = session.written().collect();
    let is_same = |pack: &PackId| written.contains(pack) && !marked.contains_key(pack);
    let same = emptied.extract_if(.., |pack| is_same(pack)).filter_map(|pack| packs.get(&pack));
    for pack in same {
        report.repacked_bytes = report.repacked_bytes.saturating_sub(pack.length);
        report.copied_bytes = report.copied_bytes.saturating_sub(pack.live_bytes());
    }
    report.repacked_packs = emptied.len() as u64;
    let dead = choice.dead.into_iter().filter(|pack| !written.contains(pack)).collect();
    let marks = marks(&survey, dead, &emptied, &marked)?;
    report.marked_packs = marks.len() as u64;
    for some in marks.chunks(AT_A_TIME) {
        let at = Moment(observer.now_ms());
        report.acts.push(session.publish_act(at, Deed::Dead { packs: some.to_vec() })?);
    }
    Ok(report)
}

/// Packs without use: those that were, and those that were emptied, if what is needed of them lies in others now, by those packs' own word.
fn marks(
    survey: &Survey<'_>,
    dead: Vec<PackId>,
    emptied: &[PackId],
    marked: &BTreeMap<PackId, bool>,
) -> Result<Vec<PackId>, engine::Error> {
    let mut marks = dead;
    for name in emptied {
        survey.ledger.mark(*name)?;
    }
    for name in emptied.iter().filter(|name| !marked.contains_key(name)) {
        if survey.ledger.uncovered(*name)? == 0 {
            marks.push(*name);
        }
    }
    Ok(marks)
}

/// A pack that can't be read stays, and stops nothing.
fn is_of_that_pack(error: &repo::Error) -> bool {
    matches!(
        error,
        repo::Error::ChunkDamaged { .. } | repo::Error::Damaged { .. } | repo::Error::Unsupported { .. }
    )
}

/// Writes anew what is needed of a pack and counts for it; gives how many bytes of the pack that was.
fn empty(session: &mut Session<'_>, survey: &Survey<'_>, pack: &PackUse) -> Result<u64, engine::Error> {
    let (repository, ledger) = (survey.repository, &survey.ledger);
    let damaged = |error: crate::repo::index::DirectoryError| repo::Error::Damaged {
        path: repository.disk().display(&paths::pack(pack.name)),
        source: crate::repo::format::Damage::Json(error.to_string()),
    };
    let directory = read_directory(repository.disk(), pack.name, pack.length).map_err(damaged)?;
    let header = repository.header(pack.name, directory.kind);
    for block in &directory.blocks {
        if survey.observer.interrupted() {
            return Err(engine::Error::Interrupted);
        }
        let mut wanted = BTreeSet::new();
        for place in &block.chunks {
            if ledger.counts_for(pack.name, place.chunk)? {
                wanted.insert(place.chunk);
            }
        }
        if !wanted.is_empty() {
            let read = repository.block(pack.name, block)?;
            session.copy_block(header, block, read, &|chunk| wanted.contains(&chunk))?;
        }
    }
    survey.observer.event(&Event::Bytes(pack.live_bytes()));
    Ok(pack.live_bytes())
}
