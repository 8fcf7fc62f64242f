//! The code itself: Reed-Solomon over GF(2^16), piece by piece, so that a pack need not be held in memory.
//!
//! What it makes of one piece of all shards does not depend on the others: columns of shards are worked on, one after the other.

use crate::repo::format::parity::Shape;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use std::collections::BTreeMap;
use std::io;

/// So many bytes of each shard are worked on at once.
const COLUMN: u32 = 16 << 10;

/// Reads bytes `from..to` of a shard, filled up with zeros.
pub type ReadShard<'r> = dyn FnMut(u32, u32, u32) -> io::Result<Vec<u8>> + 'r;

/// The columns of shards: where they begin and end.
fn columns(shape: Shape) -> impl Iterator<Item = (u32, u32)> {
    let step = usize::try_from(COLUMN).unwrap_or(usize::MAX);
    (0..shape.shard).step_by(step).map(move |from| (from, from.saturating_add(COLUMN).min(shape.shard)))
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Only a shape that the code does not know fails, and none that [`Shape`] allows is one.
fn refused(error: reed_solomon_simd::Error) -> io::Error {
    io::Error::other(error)
}

/// Makes the parity shards.
pub fn encode(shape: Shape, read: &mut ReadShard<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut made = vec![Vec::with_capacity(size(shape.shard)); size(shape.parity)];
    for (from, to) in columns(shape) {
        let width = size(to.saturating_sub(from));
        let mut encoder =
            ReedSolomonEncoder::new(size(shape.data), size(shape.parity), width).map_err(refused)?;
        for shard in 0..shape.data {
            encoder.add_original_shard(read(shard, from, to)?).map_err(refused)?;
        }
        let result = encoder.encode().map_err(refused)?;
        for (shard, column) in made.iter_mut().zip(result.recovery_iter()) {
            shard.extend_from_slice(column);
        }
    }
    Ok(made)
}

/// What there is to make shards whole with.
pub struct Rest<'r> {
    /// The shards of the pack that are missing.
    pub missing: Vec<u32>,
    /// The parity shards that are good: at least as many as are missing.
    pub parity: Vec<u32>,
    /// Reads shards of the pack that are not missing.
    pub read: &'r mut ReadShard<'r>,
    /// Reads good parity shards.
    pub read_parity: &'r mut ReadShard<'r>,
}

/// Makes the missing shards again.
pub fn decode(shape: Shape, rest: &mut Rest<'_>) -> io::Result<BTreeMap<u32, Vec<u8>>> {
    let mut made: BTreeMap<u32, Vec<u8>> = rest.missing.iter().map(|shard| (*shard, Vec::new())).collect();
    for (from, to) in columns(shape) {
        let width = size(to.saturating_sub(from));
        let mut decoder =
            ReedSolomonDecoder::new(size(shape.data), size(shape.parity), width).map_err(refused)?;
        for shard in (0..shape.data).filter(|shard| !rest.missing.contains(shard)) {
            decoder.add_original_shard(size(shard), (rest.read)(shard, from, to)?).map_err(refused)?;
        }
        for shard in rest.parity.iter().copied().take(rest.missing.len()) {
            let column = (rest.read_parity)(shard, from, to)?;
            decoder.add_recovery_shard(size(shard), column).map_err(refused)?;
        }
        let result = decoder.decode().map_err(refused)?;
        for (shard, column) in result.restored_original_iter() {
            let shard = u32::try_from(shard).ok().and_then(|shard| made.get_mut(&shard));
            if let Some(shard) = shard {
                shard.extend_from_slice(column);
            }
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &[u8], shape: Shape, shard: u32, from: u32, to: u32) -> Vec<u8> {
        let begin = size(shard) * size(shape.shard);
        let mut part: Vec<u8> =
            bytes.iter().skip(begin + size(from)).take(size(to - from)).copied().collect();
        part.resize(size(to - from), 0);
        part
    }

    fn pack(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(8);
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn as_many_shards_come_back_as_there_are_beside_them() {
        for (length, percent) in [(1, 3), (300, 3), (10_000, 40), (300_000, 10), (24 << 20, 1)] {
            let bytes = pack(length);
            let shape = Shape::of(length as u64, percent).unwrap();
            let parity =
                encode(shape, &mut |shard, from, to| Ok(part(&bytes, shape, shard, from, to))).unwrap();
            assert!(parity.iter().all(|shard| shard.len() == size(shape.shard)));
            let mut random = fastrand::Rng::with_seed(9);
            let mut all: Vec<u32> = (0..shape.data).collect();
            random.shuffle(&mut all);
            let missing = all[..size(shape.parity.min(shape.data))].to_vec();
            let made =
                decode(
                    shape,
                    &mut Rest {
                        missing: missing.clone(),
                        parity: (0..shape.parity).collect(),
                        read: &mut |shard, from, to| Ok(part(&bytes, shape, shard, from, to)),
                        read_parity: &mut |shard, from, to| {
                            Ok(parity[size(shard)][size(from)..size(to)].to_vec())
                        },
                    },
                )
                .unwrap();
            for shard in missing {
                assert!(
                    made[&shard] == part(&bytes, shape, shard, 0, shape.shard),
                    "{shape:?}, shard {shard}"
                );
            }
        }
    }

    /// The code is part of the format: it must never change.
    #[test]
    fn the_code_stays_what_it_is() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
        let shape = Shape::of(10_000, 50).unwrap();
        let parity = encode(shape, &mut |shard, from, to| Ok(part(&bytes, shape, shard, from, to))).unwrap();
        let hashes: Vec<String> =
            parity.iter().map(|shard| blake3::hash(shard).to_hex()[..16].to_owned()).collect();
        assert_eq!(hashes, ["59d33c8a561e1a94", "57774a18668abd49"]);
    }
}
