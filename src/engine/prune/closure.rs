//! What is needed: all pages and chunks that roots reach; and where the chunks lie, by the packs' own word.

use crate::engine;
use crate::engine::content;
use crate::engine::files;
use crate::engine::observe::Observer;
use crate::engine::prune::Error;
use crate::engine::prune::ledger::{Ledger, Standing};
use crate::engine::prune::roots::{Books, logs_of};
use crate::repo;
use crate::repo::format::act::PointRef;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::files::FileSet;
use crate::repo::format::id::{ChunkId, PackId, PageId};
use crate::repo::format::page::Page;
use crate::repo::format::point::{Content, ControlDb};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{ListedPoint, Repository, lost_chunks};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// What is needed if the points `leaving` go, and where it lies.
pub(in crate::engine) struct Survey<'a> {
    pub repository: &'a Repository,
    pub observer: &'a dyn Observer,
    pub ledger: Ledger,
    /// Packs whose directories can't be read: they stay, and what lies in them does not count.
    pub unreadable: Vec<PackId>,
    /// Another repository that may have lists which can't be read here: their names prove them.
    aside: Option<&'a Repository>,
    /// Chunks that were given up: where they are in no pack, nobody waits for them. Acts are read for that only when something is missing.
    given_up: OnceCell<BTreeSet<ChunkId>>,
}

impl<'a> Survey<'a> {
    /// Nothing is needed yet.
    pub fn new(repository: &'a Repository, observer: &'a dyn Observer) -> Result<Self, engine::Error> {
        let (ledger, given_up) = (Ledger::new()?, OnceCell::new());
        Ok(Self { repository, observer, ledger, unreadable: Vec::new(), aside: None, given_up })
    }

    /// The same, where what was given up is missed like all else, and another repository may help out.
    pub fn strict(
        repository: &'a Repository,
        aside: &'a Repository,
        observer: &'a dyn Observer,
    ) -> Result<Self, engine::Error> {
        let given_up = OnceCell::from(BTreeSet::new());
        Ok(Self { aside: Some(aside), given_up, ..Self::new(repository, observer)? })
    }

    fn given_up(&self) -> Result<&BTreeSet<ChunkId>, engine::Error> {
        if let Some(known) = self.given_up.get() {
            return Ok(known);
        }
        let found = lost_chunks(&self.repository.acts()?.0);
        Ok(self.given_up.get_or_init(|| found))
    }

    /// Follows all roots, and reads the directories of all packs. A root that can't be read, or a chunk that is nowhere, is an error.
    pub(super) fn take(
        repository: &'a Repository,
        observer: &'a dyn Observer,
        books: &Books,
        leaving: &BTreeSet<PointRef>,
        marked: &BTreeMap<PackId, bool>,
    ) -> Result<Self, engine::Error> {
        let mut survey = Self::new(repository, observer)?;
        for record in books.records(repository)? {
            survey.tree(record.state.root)?;
            record.state.tails.iter().try_for_each(|tail| survey.entry(tail))?;
        }
        // The packs first: lists of control databases are read through them.
        survey.packs(marked, &books.damaged())?;
        for listed in books.staying(leaving) {
            survey.point(listed)?;
        }
        if survey.ledger.missing()?.is_some() {
            survey.given_up()?.iter().try_for_each(|chunk| survey.ledger.give_up(*chunk))?;
        }
        match survey.ledger.missing()? {
            Some(chunk) => {
                repository.refuse_newer_packs()?;
                repository.refuse_directories()?;
                Err(Error::ChunkMissing { chunk }.into())
            }
            None => Ok(survey),
        }
    }

    /// Follows all there is, whether it stays or not: all points that are not gone, all records that can be read.
    pub(super) fn all(
        repository: &'a Repository,
        observer: &'a dyn Observer,
        books: &Books,
    ) -> Result<Self, engine::Error> {
        let mut survey = Self::new(repository, observer)?;
        for log in &books.logs {
            let Some(key) = &log.key else { continue };
            for record in log.numbers.iter().filter_map(|number| repository.record(key, *number).ok()) {
                // Of an old record pages may be missing: what they reached is then not known to be of use.
                match survey.tree(record.state.root) {
                    Err(engine::Error::Interrupted) => return Err(engine::Error::Interrupted),
                    _ => record.state.tails.iter().try_for_each(|tail| survey.entry(tail))?,
                }
            }
        }
        survey.packs(&BTreeMap::new(), &BTreeSet::new())?;
        for listed in books.staying(&BTreeSet::new()) {
            survey.point(listed)?;
        }
        Ok(survey)
    }

