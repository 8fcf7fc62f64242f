//! Whether points that were copied before still have all their parts there: to say that they are there, and no more, would lull who relies on
//! the copy. Looked at are records, pages, and whether packs name the chunks; bytes are for `verify --data`.

use crate::engine;
use crate::engine::content;
use crate::engine::copy::CopiedPoint;
use crate::engine::files;
use crate::engine::observe::Observer;
use crate::engine::pieces::holds;
use crate::engine::prune::{here_or_aside, logs_of};
use crate::engine::retention::readable;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::files::{FileSet, ListedFile};
use crate::repo::format::id::{ChunkId, PageId};
use crate::repo::format::page::Page;
use crate::repo::format::point::{Content, ControlDb, PointLog};
use crate::repo::format::record::LogKey;
use crate::repo::store::{ListedPoint, Repository};
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

/// A point that was copied before, and can't be restored there as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LostPoint {
    /// The point.
    pub point: CopiedPoint,
    /// What is missing or damaged.
    pub why: String,
}

/// What was found out already: points share pages and records.
pub(in crate::engine) struct Looked<'r> {
    repository: &'r Repository,
    /// The chunks that are missing, if that is known, and another repository that may have lists which can't be read here; else packs are asked.
    missing: Option<(&'r BTreeSet<ChunkId>, &'r Repository)>,
    pages: HashMap<PageId, Option<String>>,
    lists: HashMap<ChunkId, Option<String>>,
    /// Sets of plain files, by their listings.
    sets: HashMap<ChunkId, Option<String>>,
    records: HashMap<LogKey, Result<Vec<SegmentEntry>, String>>,
}

/// Those of the points that lack something there.
pub(super) fn lost(
    there: &Repository,
    known: &[CopiedPoint],
    observer: &dyn Observer,
) -> Result<Vec<LostPoint>, engine::Error> {
    let journal = readable(there)?;
    let mut looked = Looked::at(there, None);
    let mut lost = Vec::new();
    for point in known {
        if observer.interrupted() {
            return Err(engine::Error::Interrupted);
        }
        let listed = journal.points.iter().find(|listed| Some(listed.point.number) == point.to);
        let why = listed.map(|listed| looked.point(listed)).transpose()?.flatten();
        lost.extend(why.map(|why| LostPoint { point: *point, why }));
    }
    Ok(lost)
}

impl<'r> Looked<'r> {
    /// Nothing was looked at yet.
    pub fn at(repository: &'r Repository, missing: Option<(&'r BTreeSet<ChunkId>, &'r Repository)>) -> Self {
        let (pages, lists, sets, records) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Self { repository, missing, pages, lists, sets, records }
    }

    /// A log that can't be used, and why.
    pub fn without(&mut self, log: &LogKey, why: &str) {
        self.records.insert(log.clone(), Err(why.to_owned()));
    }

