//! Decoded blocks that were read last, up to a number of bytes: small chunks share blocks, and a restore asks for one after the other.

use crate::repo::format::id::PackId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A block: its pack and its number.
pub(super) type BlockName = (PackId, u32);

/// The blocks that were read last.
pub(super) struct BlockCache {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    blocks: HashMap<BlockName, (u64, Arc<Vec<u8>>)>,
    bytes: usize,
    /// Counts the reads: the least is the block that was not asked for longest.
    reads: u64,
}

impl BlockCache {
    /// Holds up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::default() }
    }

    /// A block, if it is held.
    pub fn get(&self, name: BlockName) -> Option<Arc<Vec<u8>>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.reads = held.reads.saturating_add(1);
        let now = held.reads;
        let (read, block) = held.blocks.get_mut(&name)?;
        *read = now;
        Some(Arc::clone(block))
    }

    /// Holds a block, and lets go of others for it.
    pub fn put(&self, name: BlockName, block: &Arc<Vec<u8>>) {
        if block.len() > self.limit {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(name);
        while held.bytes.saturating_add(block.len()) > self.limit {
            let Some(oldest) = held.blocks.iter().min_by_key(|(_, (read, _))| *read).map(|(name, _)| *name)
            else {
                break;
            };
            held.remove(oldest);
        }
        held.reads = held.reads.saturating_add(1);
        held.bytes = held.bytes.saturating_add(block.len());
        let read = held.reads;
        held.blocks.insert(name, (read, Arc::clone(block)));
    }

    /// Lets go of a block.
    pub fn forget(&self, name: BlockName) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl Held {
    fn remove(&mut self, name: BlockName) {
        if let Some((_, block)) = self.blocks.remove(&name) {
            self.bytes = self.bytes.saturating_sub(block.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> BlockName {
        (PackId([0; 32]), number)
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let cache = BlockCache::new(10);
        for number in 0..3 {
            cache.put(name(number), &Arc::new(vec![0; 4]));
            cache.get(name(0));
        }
        assert!(cache.get(name(0)).is_some());
        assert!(cache.get(name(1)).is_none());
        assert!(cache.get(name(2)).is_some());
    }

    #[test]
    fn a_block_that_never_fits_pushes_nothing_out() {
        let cache = BlockCache::new(10);
        cache.put(name(0), &Arc::new(vec![0; 10]));
        cache.put(name(0), &Arc::new(vec![1; 10]));
        cache.put(name(1), &Arc::new(vec![0; 11]));
        assert_eq!(cache.get(name(0)).map(|block| block[0]), Some(1));
        cache.forget(name(0));
        assert!(cache.get(name(0)).is_none());
    }
}
