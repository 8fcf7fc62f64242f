//! The structure: records, trees, claims and control databases, and whether every chunk that they name is in a pack.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::verify::book::{Book, EntryId, Part};
use crate::engine::verify::contents;
use crate::engine::verify::control_db::{self, Checker, Databases};
use crate::engine::verify::files::{self, FilesChecker, Sets};
use crate::engine::verify::history::Lost;
use crate::engine::verify::kept::{self, Newest};
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::pages::{Pages, chunks_of};
use crate::engine::verify::point_logs::{Asked, Holding, PointLogOf, PointLogs};
use crate::engine::verify::records::{self, LogFacts};
use crate::engine::verify::report::Counts;
use crate::engine::verify::times::Stated;
use crate::engine::verify::uses::Root;
use crate::engine::verify::withheld;
use crate::repo::format::act::Deed;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::PageId;
use crate::repo::format::point::PointLog;
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::{Journal, LetGo, ListedPoint, LostFiles, Repository};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;

const ADVICE_PAGE: &str = "run 'segvault repair from' a copy of the repository, or restore a point that does not need it. Where there is no copy: 'segvault repair give-up' \
     if backups stop at it, and a backup; then forget the points that need it: until then nothing is deleted";

/// What was found.
pub struct Structure<'a> {
    /// All pages and segments.
    pub pages: Pages<'a>,
    /// All trees that points and newest records use.
    pub roots: Vec<Root>,
    /// Leaves that they reach.
    pub leaves: Vec<PageId>,
    /// Tails of the newest records.
    pub tails: Vec<SegmentEntry>,
    /// What claims ask, and of which points.
    pub asked: BTreeMap<Asked, Vec<u64>>,
    /// What points say of their times, as far as only the data can tell.
    pub stated: Stated,
    /// The control databases.
    pub databases: Databases,
    /// The plain files.
    pub files: Sets,
    /// Chunks that are in no pack.
    pub lost: Lost,
}

impl Structure<'_> {
    /// Looks for all chunks again, now that a read has found some of them damaged.
    pub fn look_again(
        &mut self,
        packs: &Packs,
        repository: &Repository,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        for entry in self.leaves.iter().flat_map(|leaf| self.pages.load_leaf(*leaf)).chain(self.tails.clone())
        {
            stop_if_interrupted(observer)?;
            if let Some(id) = self.pages.id_of(&entry) {
                self.lost.look(packs, id, &entry);
            }
        }
        for database in self.databases.values() {
            stop_if_interrupted(observer)?;
            let part = Part::ControlDb(database.content.list);
            contents::look_again(repository, (part, &database.content), packs, &mut self.lost);
        }
        for set in self.files.values() {
            FilesChecker { repository, observer }.look_again(set, packs, &mut self.lost)?;
        }
        Ok(())
    }
}

/// Looks at the structure.
pub struct Look<'r, 'a> {
    /// The repository.
    pub repository: &'r Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// Points and acts.
    pub journal: &'a Journal,
    /// Chunks and packs.
    pub packs: &'a mut Packs,
    /// Findings.
    pub book: &'a mut Book,
    /// Figures.
    pub counts: &'a mut Counts,
}

/// Trees while they are read: each new segment's chunks are looked for.
struct Trees<'r, 'p> {
    pages: Pages<'r>,
    packs: &'p mut Packs,
    lost: Lost,
}

impl Trees<'_, '_> {
    fn read(&mut self, root: PageId) {
        let (packs, lost) = (&mut *self.packs, &mut self.lost);
        // What can't be read is told of all pages together.
        let _ = self.pages.tree(root, &mut |id, entry| need(packs, lost, id, entry));
    }

    fn meet(&mut self, entry: &SegmentEntry) -> EntryId {
        let (packs, lost) = (&mut *self.packs, &mut self.lost);
        self.pages.meet(entry, &mut |id, entry| need(packs, lost, id, entry))
    }
}

fn need(packs: &mut Packs, lost: &mut Lost, id: EntryId, entry: &SegmentEntry) {
    chunks_of(entry).for_each(|(chunk, _)| packs.mark_used(chunk));
    lost.look(packs, id, entry);
}

