//! Places of values in the bytes that writer and reader both know, and hashes of values. Hashes only choose what is predicted.

/// A value: where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at: u32,
    pub(super) length: u32,
}

impl Span {
    pub(super) fn new(at: usize, length: usize) -> Self {
        Self { at: u32::try_from(at).unwrap_or(u32::MAX), length: u32::try_from(length).unwrap_or(0) }
    }

    /// The bytes.
    #[inline]
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        let at = self.at as usize;
        bytes.get(at..at + self.length as usize).unwrap_or_default()
    }

    pub(super) const fn end(self) -> usize {
        self.at as usize + self.length as usize
    }

    pub(super) const fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// Mixes two numbers into one.
#[inline]
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let first = (a ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let second = (first ^ first >> 32 ^ b).wrapping_mul(0xff51_afd7_ed55_8ccd);
    second ^ second >> 32
}

/// The hash of bytes.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut state = (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        state = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^= state >> 31;
    }
    let mut last = [0; 8];
    last.iter_mut().zip(chunks.remainder()).for_each(|(to, from)| *to = *from);
    state = (state ^ u64::from_le_bytes(last)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ state >> 29
}
