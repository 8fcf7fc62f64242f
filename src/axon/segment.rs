//! The segment format: a header, transactions back to back, an end, zeros.
//!
//! [`Walker`] walks it in steps over any window of bytes, so that a segment of any size is read front to back in
//! bounded memory. It never panics, and never believes a number in the bytes that it has not checked against what is there.

use crate::axon::token::Token;

/// Bytes of the header: one of version, four of flags.
pub const HEADER_LENGTH: u64 = 5;
/// Bytes of a transaction besides its events: size, version, count, and the CRC-32 behind.
pub const TRANSACTION_OVERHEAD: u64 = 11;
/// A block of exactly this many events belongs together with the next one.
pub const CONTINUED_EVENTS: u16 = 32_767;
/// Bytes of the end: -1 when rolled, 0 while open.
pub const END_LENGTH: u64 = 4;

/// One block of a segment, proven by its CRC-32 and its events' framing.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Token of its first event.
    pub first_token: Token,
    /// How many events it holds (1 to 32,767).
    pub events: u16,
    /// The stored CRC-32 of its events area.
    pub crc: u32,
    /// All its bytes, from the size to the CRC.
    pub bytes: &'a [u8],
}

impl<'a> Transaction<'a> {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        todo!()
    }

    /// Token of its last event.
    pub fn last_token(&self) -> Token {
        todo!()
    }

    /// Whether it belongs together with the block behind it.
    pub fn is_continued(&self) -> bool {
        self.events == CONTINUED_EVENTS
    }

    /// The bytes of each event, in order.
    pub fn event_bytes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        std::iter::empty()
    }
}

/// Why the walk stopped before a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file ends inside the header, a size, or a transaction.
    #[error("the file ends inside it")]
    Truncated,
    /// The header's version is neither 1 nor 2.
    #[error("header version {0} is not known")]
    HeaderVersion(u8),
    /// A size below 4 that is not an end, or a count of events below 1.
    #[error("its size or its count of events is impossible")]
    Impossible,
    /// The lengths of the events do not add up to the size.
    #[error("the lengths of its events do not add up")]
    Framing,
    /// The CRC-32 does not fit.
    #[error("its CRC-32 does not fit")]
    Checksum,
    /// Tokens above `i64::MAX`.
    #[error("its tokens run past the largest one there is")]
    Tokens,
}

/// Where the valid prefix of a segment ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// -1: rolled, no longer written.
    Rolled,
    /// 0: still open.
    Open,
    /// The file ends right behind the last transaction, or is empty.
    EndOfFile,
    /// What stands here is no transaction: being written, torn, or damaged.
    Stopped(Reason),
}

/// What one step of a [`Walker`] found.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A whole transaction; the walker stands behind it.
    Transaction(Transaction<'a>),
    /// The window is too short to tell: come again with at least this many bytes from [`Walker::offset`] on.
    NeedMore(u64),
    /// The valid prefix ends at [`Walker::offset`].
    End(Ending),
}

/// Walks a segment front to back.
#[derive(Clone, Copy, Debug)]
pub struct Walker {
    offset: u64,
    token: Token,
    length: u64,
}

impl Walker {
    /// A walker at the head of a file of `length` bytes whose name says that its first token is `first`.
    pub const fn new(first: Token, length: u64) -> Self {
        Self { offset: 0, token: first, length }
    }

    /// A walker right behind a transaction known to end at `offset`, before the event with `token`.
    pub const fn resume(offset: u64, token: Token, length: u64) -> Self {
        Self { offset, token, length }
    }

    /// Where it stands: everything before is valid.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The token that the next event would have.
    pub const fn next_token(&self) -> Token {
        self.token
    }

    /// Takes one step. `window` holds the file's bytes from [`Walker::offset`] on, as many as the caller has; at offset 0 the
    /// header is stepped over together with the first transaction. A file whose first bytes up to 9 are all zero
    /// ends at offset 0 with [`Ending::Open`] (preallocated, never written); an empty one with [`Ending::EndOfFile`].
    pub fn step<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let _ = window;
        todo!()
    }
}
