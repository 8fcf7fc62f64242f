//! How hard a writer works: its compression, and how many workers have room in its memory.

use crate::axon::name::Store;
use crate::repo::codec::Compression;
use crate::repo::format::limits::memory;

/// How hard a writer works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// How hard to compress.
    pub compression: Compression,
    /// Bytes of memory to get along with; without it there is a worker for each core.
    pub memory: Option<u64>,
}

impl Effort {
    /// What one worker needs, with what the program needs itself.
    pub const fn least_memory(compression: Compression) -> u64 {
        memory::PROGRAM + Self::of_a_worker(compression)
    }

    const fn of_a_worker(compression: Compression) -> u64 {
        match compression {
            Compression::Raw | Compression::Fast | Compression::Default | Compression::High => memory::WORKER,
            Compression::Max => memory::WORKER_MAX,
        }
    }

    /// How many blocks are encoded at once where there are so many threads: as many as have room, at least one.
    pub fn workers(self, threads: usize) -> usize {
        let Some(memory) = self.memory else { return threads.max(1) };
        let room = memory.saturating_sub(memory::PROGRAM) / Self::of_a_worker(self.compression);
        usize::try_from(room).unwrap_or(usize::MAX).clamp(1, threads.max(1))
    }

    /// Bytes that wait before they are encoded: at least a block for each worker.
    pub(super) fn batch(self, workers: usize) -> usize {
        let block = self.compression.block_length(Store::Events);
        let block = usize::try_from(block).unwrap_or(usize::MAX);
        block.max(memory::ENCODING_BATCH).saturating_mul(workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_memory_means_fewer_workers_and_never_none() {
        let workers = |compression, mib: u64| Effort { compression, memory: Some(mib << 20) }.workers(8);
        assert_eq!(
            [0, 191, 256, 319, 320, 100_000].map(|mib| workers(Compression::Default, mib)),
            [1, 1, 2, 2, 3, 8]
        );
        assert_eq!([384, 639, 640].map(|mib| workers(Compression::Max, mib)), [1, 1, 2]);
        assert_eq!(Effort::default().workers(8), 8);
    }
}
