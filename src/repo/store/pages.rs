//! Pages: reading them with their hashes checked, and writing those that are not there yet.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::FileHash;
use crate::repo::format::id::Naming;
use crate::repo::format::id::PageId;
use crate::repo::format::limits;
use crate::repo::paths;

/// The bytes of a page, its hash checked.
pub(super) fn read(disk: &dyn Disk, naming: Naming, id: PageId) -> Result<Vec<u8>, Error> {
    let path = paths::page(id);
    let name = || disk.display(&path);
    let bytes = disk.read(&path, limits::SMALL_FILE_MAX).map_err(|source| Error::reading(name(), source))?;
    if naming.page(&bytes) == id {
        return Ok(bytes);
    }
    Err(Error::Damaged { path: name(), source: Damage::Hash { found: FileHash(naming.page(&bytes).0) } })
}
