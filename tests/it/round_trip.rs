//! The main job, through the real program, on the real data of real servers: what was backed up is listed, restored and proven.

use crate::support::fixtures;
use crate::support::program::{
    Room, SERVER, assert_restored, assert_sparse, backup, backup_data, current, files_below, segments,
};
use segvault::axon::event;
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::segment;
use segvault::axon::token::Token;
use segvault::engine::pieces::{self, Piece};
use segvault::repo::format::entry::SegmentEntry;
use segvault::repo::format::record::LogKey;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{ListedPoint, OpenOptions, Repository};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn every_server_comes_back_byte_for_byte() {
    for fixture in fixtures::SERVERS {
        let (room, root) = (Room::new(), fixtures::dir(fixture));
        let report = room.document(0, "backup", &backup(root));
        assert_eq!((&report["complete"], &report["point"]["number"]), (&true.into(), &1.into()), "{fixture}");
        assert_lists_one_point(&room, fixture);
        assert_shows_what_an_independent_program_found(&room, fixture);

        let restored = room.document(0, "restore", "restore --target restored --control-db-zip given.zip");
        assert_eq!((&restored["verified"], &restored["warnings"]), (&true.into(), &Value::Array(Vec::new())));
        assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
        assert_control_db(&room, root, &report);
        assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
    }
}

fn assert_lists_one_point(room: &Room, fixture: &str) {
    let points = room.document(0, "points", "points");
    let listed = points["points"].as_array().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["number"], &listed[0]["source"]), (&1.into(), &"node-1".into()));
    for store in Store::ALL {
        let expected = fixtures::expect(fixture);
        let last = expected["default"][store.as_str()].as_array().unwrap().iter().filter_map(|file| {
            let next = file["number"].as_u64()? + file["events"].as_u64()?;
            next.checked_sub(1)
        });
        let of_store = |window: &&Value| {
            (&window["context"], &window["store"]) == (&"default".into(), &store.as_str().into())
        };
        let window = points["windows"].as_array().unwrap().iter().find(of_store);
        // A store without events has nothing that could be restored: no window.
        let found =
            window.map(|window| (window["first"].as_u64().unwrap(), window["last"].as_u64().unwrap()));
        assert_eq!(found, last.max().map(|last| (0, last)), "{fixture} {points}");
    }
}

/// The segments of the point are those in `expect/*.json`, fact by fact; index and bloom files are not among them.
fn assert_shows_what_an_independent_program_found(room: &Room, fixture: &str) {
    let shown = room.document(0, "point", "show latest");
    let expected = fixtures::expect(fixture);
    for store in Store::ALL {
        let rows = shown["contexts"][0][store.as_str()]["segments"].as_array().unwrap();
        let files = expected["default"][store.as_str()].as_array().unwrap();
        assert_eq!(rows.len(), files.len(), "{fixture} {store}");
        for (row, file) in rows.iter().zip(files) {
            assert_eq!(&facts_of_row(row), &facts_of_file(file), "{fixture}");
            let transactions = &row["transactions"];
            assert!(transactions.is_null() || transactions == &file["transactions"], "{fixture} {row}");
        }
    }
}

fn facts_of_row(row: &Value) -> [Value; 8] {
    ["file", "number", "version", "state", "last", "events", "bytes", "blake3"].map(|key| row[key].clone())
}

fn facts_of_file(file: &Value) -> [Value; 8] {
    let keys = ["file", "number", "version", "state", "last_token", "events", "valid_length"];
    let hash = file["blake3_of_valid_prefix"].clone();
    let [a, b, c, d, e, f, g] = keys.map(|key| file[key].clone());
    [a, b, c, d, e, f, g, hash]
}

/// The database is what is in the zip, and the zip is the server's own.
fn assert_control_db(room: &Room, root: &Path, report: &Value) {
    let name = report["control_db"]["archived"]["name"].as_str().unwrap();
    let zip = fs::read(root.join("backups").join(name)).unwrap();
    assert!(fs::read(room.path("given.zip")).unwrap() == zip, "{name} is not what the server wrote");
    let (inner, bytes) = unzip(&zip);
    assert!(fs::read(room.path("restored/data").join(&inner)).unwrap() == bytes, "{inner}");
    let restored: Vec<_> = fixtures::files(&room.path("restored/data"));
    assert_eq!(restored, [room.path("restored/data").join(inner), room.path("restored/data/default")]);
}

