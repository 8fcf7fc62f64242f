//! zstd, for everything: one frame a block.

use super::CodecError;
use std::cell::RefCell;
use zstd::bulk::Compressor;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

thread_local! {
    /// A context takes some megabytes and is costly to make: one for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One frame at this level; none if zstd fails.
pub(super) fn compress(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) => compressor,
            None => Compressor::new(level).ok()?,
        };
        compressor.set_compression_level(level).ok()?;
        compressor.include_checksum(false).ok()?;
        compressor.include_contentsize(true).ok()?;
        let bytes = compressor.compress(raw).ok();
        *kept = Some(compressor);
        bytes
    })
}

/// Decodes one frame to exactly `raw_length` bytes.
pub(super) fn decompress(bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    let length = check_frame(bytes, raw_length)?;
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = match kept.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(|error| undecodable(&error))?,
        };
        let decoded = decompressor.decompress(bytes, length).map_err(|error| undecodable(&error));
        *kept = Some(decompressor);
        decoded
    })
}

/// One frame, as long as its bytes, that says itself how long it decodes to. Gives the length to decode to.
fn check_frame(bytes: &[u8], raw_length: u32) -> Result<usize, CodecError> {
    let says = zstd_safe::get_frame_content_size(bytes).map_err(|_| undecodable(&"no zstd frame"))?;
    if says != Some(u64::from(raw_length)) {
        return Err(CodecError::Length);
    }
    if zstd_safe::find_frame_compressed_size(bytes).ok() != Some(bytes.len()) {
        return Err(undecodable(&"not one zstd frame"));
    }
    usize::try_from(raw_length).map_err(|_| CodecError::Length)
}

fn undecodable(why: &impl ToString) -> CodecError {
    CodecError::Undecodable(why.to_string())
}
