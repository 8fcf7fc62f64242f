//! A directory of the local file system.
//!
//! Files are made with mode 0600, directories with 0700. A name is never replaced: where the file system has no rename without
//! replacing (some network file systems), a hard link does the same.

use crate::repo::disk::Disk;
use crate::repo::disk::Guard;
use crate::repo::disk::Listed;
use crate::repo::disk::LockMode;
use crate::repo::disk::NewFile;
use crate::repo::paths;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The local file system below a directory.
#[derive(Debug)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// The directory `root`; nothing is touched yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root and the directories above it, as far as they are not there.
    pub fn missing(&self) -> Vec<PathBuf> {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        root.ancestors().take_while(|path| !path.is_dir()).map(Path::to_path_buf).collect()
    }

    /// Takes away what an attempt to make a repository left where none can be made: our own directories with nothing else in them, and those
    /// that were `missing` before. What can't be removed stays; the error of the attempt is what counts.
    pub fn take_back(&self, missing: &[PathBuf]) {
        for file in paths::OF_AN_ATTEMPT {
            let _ = std::fs::remove_file(self.root.join(file));
        }
        for directory in paths::DIRECTORIES {
            let _ = std::fs::remove_dir(self.root.join(directory));
        }
        for directory in missing {
            let _ = std::fs::remove_dir(directory);
        }
    }

    fn file(&self, path: &str) -> io::Result<PathBuf> {
        if path.is_empty() {
            return Err(bad_path(path));
        }
        self.directory(path)
    }

    fn directory(&self, path: &str) -> io::Result<PathBuf> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\0')) {
            return Err(bad_path(path));
        }
        Ok(self.root.join(path))
    }
}

fn bad_path(path: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{path:?} is not a path inside a repository"))
}

impl Disk for LocalDisk {
    fn create_new(&self, path: &str) -> io::Result<Box<dyn NewFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.file(path)?)?;
        Ok(Box::new(LocalFile { file }))
    }

    fn publish(&self, from: &str, to: &str) -> io::Result<()> {
        publish(&self.file(from)?, &self.file(to)?)
    }

    fn create_directory(&self, path: &str) -> io::Result<bool> {
        let directory = self.directory(path)?;
        if path.is_empty() { create_root(&directory) } else { create(&directory) }
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        let file = open_file(&self.file(path)?)?.0;
        file.sync_all()?;
        // A failure that another process was told of is not told again, and memory holds what the disk never got. Advice only.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        sync_directory(&self.directory(path)?)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let (file, length) = open_file(&self.file(path)?)?;
        if length > limit {
            return Err(too_long(limit));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(too_long(limit)) } else { Ok(bytes) }
    }

    fn read_range(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let (file, found) = open_file(&self.file(path)?)?;
        // Compared before memory is taken: a damaged directory may ask for anything.
        if offset.checked_add(length).is_none_or(|end| end > found) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn length(&self, path: &str) -> io::Result<u64> {
        let found = std::fs::metadata(self.file(path)?)?;
        if found.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok(found.len()) }
    }

    fn list(&self, path: &str) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for found in std::fs::read_dir(self.directory(path)?)? {
            listed.extend(describe(&found?)?);
        }
        Ok(listed)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.file(path)?)
    }

    fn try_lock(&self, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>> {
        let path = self.file(path)?;
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let tried = match mode {
            LockMode::Shared => file.try_lock_shared(),
            LockMode::Exclusive => file.try_lock(),
        };
        match tried {
            Ok(()) => Ok(Some(Box::new(LocalGuard { file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(without_locks(error)),
        }
    }

    fn identity(&self) -> io::Result<String> {
        Ok(format!(
            "{}:{}",
            std::fs::metadata(&self.root)?.ino(),
            std::fs::canonicalize(&self.root)?.display()
        ))
    }

    fn display(&self, path: &str) -> String {
        if path.is_empty() {
            self.root.display().to_string()
        } else {
            self.root.join(path).display().to_string()
        }
    }
}

/// Network file systems say that they have no locks in a way of their own.
fn without_locks(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::NOLCK.raw_os_error()) {
        ErrorKind::Unsupported.into()
    } else {
        error
    }
}

/// The lock goes with the descriptor, at the latest when the process dies. It is let go of by name: a child that is just being started has a copy
/// of the descriptor for a moment, and would hold it on.
struct LocalGuard {
    file: File,
}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Guard for LocalGuard {}

struct LocalFile {
    file: File,
}

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for LocalFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// What file systems say that have no rename without replacing.
const NOT_KNOWN: [Errno; 4] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP];

fn publish(from: &Path, to: &Path) -> io::Result<()> {
    let renamed =
        rustix::io::retry_on_intr(|| rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE));
    match renamed {
        Err(error) if NOT_KNOWN.contains(&error) => link_and_remove(from, to),
        other => Ok(other?),
    }
}

/// Not atomic, but as safe: a crash in between leaves both names, and the one in staging is debris.
fn link_and_remove(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to).map_err(no_way)?;
    std::fs::remove_file(from)
}

