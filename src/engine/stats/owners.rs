//! Who needs which chunk and which page: one walk from each root, that turns back where it finds nothing new.

use crate::engine::content;
use crate::engine::error::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, PageId};
use crate::repo::format::page::Page;
use crate::repo::format::point::Content;
use crate::repo::store::Repository;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// Nobody, one, or more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// Nobody's.
    #[default]
    Nobody,
    /// One's.
    One(usize),
    /// More than one's.
    Many,
}

impl Whose {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (mine, Self::Nobody) => mine,
            (Self::Nobody, other) => other,
            (mine, other) if mine == other => mine,
            _ => Self::Many,
        }
    }
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// The row that what is found belongs to.
    pub row: usize,
    /// The point that keeps it; `Many` for records, which no forgetting takes; `Nobody` for what a point only saw.
    pub keeper: Whose,
    /// The point at whose time it is found.
    pub point: Option<usize>,
}

/// What is known of a chunk or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The rows that need it.
    pub row: Whose,
    /// The points that need it.
    pub keeper: Whose,
    /// The first point that was made with it.
    pub first: Option<usize>,
    /// When the last event of the segment it was found in happened.
    pub at: Option<i64>,
}

/// What was found so far.
pub struct Owners<'r> {
    repository: &'r Repository,
    /// Chunks.
    pub chunks: HashMap<ChunkId, Held>,
    /// Pages.
    pub pages: HashMap<PageId, Held>,
}

impl<'r> Owners<'r> {
    /// Nothing yet.
    pub fn new(repository: &'r Repository) -> Self {
        Self { repository, chunks: HashMap::new(), pages: HashMap::new() }
    }

    /// All of a page tree. A page that is known under the same owners is not read again.
    pub fn tree(&mut self, page: PageId, root: &Root) -> Result<(), Error> {
        if !meet(&mut self.pages, page, root, None) {
            return Ok(());
        }
        match self.repository.page(page)? {
            Page::Leaf(entries) => entries.iter().for_each(|entry| self.entry(entry, root)),
            Page::Node { children, .. } => {
                children.iter().try_for_each(|child| self.tree(child.page, root))?;
            }
        }
        Ok(())
    }

    /// The chunks of a segment.
    pub fn entry(&mut self, entry: &SegmentEntry, root: &Root) {
        let at = entry.times.map(|times| times.last.0);
        let chunks = entry.chunks();
        chunks.for_each(|chunk| _ = meet(&mut self.chunks, chunk, root, at));
    }

    /// The chunks of a file, and of the list of them.
    pub fn file(&mut self, file: &Content, root: &Root) -> Result<(), Error> {
        if !meet(&mut self.chunks, file.list, root, None) {
            return Ok(());
        }
        for extent in content::extents(self.repository, file)? {
            meet(&mut self.chunks, extent.chunk, root, None);
        }
        Ok(())
    }
}

/// Whether that is news.
fn meet<K: Eq + Hash>(known: &mut HashMap<K, Held>, key: K, root: &Root, at: Option<i64>) -> bool {
    let row = Whose::One(root.row);
    match known.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(Held { row, keeper: root.keeper, first: root.point, at });
            true
        }
        Entry::Occupied(mut occupied) => {
            let held = occupied.get_mut();
            let before = *held;
            held.row = held.row.and(row);
            held.keeper = held.keeper.and(root.keeper);
            *held != before
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Root, Whose, meet};
    use std::collections::HashMap;

    #[test]
    fn two_owners_are_many_and_the_first_point_stays_the_first() {
        let mut known = HashMap::new();
        let root = |row, keeper, point| Root { row, keeper, point };
        assert!(meet(&mut known, 'c', &root(0, Whose::Nobody, Some(3)), Some(7)));
        assert!(meet(&mut known, 'c', &root(0, Whose::One(4), Some(4)), None));
        assert!(!meet(&mut known, 'c', &root(0, Whose::One(4), Some(4)), None), "no news");
        assert!(!meet(&mut known, 'c', &root(0, Whose::Nobody, Some(5)), None), "no news either");
        let held = Held { row: Whose::One(0), keeper: Whose::One(4), first: Some(3), at: Some(7) };
        assert_eq!(known[&'c'], held);
        assert!(meet(&mut known, 'c', &root(1, Whose::Many, None), None));
        assert_eq!((known[&'c'].row, known[&'c'].keeper), (Whose::Many, Whose::Many));
    }
}
