//! One block of a segment, read from a window of bytes: its size word, its count, its events' framing, its CRC-32.
//!
//! Nothing in here knows tokens or offsets. A number in the bytes is used only after it was compared with what is there.

use crate::axon::segment::CONTINUED_EVENTS;
use crate::axon::segment::END_LENGTH;
use crate::axon::segment::Ending;
use crate::axon::segment::Reason;
use crate::axon::segment::TRANSACTION_OVERHEAD;

/// Bytes of a transaction before its events, and of its CRC-32 behind them.
pub(super) const HEAD: usize = 7;
pub(super) const CRC: usize = 4;
/// Bytes of a size, and of an event's length.
const WORD: usize = 4;

/// What stands at the place where a block may begin.
pub(super) enum Found<'a> {
    Block { events: u16, crc: u32, bytes: &'a [u8] },
    NeedMore(u64),
    End(Ending),
}

impl Found<'_> {
    const fn stopped(reason: Reason) -> Self {
        Self::End(Ending::Stopped(reason))
    }
}

/// What a block says of itself before its events.
#[derive(Clone, Copy)]
pub(super) struct Head {
    size: i32,
    pub(super) events: u16,
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (size, behind) = bytes.split_first_chunk()?;
        let (_version, behind) = behind.split_first()?;
        let events = u16::from_be_bytes(*behind.first_chunk()?);
        Some(Self { size: i32::from_be_bytes(*size), events })
    }

    pub(super) fn block_length(self) -> Result<u64, Reason> {
        block_length(self.size)
    }
}

/// Bytes of a block whose size word is `size`: at least one event with its length has to fit.
fn block_length(size: i32) -> Result<u64, Reason> {
    match u64::try_from(size) {
        Ok(size) if size >= WORD as u64 => Ok(size + TRANSACTION_OVERHEAD),
        _ => Err(Reason::Impossible),
    }
}

/// Reads the block at the head of `window`, with `left` bytes to the end of the file.
pub(super) fn read_block(window: &[u8], left: u64) -> Found<'_> {
    if left < END_LENGTH {
        return file_end(window, left);
    }
    let Some(word) = window.first_chunk() else { return Found::NeedMore(END_LENGTH) };
    let size = match i32::from_be_bytes(*word) {
        0 => return Found::End(Ending::Open),
        -1 => return Found::End(Ending::Rolled),
        size => size,
    };
    match block_length(size) {
        Err(reason) => Found::stopped(reason),
        Ok(length) if length > left => Found::stopped(Reason::Truncated),
        Ok(length) => whole_block(window, length),
    }
}

/// Fewer bytes than an end: zeros are none, anything else is torn.
fn file_end(window: &[u8], left: u64) -> Found<'_> {
    if (window.len() as u64) < left {
        return Found::NeedMore(left);
    }
    if window.iter().all(|byte| *byte == 0) {
        return Found::End(Ending::EndOfFile);
    }
    Found::stopped(Reason::Truncated)
}

/// Checks the block of `length` bytes at the head of `window`.
fn whole_block(window: &[u8], length: u64) -> Found<'_> {
    let head = Head::read(window);
    if head.is_some_and(|head| !(1..=CONTINUED_EVENTS).contains(&head.events)) {
        return Found::stopped(Reason::Impossible);
    }
    let block = usize::try_from(length).ok().and_then(|length| window.get(..length));
    let (Some(head), Some(bytes)) = (head, block) else { return Found::NeedMore(length) };
    match checked_crc(bytes, head.events) {
        Ok(crc) => Found::Block { events: head.events, crc, bytes },
        Err(reason) => Found::stopped(reason),
    }
}

/// The stored CRC-32 of a block, if it and the framing of the events are right.
fn checked_crc(block: &[u8], events: u16) -> Result<u32, Reason> {
    let (rest, crc) = block.split_last_chunk::<CRC>().ok_or(Reason::Truncated)?;
    let area = rest.get(HEAD..).ok_or(Reason::Truncated)?;
    if !is_framed(area, events) {
        return Err(Reason::Framing);
    }
    let crc = u32::from_be_bytes(*crc);
    if crc32fast::hash(area) == crc { Ok(crc) } else { Err(Reason::Checksum) }
}

/// Whether `area` is exactly `events` events, each with its length in front.
fn is_framed(mut area: &[u8], events: u16) -> bool {
    for _ in 0..events {
        let Some((_, behind)) = split_event(area) else { return false };
        area = behind;
    }
    area.is_empty()
}

/// The first event of an events area, and what is behind it.
pub(super) fn split_event(area: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = area.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    behind.split_at_checked(length)
}
