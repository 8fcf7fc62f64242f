//! The valid prefix of one of the source's segments, as it is right now.

use crate::axon::segment::HEADER_LENGTH;
use crate::engine::error::Error;
use crate::engine::window::{Bytes, walk};
use crate::repo::format::id::{ContentHash, Naming};
use crate::source::Source;
use crate::source::listing::StoreFile;

/// Where it ends, and its hash.
pub struct Prefix {
    /// Its length.
    pub end: u64,
    /// The hash of its bytes.
    pub content: ContentHash,
}

/// Reads it.
pub fn of(naming: Naming, source: &dyn Source, file: &StoreFile) -> Result<Prefix, Error> {
    let opened = source.open(file)?;
    let bytes = Bytes::Source(opened.as_ref());
    let mut hasher = naming.hasher();
    let mut head = vec![0; usize::try_from(HEADER_LENGTH).unwrap_or(5)];
    let got = bytes.read_at(0, &mut head)?;
    hasher.update(head.get(..got).unwrap_or_default());
    let walked = walk(bytes, file.name.number, &mut |transaction| {
        hasher.update(transaction.bytes);
        Ok(())
    })?;
    Ok(Prefix { end: walked.logical_end, content: hasher.content() })
}
