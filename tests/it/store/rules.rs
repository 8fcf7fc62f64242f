//! What is never published, whoever asks for it.

use super::model::{NAMING, back_up_on, body, config, entry, key, noise, open, point_log, prepare, put_all};
use crate::support::crash_disk::CrashDisk;
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::segment::Reason;
use segvault::axon::token::Token;
use segvault::repo::Error;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::{self, Act, Deed, DroppedLog, ErasedSegment};
use segvault::repo::format::config::{APPEND_ONLY, Config};
use segvault::repo::format::entry::{End, Extent, Flaw, SegmentEntry};
use segvault::repo::format::id::{ChunkId, ContentHash, PageId};
use segvault::repo::format::limits::SMALL_FILE_MAX;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::{Header, PackKind};
use segvault::repo::format::point::{ControlDb, PointBody, PointLog};
use segvault::repo::format::record::{LogKey, LogState, PrefixProof, Record};
use segvault::repo::paths;
use segvault::repo::store::{LetGo, Repository, Session};

fn two_backups() -> CrashDisk {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    back_up_on(&disk, 1).unwrap();
    back_up_on(&disk, 2).unwrap();
    disk
}

/// What the newest record of the events says, and its entries.
fn newest(repository: &Repository) -> (Record, Vec<SegmentEntry>) {
    let record = repository.newest_record(&key(Store::Events)).unwrap().unwrap();
    let sealed = repository.tree(record.state.root).unwrap();
    (record, sealed)
}

/// Tries to publish a record of the events; gives the rule it breaks.
fn refused(
    disk: &CrashDisk,
    change: impl FnOnce(&mut Session<'_>, &mut LogState, &mut Vec<SegmentEntry>),
) -> String {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let (record, mut sealed) = newest(&repository);
    let mut state = record.state;
    change(&mut session, &mut state, &mut sealed);
    if state.root != PageId([0; 32]) {
        state.root = session.put_tree(&sealed).unwrap();
    }
    let durable = session.barrier().unwrap();
    let before = disk.files().len();
    let error = session.publish_records(durable, vec![(state, Vec::new())]).unwrap_err();
    assert_eq!(disk.files().len(), before);
    error.to_string()
}

#[test]
fn a_record_that_loses_something_is_refused() {
    let disk = two_backups();
    let why = refused(&disk, |_, _, sealed| drop(sealed.pop()));
    assert!(why.contains("sealed segment 10 is missing"), "{why}");
    let why = refused(&disk, |_, state, _| state.tails.clear());
    assert!(why.contains("the tail of segment 10000 is missing"), "{why}");
    let why = refused(&disk, |session, state, _| {
        let bytes = noise(9, 1000);
        let extents = put_all(session, PackKind::Tail, &bytes).unwrap();
        state.tails = vec![entry(10_000, &bytes, extents, End::Open, 2)];
    });
    assert!(why.contains("another content"), "{why}");
}

#[test]
fn a_tail_that_grew_needs_a_proof_of_its_prefix() {
    let disk = two_backups();
    let grow = |session: &mut Session<'_>| {
        let (record, _) = newest(session.repository());
        let mut state = record.state;
        let old = state.tails[0].clone();
        let bytes = noise(3000, 1600);
        let extents = put_all(session, PackKind::Tail, &bytes).unwrap();
        state.tails = vec![entry(10_000, &bytes, extents, End::Open, 3)];
        (state, PrefixProof { name: old.name, length: old.logical_end, content: old.content })
    };
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let (state, proof) = grow(&mut session);
    let durable = session.barrier().unwrap();
    let wrong = PrefixProof { content: ContentHash([0; 32]), ..proof };
    let error = session.publish_records(durable, vec![(state, vec![wrong])]).unwrap_err();
    assert!(matches!(error, Error::Rule { .. }));
    drop(session);
    let mut session = repository.session().unwrap();
    let (state, proof) = grow(&mut session);
    let durable = session.barrier().unwrap();
    let (_records, numbers) = session.publish_records(durable, vec![(state, vec![proof])]).unwrap();
    assert_eq!(numbers, [3]);
}

#[test]
fn a_log_has_one_record_at_a_time() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let state = newest(&repository).0.state;
    let durable = session.barrier().unwrap();
    let twice = vec![(state.clone(), Vec::new()), (state, Vec::new())];
    assert!(matches!(session.publish_records(durable, twice), Err(Error::Rule { .. })));
}

