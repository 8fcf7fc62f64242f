//! What a chunk takes: its share of the block that it was encoded in. The shares of a block add up to its encoded bytes.

use crate::repo::format::id::ChunkId;
use crate::repo::format::pack::{Block, Directory};

/// What a chunk takes in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its raw bytes.
    pub raw: u64,
    /// Its share of the encoded bytes.
    pub stored: u64,
}

/// The shares of all chunks of a pack, and what is left of it: headers, directory, footer.
pub fn of_pack(directory: &Directory) -> (Vec<Share>, u64) {
    let shares: Vec<Share> = directory.blocks.iter().flat_map(of_block).collect();
    let stored = shares.iter().fold(0, |sum: u64, share| sum.saturating_add(share.stored));
    (shares, directory.length.saturating_sub(stored))
}

/// Chunks lie back to back: each gets what lies between the parts of the block that end before it and with it.
fn of_block(block: &Block) -> impl Iterator<Item = Share> {
    let (raw, encoded) = (u128::from(block.raw_length.max(1)), u128::from(block.encoded_length));
    let up_to = move |end: u64| u64::try_from(u128::from(end) * encoded / raw).unwrap_or(u64::MAX);
    block.chunks.iter().map(move |place| {
        let (begin, length) = (u64::from(place.offset), u64::from(place.length));
        let stored = up_to(begin + length).saturating_sub(up_to(begin));
        Share { chunk: place.chunk, raw: length, stored }
    })
}

#[cfg(test)]
mod tests {
    use super::of_block;
    use crate::repo::format::id::ChunkId;
    use crate::repo::format::pack::{Block, ChunkPlace, CodecId};

    #[test]
    fn the_shares_of_a_block_add_up_to_it() {
        let lengths = [1, 7, 3, 900, 89];
        let mut offset = 0;
        let chunks = lengths.map(|length| {
            offset += length;
            ChunkPlace { chunk: ChunkId([7; 32]), offset: offset - length, length }
        });
        let block = Block {
            offset: 0,
            body_offset: 0,
            encoded_length: 333,
            raw_length: 1000,
            codec: CodecId::Zstd,
            dictionary: None,
            chunks: chunks.to_vec(),
        };
        let stored: Vec<u64> = of_block(&block).map(|share| share.stored).collect();
        assert_eq!(stored, [0, 2, 1, 300, 30]);
        assert_eq!(stored.iter().sum::<u64>(), 333);
    }
}
