//! The bytes of a segment: through a map where it is sealed, by plain reads where it may still be written.

use crate::source::error::Error;

/// Bytes of a segment's file.
pub trait SegmentBytes {
    /// Its length when it was opened.
    fn length(&self) -> u64;
    /// All its bytes, if it is mapped.
    fn mapped(&self) -> Option<&[u8]>;
    /// Reads at `offset` into `buffer`; fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error>;
}
