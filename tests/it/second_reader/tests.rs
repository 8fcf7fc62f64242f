//! What the real program writes, the second reader puts back, bit by bit; and what was damaged it notices.

use super::Repository;
use super::binary::{Entry, Packs, tree};
use super::events;
use super::restore::Restored;
use super::wire::{Bytes, Read, check, hash, items, member};
use crate::support::archive::tree as files_below;
use crate::support::fixtures;
use crate::support::program::SERVER;
use crate::support::repository_v1;
use crate::support::segments::{Change, History, StoreImage};
use segvault::axon::name::Store;
use segvault::engine::bench::corpus::{Kind, corpus};
use segvault::repo::codec::columns;
use segvault::repo::codec::columns::Mode;
use segvault::repo::codec::decode;
use segvault::repo::format::pack::CodecId;
use serde_json::{Value, json};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a point, by their paths in the target; every pack has the form that the document gives it.
pub fn restore_files(root: &Path, point: u64) -> Files {
    let repository = opened(root);
    are_as_many(&repository, point);
    repository.restore(point).unwrap_or_else(|wrong| panic!("point {point}: {wrong}")).files
}

/// A repository without any damage, and all in the form that the document gives it.
fn opened(root: &Path) -> Repository {
    let repository = Repository::open(root).unwrap();
    assert_eq!(repository.packs.damaged, [""; 0]);
    for (path, pack) in repository.files.iter().filter(|(path, _)| path.starts_with("packs/")) {
        has_its_form(pack, &repository.packs).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
    }
    each_holds_the_one_before(&repository.files);
    repository
}

/// A pack is its header, its blocks, and a directory and a footer that can be made of them: what the reader does without.
fn has_its_form(pack: &[u8], chunks: &Packs) -> Read<()> {
    let kind = *pack.get(10).filter(|kind| (1..=4).contains(*kind)).ok_or("its kind is not known")?;
    check(pack.starts_with(&[b"SEGVPACK", &[1, 0, kind][..]].concat()), "its header is wrong")?;
    check(pack[13..16] == [0; 3], "reserved bytes are not 0")?;
    let (mut at, mut directory, mut blocks) = (16, Vec::new(), 0_u32);
    while pack[at..].starts_with(b"SVBK") {
        let mut rest = Bytes(&pack[at + 4..]);
        let [codec, _, encoded, raw] = rest.numbers([1, 7, 4, 4])?;
        check((1..=raw).contains(&encoded) && raw <= 33_554_432, "the lengths of a block are impossible")?;
        for (name, length) in rest.extents(raw)? {
            check(chunks.chunk(&name)?.len() as u64 == length, "a chunk is not what its block says")?;
        }
        let header = &pack[at + 4..pack.len() - rest.0.len()];
        check(header.len() <= 20 + 36 * 65_536, "a block has too many chunks")?;
        directory.extend([&(at as u64).to_le_bytes(), header].concat());
        rest.take(8)?;
        let encoded = rest.take(encoded)?;
        if codec == 1 {
            let length = zstd::zstd_safe::get_frame_content_size(encoded).ok() == Some(Some(raw));
            let one = zstd::zstd_safe::find_frame_compressed_size(encoded) == Ok(encoded.len());
            check(length && one && encoded[4] & 4 == 0, "a zstd frame is not as it should be")?;
        }
        (at, blocks) = (pack.len() - rest.0.len(), blocks + 1);
    }
    let lengths = [at, directory.len()].map(|length| (length as u64).to_le_bytes()).concat();
    directory.extend([&lengths[..], &blocks.to_le_bytes(), &[1, 0, kind, 0]].concat());
    let end = [&directory, &blake3::hash(&directory).as_bytes()[..], b"SEGVPACK"].concat();
    check(end.len() <= 67_108_864 + 64, "its directory is too long")?;
    check(pack[at..] == end, "its directory or its footer are wrong, or something lies between blocks")
}

/// Every record, point and act holds the hash of the one before, where that one counts and is there.
fn each_holds_the_one_before(files: &Files) {
    for (path, bytes) in files {
        let Some((directory, name)) = path.rsplit_once('/') else { continue };
        let (number, ending) = name.split_once('.').map_or((name, ""), |(number, _)| (number, ".json"));
        let Some(before) = number.parse::<u64>().ok().filter(|_| !directory.contains("packs")) else {
            continue;
        };
        let stated = match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => value["previous"].as_str().map(str::to_owned),
            Err(_) => (bytes[10] & 1 == 1).then(|| Bytes(&bytes[20..]).hash(32).unwrap()),
        };
        let before = files.get(&format!("{directory}/{}{ending}", before - 1));
        assert!(before.is_none_or(|before| stated == Some(hash(before))), "{path}");
        assert!(number != "1" || stated.is_none(), "{path}");
    }
}

/// The log of a point has as many segments, tokens and bytes as the point says.
fn are_as_many(repository: &Repository, point: u64) {
    let point = repository.seen(point).unwrap();
    for (context, held) in point["contexts"].as_object().unwrap() {
        for store in ["events", "snapshots"] {
            let (log, stated) = (repository.log(&point, context, store).unwrap(), &held[store]);
            let sealed = tree(&repository.files, &member(stated, "root").unwrap(), None).unwrap();
            assert_eq!(stated["segments"], sealed.len());
            assert_eq!(stated["bytes"], log.values().map(|entry| entry.length).sum::<u64>());
            // A log without events is empty, though it has a segment.
            let filled: Vec<&Entry> = log.values().filter(|entry| entry.events > 0).collect();
            assert_eq!(stated["first"].as_u64(), filled.first().map(|entry| entry.key.0));
            assert_eq!(stated["head"].as_u64(), filled.last().map(|entry| entry.key.0 + entry.events - 1));
        }
    }
}

