//! The parity of a pack that is good.

use crate::repo::disk::Disk;
use crate::repo::error::Error;
use crate::repo::format::Damage;
use crate::repo::format::id::{FileHash, Hasher, Naming, PackId};
use crate::repo::format::parity::{Head, Shape, ShardHash, shard_hash};
use crate::repo::parity::code;
use crate::repo::parity::heal::{good_parity, read_head, read_padded};
use crate::repo::paths;

/// Makes the bytes of a parity file. The pack is read and proven; a damaged one gets none.
pub fn make(disk: &dyn Disk, naming: Naming, pack: PackId, percent: u8) -> Result<Vec<u8>, Error> {
    let path = paths::pack(pack);
    let reading = |source| Error::reading(disk.display(&path), source);
    let length = disk.length(&path).map_err(reading)?;
    let shape = Shape::of(length, percent).ok_or_else(|| another(disk, pack, &naming.hasher()))?;
    let (data, hasher) = hashes(disk, naming, pack, shape)?;
    if hasher.pack() != pack {
        return Err(another(disk, pack, &hasher));
    }
    let parity =
        code::encode(shape, &mut |shard, from, to| read_padded(disk, pack, shape, (shard, from, to)));
    let parity = parity.map_err(reading)?;
    let short = parity.iter().map(|shard| shard_hash(shard)).collect();
    let mut bytes = Head { pack, shape, data, parity: short }.encode();
    for shard in &parity {
        bytes.extend_from_slice(shard);
    }
    Ok(bytes)
}

fn hashes(
    disk: &dyn Disk,
    naming: Naming,
    pack: PackId,
    shape: Shape,
) -> Result<(Vec<ShardHash>, Hasher), Error> {
    let mut hasher = naming.hasher();
    let mut data = Vec::new();
    for shard in 0..shape.data {
        let bytes = read_padded(disk, pack, shape, (shard, 0, shape.shard))
            .map_err(|source| Error::reading(disk.display(&paths::pack(pack)), source))?;
        let there = usize::try_from(shape.range(shard).1).unwrap_or(usize::MAX);
        hasher.update(bytes.get(..there).unwrap_or_default());
        data.push(shard_hash(&bytes));
    }
    Ok((data, hasher))
}

fn another(disk: &dyn Disk, pack: PackId, hasher: &Hasher) -> Error {
    let found = FileHash(hasher.pack().0);
    Error::Damaged { path: disk.display(&paths::pack(pack)), source: Damage::Hash { found } }
}

/// What a parity file is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worth {
    /// There is none.
    None,
    /// All of it is good.
    Whole,
    /// It is damaged, and how.
    Damaged(String),
}

/// Reads a parity file, its head alone or whole.
pub fn check(disk: &dyn Disk, pack: PackId, whole: bool) -> Worth {
    use crate::repo::parity::heal::Beyond;
    let head = match read_head(disk, pack) {
        Ok(head) => head,
        Err(Beyond::NoParity) => return Worth::None,
        Err(Beyond::Unusable(why)) => return Worth::Damaged(why),
        Err(other) => return Worth::Damaged(other.to_string()),
    };
    let length = disk.length(&paths::parity(pack)).unwrap_or(0);
    if length != head.shape.file_length() {
        return Worth::Damaged(format!("it has {length} bytes, not {}", head.shape.file_length()));
    }
    let all = head.parity.len();
    let good = if whole { good_parity(disk, &head).len() } else { all };
    if good == all {
        Worth::Whole
    } else {
        Worth::Damaged(format!("{} of its {all} shards are damaged", all - good))
    }
}