    fn aside(&self) -> Option<&'r Repository> {
        self.missing.map(|(_, aside)| aside)
    }

    /// What a point lacks. Refused where a newer program may have written it.
    pub fn point(&mut self, listed: &ListedPoint) -> Result<Option<String>, engine::Error> {
        for (key, log) in logs_of(listed) {
            let why = self.page(log.root)?;
            let why = if why.is_some() { why } else { self.claims(&key, log)? };
            if why.is_some() {
                return Ok(why);
            }
        }
        let body = &listed.point.body;
        let database = match &body.control_db {
            ControlDb::Absent { .. } => None,
            ControlDb::Inner { inner, .. } => Some(inner),
            ControlDb::Zip { zip, .. } => Some(zip),
        };
        let why = database.map_or(Ok(None), |content| self.content(content))?;
        if why.is_some() {
            return Ok(why);
        }
        for set in &body.files {
            let why = self.files(set)?;
            if why.is_some() {
                return Ok(why);
            }
        }
        Ok(None)
    }

    /// What is wrong with a set of plain files.
    fn files(&mut self, set: &FileSet) -> Result<Option<String>, engine::Error> {
        if let Some(known) = self.sets.get(&set.listing.list) {
            return Ok(known.clone());
        }
        let mut why = self.content(&set.listing)?;
        if why.is_none() {
            let listed =
                here_or_aside(self.repository, self.aside(), &|repository| files::list(repository, set));
            why = match judged(listed)? {
                Ok(listed) => self.listed(&listed.files)?,
                Err(why) => Some(why),
            };
        }
        self.sets.insert(set.listing.list, why.clone());
        Ok(why)
    }

    fn listed(&mut self, files: &[ListedFile]) -> Result<Option<String>, engine::Error> {
        for file in files {
            let why = self.content(&file.content)?;
            if why.is_some() {
                return Ok(why);
            }
        }
        Ok(None)
    }

    /// What is wrong with a list of chunks, and with what it names.
    fn content(&mut self, content: &Content) -> Result<Option<String>, engine::Error> {
        if let Some(known) = self.lists.get(&content.list) {
            return Ok(known.clone());
        }
        let extents = |repository: &Repository| content::extents(repository, content);
        let why = match judged(here_or_aside(self.repository, self.aside(), &extents))? {
            Ok(extents) => self.chunks(extents.iter().map(|extent| extent.chunk))?,
            Err(why) => Some(why),
        };
        self.lists.insert(content.list, why.clone());
        Ok(why)
    }

    /// What is wrong with a tree.
    fn page(&mut self, id: PageId) -> Result<Option<String>, engine::Error> {
        if let Some(known) = self.pages.get(&id) {
            return Ok(known.clone());
        }
        let why = match judged(self.repository.page(id))? {
            Ok(Page::Leaf(entries)) => self.entries(&entries)?,
            Ok(Page::Node { children, .. }) => {
                let mut found = None;
                for child in children {
                    found = found.or(self.page(child.page)?);
                }
                found
            }
            Err(why) => Some(why),
        };
        self.pages.insert(id, why.clone());
        Ok(why)
    }

    fn entries(&self, entries: &[SegmentEntry]) -> Result<Option<String>, engine::Error> {
        // A restore needs no map of times; but a record names nothing that is nowhere.
        let maps = entries.iter().filter(|_| self.missing.is_some()).filter_map(|entry| entry.time_map);
        let chunks = entries.iter().flat_map(|entry| &entry.extents).map(|extent| extent.chunk);
        self.chunks(chunks.chain(maps))
    }

    fn chunks(&self, chunks: impl Iterator<Item = ChunkId>) -> Result<Option<String>, engine::Error> {
        for chunk in chunks {
            if let Some(why) = self.chunk(chunk)? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    fn chunk(&self, chunk: ChunkId) -> Result<Option<String>, engine::Error> {
        let is_there = match self.missing {
            Some((missing, _)) => !missing.contains(&chunk),
            None => self.repository.has_chunk(chunk)?,
        };
        if is_there {
            return Ok(None);
        }
        if self.missing.is_none() {
            self.repository.refuse_newer_packs()?;
        }
        Ok(Some(repo::Error::ChunkMissing { chunk }.to_string()))
    }

    /// What is wrong with what the newest record holds for the claims.
    fn claims(&mut self, key: &LogKey, log: &PointLog) -> Result<Option<String>, engine::Error> {
        let repository = self.repository;
        let held = match self.records.entry(key.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(held(repository, key)?),
        };
        let held = match held {
            Ok(held) => held,
            Err(why) => return Ok(Some(why.clone())),
        };
        let mut holders = Vec::new();
        for claim in &log.open {
            let Some(holder) = held.iter().find(|entry| holds(entry, claim)) else {
                let (store, context) = (key.store, &key.context);
                return Ok(Some(format!("no record holds segment {} of {store} of {context}", claim.number)));
            };
            holders.push(holder.clone());
        }
        self.entries(&holders)
    }
}

/// All segments of a log, as its newest record has them; or why that is not known.
fn held(repository: &Repository, key: &LogKey) -> Result<Result<Vec<SegmentEntry>, String>, repo::Error> {
    let held = judged(repository.newest_entries(key))?;
    Ok(held.and_then(|held| held.ok_or_else(|| "its log has no record".to_owned())))
}

/// What was read, or why it can't be. What a newer program wrote is not lost: it can't be judged here, which is an error.
fn judged<T>(read: Result<T, repo::Error>) -> Result<Result<T, String>, repo::Error> {
    match read {
        Err(newer @ repo::Error::Unsupported { .. }) => Err(newer),
        read => Ok(read.map_err(|error| error.to_string())),
    }
}