    fn go_on(&self) -> Result<(), engine::Error> {
        if self.observer.interrupted() { Err(engine::Error::Interrupted) } else { Ok(()) }
    }

    /// What a point needs.
    pub fn point(&self, listed: &ListedPoint) -> Result<(), engine::Error> {
        self.go_on()?;
        for (_, log) in logs_of(listed) {
            self.tree(log.root)?;
        }
        match &listed.point.body.control_db {
            ControlDb::Absent { .. } => {}
            ControlDb::Inner { inner, .. } => self.content(inner)?,
            ControlDb::Zip { zip, .. } => self.content(zip)?,
        }
        listed.point.body.files.iter().try_for_each(|set| self.files(set))
    }

    /// Plain files: their listing, and all that it lists. The listing is read each time: two points may have it in common, and each is a root.
    fn files(&self, set: &FileSet) -> Result<(), engine::Error> {
        self.content(&set.listing)?;
        match self.here_or_aside(&|repository| files::list(repository, set)) {
            Err(error) => self.bear(error),
            listed => listed?.files.iter().try_for_each(|file| self.content(&file.content)),
        }
    }

    fn here_or_aside<T>(
        &self,
        read: &dyn Fn(&Repository) -> Result<T, repo::Error>,
    ) -> Result<T, repo::Error> {
        here_or_aside(self.repository, self.aside, read)
    }

    /// A list that can't be read any more since its chunks were given up: what it named nobody can find.
    fn bear(&self, error: repo::Error) -> Result<(), engine::Error> {
        match error {
            repo::Error::ChunkMissing { chunk } if self.given_up()?.contains(&chunk) => Ok(()),
            error => Err(error.into()),
        }
    }

    fn content(&self, stored: &Content) -> Result<(), engine::Error> {
        if !self.ledger.enter_list(stored.list)? {
            return Ok(());
        }
        match self.here_or_aside(&|repository| content::extents(repository, stored)) {
            Err(error) => self.bear(error),
            extents => Ok(extents?.iter().try_for_each(|extent| self.ledger.enter_chunk(extent.chunk))?),
        }
    }

    /// Trees share pages: each is read once.
    pub fn tree(&self, root: PageId) -> Result<(), engine::Error> {
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if !self.ledger.enter_page(id)? {
                continue;
            }
            self.go_on()?;
            match self.repository.page(id)? {
                Page::Leaf(entries) => entries.iter().try_for_each(|entry| self.entry(entry))?,
                Page::Node { children, .. } => waiting.extend(children.iter().map(|child| child.page)),
            }
        }
        Ok(())
    }

    /// What a segment needs.
    pub fn entry(&self, entry: &SegmentEntry) -> Result<(), engine::Error> {
        for chunk in entry.chunks() {
            self.ledger.enter_chunk(chunk)?;
        }
        Ok(())
    }

    /// Enters the packs that are there and not entered yet.
    pub fn packs(
        &mut self,
        marked: &BTreeMap<PackId, bool>,
        damaged: &BTreeSet<PackId>,
    ) -> Result<(), engine::Error> {
        let there = paths::packs(self.repository.disk())?;
        self.packs_among(there, marked, damaged)
    }

    /// Those of them that are not entered yet.
    pub(super) fn packs_among(
        &mut self,
        there: impl IntoIterator<Item = (PackId, u64)>,
        marked: &BTreeMap<PackId, bool>,
        damaged: &BTreeSet<PackId>,
    ) -> Result<(), engine::Error> {
        let disk = self.repository.disk();
        self.unreadable.clear();
        for (name, length) in there {
            if self.ledger.has_pack(name)? {
                continue;
            }
            self.go_on()?;
            let Ok(directory) = read_directory(disk, name, length) else {
                self.unreadable.push(name);
                continue;
            };
            let is_weak = damaged.contains(&name)
                || directory.blocks.iter().any(|block| block.check_readable().is_err());
            let standing = match (marked.contains_key(&name), is_weak) {
                (true, _) => Standing::Marked,
                (false, true) => Standing::Weak,
                (false, false) => Standing::Stays,
            };
            self.ledger.enter_pack(name, standing, &directory)?;
        }
        Ok(())
    }
}

/// What a chunk says that the other repository may have, too.
pub(in crate::engine) fn here_or_aside<T>(
    here: &Repository,
    aside: Option<&Repository>,
    read: &dyn Fn(&Repository) -> Result<T, repo::Error>,
) -> Result<T, repo::Error> {
    match (read(here), aside) {
        (Err(error @ (repo::Error::ChunkMissing { .. } | repo::Error::ChunkDamaged { .. })), Some(aside)) => {
            read(aside).map_err(|_| error)
        }
        (read, _) => read,
    }
}
