//! The order in which everything is looked at: packs, points and acts, records, trees, claims, control databases; then the data; then what
//! each finding means.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::select;
use crate::engine::verify::book::{Book, Part};
use crate::engine::verify::control_db::Checker;
use crate::engine::verify::data::{Data, PointParts};
use crate::engine::verify::debris;
use crate::engine::verify::histories::Histories;
use crate::engine::verify::manifest;
use crate::engine::verify::pack_findings::{self, GIVEN_UP};
use crate::engine::verify::packs::{PackFacts, Packs, stop_if_interrupted};
use crate::engine::verify::parity;
use crate::engine::verify::record_acts::RecordActs;
use crate::engine::verify::report::{Class, Counts, Coverage, Finding, LogHistory, Report};
use crate::engine::verify::rotation::Checked;
use crate::engine::verify::structure::{Look, Structure};
use crate::engine::verify::times::Met;
use crate::engine::verify::uses::Finder;
use crate::engine::verify::withheld;
use crate::engine::verify::{Remember, VerifyOptions};
use crate::engine::words::plural;
use crate::repo::format::act::Deed;
use crate::repo::format::id::PackId;
use crate::repo::paths;
use crate::repo::store::{InTheWay, Journal, Repository, lost_chunks};
use std::collections::BTreeMap;

const ADVICE_JOURNAL: &str = "run 'segvault repair from' a copy of the repository; where there is none, 'segvault repair give-up'; all other points can be restored";
/// What to do about what a newer program wrote.
pub const ADVICE_NEWER: &str = "use a newer segvault: it was written by one";
const NO_NUMBER: &str = "it is a directory, and nothing can be published under that number";
const NO_FILE: &str = "it is a directory, and no file can have that name";
const ADVICE_MANIFEST: &str = "what this point holds may not fit together: prefer another one";
const ADVICE_UNMARKED: &str =
    "restore a point that does not need it; 'segvault repair points' marks those that do as incomplete";
const ADVICE_INDEX: &str = "run 'segvault repair index': it is a cache, and is made anew";

/// A run of `verify`.
struct Run<'a> {
    repository: &'a Repository,
    options: &'a VerifyOptions,
    observer: &'a dyn Observer,
    journal: Journal,
    checked: Checked,
    book: Book,
    packs: Packs,
    counts: Counts,
}

/// Looks at everything.
pub fn run<'a>(
    repository: &'a Repository,
    options: &'a VerifyOptions,
    observer: &'a dyn Observer,
) -> Result<(Report, Outcome<'a>), Error> {
    observer.event(&Event::Phase { name: "structure", total: None });
    let journal = repository.journal()?;
    let point = chosen_point(&journal, options)?;
    let mut run = Run {
        repository,
        options,
        observer,
        checked: Checked::by(&journal.acts),
        journal,
        book: Book::default(),
        packs: Packs::list(repository, observer)?,
        counts: Counts::default(),
    };
    run.index()?;
    run.points_and_acts();
    run.directories_in_the_way()?;
    let look = Look {
        repository,
        observer,
        journal: &run.journal,
        packs: &mut run.packs,
        book: &mut run.book,
        counts: &mut run.counts,
    };
    let mut structure = look.structure()?;
    let coverage = if options.data { Some(run.data(&mut structure, point)?) } else { None };
    let histories = if options.history { run.histories(&structure, point)? } else { Vec::new() };
    run.finish(structure, Done { point, coverage, histories })
}

fn chosen_point(journal: &Journal, options: &VerifyOptions) -> Result<Option<u64>, Error> {
    let source = options.source.as_deref();
    let Some(name) = &options.point else { return Ok(None) };
    Ok(Some(select::point(journal, name, source)?.point.number))
}

