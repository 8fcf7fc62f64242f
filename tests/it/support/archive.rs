//! A repository in a directory of its own, filled by real backups of servers in memory.

use crate::support::server::Server;
use segvault::engine::Error;
use segvault::engine::backup::{self, BackupOptions};
use segvault::engine::observe::{Observer, Unobserved};
use segvault::engine::pieces::Piece;
use segvault::engine::restore::{self, Plan, RestoreOptions, Restored};
use segvault::engine::verify::{self, Report, VerifyOptions};
use segvault::repo;
use segvault::repo::codec::Compression;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::config::{self, Config};
use segvault::repo::format::id::Naming;
use segvault::repo::format::json;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::point::{Point, PointBody};
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{Effort, ListedPoint, OpenOptions, Repository, Session};
use segvault::source::Source;
use segvault::source::listing::{ControlDbCapture, Identity, Listing, StoreFile};
use segvault::source::segment_bytes::SegmentBytes;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Everything, compressed in no time: other tests see to event columns; these have other worries, and thousands of small backups.
pub fn quick(program: &str) -> BackupOptions {
    let effort = Effort { compression: Compression::Fast, memory: None };
    BackupOptions { effort, ..BackupOptions::all(program) }
}

/// What a repository is that tests make.
pub fn config() -> Config {
    Config {
        kind: config::TYPE.to_owned(),
        version: config::VERSION,
        id: "00112233445566778899aabbccddeeff".to_owned(),
        at: Moment(1_795_442_729_123),
        naming: Naming::Blake3,
        features: Vec::new(),
        parity: None,
    }
}

/// Why a restore was refused: it has to be, by the restore itself.
pub fn refused(result: Result<impl Sized, Error>) -> restore::Error {
    match result {
        Err(Error::Restore(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// The bytes of a segment, or of what a point claims of it.
pub fn bytes_of(repository: &Repository, piece: &Piece) -> Result<Vec<u8>, repo::Error> {
    let mut bytes = Vec::new();
    let entry = piece.entry.as_ref().unwrap();
    repository.read_extents(&entry.extents, 0..piece.prefix(), &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// A repository, and room beside it.
pub struct Archive {
    dir: TempDir,
}

impl Archive {
    pub fn new() -> Self {
        Self::with(&config())
    }

    /// The same, whose packs get so many hundredths of parity.
    pub fn with_parity(percent: u8) -> Self {
        Self::with(&Config { parity: Some(percent), ..config() })
    }

    fn with(config: &Config) -> Self {
        let archive = Self { dir: in_memory().unwrap_or_else(|| tempfile::tempdir().unwrap()) };
        Repository::init(&LocalDisk::new(archive.repository_path()), config).unwrap();
        archive
    }

    /// A directory beside the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn repository_path(&self) -> PathBuf {
        self.beside("repo")
    }

    pub fn open(&self) -> Repository {
        let disk = Arc::new(LocalDisk::new(self.repository_path()));
        Repository::open(disk, OpenOptions::default()).unwrap()
    }

    /// Backs up a source.
    pub fn backup(&self, source: &mut dyn Source) -> PointRef {
        self.backup_with(source, |_| ())
    }

    pub fn backup_with(&self, source: &mut dyn Source, change: impl FnOnce(&mut BackupOptions)) -> PointRef {
        let mut options = Self::options();
        change(&mut options);
        backup::run(&self.open(), source, &options, &Unobserved).unwrap().point.unwrap()
    }

    /// Backs up a source that a backup may refuse.
    pub fn try_backup(&self, source: &mut dyn Source) -> Option<PointRef> {
        backup::run(&self.open(), source, &Self::options(), &Unobserved).ok()?.point
    }

    fn options() -> BackupOptions {
        quick("test")
    }

    /// Writes the newest point again as the next one, changed: what a faulty program, or an attacker, might have written.
    pub fn forge(&self, change: impl FnOnce(&mut Session<'_>, &mut PointBody)) -> u64 {
        let repository = self.open();
        let newest = repository.journal().unwrap().points.pop().unwrap();
        let mut body = newest.point.body;
        let mut session = repository.session().unwrap();
        change(&mut session, &mut body);
        drop(session.barrier().unwrap());
        let number = newest.point.number + 1;
        let point = Point { number, previous: Some(newest.hash), body, ..newest.point };
        // The writer of points would refuse some of this.
        let bytes = json::encode(&point).unwrap();
        self.write(&format!("points/{number}.json"), &bytes);
        number
    }

    pub fn points(&self) -> Vec<ListedPoint> {
        self.open().journal().unwrap().points
    }

    /// Restores a point into a new directory.
    pub fn restore(&self, point: u64, name: &str) -> Result<Restored, segvault::engine::Error> {
        let options =
            RestoreOptions { point: point.to_string(), ..RestoreOptions::latest(self.beside(name)) };
        self.restore_with(&options, &Unobserved)
    }

    pub fn restore_with(
        &self,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<Restored, segvault::engine::Error> {
        let repository = self.open();
        let plan = restore::plan(&repository, options)?;
        restore::apply(&repository, plan, observer)
    }

    pub fn plan(&self, options: &RestoreOptions) -> Result<Plan, segvault::engine::Error> {
        restore::plan(&self.open(), options)
    }

    pub fn verify(&self, data: bool) -> Report {
        self.verify_with(&VerifyOptions { data, ..VerifyOptions::default() })
    }

    pub fn verify_with(&self, options: &VerifyOptions) -> Report {
        verify::verify(&self.open(), options, &Unobserved).unwrap()
    }

    /// All files of the repository, with paths below it, but locks and staging.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        walk(&self.repository_path(), "", &mut files);
        files.retain(|file| !file.starts_with("locks/") && !file.starts_with("staging/"));
        files.sort();
        files
    }

    pub fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.repository_path().join(file)).unwrap()
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.repository_path().join(file), bytes).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.repository_path().join(file)).unwrap();
    }

    /// Flips one bit.
    pub fn flip(&self, file: &str, at: usize) {
        let mut bytes = self.read(file);
        bytes[at] ^= 1;
        self.write(file, &bytes);
    }
}

/// Where there is a file system in memory, hundreds of restores need not wait for a disk.
fn in_memory() -> Option<TempDir> {
    tempfile::tempdir_in("/dev/shm").ok()
}

fn walk(root: &Path, below: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, files);
        } else {
            files.push(path);
        }
    }
}

/// The files of a directory, by their paths below it, with their bytes.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = Vec::new();
    walk(root, "", &mut files);
    files.into_iter().map(|file| (file.clone(), fs::read(root.join(&file)).unwrap())).collect()
}

/// A server in memory whose control database comes as a zip.
pub struct WithControlDb {
    pub server: Server,
    pub name: String,
    pub zip: Vec<u8>,
}

impl Source for WithControlDb {
    fn identity(&self) -> Result<Identity, segvault::source::Error> {
        self.server.identity()
    }

    fn listing(&mut self) -> Result<Listing, segvault::source::Error> {
        self.server.listing()
    }

    fn control_db(&mut self) -> Result<ControlDbCapture, segvault::source::Error> {
        let (name, zip) = (self.name.clone(), self.zip.clone());
        Ok(ControlDbCapture::Claimed { name, zip, is_too_new: false, passed_over: Vec::new() })
    }

    fn open(&self, file: &StoreFile) -> Result<Box<dyn SegmentBytes>, segvault::source::Error> {
        self.server.open(file)
    }
}