/// The name and the bytes of the first entry of a zip, read here without the program's help.
fn unzip(zip: &[u8]) -> (String, Vec<u8>) {
    let length = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
    let name = &zip[30..30 + length(26)];
    let mut bytes = Vec::new();
    let packed = &zip[30 + length(26) + length(28)..];
    flate2::read::DeflateDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    (String::from_utf8(name.to_vec()).unwrap(), bytes)
}

mod the_events_that_the_server_served {
    use super::*;

    /// Token and first 8 bytes of the SHA-256 of each event's protobuf bytes, as a client wrote them down.
    fn dump(fixture: &str, file: &str) -> Vec<String> {
        let text = fs::read_to_string(fixtures::dir(fixture).join(file)).unwrap();
        let is_event = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
        text.lines().filter(is_event).map(str::to_owned).collect()
    }

    /// The same of segments.
    fn served(segments: &BTreeMap<SegmentName, Vec<u8>>) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, bytes) in segments {
            let transactions = segment::walk(bytes, name.number);
            for (token, event) in
                (name.number.get()..).zip(transactions.flat_map(|found| found.event_bytes()))
            {
                let hash = Sha256::digest(event);
                let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                lines.push(format!("{token} {digits}"));
            }
        }
        lines
    }

    /// The first versions are what was served before a transformation, the highest ones what was served behind it.
    fn first_versions(segments: &BTreeMap<SegmentName, Vec<u8>>) -> BTreeMap<SegmentName, Vec<u8>> {
        segments.clone().into_iter().filter(|(name, _)| name.version == 0).collect()
    }

    fn highest_versions(segments: &BTreeMap<SegmentName, Vec<u8>>) -> BTreeMap<SegmentName, Vec<u8>> {
        let mut highest: BTreeMap<Token, (SegmentName, Vec<u8>)> = BTreeMap::new();
        for (name, bytes) in segments {
            highest.insert(name.number, (*name, bytes.clone()));
        }
        highest.into_values().collect()
    }

    /// The events of a point as the archive holds them: every version of every segment, up to the end of what is claimed.
    fn archived(room: &Room) -> BTreeMap<SegmentName, Vec<u8>> {
        let disk = Arc::new(LocalDisk::new(room.repository()));
        let repository = Repository::open(disk, OpenOptions::default()).unwrap();
        let listed = repository.journal().unwrap().points.pop().unwrap();
        let mut found = BTreeMap::new();
        for (name, entry, length) in entries(&repository, &listed) {
            let mut bytes = Vec::new();
            repository
                .read_extents(&entry.extents, 0..length, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
            found.insert(name, bytes);
        }
        found
    }

    fn entries(repository: &Repository, listed: &ListedPoint) -> Vec<(SegmentName, SegmentEntry, u64)> {
        let body = &listed.point.body;
        let (context, log) = (&body.contexts["default"], &body.contexts["default"].events);
        let key = LogKey {
            source: body.source.clone(),
            context: "default".to_owned(),
            incarnation: context.incarnation,
            store: Store::Events,
        };
        let current = pieces::of_point(repository, &key, log, "the point").unwrap();
        let sealed = repository.tree(log.root).unwrap().into_iter().map(Piece::of_entry);
        sealed
            .chain(current)
            .map(|piece| (piece.span.name, piece.entry.clone().unwrap(), piece.prefix()))
            .collect()
    }

    fn restored(room: &Room) -> BTreeMap<SegmentName, Vec<u8>> {
        let all = segments(&room.path("restored/data/default"));
        let events = all.into_iter().filter(|((store, _), _)| *store == Store::Events);
        events.map(|((_, name), path)| (name, fs::read(path).unwrap())).collect()
    }

    #[test]
    fn are_archived_and_restored_one_by_one() {
        for fixture in fixtures::SERVERS {
            let room = Room::new();
            room.ends(0, &backup(fixtures::dir(fixture)));
            room.ends(0, "restore --target restored");
            let (archived, restored) = (archived(&room), restored(&room));
            let before = dump(fixture, "dump.txt");
            let now =
                if fixture.ends_with("transformed") { dump(fixture, "dump-v1.txt") } else { before.clone() };
            assert!(before.len() > 1_000, "{fixture}");
            assert!(served(&first_versions(&archived)) == before, "{fixture}: archived, as it was at first");
            assert!(served(&highest_versions(&archived)) == now, "{fixture}: archived, as it is");
            assert!(served(&restored) == now, "{fixture}: restored");
        }
    }

    #[test]
    fn are_archived_in_both_versions_where_a_transformation_made_two() {
        let room = Room::new();
        room.ends(0, &backup(fixtures::dir("core-2023.2.1-transformed")));
        room.ends(0, "restore --target restored");
        let (archived, restored) = (archived(&room), restored(&room));
        assert_eq!(archived.keys().filter(|name| name.version == 1).count(), 4);
        assert_eq!(archived.keys().filter(|name| name.version == 0).count(), 10);
        assert_eq!(restored.keys().filter(|name| name.version == 1).count(), 4);
        assert_eq!(restored.keys().filter(|name| name.version == 0).count(), 6);
        assert_ne!(served(&first_versions(&archived)), served(&highest_versions(&archived)));
    }
}