#[test]
fn a_record_whose_chunks_or_pages_are_nowhere_is_refused() {
    let disk = two_backups();
    let lost = vec![Extent { chunk: ChunkId([1; 32]), length: 10 }];
    let sealed_of = |extents| entry(20, &noise(1, 10), extents, End::Rolled, 5);
    let why = refused(&disk, |_, _, sealed| sealed.push(sealed_of(lost.clone())));
    assert!(why.contains("of segment 20 is nowhere"), "{why}");
    let why = refused(&disk, |_, state, _| {
        state.tails.push(entry(20_000, &noise(1, 10), lost.clone(), End::Open, 5))
    });
    assert!(why.contains("of segment 20000 is nowhere"), "{why}");
    let why = refused(&disk, |session, _, sealed| {
        let extents = put_all(session, PackKind::Sealed, &noise(1, 10)).unwrap();
        let time_map = Some(ChunkId([2; 32]));
        sealed.push(SegmentEntry { time_map, ..sealed_of(extents) });
    });
    assert!(why.contains("is nowhere"), "{why}");
    let why = refused(&disk, |_, state, _| state.root = PageId([0; 32]));
    assert!(why.contains("is missing"), "{why}");
}

#[test]
fn the_first_record_of_a_log_names_no_chunk_that_is_nowhere_either() {
    let disk = two_backups();
    let why = refused(&disk, |_, state, sealed| {
        state.key.context = "other".to_owned();
        sealed[0].extents[0].chunk = ChunkId([1; 32]);
    });
    assert!(why.contains("of segment 0 is nowhere"), "{why}");
}

#[test]
fn a_session_that_failed_does_nothing_more() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    session.put(PackKind::Tail, Vec::new()).unwrap_err();
    let why = session.put(PackKind::Tail, noise(5, 10)).unwrap_err().to_string();
    assert!(why.contains("has failed before"), "{why}");
    assert!(session.barrier().is_err());
}

#[test]
fn what_was_lost_before_does_not_keep_new_history_out() {
    let disk = two_backups();
    let packs: Vec<String> = disk.files().into_iter().filter(|path| path.starts_with("packs/")).collect();
    packs.iter().for_each(|pack| disk.remove(pack).unwrap());
    assert_eq!(back_up_on(&disk, 3).unwrap().number, 3);
}

/// All ways to put something.
const PUTS: [fn(&mut Session<'_>); 5] = [
    |session| _ = session.put(PackKind::Tail, noise(5, 10)).unwrap(),
    |session| _ = session.put_tree(&[]).unwrap(),
    |session| session.put_again(Err(PackKind::Tail), NAMING.chunk(&noise(5, 10)), noise(5, 10)).unwrap(),
    |session| {
        let (page, bytes) = a_page(session.repository());
        session.copy_page(page, &bytes).unwrap();
    },
    |session| {
        let repository = session.repository();
        let (pack, length) = repository.index().packs().unwrap()[0];
        let directory = repository.directory(pack, length).unwrap();
        let read = repository.block(pack, &directory.blocks[0]).unwrap();
        session.copy_block(Header::of(directory.kind), &directory.blocks[0], read, &|_| true).unwrap();
    },
];

fn a_page(repository: &Repository) -> (PageId, Vec<u8>) {
    let page = newest(repository).0.state.root;
    (page, repository.disk().read(&paths::page(page), 1 << 20).unwrap())
}

#[test]
fn what_is_put_behind_a_barrier_is_not_behind_it() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    for put in PUTS {
        let mut session = repository.session().unwrap();
        let durable = session.barrier().unwrap();
        put(&mut session);
        assert!(matches!(session.publish_records(durable, Vec::new()), Err(Error::Rule { .. })));
        drop(session);
        let mut session = repository.session().unwrap();
        let durable = session.barrier().unwrap();
        put(&mut session);
        assert!(matches!(session.publish_fewer(durable, Vec::new()), Err(Error::Rule { .. })));
        drop(session);
        let mut session = repository.session().unwrap();
        let (records, body) = prepare(&mut session, 2).unwrap();
        put(&mut session);
        assert!(matches!(session.publish_point(records, body), Err(Error::Rule { .. })));
    }
}

#[test]
fn what_is_copied_must_be_what_its_name_says() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let (_, bytes) = a_page(&repository);
    assert!(matches!(session.copy_page(PageId([0; 32]), &bytes), Err(Error::Rule { .. })));
    drop(session);
    let mut session = repository.session().unwrap();
    let put = session.put_again(Err(PackKind::Tail), ChunkId([0; 32]), noise(5, 10));
    assert!(matches!(put, Err(Error::Rule { .. })));
}

