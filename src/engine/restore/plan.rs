//! What a restore is going to do, before it does anything: files, lengths, losses, space. The same for a dry run.

use crate::axon::name::{SegmentName, Store};
use crate::engine::restore::access::Access;
use crate::engine::restore::cut::CutPlan;
use crate::engine::restore::cut::request::CutRequest;
use crate::engine::restore::delta::DeltaPlan;
use crate::engine::restore::estimate::Estimate;
use crate::engine::restore::layout::Layout;
use crate::engine::restore::plain::PlainPlan;
use crate::engine::restore::target::{self, Target};
use crate::repo::format::act::PointRef;
use crate::repo::format::entry::Extent;
use crate::repo::format::id::ContentHash;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::{ControlDb, Finding, Order};
use serde::Serialize;
use std::path::PathBuf;

/// The block size of most file systems: what a small file takes.
const DISK_BLOCK: u64 = 4096;

/// The end of a rolled segment.
const ROLLED: [u8; 4] = [0xff; 4];

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct RestoreOptions {
    /// The point: see [`crate::engine::select`].
    pub point: String,
    /// Only points of this source.
    pub source: Option<String>,
    /// Only these contexts; all, if there is none.
    pub contexts: Vec<String>,
    /// Whether the control database is wanted.
    pub control_db: bool,
    /// The point whose control database is wanted, instead of the one that fits.
    pub control_db_of: Option<String>,
    /// Take a control database that does not know the highest version of a segment.
    pub accept_version_reuse: bool,
    /// Whether snapshots are wanted.
    pub snapshots: bool,
    /// Where to cut; not at all if there is nothing.
    pub cut: Option<CutRequest>,
    /// Where to write the zip that the server made of it, too: a new file, or a directory for a file of the zip's own name.
    pub control_db_zip_to: Option<PathBuf>,
    /// Whether index files are handed out, where all of a store are there.
    pub with_indexes: bool,
    /// Whether replication logs are handed out.
    pub with_replication_log: bool,
    /// Where things go below the target.
    pub layout: Layout,
    /// Owner and modes of what is made.
    pub access: Access,
    /// A directory that is empty or not there.
    pub target: PathBuf,
    /// Whether it may have another state of the history.
    pub delta: bool,
    /// Whether what it has may be lost though the archive has it not.
    pub discard_unarchived: bool,
}

impl RestoreOptions {
    /// All of the newest point.
    pub fn latest(target: PathBuf) -> Self {
        Self {
            point: "latest".to_owned(),
            source: None,
            contexts: Vec::new(),
            control_db: true,
            control_db_of: None,
            accept_version_reuse: false,
            snapshots: true,
            cut: None,
            control_db_zip_to: None,
            with_indexes: false,
            with_replication_log: false,
            layout: Layout::default(),
            access: Access::default(),
            target,
            delta: false,
            discard_unarchived: false,
        }
    }
}

/// What is going to be restored, where, and what a user must know of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    /// The point.
    pub point: PointRef,
    /// Its source.
    pub source: String,
    /// When it was made.
    pub at: Moment,
    /// Whether nothing was missing or damaged when it was made, nor found so later.
    pub complete: bool,
    /// How it is known that the control database is not newer than the segments.
    pub order: Order,
    /// The target, without links on the way.
    pub target: PathBuf,
    /// The contexts, by name.
    pub contexts: Vec<ContextPlan>,
    /// The control database.
    pub control_db: ControlDbPlan,
    /// Index files and replication logs, as far as they are asked for.
    pub plain_files: Vec<PlainPlan>,
    /// How many files.
    pub files: u64,
    /// Their lengths together, holes of zeros included.
    pub length: u64,
    /// Bytes that are going to be written: about what they take on the disk.
    pub bytes: u64,
    /// Bytes that are free on the target's file system, if it says so.
    pub free: Option<u64>,
    /// About how long it takes, if that was asked for: a little of it is decoded then.
    pub estimate: Option<Estimate>,
    /// Where the history is cut; none if it is restored as the point has it.
    pub cut: Option<CutPlan>,
    /// What becomes of what is there; none if the target is new or empty.
    pub delta: Option<DeltaPlan>,
    /// What makes it less than whole: exit 3 when it is done.
    pub warnings: Vec<Finding>,
    /// What is worth knowing.
    pub notes: Vec<Finding>,
    /// Bytes that are going to be written where holes take room like anything else.
    #[serde(skip)]
    pub(super) whole: u64,
    /// Owner and modes of what is made.
    #[serde(skip)]
    pub(super) access: Access,
    /// The directory of the control database, below the target.
    #[serde(skip)]
    pub(super) control_db_directory: String,
    /// The target, proven.
    #[serde(skip)]
    pub(super) proven: Target,
    /// The control database as the manifest has it.
    #[serde(skip)]
    pub(super) database: ControlDb,
}

/// What is planned for the control database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ControlDbPlan {
    /// The point has none.
    Absent {
        /// Why.
        reason: String,
    },
    /// It is not wanted.
    LeftOut,
    /// It is written.
    File {
        /// Where, below the target.
        path: String,
        /// Its length, where it is known before the zip is taken apart.
        length: Option<u64>,
        /// Where the zip goes, if it is wanted and there is one.
        zip_to: Option<PathBuf>,
    },
    /// Only the zip is written.
    ZipOnly {
        /// Where it goes.
        zip_to: PathBuf,
    },
}

impl ControlDbPlan {
    /// Where the database goes, below the target.
    pub fn path(&self) -> Option<&str> {
        if let Self::File { path, .. } = self { Some(path) } else { None }
    }

