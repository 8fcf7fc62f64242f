//! `segvault.json`: what a repository is. Written once.

use crate::repo::format::Damage;
use crate::repo::format::id::Naming;
use crate::repo::format::moment::Moment;
use serde::{Deserialize, Serialize};

/// The `type` in `segvault.json`.
pub const TYPE: &str = "segvault.repository";
/// The version of the repository's format that this program writes.
pub const VERSION: u32 = 1;

/// The configuration of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// 32 random hexadecimal digits.
    pub id: String,
    /// When it was made.
    pub at: Moment,
    /// How names are made.
    pub naming: Naming,
    /// Features that a program must know to read or write here; an unknown one means: hands off (exit 13).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

impl Config {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads it; refuses newer versions and unknown features.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let _ = bytes;
        todo!()
    }
}
