//! What a point is made of, as files.

use super::Repository;
use super::pages::{Entry, tree};
use super::wire::{Bytes, Hash, Read, check, hash, items, json, number, text, unhex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// A point, put back.
#[derive(Default)]
pub struct Restored {
    /// Paths below the directory that is restored, and bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The zip of the control database: its name and its bytes.
    pub zip: Option<(String, Vec<u8>)>,
    /// Index files, of stores that have all of them, and replication logs.
    pub plain: BTreeMap<String, Vec<u8>>,
}

/// A segment of a point: the entry that has its bytes, and how many of them belong to the point.
struct Piece {
    entry: Entry,
    length: u64,
    content: Hash,
    claimed: bool,
    last: Option<u64>,
    newest: bool,
}

pub fn restore(repository: &Repository, point: &Value) -> Read<Restored> {
    let mut restored = Restored::default();
    for (context, held) in point["contexts"].as_object().ok_or("it has no contexts")? {
        check(is_file_name(context), "a context has no name for a directory")?;
        for (store, code) in [("snapshots", 1_u8), ("events", 2)] {
            let incarnation = u32::try_from(number(held, "incarnation")?)?.to_le_bytes();
            let mut key = [&[code][..], &incarnation].concat();
            for name in [text(point, "source")?, context] {
                key.extend([&u16::try_from(name.len())?.to_le_bytes()[..], name.as_bytes()].concat());
            }
            let pieces = log(repository, &key, &held[store])?;
            indexes(repository, point, (context, store), &pieces, &mut restored.plain)?;
            for piece in pieces.into_values() {
                let (number, version, ..) = piece.entry.key;
                let version = if version == 0 { String::new() } else { format!("_{version:05}") };
                let path = format!("data/{context}/{number:020}{version}.{store}");
                let bytes = file(repository, &piece).map_err(|wrong| format!("{path}: {wrong}"))?;
                restored.files.insert(path, bytes);
            }
        }
    }
    for set in items(point, "files").filter(|set| set["kind"] == "replication-log") {
        let group = text(set, "group")?;
        for (name, bytes) in plain_files(repository, set)? {
            check(is_file_name(group) && is_file_name(&name), "a log has no name for a file")?;
            restored.plain.insert(format!("log/{group}/{name}"), bytes);
        }
    }
    control_db(repository, &point["control_db"], &mut restored)?;
    Ok(restored)
}

/// A name that leads nowhere else.
fn is_file_name(name: &str) -> bool {
    !["", ".", ".."].contains(&name) && !name.contains(['/', '\0'])
}

/// Of each number the highest version that the point has; of that a good copy or a claim before a damaged copy.
fn log(repository: &Repository, key: &[u8], log: &Value) -> Read<BTreeMap<u64, Piece>> {
    let own = tree(&repository.root, &unhex(text(log, "root")?)?)?;
    check(own.len() as u64 == number(log, "segments")?, "its tree has another number of segments")?;
    let sealed = |entry: Entry| {
        let last = (entry.events > 0).then(|| entry.key.0 + entry.events - 1);
        Piece {
            length: entry.logical_end,
            content: entry.content,
            claimed: false,
            last,
            newest: false,
            entry,
        }
    };
    let mut pieces: Vec<Piece> = own.into_iter().map(sealed).collect();
    let (newest, root, tails) = repository.newest_record(key)?;
    let made_with = number(log, "record")?;
    let is_there = newest >= made_with || repository.is_lost(key, made_with)?;
    check(is_there, "the newest record of its log is missing")?;
    for claim in items(log, "open") {
        pieces.push(claimed(repository, &root, &tails, claim)?);
    }
    let standing = |piece: &Piece| if piece.claimed { 1 } else { 2 - 2 * piece.entry.key.2 };
    pieces.sort_by_key(|piece| (piece.entry.key.0, piece.entry.key.1, standing(piece)));
    let mut pieces: BTreeMap<u64, Piece> =
        pieces.into_iter().map(|piece| (piece.entry.key.0, piece)).collect();
    // A log without events is empty, though it has a segment.
    let with_events = || pieces.values().filter(|piece| piece.last.is_some());
    let first = with_events().next().map(|piece| piece.entry.key.0);
    let head = with_events().next_back().and_then(|piece| piece.last);
    let fits = log["first"].as_u64() == first && log["head"].as_u64() == head;
    let bytes: u64 = pieces.values().map(|piece| piece.length).sum();
    check(fits && number(log, "bytes")? == bytes, "first, head or bytes are not what its segments have")?;
    pieces.last_entry().iter_mut().for_each(|newest| newest.get_mut().newest = true);
    Ok(pieces)
}

/// What a claim resolves to: in the newest record of the log a tail, or a good copy in its tree.
fn claimed(repository: &Repository, root: &Hash, tails: &[Entry], claim: &Value) -> Read<Piece> {
    let (segment, version) = (number(claim, "number")?, claim["version"].as_u64().unwrap_or(0));
    let sealed = tree(&repository.root, root)?;
    let found = tails.iter().chain(&sealed).find(|entry| entry.is_good(segment, version));
    let entry = found.ok_or("a claim finds nothing")?.clone();
    let (length, content) = (number(claim, "length")?, unhex(text(claim, "blake3")?)?);
    check(length <= entry.logical_end, "less is held than was claimed")?;
    Ok(Piece { entry, length, content, claimed: true, last: claim["last"].as_u64(), newest: false })
}

/// Prefix, end and zeros; or a damaged copy as it was found.
fn file(repository: &Repository, piece: &Piece) -> Read<Vec<u8>> {
    let mut bytes = repository.packs.join(&piece.entry.extents)?;
    check(hash(&bytes) == piece.entry.content, "its content has another hash")?;
    if piece.claimed || piece.entry.key.2 == 0 {
        bytes.truncate(usize::try_from(piece.length)?);
        check(hash(&bytes) == piece.content, "what was claimed has another hash")?;
        let end = piece.end();
        bytes.resize(bytes.len().max(if end.is_empty() { 0 } else { 5 }), 0);
        bytes.extend(end);
    }
    bytes.resize(bytes.len().max(usize::try_from(piece.entry.file_length)?), 0);
    Ok(bytes)
}

impl Piece {
    /// What stands behind the prefix.
    fn end(&self) -> &'static [u8] {
        let (open, rolled) = (&[0; 4], &[0xff; 4]);
        match (self.entry.end, self.claimed) {
            (_, true) if self.newest => open,
            (1, _) | (_, true) if self.length < 5 => open,
            (2, _) if !self.newest && self.length == self.entry.logical_end => &[],
            (1, _) | (_, true) => rolled,
            _ => open,
        }
    }
}

