//! FORMAT.md says what the program does: its tables of bytes are what the encoders write, its limits are those of the source, its examples
//! are read and written by the program to the last byte. Whoever changes one side has to change the other.

use segvault::axon::name::SegmentName;
use segvault::axon::name::Store;
use segvault::axon::segment::Reason;
use segvault::axon::time::Times;
use segvault::axon::time::Timestamp;
use segvault::axon::token::Token;
use segvault::repo::chunking::{Cut, Cutter, Profile};
use segvault::repo::format::Damage;
use segvault::repo::format::act::Act;
use segvault::repo::format::config::Config;
use segvault::repo::format::entry::{
    End, Extent, Flaw, LIST_MAGIC, LIST_VERSION, SegmentEntry, encode_extents,
};
use segvault::repo::format::id::{FileHash, Naming};
use segvault::repo::format::layout;
use segvault::repo::format::pack;
use segvault::repo::format::pack::{CodecId, PackBuilder, PackKind};
use segvault::repo::format::page;
use segvault::repo::format::page::Page;
use segvault::repo::format::parity;
use segvault::repo::format::point::Point;
use segvault::repo::format::record;
use segvault::repo::format::record::{LogKey, LogState, Record};
use segvault::repo::format::time_map;
use segvault::repo::format::time_map::{Block, TimeMapBuilder};
use segvault::repo::format::wire::Field;
use segvault::repo::format::{act, config, files, json, point};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

const DOCUMENT: &str = include_str!("../../FORMAT.md");
const LIMITS: &str = include_str!("../../src/repo/format/limits.rs");
const JSON_SOURCES: [&str; 4] = [
    include_str!("../../src/repo/format/config.rs"),
    include_str!("../../src/repo/format/point.rs"),
    include_str!("../../src/repo/format/act.rs"),
    include_str!("../../src/repo/format/files.rs"),
];

/// A table of the document, with the heading that it stands under.
struct Table {
    under: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()
}

fn tables() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut under, mut inside) = ("", false);
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            under = heading.trim_start_matches('#').trim();
        }
        match (line.starts_with('|'), inside) {
            (true, false) => tables.push(Table { under, head: cells(line), rows: Vec::new() }),
            (true, true) if !line.starts_with("| ---") => tables.last_mut().unwrap().rows.push(cells(line)),
            _ => {}
        }
        inside = line.starts_with('|');
    }
    tables
}

fn table(under: &str) -> Table {
    let found = tables().into_iter().find(|table| table.under == under);
    found.unwrap_or_else(|| panic!("FORMAT.md has no table under `{under}`"))
}

/// What stands between the fence that begins with this info string and the next fence.
fn fenced(info: &str) -> &'static str {
    let open = format!("\n```{info}\n");
    let from = DOCUMENT.find(&open).unwrap_or_else(|| panic!("FORMAT.md has no block `{info}`")) + open.len();
    &DOCUMENT[from..from + DOCUMENT[from..].find("```").unwrap()]
}

// The bytes.

#[test]
fn every_table_of_bytes_is_what_the_encoders_write() {
    for structure in layout::structures() {
        let table = table(structure.name);
        let stated: Vec<_> = table.rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
        let written: Vec<_> =
            structure.fields.iter().map(|field| (field.name.to_owned(), field.width.to_string())).collect();
        assert_eq!(stated, written, "the table under `{}`", structure.name);
        assert!(table.rows.iter().all(|row| row.len() == 3 && !row[2].is_empty()), "{}", structure.name);
    }
}

#[test]
fn there_is_no_table_of_bytes_that_nobody_writes() {
    let stated: Vec<_> =
        tables().iter().filter(|table| table.head[0] == "field").map(|table| table.under).collect();
    let written: Vec<_> = layout::structures().iter().map(|structure| structure.name).collect();
    assert_eq!(stated, written);
}

