//! Places of values in the bytes that writer and reader both know, and hashes of values. Hashes only choose what is predicted.

/// A value: where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) at: u32,
    pub(super) length: u32,
}

/// Values up to this length are copied as if they had it.
const SHORT: u32 = 16;

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

    /// Appends the bytes: those of a short value together with what is behind them, so many at a time that it takes no call; then that is taken
    /// back.
    #[inline]
    pub(super) fn append(self, bytes: &[u8], out: &mut Vec<u8>) {
        let end = out.len() + self.length as usize;
        if self.length <= SHORT
            && let Some(all) =
                bytes.get(self.at as usize..).and_then(|rest| rest.first_chunk::<{ SHORT as usize }>())
        {
            out.extend_from_slice(all);
            out.truncate(end);
        } else {
            out.extend_from_slice(self.of(bytes));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_appended_as_they_are_wherever_they_end() {
        let bytes: Vec<u8> = (1..=100).collect();
        for at in 0..=100 {
            for length in 0..=100 - at {
                let mut out = vec![7; 3];
                Span::new(at, length).append(&bytes, &mut out);
                assert_eq!(out, [&[7; 3], &bytes[at..at + length]].concat(), "{length} at {at}");
            }
        }
        let mut out = vec![7; 3];
        Span::new(99, 2).append(&bytes, &mut out);
        assert_eq!(out, [7; 3], "what is not there is nothing");
    }
}
