//! Parity files: what a pack is made whole from where a part of it is damaged.
//!
//! A pack is parted into shards of equal length; Reed-Solomon makes some more of them. Each shard has a short hash, so that a damaged one is
//! known, and counts as missing. What is made whole counts only once the pack's own name proves it.

use crate::repo::format::Damage;
use crate::repo::format::id::PackId;
use crate::repo::format::wire::{Reader, Writer};

/// The first bytes of a parity file.
pub const MAGIC: [u8; 8] = *b"SEGVPRTY";
/// The version of parity files that this program writes.
pub const VERSION: u16 = 1;
/// Bytes in front of the hashes.
pub const FIXED_LENGTH: u64 = 72;
/// Bytes of the hash behind the hashes.
const PROOF_LENGTH: u64 = 32;
/// A pack has at most so many shards.
pub const SHARDS_MAX: u32 = 1024;
/// Where a pack is longer than this, the lengths of its shards are multiples of it: what a disk loses at once.
pub const PAGE: u64 = 4096;
/// The lengths of all shards are multiples of this: the code works on such pieces.
pub const PIECE: u64 = 64;
/// No pack is nearly as long.
const PACK_MAX: u64 = 512 << 20;
/// No pack needs longer shards. They are held in memory, one at a time: a head that claims more could make a reader take any amount.
const SHARD_MAX: u64 = PACK_MAX / 1024;
/// So many hundredths of a pack may be asked for.
pub const PERCENT_MAX: u8 = 50;

/// The short hash of a shard: the first bytes of its BLAKE3.
pub type ShardHash = [u8; 8];

/// The short hash of a shard.
pub fn shard_hash(shard: &[u8]) -> ShardHash {
    let mut short = [0; 8];
    let hash = blake3::hash(shard);
    short.copy_from_slice(hash.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    short
}

/// How a pack is parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The length of the pack.
    pub pack_length: u64,
    /// The length of a shard.
    pub shard: u32,
    /// Shards of the pack; the last one is filled up with zeros.
    pub data: u32,
    /// Shards beside them.
    pub parity: u32,
}

impl Shape {
    /// How a pack of this length is parted where so many hundredths of it are wanted beside it; at least one shard. None for what is no pack.
    pub fn of(pack_length: u64, percent: u8) -> Option<Self> {
        if pack_length == 0 || pack_length > PACK_MAX {
            return None;
        }
        let step = if pack_length <= PAGE { PIECE } else { PAGE };
        let least =
            if pack_length <= PAGE { pack_length } else { pack_length.div_ceil(u64::from(SHARDS_MAX)) };
        let shard = least.next_multiple_of(step);
        let data = pack_length.div_ceil(shard);
        let parity = data.saturating_mul(u64::from(percent.clamp(1, PERCENT_MAX))).div_ceil(100);
        Some(Self {
            pack_length,
            shard: u32::try_from(shard).ok()?,
            data: u32::try_from(data).ok()?,
            parity: u32::try_from(parity).ok()?,
        })
    }

    /// Where a shard of the pack begins, and how much of the pack it holds.
    pub fn range(self, shard: u32) -> (u64, u64) {
        let from = u64::from(shard).saturating_mul(u64::from(self.shard));
        (from, self.pack_length.saturating_sub(from).min(u64::from(self.shard)))
    }

    /// Bytes of the head: all in front of the shards.
    pub fn head_length(self) -> u64 {
        let shards = u64::from(self.data).saturating_add(u64::from(self.parity));
        FIXED_LENGTH.saturating_add(shards.saturating_mul(8)).saturating_add(PROOF_LENGTH)
    }

    /// Where a parity shard begins in its file.
    pub fn parity_offset(self, shard: u32) -> u64 {
        self.head_length().saturating_add(u64::from(shard).saturating_mul(u64::from(self.shard)))
    }

    /// Bytes of the file.
    pub fn file_length(self) -> u64 {
        self.parity_offset(self.parity)
    }

    fn is_possible(self) -> bool {
        let shard = u64::from(self.shard);
        let counts = 1..=SHARDS_MAX;
        (1..=PACK_MAX).contains(&self.pack_length)
            && (1..=SHARD_MAX).contains(&shard)
            && shard.is_multiple_of(PIECE)
            && counts.contains(&self.data)
            && counts.contains(&self.parity)
            && self.pack_length.div_ceil(shard) == u64::from(self.data)
    }
}

/// The head of a parity file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The pack.
    pub pack: PackId,
    /// How it is parted.
    pub shape: Shape,
    /// The short hashes of the pack's shards.
    pub data: Vec<ShardHash>,
    /// Those of the others.
    pub parity: Vec<ShardHash>,
}

