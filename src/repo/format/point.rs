//! Points: the manifest of one backup, canonical JSON.

use crate::repo::format::id::{ChunkId, ContentHash, FileHash, PageId};
use crate::repo::format::moment::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The `type` of a manifest.
pub const TYPE: &str = "segvault.point";
/// The version of the manifest that this program writes.
pub const VERSION: u32 = 1;

/// A restore point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// All that a backup decides; number and chain come when it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The contexts, by name.
    pub contexts: BTreeMap<String, PointContext>,
    /// Contexts that were there and left out on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What a reader must know: damage, gaps, lags, forks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// How it is known that the control database is not newer than the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct PointLog {
    /// The newest record when the point was made.
    pub record: u64,
    /// The point's own tree: the sealed segments that it saw, or names a good copy of.
    pub root: PageId,
    /// How many entries that tree has.
    pub segments: u64,
    /// Bytes of history: all valid prefixes of the highest versions.
    pub bytes: u64,
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
pub struct Finding {
    /// Its weight.
    pub weight: Weight,
    /// A stable word: `damage`, `gap`, `fork`, `lag`, `gone`, `older-incarnation`, `in-progress`, `unreadable`, `noise`, `empty`.
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
    /// One sentence.
    pub text: String,
}
