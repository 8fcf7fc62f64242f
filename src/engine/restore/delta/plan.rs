//! What becomes of each file of a directory that is there.

use crate::axon::name::Store;
use crate::repo::format::id::ContentHash;
use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Behind the name of a file that waits for its place. No server reads such names.
const STAGED: &str = ".segvault-new";

/// In each store while files are exchanged. It ends as a segment's name does and has no number: a server refuses to start on it.
const MARKER: &str = "segvault-restore-unfinished";

/// Where a file waits for its place.
pub fn staged(path: &str) -> String {
    format!("{path}{STAGED}")
}

/// The place for which a file waits; none if it is none of ours.
pub fn unstaged(path: &str) -> Option<&str> {
    path.strip_suffix(STAGED)
}

/// Whether a path names a marker.
pub fn is_marker(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| Store::ALL.iter().any(|store| name == marker(*store)))
}

/// The name of the marker of a store.
pub fn marker(store: Store) -> String {
    format!("{MARKER}.{store}")
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is what is wanted, and stays as it is.
    Kept,
    /// There is none, and one is written.
    Written,
    /// There is another one, which is replaced.
    Replaced,
    /// It is not wanted, and is removed.
    Removed,
}

/// A file that is there, or will be.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeltaFile {
    /// Where, below the target.
    pub path: String,
    /// What becomes of it.
    pub change: Change,
    /// Bytes that are written; that are read, if it is kept; its length, if it is removed.
    pub bytes: u64,
    /// True if a restore that was interrupted has written it: it only waits for its place.
    pub waits: bool,
    /// Hash of its stored bytes, of what is kept or waits.
    #[serde(skip)]
    pub(super) content: Option<ContentHash>,
    /// The file that is replaced or removed.
    #[serde(skip)]
    pub(super) seen: Option<Seen>,
}

/// A file as it was seen: whether it is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    file: (u64, u64),
    modified: (i64, i64),
    /// Its length.
    pub length: u64,
}

impl Seen {
    /// Of a file.
    pub fn of(found: &std::fs::Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            modified: (found.mtime(), found.mtime_nsec()),
            length: found.len(),
        }
    }
}

/// Files, and their bytes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Total {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What the directory has of a store that is not in what is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Loss {
    /// The context.
    pub context: String,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// The last token that the directory has in the files that go.
    pub head: Option<u64>,
    /// The last token of what is restored.
    pub wanted: Option<u64>,
    /// Events behind that.
    pub events: u64,
    /// Events that the archive has not: they are nowhere then.
    pub unarchived: u64,
    /// Bytes that can't be read as events, and that the archive has not.
    pub unreadable: u64,
}

/// What becomes of a directory.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeltaPlan {
    /// Whether a restore was interrupted in it, and goes on.
    pub goes_on: bool,
    /// What stays as it is.
    pub kept: Total,
    /// What is added.
    pub written: Total,
    /// What is replaced, with the bytes that are written.
    pub replaced: Total,
    /// What is removed.
    pub removed: Total,
    /// All files, by path.
    pub files: Vec<DeltaFile>,
    /// What the directory has that is not restored.
    pub losses: Vec<Loss>,
    /// What is not of this restore, and stays.
    pub left: Vec<String>,
    /// Whether what the archive has not may be lost.
    #[serde(skip)]
    pub(super) may_discard: bool,
    /// The markers that are set, each below the target.
    #[serde(skip)]
    pub(super) markers: Vec<String>,
    /// Files that waited for a place that they don't get any more.
    #[serde(skip)]
    pub(super) debris: Vec<String>,
}

impl DeltaPlan {
    /// The file with this path.
    pub(super) fn find(&self, path: &str) -> Option<&DeltaFile> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// Whether anything is going to be written for this path.
    pub(in crate::engine::restore) fn writes(&self, path: &str) -> bool {
        self.find(path).is_none_or(|file| file.change != Change::Kept && !file.waits)
    }

    /// The files of which this becomes.
    pub(super) fn with(&self, change: Change) -> impl Iterator<Item = &DeltaFile> {
        self.files.iter().filter(move |file| file.change == change)
    }

    /// The files that get a name.
    pub(super) fn new_files(&self) -> impl Iterator<Item = &DeltaFile> {
        self.files.iter().filter(|file| matches!(file.change, Change::Written | Change::Replaced))
    }

    /// Events that the archive has not.
    pub fn unarchived(&self) -> u64 {
        self.losses.iter().map(|loss| loss.unarchived).sum()
    }

    /// Bytes that can't be read as events, and that the archive has not.
    pub fn unreadable(&self) -> u64 {
        self.losses.iter().map(|loss| loss.unreadable).sum()
    }

    /// Sums up.
    pub(super) fn sum(&mut self) {
        self.files.sort_by(|one, other| one.path.cmp(&other.path));
        let of = |change| {
            let files = self.with(change);
            files.fold(Total::default(), |sum, file| Total {
                files: sum.files + 1,
                bytes: sum.bytes.saturating_add(file.bytes),
            })
        };
        let [kept, written, replaced, removed] =
            [Change::Kept, Change::Written, Change::Replaced, Change::Removed].map(of);
        (self.kept, self.written, self.replaced, self.removed) = (kept, written, replaced, removed);
    }
}

#[cfg(test)]
mod tests {
    use super::{marker, staged, unstaged};
    use crate::axon::name::{FileKind, Store, classify};

    #[test]
    fn no_server_reads_what_waits_and_none_starts_on_a_marker() {
        for store in Store::ALL {
            assert_eq!(classify(&marker(store)), FileKind::Misnamed);
            let name = format!("00000000000000000805.{store}");
            assert_eq!(classify(&staged(&name)), FileKind::Other);
            assert_eq!(unstaged(&staged(&name)), Some(name.as_str()));
        }
    }
}
