//! The bytes of the repository. Pure; mirrors FORMAT.md section by section.

pub mod act;
pub mod block;
pub mod config;
pub mod entry;
pub mod files;
pub mod id;
pub mod json;
pub mod layout;
pub mod limits;
pub mod moment;
pub mod pack;
pub mod pack_builder;
pub mod page;
pub mod parity;
pub mod point;
pub mod record;
mod spelling;
pub mod superset;
pub mod time_map;
pub mod wire;

/// What is wrong with bytes that should be one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes are not what they should be.
    #[error("{what} at byte {at}")]
    Bytes {
        /// Where.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The bytes have another hash than their name says.
    #[error("its hash is {found}, not what its name says")]
    Hash {
        /// The hash that was found.
        found: id::FileHash,
    },
    /// The JSON does not fit.
    #[error("{0}")]
    Json(String),
    /// Written by a newer version: exit 13.
    #[error("written in {what} {found}, this program knows {supported}")]
    Newer {
        /// What has the version or feature.
        what: &'static str,
        /// What was found.
        found: String,
        /// What is supported.
        supported: String,
    },
}
