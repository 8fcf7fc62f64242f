//! The real data of real servers, unpacked once per test process; and what is expected of it.

use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::fs::FileTimes;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The archives that are a server's root: `data/<context>/`, `backups/`, `rest*/`, `dump*.txt`.
pub const SERVERS: [&str; 4] =
    ["se-4.6.11-json", "core-2023.2.1-xml", "core-2023.2.1-transformed", "se-4.6.11-odd"];

/// Copies of an open segment taken under load: no server's root, the files lie in it directly.
pub const LIVE_CAPTURES: &str = "live-captures";

/// The root of an unpacked archive, shared by all tests of this process: to be read only.
pub fn dir(name: &str) -> &'static Path {
    static UNPACKED: OnceLock<Mutex<HashMap<String, &'static Path>>> = OnceLock::new();
    let mut unpacked = UNPACKED.get_or_init(Mutex::default).lock().unwrap_or_else(|held| held.into_inner());
    if let Some(path) = unpacked.get(name) {
        return path;
    }
    unpack(name, home());
    let path: &'static Path = Box::leak(home().join(name).into_boxed_path());
    unpacked.insert(name.to_owned(), path);
    path
}

/// The directory of a context in an unpacked archive.
pub fn context_dir(name: &str, context: &str) -> PathBuf {
    dir(name).join("data").join(context)
}

/// A private copy of an archive's root, to be changed at will; times of change are kept.
pub fn copy(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir(name), copy.path());
    copy
}

/// Copies a directory into one that is not there yet, or empty; times of change are kept.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
            let times = FileTimes::new().set_modified(fs::metadata(&path).unwrap().modified().unwrap());
            File::options().write(true).open(&target).unwrap().set_times(times).unwrap();
        }
    }
}

/// What an independent program read in the data files of an archive: `expect/<name>.json`.
pub fn expect(name: &str) -> Value {
    json(&fixtures().join("expect").join(format!("{name}.json")))
}

/// Recorded requests and answers: `rest/<name>.json`.
pub fn rest(name: &str) -> Value {
    json(&fixtures().join("rest").join(format!("{name}.json")))
}

/// The control-db zips of an archive, oldest first.
pub fn control_db_zips(name: &str) -> Vec<PathBuf> {
    files(&dir(name).join("backups"))
}

/// The files of a directory, by name.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/axon")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// One directory per process, under the build's own. Nothing runs at the end of a test process, so the next one
/// removes what earlier ones left.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let homes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
        fs::create_dir_all(&homes).unwrap();
        remove_left_overs(&homes);
        let home = homes.join(std::process::id().to_string());
        fs::create_dir_all(&home).unwrap();
        home
    })
}

/// Removes the directories of processes that are gone; only where it can be told (`/proc`).
fn remove_left_overs(homes: &Path) {
    let gone = |pid: &str| Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists();
    for left in files(homes) {
        let own = left.ends_with(std::process::id().to_string());
        if own || left.file_name().and_then(|pid| pid.to_str()).is_some_and(gone) {
            // Another test process may be removing the same one.
            let _ = fs::remove_dir_all(left);
        }
    }
}

/// Unpacks a repository that an earlier program made: `fixtures/<name>.tar.zst`.
pub fn unpack_repository(name: &str, into: &Path) {
    unpack_file(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.tar.zst")),
        into,
    );
}

fn unpack(name: &str, into: &Path) {
    unpack_file(&fixtures().join(format!("{name}.tar.zst")), into);
}

fn unpack_file(path: &Path, into: &Path) {
    let packed = File::open(path).unwrap();
    let mut plain = zstd::Decoder::new(packed).unwrap();
    plain.window_log_max(27).unwrap();
    tar::Archive::new(plain).unpack(into).unwrap();
}
