//! Event columns: a block of transactions as what is new in them.
//!
//! Events are taken apart into values; each value belongs to a column (a field of the envelope, a key of the metadata, a payload type
//! and a key in it), and is given as shortly as what is known allows: the same as one before, a step from one before, a word that is
//! known. What remains goes through a range coder; random bits lie beside it, long values and literals go through zstd.
//!
//! Pure functions. Writing is deterministic. Reading is bounded by the declared length, and no bytes make it panic. FORMAT.md
//! ("Event columns") says everything that a reader has to do.

#![expect(
    clippy::cast_possible_truncation,
    reason = "widths are part of the format; the writer is proven by decoding"
)]

mod bits;
mod coder;
mod column;
mod envelope;
mod fields;
mod finder;
mod get;
mod grammar;
mod lex;
mod logistic;
mod mixed;
mod packed;
mod model;
mod parse;
mod predict;
mod put;
mod read;
mod shape;
mod slots;
mod span;
mod spell;
mod streams;
mod symbol;
mod text;
mod values;
mod write;

use crate::repo::codec::columns::coder::*;
use crate::repo::codec::columns::packed::Packer;
use streams::*;

/// Of zstd, for streams: most of what is in them has no matches.
const STREAMS_LEVEL: i32 = 1;
use crate::repo::codec::columns::mixed::Mixed;
use crate::repo::codec::columns::slots::Slots;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::values::varint;
use crate::repo::format::limits;

/// Why bytes are no columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Bad(pub(super) &'static str);

/// How probable decisions are thought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By their own slot.
    Plain,
    /// By several situations, mixed: shorter, and slower.
    Mixed,
    /// Not at all: streams.
    Streams,
}

/// A block as columns; none if it is not made of transactions. Literals and long values go through zstd at this level. That it can be
/// read again is for the caller to prove.
pub fn encode(raw: &[u8], mode: Mode, level: i32) -> Option<Vec<u8>> {
    if raw.len() > limits::BLOCK_RAW_MAX as usize {
        return None;
    }
    match mode {
        Mode::Plain => decided::<Slots>(raw, level),
        Mode::Mixed => decided::<Mixed>(raw, level),
        Mode::Streams => streamed(raw, level),
    }
}

fn decided<P: Predict>(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let mut packer = Packer::new(level);
    let (coder, texts, _) = write::write(raw, Writer::<P>::new(raw.len()))?;
    let (coded, bits, _) = coder.finish();
    let mut out = texts.packed(&mut packer);
    put_varint(bits.len() as u64, &mut out);
    out.extend(&bits);
    out.extend(&coded);
    Some(out)
}

fn streamed(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let (coder, texts, _) = write::write(raw, StreamWriter::new())?;
    let mut out = texts.packed(&mut Packer::new(level));
    coder.finish(&mut Packer::new(STREAMS_LEVEL), raw.len(), &mut out)?;
    Some(out)
}

/// The block of `raw_length` bytes that columns stand for.
pub fn decode(bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    decode_into(Vec::new(), bytes, mode, raw_length)
}

/// The same, in a buffer that is used anew; what is in it is forgotten.
pub fn decode_into(buffer: Vec<u8>, bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    let mut rest = bytes;
    let (literals, values) = (packed::take(&mut rest, raw_length)?, packed::take(&mut rest, raw_length)?);
    let texts = read::Texts { literals: &literals, values: &values };
    if mode == Mode::Streams {
        return read::read(StreamReader::new(rest, raw_length)?, texts, raw_length, buffer);
    }
    let length = packed::number(&mut rest)?;
    let (raw, coded) = rest.split_at_checked(length).ok_or(Bad("it ends inside the raw bits"))?;
    match mode {
        Mode::Mixed => read::read(Reader::<Mixed>::new(coded, raw, raw_length), texts, raw_length, buffer),
        _ => read::read(Reader::<Slots>::new(coded, raw, raw_length), texts, raw_length, buffer),
    }
}
