//! Which packs are written anew, and where each chunk belongs.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::recompress::joining;
use crate::engine::retention::readable;
use crate::repo::codec::{Compression, Look};
use crate::repo::format::act::Deed;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::limits;
use crate::repo::format::pack::{self, Block, CodecId, HEADER_LENGTH, PackKind};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{Neighbours, Repository};
use std::collections::{HashMap, HashSet};

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
    blocks: usize,
    /// Its chunks and their lengths, in order.
    pub(super) chunks: Vec<(ChunkId, u32)>,
}

impl OldPack {
    /// Bytes of its chunks.
    pub(super) fn raw_length(&self) -> u64 {
        self.chunks.iter().map(|(_, length)| u64::from(*length)).sum()
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

/// Chooses the packs that were compressed less than asked for; and small ones that were compressed so, if their chunks have fewer blocks together.
pub fn plan(
    repository: &Repository,
    compression: Compression,
    observer: &dyn Observer,
) -> Result<Plan, Error> {
    let refused = refused(repository)?;
    let history = History::read(repository)?;
    let all = packs(repository, &refused)?;
    let is_kept_small = |pack: &OldPack| pack.kind == PackKind::Tail && !history.has_segments(pack);
    // What a newer program wrote is none of ours to improve.
    let is_weaker = |pack: &OldPack| pack.effort.is_some_and(|effort| effort < compression);
    let (weaker, rest): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|pack| !is_kept_small(pack)).partition(|pack| is_weaker(pack));
    let is_loose = |pack: &OldPack| pack.effort == Some(compression) && pack.length < limits::PACK_TARGET / 2;
    let loose = rest.into_iter().filter(is_loose);
    let mut plan = Plan { packs: weaker, history };
    // Their chunks share no packs.
    let (databases, others): (Vec<_>, Vec<_>) = loose.partition(|pack| pack.kind == PackKind::ControlDb);
    for mut loose in [databases, others] {
        plan.history.sort(&mut loose);
        if loose.len() > 1 && plan.joins(repository, compression, &loose, observer)? {
            plan.packs.append(&mut loose);
        }
    }
    plan.history.sort(&mut plan.packs);
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
    let chunks = directory.blocks.iter().flat_map(|block| &block.chunks);
    Some(OldPack {
        id,
        length,
        kind: header.kind,
        effort: effort(header.effort, &directory.blocks),
        blocks: directory.blocks.len(),
        chunks: chunks.map(|place| (place.chunk, place.length)).collect(),
    })
}

/// How hard a pack's writer compressed. What `high` is now was the default once, and has its number: the blocks tell them apart.
fn effort(said: u8, blocks: &[Block]) -> Option<Compression> {
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
        pack.chunks.iter().any(|(chunk, _)| self.places.contains_key(chunk))
    }

    /// Where the first chunk of a pack stands; those that no history knows come last.
    fn of_pack(&self, pack: &OldPack) -> usize {
        let places = pack.chunks.iter().filter_map(|(chunk, _)| self.places.get(chunk));
        places.map(|(_, at)| *at).min().unwrap_or(usize::MAX)
    }

    fn sort(&self, packs: &mut [OldPack]) {
        packs.sort_by_cached_key(|pack| (pack.kind, self.of_pack(pack), pack.id));
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
    /// The chunks of some of the packs, each once: neighbours beside each other, in the order of their history.
    pub(super) fn chunks(&self, packs: &[OldPack]) -> Vec<Moved> {
        let all = packs.iter().flat_map(|pack| pack.chunks.iter().map(move |chunk| (pack, *chunk)));
        let mut seen = HashSet::new();
        let fresh = all.filter(|(_, (id, _))| seen.insert(*id)).enumerate();
        let mut moved: Vec<Moved> =
            fresh.map(|(at, (pack, chunk))| self.history.moved(pack, chunk, at)).collect();
        moved.sort_by_key(|chunk| (chunk.room.is_err(), chunk.room.ok(), chunk.at));
        moved
    }

    /// Whether such packs are worth joining.
    fn joins(
        &self,
        repository: &Repository,
        compression: Compression,
        loose: &[OldPack],
        observer: &dyn Observer,
    ) -> Result<bool, Error> {
        let before = loose.iter().map(|pack| pack.blocks).sum();
        joining::is_worth(&self.chunks(loose), before, compression, |chunk| {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            look(repository, chunk, compression)
        })
    }
}

/// A look at a chunk, if that matters. One that can't be read stays where it is.
fn look(repository: &Repository, chunk: &Moved, compression: Compression) -> Result<Look, Error> {
    if !chunk.room.is_ok_and(|room| room.are_looked_at(compression)) {
        return Ok(Look::default());
    }
    match repository.chunk(chunk.id) {
        Ok(bytes) => Ok(Look::at(&bytes, compression)),
        Err(error) if error.is_lost() => Ok(Look::default()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(codec: CodecId) -> Block {
        Block {
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
