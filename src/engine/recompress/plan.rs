//! Which packs are written anew, and where each chunk belongs.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::recompress::joining;
use crate::engine::retention::readable;
use crate::repo::codec::Compression;
use crate::repo::format::act::Deed;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::limits;
use crate::repo::format::pack::{self, CodecId, HEADER_LENGTH, PackKind};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{Neighbours, Repository};
use std::collections::{HashMap, HashSet};

/// The chunks of a block, and their lengths, in order.
pub(super) type Block = [(ChunkId, u32)];

/// A pack as it is.
#[derive(Clone, Debug)]
pub struct OldPack {
    /// Its name.
    pub id: PackId,
    /// Its length.
    pub length: u64,
    kind: PackKind,
    /// How hard its writer compressed; none where a newer program says it in its own way.
    effort: Option<Compression>,
    /// Its blocks, in order.
    pub(super) blocks: Vec<Box<Block>>,
}

impl OldPack {
    /// Its chunks and their lengths, in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (ChunkId, u32)> {
        self.blocks.iter().flat_map(|block| block.iter().copied())
    }

    /// Bytes of its chunks.
    pub(super) fn raw_length(&self) -> u64 {
        self.chunks().map(|(_, length)| u64::from(length)).sum()
    }
}

/// A chunk that is to be written anew: where to, and what comes before what there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub id: ChunkId,
    pub length: u32,
    pub room: Result<Neighbours, PackKind>,
    pub at: usize,
}

/// What is written anew.
#[derive(Debug)]
pub struct Plan {
    /// The packs, in the order of the history that they hold.
    pub packs: Vec<OldPack>,
    history: History,
}

/// Where chunks stand in the histories.
#[derive(Debug, Default)]
struct History {
    places: HashMap<ChunkId, (Neighbours, usize)>,
}

/// Chooses the packs that were compressed less than asked for; and small ones that were compressed so, if their chunks share fewer blocks
/// together.
pub fn plan(repository: &Repository, compression: Compression) -> Result<Plan, Error> {
    let refused = refused(repository)?;
    let history = History::read(repository)?;
    let all = packs(repository, &refused)?;
    let is_kept_small = |pack: &OldPack| pack.kind == PackKind::Tail && !history.has_segments(pack);
    // What a newer program wrote is none of ours to improve.
    let is_weaker = |pack: &OldPack| pack.effort.is_some_and(|effort| effort < compression);
    let (weaker, rest): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|pack| !is_kept_small(pack)).partition(|pack| is_weaker(pack));
    let is_loose = |pack: &OldPack| pack.effort == Some(compression) && pack.length < limits::PACK_TARGET / 2;
    let loose: Vec<OldPack> = rest.into_iter().filter(is_loose).collect();
    let mut plan = Plan { packs: loose, history };
    if !plan.joins(compression) {
        plan.packs.clear();
    }
    plan.packs.extend(weaker);
    plan.sort();
    Ok(plan)
}

/// Packs that an act marks dead, or calls damaged. Where an act can't be read, any pack may be one of them.
pub(super) fn refused(repository: &Repository) -> Result<HashSet<PackId>, Error> {
    let journal = readable(repository)?;
    let named = journal.acts.iter().flat_map(|act| match &act.deed {
        Deed::Dead { packs } | Deed::Damaged { packs } => packs.as_slice(),
        _ => &[],
    });
    Ok(named.copied().collect())
}

/// All packs that can be read and that nothing is said against.
fn packs(repository: &Repository, refused: &HashSet<PackId>) -> Result<Vec<OldPack>, Error> {
    let listed = paths::packs(repository.disk())?.into_iter();
    Ok(listed
        .filter(|(id, _)| !refused.contains(id))
        .filter_map(|(id, length)| read(repository, id, length))
        .collect())
}

/// A pack; none if its header or directory can't be read, or if a newer program wrote a block of it: it stays as it is.
fn read(repository: &Repository, id: PackId, length: u64) -> Option<OldPack> {
    let header = repository.disk().read_range(&paths::pack(id), 0, HEADER_LENGTH).ok()?;
    let header = pack::parse_header(&header).ok()?;
    let directory = read_directory(repository.disk(), id, length).ok()?;
    if directory.blocks.iter().any(|block| block.check_readable().is_err()) {
        return None;
    }
    let chunks = |block: &pack::Block| block.chunks.iter().map(|place| (place.chunk, place.length)).collect();
    Some(OldPack {
        id,
        length,
        kind: header.kind,
        effort: effort(header.effort, &directory.blocks),
        blocks: directory.blocks.iter().map(chunks).collect(),
    })
}

/// How hard a pack's writer compressed. What `high` is now was the default once, and has its number: the blocks tell them apart.
fn effort(said: u8, blocks: &[pack::Block]) -> Option<Compression> {
    let said = Compression::of(said);
    let is_former =
        said == Some(Compression::Default) && blocks.iter().any(|block| block.codec == CodecId::Columns);
    if is_former { Some(Compression::High) } else { said }
}

