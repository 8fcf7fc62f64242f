//! Event columns: a block of transactions as what is new in them.
//!
//! Events are taken apart into values; each value belongs to a column (a field of the envelope, a key of the metadata, a payload type
//! and a key in it), and is given as shortly as what is known allows: the same as one before, a step from one before, a word that is
//! known. What remains goes through a range coder, or as bytes through zstd; random bits lie beside it, long values and literals go through
//! zstd.
//!
//! Pure functions. Writing is deterministic. Reading is bounded by the declared length, and no bytes make it panic. FORMAT.md
//! ("Event columns") says everything that a reader has to do.

#![expect(
    clippy::cast_possible_truncation,
    reason = "widths are part of the format; the writer is proven by decoding"
)]

mod account;
mod bits;
mod coder;
mod column;
mod envelope;
mod fields;
mod finder;
mod follows;
mod get;
mod grammar;
mod groups;
mod lex;
mod logistic;
mod mixed;
mod model;
mod packed;
mod parse;
mod predict;
mod put;
mod read;
mod runs;
mod shape;
mod slots;
mod span;
mod spell;
mod streams;
mod symbol;
mod text;
mod values;
mod whole;
mod write;

use crate::repo::codec::columns::account::Counted;
pub use crate::repo::codec::columns::account::Spent;
use crate::repo::codec::columns::account::StreamCounter;
use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Predict;
use crate::repo::codec::columns::coder::Reader;
use crate::repo::codec::columns::coder::Source;
use crate::repo::codec::columns::coder::Writer;
use crate::repo::codec::columns::column::Columns;
use crate::repo::codec::columns::mixed::Full;
use crate::repo::codec::columns::mixed::Lean;
use crate::repo::codec::columns::mixed::Sparing;
use crate::repo::codec::columns::slots::Slots;
use crate::repo::codec::columns::streams::StreamReader;
use crate::repo::codec::columns::streams::StreamWriter;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::write::Texts;
use crate::repo::format::limits;
use std::collections::BTreeMap;

/// Why bytes are no columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Bad(pub(super) &'static str);

/// How symbols are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As decisions, each as probable as its own slot says.
    Plain,
    /// As decisions, each as probable as several situations say, mixed: shorter, and slower. No setting writes it any more.
    Mixed,
    /// As bytes of streams that go through zstd: longer, and faster.
    Streams,
    /// Mixed, of fewer situations: nearly as short, and faster. No setting writes it any more.
    Lean,
    /// As bytes of streams, each column as a whole: shorter than streams event by event, and faster.
    Whole,
    /// Mixed, of fewer situations, and only where that paid: hardly longer, and faster still.
    Sparing,
}

/// A block as columns; none if it is not made of transactions. Literals and long values go through zstd at this level. That it can be
/// read again is for the caller to prove.
pub fn encode(raw: &[u8], mode: Mode, level: i32) -> Option<Vec<u8>> {
    if raw.len() > limits::BLOCK_RAW_MAX as usize {
        return None;
    }
    match mode {
        Mode::Plain => decided::<Slots>(raw, level),
        Mode::Mixed => decided::<Full>(raw, level),
        Mode::Streams => streamed(raw, level),
        Mode::Lean => decided::<Lean>(raw, level),
        Mode::Whole => whole::encode(raw, level),
        Mode::Sparing => decided::<Sparing>(raw, level),
    }
}

fn decided<P: Predict>(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let (writer, texts, _) = write::write(raw, Writer::<P>::new(raw.len()))?;
    let (coded, bits, _) = writer.finish();
    let mut out = texts.packed(level);
    put_varint(bits.len() as u64, &mut out);
    out.extend(&bits);
    out.extend(&coded);
    Some(out)
}

fn streamed(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    let (writer, texts, _) = write::write(raw, StreamWriter::default())?;
    let mut out = texts.packed(level);
    writer.finish(raw.len(), &mut out)?;
    Some(out)
}

/// Bytes of memory that a block takes while it is encoded as whole columns, besides itself, about; none if it is not made of transactions, or too much
/// for that.
pub fn weight(raw: &[u8]) -> Option<usize> {
    whole::weight(raw)
}

