//! Where a restore goes: proven to be empty, or not there yet, and not entangled with the repository.

use crate::engine::restore::error::{Error, at};
use crate::engine::restore::leftovers;
use crate::engine::words::first;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What every new file system of a certain kind has; it alone does not make a target non-empty.
const LOST_AND_FOUND: &str = "lost+found";

/// So many names of what an interrupted restore has moved are told.
const NAMED: usize = 8;

/// A target, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is, without links on the way.
    pub path: PathBuf,
    /// What is there.
    pub place: Place,
}

/// What is at the target's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: the directory itself is made.
    Missing,
    /// An empty directory: it stays, with its owner and mode, and gets its content in one step.
    Empty,
    /// A directory that has something in it, which is going to be brought to what is wanted.
    Filled,
    /// An empty directory into which nothing can be moved from beside: it is the root of a file system, or the directory above can't be
    /// written. It is filled from inside.
    Inside,
}

impl Target {
    /// The directory in which to prepare what is restored: on the same file system as the target.
    pub fn staging_parent(&self) -> &Path {
        match self.place {
            Place::Inside | Place::Filled => &self.path,
            Place::Missing | Place::Empty => self.path.parent().unwrap_or(&self.path),
        }
    }

    /// Its own name.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

/// Proves a target. `repository` is the repository's directory, if it is a local one.
pub fn prove(path: &Path, repository: Option<&Path>, may_be_filled: bool) -> Result<Target, Error> {
    let target = match std::fs::symlink_metadata(path) {
        Ok(_) => existing(path, repository, may_be_filled)?,
        Err(error) if error.kind() == ErrorKind::NotFound => missing(path)?,
        Err(error) => return Err(at(path)(error)),
    };
    refuse_nested(&target.path, repository)?;
    Ok(target)
}

fn missing(path: &Path) -> Result<Target, Error> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(Error::NoParent { path: path.to_owned() }),
    };
    let Some(name) = path.file_name() else { return Err(Error::NoParent { path: path.to_owned() }) };
    let found = parent.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoParent { path: parent.to_owned() },
        _ => at(parent)(error),
    })?;
    if !found.is_dir() {
        return Err(Error::NotADirectory { path: found });
    }
    Ok(Target { path: found.join(name), place: Place::Missing })
}

fn existing(path: &Path, repository: Option<&Path>, may_be_filled: bool) -> Result<Target, Error> {
    let not_a_directory = || Error::NotADirectory { path: path.to_owned() };
    let found = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => not_a_directory(),
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => not_a_directory(),
        _ => at(path)(error),
    })?;
    if !found.is_dir() {
        return Err(not_a_directory());
    }
    // A repository inside the target is said as such, not as a target that is not empty.
    refuse_nested(&found, repository)?;
    let has_lost_and_found = match refuse_content(&found) {
        Err(Error::NotEmpty { .. }) if may_be_filled => {
            return Ok(Target { path: found, place: Place::Filled });
        }
        looked => looked?,
    };
    let is_inside = has_lost_and_found || is_root(&found) || !can_prepare_beside(&found);
    let place = if is_inside { Place::Inside } else { Place::Empty };
    Ok(Target { path: found, place })
}

/// Refuses a directory that has anything in it but `lost+found`, and what a killed restore left inside; whether `lost+found` is there.
fn refuse_content(path: &Path) -> Result<bool, Error> {
    let marker = path.join(leftovers::INSIDE);
    if leftovers::is_held(&marker) {
        return Err(Error::Busy { path: path.to_owned() });
    }
    let was_interrupted = marker.symlink_metadata().is_ok();
    let (mut has_lost_and_found, mut is_marker_ours) = (false, true);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name();
        if name == leftovers::INSIDE {
            is_marker_ours = leftovers::is_one_inside(&marker);
        } else if name == LOST_AND_FOUND {
            has_lost_and_found = true;
        } else {
            found.push(name.to_string_lossy().into_owned());
            // All names that a restore has moved are told; of others one.
            if !was_interrupted {
                break;
            }
        }
    }
    if found.is_empty() && is_marker_ours {
        return Ok(has_lost_and_found);
    }
    found.sort();
    Err(not_empty(path, &found, was_interrupted))
}

/// A target with these names in it, beside the one that a restore had.
fn not_empty(path: &Path, found: &[String], was_interrupted: bool) -> Error {
    let path = path.to_owned();
    match found.first() {
        None => Error::NotEmpty { path, found: leftovers::INSIDE.to_owned() },
        Some(one) if !was_interrupted => Error::NotEmpty { path, found: one.clone() },
        Some(_) => Error::HalfMade { path, found: first(found, NAMED) },
    }
}

/// Whether something is mounted there. Not every kernel says so; another device than above says it, too.
fn is_root(path: &Path) -> bool {
    let is_root = StatxAttributes::MOUNT_ROOT;
    let says_so =
        rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok_and(|found| {
            found.stx_attributes_mask.contains(is_root) && found.stx_attributes.contains(is_root)
        });
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    says_so || path.parent().is_some_and(|above| device(above) != device(path))
}

