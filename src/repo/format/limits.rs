//! Every bound of the format and of the program's memory, in one place.

/// A pack is finished when it has reached this size.
pub const PACK_TARGET: u64 = 64 << 20;
/// No block decodes to more than this.
pub const BLOCK_RAW_MAX: u32 = 32 << 20;
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
/// A control database above this is refused.
pub const CONTROL_DB_MAX: u64 = 16 << 30;
/// A leaf or node of a page tree has at most so many entries.
pub const PAGE_ENTRIES_MAX: usize = 128;
/// A page, record, point or act above this is not read.
pub const SMALL_FILE_MAX: u64 = 64 << 20;
/// One mark of a time map about every so many bytes of transactions.
pub const TIME_MAP_STEP: u64 = 256 << 10;
