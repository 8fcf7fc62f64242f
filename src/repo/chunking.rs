//! Where segments are cut into chunks: at transaction boundaries, at places chosen by content.
//!
//! The stored CRC-32 of a transaction decides, so that no byte is hashed twice, and the same transactions are cut at the same places
//! wherever they lie.

/// How a segment is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Chunks of about 8 MiB.
    Sealed,
    /// Chunks of about 1 MiB, so that the cost of a backup follows what is new.
    Tail,
}

/// Decides the cuts; it is told of each transaction in order. Its state depends only on what came since the last cut.
#[derive(Clone, Debug)]
pub struct Cutter {
    profile: Profile,
    /// Bytes since the last cut.
    pending: u64,
}

/// What to do with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// End the chunk under construction before this transaction.
    pub before: bool,
    /// Cut this transaction inside, every [`crate::repo::format::limits::TRANSACTION_CUT`] bytes from its beginning, and end the chunk behind it.
    pub inside: bool,
    /// End the chunk behind this transaction.
    pub after: bool,
}

impl Cutter {
    /// A cutter at the beginning of a chunk.
    pub fn new(profile: Profile) -> Self {
        Self { profile, pending: 0 }
    }

    /// The file's header joins the first chunk: `length` bytes.
    pub fn header(&mut self, length: u64) {
        self.pending = self.pending.saturating_add(length);
    }

    /// The next transaction, of `length` bytes, with its stored CRC-32.
    pub fn transaction(&mut self, length: u64, crc: u32) -> Cut {
        let _ = (length, crc, self.profile);
        todo!()
    }
}
