//! Points: the manifest of one backup, canonical JSON.

use crate::repo::format::Damage;
use crate::repo::format::files::FileSet;
use crate::repo::format::id::{ChunkId, ContentHash, FileHash, PageId};
use crate::repo::format::json;
use crate::repo::format::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The `type` of a manifest.
pub const TYPE: &str = "segvault.point";
/// The version of the manifest that this program writes.
pub const VERSION: u32 = 1;

/// A restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Point {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// Counted from 1, never used twice.
    pub number: u64,
    /// Hash of the point with the next lower number that there was; none for the first.
    pub previous: Option<FileHash>,
    /// The repository's id.
    pub repository: String,
    /// What the point says.
    #[serde(flatten)]
    pub body: PointBody,
}

impl Point {
    /// Its bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        json::encode(self)
    }

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        Self::of(&json::prove(bytes, TYPE, VERSION)?)
    }

    fn of(proven: &json::Proven<'_>) -> Result<Self, Damage> {
        let Head { kind, version, number, previous, repository } = proven.read()?;
        Ok(Self { kind, version, number, previous, repository, body: proven.read()? })
    }
}

/// What stands in a manifest beside the body. Both are read for themselves: to read one that lies flat in the other, all of it would be copied first.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    number: u64,
    previous: Option<FileHash>,
    repository: String,
}

/// All that a backup decides; number and chain come when it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointBody {
    /// The program that made it: `segvault 0.1.0`.
    pub program: String,
    /// The source's name.
    pub source: String,
    /// When the backup began.
    pub at: Moment,
    /// The user's tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How the order (control database first) is known.
    pub order: Order,
    /// True if the zip is newer than the data and the user insisted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unordered: bool,
    /// False if something is missing or damaged.
    pub complete: bool,
    /// The steps in the order in which they were taken.
    pub steps: Vec<StepAt>,
    /// What is known of the place the data came from (server version, directories).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The control database.
    pub control_db: ControlDb,
    /// The contexts, by name. Of many points most are the same: whoever has many holds each once.
    pub contexts: BTreeMap<String, Arc<PointContext>>,
    /// Plain files that were archived with it: index files, replication logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSet>,
    /// Contexts that were there and left out on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What a reader must know: damage, gaps, lags, forks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl PointBody {
    /// A context, to be changed here and nowhere else.
    pub fn context_mut(&mut self, name: &str) -> Option<&mut PointContext> {
        self.contexts.get_mut(name).map(Arc::make_mut)
    }
}

/// How it is known that the control database is not newer than the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// This run asked for the zip, then read the heads.
    Observed,
    /// The zip was handed in.
    Claimed,
    /// The database of a stopped node was copied.
    Copied,
    /// There is no control database.
    None,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// 0: the versions present were listed.
    Versions,
    /// 1: the control database was captured.
    ControlDb,
    /// 2: the safepoints were read.
    Safepoints,
    /// 3 to 5: the snapshots of a context were archived.
    Snapshots,
    /// 3 to 5: the events of a context were archived.
    Events,
    /// 6: versions and heads were looked at again.
    Recheck,
}

/// A step with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepAt {
    /// What.
    pub step: StepKind,
    /// Of which context; absent for steps that concern all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// When it was done.
    pub at: Moment,
}

/// The control database of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ControlDb {
    /// There is none, and why.
    Absent {
        /// Why.
        reason: String,
    },
    /// The database file; the zip it came in (if it came in one) is rebuilt from it.
    Inner {
        /// Name of the database file, as in the zip.
        entry: String,
        /// The database file.
        inner: Content,
        /// The zip, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zip: Option<RebuiltZip>,
    },
    /// The zip as it was: it can't be rebuilt from the file inside.
    Zip {
        /// Name of the database file inside.
        entry: String,
        /// Name of the zip.
        name: String,
        /// The zip.
        zip: Content,
    },
}

/// A zip that is rebuilt from the file inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RebuiltZip {
    /// Its name.
    pub name: String,
    /// Its length.
    pub length: u64,
    /// Its hash.
    pub blake3: ContentHash,
    /// DOS time (low word) and date (high word) of its entry.
    pub dos_time: u32,
}

/// A file that is stored as a list of chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Content {
    /// Its length.
    pub length: u64,
    /// Its hash.
    pub blake3: ContentHash,
    /// The chunk that lists its chunks (see [`crate::repo::format::entry`] for extents).
    pub list: ChunkId,
}

/// A context of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointContext {
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: PointLog,
    /// Its events.
    pub events: PointLog,
}

