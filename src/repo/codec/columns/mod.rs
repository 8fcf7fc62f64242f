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

mod account;
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
mod model;
mod parse;
mod predict;
mod put;
mod read;
mod shape;
mod slots;
mod span;
mod spell;
mod symbol;
mod text;
mod values;
mod write;

use crate::repo::codec::columns::account::Counted;
pub use crate::repo::codec::columns::account::Spent;
use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Predict;
use crate::repo::codec::columns::column::Columns;
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
}

/// A block as columns; none if it is not made of transactions. Literals and long values go through zstd at this level. That it can be
/// read again is for the caller to prove.
pub fn encode(raw: &[u8], mode: Mode, level: i32) -> Option<Vec<u8>> {
    if raw.len() > limits::BLOCK_RAW_MAX as usize {
        return None;
    }
    let streams = match mode {
        Mode::Plain => write::write::<Slots>(raw)?,
        Mode::Mixed => write::write::<Mixed>(raw)?,
    };
    let mut out = Vec::new();
    for stream in [&streams.literals, &streams.values] {
        let packed = zstd::bulk::compress(stream, level).ok().filter(|packed| packed.len() < stream.len());
        put_varint(stream.len() as u64, &mut out);
        put_varint(packed.as_ref().map_or(0, Vec::len) as u64, &mut out);
        out.extend(packed.as_ref().unwrap_or(stream));
    }
    put_varint(streams.raw.len() as u64, &mut out);
    out.extend(&streams.raw);
    out.extend(&streams.coded);
    Some(out)
}

/// Where the bits of a block go: scope and key of each column, and what is spent for it; the most first. None if it is not made of
/// transactions.
pub fn account(raw: &[u8], mode: Mode) -> Option<Vec<(String, Spent)>> {
    let (streams, spent, columns) = match mode {
        Mode::Plain => counted::<Slots>(raw)?,
        Mode::Mixed => counted::<Mixed>(raw)?,
    };
    let names = columns.names();
    let name = |account| match account {
        Account::Envelope => "sequence numbers, timestamps, shapes".to_owned(),
        Account::Literals => "literals: which one follows".to_owned(),
        Account::Column(column) => {
            let name = names.get(column as usize).cloned().unwrap_or_default();
            format!("{} / {}", name.0, name.1)
        }
    };
    let mut all: Vec<_> = spent.into_iter().map(|(account, spent)| (name(account), spent)).collect();
    for (name, stream) in
        [("literals, before zstd", &streams.literals), ("long values, before zstd", &streams.values)]
    {
        all.push((name.to_owned(), Spent { times: 1, decided: 0.0, raw: stream.len() as u64 * 8 }));
    }
    all.sort_by(|a, b| b.1.bits().total_cmp(&a.1.bits()));
    Some(all)
}

type Counts = std::collections::BTreeMap<Account, Spent>;

fn counted<P: Predict>(raw: &[u8]) -> Option<(write::Streams, Counts, Columns)> {
    let (streams, counted, columns) = write::write_all::<Counted<P>>(raw)?;
    Some((streams, counted.spent, columns))
}

/// The block of `raw_length` bytes that columns stand for.
pub fn decode(bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    decode_into(Vec::new(), bytes, mode, raw_length)
}

/// The same, in a buffer that is used anew; what is in it is forgotten.
pub fn decode_into(buffer: Vec<u8>, bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    let mut rest = bytes;
    let literals = stream(&mut rest, raw_length)?;
    let values = stream(&mut rest, raw_length)?;
    let length = number(&mut rest)?;
    let (raw, coded) = rest.split_at_checked(length).ok_or(Bad("it ends inside the raw bits"))?;
    let streams = read::Streams { coded, raw, literals: &literals, values: &values };
    match mode {
        Mode::Plain => read::read::<Slots>(streams, raw_length, buffer),
        Mode::Mixed => read::read::<Mixed>(streams, raw_length, buffer),
    }
}

fn number(rest: &mut &[u8]) -> Result<usize, Bad> {
    let (value, length) = varint(rest).ok_or(Bad("no length"))?;
    *rest = rest.get(length..).unwrap_or_default();
    usize::try_from(value).map_err(|_| Bad("no length"))
}

/// A stream, never longer than the block itself.
fn stream(rest: &mut &[u8], raw_length: usize) -> Result<Vec<u8>, Bad> {
    let length = number(rest)?;
    let packed = number(rest)?;
    if length > raw_length {
        return Err(Bad("a stream is longer than the block"));
    }
    let taken = if packed == 0 { length } else { packed };
    let (bytes, behind) = rest.split_at_checked(taken).ok_or(Bad("it ends inside a stream"))?;
    *rest = behind;
    if packed == 0 {
        return Ok(bytes.to_vec());
    }
    let unpacked = zstd::bulk::decompress(bytes, length).map_err(|_| Bad("a stream is no zstd"))?;
    if unpacked.len() == length { Ok(unpacked) } else { Err(Bad("a stream has another length")) }
}
