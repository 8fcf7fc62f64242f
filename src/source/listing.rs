//! What a source shows.

use crate::axon::name::{SegmentName, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name under which its history is archived unless the user gives one.
    pub name: String,
    /// What is known of it, for the manifest.
    pub facts: BTreeMap<String, String>,
}

/// A segment's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFile {
    /// The store.
    pub store: Store,
    /// Number and version.
    pub name: SegmentName,
    /// Where it is. (Shared by all lists that have it, and by what was read of it: there may be a hundred thousand.)
    pub path: Arc<Path>,
    /// Its length in bytes.
    pub length: u64,
    /// The bytes that it takes on the disk: fewer where it is sparse, more where blocks are rounded up.
    pub on_disk: u64,
    /// Its modification time, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Whether it may still be written. Sealed: the source says, or newer segments prove, that it was rolled.
    pub is_volatile: bool,
}

/// One store of a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreListing {
    /// All segments, in the order of number and version; all versions that are there.
    pub segments: Vec<StoreFile>,
    /// Files of a transformation or an index being written: left alone, and said.
    pub in_progress: Vec<PathBuf>,
}

/// One context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextListing {
    /// Its snapshots.
    pub snapshots: StoreListing,
    /// Its events.
    pub events: StoreListing,
}

impl ContextListing {
    /// One of its stores.
    pub fn store(&self, store: Store) -> &StoreListing {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }
}

/// Everything, by context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The contexts, by name.
    pub contexts: BTreeMap<String, ContextListing>,
    /// Contexts whose store has another form (DCB): there, and not read.
    pub dcb: BTreeSet<String>,
}

/// Files beside the stores that are archived with a point, each set replaced by the next point's: replication logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFiles {
    /// What they are: one of the words that a manifest has for it.
    pub kind: &'static str,
    /// The context that they belong to, if it is one.
    pub context: Option<String>,
    /// The store that they belong to, if it is one.
    pub store: Option<Store>,
    /// The replication group that they belong to, if it is one.
    pub group: Option<String>,
    /// The name that each is archived under, and where it is.
    pub files: Vec<(String, PathBuf)>,
    /// Whether a file may be written while it is read: then what was read of it counts. Else a file that changes is left out, and that is said.
    pub may_change: bool,
}

/// How a file that is no segment looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its length in bytes.
    pub length: u64,
    /// Its modification time, nanoseconds since 1970.
    pub modified_ns: i64,
}

/// A captured control database.
#[derive(Clone, Debug)]
pub enum ControlDbCapture {
    /// A zip that the server wrote when this run asked for it.
    Observed {
        /// Its name.
        name: String,
        /// Its bytes.
        zip: Vec<u8>,
    },
    /// A zip that was handed in.
    Claimed {
        /// Its name.
        name: String,
        /// Its bytes.
        zip: Vec<u8>,
        /// True if it is newer than all data, and the user insisted.
        is_too_new: bool,
        /// Names of zips that lay beside it and were not taken, since they are newer than all data.
        passed_over: Vec<String>,
    },
    /// The database of a stopped node.
    Copied {
        /// Its name.
        name: String,
        /// Its bytes.
        database: Vec<u8>,
    },
    /// None, and why.
    Absent {
        /// Why.
        reason: String,
    },
}

/// Something to say about a source that no listing tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A stable word.
    pub what: &'static str,
    /// Whether somebody should look (exit 3).
    pub is_warning: bool,
    /// The context, if it concerns one.
    pub context: Option<String>,
    /// One sentence.
    pub text: String,
}
