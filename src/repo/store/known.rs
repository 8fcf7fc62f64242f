//! What a writer may deduplicate against: chunks in packs that are durable, that no act speaks against, and whose own directory, read from
//! the disk in this session, names the chunk. A pack that was found, not known to be durable, is read through first: once.

use crate::repo::error::Error;
use crate::repo::format::act::Deed;
use crate::repo::format::id::ChunkId;
use crate::repo::format::id::PackId;
use crate::repo::format::pack::Directory;
use crate::repo::index;
use crate::repo::index::Index;
use crate::repo::paths;
use crate::repo::store::journal::ReadActs;
use crate::repo::store::packs;
use crate::repo::store::read::Repository;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Chunks, of which there are very many.
type Chunks = HashSet<ChunkId, BuildHasherDefault<OfNames>>;

/// Names are hashes already: eight of their bytes do.
#[derive(Default)]
struct OfNames(u64);

impl Hasher for OfNames {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }

    /// How many bytes there are is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is known to be there.
pub(super) struct Known {
    /// Chunks that this session has stored or is about to store.
    stored: Chunks,
    /// Packs, by their files, that count once they were read through.
    found: HashSet<String>,
    /// Packs that an act calls damaged or marks dead; none if there is an act that can't be read: then any pack may be one of them.
    refused: Option<HashSet<PackId>>,
    /// Packs that were asked in this session.
    asked: HashSet<PackId>,
    /// The chunks of those that count, by their own word: nobody need be asked about them again.
    counted: Chunks,
}

impl Known {
    /// `found` are the packs that were there, not known to be durable, and are synced now.
    pub fn new(acts: &ReadActs, found: HashSet<String>) -> Self {
        let refused = acts.acts.iter().flat_map(|act| match &act.deed {
            Deed::Dead { packs } | Deed::Damaged { packs } => packs.as_slice(),
            _ => &[],
        });
        let refused = acts.unreadable.is_empty().then(|| refused.copied().collect());
        Self { stored: Chunks::default(), found, refused, asked: HashSet::new(), counted: Chunks::default() }
    }

    /// A number that is another one whenever packs were called damaged or dead: what is stored again in the very same packs gets another name.
    pub fn attempt(&self) -> u8 {
        let refused = self.refused.as_ref().map_or(0, HashSet::len);
        u8::try_from(refused % 256).unwrap_or_default()
    }

    /// Whether a chunk need not be stored.
    pub fn has(&mut self, repository: &Repository, chunk: ChunkId) -> Result<bool, Error> {
        if self.stored.contains(&chunk) || self.counted.contains(&chunk) {
            return Ok(true);
        }
        for place in repository.index.places(chunk)? {
            self.ask(repository, place.pack)?;
            if self.counted.contains(&chunk) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this session stores a chunk itself.
    pub fn is_stored(&self, chunk: ChunkId) -> bool {
        self.stored.contains(&chunk)
    }

    /// Says that this session stores a chunk.
    pub fn store(&mut self, chunk: ChunkId) {
        self.stored.insert(chunk);
    }

    /// Whether some pack, or this session, has a chunk at all.
    pub fn is_somewhere(&self, index: &Index, chunk: ChunkId) -> Result<bool, Error> {
        if self.stored.contains(&chunk) { Ok(true) } else { index.holds(chunk) }
    }

    /// Asks a pack for its chunks, once.
    fn ask(&mut self, repository: &Repository, pack: PackId) -> Result<(), Error> {
        let may_count = self.refused.as_ref().is_some_and(|refused| !refused.contains(&pack));
        if may_count && self.asked.insert(pack) {
            self.counted.extend(chunks_of(repository, &self.found, pack)?);
        }
        Ok(())
    }
}

/// The chunks of a pack, by its own word; nothing if it is not there, not durable, or can't be read.
fn chunks_of(repository: &Repository, found: &HashSet<String>, pack: PackId) -> Result<Vec<ChunkId>, Error> {
    let path = paths::pack(pack);
    let Ok(length) = repository.disk.length(&path) else { return Ok(Vec::new()) };
    if !repository.index.is_durable(&path, length)? {
        if !found.contains(&path) || !is_whole(repository, pack, length) {
            return Ok(Vec::new());
        }
        repository.index.mark_durable(&[(path, length)])?;
    }
    let directory = index::read_directory(repository.disk.as_ref(), pack, length);
    Ok(directory.map_or_else(|_| Vec::new(), |directory| readable(&directory)))
}

/// Whatever keeps a pack from being read, its chunks are stored again: that is the answer to it.
fn is_whole(repository: &Repository, pack: PackId, length: u64) -> bool {
    packs::prove(repository.disk.as_ref(), repository.naming(), pack, length).is_ok()
}

/// Chunks of blocks that this program can't read don't count.
fn readable(directory: &Directory) -> Vec<ChunkId> {
    let readable = directory.blocks.iter().filter(|block| block.check_readable().is_ok());
    readable.flat_map(|block| &block.chunks).map(|place| place.chunk).collect()
}
