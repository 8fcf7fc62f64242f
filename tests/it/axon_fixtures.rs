//! Every data file of every real server is read as an independent program read it; and its events are those that the server served.

use crate::support::fixtures;
use crate::support::segments;
use crate::support::segments::SegmentImage;
use segvault::axon::event;
use segvault::axon::event::Event;
use segvault::axon::event::MetadataValue;
use segvault::axon::name;
use segvault::axon::name::FileKind;
use segvault::axon::name::SegmentName;
use segvault::axon::name::Store;
use segvault::axon::segment;
use segvault::axon::segment::Ending;
use segvault::axon::segment::Step;
use segvault::axon::segment::Walker;
use segvault::axon::time::Times;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A data file as we read it.
struct Read {
    name: SegmentName,
    bytes: Vec<u8>,
}

impl Read {
    fn new(path: &Path, file: &str) -> (Store, Self) {
        let FileKind::Data { store, name, digits: 20 } = name::classify(file) else {
            panic!("{file} is no data file")
        };
        assert_eq!(name.file_name(store), file);
        (store, Self { name, bytes: fs::read(path).unwrap() })
    }

    fn events(&self) -> Vec<&[u8]> {
        segment::walk(&self.bytes, self.name.number).flat_map(|found| found.event_bytes()).collect()
    }

    fn times(&self) -> Option<Times> {
        let times = self.events().into_iter().map(|event| Times::of(event::timestamp(event).unwrap()));
        times.reduce(Times::then)
    }

    fn aggregates(&self) -> usize {
        let events = self.events();
        let parsed = events.iter().map(|event| Event::parse(event).unwrap());
        let domain = parsed.filter(|event| !event.aggregate_type.is_empty());
        domain.map(|event| event.aggregate_identifier).collect::<BTreeSet<_>>().len()
    }

    /// What `expect/*.json` says of a file, said by us.
    fn facts(&self, file: &str) -> Value {
        let mut walk = segment::walk(&self.bytes, self.name.number);
        let transactions: Vec<_> = walk.by_ref().collect();
        let (ending, end) = (walk.ending(), walk.offset() as usize);
        let state = match ending {
            Ending::Rolled => "sealed",
            Ending::Open => "open",
            other => panic!("{file} ends in {other:?}"),
        };
        let noise = self.bytes[end + segment::END_LENGTH as usize..].iter().any(|byte| *byte != 0);
        let times = self.times();
        json!({
            "file": file,
            "number": self.name.number.get(),
            "version": self.name.version,
            "state": state,
            "transactions": transactions.len(),
            "events": self.events().len(),
            "first_token": transactions.first().map(|found| found.first_token.get()),
            "last_token": transactions.last().map(|found| found.last_token().get()),
            "valid_length": end,
            "file_length": self.bytes.len(),
            "nonzero_after_end": noise,
            "first_timestamp_ms": times.map(|times| times.first.0),
            "last_timestamp_ms": times.map(|times| times.last.0),
            "min_timestamp_ms": times.map(|times| times.least.0),
            "max_timestamp_ms": times.map(|times| times.greatest.0),
            "aggregates": self.aggregates(),
            "largest_transaction": transactions.iter().map(|found| found.events).max().unwrap_or(0),
            "blake3_of_valid_prefix": blake3::hash(&self.bytes[..end]).to_hex().as_str(),
        })
    }
}

/// The data files of one store of a fixture, in the order of their names.
fn data_files(fixture: &str, store: Store) -> BTreeMap<SegmentName, Read> {
    let mut found = BTreeMap::new();
    for path in fixtures::files(&fixtures::context_dir(fixture, "default")) {
        let file = path.file_name().unwrap().to_str().unwrap();
        match name::classify(file) {
            FileKind::Data { store: its, name, .. } if its == store => {
                found.insert(name, Read::new(&path, file).1);
            }
            FileKind::Data { .. } | FileKind::Index { .. } => {}
            other => panic!("{file} is {other:?}"),
        }
    }
    found
}

#[test]
fn every_data_file_holds_what_an_independent_program_found() {
    for fixture in fixtures::SERVERS {
        let mut read = serde_json::Map::new();
        for store in Store::ALL {
            let facts = |file: &Read| file.facts(&file.name.file_name(store));
            let files: Vec<Value> = data_files(fixture, store).values().map(facts).collect();
            assert!(!files.is_empty());
            read.insert(store.to_string(), files.into());
        }
        assert_eq!(json!({ "default": read }), fixtures::expect(fixture), "{fixture}");
    }
}

