//! All that changes a directory that is there. Nothing is written into a file that had its name before.

use crate::engine::restore::access::Access;
use crate::engine::restore::delta::gate::{Gate, Step};
use crate::engine::restore::error::{Error, at};
use crate::engine::restore::staging::{self, NewFile};
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, as it is changed.
pub struct Folder {
    root: PathBuf,
    access: Access,
    gate: Arc<dyn Gate>,
}

impl Folder {
    /// The directory `root`; nothing is touched yet.
    pub fn new(root: &Path, access: Access, gate: Arc<dyn Gate>) -> Self {
        Self { root: root.to_owned(), access, gate }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A place in it.
    pub fn path(&self, relative: &str) -> PathBuf {
        if relative.is_empty() { self.root.clone() } else { self.root.join(relative) }
    }

    fn pass(&self, relative: &str, step: &Step<'_>) -> Result<PathBuf, Error> {
        let path = self.path(relative);
        self.gate.pass(step).map_err(at(&path))?;
        Ok(path)
    }

    /// Makes a directory with those above it, durably, as far as they are not there.
    pub fn make_directories(&self, relative: &str) -> Result<(), Error> {
        let ends = relative.match_indices('/').map(|(end, _)| end).chain([relative.len()]);
        for below in ends.filter_map(|end| relative.get(..end)).filter(|below| !below.is_empty()) {
            if self.path(below).is_dir() {
                continue;
            }
            let path = self.pass(below, &Step::MakeDirectory(below))?;
            DirBuilder::new().mode(0o700).create(&path).map_err(at(&path))?;
            self.access.of_directory(&path)?;
            self.sync_directory(parent(below))?;
        }
        Ok(())
    }

    /// Makes a file that is not there.
    pub fn make_file(&self, relative: &str) -> Result<NewFile, Error> {
        let path = self.pass(relative, &Step::Create(relative))?;
        let file = NewFile::create(path)?;
        self.access.of_file(file.file(), file.path())?;
        Ok(file.watched(Arc::clone(&self.gate), relative))
    }

    /// Makes the content of a file durable that somebody else wrote; gives it, to be read.
    pub fn sync_file(&self, relative: &str) -> Result<File, Error> {
        let path = self.pass(relative, &Step::SyncFile(relative))?;
        let file = File::open(&path).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        staging::forget_pages(&file);
        Ok(file)
    }

    /// Makes the names in a directory durable.
    pub fn sync_directory(&self, relative: &str) -> Result<(), Error> {
        staging::sync_directory(&self.pass(relative, &Step::SyncDirectory(relative))?)
    }

    /// Gives a file the name of another, in one step.
    pub fn replace(&self, from: &str, to: &str) -> Result<(), Error> {
        let path = self.pass(to, &Step::Replace { from, to })?;
        std::fs::rename(self.path(from), &path).map_err(at(&path))
    }

    /// Removes a file; it may be gone already.
    pub fn remove(&self, relative: &str) -> Result<(), Error> {
        let path = self.path(relative);
        if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(());
        }
        self.pass(relative, &Step::Remove(relative))?;
        std::fs::remove_file(&path).map_err(at(&path))
    }
}

/// The directory that a path lies in.
pub fn parent(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(parent, _)| parent)
}