fn control_db(repository: &Repository, stated: &Value, into: &mut Restored) -> Read<()> {
    let (absent, inner, zip) = (stated.get("absent"), stated.get("inner"), stated.get("zip"));
    check(absent.is_some() || inner.is_some() || zip.is_some(), "the control database has no known form")?;
    if let Some(held) = zip {
        into.zip = Some((text(held, "name")?.to_owned(), content(repository, &held["zip"])?));
    }
    if let Some(held) = inner {
        let (entry, zip, inner) = (text(held, "entry")?, &held["zip"], content(repository, &held["inner"])?);
        check(is_file_name(entry), "the control database has no name for a file")?;
        if !zip.is_null() {
            let bytes = rebuilt(&inner, entry, u32::try_from(number(zip, "dos_time")?)?)?;
            let same = bytes.len() as u64 == number(zip, "length")?;
            check(same && hash(&bytes) == unhex(text(zip, "blake3")?)?, "the zip does not come back")?;
            into.zip = Some((text(zip, "name")?.to_owned(), bytes));
        }
        into.files.insert(format!("data/{entry}"), inner);
    }
    Ok(())
}

/// The index files of a store: for all segments but the newest, or none.
fn indexes(
    repository: &Repository,
    point: &Value,
    (context, store): (&str, &str),
    pieces: &BTreeMap<u64, Piece>,
    into: &mut BTreeMap<String, Vec<u8>>,
) -> Read<()> {
    let is_it = |set: &&Value| set["kind"] == "index" && set["context"] == context && set["store"] == store;
    let Some(set) = items(point, "files").find(is_it) else { return Ok(()) };
    let mut listed = plain_files(repository, set)?;
    let mut found = BTreeMap::new();
    for piece in pieces.values().filter(|piece| !piece.newest) {
        let (number, version, damaged, _) = piece.entry.key;
        let version = if version == 0 { String::new() } else { format!("_{version:05}") };
        let suffixes = if store == "events" { ["index", "bloom"] } else { ["sindex", "sbloom"] };
        for name in suffixes.map(|suffix| format!("{number:020}{version}.{suffix}")) {
            let Some(bytes) = listed.remove(&name).filter(|_| !piece.claimed && damaged == 0) else {
                return Ok(());
            };
            found.insert(format!("data/{context}/{name}"), bytes);
        }
    }
    into.extend(found);
    Ok(())
}

