//! Finds what a writer has seen before, by hash. Whoever asks compares the values: a hash never decides.

use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;

/// Hashes that are hashes already.
#[derive(Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// From hashes to numbers.
pub(super) type Finder = HashMap<u64, u32, BuildHasherDefault<Same>>;

/// Hashes names.
#[derive(Default)]
pub(super) struct Fast(u64);

impl Hasher for Fast {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, hash(bytes));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = mix(self.0, u64::from(number));
    }

    fn write_usize(&mut self, _: usize) {}
}

/// From names to numbers.
pub(super) type Names = HashMap<Vec<u8>, u32, BuildHasherDefault<Fast>>;
/// From pairs of numbers to numbers.
pub(super) type Pairs = HashMap<(u32, u32), u32, BuildHasherDefault<Fast>>;

/// Finds identifiers among all, which whoever asks has in a list. Here is only where in that they are: most are new, and what is looked up to see
/// that should lie in a near cache.
#[derive(Debug, Default)]
pub(super) struct Ids(HashTable<u32>);

impl Ids {
    /// With room for so many.
    pub(super) fn with_room(ids: usize) -> Self {
        Self(HashTable::with_capacity(ids))
    }

    /// Bytes of memory that this takes.
    pub(super) fn weight(&self) -> usize {
        self.0.allocation_size()
    }

    /// The place of an identifier in the list of all.
    #[inline]
    pub(super) fn get(&self, id: u128, all: &[u128]) -> Option<u32> {
        self.0.find(hash_of(id), |place| all.get(*place as usize) == Some(&id)).copied()
    }

    /// Adds a new identifier behind all others.
    #[inline]
    pub(super) fn push(&mut self, id: u128, all: &mut Vec<u128>) {
        let place = all.len() as u32;
        all.push(id);
        self.0
            .insert_unique(hash_of(id), place, |place| all.get(*place as usize).map_or(0, |id| hash_of(*id)));
    }
}

#[inline]
fn hash_of(id: u128) -> u64 {
    mix((id >> 64) as u64, id as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_found_where_they_lie_and_others_are_not() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut all, mut ids) = (Vec::new(), Ids::with_room(4));
        // Every other one is like the one before, but for one bit.
        for at in 0..10_000_u32 {
            let last: u128 = all.last().copied().unwrap_or(0);
            let id = if at % 2 == 0 { random.u128(..) } else { last ^ 1 << random.u32(..128) };
            assert_eq!(ids.get(id, &all), None);
            ids.push(id, &mut all);
            assert_eq!(ids.get(id, &all), Some(at));
        }
        assert!((0..).zip(&all).all(|(at, id)| ids.get(*id, &all) == Some(at)));
    }
}
