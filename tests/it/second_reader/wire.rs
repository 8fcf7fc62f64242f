//! Bytes, hashes and JSON files as FORMAT.md spells them. What does not fit is an error with a sentence.

use serde_json::Value;

pub type Read<T> = Result<T, Box<dyn std::error::Error>>;
pub type Hash = [u8; 32];

pub fn check(good: bool, wrong: &str) -> Read<()> {
    if good { Ok(()) } else { Err(wrong.into()) }
}

pub fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

pub fn hex(hash: &Hash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

pub fn unhex(digits: &str) -> Read<Hash> {
    check(!digits.bytes().any(|digit| digit.is_ascii_uppercase()), "upper-case digits")?;
    Ok(*blake3::Hash::from_hex(digits)?.as_bytes())
}

/// What has not been read yet.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length)?).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of so many bytes.
    pub fn number(&mut self, bytes: u64) -> Read<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub fn hash(&mut self) -> Read<Hash> {
        Ok(self.take(32)?.try_into()?)
    }

    /// The name of a source or context.
    pub fn name(&mut self) -> Read<&'a str> {
        let length = self.number(2)?;
        check((1..=1024).contains(&length), "a name is empty or too long")?;
        Ok(std::str::from_utf8(self.take(length)?)?)
    }

    /// These bytes: a magic number, reserved ones.
    pub fn expect(&mut self, bytes: &[u8], wrong: &str) -> Read<()> {
        check(self.take(bytes.len() as u64)? == bytes, wrong)
    }

    pub fn magic(&mut self, magic: &[u8; 8]) -> Read<()> {
        self.expect(magic, "the magic number is wrong")?;
        self.expect(&[1, 0], "the version is not known")
    }

    /// Chunks with their lengths, and the sum of these.
    pub fn extents(&mut self, count: u64) -> Read<(Vec<(Hash, u64)>, u64)> {
        let extents = (0..count).map(|_| Ok((self.hash()?, self.number(4)?))).collect::<Read<Vec<_>>>()?;
        let possible = extents.iter().all(|(_, length)| (1..=25_165_824).contains(length));
        check(possible, "the length of a chunk is impossible")?;
        let sum = extents.iter().map(|(_, length)| length).sum();
        Ok((extents, sum))
    }

    pub fn end(&self) -> Read<()> {
        check(self.0.is_empty(), "something follows its end")
    }
}

/// A JSON file of a type, in a version that is known, with the check that fits.
pub fn json(bytes: &[u8], kind: &str) -> Read<Value> {
    let mut value: Value = serde_json::from_slice(bytes)?;
    check(value["type"] == kind && value["version"] == 1, "its type or version is not known")?;
    let stated = value.as_object_mut().and_then(|members| members.remove("check"));
    // A parsed object is sorted, and printed without white space: the canonical form, but for the newline.
    let own = hash(format!("{value}\n").as_bytes());
    check(stated == Some(hex(&own).into()), "its check does not fit")?;
    Ok(value)
}

pub fn text<'a>(value: &'a Value, name: &str) -> Read<&'a str> {
    value[name].as_str().ok_or_else(|| format!("`{name}` is no text").into())
}

pub fn number(value: &Value, name: &str) -> Read<u64> {
    value[name].as_u64().ok_or_else(|| format!("`{name}` is no number").into())
}

/// The items of a list that may be missing.
pub fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}
