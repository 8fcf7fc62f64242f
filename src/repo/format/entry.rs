//! Segment entries: what the archive knows of one segment.

use crate::axon::name::SegmentName;
use crate::axon::segment::CONTINUED_EVENTS;
use crate::axon::segment::Reason;
use crate::axon::time::Times;
use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use crate::repo::format::Damage;
use crate::repo::format::id::{ChunkId, ContentHash};
use crate::repo::format::limits;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;

/// The first bytes of a list of extents that is a chunk of its own.
pub const LIST_MAGIC: [u8; 8] = *b"SEGVLIST";
/// The version of such lists that this program writes.
pub const LIST_VERSION: u16 = 1;

const EXTENT_LENGTH: usize = 36;
/// The least bytes that an entry takes.
pub(crate) const ENTRY_LENGTH_LEAST: usize = 100;
const HAS_TIMES: u8 = 1;
const HAS_TIME_MAP: u8 = 2;

/// A run of a segment's bytes, stored as one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its length in bytes, at least 1.
    pub length: u32,
}

/// What stands behind the last transaction, as a restore writes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// 0: open.
    Open,
    /// -1: rolled.
    Rolled,
    /// Nothing: the file ends there.
    EndOfFile,
}

/// Why a stored segment is not whole: where the good prefix ends. The stored bytes go on behind it, as they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong right behind the good prefix (at [`SegmentEntry::logical_end`]).
    pub reason: Reason,
}

/// One segment of a log, sealed (in pages) or not (a tail, in records).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Number and version.
    pub name: SegmentName,
    /// Bytes of the valid prefix: where its last whole transaction ends.
    pub logical_end: u64,
    /// Bytes stored: `logical_end`, or more if there is a flaw.
    pub stored_length: u64,
    /// Length of the file at the source.
    pub file_length: u64,
    /// What stood behind the prefix.
    pub end: End,
    /// Set for a damaged copy, which is kept as it was found.
    pub flaw: Option<Flaw>,
    /// Modification time of the file when it was read, nanoseconds since 1970: a hint, never proof.
    pub modified_ns: i64,
    /// Events in the valid prefix.
    pub events: u64,
    /// Transactions in the valid prefix.
    pub transactions: u64,
    /// Times of these events; none without events, or where events are not readable (encrypting transformer).
    pub times: Option<Times>,
    /// Hash of the valid prefix; of all stored bytes if there is a flaw.
    pub content: ContentHash,
    /// Where the stored bytes are, in order; their lengths add up to `stored_length`.
    pub extents: Vec<Extent>,
    /// The chunk with the time map, if there is one.
    pub time_map: Option<ChunkId>,
}

/// What orders entries in a tree and makes them one and the same: good copies before damaged ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey {
    /// Number and version.
    pub name: SegmentName,
    /// None for the good copy (there is one), the content for a damaged one (there may be several).
    pub flawed: Option<ContentHash>,
}

impl SegmentEntry {
    /// Its key.
    pub fn key(&self) -> EntryKey {
        EntryKey { name: self.name, flawed: self.flaw.map(|_| self.content) }
    }

    /// All chunks that it needs: its bytes, then its map of times.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> {
        self.extents.iter().map(|extent| extent.chunk).chain(self.time_map)
    }

    /// Token of its last event; none if it has none.
    pub fn last_token(&self) -> Option<Token> {
        self.next_token().filter(|_| self.events > 0).and_then(Token::before)
    }

    /// The token that the next segment begins with. None if that would pass the largest token.
    pub fn next_token(&self) -> Option<Token> {
        self.name.number.plus(self.events)
    }
}

impl EntryKey {
    /// The least key there can be.
    pub const LEAST: Self = Self { name: SegmentName { number: Token::ZERO, version: 0 }, flawed: None };

    /// The bytes of a key: in nodes, and under the hash that decides where pages end.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u64("number", self.name.number.get());
        writer.u32("version", self.name.version);
        writer.u8("flawed", u8::from(self.flawed.is_some()));
        if let Some(content) = &self.flawed {
            writer.array("content", &content.0);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let name = read_name(reader)?;
        let flawed = match reader.u8()? {
            0 => None,
            1 => Some(ContentHash(reader.array()?)),
            _ => return Err(reader.damage("a key that is neither good nor flawed")),
        };
        Ok(Self { name, flawed })
    }
}