    /// Where the zip goes.
    pub fn zip_to(&self) -> Option<&PathBuf> {
        match self {
            Self::File { zip_to, .. } => zip_to.as_ref(),
            Self::ZipOnly { zip_to } => Some(zip_to),
            Self::Absent { .. } | Self::LeftOut => None,
        }
    }
}

/// A context.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextPlan {
    /// Its name.
    pub context: String,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: StorePlan,
    /// Its events.
    pub events: StorePlan,
}

impl ContextPlan {
    /// Both stores, in the order of a backup.
    pub fn stores(&self) -> [&StorePlan; 2] {
        [&self.snapshots, &self.events]
    }
}

/// A store of a context.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StorePlan {
    /// Which.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub store: Store,
    /// Its directory, below the target.
    pub directory: String,
    /// The first token; none if it is empty.
    pub first: Option<u64>,
    /// The last token; none if it is empty.
    pub head: Option<u64>,
    /// Tokens between them that are not in it.
    pub missing: Vec<TokenRange>,
    /// Its segments, by number.
    pub segments: Vec<SegmentPlan>,
}

/// A run of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// A segment's file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SegmentPlan {
    /// Where, below the target.
    pub path: String,
    /// Its first token.
    pub number: u64,
    /// Its version.
    pub version: u32,
    /// Events in its valid prefix.
    pub events: u64,
    /// Bytes of the valid prefix.
    pub prefix: u64,
    /// Length of the file.
    pub length: u64,
    /// What stands behind the prefix.
    pub end: PlannedEnd,
    /// Hash of the prefix; of all stored bytes, if it is damaged. None if it is cut: then it is known when it is written.
    pub blake3: Option<ContentHash>,
    /// The name, as the program has it.
    #[serde(skip)]
    pub(super) name: SegmentName,
    /// Whether all of a sealed segment is handed out.
    #[serde(skip)]
    pub(super) is_sealed: bool,
    /// Bytes that come from the archive: the prefix, or all stored bytes if it is damaged.
    #[serde(skip)]
    pub(super) stored: u64,
    /// Where they are.
    #[serde(skip)]
    pub(super) extents: Vec<Extent>,
}

impl SegmentPlan {
    /// Token of its last event, or its number if it has none: for messages.
    pub(super) fn last_or_number(&self) -> u64 {
        self.number.saturating_add(self.events.saturating_sub(1))
    }
}

/// What a file has behind its valid prefix. Zeros up to its length follow in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PlannedEnd {
    /// -1: rolled.
    Rolled,
    /// 0: open.
    Open,
    /// Nothing: the file ends there.
    EndOfFile,
    /// What was found behind it: the segment is damaged, and handed out as it was archived.
    AsFound,
}

impl PlannedEnd {
    /// Its bytes, as far as they are not zeros.
    pub(super) fn bytes(self) -> &'static [u8] {
        if self == Self::Rolled { &ROLLED } else { &[] }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: serde::Serializer>(store: &Store, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(store.as_str())
}

impl Plan {
    /// Sums up files and bytes, and asks the target for its free space.
    pub(super) fn sum(&mut self) {
        let segments = self.contexts.iter().flat_map(ContextPlan::stores).flat_map(|store| &store.segments);
        let (mut files, mut length, mut bytes) = (0_u64, 0_u64, 0_u64);
        let mut whole = 0_u64;
        for segment in segments {
            files += 1;
            length = length.saturating_add(segment.length);
            if self.writes(&segment.path) {
                bytes = bytes.saturating_add(on_disk(segment.stored));
                whole = whole.saturating_add(segment.length);
            }
        }
        for plain in &self.plain_files {
            files += plain.files;
            length = length.saturating_add(plain.length);
            let written = plain.list.iter().filter(|file| self.writes(&plain.path_of(file)));
            for file in written {
                bytes = bytes.saturating_add(on_disk(file.content.length));
                whole = whole.saturating_add(file.length());
            }
        }
        let of_database = self.bytes_of_database();
        let written_of_database =
            if self.control_db.path().is_some_and(|path| self.writes(path)) { of_database } else { 0 };
        self.files = files + u64::from(self.control_db.path().is_some());
        self.length = length.saturating_add(of_database);
        self.bytes = bytes.saturating_add(written_of_database);
        self.whole = whole.saturating_add(written_of_database);
        let place = self.proven.staging_parent();
        self.free = target::free_space(place);
        if !target::keeps_holes(place) {
            self.bytes = self.whole;
        }
    }

    /// Whether something is going to be written for this path.
    pub(super) fn writes(&self, path: &str) -> bool {
        self.delta.as_ref().is_none_or(|delta| delta.writes(path))
    }

    /// Bytes that are going to be written and read again, for progress.
    pub(super) fn work(&self) -> u64 {
        let kept = self.delta.as_ref().map_or(0, |delta| delta.kept.bytes);
        self.bytes.saturating_mul(2).saturating_add(kept)
    }

    /// Of a zip that is kept whole only its own length is known: what is inside is at least as long.
    fn bytes_of_database(&self) -> u64 {
        match (&self.control_db, &self.database) {
            (ControlDbPlan::File { .. }, ControlDb::Inner { inner, .. }) => inner.length,
            (ControlDbPlan::File { .. }, ControlDb::Zip { zip, .. }) => zip.length,
            _ => 0,
        }
    }

    /// Whether the target has room for it, as far as it says.
    pub fn fits(&self) -> bool {
        self.free.is_none_or(|free| free >= self.bytes)
    }

    /// Whether it would have, if holes took room there.
    pub(super) fn fits_without_holes(&self) -> bool {
        self.free.is_none_or(|free| free >= self.whole)
    }
}

fn on_disk(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(DISK_BLOCK).unwrap_or(bytes)
}
