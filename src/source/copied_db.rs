//! The control database of a stopped node, copied: its `.mv.db` file.
//!
//! Only what nobody writes is a copy of one moment. So no server may run that could (its pid file names no live process, and its lock on the file
//! can be had), the file has to be the same when it is read twice, and it has to fit together.

use crate::axon::control_db::{WalkError, contents, facts};
use crate::source::control_zip::LENGTH_MAX;
use crate::source::error::Error;
use crate::source::listing::ControlDbCapture;
use crate::source::regular;
use crate::source::scan;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a running server calls the file with the number of its process.
pub(super) const PID_FILE: &str = "AxonIQ.pid";

/// Whether a path is that of a database, not of a zip.
pub(super) fn is_database(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b".mv.db"))
}

/// Takes it.
pub(super) fn copy(path: &Path, pid_files: &[PathBuf]) -> Result<ControlDbCapture, Error> {
    let refused = |why: String| Error::NotStopped { path: path.to_path_buf(), why };
    let stopped = || match pid_files.iter().find_map(|file| live_process(file)) {
        Some(why) => Err(refused(why)),
        None => Ok(()),
    };
    stopped()?;
    let first = read_locked(path)?;
    let second = read_locked(path)?;
    stopped()?;
    if first != second {
        return Err(refused("it changed between two reads".to_owned()));
    }
    check(&first.0).map_err(|why| refused(why.to_owned()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ControlDbCapture::Copied { name, database: first.0 })
}

/// Bytes and facts of the file, while nobody else holds its lock.
fn read_locked(path: &Path) -> Result<(Vec<u8>, Option<crate::source::listing::FileFacts>), Error> {
    let failed = |source| Error::on_listed(path, source);
    let file = regular::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NoControlDb { path: path.to_path_buf(), is_there: false },
        _ => failed(source),
    })?;
    let length = file.metadata().map_err(failed)?.len();
    if length > LENGTH_MAX {
        return Err(Error::ControlDbTooLarge { path: path.to_path_buf(), length, limit: LENGTH_MAX });
    }
    let is_held = || {
        // H2 locks the whole file as Java does: with a record lock. Where there are none, no server could hold one.
        let lock = rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockShared);
        matches!(lock, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS))
    };
    let why = "another process holds its lock: the node runs".to_owned();
    if is_held() {
        return Err(Error::NotStopped { path: path.to_path_buf(), why });
    }
    let mut bytes = Vec::new();
    (&file).take(LENGTH_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, scan::file_facts(path)?))
}

/// Why a pid file says that a server runs.
fn live_process(pid_file: &Path) -> Option<String> {
    let pid = regular::pid(pid_file)?;
    let process = rustix::process::Pid::from_raw(pid)?;
    let is_alive = !matches!(rustix::process::test_kill_process(process), Err(rustix::io::Errno::SRCH));
    (is_alive && may_be_java(pid)).then(|| format!("{} names process {pid}, which runs", pid_file.display()))
}

/// After a crash the number may belong to another process. Where it can't be told what it is, it is taken for a server.
fn may_be_java(pid: i32) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) if !line.is_empty() => {
            let line = String::from_utf8_lossy(&line).to_lowercase();
            line.contains("java") || line.contains("axon")
        }
        _ => true,
    }
}

/// That it is a whole database. Of the newer format only the headers are known.
fn check(bytes: &[u8]) -> Result<(), &'static str> {
    match contents(bytes) {
        Ok(found) if found.torn => Err("its last write is torn: the node was not stopped in order"),
        Ok(_) => Ok(()),
        Err(WalkError::Unknown(_)) if facts(bytes).is_some() => Ok(()),
        Err(WalkError::Unknown(_)) => Err("it is no database of H2"),
        Err(WalkError::Inconsistent(why)) => Err(why),
    }
}
