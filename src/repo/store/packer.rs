//! New chunks become blocks, blocks become packs.
//!
//! Blocks are encoded by workers while more are collected, and go into packs in the order in which they came: the same chunks make the same
//! packs, however many workers there are.

use crate::axon::name::Store;
use crate::repo::codec::{Compression, Encoded, Look, Looker};
use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::{ChunkId, Hasher, Naming, PackId};
use crate::repo::format::limits;
use crate::repo::format::pack::{Directory, Header, PackBuilder, PackKind};
use crate::repo::paths;
use crate::repo::store::effort::Effort;
use crate::repo::store::encoders::Encoders;
use crate::repo::store::mend::take_away;
use crate::repo::store::packs;
use crate::repo::store::staging::{Staged, Staging};
use crate::repo::store::waiting::{Filling, Waiting};
use std::collections::BTreeMap;

/// Chunks that share blocks with their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Neighbours {
    /// Chunks of sealed segments of a store.
    Segments(Store),
    /// Their time maps.
    TimeMaps,
    /// Chunks of control databases, and the lists of them.
    ControlDb,
}

impl Neighbours {
    /// The kind of pack they go to.
    pub const fn kind(self) -> PackKind {
        match self {
            Self::Segments(_) | Self::TimeMaps => PackKind::Sealed,
            Self::ControlDb => PackKind::ControlDb,
        }
    }

    /// Whether what is in such a chunk matters: blocks that are short anyway take whatever comes.
    pub fn are_looked_at(self, compression: Compression) -> bool {
        self.longest(compression) > limits::memory::SHARED_BLOCK
    }

    /// How long their blocks get, unless a single chunk is longer, or they gain nothing by it.
    pub fn longest(self, compression: Compression) -> usize {
        match self {
            Self::Segments(store) => usize::try_from(compression.block_length(store)).unwrap_or(usize::MAX),
            Self::TimeMaps | Self::ControlDb => limits::memory::SHARED_BLOCK,
        }
    }
}

/// A pack being written to staging.
struct OpenPack {
    builder: PackBuilder,
    staged: Staged,
    hasher: Hasher,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Encoded blocks, without headers and directories.
    pub stored_bytes: u64,
    /// Packs, whole.
    pub file_bytes: u64,
}

/// Makes packs of blocks.
pub(super) struct Packer {
    naming: Naming,
    attempt: u8,
    encoders: Encoders,
    /// The blocks that chunks are being joined to.
    joining: BTreeMap<Neighbours, Waiting>,
    lookers: BTreeMap<Neighbours, Looker>,
    /// By kind, and by how hard their blocks are compressed.
    open: BTreeMap<(PackKind, u8), OpenPack>,
    /// Packs that are published and not yet durable.
    finished: Vec<(PackId, Directory)>,
    pub written: Written,
    /// The packs under whose names other bytes stood, as the user would call them.
    pub mended: Vec<String>,
}

/// Where packs go, and who may stop it.
pub(super) struct Outlet<'o, 'd> {
    pub disk: &'o dyn Disk,
    pub staging: &'o mut Staging<'d>,
    pub interrupted: &'o dyn Fn() -> bool,
}

impl Packer {
    /// Bytes that are not encoded yet.
    pub fn waiting_bytes(&self) -> u64 {
        let joining: usize = self.joining.values().map(|block| block.raw().len()).sum();
        self.encoders.bytes().saturating_add(joining) as u64
    }

    /// `attempt` tells packs of this session from damaged ones of the same content.
    pub fn new(naming: Naming, attempt: u8) -> Self {
        Self {
            naming,
            attempt,
            encoders: Encoders::new(),
            joining: BTreeMap::new(),
            lookers: BTreeMap::new(),
            open: BTreeMap::new(),
            finished: Vec::new(),
            written: Written::default(),
            mended: Vec::new(),
        }
    }

    /// Takes a chunk that shares a block with its neighbours. True if it is time to [`Packer::flush`].
    pub fn join(&mut self, neighbours: Neighbours, chunk: (ChunkId, u32), bytes: Vec<u8>) -> bool {
        let compression = self.encoders.effort().compression;
        let is_looked_at = neighbours.are_looked_at(compression);
        let mut look = || self.lookers.entry(neighbours).or_default().look(&bytes, compression);
        let look = if is_looked_at { look() } else { Look::default() };
        let empty = || Waiting::empty(neighbours.kind());
        let joined = self.joining.entry(neighbours).or_insert_with(empty);
        let fits = joined.chunks.is_empty()
            || joined.filling().fits(Filling::of(bytes.len(), look), neighbours.longest(compression));
        let full = (!fits).then(|| std::mem::replace(joined, empty()));
        joined.push(chunk, bytes, look);
        full.is_some_and(|full| self.take(full))
    }

