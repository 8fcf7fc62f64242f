//! The binary files: packs, pages, and records.

use super::Files;
use super::wire::{Bytes, Hash, Read, check, hash};
use std::collections::HashMap;

/// The chunks of all packs, each proven by its name.
#[derive(Default)]
pub struct Packs {
    chunks: HashMap<Hash, Vec<u8>>,
    /// The paths of packs that are not as they should be, whether anybody needs them or not.
    pub damaged: Vec<String>,
}

impl Packs {
    /// Goes from block to block, so that a pack that lost its end still gives its chunks.
    pub fn read(files: &Files) -> Self {
        let mut packs = Self::default();
        // Files with other names count for nothing.
        for (path, pack) in files.iter().filter(|(path, _)| path.starts_with("packs/") && path.len() == 73) {
            let mut rest = &pack[..];
            while !rest.is_empty() {
                // What is no block is stepped over: header, directory, damage.
                rest = &rest[packs.block(rest).unwrap_or(1)..];
            }
            packs.damaged.extend((!path.ends_with(&hash(pack))).then(|| path.clone()));
        }
        packs
    }

    /// Keeps the chunks of the block that stands here, and gives its length. A chunk is believed by its name, wherever it comes from.
    fn block(&mut self, pack: &[u8]) -> Read<usize> {
        let mut bytes = Bytes(pack);
        bytes.expect(b"SVBK")?;
        let [codec, flags, dictionary, encoded, raw] = bytes.numbers([1, 3, 4, 4, 4])?;
        check(flags == 0 && dictionary == 0xffff_ffff, "flags or a dictionary are not known")?;
        let chunks = bytes.extents(raw)?;
        let header = hash(&pack[..pack.len() - bytes.0.len()]);
        check(bytes.hash(8)? == header[..16], "the header of a block is damaged")?;
        let encoded = bytes.take(encoded)?;
        let decoded = match codec {
            0 => encoded.to_vec(),
            1 => zstd::bulk::decompress(encoded, usize::try_from(raw)?)?,
            2..=7 => super::events::decode(encoded, raw, codec)?,
            _ => return Err("a codec is not known".into()),
        };
        let mut rest = Bytes(&decoded);
        for (name, length) in chunks {
            let chunk = rest.take(length)?;
            check(hash(chunk) == name, "a chunk does not have its name")?;
            self.chunks.insert(name, chunk.to_vec());
        }
        check(rest.0.is_empty(), "a block is longer than its chunks")?;
        Ok(pack.len() - bytes.0.len())
    }

    pub fn chunk(&self, name: &Hash) -> Read<&Vec<u8>> {
        self.chunks.get(name).ok_or_else(|| format!("no pack has chunk {name}").into())
    }

    /// Chunks back to back. That they are as long as the extents say goes without saying, where their hash is right.
    pub fn join(&self, extents: &[(Hash, u64)]) -> Read<Vec<u8>> {
        Ok(extents.iter().map(|(name, _)| self.chunk(name).cloned()).collect::<Read<Vec<_>>>()?.concat())
    }
}

/// What is held of a segment.
#[derive(Clone)]
pub struct Entry {
    /// Number, version, and of a damaged copy 1 and its hash.
    pub key: (u64, u64, u64, Hash),
    pub end: u64,
    /// That of the valid prefix, or how much of it is claimed; `events` and `content` go with it.
    pub length: u64,
    pub file_length: u64,
    pub events: u64,
    pub blocks: u64,
    pub claimed: bool,
    pub content: Hash,
    /// First, last, least and greatest.
    pub times: Option<[u64; 4]>,
    pub time_map: Option<Hash>,
    pub extents: Vec<(Hash, u64)>,
}

impl Entry {
    fn read(bytes: &mut Bytes<'_>) -> Read<Self> {
        let [number, version, end, flaw, detail, flags] = bytes.numbers([8, 4, 1, 1, 1, 1])?;
        let [length, stored, file_length, _modified, events, blocks] = bytes.numbers([8; 6])?;
        let known = end <= 2 && flaw <= 8 && flags <= 3 && (detail == 0 || flaw == 2);
        let possible = stored == length || stored > length && flaw > 0;
        check(known && possible, "an end, flaw, flag or length is impossible")?;
        let (claimed, content) = (false, bytes.hash(32)?);
        let times = (flags & 1 > 0).then(|| bytes.numbers([8; 4])).transpose()?;
        let time_map = (flags & 2 > 0).then(|| bytes.hash(32)).transpose()?;
        let extents = bytes.extents(stored)?;
        let copy = if flaw > 0 { content.clone() } else { Hash::new() };
        let key = (number, version, u64::from(flaw > 0), copy);
        Ok(Self { key, end, length, file_length, events, blocks, claimed, content, times, time_map, extents })
    }
}

/// All entries under a page: of a root, or of one of this level.
pub fn tree(files: &Files, page: &Hash, expected: Option<u64>) -> Read<Vec<Entry>> {
    let page = files.get(&format!("pages/{page:.2}/{page}")).filter(|bytes| hash(bytes) == *page);
    let mut bytes = Bytes(page.ok_or("a page is missing or damaged")?);
    bytes.expect(b"SEGVPAGE\x01\0")?;
    let ([level, reserved, count], mut found) = (bytes.numbers([1, 1, 4])?, Vec::new());
    // Only the root of an empty tree has no entries.
    let fits = expected.map_or(level == 0 || count > 0, |expected| level == expected && count > 0);
    check(fits && level <= 15 && reserved == 0 && count <= 128, "a page has a wrong level or count")?;
    for _ in 0..count {
        if level == 0 {
            found.push(Entry::read(&mut bytes)?);
            continue;
        }
        let (child, [entries, number, version, damaged]) = (bytes.hash(32)?, bytes.numbers([8, 8, 4, 1])?);
        let key = (number, version, damaged, if damaged == 1 { bytes.hash(32)? } else { Hash::new() });
        let below = tree(files, &child, Some(level - 1))?;
        let fits = below.len() as u64 == entries && below.first().is_some_and(|entry| entry.key == key);
        check(fits, "a page is not what the one above says")?;
        found.extend(below);
    }
    let rise = found.is_sorted_by(|one, next| one.key < next.key);
    check(rise && bytes.0.is_empty(), "the keys of a page do not rise, or something follows its end")?;
    Ok(found)
}

/// The root and the tails of a record.
pub fn record(bytes: &[u8], at: u64, key: &[u8]) -> Read<(Hash, Vec<Entry>)> {
    let (body, stated) = bytes.split_last_chunk::<32>().ok_or("it ends too early")?;
    check(Bytes(stated).hash(32)? == hash(body), "its check does not fit")?;
    let mut body = Bytes(body);
    body.expect(b"SEGVRECD\x01\0")?;
    let [flags, reserved, number] = body.numbers([1, 1, 8])?;
    check(flags < 8 && flags & 6 != 4 && reserved == 0 && number == at, "its flags or its number are wrong")?;
    let _previous = body.take(flags % 2 * 32)?;
    check(body.take(key.len() as u64)? == key, "it is of another log")?;
    let _branch = body.take(flags / 2 % 2 * 4 + flags / 4 * 8)?;
    let (root, [count]) = (body.hash(32)?, body.numbers([4])?);
    let tails = (0..count).map(|_| Entry::read(&mut body)).collect::<Read<Vec<_>>>()?;
    let rise = tails.is_sorted_by(|one, next| one.key < next.key);
    check(rise && body.0.is_empty(), "the keys of its tails do not rise, or something follows its end")?;
    Ok((root, tails))
}
