//! A look at chunks, before they are encoded: how long the block may be that they share.

use crate::repo::codec::Compression;
use crate::repo::codec::columns::{self, Mode};
use crate::repo::codec::general::{self, Level};

/// How much of a chunk is tried, to see whether it repeats.
const GLANCE: usize = 64 << 10;

/// How much of a chunk is weighed: the least that has a whole transaction in it. What is shorter than the first says too little: its keys are still
/// new.
const WEIGHED: [usize; 3] = [128 << 10, 512 << 10, 2 << 20];

/// What a block may weigh, by an estimate from that. What can't be estimated is taken to weigh more.
const HEAVY: usize = 26 << 20;
const UNKNOWN: usize = usize::MAX;

/// What was seen of some chunks. Of none: nothing against any length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Whether there is a chunk that doesn't repeat.
    is_noise: bool,
    /// Bytes of memory that a MiB takes while it is encoded: the most of any chunk.
    weight: usize,
}

impl Look {
    /// Of chunks that don't repeat.
    pub const NOISE: Self = Self { is_noise: true, weight: 0 };

    /// A look at a chunk. What is shorter than a glance says too little.
    pub fn at(chunk: &[u8], compression: Compression) -> Self {
        if chunk.len() >= GLANCE && !repeats(chunk) {
            return Self::NOISE;
        }
        Self { is_noise: false, weight: weight(chunk, compression) }
    }

    /// What was seen of these chunks and of others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { is_noise: self.is_noise || other.is_noise, weight: self.weight.max(other.weight) }
    }

    /// Whether a block of so many bytes is worth being so long. Noise (payloads that are encrypted or compressed) gains nothing by what came before
    /// it, and takes as much memory encoded as it has bytes. Heavy events (many identifiers, small numbers) gain hardly anything by what came long
    /// before them, and would take more memory than a worker's share while they are encoded.
    pub fn is_worth(self, length: usize) -> bool {
        !self.is_noise && self.weight.saturating_mul(length) >> 20 <= HEAVY
    }
}

/// Looks at chunks, in the order in which they share blocks. Short ones, which say too little alone, are looked at together.
#[derive(Clone, Debug, Default)]
pub struct Looker {
    /// Short ones that were not looked at yet.
    short: Vec<u8>,
}

impl Looker {
    /// A look at the next chunk: what was seen of it, or with it of those before.
    pub fn look(&mut self, chunk: &[u8], compression: Compression) -> Look {
        let [least, ..] = WEIGHED;
        let alone = Look::at(chunk, compression);
        if chunk.len() >= least {
            return alone;
        }
        self.short.extend_from_slice(chunk);
        if self.short.len() < least {
            return alone;
        }
        alone.and(Look::at(&std::mem::take(&mut self.short), compression))
    }
}

/// Whether zstd makes bytes at least a third shorter, as a part of them says.
fn repeats(bytes: &[u8]) -> bool {
    let middle = bytes.len().saturating_sub(GLANCE) / 2;
    let glance = bytes.get(middle..).unwrap_or_default();
    let glance = glance.get(..GLANCE).unwrap_or(glance);
    let packed = general::compress(glance, Level::Zstd(1));
    packed.is_some_and(|packed| packed.len() < glance.len() / 3 * 2)
}