    /// Takes a block. True if it is time to [`Packer::flush`].
    pub fn take(&mut self, block: Waiting) -> bool {
        let effort = self.encoders.effort().compression.number();
        self.encoders.give(block.with_effort(effort));
        self.encoders.is_full()
    }

    /// Gives new packs other names than the same chunks got before.
    pub const fn attempt_anew(&mut self) {
        self.attempt = self.attempt.wrapping_add(1);
    }

    /// Works harder or less from here on, on as many blocks at once as have room in the memory.
    pub fn set_effort(&mut self, effort: Effort) {
        self.encoders.set_effort(effort);
    }

    /// Writes encoded blocks to packs, until there is room for more.
    pub fn flush(&mut self, outlet: &mut Outlet<'_, '_>) -> Result<(), Error> {
        while self.encoders.is_full() {
            self.write_next(outlet)?;
        }
        Ok(())
    }

    /// Writes the next encoded block. False if there is none.
    fn write_next(&mut self, outlet: &mut Outlet<'_, '_>) -> Result<bool, Error> {
        if (outlet.interrupted)() {
            return Err(Error::Interrupted);
        }
        let Some((block, encoded)) = self.encoders.take() else { return Ok(false) };
        let encoded = encoded.ok_or_else(|| changed_in_memory(outlet.disk))?;
        self.write(&block, &encoded, outlet)?;
        Ok(true)
    }

    /// Finishes all packs: they are synced and published, and durable once the directories are synced.
    pub fn finish_all(&mut self, outlet: &mut Outlet<'_, '_>) -> Result<(), Error> {
        for (_, joined) in std::mem::take(&mut self.joining) {
            self.take(joined);
        }
        while self.write_next(outlet)? {}
        while let Some((_, pack)) = self.open.pop_first() {
            self.finish(pack, outlet)?;
        }
        Ok(())
    }

    /// The packs that were finished since this was asked last.
    pub fn take_finished(&mut self) -> Vec<(PackId, Directory)> {
        std::mem::take(&mut self.finished)
    }

    /// Writes an encoded block to the pack of its kind and effort.
    pub fn write(
        &mut self,
        block: &Waiting,
        encoded: &Encoded,
        outlet: &mut Outlet<'_, '_>,
    ) -> Result<(), Error> {
        let room = (block.kind, block.effort);
        let mut pack = match self.open.remove(&room) {
            Some(pack) => pack,
            None => self.begin(room, outlet)?,
        };
        let bytes = pack.builder.block(encoded.codec, &encoded.bytes, &block.chunks);
        let bytes = bytes.map_err(|damage| refused(outlet.disk, &pack.staged.path, &damage))?;
        append(&mut pack, &bytes, outlet.disk)?;
        self.written.stored_bytes = self.written.stored_bytes.saturating_add(encoded.bytes.len() as u64);
        if pack.builder.length() >= limits::PACK_TARGET {
            return self.finish(pack, outlet);
        }
        self.open.insert(room, pack);
        Ok(())
    }

    fn begin(&self, (kind, effort): (PackKind, u8), outlet: &mut Outlet<'_, '_>) -> Result<OpenPack, Error> {
        let (builder, header) = PackBuilder::begin_with(Header { kind, attempt: self.attempt, effort });
        let mut pack = OpenPack { builder, staged: outlet.staging.create()?, hasher: self.naming.hasher() };
        append(&mut pack, &header, outlet.disk)?;
        Ok(pack)
    }

    fn finish(&mut self, mut pack: OpenPack, outlet: &mut Outlet<'_, '_>) -> Result<(), Error> {
        let builder = std::mem::replace(&mut pack.builder, PackBuilder::begin(PackKind::Sealed).0);
        let (tail, directory) =
            builder.finish().map_err(|damage| refused(outlet.disk, &pack.staged.path, &damage))?;
        append(&mut pack, &tail, outlet.disk)?;
        let id = pack.hasher.pack();
        let path = paths::pack(id);
        let staged = outlet.staging.sync(pack.staged)?;
        if self.is_there(id, directory.length, outlet.disk)? {
            // What stays in staging is debris.
            let _ = outlet.disk.remove(&staged);
            outlet.staging.adopt(&path, directory.length)?;
        } else if outlet.staging.publish(&staged, &path, directory.length)? {
            self.written.file_bytes = self.written.file_bytes.saturating_add(directory.length);
        } else {
            packs::prove(outlet.disk, self.naming, id, directory.length)?;
            outlet.staging.adopt(&path, directory.length)?;
        }
        self.finished.push((id, directory));
        Ok(())
    }

