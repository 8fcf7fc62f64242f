//! What a repair has to know: the report, and what exactly is lost.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::verify::VerifyOptions;
use crate::engine::verify::book::{EntryId, Part};
use crate::engine::verify::pages::chunks_of;
use crate::engine::verify::report::Report;
use crate::engine::verify::run::{self, Outcome};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PageId};
use crate::repo::format::point::Content;
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A segment of which chunks are lost.
#[derive(Clone, Debug)]
pub struct LostEntry {
    /// Where its file may be found: context and store.
    pub stores: BTreeSet<(String, Store)>,
    /// The segment.
    pub entry: SegmentEntry,
}

/// A repository as it was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// What `verify --data` says.
    pub report: Report,
    /// Points and acts.
    pub journal: Journal,
    /// All chunks that something published needs and no pack has undamaged.
    pub lost: BTreeSet<ChunkId>,
    /// The segments that they belong to.
    pub entries: Vec<LostEntry>,
    /// The control databases that they belong to.
    pub control_dbs: Vec<Content>,
    /// Pages that can't be used.
    pub pages: Vec<PageId>,
}

/// Verifies the repository, with all data, and says what is lost.
pub fn diagnose(repository: &Repository, observer: &dyn Observer) -> Result<Diagnosis, Error> {
    let options = VerifyOptions { data: true, ..VerifyOptions::default() };
    let (report, outcome) = run::run(repository, &options, observer)?;
    let entries = lost_entries(&outcome);
    let Outcome { structure, journal, .. } = outcome;
    let is_lost =
        |list: &ChunkId| structure.lost.parts.values().any(|parts| parts.contains(&Part::ControlDb(*list)));
    let control_dbs = structure.databases.iter().filter(|((list, _), _)| is_lost(list));
    let bad = structure.pages.met().filter(|(_, verdict)| verdict.is_err()).map(|(page, _)| *page);
    Ok(Diagnosis {
        report,
        journal,
        lost: structure.lost.parts.keys().copied().collect(),
        entries,
        control_dbs: control_dbs.map(|(_, database)| database.content.clone()).collect(),
        pages: bad.collect(),
    })
}

fn lost_entries(outcome: &Outcome<'_>) -> Vec<LostEntry> {
    let structure = &outcome.structure;
    let wanted: HashSet<EntryId> = structure
        .lost
        .parts
        .values()
        .flatten()
        .filter_map(|part| if let Part::Entry(id) = part { Some(*id) } else { None })
        .collect();
    let mut stores: BTreeMap<EntryId, BTreeSet<(String, Store)>> = BTreeMap::new();
    for root in &structure.roots {
        let entries = structure.pages.entries_under(root.page).into_iter().chain(root.beside.iter().copied());
        for id in entries.filter(|id| wanted.contains(id)) {
            stores.entry(id).or_default().insert((root.key.context.clone(), root.key.store));
        }
    }
    let leaves = structure.leaves.iter().flat_map(|leaf| structure.pages.load_leaf(*leaf));
    let mut found = BTreeMap::new();
    for entry in leaves.chain(structure.tails.iter().cloned()) {
        if let Some(id) = structure.pages.id_of(&entry).filter(|id| wanted.contains(id)) {
            let stores = stores.get(&id).cloned().unwrap_or_default();
            found.insert(id, LostEntry { stores, entry });
        }
    }
    found.into_values().collect()
}

impl LostEntry {
    /// Its lost chunks, with where they begin in the segment and how long they are; the time map has no place.
    pub fn extents<'a>(
        &'a self,
        lost: &'a BTreeSet<ChunkId>,
    ) -> impl Iterator<Item = (u64, ChunkId, u32)> + 'a {
        let mut at = 0_u64;
        self.entry.extents.iter().filter_map(move |extent| {
            let begin = at;
            at = at.saturating_add(u64::from(extent.length));
            lost.contains(&extent.chunk).then_some((begin, extent.chunk, extent.length))
        })
    }

    /// All its chunks.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> + '_ {
        chunks_of(&self.entry).map(|(chunk, _)| chunk)
    }
}
