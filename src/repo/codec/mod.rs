//! Codecs: what turns a block's bytes into fewer, and back. Every encoded block is decoded and compared before it counts.

use crate::repo::format::limits;
use crate::repo::format::pack::CodecId;
use std::cell::RefCell;
use zstd::bulk::Compressor;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zstd -3.
    Fast,
}

impl Compression {
    const fn level(self) -> i32 {
        match self {
            Self::Fast => 3,
        }
    }
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
    /// Written by a newer program: its codec is not known here (exit 13).
    #[error("codec {0} is not known to this program")]
    Unknown(u8),
}

/// Encodes a block; falls back to raw where that is shorter, or where the decoded bytes are not the same (which is then said by `codec`).
pub fn encode(raw: &[u8], compression: Compression) -> Encoded {
    let shorter = compress(raw, compression).filter(|bytes| bytes.len() < raw.len());
    match shorter.filter(|bytes| decodes_to(bytes, raw)) {
        Some(bytes) => Encoded { codec: CodecId::Zstd, bytes },
        None => Encoded { codec: CodecId::Raw, bytes: raw.to_vec() },
    }
}

/// Decodes a block to exactly `raw_length` bytes. Memory is bounded by `raw_length`, whatever the bytes say.
pub fn decode(codec: CodecId, bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    if raw_length > limits::BLOCK_RAW_MAX {
        return Err(CodecError::Length);
    }
    let decoded = match codec {
        CodecId::Raw => copy(bytes, raw_length)?,
        CodecId::Zstd => decompress(bytes, raw_length)?,
        CodecId::Other(number) => return Err(CodecError::Unknown(number)),
    };
    if decoded.len() as u64 == u64::from(raw_length) { Ok(decoded) } else { Err(CodecError::Length) }
}

fn decodes_to(bytes: &[u8], raw: &[u8]) -> bool {
    let length = u32::try_from(raw.len()).ok();
    length.and_then(|length| decode(CodecId::Zstd, bytes, length).ok()).is_some_and(|decoded| decoded == raw)
}

fn copy(bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    if bytes.len() as u64 == u64::from(raw_length) { Ok(bytes.to_vec()) } else { Err(CodecError::Length) }
}

thread_local! {
    /// A context takes some megabytes and is costly to make: one for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn compress(raw: &[u8], compression: Compression) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) => compressor,
            None => Compressor::new(compression.level()).ok()?,
        };
        compressor.set_compression_level(compression.level()).ok()?;
        compressor.include_checksum(false).ok()?;
        compressor.include_contentsize(true).ok()?;
        let bytes = compressor.compress(raw).ok();
        *kept = Some(compressor);
        bytes
    })
}

fn decompress(bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn length(raw: &[u8]) -> u32 {
        u32::try_from(raw.len()).unwrap()
    }

    #[test]
    fn what_repeats_gets_shorter_and_comes_back() {
        let raw = b"the same again and again, ".repeat(1000);
        let encoded = encode(&raw, Compression::Fast);
        assert_eq!(encoded.codec, CodecId::Zstd);
        assert!(encoded.bytes.len() < raw.len() / 50);
        assert_eq!(decode(encoded.codec, &encoded.bytes, length(&raw)), Ok(raw));
    }

    #[test]
    fn what_does_not_get_shorter_stays_raw() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
        for raw in [&b""[..], b"a", &noise] {
            let encoded = encode(raw, Compression::Fast);
            assert_eq!((encoded.codec, &encoded.bytes[..]), (CodecId::Raw, raw));
            assert_eq!(decode(CodecId::Raw, raw, length(raw)), Ok(raw.to_vec()));
        }
    }

    #[test]
    fn the_frame_says_its_length_and_has_no_checksum() {
        let encoded = encode(&vec![7; 100_000], Compression::Fast);
        assert_eq!(zstd_safe::get_frame_content_size(&encoded.bytes).ok(), Some(Some(100_000)));
        assert_eq!(encoded.bytes[4] & 0b100, 0, "the checksum flag of the frame header");
    }

    #[test]
    fn another_length_than_declared_is_refused() {
        let encoded = encode(&[7; 1000], Compression::Fast);
        for wrong in [0, 999, 1001, u32::MAX] {
            assert_eq!(decode(CodecId::Zstd, &encoded.bytes, wrong), Err(CodecError::Length));
            assert_eq!(decode(CodecId::Raw, b"x", wrong), Err(CodecError::Length));
        }
    }

    #[test]
    fn a_bomb_never_gets_its_memory() {
        let bomb = zstd::bulk::compress(&vec![0; 40 << 20], 3).unwrap();
        assert_eq!(decode(CodecId::Zstd, &bomb, 40 << 20), Err(CodecError::Length));
        assert_eq!(decode(CodecId::Zstd, &bomb, 1000), Err(CodecError::Length));
    }

    #[test]
    fn one_frame_and_nothing_behind_it() {
        let raw = [7; 1000];
        let frame = encode(&raw, Compression::Fast).bytes;
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        for bytes in
            [[&frame[..], &frame].concat(), [&frame[..], &skippable].concat(), [&frame[..], &[0]].concat()]
        {
            assert!(matches!(decode(CodecId::Zstd, &bytes, 1000), Err(CodecError::Undecodable(_))));
        }
        assert!(decode(CodecId::Zstd, &[&skippable[..], &frame].concat(), 1000).is_err());
    }

    #[test]
    fn damaged_frames_never_panic_and_never_change_their_length() {
        let raw = b"0123456789".repeat(300);
        let frame = encode(&raw, Compression::Fast).bytes;
        for at in 0..frame.len() {
            assert!(decode(CodecId::Zstd, &frame[..at], length(&raw)).is_err());
            for bit in 0..8 {
                let mut bad = frame.clone();
                bad[at] ^= 1 << bit;
                if let Ok(decoded) = decode(CodecId::Zstd, &bad, length(&raw)) {
                    assert_eq!(decoded.len(), raw.len());
                }
            }
        }
        assert_eq!(decode(CodecId::Zstd, &frame, length(&raw)), Ok(raw));
    }

    #[test]
    fn a_codec_of_a_newer_program_is_said() {
        assert_eq!(decode(CodecId::Other(2), b"x", 1), Err(CodecError::Unknown(2)));
    }
}
