//! Bytes that go through zstd, if that makes them fewer.

use crate::repo::codec::columns::Bad;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::values::varint;
use zstd::bulk::Compressor;

/// Packs bytes with zstd, one frame after the other.
pub(super) struct Packer {
    zstd: Option<Compressor<'static>>,
    frame: Vec<u8>,
}

impl Packer {
    /// At this level.
    pub(super) fn new(level: i32) -> Self {
        Self { zstd: Compressor::new(level).ok(), frame: Vec::new() }
    }

    /// Appends bytes: how many there are, then as [`Self::put_known`].
    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        put_varint(bytes.len() as u64, out);
        self.put_known(bytes, out);
    }

    /// Appends bytes: the length of a frame and the frame, or 0 and the bytes.
    pub(super) fn put_known(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let packed = self.zstd.as_mut().and_then(|zstd| zstd.compress_to_buffer(bytes, &mut self.frame).ok());
        let packed = packed.filter(|packed| *packed < bytes.len());
        put_varint(packed.unwrap_or(0) as u64, out);
        out.extend(if packed.is_some() { &self.frame } else { bytes });
    }
}

/// Takes a number.
pub(super) fn number(rest: &mut &[u8]) -> Result<usize, Bad> {
    let (value, length) = varint(rest).ok_or(Bad("no length"))?;
    *rest = rest.get(length..).unwrap_or_default();
    usize::try_from(value).map_err(|_| Bad("no length"))
}

/// Takes bytes, never more than `limit`.
pub(super) fn take(rest: &mut &[u8], limit: usize) -> Result<Vec<u8>, Bad> {
    let length = number(rest)?;
    if length > limit {
        return Err(Bad("a stream is longer than the block"));
    }
    let mut out = Vec::new();
    take_known(rest, length, &mut out)?;
    Ok(out)
}

/// Takes so many bytes and appends them.
pub(super) fn take_known(rest: &mut &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    let packed = number(rest)?;
    let taken = if packed == 0 { length } else { packed };
    let (bytes, behind) = rest.split_at_checked(taken).ok_or(Bad("it ends inside a stream"))?;
    *rest = behind;
    if packed == 0 {
        out.extend(bytes);
        return Ok(());
    }
    let from = out.len();
    out.resize(from + length, 0);
    let unpacked = zstd::bulk::decompress_to_buffer(bytes, out.get_mut(from..).unwrap_or_default());
    match unpacked.map_err(|_| Bad("a stream is no zstd"))? {
        read if read == length => Ok(()),
        _ => Err(Bad("a stream has another length")),
    }
}