impl SegmentEntry {
    /// Whether this entry keeps all rules that a reader holds it to: says which one it breaks.
    pub fn check(&self) -> Result<(), &'static str> {
        check_lengths(self)?;
        check_counts(self)?;
        check_times(self)?;
        check_extents(&self.extents, self.stored_length)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let (flaw, detail) = self.flaw.map_or((0, 0), |flaw| reason_code(flaw.reason));
        writer.u64("number", self.name.number.get());
        writer.u32("version", self.name.version);
        writer.u8("end", end_code(self.end));
        writer.u8("flaw", flaw);
        writer.u8("flaw detail", detail);
        writer.u8("flags", flags(self));
        writer.u64("logical end", self.logical_end);
        writer.u64("stored length", self.stored_length);
        writer.u64("file length", self.file_length);
        writer.i64("modified", self.modified_ns);
        writer.u64("events", self.events);
        writer.u64("transactions", self.transactions);
        writer.array("content", &self.content.0);
        if let Some(times) = &self.times {
            write_times(writer, times);
        }
        if let Some(chunk) = &self.time_map {
            writer.array("time map", &chunk.0);
        }
        write_extents(writer, &self.extents);
    }

    /// Reads an entry, and holds it to its rules.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let name = read_name(reader)?;
        let end = read_end(reader)?;
        let flaw = read_flaw(reader)?;
        let flags = reader.u8()?;
        reader.check(flags & !(HAS_TIMES | HAS_TIME_MAP) == 0, "flags that are not known")?;
        let entry = Self {
            name,
            end,
            flaw,
            logical_end: reader.u64()?,
            stored_length: reader.u64()?,
            file_length: reader.u64()?,
            modified_ns: reader.i64()?,
            events: reader.u64()?,
            transactions: reader.u64()?,
            content: ContentHash(reader.array()?),
            times: if flags & HAS_TIMES == 0 { None } else { Some(read_times(reader)?) },
            time_map: if flags & HAS_TIME_MAP == 0 { None } else { Some(ChunkId(reader.array()?)) },
            extents: read_extents(reader)?,
        };
        entry.check().map_err(|what| reader.damage(what))?;
        Ok(entry)
    }
}

fn check_lengths(entry: &SegmentEntry) -> Result<(), &'static str> {
    let fits = match entry.flaw {
        Some(_) => entry.logical_end <= entry.stored_length,
        None => entry.logical_end == entry.stored_length,
    };
    if fits { Ok(()) } else { Err("a valid prefix that does not fit what is stored") }
}

fn check_counts(entry: &SegmentEntry) -> Result<(), &'static str> {
    if entry.next_token().is_none() {
        return Err("tokens past the largest one");
    }
    let most = entry.transactions.saturating_mul(u64::from(CONTINUED_EVENTS));
    if entry.transactions > entry.events || entry.events > most {
        return Err("events that do not fit the transactions");
    }
    Ok(())
}

fn check_times(entry: &SegmentEntry) -> Result<(), &'static str> {
    let Some(times) = &entry.times else { return Ok(()) };
    if entry.events == 0 {
        return Err("times without events");
    }
    let within = times.least..=times.greatest;
    if within.contains(&times.first) && within.contains(&times.last) {
        Ok(())
    } else {
        Err("times outside the least and the greatest")
    }
}

/// Every extent is within the limits, and they add up to `length`.
fn check_extents(extents: &[Extent], length: u64) -> Result<(), &'static str> {
    if extents.iter().any(|extent| !(1..=limits::CHUNK_MAX).contains(&extent.length)) {
        return Err("an extent that is empty or too long");
    }
    if extents.iter().map(|extent| u64::from(extent.length)).sum::<u64>() != length {
        return Err("extents that do not add up to what is stored");
    }
    Ok(())
}

fn flags(entry: &SegmentEntry) -> u8 {
    let times = if entry.times.is_some() { HAS_TIMES } else { 0 };
    let time_map = if entry.time_map.is_some() { HAS_TIME_MAP } else { 0 };
    times | time_map
}

fn read_name(reader: &mut Reader<'_>) -> Result<SegmentName, Damage> {
    let number = Token::new(reader.u64()?).ok_or_else(|| reader.damage("a token past the largest one"))?;
    Ok(SegmentName { number, version: reader.u32()? })
}

const fn end_code(end: End) -> u8 {
    match end {
        End::Open => 0,
        End::Rolled => 1,
        End::EndOfFile => 2,
    }
}

fn read_end(reader: &mut Reader<'_>) -> Result<End, Damage> {
    match reader.u8()? {
        0 => Ok(End::Open),
        1 => Ok(End::Rolled),
        2 => Ok(End::EndOfFile),
        _ => Err(reader.damage("an end that is not known")),
    }
}

