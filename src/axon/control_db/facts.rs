//! What an H2 database file says of itself in its two header blocks, which carry a Fletcher-32 checksum.
//!
//! Information, never a reason to refuse a file.

/// What an `MVStore` file of H2 says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `MVStore` format: 1 up to Axon Server 2023, higher later.
    pub format: u64,
    /// The store's own version counter when this header was written: chunks may be newer, see [`crate::axon::control_db::contents`].
    pub version: u64,
    /// Milliseconds since 1970 at which the database was created.
    pub created: i64,
}

/// Bytes of a header block.
pub(super) const BLOCK: usize = 4096;

/// Reads the two header blocks: the valid copy with the higher version. None if neither is valid: then it is no H2 file.
pub fn facts(inner: &[u8]) -> Option<Facts> {
    inner.chunks(BLOCK).take(2).filter_map(header).max_by_key(|facts| facts.version)
}

/// One header block: `H:2,…,fletcher:XXXXXXXX`.
fn header(block: &[u8]) -> Option<Facts> {
    let text = checked(block)?;
    if !text.starts_with("H:") {
        return None;
    }
    Some(Facts {
        format: number(text, "format").unwrap_or(1),
        version: number(text, "version").unwrap_or(0),
        created: i64::try_from(number(text, "created").unwrap_or(0)).ok()?,
    })
}

/// The line that `bytes` begin with, if it ends with the Fletcher-32 of what stands before that.
pub(super) fn checked(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = str::from_utf8(bytes.get(..end)?).ok()?;
    let (text, checksum) = line.rsplit_once(",fletcher:")?;
    (fletcher(text.as_bytes()) == u32::from_str_radix(checksum.trim_end(), 16).ok()?).then_some(text)
}

/// The value of `key`, in hex.
pub(super) fn number(text: &str, key: &str) -> Option<u64> {
    let (_, value) =
        text.split(',').filter_map(|pair| pair.split_once(':')).find(|(name, _)| *name == key)?;
    u64::from_str_radix(value, 16).ok()
}

/// Fletcher-32 over big-endian words of 16 bits; an odd last byte is the upper half of a word.
fn fletcher(text: &[u8]) -> u32 {
    let (mut low, mut high) = (0xffff_u32, 0xffff_u32);
    for pair in text.chunks(2) {
        let word = pair.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (2 - pair.len()));
        low = fold(low + word);
        high = fold(high + low);
    }
    fold(high) << 16 | fold(low)
}

/// Carries what does not fit into 16 bits around: the value modulo 65,535, but never 0 for a multiple of it.
const fn fold(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header block as H2 writes it.
    fn block(text: &str) -> Vec<u8> {
        let mut block = format!("{text},fletcher:{:x}\n", fletcher(text.as_bytes())).into_bytes();
        block.resize(BLOCK, 0);
        block
    }

    #[test]
    fn the_header_of_a_real_database_is_read() {
        let mut file = b"H:2,blockSize:1000,created:1a20518b3ad,format:1,fletcher:87a6bc1d\n".to_vec();
        file.resize(BLOCK, 0);
        assert_eq!(facts(&file), Some(Facts { format: 1, version: 0, created: 0x1a2_0518_b3ad }));
        file[20] ^= 1;
        assert_eq!(facts(&file), None);
    }

    #[test]
    fn the_valid_copy_with_the_higher_version_counts() {
        let old = block("H:2,block:2,blockSize:1000,chunk:1,created:10,format:1,version:9");
        let new = block("H:2,block:a,blockSize:1000,chunk:2,created:10,format:1,version:a");
        let version = |file: &[Vec<u8>]| facts(&file.concat()).map(|facts| facts.version);
        assert_eq!(version(&[old.clone(), new.clone()]), Some(10));
        assert_eq!(version(&[new.clone(), old.clone()]), Some(10));
        let mut damaged = new;
        damaged[12] ^= 4;
        assert_eq!(version(&[damaged.clone(), old]), Some(9));
        assert_eq!(version(&[damaged.clone(), damaged]), None);
    }

    #[test]
    fn what_is_no_database_has_no_facts() {
        for bytes in
            [b"".as_slice(), b"\n", b"H:2", b"H:2,fletcher:\n", b",fletcher:ffffffff\n", &[0xff; 9000]]
        {
            assert_eq!(facts(bytes), None);
        }
    }
}