#[test]
fn live_captures_are_cut_before_the_block_that_was_being_written() {
    let expected = fixtures::expect(fixtures::LIVE_CAPTURES);
    assert_eq!(expected.as_array().unwrap().len(), 6);
    for capture in expected.as_array().unwrap() {
        let (file, copy) = (capture["file"].as_str().unwrap(), capture["capture"].as_str().unwrap());
        let (_, read) = Read::new(&fixtures::dir(fixtures::LIVE_CAPTURES).join(copy), file);
        let mut facts = read.facts(file);
        facts["capture"] = copy.into();
        assert_eq!(&facts, capture);
        assert_eq!((&facts["state"], &facts["nonzero_after_end"]), (&json!("open"), &json!(true)));
    }
}

#[test]
fn segments_follow_each_other_without_a_hole() {
    for fixture in fixtures::SERVERS {
        for store in Store::ALL {
            let mut next = 0;
            for file in highest_versions(fixture, store) {
                assert_eq!(file.name.number.get(), next, "{fixture}");
                next += file.events().len() as u64;
            }
        }
    }
}

#[test]
fn small_windows_show_what_the_whole_file_shows() {
    for fixture in fixtures::SERVERS {
        for file in data_files(fixture, Store::Events).values() {
            let whole: Vec<_> =
                segment::walk(&file.bytes, file.name.number).map(|found| found.offset).collect();
            assert_eq!(offsets_in_windows(file, 1024), whole, "{fixture} {}", file.name);
        }
    }
}

/// Walks with a window of `least` bytes that grows only when the walker asks for more.
fn offsets_in_windows(file: &Read, least: u64) -> Vec<u64> {
    let length = file.bytes.len() as u64;
    let (mut walker, mut window, mut offsets) = (Walker::new(file.name.number, length), least, Vec::new());
    loop {
        let until = length.min(walker.offset() + window);
        match walker.step(&file.bytes[walker.offset() as usize..until as usize]) {
            Step::Transaction(found) => {
                offsets.push(found.offset);
                window = least;
            }
            Step::NeedMore(more) => {
                assert!(more > window && walker.offset() + more <= length);
                window = more;
            }
            Step::End(_) => return offsets,
        }
    }
}

/// The files of which each token's event is read once the transformation has been applied.
fn highest_versions(fixture: &str, store: Store) -> Vec<Read> {
    let mut highest = BTreeMap::new();
    for (name, file) in data_files(fixture, store) {
        highest.insert(name.number, file);
    }
    highest.into_values().collect()
}

/// The files as they were before any transformation.
fn first_versions(fixture: &str, store: Store) -> Vec<Read> {
    data_files(fixture, store).into_values().filter(|file| file.name.version == 0).collect()
}

/// What a client wrote down of what the server served.
struct Dump {
    events: Vec<String>,
    totals: Vec<String>,
}

fn dump(fixture: &str, file: &str) -> Dump {
    let text = fs::read_to_string(fixtures::dir(fixture).join(file)).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let range = lines.next().unwrap();
    let (totals, events): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with(['e', 'a']));
    assert_eq!(range, format!("first -1 last {}", events.len() - 1));
    Dump { events, totals }
}

/// First 8 bytes of the SHA-256 of these parts, one behind the other.
fn sha<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The events of each aggregate, in the order of the aggregates' identifiers.
fn by_aggregate<'a>(events: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<&'a str, Vec<&'a [u8]>> {
    let mut aggregates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events {
        let parsed = Event::parse(event).unwrap();
        if !parsed.aggregate_type.is_empty() {
            aggregates.entry(parsed.aggregate_identifier).or_default().push(event);
        }
    }
    aggregates
}

/// A snapshot as the server serves it: marked as one (field 8), which it is not where it is stored.
fn served(snapshot: &[u8]) -> Vec<u8> {
    assert!(!Event::parse(snapshot).unwrap().snapshot);
    [snapshot, &[8 << 3, 1]].concat()
}

