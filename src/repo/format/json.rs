//! Canonical JSON: UTF-8, keys sorted, no white space, whole numbers only, one newline at the end.
//!
//! Each file carries its own hash in the member `check`, so that no flipped bit passes for what was written; the newest file of a
//! numbered row has no successor yet that would hold its hash. How a file is spelled is a property of writing only: readers take any
//! spelling of the same values.

use crate::repo::format::Damage;
use crate::repo::format::spelling::Spelled;
use serde_json::Value;

/// The member that holds the hash of the rest.
pub const CHECK: &str = "check";

/// The canonical bytes of a value, which must be an object.
pub fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Damage> {
    let mut value = serde_json::to_value(value).map_err(json)?;
    let check = check_of(&value)?;
    let Value::Object(members) = &mut value else { return Err(not_an_object()) };
    if members.insert(CHECK.to_owned(), Value::String(check)).is_some() {
        return Err(Damage::Json(format!("a member `{CHECK}` of its own")));
    }
    canonical(&value)
}

/// Reads a value whose `type` must be `kind` and whose `version` at most `supported`. Unknown optional fields are stepped over.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8], kind: &str, supported: u32) -> Result<T, Damage> {
    prove(bytes, kind, supported)?.read()
}

/// An object whose type, version and check are proven.
pub enum Proven<'b> {
    /// In the spelling in which it is written.
    Canonical(&'b [u8]),
    /// In any other.
    Other(Value),
}

impl Proven<'_> {
    /// What it says, as far as `T` knows of it.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Damage> {
        match self {
            Self::Canonical(bytes) => serde_json::from_slice(bytes).map_err(json),
            Self::Other(value) => T::deserialize(value).map_err(json),
        }
    }
}

/// The first half of [`decode`]: type, version and check are proven, the rest is not looked at yet.
pub fn prove<'b>(bytes: &'b [u8], kind: &str, supported: u32) -> Result<Proven<'b>, Damage> {
    if is_proven(bytes, kind, supported) == Some(true) {
        return Ok(Proven::Canonical(bytes));
    }
    open(bytes, kind, supported).map(Proven::Other)
}

/// Whether the bytes are canonical, and all of that fits; what is wrong otherwise, [`open`] says.
fn is_proven(bytes: &[u8], kind: &str, supported: u32) -> Option<bool> {
    let spelled = Spelled::of(bytes)?;
    let quoted = |member: &str| spelled.member(member)?.strip_prefix(b"\"")?.strip_suffix(b"\"");
    let version: u32 = std::str::from_utf8(spelled.member("version")?).ok()?.parse().ok()?;
    let mut hasher = blake3::Hasher::new();
    for part in spelled.without(CHECK)? {
        hasher.update(part);
    }
    let fits = quoted(CHECK)? == hasher.finalize().to_hex().as_bytes();
    Some(fits && quoted("type")? == kind.as_bytes() && (1..=supported).contains(&version))
}

/// The same of bytes in any spelling.
pub fn open(bytes: &[u8], kind: &str, supported: u32) -> Result<Value, Damage> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(json)?;
    let found = value.get("type").and_then(Value::as_str).ok_or_else(|| missing("type"))?;
    if found != kind {
        return Err(Damage::Json(format!("its type is `{found}`, not `{kind}`")));
    }
    check_version(&value, supported)?;
    take_check(&mut value)?;
    Ok(value)
}

/// Whether the check fits the rest, whatever version it is: then no flipped bit is in it.
pub fn is_intact(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|mut value| take_check(&mut value).is_ok())
}

/// Takes the check away, which has to fit the rest.
fn take_check(value: &mut Value) -> Result<(), Damage> {
    let members = value.as_object_mut().ok_or_else(not_an_object)?;
    let stated = members.remove(CHECK).ok_or_else(|| missing(CHECK))?;
    if stated.as_str() != Some(check_of(value)?.as_str()) {
        return Err(Damage::Json(format!("its `{CHECK}` does not fit the rest")));
    }
    Ok(())
}

/// The second half of [`decode`].
pub fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Damage> {
    serde_json::from_value(value).map_err(json)
}

fn check_version(value: &Value, supported: u32) -> Result<(), Damage> {
    let version = value.get("version").and_then(Value::as_u64).ok_or_else(|| missing("version"))?;
    if version == 0 {
        return Err(Damage::Json("its version is 0".to_owned()));
    }
    if version > u64::from(supported) {
        let (found, supported) = (version.to_string(), supported.to_string());
        return Err(Damage::Newer { what: "version", found, supported });
    }
    Ok(())
}

/// The hash of the canonical bytes of a value without its check.
fn check_of(value: &Value) -> Result<String, Damage> {
    Ok(blake3::hash(&canonical(value)?).to_hex().to_string())
}

