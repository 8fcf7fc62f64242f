//! Where a restore writes: a directory of its own beside the target, or places beside those of the target's own files.

use crate::axon::name::{FileKind, classify};
use crate::engine::restore::delta::folder::{Folder, parent};
use crate::engine::restore::delta::gate::Gate;
use crate::engine::restore::delta::plan::{Change, DeltaFile, DeltaPlan, staged};
use crate::engine::restore::delta::shelf;
use crate::engine::restore::error::{Error, at};
use crate::engine::restore::plan::Plan;
use crate::engine::restore::running;
use crate::engine::restore::staging::{NewFile, Staging};
use crate::engine::restore::target::Target;
use crate::repo::format::id::ContentHash;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a restore writes.
pub enum Desk {
    /// Into a new directory, or an empty one.
    Apart(Staging),
    /// Into one that has another state.
    Within(Delta),
}

/// A file's place.
pub enum Place {
    /// It is to be written.
    New(NewFile),
    /// It is there already.
    There(There),
}

/// A file that is there already.
pub struct There {
    /// At its head.
    pub file: File,
    /// Where.
    pub path: PathBuf,
    /// Hash of its stored bytes.
    pub content: ContentHash,
}

impl Desk {
    /// Makes ready. Nothing is changed yet that a server reads.
    pub fn open(target: Target, plan: &Plan, gate: Arc<dyn Gate>) -> Result<Self, Error> {
        match &plan.delta {
            None => Ok(Self::Apart(Staging::create(target, plan.access, gate)?)),
            Some(delta) => Ok(Self::Within(Delta::begin(&target, plan, delta, gate)?)),
        }
    }

    /// Makes a directory, with those above it; it may be there already.
    pub fn make_directories(&mut self, relative: &str) -> Result<(), Error> {
        match self {
            Self::Apart(staging) => staging.make_directories(relative),
            Self::Within(delta) => delta.folder.make_directories(relative),
        }
    }

    /// The place of a file.
    pub fn place(&self, relative: &str) -> Result<Place, Error> {
        match self {
            Self::Apart(staging) => staging.make_file(relative).map(Place::New),
            Self::Within(delta) => delta.place(relative),
        }
    }

    /// Gives everything its name, durably.
    pub fn publish(self) -> Result<(), Error> {
        match self {
            Self::Apart(staging) => staging.publish().map(|_| ()),
            Self::Within(delta) => delta.publish(),
        }
    }

    /// Gives up for good: what waits in the target goes. (What is apart vanishes by itself.)
    pub fn give_up(&self) {
        if let Self::Within(delta) = self {
            delta.tidy_up();
        }
    }
}

/// A directory whose files are exchanged.
pub struct Delta {
    folder: Folder,
    plan: DeltaPlan,
    /// Below the target: a server that runs shows there.
    control_db: String,
    /// Held as long as it is at work.
    _lock: Option<File>,
}

impl Delta {
    fn begin(target: &Target, plan: &Plan, delta: &DeltaPlan, gate: Arc<dyn Gate>) -> Result<Self, Error> {
        let lock = lock(&target.path)?;
        let (events, bytes) = (delta.unarchived(), delta.unreadable());
        if events + bytes > 0 && !delta.may_discard {
            return Err(Error::Unarchived { path: target.path.clone(), events, bytes });
        }
        let folder = Folder::new(&target.path, plan.access, gate);
        let control_db = plan.control_db_directory.clone();
        let begun = Self { folder, plan: delta.clone(), control_db, _lock: lock };
        begun.prove_unchanged()?;
        begun.plan.debris.iter().try_for_each(|path| begun.folder.remove(path))?;
        Ok(begun)
    }

