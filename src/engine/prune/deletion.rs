//! The second phase: nobody else has the repository open. What is needed is computed anew, what goes is named by an act, then deleted: points,
//! records, pages, packs. An interrupted deletion is begun anew from what is there; no list is kept.

use crate::engine;
use crate::engine::observe::{Event, Observer};
use crate::engine::prune::PruneOptions;
use crate::engine::prune::closure::Survey;
use crate::engine::prune::report::{DeleteReport, Freed, Skipped};
use crate::engine::prune::roots::Books;
use crate::engine::words::puts_aside;
use crate::repo;
use crate::repo::format::act::{Deed, PointRef};
use crate::repo::format::id::PackId;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::format::moment::Moment;
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{Alone, LostFiles, NumberedRow, Repository, Session, record_in, records_in};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::ErrorKind;

/// A file that goes, with its length.
type Leaving = (String, u64);

/// What is to be deleted: shown by a dry run, and done by [`carry_out`].
#[derive(Default)]
pub(super) struct Deletion {
    /// Points that are about to be named gone.
    pub gone: Vec<PointRef>,
    pub points: Vec<Leaving>,
    pub records: Vec<Leaving>,
    pub pages: Vec<Leaving>,
    pub packs: Vec<(PackId, u64)>,
    /// The parity of these, and of packs that are gone: it could tell what they held.
    pub parities: Vec<Leaving>,
    /// Packs that are marked and stay, and why.
    pub kept: Vec<Skipped>,
    /// Those of them for which a copy would do that can't be read back.
    pub unproven: Vec<Skipped>,
    /// Whether readers must be told first that records and pages may be gone.
    must_tell: bool,
}

impl Deletion {
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty()
            && self.points.is_empty()
            && self.records.is_empty()
            && self.pages.is_empty()
            && self.packs.is_empty()
            && self.parities.is_empty()
    }

    /// What it frees.
    pub fn report(&self) -> DeleteReport {
        let freed = |files: &[Leaving]| Freed {
            files: files.len() as u64,
            bytes: files.iter().map(|(_, length)| length).fold(0, |sum, length| sum.saturating_add(*length)),
        };
        let bytes = self.packs.iter().fold(0, |sum: u64, (_, length)| sum.saturating_add(*length));
        DeleteReport {
            gone: self.gone.iter().map(|point| point.number).collect(),
            points: freed(&self.points),
            records: freed(&self.records),
            pages: freed(&self.pages),
            packs: Freed { files: self.packs.len() as u64, bytes },
            parities: freed(&self.parities),
            act: None,
            kept: self.kept.clone(),
            unproven: self.unproven.clone(),
        }
    }
}

/// Computes what may go. `proven` reads back and compares each chunk that is needed and lies in a pack that goes.
pub(super) fn plan(
    repository: &Repository,
    options: &PruneOptions,
    observer: &dyn Observer,
    proven: bool,
) -> Result<Deletion, engine::Error> {
    let now = Moment(observer.now_ms());
    observer.event(&Event::Phase { name: "what may go", total: None });
    let books = Books::read(repository)?;
    let newest_act = options.newest_act.unwrap_or_else(|| books.newest_act());
    let gone = if options.points { books.overdue(now, options.grace_ms, newest_act) } else { Vec::new() };
    let marked = books.marked(now, options.grace_ms, newest_act);
    let leaving: BTreeSet<PointRef> = gone.iter().copied().collect();
    let survey = Survey::take(repository, observer, &books, &leaving, &marked)?;
    let mut deletion = Deletion { must_tell: !books.has_told(), ..Deletion::default() };
    deletion.points = points(repository, &books, &leaving)?;
    deletion.records = records(repository, &books)?;
    deletion.pages = pages(&survey)?;
    packs(&survey, &marked, proven, &mut deletion)?;
    deletion.parities = parities(repository, &deletion.packs, true)?;
    deletion.gone = gone;
    Ok(deletion)
}

/// The same of these packs alone: nothing else goes, and no forgotten point is lost.
pub(super) fn plan_packs(
    repository: &Repository,
    observer: &dyn Observer,
    wanted: &BTreeSet<PackId>,
) -> Result<Deletion, engine::Error> {
    observer.event(&Event::Phase { name: "what may go", total: None });
    let books = Books::read(repository)?;
    let mut marked = books.marked(Moment(observer.now_ms()), 0, books.newest_act());
    let survey = Survey::take(repository, observer, &books, &BTreeSet::new(), &marked)?;
    for (name, over) in &mut marked {
        *over = wanted.contains(name);
    }
    let mut deletion = Deletion::default();
    packs(&survey, &marked, true, &mut deletion)?;
    deletion.parities = parities(repository, &deletion.packs, false)?;
    Ok(deletion)
}

