//! Bytes that go through zstd, if that makes them fewer.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::values::varint;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Cursor;
use zstd::bulk::Compressor;
use zstd::bulk::Decompressor;

thread_local! {
    /// A block has hundreds of frames, and a context is costly to make: one for each thread.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// High levels take three times as much memory as the bytes have. So many of them in one block are hardly what these levels gain much of: long
/// values, of which most are random.
const LONG: usize = 8 << 20;
const LEVEL_OF_LONG: i32 = 12;
/// High levels look for long in noise (payloads that are encrypted or compressed) and find nothing; this one passes it over.
const LEVEL_OF_NOISE: i32 = 3;
/// Shorter bytes don't take long.
const NOISE_MIN: usize = 1 << 20;
/// So many parts of so many bytes are looked at, to see whether all is noise: none of them gets shorter by so much as one of so many bytes.
const GLANCES: usize = 4;
const GLANCE: usize = 16 << 10;
const SHORTER_BY: usize = 32;

/// Packs bytes with zstd, one frame after the other.
pub(super) struct Packer {
    level: i32,
    zstd: Option<Compressor<'static>>,
}

impl Packer {
    /// At this level.
    pub(super) fn new(level: i32) -> Self {
        Self { level, zstd: Compressor::new(level).ok() }
    }

    /// Appends bytes: how many there are, then as [`Self::put_known`].
    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let level = self.level_for(bytes);
        if self.zstd.as_mut().is_some_and(|zstd| zstd.set_compression_level(level).is_err()) {
            self.zstd = None;
        }
        put_varint(bytes.len() as u64, out);
        self.put_known(bytes, out);
    }

    fn level_for(&self, bytes: &[u8]) -> i32 {
        if is_noise(bytes) {
            self.level.min(LEVEL_OF_NOISE)
        } else if bytes.len() > LONG {
            self.level.min(LEVEL_OF_LONG)
        } else {
            self.level
        }
    }

    /// Appends bytes: the length of a frame and the frame, or 0 and the bytes.
    pub(super) fn put_known(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        // The frame is made where it will lie: beside it, it might take as much as the block. Its length is at most this one's.
        put_varint(bytes.len() as u64, out);
        let behind = out.len();
        if let Some(packed) = self.frame(bytes, out).filter(|packed| *packed < bytes.len()) {
            let mut length = Vec::new();
            put_varint(packed as u64, &mut length);
            out.splice(from..behind, length);
        } else {
            out.truncate(from);
            out.push(0);
            out.extend(bytes);
        }
    }

    /// Appends a frame, and gives its length.
    fn frame(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let mut behind = Cursor::new(std::mem::take(out));
        behind.set_position(behind.get_ref().len() as u64);
        let packed = self.zstd.as_mut().and_then(|zstd| zstd.compress_to_buffer(bytes, &mut behind).ok());
        *out = behind.into_inner();
        packed
    }
}

/// Whether these are many bytes, of which zstd makes no fewer.
fn is_noise(bytes: &[u8]) -> bool {
    let is_noise = |part: &[u8]| {
        let glance = part.get(..GLANCE).unwrap_or(part);
        let packed = zstd::bulk::compress(glance, 1);
        packed.is_ok_and(|packed| packed.len() > glance.len() - glance.len() / SHORTER_BY)
    };
    bytes.len() >= NOISE_MIN && bytes.chunks_exact(bytes.len() / GLANCES).all(is_noise)
}

/// Takes a number.
pub(super) fn number(rest: &mut &[u8]) -> Result<usize, Bad> {
    let (value, length) = varint(rest).ok_or(Bad("no length"))?;
    *rest = rest.get(length..).unwrap_or_default();
    usize::try_from(value).map_err(|_| Bad("no length"))
}

/// Takes bytes, never more than `limit`. What is not packed is left where it is.
pub(super) fn take<'a>(rest: &mut &'a [u8], limit: usize) -> Result<Cow<'a, [u8]>, Bad> {
    let length = number(rest)?;
    if length > limit {
        return Err(Bad("a stream is too long"));
    }
    if let Some((0, behind)) = rest.split_first() {
        let (bytes, behind) = behind.split_at_checked(length).ok_or(ENDS)?;
        *rest = behind;
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::new();
    take_known(rest, length, &mut out)?;
    Ok(Cow::Owned(out))
}