/// Room for a repository, a server's directory, and what is restored.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        room.run("init");
        room
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line of the real program; findings are allowed.
    fn run(&self, line: &str) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_segvault"));
        program.env("SEGVAULT_REPOSITORY", self.at("repository")).current_dir(self.0.path());
        let output = program.args(line.split(' ')).output().unwrap();
        let (out, complaint) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 3)), "{line}\n{out}\n{complaint}");
        out
    }

    /// Writes a context's files anew, and backs the server up.
    fn backup(&self, files: &Files, more: &str) {
        let _ = fs::remove_dir_all(self.at("server"));
        for (path, bytes) in files {
            let path = self.at("server").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        self.run(&format!("backup --data-dir server --source node-1 {more}"));
    }

    fn open(&self) -> Repository {
        opened(&self.at("repository"))
    }

    fn second(&self, point: u64) -> Restored {
        let repository = self.open();
        are_as_many(&repository, point);
        repository.restore(point).unwrap_or_else(|wrong| panic!("point {point}: {wrong}"))
    }

    /// What the program itself restores: the files, and the zip's.
    fn first(&self, point: u64) -> (Files, Option<(String, Vec<u8>)>) {
        let (target, zips) = (format!("restored{point}"), format!("zips{point}"));
        fs::create_dir(self.at(&zips)).unwrap();
        self.run(&format!("restore {point} --target {target} --control-db-zip {zips}"));
        (files_below(&self.at(&target)), files_below(&self.at(&zips)).into_iter().next())
    }

    /// Both readers put back the same, and that is what was there.
    fn proves(&self, point: u64, expected: &Files) -> Restored {
        let (second, (files, zip)) = (self.second(point), self.first(point));
        same(&second.files, &files);
        assert!(second.zip == zip, "the zip of point {point} differs");
        let data = |files: &Files| -> Files {
            files
                .iter()
                .filter(|(path, _)| !path.contains(".mv.db"))
                .map(|(p, b)| (p.clone(), b.clone()))
                .collect()
        };
        same(&data(&second.files), &data(expected));
        second
    }
}

fn same(found: &Files, expected: &Files) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in expected {
        assert!(found[path] == *bytes, "{path} differs: {} and {} bytes", found[path].len(), bytes.len());
    }
}

/// The data files of a server in the fixtures.
fn originals(server: &str) -> Files {
    let mut files = files_below(&fixtures::dir(server).join("data"));
    files.retain(|path, _| path.ends_with(".events") || path.ends_with(".snapshots"));
    files.into_iter().map(|(path, bytes)| (format!("data/{path}"), bytes)).collect()
}

/// Of each segment the highest version: names of versions sort behind those without.
fn highest(files: &Files) -> Files {
    let mut highest: BTreeMap<(String, String), &String> = BTreeMap::new();
    for path in files.keys() {
        let (stem, store) = path.rsplit_once('.').unwrap();
        let segment = (stem.split('_').next().unwrap().to_owned(), store.to_owned());
        let known = highest.entry(segment).or_insert(path);
        if path.contains('_') && *path > **known || !known.contains('_') {
            *known = path;
        }
    }
    highest.into_values().map(|path| (path.clone(), files[path].clone())).collect()
}

/// Where the blocks of a segment end, with the count of events up to there.
fn blocks(bytes: &[u8]) -> Vec<(usize, u64)> {
    let (mut at, mut events, mut ends) = (5, 0, Vec::new());
    while at + 4 <= bytes.len() {
        let size = i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let Ok(size) =
            usize::try_from(size).map_err(drop).and_then(|size| if size > 0 { Ok(size) } else { Err(()) })
        else {
            break;
        };
        events += u64::from(u16::from_be_bytes(bytes[at + 5..at + 7].try_into().unwrap()));
        assert_eq!(bytes[at + 7 + size..][..4], crc32fast::hash(&bytes[at + 7..at + 7 + size]).to_be_bytes());
        at += size + 11;
        ends.push((at, events));
    }
    ends
}

/// The store as it was when only `segments` of its segments were there, and the last of them was half as full.
fn earlier(files: &Files, segments: usize) -> Files {
    let mut earlier = Files::new();
    for store in [".events", ".snapshots"] {
        let own = files.iter().filter(|(path, _)| path.ends_with(store) && !path.contains('_'));
        let mut own: Vec<_> = own.take(segments).map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        if let Some((_, open)) = own.last_mut() {
            let ends = blocks(open);
            open[ends.get(ends.len() / 2).map_or(5, |(end, _)| *end)..].fill(0);
        }
        earlier.extend(own);
    }
    earlier
}

#[test]
fn every_point_of_every_real_server_comes_back_bit_by_bit() {
    for server in fixtures::SERVERS {
        let (room, whole) = (Room::new(), originals(server));
        let versions: Files = whole.clone().into_iter().filter(|(path, _)| !path.contains('_')).collect();
        let last = versions.keys().filter(|path| path.ends_with(".events")).count();
        let mut seen: Vec<Files> = (1..=last).step_by(2).map(|segments| earlier(&whole, segments)).collect();
        seen.extend([versions, whole]);
        for files in &seen {
            room.backup(files, "--no-control-db");
        }
        let backups = fixtures::dir(server).join("backups");
        room.run(&format!("backup --data-dir server --source node-1 --control-db {}", backups.display()));
        seen.extend(seen.last().cloned());
        for (files, point) in seen.iter().zip(1..) {
            let restored = room.proves(point, &highest(files));
            assert_eq!(restored.zip.is_some(), point == seen.len() as u64);
            if let Some((name, bytes)) = restored.zip {
                assert!(bytes == fs::read(backups.join(name)).unwrap(), "the server's own zip");
                assert!(restored.files.contains_key("data/axonserver-controldb.mv.db"));
            }
        }
    }
}

/// The codecs of event columns.
const COLUMNS: [(Mode, CodecId); 6] = [
    (Mode::Plain, CodecId::Columns),
    (Mode::Mixed, CodecId::MixedColumns),
    (Mode::Streams, CodecId::StreamedColumns),
    (Mode::Lean, CodecId::LeanColumns),
    (Mode::Whole, CodecId::WholeColumns),
    (Mode::Sparing, CodecId::SparingColumns),
];

