//! A damaged pack as it was: what is damaged in it is made again from its parity, in memory. It counts only if the pack's name proves it.

use crate::repo::disk::Disk;
use crate::repo::format::Damage;
use crate::repo::format::id::{Naming, PackId};
use crate::repo::format::pack::Directory;
use crate::repo::format::parity::{FIXED_LENGTH, Head, Shape, shard_hash};
use crate::repo::index::{DirectoryError, directory_of};
use crate::repo::parity::code;
use crate::repo::parity::code::Rest;
use crate::repo::paths;
use std::collections::BTreeMap;
use std::io;
use std::io::ErrorKind;

/// So much is read at a time while the whole is proven.
const STEP: u64 = 4 << 20;

/// Why a pack can't be made whole.
#[derive(Debug, thiserror::Error)]
pub enum Beyond {
    /// There is no parity for it.
    #[error("it has no parity")]
    NoParity,
    /// There is, and it can't be used.
    #[error("its parity can't be used: {0}")]
    Unusable(String),
    /// More is damaged than can be made again.
    #[error("{damaged} of its {all} shards are damaged, {good} can be made again")]
    TooMuch {
        /// Shards that are damaged.
        damaged: u32,
        /// All of them.
        all: u32,
        /// How many can be made again.
        good: u32,
    },
    /// What was made is not what the pack's name says.
    #[error("what parity makes of it is not what its name says")]
    NotProven,
}

/// A pack that is whole, in part in memory.
#[derive(Debug)]
pub struct Healed {
    pack: PackId,
    shape: Shape,
    /// The shards that were damaged, whole.
    shards: BTreeMap<u32, Vec<u8>>,
    /// Bytes that the file has behind the pack's end.
    surplus: u64,
}

impl Healed {
    /// Makes a pack whole.
    pub fn make(disk: &dyn Disk, naming: Naming, pack: PackId) -> Result<Self, Beyond> {
        let head = read_head(disk, pack)?;
        let missing = damaged_shards(disk, &head);
        let parity = if missing.is_empty() { Vec::new() } else { good_parity(disk, &head) };
        if parity.len() < missing.len() {
            return Err(too_much(&head, missing.len(), parity.len()));
        }
        let there = disk.length(&paths::pack(pack)).unwrap_or(0);
        let surplus = there.saturating_sub(head.shape.pack_length);
        let mut healed = Self { pack, shape: head.shape, shards: BTreeMap::new(), surplus };
        if !missing.is_empty() {
            healed.shards = healed.again(disk, missing, parity)?;
        }
        if healed.is_proven(disk, naming) { Ok(healed) } else { Err(Beyond::NotProven) }
    }

    fn again(
        &self,
        disk: &dyn Disk,
        missing: Vec<u32>,
        parity: Vec<u32>,
    ) -> Result<BTreeMap<u32, Vec<u8>>, Beyond> {
        let (shape, path) = (self.shape, paths::parity(self.pack));
        let mut rest = Rest {
            missing,
            parity,
            read: &mut |shard, from, to| read_padded(disk, self.pack, shape, (shard, from, to)),
            read_parity: &mut |shard, from, to| {
                let at = shape.parity_offset(shard).saturating_add(u64::from(from));
                disk.read_range(&path, at, u64::from(to.saturating_sub(from)))
            },
        };
        code::decode(shape, &mut rest).map_err(|error| Beyond::Unusable(error.to_string()))
    }

    fn is_proven(&self, disk: &dyn Disk, naming: Naming) -> bool {
        let mut hasher = naming.hasher();
        let mut at = 0;
        while at < self.length() {
            let step = STEP.min(self.length().saturating_sub(at));
            let Ok(bytes) = self.read_range(disk, at, step) else { return false };
            hasher.update(&bytes);
            at = at.saturating_add(step);
        }
        hasher.pack() == self.pack
    }

    /// The length of the pack.
    pub fn length(&self) -> u64 {
        self.shape.pack_length
    }

    /// How many ranges of it were damaged: shards that lie beside each other are one, what lies behind its end is one.
    pub fn ranges(&self) -> u64 {
        let begins =
            |shard: &&u32| shard.checked_sub(1).is_none_or(|before| !self.shards.contains_key(&before));
        (self.shards.keys().filter(begins).count() as u64).saturating_add(u64::from(self.surplus > 0))
    }

    /// Their bytes.
    pub fn damaged_bytes(&self) -> u64 {
        self.held().saturating_add(self.surplus)
    }

