//! A directory that is opened once: its names, and how its files look, without walking its path again for each of them.

use crate::source::error::Error;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, StatxFlags};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Names are read from the system so many bytes at a time.
const AT_ONCE: usize = 256 << 10;

/// An open directory.
pub(super) struct Directory<'p> {
    pub path: &'p Path,
    handle: OwnedFd,
}

/// How a file looks. What a symbolic link leads to counts.
pub(super) struct Looks {
    pub is_file: bool,
    pub length: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Modification time: seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
}

/// Names, one behind the other: there are many, and each one by itself would take room of its own.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    /// All of them, in the file system's order.
    pub fn all(&self) -> Vec<&OsStr> {
        let mut from = 0;
        let name = |end: &usize| {
            let name = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            OsStr::from_bytes(name)
        };
        self.ends.iter().map(name).collect()
    }

    /// The same, sorted.
    pub fn sorted(&self) -> Vec<&OsStr> {
        let mut all = self.all();
        all.sort_unstable();
        all
    }
}

impl<'p> Directory<'p> {
    pub fn open(path: &'p Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, path, flags, Mode::empty());
        let handle = handle.map_err(|source| Error::on_listed(path, source.into()))?;
        Ok(Self { path, handle })
    }

    /// The names of all entries.
    pub fn names(&self) -> Result<Names, Error> {
        let (mut names, mut buffer) = (Names::default(), Vec::with_capacity(AT_ONCE));
        let mut entries = RawDir::new(&self.handle, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|source| Error::on_listed(self.path, source.into()))?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(name),
            }
        }
        Ok(names)
    }

    /// How a file in it looks. An error where the system, or what stands between, does not know this way of asking, too: then its path may
    /// be asked.
    pub fn look(&self, name: &OsStr) -> io::Result<Looks> {
        let wanted = StatxFlags::BASIC_STATS;
        let found = rustix::fs::statx(&self.handle, name, AtFlags::empty(), wanted)?;
        Ok(Looks {
            is_file: FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile,
            length: found.stx_size,
            blocks: found.stx_blocks,
            modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn all_names_are_read_however_many_they_are() {
        let room = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..5000).map(|n| format!("{n:0100}")).collect();
        for name in &names {
            fs::write(room.path().join(name), "").unwrap();
        }
        let found = Directory::open(room.path()).unwrap().names().unwrap();
        assert!(found.sorted() == names.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!(found.all().into_iter().collect::<BTreeSet<_>>().len(), 5000);
        assert_eq!(found.all().len(), 5000);
    }

    #[test]
    fn a_file_looks_as_the_system_says() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("a");
        fs::write(&path, vec![7; 70_000]).unwrap();
        std::os::unix::fs::symlink(&path, room.path().join("link")).unwrap();
        let (directory, expected) = (Directory::open(room.path()).unwrap(), fs::metadata(&path).unwrap());
        for name in ["a", "link"] {
            let looks = directory.look(OsStr::new(name)).unwrap();
            assert!(looks.is_file);
            assert_eq!((looks.length, looks.blocks), (expected.len(), expected.blocks()));
            assert_eq!(looks.modified, (expected.mtime(), expected.mtime_nsec()));
        }
        assert!(!directory.look(OsStr::new(".")).unwrap().is_file);
        assert_eq!(
            directory.look(OsStr::new("b")).err().map(|error| error.kind()),
            Some(io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn what_is_no_directory_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Directory::open(file.path()).is_err());
    }
}