/// The snapshots as the client asked for them: aggregate by aggregate, the newest first.
fn served_snapshots(fixture: &str) -> Vec<Vec<u8>> {
    let files = highest_versions(fixture, Store::Snapshots);
    let aggregates = by_aggregate(files.iter().flat_map(Read::events));
    aggregates
        .values()
        .flat_map(|snapshots| snapshots.iter().rev().map(|snapshot| served(snapshot)))
        .collect()
}

fn assert_agrees(fixture: &str, dump_file: &str, files: &[Read], hidden_from_aggregates: Option<u64>) {
    let dump = dump(fixture, dump_file);
    let events: Vec<_> = files.iter().flat_map(Read::events).collect();
    let lines: Vec<_> =
        (0..).zip(&events).map(|(token, event): (u64, _)| format!("{token} {}", sha([*event]))).collect();
    assert!(lines == dump.events, "{fixture} {dump_file}: other events than the server served");

    let found = files.iter().filter(|file| Some(file.name.number.get()) != hidden_from_aggregates);
    let aggregates = by_aggregate(found.flat_map(Read::events));
    let of_aggregates: Vec<_> = aggregates.values().flatten().copied().collect();
    let snapshots = served_snapshots(fixture);
    let totals = [
        format!("events {} sha {}", events.len(), sha(events)),
        format!(
            "aggregates {} aggregate-events {} sha {} snapshots {} sha {}",
            aggregates.len(),
            of_aggregates.len(),
            sha(of_aggregates.iter().copied()),
            snapshots.len(),
            sha(snapshots.iter().map(Vec::as_slice)),
        ),
    ];
    assert_eq!(dump.totals, totals, "{fixture} {dump_file}");
}

#[test]
fn the_events_are_those_that_the_servers_served() {
    for fixture in ["se-4.6.11-json", "core-2023.2.1-xml"] {
        assert_agrees(fixture, "dump.txt", &highest_versions(fixture, Store::Events), None);
    }
}

#[test]
fn before_a_transformation_the_first_versions_were_served_and_behind_it_the_highest() {
    let fixture = "core-2023.2.1-transformed";
    let (first, highest) = (first_versions(fixture, Store::Events), highest_versions(fixture, Store::Events));
    assert_agrees(fixture, "dump.txt", &first, None);
    assert_agrees(fixture, "dump-v1.txt", &highest, None);
}

/// The server streamed all events, but its aggregates missed those of the segment whose index did not exist yet.
#[test]
fn odd_events_are_served_too_but_for_the_aggregates_of_a_segment_without_an_index() {
    let fixture = "se-4.6.11-odd";
    assert_agrees(fixture, "dump.txt", &highest_versions(fixture, Store::Events), Some(2952));
}

#[test]
fn a_transformation_keeps_transactions_aggregates_and_sequences() {
    let files = data_files("core-2023.2.1-transformed", Store::Events);
    let mut transformed = 0;
    for newer in files.values().filter(|file| file.name.version > 0) {
        let older = &files[&SegmentName { version: newer.name.version - 1, ..newer.name }];
        let cuts = |file: &Read| {
            segment::walk(&file.bytes, file.name.number).map(|found| found.events).collect::<Vec<_>>()
        };
        assert_eq!(cuts(older), cuts(newer));
        for (older, newer) in older.events().into_iter().zip(newer.events()) {
            let [older, newer] = [older, newer].map(|event| Event::parse(event).unwrap());
            assert_eq!(older.aggregate_identifier, newer.aggregate_identifier);
            assert_eq!(older.aggregate_sequence_number, newer.aggregate_sequence_number);
            assert_eq!(older.timestamp, newer.timestamp);
        }
        transformed += 1;
    }
    assert_eq!(transformed, 4);
}

#[test]
fn every_event_of_every_server_is_read_whole() {
    let mut metadata_kinds = BTreeSet::new();
    for fixture in fixtures::SERVERS {
        for store in Store::ALL {
            for file in data_files(fixture, store).values() {
                assert_eq!(segment::flags(&file.bytes), Some(0));
                for stored in file.events() {
                    let parsed = Event::parse(stored).unwrap();
                    assert_eq!(parsed.timestamp, event::timestamp(stored).unwrap().0);
                    assert!(!parsed.payload_type.is_empty());
                    for entry in event::metadata(stored) {
                        let (key, value) = entry.unwrap();
                        assert!(!key.is_empty());
                        metadata_kinds.insert(format!("{value:?}").split('(').next().unwrap().to_owned());
                    }
                }
            }
        }
    }
    assert_eq!(metadata_kinds.into_iter().collect::<Vec<_>>(), ["Boolean", "Double", "Number", "Text"]);
}