mod live_captures {
    use super::*;

    /// Each in a context of its own, under the name it had.
    fn put(data: &Path) -> Vec<Value> {
        let captures = fixtures::expect(fixtures::LIVE_CAPTURES).as_array().unwrap().clone();
        assert_eq!(captures.len(), 6);
        for (number, capture) in captures.iter().enumerate() {
            let context = data.join(format!("capture-{number}"));
            fs::create_dir_all(&context).unwrap();
            let file = context.join(capture["file"].as_str().unwrap());
            fs::copy(captured(capture), file).unwrap();
        }
        captures
    }

    fn captured(capture: &Value) -> PathBuf {
        fixtures::dir(fixtures::LIVE_CAPTURES).join(capture["capture"].as_str().unwrap())
    }

    #[test]
    fn are_cut_where_the_valid_prefix_ends_and_restored_with_zeros_behind_it() {
        let room = Room::new();
        let captures = put(&room.path("data"));
        room.ends(0, &backup_data(&room.path("data")));
        room.ends(0, "restore --target restored");
        let shown = room.document(0, "point", "show");
        for (number, capture) in captures.iter().enumerate() {
            let row = &shown["contexts"][number]["events"]["segments"][0];
            assert_eq!(facts_of_row(row), facts_of_file(capture));
            let original = fs::read(captured(capture)).unwrap();
            let end = capture["valid_length"].as_u64().unwrap() as usize;
            assert!(original[end..].iter().any(|byte| *byte != 0), "a half-written block stands behind it");
            let file = capture["file"].as_str().unwrap();
            let copy = room.path(&format!("restored/data/capture-{number}")).join(file);
            let bytes = fs::read(&copy).unwrap();
            assert_eq!(bytes.len(), original.len());
            assert!(bytes[..end] == original[..end], "capture {number}");
            assert!(bytes[end..].iter().all(|byte| *byte == 0), "capture {number}");
            assert_sparse(&copy, &bytes);
        }
        assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
    }
}

#[test]
fn index_and_bloom_files_are_never_archived() {
    let (with, without) = (Room::new(), Room::new());
    let root = with.server(SERVER);
    let data = root.join("data/default");
    for name in [
        "00000000000000000000.nindex",
        "global-index-00000000000000000000.xref",
        "00000000000000000000.sindex",
    ] {
        fs::write(data.join(name), vec![7; 5_000]).unwrap();
    }
    with.ends(0, &backup(&root));
    let bare = without.server(SERVER);
    for path in fixtures::files(&bare.join("data/default")) {
        let is_data = path.extension().is_some_and(|kind| kind == "events" || kind == "snapshots");
        if !is_data {
            fs::remove_file(path).unwrap();
        }
    }
    without.ends(0, &backup(&bare));
    let packs = |room: &Room| files_below(&room.repository().join("packs"));
    assert_eq!(packs(&with), packs(&without), "the archive is the same, to the byte");
    with.ends(0, "restore --target restored");
    assert_restored(&data, &with.path("restored/data/default"));
}

mod growth {
    use super::*;

    /// The server's data as it was when the last event had that token.
    fn grown(to: &Path, last: u64) {
        let from = fixtures::context_dir(SERVER, "default");
        let target = to.join("data/default");
        fs::create_dir_all(&target).unwrap();
        let time = time_of(&from, last);
        for ((store, name), path) in current(&from) {
            let bytes = fs::read(&path).unwrap();
            if let Some(kept) = cut(&bytes, store, name, (last, time)) {
                fs::write(target.join(path.file_name().unwrap()), kept).unwrap();
            }
        }
    }

    fn time_of(directory: &Path, last: u64) -> i64 {
        let all = current(directory).into_iter().filter(|((store, _), _)| *store == Store::Events);
        let mut time = 0;
        for ((_, name), path) in all {
            let bytes = fs::read(path).unwrap();
            for found in segment::walk(&bytes, name.number).filter(|found| found.last_token().get() <= last) {
                time = event::timestamp(found.event_bytes().last().unwrap()).unwrap().0;
            }
        }
        time
    }

