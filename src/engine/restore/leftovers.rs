//! What a restore left that was killed: directories in which it prepared, with a name of ours, that nobody holds any more.
//!
//! A restore at work holds an advisory lock on its directory. Only a directory whose lock can be had is a left-over; where locks don't work,
//! none is one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

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

/// Removes all left-overs in `parent` with that prefix. What can't be removed stays: it is in nobody's way.
pub fn remove(parent: &Path, prefix: &OsStr) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if has_prefix(&entry.file_name(), prefix)
            && let Some(_lock) = lock_of_left_over(&path)
        {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

/// Whether that is a left-over inside a target.
pub fn is_one_inside(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(INSIDE)) && is_directory(path) && lock(path).is_some()
}

/// Removes a left-over inside a target.
pub fn remove_inside(path: &Path) {
    if is_directory(path)
        && let Some(_lock) = lock(path)
    {
        let _ = std::fs::remove_dir_all(path);
    }
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn has_prefix(name: &OsStr, prefix: &OsStr) -> bool {
    let random = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

/// One that has just been made has nothing in it, and may not be locked yet: it is left alone.
fn lock_of_left_over(path: &Path) -> Option<File> {
    let has_content = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if is_directory(path) && has_content { lock(path) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        fs::create_dir(at(".t.segvault-restore-bbbbbb")).unwrap();
        let held = lock(&at(names[1]));
        assert!(held.is_some());
        remove(place.path(), &prefix(Some(OsStr::new("t"))));
        assert!(!at(names[0]).exists());
        assert!(names.iter().skip(1).all(|name| at(name).exists()), "held, or none of that target's");
        assert!(at(".t.segvault-restore-bbbbbb").exists(), "it may be about to be locked");
        drop(held);
        remove(place.path(), &prefix(Some(OsStr::new("t"))));
        assert!(!at(names[1]).exists());
    }
}
