//! A backup in small: what the engine does with a repository, with histories made up from a seed.

pub use crate::support::archive::config;
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::token::Token;
use segvault::repo::Error;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::entry::{End, Extent, SegmentEntry, decode_extents, encode_extents};
use segvault::repo::format::id::{Naming, PageId};
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::point::{
    Claim, Content, ControlDb, Order, PointBody, PointContext, PointLog, StepAt, StepKind,
};
use segvault::repo::format::record::{Branch, LogKey, LogState, PrefixProof};
use segvault::repo::store::{ListedPoint, OpenOptions, Repository, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const NAMING: Naming = Naming::Blake3;
/// Events in each sealed segment.
const EVENTS: u64 = 10;

pub fn open(disk: &(impl Disk + Clone + 'static)) -> Result<Repository, Error> {
    Repository::open(Arc::new(disk.clone()), OpenOptions::default())
}

pub fn key(store: Store) -> LogKey {
    LogKey { source: "node".to_owned(), context: "default".to_owned(), incarnation: 1, store }
}

/// Bytes that don't compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// The chunks of a segment's bytes: cut every 700 bytes.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(700).map(<[u8]>::to_vec)
}

/// What a segment holds: sealed ones of odd numbers share their second half with the one before.
fn sealed_bytes(store: Store, number: u64) -> Vec<u8> {
    let salt = if store == Store::Events { 1000 } else { 2000 };
    [noise(salt + number, 1400), noise(salt + 500 + number / 2, 1400)].concat()
}

/// All that the open segment will ever hold.
fn open_bytes(store: Store, backup: u64) -> Vec<u8> {
    noise(if store == Store::Events { 3000 } else { 4000 }, 500 * backup as usize)
}

pub fn put_all(session: &mut Session<'_>, kind: PackKind, bytes: &[u8]) -> Result<Vec<Extent>, Error> {
    let put = |bytes: Vec<u8>| {
        let length = bytes.len() as u32;
        Ok(Extent { chunk: session.put(kind, bytes)?, length })
    };
    chunks(bytes).map(put).collect()
}

pub fn entry(number: u64, bytes: &[u8], extents: Vec<Extent>, end: End, events: u64) -> SegmentEntry {
    SegmentEntry {
        name: SegmentName { number: Token::new(number).unwrap(), version: 0 },
        logical_end: bytes.len() as u64,
        stored_length: bytes.len() as u64,
        file_length: 1 << 20,
        end,
        flaw: None,
        modified_ns: 7,
        events,
        transactions: events,
        times: None,
        content: NAMING.content(bytes),
        extents,
        time_map: None,
    }
}

/// One log as the `backup`-th backup sees it: so many sealed segments, and an open one that has grown.
struct Seen {
    state: LogState,
    proofs: Vec<PrefixProof>,
    sealed: Vec<SegmentEntry>,
}

/// Token of the open segment: behind more sealed ones than any test makes.
const OPEN: u64 = 1000 * EVENTS;

fn see(session: &mut Session<'_>, store: Store, backup: u64) -> Result<Seen, Error> {
    let newest = session.repository().newest_record(&key(store))?;
    let known = match &newest {
        Some(record) => session.repository().tree(record.state.root)?,
        None => Vec::new(),
    };
    let mut sealed = known.clone();
    for number in known.len() as u64..backup {
        let bytes = sealed_bytes(store, number);
        let extents = put_all(session, PackKind::Sealed, &bytes)?;
        sealed.push(entry(number * EVENTS, &bytes, extents, End::Rolled, EVENTS));
    }
    let bytes = open_bytes(store, backup);
    let extents = put_all(session, PackKind::Tail, &bytes)?;
    let tails = vec![entry(OPEN, &bytes, extents, End::Open, backup)];
    let old = newest.iter().flat_map(|record| &record.state.tails);
    let proofs = old.map(|tail| prefix_proof(tail, &bytes)).collect();
    let root = session.put_tree(&sealed)?;
    Ok(Seen { state: LogState { key: key(store), branch: None, root, tails }, proofs, sealed })
}

fn prefix_proof(tail: &SegmentEntry, bytes: &[u8]) -> PrefixProof {
    let content = NAMING.content(&bytes[..tail.logical_end as usize]);
    PrefixProof { name: tail.name, length: tail.logical_end, content }
}

fn control_db(session: &mut Session<'_>, backup: u64) -> Result<ControlDb, Error> {
    let bytes = [noise(1, 500), noise(10 + backup, 500)].concat();
    let chunks: Vec<Vec<u8>> = bytes.chunks(250).map(<[u8]>::to_vec).collect();
    let ids = session.put_together(PackKind::ControlDb, chunks)?;
    let extents: Vec<Extent> = ids.into_iter().map(|chunk| Extent { chunk, length: 250 }).collect();
    let list = session.put(PackKind::ControlDb, encode_extents(&extents))?;
    let inner = Content { length: bytes.len() as u64, blake3: NAMING.content(&bytes), list };
    Ok(ControlDb::Inner { entry: "axonserver-controldb.mv.db".to_owned(), inner, zip: None })
}

pub fn point_log(record: u64, root: PageId, sealed: &[SegmentEntry], tail: &SegmentEntry) -> PointLog {
    let claim = Claim {
        number: tail.name.number.get(),
        version: 0,
        length: tail.logical_end,
        last: tail.last_token().map(Token::get),
        blake3: tail.content,
    };
    PointLog {
        record,
        root,
        segments: sealed.len() as u64,
        bytes: sealed.iter().chain([tail]).map(|entry| entry.logical_end).sum(),
        on_disk: Some(131_072),
        first: Some(0),
        head: claim.last,
        safepoint: claim.last,
        times: None,
        open: vec![claim],
    }
}

pub fn body(control_db: ControlDb, snapshots: PointLog, events: PointLog) -> PointBody {
    let steps = [StepKind::Versions, StepKind::ControlDb, StepKind::Safepoints];
    PointBody {
        program: "segvault 0.1.0".to_owned(),
        source: "node".to_owned(),
        at: Moment(1_795_442_729_123),
        tags: BTreeMap::new(),
        order: Order::Observed,
        unordered: false,
        complete: true,
        steps: steps.map(|step| StepAt { step, context: None, at: Moment(5) }).to_vec(),
        facts: BTreeMap::new(),
        control_db,
        contexts: [("default".to_owned(), PointContext { incarnation: 1, snapshots, events }.into())].into(),
        files: Vec::new(),
        left_out: Vec::new(),
        findings: Vec::new(),
    }
}

/// All that the `backup`-th backup puts, up to the point.
pub fn prepare(
    session: &mut Session<'_>,
    backup: u64,
) -> Result<(segvault::repo::store::RecordsDurable, PointBody), Error> {
    let control_db = control_db(session, backup)?;
    let snapshots = see(session, Store::Snapshots, backup)?;
    let events = see(session, Store::Events, backup)?;
    let durable = session.barrier()?;
    let states = [&snapshots, &events].map(|seen| (seen.state.clone(), seen.proofs.clone()));
    let (records, numbers) = session.publish_records(durable, states.to_vec())?;
    let log = |number, seen: &Seen| point_log(number, seen.state.root, &seen.sealed, &seen.state.tails[0]);
    Ok((records, body(control_db, log(numbers[0], &snapshots), log(numbers[1], &events))))
}

/// The same, cut short before anything is published that names what was put.
pub fn put_only(session: &mut Session<'_>, backup: u64) -> Result<(), Error> {
    see(session, Store::Snapshots, backup)?;
    see(session, Store::Events, backup)?;
    session.barrier().map(drop)
}

/// The `backup`-th backup of the history: as many sealed segments in each store, and the open ones that have grown.
pub fn back_up(repository: &Repository, backup: u64) -> Result<PointRef, Error> {
    let mut session = repository.session()?;
    let (records, body) = prepare(&mut session, backup)?;
    session.publish_point(records, body).map(|published| published.point)
}

/// A backup of another history of the same name: its open segment begins otherwise.
pub fn back_up_other(disk: &(impl Disk + Clone + 'static)) {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    let bytes = noise(9, 900);
    let extents = put_all(&mut session, PackKind::Tail, &bytes).unwrap();
    let tails = vec![entry(OPEN, &bytes, extents, End::Open, 1)];
    let root = session.put_tree(&[]).unwrap();
    let durable = session.barrier().unwrap();
    let state = |store| LogState { key: key(store), branch: None, root, tails: tails.clone() };
    let states = [Store::Snapshots, Store::Events].map(|store| (state(store), Vec::new()));
    let _ = session.publish_records(durable, states.to_vec()).unwrap();
}

/// A backup of the history after it has forked before its first token: the second incarnation, with an open segment alone.
pub fn back_up_forked(disk: &(impl Disk + Clone + 'static)) -> Result<PointRef, Error> {
    let repository = open(disk)?;
    let mut session = repository.session()?;
    let database = control_db(&mut session, 99)?;
    let bytes = noise(5000, 900);
    let extents = put_all(&mut session, PackKind::Tail, &bytes)?;
    let tail = entry(OPEN, &bytes, extents, End::Open, 1);
    let root = session.put_tree(&[])?;
    let durable = session.barrier()?;
    let branch = Some(Branch { parent: 1, token: None });
    let state = |store| {
        let key = LogKey { incarnation: 2, ..key(store) };
        LogState { key, branch, root, tails: vec![tail.clone()] }
    };
    let states = [Store::Snapshots, Store::Events].map(|store| (state(store), Vec::new()));
    let (records, numbers) = session.publish_records(durable, states.to_vec())?;
    let log = |number| point_log(number, root, &[], &tail);
    let mut body = body(database, log(numbers[0]), log(numbers[1]));
    body.context_mut("default").unwrap().incarnation = 2;
    session.publish_point(records, body).map(|published| published.point)
}

/// Opens, backs up.
pub fn back_up_on(disk: &(impl Disk + Clone + 'static), backup: u64) -> Result<PointRef, Error> {
    back_up(&open(disk)?, backup)
}

/// Reads all that a point says that it holds, and compares it with the hashes that it says; and that it is the history of its backup.
pub fn check_point(repository: &Repository, listed: &ListedPoint) -> Result<(), Error> {
    let body = &listed.point.body;
    let ControlDb::Inner { inner, .. } = &body.control_db else { panic!("no control database") };
    let list = repository.chunk(inner.list)?;
    let extents = decode_extents(&list, inner.length).unwrap();
    assert_eq!(NAMING.content(&read(repository, &extents, inner.length)?), inner.blake3);
    for context in body.contexts.values() {
        check_log(repository, Store::Snapshots, &context.snapshots)?;
        check_log(repository, Store::Events, &context.events)?;
    }
    Ok(())
}

fn check_log(repository: &Repository, store: Store, log: &PointLog) -> Result<(), Error> {
    let entries = repository.tree(log.root)?;
    assert_eq!(entries.len() as u64, log.segments);
    for (number, entry) in (0..).zip(&entries) {
        assert_eq!(read(repository, &entry.extents, entry.stored_length)?, sealed_bytes(store, number));
    }
    let record = repository.newest_record(&key(store))?.expect("a record");
    for claim in &log.open {
        let tail =
            record.state.tails.iter().find(|tail| tail.name.number.get() == claim.number).expect("a tail");
        assert_eq!(NAMING.content(&read(repository, &tail.extents, claim.length)?), claim.blake3);
    }
    Ok(())
}

pub fn read(repository: &Repository, extents: &[Extent], length: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    repository.read_extents(extents, 0..length, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// Says what is wrong with a repository that has acknowledged these points, if anything is.
pub fn check(repository: &Repository, acknowledged: &[PointRef]) -> Result<(), String> {
    let journal = repository.journal().map_err(|error| error.to_string())?;
    if !journal.unreadable.is_empty() {
        return Err(format!("{:?}", journal.unreadable));
    }
    for reference in acknowledged {
        if !journal.listed().any(|point| point.reference() == *reference) {
            return Err(format!("point {} is lost", reference.number));
        }
    }
    for listed in journal.listed() {
        check_point(repository, listed).map_err(|error| format!("point {}: {error}", listed.point.number))?;
    }
    Ok(())
}
