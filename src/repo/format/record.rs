//! Records: the newest one of a log says all that the archive holds of it.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::repo::format::Damage;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{FileHash, PageId};

/// What a log is: one store of one context of one source, within one incarnation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The source's name.
    pub source: String,
    /// The context.
    pub context: String,
    /// Counted from 1; both stores of a context share it.
    pub incarnation: u32,
    /// The store.
    pub store: Store,
}

impl LogKey {
    /// The log's directory under `logs/`: 32 hexadecimal digits of a hash over source, context, incarnation and store.
    pub fn directory(&self) -> String {
        todo!()
    }
}

/// Where an incarnation left its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The incarnation that it left.
    pub parent: u32,
    /// The last token of this store that both share; none if they share none.
    pub token: Option<Token>,
}

/// A record, without its number and chain: what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub key: LogKey,
    /// Set for incarnations after the first.
    pub branch: Option<Branch>,
    /// Root of the pages of all sealed segments, and of damaged copies.
    pub root: PageId,
    /// The longest prefix ever seen of each number and version that is not sealed in the pages, in the order of their keys.
    pub tails: Vec<SegmentEntry>,
}

/// A record as it stands in `logs/<log>/<number>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1.
    pub number: u64,
    /// Hash of the record before; none for the first.
    pub previous: Option<FileHash>,
    /// What it says.
    pub state: LogState,
}

impl Record {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let _ = bytes;
        todo!()
    }
}