/// What a point says of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointLog {
    /// The newest record when the point was made.
    pub record: u64,
    /// The point's own tree: the sealed segments that it saw, or names a good copy of.
    pub root: PageId,
    /// How many entries that tree has.
    pub segments: u64,
    /// Bytes of history: all valid prefixes of the highest versions.
    pub bytes: u64,
    /// Bytes that the files of all segments that were seen took on the source's disk, all versions; none if it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<u64>,
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The last token; none if it is empty.
    pub head: Option<u64>,
    /// The head when the control database had been captured.
    pub safepoint: Option<u64>,
    /// Times of its events, milliseconds; none if it is empty or they can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<PointTimes>,
    /// Claims on segments that may still be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Claim>,
}

/// The times of a log's events, milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointTimes {
    /// Of the first event.
    pub first: i64,
    /// Of the last event.
    pub last: i64,
    /// The least.
    pub least: i64,
    /// The greatest.
    pub greatest: i64,
}

/// What a point says of an open segment. Resolved in the log's newest record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claim {
    /// The segment's number.
    pub number: u64,
    /// Its version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u32,
    /// Bytes of the valid prefix.
    pub length: u64,
    /// Token of its last event; none if it has none.
    pub last: Option<u64>,
    /// Hash of the prefix.
    pub blake3: ContentHash,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(version: &u32) -> bool {
    *version == 0
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// Exit 3.
    Warning,
    /// The point is incomplete; exit 3.
    Incomplete,
}

/// Something that a reader of the point must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Its weight.
    pub weight: Weight,
    /// A stable word: `damage`, `gap`, `fork`, `lag`, `gone`, `older-incarnation`, `in-progress`, `unreadable`, `noise`, `empty`,
    /// `erased`, `dropped`.
    pub what: String,
    /// The context, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The store (`events`, `snapshots`), if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The file, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The first token concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The last token concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// One sentence that says what, and where: it stands for itself.
    pub text: String,
}

