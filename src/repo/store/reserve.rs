//! A little room that is kept for a full disk: whoever deletes has to write an act first.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::paths;
use std::io::ErrorKind;

/// How much room: an act that names some ten thousand packs or points.
pub const LENGTH: usize = 1 << 20;

/// Makes the reserve, unless it is there. Its bytes look random: a file system that compresses must not give the room to others.
pub fn make(disk: &dyn Disk) -> Result<(), Error> {
    let failed = |source| Error::writing(disk.display(paths::RESERVE), source);
    let mut file = match disk.create_new(paths::RESERVE) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(failed)?,
    };
    let mut bytes = vec![0; LENGTH];
    blake3::Hasher::new().update(b"segvault reserve").finalize_xof().fill(&mut bytes);
    file.write_all(&bytes).and_then(|()| file.sync()).map_err(failed)
}

/// Gives the room back; false if there was none.
pub fn release(disk: &dyn Disk) -> Result<bool, Error> {
    match disk.remove(paths::RESERVE) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::writing(disk.display(paths::RESERVE), source)),
    }
}
