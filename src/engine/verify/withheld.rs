//! Files that are there, and that the system does not let be read: nobody knows whether they are damaged, and another time they may be well.

use crate::repo;
use crate::repo::format::id::PackId;
use crate::repo::format::limits::SMALL_FILE_MAX;
use crate::repo::paths;
use crate::repo::store::Repository;
use std::io::ErrorKind;

/// Bytes of a pack that are read at once.
const STEP: u64 = 1 << 20;

/// What to do about such a file.
pub const ADVICE: &str = "the file is there, but the system does not let it be read: see to its permissions, or to the disk, and run it again; it is not given up. If the disk \
     never gives it again, move it out of the repository: then it counts as missing, and 'segvault repair from', or 'segvault repair give-up', goes on";

/// What to do about a directory that has the name of a file.
pub const DIRECTORY: &str =
    "it is none of segvault's: move it out of the repository; if a file had that name, put that back";

/// What to do about a file (`path` is its path in the repository) with which something is wrong: `otherwise`, unless it can't be read at all.
pub fn advice<'a>(repository: &Repository, path: &str, otherwise: &'a str) -> &'a str {
    match repository.disk().read(path, SMALL_FILE_MAX) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => DIRECTORY,
        Err(error) if is_withheld(error.kind()) => ADVICE,
        _ => otherwise,
    }
}

/// Whether a failed read says nothing of what is stored: the file is neither missing, nor too long, nor something else than a file.
const fn is_withheld(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::IsADirectory)
}

/// Fails if this program may not read a pack: what is in it is neither lost nor damaged for that.
pub fn refuse_forbidden(repository: &Repository, pack: PackId) -> Result<(), repo::Error> {
    let (disk, path) = (repository.disk(), paths::pack(pack));
    match disk.read_range(&path, 0, 1) {
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            Err(repo::Error::reading(disk.display(&path), source))
        }
        _ => Ok(()),
    }
}

/// Fails if the system does not give all bytes of a pack: another time they may be well.
pub fn refuse_withheld(repository: &Repository, pack: PackId) -> Result<(), repo::Error> {
    let (disk, path) = (repository.disk(), paths::pack(pack));
    let reading = |source| repo::Error::reading(disk.display(&path), source);
    let length = disk.length(&path).map_err(reading)?;
    let mut at = 0;
    while at < length {
        let step = STEP.min(length.saturating_sub(at));
        disk.read_range(&path, at, step).map_err(reading)?;
        at = at.saturating_add(step);
    }
    Ok(())
}