/// Whether the directory above can be written: who owns the target may not own that.
fn can_prepare_beside(path: &Path) -> bool {
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    path.parent().is_some_and(|above| rustix::fs::access(above, wanted).is_ok())
}

/// Refuses a file that would be the repository's.
pub fn refuse_inside(file: &Path, repository: &Path) -> Result<(), Error> {
    let above = file.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (above.canonicalize(), repository.canonicalize()) {
        (Ok(above), Ok(repository)) if above.starts_with(&repository) => {
            Err(Error::Nested { target: file.to_owned(), repository })
        }
        _ => Ok(()),
    }
}

fn refuse_nested(target: &Path, repository: Option<&Path>) -> Result<(), Error> {
    let Some(repository) = repository.and_then(|path| path.canonicalize().ok()) else { return Ok(()) };
    if target.starts_with(&repository) || repository.starts_with(target) {
        return Err(Error::Nested { target: target.to_owned(), repository });
    }
    Ok(())
}

/// Bytes that may be written to the file system of `directory`; none if it does not say.
pub fn free_space(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// File systems that write out every zero, by the numbers that the kernel has for them: FAT, exFAT, HFS, HFS+.
const WITHOUT_HOLES: [u64; 4] = [0x4d44, 0x2011_bab0, 0x4244, 0x482b];

/// Whether zeros at the end of a file take no room in `directory`, as far as it is known.
pub fn keeps_holes(directory: &Path) -> bool {
    rustix::fs::statfs(directory).map_or(true, |found| is_with_holes(i128::from(found.f_type)))
}

/// How long the hole is with which it is tried.
const HOLE: u64 = 1 << 20;

/// The same, tried: with a file that is gone at once. Where none can be made, nothing speaks against it.
pub fn takes_holes(directory: &Path) -> bool {
    let hole = tempfile::tempfile_in(directory).and_then(|file| {
        file.set_len(HOLE)?;
        file.metadata()
    });
    hole.map_or(true, |found| found.blocks().saturating_mul(512) < HOLE)
}

/// Some platforms have these numbers signed; 32 bits count.
fn is_with_holes(kind: i128) -> bool {
    !u64::try_from(kind & 0xffff_ffff).is_ok_and(|kind| WITHOUT_HOLES.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::{Place, free_space, is_with_holes, keeps_holes, prove, takes_holes};
    use crate::engine::restore::error::Error;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_missing_and_an_empty_directory_are_targets() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let target = prove(&root.join("new"), None, false).unwrap();
        assert_eq!((target.path.clone(), target.place), (root.join("new"), Place::Missing));
        assert_eq!(target.staging_parent(), root);
        fs::create_dir(root.join("empty")).unwrap();
        let target = prove(&root.join("empty"), None, false).unwrap();
        assert_eq!((target.place, target.staging_parent()), (Place::Empty, root.as_path()));
        symlink(root.join("empty"), root.join("link")).unwrap();
        assert_eq!(
            prove(&root.join("link"), None, false).unwrap().path,
            root.join("empty"),
            "the place, not the link"
        );
    }

    #[test]
    fn lost_and_found_alone_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        assert_eq!(prove(dir.path(), None, false).unwrap().place, Place::Inside);
        fs::create_dir(dir.path().join("data")).unwrap();
        assert!(
            matches!(prove(dir.path(), None, false), Err(Error::NotEmpty { found, .. }) if found == "data")
        );
    }

    #[test]
    fn what_can_be_no_target_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        for name in ["file", "dangling", "loop"] {
            assert!(matches!(prove(&at(name), None, false), Err(Error::NotADirectory { .. })), "{name}");
        }
        assert!(
            matches!(prove(&at("no/target"), None, false), Err(Error::NoParent { path }) if path == at("no"))
        );
        assert!(matches!(prove(&at("no/.."), None, false), Err(Error::NoParent { .. })));
        assert!(prove(&at("file/x"), None, false).is_err());
    }

    #[test]
    fn target_and_repository_must_not_lie_in_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let repository = dir.path().join("repo");
        fs::create_dir(&repository).unwrap();
        symlink(&repository, dir.path().join("link")).unwrap();
        for target in
            [repository.join("out"), repository.clone(), dir.path().join("link/out"), dir.path().into()]
        {
            let refused = prove(&target, Some(&repository), false);
            assert!(matches!(refused, Err(Error::Nested { .. })), "{target:?}: {refused:?}");
        }
        assert!(prove(&dir.path().join("repo2"), Some(&repository), false).is_ok(), "beside it is well");
    }

    #[test]
    fn some_file_systems_write_out_every_zero() {
        assert!(keeps_holes(&std::env::temp_dir()) && takes_holes(&std::env::temp_dir()));
        assert!(takes_holes(std::path::Path::new("/nowhere")), "nothing speaks against it");
        assert!(!is_with_holes(0x4d44), "FAT");
        assert!(is_with_holes(0xef53), "ext4");
    }

    #[test]
    fn free_space_is_known_here() {
        assert!(free_space(&std::env::temp_dir()).is_some_and(|bytes| bytes > 0));
    }
}
