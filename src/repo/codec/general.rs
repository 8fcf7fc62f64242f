//! zstd, for everything: one frame a block.

use super::CodecError;
use std::cell::RefCell;
use zstd::bulk::Compressor;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;
use zstd::zstd_safe::CCtx;
use zstd::zstd_safe::CParameter;
use zstd::zstd_safe::ResetDirective;
use zstd::zstd_safe::Strategy;

thread_local! {
    /// A context takes some megabytes and is costly to make: one for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// How zstd is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As a level says.
    Zstd(i32),
    /// One table of long matches over a window of 4 MiB: what repeats in events is long. That is as small as level 3, and takes two thirds of its time.
    Events,
}

/// Below so many bytes there are not enough long matches: level 3 is smaller.
const EVENTS_MIN: usize = 256 << 10;

impl Level {
    /// What is set for so many bytes: a level, and what differs from it.
    fn parameters(self, length: usize) -> (i32, &'static [CParameter]) {
        match self {
            Self::Zstd(level) => (level, &[]),
            Self::Events if length < EVENTS_MIN => (3, &[]),
            Self::Events => (
                3,
                &[
                    CParameter::Strategy(Strategy::ZSTD_fast),
                    CParameter::WindowLog(22),
                    CParameter::HashLog(17),
                    CParameter::MinMatch(7),
                ],
            ),
        }
    }
}

/// One frame; none if zstd fails.
pub(super) fn compress(raw: &[u8], level: Level) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    compress_into(&mut frame, raw, level).map(|()| frame)
}

/// The same, in a buffer that is used anew; what is in it is forgotten.
pub(super) fn compress_into(frame: &mut Vec<u8>, raw: &[u8], level: Level) -> Option<()> {
    let (level, parameters) = level.parameters(raw.len());
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) => compressor,
            None => Compressor::new(level).ok()?,
        };
        compressor.context_mut().reset(ResetDirective::Parameters).ok()?;
        compressor.set_compression_level(level).ok()?;
        for parameter in parameters {
            compressor.set_parameter(*parameter).ok()?;
        }
        compressor.include_checksum(false).ok()?;
        compressor.include_contentsize(true).ok()?;
        frame.clear();
        frame.reserve_exact(zstd_safe::compress_bound(raw.len()));
        let packed = compressor.compress_to_buffer(raw, frame).ok();
        *kept = Some(compressor);
        packed.map(|_| ())
    })
}

/// Whether all these bytes become as long as asked for behind those that are before each, which zstd looks at, too; false if it fails.
pub(super) fn are_behind<'a>(
    mut samples: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    level: Level,
    is_as_asked: impl Fn(usize) -> bool,
) -> bool {
    // What is before is lent to this context: the one that is kept lives longer.
    let Some(mut context) = CCtx::try_create() else { return false };
    samples.all(|(before, raw)| length_behind(&mut context, (before, raw), level).is_some_and(&is_as_asked))
}

fn length_behind<'a>(
    context: &mut CCtx<'a>,
    (before, raw): (&'a [u8], &'a [u8]),
    level: Level,
) -> Option<usize> {
    let (level, parameters) = level.parameters(before.len().saturating_add(raw.len()));
    context.reset(ResetDirective::SessionAndParameters).ok()?;
    context.set_parameter(CParameter::CompressionLevel(level)).ok()?;
    for parameter in parameters {
        context.set_parameter(*parameter).ok()?;
    }
    context.ref_prefix(before).ok()?;
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(raw.len()));
    context.compress2(&mut frame, raw).ok()
}

/// Decodes one frame to exactly `raw_length` bytes, into this buffer.
pub(super) fn decompress(bytes: &[u8], raw_length: u32, mut buffer: Vec<u8>) -> Result<Vec<u8>, CodecError> {
    let length = check_frame(bytes, raw_length)?;
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = match kept.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(|error| undecodable(&error))?,
        };
        buffer.clear();
        buffer.reserve_exact(length);
        let decoded = decompressor.decompress_to_buffer(bytes, &mut buffer);
        *kept = Some(decompressor);
        decoded.map(|_| buffer).map_err(|error| undecodable(&error))
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
