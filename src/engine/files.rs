//! Plain files of points: the lists of them, read.

use crate::engine::content;
use crate::repo::Error;
use crate::repo::format::files::{FileList, FileSet};
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::store::Repository;

/// The list of a set, proven.
pub fn list(repository: &Repository, set: &FileSet) -> Result<FileList, Error> {
    let damaged = |source| Error::Damaged { path: format!("the file list {}", set.listing.list), source };
    if set.listing.length > SMALL_FILE_MAX {
        return Err(damaged(crate::repo::format::Damage::Json("it is too long".to_owned())));
    }
    let mut bytes = Vec::new();
    content::stream(repository, &set.listing, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    FileList::decode(&bytes).map_err(damaged)
}