const ENDS: Bad = Bad("it ends inside a stream");

/// Takes so many bytes and appends them. Whoever calls bounds them: that much memory is taken for a frame, whatever it holds.
pub(super) fn take_known(rest: &mut &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    let packed = number(rest)?;
    let taken = if packed == 0 { length } else { packed };
    let (bytes, behind) = rest.split_at_checked(taken).ok_or(ENDS)?;
    *rest = behind;
    if packed == 0 {
        out.extend(bytes);
        return Ok(());
    }
    let from = out.len();
    out.resize(from.saturating_add(length), 0);
    match unpack(bytes, out.get_mut(from..).unwrap_or_default()) {
        Some(read) if read == length => Ok(()),
        Some(_) => Err(Bad("a stream has another length")),
        None => Err(Bad("a stream is no zstd")),
    }
}

/// How many bytes a frame stands for; none if it is none, or of more than there is room for.
fn unpack(frame: &[u8], out: &mut [u8]) -> Option<usize> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = kept.take().or_else(|| Decompressor::new().ok())?;
        let read = decompressor.decompress_to_buffer(frame, out).ok();
        *kept = Some(decompressor);
        read
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_shorter_is_a_frame_and_all_else_lies_there_as_it_is() {
        let (mut packer, mut out) = (Packer::new(3), Vec::new());
        let parts = [b"the same ".repeat(100), b"short".to_vec(), Vec::new(), b"again ".repeat(100)];
        for part in &parts {
            packer.put(part, &mut out);
        }
        assert!(out.len() < 100);
        let mut rest = &out[..];
        for part in &parts {
            let taken = take(&mut rest, part.len()).unwrap();
            assert_eq!(&taken[..], &part[..]);
            // Noise may be as long as the block: it is not held twice.
            assert_eq!(matches!(taken, Cow::Borrowed(_)), part.len() < 10);
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn only_what_is_noise_everywhere_is_passed_over() {
        let mut random = fastrand::Rng::with_seed(6);
        let noise: Vec<u8> = (0..NOISE_MIN).map(|_| random.u8(..)).collect();
        let levels = |bytes: &[u8]| [1, 6, 19].map(|level| Packer::new(level).level_for(bytes));
        assert_eq!(levels(&noise), [1, 3, 3]);
        assert_eq!(levels(&noise[1..]), [1, 6, 19], "too short to take long");
        for part in 0..GLANCES {
            let mut mixed = noise.clone();
            mixed.chunks_exact_mut(NOISE_MIN / GLANCES).nth(part).unwrap()[..GLANCE / 8].fill(b' ');
            assert_eq!(levels(&mixed), [1, 6, 19], "{part}");
        }
        assert_eq!(levels(&noise.repeat(9)), [1, 3, 3]);
        assert_eq!(levels(&vec![b' '; LONG + 1]), [1, 6, 12]);
    }

    #[test]
    fn lengths_are_compared_before_there_is_memory_for_them() {
        let (mut packer, mut out) = (Packer::new(3), Vec::new());
        packer.put(&[7; 1000], &mut out);
        assert_eq!(take(&mut &out[..], 999), Err(Bad("a stream is too long")));
        assert_eq!(take(&mut &out[..out.len() - 1], 1000), Err(Bad("it ends inside a stream")));
        // The frame is of another length than it should be.
        for wrong in [999, 1001] {
            assert!(take_known(&mut &out[2..], wrong, &mut Vec::new()).is_err(), "{wrong}");
        }
        assert_eq!(
            take(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0][..], 9),
            Err(Bad("a stream is too long"))
        );
        assert_eq!(take(&mut &[5, 9, 1, 2, 3][..], 5), Err(Bad("it ends inside a stream")));
        assert_eq!(take(&mut &[5, 3, 1, 2, 3][..], 5), Err(Bad("a stream is no zstd")));
    }
}
