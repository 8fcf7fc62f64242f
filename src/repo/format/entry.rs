//! Segment entries: what the archive knows of one segment.

use crate::axon::name::SegmentName;
use crate::axon::segment::Reason;
use crate::axon::time::Times;
use crate::axon::token::Token;
use crate::repo::format::id::{ChunkId, ContentHash};

/// A run of a segment's bytes, stored as one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its length in bytes, at least 1.
    pub length: u32,
}

/// What stands behind the last transaction, as a restore writes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// 0: open.
    Open,
    /// -1: rolled.
    Rolled,
    /// Nothing: the file ends there.
    EndOfFile,
}

/// Why a stored segment is not whole: where the good prefix ends. The stored bytes go on behind it, as they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong right behind the good prefix (at [`SegmentEntry::logical_end`]).
    pub reason: Reason,
}

/// One segment of a log, sealed (in pages) or not (a tail, in records).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Number and version.
    pub name: SegmentName,
    /// Bytes of the valid prefix: where its last whole transaction ends.
    pub logical_end: u64,
    /// Bytes stored: `logical_end`, or more if there is a flaw.
    pub stored_length: u64,
    /// Length of the file at the source.
    pub file_length: u64,
    /// What stood behind the prefix.
    pub end: End,
    /// Set for a damaged copy, which is kept as it was found.
    pub flaw: Option<Flaw>,
    /// Modification time of the file when it was read, nanoseconds since 1970: a hint, never proof.
    pub modified_ns: i64,
    /// Events in the valid prefix.
    pub events: u64,
    /// Transactions in the valid prefix.
    pub transactions: u64,
    /// Times of these events; none without events, or where events are not readable (encrypting transformer).
    pub times: Option<Times>,
    /// Hash of the valid prefix; of all stored bytes if there is a flaw.
    pub content: ContentHash,
    /// Where the stored bytes are, in order; their lengths add up to `stored_length`.
    pub extents: Vec<Extent>,
    /// The chunk with the time map, if there is one.
    pub time_map: Option<ChunkId>,
}

/// What orders entries in a tree and makes them one and the same: good copies before damaged ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey {
    /// Number and version.
    pub name: SegmentName,
    /// None for the good copy (there is one), the content for a damaged one (there may be several).
    pub flawed: Option<ContentHash>,
}

impl SegmentEntry {
    /// Its key.
    pub fn key(&self) -> EntryKey {
        EntryKey { name: self.name, flawed: self.flaw.map(|_| self.content) }
    }

    /// Token of its last event; none if it has none.
    pub fn last_token(&self) -> Option<Token> {
        self.next_token().filter(|_| self.events > 0).and_then(Token::before)
    }

    /// The token that the next segment begins with. None if that would pass the largest token.
    pub fn next_token(&self) -> Option<Token> {
        self.name.number.plus(self.events)
    }
}
