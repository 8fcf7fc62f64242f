//! Whether a server runs on a directory: its pid file, or the lock on its control database.

use crate::engine::restore::error::Error;
use crate::source::regular;
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk, test_kill_process};
use std::path::{Path, PathBuf};

/// The file in which a server writes the number of its process, unless it is told otherwise.
const PID_FILE: &str = "AxonIQ.pid";

/// Refuses a directory on which a server runs, as far as that can be told. `control_db` is where its control database is, below.
pub fn refuse(target: &Path, control_db: &str) -> Result<(), Error> {
    let places = [target.to_path_buf(), target.join("data"), target.join(control_db)];
    let why = places.iter().find_map(|directory| running_in(directory));
    match why {
        Some(why) => Err(Error::ServerRuns { path: target.to_path_buf(), why }),
        None => Ok(()),
    }
}

fn running_in(directory: &Path) -> Option<String> {
    if let Some(pid) = regular::pid(&directory.join(PID_FILE)).filter(|pid| lives(*pid)) {
        return Some(format!("{PID_FILE} names the process {pid}, which lives"));
    }
    let database = databases(directory).into_iter().find(|path| is_locked(path))?;
    Some(format!("{} is locked", database.display()))
}

fn lives(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    // A process of somebody else can't be signalled, and lives all the same.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn databases(directory: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().ends_with(".mv.db")).collect()
}

/// Whether a process holds a lock on the file, as H2 does while the database is open.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = regular::open(path) else { return false };
    matches!(fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::refuse;
    use crate::engine::restore::error::Error;

    #[test]
    fn a_pid_file_of_a_process_that_lives_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |path: &std::path::Path| refuse(path, "config");
        assert!(refuse(dir.path()).is_ok() && refuse(&dir.path().join("nowhere")).is_ok());
        let pid = dir.path().join("AxonIQ.pid");
        for (text, runs) in [(std::process::id().to_string(), true), ("no number".to_owned(), false)] {
            std::fs::write(&pid, text).unwrap();
            assert_eq!(matches!(refuse(dir.path()), Err(Error::ServerRuns { .. })), runs);
        }
        // No process has a number as high as that.
        std::fs::write(&pid, i32::MAX.to_string()).unwrap();
        assert!(refuse(dir.path()).is_ok());
    }
}
