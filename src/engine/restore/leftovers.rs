//! What a restore left that was killed: directories in which it prepared, with a name of ours, that nobody holds any more.
//!
//! A restore at work holds an advisory lock on its directory. Only a directory whose lock can be had is a left-over; where locks don't work,
//! none is one.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name of such a directory that lies in the target itself.
pub const INSIDE: &str = ".segvault-restore";
/// What every other has in its name.
const MARK: &str = ".segvault-restore-";
/// So many letters and digits follow.
const RANDOM: usize = 6;

/// What the names of directories begin with that prepare the target `name`; without one, targets of very long names.
pub fn prefix(name: Option<&OsStr>) -> OsString {
    let mut prefix = OsString::new();
    if let Some(name) = name {
        prefix.push(".");
        prefix.push(name);
    }
    prefix.push(MARK);
    prefix
}

/// Takes the lock of a directory; none if somebody has it, or there are no locks here.
pub fn lock(directory: &Path) -> Option<File> {
    let opened = File::open(directory).ok()?;
    opened.try_lock().ok().map(|()| opened)
}

/// A directory that was just made.
pub enum Claim {
    /// Its lock is held; none where locks don't work.
    Held(Option<File>),
    /// Another restore took it for a left-over, before it was locked.
    Lost,
}

/// Takes the lock of a directory that was just made.
pub fn claim(directory: &Path) -> Claim {
    let Ok(opened) = File::open(directory) else { return Claim::Lost };
    match opened.try_lock() {
        Err(TryLockError::WouldBlock) => return Claim::Lost,
        Err(TryLockError::Error(_)) => return Claim::Held(None),
        Ok(()) => {}
    }
    let is_same =
        |found: &Metadata, there: &Metadata| (found.dev(), found.ino()) == (there.dev(), there.ino());
    match (opened.metadata(), directory.metadata()) {
        (Ok(found), Ok(there)) if is_same(&found, &there) => Claim::Held(Some(opened)),
        _ => Claim::Lost,
    }
}

/// All left-overs in `parent` with that prefix, and their locks.
pub fn beside(parent: &Path, prefix: &OsStr) -> Vec<(PathBuf, File)> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let ours = entries.flatten().filter(|entry| has_prefix(&entry.file_name(), prefix));
    ours.filter_map(|entry| Some((entry.path(), lock_inside(&entry.path())?))).collect()
}

/// Whether that is a left-over inside a target: a directory, or the marker of a restore that had moved nothing yet.
pub fn is_one_inside(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(INSIDE)) && (lock_inside(path).is_some() || is_marker(path))
}

/// Whether a restore is at work that holds that, a directory or a marker.
pub fn is_held(path: &Path) -> bool {
    let is_ours = is_directory(path) || is_marker(path);
    is_ours && File::open(path).is_ok_and(|opened| matches!(opened.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The lock of a directory that is a left-over.
pub fn lock_inside(path: &Path) -> Option<File> {
    if is_directory(path) { lock(path) } else { None }
}

/// Whether that is a marker: a plain file, and empty.
pub fn is_marker(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == 0)
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn has_prefix(name: &OsStr, prefix: &OsStr) -> bool {
    let random = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As a restore to `t` does.
    fn remove(parent: &Path) {
        for (path, _lock) in beside(parent, &prefix(Some(OsStr::new("t")))) {
            fs::remove_dir_all(path).unwrap();
        }
    }

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let names = [
            ".t.segvault-restore-aaaaaa",
            ".t.segvault-restore-held00",
            ".t.segvault-restore-longer0",
            ".u.segvault-restore-aaaaaa",
            "t",
        ];
        for name in names {
            fs::create_dir_all(at(name).join("data/default")).unwrap();
        }
        let held = lock(&at(names[1]));
        assert!(held.is_some());
        remove(place.path());
        assert!(!at(names[0]).exists());
        assert!(names.iter().skip(1).all(|name| at(name).exists()), "held, or none of that target's");
        drop(held);
        remove(place.path());
        assert!(!at(names[1]).exists());
    }

    #[test]
    fn who_was_taken_for_a_left_over_before_it_had_its_lock_knows_it() {
        let place = tempfile::tempdir().unwrap();
        let made = place.path().join(".t.segvault-restore-aaaaaa");
        fs::create_dir(&made).unwrap();
        let other = lock(&made).unwrap();
        assert!(matches!(claim(&made), Claim::Lost), "another one looks at it");
        let opened = File::open(&made).unwrap();
        remove_and_make(&made);
        drop(other);
        opened.try_lock().unwrap();
        assert!(matches!(claim(&made), Claim::Held(Some(_))), "this one is another directory");
        fs::remove_dir(&made).unwrap();
        assert!(matches!(claim(&made), Claim::Lost), "it is gone");
    }

    fn remove_and_make(path: &Path) {
        fs::remove_dir(path).unwrap();
        fs::create_dir(path).unwrap();
    }
}
