//! Whole columns: the values of a block, one column after the other.
//!
//! The other codecs go through a block event by event, and have what is known of all columns at hand all the time. Here a block is taken apart
//! first; then each key's values are gone through from the first event to the last, with what is known of that key alone, which stays in a near
//! cache. What is said of a column as a whole (what its values are guessed by, what its numbers are counted from) is said once, in the head.
//!
//! Symbols are bytes in streams, as in [`streams`](super::streams); texts are [`Words`](super::text).

mod aggregates;
mod choose;
mod fields;
mod frame;
mod get;
mod guess;
mod head;
mod join;
mod kinds;
mod link;
mod op;
mod put;
mod read;
mod rows;
#[cfg(test)]
mod sample;
mod scan;
mod sheet;
mod spans;
mod steps;
mod walk;
mod write;

pub(super) use read::decode;
pub(super) use write::account;
pub(super) use write::encode;
pub(super) use write::weight;

/// None of what is numbered.
const NONE: u32 = u32::MAX;
/// The column of aggregates: one row for each, where it comes first.
const AGGREGATE: u32 = 0;
/// The column of messages: one row for each event.
const MESSAGE: u32 = 1;
/// Columns of a block.
const COLUMNS_MAX: usize = 1 << 13;
/// Literals of a block.
const LITERALS_MAX: usize = 1 << 15;
/// Kinds of events of a block.
const KINDS_MAX: usize = 1 << 12;
/// What a head may be longer than its block.
const HEAD_MORE: usize = 1 << 16;

/// Bytes of memory that a writer may take to look at a block, about: what is more than that is coded event by event, which takes less. No events
/// that gain by whole columns come near it.
const WEIGHT_MAX: usize = 24 << 20;

/// The most values of a block of so many bytes: what is known of one takes three times as much as that.
const fn values_max(raw_length: usize) -> usize {
    raw_length / 12 + (1 << 16)
}

/// The most events of a block of so many bytes, but for those that are carried raw.
const fn events_max(raw_length: usize) -> usize {
    raw_length / 32 + (1 << 12)
}