#[test]
fn the_magic_numbers_and_versions_are_those_of_the_source() {
    let text = |magic: &[u8]| String::from_utf8(magic.to_vec()).unwrap();
    let expected = [
        ("pack", text(&pack::MAGIC), pack::VERSION.to_string()),
        ("block", text(&pack::BLOCK_MAGIC), "that of the pack".to_owned()),
        ("page", text(&page::MAGIC), page::VERSION.to_string()),
        ("record", text(&record::MAGIC), record::VERSION.to_string()),
        ("list of extents", text(&LIST_MAGIC), LIST_VERSION.to_string()),
        ("time map", text(&time_map::MAGIC), time_map::VERSION.to_string()),
        ("parity", text(&parity::MAGIC), parity::VERSION.to_string()),
        ("segvault.json", config::TYPE.to_owned(), config::VERSION.to_string()),
        ("point", point::TYPE.to_owned(), point::VERSION.to_string()),
        ("act", act::TYPE.to_owned(), act::VERSION.to_string()),
        ("list of files", files::TYPE.to_owned(), files::VERSION.to_string()),
    ];
    let stated: Vec<_> = table("Magic numbers")
        .rows
        .iter()
        .map(|row| (row[0], row[1].to_owned(), row[2].to_owned()))
        .collect();
    assert_eq!(stated, expected);
}

/// The value of a constant as limits.rs spells it: `64 << 20`, `128`.
fn value(expression: &str) -> u64 {
    match expression.split_once("<<") {
        Some((number, shift)) => value(number) << value(shift),
        None => expression.trim().parse().unwrap(),
    }
}

#[test]
fn the_limits_are_those_of_the_source() {
    let constants = LIMITS.lines().filter_map(|line| line.strip_prefix("pub const "));
    let in_source: Vec<_> = constants
        .map(|line| {
            let (name, rest) = line.split_once(": ").unwrap();
            let expression = rest.split_once(" = ").unwrap().1.trim_end_matches(';');
            (name.to_owned(), value(expression).to_string())
        })
        .collect();
    let stated: Vec<_> =
        table("Limits").rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    assert_eq!(stated, in_source);
}

fn codes(under: &str) -> Vec<(u8, &'static str)> {
    table(under).rows.iter().map(|row| (row[0].parse().unwrap(), row[1])).collect()
}

/// The byte of a field of an entry, as it is written.
fn entry_byte(entry: SegmentEntry, name: &str) -> u8 {
    let bytes = Page::Leaf(vec![entry]).encode();
    let fields = layout::explain_page(&bytes).unwrap();
    bytes[fields.iter().find(|field| field.name == name).unwrap().offset]
}

#[test]
fn the_codes_are_those_that_are_written() {
    let kinds = PackKind::ALL.map(PackKind::number);
    let words = ["sealed", "tail", "control db", "files"];
    assert_eq!(codes("Pack kinds"), kinds.into_iter().zip(words).collect::<Vec<_>>());
    let (raw, zstd) = (CodecId::Raw.number(), CodecId::Zstd.number());
    assert_eq!(codes("Codecs")[..2], [(raw, "raw"), (zstd, "zstd")]);
    let (columns, mixed) = (CodecId::Columns.number(), CodecId::MixedColumns.number());
    assert_eq!(codes("Codecs")[2..4], [(columns, "columns"), (mixed, "mixed columns")]);
    let (streamed, lean) = (CodecId::StreamedColumns.number(), CodecId::LeanColumns.number());
    assert_eq!(codes("Codecs")[4..6], [(streamed, "streamed columns"), (lean, "lean columns")]);
    let (whole, sparing) = (CodecId::WholeColumns.number(), CodecId::SparingColumns.number());
    assert_eq!(codes("Codecs")[6..], [(whole, "whole columns"), (sparing, "sparing columns")]);
    let end = |end| entry_byte(SegmentEntry { end, ..entry() }, "end");
    let ends = [(end(End::Open), "open"), (end(End::Rolled), "rolled"), (end(End::EndOfFile), "end of file")];
    assert_eq!(codes("Ends"), ends);
    let flaw = |reason| entry_byte(SegmentEntry { flaw: Some(Flaw { reason }), ..entry() }, "flaw");
    let flaws = [
        (0, "none"),
        (flaw(Reason::Truncated), "truncated"),
        (flaw(Reason::HeaderVersion(9)), "header version"),
        (flaw(Reason::Impossible), "impossible"),
        (flaw(Reason::Framing), "framing"),
        (flaw(Reason::Checksum), "checksum"),
        (flaw(Reason::Tokens), "tokens"),
        (flaw(Reason::HeaderChanged), "header changed"),
        (flaw(Reason::EarlyEnd), "early end"),
    ];
    assert_eq!(codes("Flaws"), flaws);
}

