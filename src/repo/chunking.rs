//! Where segments are cut into chunks: at transaction boundaries, at places chosen by content.
//!
//! The stored CRC-32 of a transaction decides, so that no byte is hashed twice, and the same transactions are cut at the same places
//! wherever they lie.

use crate::repo::format::limits;

/// How a segment is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Chunks of about 8 MiB.
    Sealed,
    /// Chunks of about 1 MiB, so that the cost of a backup follows what is new.
    Tail,
}

impl Profile {
    const fn min(self) -> u64 {
        match self {
            Self::Sealed => limits::SEALED_CHUNK_MIN,
            Self::Tail => limits::TAIL_CHUNK_MIN,
        }
    }

    const fn growth(self) -> u64 {
        match self {
            Self::Sealed => limits::SEALED_CHUNK_GROWTH,
            Self::Tail => limits::TAIL_CHUNK_GROWTH,
        }
    }

    const fn max(self) -> u64 {
        match self {
            Self::Sealed => limits::SEALED_CHUNK_MAX,
            Self::Tail => limits::TAIL_CHUNK_MAX,
        }
    }
}

/// Decides the cuts; it is told of each transaction in order. Its state depends only on what came since the last cut.
#[derive(Clone, Debug)]
pub struct Cutter {
    profile: Profile,
    /// Bytes since the last cut.
    pending: u64,
}

/// What to do with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// End the chunk under construction before this transaction.
    pub before: bool,
    /// Cut this transaction inside, every [`crate::repo::format::limits::TRANSACTION_CUT`] bytes from its beginning, and end the chunk behind it.
    pub inside: bool,
    /// End the chunk behind this transaction.
    pub after: bool,
}

impl Cutter {
    /// A cutter at the beginning of a chunk.
    pub fn new(profile: Profile) -> Self {
        Self { profile, pending: 0 }
    }

    /// The file's header joins the first chunk: `length` bytes.
    pub fn header(&mut self, length: u64) {
        self.pending = self.pending.saturating_add(length);
    }

    /// The next transaction, of `length` bytes, with its stored CRC-32.
    pub fn transaction(&mut self, length: u64, crc: u32) -> Cut {
        if length > limits::TRANSACTION_CUT_ABOVE {
            let before = self.pending > 0;
            self.pending = 0;
            return Cut { before, inside: true, after: true };
        }
        let before = self.pending > 0 && self.pending.saturating_add(length) > self.profile.max();
        if before {
            self.pending = 0;
        }
        self.pending = self.pending.saturating_add(length);
        let after = self.ends_behind(length, crc);
        if after {
            self.pending = 0;
        }
        Cut { before, inside: false, after }
    }

    /// A longer transaction ends a chunk more often, in proportion: so chunks are of one size on average, whatever that of transactions.
    fn ends_behind(&self, length: u64, crc: u32) -> bool {
        let chosen = u64::from(crc).saturating_mul(self.profile.growth()) < length.saturating_mul(1 << 32);
        self.pending >= self.profile.max() || (self.pending >= self.profile.min() && chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The lengths of the chunks that these transactions are cut into.
    fn chunks(profile: Profile, transactions: &[(u64, u32)]) -> Vec<u64> {
        let mut cutter = Cutter::new(profile);
        let (mut lengths, mut pending) = (Vec::new(), 0);
        for (length, crc) in transactions {
            let cut = cutter.transaction(*length, *crc);
            if cut.before {
                lengths.push(std::mem::take(&mut pending));
            }
            pending += length;
            while cut.inside && pending > limits::TRANSACTION_CUT {
                lengths.push(limits::TRANSACTION_CUT);
                pending -= limits::TRANSACTION_CUT;
            }
            if cut.after {
                lengths.push(std::mem::take(&mut pending));
            }
        }
        lengths.extend((pending > 0).then_some(pending));
        lengths
    }

    fn history(seed: u64, count: usize, longest: u64) -> Vec<(u64, u32)> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count).map(|_| (random.u64(40..longest), random.u32(..))).collect()
    }

