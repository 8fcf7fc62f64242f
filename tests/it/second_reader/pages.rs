//! Segment entries, and the pages that list them.

use super::wire::{Bytes, Hash, Read, check, hash, hex};
use std::fs;
use std::path::Path;

/// Number, version, and of a damaged copy 1 and its hash.
pub type Key = (u64, u64, u64, Hash);

/// What is held of a segment.
#[derive(Clone)]
pub struct Entry {
    pub key: Key,
    pub end: u64,
    pub logical_end: u64,
    pub file_length: u64,
    pub events: u64,
    pub transactions: u64,
    pub content: Hash,
    /// The bytes of first, last, least and greatest.
    pub times: Option<Hash>,
    pub time_map: Option<Hash>,
    pub extents: Vec<(Hash, u64)>,
}

impl Entry {
    pub fn read(bytes: &mut Bytes<'_>) -> Read<Self> {
        let (number, version) = (bytes.number(8)?, bytes.number(4)?);
        let (end, flaw) = (bytes.number(1)?, bytes.number(1)?);
        let (detail, flags) = (bytes.number(1)?, bytes.number(1)?);
        check(end <= 2 && flaw <= 8 && flags <= 3, "an end, flaw or flag is not known")?;
        check(detail == 0 || flaw == 2, "a detail without its flaw")?;
        let (logical_end, stored) = (bytes.number(8)?, bytes.number(8)?);
        let (file_length, _modified) = (bytes.number(8)?, bytes.number(8)?);
        let (events, transactions, content) = (bytes.number(8)?, bytes.number(8)?, bytes.hash()?);
        let possible = transactions <= events && events <= transactions.saturating_mul(32_767);
        check(possible, "so many events in so many transactions are impossible")?;
        check(number.saturating_add(events) < 1 << 63, "tokens run past 2^63 - 1")?;
        let times = if flags & 1 == 0 { None } else { Some(bytes.hash()?) };
        let time_map = if flags & 2 == 0 { None } else { Some(bytes.hash()?) };
        let count = bytes.number(4)?;
        let (extents, sum) = bytes.extents(count)?;
        let lengths = stored == logical_end || stored > logical_end && flaw != 0;
        check(sum == stored && lengths, "a stored length is wrong")?;
        let key =
            if flaw == 0 { (number, version, 0, Hash::default()) } else { (number, version, 1, content) };
        Ok(Self {
            key,
            end,
            logical_end,
            file_length,
            events,
            transactions,
            content,
            times,
            time_map,
            extents,
        })
    }

    /// The good copy of this number and version.
    pub fn is_good(&self, number: u64, version: u64) -> bool {
        self.key == (number, version, 0, Hash::default())
    }
}

/// All entries of a tree, by rising keys.
pub fn tree(root: &Path, page: &Hash) -> Read<Vec<Entry>> {
    let mut entries = Vec::new();
    descend(root, page, None, &mut entries).map_err(|wrong| format!("tree {}: {wrong}", hex(page)))?;
    check(entries.is_sorted_by(|one, next| one.key < next.key), "the keys of a tree do not rise")?;
    Ok(entries)
}

/// Reads a page, which has to be of this level, and those under it.
fn descend(root: &Path, page: &Hash, expected: Option<u64>, found: &mut Vec<Entry>) -> Read<()> {
    let name = hex(page);
    let bytes = fs::read(root.join("pages").join(&name[..2]).join(&name))?;
    check(bytes.len() <= 67_108_864 && hash(&bytes) == *page, "a page does not have its name")?;
    let mut bytes = Bytes(&bytes);
    bytes.magic(b"SEGVPAGE")?;
    let level = bytes.number(1)?;
    bytes.expect(&[0], "reserved bytes are not 0")?;
    let count = bytes.number(4)?;
    check(level <= 15 && expected.is_none_or(|expected| expected == level), "a page has a wrong level")?;
    let may_be_empty = level == 0 && expected.is_none();
    check(count <= 128 && (count > 0 || may_be_empty), "a page has too many entries, or none")?;
    for _ in 0..count {
        if level == 0 {
            found.push(Entry::read(&mut bytes)?);
            continue;
        }
        let (child, entries) = (bytes.hash()?, bytes.number(8)?);
        let (number, version, damaged) = (bytes.number(8)?, bytes.number(4)?, bytes.number(1)?);
        let key = (number, version, damaged, if damaged == 1 { bytes.hash()? } else { Hash::default() });
        let before = found.len();
        descend(root, &child, Some(level - 1), found)?;
        let first = found.get(before).is_some_and(|entry| entry.key == key);
        check(first && (found.len() - before) as u64 == entries, "a page is not what the one above says")?;
    }
    bytes.end()
}
