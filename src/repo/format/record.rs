//! Records: the newest one of a log says all that the archive holds of it.
//!
//! A record carries its own hash, since the newest one has no successor yet that would. [`prove_superset`] is the rule that nothing
//! is ever lost between a record and the next one.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::repo::format::Damage;
use crate::repo::format::entry::ENTRY_LENGTH_LEAST;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{FileHash, PageId};
use crate::repo::format::limits;
pub use crate::repo::format::superset::{NotASuperset, PrefixProof, prove_kept, prove_superset, replacement};
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;

/// The first bytes of a record.
pub const MAGIC: [u8; 8] = *b"SEGVRECD";
/// The version of records that this program writes.
pub const VERSION: u16 = 1;

const HAS_PREVIOUS: u8 = 1;
const HAS_BRANCH: u8 = 2;
const HAS_BRANCH_TOKEN: u8 = 4;
const CHECK_LENGTH: usize = 32;

/// What a log is: one store of one context of one source, within one incarnation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The source's name.
    pub source: String,
    /// The context.
    pub context: String,
    /// Counted from 1; both stores of a context share it.
    pub incarnation: u32,
    /// The store.
    pub store: Store,
}

impl LogKey {
    /// The log's directory under `logs/`: 32 hexadecimal digits of a hash over source, context, incarnation and store.
    pub fn directory(&self) -> String {
        let mut writer = Writer::new();
        self.write(&mut writer);
        let mut digits = blake3::hash(writer.so_far()).to_hex().to_string();
        digits.truncate(32);
        digits
    }

    /// Each text with its length in front: two logs never have the same bytes.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8("store", store_code(self.store));
        writer.u32("incarnation", self.incarnation);
        writer.string("source", &self.source);
        writer.string("context", &self.context);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let store = read_store(reader)?;
        let incarnation = reader.u32()?;
        reader.check(incarnation > 0, "incarnation 0")?;
        let source = reader.string(limits::NAME_MAX)?;
        let context = reader.string(limits::NAME_MAX)?;
        Ok(Self { source, context, incarnation, store })
    }
}

/// Where an incarnation left its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The incarnation that it left.
    pub parent: u32,
    /// The last token of this store that both share; none if they share none.
    pub token: Option<Token>,
}

/// A record, without its number and chain: what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub key: LogKey,
    /// Set for incarnations after the first.
    pub branch: Option<Branch>,
    /// Root of the pages of all sealed segments, and of damaged copies.
    pub root: PageId,
    /// The longest prefix ever seen of each number and version that is not sealed in the pages, in the order of their keys.
    pub tails: Vec<SegmentEntry>,
}

/// A record as it stands in `logs/<log>/<number>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1.
    pub number: u64,
    /// Hash of the record before; none for the first.
    pub previous: Option<FileHash>,
    /// What it says.
    pub state: LogState,
}

const fn store_code(store: Store) -> u8 {
    match store {
        Store::Snapshots => 1,
        Store::Events => 2,
    }
}

fn read_store(reader: &mut Reader<'_>) -> Result<Store, Damage> {
    match reader.u8()? {
        1 => Ok(Store::Snapshots),
        2 => Ok(Store::Events),
        _ => Err(reader.damage("a store that is not known")),
    }
}

impl Branch {
    fn write(&self, writer: &mut Writer) {
        writer.u32("parent", self.parent);
        if let Some(token) = self.token {
            writer.u64("branch token", token.get());
        }
    }

    fn read(reader: &mut Reader<'_>, flags: u8) -> Result<Option<Self>, Damage> {
        if flags & HAS_BRANCH == 0 {
            reader.check(flags & HAS_BRANCH_TOKEN == 0, "a token without a branch")?;
            return Ok(None);
        }
        let parent = reader.u32()?;
        let token = if flags & HAS_BRANCH_TOKEN == 0 { None } else { Some(read_token(reader)?) };
        Ok(Some(Self { parent, token }))
    }
}

fn read_token(reader: &mut Reader<'_>) -> Result<Token, Damage> {
    Token::new(reader.u64()?).ok_or_else(|| reader.damage("a token past the largest one"))
}

impl Record {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array("magic", &MAGIC);
        writer.u16("version", VERSION);
        writer.u8("flags", self.flags());
        writer.reserved::<1>();
        writer.u64("number", self.number);
        if let Some(previous) = &self.previous {
            writer.array("previous", &previous.0);
        }
        self.state.key.write(writer);
        if let Some(branch) = &self.state.branch {
            branch.write(writer);
        }
        writer.array("root", &self.state.root.0);
        writer.count("tails", self.state.tails.len());
        self.state.tails.iter().for_each(|tail| tail.write(writer));
        let check = blake3::hash(writer.so_far());
        writer.array("check", check.as_bytes());
    }

    fn flags(&self) -> u8 {
        let previous = if self.previous.is_some() { HAS_PREVIOUS } else { 0 };
        let token = |branch: Branch| if branch.token.is_some() { HAS_BRANCH_TOKEN } else { 0 };
        previous | self.state.branch.map_or(0, |branch| HAS_BRANCH | token(branch))
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        reader.magic(&MAGIC)?;
        reader.version("a record of version", VERSION)?;
        reader.check(is_intact(bytes)?, "a record whose check does not fit")?;
        let flags = reader.u8()?;
        reader.check(flags < 8, "flags that are not known")?;
        reader.reserved::<1>()?;
        let number = reader.u64()?;
        let previous = if flags & HAS_PREVIOUS == 0 { None } else { Some(FileHash(reader.array()?)) };
        reader.check(
            number > 0 && (number > 1 || previous.is_none()),
            "a number that does not fit the chain",
        )?;
        let state = LogState::read(&mut reader, flags)?;
        reader.take(CHECK_LENGTH)?;
        reader.finish()?;
        Ok(Self { number, previous, state })
    }
}