    #[test]
    fn chunks_have_their_size_on_average_whatever_the_size_of_transactions() {
        for (profile, longest, expected) in [
            (Profile::Sealed, 400, 8 * MIB),
            (Profile::Sealed, 20_000, 8 * MIB),
            (Profile::Sealed, MIB, 8 * MIB),
            (Profile::Tail, 400, MIB),
            (Profile::Tail, 20_000, MIB),
        ] {
            let count = usize::try_from(400 * expected * 2 / longest).unwrap();
            let lengths = chunks(profile, &history(7, count, longest));
            let average = lengths.iter().sum::<u64>() / lengths.len() as u64;
            assert!(
                (expected * 3 / 4..expected * 5 / 4).contains(&average),
                "{profile:?} {longest} {average}"
            );
        }
    }

    #[test]
    fn chunks_stay_within_their_limits() {
        for (profile, min, max) in [
            (Profile::Sealed, limits::SEALED_CHUNK_MIN, limits::SEALED_CHUNK_MAX),
            (Profile::Tail, limits::TAIL_CHUNK_MIN, limits::TAIL_CHUNK_MAX),
        ] {
            let lengths = chunks(profile, &history(8, 20_000, 300_000));
            let (last, rest) = lengths.split_last().unwrap();
            assert!(rest.iter().all(|length| (min..=max).contains(length)));
            assert!(*last <= max);
        }
    }

    #[test]
    fn cuts_depend_only_on_what_came_since_the_last_one() {
        let transactions = history(9, 30_000, 5_000);
        for profile in [Profile::Sealed, Profile::Tail] {
            let whole = chunks(profile, &transactions);
            let mut skipped = 0;
            let first = transactions.iter().position(|(length, _)| {
                let there = skipped == whole[0];
                skipped += length;
                there
            });
            assert_eq!(chunks(profile, &transactions[first.unwrap()..]), whole[1..]);
        }
    }

    #[test]
    fn an_open_segment_that_grows_keeps_its_chunks() {
        let transactions = history(10, 5_000, 5_000);
        let whole = chunks(Profile::Tail, &transactions);
        for seen in [1, 500, 2_000, 4_999] {
            let part = chunks(Profile::Tail, &transactions[..seen]);
            let (_, kept) = part.split_last().unwrap();
            assert_eq!(kept, &whole[..kept.len()]);
        }
    }

    #[test]
    fn a_chunk_ends_before_the_transaction_that_would_take_it_past_the_largest_size() {
        let never = u32::MAX;
        let mut cutter = Cutter::new(Profile::Sealed);
        cutter.header(5);
        let alone = Cut { before: false, inside: false, after: false };
        assert_eq!(
            cutter.transaction(10 * MIB, never),
            Cut { after: true, ..alone },
            "2.5 times the growth: certain"
        );
        assert_eq!(cutter.transaction(3 * MIB, never), alone);
        assert_eq!(cutter.transaction(13 * MIB + 1, never), Cut { before: true, after: true, ..alone });
    }

    #[test]
    fn a_transaction_above_a_tails_largest_chunk_is_one_of_its_own() {
        let mut cutter = Cutter::new(Profile::Tail);
        cutter.header(5);
        assert_eq!(cutter.transaction(3 * MIB, 9), Cut { before: true, inside: false, after: true });
        assert_eq!(cutter.transaction(16 * MIB, 9), Cut { before: false, inside: false, after: true });
    }

    #[test]
    fn a_chunk_of_the_largest_size_is_one() {
        let quarters = [(MIB / 4, u32::MAX); 17];
        assert_eq!(chunks(Profile::Tail, &quarters), [2 * MIB, 2 * MIB, MIB / 4]);
        let mut cutter = Cutter::new(Profile::Tail);
        let ends: Vec<bool> =
            quarters.iter().map(|(length, crc)| cutter.transaction(*length, *crc).after).collect();
        assert_eq!(ends.iter().position(|after| *after), Some(7));
    }

    #[test]
    fn a_huge_transaction_is_cut_inside_and_off_from_its_neighbours() {
        for profile in [Profile::Sealed, Profile::Tail] {
            let huge = 16 * MIB + 1;
            assert_eq!(
                chunks(profile, &[(100, 5), (huge, 5), (100, 5), (200, 5)]),
                [100, 8 * MIB, 8 * MIB, 1, 300]
            );
        }
    }

    #[test]
    fn no_length_overflows() {
        let mut cutter = Cutter::new(Profile::Sealed);
        cutter.header(u64::MAX);
        assert!(cutter.transaction(u64::MAX, 0).inside);
        cutter.header(u64::MAX);
        assert!(cutter.transaction(1, u32::MAX).before);
    }
}
