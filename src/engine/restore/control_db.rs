//! Hands out the control database: the file inside, and the zip as the server wrote it.

use crate::axon::control_db::{Recipe, rebuild, take_apart};
use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::restore::check::Written;
use crate::engine::restore::delta::desk::{Desk, Place, There};
use crate::engine::restore::error::{Error as Refused, at, stop_if};
use crate::engine::restore::names;
use crate::engine::restore::plan::{ControlDbPlan, RestoreOptions};
use crate::engine::restore::remarks::Remarks;
use crate::engine::restore::reread::Reread;
use crate::engine::restore::staging::{NewFile, StagedFile};
use crate::engine::restore::target;
use crate::repo;
use crate::repo::format::Damage;
use crate::repo::format::id::ContentHash;
use crate::repo::format::limits::CONTROL_DB_MAX;
use crate::repo::format::point::{Content, ControlDb, RebuiltZip};
use crate::repo::store::Repository;
use std::path::{Path, PathBuf};

/// What is planned for it.
pub fn planned(
    database: &ControlDb,
    options: &RestoreOptions,
    repository: &Path,
    remarks: &mut Remarks,
) -> Result<ControlDbPlan, Refused> {
    let (entry, length, zip) = match database {
        ControlDb::Absent { .. } if !options.control_db && options.cut.is_some() => {
            return Ok(ControlDbPlan::LeftOut);
        }
        ControlDb::Absent { reason } => {
            if options.cut.is_none() {
                remarks.no_control_db(reason, options.control_db_zip_to.is_some());
            }
            return Ok(ControlDbPlan::Absent { reason: reason.clone() });
        }
        ControlDb::Inner { entry, inner, zip } => {
            (entry, Some(inner.length), zip.as_ref().map(|zip| zip.name.as_str()))
        }
        ControlDb::Zip { entry, name, .. } => (entry, None, Some(name.as_str())),
    };
    let zip_to = match (&options.control_db_zip_to, zip) {
        (Some(to), Some(name)) => Some(zip_path(to, name, repository)?),
        (Some(_), None) => {
            remarks.no_zip();
            None
        }
        (None, _) => None,
    };
    match (options.control_db, zip_to) {
        (true, zip_to) => {
            let path = options.layout.database(names::plain(entry)?);
            Ok(ControlDbPlan::File { path, length, zip_to })
        }
        (false, Some(zip_to)) => Ok(ControlDbPlan::ZipOnly { zip_to }),
        (false, None) => Ok(ControlDbPlan::LeftOut),
    }
}

/// A file that is not there yet, and not in the repository; a directory gets one of the zip's own name.
fn zip_path(to: &Path, name: &str, repository: &Path) -> Result<PathBuf, Refused> {
    let path = if to.is_dir() { to.join(names::plain(name)?) } else { to.to_owned() };
    target::refuse_inside(&path, repository)?;
    if path.symlink_metadata().is_ok() { Err(Refused::Exists { path }) } else { Ok(path) }
}

/// What is needed to hand it out.
pub struct Handout<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
}

/// A zip that waits for its name.
pub struct StagedZip {
    file: StagedFile,
    /// False if it is not, byte for byte, the one that the server wrote.
    pub is_original: bool,
}

impl StagedZip {
    /// Gives it its name, durably.
    pub fn publish(self) -> Result<PathBuf, Refused> {
        self.file.publish()
    }
}