    /// Bytes that are held in memory.
    pub fn held(&self) -> u64 {
        self.shards.values().map(|shard| shard.len() as u64).sum()
    }

    /// Bytes of the pack, from the disk where that is good.
    pub fn read_range(&self, disk: &dyn Disk, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end =
            offset.checked_add(length).filter(|end| *end <= self.length()).ok_or(ErrorKind::UnexpectedEof)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        let mut at = offset;
        while at < end {
            let shard = u32::try_from(at / u64::from(self.shape.shard)).unwrap_or(u32::MAX);
            let (from, _) = self.shape.range(shard);
            let to = from.saturating_add(u64::from(self.shape.shard)).min(end);
            match self.shards.get(&shard) {
                Some(held) => {
                    bytes.extend_from_slice(part(held, at.saturating_sub(from), to.saturating_sub(from)));
                }
                None => bytes.extend(disk.read_range(&paths::pack(self.pack), at, to.saturating_sub(at))?),
            }
            at = to;
        }
        Ok(bytes)
    }

    /// The pack's directory.
    pub fn directory(&self, disk: &dyn Disk) -> Result<Directory, DirectoryError> {
        directory_of(self.length(), &mut |offset, length| self.read_range(disk, offset, length))
    }
}

fn part(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let range = usize::try_from(from).unwrap_or(usize::MAX)..usize::try_from(to).unwrap_or(usize::MAX);
    bytes.get(range).unwrap_or_default()
}

/// The head of a pack's parity, proven, and of a file that has the length that it should have.
pub(super) fn read_head(disk: &dyn Disk, pack: PackId) -> Result<Head, Beyond> {
    let path = paths::parity(pack);
    let unusable = |error: &dyn std::fmt::Display| Beyond::Unusable(error.to_string());
    let fixed = disk.read_range(&path, 0, FIXED_LENGTH).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Beyond::NoParity,
        _ => unusable(&error),
    })?;
    let (_, shape) = Head::begin(&fixed).map_err(|damage| unusable(&damage))?;
    let head = disk.read_range(&path, 0, shape.head_length()).map_err(|error| unusable(&error))?;
    let head = Head::decode(&head).map_err(|damage| unusable(&damage))?;
    if head.pack != pack {
        return Err(unusable(&Damage::Bytes { at: 16, what: "the name of another pack" }));
    }
    Ok(head)
}

/// The shards of a pack that are not what the head says, or can't be read.
pub(super) fn damaged_shards(disk: &dyn Disk, head: &Head) -> Vec<u32> {
    let is_good = |shard: u32, hash: &[u8; 8]| {
        let read = read_padded(disk, head.pack, head.shape, (shard, 0, head.shape.shard));
        read.is_ok_and(|bytes| shard_hash(&bytes) == *hash)
    };
    (0_u32..).zip(&head.data).filter(|(shard, hash)| !is_good(*shard, hash)).map(|(shard, _)| shard).collect()
}

/// The parity shards that are what the head says.
pub(super) fn good_parity(disk: &dyn Disk, head: &Head) -> Vec<u32> {
    let path = paths::parity(head.pack);
    let is_good = |shard: u32, hash: &[u8; 8]| {
        let read = disk.read_range(&path, head.shape.parity_offset(shard), u64::from(head.shape.shard));
        read.is_ok_and(|bytes| shard_hash(&bytes) == *hash)
    };
    (0_u32..)
        .zip(&head.parity)
        .filter(|(shard, hash)| is_good(*shard, hash))
        .map(|(shard, _)| shard)
        .collect()
}

/// Bytes `from..to` of a shard of a pack, with zeros behind the pack's end.
pub(super) fn read_padded(
    disk: &dyn Disk,
    pack: PackId,
    shape: Shape,
    (shard, from, to): (u32, u32, u32),
) -> io::Result<Vec<u8>> {
    let (begin, there) = shape.range(shard);
    let end = u64::from(to).min(there);
    let length = end.saturating_sub(u64::from(from));
    let mut bytes = match length {
        0 => Vec::new(),
        _ => disk.read_range(&paths::pack(pack), begin.saturating_add(u64::from(from)), length)?,
    };
    bytes.resize(usize::try_from(to.saturating_sub(from)).unwrap_or(0), 0);
    Ok(bytes)
}

fn too_much(head: &Head, damaged: usize, good: usize) -> Beyond {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Beyond::TooMuch { damaged: count(damaged), all: head.shape.data, good: count(good) }
}