#[test]
fn what_a_reader_would_refuse_is_not_written() {
    let disk = two_backups();
    let why = refused(&disk, |session, state, _| {
        let bytes = noise(9, 1000);
        let extents = put_all(session, PackKind::Tail, &bytes).unwrap();
        state.tails.push(entry(9_000, &bytes, extents, End::Open, 2));
    });
    assert!(why.contains("would not read back"), "tails out of their order: {why}");

    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let (_, mut sealed) = newest(&repository);
    sealed[0].transactions = sealed[0].events + 1;
    let why = session.put_tree(&sealed).unwrap_err().to_string();
    assert!(why.contains("segment 0: events that do not fit the transactions"), "{why}");
    drop(session);

    let reason = "x".repeat(usize::try_from(SMALL_FILE_MAX).unwrap());
    let forgotten = Deed::Forgotten { points: Vec::new(), reason };
    let why = repository.session().unwrap().publish_act(Moment(1), forgotten).unwrap_err().to_string();
    assert!(why.contains("would not read back"), "an act that is too long: {why}");
    assert!(disk.list("acts").unwrap().is_empty());
}

/// Tries to publish the point of a third backup, changed; gives the rule it breaks, if it breaks one.
fn point(disk: &CrashDisk, change: impl FnOnce(&mut PointBody)) -> Result<u64, String> {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let (records, mut body) = prepare(&mut session, 3).unwrap();
    change(&mut body);
    let published = session.publish_point(records, body);
    assert_eq!(disk.length("points/3.json").is_ok(), published.is_ok());
    published.map(|point| point.point.number).map_err(|error| error.to_string())
}

fn events(body: &mut PointBody) -> &mut PointLog {
    &mut body.context_mut("default").unwrap().events
}

#[test]
fn a_point_rests_on_the_newest_records_and_on_trees_that_are_there() {
    for (change, why) in [
        ((|body| events(body).record = 2) as fn(&mut PointBody), "record 2 is not the newest one"),
        (|body| events(body).record = 4, "record 4 is not the newest one"),
        (|body| body.context_mut("default").unwrap().incarnation = 2, "is not the newest one"),
        (|body| body.source = "other".to_owned(), "is not the newest one"),
        (|body| events(body).root = PageId([0; 32]), "is missing"),
        (|body| events(body).root = body.contexts["default"].snapshots.root, "does not hold segment 0"),
        (|body| events(body).segments = 9, "its tree has 3 segments, not 9"),
        (|body| events(body).safepoint = Some(99_999), "its safepoint is above its head"),
        (|body| events(body).head = None, "its safepoint is above its head"),
        (|body| events(body).open[0].length += 1, "does not hold what is claimed of segment 10000"),
        (|body| events(body).open[0].blake3 = ContentHash([0; 32]), "does not hold what is claimed"),
        (|body| events(body).open[0].version = 1, "does not hold what is claimed"),
        (|body| lose_control_db(body), "is nowhere"),
    ] {
        let refused = point(&two_backups(), change).unwrap_err();
        assert!(refused.contains(why), "{refused} is not {why}");
    }
}

fn lose_control_db(body: &mut PointBody) {
    if let ControlDb::Inner { inner, .. } = &mut body.control_db {
        inner.list = ChunkId([0; 32]);
    }
}

#[test]
fn an_incomplete_point_may_say_that_its_safepoint_is_above_its_head() {
    let number = point(&two_backups(), |body| {
        body.complete = false;
        events(body).safepoint = Some(99_999);
    });
    assert_eq!(number, Ok(3));
}

#[test]
fn a_point_may_claim_less_than_the_record_holds() {
    let claimed = point(&two_backups(), |body| {
        let claim = &mut events(body).open[0];
        (claim.length, claim.blake3) = (500, NAMING.content(&noise(3000, 500)));
    });
    assert_eq!(claimed, Ok(3));
}

