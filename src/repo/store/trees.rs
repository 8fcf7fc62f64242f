//! Trees that were read last, up to a number of bytes: a backup asks for the same few again and again. What is named by a hash stays what it is;
//! whoever wants to know whether its pages can still be read, as `verify` does, reads them.

use crate::repo::error::Error;
use crate::repo::format::entry::{Extent, SegmentEntry};
use crate::repo::format::id::PageId;
use crate::repo::format::limits;
use std::sync::{Arc, Mutex, PoisonError};

/// All entries of a tree, in the order of their keys.
pub type Tree = Arc<[Arc<SegmentEntry>]>;

/// A tree that is held.
#[derive(Debug)]
struct Held {
    root: PageId,
    tree: Tree,
    bytes: usize,
}

/// The trees that were read last, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Trees(Mutex<Vec<Held>>);

impl Trees {
    /// The tree with this root: one that is held, or what `read` gives.
    pub fn get(
        &self,
        root: PageId,
        read: impl FnOnce() -> Result<Vec<SegmentEntry>, Error>,
    ) -> Result<Tree, Error> {
        if let Some(tree) = self.held(root) {
            return Ok(tree);
        }
        let tree: Tree = read()?.into_iter().map(Arc::new).collect();
        self.keep(root, &tree);
        Ok(tree)
    }

    fn held(&self, root: PageId) -> Option<Tree> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|held| held.root == root).map(|held| Arc::clone(&held.tree))
    }

    fn keep(&self, root: PageId, tree: &Tree) {
        let bytes = tree.iter().map(|entry| size(entry)).fold(0, usize::saturating_add);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(Held { root, tree: Arc::clone(tree), bytes });
        while held.iter().map(|held| held.bytes).fold(0, usize::saturating_add) > limits::memory::TREE_CACHE {
            held.remove(0);
        }
    }
}

/// About what an entry takes in memory.
fn size(entry: &SegmentEntry) -> usize {
    size_of::<SegmentEntry>().saturating_add(entry.extents.len().saturating_mul(size_of::<Extent>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::entry::tests::full;

    fn root(number: u8) -> PageId {
        PageId([number; 32])
    }

    #[test]
    fn a_tree_is_read_once() {
        let trees = Trees::default();
        let first = trees.get(root(1), || Ok(vec![full(1), full(2)])).unwrap();
        let again = trees.get(root(1), || panic!("it is held")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = trees.get(root(2), || Ok(vec![full(3)])).unwrap();
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn what_can_t_be_read_is_read_again() {
        let trees = Trees::default();
        let missing = || Err(Error::Missing { path: "pages/01".to_owned() });
        assert!(trees.get(root(1), missing).is_err());
        assert_eq!(trees.get(root(1), || Ok(vec![full(1)])).unwrap().len(), 1);
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let large = || {
            let mut entry = full(1);
            entry.extents = vec![entry.extents[0]; limits::memory::TREE_CACHE / size_of::<Extent>() / 2];
            Ok(vec![entry])
        };
        let trees = Trees::default();
        for number in [1, 2] {
            let _ = trees.get(root(number), large).unwrap();
        }
        assert!(trees.held(root(1)).is_none());
        assert!(trees.held(root(2)).is_some());
    }
}