    /// A segment as it was then: valid blocks, the end of an open segment, zeros. None if it was not there yet.
    fn cut(bytes: &[u8], store: Store, name: SegmentName, (last, time): (u64, i64)) -> Option<Vec<u8>> {
        if store == Store::Events && name.number.get() > last {
            return None;
        }
        let was_there = |found: &segment::Transaction<'_>| match store {
            Store::Events => found.last_token().get() <= last,
            Store::Snapshots => event::timestamp(found.event_bytes().last().unwrap()).unwrap().0 <= time,
        };
        if store == Store::Events && next(bytes, name) <= last {
            return Some(bytes.to_vec());
        }
        let there = segment::walk(bytes, name.number).take_while(was_there);
        let end = there.last().map_or(segment::HEADER_LENGTH, |found| found.end());
        // Open: the server rolls only when the next transaction does not fit.
        let mut kept = bytes[..end as usize].to_vec();
        kept.resize(bytes.len(), 0);
        Some(kept)
    }

    /// The token behind a segment.
    fn next(bytes: &[u8], name: SegmentName) -> u64 {
        segment::walk(bytes, name.number)
            .last()
            .map_or(name.number.get(), |found| found.last_token().get() + 1)
    }

    /// The open segment grows twice, is sealed and followed, grows again, and so on to the end.
    const MOMENTS: [u64; 7] = [40, 180, 390, 405, 900, 1_649, 2_859];

    #[test]
    fn older_points_still_restore_exactly() {
        let room = Room::new();
        let live = room.path("live");
        for (number, last) in (1..).zip(MOMENTS) {
            grown(&live, last);
            let report = room.document(0, "backup", &backup_data(&live));
            assert_eq!(report["point"]["number"], number);
            assert_eq!(report["contexts"][0]["events"]["head"], last, "the moments are ends of transactions");
        }
        for (number, last) in (1..=MOMENTS.len()).zip(MOMENTS) {
            let name = format!("restored-{number}");
            let restored = room.restore(0, &number.to_string(), &name);
            assert_eq!(restored["contexts"][0]["events"]["head"], last);
            let then = room.path(&format!("then-{number}"));
            grown(&then, last);
            assert_restored(&then.join("data/default"), &room.path(&name).join("data/default"));
        }
        assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
    }

    /// What a step adds is what is new, not what is there: the tail of the open segment is stored in small chunks.
    #[test]
    fn a_step_costs_what_is_new() {
        let room = Room::new();
        let live = room.path("live");
        grown(&live, 2_400);
        room.ends(0, &backup_data(&live));
        grown(&live, 2_500);
        let report = room.document(0, "backup", &backup_data(&live));
        assert_eq!(report["contexts"][0]["events"]["new_events"], 100);
        assert_eq!(report["contexts"][0]["events"]["new_segments"], 0);
        let tail = fs::metadata(live.join("data/default/00000000000000002390.events")).unwrap().len();
        let snapshots = fs::metadata(live.join("data/default/00000000000000000000.snapshots")).unwrap().len();
        assert!(report["new_raw_bytes"].as_u64().unwrap() < tail + snapshots, "{report}");
    }
}

#[test]
fn nothing_new_writes_only_a_point() {
    let room = Room::new();
    let root = room.server(SERVER);
    fs::create_dir(root.join("data/other")).unwrap();
    for path in current(&fixtures::context_dir("core-2023.2.1-xml", "default")).into_values() {
        fs::copy(&path, root.join("data/other").join(path.file_name().unwrap())).unwrap();
    }
    room.ends(0, &backup(&root));
    for number in 2..=4 {
        let before = room.files();
        let report = room.document(0, "backup", &backup(&root));
        assert_eq!((&report["new_chunks"], &report["complete"]), (&0.into(), &true.into()));
        let mut written = room.files();
        written.retain(|path, _| !before.contains_key(path));
        let point = PathBuf::from(format!("points/{number}.json"));
        assert_eq!(written.keys().collect::<Vec<_>>(), [&point]);
        assert!(written[&point] < 2048 + 2 * 1024, "{written:?}");
        assert_eq!(room.files().len(), before.len() + 1);
    }
    room.restore(0, "4", "restored");
    assert_restored(&root.join("data/other"), &room.path("restored/data/other"));
}
