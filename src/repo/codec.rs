//! Codecs: what turns a block's bytes into fewer, and back. Every encoded block is decoded and compared before it counts.

use crate::repo::format::pack::CodecId;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zstd -3.
    Fast,
}

/// An encoded block, proven.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The codec that was used.
    pub codec: CodecId,
    /// The encoded bytes.
    pub bytes: Vec<u8>,
}

/// Why a block can't be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The encoded bytes are not what the codec writes.
    #[error("does not decode: {0}")]
    Undecodable(String),
    /// It decodes to another length than declared.
    #[error("decodes to another length than declared")]
    Length,
}

/// Encodes a block; falls back to raw where that is shorter, or where the decoded bytes are not the same (which is then said by `codec`).
pub fn encode(raw: &[u8], compression: Compression) -> Encoded {
    let _ = (raw, compression);
    todo!()
}

/// Decodes a block to exactly `raw_length` bytes. Memory is bounded by `raw_length`, whatever the bytes say.
pub fn decode(codec: CodecId, bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    let _ = (codec, bytes, raw_length);
    todo!()
}
