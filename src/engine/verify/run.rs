//! The order in which everything is looked at: packs, points and acts, records, trees, claims, control databases; then the data; then what
//! each finding means.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::verify::VerifyOptions;
use crate::engine::verify::book::{Book, Part};
use crate::engine::verify::control_db::Checker;
use crate::engine::verify::debris;
use crate::engine::verify::files::FilesChecker;
use crate::engine::verify::history::History;
use crate::engine::verify::manifest;
use crate::engine::verify::pack_findings;
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::report::{Class, Counts, Finding, Report};
use crate::engine::verify::structure::{Look, Structure};
use crate::engine::verify::uses::Finder;
use crate::repo::format::act::Deed;
use crate::repo::format::id::PackId;
use crate::repo::format::moment::Moment;
use crate::repo::paths;
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeMap, HashSet};

const ADVICE_JOURNAL: &str =
    "bring the file back from a copy of the repository; all other points can be restored";
const ADVICE_MANIFEST: &str = "what this point holds may not fit together: prefer another one";
const ADVICE_INDEX: &str = "remove the index: it is a cache and is made anew unasked";
const ADVICE_ACT: &str = "run 'verify --data' again where the repository can be written; until then a backup may rely on these packs";

/// A run of `verify`.
struct Run<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    journal: Journal,
    book: Book,
    packs: Packs,
    counts: Counts,
}

/// Looks at everything.
pub fn run(
    repository: &Repository,
    options: VerifyOptions,
    observer: &dyn Observer,
) -> Result<Report, Error> {
    observer.event(&Event::Phase { name: "structure", total: None });
    let mut run = Run {
        repository,
        observer,
        journal: repository.journal()?,
        book: Book::default(),
        packs: Packs::list(repository, observer)?,
        counts: Counts::default(),
    };
    run.index()?;
    run.points_and_acts();
    let look = Look {
        repository,
        observer,
        journal: &run.journal,
        packs: &mut run.packs,
        book: &mut run.book,
        counts: &mut run.counts,
    };
    let mut structure = look.structure()?;
    if options.data {
        run.data(&mut structure)?;
    }
    run.finish(&structure, options)
}