fn canonical(value: &Value) -> Result<Vec<u8>, Damage> {
    if !whole_numbers_only(value) {
        return Err(Damage::Json("a number that is not whole".to_owned()));
    }
    let mut bytes = serde_json::to_vec(value).map_err(json)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Its depth is bounded by that of the parser, or of our own types.
fn whole_numbers_only(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(items) => items.iter().all(whole_numbers_only),
        Value::Object(members) => members.values().all(whole_numbers_only),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

fn missing(member: &str) -> Damage {
    Damage::Json(format!("no `{member}`, or one of another kind"))
}

fn not_an_object() -> Damage {
    Damage::Json("not an object".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn json(error: serde_json::Error) -> Damage {
    Damage::Json(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        #[serde(rename = "type")]
        kind: String,
        version: u32,
        b: u64,
        a: Vec<i64>,
    }

    fn thing() -> Thing {
        Thing { kind: "t".to_owned(), version: 1, b: u64::MAX, a: vec![-1, i64::MIN] }
    }

    /// One without numbers so long that the short way leaves them to the other.
    fn plain() -> Thing {
        Thing { b: 7, a: vec![-1, 5], ..thing() }
    }

    /// The bytes of any JSON, with a check that fits.
    fn sealed(text: &str) -> Vec<u8> {
        encode(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_sorted_and_nothing_is_wasted() {
        let text = String::from_utf8(encode(&thing()).unwrap()).unwrap();
        let start = "{\"a\":[-1,-9223372036854775808],\"b\":18446744073709551615,\"check\":\"";
        let end = "\",\"type\":\"t\",\"version\":1}\n";
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
        assert_eq!(text.len(), start.len() + 64 + end.len());
        assert_eq!(decode::<Thing>(text.as_bytes(), "t", 1), Ok(thing()));
    }

    #[test]
    fn the_check_is_the_hash_of_the_file_without_it() {
        let text = String::from_utf8(encode(&thing()).unwrap()).unwrap();
        let at = text.find("\"check\"").unwrap();
        let check = &text[at + 9..at + 73];
        let rest = text.replace(&format!("\"check\":\"{check}\","), "");
        assert_eq!(blake3::hash(rest.as_bytes()).to_hex().as_str(), check);
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        for bytes in [thing(), plain()].map(|thing| encode(&thing).unwrap()) {
            for at in 0..bytes.len() - 1 {
                for bit in 0..8 {
                    let mut bad = bytes.clone();
                    bad[at] ^= 1 << bit;
                    assert!(decode::<Thing>(&bad, "t", 1).is_err(), "byte {at}, bit {bit}");
                    assert!(prove(&bad, "t", 1).is_err(), "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn what_is_canonical_is_proven_as_it_lies_there_and_as_all_else_is() {
        let bytes = encode(&plain()).unwrap();
        assert!(matches!(prove(&bytes, "t", 1), Ok(Proven::Canonical(_))));
        let spread = String::from_utf8(bytes).unwrap().replace(',', " ,\n ");
        assert!(matches!(prove(spread.as_bytes(), "t", 1), Ok(Proven::Other(_))));
        for (kind, version) in [("u", 1), ("t", 2), ("t", 0)] {
            let bytes = encode(&Thing { kind: kind.to_owned(), version, ..plain() }).unwrap();
            assert!(prove(&bytes, "t", 1).is_err() && open(&bytes, "t", 1).is_err(), "{kind} {version}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage_before_anything_else() {
        let newer = br#"{"type":"t","version":2,"whatever":1.5}"#;
        assert!(matches!(decode::<Thing>(newer, "t", 1), Err(Damage::Newer { .. })));
        assert!(matches!(decode::<Thing>(newer, "u", 1), Err(Damage::Json(_))));
    }

    #[test]
    fn unknown_members_and_other_spellings_are_stepped_over() {
        let bytes = sealed(r#"{"type":"t","version":1,"a":[],"b":2,"zz":{"new":[true,null]}}"#);
        let spread = String::from_utf8(bytes).unwrap().replace(',', " ,\n ");
        let read: Thing = decode(spread.as_bytes(), "t", 1).unwrap();
        assert_eq!((read.b, read.a.len()), (2, 0));
    }

    #[test]
    fn what_is_no_object_of_whole_numbers_is_never_written() {
        assert!(encode(&1.5).is_err());
        assert!(encode(&[1]).is_err());
        assert!(encode(&serde_json::json!({"a": [{"b": 0.5}]})).is_err());
        assert!(encode(&serde_json::json!({"check": 1})).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode::<Value>(deep.as_bytes(), "t", 1).is_err());
    }
}