/// Whether the check fits the rest, whatever version it is: then no flipped bit is in it.
pub fn is_intact(bytes: &[u8]) -> Result<bool, Damage> {
    let cut_short = Damage::Bytes { at: bytes.len() as u64, what: "it is cut short" };
    let (body, stated) = bytes.split_last_chunk::<CHECK_LENGTH>().ok_or(cut_short)?;
    Ok(stated == blake3::hash(body).as_bytes())
}

impl LogState {
    fn read(reader: &mut Reader<'_>, flags: u8) -> Result<Self, Damage> {
        let key = LogKey::read(reader)?;
        let branch = Branch::read(reader, flags)?;
        let fits = branch.is_none_or(|branch| (1..key.incarnation).contains(&branch.parent));
        reader.check(fits, "a branch from a later incarnation")?;
        let root = PageId(reader.array()?);
        let tails = read_tails(reader)?;
        Ok(Self { key, branch, root, tails })
    }
}

fn read_tails(reader: &mut Reader<'_>) -> Result<Vec<SegmentEntry>, Damage> {
    let count = reader.count(ENTRY_LENGTH_LEAST)?;
    let mut tails: Vec<SegmentEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let tail = SegmentEntry::read(reader)?;
        let rises = tails.last().is_none_or(|last| last.key() < tail.key());
        reader.check(rises, "keys that do not rise")?;
        tails.push(tail);
    }
    Ok(tails)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::entry::tests::empty;
    use crate::repo::format::entry::tests::full;

    /// Tampers with bytes.
    type Change = fn(&mut Vec<u8>);

    fn record() -> Record {
        let key = LogKey {
            source: "node".to_owned(),
            context: "default".to_owned(),
            incarnation: 2,
            store: Store::Events,
        };
        let branch = Some(Branch { parent: 1, token: Token::new(77) });
        let state = LogState { key, branch, root: PageId([3; 32]), tails: vec![full(10), empty(20)] };
        Record { number: 3, previous: Some(FileHash([4; 32])), state }
    }

    /// The same record with other bytes, and a check that fits.
    fn tampered(change: impl Fn(&mut Vec<u8>)) -> Result<Record, Damage> {
        let mut bytes = record().encode();
        bytes.truncate(bytes.len() - CHECK_LENGTH);
        change(&mut bytes);
        let check = blake3::hash(&bytes);
        bytes.extend(check.as_bytes());
        Record::decode(&bytes)
    }

    #[test]
    fn records_come_back() {
        let state = record().state;
        let unbranched =
            LogState { branch: None, key: LogKey { incarnation: 1, ..state.key.clone() }, ..state.clone() };
        let apart = LogState { branch: Some(Branch { parent: 1, token: None }), ..state };
        for state in [unbranched, apart, record().state] {
            let first = Record { number: 1, previous: None, state: state.clone() };
            assert_eq!(Record::decode(&first.encode()), Ok(first));
            let third = Record { state, ..record() };
            assert_eq!(Record::decode(&third.encode()), Ok(third));
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let bytes = record().encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Record::decode(&bad).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_that_was_cut_is_no_record() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_err());
        }
        assert!(Record::decode(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn what_a_record_says_is_not_believed_because_its_check_fits() {
        assert_eq!(tampered(|_| ()), Ok(record()));
        let changes: [(&str, Change); 8] = [
            ("flags that are not known", |bytes| bytes[10] |= 8),
            ("a token without a branch", |bytes| bytes[10] = 5),
            ("reserved bytes that are not zero", |bytes| bytes[11] = 1),
            ("a number that does not fit the chain", |bytes| bytes[12] = 0),
            ("a number that does not fit the chain", |bytes| bytes[12] = 1),
            ("a store that is not known", |bytes| bytes[52] = 0),
            ("incarnation 0", |bytes| bytes[53] = 0),
            ("more bytes than there should be", |bytes| bytes.push(0)),
        ];
        for (reason, change) in changes {
            let read = tampered(change);
            assert!(matches!(read, Err(Damage::Bytes { what, .. }) if what == reason), "{reason}: {read:?}");
        }
        // An incarnation that is no branch of an earlier one.
        assert!(matches!(tampered(|bytes| bytes[53] = 1), Err(Damage::Bytes { .. })));
        assert!(matches!(tampered(|bytes| bytes[8] = 2), Err(Damage::Newer { .. })));
        let mut flipped = record().encode();
        assert_eq!(is_intact(&flipped), Ok(true));
        flipped[8] = 2;
        assert_eq!(is_intact(&flipped), Ok(false));
    }

    #[test]
    fn tails_are_in_order() {
        for tails in [vec![full(20), full(10)], vec![full(10), full(10)]] {
            let state = LogState { tails, ..record().state };
            assert!(Record::decode(&Record { state, ..record() }.encode()).is_err());
        }
    }

    #[test]
    fn every_log_has_a_directory_of_its_own() {
        let key = |source: &str, context: &str, incarnation, store| LogKey {
            source: source.to_owned(),
            context: context.to_owned(),
            incarnation,
            store,
        };
        let keys = [
            key("ab", "c", 1, Store::Events),
            key("a", "bc", 1, Store::Events),
            key("ab", "c", 2, Store::Events),
            key("ab", "c", 1, Store::Snapshots),
        ];
        let directories: std::collections::BTreeSet<String> = keys.iter().map(LogKey::directory).collect();
        assert_eq!(directories.len(), 4);
        assert!(directories.iter().all(|name| name.len() == 32));
        assert!(directories.iter().all(|name| name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))));
    }
}
