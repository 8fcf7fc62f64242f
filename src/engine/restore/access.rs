//! Who may read what is restored: owner and modes.

use crate::engine::restore::error::{Error, at};
use rustix::fs::{Gid, Uid};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The bits of a mode that can be told.
const ALL_MODES: u32 = 0o7777;

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
            Err(error) if *self == Self::default() && error.kind() == io::ErrorKind::PermissionDenied => {}
            set => set.map_err(at(path))?,
        }
        let found = file.metadata().map_err(at(path))?;
        self.prove((found.mode(), found.uid(), found.gid()), mode).map_err(at(path))
    }

    /// Proves that mode and owner are those that were told: some file systems take any, and keep none.
    fn prove(&self, found: (u32, u32, u32), mode: u32) -> io::Result<()> {
        let (kept, user, group) = (found.0 & ALL_MODES, found.1, found.2);
        let Self { files, directories, .. } = Self::default();
        if kept != mode && (self.files, self.directories) != (files, directories) {
            return Err(io::Error::other(format!(
                "its mode is {kept:04o} and can't be made {mode:04o} there"
            )));
        }
        if self.owner.is_some_and(|owner| owner != (user, group)) {
            return Err(io::Error::other(format!("its owner is {user}:{group} and can't be changed there")));
        }
        Ok(())
    }
}

/// Only root gives files away.
fn not_given(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Owner { path: path.to_owned(), source },
        _ => at(path)(source),
    }
}

#[cfg(test)]
mod tests {
    use super::Access;

    #[test]
    fn what_was_told_and_is_not_kept_is_an_error() {
        let told = Access { files: 0o640, ..Access::default() };
        assert!(told.prove((0o100_640, 1, 2), 0o640).is_ok(), "the kind of a file is no mode");
        let error = told.prove((0o100_777, 1, 2), 0o640).unwrap_err();
        assert_eq!(error.to_string(), "its mode is 0777 and can't be made 0640 there");
        assert!(told.prove((0o40_750, 1, 2), 0o2750).is_err(), "groups are inherited, or not");
        let given = Access { owner: Some((1, 2)), ..Access::default() };
        assert!(given.prove((0o100_777, 1, 2), 0o600).is_ok());
        let error = given.prove((0o100_600, 1, 0), 0o600).unwrap_err();
        assert_eq!(error.to_string(), "its owner is 1:0 and can't be changed there");
        // Who asked for nothing gets what there is.
        assert!(Access::default().prove((0o100_777, 3, 4), 0o600).is_ok());
    }
}
