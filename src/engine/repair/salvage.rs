//! What can still be read of a damaged pack: every block whose chunks are what their names say, found by the directory or by the blocks' own
//! headers; all of it where its parity makes it whole. What the disk refuses to read counts as zeros.

use crate::repo::codec;
use crate::repo::disk::Disk;
use crate::repo::format::id::{ChunkId, Naming, PackId};
use crate::repo::format::pack::{Block, Directory, PackKind, parse_header, scan_blocks};
use crate::repo::paths;
use crate::repo::store::Repository;
use std::collections::BTreeMap;

/// No pack of ours is nearly as long; a longer file is none, and is not read into memory.
const LONGEST: u64 = 512 << 20;
/// So much is given up where the disk can't read.
const PIECE: u64 = 64 << 10;

/// A damaged pack, as far as it could be read.
pub struct Wreck {
    bytes: Vec<u8>,
    /// What its chunks are.
    pub kind: PackKind,
    blocks: Vec<Block>,
}

impl Wreck {
    /// Reads it; none if there is nothing to read.
    pub fn read(repository: &Repository, pack: PackId) -> Option<Self> {
        let (disk, path) = (repository.disk(), paths::pack(pack));
        let bytes = if let Ok(healed) = repository.healed(pack) {
            healed.read_range(disk, 0, healed.length()).ok()?
        } else {
            let length = disk.length(&path).ok().filter(|length| *length <= LONGEST)?;
            readable(disk, &path, length)
        };
        // The directory alone: it knows what a damaged header of a block has lost.
        let directory = repository.directory(pack, bytes.len() as u64);
        let kind = directory.as_ref().map(|directory| directory.kind);
        let kind =
            kind.or_else(|| parse_header(&bytes).ok().map(|header| header.kind)).unwrap_or(PackKind::Sealed);
        let blocks = all_blocks(directory, &bytes);
        Some(Self { bytes, kind, blocks })
    }

    /// The good chunks of each block, in order.
    pub fn blocks(&self, naming: Naming) -> impl Iterator<Item = Vec<(ChunkId, Vec<u8>)>> + '_ {
        self.blocks.iter().map(move |block| self.good_chunks(naming, block)).filter(|good| !good.is_empty())
    }

    fn good_chunks(&self, naming: Naming, block: &Block) -> Vec<(ChunkId, Vec<u8>)> {
        let range = usize::try_from(block.body_offset).ok().zip(usize::try_from(block.end()).ok());
        let body = range.and_then(|(from, to)| self.bytes.get(from..to));
        let Some(body) = body.filter(|_| block.check_readable().is_ok()) else { return Vec::new() };
        let Ok(raw) = codec::decode(block.codec, body, block.raw_length) else { return Vec::new() };
        let mut good = Vec::new();
        for place in &block.chunks {
            let from = usize::try_from(place.offset).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(place.length).unwrap_or(usize::MAX));
            if let Some(bytes) = raw.get(from..to)
                && naming.chunk(bytes) == place.chunk
            {
                good.push((place.chunk, bytes.to_vec()));
            }
        }
        good
    }
}

fn readable(disk: &dyn Disk, path: &str, length: u64) -> Vec<u8> {
    if let Ok(bytes) = disk.read_range(path, 0, length) {
        return bytes;
    }
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < length {
        let step = PIECE.min(length.saturating_sub(at));
        match disk.read_range(path, at, step) {
            Ok(piece) => bytes.extend(piece),
            Err(_) => bytes.resize(bytes.len().saturating_add(usize::try_from(step).unwrap_or(0)), 0),
        }
        at = at.saturating_add(step);
    }
    bytes
}

/// By the directory, and by the headers: each may know what the other has lost.
fn all_blocks(directory: Option<Directory>, bytes: &[u8]) -> Vec<Block> {
    let by_header = scan_blocks(bytes).into_iter();
    let by_directory = directory.into_iter().flat_map(|directory| directory.blocks);
    by_header
        .chain(by_directory)
        .map(|block| (block.offset, block))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}
