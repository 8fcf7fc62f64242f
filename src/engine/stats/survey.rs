//! The walk from all roots: points, then the newest records of each log.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::files as files_of;
use crate::engine::logs;
use crate::engine::points::{Problem, problem};
use crate::engine::stats::files;
use crate::engine::stats::owners::{Owners, Root, Whose};
use crate::engine::stats::report::{Beside, Kind, LogStats, Lot, PointStats, Stats};
use crate::engine::stats::tally::Tally;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::point::{ControlDb, PointBody, PointContext, PointLog};
use crate::repo::format::record::{LogKey, Record};
use crate::repo::paths;
use crate::repo::store::{Journal, LostFiles, Repository};
use std::collections::{BTreeMap, HashSet};

/// So many of a log's newest records keep what they reach, whatever points are forgotten.
const RECORDS_KEPT: usize = 2;

/// Counts everything. `free`: bytes that are free where the repository lies.
pub fn stats(repository: &Repository, free: Option<u64>) -> Result<Stats, Error> {
    stats_of(repository, &repository.journal()?, free)
}

/// The same, for those that have the journal already.
pub fn stats_of(repository: &Repository, journal: &Journal, free: Option<u64>) -> Result<Stats, Error> {
    let mut survey = Survey::new(repository, journal);
    for listed in &journal.points {
        survey.point(&listed.point.body, listed.point.number, listed.forgotten)?;
    }
    for directory in logs::that_count(repository, &journal.acts)? {
        survey.problems.extend(directory.trouble(repository));
        if let Some(key) = &directory.key {
            survey.log(key, &directory.numbers)?;
        }
    }
    let mut tally = Tally::of(survey);
    tally.packs(repository, journal)?;
    tally.pages(repository)?;
    Ok(tally.finish(files::count(repository.disk())?, free))
}

/// All files of the repository by kind, without looking into any.
pub fn files_of(repository: &Repository) -> Result<Vec<Kind>, Error> {
    Ok(files::count(repository.disk())?)
}

/// A row of the table.
pub(super) enum Row {
    /// A log.
    Log(LogStats),
    /// The control databases of a source.
    ControlDb(Beside),
    /// The plain files of a source.
    PlainFiles(Beside),
}

/// What the walks have found.
pub(super) struct Survey<'r> {
    repository: &'r Repository,
    pub(super) owners: Owners<'r>,
    pub(super) rows: Vec<Row>,
    pub(super) points: Vec<PointStats>,
    /// Events and times of the segments that were met.
    pub(super) happened: Vec<(u64, Option<i64>)>,
    pub(super) problems: Vec<Problem>,
    logs: BTreeMap<LogKey, usize>,
    control_dbs: BTreeMap<String, usize>,
    plain_files: BTreeMap<String, usize>,
    /// The records that points name, each counted with the first one that does.
    recorded: HashSet<(LogKey, u64)>,
    /// Records that were given up, and may still have their names.
    lost: LostFiles,
}

impl<'r> Survey<'r> {
    fn new(repository: &'r Repository, journal: &Journal) -> Self {
        Self {
            repository,
            owners: Owners::new(repository),
            rows: Vec::new(),
            points: Vec::new(),
            happened: Vec::new(),
            problems: journal.unreadable.iter().map(Problem::from).collect(),
            logs: BTreeMap::new(),
            control_dbs: BTreeMap::new(),
            plain_files: BTreeMap::new(),
            recorded: HashSet::new(),
            lost: LostFiles::by(&journal.acts),
        }
    }

    /// Damage is told and passed over; anything else ends it.
    fn bear(&mut self, done: Result<(), Error>, of: &str) -> Result<(), Error> {
        match done {
            Err(Error::Repo(
                error @ (repo::Error::ChunkMissing { .. } | repo::Error::ChunkDamaged { .. }),
            )) => self.problems.push(Problem::damaged(of.to_owned(), error.to_string())),
            Err(Error::Repo(error)) => self.problems.push(problem(of, error)?),
            done => return done,
        }
        Ok(())
    }