impl Run<'_> {
    /// The index is a cache: what it says wrongly is worth a note.
    fn index(&mut self) -> Result<(), Error> {
        let mut wrong = 0_u64;
        for places in self.packs.places().chunk_by(|one, other| one.chunk == other.chunk) {
            stop_if_interrupted(self.observer)?;
            let Some(chunk) = places.first().map(|place| place.chunk) else { continue };
            let known = self.repository.index().places(chunk)?;
            let is_known = |pack: Option<PackId>, length: u32| {
                known.iter().any(|place| Some(place.pack) == pack && place.length == length)
            };
            let agrees = known.len() == places.len()
                && places.iter().all(|place| is_known(self.packs.name(place.pack), place.length));
            wrong += u64::from(!agrees);
        }
        if wrong > 0 {
            let text = format!("the index says of {wrong} chunks something else than the packs");
            self.book.add(Class::Note, "index", text, ADVICE_INDEX);
        }
        Ok(())
    }

    fn points_and_acts(&mut self) {
        for file in &self.journal.unreadable {
            let number = self.book.add_file("journal", file.path.clone(), file.why.clone(), ADVICE_JOURNAL);
            if let Some(point) = point_of(&file.path) {
                self.book.hits_point(number, point);
            }
        }
        for listed in &self.journal.points {
            for (what, text) in manifest::faults(&listed.point.body) {
                let text = format!("point {}: {text}", listed.point.number);
                let number = self.book.add(Class::Damage, what, text, ADVICE_MANIFEST);
                self.book.hits_point(number, listed.point.number);
            }
        }
        self.check_gone_predecessors();
        self.counts.points = self.journal.points.len() as u64;
        self.counts.acts = self.journal.acts.len() as u64;
    }

    /// Neighbours that are there are compared when the journal is read; of one that is gone an act tells the hash.
    fn check_gone_predecessors(&mut self) {
        let mut gone = BTreeMap::new();
        for act in &self.journal.acts {
            if let Deed::Gone { points } = &act.deed {
                gone.extend(points.iter().map(|point| (point.number, point.blake3)));
            }
        }
        for listed in &self.journal.points {
            let number = listed.point.number;
            let before = gone.get(&number.saturating_sub(1));
            if before.is_some_and(|hash| listed.point.previous != Some(*hash)) {
                let path = self.repository.disk().display(&paths::point(number));
                let text =
                    "it names another hash of the point before than the act that says that this is gone";
                self.book.add_file("journal", path, text.to_owned(), ADVICE_JOURNAL);
            }
        }
    }

    fn data(&mut self, structure: &mut Structure<'_>) -> Result<(), Error> {
        self.packs.read_all(self.repository, self.observer)?;
        self.counts.bytes_read = self.packs.bytes_read;
        if self.packs.has_bad() {
            structure.look_again(&self.packs, self.repository, self.observer)?;
        }
        let mut history = History {
            repository: self.repository,
            observer: self.observer,
            pages: &structure.pages,
            packs: &self.packs,
            asked: &structure.asked,
            done: HashSet::new(),
        };
        history.prove_all(&structure.leaves, &structure.tails, &mut self.counts, &mut self.book)?;
        let checker = Checker { repository: self.repository, observer: self.observer };
        let is_lost =
            |list| structure.lost.parts.values().any(|parts| parts.contains(&Part::ControlDb(list)));
        for ((list, _), database) in &structure.databases {
            if !is_lost(*list) {
                checker.data(database, &mut self.book)?;
            }
        }
        let checker = FilesChecker { repository: self.repository, observer: self.observer };
        let mut done = HashSet::new();
        for set in structure.files.values() {
            if !structure.lost.parts.values().any(|parts| parts.contains(&set.part())) {
                checker.data(set, &mut done, &mut self.book)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, structure: &Structure<'_>, options: VerifyOptions) -> Result<Report, Error> {
        let unused = pack_findings::enter(self.repository, &self.packs, &structure.lost, &mut self.book);
        let debris = debris::count(self.repository, &|page| structure.pages.has_met(page))?;
        self.counts.debris_files = unused.files + debris.files;
        self.counts.debris_bytes = unused.bytes.saturating_add(debris.bytes);
        self.counts.packs = self.packs.all.len() as u64;
        self.counts.pack_bytes = self.packs.all.iter().map(|pack| pack.length).sum();
        self.counts.chunks = self.packs.chunks();
        let mut uses = Finder::new(&structure.pages, self.book.parts()).find(&structure.roots);
        for ((list, _), database) in &structure.databases {
            let points = database.points.iter().copied();
            uses.entry(Part::ControlDb(*list)).or_default().points.extend(points);
        }
        for set in structure.files.values() {
            uses.entry(set.part()).or_default().points.extend(set.points.iter().copied());
        }
        let damaged_packs = pack_findings::damaged(&self.packs);
        let act = if options.data { self.record(&damaged_packs)? } else { None };
        let findings: Vec<Finding> = self.book.close(&uses);
        Ok(Report { data: options.data, findings, counts: self.counts, damaged_packs, act })
    }

    /// Says in an act which packs are damaged, unless one says so already.
    fn record(&mut self, damaged: &[PackId]) -> Result<Option<u64>, Error> {
        let mut known: HashSet<PackId> = HashSet::new();
        for act in &self.journal.acts {
            if let Deed::Damaged { packs } = &act.deed {
                known.extend(packs);
            }
        }
        let packs: Vec<PackId> = damaged.iter().copied().filter(|pack| !known.contains(pack)).collect();
        if packs.is_empty() {
            return Ok(None);
        }
        stop_if_interrupted(self.observer)?;
        let at = Moment(self.observer.now_ms());
        let published = self
            .repository
            .session()
            .and_then(|mut session| session.publish_act(at, Deed::Damaged { packs }));
        match published {
            Ok(number) => Ok(Some(number)),
            Err(error) => {
                let text = format!("that packs are damaged could not be recorded: {error}");
                self.book.add(Class::Note, "not-recorded", text, ADVICE_ACT);
                Ok(None)
            }
        }
    }
}

/// The number of the point whose file has this path.
fn point_of(path: &str) -> Option<u64> {
    let (directory, name) = path.rsplit_once('/')?;
    let is_point = directory.rsplit('/').next() == Some(paths::POINTS);
    name.strip_suffix(".json").filter(|_| is_point)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::point_of;

    #[test]
    fn the_file_of_a_point_names_it() {
        assert_eq!(point_of("/a/repo/points/12.json"), Some(12));
        assert_eq!(point_of("/a/points/acts/12.json"), None);
        assert_eq!(point_of("points"), None);
    }
}