// The examples in bytes. They are made here, of the same words as in the document.

const CONTENT: &[u8] = b"the first bytes of a segment";

fn entry() -> SegmentEntry {
    let at = Timestamp(1_795_442_729_123);
    let length = u32::try_from(CONTENT.len()).unwrap();
    SegmentEntry {
        name: SegmentName { number: Token::new(805).unwrap(), version: 0 },
        logical_end: u64::from(length),
        stored_length: u64::from(length),
        file_length: 65_536,
        end: End::Open,
        flaw: None,
        modified_ns: 1_795_442_729_123_456_789,
        events: 2,
        transactions: 1,
        times: Some(Times { last: Timestamp(at.0 + 1), greatest: Timestamp(at.0 + 1), ..Times::of(at) }),
        content: Naming::Blake3.content(CONTENT),
        extents: vec![Extent { chunk: Naming::Blake3.chunk(CONTENT), length }],
        time_map: None,
    }
}

fn pack_example() -> Vec<u8> {
    let (mut builder, mut bytes) = PackBuilder::begin(PackKind::Tail);
    let chunk = (Naming::Blake3.chunk(CONTENT), u32::try_from(CONTENT.len()).unwrap());
    bytes.extend(builder.block(CodecId::Raw, CONTENT, &[chunk]).unwrap());
    bytes.extend(builder.finish().unwrap().0);
    bytes
}

fn page_example() -> Vec<u8> {
    Page::Leaf(vec![SegmentEntry { end: End::Rolled, ..entry() }]).encode()
}

fn log_key() -> LogKey {
    let (source, context) = ("node-1".to_owned(), "default".to_owned());
    LogKey { source, context, incarnation: 1, store: Store::Events }
}

fn record_example() -> Vec<u8> {
    let root = Naming::Blake3.page(&Page::Leaf(vec![]).encode());
    let state = LogState { key: log_key(), branch: None, root, tails: vec![entry()] };
    Record { number: 2, previous: Some(FileHash([0x11; 32])), state }.encode()
}

