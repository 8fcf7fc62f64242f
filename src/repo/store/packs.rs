//! Reading a pack through, front to back, as `b3sum` would; and telling packs of a newer program from damaged ones.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::FileHash;
use crate::repo::format::id::Naming;
use crate::repo::format::id::PackId;
use crate::repo::index::{DirectoryError, read_directory};
use crate::repo::paths;
use crate::repo::store::read::Repository;

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

impl Repository {
    /// Fails (`Unsupported`) if the directory of a pack can't be read since a newer program wrote it. A byte that was flipped may say so, too:
    /// only a pack that is what its name says is believed.
    pub fn refuse_newer(&self, id: PackId, length: u64, why: &DirectoryError) -> Result<(), Error> {
        match why {
            DirectoryError::Damage(source @ Damage::Newer { .. })
                if prove(self.disk(), self.naming(), id, length).is_ok() =>
            {
                let path = self.disk().display(&paths::pack(id));
                Err(Error::Unsupported { path, source: source.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The same of all packs: what is in none that can be read may be in one of a newer program.
    pub fn refuse_newer_packs(&self) -> Result<(), Error> {
        for (id, _) in self.index.unreadable()? {
            let Ok(length) = self.disk().length(&paths::pack(id)) else { continue };
            if let Err(why) = read_directory(self.disk(), id, length) {
                self.refuse_newer(id, length, &why)?;
            }
        }
        Ok(())
    }
}
