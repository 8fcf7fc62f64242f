//! The data: which packs are read, which segments and control databases are proven with them, and when to stop.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::verify::VerifyOptions;
use crate::engine::verify::book::{Book, EntryId, Part};
use crate::engine::verify::control_db::Checker;
use crate::engine::verify::files::FilesChecker;
use crate::engine::verify::history::History;
use crate::engine::verify::packs::Packs;
use crate::engine::verify::pages::chunks_of;
use crate::engine::verify::places::{Marks, packs_of};
use crate::engine::verify::report::{Counts, Coverage};
use crate::engine::verify::rotation::Checked;
use crate::engine::verify::structure::Structure;
use crate::engine::verify::times::Met;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PageId};
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// So many packs are read between two looks at the clock, where it counts.
const BATCH: usize = 8;

/// The leaves with segments whose first chunk lies in each pack.
type Homes = HashMap<usize, HashSet<PageId>>;

/// The segments and control databases of one point.
#[derive(Default)]
pub struct PointParts {
    entries: HashSet<EntryId>,
    lists: HashSet<ChunkId>,
    /// The packs with their chunks.
    packs: BTreeSet<usize>,
}

impl PointParts {
    /// Collects them.
    pub fn of(point: u64, structure: &Structure<'_>, (repository, packs): (&Repository, &Packs)) -> Self {
        let mut parts = Self::default();
        let mut needed = BTreeSet::new();
        let mut need = |chunk| needed.extend(packs_of(&packs.of(chunk)));
        for root in structure.roots.iter().filter(|root| root.point == Some(point)) {
            parts.entries.extend(structure.pages.entries_under(root.page));
            parts.entries.extend(&root.beside);
        }
        let leaves = structure.leaves.iter().flat_map(|leaf| structure.pages.load_leaf(*leaf));
        for entry in leaves.chain(structure.tails.iter().cloned()) {
            if structure.pages.id_of(&entry).is_some_and(|id| parts.entries.contains(&id)) {
                chunks_of(&entry).for_each(|(chunk, _)| need(chunk));
            }
        }
        for database in structure.databases.values().filter(|database| database.points.contains(&point)) {
            let list = database.content.list;
            parts.lists.insert(list);
            need(list);
            let extents = crate::engine::content::extents(repository, &database.content);
            // A list that can't be read has its finding.
            extents.unwrap_or_default().iter().for_each(|extent| need(extent.chunk));
        }
        for set in structure.files.values().filter(|set| set.points.contains(&point)) {
            parts.lists.insert(set.list());
            set.chunks(repository).into_iter().for_each(&mut need);
        }
        parts.packs = needed;
        parts
    }
}

/// Reads and proves.
pub struct Data<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// What was asked for.
    pub options: &'a VerifyOptions,
    /// What acts say of packs.
    pub checked: &'a Checked,
    /// Only these parts.
    pub point: Option<PointParts>,
    /// Packs and chunks.
    pub packs: &'a mut Packs,
    /// Figures.
    pub counts: &'a mut Counts,
    /// Findings.
    pub book: &'a mut Book,
    /// The times of what claims ask, as far as it was read.
    pub met: Met,
}