/// What a MiB weighs that is as the first events of a chunk are.
fn weight(chunk: &[u8], compression: Compression) -> usize {
    let is_whole = compression.columns().iter().any(|(_, mode)| *mode == Mode::Whole);
    let [least, ..] = WEIGHED;
    if !is_whole || chunk.len() < least {
        return 0;
    }
    let weighed = WEIGHED.map(|length| chunk.get(..length).unwrap_or(chunk));
    let of = |glance: &[u8]| Some((columns::weight(glance)? << 20) / glance.len());
    weighed.into_iter().find_map(of).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::sample::{numbers, texts, transaction};

    #[test]
    fn events_of_little_but_numbers_are_heavy_where_columns_are_whole() {
        let numbers = numbers(&mut fastrand::Rng::with_seed(5), 200_000);
        let worth = |bytes: &[u8]| {
            Compression::ALL.map(|compression| Look::at(bytes, compression).is_worth(16 << 20))
        };
        assert_eq!(worth(&numbers), [true, true, false, true, true]);
        assert_eq!(worth(&texts(200_000)), [true; 5]);
        // The first ones say so of all; a few say nothing.
        let look = |bytes: &[u8]| Look::at(bytes, Compression::Default);
        assert!(!look(&[&numbers[..], &texts(200_000)].concat()).is_worth(16 << 20));
        assert!(look(&numbers[..WEIGHED[0] - 1]).is_worth(16 << 20));
        // They take between two and four times as much as they have bytes.
        assert!(look(&numbers).is_worth(7 << 20) && !look(&numbers).is_worth(14 << 20));
    }

    #[test]
    fn long_transactions_are_weighed_whole_and_those_that_are_too_long_are_heavy() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut weight = |transactions: usize, events: usize| {
            let all: Vec<u8> = (0..transactions).flat_map(|_| transaction(&mut random, events)).collect();
            weight(&all, Compression::Default)
        };
        let [short, long, giant] =
            [(100, 100), (5, 4000), (1, 60_000)].map(|(all, events)| weight(all, events));
        assert!(short > 2 << 20 && short.abs_diff(long) < short / 4, "{short} {long}");
        // Shorter than the next step, but whole.
        let whole = weight(1, 4000);
        assert!(short.abs_diff(whole) < short / 4, "{short} {whole}");
        assert_eq!(giant, UNKNOWN);
        assert!(!Look { is_noise: false, weight: giant }.is_worth(1));
    }

    #[test]
    fn one_chunk_is_enough_to_make_a_block_short() {
        let mut random = fastrand::Rng::with_seed(6);
        let noise: Vec<u8> = (0..200_000).map(|_| random.u8(..)).collect();
        let chunks = [texts(200_000), numbers(&mut random, 200_000), noise];
        let [json, numbers, noise] = chunks.map(|chunk| Look::at(&chunk, Compression::Default));
        for one in [numbers, noise] {
            for both in [json.and(one), one.and(json), one.and(json).and(json)] {
                assert!(!both.is_worth(14 << 20));
            }
        }
        assert!(json.and(json).and(Look::default()).is_worth(14 << 20));
        assert!(json.and(numbers).is_worth(7 << 20) && !json.and(noise).is_worth(1));
    }

    #[test]
    fn a_few_bytes_say_nothing() {
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = (0..GLANCE).map(|_| random.u8(..)).collect();
        let is_worth = |bytes: &[u8]| Look::at(bytes, Compression::Default).is_worth(16 << 20);
        assert!(is_worth(&noise[1..]) && !is_worth(&noise));
    }

    #[test]
    fn short_chunks_are_looked_at_together() {
        let mut random = fastrand::Rng::with_seed(9);
        let numbers = numbers(&mut random, 200_000);
        let noise: Vec<u8> = (0..200_000).map(|_| random.u8(..)).collect();
        // In pieces of 40,000 bytes the fourth is the first behind 128 KiB.
        let seen = |bytes: &[u8]| -> Vec<bool> {
            let mut looker = Looker::default();
            let look = |piece: &[u8]| looker.look(piece, Compression::Default).is_worth(16 << 20);
            bytes.chunks(40_000).map(look).collect()
        };
        assert_eq!(seen(&noise), [true, true, true, false, true]);
        assert_eq!(seen(&numbers)[..4], [true, true, true, false]);
        assert_eq!(seen(&texts(200_000))[..5], [true; 5]);
        // A long one in between takes nothing from them, and is seen by itself.
        let mut looker = Looker::default();
        let mut look = |bytes: &[u8]| looker.look(bytes, Compression::Default).is_worth(16 << 20);
        assert_eq!([&noise[..60_000], &noise, &noise[60_000..120_000]].map(&mut look), [true, false, true]);
        assert!(!look(&noise[120_000..140_000]));
    }

    #[test]
    fn text_repeats_and_noise_does_not() {
        let mut random = fastrand::Rng::with_seed(2);
        let text = b"the same again and again, ".repeat(10_000);
        let mut noise: Vec<u8> = (0..text.len()).map(|_| random.u8(..)).collect();
        assert!(repeats(&text) && repeats(&text[..1000]));
        assert!(!repeats(&noise) && !repeats(&noise[..1000]) && !repeats(&[]));
        // Two thirds of noise in each line are too much.
        noise.chunks_exact_mut(150).for_each(|line| line[..50].fill(b' '));
        assert!(!repeats(&noise));
        noise.chunks_exact_mut(150).for_each(|line| line[..100].fill(b' '));
        assert!(repeats(&noise));
    }
}