impl Finding {
    /// One that concerns nothing in particular; who knows what it concerns says that beside.
    pub fn new(weight: Weight, what: &str, text: String) -> Self {
        Self {
            weight,
            what: what.to_owned(),
            context: None,
            store: None,
            file: None,
            offset: None,
            first: None,
            last: None,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(open: Vec<Claim>) -> PointLog {
        PointLog {
            record: 3,
            root: PageId([4; 32]),
            segments: 1,
            bytes: u64::MAX,
            on_disk: (!open.is_empty()).then_some(4_096),
            first: Some(0),
            head: Some(i64::MAX.cast_unsigned()),
            safepoint: None,
            times: (!open.is_empty()).then_some(PointTimes {
                first: -1,
                last: 2,
                least: i64::MIN,
                greatest: i64::MAX,
            }),
            open,
        }
    }

    fn claim(version: u32) -> Claim {
        Claim { number: 805, version, length: 5, last: None, blake3: ContentHash([5; 32]) }
    }

    fn finding() -> Finding {
        Finding {
            weight: Weight::Warning,
            what: "lag".to_owned(),
            context: Some("default".to_owned()),
            store: Some("events".to_owned()),
            file: Some("x".to_owned()),
            offset: Some(1),
            first: Some(2),
            last: Some(3),
            text: "It lags \u{7f} \n \"behind\".".to_owned(),
        }
    }

    fn file_set() -> FileSet {
        FileSet {
            kind: crate::repo::format::files::INDEX.to_owned(),
            context: Some("default".to_owned()),
            store: Some("events".to_owned()),
            group: None,
            count: 2,
            bytes: 9,
            listing: content(),
        }
    }

    fn body() -> PointBody {
        let context =
            PointContext { incarnation: 1, snapshots: log(vec![]), events: log(vec![claim(0), claim(1)]) };
        PointBody {
            program: "segvault 0.1.0".to_owned(),
            source: "node".to_owned(),
            at: Moment(1_795_442_729_123),
            tags: BTreeMap::from([("why".to_owned(), "nightly".to_owned())]),
            order: Order::Observed,
            unordered: false,
            complete: true,
            steps: vec![
                StepAt { step: StepKind::ControlDb, context: None, at: Moment(0) },
                StepAt { step: StepKind::Events, context: Some("default".to_owned()), at: Moment(1) },
            ],
            facts: BTreeMap::new(),
            control_db: ControlDb::Absent { reason: "not asked for".to_owned() },
            contexts: BTreeMap::from([("default".to_owned(), Arc::new(context))]),
            files: vec![file_set()],
            left_out: vec![],
            findings: vec![finding()],
        }
    }

    fn point(body: PointBody) -> Point {
        let (kind, repository) = (TYPE.to_owned(), "00".repeat(16));
        Point { kind, version: VERSION, number: 12, previous: None, repository, body }
    }

    fn content() -> Content {
        Content { length: 7, blake3: ContentHash([6; 32]), list: ChunkId([7; 32]) }
    }

    #[test]
    fn a_point_comes_back() {
        let rebuilt =
            RebuiltZip { name: "z".to_owned(), length: 1, blake3: ContentHash([8; 32]), dos_time: u32::MAX };
        let entry = || "axonserver-controldb.mv.db".to_owned();
        for control_db in [
            ControlDb::Absent { reason: String::new() },
            ControlDb::Inner { entry: entry(), inner: content(), zip: Some(rebuilt) },
            ControlDb::Inner { entry: entry(), inner: content(), zip: None },
            ControlDb::Zip { entry: entry(), name: "z".to_owned(), zip: content() },
        ] {
            let point = point(PointBody { control_db, ..body() });
            assert_eq!(Point::decode(&point.encode().unwrap()), Ok(point));
        }
    }

    #[test]
    fn every_word_comes_back() {
        for order in [Order::Observed, Order::Claimed, Order::Copied, Order::None] {
            let unordered = order == Order::Claimed;
            let point = point(PointBody { order, unordered, complete: false, ..body() });
            assert_eq!(Point::decode(&point.encode().unwrap()), Ok(point));
        }
        for step in [
            StepKind::Versions,
            StepKind::ControlDb,
            StepKind::Safepoints,
            StepKind::Snapshots,
            StepKind::Events,
            StepKind::Recheck,
        ] {
            let steps = vec![StepAt { step, context: None, at: Moment(0) }];
            let point = point(PointBody { steps, ..body() });
            assert_eq!(Point::decode(&point.encode().unwrap()), Ok(point));
        }
        for weight in [Weight::Note, Weight::Warning, Weight::Incomplete] {
            let findings = vec![Finding { weight, ..finding() }];
            let point = point(PointBody { findings, ..body() });
            assert_eq!(Point::decode(&point.encode().unwrap()), Ok(point));
        }
    }

    #[test]
    fn a_member_that_this_program_does_not_know_is_stepped_over() {
        let mut value = serde_json::to_value(point(body())).unwrap();
        value["contexts"]["default"]["events"]["parity"] = serde_json::json!({"files": []});
        value["weather"] = "fine".into();
        assert_eq!(Point::decode(&json::encode(&value).unwrap()), Ok(point(body())));
    }

    /// Points are read without being taken apart where they are spelled as they were written.
    #[test]
    fn both_readers_read_the_same() {
        let mut small = point(body());
        let context = small.body.context_mut("default").unwrap();
        for log in [&mut context.snapshots, &mut context.events] {
            (log.bytes, log.head, log.times) = (7, Some(5), None);
        }
        small.body.findings[0].text = "It lags.".to_owned();
        let text = String::from_utf8(small.encode().unwrap()).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let (mut canonical, mut read) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..random.usize(1..4) {
                let (at, from) = (random.usize(..bytes.len()), random.usize(..bytes.len()));
                match random.u8(..4) {
                    0 => bytes[at] = bytes[from],
                    1 => bytes.insert(at, bytes[from]),
                    2 => bytes.insert(at, b"0123456789-.e\\ \t"[random.usize(..16)]),
                    _ => drop(bytes.remove(at)),
                }
            }
            // As they are, and with a check that fits.
            let checked = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
            let checked = checked.and_then(|mut value| {
                value.as_object_mut()?.remove(json::CHECK);
                json::encode(&value).ok()
            });
            for bytes in [Some(bytes), checked].into_iter().flatten() {
                let proven = json::prove(&bytes, TYPE, VERSION);
                canonical += usize::from(matches!(proven, Ok(json::Proven::Canonical(_))));
                let slowly = json::open(&bytes, TYPE, VERSION).map(json::Proven::Other);
                assert_eq!(proven.is_ok(), slowly.is_ok(), "{}", String::from_utf8_lossy(&bytes));
                let slowly = slowly.and_then(|proven| Point::of(&proven)).ok();
                read += usize::from(slowly.is_some());
                assert_eq!(Point::decode(&bytes).ok(), slowly, "{}", String::from_utf8_lossy(&bytes));
            }
        }
        assert!(canonical > 1000 && read > 1000, "{canonical} {read}");
    }

    #[test]
    fn a_word_that_this_program_does_not_know_is_refused() {
        let mut value = serde_json::to_value(point(body())).unwrap();
        value["order"] = "guessed".into();
        assert!(matches!(Point::decode(&json::encode(&value).unwrap()), Err(Damage::Json(_))));
    }

    #[test]
    fn a_moment_that_can_not_be_written_as_a_time_is_refused() {
        assert!(point(PointBody { at: Moment(i64::MAX), ..body() }).encode().is_err());
    }
}
