//! Names that are hashes, each of its own type, and the one function that makes them.

use std::fmt;
use std::str::FromStr;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl FromStr for $name {
            type Err = NotAHash;

            fn from_str(text: &str) -> Result<Self, NotAHash> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(NotAHash);
                }
                blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| NotAHash)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                "Hash".into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": "64 lower-case hexadecimal digits.", "type": "string", "pattern": "^[0-9a-f]{64}$"
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lower-case hexadecimal digits")]
pub struct NotAHash;

hash_type! {
    /// The name of a chunk: the hash of its bytes, however they are stored.
    ChunkId
}
hash_type! {
    /// The name of a pack: the hash of the file.
    PackId
}
hash_type! {
    /// The name of a page: the hash of the file.
    PageId
}
hash_type! {
    /// The hash of a numbered file (record, point, act).
    FileHash
}
hash_type! {
    /// The hash of the valid prefix of a segment, or of any other content that is archived.
    ContentHash
}

/// How names are made; written in `segvault.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Naming {
    /// Plain BLAKE3: `b3sum` proves packs and pages.
    #[serde(rename = "blake3")]
    Blake3,
}

impl Naming {
    /// A hasher for bytes that come in pieces.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Blake3 => Hasher(blake3::Hasher::new()),
        }
    }

    fn hash(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Self::Blake3 => *blake3::hash(bytes).as_bytes(),
        }
    }

    /// The name of a chunk.
    pub fn chunk(self, bytes: &[u8]) -> ChunkId {
        ChunkId(self.hash(bytes))
    }

    /// The name of a pack.
    pub fn pack(self, bytes: &[u8]) -> PackId {
        PackId(self.hash(bytes))
    }

    /// The name of a page.
    pub fn page(self, bytes: &[u8]) -> PageId {
        PageId(self.hash(bytes))
    }

    /// The hash of a numbered file.
    pub fn file(self, bytes: &[u8]) -> FileHash {
        FileHash(self.hash(bytes))
    }

    /// The hash of content.
    pub fn content(self, bytes: &[u8]) -> ContentHash {
        ContentHash(self.hash(bytes))
    }
}

/// Hashes what comes in pieces; can be asked in between.
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all so far; more may follow.
    pub fn content(&self) -> ContentHash {
        ContentHash(*self.0.finalize().as_bytes())
    }

    /// The name of a pack whose bytes these were.
    pub fn pack(&self) -> PackId {
        PackId(*self.0.finalize().as_bytes())
    }
}