    /// What is there, whoever wrote it, is made durable before it counts.
    fn place(&self, relative: &str) -> Result<Place, Error> {
        let waiting = staged(relative);
        match self.plan.find(relative) {
            Some(DeltaFile { change: Change::Kept, content: Some(content), seen, .. }) => {
                let path = self.folder.path(relative);
                if shelf::seen(&path)? != *seen {
                    return Err(Error::Changed { path });
                }
                self.there(relative, *content)
            }
            Some(DeltaFile { waits: true, content: Some(content), .. }) => self.there(&waiting, *content),
            _ => {
                // Left by a restore that was interrupted, and not what is wanted.
                self.folder.remove(&waiting)?;
                self.folder.make_file(&waiting).map(Place::New)
            }
        }
    }

    fn there(&self, relative: &str, content: ContentHash) -> Result<Place, Error> {
        let file = self.folder.sync_file(relative)?;
        Ok(Place::There(There { file, path: self.folder.path(relative), content }))
    }

    /// What goes must be what was looked at, or a server has come to life.
    fn prove_unchanged(&self) -> Result<(), Error> {
        running::refuse(self.folder.root(), &self.control_db)?;
        for file in &self.plan.files {
            let path = self.folder.path(&file.path);
            if file.change != Change::Kept && shelf::seen(&path)? != file.seen {
                return Err(Error::Changed { path });
            }
        }
        Ok(())
    }

    fn publish(self) -> Result<(), Error> {
        self.prove_unchanged()?;
        let has_new = self.plan.new_files().next().is_some();
        if !has_new && !self.plan.goes_on && self.plan.with(Change::Removed).next().is_none() {
            return self.sync_directories();
        }
        self.exchange().map_err(|source| Error::Unfinished {
            path: self.folder.root().to_owned(),
            source: Box::new(source),
        })
    }

    /// From the first step to the last a server refuses to start. What is wanted has its names, durably, before anything is removed.
    fn exchange(&self) -> Result<(), Error> {
        self.plan.markers.iter().try_for_each(|marker| self.set(marker))?;
        self.remove(self.plan.files.iter().filter(|file| is_index(file)))?;
        for file in self.plan.new_files() {
            self.folder.replace(&staged(&file.path), &file.path)?;
        }
        self.sync_directories()?;
        self.remove(self.plan.with(Change::Removed))?;
        self.plan.markers.iter().try_for_each(|marker| self.take(marker))
    }

    fn remove<'f>(&self, files: impl Iterator<Item = &'f DeltaFile>) -> Result<(), Error> {
        let mut emptied = BTreeSet::new();
        for file in files {
            self.folder.remove(&file.path)?;
            emptied.insert(parent(&file.path));
        }
        emptied.iter().try_for_each(|directory| self.folder.sync_directory(directory))
    }

    /// Makes all names durable, those too that a restore gave that was killed.
    fn sync_directories(&self) -> Result<(), Error> {
        let mut directories = BTreeSet::from([""]);
        for file in self.plan.files.iter().filter(|file| file.change != Change::Removed) {
            let mut below = parent(&file.path);
            while directories.insert(below) {
                below = parent(below);
            }
        }
        directories.iter().rev().try_for_each(|directory| self.folder.sync_directory(directory))
    }

    fn set(&self, marker: &str) -> Result<(), Error> {
        let path = self.folder.path(marker);
        if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            self.folder.make_file(marker)?.finish(0)?;
        }
        self.folder.sync_directory(parent(marker))
    }

    fn take(&self, marker: &str) -> Result<(), Error> {
        self.folder.remove(marker)?;
        self.folder.sync_directory(parent(marker))
    }

    /// Removes what waits.
    fn tidy_up(&self) {
        for file in self.plan.new_files() {
            // The error that is told is the one that came first.
            let _ = self.folder.remove(&staged(&file.path));
        }
    }
}

/// An index that goes, or is replaced. It goes first: beside a segment that is new already nobody could tell that it is of the old one.
fn is_index(file: &DeltaFile) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let is_index = matches!(classify(name), FileKind::Index { .. } | FileKind::GlobalIndex);
    is_index && matches!(file.change, Change::Removed | Change::Replaced)
}

/// Two restores into one directory would take each other's files. Where locks don't work, there is none.
fn lock(directory: &Path) -> Result<Option<File>, Error> {
    let file = File::open(directory).map_err(at(directory))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: directory.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