impl<'r> Look<'r, '_> {
    /// Looks at everything but the data.
    pub fn structure(self) -> Result<Structure<'r>, Error> {
        let (logs, with_newer) =
            records::read_all(self.repository, &self.journal.acts, self.observer, self.book)?;
        let mut trees =
            Trees { pages: Pages::new(self.repository), packs: self.packs, lost: Lost::default() };
        for_each_log(self.journal, &mut |_, _, log| {
            stop_if_interrupted(self.observer)?;
            trees.read(log.root);
            Ok(())
        })?;
        let mut roots = Vec::new();
        let mut tails = Vec::new();
        for log in &logs {
            roots.extend(newest_roots(log, &mut trees, &mut tails));
        }
        let leaves = trees.pages.leaves.clone();
        self.counts.logs = logs.len() as u64;
        self.counts.records = logs.iter().map(|log| log.numbers.len() as u64).sum();
        self.counts.pages = trees.pages.count();
        self.counts.segments = trees.pages.segments();
        let Trees { mut pages, packs, mut lost } = trees;
        let bad = bad_pages(self.repository, &pages, &HashSet::new(), self.book);
        check_chains(&mut pages, &logs, self.journal, (self.repository, self.observer), &bad, self.book)?;
        let holdings: BTreeMap<LogKey, Holding> =
            logs.iter().map(|log| (log.key.clone(), holding(log, &pages))).collect();
        for (key, holding) in &holdings {
            if let Some(newest) = &holding.newest {
                newest.check_tails(key, &pages, self.book);
            }
        }
        let facts = (logs.as_slice(), with_newer);
        let (asked, stated) = check_points(&pages, &holdings, facts, self.journal, &mut roots, self.book)?;
        let databases = control_db::collect(self.journal);
        let checker = Checker { repository: self.repository, observer: self.observer };
        for database in databases.values() {
            checker.structure(database, packs, &mut lost, self.book)?;
        }
        self.counts.control_dbs = databases.len() as u64;
        let files = files::collect(self.journal);
        let checker = FilesChecker { repository: self.repository, observer: self.observer };
        for set in files.values() {
            checker.structure(set, packs, &mut lost, self.book)?;
        }
        Ok(Structure { pages, roots, leaves, tails, asked, stated, databases, files, lost })
    }
}

/// Calls `each` with every log of every point.
fn for_each_log(
    journal: &Journal,
    each: &mut dyn FnMut(&ListedPoint, LogKey, &PointLog) -> Result<(), Error>,
) -> Result<(), Error> {
    for listed in &journal.points {
        for (name, context) in &listed.point.body.contexts {
            for store in Store::ALL {
                let log = match store {
                    Store::Snapshots => &context.snapshots,
                    Store::Events => &context.events,
                };
                let (source, context_name) = (listed.point.body.source.clone(), name.clone());
                let key = LogKey { source, context: context_name, incarnation: context.incarnation, store };
                each(listed, key, log)?;
            }
        }
    }
    Ok(())
}

/// The two newest records are roots beside the points, with their tails.
fn newest_roots(log: &LogFacts, trees: &mut Trees<'_, '_>, tails: &mut Vec<SegmentEntry>) -> Vec<Root> {
    let mut roots = Vec::new();
    for record in log.roots() {
        trees.read(record.root);
        let beside = record.full_tails.iter().map(|tail| trees.meet(tail)).collect();
        tails.extend(record.full_tails.iter().cloned());
        let (key, covered) = (log.key.clone(), HashSet::new());
        roots.push(Root { key, point: None, page: record.root, beside, covered });
    }
    if let [newest, before] = roots.as_mut_slice() {
        before.covered = kept::covered(newest, before, &trees.pages);
    }
    roots
}