impl Handout<'_> {
    /// Writes the database, unless it is there, and reads it again; gives its length.
    pub fn database(&self, database: &ControlDb, desk: &Desk, path: &str) -> Result<u64, Error> {
        let mut file = match desk.place(path)? {
            Place::New(file) => file,
            Place::There(there) => return self.check_there(there),
        };
        let expected = match database {
            ControlDb::Absent { .. } => return Ok(0),
            ControlDb::Inner { inner, .. } => {
                self.stream(inner, path, &mut file)?;
                inner.blake3
            }
            ControlDb::Zip { zip, .. } => {
                let inner = self.inner_of_zip(zip, path)?;
                file.write(&inner)?;
                self.repository.naming().content(&inner)
            }
        };
        self.check(file, expected)
    }

    fn check_there(&self, there: There) -> Result<u64, Error> {
        let There { file, path, content } = there;
        let length = file.metadata().map_err(at(&path))?.len();
        let naming = self.repository.naming();
        Written { file: Reread::new(file), path: &path, naming, observer: self.observer }
            .check_content(length, content)?;
        Ok(length)
    }

    fn check(&self, file: NewFile, expected: ContentHash) -> Result<u64, Error> {
        let (length, path) = (file.written(), file.path().to_owned());
        let file = file.finish(length)?;
        let naming = self.repository.naming();
        Written { file: Reread::new(file), path: &path, naming, observer: self.observer }
            .check_content(length, expected)?;
        Ok(length)
    }

    fn stream(&self, content: &Content, path: &str, file: &mut NewFile) -> Result<(), Error> {
        let mut failed = None;
        let streamed = content::stream(self.repository, content, &mut |bytes| {
            failed = file.write(bytes).err();
            stop_if(failed.is_some() || self.observer.interrupted())
        });
        match (failed, streamed) {
            (Some(error), _) => Err(error.into()),
            (None, streamed) => streamed.map_err(|error| lost(path, error)),
        }
    }

    fn read(&self, content: &Content, path: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        content::stream(self.repository, content, &mut |piece| {
            bytes.extend_from_slice(piece);
            stop_if(self.observer.interrupted())
        })
        .map_err(|error| lost(path, error))?;
        Ok(bytes)
    }

    fn inner_of_zip(&self, zip: &Content, path: &str) -> Result<Vec<u8>, Error> {
        let bytes = self.read(zip, path)?;
        let apart = take_apart(&bytes, CONTROL_DB_MAX).map_err(|error| Refused::Contradiction {
            file: path.to_owned(),
            what: format!("the archived zip can't be taken apart: {error}"),
        })?;
        Ok(apart.inner)
    }

    /// Writes the zip to a file beside the place where it belongs.
    pub fn zip(&self, database: &ControlDb, to: &Path) -> Result<Option<StagedZip>, Error> {
        let (bytes, is_original) = match database {
            ControlDb::Absent { .. } | ControlDb::Inner { zip: None, .. } => return Ok(None),
            ControlDb::Zip { zip, name, .. } => (self.read(zip, name)?, true),
            ControlDb::Inner { entry, inner, zip: Some(zip) } => {
                rebuilt(self.repository, &self.read(inner, &zip.name)?, entry, zip)?
            }
        };
        Ok(Some(StagedZip { file: StagedFile::create(to, &bytes)?, is_original }))
    }
}

/// The zip, and whether it is the one that the server wrote. If not, it is at least a zip of the same database.
fn rebuilt(
    repository: &Repository,
    inner: &[u8],
    entry: &str,
    zip: &RebuiltZip,
) -> Result<(Vec<u8>, bool), Error> {
    let bytes = rebuild(&recipe(entry, zip), inner);
    if repository.naming().content(&bytes) == zip.blake3 {
        return Ok((bytes, true));
    }
    match take_apart(&bytes, CONTROL_DB_MAX) {
        Ok(apart) if apart.inner == inner => Ok((bytes, false)),
        _ => {
            let what = "it can't be rebuilt; the database inside is whole".to_owned();
            Err(Refused::Contradiction { file: zip.name.clone(), what }.into())
        }
    }
}

/// What rebuilds a zip.
pub fn recipe(entry: &str, zip: &RebuiltZip) -> Recipe {
    Recipe { entry_name: entry.to_owned(), dos_time: zip.dos_time, zip_length: zip.length }
}

/// What the loss of a piece of the control database means.
fn lost(file: &str, error: repo::Error) -> Error {
    match error {
        repo::Error::Interrupted => Error::Interrupted,
        repo::Error::Damaged { path, source: Damage::Json(what) } => {
            Refused::Contradiction { file: file.to_owned(), what: format!("{path}: {what}") }.into()
        }
        other => other.into(),
    }
}
