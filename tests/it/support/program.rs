//! The real program, in a room of its own: a repository, and places beside it. Runs a line, and says how it must end.

use crate::support::fixtures;
use segvault::axon::name::{FileKind, SegmentName, Store, classify};
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{OpenOptions, Repository};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// The real server that most tests use.
pub const SERVER: &str = "se-4.6.11-json";

/// A repository, and room beside it.
pub struct Room {
    dir: TempDir,
}

impl Room {
    /// Without a repository.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With a repository that has been made.
    pub fn new() -> Self {
        let room = Self::empty();
        room.ends(0, "init");
        room
    }

    pub fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// The repository, opened here.
    pub fn open(&self) -> Repository {
        Repository::open(Arc::new(LocalDisk::new(self.repository())), OpenOptions::default()).unwrap()
    }

    /// A place beside the repository. No name in it has a space: lines are cut there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A private copy of a real server's root, beside the repository.
    pub fn server(&self, fixture: &str) -> PathBuf {
        let root = self.path(fixture);
        fixtures::copy_tree(fixtures::dir(fixture), &root);
        root
    }

    /// Writes a file beside the repository.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segvault"));
        command.args(line.split(' ').map(OsString::from));
        self.furnish(&mut command);
        command
    }

    /// The same through `sh`, which first does `preparation`: limits and ignored signals are inherited.
    pub fn prepared(&self, preparation: &str, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{preparation}; exec \"$0\" \"$@\""));
        command.arg(env!("CARGO_BIN_EXE_segvault")).args(line.split(' ').map(OsString::from));
        self.furnish(&mut command);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command.env("SEGVAULT_REPOSITORY", self.repository()).current_dir(self.dir.path());
        command.env("XDG_CACHE_HOME", self.path("caches"));
        command.stdin(Stdio::null());
    }

    /// Runs a line to its end, which has to be `code`; gives stdout and stderr.
    pub fn ends(&self, code: i32, line: &str) -> (String, String) {
        let (ended, stdout, stderr) = told(self.command(line).output().unwrap());
        assert_eq!(ended, Some(code), "{line}\n{stdout}\n{stderr}");
        (stdout, stderr)
    }

    /// Runs a line with `--json`: one document, of that type, and nothing on stderr.
    pub fn document(&self, code: i32, kind: &str, line: &str) -> Value {
        let (stdout, stderr) = self.ends(code, &format!("{line} --json"));
        assert_eq!(stderr, "", "{line}");
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["type"], kind);
        assert_eq!(document["schema"], format!("segvault.{kind}/1"));
        document
    }

    /// Runs a line that is refused: nothing on stdout, and one line on stderr that names all of `names`. With `--json` it is one object that
    /// says the same.
    pub fn refused(&self, code: i32, line: &str, names: &[&str]) {
        let (stdout, stderr) = self.ends(code, line);
        assert_eq!(stdout, "", "{line}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
        let message = stderr.strip_prefix("segvault: ").unwrap_or_else(|| panic!("{line}: {stderr}"));
        for name in names {
            assert!(message.contains(name), "{line}: no {name:?} in: {stderr}");
        }
        let (stdout, stderr) = self.ends(code, &format!("{line} --json"));
        assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{line}: {stderr}");
        let object: Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((&object["type"], &object["exit"]), (&"error".into(), &code.into()), "{line}");
        let (said, hint) = (object["message"].as_str().unwrap(), object["hint"].as_str().unwrap());
        let together = if hint.is_empty() { said.to_owned() } else { format!("{said}: {hint}") };
        assert_eq!(together, message.trim_end(), "{line}");
    }

    /// Restores `point` into a new directory `name`, which has to end with `code`; gives what the program reports.
    pub fn restore(&self, code: i32, point: &str, name: &str) -> Value {
        self.document(code, "restore", &format!("restore {point} --target {name}"))
    }

    /// The numbers of all points, in the order of the listing.
    pub fn points(&self) -> Vec<u64> {
        let listed = self.document(0, "points", "points");
        let mut numbers: Vec<_> = listed["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["number"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// All files of the repository that count, with their lengths: neither the cache, nor locks, nor staging.
    pub fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = files_below(&self.repository());
        files.retain(|path, _| {
            let top = path.to_str().unwrap();
            !["index.sqlite", "locks/", "staging/"].iter().any(|begin| top.starts_with(begin))
        });
        files
    }
}

/// Exit code, stdout and stderr.
pub fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The line that backs up a server's root, with the zips beside its data.
pub fn backup(root: &Path) -> String {
    let root = root.display();
    format!("backup --data-dir {root} --control-db {root}/backups --source node-1")
}

/// The line that backs up data without a control database.
pub fn backup_data(data: &Path) -> String {
    format!("backup --data-dir {} --no-control-db --source node-1", data.display())
}

/// All files below a directory, by their paths in it, with their lengths.
pub fn files_below(root: &Path) -> BTreeMap<PathBuf, u64> {
    let (mut files, mut waiting) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(path) = waiting.pop() {
        match fs::metadata(&path).unwrap() {
            found if found.is_dir() => waiting.extend(fixtures::files(&path)),
            found => {
                files.insert(path.strip_prefix(root).unwrap().to_path_buf(), found.len());
            }
        }
    }
    files
}

/// The segments in a context's directory, each under its name; index files and the like are none.
pub fn segments(directory: &Path) -> BTreeMap<(Store, SegmentName), PathBuf> {
    let of = |path: PathBuf| match classify(path.file_name()?.to_str()?) {
        FileKind::Data { store, name, .. } => Some(((store, name), path)),
        _ => None,
    };
    fixtures::files(directory).into_iter().filter_map(of).collect()
}

/// Of each number the highest version: what a server serves, and what is restored.
pub fn current(directory: &Path) -> BTreeMap<(Store, SegmentName), PathBuf> {
    let all = segments(directory);
    let is_highest = |(store, name): &(Store, SegmentName)| {
        !all.keys()
            .any(|(other, its)| other == store && its.number == name.number && its.version > name.version)
    };
    all.clone().into_iter().filter(|(key, _)| is_highest(key)).collect()
}

/// A restored context is, byte for byte, the current segments of the original, and nothing else; and its zero tails take no room.
pub fn assert_restored(original: &Path, restored: &Path) {
    let wanted = current(original);
    let names = |paths: Vec<&PathBuf>| -> Vec<_> {
        paths.iter().map(|path| path.file_name().unwrap().to_owned()).collect()
    };
    let found = fixtures::files(restored);
    let mut expected = names(wanted.values().collect());
    expected.sort();
    assert_eq!(names(found.iter().collect()), expected, "{}", restored.display());
    for path in wanted.values() {
        let copy = restored.join(path.file_name().unwrap());
        let bytes = fs::read(&copy).unwrap();
        assert!(bytes == fs::read(path).unwrap(), "{} is not what it was", copy.display());
        assert_sparse(&copy, &bytes);
    }
}

/// A file takes no more room than its bytes up to the last one that is not zero.
pub fn assert_sparse(path: &Path, bytes: &[u8]) {
    let content = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    let found = fs::metadata(path).unwrap();
    // A file system may give room in larger pieces than its blocks.
    let room = content.next_multiple_of(found.blksize()) + found.blksize();
    assert!(
        found.blocks() * 512 <= room,
        "{}: {} blocks for {content} bytes",
        path.display(),
        found.blocks()
    );
}

/// Overwrites bytes of a file, keeping its length.
pub fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// Flips one bit.
pub fn flip(path: &Path, at: u64) {
    let mut byte = [0];
    File::open(path).unwrap().read_exact_at(&mut byte, at).unwrap();
    overwrite(path, at, &[byte[0] ^ 1]);
}
