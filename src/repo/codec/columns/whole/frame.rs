//! What surrounds events: transactions, and which events are carried raw. Shared by writer and reader.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::symbol::Number;

/// A transaction without its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) events: u16,
    pub(super) version: u8,
    /// The CRC-32, if it is not that of the events.
    pub(super) wrong_crc: Option<u32>,
}

/// What is known of transactions.
#[derive(Debug)]
pub(super) struct Frames {
    is_version: u32,
    is_crc: u32,
    is_raw: u32,
    counts: Number,
    lengths: Number,
    version: u8,
}

impl Frames {
    pub(super) fn new<C: Coder>(coder: &mut C) -> Self {
        let flags = coder.allocate(0, 3);
        let (counts, lengths) = Default::default();
        Self { is_version: flags, is_crc: flags + 1, is_raw: flags + 2, counts, lengths, version: 2 }
    }

    /// Codes a transaction; none if what is read has too many events.
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, frame: &Frame) -> Option<Frame> {
        let events = u16::try_from(self.counts.code(coder, u64::from(frame.events))).ok()?;
        if !coder.bit(self.is_version, frame.version == self.version) {
            self.version = coder.raw(8, u64::from(frame.version)) as u8;
        }
        let is_right = coder.bit(self.is_crc, frame.wrong_crc.is_none());
        let wrong_crc =
            (!is_right).then(|| coder.raw(32, u64::from(frame.wrong_crc.unwrap_or_default())) as u32);
        Some(Frame { events, version: self.version, wrong_crc })
    }

    /// Codes whether an event is carried raw, and how long it is then.
    pub(super) fn code_raw<C: Coder>(&mut self, coder: &mut C, length: Option<u32>) -> Option<u32> {
        let is_raw = coder.bit(self.is_raw, length.is_some());
        is_raw.then(|| {
            let length = self.lengths.code(coder, u64::from(length.unwrap_or_default()));
            u32::try_from(length).unwrap_or(u32::MAX)
        })
    }
}