/// The code of a flaw and its detail; 0 stands for no flaw.
const fn reason_code(reason: Reason) -> (u8, u8) {
    match reason {
        Reason::Truncated => (1, 0),
        Reason::HeaderVersion(version) => (2, version),
        Reason::Impossible => (3, 0),
        Reason::Framing => (4, 0),
        Reason::Checksum => (5, 0),
        Reason::Tokens => (6, 0),
        Reason::HeaderChanged => (7, 0),
        Reason::EarlyEnd => (8, 0),
    }
}

fn read_flaw(reader: &mut Reader<'_>) -> Result<Option<Flaw>, Damage> {
    let reason = match (reader.u8()?, reader.u8()?) {
        (0, 0) => return Ok(None),
        (1, 0) => Reason::Truncated,
        (2, version) => Reason::HeaderVersion(version),
        (3, 0) => Reason::Impossible,
        (4, 0) => Reason::Framing,
        (5, 0) => Reason::Checksum,
        (6, 0) => Reason::Tokens,
        (7, 0) => Reason::HeaderChanged,
        (8, 0) => Reason::EarlyEnd,
        _ => return Err(reader.damage("a flaw that is not known")),
    };
    Ok(Some(Flaw { reason }))
}

fn write_times(writer: &mut Writer, times: &Times) {
    writer.i64("first", times.first.0);
    writer.i64("last", times.last.0);
    writer.i64("least", times.least.0);
    writer.i64("greatest", times.greatest.0);
}

fn read_times(reader: &mut Reader<'_>) -> Result<Times, Damage> {
    Ok(Times {
        first: Timestamp(reader.i64()?),
        last: Timestamp(reader.i64()?),
        least: Timestamp(reader.i64()?),
        greatest: Timestamp(reader.i64()?),
    })
}

fn write_extents(writer: &mut Writer, extents: &[Extent]) {
    writer.count("extents", extents.len());
    for extent in extents {
        writer.array("chunk", &extent.chunk.0);
        writer.u32("length", extent.length);
    }
}

fn read_extents(reader: &mut Reader<'_>) -> Result<Vec<Extent>, Damage> {
    let count = reader.count(EXTENT_LENGTH)?;
    let mut extents = Vec::with_capacity(count);
    for _ in 0..count {
        extents.push(Extent { chunk: ChunkId(reader.array()?), length: reader.u32()? });
    }
    Ok(extents)
}

/// The bytes of a list of extents that is a chunk of its own.
pub fn encode_extents(extents: &[Extent]) -> Vec<u8> {
    let mut writer = Writer::new();
    write_list(&mut writer, extents);
    writer.finish()
}

pub(crate) fn write_list(writer: &mut Writer, extents: &[Extent]) {
    writer.array("magic", &LIST_MAGIC);
    writer.u16("version", LIST_VERSION);
    writer.reserved::<2>();
    write_extents(writer, extents);
}

