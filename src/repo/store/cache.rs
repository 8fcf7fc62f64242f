//! Decoded blocks that were read last, up to a number of bytes: small chunks share blocks, and a restore asks for one after the other.
//! Whoever asks for a block that somebody else is just reading waits for it: each is decoded once.

use crate::repo::error::Error;
use crate::repo::format::id::PackId;
use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A block: its pack and its number.
pub(super) type BlockName = (PackId, u32);

/// A decoded block. When nobody reads it any more, its buffer is used anew.
#[derive(Debug)]
pub(super) struct Block {
    name: BlockName,
    bytes: Vec<u8>,
    spares: Arc<Spares>,
}

impl Block {
    /// Its name.
    pub fn name(&self) -> BlockName {
        self.name
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.spares.keep(mem::take(&mut self.bytes));
    }
}

/// So many times as much room as is needed a buffer may have: chunks of sealed segments are between 4 and 16 MiB long.
const SPARE_ROOM: usize = 4;
/// So many buffers are kept that nobody uses.
const SPARES: usize = 4;
/// Beside what the cache holds, they take up to this part of it: one of the longest blocks that are usual, or some of those of `fast`.
const SPARES_OF: usize = 4;

/// Buffers of blocks that were let go of: fresh memory costs more than it takes to decode into it.
#[derive(Debug)]
struct Spares {
    limit: usize,
    held: Mutex<Vec<Vec<u8>>>,
}

impl Spares {
    /// Keeps up to `limit` bytes.
    fn new(limit: usize) -> Self {
        Self { limit, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest one that has room for so many bytes, and not for many more: what a small block holds stays small.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut held = self.held();
        let fits =
            |buffer: &Vec<u8>| (length..=length.saturating_mul(SPARE_ROOM)).contains(&buffer.capacity());
        let fitting = held.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let smallest = fitting.min_by_key(|(_, buffer)| buffer.capacity()).map(|(at, _)| at);
        smallest.map(|at| held.remove(at)).unwrap_or_default()
    }

    /// Keeps a buffer, instead of those that were not taken longest.
    fn keep(&self, buffer: Vec<u8>) {
        let mut held = self.held();
        if buffer.capacity() > 0 {
            held.push(buffer);
        }
        while held.len() > SPARES || held.iter().map(Vec::capacity).sum::<usize>() > self.limit {
            held.remove(0);
        }
    }
}

/// The blocks that were read last.
pub(super) struct BlockCache {
    limit: usize,
    held: Mutex<Held>,
    spares: Arc<Spares>,
}

/// A block, or none as long as it is being read: whoever reads it holds the lock.
type Slot = Mutex<Option<Arc<Block>>>;

struct Holding {
    slot: Arc<Slot>,
    /// What it takes, counted once it is read.
    length: usize,
    /// When it was asked for last.
    asked: u64,
}

#[derive(Default)]
struct Held {
    blocks: HashMap<BlockName, Holding>,
    /// Those that were read, by when they were asked for last.
    by_asked: BTreeMap<u64, BlockName>,
    bytes: usize,
    /// Counts the questions: the least is the block that was not asked for longest.
    asked: u64,
}

impl BlockCache {
    /// Holds up to `limit` bytes of blocks.
    pub fn new(limit: usize) -> Self {
        Self::with_spares(limit, limit / SPARES_OF)
    }

    /// The same, with up to so many bytes of buffers that nobody uses.
    fn with_spares(limit: usize, spares: usize) -> Self {
        Self { limit, held: Mutex::default(), spares: Arc::new(Spares::new(spares)) }
    }

    /// A block of `length` bytes, if it is held; else as `read` gives it, once for all who ask meanwhile. `read` gets a buffer, whose content means
    /// nothing.
    pub fn get_or(
        &self,
        name: BlockName,
        length: u32,
        read: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, Error>,
    ) -> Result<Arc<Block>, Error> {
        let slot = self.held().slot(name);
        let mut content = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = content.as_ref().filter(|block| block.len() as u64 == u64::from(length)) {
            return Ok(Arc::clone(block));
        }
        let spare = self.spares.take(usize::try_from(length).unwrap_or(usize::MAX));
        let bytes = read(spare).inspect_err(|_| self.forget(name))?;
        let block = Arc::new(Block { name, bytes, spares: Arc::clone(&self.spares) });
        *content = Some(Arc::clone(&block));
        drop(content);
        self.held().settle(name, &slot, block.bytes.capacity(), self.limit);
        Ok(block)
    }

