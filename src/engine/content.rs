//! Files that are stored as a list of chunks: read, and compared with their hash.

use crate::repo::Error;
use crate::repo::format::Damage;
use crate::repo::format::entry::{Extent, decode_extents};
use crate::repo::format::point::Content;
use crate::repo::store::Repository;

/// The chunks of a file. Their lengths add up to its length, or it is damaged.
pub fn extents(repository: &Repository, content: &Content) -> Result<Vec<Extent>, Error> {
    let list = repository.chunk(content.list)?;
    let damaged = |source| Error::Damaged { path: format!("the chunk list {}", content.list), source };
    decode_extents(&list, content.length).map_err(damaged)
}

/// Hands all bytes to `sink`, in order. Fails at the end if they are not those that the point names.
pub fn stream(
    repository: &Repository,
    content: &Content,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut hasher = repository.naming().hasher();
    repository.read_extents(&extents(repository, content)?, 0..content.length, &mut |bytes| {
        hasher.update(bytes);
        sink(bytes)
    })?;
    if hasher.content() == content.blake3 {
        return Ok(());
    }
    let source =
        Damage::Json(format!("what it lists has the hash {}, not {}", hasher.content(), content.blake3));
    Err(Error::Damaged { path: format!("the chunk list {}", content.list), source })
}
