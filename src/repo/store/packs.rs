//! Reading a pack through, front to back, as `b3sum` would.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::FileHash;
use crate::repo::format::id::Naming;
use crate::repo::format::id::PackId;
use crate::repo::paths;

/// So much is read at a time.
const STEP: u64 = 4 << 20;

/// Proves that a pack of this length is what its name says.
pub(super) fn prove(disk: &dyn Disk, naming: Naming, id: PackId, length: u64) -> Result<(), Error> {
    let path = paths::pack(id);
    let reading = |source| Error::reading(disk.display(&path), source);
    let mut hasher = naming.hasher();
    let there = disk.length(&path).map_err(reading)?;
    let mut at = 0;
    while at < there {
        let step = STEP.min(there.saturating_sub(at));
        hasher.update(&disk.read_range(&path, at, step).map_err(reading)?);
        at = at.saturating_add(step);
    }
    if there == length && hasher.pack() == id {
        return Ok(());
    }
    Err(Error::Damaged {
        path: disk.display(&path),
        source: Damage::Hash { found: FileHash(hasher.pack().0) },
    })
}