/// The files of a set, by their names.
fn plain_files(repository: &Repository, set: &Value) -> Read<BTreeMap<String, Vec<u8>>> {
    let list = json(&content(repository, &set["listing"])?, "segvault.files")?;
    let mut files = BTreeMap::new();
    for file in items(&list, "files") {
        let mut bytes = content(repository, &file["content"])?;
        bytes.resize(bytes.len() + usize::try_from(file["zeros"].as_u64().unwrap_or(0))?, 0);
        check(files.insert(text(file, "name")?.to_owned(), bytes).is_none(), "a file is listed twice")?;
    }
    let bytes = files.values().map(|bytes| bytes.len() as u64).sum::<u64>();
    let fits = number(set, "count")? == files.len() as u64 && number(set, "bytes")? == bytes;
    check(fits, "a set has other files than it says")?;
    Ok(files)
}

/// A file that is no segment.
fn content(repository: &Repository, stated: &Value) -> Read<Vec<u8>> {
    let mut list = Bytes(repository.packs.chunk(&unhex(text(stated, "list")?)?)?);
    list.magic(b"SEGVLIST")?;
    list.expect(&[0; 2], "reserved bytes are not 0")?;
    let (extents, sum) = list.extents()?;
    list.end()?;
    check(sum == number(stated, "length")? && sum <= 8_589_934_592, "the extents of a file do not add up")?;
    let bytes = repository.packs.join(&extents)?;
    check(hash(&bytes) == unhex(text(stated, "blake3")?)?, "a file has another hash")?;
    Ok(bytes)
}

/// The zip as Java's `ZipOutputStream` writes it.
fn rebuilt(inner: &[u8], entry: &str, dos_time: u32) -> Read<Vec<u8>> {
    let (mut crc, mut deflate) =
        (flate2::Crc::new(), flate2::write::DeflateEncoder::new(vec![], flate2::Compression::new(6)));
    crc.update(inner);
    deflate.write_all(inner)?;
    let packed = deflate.finish()?;
    let four = |number: usize| u32::try_from(number).map(u32::to_le_bytes);
    let name = [&u16::try_from(entry.len())?.to_le_bytes()[..], &[0, 0]].concat();
    let sizes = [crc.sum().to_le_bytes(), four(packed.len())?, four(inner.len())?].concat();
    // Version 20, flags 0808, method 8 and the time stand in both headers.
    let shared = [&[20, 0, 8, 8, 8, 0][..], &dos_time.to_le_bytes()].concat();
    let local = [b"PK\x03\x04", &shared[..], &[0; 12], &name, entry.as_bytes(), &packed].concat();
    let file = [&local[..], b"PK\x07\x08", &sizes].concat();
    let central = [b"PK\x01\x02\x14\0", &shared[..], &sizes, &name, &[0; 14], entry.as_bytes()].concat();
    let places = [four(central.len())?, four(file.len())?].concat();
    Ok([&file[..], &central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &places, &[0, 0]].concat())
}
