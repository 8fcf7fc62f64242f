//! Which packs may be written anew, and where each chunk belongs.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::retention::readable;
use crate::repo::codec::Compression;
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
pub(super) struct OldPack {
    /// Its name.
    pub id: PackId,
    /// Its length.
    pub length: u64,
    kind: PackKind,
    /// How hard its writer compressed; none where a newer program says it in its own way.
    effort: Option<Compression>,
    /// How many blocks it has.
    pub blocks: usize,
    /// Its chunks and their lengths, in order.
    pub chunks: Vec<(ChunkId, u32)>,
}

impl OldPack {
    /// Bytes of its chunks.
    pub fn raw_length(&self) -> u64 {
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

/// A group has at least so many bytes of chunks: between groups other writers get their turn.
const GROUP: u64 = 512 << 20;

/// The packs that may gain by being written anew.
pub(super) struct Candidates {
    /// Those that were compressed less than asked for, in the order of the history that they hold.
    pub weaker: Vec<OldPack>,
    /// Small ones that were compressed so: groups of some that may share blocks, in that order.
    pub small: Vec<Vec<OldPack>>,
    pub history: History,
}

/// Where chunks stand in the histories.
#[derive(Debug, Default)]
pub(super) struct History {
    places: HashMap<ChunkId, (Neighbours, usize)>,
}

impl Candidates {
    /// As the repository is now.
    pub fn read(repository: &Repository, compression: Compression) -> Result<Self, Error> {
        let refused = refused(repository)?;
        let history = History::read(repository)?;
        let all = packs(repository, &refused)?;
        let is_kept_small = |pack: &OldPack| pack.kind == PackKind::Tail && !history.has_segments(pack);
        // What a newer program wrote is none of ours to improve.
        let is_weaker = |pack: &OldPack| pack.effort.is_some_and(|effort| effort < compression);
        let (mut weaker, rest): (Vec<_>, Vec<_>) =
            all.into_iter().filter(|pack| !is_kept_small(pack)).partition(|pack| is_weaker(pack));
        history.sort(&mut weaker);
        let is_small = |pack: &OldPack| {
            let is_short = pack.effort == Some(compression) && pack.length < limits::PACK_TARGET / 2;
            is_short && history.shares_blocks(pack)
        };
        let small = history.beside(rest.into_iter().filter(is_small));
        Ok(Self { weaker, small, history })
    }
}

/// Groups of packs that are worked on one after the other.
pub(super) fn groups(packs: &[OldPack]) -> Vec<&[OldPack]> {
    let (mut groups, mut rest) = (Vec::new(), packs);
    while !rest.is_empty() {
        let (group, behind) = rest.split_at(length_of_group(rest));
        groups.push(group);
        rest = behind;
    }
    groups
}

/// How many packs make a group.
fn length_of_group(packs: &[OldPack]) -> usize {
    let mut bytes = 0_u64;
    let full = packs.iter().position(|pack| {
        bytes = bytes.saturating_add(pack.raw_length());
        bytes >= GROUP
    });
    full.map_or(packs.len(), |at| at + 1)
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

/// How hard a pack's writer compressed: the least that counts for a block whose codec tells. What the header says, if most of it is in blocks
/// that don't tell.
fn effort(said: u8, blocks: &[Block]) -> Option<Compression> {
    let tells = |block: &&Block| !matches!(block.codec, CodecId::Raw | CodecId::Zstd);
    let bytes = |blocks: &mut dyn Iterator<Item = &Block>| -> u64 {
        blocks.map(|block| u64::from(block.raw_length)).sum()
    };
    let told = bytes(&mut blocks.iter().filter(tells));
    if told.saturating_mul(2) < bytes(&mut blocks.iter()) {
        return Compression::of(said);
    }
    let counts = blocks
        .iter()
        .filter(tells)
        .filter_map(|block| Compression::of(Compression::said_of(said, block.codec)));
    counts.min().or(Compression::of(said))
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

    /// Whether there are chunks in a pack that may share blocks with others.
    fn shares_blocks(&self, pack: &OldPack) -> bool {
        pack.kind == PackKind::ControlDb || self.has_segments(pack)
    }

    /// Where the first chunk of a pack stands; those that no history knows come last.
    fn of_pack(&self, pack: &OldPack) -> usize {
        let places = pack.chunks.iter().filter_map(|(chunk, _)| self.places.get(chunk));
        places.map(|(_, at)| *at).min().unwrap_or(usize::MAX)
    }

    fn sort(&self, packs: &mut [OldPack]) {
        packs.sort_by_cached_key(|pack| (pack.kind, self.of_pack(pack), pack.id));
    }

    /// The groups of these packs that have more than one. Chunks of control databases share no packs with others.
    fn beside(&self, packs: impl Iterator<Item = OldPack>) -> Vec<Vec<OldPack>> {
        let (databases, others): (Vec<_>, Vec<_>) = packs.partition(|pack| pack.kind == PackKind::ControlDb);
        let sorted = [databases, others].map(|mut packs| {
            self.sort(&mut packs);
            packs
        });
        let groups = sorted.iter().flat_map(|packs| groups(packs));
        groups.filter(|group| group.len() > 1).map(<[OldPack]>::to_vec).collect()
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

    /// The chunks of some packs, each once: neighbours beside each other, in the order of their history.
    pub fn chunks(&self, packs: &[OldPack]) -> Vec<Moved> {
        let all = packs.iter().flat_map(|pack| pack.chunks.iter().map(move |chunk| (pack, *chunk)));
        let mut seen = HashSet::new();
        let fresh = all.filter(|(_, (id, _))| seen.insert(*id)).enumerate();
        let mut moved: Vec<Moved> = fresh.map(|(at, (pack, chunk))| self.moved(pack, chunk, at)).collect();
        moved.sort_by_key(|chunk| (chunk.room.is_err(), chunk.room.ok(), chunk.at));
        moved
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

    #[test]
    fn copies_of_an_earlier_program_are_told_by_their_weakest_blocks() {
        let [plain, whole, max] =
            [CodecId::Columns, CodecId::WholeColumns, CodecId::SparingColumns].map(block);
        let default =
            |blocks: &[&Block]| effort(2, &blocks.iter().map(|block| (*block).clone()).collect::<Vec<_>>());
        assert_eq!(default(&[&max, &block(CodecId::Zstd)]), Some(Compression::Max));
        assert_eq!(default(&[&max, &plain]), Some(Compression::High));
        assert_eq!(default(&[&max, &plain, &whole]), Some(Compression::Default));
        // Most of it may be what `fast` wrote.
        let zstd = Block { raw_length: 5, ..block(CodecId::Zstd) };
        assert_eq!(default(&[&max, &zstd]), Some(Compression::Default));
        assert_eq!(effort(5, &[max]), None, "a newer program knows better");
    }
}
