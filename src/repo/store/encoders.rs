//! Blocks that are encoded while others are still collected.
//!
//! They come back in the order in which they were given: the same blocks make the same packs, however many workers there are, and
//! whoever of them is done first.

use crate::repo::codec;
use crate::repo::codec::Encoded;
use crate::repo::store::effort::Effort;
use crate::repo::store::waiting::Waiting;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// A block, and what became of it: none if its bytes are not any more what they were when they got their names.
pub(super) type Done = (Waiting, Option<Encoded>);

/// A block that was given to a worker. A worker that panics says so.
struct Job {
    length: usize,
    done: Receiver<thread::Result<Done>>,
}

/// Workers that encode, and what they have to do.
#[derive(Default)]
pub(super) struct Encoders {
    effort: Effort,
    workers: usize,
    /// Made with the first block: most runs have few.
    pool: Option<ThreadPool>,
    jobs: VecDeque<Job>,
    bytes: usize,
}

impl Encoders {
    /// A worker for each thread.
    pub fn new() -> Self {
        Self { workers: rayon::current_num_threads(), ..Self::default() }
    }

    /// How hard they work.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// They work harder or less from here on, as many of them as have room in the memory.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
        self.workers = effort.workers(rayon::current_num_threads());
        // Those who are at work end with what they have.
        self.pool = None;
    }

    /// Bytes of blocks that were not taken back yet.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether so much waits that some has to be taken back before more is given.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.effort.batch(self.workers)
    }

    /// Gives a block to be encoded.
    pub fn give(&mut self, block: Waiting) {
        let length = block.raw().len();
        let (sender, done) = mpsc::sync_channel(1);
        let compression = self.effort.compression;
        let work = move || {
            let one = || {
                let encoded = codec::encode(block.raw(), compression);
                let intact = block.is_intact();
                // It may wait for others now: without its own bytes, which lie in the encoded ones.
                (block.without_raw(), intact.then_some(encoded))
            };
            // Nobody waits any more where the run has ended.
            let _ = sender.send(panic::catch_unwind(AssertUnwindSafe(one)));
        };
        match self.pool() {
            Some(pool) => pool.spawn(work),
            None => work(),
        }
        self.bytes = self.bytes.saturating_add(length);
        self.jobs.push_back(Job { length, done });
    }

    /// The block that was given first, once it is encoded; none if there is none.
    pub fn take(&mut self) -> Option<Done> {
        let job = self.jobs.pop_front()?;
        self.bytes = self.bytes.saturating_sub(job.length);
        // What was given is never taken for nothing: chunks in it may be vouched for.
        let lost = || Err(Box::new("a worker ended without a word") as Box<dyn Any + Send>);
        Some(job.done.recv().unwrap_or_else(|_| lost()).unwrap_or_else(|why| panic::resume_unwind(why)))
    }

    /// Threads of their own: whoever gives blocks may be a thread of the common pool, and waits for them.
    fn pool(&mut self) -> Option<&ThreadPool> {
        if self.pool.is_none() {
            let name = |number| format!("encode-{number}");
            // Without threads, whoever gives a block encodes it.
            self.pool = ThreadPoolBuilder::new().num_threads(self.workers).thread_name(name).build().ok();
        }
        self.pool.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::Naming;
    use crate::repo::format::pack::PackKind;

    fn block(of: u8, length: usize) -> Waiting {
        let raw = vec![of; length];
        let chunk = (Naming::Blake3.chunk(&raw), u32::try_from(length).unwrap());
        Waiting::of(PackKind::Tail, vec![chunk], raw)
    }

    #[test]
    fn blocks_come_back_in_the_order_in_which_they_were_given() {
        let mut encoders = Encoders::new();
        // The first ones take longest.
        let lengths = [2_000_000, 500_000, 1000, 10, 1];
        for (of, length) in (0..).zip(lengths) {
            encoders.give(block(of, length));
        }
        assert_eq!(encoders.bytes(), lengths.iter().sum::<usize>());
        for (of, length) in (0..).zip(lengths) {
            let (block, encoded) = encoders.take().unwrap();
            let (encoded, raw) = (encoded.unwrap(), vec![of; length]);
            let length = u32::try_from(length).unwrap();
            assert_eq!(block.chunks, [(Naming::Blake3.chunk(&raw), length)]);
            assert_eq!(codec::decode(encoded.codec, &encoded.bytes, length).unwrap(), raw);
            assert!(block.raw().is_empty(), "nobody needs them any more");
        }
        assert_eq!(encoders.bytes(), 0);
        assert!(encoders.take().is_none());
    }

    #[test]
    fn more_is_given_until_each_worker_has_a_batch() {
        let mut encoders = Encoders::new();
        encoders.set_effort(Effort { memory: Some(0), ..Effort::default() });
        let batch = encoders.effort().batch(1);
        encoders.give(block(1, batch - 1));
        assert!(!encoders.is_full());
        encoders.give(block(2, 1));
        assert!(encoders.is_full());
        encoders.take().unwrap();
        assert!(!encoders.is_full());
    }

    #[test]
    fn a_change_of_effort_loses_nothing_that_was_given() {
        let mut encoders = Encoders::new();
        for of in 0..20 {
            encoders.give(block(of, 300_000));
            encoders.set_effort(Effort::default());
        }
        for of in 0..20 {
            let (done, given) = (encoders.take().unwrap().0, block(of, 300_000));
            assert_eq!(done.chunks, given.chunks);
        }
    }

    #[test]
    fn a_bit_that_flips_while_a_block_waits_is_seen() {
        for at in [0, 999] {
            let mut flipped = block(3, 1000);
            flipped.flip(at);
            let mut encoders = Encoders::new();
            encoders.give(flipped);
            assert!(encoders.take().unwrap().1.is_none());
        }
    }
}
