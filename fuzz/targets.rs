//! What is fuzzed: every reader of bytes that others wrote. None may panic, hang, or take memory that the bytes do not justify; what is
//! read and written again must be the same. `cargo test` replays the corpus through the same functions.

use segvault::axon::control_db;
use segvault::axon::event;
use segvault::axon::name::{FileKind, Store, classify};
use segvault::axon::segment::walk;
use segvault::axon::token::Token;
use segvault::repo::codec;
use segvault::repo::codec::columns::Mode;
use segvault::repo::format::act::Act;
use segvault::repo::format::config::Config;
use segvault::repo::format::entry;
use segvault::repo::format::pack;
use segvault::repo::format::pack::CodecId;
use segvault::repo::format::page::Page;
use segvault::repo::format::parity::Head;
use segvault::repo::format::point::Point;
use segvault::repo::format::record::Record;
use segvault::repo::format::time_map::TimeMap;
use segvault::source::server::answers;
use segvault::source::server::exchange::Answer;
use segvault::source::server::path_map::ServerPath;

/// A target: its name, which is also that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them; histories are played in tests/it/model.rs.
pub const ALL: [Target; 16] = [
    ("segment", segment),
    ("event", one_event),
    ("control-db", control_db_zip),
    ("mvstore", mvstore),
    ("pack", whole_pack),
    ("page", page),
    ("record", record),
    ("point", point),
    ("act", act),
    ("config", config),
    ("lists", lists),
    ("block", block),
    ("columns", columns),
    ("columns-again", columns_again),
    ("listing", listing),
    ("parity", parity),
];

/// Segments: what is walked adds up.
pub fn segment(bytes: &[u8]) {
    let mut transactions = walk(bytes, Token::ZERO);
    let mut end = None;
    for transaction in transactions.by_ref() {
        assert!(end.is_none_or(|end| end == transaction.offset));
        assert_eq!(transaction.event_bytes().count(), usize::from(transaction.events));
        transaction.event_bytes().for_each(one_event);
        end = Some(transaction.end());
    }
    let _ = transactions.ending();
    assert!(transactions.offset() <= bytes.len() as u64);
}

/// Events.
pub fn one_event(bytes: &[u8]) {
    if let Ok(event) = event::Event::parse(bytes) {
        assert_eq!(event::timestamp(bytes).ok().map(|at| at.0), Some(event.timestamp));
    }
    let _ = event::metadata(bytes).take_while(Result::is_ok).count();
}

/// Control-db zips: what is rebuilt is what was there.
pub fn control_db_zip(bytes: &[u8]) {
    if let Ok(apart) = control_db::take_apart(bytes, 1 << 24)
        && let Some(recipe) = apart.recipe
    {
        assert_eq!(control_db::rebuild(&recipe, &apart.inner), bytes);
    }
}

/// Databases.
pub fn mvstore(bytes: &[u8]) {
    let _ = control_db::facts(bytes);
    let _ = control_db::contents(bytes);
}

/// Packs.
pub fn whole_pack(bytes: &[u8]) {
    let _ = pack::parse_pack(bytes);
    let _ = pack::scan_blocks(bytes).len();
}

/// Pages.
pub fn page(bytes: &[u8]) {
    if let Ok(page) = Page::decode(bytes) {
        assert_eq!(page.encode(), bytes);
    }
}

/// Records.
pub fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
}

/// Manifests.
pub fn point(bytes: &[u8]) {
    if let Ok(point) = Point::decode(bytes) {
        assert_eq!(point.encode().and_then(|again| Point::decode(&again)), Ok(point));
    }
}

/// Acts.
pub fn act(bytes: &[u8]) {
    if let Ok(act) = Act::decode(bytes)
        && let Ok(again) = act.encode()
    {
        assert_eq!(Act::decode(&again), Ok(act));
    }
}

/// `segvault.json`.
pub fn config(bytes: &[u8]) {
    let _ = Config::decode(bytes);
}

/// Lists of extents, and time maps.
pub fn lists(bytes: &[u8]) {
    if let Ok(map) = TimeMap::decode(bytes) {
        assert_eq!(map.encode(), bytes);
    }
    let _ = entry::decode_extents(bytes, 1 << 30);
}

/// Blocks: the first byte is the codec, the next four the declared length.
pub fn block(bytes: &[u8]) {
    let Some((head, body)) = bytes.split_first_chunk::<5>() else { return };
    let [codec, length @ ..] = *head;
    let length = u32::from_le_bytes(length) % (1 << 20);
    let codec = match codec % 3 {
        0 => CodecId::Raw,
        1 => CodecId::Zstd,
        _ => CodecId::Other(codec),
    };
    if let Ok(decoded) = codec::decode(codec, body, length) {
        assert_eq!(decoded.len() as u64, u64::from(length));
    }
}

const MODES: [Mode; 6] = [Mode::Plain, Mode::Mixed, Mode::Streams, Mode::Lean, Mode::Whole, Mode::Sparing];

/// Event columns: four bytes of length, then what is read. What is read is as long as it has to be.
pub fn columns(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first_chunk() else { return };
    let length = u32::from_le_bytes(*length) as usize % (1 << 20);
    for mode in MODES {
        if let Ok(raw) = codec::columns::decode(bytes, mode, length) {
            assert_eq!(raw.len(), length);
        }
    }
}

/// Event columns the other way round: whatever is taken as transactions comes back.
pub fn columns_again(bytes: &[u8]) {
    for mode in MODES {
        if let Some(encoded) = codec::columns::encode(bytes, mode, 1) {
            let again = codec::columns::decode(&encoded, mode, bytes.len());
            assert!(again.as_deref() == Ok(bytes), "it comes back");
        }
    }
}

/// What a server answers, whatever it was asked: what is taken of it leads nowhere else.
pub fn listing(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes).into_owned();
    let request = "GET it".to_owned();
    let said = String::new();
    let answer = Answer { request, status: 200, code: None, location: None, server_ms: None, body, said };
    for store in Store::ALL {
        for listed in [answers::Listed::read(&answer, store), answers::Listed::read_older(&answer, store)] {
            let paths = listed.iter().flat_map(|listed| listed.files.values().flatten());
            paths.for_each(|path| stays_below(path, store));
        }
    }
    let me = answers::Me::read(&answer);
    assert!(me.iter().flat_map(|me| &me.contexts).all(|name| answers::is_plain(name)));
    let logs = answers::log_files(&answer);
    assert!(logs.iter().flatten().all(|(name, path)| path.file_name() == Some(name)));
    if let Ok(path) = answers::zip_path(&answer) {
        assert_eq!(ServerPath::parse(&path.to_string()), Some(path));
    }
    let _ = (answers::heads(&answer), answers::transformations(&answer));
}

fn stays_below(path: &ServerPath, store: Store) {
    let name = path.file_name().unwrap_or_default();
    assert!(matches!(classify(name), FileKind::Data { store: of, .. } if of == store));
    assert!(!path.to_string().split('/').any(|part| part == ".." || part == "."));
}

/// The heads of parity files.
pub fn parity(bytes: &[u8]) {
    if let Ok(head) = Head::decode(bytes) {
        assert_eq!(head.encode(), bytes);
        let shape = head.shape;
        assert!((0..shape.data).map(|shard| shape.range(shard).1).sum::<u64>() == shape.pack_length);
    }
    let _ = Head::begin(bytes);
}
