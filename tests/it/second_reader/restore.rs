//! What a point is made of, as files.

use super::Repository;
use super::pages::{Entry, tree};
use super::wire::{Bytes, Hash, Read, check, hash, items, number, text, unhex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write};

/// A point, put back.
#[derive(Default)]
pub struct Restored {
    /// Paths below the directory that is restored, and bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The zip of the control database: its name and its bytes.
    pub zip: Option<(String, Vec<u8>)>,
}

/// A segment of a point: the entry that has its bytes, and what of it belongs to the point.
struct Piece {
    entry: Entry,
    length: u64,
    content: Hash,
    end: u64,
    last: Option<u64>,
}

pub fn restore(repository: &Repository, point: &Value) -> Read<Restored> {
    let mut restored = Restored::default();
    for (context, held) in point["contexts"].as_object().ok_or("it has no contexts")? {
        check(is_file_name(context), "a context has no name for a directory")?;
        for (store, code) in [("snapshots", 1_u8), ("events", 2)] {
            let source = text(point, "source")?;
            let incarnation = u32::try_from(number(held, "incarnation")?)?.to_le_bytes();
            let mut key = [&[code][..], &incarnation].concat();
            for name in [source, context] {
                key.extend([&u16::try_from(name.len())?.to_le_bytes()[..], name.as_bytes()].concat());
            }
            let log = log(repository, &key, &held[store]);
            for piece in log.map_err(|wrong| format!("{context}, {store}: {wrong}"))?.into_values() {
                let (number, version, ..) = piece.entry.key;
                let version = if version == 0 { String::new() } else { format!("_{version:05}") };
                let path = format!("data/{context}/{number:020}{version}.{store}");
                let bytes = file(repository, &piece).map_err(|wrong| format!("{path}: {wrong}"))?;
                restored.files.insert(path, bytes);
            }
        }
    }
    control_db(repository, &point["control_db"], &mut restored)?;
    Ok(restored)
}

/// A name that leads nowhere else.
fn is_file_name(name: &str) -> bool {
    !["", ".", ".."].contains(&name) && !name.contains(['/', '\\', '\0'])
}

/// Of each number the highest version that the point has.
fn log(repository: &Repository, key: &[u8], log: &Value) -> Read<BTreeMap<u64, Piece>> {
    let own = tree(&repository.root, &unhex(text(log, "root")?)?)?;
    check(own.len() as u64 == number(log, "segments")?, "its tree has another number of segments")?;
    let mut pieces = Vec::new();
    for entry in own {
        check(entry.is_good(entry.key.0, entry.key.1), "a damaged copy is in the tree of a point")?;
        let last = (entry.events > 0).then(|| entry.key.0 + entry.events - 1);
        let (length, content, end) = (entry.logical_end, entry.content, entry.end);
        pieces.push(Piece { entry, length, content, end, last });
    }
    let (newest, root, tails) = repository.newest_record(key)?;
    check(newest >= number(log, "record")?, "the newest record of its log is missing")?;
    for claim in items(log, "open") {
        pieces.push(claimed(repository, &root, &tails, claim)?);
    }
    pieces.sort_by_key(|piece| piece.entry.key);
    let pieces: BTreeMap<u64, Piece> = pieces.into_iter().map(|piece| (piece.entry.key.0, piece)).collect();
    // A log without events is empty, though it has a segment.
    let with_events = || pieces.values().filter(|piece| piece.last.is_some());
    let (first, head) = (
        with_events().next().map(|piece| piece.entry.key.0),
        with_events().next_back().and_then(|piece| piece.last),
    );
    let fits = log["first"].as_u64() == first && log["head"].as_u64() == head;
    let bytes: u64 = pieces.values().map(|piece| piece.length).sum();
    check(fits && number(log, "bytes")? == bytes, "first, head or bytes are not what its segments have")?;
    Ok(pieces)
}