impl Data<'_> {
    /// Proves the segments that lie in the packs that are due, then reads those packs: what was decoded for a segment is only hashed again. What
    /// could not be read is tried once more after that, when it is known what is damaged.
    pub fn read(mut self, structure: &mut Structure<'_>) -> Result<Coverage, Error> {
        let begun = self.observer.now_ms();
        let chosen = self.chosen(Moment(begun));
        let total = self.packs.bytes_of(&chosen);
        let is_limited = self.options.rotation.max_duration_ms.is_some();
        let batch = if is_limited { BATCH } else { chosen.len().max(1) };
        let homes = self.homes(structure);
        let mut done = HashSet::new();
        for packs in chosen.chunks(batch) {
            self.history(structure, (&homes, packs), &mut done, true)?;
            self.observer.event(&Event::Phase { name: "packs", total: Some(total) });
            self.packs.read(packs, self.repository, self.observer)?;
            self.prove(structure, (&homes, packs), &mut done)?;
            if self.is_over(begun) {
                break;
            }
        }
        if chosen.is_empty() {
            self.prove(structure, (&homes, &[]), &mut done)?;
        }
        self.counts.bytes_read = self.packs.bytes_read;
        if self.packs.has_bad() {
            structure.look_again(self.packs, self.repository, self.observer)?;
        }
        structure.stated.check(&self.met, self.book);
        Ok(self.coverage())
    }

    fn is_over(&self, begun: i64) -> bool {
        let took = self.observer.now_ms().saturating_sub(begun);
        self.options.rotation.max_duration_ms.is_some_and(|most| took >= most)
    }

    fn chosen(&self, now: Moment) -> Vec<usize> {
        let chosen = self.checked.choose(&self.packs.all, &self.options.rotation, now);
        let Some(parts) = &self.point else { return chosen };
        chosen.into_iter().filter(|at| parts.packs.contains(at)).collect()
    }

    /// For a run that leaves packs out: the leaves with segments whose first chunk lies in each pack.
    fn homes(&self, structure: &Structure<'_>) -> Homes {
        let mut homes = Homes::new();
        if !self.options.rotation.is_partial() {
            return homes;
        }
        for leaf in &structure.leaves {
            for entry in structure.pages.load_leaf(*leaf) {
                if let Some(home) = home_of_entry(self.packs, &entry) {
                    homes.entry(home).or_default().insert(*leaf);
                }
            }
        }
        homes
    }

    /// What lies in these packs and was not proven before.
    fn prove(
        &mut self,
        structure: &Structure<'_>,
        (homes, batch): (&Homes, &[usize]),
        done: &mut HashSet<EntryId>,
    ) -> Result<(), Error> {
        self.history(structure, (homes, batch), done, false)?;
        let is_partial = self.options.rotation.is_partial();
        let (packs, point) = (&*self.packs, self.point.as_ref());
        let is_home = |home: Option<usize>| !is_partial || home.is_some_and(|home| batch.contains(&home));
        let is_wanted = |list: ChunkId| {
            point.is_none_or(|parts| parts.lists.contains(&list)) && is_home(home(packs, list))
        };
        let databases = structure.databases.iter().filter(|((list, _), _)| is_wanted(*list));
        let checker = Checker { repository: self.repository, observer: self.observer };
        let is_lost = |list| is_lost_database(&structure.lost.parts, list);
        for ((list, _), database) in databases {
            if !is_lost(*list) {
                checker.data(database, self.book)?;
            }
        }
        let checker = FilesChecker { repository: self.repository, observer: self.observer };
        let mut read = HashSet::new();
        for set in structure.files.values().filter(|set| is_wanted(set.list())) {
            if !structure.lost.parts.values().any(|parts| parts.contains(&set.part())) {
                checker.data(set, &mut read, self.book)?;
            }
        }
        Ok(())
    }

    /// The segments in these packs. With `leaves_unread` nothing is said of those that can't be read.
    fn history(
        &mut self,
        structure: &Structure<'_>,
        (homes, batch): (&Homes, &[usize]),
        done: &mut HashSet<EntryId>,
        leaves_unread: bool,
    ) -> Result<(), Error> {
        let is_partial = self.options.rotation.is_partial();
        let (packs, point) = (&*self.packs, self.point.as_ref());
        let is_home = |home: Option<usize>| !is_partial || home.is_some_and(|home| batch.contains(&home));
        let mut history = History {
            repository: self.repository,
            observer: self.observer,
            pages: &structure.pages,
            packs,
            asked: &structure.asked,
            done: std::mem::take(done),
            met: std::mem::take(&mut self.met),
            read: Marks::default(),
            leaves_unread,
            wanted: &|id, entry| {
                point.is_none_or(|parts| parts.entries.contains(&id)) && is_home(home_of_entry(packs, entry))
            },
        };
        let mut leaves = structure.leaves.clone();
        if is_partial {
            leaves.retain(|leaf| {
                batch.iter().any(|pack| homes.get(pack).is_some_and(|found| found.contains(leaf)))
            });
        }
        history.prove_all(&leaves, &structure.tails, self.counts, self.book)?;
        let read = history.read;
        *done = history.done;
        self.met = history.met;
        self.packs.mark_proven(&read);
        Ok(())
    }

    fn coverage(&self) -> Coverage {
        let is_read = |pack: &&crate::engine::verify::packs::PackFacts| pack.is_read;
        let read: Vec<_> = self.packs.all.iter().filter(is_read).collect();
        let unread = self.packs.all.iter().filter(|pack| !pack.is_read);
        let dates: Vec<_> = unread.map(|pack| self.checked.last(pack.id)).collect();
        Coverage {
            packs: read.len() as u64,
            bytes: read.iter().map(|pack| pack.length).sum(),
            never: dates.iter().filter(|at| at.is_none()).count() as u64,
            oldest: dates.into_iter().flatten().min(),
        }
    }
}

fn is_lost_database(lost: &BTreeMap<ChunkId, BTreeSet<Part>>, content: ChunkId) -> bool {
    lost.values().any(|parts| parts.contains(&Part::ControlDb(content)))
}

fn home(packs: &Packs, chunk: ChunkId) -> Option<usize> {
    usize::try_from(packs.of(chunk).first()?.pack).ok()
}

/// The pack with which a segment is proven: the one that holds its first chunk.
fn home_of_entry(packs: &Packs, entry: &SegmentEntry) -> Option<usize> {
    home(packs, entry.extents.first()?.chunk)
}
