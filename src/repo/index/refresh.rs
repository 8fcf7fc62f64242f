//! Comparing the index with the packs that are there.

use super::rows;
use super::rows::FoundPack;
use crate::repo::disk::Disk;
use crate::repo::format::Damage;
use crate::repo::format::id::{Naming, PackId};
use crate::repo::format::limits;
use crate::repo::format::pack;
use crate::repo::format::pack::Directory;
use crate::repo::parity::Healed;
use crate::repo::paths;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::panic::resume_unwind;
use std::thread;

/// So many directories are read before they are written: a rebuild holds little in memory, and others wait little.
pub(super) const GROUP: usize = 256;

/// Why a pack's directory can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// Reads the directory of a pack of `length` bytes: its footer and its directory, nothing else.
pub fn read_directory(disk: &dyn Disk, id: PackId, length: u64) -> Result<Directory, DirectoryError> {
    let path = paths::pack(id);
    directory_of(length, &mut |offset, length| disk.read_range(&path, offset, length))
}

/// The same of a pack that is read in some other way.
pub(crate) fn directory_of(
    length: u64,
    read: &mut dyn FnMut(u64, u64) -> io::Result<Vec<u8>>,
) -> Result<Directory, DirectoryError> {
    let Some(footer_at) = length.checked_sub(pack::FOOTER_LENGTH) else {
        return Err(Damage::Bytes { at: length, what: "a pack that is shorter than its footer" }.into());
    };
    let footer = read(footer_at, pack::FOOTER_LENGTH)?;
    let offset = pack::directory_offset(&footer, length)?;
    let tail = length.saturating_sub(offset);
    if tail > limits::SMALL_FILE_MAX {
        return Err(Damage::Bytes { at: offset, what: "a directory that is too long" }.into());
    }
    Ok(pack::parse_directory(&read(offset, tail)?, length)?)
}

/// Reads the directories of packs, side by side, in the order of the packs.
///
/// By threads of its own: whoever asks may hold a lock, and a worker of the common pool that waits does other work meanwhile, which may want
/// the same lock.
pub(super) fn read_directories(disk: &dyn Disk, packs: &[(PackId, u64)]) -> Vec<FoundPack> {
    let share = packs.len().div_ceil(rayon::current_num_threads()).max(1);
    let read = |share: &[(PackId, u64)]| -> Vec<FoundPack> {
        share.iter().filter_map(|pack| look(disk, *pack)).collect()
    };
    if share >= packs.len() {
        return read(packs);
    }
    thread::scope(|scope| {
        let readers: Vec<_> = packs.chunks(share).map(|share| scope.spawn(move || read(share))).collect();
        readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap_or_else(|why| resume_unwind(why)))
            .collect()
    })
}

/// Drops what is gone; gives what is new. Packs whose directories could not be read are looked at again each time.
pub(super) fn forget_and_compare(
    connection: &mut Connection,
    there: &BTreeMap<PackId, u64>,
) -> rusqlite::Result<Vec<(PackId, u64)>> {
    let mut known = rows::packs(connection)?;
    let gone: Vec<PackId> = known
        .iter()
        .filter(|(name, pack)| there.get(name) != Some(&pack.length))
        .map(|(name, _)| *name)
        .collect();
    if !gone.is_empty() {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        gone.iter().try_for_each(|name| rows::remove_pack(&begun, *name))?;
        begun.commit()?;
    }
    known.retain(|name, pack| there.get(name) == Some(&pack.length) && pack.trouble.is_none());
    Ok(there
        .iter()
        .filter(|(name, _)| !known.contains_key(name))
        .map(|(name, length)| (*name, *length))
        .collect())
}

/// None if it is gone meanwhile. Where a directory is damaged, parity may know it: whoever reads such a pack says that (`healed`).
fn look(disk: &dyn Disk, (name, length): (PackId, u64)) -> Option<FoundPack> {
    let (directory, healed) = match read_directory(disk, name, length) {
        Err(DirectoryError::Io(error)) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => (healed_directory(disk, name).ok_or_else(|| error.to_string()), true),
        Ok(directory) => (Ok(directory), false),
    };
    Some(FoundPack { name, length, directory, healed })
}

/// Proven by the name of the whole pack; there is one way in which packs are named.
fn healed_directory(disk: &dyn Disk, name: PackId) -> Option<Directory> {
    let healed = Healed::make(disk, Naming::Blake3, name).ok()?;
    healed.directory(disk).ok()
}

pub(super) fn insert(connection: &mut Connection, found: &[FoundPack]) -> rusqlite::Result<()> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    found.iter().try_for_each(|pack| rows::insert_pack(&begun, pack))?;
    begun.commit()
}