    fn point(&mut self, body: &PointBody, number: u64, forgotten: bool) -> Result<(), Error> {
        let (at, path) = (self.points.len(), paths::point(number));
        let length = self.length(&path)?;
        let source = body.source.clone();
        let copies = copies(body);
        self.points.push(PointStats {
            number,
            at: body.at,
            source,
            forgotten,
            copies,
            added: length,
            frees: length,
        });
        let done = self.control_db(at, body);
        self.bear(done, &format!("control database of point {number}"))?;
        let done = self.plain_files(at, body);
        self.bear(done, &format!("plain files of point {number}"))?;
        for (name, context) in &body.contexts {
            for (key, log) in logs_of(&body.source, name, context) {
                self.point_log(at, &key, log)?;
            }
        }
        Ok(())
    }

    fn control_db(&mut self, at: usize, body: &PointBody) -> Result<(), Error> {
        let file = match &body.control_db {
            ControlDb::Absent { .. } => return Ok(()),
            ControlDb::Inner { inner, .. } => inner,
            ControlDb::Zip { zip, .. } => zip,
        };
        let row = self.control_db_row(&body.source);
        if let Some(Row::ControlDb(stats)) = self.rows.get_mut(row) {
            stats.points += 1;
            stats.copies = stats.copies.saturating_add(file.length);
        }
        self.owners.file(file, &Root { row, keeper: Whose::One(at), point: Some(at) })
    }

    fn plain_files(&mut self, at: usize, body: &PointBody) -> Result<(), Error> {
        if body.files.is_empty() {
            return Ok(());
        }
        let row = self.plain_files_row(&body.source);
        let root = Root { row, keeper: Whose::One(at), point: Some(at) };
        for set in &body.files {
            self.owners.file(&set.listing, &root)?;
            for file in files_of::list(self.repository, set)?.files {
                self.owners.file(&file.content, &root)?;
            }
        }
        if let Some(Row::PlainFiles(stats)) = self.rows.get_mut(row) {
            stats.points += 1;
            stats.copies = body.files.iter().fold(stats.copies, |sum, set| sum.saturating_add(set.bytes));
        }
        Ok(())
    }

    fn point_log(&mut self, at: usize, key: &LogKey, log: &PointLog) -> Result<(), Error> {
        let row = self.log_row(key);
        if let Some(Row::Log(stats)) = self.rows.get_mut(row) {
            stats.copies = stats.copies.saturating_add(log.bytes);
            stats.on_disk = log.on_disk.or(stats.on_disk);
        }
        let done = self.owners.tree(log.root, &Root { row, keeper: Whose::One(at), point: Some(at) });
        self.bear(done, &described(key))?;
        if !log.open.is_empty() || log.segments > 0 {
            self.tails_then(at, row, key, log.record)?;
        }
        Ok(())
    }

    /// The tails when the point was made: what is left of them was added by it, but kept for the newest records only.
    fn tails_then(&mut self, at: usize, row: usize, key: &LogKey, number: u64) -> Result<(), Error> {
        if !self.recorded.insert((key.clone(), number)) {
            return Ok(());
        }
        let Some(record) = self.record(key, number)? else { return Ok(()) };
        let length = self.length(&paths::record(key, number))?;
        if let Some(point) = self.points.get_mut(at) {
            point.added = point.added.saturating_add(length);
        }
        let root = Root { row, keeper: Whose::Nobody, point: Some(at) };
        record.state.tails.iter().for_each(|tail| self.owners.entry(tail, &root));
        Ok(())
    }

    /// The newest records keep their trees and tails; the newest one says what the log consists of.
    fn log(&mut self, key: &LogKey, numbers: &[u64]) -> Result<(), Error> {
        let row = self.log_row(key);
        let root = Root { row, keeper: Whose::Many, point: None };
        for (at, number) in numbers.iter().rev().take(RECORDS_KEPT).enumerate() {
            let Some(record) = self.record(key, *number)? else { continue };
            let done = self.owners.tree(record.state.root, &root);
            self.bear(done, &described(key))?;
            record.state.tails.iter().for_each(|tail| self.owners.entry(tail, &root));
            if at == 0 {
                let done = self.content_of(row, &record);
                self.bear(done, &described(key))?;
            }
        }
        Ok(())
    }