/// Without links either, no file can get its name without replacing another one: that is no matter of who may write.
fn no_way(error: io::Error) -> io::Error {
    let unsupported = [Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP];
    if !unsupported.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
        return error;
    }
    let why = "the file system has neither hard links nor a rename that replaces nothing: no repository can be written there";
    io::Error::new(ErrorKind::Unsupported, why)
}

fn create(directory: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the repository's directory and what is missing above it, and makes all these names durable: nobody else can.
fn create_root(root: &Path) -> io::Result<bool> {
    let root = std::path::absolute(root)?;
    let missing: Vec<&Path> = root.ancestors().take_while(|path| !path.is_dir()).collect();
    for directory in missing.iter().rev() {
        create(directory)?;
    }
    for directory in root.ancestors().take(missing.len().max(1)) {
        sync_parent(directory)?;
    }
    Ok(!missing.is_empty())
}

fn sync_parent(directory: &Path) -> io::Result<()> {
    match directory.parent().map_or(Ok(()), sync_directory) {
        // Somebody else's directory that may be passed but not read: its owner's names are not ours to sync.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some file systems know no sync of directories; their names are durable at once, or there is nothing that would make them so.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        other => other,
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if found.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok((file, found.len())) }
}

fn too_long(limit: u64) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("longer than {limit} bytes"))
}

/// None for what went away meanwhile. A name that is not UTF-8 is shown as well as can be: it is none of ours.
fn describe(found: &std::fs::DirEntry) -> io::Result<Option<Listed>> {
    let facts = match std::fs::metadata(found.path()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let length = if facts.is_dir() { 0 } else { facts.len() };
    let name = found.file_name().to_string_lossy().into_owned();
    Ok(Some(Listed { name, length, is_directory: facts.is_dir() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_for_their_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(place.path().join("deep/er"));
        assert!(disk.create_directory("").unwrap());
        disk.create_directory("d").unwrap();
        disk.create_new("d/f").unwrap();
        disk.try_lock("d/l", LockMode::Exclusive).unwrap();
        assert_eq!(mode(&disk.root().join("d")), 0o700);
        assert_eq!(mode(disk.root()), 0o700);
        assert_eq!(mode(&disk.root().join("d/f")), 0o600);
        assert_eq!(mode(&disk.root().join("d/l")), 0o600);
    }

    /// No disk is behind a socket, and the system refuses to sync one: so it is seen that it was asked, and that its answer counts.
    #[test]
    fn a_file_is_synced_by_the_system_or_that_is_an_error() {
        let (socket, _other_end) = UnixStream::pair().unwrap();
        let mut file = LocalFile { file: OwnedFd::from(socket).into() };
        file.write_all(b"bytes").unwrap();
        assert!(file.sync().is_err());
    }

    #[test]
    fn where_nothing_renames_without_replacing_a_link_does() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        std::fs::write(&from, "new").unwrap();
        std::fs::write(&to, "old").unwrap();
        assert_eq!(link_and_remove(&from, &to).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&to).unwrap(), b"old");
        std::fs::remove_file(&to).unwrap();
        link_and_remove(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"new");
        assert!(!from.exists());
    }

    #[test]
    fn of_an_attempt_that_can_never_succeed_nothing_stays() {
        let place = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(place.path().join("deep/er"));
        let missing = disk.missing();
        let attempt = || {
            for directory in [""].iter().chain(&paths::DIRECTORIES) {
                disk.create_directory(directory).unwrap();
            }
            disk.try_lock("locks/writer", LockMode::Exclusive).unwrap();
            disk.create_new("staging/1.new").unwrap();
        };
        attempt();
        std::fs::write(place.path().join("deep/er/packs/else"), "x").unwrap();
        disk.take_back(&missing);
        let left = disk.list("").unwrap();
        assert_eq!(left.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["packs"], "not ours");
        std::fs::remove_file(place.path().join("deep/er/packs/else")).unwrap();
        attempt();
        disk.take_back(&[]);
        assert!(disk.list("").unwrap().is_empty(), "the directory was there before");
        disk.take_back(&missing);
        assert!(!place.path().join("deep").exists());
        assert!(place.path().exists());
    }

    /// FAT has no links: who may write there is not what is wrong.
    #[test]
    fn what_has_neither_links_nor_such_a_rename_is_told_as_that() {
        for errno in [Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP] {
            let error = no_way(errno.into());
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("neither hard links"), "{error}");
        }
        assert_eq!(no_way(Errno::EXIST.into()).kind(), ErrorKind::AlreadyExists);
        assert_eq!(no_way(Errno::ACCESS.into()).kind(), ErrorKind::PermissionDenied);
    }
}