/// What a claim resolves to: in the newest record of the log a tail, or a good copy in its tree.
fn claimed(repository: &Repository, root: &Hash, tails: &[Entry], claim: &Value) -> Read<Piece> {
    let (segment, version) = (number(claim, "number")?, claim["version"].as_u64().unwrap_or(0));
    let entry = match tails.iter().find(|tail| tail.is_good(segment, version)) {
        Some(tail) => tail.clone(),
        None => {
            let mut sealed = tree(&repository.root, root)?.into_iter();
            sealed.find(|entry| entry.is_good(segment, version)).ok_or("a claim finds nothing")?
        }
    };
    let (length, content) = (number(claim, "length")?, unhex(text(claim, "blake3")?)?);
    check(length <= entry.logical_end, "less is held than was claimed")?;
    Ok(Piece { entry, length, content, end: 0, last: claim["last"].as_u64() })
}

/// Prefix, end and zeros.
fn file(repository: &Repository, piece: &Piece) -> Read<Vec<u8>> {
    let mut bytes = repository.packs.join(&piece.entry.extents)?;
    check(hash(&bytes) == piece.entry.content, "its content has another hash")?;
    bytes.truncate(usize::try_from(piece.length)?);
    check(hash(&bytes) == piece.content, "what was claimed has another hash")?;
    bytes.extend(match piece.end {
        0 => &[0; 4][..],
        1 => &[0xff; 4],
        _ => &[],
    });
    bytes.resize(bytes.len().max(usize::try_from(piece.entry.file_length)?), 0);
    Ok(bytes)
}

fn control_db(repository: &Repository, stated: &Value, into: &mut Restored) -> Read<()> {
    let (held, inner) = match (stated.get("absent"), stated.get("inner"), stated.get("zip")) {
        (Some(_), None, None) => return Ok(()),
        (None, Some(held), None) => (held, content(repository, &held["inner"])?),
        (None, None, Some(held)) => {
            let bytes = content(repository, &held["zip"])?;
            let inner = opened(&bytes, text(held, "entry")?)?;
            into.zip = Some((text(held, "name")?.to_owned(), bytes));
            (held, inner)
        }
        _ => return Err("the control database has no form that is known".into()),
    };
    let (entry, zip) = (text(held, "entry")?, &held["zip"]);
    check(is_file_name(entry), "the control database has no name for a file")?;
    if into.zip.is_none() && !zip.is_null() {
        let bytes = rebuilt(&inner, entry, u32::try_from(number(zip, "dos_time")?)?)?;
        let same = bytes.len() as u64 == number(zip, "length")?;
        check(same && hash(&bytes) == unhex(text(zip, "blake3")?)?, "the zip does not come back")?;
        into.zip = Some((text(zip, "name")?.to_owned(), bytes));
    }
    into.files.insert(format!("data/{entry}"), inner);
    Ok(())
}

/// A file that is no segment.
fn content(repository: &Repository, stated: &Value) -> Read<Vec<u8>> {
    let mut list = Bytes(repository.packs.chunk(&unhex(text(stated, "list")?)?)?);
    list.magic(b"SEGVLIST")?;
    list.expect(&[0; 2], "reserved bytes are not 0")?;
    let count = list.number(4)?;
    let (extents, sum) = list.extents(count)?;
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

/// The file with this name in a zip, by its central directory; stored or deflated.
fn opened(zip: &[u8], entry: &str) -> Read<Vec<u8>> {
    let end = zip.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or("it is no zip")?;
    let mut end = Bytes(&zip[end..]);
    end.take(16)?;
    let mut central = Bytes(zip);
    central.take(end.number(4)?)?;
    loop {
        central.expect(b"PK\x01\x02", "the file is not in the zip")?;
        central.take(6)?;
        let (method, _time_and_crc) = (central.number(2)?, central.take(8)?);
        let (packed, length, name) = (central.number(4)?, central.number(4)?, central.number(2)?);
        let (more, _) = (central.number(2)? + central.number(2)?, central.take(8)?);
        let (at, name, _) = (central.number(4)?, central.take(name)?, central.take(more)?);
        if name == entry.as_bytes() {
            let mut local = Bytes(zip);
            local.take(at + 26)?;
            let names = local.number(2)? + local.number(2)?;
            let (_, packed, mut inner) = (local.take(names)?, local.take(packed)?, Vec::new());
            match method {
                8 => drop(flate2::read::DeflateDecoder::new(packed).read_to_end(&mut inner)?),
                _ => inner.extend(packed),
            }
            check(inner.len() as u64 == length, "the zip is damaged")?;
            return Ok(inner);
        }
    }
}
