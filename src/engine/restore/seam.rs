//! All that changes the directory in which a target is made, but for what is written into files. A gate is asked before each change.

use crate::engine::restore::delta::gate::{Gate, Step};
use crate::engine::restore::error::{Error, at};
use crate::engine::restore::staging::{NewFile, rename_new, sync_directory};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, as it is changed.
pub struct Seam {
    root: PathBuf,
    gate: Arc<dyn Gate>,
}

impl Seam {
    /// All that is changed lies below `root`.
    pub fn new(root: &Path, gate: Arc<dyn Gate>) -> Self {
        Self { root: root.to_owned(), gate }
    }

    /// How the gate calls a place.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn pass(&self, path: &Path, step: &Step<'_>) -> Result<(), Error> {
        self.gate.pass(step).map_err(at(path))
    }

    /// A directory was made, under a name that nobody could know before.
    pub fn made(&self, path: &Path) -> Result<(), Error> {
        self.pass(path, &Step::MakeDirectory(&self.name(path)))
    }

    /// Makes a directory that is not there.
    pub fn make_directory(&self, path: &Path) -> Result<(), Error> {
        self.pass(path, &Step::MakeDirectory(&self.name(path)))?;
        DirBuilder::new().mode(0o700).create(path).map_err(at(path))
    }

    /// Makes a file that is not there.
    pub fn make_file(&self, path: &Path) -> Result<NewFile, Error> {
        self.pass(path, &Step::Create(&self.name(path)))?;
        Ok(NewFile::create(path.to_owned())?.watched(Arc::clone(&self.gate), &self.name(path)))
    }

    /// Makes the names in a directory durable.
    pub fn sync_directory(&self, path: &Path) -> Result<(), Error> {
        self.pass(path, &Step::SyncDirectory(&self.name(path)))?;
        sync_directory(path)
    }

    /// Renames, never replacing anything.
    pub fn rename_new(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.pass(to, &Step::Replace { from: &self.name(from), to: &self.name(to) })?;
        rename_new(from, to)
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &Path) -> Result<(), Error> {
        self.pass(path, &Step::Remove(&self.name(path)))?;
        std::fs::remove_file(path).map_err(at(path))
    }

    /// Removes a directory with all that is in it.
    pub fn remove_directory(&self, path: &Path) -> Result<(), Error> {
        self.pass(path, &Step::RemoveDirectory(&self.name(path)))?;
        std::fs::remove_dir_all(path).map_err(at(path))
    }
}
