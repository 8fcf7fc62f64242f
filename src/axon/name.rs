//! File names inside a context's directory, and the two stores.

use crate::axon::token::Token;
use std::fmt;

/// One of the two stores of a context. Snapshots come first: that is the order in which a backup reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Aggregate states (`.snapshots`).
    Snapshots,
    /// Events (`.events`).
    Events,
}

impl Store {
    /// Both stores, in the order of a backup.
    pub const ALL: [Self; 2] = [Self::Snapshots, Self::Events];

    /// `"snapshots"` or `"events"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What names a segment within its store: its first token, and the version that transformations count up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The first token of the segment; the number in its file name.
    pub number: Token,
    /// 0 as first written; higher after event transformations.
    pub version: u32,
}

impl SegmentName {
    /// The name of the data file in `store`: 20 digits, `_` and 5 digits of a version above 0, the store's suffix.
    pub fn file_name(self, store: Store) -> String {
        let _ = store;
        todo!()
    }
}

impl fmt::Display for SegmentName {
    /// `805`, or `805_1` for a transformed one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        if self.version > 0 { write!(f, "_{}", self.version) } else { Ok(()) }
    }
}

/// What a file in a context's directory is, told by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A segment; `digits` is 20, or 14 as Axon Server 4.0 wrote it.
    Data { store: Store, name: SegmentName, digits: u8 },
    /// An index or bloom file of a segment (`.index`, `.bloom`, `.sindex`, `.sbloom`): rebuilt by the server.
    Index { store: Store, name: SegmentName },
    /// `.nindex`, `.snindex`, `global-index-*`: never archived.
    GlobalIndex,
    /// `.transformed`, `.temp`: a transformation or an index being written.
    InProgress,
    /// A name that ends like a data file but has no number in front: a server refuses to start on it.
    Misnamed,
    /// Anything else.
    Other,
}

/// Tells what a file is by its name.
pub fn classify(file_name: &str) -> FileKind {
    let _ = file_name;
    todo!()
}