impl History {
    /// The order of the segments of all logs, as their newest records say.
    fn read(repository: &Repository) -> Result<Self, Error> {
        let mut history = Self::default();
        for key in repository.logs()? {
            let Some((_, sealed)) = repository.newest_sealed(&key)? else { continue };
            for entry in sealed {
                history.add(key.store, &entry);
            }
        }
        Ok(history)
    }

    fn add(&mut self, store: Store, entry: &SegmentEntry) {
        let segment = entry.extents.iter().map(|extent| (extent.chunk, Neighbours::Segments(store)));
        for (chunk, neighbours) in segment.chain(entry.time_map.map(|chunk| (chunk, Neighbours::TimeMaps))) {
            let at = self.places.len();
            self.places.entry(chunk).or_insert((neighbours, at));
        }
    }

    fn has_segments(&self, pack: &OldPack) -> bool {
        pack.chunks().any(|(chunk, _)| self.places.contains_key(&chunk))
    }

    /// The store whose segments a chunk is of.
    fn store(&self, chunk: ChunkId) -> Option<Store> {
        match self.places.get(&chunk)?.0 {
            Neighbours::Segments(store) => Some(store),
            Neighbours::TimeMaps | Neighbours::ControlDb => None,
        }
    }

    /// Where the first chunk of a pack stands; those that no history knows come last.
    fn of_pack(&self, pack: &OldPack) -> usize {
        let places = pack.chunks().filter_map(|(chunk, _)| self.places.get(&chunk));
        places.map(|(_, at)| *at).min().unwrap_or(usize::MAX)
    }

    fn moved(&self, pack: &OldPack, (id, length): (ChunkId, u32), at: usize) -> Moved {
        match self.places.get(&id) {
            Some((neighbours, at)) => Moved { id, length, room: Ok(*neighbours), at: *at },
            None if pack.kind == PackKind::ControlDb => {
                Moved { id, length, room: Ok(Neighbours::ControlDb), at }
            }
            None => Moved { id, length, room: Err(pack.kind), at },
        }
    }
}

impl Plan {
    fn sort(&mut self) {
        let history = &self.history;
        self.packs.sort_by_cached_key(|pack| (pack.kind, history.of_pack(pack), pack.id));
    }

    /// The chunks of some of the packs, each once: neighbours beside each other, in the order of their history.
    pub(super) fn chunks(&self, packs: &[OldPack]) -> Vec<Moved> {
        let all = packs.iter().flat_map(|pack| pack.chunks().map(move |chunk| (pack, chunk)));
        let mut seen = HashSet::new();
        let fresh = all.filter(|(_, (id, _))| seen.insert(*id)).enumerate();
        let mut moved: Vec<Moved> =
            fresh.map(|(at, (pack, chunk))| self.history.moved(pack, chunk, at)).collect();
        moved.sort_by_key(|chunk| (chunk.room.is_err(), chunk.room.ok(), chunk.at));
        moved
    }

    /// Whether all packs together would have so many fewer blocks that it is worth the while.
    fn joins(&self, compression: Compression) -> bool {
        let before: usize = self.packs.iter().map(|pack| pack.blocks.len()).sum();
        let full = joining::full(self.packs.iter().map(|pack| pack.blocks.as_slice()), |chunk| {
            self.history.store(chunk)
        });
        let after = joining::blocks(&self.chunks(&self.packs), &full, compression);
        self.packs.len() > 1 && after * 4 < before * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(codec: CodecId) -> pack::Block {
        pack::Block {
            offset: 0,
            body_offset: 0,
            encoded_length: 1,
            raw_length: 2,
            codec,
            dictionary: None,
            chunks: Vec::new(),
        }
    }

    #[test]
    fn the_default_of_an_earlier_program_is_told_by_its_blocks() {
        let [zstd, plain, streams] = [CodecId::Zstd, CodecId::Columns, CodecId::StreamedColumns].map(block);
        let max = [CodecId::MixedColumns, CodecId::LeanColumns, CodecId::SparingColumns].map(block);
        assert_eq!(effort(2, &[zstd.clone(), plain.clone()]), Some(Compression::High));
        assert_eq!(effort(2, &[zstd.clone(), streams]), Some(Compression::Default));
        let zstd = [zstd];
        assert_eq!(effort(2, &zstd), Some(Compression::Default));
        assert_eq!(effort(4, &zstd), Some(Compression::High));
        assert_eq!(effort(3, &[plain]), Some(Compression::Max));
        assert_eq!(max.map(|block| effort(3, &[block])), [Some(Compression::Max); 3]);
        assert_eq!([effort(0, &[]), effort(5, &zstd)], [Some(Compression::Raw), None]);
    }
}
