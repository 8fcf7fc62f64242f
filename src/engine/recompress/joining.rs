//! How many blocks the chunks of small packs would make together.
//!
//! Noise and heavy events share shorter blocks than others do, and only their bytes tell. But somebody has looked at them: what was not joined when it
//! was written will not be joined when it is written again. Else the same packs would look worth joining after every run.

use crate::axon::name::Store;
use crate::engine::recompress::plan::{Block, Moved};
use crate::repo::codec::Compression;
use crate::repo::format::id::ChunkId;
use crate::repo::format::limits::memory::SHARED_BLOCK;
use crate::repo::store::Neighbours;
use std::collections::HashMap;

/// The lengths of blocks that got as long as they can, by their chunks.
pub(super) type Full = HashMap<ChunkId, u64>;

/// A block that more chunks may be joined to.
#[derive(Clone, Copy)]
struct Open {
    room: Neighbours,
    length: u64,
    longest: u64,
}

/// Which blocks of segments got as long as they can. The last one of a pack may only have had no more neighbours; and so may one that was copied as
/// it was, if it is shorter than whatever is joined without a look at it.
pub(super) fn full<'a>(
    packs: impl IntoIterator<Item = &'a [Box<Block>]>,
    store: impl Fn(ChunkId) -> Option<Store>,
) -> Full {
    let mut full = Full::new();
    for pack in packs {
        let mut before: HashMap<Store, &Block> = HashMap::new();
        for block in pack {
            let first = block.first().and_then(|(first, length)| Some((store(*first)?, *length)));
            let Some((store, next)) = first else { continue };
            let Some(before) = before.insert(store, block) else { continue };
            let length = length(before);
            if length + u64::from(next) > SHARED_BLOCK as u64 {
                full.extend(before.iter().map(|(chunk, _)| (*chunk, length)));
            }
        }
    }
    full
}

/// How many blocks these chunks would make.
pub(super) fn blocks(chunks: &[Moved], full: &Full, compression: Compression) -> usize {
    let (mut blocks, mut open) = (0, None);
    for chunk in chunks {
        let Ok(room) = chunk.room else {
            (blocks, open) = (blocks + 1, None);
            continue;
        };
        let longest = full.get(&chunk.id).copied().unwrap_or_else(|| room.longest(compression) as u64);
        let alone = Open { room, length: u64::from(chunk.length), longest };
        let joined = open.and_then(|open: Open| open.joined(alone));
        blocks += usize::from(joined.is_none());
        open = joined.or(Some(alone));
    }
    blocks
}

impl Open {
    /// Both in one block, if there is room.
    fn joined(self, next: Self) -> Option<Self> {
        let (length, longest) = (self.length + next.length, self.longest.min(next.longest));
        (self.room == next.room && length <= longest).then_some(Self { length, longest, ..self })
    }
}

fn length(block: &Block) -> u64 {
    block.iter().map(|(_, length)| u64::from(*length)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::Naming;

    /// Packs with blocks of one chunk of so many MiB each: how many blocks these are, and how many the chunks would make together.
    fn joined(packs: &[&[u32]]) -> (usize, usize) {
        let mut numbers = 0_u64..;
        let mut id = || Naming::Blake3.chunk(&numbers.next().unwrap().to_le_bytes());
        let mut block = |mib: &u32| -> Box<Block> { Box::new([(id(), mib << 20)]) };
        let packs: Vec<Vec<_>> = packs.iter().map(|pack| pack.iter().map(&mut block).collect()).collect();
        let full = full(packs.iter().map(Vec::as_slice), |_| Some(Store::Events));
        let room = Ok(Neighbours::Segments(Store::Events));
        let moved = |(id, length)| Moved { id, length, room, at: 0 };
        let chunks: Vec<Moved> =
            packs.iter().flatten().flat_map(|block| block.iter().copied().map(moved)).collect();
        (packs.iter().flatten().count(), blocks(&chunks, &full, Compression::Default))
    }

    #[test]
    fn small_packs_share_long_blocks() {
        assert_eq!(joined(&[&[5], &[5], &[5], &[5]]), (4, 2));
        assert_eq!(joined(&[&[15, 1], &[2, 3], &[4], &[6], &[10]]), (7, 3));
    }

    #[test]
    fn blocks_that_could_not_be_longer_stay_as_they_are() {
        assert_eq!(joined(&[&[5, 5, 5, 5]]), (4, 4));
        // The last ones may become longer: 3 with 3, and 4, 4 with 8.
        assert_eq!(joined(&[&[5, 6, 3], &[3], &[6, 4, 4], &[8]]), (8, 5));
    }

    #[test]
    fn blocks_that_were_copied_into_one_pack_are_joined() {
        assert_eq!(joined(&[&[1; 32]]), (32, 2));
    }
}