impl Head {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array("magic", &MAGIC);
        writer.u16("version", VERSION);
        writer.reserved::<6>();
        writer.array("pack", &self.pack.0);
        writer.u64("pack length", self.shape.pack_length);
        writer.u32("shard length", self.shape.shard);
        writer.u32("data shards", self.shape.data);
        writer.u32("parity shards", self.shape.parity);
        writer.reserved::<4>();
        for hash in &self.data {
            writer.array("data hash", hash);
        }
        for hash in &self.parity {
            writer.array("parity hash", hash);
        }
        let hash = blake3::hash(writer.so_far());
        writer.array("hash", hash.as_bytes());
    }

    /// Reads the first [`FIXED_LENGTH`] bytes: the pack, and the shape, not yet proven.
    pub fn begin(bytes: &[u8]) -> Result<(PackId, Shape), Damage> {
        let mut reader = Reader::new(bytes);
        let read = Self::fixed(&mut reader)?;
        reader.finish()?;
        Ok(read)
    }

    fn fixed(reader: &mut Reader<'_>) -> Result<(PackId, Shape), Damage> {
        reader.magic(&MAGIC)?;
        reader.version("a parity file of version", VERSION)?;
        reader.reserved::<6>()?;
        let pack = PackId(reader.array()?);
        let shape = Shape {
            pack_length: reader.u64()?,
            shard: reader.u32()?,
            data: reader.u32()?,
            parity: reader.u32()?,
        };
        reader.reserved::<4>()?;
        reader.check(shape.is_possible(), "shards that no pack has")?;
        Ok((pack, shape))
    }

    /// Reads a head whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        let (pack, shape) = Self::fixed(&mut reader)?;
        reader.check(bytes.len() as u64 == shape.head_length(), "a head of another length")?;
        let data = hashes(&mut reader, shape.data)?;
        let parity = hashes(&mut reader, shape.parity)?;
        let proven = bytes.get(..bytes.len().saturating_sub(32)).unwrap_or_default();
        let hash = *blake3::hash(proven).as_bytes();
        reader.check(reader.clone().array()? == hash, "a head whose hash does not fit")?;
        Ok(Self { pack, shape, data, parity })
    }
}

fn hashes(reader: &mut Reader<'_>, count: u32) -> Result<Vec<ShardHash>, Damage> {
    (0..count).map(|_| reader.array()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let shape = Shape::of(10_000, 40).unwrap();
        let hash = |number: u32| [u8::try_from(number).unwrap(); 8];
        Head {
            pack: PackId([7; 32]),
            shape,
            data: (0..shape.data).map(hash).collect(),
            parity: (0..shape.parity).map(hash).collect(),
        }
    }

    #[test]
    fn a_head_comes_back() {
        let bytes = head().encode();
        assert_eq!(bytes.len() as u64, head().shape.head_length());
        assert_eq!(Head::decode(&bytes), Ok(head()));
        let fixed = usize::try_from(FIXED_LENGTH).unwrap();
        assert_eq!(Head::begin(&bytes[..fixed]), Ok((head().pack, head().shape)));
    }

    #[test]
    fn any_flipped_bit_of_a_head_is_found() {
        let bytes = head().encode();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Head::decode(&flipped).is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(Head::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn shards_are_as_long_as_what_a_disk_loses_and_never_too_many() {
        let of = |length, percent| {
            let shape = Shape::of(length, percent).unwrap();
            assert!(shape.is_possible(), "{shape:?}");
            (shape.shard, shape.data, shape.parity)
        };
        assert_eq!(of(1, 3), (64, 1, 1));
        assert_eq!(of(4096, 3), (4096, 1, 1));
        assert_eq!(of(4097, 3), (4096, 2, 1));
        assert_eq!(of(1 << 20, 3), (4096, 256, 8));
        assert_eq!(of(64 << 20, 3), (65536, 1024, 31));
        assert_eq!(of((96 << 20) + 1, 3), (102_400, 984, 30));
        assert_eq!(of(64 << 20, 50), (65536, 1024, 512));
        assert_eq!(of(PACK_MAX, 3), (u32::try_from(SHARD_MAX).unwrap(), 1024, 31));
        assert_eq!(Shape::of(0, 3), None);
        assert_eq!(Shape::of(PACK_MAX + 1, 3), None);
    }

    #[test]
    fn the_last_shard_ends_with_the_pack() {
        let shape = Shape::of(10_000, 3).unwrap();
        assert_eq!(
            [0, 1, 2, 3].map(|shard| shape.range(shard)),
            [(0, 4096), (4096, 4096), (8192, 1808), (12288, 0)]
        );
    }

    #[test]
    fn shards_that_no_pack_has_are_refused() {
        let of = |pack_length, shard, data, parity| {
            let shape = Shape { pack_length, shard, data, parity };
            let hashes = |count| vec![[1; 8]; usize::try_from(count).unwrap()];
            let head = Head { pack: PackId([7; 32]), shape, data: hashes(data), parity: hashes(parity) };
            Head::decode(&head.encode()).map(|head| head.shape)
        };
        assert!(
            of(10_000, 4096, 3, 2).is_ok()
                && of(u64::from(SHARDS_MAX) * 64, 64, SHARDS_MAX, SHARDS_MAX).is_ok()
        );
        for (pack_length, shard, data, parity) in [
            (0, 4096, 1, 1),
            (PACK_MAX + 1, 1 << 20, 513, 1),
            (10_000, 0, 3, 2),
            (10_000, u32::try_from(SHARD_MAX).unwrap() + 64, 1, 1),
            (10_000, u32::MAX - 63, 1, 1),
            (10_000, 4100, 3, 2),
            (10_000, 4096, 2, 2),
            (10_000, 4096, 4, 2),
            (10_000, 4096, 3, 0),
            (10_000, 4096, 3, SHARDS_MAX + 1),
            (u64::from(SHARDS_MAX + 1) * 64, 64, SHARDS_MAX + 1, 1),
        ] {
            let read = of(pack_length, shard, data, parity);
            let fits = matches!(read, Err(Damage::Bytes { what: "shards that no pack has", .. }));
            assert!(fits, "{pack_length} {shard} {data} {parity}: {read:?}");
        }
    }

    #[test]
    fn a_head_has_as_many_hashes_as_it_says() {
        for (data, parity) in [(3, 3), (4, 2)] {
            let longer = Head { data: vec![[1; 8]; data], parity: vec![[2; 8]; parity], ..head() };
            assert_eq!((head().data.len(), head().parity.len()), (3, 2));
            let read = Head::decode(&longer.encode());
            assert!(matches!(read, Err(Damage::Bytes { what: "a head of another length", .. })), "{read:?}");
        }
    }
}
