//! What a repair has to know: the report, and what exactly is lost.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::verify::book::{EntryId, Part};
use crate::engine::verify::packs::PackFacts;
use crate::engine::verify::pages::chunks_of;
use crate::engine::verify::report::Report;
use crate::engine::verify::run::{self, Outcome};
use crate::engine::verify::{Remember, VerifyOptions};
use crate::repo;
use crate::repo::format::Damage;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PackId, PageId};
use crate::repo::format::pack::PackKind;
use crate::repo::paths;
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
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// What `verify --data` says.
    pub report: Report,
    /// Points and acts.
    pub journal: Journal,
    /// All chunks that something published needs and no pack has undamaged.
    pub lost: BTreeSet<ChunkId>,
    /// The segments that they belong to.
    pub entries: Vec<LostEntry>,
    /// Pages that can't be used.
    pub pages: Vec<PageId>,
    /// The damaged packs, and which of their chunks something needs, as far as their directories tell.
    pub damaged: BTreeMap<PackId, Vec<ChunkId>>,
    kinds: BTreeMap<ChunkId, PackKind>,
}

impl Diagnosis {
    /// In what kind of pack a chunk belongs.
    pub fn kind_of(&self, chunk: ChunkId) -> PackKind {
        self.kinds.get(&chunk).copied().unwrap_or(PackKind::ControlDb)
    }

    /// The same, with these chunks no longer lost.
    #[must_use]
    pub fn without(&self, found: &BTreeSet<ChunkId>) -> Self {
        Self { lost: self.lost.difference(found).copied().collect(), ..self.clone() }
    }
}

/// How deep a diagnosis goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// No pack is read.
    Structure,
    /// All is read, and what is damaged is named in an act.
    Data,
    /// All is read, and nothing is written.
    DataUnrecorded,
}

/// Verifies the repository, and says what is lost.
pub fn diagnose(repository: &Repository, depth: Depth, observer: &dyn Observer) -> Result<Diagnosis, Error> {
    let data = depth != Depth::Structure;
    let remember = if depth == Depth::DataUnrecorded { Remember::Nothing } else { Remember::Damage };
    let options = VerifyOptions { data, remember, ..VerifyOptions::default() };
    let (report, outcome) = run::run(repository, &options, observer)?;
    // What only a newer program can read is not for this one to mend.
    if let Some(pack) = outcome.packs.newer() {
        return Err(newer(repository, pack).into());
    }
    let entries = lost_entries(&outcome);
    let damaged = damaged(&report, &outcome)?;
    let Outcome { structure, journal, .. } = outcome;
    let tails: HashSet<_> = structure.tails.iter().filter_map(|tail| structure.pages.id_of(tail)).collect();
    let mut kinds = BTreeMap::new();
    for lost in &entries {
        let is_tail = structure.pages.id_of(&lost.entry).is_some_and(|id| tails.contains(&id));
        let kind = if is_tail { PackKind::Tail } else { PackKind::Sealed };
        kinds.extend(lost.chunks().map(|chunk| (chunk, kind)));
    }
    let bad = structure.pages.met().filter(|(_, verdict)| verdict.is_err()).map(|(page, _)| *page);
    Ok(Diagnosis {
        report,
        journal,
        lost: structure.lost.parts.keys().copied().collect(),
        entries,
        pages: bad.collect(),
        damaged,
        kinds,
    })
}

fn newer(repository: &Repository, pack: &PackFacts) -> repo::Error {
    let path = repository.disk().display(&paths::pack(pack.id));
    let unknown = || Damage::Json("a newer program wrote it".to_owned());
    repo::Error::Unsupported { path, source: pack.newer.clone().unwrap_or_else(unknown) }
}

fn damaged(report: &Report, outcome: &Outcome<'_>) -> Result<BTreeMap<PackId, Vec<ChunkId>>, Error> {
    let mut damaged: BTreeMap<PackId, Vec<ChunkId>> =
        report.damaged_packs.iter().map(|pack| (*pack, Vec::new())).collect();
    let packs = &outcome.packs;
    packs.places.each_chunk(&mut |places| {
        for place in places.iter().filter(|place| packs.is_used(place)) {
            if let Some(needed) = packs.name(place.pack).and_then(|pack| damaged.get_mut(&pack)) {
                needed.push(place.chunk);
            }
        }
        Ok(())
    })?;
    Ok(damaged)
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
