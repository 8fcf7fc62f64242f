//! How new the data of a listing is: the newest file, the newest event.

use crate::axon::event::timestamp;
use crate::axon::segment::{Step, Transaction, Walker};
use crate::axon::token::Token;
use crate::source::error::Error;
use crate::source::listing::{Listing, StoreFile, StoreListing};
use crate::source::segment_bytes::SegmentBytes;
use crate::source::segment_bytes::open_plain;

/// How many bytes are read at once.
const WINDOW: u64 = 1 << 20;

/// Modification time of the newest data file of all contexts and stores, milliseconds since 1970.
pub(super) fn file_ms(listing: &Listing) -> Option<i64> {
    stores(listing).flat_map(|store| &store.segments).map(|file| file.modified_ns.div_euclid(1_000_000)).max()
}

/// The greatest timestamp in the newest segment with events of each store, milliseconds since 1970. Reads these segments whole.
pub(super) fn event_ms(listing: &Listing) -> Result<Option<i64>, Error> {
    let mut newest = None;
    for store in stores(listing) {
        newest = newest.max(store_event_ms(store)?);
    }
    Ok(newest)
}

fn stores(listing: &Listing) -> impl Iterator<Item = &StoreListing> {
    listing.contexts.values().flat_map(|context| [&context.snapshots, &context.events])
}

fn store_event_ms(store: &StoreListing) -> Result<Option<i64>, Error> {
    for file in store.segments.iter().rev() {
        if let Some(found) = segment_event_ms(file)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn segment_event_ms(file: &StoreFile) -> Result<Option<i64>, Error> {
    let bytes = open_plain(&file.path)?;
    greatest_timestamp(bytes.as_ref(), file.name.number)
}

/// The greatest timestamp in the valid prefix of a segment.
fn greatest_timestamp(bytes: &dyn SegmentBytes, first: Token) -> Result<Option<i64>, Error> {
    let mut walker = Walker::new(first, bytes.length());
    let mut greatest = None;
    let (mut base, mut window) = (0, window(bytes, 0, WINDOW)?);
    loop {
        let behind = usize::try_from(walker.offset() - base).unwrap_or(usize::MAX);
        match walker.step(window.get(behind..).unwrap_or_default()) {
            Step::Transaction(transaction) => greatest = greatest.max(transaction_ms(&transaction)),
            Step::End(_) => return Ok(greatest),
            Step::NeedMore(more) => {
                (base, window) = (walker.offset(), self::window(bytes, walker.offset(), more.max(WINDOW))?);
                // The file shrank meanwhile: what was read of it counts.
                if (window.len() as u64) < more {
                    return Ok(greatest);
                }
            }
        }
    }
}

fn transaction_ms(transaction: &Transaction<'_>) -> Option<i64> {
    transaction.event_bytes().filter_map(|event| timestamp(event).ok()).map(|at| at.0).max()
}

/// The bytes from `offset` on, `wanted` of them where the file has as many.
fn window(bytes: &dyn SegmentBytes, offset: u64, wanted: u64) -> Result<Vec<u8>, Error> {
    let length = wanted.min(bytes.length().saturating_sub(offset));
    let mut window = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let read = bytes.read_at(offset, &mut window)?;
    window.truncate(read);
    Ok(window)
}
