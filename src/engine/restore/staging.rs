//! Where a restore is prepared: a directory beside the target that gets the target's name in one step, or vanishes.
//!
//! Where nothing can be moved into the target from beside (something is mounted there, or the directory above can't be written), it is a
//! directory inside the target. It is removed last: as long as it stands, the restore is not done.
//!
//! All that is written to the target's file system is written here. Directories are made with mode 0700 and files with 0600, unless other
//! modes are asked for: history is confidential.

use crate::engine::restore::access::Access;
use crate::engine::restore::delta::gate::{Gate, Step};
use crate::engine::restore::error::{Error, at};
use crate::engine::restore::leftovers;
use crate::engine::restore::leftovers::Claim;
use crate::engine::restore::onto_disk::OntoDisk;
use crate::engine::restore::seam::Seam;
use crate::engine::restore::target::{Place, Target};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::{NamedTempFile, TempDir};

/// Names longer than this are not repeated in the name of the staging directory.
const NAME_REPEATED_MAX: usize = 150;

/// So often a directory is made, if others take it away.
const CLAIMS: u32 = 8;

/// A directory that is removed again unless it is published.
pub struct Staging {
    directory: TempDir,
    /// Held as long as it is at work: one that nobody holds was left by a restore that was killed.
    _lock: Option<File>,
    target: Target,
    access: Access,
    /// All directories, below its own.
    made: BTreeSet<String>,
    seam: Seam,
}

impl Staging {
    /// Makes it, and removes what killed restores to the same target left.
    pub fn create(target: Target, access: Access, gate: Arc<dyn Gate>) -> Result<Self, Error> {
        let parent = target.staging_parent();
        let seam = Seam::new(parent, gate);
        let (directory, lock) = Self::claimed(&target, &seam)?;
        seam.made(directory.path())?;
        access.of_directory(directory.path())?;
        Ok(Self { directory, _lock: lock, target, access, made: BTreeSet::new(), seam })
    }

    /// A directory of its own, locked. Another restore may take it for a left-over before that: then another one.
    fn claimed(target: &Target, seam: &Seam) -> Result<(TempDir, Option<File>), Error> {
        let parent = target.staging_parent();
        for _ in 0..CLAIMS {
            let directory = match target.place {
                Place::Inside | Place::Filled => Self::inside(parent, seam)?,
                Place::Missing | Place::Empty => Self::beside(target, seam)?,
            };
            match leftovers::claim(directory.path()) {
                Claim::Held(lock) => return Ok((directory, lock)),
                // Whoever has it removes it.
                Claim::Lost => drop(directory.keep()),
            }
        }
        Err(Error::Busy { path: target.path.clone() })
    }

