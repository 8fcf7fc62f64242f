//! Packs, found by listing them. All blocks are decoded and all chunks hashed; a pack that lost its end still gives its chunks.

use super::wire::{Bytes, Hash, Read, check, hash, hex, unhex};
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

const NO_DICTIONARY: u64 = 0xffff_ffff;

/// The chunks of all packs, each proven by its name.
#[derive(Default)]
pub struct Packs {
    chunks: HashMap<Hash, Vec<u8>>,
    /// What is wrong with packs, whether anybody needs it or not.
    pub damage: Vec<String>,
}

impl Packs {
    pub fn read(root: &Path) -> Read<Self> {
        let mut packs = Self::default();
        for (first, below) in super::list(&root.join("packs"))? {
            for (name, path) in super::list(&below)? {
                // Files with other names count for nothing.
                if name.starts_with(&first) && unhex(&name).is_ok() {
                    packs.pack(&name, &fs::read(path)?);
                }
            }
        }
        Ok(packs)
    }

    fn pack(&mut self, name: &str, pack: &[u8]) {
        let named = check(hex(&hash(pack)) == name, "its bytes do not have its name");
        if let Err(wrong) = named.and_then(|()| self.by_directory(pack)) {
            self.damage.push(format!("pack {name}: {wrong}"));
            self.salvage(pack);
        }
    }

    fn by_directory(&mut self, pack: &[u8]) -> Read<()> {
        let (body, last) = pack.split_last_chunk::<64>().ok_or("it ends too early")?;
        let (mut header, mut footer) = (Bytes(body), Bytes(last));
        header.magic(b"SEGVPACK")?;
        let kind = header.number(1)?;
        header.expect(&[0; 5], "reserved bytes are not 0")?;
        let (begin, length, blocks) = (footer.number(8)?, footer.number(8)?, footer.number(4)?);
        let ends = begin >= 16 && begin.checked_add(length) == Some(body.len() as u64);
        check(ends && length <= 67_108_864, "its directory is not where it should be")?;
        check((1..=3).contains(&kind) && footer.number(4)? == 1 | kind << 16, "its kind is unclear")?;
        let begin = usize::try_from(begin)?;
        footer.expect(&hash(&pack[begin..pack.len() - 40]), "its directory is damaged")?;
        footer.expect(b"SEGVPACK", "the magic number at its end is wrong")?;
        let (mut at, mut count, mut directory) = (16, 0, Vec::new());
        while at < begin {
            let block = Block::at(&pack[..begin], at)?;
            check(
                block.dictionary == NO_DICTIONARY || block.dictionary < count,
                "a dictionary is not before",
            )?;
            directory.extend((at as u64).to_le_bytes());
            directory.extend(&pack[block.fields.clone()]);
            self.keep(&block, pack)?;
            (at, count) = (block.encoded.end, count + 1);
        }
        check(directory == body[begin..] && count == blocks, "its directory is not what its blocks are")
    }

    /// Whatever can be believed by its name.
    fn salvage(&mut self, pack: &[u8]) {
        let mut at = 0;
        while at < pack.len() {
            at = Block::at(pack, at).map_or(at + 1, |block| {
                let _ = self.keep(&block, pack);
                block.encoded.end
            });
        }
    }

    fn keep(&mut self, block: &Block, pack: &[u8]) -> Read<()> {
        let raw = block.decode(&pack[block.encoded.clone()])?;
        let mut rest = Bytes(&raw);
        for (name, length) in &block.chunks {
            let bytes = rest.take(*length)?;
            check(hash(bytes) == *name, "a chunk does not have its name")?;
            self.chunks.insert(*name, bytes.to_vec());
        }
        rest.end()
    }

    pub fn chunk(&self, name: &Hash) -> Read<&[u8]> {
        Ok(self.chunks.get(name).ok_or_else(|| format!("no pack has chunk {}", hex(name)))?)
    }

    /// Chunks back to back.
    pub fn join(&self, extents: &[(Hash, u64)]) -> Read<Vec<u8>> {
        let mut bytes = Vec::new();
        for (name, length) in extents {
            check(self.chunk(name)?.len() as u64 == *length, "a chunk has another length than its extent")?;
            bytes.extend(self.chunk(name)?);
        }
        Ok(bytes)
    }
}

/// A block, by its header.
struct Block {
    /// Of the header, what the directory repeats.
    fields: Range<usize>,
    encoded: Range<usize>,
    codec: u64,
    flags: u64,
    dictionary: u64,
    raw: u64,
    chunks: Vec<(Hash, u64)>,
}

impl Block {
    fn at(pack: &[u8], at: usize) -> Read<Self> {
        let mut bytes = Bytes(&pack[at..]);
        bytes.expect(b"SVBK", "a block has no header")?;
        let (codec, flags) = (bytes.number(1)?, bytes.number(1)?);
        bytes.expect(&[0; 2], "reserved bytes are not 0")?;
        let (dictionary, encoded) = (bytes.number(4)?, bytes.number(4)?);
        let (raw, count) = (bytes.number(4)?, bytes.number(4)?);
        let lengths = (1..=raw).contains(&encoded) && raw <= 33_554_432;
        check(lengths && (1..=65_536).contains(&count), "the lengths of a block are impossible")?;
        let (chunks, sum) = bytes.extents(count)?;
        check(sum == raw, "the chunks of a block do not add up")?;
        let end = pack.len() - bytes.0.len();
        bytes.expect(&hash(&pack[at..end])[..8], "the header of a block is damaged")?;
        let encoded = end + 8..end + 8 + bytes.take(encoded)?.len();
        Ok(Self { fields: at + 4..end, encoded, codec, flags, dictionary, raw, chunks })
    }

    fn decode(&self, encoded: &[u8]) -> Read<Vec<u8>> {
        let plain = self.flags == 0 && self.dictionary == NO_DICTIONARY;
        check(plain, "the flags or the dictionary of a block are not known")?;
        match self.codec {
            0 => Ok(encoded.to_vec()),
            1 => {
                let length = zstd::zstd_safe::get_frame_content_size(encoded).ok() == Some(Some(self.raw));
                let one = zstd::zstd_safe::find_frame_compressed_size(encoded) == Ok(encoded.len());
                check(length && one && encoded[4] & 4 == 0, "a zstd frame is not as it should be")?;
                Ok(zstd::bulk::decompress(encoded, usize::try_from(self.raw)?)?)
            }
            _ => Err("a codec is not known".into()),
        }
    }
}
