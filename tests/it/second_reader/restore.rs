//! What a point is made of, as files.

use super::binary::{Entry, Packs, tree};
use super::wire::{Bytes, Hash, Read, check, hash, items, json, member};
use super::{Files, Repository};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;

/// A point, put back, by paths below the directory that is restored.
#[derive(Default)]
pub struct Restored {
    pub files: Files,
    /// The zip of the control database: its name and its bytes.
    pub zip: Option<(String, Vec<u8>)>,
    /// Index files, of stores that have all of them, and replication logs.
    pub plain: Files,
}

impl Repository {
    pub fn restore(&self, point: u64) -> Read<Restored> {
        let (point, mut restored) = (self.seen(point)?, Restored::default());
        for context in point["contexts"].as_object().ok_or("it has no contexts")?.keys() {
            for store in ["snapshots", "events"] {
                for (entry, newer) in self.log(&point, context, store)?.values().rev().zip(0..) {
                    let path = format!("data/{context}/{}.{store}", stem(entry));
                    restored.files.insert(path, file(&self.packs, entry, newer == 0)?);
                }
            }
        }
        for set in items(&point, "files") {
            let (place, owner, files) = match set["kind"].as_str() {
                Some("index") => ("data", "context", self.indexes(&point, set)?),
                Some("replication-log") => ("log", "group", plain_files(&self.packs, set)?),
                _ => continue,
            };
            let owner: String = member(set, owner)?;
            let files = files.into_iter().map(|(name, bytes)| (format!("{place}/{owner}/{name}"), bytes));
            restored.plain.extend(files);
        }
        control_db(&self.packs, &point["control_db"], &mut restored)?;
        // Names of contexts and files come from outside.
        let mut paths = restored.files.keys().chain(restored.plain.keys());
        let is_name = |part: &str| !["", ".", ".."].contains(&part);
        check(paths.all(|path| path.split('/').all(is_name)), "a name leads elsewhere")?;
        Ok(restored)
    }

    /// Of each number the highest version that the point has; of that a good copy before a claim before a damaged copy.
    pub fn log(&self, point: &Value, context: &str, store: &str) -> Read<BTreeMap<u64, Entry>> {
        let (log, code) = (&point["contexts"][context][store], if store == "events" { 2 } else { 1 });
        let incarnation: u32 = member(&point["contexts"][context], "incarnation")?;
        let mut key = [&[code][..], &incarnation.to_le_bytes()].concat();
        for name in [&member::<String>(point, "source")?, context] {
            key.extend([&u16::try_from(name.len())?.to_le_bytes()[..], name.as_bytes()].concat());
        }
        let held = self.held(&key, member(log, "record")?)?;
        let mut entries = tree(&self.files, &member(log, "root")?, None)?;
        for claim in items(log, "open") {
            let (number, version): (u64, Option<_>) = (member(claim, "number")?, member(claim, "version")?);
            let named = (number, version.unwrap_or(0), 0, Hash::new());
            let entry = held.iter().find(|entry| entry.key == named).ok_or("a claim finds nothing")?.clone();
            let (length, content) = (member(claim, "length")?, member(claim, "blake3")?);
            check(length <= entry.length, "less is held than was claimed")?;
            let events = claim["last"].as_u64().map_or(0, |last| (last + 1).saturating_sub(number));
            entries.push(Entry { claimed: true, length, content, events, ..entry });
        }
        entries.sort_by_key(|entry| (entry.key.1, entry.key.2 == 0, !entry.claimed));
        Ok(entries.into_iter().map(|entry| (entry.key.0, entry)).collect())
    }

    /// The index files of a store: for all segments but the newest, or none.
    fn indexes(&self, point: &Value, set: &Value) -> Read<Files> {
        let (context, store): (String, String) = (member(set, "context")?, member(set, "store")?);
        let (mut listed, mut log) = (plain_files(&self.packs, set)?, self.log(point, &context, &store)?);
        log.pop_last();
        let good = log.values().all(|entry| !entry.claimed && entry.key.2 == 0);
        let suffixes = if store == "events" { ["index", "bloom"] } else { ["sindex", "sbloom"] };
        let names = log.values().flat_map(|entry| suffixes.map(|suffix| format!("{}.{suffix}", stem(entry))));
        let found: Option<Files> = names.map(|name| listed.remove_entry(&name)).collect();
        Ok(found.filter(|_| good).unwrap_or_default())
    }
}

