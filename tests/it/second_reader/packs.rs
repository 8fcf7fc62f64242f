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

    /// Goes from block to block; what is no block is stepped over, and whatever a block gives is believed by its name.
    fn pack(&mut self, name: &str, pack: &[u8]) {
        let (mut at, mut good, mut blocks) = (0, Ok(()), Vec::new());
        while at < pack.len() {
            let Ok(block) = Block::at(pack, at) else {
                at += 1;
                continue;
            };
            good = good.and(self.keep(&block, pack));
            at = block.encoded.end;
            blocks.push(block);
        }
        let named = check(hex(&hash(pack)) == name, "its bytes do not have its name");
        if let Err(wrong) = good.and(named).and_then(|()| form(pack, &blocks)) {
            self.damage.push(format!("pack {name}: {wrong}"));
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

    pub fn chunk(&self, name: &Hash) -> Read<&Vec<u8>> {
        self.chunks.get(name).ok_or_else(|| format!("no pack has chunk {}", hex(name)).into())
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

/// A pack is its header, its blocks, and a directory and a footer that can be made of them.
fn form(pack: &[u8], blocks: &[Block]) -> Read<()> {
    let kind = *pack.get(10).filter(|kind| (1..=4).contains(*kind)).ok_or("its kind is not known")?;
    let (mut at, mut directory) = (16, Vec::new());
    for (block, index) in blocks.iter().zip(0..) {
        check(block.fields.start == at + 4, "something lies between its blocks")?;
        check(block.dictionary == NO_DICTIONARY || block.dictionary < index, "a dictionary is not before")?;
        directory.extend((at as u64).to_le_bytes());
        directory.extend(&pack[block.fields.clone()]);
        at = block.encoded.end;
    }
    let lengths = [at, directory.len(), blocks.len()].map(|number| (number as u64).to_le_bytes());
    directory.extend([&lengths[0], &lengths[1], &lengths[2][..4], &[1, 0, kind, 0]].concat());
    let end = [&directory, &hash(&directory)[..], b"SEGVPACK"].concat();
    check(end.len() <= 67_108_864 + 64, "its directory is too long")?;
    let header = [b"SEGVPACK", &[1, 0, kind][..]].concat();
    check(
        pack.starts_with(&header) && pack[13..16] == [0; 3] && pack[at..] == end,
        "its header, directory or footer are wrong",
    )
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
        let (dictionary, encoded, raw) = (bytes.number(4)?, bytes.number(4)?, bytes.number(4)?);
        check((1..=raw).contains(&encoded) && raw <= 33_554_432, "the lengths of a block are impossible")?;
        let (chunks, sum) = bytes.extents()?;
        check(sum == raw && chunks.len() <= 65_536, "the chunks of a block do not add up")?;
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
            2..=5 => super::events::decode(encoded, self.raw, self.codec),
            _ => Err("a codec is not known".into()),
        }
    }
}
