//! Pages: a tree of segment entries per log. Leaves hold entries in the order of their keys, nodes hold pages.

use crate::repo::format::Damage;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::PageId;

/// A child of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The page.
    pub page: PageId,
    /// The key of its first entry.
    pub first: EntryKey,
    /// How many entries lie under it.
    pub entries: u64,
}

/// A page, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Entries in rising order of their keys.
    Leaf(Vec<SegmentEntry>),
    /// Pages in rising order of their first keys; all of the same `level` (1: leaves lie under it).
    Node {
        /// The level.
        level: u8,
        /// The children.
        children: Vec<Child>,
    },
}

impl Page {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads a page.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let _ = bytes;
        todo!()
    }
}

/// Cuts a sorted list of entries into the pages of a tree; calls `put` for each page's bytes (leaves first, the root last) and gives
/// the root. The same entries make the same tree; a change touches only pages near it.
pub fn build<E>(
    entries: &[SegmentEntry],
    put: &mut dyn FnMut(Vec<u8>) -> Result<PageId, E>,
) -> Result<PageId, E> {
    let _ = (entries, put);
    todo!()
}