/// Enters the pages that can't be used, but for those that are known already; gives all of them.
fn bad_pages(
    repository: &Repository,
    pages: &Pages<'_>,
    known: &HashSet<PageId>,
    book: &mut Book,
) -> HashSet<PageId> {
    let mut bad = known.clone();
    for (page, verdict) in pages.met() {
        if let Err(why) = verdict
            && bad.insert(*page)
        {
            let path = paths::page(*page);
            let advice = withheld::advice(repository, &path, ADVICE_PAGE);
            let number = book.add_file("page", repository.disk().display(&path), why.clone(), advice);
            book.hits(number, Part::Page(*page));
        }
    }
    bad
}

/// The chains of all logs. Trees of older records are read for that; where records may have been deleted, their pages may be gone, too.
fn check_chains(
    pages: &mut Pages<'_>,
    logs: &[LogFacts],
    journal: &Journal,
    (repository, observer): (&Repository, &dyn Observer),
    bad: &HashSet<PageId>,
    book: &mut Book,
) -> Result<(), Error> {
    let pruned = journal
        .acts
        .iter()
        .any(|act| matches!(act.deed, Deed::Gone { .. } | Deed::Dead { .. } | Deed::Unknown));
    let lost = LostFiles::by(&journal.acts);
    for log in logs {
        for record in &log.records {
            stop_if_interrupted(observer)?;
            // What can't be read is told of all pages together.
            let _ = pages.tree(record.root, &mut |_, _| ());
        }
        let path = |number| repository.disk().display(&paths::record(&log.key, number));
        log.check_chain((pruned, &lost), &path, book);
        log.check_supersets(pages, &LetGo::by(&journal.acts, &log.key), book);
    }
    let mut known = bad.clone();
    if pruned {
        let is_gone = |page: &PageId| {
            let length = repository.disk().length(&paths::page(*page));
            length.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        known.extend(pages.met().map(|(page, _)| *page).filter(is_gone));
    }
    bad_pages(repository, pages, &known, book);
    Ok(())
}

/// Where the claims on a log are looked for: in its newest record, and the one before if need be.
fn holding(log: &LogFacts, pages: &Pages<'_>) -> Holding {
    let mut holding = Holding { newest: Newest::of(log, pages), ..Holding::default() };
    for record in log.roots() {
        let tails = record.full_tails.iter().filter_map(|tail| pages.id_of(tail));
        for id in tails.chain(pages.entries_under(record.root)) {
            if let Some(known) = pages.known(id) {
                let name = known.span.name;
                holding.copies.entry((name.number, name.version)).or_default().push(id);
            }
        }
    }
    holding
}

fn check_points(
    pages: &Pages<'_>,
    holdings: &BTreeMap<LogKey, Holding>,
    (logs, with_newer): (&[LogFacts], BTreeSet<String>),
    journal: &Journal,
    roots: &mut Vec<Root>,
    book: &mut Book,
) -> Result<(BTreeMap<Asked, Vec<u64>>, Stated), Error> {
    let logs: BTreeMap<&LogKey, &LogFacts> = logs.iter().map(|log| (&log.key, log)).collect();
    let lost = LostFiles::by(&journal.acts);
    let mut checker = PointLogs::new(pages, holdings, (viewed(journal), lost.clone(), with_newer.clone()));
    for_each_log(journal, &mut |listed, key, log| {
        let point = listed.point.number;
        match logs.get(&key) {
            Some(facts) => facts.check_named(point, log.record, &lost, book),
            None if with_newer.contains(&paths::log(&key)) => {}
            None => records::log_is_lost(&key, (point, log.record), &lost, book),
        }
        let beside = checker.check(PointLogOf { listed, key: &key, log }, book);
        roots.push(Root { key, point: Some(point), page: log.root, beside, covered: HashSet::new() });
        Ok(())
    })?;
    Ok((checker.asked, checker.stated))
}

/// The points of which acts say what is left of them.
fn viewed(journal: &Journal) -> BTreeSet<u64> {
    let views = journal.acts.iter().filter_map(|act| match &act.deed {
        Deed::Erased { points, .. } | Deed::Dropped { points, .. } => Some(points),
        _ => None,
    });
    views.flatten().map(|view| view.reference().number).collect()
}
