//! Reading chunks: the index says where one may lie, the pack gives the block, the name proves the bytes.
//!
//! What the index says is a hint. If it was wrong, or a pack is gone or damaged, the other packs that hold the chunk are tried; then the
//! directories are read again, and `packs/` is listed again, before the chunk counts as lost.

use crate::repo::codec;
use crate::repo::codec::CodecError;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::entry::Extent;
use crate::repo::format::id::ChunkId;
use crate::repo::format::id::PackId;
use crate::repo::index::Place;
use crate::repo::paths;
use crate::repo::store::cache::{Block, BlockCache};
use crate::repo::store::read::Repository;
use std::collections::HashSet;
use std::io;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often one run lists `packs/` anew for a chunk that is nowhere.
const LISTINGS: u32 = 64;

/// What was looked at again already: damage that stays is not looked for in the same place with every chunk.
#[derive(Default)]
pub(super) struct LookedAgain {
    state: Mutex<Looked>,
    alone: Mutex<()>,
}

#[derive(Default)]
struct Looked {
    packs: HashSet<PackId>,
    listings: u32,
    doubted: bool,
}

impl LookedAgain {
    /// Whether there is reason to look again, after these packs failed.
    fn is_worth_it(&self, failed: &[PackId]) -> bool {
        let mut looked = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = failed.iter().filter(|pack| looked.packs.insert(**pack)).count();
        if fresh == 0 {
            looked.listings = looked.listings.saturating_add(1);
        }
        fresh > 0 || looked.listings <= LISTINGS
    }

    /// Held while the index forgets something and reads it again: what another reader misses meanwhile, it finds behind this.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the index was never in doubt before.
    fn is_first_doubt(&self) -> bool {
        let mut looked = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut looked.doubted, true)
    }
}

/// The bytes of a chunk, in the block that holds them: nothing is copied.
#[derive(Clone, Debug)]
pub struct ChunkBytes {
    block: Arc<Block>,
    range: Range<usize>,
}

impl ChunkBytes {
    /// Whether the block holds nothing but the chunk.
    fn is_whole(&self) -> bool {
        self.range.len() == self.block.len()
    }
}

impl Deref for ChunkBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.block.get(self.range.clone()).unwrap_or_default()
    }
}

/// A chunk as it was read: its name was proven.
#[derive(Clone, Debug)]
pub struct ReadChunk {
    /// Its bytes.
    pub bytes: ChunkBytes,
    /// The pack that gave them.
    pub pack: PackId,
}

/// Takes chunks, or the wanted parts of them, with their names and the packs that gave them.
pub type ChunkSink<'s> = &'s mut dyn FnMut(&[u8], ChunkId, PackId) -> Result<(), Error>;

/// What all known places of a chunk gave.
enum Tried {
    Found(ReadChunk),
    Failed { places: Vec<Place>, last: Option<Error> },
}

pub(super) fn chunk(repository: &Repository, id: ChunkId) -> Result<ReadChunk, Error> {
    let (mut places, mut last) = match try_places(repository, id)? {
        Tried::Found(read) => return Ok(read),
        Tried::Failed { places, last } => (places, last),
    };
    let packs: Vec<PackId> = places.iter().map(|place| place.pack).collect();
    let is_worth_it = repository.looked_again.is_worth_it(&packs);
    if is_worth_it || places.is_empty() {
        let _alone = repository.looked_again.alone();
        if is_worth_it {
            packs.iter().try_for_each(|pack| repository.index.forget(*pack))?;
            repository.index.refresh()?;
        }
        match try_places(repository, id)? {
            Tried::Found(read) => return Ok(read),
            Tried::Failed { places: now, last: again } => {
                places.extend(now);
                last = again.or(last);
            }
        }
    }
    match last {
        Some(error) => healed(repository, id, &places).ok_or(error),
        None => try_without_the_index(repository, id),
    }
}

/// The chunk, as the parity of a damaged pack knows it. The index is not asked: another reader may just look again, and have it forget the pack.
fn healed(repository: &Repository, id: ChunkId, places: &[Place]) -> Option<ReadChunk> {
    for place in places {
        let Ok(healed) = repository.healed(place.pack) else { continue };
        let read = |offset, length| healed.read_range(repository.disk(), offset, length);
        if let Ok(bytes) = read_from(repository, id, (place, &repository.healer.blocks), &read) {
            return Some(ReadChunk { bytes, pack: place.pack });
        }
    }
    None
}

/// The chunk as it lies in one pack, wherever else it may be.
pub(super) fn chunk_in(repository: &Repository, id: ChunkId, pack: PackId) -> Result<ChunkBytes, Error> {
    let places = repository.index.places(id)?;
    match places.iter().find(|place| place.pack == pack) {
        Some(place) => read_place(repository, id, place),
        None => Err(Error::ChunkMissing { chunk: id }),
    }
}

/// Whether some pack that is there names a chunk. Looked for as one that is read: before it counts as missing, `packs/` is listed again, since others may
/// have stored it meanwhile, and an index that has it not is made anew, once.
pub(super) fn is_somewhere(repository: &Repository, id: ChunkId) -> Result<bool, Error> {
    if repository.index.holds(id)? {
        return Ok(true);
    }
    let _alone = repository.looked_again.alone();
    if repository.looked_again.is_worth_it(&[]) {
        repository.index.refresh()?;
    }
    if !repository.index.holds(id)? && repository.looked_again.is_first_doubt() {
        repository.index.begin_anew()?;
    }
    repository.index.holds(id)
}