#[test]
fn event_columns_of_every_kind_of_payload_come_back() {
    for (name, kind) in Kind::ALL {
        let corpus = corpus(kind, 100_000, 21);
        let (one, other) = corpus.data.split_at(corpus.cuts[corpus.cuts.len() / 2]);
        // As blocks of one segment, of the end of one and the next one, and with something behind.
        for raw in [one, &[other, one].concat(), &[one, &[2, 0, 0, 0, 0, 9]].concat()] {
            comes_back_in_all_columns(raw, name);
        }
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let (mut field, mut length) = (vec![number << 3 | 2], bytes.len());
    while length > 127 {
        field.push(length as u8 | 128);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

/// A transaction of one event with this payload.
fn transaction(data: &[u8]) -> Vec<u8> {
    let event = field(6, &[field(1, b"Type"), field(3, data)].concat());
    let area = [&(event.len() as u32).to_be_bytes()[..], &event].concat();
    let length = (area.len() as u32).to_be_bytes();
    [&length[..], &[2, 0, 1], &area, &crc32fast::hash(&area).to_be_bytes()].concat()
}

/// Both readers read a block, in every codec of event columns.
fn comes_back_in_all_columns(raw: &[u8], what: &str) {
    for (mode, codec) in COLUMNS {
        let encoded = columns::encode(raw, mode, 6).unwrap();
        assert!(columns::decode(&encoded, mode, raw.len()).unwrap() == raw, "{what}, {mode:?}");
        let second = events::decode(&encoded, raw.len() as u64, codec.number().into());
        assert!(second.unwrap() == raw, "{what}, {mode:?}");
    }
}

/// Blocks that earlier programs wrote.
#[test]
fn event_columns_that_were_written_before_are_read() {
    for (name, codec) in [("plain", 2), ("mixed", 3), ("streams", 4), ("lean", 5), ("sparing", 7)] {
        let path = format!("{}/tests/golden/columns-{name}", env!("CARGO_MANIFEST_DIR"));
        let raw = events::decode(&fs::read(path).unwrap(), 401_481, codec).unwrap();
        assert!(hash(&raw).starts_with("5176deb5b4f5bf97457a32ae63e644df"), "{name}");
    }
}

/// A transaction of one event: its payload's type and data, then whatever else there is.
fn transaction_of(kind: &str, data: &[u8], rest: &[u8]) -> Vec<u8> {
    let payload = field(6, &[field(1, kind.as_bytes()), field(3, data)].concat());
    let event = [payload, rest.to_vec()].concat();
    let area = [&(event.len() as u32).to_be_bytes()[..], &event].concat();
    let length = (area.len() as u32).to_be_bytes();
    [&length[..], &[2, 0, 1], &area, &crc32fast::hash(&area).to_be_bytes()].concat()
}

/// An entry of the metadata whose value is text.
fn metadata(key: &str, value: &str) -> Vec<u8> {
    field(7, &[field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat())
}

#[test]
fn event_columns_of_more_types_than_are_told_apart_come_back() {
    let mut random = fastrand::Rng::with_seed(25);
    let mut event = |kind: u32| {
        let data = format!("{{\"of\":{},\"part\":\"P-{}\"}}", random.u32(..9), random.u32(..900));
        transaction_of(&format!("Type{kind}"), data.as_bytes(), &metadata("trace", "one"))
    };
    let all: Vec<u8> = (0..2_300).chain(2_000..2_300).chain(0..50).flat_map(&mut event).collect();
    comes_back_in_all_columns(&all, "2,300 types");
}

#[test]
fn entries_of_the_metadata_without_a_key_come_back() {
    let event =
        |value: &str| transaction_of("Type", b"{}", &[metadata("", value), metadata("b", "")].concat());
    comes_back_in_all_columns(&[event("one"), event("two"), event("")].concat(), "no key");
}

/// A transaction of these events.
fn transaction_with(events: &[Vec<u8>]) -> Vec<u8> {
    let area: Vec<u8> =
        events.iter().flat_map(|event| [&(event.len() as u32).to_be_bytes()[..], event].concat()).collect();
    let (length, count) = ((area.len() as u32).to_be_bytes(), (events.len() as u16).to_be_bytes());
    [&length[..], &[2], &count, &area, &crc32fast::hash(&area).to_be_bytes()].concat()
}

/// An entry of the metadata with these bytes as `MetaDataValue`.
fn metadata_as(key: &str, value: &[u8]) -> Vec<u8> {
    field(7, &[field(1, key.as_bytes()), field(2, value)].concat())
}

/// Of everything that is told in a way of its own: metadata of all sorts and without a value, raw events between others, wrong sums, other
/// versions, no aggregate, no payload, no data, values that are empty or long, several segments.
#[test]
fn event_columns_of_odd_events_come_back() {
    let mut random = fastrand::Rng::with_seed(29);
    let long: Vec<u8> = (0..9_000).map(|_| random.u8(..)).collect();
    let (mut all, mut messages) = (vec![2, 0, 0, 0, 0], Vec::<String>::new());
    for at in 0..700_u64 {
        let mut events = Vec::new();
        for _ in 0..[1, 1, 2, 4][random.usize(..4)] {
            let message =
                format!("{:08x}-5a1c-4f{:02x}-9e2a-{:012x}", random.u32(..), at % 256, random.u64(..1 << 48));
            let cause = messages.get(random.usize(..messages.len().max(1))).unwrap_or(&message).clone();
            let aggregate = [String::new(), format!("order-{}", random.u8(..40))]
                [usize::from(random.u8(..9) > 0)]
            .clone();
            let list: Vec<String> =
                (0..random.usize(..5)).map(|n| format!("{}", at * 10 + n as u64)).collect();
            let text = [&b""[..], b"one two three", &long[..random.usize(..700)], &long][random.usize(..4)];
            let data = format!(
                "{{\"id\":\"{aggregate}\",\"cause\":\"{cause}\",\"all\":[{}],\"up\":\"{}\",\"part\":{}}}",
                list.join(","),
                cause.to_uppercase(),
                at / 3
            );
            let payload = match random.u8(..12) {
                0 => Vec::new(),
                1 => field(6, &field(1, b"Bare")),
                2 => field(6, &[field(1, b"Bytes"), field(2, b"2"), field(3, text)].concat()),
                kind => field(
                    6,
                    &[field(1, format!("Type{}", kind % 4).as_bytes()), field(3, data.as_bytes())].concat(),
                ),
            };
            let mut event = [field(1, message.as_bytes()), field(2, aggregate.as_bytes())].concat();
            event.extend(
                [&[3 << 3, 1 + random.u8(..3)][..], &field(4, b"Order"), &[5 << 3, 100 + random.u8(..20)]]
                    .concat(),
            );
            event.extend(payload);
            event.extend(
                [metadata("cause", &cause), metadata("none", ""), metadata_as("no value", b"")].concat(),
            );
            if random.bool() {
                event.extend(
                    [metadata_as("number", &[2 << 3, random.u8(..99)]), metadata_as("is", &[3 << 3, 1])]
                        .concat(),
                );
                event.extend(metadata_as(
                    "part",
                    &[&[4 << 3 | 1][..], &(f64::from(random.u16(..)) / 4.0).to_le_bytes()].concat(),
                ));
            }
            // Bytes that are no event.
            events.push(if random.u8(..15) == 0 { long[..random.usize(..90)].to_vec() } else { event });
            messages.push(message);
        }
        let mut transaction = transaction_with(&events);
        let end = transaction.len() - 1;
        transaction[end] ^= u8::from(random.u8(..9) == 0);
        transaction[4] += u8::from(at % 50 > 45);
        all.extend(transaction);
        if at % 300 == 299 {
            all.extend([2, 0, 0, 0, 0]);
        }
    }
    comes_back_in_all_columns(&all, "odd events");
}

/// Values that come again much later, anywhere: more than a key lists before any was named again; identifiers of messages among them.
#[test]
fn event_columns_of_values_that_come_again_come_back() {
    let mut random = fastrand::Rng::with_seed(30);
    let (mut all, mut messages, mut causes, mut words) = (Vec::new(), Vec::new(), Vec::<String>::new(), 0);
    for _ in 0..4_000 {
        let message = format!("{:08x}-5a1c-4f00-9e2a-{:012x}", random.u32(..), random.u64(..1 << 48));
        messages.push(message.clone());
        if causes.len() < 60 || random.u8(..20) == 0 {
            causes.push(messages[random.usize(messages.len().saturating_sub(9)..messages.len())].clone());
        }
        // So few come again that not all are listed.
        words += u32::from(random.u8(..100) < 97);
        let word = if random.u8(..100) < 97 { words } else { random.u32(..words + 1) };
        let cause = random.choice(&causes).unwrap();
        let data = format!("{{\"of\":\"w{word:x}y\",\"cause\":\"{cause}\"}}");
        let payload = field(6, &[field(1, b"Type"), field(3, data.as_bytes())].concat());
        all.extend(transaction_with(&[[field(1, message.as_bytes()), payload].concat()]));
    }
    comes_back_in_all_columns(&all, "values that come again");
}

/// Payloads of keys that never come again, each of a type of its own, until there are no literals left; what was known before still is.
#[test]
fn event_columns_come_back_when_there_is_no_room_for_more_literals() {
    let mut random = fastrand::Rng::with_seed(26);
    let usual = transaction_of("Usual", b"{\"name\":\"usual\",\"of\":1}", b"");
    let mut odd = |kind: u32| {
        let mut member = |_| format!("\"k{:x}\":{}", random.u64(..), random.u8(..));
        let members: Vec<String> = (0..3_000).map(&mut member).collect();
        let data = format!("{{{}}}", members.join(","));
        [&usual[..], &transaction_of(&format!("Odd{kind}"), data.as_bytes(), b""), &usual].concat()
    };
    let mut all: Vec<u8> = (0..6).flat_map(&mut odd).collect();
    for kind in 0..1_500 {
        all.extend(transaction_of(&format!("Small{kind}"), b"{\"one\":1}", b""));
    }
    comes_back_in_all_columns(&[&all[..], &usual].concat(), "18,000 keys, then types");
}

/// The last column serves all that come when there are no more: keys of payloads and of the metadata.
#[test]
fn event_columns_come_back_when_there_is_no_room_for_more_columns() {
    let id = |number: u64| format!("f9b178d5-792c-4965-9e2a-{number:012x}");
    let mut random = fastrand::Rng::with_seed(27);
    let mut event = |kind: u32| {
        let members: Vec<String> =
            (0..30).map(|key| format!("\"k{key}\":\"{}\"", id(random.u64(..5)))).collect();
        let data = format!("{{{}}}", members.join(","));
        let rest =
            [metadata(&format!("m{kind}"), &id(random.u64(..5))), metadata("all", &id(random.u64(..5)))];
        transaction_of(&format!("Type{}", kind % 200), data.as_bytes(), &rest.concat())
    };
    comes_back_in_all_columns(&(0..600).flat_map(&mut event).collect::<Vec<u8>>(), "6,000 columns");
}

/// So many keys with numbers of parts and orders that there are no slots left for the places in these.
#[test]
fn event_columns_come_back_when_there_is_no_room_for_more_slots() {
    let mut random = fastrand::Rng::with_seed(23);
    let mut payload = || {
        let mut member = |key: u32| format!("\"key{key}\":\"part{}x\"", random.u32(100_000..));
        let members: Vec<String> = (0..600).map(&mut member).collect();
        transaction(format!("{{{}}}", members.join(",")).as_bytes())
    };
    comes_back_in_all_columns(&[payload(), payload(), payload(), payload()].concat(), "many keys");
}

/// More ways to go on than one symbol of a stream can say.
#[test]
fn event_columns_come_back_where_hundreds_of_literals_follow_one() {
    let mut random = fastrand::Rng::with_seed(24);
    let payload = |key: usize| transaction(format!("{{\"id\":{key},\"key{key}\":1}}").as_bytes());
    let all = (0..400).chain(std::iter::repeat_with(|| random.usize(..400)).take(600));
    comes_back_in_all_columns(&all.flat_map(payload).collect::<Vec<u8>>(), "many literals");
}

/// In long blocks tables do not grow any more: what they forget depends on how large they are.
#[test]
fn event_columns_of_long_blocks_come_back() {
    let corpus = corpus(Kind::Json, 300_000, 25);
    comes_back_in_all_columns(&[corpus.data, transaction(&vec![0; 17 << 20])].concat(), "a long block");
}

#[test]
fn a_point_in_the_stronger_settings_comes_back_bit_by_bit() {
    for setting in ["high", "max"] {
        let room = Room::new();
        let files = originals(SERVER);
        room.backup(&files, &format!("--no-control-db --compression {setting}"));
        room.proves(1, &files);
    }
}

#[test]
fn what_the_program_reads_of_damaged_columns_the_second_reader_reads_too() {
    let mut random = fastrand::Rng::with_seed(9);
    for (mode, codec) in COLUMNS {
        let (mut alike, mut refused) = (0, 0);
        for (_, kind) in Kind::ALL {
            let raw = corpus(kind, 20_000, 22).data;
            let encoded = columns::encode(&raw, mode, 6).unwrap();
            for _ in 0..50 {
                let mut damaged = encoded.clone();
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..damaged.len());
                    damaged[at] = random.u8(..);
                }
                damaged.truncate(if random.bool() { damaged.len() } else { random.usize(..damaged.len()) });
                let second = events::decode(&damaged, raw.len() as u64, codec.number().into()).ok();
                match decode(codec, &damaged, raw.len() as u32) {
                    Ok(read) => assert!(second == Some(read)),
                    Err(_) => refused += 1,
                }
                alike += u32::from(second.is_some());
            }
        }
        assert!(alike > 0 && refused > 50, "{codec:?}: {alike} read, {refused} refused");
    }
}

#[test]
fn captures_of_an_open_segment_come_back_without_their_noise() {
    let (room, name) = (Room::new(), "data/default/00000000000000000000.events");
    let mut captures = fixtures::expect(fixtures::LIVE_CAPTURES).as_array().unwrap().clone();
    captures.sort_by_key(|capture| capture["valid_length"].as_u64());
    let mut seen = Vec::new();
    for capture in captures {
        let file = capture["capture"].as_str().unwrap();
        let mut bytes = fs::read(fixtures::dir(fixtures::LIVE_CAPTURES).join(file)).unwrap();
        room.backup(&[(name.to_owned(), bytes.clone())].into(), "--no-control-db");
        bytes[usize::try_from(capture["valid_length"].as_u64().unwrap()).unwrap()..].fill(0);
        seen.push(Files::from([(name.to_owned(), bytes)]));
    }
    for (expected, point) in seen.iter().zip(1..) {
        room.proves(point, expected);
    }
}

/// Events in many small segments, of which the last is open.
fn made_up(transactions: usize) -> StoreImage {
    let (mut history, mut store) = (History::seeded(77), StoreImage::new(1_000));
    for transaction in history.transactions(transactions) {
        store.append(&transaction);
    }
    store
}

/// Large events, so that their segments have time maps; their times fall and rise.
fn large(events: i64) -> StoreImage {
    let (mut history, mut store) = (History::seeded(78), StoreImage::new(12_000_000));
    for at in 0..events {
        let event = history.transaction_of(1).remove(0);
        let time = event.timestamp + at % 7 * 10_000 - at * 3_000;
        store.append(&[event.at(time).carrying(vec![7; 100_000])]);
    }
    store
}

fn files_of(store: &StoreImage) -> Files {
    let named = |image: &crate::support::segments::SegmentImage| {
        (format!("data/default/{}", image.name().file_name(Store::Events)), image.bytes())
    };
    store.segments.values().map(named).collect()
}

#[test]
fn hundreds_of_segments_come_back_through_nodes_of_pages() {
    let (room, mut seen) = (Room::new(), Vec::new());
    for transactions in [30, 120, 500, 503] {
        let mut store = made_up(transactions);
        if transactions == 503 {
            let next = store.segments.values().nth(5).unwrap().transformed(|_, _| Change::Keep);
            store.insert(next);
        }
        seen.push(files_of(&store));
        room.backup(seen.last().unwrap(), "--no-control-db");
    }
    for (files, point) in seen.iter().zip(1..) {
        room.proves(point, &highest(files));
    }
    let repository = room.open();
    let roots = files_below(&room.at("repository/pages"));
    assert!(roots.values().any(|page| page[10] > 0), "there is a page of nodes");
    assert_eq!(repository.points.len(), 4);
}

/// The entries of a point's events.
fn entries(repository: &Repository, point: u64) -> Vec<Entry> {
    repository.log(&repository.seen(point).unwrap(), "default", "events").unwrap().into_values().collect()
}

/// The key of the events of context `default` of source `node-1`, byte by byte.
fn events_key() -> Vec<u8> {
    [&[2, 1, 0, 0, 0, 6, 0][..], b"node-1", &[7, 0], b"default"].concat()
}

#[test]
fn entries_say_what_is_in_their_segments() {
    let (room, other) = (Room::new(), Room::new());
    room.backup(&files_of(&made_up(300)), "--no-control-db");
    other.backup(&files_of(&large(260)), "--no-control-db");
    assert!(compare(&room.open()).0 > 100);
    let (segments, marks) = compare(&other.open());
    assert!(segments == 3 && marks > 60, "{marks} marks in {segments} segments");
}

/// Compares the entries of point 1 with their segments; counts them, and the marks of their time maps.
fn compare(repository: &Repository) -> (usize, u64) {
    let (entries, mut marks) = (entries(repository, 1), 0);
    for entry in &entries {
        let prefix = repository.packs.join(&entry.extents).unwrap();
        let ends = blocks(&prefix);
        let events = ends.last().map_or(0, |(_, events)| *events);
        assert_eq!((entry.events, entry.blocks), (events, ends.len() as u64));
        assert_eq!(ends.last().map_or(5, |(end, _)| *end as u64), entry.length);
        let times = times(&prefix);
        assert_eq!(stated_times(entry), times.first().map(|_| summary(&times)));
        marks += time_map(entry, &repository.packs, &ends, &times).unwrap();
    }
    (entries.len(), marks)
}

/// The times of all events: as the program reads events, which is no part of its repository.
fn times(prefix: &[u8]) -> Vec<i64> {
    let (mut times, mut at) = (Vec::new(), 5);
    for (end, _) in blocks(prefix) {
        let mut area = &prefix[at + 7..end - 4];
        while let Some((length, rest)) = area.split_first_chunk::<4>() {
            let (event, behind) = rest.split_at(u32::from_be_bytes(*length) as usize);
            times.push(segvault::axon::event::Event::parse(event).unwrap().timestamp);
            area = behind;
        }
        at = end;
    }
    times
}

/// First, last, least, greatest.
fn summary(times: &[i64]) -> [i64; 4] {
    let (least, greatest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    [times[0], *times.last().unwrap(), *least, *greatest]
}

fn stated_times(entry: &Entry) -> Option<[i64; 4]> {
    Some(entry.times?.map(u64::cast_signed))
}

fn varint(bytes: &mut Bytes<'_>) -> Read<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let [byte] = bytes.numbers([1])?;
        check((shift < 63 || byte < 2) && (byte > 0 || shift == 0), "a varint is misspelt")?;
        value |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a varint has no end".into())
}

/// Compares each mark of a time map with the transactions of its run; gives the number of marks.
fn time_map(entry: &Entry, packs: &Packs, blocks: &[(usize, u64)], times: &[i64]) -> Read<u64> {
    let Some(name) = &entry.time_map else { return Ok(0) };
    let mut bytes = Bytes(packs.chunk(name)?);
    bytes.expect(b"SEGVTIME\x01\0\0\0")?;
    let [marks] = bytes.numbers([4])?;
    let (mut end, mut next, mut counted, mut least, mut before) = (0, 0, 0, 0_i64, 0);
    for _ in 0..marks {
        end += varint(&mut bytes)?;
        next += varint(&mut bytes)?;
        counted += varint(&mut bytes)?;
        let zigzag = varint(&mut bytes)?;
        least = least.wrapping_add((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
        let greatest = least.checked_add_unsigned(varint(&mut bytes)?).ok_or("a mark is too late")?;
        let at = blocks.iter().position(|(at, _)| *at as u64 == end).ok_or("a mark is in a block")?;
        let (_, events) = &blocks[at];
        assert_eq!(counted, at as u64 + 1);
        let run = &times[before..*events as usize];
        assert_eq!((next, [least, greatest]), (entry.key.0 + events, summary(run)[2..].try_into().unwrap()));
        before = *events as usize;
    }
    assert_eq!((end, before), (entry.length, times.len()), "the last mark is at the end");
    check(bytes.0.is_empty(), "something follows the marks")?;
    Ok(marks)
}

#[test]
fn a_repository_holds_many_sources_contexts_and_incarnations() {
    let (room, mut seen) = (Room::new(), Vec::new());
    for (seed, more) in
        [(1, "--source node-1"), (2, "--source node-2"), (3, "--source node-1 --new-incarnation")]
    {
        let mut history = History::seeded(seed);
        let mut files = Files::new();
        for context in ["default", "billing"] {
            let mut store = StoreImage::new(1_000);
            for transaction in history.transactions(40) {
                store.append(&transaction);
            }
            let moved = files_of(&store).into_iter();
            files.extend(moved.map(|(path, bytes)| (path.replace("default", context), bytes)));
        }
        let _ = fs::remove_dir_all(room.at("server"));
        for (path, bytes) in &files {
            let path = room.at("server").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        room.run(&format!("backup --data-dir server --no-control-db {more}"));
        seen.push(files);
    }
    for (files, point) in seen.iter().zip(1..) {
        room.proves(point, files);
    }
    assert_eq!(room.open().points[&3].1["contexts"]["default"]["incarnation"], 2);
}

/// The file with this name in a zip, by its central directory; stored or deflated.
fn unzipped(zip: &[u8], entry: &str) -> Read<Vec<u8>> {
    let end = zip.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or("it is no zip")?;
    let mut end = Bytes(&zip[end..]);
    let [_, directory] = end.numbers([16, 4])?;
    let mut central = Bytes(zip);
    central.take(directory)?;
    loop {
        central.expect(b"PK\x01\x02")?;
        let [_, method, _, packed, length, name] = central.numbers([6, 2, 8, 4, 4, 2])?;
        let [extra, comment, _, at] = central.numbers([2, 2, 8, 4])?;
        let (name, _) = (central.take(name)?, central.take(extra + comment)?);
        if name == entry.as_bytes() {
            let mut local = Bytes(zip);
            local.take(at + 26)?;
            let [names, more] = local.numbers([2, 2])?;
            let (_, packed, mut inner) = (local.take(names + more)?, local.take(packed)?, Vec::new());
            match method {
                8 => drop(flate2::read::DeflateDecoder::new(packed).read_to_end(&mut inner)?),
                _ => inner.extend(packed),
            }
            check(inner.len() as u64 == length, "the zip is damaged")?;
            return Ok(inner);
        }
    }
}

#[test]
fn a_zip_that_cannot_be_rebuilt_comes_back_as_it_was() {
    let room = Room::new();
    let server = fixtures::dir("se-4.6.11-json");
    let mut zip = fs::read(&fixtures::control_db_zips("se-4.6.11-json")[0]).unwrap();
    let comment = zip.len() - 2;
    zip.splice(comment.., *b"\x02\0hi");
    fs::write(room.at("controldb1795381849885.zip"), &zip).unwrap();
    let data = server.display();
    room.run(&format!("backup --data-dir {data} --source node-1 --control-db controldb1795381849885.zip"));
    let (second, first) = (room.second(1), room.first(1));
    assert!(room.open().points[&1].1["control_db"]["zip"].is_object());
    assert!(second.zip == Some(("controldb1795381849885.zip".to_owned(), zip)) && second.zip == first.1);
    // The database comes out of the zip.
    let mut files = second.files;
    let entry = room.open().points[&1].1["control_db"]["zip"]["entry"].as_str().unwrap().to_owned();
    files.insert(format!("data/{entry}"), unzipped(&first.1.unwrap().1, &entry).unwrap());
    same(&files, &first.0);
}

/// A small repository with three points.
fn small() -> (Room, Vec<Files>) {
    let (room, mut seen) = (Room::new(), Vec::new());
    for transactions in [10, 20, 36] {
        seen.push(files_of(&made_up(transactions)));
        room.backup(seen.last().unwrap(), "--no-control-db");
    }
    (room, seen)
}

/// What a reader makes of a repository: nothing, or complaints, or points; of these never a wrong byte.
fn notices(root: &Path, expected: &[Files]) -> bool {
    let Ok(repository) = Repository::open(root) else { return true };
    let mut noticed = !repository.packs.damaged.is_empty() || repository.points.len() < expected.len();
    for (files, point) in expected.iter().zip(1..) {
        match repository.restore(point) {
            Ok(restored) => same(&restored.files, files),
            Err(_) => noticed = true,
        }
    }
    noticed
}

/// The files that a repository is made of.
fn truth(room: &Room) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files_below(&room.at("repository")).into_iter();
    let counts =
        |path: &str| !["index.", "locks/", "staging/", "reserve"].iter().any(|no| path.starts_with(no));
    files
        .filter(|(path, _)| counts(path))
        .map(|(path, bytes)| (room.at("repository").join(path), bytes))
        .collect()
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let (room, expected) = small();
    let root = room.at("repository");
    assert!(!notices(&root, &expected));
    let mut random = fastrand::Rng::with_seed(5);
    let files = truth(&room);
    assert!(files.len() > 10);
    for (path, bytes) in files {
        for _ in 0..12 {
            let mut damaged = bytes.clone();
            if random.u8(..) < 40 {
                damaged.truncate(random.usize(..bytes.len()));
            } else {
                damaged[random.usize(..bytes.len())] ^= 1 << random.u8(..8);
            }
            fs::write(&path, damaged).unwrap();
            assert!(notices(&root, &expected), "{}", path.display());
        }
        fs::remove_file(&path).unwrap();
        // An old record, or a tail that was sealed since, is missed by nobody: whatever comes back is right.
        let old = path.starts_with(root.join("logs")) && !path.ends_with("3");
        let superseded = path.starts_with(root.join("packs")) && bytes[10] == 2;
        assert!(notices(&root, &expected) || old || superseded, "{} is missing", path.display());
        fs::write(&path, bytes).unwrap();
    }
    assert!(!notices(&root, &expected), "all is as it was");
}

#[test]
fn packs_without_their_ends_still_give_all_their_chunks() {
    let (room, expected) = small();
    let mut files = truth(&room);
    files.retain(|(path, _)| path.starts_with(room.at("repository/packs")));
    for (path, bytes) in &files {
        let footer = bytes.len() - 64;
        let directory = u64::from_le_bytes(bytes[footer..footer + 8].try_into().unwrap());
        fs::write(path, &bytes[..usize::try_from(directory).unwrap()]).unwrap();
    }
    let repository = Repository::open(&room.at("repository")).unwrap();
    assert_eq!(repository.packs.damaged.len(), files.len());
    for (files, point) in expected.iter().zip(1..) {
        same(&repository.restore(point).unwrap().files, files);
    }
}

#[test]
fn what_was_given_up_counts_for_no_reader() {
    let (room, expected) = small();
    room.run("hold add 1 --reason audit");
    let newest = |top: &str| {
        let files = truth(&room).into_iter().map(|(path, _)| path);
        files.filter(|path| path.starts_with(room.at(top))).max().unwrap()
    };
    for path in
        [room.at("repository/points/3.json"), room.at("repository/acts/1.json"), newest("repository/logs")]
    {
        fs::write(path, "what was written by accident").unwrap();
    }
    assert!(Repository::open(&room.at("repository")).is_err());
    room.run("repair give-up --yes");
    room.backup(expected.last().unwrap(), "--no-control-db");
    let repository = Repository::open(&room.at("repository")).unwrap();
    assert_eq!(repository.packs.damaged, [""; 0]);
    assert_eq!(repository.points.keys().copied().collect::<Vec<_>>(), [1, 2, 4]);
    for (files, point) in expected.iter().zip([1, 2, 4]) {
        same(&repository.restore(point).unwrap().files, files);
    }
}

/// Whether the last act on this very file that says so has left a point in the list.
fn is_listed(repository: &Repository, point: u64) -> bool {
    let (hash, _) = &repository.points[&point];
    let is_meant = |named: &Value| named["number"] == point && named["blake3"] == **hash;
    let says = |act: &Value| match act["act"].as_str() {
        Some("forgotten" | "gone") => Some(false),
        Some("remembered") => Some(true),
        _ => None,
    };
    let acts = repository.acts.values().rev().filter(|(_, act)| items(act, "points").any(is_meant));
    acts.map(|(_, act)| says(act)).find_map(|listed| listed).unwrap_or(true)
}

/// Writes the next act, in the words of the document; the program that reads it is the real one, too.
fn act(room: &Room, mut members: Value) {
    let repository = room.open();
    let number = repository.acts.len() as u64 + 1;
    members["number"] = number.into();
    members["previous"] = repository.acts.last_key_value().map(|(_, (hash, _))| hash.clone()).into();
    members["repository"] = repository.points[&1].1["repository"].clone();
    members["at"] = "2026-11-24T08:00:03.000Z".into();
    members["type"] = "segvault.act".into();
    members["version"] = 1.into();
    members["check"] = hash(format!("{members}\n").as_bytes()).into();
    fs::create_dir_all(room.at("repository/acts")).unwrap();
    fs::write(room.at(&format!("repository/acts/{number}.json")), format!("{members}\n")).unwrap();
}

/// The numbers of the points that the real program lists, and those that the second reader does.
fn listed(room: &Room) -> [Vec<u64>; 2] {
    let document: Value = serde_json::from_str(&room.run("points --json")).unwrap();
    let mut first: Vec<u64> = document["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["number"].as_u64().unwrap())
        .collect();
    first.sort_unstable();
    let repository = room.open();
    let second = repository.points.keys().copied().filter(|point| is_listed(&repository, *point));
    [first, second.collect()]
}

#[test]
fn acts_say_which_points_are_listed() {
    let (room, _) = small();
    let named = |point: u64| json!({ "number": point, "blake3": room.open().points[&point].0 });
    let of_another = json!({ "number": 3, "blake3": hash(b"another file") });
    act(
        &room,
        json!({ "act": "forgotten", "reason": "keep 7 days", "points": [named(1), named(2), of_another] }),
    );
    assert_eq!(listed(&room), [[3], [3]]);
    act(&room, json!({ "act": "remembered", "points": [named(2)] }));
    act(&room, json!({ "act": "held", "reason": "audit\u{1}\u{7f}\"\\\u{2028}é\t", "point": named(1) }));
    assert_eq!(listed(&room), [[2, 3], [2, 3]]);
    act(&room, json!({ "act": "praised", "points": [named(3)] }));
    assert_eq!(listed(&room), [[2, 3], [2, 3]], "an act of an unknown kind has no effect");
}

#[test]
fn acts_say_what_points_read() {
    let (room, seen) = small();
    let opened = room.open();
    let contexts = opened.points[&3].1["contexts"].as_object().unwrap();
    let (context, now) = contexts.iter().next().unwrap();
    let hash_of = &opened.points[&1].0;
    let view =
        json!({ "number": 1, "blake3": hash_of, "events": now["events"], "snapshots": now["snapshots"] });
    let of_another = json!({ "number": 2, "blake3": hash_of, "events": now["events"] });
    let said = json!({ "act": "erased", "source": "node-1", "context": context, "reason": "17", "points": [view, of_another] });
    act(&room, said);
    for (point, files) in [(1, &seen[2]), (2, &seen[1]), (3, &seen[2])] {
        room.proves(point, files);
    }
}

#[test]
fn damaged_copies_are_held_and_never_restored() {
    let (room, good) = (Room::new(), files_of(&made_up(60)));
    room.backup(&good, "--no-control-db");
    let mut rotten = good.clone();
    let mut segments = rotten.values_mut().skip(1);
    segments.next().unwrap()[40] ^= 1;
    // The header is another, and all else is as it was: as many bytes are stored as are valid.
    segments.next().unwrap()[2] ^= 1;
    segments.next().unwrap()[300..].fill(0);
    drop(segments);
    room.backup(&rotten, "--no-control-db --reread");
    room.proves(1, &good);
    room.proves(2, &good);
    let repository = room.open();
    let held = repository.held(&events_key(), 1).unwrap();
    let damaged: Vec<&Entry> = held.iter().filter(|entry| entry.key.2 == 1).collect();
    assert_eq!(damaged.len(), 3);
    for entry in damaged {
        assert_eq!(hash(&repository.packs.join(&entry.extents).unwrap()), entry.content);
    }
}

#[test]
fn the_sample_repository_is_the_same_whenever_it_is_made() {
    let room = Room::new();
    fs::remove_dir_all(room.at("repository")).unwrap();
    let seen = repository_v1::make(&room.at("repository"));
    repository_v1::make(&room.at("again"));
    let plain = |directory| {
        let mut files = files_below(&room.at(directory));
        files.retain(|path, _| !path.starts_with("locks/"));
        files
    };
    same(&plain("repository"), &plain("again"));
    for (files, point) in seen.into_iter().zip(1..) {
        let named = files.into_iter().map(|(name, bytes)| (format!("data/default/{name}"), bytes));
        room.proves(point, &highest(&named.collect()));
    }
    assert!(room.run("verify --data").contains("everything is there"));
}

/// The path of a segment.
fn path_of(files: &Files, segment: usize) -> String {
    files.keys().nth(segment).unwrap().clone()
}

#[test]
fn what_was_damaged_from_the_beginning_comes_back_as_it_was_found() {
    let (room, good) = (Room::new(), files_of(&made_up(60)));
    let mut rotten = good.clone();
    rotten.get_mut(&path_of(&good, 3)).unwrap()[400] ^= 1;
    room.backup(&rotten, "--no-control-db");
    room.proves(1, &rotten);
    assert!(entries(&room.open(), 1).iter().any(|entry| entry.key.2 == 1), "it is in the point's tree");
    // A good copy of it turns up; the older point keeps what it has.
    room.backup(&good, "--no-control-db");
    assert_eq!(room.second(1).files, rotten);
    room.proves(2, &good);
}

#[test]
fn a_claim_on_a_segment_that_has_a_successor_ends_as_the_document_says() {
    let room = Room::new();
    let (early, good) = (files_of(&made_up(10)), files_of(&made_up(60)));
    let open = early.keys().next_back().unwrap().clone();
    assert!(good.contains_key(&open) && *good.keys().next_back().unwrap() > open);
    room.backup(&early, "--no-control-db");
    // It was sealed since, and damaged inside of what had been archived: the archived prefix is what there is.
    let mut rotten = good.clone();
    rotten.get_mut(&open).unwrap()[60] ^= 1;
    room.backup(&rotten, "--no-control-db");
    let claims = |point: u64| {
        room.open().points[&point].1["contexts"]["default"]["events"]["open"].as_array().unwrap().len()
    };
    assert_eq!((claims(1), claims(2)), (1, 2));
    both_agree(&room, 2);
    let end = blocks(&early[&open]).last().unwrap().0;
    let as_it_was = room.second(2).files;
    assert_eq!(as_it_was[&open][end..end + 4], [0xff; 4]);
    // It is whole again: what the second point has of it is a part, and comes back as before.
    room.backup(&good, "--no-control-db");
    both_agree(&room, 1);
    fs::remove_dir_all(room.at("restored2")).unwrap();
    fs::remove_dir_all(room.at("zips2")).unwrap();
    both_agree(&room, 2);
    assert_eq!(room.second(2).files, as_it_was);
    room.proves(3, &good);
}

/// Both readers put back the same, whatever it is.
fn both_agree(room: &Room, point: u64) {
    same(&room.second(point).files, &room.first(point).0);
}

#[test]
fn segments_that_just_end_come_back_as_the_document_says() {
    let room = Room::new();
    let mut files = files_of(&made_up(60));
    let names: Vec<String> = files.keys().cloned().collect();
    for name in [&names[2], names.last().unwrap()] {
        let bytes = files.get_mut(name).unwrap();
        let end = blocks(bytes).last().unwrap().0;
        bytes.truncate(end);
    }
    room.backup(&files, "--no-control-db");
    both_agree(&room, 1);
    assert_eq!(room.second(1).files[&names[2]], files[&names[2]]);
    let newest = &room.second(1).files[names.last().unwrap()];
    assert_eq!(**newest, *[&files[names.last().unwrap()][..], &[0; 4]].concat());
    // The newest is not there any more: the one before it is the newest now.
    files.retain(|name, _| *name <= names[2]);
    let other = Room::new();
    other.backup(&files, "--no-control-db");
    both_agree(&other, 1);
    // Less than a header: zeros.
    files.insert("data/default/00000000000000000000.snapshots".to_owned(), vec![2, 0]);
    other.backup(&files, "--no-control-db");
    both_agree(&other, 2);
}

#[test]
fn index_files_come_back_by_both_readers() {
    let room = Room::new();
    fixtures::copy_tree(fixtures::dir("se-4.6.11-odd"), &room.at("server"));
    room.run("backup --data-dir server --no-control-db --source node-1 --with-indexes");
    let second = room.second(1);
    assert!(!second.plain.is_empty());
    room.run("restore 1 --target with --with-indexes");
    let together = second.files.into_iter().chain(second.plain).collect();
    same(&together, &files_below(&room.at("with")));
}
