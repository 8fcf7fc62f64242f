//! Bloom files (`.bloom`, `.sbloom`): what their first bytes say of their length.
//!
//! Guava writes a byte for the strategy, a byte for the number of hash functions, the number of words (four bytes, big-endian), and the
//! words, eight bytes each.

/// Bytes in front of the words.
const HEAD: u64 = 6;

/// Whether a bloom file that begins with `head` is as long as it says, and so was written to its end.
pub fn is_whole_bloom(head: &[u8], length: u64) -> bool {
    let words = head.get(2..6).and_then(|bytes| bytes.first_chunk()).copied().map(u32::from_be_bytes);
    words.is_some_and(|words| length == HEAD + 8 * u64::from(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bloom_file_says_how_long_it_is() {
        assert!(is_whole_bloom(&[1, 5, 0, 0, 1, 2], 6 + 8 * 258));
        assert!(!is_whole_bloom(&[1, 5, 0, 0, 1, 2], 6 + 8 * 257));
        assert!(!is_whole_bloom(&[1, 5, 0], 3));
        assert!(!is_whole_bloom(&[], 0));
    }
}