/// Reads a list of extents; `length` is what they must add up to.
pub fn decode_extents(bytes: &[u8], length: u64) -> Result<Vec<Extent>, Damage> {
    let mut reader = Reader::new(bytes);
    reader.magic(&LIST_MAGIC)?;
    reader.version("a list of version", LIST_VERSION)?;
    reader.reserved::<2>()?;
    let extents = read_extents(&mut reader)?;
    check_extents(&extents, length).map_err(|what| reader.damage(what))?;
    reader.finish()?;
    Ok(extents)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry with all that an entry can have.
    pub(crate) fn full(number: u64) -> SegmentEntry {
        let at = |ms| Timestamp(ms);
        SegmentEntry {
            name: SegmentName { number: Token::new(number).unwrap(), version: 0 },
            logical_end: 300,
            stored_length: 300,
            file_length: 65_536,
            end: End::Rolled,
            flaw: None,
            modified_ns: -1,
            events: 10,
            transactions: 4,
            times: Some(Times { first: at(5), last: at(6), least: at(-7), greatest: at(8) }),
            content: ContentHash([9; 32]),
            extents: vec![
                Extent { chunk: ChunkId([1; 32]), length: 200 },
                Extent { chunk: ChunkId([2; 32]), length: 100 },
            ],
            time_map: Some(ChunkId([3; 32])),
        }
    }

    /// An open segment without events.
    pub(crate) fn empty(number: u64) -> SegmentEntry {
        SegmentEntry {
            logical_end: 0,
            stored_length: 0,
            end: End::Open,
            events: 0,
            transactions: 0,
            times: None,
            extents: vec![],
            time_map: None,
            ..full(number)
        }
    }

    fn round(entry: &SegmentEntry) -> Result<SegmentEntry, Damage> {
        let mut writer = Writer::new();
        entry.write(&mut writer);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        let read = SegmentEntry::read(&mut reader)?;
        reader.finish()?;
        Ok(read)
    }

    #[test]
    fn entries_come_back() {
        for entry in [full(805), empty(0), SegmentEntry { end: End::EndOfFile, ..full(1) }] {
            assert_eq!(round(&entry), Ok(entry));
        }
    }

    #[test]
    fn the_last_token_is_that_of_the_last_event_if_there_is_one() {
        assert_eq!(full(7).last_token(), Token::new(16));
        assert_eq!([empty(0), empty(7)].map(|entry| entry.last_token()), [None; 2]);
    }

    #[test]
    fn keys_come_back_and_tell_damaged_copies_apart() {
        let damaged = |content| SegmentEntry {
            flaw: Some(Flaw { reason: Reason::Checksum }),
            content: ContentHash([content; 32]),
            ..full(0)
        };
        let written = [full(0), damaged(1), damaged(2)].map(|entry| {
            let mut writer = Writer::new();
            entry.key().write(&mut writer);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(EntryKey::read(&mut reader), Ok(entry.key()));
            reader.finish().unwrap();
            bytes
        });
        assert!(written[1] != written[2] && written[0].len() < written[1].len());
    }

    #[test]
    fn no_entry_is_shorter_than_the_least_length() {
        let mut writer = Writer::new();
        empty(0).write(&mut writer);
        assert_eq!(writer.finish().len(), ENTRY_LENGTH_LEAST);
    }

    #[test]
    fn every_flaw_comes_back() {
        for reason in [
            Reason::Truncated,
            Reason::HeaderVersion(0),
            Reason::HeaderVersion(255),
            Reason::Impossible,
            Reason::Framing,
            Reason::Checksum,
            Reason::Tokens,
            Reason::HeaderChanged,
            Reason::EarlyEnd,
        ] {
            let entry = SegmentEntry { flaw: Some(Flaw { reason }), logical_end: 250, ..full(3) };
            assert_eq!(round(&entry), Ok(entry));
        }
    }

    #[test]
    fn entries_that_contradict_themselves_are_refused() {
        let times = full(0).times.unwrap();
        let extent = |length| vec![Extent { chunk: ChunkId([1; 32]), length }];
        for entry in [
            SegmentEntry { logical_end: 299, ..full(0) },
            SegmentEntry { logical_end: 301, flaw: Some(Flaw { reason: Reason::Framing }), ..full(0) },
            SegmentEntry { transactions: 11, ..full(0) },
            SegmentEntry { transactions: 0, ..full(0) },
            SegmentEntry { events: 4 * 32_767 + 1, ..full(0) },
            SegmentEntry { times: Some(times), ..empty(0) },
            SegmentEntry { times: Some(Times { least: Timestamp(6), ..times }), ..full(0) },
            SegmentEntry { times: Some(Times { greatest: Timestamp(5), ..times }), ..full(0) },
            SegmentEntry { extents: extent(299), ..full(0) },
            SegmentEntry { extents: [extent(300), extent(0)].concat(), ..full(0) },
            SegmentEntry { extents: vec![], ..full(0) },
            full(i64::MAX.cast_unsigned() - 9),
        ] {
            assert!(entry.check().is_err());
            assert!(matches!(round(&entry), Err(Damage::Bytes { .. })), "{entry:?}");
        }
        let long = u64::from(limits::CHUNK_MAX) + 1;
        let entry = SegmentEntry {
            extents: extent(limits::CHUNK_MAX + 1),
            logical_end: long,
            stored_length: long,
            ..full(0)
        };
        assert!(round(&entry).is_err());
    }

    #[test]
    fn the_last_token_there_is_can_be_an_entrys_last() {
        let last = full(i64::MAX.cast_unsigned() - 10);
        assert_eq!(round(&last), Ok(last));
    }

    #[test]
    fn a_list_of_extents_comes_back_and_is_held_to_its_length() {
        let extents = full(0).extents;
        let bytes = encode_extents(&extents);
        assert_eq!(decode_extents(&bytes, 300), Ok(extents));
        assert!(decode_extents(&bytes, 301).is_err());
        assert!(decode_extents(&[&bytes[..], b"x"].concat(), 300).is_err());
        for length in 0..bytes.len() {
            assert!(decode_extents(&bytes[..length], 300).is_err());
        }
        assert_eq!(decode_extents(&encode_extents(&[]), 0), Ok(vec![]));
        assert!(decode_extents(&[&LIST_MAGIC[..], &[1, 0, 0, 0], &[0xff; 4]].concat(), 0).is_err());
    }
}
