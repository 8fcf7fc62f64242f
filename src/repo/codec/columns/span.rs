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
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        state = (state ^ u64::from_le_bytes(*chunk)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^= state >> 31;
    }
    let last = match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last).checked_shr(64 - 8 * rest.len() as u32).unwrap_or(0),
        None => short_word(rest),
    };
    state = (state ^ last).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ state >> 29
}

/// Fewer than eight bytes as a number, the first one lowest. What is read twice falls on itself.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
        return first | last << (8 * (bytes.len() - 4));
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
    byte(0) | byte(1) | byte(2)
}
