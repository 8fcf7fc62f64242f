//! Codecs: what turns a block's bytes into fewer, and back. Every encoded block is decoded and compared before it counts.

pub mod columns;
mod general;
mod look;
#[cfg(test)]
pub mod sample;

pub use look::{Look, Looker};

use crate::axon::name::Store;
use crate::repo::codec::columns::Mode;
use crate::repo::codec::general::Level;
use crate::repo::format::limits;
use crate::repo::format::pack::CodecId;
use serde::Serialize;
use std::cell::Cell;

/// How hard to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Nothing is compressed: what deduplication alone saves.
    Raw,
    /// zstd, as small as its level 3 and faster.
    Fast,
    /// Event columns, quick to write and to read; zstd -3 for what is no events.
    #[default]
    Default,
    /// Event columns with a coder that learns; zstd -3 for what is no events.
    High,
    /// Event columns with a mixing coder, stronger zstd inside and as the fallback, and larger blocks.
    Max,
}

impl Compression {
    /// All of them: each works harder than those before.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Fast, Self::Default, Self::High, Self::Max];

    /// What a pack's header says of it. 0 is also what a writer says that tells nothing. The order of the numbers is not that of the
    /// settings: one came later.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Fast => 1,
            Self::Default => 2,
            Self::High => 4,
            Self::Max => 3,
        }
    }

    /// The setting with this number; none if a newer program wrote it.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.number() == number)
    }

    /// What counts for a block of this codec, in a pack whose header says this. Packs of former programs say less than is true: what `high` is now
    /// was the default once, and copies were called that whatever they were of.
    pub fn said_of(number: u8, codec: CodecId) -> u8 {
        Self::of(number).map_or(number, |said| said.max(Self::least_of(codec)).number())
    }

    /// The least setting that makes such blocks.
    const fn least_of(codec: CodecId) -> Self {
        match codec {
            CodecId::Raw | CodecId::Zstd | CodecId::Other(_) => Self::Raw,
            CodecId::StreamedColumns | CodecId::WholeColumns => Self::Default,
            CodecId::Columns => Self::High,
            CodecId::MixedColumns | CodecId::LeanColumns | CodecId::SparingColumns => Self::Max,
        }
    }

    /// How zstd is asked where there are no columns.
    const fn level(self) -> Level {
        match self {
            Self::Raw | Self::Fast => Level::Events,
            Self::Default | Self::High => Level::Zstd(3),
            Self::Max => Level::Zstd(12),
        }
    }

    /// The level of zstd for what is in columns and not predicted: literals, long values.
    const fn inner_level(self) -> i32 {
        match self {
            Self::Raw | Self::Fast | Self::Default | Self::High => 6,
            Self::Max => 19,
        }
    }

    /// The columns that it makes: the first ones that a block can be made of.
    const fn columns(self) -> &'static [(CodecId, Mode)] {
        match self {
            Self::Raw | Self::Fast => &[],
            Self::Default => {
                &[(CodecId::WholeColumns, Mode::Whole), (CodecId::StreamedColumns, Mode::Streams)]
            }
            Self::High => &[(CodecId::Columns, Mode::Plain)],
            Self::Max => &[(CodecId::SparingColumns, Mode::Sparing)],
        }
    }

    /// Chunks of sealed segments are joined into blocks of up to so many bytes. Snapshots gain most by what came before: the same aggregate's
    /// last one.
    pub const fn block_length(self, store: Store) -> u32 {
        match (self, store) {
            (Self::Raw | Self::Fast, Store::Events) => 8 << 20,
            (Self::Raw | Self::Fast, Store::Snapshots) | (Self::Default | Self::High, _) => 16 << 20,
            (Self::Max, _) => limits::BLOCK_RAW_MAX,
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

/// Encodes a block: the shortest of what the setting allows. What is not shorter than raw, or does not decode to the same bytes, does
/// not count; which one it became is said by `codec`. The same input gives the same bytes.
pub fn encode(raw: &[u8], compression: Compression) -> Encoded {
    if compression == Compression::Raw {
        return Encoded { codec: CodecId::Raw, bytes: raw.to_vec() };
    }
    let columns = compression.columns().iter().find_map(|(codec, mode)| {
        // What the last block was decoded into is memory that this one needs first.
        drop(BUFFER.take());
        proven(*codec, columns::encode(raw, *mode, compression.inner_level()), raw)
    });
    match columns {
        Some(columns) if is_surely_shorter(&columns, raw) => columns,
        columns => {
            let length = columns.as_ref().map_or(raw.len(), |columns| columns.bytes.len());
            let general = proven(CodecId::Zstd, general_below(length, raw, compression.level()), raw);
            general.or(columns).unwrap_or_else(|| Encoded { codec: CodecId::Raw, bytes: raw.to_vec() })
        }
    }
}

/// What zstd makes of a block, if that is shorter than so many bytes.
fn general_below(length: usize, raw: &[u8], level: Level) -> Option<Vec<u8>> {
    let mut buffer = BUFFER.take();
    let packed = general::compress_into(&mut buffer, raw, level);
    let bytes = packed.filter(|()| buffer.len() < length).map(|()| buffer.clone());
    BUFFER.set(buffer);
    bytes
}

thread_local! {
    /// What zstd writes to, and what a block is decoded into, to be compared: fresh memory each time would cost more than that.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that are shorter than raw and decode to it.
fn proven(codec: CodecId, bytes: Option<Vec<u8>>, raw: &[u8]) -> Option<Encoded> {
    let length = u32::try_from(raw.len()).ok()?;
    let mut bytes = bytes.filter(|bytes| bytes.len() < raw.len())?;
    // It may wait for others now: without the room that it grew into.
    bytes.shrink_to_fit();
    let decoded = decode_into(BUFFER.take(), codec, &bytes, length).ok()?;
    let same = decoded == raw;
    BUFFER.set(decoded);
    same.then_some(Encoded { codec, bytes })
}

/// Of how many parts of a block zstd is asked what it would make of all; how much of the block each one is, and how long at most; and how much before
/// each is looked at, too, since what repeats may be far away.
const SAMPLES: usize = 3;
const SAMPLE_OF: usize = 16;
const SAMPLE_MAX: usize = 128 << 10;
const BEFORE: usize = 3 << 20;
/// Shorter blocks are tried whole.
const SAMPLED_MIN: usize = 512 << 10;

/// Whether columns are so much shorter that zstd need not be tried on all of the block: by a third, whichever part of it is looked at.
fn is_surely_shorter(columns: &Encoded, raw: &[u8]) -> bool {
    if raw.len() < SAMPLED_MIN {
        return false;
    }
    let length = (raw.len() / SAMPLE_OF).min(SAMPLE_MAX);
    let samples = (1..=SAMPLES).map(|part| sample(raw, raw.len() / SAMPLES * part, length));
    let is_shorter = |packed| {
        // What zstd would make of the block, if it were everywhere as it is there.
        let expected = packed as u64 * raw.len() as u64 / length as u64;
        columns.bytes.len() as u64 * 3 < expected * 2
    };
    general::are_behind(samples, Level::Events, is_shorter)
}

/// So many bytes of a block before `end`, and those before them.
fn sample(raw: &[u8], end: usize, length: usize) -> (&[u8], &[u8]) {
    let from = end.saturating_sub(length);
    let part = |from, to| raw.get(from..to).unwrap_or_default();
    (part(from.saturating_sub(BEFORE), from), part(from, end))
}

/// Decodes a block to exactly `raw_length` bytes. Memory is bounded by `raw_length`, whatever the bytes say.
pub fn decode(codec: CodecId, bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    decode_into(Vec::new(), codec, bytes, raw_length)
}

/// The same, in a buffer that is used anew if the codec can; what is in it is forgotten.
pub fn decode_into(
    buffer: Vec<u8>,
    codec: CodecId,
    bytes: &[u8],
    raw_length: u32,
) -> Result<Vec<u8>, CodecError> {
    if raw_length > limits::BLOCK_RAW_MAX {
        return Err(CodecError::Length);
    }
    let decoded = match codec {
        CodecId::Raw => copy(bytes, raw_length)?,
        CodecId::Zstd => general::decompress(bytes, raw_length, buffer)?,
        CodecId::Columns => decode_columns(buffer, bytes, Mode::Plain, raw_length)?,
        CodecId::MixedColumns => decode_columns(buffer, bytes, Mode::Mixed, raw_length)?,
        CodecId::StreamedColumns => decode_columns(buffer, bytes, Mode::Streams, raw_length)?,
        CodecId::LeanColumns => decode_columns(buffer, bytes, Mode::Lean, raw_length)?,
        CodecId::WholeColumns => decode_columns(buffer, bytes, Mode::Whole, raw_length)?,
        CodecId::SparingColumns => decode_columns(buffer, bytes, Mode::Sparing, raw_length)?,
        CodecId::Other(number) => return Err(CodecError::Unknown(number)),
    };
    if decoded.len() as u64 == u64::from(raw_length) { Ok(decoded) } else { Err(CodecError::Length) }
}

fn decode_columns(buffer: Vec<u8>, bytes: &[u8], mode: Mode, raw_length: u32) -> Result<Vec<u8>, CodecError> {
    let length = usize::try_from(raw_length).map_err(|_| CodecError::Length)?;
    columns::decode_into(buffer, bytes, mode, length).map_err(|bad| CodecError::Undecodable(bad.to_string()))
}

fn copy(bytes: &[u8], raw_length: u32) -> Result<Vec<u8>, CodecError> {
    if bytes.len() as u64 == u64::from(raw_length) { Ok(bytes.to_vec()) } else { Err(CodecError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::sample::numbers;
    use zstd::zstd_safe;

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
    fn fast_is_smaller_than_level_three_where_there_is_enough_text() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut line = || {
            let (message, aggregate, amount) = (random.u128(..), random.u8(..), random.u32(..1_000_000));
            format!(
                "{{\"message\":\"{message:032x}\",\"aggregate\":\"account-{aggregate}\",\"amount\":{amount}}}"
            )
        };
        let raw: Vec<u8> = std::iter::repeat_with(|| line().into_bytes()).take(20_000).flatten().collect();
        let three = |raw: &[u8]| zstd::bulk::compress(raw, 3).unwrap();
        assert!(encode(&raw, Compression::Fast).bytes.len() < three(&raw).len());
        assert_eq!(encode(&raw[..100_000], Compression::Fast).bytes, three(&raw[..100_000]));
        // The parameters of one block are not those of the next one.
        assert_eq!(encode(&raw[..300_000], Compression::Default).bytes, three(&raw[..300_000]));
    }

    #[test]
    fn what_waits_for_others_takes_no_more_room_than_it_has_bytes() {
        let raw = include_bytes!("../../../fuzz/corpus/columns-again/json");
        for compression in [Compression::Fast, Compression::Default, Compression::Max] {
            let encoded = encode(raw, compression);
            assert_eq!(encoded.bytes.capacity(), encoded.bytes.len(), "{compression:?}");
        }
    }

    #[test]
    fn what_repeats_from_far_away_takes_no_more_than_with_zstd() {
        let mut random = fastrand::Rng::with_seed(4);
        let (once, new) = (numbers(&mut random, 300_000), numbers(&mut random, 1_500_000));
        let again = once.repeat(5);
        let three = zstd::bulk::compress(&again, 3).unwrap().len();
        let encoded = encode(&again, Compression::Default);
        assert!(encoded.bytes.len() <= three, "{} {three}", encoded.bytes.len());
        // Wherever it is that columns are the longer ones.
        for raw in [[&new[..], &again].concat(), [&again[..], &new].concat()] {
            let three = zstd::bulk::compress(&raw, 3).unwrap().len();
            let encoded = encode(&raw, Compression::Default);
            assert!(encoded.bytes.len() <= three, "{} {three}", encoded.bytes.len());
        }
        // What is new everywhere is seen to be shorter as columns.
        let encoded = encode(&new, Compression::Default);
        assert_eq!(encoded.codec, CodecId::WholeColumns);
        assert!(is_surely_shorter(&encoded, &new) && !is_surely_shorter(&encoded, &again));
        // So it is in shorter blocks, but for those that are tried whole.
        for (length, is_sampled) in [(SAMPLED_MIN, true), (SAMPLED_MIN - 1, false)] {
            let (new, again) = (&new[..length], &again[..length]);
            let encoded = encode(new, Compression::Default);
            assert_eq!(encoded.codec, CodecId::WholeColumns);
            assert_eq!(is_surely_shorter(&encoded, new), is_sampled);
            assert!(!is_surely_shorter(&encoded, again));
        }
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
    fn settings_rise_and_have_numbers_of_their_own() {
        assert!(Compression::ALL.is_sorted_by(|one, next| one < next));
        assert_eq!(Compression::ALL.map(Compression::number), [0, 1, 2, 4, 3]);
        assert_eq!([0, 1, 2, 4, 3].map(Compression::of), Compression::ALL.map(Some));
        assert_eq!([5, 255].map(Compression::of), [None; 2]);
    }

    #[test]
    fn a_codec_of_a_newer_program_is_said() {
        assert_eq!(decode(CodecId::Other(9), b"x", 1), Err(CodecError::Unknown(9)));
    }

    #[test]
    fn what_does_not_decode_to_the_very_bytes_does_not_count() {
        let raw = vec![7; 1000];
        let packed = |raw: &[u8]| general::compress(raw, Compression::Fast.level());
        assert!(proven(CodecId::Zstd, packed(&raw), &raw).is_some());
        let mut other = raw.clone();
        other[500] ^= 1;
        for wrong in [packed(&other), packed(&raw[1..]), Some(vec![1, 2, 3])] {
            assert!(proven(CodecId::Zstd, wrong, &raw).is_none());
        }
    }
}