    /// Whether the pack has its name already. Other bytes under that name are put aside: it proves that these are the ones that belong there, and
    /// they lie in staging, synced.
    fn is_there(&mut self, id: PackId, length: u64, disk: &dyn Disk) -> Result<bool, Error> {
        match packs::prove(disk, self.naming, id, length) {
            Ok(()) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(Error::Damaged { path, .. }) => {
                take_away(disk, &paths::pack(id))?;
                self.mended.push(path);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn append(pack: &mut OpenPack, bytes: &[u8], disk: &dyn Disk) -> Result<(), Error> {
    let written = pack.staged.file.write_all(bytes);
    written.map_err(|source| Error::writing(disk.display(&pack.staged.path), source))?;
    pack.hasher.update(bytes);
    Ok(())
}

fn changed_in_memory(disk: &dyn Disk) -> Error {
    let rule = "bytes changed in memory before they were written: nothing was published; suspect the memory of this machine";
    Error::Rule { path: disk.display(""), rule: rule.to_owned() }
}

fn refused(disk: &dyn Disk, path: &str, damage: &Damage) -> Error {
    Error::Rule { path: disk.display(path), rule: damage.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::sample;

    /// Bytes that are with the encoders, and that still wait for more, after chunks of so many MiB of these kinds were joined.
    fn joined(mib: u32, kinds: [bool; 3]) -> (usize, usize) {
        let mut random = fastrand::Rng::with_seed(1);
        let mut packer = Packer::new(Naming::Blake3, 0);
        let events = Neighbours::Segments(Store::Events);
        for is_noise in kinds {
            let length = (mib << 20) as usize;
            let noise = || random.u8(..);
            let bytes: Vec<u8> = if is_noise {
                std::iter::repeat_with(noise).take(length).collect()
            } else {
                sample::texts(length)
            };
            let chunk = (Naming::Blake3.chunk(&bytes), u32::try_from(bytes.len()).unwrap());
            packer.join(events, chunk, bytes);
        }
        (packer.encoders.bytes() >> 20, packer.joining[&events].raw().len() >> 20)
    }

    #[test]
    fn events_that_take_much_memory_share_shorter_blocks() {
        let mut random = fastrand::Rng::with_seed(2);
        let numbers: Vec<u8> = sample::numbers(&mut random, 1 << 20);
        let few: Vec<u8> = numbers.repeat(3);
        let chunk = || (Naming::Blake3.chunk(&few), u32::try_from(few.len()).unwrap());
        let waiting = |compression, chunks: usize| {
            let mut packer = Packer::new(Naming::Blake3, 0);
            packer.set_effort(Effort { compression, memory: None });
            for _ in 0..chunks {
                packer.join(Neighbours::Segments(Store::Events), chunk(), few.clone());
            }
            packer.joining[&Neighbours::Segments(Store::Events)].raw().len() >> 20
        };
        assert_eq!(waiting(Compression::Default, 2), 6);
        assert_eq!(waiting(Compression::Default, 3), 3, "a third one would be too much");
        // Others take less.
        assert_eq!(waiting(Compression::High, 3), 9);
    }

    #[test]
    fn many_chunks_that_say_little_alone_share_no_long_block_of_noise() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut packer = Packer::new(Naming::Blake3, 0);
        let events = Neighbours::Segments(Store::Events);
        for _ in 0..250 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(50_000).collect();
            packer.join(events, (Naming::Blake3.chunk(&bytes), 50_000), bytes);
        }
        let longest = limits::memory::SHARED_BLOCK;
        let full = packer.encoders.bytes();
        assert!(full <= longest && full > longest - 50_000, "{full} of 12,500,000");
    }

    #[test]
    fn only_what_repeats_shares_long_blocks() {
        let (text, noise) = (false, true);
        assert_eq!(joined(5, [text, text, text]), (0, 15));
        assert_eq!(joined(5, [noise, noise, noise]), (10, 5));
        assert_eq!(joined(5, [text, text, noise]), (10, 5));
        assert_eq!(joined(5, [noise, text, text]), (5, 10));
        // Wherever it is, also where it was joined to others before there was too much.
        assert_eq!(joined(3, [text, text, text]), (0, 9));
        assert_eq!(joined(3, [text, noise, text]), (6, 3));
    }
}