    fn content_of(&mut self, row: usize, record: &Record) -> Result<(), Error> {
        let sealed = self.repository.tree(record.state.root)?;
        for entry in sealed.iter().chain(&record.state.tails) {
            self.happened.push((entry.events, entry.times.map(|times| times.last.0)));
            if let Some(Row::Log(stats)) = self.rows.get_mut(row) {
                add(stats, entry);
            }
        }
        Ok(())
    }

    /// A record; none if it is gone, or can't be read: that is said.
    fn record(&mut self, key: &LogKey, number: u64) -> Result<Option<Record>, Error> {
        if self.lost.has(&paths::log(key), number) {
            return Ok(None);
        }
        match self.repository.record(key, number) {
            Ok(record) => Ok(Some(record)),
            Err(repo::Error::Missing { .. }) => Ok(None),
            Err(error) => self.bear(Err(error.into()), &described(key)).map(|()| None),
        }
    }

    fn length(&self, path: &str) -> Result<u64, Error> {
        let disk = self.repository.disk();
        Ok(disk.length(path).map_err(|source| repo::Error::reading(disk.display(path), source))?)
    }

    fn log_row(&mut self, key: &LogKey) -> usize {
        if let Some(row) = self.logs.get(key) {
            return *row;
        }
        self.rows.push(Row::Log(LogStats {
            source: key.source.clone(),
            context: key.context.clone(),
            incarnation: key.incarnation,
            store: key.store.as_str(),
            segments: 0,
            events: 0,
            apparent: 0,
            on_disk: None,
            valid: 0,
            copies: 0,
            own: Lot::default(),
        }));
        *self.logs.entry(key.clone()).or_insert(self.rows.len() - 1)
    }

    fn control_db_row(&mut self, source: &str) -> usize {
        if let Some(row) = self.control_dbs.get(source) {
            return *row;
        }
        self.rows.push(Row::ControlDb(beside(source)));
        *self.control_dbs.entry(source.to_owned()).or_insert(self.rows.len() - 1)
    }

    fn plain_files_row(&mut self, source: &str) -> usize {
        if let Some(row) = self.plain_files.get(source) {
            return *row;
        }
        self.rows.push(Row::PlainFiles(beside(source)));
        *self.plain_files.entry(source.to_owned()).or_insert(self.rows.len() - 1)
    }
}

fn beside(source: &str) -> Beside {
    Beside { source: source.to_owned(), points: 0, copies: 0, own: Lot::default() }
}

fn add(stats: &mut LogStats, entry: &SegmentEntry) {
    stats.segments += 1;
    stats.events = stats.events.saturating_add(entry.events);
    stats.apparent = stats.apparent.saturating_add(entry.file_length);
    stats.valid = stats.valid.saturating_add(entry.logical_end);
}

fn logs_of<'a>(source: &str, name: &str, context: &'a PointContext) -> [(LogKey, &'a PointLog); 2] {
    let key = |store| LogKey {
        source: source.to_owned(),
        context: name.to_owned(),
        incarnation: context.incarnation,
        store,
    };
    [(key(Store::Snapshots), &context.snapshots), (key(Store::Events), &context.events)]
}

fn described(key: &LogKey) -> String {
    format!("{} of {} ({})", key.store, key.context, key.source)
}

/// What a copy of all that a point holds would take.
fn copies(body: &PointBody) -> u64 {
    let control_db = match &body.control_db {
        ControlDb::Absent { .. } => 0,
        ControlDb::Inner { inner, .. } => inner.length,
        ControlDb::Zip { zip, .. } => zip.length,
    };
    let files = body.files.iter().fold(control_db, |sum, set| sum.saturating_add(set.bytes));
    let logs = body.contexts.values().flat_map(|context| [&context.snapshots, &context.events]);
    logs.fold(files, |sum, log| sum.saturating_add(log.bytes))
}