    fn beside(target: &Target, seam: &Seam) -> Result<TempDir, Error> {
        let is_repeated = target.name().len() <= NAME_REPEATED_MAX;
        let prefix = leftovers::prefix(is_repeated.then(|| target.name()));
        let parent = target.staging_parent();
        for (path, _lock) in leftovers::beside(parent, &prefix) {
            // What can't be removed stays: it is in nobody's way.
            let _ = seam.remove_directory(&path);
        }
        remove_marker(&target.path, seam)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).permissions(Permissions::from_mode(0o700));
        builder.tempdir_in(parent).map_err(at(parent))
    }

    fn inside(target: &Path, seam: &Seam) -> Result<TempDir, Error> {
        let place = target.join(leftovers::INSIDE);
        if !remove_marker(target, seam)?
            && let Some(_lock) = leftovers::lock_inside(&place)
        {
            seam.remove_directory(&place)?;
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(leftovers::INSIDE).rand_bytes(0).permissions(Permissions::from_mode(0o700));
        builder.tempdir_in(target).map_err(at(&place))
    }

    /// A place inside.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Makes a directory inside, with those above it; it may have been made already.
    pub fn make_directories(&mut self, relative: &str) -> Result<(), Error> {
        let ends = relative.match_indices('/').map(|(end, _)| end).chain([relative.len()]);
        for path in ends.filter_map(|end| relative.get(..end)).filter(|path| !path.is_empty()) {
            if self.made.insert(path.to_owned()) {
                let path = self.path(path);
                self.seam.make_directory(&path)?;
                self.access.of_directory(&path)?;
            }
        }
        Ok(())
    }

    /// Makes a file inside.
    pub fn make_file(&self, relative: &str) -> Result<NewFile, Error> {
        let file = self.seam.make_file(&self.path(relative))?;
        self.access.of_file(file.file(), &file.path)?;
        Ok(file)
    }

    /// Makes all directories durable; the files are already.
    fn sync(&self) -> Result<(), Error> {
        self.made.iter().try_for_each(|path| self.seam.sync_directory(&self.path(path)))?;
        self.seam.sync_directory(self.directory.path())
    }

    /// Gives everything the target's name, durably.
    pub fn publish(self) -> Result<PathBuf, Error> {
        self.sync()?;
        let target = self.target.path.clone();
        match self.target.place {
            Place::Missing => self.become_target(&target)?,
            Place::Empty | Place::Inside | Place::Filled => self.fill_target(&target)?,
        }
        Ok(target)
    }

    fn become_target(self, target: &Path) -> Result<(), Error> {
        self.seam.rename_new(self.directory.path(), target)?;
        // It has another name now: there is nothing left to remove.
        let _ = self.directory.keep();
        self.seam.sync_directory(target.parent().unwrap_or(target)).map_err(|error| standing(target, error))
    }

    /// Moves what stands at the top into the target. One name moves in one step; with more, a marker stands in the target until all have moved:
    /// the directory itself where it is inside, else a file.
    fn fill_target(self, target: &Path) -> Result<(), Error> {
        let names = names_in(self.directory.path())?;
        let needs_marker = names.len() > 1 && self.target.place == Place::Empty;
        let marker = needs_marker.then(|| Marker::set(target, &self.seam)).transpose()?;
        self.move_all(&names, target)?;
        self.settle(target, marker).map_err(|error| standing(target, error))
    }

    /// All names are given: they become durable, and what said that they are not all there goes.
    fn settle(self, target: &Path, marker: Option<Marker>) -> Result<(), Error> {
        self.seam.sync_directory(target)?;
        self.seam.remove_directory(self.directory.path())?;
        // Removed already.
        let _ = self.directory.keep();
        self.seam.sync_directory(self.target.staging_parent())?;
        marker.map_or(Ok(()), |marker| self.seam.remove_file(&marker.0))?;
        self.seam.sync_directory(target)
    }

    /// All, or none: what has moved moves back.
    fn move_all(&self, names: &[OsString], target: &Path) -> Result<(), Error> {
        for (done, name) in names.iter().enumerate() {
            if let Err(error) = self.seam.rename_new(&self.directory.path().join(name), &target.join(name)) {
                for name in names.iter().take(done) {
                    // The error that is told is the one that came first.
                    let _ = self.seam.rename_new(&target.join(name), &self.directory.path().join(name));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// An error that came when the target had all of it.
fn standing(target: &Path, source: Error) -> Error {
    Error::Standing { path: target.to_owned(), source: Box::new(source) }
}

/// A file in a target that stands there while its content is moved in, held so that nobody takes it for a left-over; it is removed when it is
/// dropped.
struct Marker(PathBuf, #[expect(dead_code, reason = "it is held")] Option<File>);

impl Marker {
    fn set(target: &Path, seam: &Seam) -> Result<Self, Error> {
        let file = seam.make_file(&target.join(leftovers::INSIDE))?;
        let path = file.path.clone();
        let finished = file.finish(0);
        // One that could not be written is no marker, and in nobody's way.
        finished.inspect_err(|_| _ = std::fs::remove_file(&path))?;
        // Another restore to this target may have removed it by now: that one goes on, and this one has moved nothing.
        let Claim::Held(lock) = leftovers::claim(&path) else {
            return Err(Error::Busy { path: target.to_owned() });
        };
        let marker = Self(path, lock);
        seam.sync_directory(target)?;
        Ok(marker)
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // Gone already, if all went well.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes the marker of a restore that was killed, if there is one; refuses where one is at work.
fn remove_marker(target: &Path, seam: &Seam) -> Result<bool, Error> {
    let marker = target.join(leftovers::INSIDE);
    if !leftovers::is_marker(&marker) {
        return Ok(false);
    }
    let Claim::Held(_lock) = leftovers::claim(&marker) else {
        return Err(Error::Busy { path: target.to_owned() });
    };
    seam.remove_file(&marker)?;
    Ok(true)
}

fn names_in(directory: &Path) -> Result<Vec<OsString>, Error> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(at(directory))? {
        names.push(entry.map_err(at(directory))?.file_name());
    }
    names.sort();
    Ok(names)
}

/// A single file that waits beside the place where it belongs, and is removed again unless it is published.
pub struct StagedFile {
    file: NamedTempFile,
    to: PathBuf,
}

impl StagedFile {
    /// Writes it, durably.
    pub fn create(to: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let parent = directory_of(to);
        let mut file = NamedTempFile::new_in(parent).map_err(at(parent))?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at(to))?;
        Ok(Self { file, to: to.to_owned() })
    }

    /// Gives it its name, durably.
    pub fn publish(self) -> Result<PathBuf, Error> {
        let path = self.file.into_temp_path();
        rename_new(&path, &self.to)?;
        // It has another name now: there is nothing left to remove.
        let _ = path.keep();
        sync_directory(directory_of(&self.to))?;
        Ok(self.to)
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Renames, never replacing anything.
pub fn rename_new(from: &Path, to: &Path) -> Result<(), Error> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_if_missing(from, to),
        renamed => renamed.map_err(io::Error::from),
    };
    renamed.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => Error::Exists { path: to.to_owned() },
        _ => at(to)(error),
    })
}

/// For file systems that can't refuse to replace.
fn rename_if_missing(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => std::fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Makes the names in a directory durable. Some file systems know no such thing: there it is all that can be done.
pub fn sync_directory(path: &Path) -> Result<(), Error> {
    match File::open(path).and_then(|directory| directory.sync_all()) {
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(at(path)(error))
        }
        _ => Ok(()),
    }
}

/// Has the system forget a file's pages, so that they are read from the disk again.
pub fn forget_pages(file: &File) {
    // Advice only: where it is not taken, the check reads memory.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// A file that is being written.
pub struct NewFile {
    path: PathBuf,
    disk: OntoDisk,
    written: u64,
    /// Who is asked before each change, and how the file is called there.
    gate: Option<(Arc<dyn Gate>, String)>,
}

impl NewFile {
    /// Makes a file that is not there yet.
    pub fn create(path: PathBuf) -> Result<Self, Error> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(
                |error| match error.kind() {
                    ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
                    _ => at(&path)(error),
                },
            )?;
        Ok(Self { path, disk: OntoDisk::new(file), written: 0, gate: None })
    }

    /// Has a gate asked before each change; there the file is called `name`.
    pub fn watched(mut self, gate: Arc<dyn Gate>, name: &str) -> Self {
        self.gate = Some((gate, name.to_owned()));
        self
    }

    fn pass<'s>(&'s self, step: impl FnOnce(&'s str) -> Step<'s>) -> Result<(), Error> {
        let Some((gate, name)) = &self.gate else { return Ok(()) };
        gate.pass(&step(name)).map_err(at(&self.path))
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        self.disk.file()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes the next bytes; the last ones may wait for [`Self::finish`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.disk.keeps(bytes) {
            return Ok(());
        }
        self.pour()?;
        if self.disk.keeps(bytes) { Ok(()) } else { self.put(bytes) }
    }

    fn pour(&mut self) -> Result<(), Error> {
        let waiting = self.disk.take();
        let poured = if waiting.is_empty() { Ok(()) } else { self.put(&waiting) };
        self.disk.give_back(waiting);
        poured
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.pass(|name| Step::Write(name, bytes))?;
        self.disk.put(bytes).map_err(at(&self.path))
    }

    /// Gives it its length (what is behind the written bytes is a hole of zeros), makes it durable, and has the system forget its pages, so
    /// that they are read from the disk again. Stands at its head then.
    pub fn finish(mut self, length: u64) -> Result<File, Error> {
        self.pour()?;
        self.pass(|name| Step::SetLength(name, length))?;
        self.file().set_len(length).map_err(at(&self.path))?;
        self.pass(Step::SyncFile)?;
        self.file().sync_all().map_err(at(&self.path))?;
        forget_pages(self.file());
        Ok(self.disk.into_file())
    }
}

#[cfg(test)]
mod tests {
    use super::{NewFile, StagedFile, Staging};
    use crate::engine::restore::access::Access;
    use crate::engine::restore::delta::gate::Open;
    use crate::engine::restore::error::Error;
    use crate::engine::restore::target::prove;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Arc;

    /// The content of a file that was written in such pieces.
    fn written(pieces: &[&[u8]]) -> Vec<u8> {
        let room = tempfile::tempdir().unwrap();
        let mut file = NewFile::create(room.path().join("x")).unwrap();
        for piece in pieces {
            file.write(piece).unwrap();
        }
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        assert_eq!(file.written(), length);
        file.finish(length).unwrap();
        fs::read(room.path().join("x")).unwrap()
    }

    #[test]
    fn a_file_is_what_was_written_whatever_comes_at_once() {
        const MANY: usize = 256 << 10;
        let mut random = fastrand::Rng::with_seed(2);
        let all: Vec<u8> = (0..9 << 20).map(|_| random.u8(..)).collect();
        for length in [0, 1, MANY - 1, MANY, MANY + 1, 3_000_000, all.len()] {
            for at_once in [777, MANY, MANY + 1, usize::MAX] {
                let pieces: Vec<&[u8]> = all[..length].chunks(at_once).collect();
                assert!(written(&pieces) == all[..length], "{length} {at_once}");
            }
        }
        // Short ones wait, but not until longer ones behind them are written.
        let (mut pieces, mut rest) = (Vec::new(), all.as_slice());
        for length in [5, MANY + 1, MANY, 1, 2 * MANY, 3, MANY - 3, 7].into_iter().cycle() {
            let Some((piece, behind)) = rest.split_at_checked(length) else { break };
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        assert!(written(&pieces) == all);
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn staged(target: &Path) -> Staging {
        let proven = prove(target, None, false).unwrap();
        let mut staging = Staging::create(proven, Access::default(), Arc::new(Open)).unwrap();
        staging.make_directories("data/default").unwrap();
        let mut file = staging.make_file("data/default/x").unwrap();
        file.write(b"abc").unwrap();
        file.finish(10).unwrap();
        staging
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn where_another_restore_moves_what_it_has_made_none_begins() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join(".segvault-restore");
        let seen = || prove(dir.path(), None, false);
        let create = |proven| Staging::create(proven, Access::default(), Arc::new(Open));
        let before = seen().unwrap();
        let held = fs::File::create(&marker).unwrap();
        held.try_lock().unwrap();
        assert!(matches!(create(before), Err(Error::Busy { .. })), "it began to move meanwhile");
        fs::create_dir(dir.path().join("data")).unwrap();
        assert!(matches!(seen(), Err(Error::Busy { .. })), "what it has moved is no left-over");
        drop(held);
        assert!(matches!(seen(), Err(Error::HalfMade { .. })), "now it is");
        fs::remove_dir(dir.path().join("data")).unwrap();
        create(seen().unwrap()).unwrap();
        assert!(!marker.exists());
    }

    #[test]
    fn a_new_target_appears_at_once_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let staging = staged(&target);
        assert!(!target.exists());
        staging.publish().unwrap();
        assert_eq!(names(dir.path()), ["out"]);
        assert_eq!(fs::read(target.join("data/default/x")).unwrap(), b"abc\0\0\0\0\0\0\0");
        assert_eq!(mode(&target.join("data/default/x")), 0o600);
        for directory in [target.clone(), target.join("data"), target.join("data/default")] {
            assert_eq!(mode(&directory), 0o700, "{directory:?}");
        }
    }

    #[test]
    fn an_empty_target_keeps_its_mode_and_gets_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        fs::create_dir(&target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o750)).unwrap();
        staged(&target).publish().unwrap();
        assert_eq!((names(dir.path()), names(&target)), (vec!["out".into()], vec!["data".into()]));
        assert_eq!(mode(&target), 0o750);
    }

    #[test]
    fn the_root_of_a_file_system_is_filled_from_inside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        let staging = staged(dir.path());
        assert_eq!(names(dir.path()), [".segvault-restore", "lost+found"]);
        staging.publish().unwrap();
        assert_eq!(names(dir.path()), ["data", "lost+found"]);
    }

    #[test]
    fn several_names_move_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        fs::create_dir(&target).unwrap();
        let several = || {
            let mut staging = staged(&target);
            staging.make_directories("log/_admin").unwrap();
            staging
        };
        let staging = several();
        fs::create_dir(target.join("log")).unwrap();
        assert!(matches!(staging.publish(), Err(Error::Exists { .. })));
        assert_eq!((names(dir.path()), names(&target)), (vec!["out".into()], vec!["log".into()]));
        fs::remove_dir(target.join("log")).unwrap();
        several().publish().unwrap();
        assert_eq!(
            (names(dir.path()), names(&target)),
            (vec!["out".into()], vec!["data".into(), "log".into()])
        );
    }

    #[test]
    fn no_name_while_it_is_prepared_has_a_suffix_that_a_server_reads() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inside")).unwrap();
        fs::create_dir(dir.path().join("inside/lost+found")).unwrap();
        let staged =
            [staged(&dir.path().join("00000000000000000000.events")), staged(&dir.path().join("inside"))];
        for staging in staged {
            let name = staging.path("").file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(crate::axon::name::classify(&name), crate::axon::name::FileKind::Other, "{name}");
        }
    }

    #[test]
    fn what_is_not_published_vanishes() {
        let dir = tempfile::tempdir().unwrap();
        drop(staged(&dir.path().join("out")));
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_replaced_that_appeared_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let staging = staged(&target);
        fs::create_dir(&target).unwrap();
        fs::write(target.join("theirs"), "x").unwrap();
        assert!(matches!(staging.publish(), Err(Error::Exists { .. })));
        assert_eq!((names(dir.path()), names(&target)), (vec!["out".into()], vec!["theirs".into()]));
    }

    #[test]
    fn a_file_or_an_empty_directory_that_appeared_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let staged_file = StagedFile::create(&file, b"ours").unwrap();
        fs::write(&file, "theirs").unwrap();
        assert!(matches!(staged_file.publish(), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        let [ours, theirs] = ["ours", "theirs"].map(|name| dir.path().join(name));
        fs::create_dir(&ours).unwrap();
        fs::create_dir(&theirs).unwrap();
        assert!(matches!(super::rename_new(&ours, &theirs), Err(Error::Exists { .. })));
        assert_eq!(names(dir.path()), ["file", "ours", "theirs"]);
    }

    #[test]
    fn a_target_with_a_very_long_name_is_well() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x".repeat(255));
        staged(&target).publish().unwrap();
        assert!(target.join("data/default/x").exists());
    }

    #[test]
    fn where_directories_can_not_be_synced_it_is_all_that_can_be_done() {
        super::sync_directory(Path::new("/proc/self")).unwrap();
        assert!(super::sync_directory(Path::new("/proc/self/none")).is_err());
    }
}