#[test]
fn a_damaged_copy_is_no_ground_for_a_claim() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = noise(5, 700);
    let extents = put_all(&mut session, PackKind::Sealed, &bytes).unwrap();
    let whole = entry(0, &bytes, extents, End::Open, 10);
    let damaged =
        SegmentEntry { logical_end: 500, flaw: Some(Flaw { reason: Reason::Checksum }), ..whole.clone() };
    let claimed = SegmentEntry { logical_end: 400, content: NAMING.content(&bytes[..400]), ..whole };
    let roots = [&[][..], std::slice::from_ref(&damaged)].map(|tree| session.put_tree(tree).unwrap());
    let durable = session.barrier().unwrap();
    let state = |store, root| LogState { key: key(store), branch: None, root, tails: Vec::new() };
    let states = [(state(Store::Snapshots, roots[0]), vec![]), (state(Store::Events, roots[1]), vec![])];
    let (records, numbers) = session.publish_records(durable, states.to_vec()).unwrap();
    let snapshots = point_log(numbers[0], roots[0], &[], &entry(0, &[], Vec::new(), End::Open, 0));
    let events = point_log(numbers[1], roots[1], &[damaged], &claimed);
    let control_db = ControlDb::Absent { reason: "none".to_owned() };
    let refused = session.publish_point(records, body(control_db, snapshots, events)).unwrap_err();
    assert!(refused.to_string().contains("does not hold what is claimed of segment 0"), "{refused}");
}

#[test]
fn a_context_may_be_there_without_any_history() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let root = session.put_tree(&[]).unwrap();
    let durable = session.barrier().unwrap();
    let state = |store| LogState { key: key(store), branch: None, root, tails: Vec::new() };
    let states = [Store::Snapshots, Store::Events].map(|store| (state(store), Vec::new()));
    let (records, numbers) = session.publish_records(durable, states.to_vec()).unwrap();
    let empty = entry(0, &[], Vec::new(), End::Open, 0);
    let log = |record| point_log(record, root, &[], &empty);
    let control_db = ControlDb::Absent { reason: "none".to_owned() };
    session.publish_point(records, body(control_db, log(numbers[0]), log(numbers[1]))).unwrap();
}

/// A log that holds a version of a segment, the open one sealed with them, and a higher one: a writer, and the state without the old one.
fn outgrown<'r>(repository: &'r Repository, number: u64) -> (Session<'r>, LogState) {
    let mut session = repository.session().unwrap();
    let (record, mut sealed) = newest(repository);
    sealed.extend(record.state.tails.iter().map(|tail| SegmentEntry { end: End::Rolled, ..tail.clone() }));
    let at = sealed.iter().position(|entry| entry.name.number.get() == number).unwrap();
    let name = SegmentName { version: 1, ..sealed[at].name };
    sealed.insert(at + 1, SegmentEntry { name, ..sealed[at].clone() });
    let root = session.put_tree(&sealed).unwrap();
    let state = LogState { root, tails: Vec::new(), ..record.state };
    let durable = session.barrier().unwrap();
    let _ = session.publish_records(durable, vec![(state.clone(), Vec::new())]).unwrap();
    sealed.remove(at);
    let without = LogState { root: session.put_tree(&sealed).unwrap(), ..state };
    (session, without)
}

#[test]
fn an_old_version_that_a_point_names_stays_in_the_records() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let (mut session, without) = outgrown(&repository, 0);
    let durable = session.barrier().unwrap();
    let why = session.publish_fewer(durable, vec![without]).unwrap_err().to_string();
    assert!(why.contains("sealed segment 0 is missing"), "{why}");
}

/// It was open when the points were made: none of their trees has it.
#[test]
fn an_old_version_that_a_point_claims_stays_in_the_records() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let (mut session, without) = outgrown(&repository, 10_000);
    let durable = session.barrier().unwrap();
    let why = session.publish_fewer(durable, vec![without]).unwrap_err().to_string();
    assert!(why.contains("sealed segment 10000 is missing"), "{why}");
}

#[test]
fn where_nothing_may_be_removed_nothing_is_prepared_for_it_either() {
    let disk = CrashDisk::default();
    let features = vec![APPEND_ONLY.to_owned()];
    Repository::init(&disk, &Config { features, ..config() }).unwrap();
    let repository = open(&disk).unwrap();
    let refused = |error: Error| assert!(matches!(error, Error::AppendOnly { .. }), "{error}");
    let (source, context, reason) = (String::new(), String::new(), String::new());
    let dropped = Deed::Dropped { source, context, logs: Vec::new(), points: Vec::new(), reason };
    let (dead, gone) = (Deed::Dead { packs: Vec::new() }, Deed::Gone { points: Vec::new() });
    refused(repository.publish_mark(Moment(1), Vec::new()).unwrap_err());
    let mut session = repository.session().unwrap();
    for deed in [dropped, dead, gone] {
        refused(session.publish_act(Moment(1), deed).unwrap_err());
    }
    refused(session.give_up(Moment(1), (&[], &[]), "").unwrap_err());
    let durable = session.barrier().unwrap();
    refused(session.publish_fewer(durable, Vec::new()).unwrap_err());
    assert!(disk.list("acts").unwrap().is_empty());
}

