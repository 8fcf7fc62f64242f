//! Every bound of the format and of the program's memory, in one place.

/// A pack is finished when it has reached this size.
pub const PACK_TARGET: u64 = 64 << 20;
/// The directory of a pack is never longer than this.
pub const PACK_DIRECTORY_MAX: u64 = 64 << 20;
/// No block decodes to more than this.
pub const BLOCK_RAW_MAX: u32 = 32 << 20;
/// No block has more chunks than this.
pub const BLOCK_CHUNKS_MAX: usize = 1 << 16;
/// No chunk is larger than this.
pub const CHUNK_MAX: u32 = 24 << 20;
/// A chunk of a sealed segment is at least this long, where the segment is.
pub const SEALED_CHUNK_MIN: u64 = 4 << 20;
/// Beyond its least length a sealed chunk grows by this much on average.
pub const SEALED_CHUNK_GROWTH: u64 = 4 << 20;
/// A chunk of a sealed segment ends before the transaction that would take it past this.
pub const SEALED_CHUNK_MAX: u64 = 16 << 20;
/// The same for tails.
pub const TAIL_CHUNK_MIN: u64 = 512 << 10;
/// The same for tails.
pub const TAIL_CHUNK_GROWTH: u64 = 512 << 10;
/// The same for tails.
pub const TAIL_CHUNK_MAX: u64 = 2 << 20;
/// A transaction above this is cut inside.
pub const TRANSACTION_CUT_ABOVE: u64 = 16 << 20;
/// A transaction that is cut inside is cut every so many bytes.
pub const TRANSACTION_CUT: u64 = 8 << 20;
/// The database inside a control-db zip is cut at multiples of this.
pub const CONTROL_DB_CHUNK: usize = 16 << 10;
/// A control database above this is refused: the list of its chunks has to be a chunk itself.
pub const CONTROL_DB_MAX: u64 = 8 << 30;
/// A plain file is cut at multiples of this.
pub const FILE_CHUNK: usize = 256 << 10;
/// A leaf or node of a page tree has at least so many entries, unless it is the last one of its level.
pub const PAGE_ENTRIES_MIN: usize = 32;
/// Beyond that a leaf or node grows by this many entries on average.
pub const PAGE_ENTRIES_GROWTH: u64 = 32;
/// A leaf or node of a page tree has at most so many entries.
pub const PAGE_ENTRIES_MAX: usize = 128;
/// A leaf ends before the entry that would take it past this, unless it is its first one.
pub const PAGE_TARGET_MAX: usize = 1 << 20;
/// No page tree is higher than this.
pub const PAGE_LEVEL_MAX: u8 = 15;
/// A page, record, point or act above this is not read.
pub const SMALL_FILE_MAX: u64 = 64 << 20;
/// Names of sources and contexts are at most this long, in bytes of UTF-8.
pub const NAME_MAX: usize = 1024;
/// One mark of a time map about every so many bytes of transactions.
pub const TIME_MAP_STEP: u64 = 256 << 10;

const _: () = {
    assert!(CHUNK_MAX <= BLOCK_RAW_MAX);
    assert!(SEALED_CHUNK_MIN + SEALED_CHUNK_GROWTH <= SEALED_CHUNK_MAX);
    assert!(TAIL_CHUNK_MIN + TAIL_CHUNK_GROWTH <= TAIL_CHUNK_MAX);
    assert!(SEALED_CHUNK_MAX <= CHUNK_MAX as u64 && TRANSACTION_CUT_ABOVE <= CHUNK_MAX as u64);
    assert!(TRANSACTION_CUT <= TRANSACTION_CUT_ABOVE);
    // 36 bytes an extent, 16 in front of them.
    assert!(CONTROL_DB_MAX / CONTROL_DB_CHUNK as u64 * 36 + 16 <= CHUNK_MAX as u64);
    assert!(PAGE_ENTRIES_MIN >= 2 && PAGE_ENTRIES_MIN < PAGE_ENTRIES_MAX);
};

/// Bounds of this program's memory: no part of the format.
pub mod memory {
    /// What the program takes beside its workers.
    pub const PROGRAM: u64 = 128 << 20;
    /// What a worker takes that encodes blocks.
    pub const WORKER: u64 = 64 << 20;
    /// The same in the strongest setting.
    pub const WORKER_MAX: u64 = 256 << 20;
    /// Decoded blocks that were read last are held up to so many bytes.
    pub const BLOCK_CACHE: usize = 64 << 20;
    /// Or up to so many for each core, if that is more: two threads may read for one core, and a thread needs its block as long as it reads chunks of
    /// it.
    pub const BLOCK_CACHE_CORE: usize = 48 << 20;
    /// The same of blocks that parity made whole.
    pub const HEALED_CACHE: usize = 32 << 20;
    /// Trees that were read last are held up to about so many bytes.
    pub const TREE_CACHE: usize = 16 << 20;
    /// A transaction above this is not held in memory while it is proven: it lies in a temporary file.
    pub const SPILL_ABOVE: usize = 24 << 20;
    /// Small new chunks that belong together share blocks of about this size.
    pub const SHARED_BLOCK: usize = 8 << 20;
    /// So many bytes of new blocks are with the workers, for each of them, before one has to come back.
    pub const ENCODING_BATCH: usize = 16 << 20;
}