/// The files of points that are gone, or about to be. One whose hash is another is somebody else's.
fn points(
    repository: &Repository,
    books: &Books,
    leaving: &BTreeSet<PointRef>,
) -> Result<Vec<Leaving>, engine::Error> {
    let disk = repository.disk();
    let mut gone: BTreeMap<u64, Vec<PointRef>> = BTreeMap::new();
    let named = books.journal.acts.iter().flat_map(|act| match &act.deed {
        Deed::Gone { points } => points.as_slice(),
        _ => &[],
    });
    for point in named.chain(leaving) {
        gone.entry(point.number).or_default().push(*point);
    }
    let there = NumberedRow::Points.list(disk)?;
    let newest = there.keys().next_back().copied();
    let mut found = Vec::new();
    for (number, length) in there {
        let Some(named) = gone.get(&number).filter(|_| Some(number) != newest) else { continue };
        let path = NumberedRow::Points.path(number);
        let read = disk.read(&path, SMALL_FILE_MAX);
        let bytes = read.map_err(|source| repo::Error::reading(disk.display(&path), source))?;
        let hash = repository.naming().file(&bytes);
        if named.iter().any(|point| point.blake3 == hash) {
            found.push((path, length));
        }
    }
    Ok(found)
}

/// All records but the two newest of each log, the oldest first.
fn records(repository: &Repository, books: &Books) -> Result<Vec<Leaving>, engine::Error> {
    let (mut found, lost) = (Vec::new(), LostFiles::by(&books.journal.acts));
    for log in &books.logs {
        let there = records_in(repository.disk(), &log.path)?;
        // What is lost counts no more, though it may still stand there.
        let counts = |number: &&u64| !lost.has(&log.path, **number);
        let keep_from = there.keys().rev().filter(counts).nth(1).copied().unwrap_or(0);
        let old = there.into_iter().filter(|(number, _)| *number < keep_from);
        found.extend(old.map(|(number, length)| (record_in(&log.path, number), length)));
    }
    Ok(found)
}

fn pages(survey: &Survey<'_>) -> Result<Vec<Leaving>, engine::Error> {
    let mut found = Vec::new();
    for (page, length) in paths::pages(survey.repository.disk())? {
        if !survey.ledger.has_page(page)? {
            found.push((paths::page(page), length));
        }
    }
    Ok(found)
}

/// Marked packs, each of whose needed chunks lies in one that stays.
fn packs(
    survey: &Survey<'_>,
    marked: &BTreeMap<PackId, bool>,
    proven: bool,
    deletion: &mut Deletion,
) -> Result<(), engine::Error> {
    let there = paths::packs(survey.repository.disk())?;
    for name in marked.iter().filter(|(_, over)| **over).map(|(name, _)| name) {
        let Some(length) = there.get(name) else { continue };
        match obstacle(survey, *name, proven)? {
            None => deletion.packs.push((*name, *length)),
            Some(obstacle) => {
                let path = survey.repository.disk().display(&paths::pack(*name));
                let kept = Skipped { path, why: obstacle.to_string() };
                deletion.unproven.extend(obstacle.is_damage().then(|| kept.clone()));
                deletion.kept.push(kept);
            }
        }
    }
    Ok(())
}

/// The parity of packs that go; with `orphans`, also that of packs that are not there.
fn parities(
    repository: &Repository,
    leaving: &[(PackId, u64)],
    orphans: bool,
) -> Result<Vec<Leaving>, engine::Error> {
    let there = paths::packs(repository.disk())?;
    let leaving: BTreeSet<PackId> = leaving.iter().map(|(pack, _)| *pack).collect();
    let goes = |pack: &PackId| leaving.contains(pack) || (orphans && !there.contains_key(pack));
    let parities = paths::parities(repository.disk())?.into_iter().filter(|(pack, _)| goes(pack));
    Ok(parities.map(|(pack, length)| (paths::parity(pack), length)).collect())
}

