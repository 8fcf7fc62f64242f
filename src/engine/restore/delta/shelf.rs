//! What lies in a directory in which a store is going to be: told by the names.

use crate::axon::name::{FileKind, SegmentName, Store, classify};
use crate::engine::restore::delta::plan::{Seen, marker, unstaged};
use crate::engine::restore::error::{Error, at};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

/// The files of a directory that are of one store, or of none.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The segments, by the names of their files.
    pub segments: BTreeMap<String, (SegmentName, Seen)>,
    /// Index and bloom files.
    pub indexes: BTreeMap<String, Seen>,
    /// What spans segments: it is right for all of them, or wrong.
    pub global: BTreeMap<String, Seen>,
    /// Files that wait for a place.
    pub waiting: BTreeSet<String>,
    /// Whether a restore was interrupted here.
    pub is_marked: bool,
    /// What nobody knows.
    pub unknown: BTreeSet<String>,
    /// What a server refuses to start on.
    pub misnamed: BTreeSet<String>,
}

impl Shelf {
    /// Looks into a directory; one that is not there has nothing.
    pub fn of(directory: &Path, store: Store) -> Result<Self, Error> {
        let mut shelf = Self::default();
        for (name, seen) in names(directory)? {
            shelf.put(directory, store, name, seen)?;
        }
        Ok(shelf)
    }

    fn put(&mut self, directory: &Path, of: Store, name: String, seen: Option<Seen>) -> Result<(), Error> {
        if unstaged(&name).is_some() {
            self.waiting.insert(name);
            return Ok(());
        }
        if Store::ALL.iter().any(|store| name == marker(*store)) {
            self.is_marked |= name == marker(of);
            return Ok(());
        }
        let kind = classify(&name);
        let is_ours = match kind {
            FileKind::Data { store, .. } | FileKind::Index { store, .. } => store == of,
            FileKind::GlobalIndex => global_of(&name) == of,
            FileKind::Misnamed | FileKind::InProgress | FileKind::Other => false,
        };
        match (kind, seen) {
            (FileKind::Misnamed, _) => drop(self.misnamed.insert(name)),
            (FileKind::Data { name: segment, .. }, Some(seen)) if is_ours => {
                self.segments.insert(name, (segment, seen));
            }
            (FileKind::Index { .. }, Some(seen)) if is_ours => drop(self.indexes.insert(name, seen)),
            (FileKind::GlobalIndex, Some(seen)) if is_ours => drop(self.global.insert(name, seen)),
            (_, None) if is_ours => return Err(Error::InTheWay { path: directory.join(name) }),
            (FileKind::InProgress | FileKind::Other, _) => drop(self.unknown.insert(name)),
            _ => {}
        }
        Ok(())
    }
}

fn global_of(name: &str) -> Store {
    if name.contains(".sxref") || name.ends_with(".snindex") { Store::Snapshots } else { Store::Events }
}

/// The names in a directory; what is no plain file was not seen as one. One that is not there has none.
pub fn names(directory: &Path) -> Result<Vec<(String, Option<Seen>)>, Error> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(directory))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(directory))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push((name, seen(&entry.path())?));
    }
    Ok(names)
}

/// A plain file as it is; none for anything else, and for nothing.
pub fn seen(path: &Path) -> Result<Option<Seen>, Error> {
    match path.symlink_metadata() {
        Ok(found) => Ok(found.is_file().then(|| Seen::of(&found))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}