/// One field a line: its offset, its bytes, its name.
fn dump(bytes: &[u8], fields: Result<Vec<Field>, Damage>) -> String {
    let mut text = String::new();
    for field in fields.unwrap() {
        let own = &bytes[field.offset..field.offset + field.length];
        for (row, sixteen) in own.chunks(16).enumerate() {
            let hex: Vec<String> = sixteen.iter().map(|byte| format!("{byte:02x}")).collect();
            let name = if row == 0 { field.name } else { "" };
            let line = format!("{:04x}  {:<47}  {name}", field.offset + row * 16, hex.join(" "));
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
    }
    text
}

#[test]
fn the_examples_in_bytes_are_what_is_written_and_read() {
    let (pack, page, record) = (pack_example(), page_example(), record_example());
    for (name, expected) in [
        ("hex pack", dump(&pack, layout::explain_pack(&pack))),
        ("hex page", dump(&page, layout::explain_page(&page))),
        ("hex record", dump(&record, layout::explain_record(&record))),
    ] {
        assert!(fenced(name) == expected, "the block `{name}` should be:\n{expected}");
    }
}

#[test]
fn the_names_of_the_examples_are_theirs() {
    let (pack, page) = (pack_example(), page_example());
    let time_map = {
        let mut builder = TimeMapBuilder::new();
        let at = Timestamp(1_795_442_729_123);
        builder.push(Block {
            end_offset: 300_005,
            next_token: Token::new(7).unwrap(),
            least: at,
            greatest: Timestamp(at.0 + 1000),
            is_continued: false,
        });
        builder.finish().encode()
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let expected = [
        ("pack", Naming::Blake3.pack(&pack).to_string()),
        ("page", Naming::Blake3.page(&page).to_string()),
        ("record", log_key().directory()),
        ("list of no extents", hex(&encode_extents(&[]))),
        ("time map of one mark", hex(&time_map)),
    ];
    let stated: Vec<_> =
        table("Names of the examples").rows.iter().map(|row| (row[0], row[1].to_owned())).collect();
    assert_eq!(stated, expected);
}

// What the prose says of hashes and ends, done by hand.

/// The bytes of an example, as somebody with the document alone would have them.
fn typed(name: &str) -> Vec<u8> {
    let bytes =
        |line: &str| line[6..53.min(line.len())].split_whitespace().map(hex_byte).collect::<Vec<u8>>();
    fenced(name).lines().flat_map(bytes).collect()
}

fn hex_byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap()
}

#[test]
fn the_checks_inside_the_examples_are_the_hashes_that_the_document_says() {
    let pack = typed("hex pack");
    assert_eq!(pack[76..84], blake3::hash(&pack[16..76]).as_bytes()[..8], "of the block header");
    let footer = pack.len() - 64;
    let directory =
        usize::try_from(u64::from_le_bytes(pack[footer..footer + 8].try_into().unwrap())).unwrap();
    assert_eq!(pack[footer + 24..footer + 56], *blake3::hash(&pack[directory..footer + 24]).as_bytes());
    let record = typed("hex record");
    let (body, check) = record.split_last_chunk::<32>().unwrap();
    assert_eq!(check, blake3::hash(body).as_bytes());
    let canonical = fenced("json canonical");
    let at = canonical.find("\"check\":\"").unwrap();
    let without = format!("{}{}", &canonical[..at], &canonical[at + 9 + 64 + 2..]);
    assert_eq!(blake3::hash(without.as_bytes()).to_hex().as_str(), &canonical[at + 9..at + 9 + 64]);
}

#[test]
fn a_log_is_named_by_its_key_as_the_document_says() {
    let mut key = vec![2, 1, 0, 0, 0, 6, 0];
    key.extend(b"node-1");
    key.extend([7, 0]);
    key.extend(b"default");
    assert_eq!(log_key().directory(), blake3::hash(&key).to_hex()[..32]);
}

#[test]
fn leaves_end_where_the_document_says() {
    let entries: Vec<SegmentEntry> = (0..3000)
        .map(|number| SegmentEntry {
            name: SegmentName { number: Token::new(number).unwrap(), version: 1 },
            ..entry()
        })
        .collect();
    let mut leaves = Vec::new();
    let put = &mut |bytes: Vec<u8>| {
        if let Page::Leaf(entries) = Page::decode(&bytes).unwrap() {
            leaves.push(entries.len());
        }
        Ok::<_, ()>(Naming::Blake3.page(&bytes))
    };
    page::build(&entries, put).unwrap();
    let (mut expected, mut count) = (Vec::new(), 0);
    for number in 0..3000_u64 {
        count += 1;
        let key = [&[0][..], &number.to_le_bytes(), &1_u32.to_le_bytes(), &[0]].concat();
        let hash = u32::from_le_bytes(blake3::hash(&key).as_bytes()[..4].try_into().unwrap());
        if count == 128 || (count >= 32 && u64::from(hash) * 32 < 1 << 32) {
            expected.push(std::mem::take(&mut count));
        }
    }
    expected.extend((count > 0).then_some(count));
    assert_eq!(leaves, expected);
}

#[test]
fn chunks_end_where_the_document_says() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut cutter, mut pending) = (Cutter::new(Profile::Tail), 5);
    cutter.header(5);
    for _ in 0..20_000 {
        let (length, crc) = (random.u64(12..40_000), random.u32(..));
        let before = pending > 0 && pending + length > 2_097_152;
        pending = if before { length } else { pending + length };
        let after = pending >= 2_097_152 || pending >= 524_288 && u64::from(crc) * 524_288 < length << 32;
        assert_eq!(cutter.transaction(length, crc), Cut { before, inside: false, after });
        pending = if after { 0 } else { pending };
    }
}

// The examples in JSON.

