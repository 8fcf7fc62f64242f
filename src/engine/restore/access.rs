//! Who may read what is restored: owner and modes.

use crate::engine::restore::error::{Error, at};
use rustix::fs::{Gid, Uid};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Owner and modes of everything that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// User and group, by their numbers; those of the process if it is none.
    pub owner: Option<(u32, u32)>,
    /// Mode of files.
    pub files: u32,
    /// Mode of directories.
    pub directories: u32,
}

impl Default for Access {
    /// Ours, and for nobody else.
    fn default() -> Self {
        Self { owner: None, files: 0o600, directories: 0o700 }
    }
}

impl Access {
    /// Gives a directory its owner and its mode.
    pub(super) fn of_directory(&self, path: &Path) -> Result<(), Error> {
        let directory = File::open(path).map_err(at(path))?;
        self.apply(&directory, path, self.directories)
    }

    /// Gives a file its owner and its mode.
    pub(super) fn of_file(&self, file: &File, path: &Path) -> Result<(), Error> {
        self.apply(file, path, self.files)
    }

    fn apply(&self, file: &File, path: &Path, mode: u32) -> Result<(), Error> {
        if let Some((user, group)) = self.owner {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            rustix::fs::fchown(file.as_fd(), Some(user), Some(group))
                .map_err(io::Error::from)
                .map_err(|source| not_given(path, source))?;
        }
        match file.set_permissions(Permissions::from_mode(mode)) {
            // File systems without modes have nothing to set.
            Err(error) if *self == Self::default() && error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(())
            }
            set => set.map_err(at(path)),
        }
    }
}

/// Only root gives files away.
fn not_given(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Owner { path: path.to_owned(), source },
        _ => at(path)(source),
    }
}