    /// Lets go of a block.
    pub fn forget(&self, name: BlockName) {
        self.held().remove(name);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The place of a block, now the one that was asked for last.
    fn slot(&mut self, name: BlockName) -> Arc<Slot> {
        self.asked = self.asked.saturating_add(1);
        let fresh = || Holding { slot: Arc::default(), length: 0, asked: 0 };
        let holding = self.blocks.entry(name).or_insert_with(fresh);
        if self.by_asked.remove(&holding.asked).is_some() {
            self.by_asked.insert(self.asked, name);
        }
        holding.asked = self.asked;
        Arc::clone(&holding.slot)
    }

    /// Counts a block that was read, if it is not forgotten already, and lets go of others for it.
    fn settle(&mut self, name: BlockName, slot: &Arc<Slot>, length: usize, limit: usize) {
        let Some(holding) = self.blocks.get_mut(&name).filter(|holding| Arc::ptr_eq(&holding.slot, slot))
        else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(holding.length).saturating_add(length);
        holding.length = length;
        self.by_asked.insert(holding.asked, name);
        if length > limit {
            self.remove(name);
        }
        while self.bytes > limit {
            let Some((_, oldest)) = self.by_asked.first_key_value() else { break };
            self.remove(*oldest);
        }
    }

    fn remove(&mut self, name: BlockName) {
        if let Some(holding) = self.blocks.remove(&name) {
            self.bytes = self.bytes.saturating_sub(holding.length);
            self.by_asked.remove(&holding.asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn name(number: u32) -> BlockName {
        (PackId([0; 32]), number)
    }

    /// What the cache gives, and whether it had to be read.
    fn ask(cache: &BlockCache, number: u32, bytes: &[u8]) -> (u8, bool) {
        let mut was_read = false;
        let block = cache.get_or(name(number), u32::try_from(bytes.len()).unwrap(), |_| {
            was_read = true;
            Ok(bytes.to_vec())
        });
        (block.unwrap()[0], was_read)
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let cache = BlockCache::new(10);
        for number in 0..3 {
            ask(&cache, number, &[0; 4]);
            ask(&cache, 0, &[0; 4]);
        }
        assert!(!ask(&cache, 0, &[1; 4]).1);
        assert!(!ask(&cache, 2, &[1; 4]).1);
        assert_eq!(ask(&cache, 1, &[1; 4]), (1, true));
    }

    #[test]
    fn the_buffer_of_a_block_that_nobody_reads_any_more_is_used_anew() {
        let cache = BlockCache::with_spares(4, 12);
        let spare_for = |number| {
            let mut spare = Vec::new();
            let block = cache.get_or(name(number), 4, |buffer| {
                spare = buffer;
                Ok(vec![u8::try_from(number).unwrap(); 4])
            });
            (block.unwrap(), spare)
        };
        drop(spare_for(1));
        drop(spare_for(2));
        let (held, spare) = spare_for(3);
        assert_eq!(spare, [1; 4], "what was let go of");
        assert_eq!(spare_for(4).1, [2; 4]);
        assert!(spare_for(5).1.is_empty(), "not what is still read");
        assert_eq!(held[..], [3; 4]);
        cache.forget(name(5));
        assert_eq!(spare_for(6).1, [4; 4]);
        assert_eq!(spare_for(7).1, [5; 4]);
        drop(held);
        assert_eq!([spare_for(8).1, spare_for(9).1], [[6; 4], [3; 4]], "once it is read to its end");
    }

    #[test]
    fn what_is_held_is_bounded_by_what_it_takes() {
        let cache = BlockCache::new(1 << 20);
        let mut number = 0;
        let mut read = |length: u32| {
            number += 1;
            let block = cache.get_or(name(number), length, |mut buffer| {
                buffer.clear();
                buffer.resize(length as usize, 0);
                Ok(buffer)
            });
            block.unwrap()
        };
        for _ in 0..50 {
            drop(read(150 << 10));
            for _ in 0..8 {
                assert!(
                    read(1 << 10).bytes.capacity() <= SPARE_ROOM << 10,
                    "a small block in a large buffer"
                );
            }
        }
        let held = cache.held().blocks.values().map(|holding| holding.length).sum::<usize>();
        let spare = cache.spares.held().iter().map(Vec::capacity).sum::<usize>();
        assert!(held > 0 && held <= 1 << 20);
        assert!(spare > 0 && spare <= (1 << 20) / SPARES_OF);
        assert!(cache.spares.held().len() <= SPARES);
    }

    #[test]
    fn a_block_that_never_fits_pushes_nothing_out() {
        let cache = BlockCache::new(10);
        ask(&cache, 0, &[1; 10]);
        assert_eq!(ask(&cache, 1, &[2; 11]), (2, true));
        assert_eq!(ask(&cache, 1, &[3; 11]), (3, true));
        assert_eq!(ask(&cache, 0, &[4; 10]), (1, false));
        cache.forget(name(0));
        assert_eq!(ask(&cache, 0, &[5; 10]), (5, true));
    }

    #[test]
    fn a_block_of_another_length_is_read_again() {
        let cache = BlockCache::new(10);
        ask(&cache, 0, &[1; 4]);
        assert_eq!(ask(&cache, 0, &[2; 5]), (2, true));
    }

    #[test]
    fn what_failed_is_tried_again() {
        let cache = BlockCache::new(10);
        let failed = cache.get_or(name(0), 4, |_| Err(Error::Interrupted));
        assert!(matches!(failed, Err(Error::Interrupted)));
        assert_eq!(ask(&cache, 0, &[1; 4]), (1, true));
    }

    #[test]
    fn all_who_ask_at_once_get_what_one_of_them_reads() {
        let cache = BlockCache::new(10);
        let reads = AtomicU32::new(0);
        let all_are_there = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    all_are_there.wait();
                    let read = |_| {
                        reads.fetch_add(1, Ordering::Relaxed);
                        Ok(vec![7; 4])
                    };
                    assert_eq!(cache.get_or(name(0), 4, read).unwrap()[0], 7);
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
    }
}