/// The name of a segment's file, up to the suffix.
fn stem(entry: &Entry) -> String {
    let (number, version, ..) = entry.key;
    if version == 0 { format!("{number:020}") } else { format!("{number:020}_{version:05}") }
}

/// Prefix, end and zeros; or a damaged copy as it was found.
fn file(packs: &Packs, entry: &Entry, newest: bool) -> Read<Vec<u8>> {
    let (mut bytes, damaged) = (packs.join(&entry.extents)?, entry.key.2 == 1);
    let length = if damaged { bytes.len() } else { usize::try_from(entry.length)? };
    let whole = length == bytes.len();
    bytes.truncate(length);
    check(hash(&bytes) == entry.content, "its content has another hash")?;
    let end: &[u8] = match (entry.end, entry.claimed) {
        _ if damaged => &[],
        (_, true) if newest => &[0; 4],
        (1, _) | (_, true) if length < 5 => &[0; 4],
        (2, _) if whole && !newest => &[],
        (1, _) | (_, true) => &[0xff; 4],
        _ => &[0; 4],
    };
    bytes.resize(if end.is_empty() { length } else { length.max(5) }, 0);
    bytes.extend(end);
    bytes.resize(bytes.len().max(usize::try_from(entry.file_length)?), 0);
    Ok(bytes)
}

/// The files of a set, by their names.
fn plain_files(packs: &Packs, set: &Value) -> Read<Files> {
    let (list, mut files) = (json(&content(packs, &set["listing"])?, "segvault.files")?, Files::new());
    for file in items(&list, "files") {
        let mut bytes = content(packs, &file["content"])?;
        bytes.resize(bytes.len() + member::<Option<usize>>(file, "zeros")?.unwrap_or(0), 0);
        files.insert(member(file, "name")?, bytes);
    }
    let bytes: usize = files.values().map(Vec::len).sum();
    check(set["count"] == files.len() && set["bytes"] == bytes, "a set has other files than it says")?;
    Ok(files)
}

/// A file that is no segment.
fn content(packs: &Packs, stated: &Value) -> Read<Vec<u8>> {
    let mut list = Bytes(packs.chunk(&member(stated, "list")?)?);
    list.expect(b"SEGVLIST\x01\0\0\0")?;
    let bytes = packs.join(&list.extents(member(stated, "length")?)?)?;
    check(stated["blake3"] == hash(&bytes) && list.0.is_empty(), "a file has another hash")?;
    Ok(bytes)
}

fn control_db(packs: &Packs, stated: &Value, into: &mut Restored) -> Read<()> {
    if let Some(held) = stated.get("zip") {
        into.zip = Some((member(held, "name")?, content(packs, &held["zip"])?));
    } else if let Some(held) = stated.get("inner") {
        let (entry, inner): (String, _) = (member(held, "entry")?, content(packs, &held["inner"])?);
        if let Some(zip) = held.get("zip") {
            let bytes = rebuilt(&inner, &entry, member(zip, "dos_time")?)?;
            check(zip["blake3"] == hash(&bytes), "the zip does not come back")?;
            into.zip = Some((member(zip, "name")?, bytes));
        }
        into.files.insert(format!("data/{entry}"), inner);
    } else {
        check(stated.get("absent").is_some(), "the control database has no known form")?;
    }
    Ok(())
}

/// The zip as Java's `ZipOutputStream` writes it.
fn rebuilt(inner: &[u8], entry: &str, dos_time: u32) -> Read<Vec<u8>> {
    let (level, mut packed) = (flate2::Compression::new(6), Vec::new());
    flate2::read::DeflateEncoder::new(inner, level).read_to_end(&mut packed)?;
    let four = |number: usize| u32::try_from(number).map(u32::to_le_bytes);
    let name = [&u16::try_from(entry.len())?.to_le_bytes()[..], &[0, 0]].concat();
    let sizes = [crc32fast::hash(inner).to_le_bytes(), four(packed.len())?, four(inner.len())?].concat();
    // Version 20, flags 0808, method 8 and the time stand in both headers.
    let shared = [&[20, 0, 8, 8, 8, 0][..], &dos_time.to_le_bytes()].concat();
    let local = [b"PK\x03\x04", &shared[..], &[0; 12], &name, entry.as_bytes(), &packed].concat();
    let file = [&local[..], b"PK\x07\x08", &sizes].concat();
    let central = [b"PK\x01\x02\x14\0", &shared[..], &sizes, &name, &[0; 14], entry.as_bytes()].concat();
    let places = [four(central.len())?, four(file.len())?].concat();
    Ok([&file[..], &central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &places, &[0, 0]].concat())
}