/// The other tests write their own segments. Those are as real servers write them, to the last byte.
#[test]
fn segments_written_for_tests_are_those_of_the_servers() {
    for fixture in fixtures::SERVERS {
        for store in Store::ALL {
            for file in data_files(fixture, store).values() {
                let mut image = SegmentImage::new(file.name.number.get(), file.bytes.len());
                let mut walk = segment::walk(&file.bytes, file.name.number);
                for found in walk.by_ref() {
                    image.append_raw(&found.event_bytes().map(<[u8]>::to_vec).collect::<Vec<_>>());
                }
                if walk.ending() == Ending::Rolled {
                    image.roll();
                }
                assert!(image.bytes() == file.bytes, "{fixture} {}", file.name);
            }
        }
    }
}

#[test]
fn events_written_for_tests_are_those_of_the_servers() {
    for fixture in fixtures::SERVERS {
        for file in data_files(fixture, Store::Events).values() {
            for stored in file.events() {
                assert!(written_again(stored).encode() == stored, "{fixture} {}", file.name);
            }
        }
    }
}

/// An event of a server, as a test would make it.
fn written_again(stored: &[u8]) -> segments::Event {
    let event = Event::parse(stored).unwrap();
    let metadata = event::metadata(stored).map(|entry| {
        let (key, value) = entry.unwrap();
        (key.to_owned(), value_of(value))
    });
    segments::Event {
        message_id: event.message_identifier.to_owned(),
        aggregate: event.aggregate_identifier.to_owned(),
        sequence: event.aggregate_sequence_number,
        aggregate_type: event.aggregate_type.to_owned(),
        timestamp: event.timestamp,
        payload_type: event.payload_type.to_owned(),
        payload_revision: event.payload_revision.to_owned(),
        payload: event.payload.to_owned(),
        metadata: metadata.collect(),
        snapshot: event.snapshot,
    }
}

fn value_of(value: MetadataValue<'_>) -> segments::Value {
    match value {
        MetadataValue::None => panic!("a value of no kind"),
        MetadataValue::Text(text) => segments::Value::Text(text.to_owned()),
        MetadataValue::Number(number) => segments::Value::Number(number),
        MetadataValue::Boolean(truth) => segments::Value::Boolean(truth),
        MetadataValue::Double(number) => segments::Value::Double(number),
        MetadataValue::Bytes(object) => segments::Value::Bytes {
            payload_type: object.r#type.to_owned(),
            revision: object.revision.to_owned(),
            data: object.data.to_owned(),
        },
    }
}

#[test]
fn a_store_written_for_tests_rolls_transforms_and_is_read_back() {
    let mut history = segments::History::seeded(5);
    let mut store = segments::StoreImage::new(16 * 1024);
    for _ in 0..300 {
        store.append(&history.transaction());
    }
    store.append(&history.transaction_of(400));
    store.append(&history.transaction_of(segments::BLOCK_EVENTS + 1));
    assert!(store.sealed().count() > 3);
    let older = store.sealed().next().unwrap().clone();
    store.insert(older.transformed(|token, stored| match token % 2 {
        0 => segments::Change::Keep,
        _ => segments::Change::Replace(written_again(stored).deleted()),
    }));

    let directory = tempfile::tempdir().unwrap();
    let mut next = 0;
    for path in store.write_to(directory.path(), Store::Events) {
        let (_, read) = Read::new(&path, path.file_name().unwrap().to_str().unwrap());
        let image = &store.segments[&read.name];
        let mut walk = segment::walk(&read.bytes, read.name.number);
        let ending = if image.is_rolled() { Ending::Rolled } else { Ending::Open };
        assert_eq!((walk.ending(), walk.offset()), (ending, image.end()));
        assert_eq!(walk.next_token().get(), image.next_token());
        if read.name.version == 0 {
            assert_eq!(read.name.number.get(), next);
            next = image.next_token();
        } else {
            assert_eq!((image.events(), image.transactions()), (older.events(), older.transactions()));
            assert_eq!(image.end() + segment::END_LENGTH, read.bytes.len() as u64);
        }
    }
    assert_eq!(next, store.next_token());
}