/// A log without points whose record has a segment and a version of it, both with the same bytes and so many events; tries to publish a record that
/// lacks the first.
fn leave(events: [u64; 2], change: impl FnOnce(&mut SegmentEntry)) -> Result<(), String> {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = noise(1, 100);
    let extents = put_all(&mut session, PackKind::Sealed, &bytes).unwrap();
    let [old, mut higher] = events.map(|events| entry(0, &bytes, extents.clone(), End::Rolled, events));
    higher.name.version = 1;
    let root = session.put_tree(&[old, higher.clone()]).unwrap();
    let durable = session.barrier().unwrap();
    let state = LogState { key: key(Store::Events), branch: None, root, tails: Vec::new() };
    let _ = session.publish_records(durable, vec![(state.clone(), Vec::new())]).unwrap();
    change(&mut higher);
    let root = session.put_tree(&[higher]).unwrap();
    let durable = session.barrier().unwrap();
    let fewer = session.publish_fewer(durable, vec![LogState { root, ..state }]);
    fewer.map(drop).map_err(|error| error.to_string())
}

#[test]
fn an_old_version_leaves_only_where_a_higher_one_holds_all_its_tokens() {
    assert_eq!(leave([5, 5], |_| ()), Ok(()));
    let why = leave([5, 4], |_| ()).unwrap_err();
    assert!(why.contains("sealed segment 0 is missing"), "{why}");
}

#[test]
fn a_record_with_fewer_segments_names_no_chunk_that_is_nowhere_either() {
    let why = leave([5, 5], |higher| higher.extents[0].chunk = ChunkId([1; 32])).unwrap_err();
    assert!(why.contains("is nowhere"), "{why}");
}

#[test]
fn nothing_leaves_the_records_while_a_point_cannot_be_read() {
    let disk = two_backups();
    let repository = open(&disk).unwrap();
    let (mut session, without) = outgrown(&repository, 0);
    disk.damage("points/1.json", |bytes| bytes[30] ^= 1);
    let durable = session.barrier().unwrap();
    let why = session.publish_fewer(durable, vec![without]).unwrap_err().to_string();
    assert!(why.contains("might forbid it"), "{why}");
}

fn said(deed: Deed) -> Act {
    let (kind, repository) = (act::TYPE.to_owned(), String::new());
    let (version, at) = (act::VERSION, Moment(1));
    Act { kind, version, number: 1, previous: None, repository, at, deed }
}

/// The same log of another source, and of another context.
fn others(key: &LogKey) -> [LogKey; 2] {
    let other = || "other".to_owned();
    [LogKey { source: other(), ..key.clone() }, LogKey { context: other(), ..key.clone() }]
}

#[test]
fn what_was_dropped_are_events_of_one_incarnation() {
    let (source, context, before) = ("node".to_owned(), "default".to_owned(), 50);
    let logs = vec![DroppedLog { incarnation: 1, before }];
    let acts = [said(Deed::Dropped { source, context, logs, points: Vec::new(), reason: String::new() })];
    let key = |incarnation, store| LogKey { incarnation, ..key(store) };
    assert_eq!(LetGo::by(&acts, &key(1, Store::Events)).before.map(Token::get), Some(before));
    let [of_source, of_context] = others(&key(1, Store::Events));
    for other in [key(1, Store::Snapshots), key(2, Store::Events), of_source, of_context] {
        assert_eq!(LetGo::by(&acts, &other).before, None);
    }
}

#[test]
fn what_was_erased_are_segments_of_one_log() {
    let (source, context, reason) = ("node".to_owned(), "default".to_owned(), String::new());
    let blake3 = ContentHash([5; 32]);
    let segment = ErasedSegment { incarnation: 1, store: Store::Events, number: 50, version: 0, blake3 };
    let (segments, chunks, hashes, points) = (vec![segment], Vec::new(), Vec::new(), Vec::new());
    let acts = [said(Deed::Erased { source, context, segments, chunks, hashes, points, reason })];
    let name = SegmentName { number: Token::new(50).unwrap(), version: 0 };
    let lets_go = |key: &LogKey| LetGo::by(&acts, key).has(name, Token::new(60), blake3);
    let key = |incarnation, store| LogKey { incarnation, ..key(store) };
    assert!(lets_go(&key(1, Store::Events)));
    let [of_source, of_context] = others(&key(1, Store::Events));
    for other in [key(2, Store::Events), key(1, Store::Snapshots), of_source, of_context] {
        assert!(!lets_go(&other), "{other:?}");
    }
}