impl Run<'_> {
    /// The index is a cache: what it says wrongly is worth a note.
    fn index(&mut self) -> Result<(), Error> {
        let mut wrong = 0_u64;
        self.packs.places.each_chunk(&mut |places| {
            stop_if_interrupted(self.observer)?;
            let Some(chunk) = places.first().map(|place| place.chunk) else { return Ok(()) };
            let known = self.repository.index().places(chunk)?;
            let is_known = |pack: Option<PackId>, length: u32| {
                known.iter().any(|place| Some(place.pack) == pack && place.length == length)
            };
            let agrees = known.len() == places.len()
                && places.iter().all(|place| is_known(self.packs.name(place.pack), place.length));
            wrong += u64::from(!agrees);
            Ok(())
        })?;
        if wrong > 0 {
            let text = format!("the index says of {} something else than the packs", plural(wrong, "chunk"));
            self.book.add(Class::Note, "index", text, ADVICE_INDEX);
        }
        Ok(())
    }

    /// No file can ever get the name that a directory has: what comes next could not be published.
    fn directories_in_the_way(&mut self) -> Result<(), Error> {
        for (of, path) in self.repository.in_the_way()? {
            let (what, text) = match of {
                InTheWay::Journal => ("journal", NO_NUMBER),
                InTheWay::Record => ("record", NO_NUMBER),
                InTheWay::Page | InTheWay::Pack => ("directory", NO_FILE),
            };
            let path = self.repository.disk().display(&path);
            self.book.add_file(what, path, text.to_owned(), withheld::DIRECTORY);
        }
        Ok(())
    }

    fn points_and_acts(&mut self) {
        for file in &self.journal.unreadable {
            let first = file.numbers.0;
            let path = if file.points.is_some() { paths::point(first) } else { paths::act(first) };
            let advice = withheld::advice(self.repository, &path, ADVICE_JOURNAL);
            let advice = if file.is_newer { ADVICE_NEWER } else { advice };
            let number = self.book.add_file("journal", file.path.clone(), file.why.clone(), advice);
            if file.is_newer {
                self.book.set_class(number, Class::Newer);
            } else if let Some(point) = point_of(&file.path) {
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

    fn data(&mut self, structure: &mut Structure<'_>, point: Option<u64>) -> Result<Coverage, Error> {
        let data = Data {
            repository: self.repository,
            observer: self.observer,
            options: self.options,
            checked: &self.checked,
            point: point.map(|point| PointParts::of(point, structure, (self.repository, &self.packs))),
            packs: &mut self.packs,
            counts: &mut self.counts,
            book: &mut self.book,
            met: Met::new(),
        };
        data.read(structure)
    }

    fn histories(&mut self, structure: &Structure<'_>, point: Option<u64>) -> Result<Vec<LogHistory>, Error> {
        let checker = Checker { repository: self.repository, observer: self.observer };
        let is_wanted = |points: &[u64]| point.is_none_or(|point| points.contains(&point));
        for database in structure.databases.values().filter(|database| is_wanted(&database.points)) {
            checker.inside(database, &mut self.book)?;
        }
        let histories = Histories { repository: self.repository, observer: self.observer };
        histories.follow(&self.journal, point, &mut self.book)
    }

    fn finish(mut self, structure: Structure<'_>, done: Done) -> Result<(Report, Outcome<'_>), Error> {
        self.packs.enter_healed(&self.repository.healed_packs());
        let unused = {
            let given_up = lost_chunks(&self.journal.acts);
            pack_findings::enter(self.repository, &self.packs, (&structure.lost, &given_up), &mut self.book)?
        };
        // Nothing is judged by what could not be looked up.
        self.packs.places.check()?;
        let debris = debris::count(self.repository, &|page| structure.pages.has_met(page))?;
        let orphans = parity::enter(self.repository, &self.packs, &mut self.book, self.observer)?;
        self.counts.debris_files = unused.files + debris.files + orphans.files;
        self.counts.debris_bytes = unused.bytes.saturating_add(debris.bytes).saturating_add(orphans.bytes);
        let aside = debris::aside(self.repository)?;
        (self.counts.aside_files, self.counts.aside_bytes) = (aside.files, aside.bytes);
        self.counts.packs = self.packs.all.len() as u64;
        self.counts.pack_bytes = self.packs.all.iter().map(|pack| pack.length).sum();
        self.counts.chunks = self.packs.chunks();
        let wanted = self.book.parts().into_iter().chain(structure.lost.parts.values().flatten().copied());
        let mut uses = Finder::new(&structure.pages, wanted.collect()).find(&structure.roots);
        for ((list, _), database) in &structure.databases {
            let points = database.points.iter().copied();
            let found = uses.entry(Part::ControlDb(*list)).or_default();
            found.points.extend(points);
            found.is_alone = true;
        }
        for set in structure.files.values() {
            let found = uses.entry(set.part()).or_default();
            found.points.extend(set.points.iter().copied());
            found.is_alone = true;
        }
        let damaged_packs = pack_findings::damaged(&self.packs);
        let writer = RecordActs { repository: self.repository, observer: self.observer };
        let (act, verified_act) = if self.options.data && self.options.remember != Remember::Nothing {
            let is_asked = self.options.remember == Remember::Verdicts;
            let good = if is_asked { good_packs(&self.packs) } else { Vec::new() };
            let damaged = damaged_packs.iter().copied().filter(|pack| !self.checked.damaged().contains(pack));
            writer.record(&damaged.collect::<Vec<_>>(), &good, &mut self.book)?
        } else {
            (None, None)
        };
        let mut findings: Vec<Finding> = self.book.close(&uses);
        weigh_given_up(&mut findings, &self.journal, done.point);
        if let Some(point) = done.point {
            findings.retain(|finding| finding.points.contains(&point) || finding.class == Class::Newer);
        }
        let report = Report {
            data: self.options.data,
            point: done.point,
            coverage: done.coverage.filter(|_| self.options.rotation.is_partial()),
            histories: done.histories,
            findings,
            counts: self.counts,
            damaged_packs,
            act,
            verified_act,
        };
        Ok((report, Outcome { structure, packs: self.packs, journal: self.journal }))
    }
}

/// What was given up is no news, unless a point calls itself complete that needs it; or is asked for.
fn weigh_given_up(findings: &mut [Finding], journal: &Journal, asked: Option<u64>) {
    let calls_itself_whole = |number: &u64| {
        let listed = journal.points.iter().find(|listed| listed.point.number == *number);
        asked == Some(*number) || listed.is_some_and(|listed| !listed.forgotten && listed.is_complete())
    };
    for finding in findings.iter_mut().filter(|finding| finding.what == GIVEN_UP) {
        if finding.points.iter().any(calls_itself_whole) {
            finding.class = Class::Damage;
            ADVICE_UNMARKED.clone_into(&mut finding.advice);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.class));
}

/// What a run leaves beside its report.
pub struct Outcome<'s> {
    /// Trees, segments, control databases, and what is lost.
    pub structure: Structure<'s>,
    /// Packs and chunks.
    pub packs: Packs,
    /// Points and acts.
    pub journal: Journal,
}

/// What was done beside the structure.
struct Done {
    point: Option<u64>,
    coverage: Option<Coverage>,
    histories: Vec<LogHistory>,
}

fn good_packs(packs: &Packs) -> Vec<PackId> {
    let is_good = |pack: &&PackFacts| pack.is_read && !pack.is_damaged() && pack.newer.is_none();
    packs.all.iter().filter(is_good).map(|pack| pack.id).collect()
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
