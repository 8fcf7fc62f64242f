//! Bytes, hashes and JSON files as FORMAT.md spells them. What does not fit is an error with a sentence.

use serde::de::DeserializeOwned;
use serde_json::Value;

pub type Read<T> = Result<T, Box<dyn std::error::Error>>;

/// As 64 digits, which sort as the bytes do: so it stands in JSON files, and in the names of packs and pages.
pub type Hash = String;

pub fn check(good: bool, wrong: &str) -> Read<()> {
    if good { Ok(()) } else { Err(wrong.into()) }
}

pub fn hash(bytes: &[u8]) -> Hash {
    blake3::hash(bytes).to_hex().to_string()
}

/// What has not been read yet.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length)?).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// Rows of a table: numbers of so many bytes each.
    pub fn numbers<const N: usize>(&mut self, mut rows: [u64; N]) -> Read<[u64; N]> {
        for row in &mut rows {
            *row = self.take(*row)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        Ok(rows)
    }

    /// So many bytes of a hash.
    pub fn hash(&mut self, bytes: u64) -> Read<Hash> {
        Ok(self.take(bytes)?.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// These bytes: a magic number with its version, reserved ones.
    pub fn expect(&mut self, bytes: &[u8]) -> Read<()> {
        check(
            self.take(bytes.len() as u64)? == bytes,
            "a magic number, version or reserved byte is not known",
        )
    }

    /// How many chunks follow, each with its length; all of them as long as is stated.
    pub fn extents(&mut self, stated: u64) -> Read<Vec<(Hash, u64)>> {
        let [count] = self.numbers([4])?;
        let extents =
            (0..count).map(|_| Ok((self.hash(32)?, self.numbers([4])?[0]))).collect::<Read<Vec<_>>>()?;
        let possible = extents.iter().all(|(_, length)| (1..=25_165_824).contains(length));
        let sum: u64 = extents.iter().map(|(_, length)| length).sum();
        check(possible && sum == stated, "the lengths of chunks are impossible")?;
        Ok(extents)
    }
}

/// A JSON file of a type, in a version that is known, with the check that fits.
pub fn json(bytes: &[u8], kind: &str) -> Read<Value> {
    let mut value: Value = serde_json::from_slice(bytes)?;
    check(value["type"] == kind && value["version"] == 1, "its type or version is not known")?;
    let stated = value.as_object_mut().and_then(|members| members.remove("check"));
    // A parsed object is sorted, and printed without white space: the canonical form, but for the newline.
    check(stated == Some(hash(format!("{value}\n").as_bytes()).into()), "its check does not fit")?;
    Ok(value)
}

/// A member of an object: a text, a number, a list; an `Option` where it may be missing.
pub fn member<T: DeserializeOwned>(value: &Value, name: &str) -> Read<T> {
    T::deserialize(&value[name]).map_err(|wrong| format!("`{name}`: {wrong}").into())
}

/// The items of a list that may be missing.
pub fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}
