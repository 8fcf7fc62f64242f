//! Blocks that wait to be encoded, and how far they get.

use crate::repo::codec::Look;
use crate::repo::format::id::ChunkId;
use crate::repo::format::limits;
use crate::repo::format::pack::PackKind;

/// How far a block has got that chunks are joined to.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    length: usize,
    chunks: usize,
    look: Look,
}

impl Filling {
    /// With a chunk of so many bytes, of which this was seen.
    pub const fn of(length: usize, look: Look) -> Self {
        Self { length, chunks: 1, look }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self {
            length: self.length.saturating_add(next.length),
            chunks: self.chunks.saturating_add(next.chunks),
            look: self.look.and(next.look),
        }
    }

    /// Whether both share a block, where blocks are at most so long. Short ones do, whatever is in them.
    pub fn fits(self, next: Self, longest: usize) -> bool {
        let both = self.and(next);
        let is_short = both.length <= limits::memory::SHARED_BLOCK;
        both.length <= longest
            && both.chunks <= limits::BLOCK_CHUNKS_MAX
            && (is_short || both.look.is_worth(both.length))
    }
}

/// A block that waits to be encoded.
#[derive(Debug)]
pub(super) struct Waiting {
    pub kind: PackKind,
    /// How hard it is compressed, as the header of its pack says it.
    pub effort: u8,
    /// Its chunks and their lengths, back to back.
    pub chunks: Vec<(ChunkId, u32)>,
    raw: Vec<u8>,
    /// CRC-32 of the bytes as they were when they got their names: they may wait for long, and memory is not what it should be everywhere.
    sum: u32,
    look: Look,
}

impl Waiting {
    /// Nothing yet.
    pub fn empty(kind: PackKind) -> Self {
        let (chunks, raw) = Default::default();
        Self { kind, effort: 0, chunks, raw, sum: 0, look: Look::default() }
    }

    /// These chunks, which were named just now.
    pub fn of(kind: PackKind, chunks: Vec<(ChunkId, u32)>, raw: Vec<u8>) -> Self {
        Self { sum: crc32fast::hash(&raw), raw, chunks, ..Self::empty(kind) }
    }

    /// The same, compressed so hard.
    pub fn with_effort(self, effort: u8) -> Self {
        Self { effort, ..self }
    }

    /// The bytes of the chunks.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same without the bytes: what its chunks are called, and how long they are.
    pub fn without_raw(self) -> Self {
        Self { raw: Vec::new(), ..self }
    }

    /// Whether the bytes are what they were when they got their names.
    pub fn is_intact(&self) -> bool {
        crc32fast::hash(&self.raw) == self.sum
    }

    #[cfg(test)]
    pub fn flip(&mut self, at: usize) {
        self.raw[at] ^= 4;
    }

    /// How far it has got.
    pub fn filling(&self) -> Filling {
        Filling { length: self.raw.len(), chunks: self.chunks.len(), look: self.look }
    }

    /// One chunk more, of which this was seen.
    pub fn push(&mut self, chunk: (ChunkId, u32), bytes: Vec<u8>, look: Look) {
        self.chunks.push(chunk);
        self.look = self.look.and(look);
        let mut sum = crc32fast::Hasher::new_with_initial(self.sum);
        sum.update(&bytes);
        self.sum = sum.finalize();
        if self.raw.is_empty() {
            self.raw = bytes;
        } else {
            self.raw.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::Naming;

    #[test]
    fn a_bit_that_flips_while_chunks_are_joined_is_seen() {
        let bytes = |of: u8| vec![of; 1000];
        let named = |bytes: &[u8]| (Naming::Blake3.chunk(bytes), 1000);
        let mut joined = Waiting::empty(PackKind::Sealed);
        joined.push(named(&bytes(1)), bytes(1), Look::default());
        joined.push(named(&bytes(2)), bytes(2), Look::default());
        assert!(joined.is_intact());
        for at in [0, 999, 1000, 1999] {
            joined.flip(at);
            assert!(!joined.is_intact(), "{at}");
            joined.flip(at);
        }
        assert!(joined.is_intact());
    }

    #[test]
    fn what_is_worth_it_shares_blocks_up_to_the_longest_and_all_else_short_ones() {
        let mib = |mib: usize, look| Filling::of(mib << 20, look);
        let fits = |look, longest: usize| mib(4, Look::default()).fits(mib(5, look), longest << 20);
        assert_eq!([fits(Look::default(), 9), fits(Look::default(), 8)], [true, false]);
        assert!(!fits(Look::NOISE, 9) && mib(4, Look::NOISE).fits(mib(4, Look::NOISE), 9 << 20));
    }

    #[test]
    fn a_block_has_no_more_chunks_than_the_format_allows() {
        let chunk = Filling::of(1, Look::default());
        let many = |chunks: usize| (1..chunks).fold(chunk, |filling, _| filling.and(chunk));
        assert!(many(limits::BLOCK_CHUNKS_MAX - 1).fits(chunk, 1 << 20));
        assert!(!many(limits::BLOCK_CHUNKS_MAX).fits(chunk, 1 << 20));
    }
}