/// Where the bits of a block go: scope and key of each column, and what is spent for it; the most first. None if it is not made of
/// transactions.
pub fn account(raw: &[u8], mode: Mode) -> Option<Vec<(String, Spent)>> {
    let Counts { spent, names, texts } = match mode {
        Mode::Plain => counted::<Slots>(raw)?,
        Mode::Mixed => counted::<Full>(raw)?,
        Mode::Streams => counted_streams(raw)?,
        Mode::Lean => counted::<Lean>(raw)?,
        Mode::Whole => whole::account(raw)?,
        Mode::Sparing => counted::<Sparing>(raw)?,
    };
    let name = |account| match account {
        Account::Envelope => "sequence numbers, timestamps, shapes".to_owned(),
        Account::Literals => "literals: which one follows".to_owned(),
        Account::Column(column) => {
            let name = names.get(column as usize).cloned().unwrap_or_default();
            format!("{} / {}", name.0, name.1)
        }
    };
    let mut all: Vec<_> = spent.into_iter().map(|(account, spent)| (name(account), spent)).collect();
    for (name, length) in ["literals, before zstd", "long values, before zstd"].into_iter().zip(texts) {
        all.push((name.to_owned(), Spent { times: 1, decided: 0.0, raw: length as u64 * 8 }));
    }
    all.sort_by(|a, b| b.1.bits().total_cmp(&a.1.bits()));
    Some(all)
}

/// What is spent; the scope and the key of each column; the lengths of literals and of long values.
struct Counts {
    spent: BTreeMap<Account, Spent>,
    names: Vec<(String, String)>,
    texts: [usize; 2],
}

impl Counts {
    fn new(spent: BTreeMap<Account, Spent>, columns: &Columns, texts: &Texts) -> Self {
        Self { spent, names: columns.names(), texts: [texts.literals.len(), texts.values.len()] }
    }
}

fn counted<P: Predict>(raw: &[u8]) -> Option<Counts> {
    let (writer, texts, columns) = write::write(raw, Writer::<Counted<P>>::new(raw.len()))?;
    let (_, _, counted) = writer.finish();
    Some(Counts::new(counted.spent, &columns, &texts))
}

fn counted_streams(raw: &[u8]) -> Option<Counts> {
    let (counter, texts, columns) = write::write(raw, StreamCounter::new())?;
    Some(Counts::new(counter.finish(), &columns, &texts))
}

/// The block of `raw_length` bytes that columns stand for.
pub fn decode(bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    decode_into(Vec::new(), bytes, mode, raw_length)
}

/// The same, in a buffer that is used anew; what is in it is forgotten.
pub fn decode_into(buffer: Vec<u8>, bytes: &[u8], mode: Mode, raw_length: usize) -> Result<Vec<u8>, Bad> {
    if raw_length > limits::BLOCK_RAW_MAX as usize {
        return Err(Bad("it is longer than a block can be"));
    }
    match mode {
        Mode::Plain => decode_decided::<Slots>(buffer, bytes, raw_length),
        Mode::Mixed => decode_decided::<Full>(buffer, bytes, raw_length),
        Mode::Streams => decode_with(bytes, raw_length, buffer, |rest| StreamReader::new(rest, raw_length)),
        Mode::Lean => decode_decided::<Lean>(buffer, bytes, raw_length),
        Mode::Whole => whole::decode(bytes, raw_length, buffer),
        Mode::Sparing => decode_decided::<Sparing>(buffer, bytes, raw_length),
    }
}

fn decode_decided<P: Predict>(buffer: Vec<u8>, bytes: &[u8], raw_length: usize) -> Result<Vec<u8>, Bad> {
    decode_with(bytes, raw_length, buffer, |rest| decisions::<P>(rest, raw_length))
}

/// With what reads what lies behind literals and values.
fn decode_with<'a, S: Source>(
    bytes: &'a [u8],
    raw_length: usize,
    buffer: Vec<u8>,
    source: impl FnOnce(&'a [u8]) -> Result<S, Bad>,
) -> Result<Vec<u8>, Bad> {
    let mut rest = bytes;
    let (literals, values) = (packed::take(&mut rest, raw_length)?, packed::take(&mut rest, raw_length)?);
    let texts = read::Texts { literals: &literals, values: &values };
    read::read(source(rest)?, texts, raw_length, buffer)
}

fn decisions<P: Predict>(mut rest: &[u8], raw_length: usize) -> Result<Reader<'_, P>, Bad> {
    let length = packed::number(&mut rest)?;
    let (raw, coded) = rest.split_at_checked(length).ok_or(Bad("it ends inside the raw bits"))?;
    Ok(Reader::new(coded, raw, raw_length))
}
