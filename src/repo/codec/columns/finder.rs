//! Finds what a writer has seen before, by hash. Whoever asks compares the values: a hash never decides.

use crate::repo::codec::columns::span::hash;
use crate::repo::codec::columns::span::mix;
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

    fn write_u128(&mut self, number: u128) {
        self.0 = mix((number >> 64) as u64, number as u64);
    }
}

/// From names to numbers.
pub(super) type Names = HashMap<Vec<u8>, u32, BuildHasherDefault<Fast>>;
/// From pairs of numbers to numbers.
pub(super) type Pairs = HashMap<(u32, u32), u32, BuildHasherDefault<Fast>>;
/// From identifiers to numbers.
pub(super) type Ids = HashMap<u128, u32, BuildHasherDefault<Fast>>;