/// The same bytes as the program would write.
fn written(bytes: &[u8], kind: &str) -> Result<Vec<u8>, Damage> {
    match kind {
        "segvault.json" => Config::decode(bytes).map(|config| config.encode()),
        "point" => Point::decode(bytes)?.encode(),
        "files" => files::FileList::decode(bytes)?.encode(),
        _ => Act::decode(bytes)?.encode(),
    }
}

fn json_examples() -> Vec<(&'static str, &'static str)> {
    let acts =
        (1..=14).map(|number| ("act", fenced(Box::leak(format!("json act {number}").into_boxed_str()))));
    let first = ["segvault.json", "point", "files"].map(|kind| match kind {
        "segvault.json" => (kind, fenced("json segvault.json")),
        "point" => (kind, fenced("json point")),
        _ => (kind, fenced("json files")),
    });
    first.into_iter().chain(acts).collect()
}

#[test]
fn the_examples_in_json_are_read_and_written_again() {
    for (kind, text) in json_examples() {
        let again = written(text.as_bytes(), kind);
        let hint = || {
            let mut value: Value = serde_json::from_str(text).unwrap();
            value.as_object_mut().unwrap().remove("check");
            serde_json::from_slice::<Value>(&json::encode(&value).unwrap()).unwrap()["check"].to_string()
        };
        let again = again.unwrap_or_else(|damage| panic!("{damage}; its check should be {}\n{text}", hint()));
        let (stated, said): (Value, Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_slice(&again).unwrap());
        assert_eq!(stated, said, "{kind}");
    }
}

#[test]
fn the_canonical_example_is_canonical_to_the_byte() {
    let canonical = fenced("json canonical");
    assert_eq!(
        String::from_utf8(written(canonical.as_bytes(), "segvault.json").unwrap()).unwrap(),
        canonical
    );
}

/// The names of all members, and the words of `act`; what users choose (contexts, tags, facts) stands for itself.
fn members(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                names.insert(name.clone());
                match (name.as_str(), member) {
                    ("tags" | "facts", _) => {}
                    ("contexts", Value::Object(contexts)) => {
                        contexts.values().for_each(|context| members(context, names))
                    }
                    _ => members(member, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, names)),
        _ => {}
    }
}

#[test]
fn every_member_of_the_json_files_is_explained_and_shown() {
    let mut shown = BTreeSet::new();
    for (_, text) in json_examples() {
        members(&serde_json::from_str(text).unwrap(), &mut shown);
    }
    let tables = tables();
    let explained: BTreeSet<String> = tables
        .iter()
        .filter(|table| table.head[0] == "member")
        .flat_map(|table| table.rows.iter().map(|row| row[0].to_owned()))
        // There is no feature yet that an example could have.
        .filter(|member| member != "features" && member != "parity")
        .collect();
    assert_eq!(shown, explained);
}

#[test]
fn every_member_that_the_program_can_write_is_explained() {
    let explained: BTreeSet<&str> = tables()
        .iter()
        .filter(|table| table.head[0] == "member")
        .flat_map(|table| table.rows.iter().map(|row| row[0]).collect::<Vec<_>>())
        .collect();
    for source in JSON_SOURCES {
        let production = source.split("#[cfg(test)]").next().unwrap();
        let fields = production.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
        let in_types = fields
            .map(|(name, _)| name)
            .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        for name in in_types.filter(|name| !["kind", "body", "deed"].contains(name)) {
            assert!(explained.contains(name), "`{name}` is not explained");
        }
    }
}

#[test]
fn every_deed_is_shown_and_explained() {
    let shown: BTreeSet<String> = json_examples()
        .iter()
        .filter(|(kind, _)| *kind == "act")
        .map(|(_, text)| serde_json::from_str::<Value>(text).unwrap()["act"].as_str().unwrap().to_owned())
        .collect();
    let explained: BTreeSet<String> = table("Deeds").rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(shown, explained);
    let source = include_str!("../../src/repo/format/act.rs");
    let deeds = source.split("pub enum Deed {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let variants = deeds.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let written: BTreeSet<String> = variants.map(str::to_lowercase).collect();
    assert_eq!(written, explained);
}