/// Why a pack can't go.
enum Obstacle {
    /// Its own directory can't be read. The first phase has said so, too. With what puts it aside.
    Unreadable(&'static str),
    /// So many of its chunks are needed and lie in no pack that stays: no damage, the next run writes them anew.
    Needed(u64),
    /// What it holds lies in this pack, too, and can't be read back from there.
    Unproven(PackId),
}

impl Obstacle {
    fn is_damage(&self) -> bool {
        matches!(self, Self::Unproven(_))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(puts_aside) => write!(
                out,
                "its directory can't be read, so nobody knows what it holds; {puts_aside} if nothing needs it"
            ),
            Self::Needed(count) => {
                write!(out, "{count} of its chunks are needed and lie in no pack that stays")
            }
            Self::Unproven(copy) => write!(
                out,
                "the copy of what it holds in pack {copy} can't be read back: it stays; 'segvault repair packs' mends that one"
            ),
        }
    }
}

fn obstacle(survey: &Survey<'_>, name: PackId, proven: bool) -> Result<Option<Obstacle>, engine::Error> {
    // Only packs whose directories can be read are entered.
    if !survey.ledger.has_pack(name)? {
        return Ok(Some(Obstacle::Unreadable(puts_aside(survey.repository.config().is_append_only()))));
    }
    let uncovered = survey.ledger.uncovered(name)?;
    if uncovered > 0 {
        return Ok(Some(Obstacle::Needed(uncovered)));
    }
    if !proven {
        return Ok(None);
    }
    for copies in survey.ledger.copies(name)?.chunk_by(|one, other| one.0 == other.0) {
        if !are_good(survey, copies)? {
            return Ok(copies.first().map(|(copy, _)| Obstacle::Unproven(*copy)));
        }
    }
    Ok(None)
}

/// Makes a pack durable and reads blocks of it back, each once in a run; each of their chunks is compared with its name.
fn are_good(survey: &Survey<'_>, copies: &[(PackId, usize)]) -> Result<bool, engine::Error> {
    let mut unread = Vec::new();
    for (pack, number) in copies {
        match survey.ledger.proven(*pack, *number)? {
            Some(true) => {}
            Some(false) => return Ok(false),
            None => unread.push((*pack, *number)),
        }
    }
    let Some((pack, _)) = unread.first().copied() else { return Ok(true) };
    let disk = survey.repository.disk();
    let length = disk.length(&paths::pack(pack)).ok().filter(|_| survey.repository.sync_pack(pack));
    let directory = length.and_then(|length| read_directory(disk, pack, length).ok());
    for (_, number) in unread {
        if survey.observer.interrupted() {
            return Err(engine::Error::Interrupted);
        }
        let block = directory.as_ref().and_then(|directory| directory.blocks.get(number));
        let good = block.is_some_and(|block| survey.repository.block(pack, block).is_ok());
        survey.ledger.prove(pack, number, good)?;
        if !good {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does it.
pub(super) fn carry_out(
    alone: &Alone,
    session: &mut Session<'_>,
    deletion: &Deletion,
    observer: &dyn Observer,
) -> Result<DeleteReport, engine::Error> {
    let mut report = deletion.report();
    if deletion.is_empty() {
        return Ok(report);
    }
    if deletion.must_tell || !deletion.gone.is_empty() {
        let deed = Deed::Gone { points: deletion.gone.clone() };
        report.act = Some(session.publish_act(Moment(observer.now_ms()), deed)?);
    }
    observer.event(&Event::Phase { name: "deleting", total: None });
    let packs: Vec<Leaving> =
        deletion.packs.iter().map(|(name, length)| (paths::pack(*name), *length)).collect();
    for files in [&deletion.points, &deletion.records, &deletion.pages, &deletion.parities, &packs] {
        let names: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        if alone.remove(&names, &|| !observer.interrupted())? < names.len() {
            return Err(engine::Error::Interrupted);
        }
    }
    // The next reader finds an index that knows what is there. It is a cache: what fails here costs time, later.
    let _ = alone.repository().index().refresh();
    Ok(report)
}

/// Whether an error says that the disk is full.
pub(in crate::engine) fn is_full(error: &engine::Error) -> bool {
    match error {
        engine::Error::Repo(repo::Error::NoSpace { .. }) => true,
        engine::Error::Repo(repo::Error::Io { source, .. }) => source.kind() == ErrorKind::StorageFull,
        _ => false,
    }
}