/// The index may have lost a row without knowing: before a chunk counts as missing, it is made anew, once.
fn try_without_the_index(repository: &Repository, id: ChunkId) -> Result<ReadChunk, Error> {
    let _alone = repository.looked_again.alone();
    if repository.looked_again.is_first_doubt() {
        repository.index.begin_anew()?;
    }
    // Whoever waited meanwhile finds what is there now, too.
    match try_places(repository, id)? {
        Tried::Found(read) => Ok(read),
        Tried::Failed { places, last: Some(error) } => healed(repository, id, &places).ok_or(error),
        Tried::Failed { last: None, .. } => {
            repository.refuse_newer_packs()?;
            Err(Error::ChunkMissing { chunk: id })
        }
    }
}

fn try_places(repository: &Repository, id: ChunkId) -> Result<Tried, Error> {
    let places = repository.index.places(id)?;
    let mut last = None;
    for place in &places {
        match read_place(repository, id, place) {
            Ok(bytes) => {
                repository.relied_on(place);
                return Ok(Tried::Found(ReadChunk { bytes, pack: place.pack }));
            }
            Err(error) => last = Some(error),
        }
    }
    Ok(Tried::Failed { places, last })
}

fn read_place(repository: &Repository, id: ChunkId, place: &Place) -> Result<ChunkBytes, Error> {
    let path = paths::pack(place.pack);
    let read = |offset, length| repository.disk.read_range(&path, offset, length);
    read_from(repository, id, (place, &repository.cache), &read)
}

/// A chunk of a pack that is read by `read`; its block may be held in a cache.
fn read_from(
    repository: &Repository,
    id: ChunkId,
    (place, cache): (&Place, &BlockCache),
    read: &dyn Fn(u64, u64) -> io::Result<Vec<u8>>,
) -> Result<ChunkBytes, Error> {
    let name = (place.pack, place.block);
    let block =
        cache.get_or(name, place.raw_length, |spare| read_block(repository, id, (place, spare), read))?;
    let Some(bytes) = cut(block, place).filter(|bytes| repository.naming().chunk(bytes) == id) else {
        cache.forget(name);
        return Err(Error::ChunkDamaged {
            chunk: id,
            path: repository.disk.display(&paths::pack(place.pack)),
        });
    };
    Ok(bytes)
}

fn cut(block: Arc<Block>, place: &Place) -> Option<ChunkBytes> {
    let from = usize::try_from(place.offset).ok()?;
    let to = from.checked_add(usize::try_from(place.length).ok()?)?;
    (to <= block.len()).then_some(ChunkBytes { block, range: from..to })
}

/// Reads and decodes a block, into a buffer that is used anew.
fn read_block(
    repository: &Repository,
    id: ChunkId,
    (place, spare): (&Place, Vec<u8>),
    read: &dyn Fn(u64, u64) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    let path = paths::pack(place.pack);
    let name = || repository.disk.display(&path);
    if let Some(block) = place.dictionary {
        return Err(unsupported(name(), "a dictionary", block.to_string()));
    }
    let read = read(place.body_offset, u64::from(place.encoded_length));
    let encoded = read.map_err(|source| Error::reading(name(), source))?;
    codec::decode_into(spare, place.codec, &encoded, place.raw_length).map_err(|error| match error {
        CodecError::Unknown(number) => unsupported(name(), "codec", number.to_string()),
        CodecError::Undecodable(_) | CodecError::Length => Error::ChunkDamaged { chunk: id, path: name() },
    })
}

fn unsupported(path: String, what: &'static str, found: String) -> Error {
    Error::Unsupported {
        path,
        source: Damage::Newer { what, found, supported: "none of that kind".to_owned() },
    }
}

/// Hands the bytes `range` of what `extents` hold to `sink`, with the chunk they are of and the pack that it was read from.
pub(super) fn read_extents(
    repository: &Repository,
    extents: &[Extent],
    range: Range<u64>,
    sink: ChunkSink<'_>,
) -> Result<(), Error> {
    let mut begin = 0_u64;
    for extent in extents {
        let end = begin.saturating_add(u64::from(extent.length));
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            let read = chunk(repository, extent.chunk)?;
            let part = part(&read.bytes, extent, from.saturating_sub(begin)..to.saturating_sub(begin));
            sink(part.ok_or_else(|| another_length(extent))?, extent.chunk, read.pack)?;
            // Handed out to its end, and nothing else lies in its block: nobody is likely to ask for that again.
            if to == end && read.bytes.is_whole() {
                repository.cache.forget(read.bytes.block.name());
            }
        }
        begin = end;
    }
    if range.end > begin && range.start < range.end {
        let rule = format!("byte {} was asked for of what has {begin}", range.end);
        return Err(Error::Rule { path: repository.disk.display(""), rule });
    }
    Ok(())
}

fn part<'b>(bytes: &'b [u8], extent: &Extent, range: Range<u64>) -> Option<&'b [u8]> {
    let whole = bytes.len() as u64 == u64::from(extent.length);
    let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
    bytes.get(range).filter(|_| whole)
}

/// The chunk is what its name says; who names it is wrong about its length.
fn another_length(extent: &Extent) -> Error {
    let what = "an extent of another length than its chunk";
    Error::Damaged { path: format!("chunk {}", extent.chunk), source: Damage::Bytes { at: 0, what } }
}
