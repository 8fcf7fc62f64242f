//! Finds, makes and opens the repository that was named.

use crate::cli::args::{Global, REPOSITORY_VARIABLE};
use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::repo::format::config;
use crate::repo::format::config::Config;
use crate::repo::format::id::Naming;
use crate::repo::format::moment::Moment;
use crate::repo::local_disk::LocalDisk;
use crate::repo::store::Alone;
use crate::repo::store::IndexPlace;
use crate::repo::store::OpenOptions;
use crate::repo::store::Repository;
use crate::repo::store::reserve;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a lock is tried again while waiting for it.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The repository's directory, as it was typed or set in the environment.
pub(super) fn path(global: &Global) -> Result<&Path, Failure> {
    let given = global.repository.as_deref().filter(|path| !path.as_os_str().is_empty());
    given.ok_or_else(|| Failure::Usage {
        message: format!("no repository was named: neither -r nor {REPOSITORY_VARIABLE}"),
        hint: "name it with -r DIR",
    })
}

/// Opens it; waits for its locks as long as was asked for.
pub(super) fn open(global: &Global, signals: &Signals) -> Result<Repository, Failure> {
    open_at(path(global)?, global, signals)
}

/// Opens the one in a directory.
pub(super) fn open_at(path: &Path, global: &Global, signals: &Signals) -> Result<Repository, Failure> {
    let disk = Arc::new(LocalDisk::new(path.to_path_buf()));
    Ok(Repository::open(disk, options(path, global.wait, signals))?)
}

/// Opens it when nobody else has it open; waits so long for that.
pub(super) fn open_alone(global: &Global, wait: Duration, signals: &Signals) -> Result<Alone, Failure> {
    let path = path(global)?;
    let disk = Arc::new(LocalDisk::new(path.to_path_buf()));
    Ok(Alone::open(disk, options(path, Some(wait), signals))?)
}

fn options(path: &Path, wait: Option<Duration>, signals: &Signals) -> OpenOptions {
    OpenOptions {
        index: IndexPlace::File(path.join("index.sqlite")),
        keep_waiting: wait.map(|wait| keep_waiting(wait, signals.clone())),
    }
}

/// Keeps a little room in it for a full disk.
pub(super) fn reserve(path: &Path) -> Result<(), Failure> {
    Ok(reserve::make(&LocalDisk::new(path.to_path_buf()))?)
}

fn keep_waiting(wait: Duration, signals: Signals) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let end = Instant::now() + wait;
    Arc::new(move || {
        if signals.came() || Instant::now() >= end {
            return false;
        }
        std::thread::sleep(TRY_EVERY);
        true
    })
}

/// Makes a repository; gives its configuration.
pub(super) fn make(path: &Path) -> Result<Config, Failure> {
    let config = Config {
        kind: config::TYPE.to_owned(),
        version: config::VERSION,
        id: random_id()?,
        at: Moment(jiff::Timestamp::now().as_millisecond()),
        naming: Naming::Blake3,
        features: Vec::new(),
    };
    Repository::init(&LocalDisk::new(path.to_path_buf()), &config)?;
    Ok(config)
}

/// 32 random hexadecimal digits.
fn random_id() -> Result<String, Failure> {
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 16];
    match File::open(&path).and_then(|mut file| file.read_exact(&mut bytes)) {
        Ok(()) => Ok(format!("{:032x}", u128::from_be_bytes(bytes))),
        Err(source) => Err(Failure::File { path, source }),
    }
}

/// Removes the index, which is a cache; refused while somebody uses it.
pub(super) fn remove_index(path: &Path) -> Result<(), Failure> {
    let disk = LocalDisk::new(path.to_path_buf());
    Ok(Repository::remove_index(&disk, &path.join("index.sqlite"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_its_time_or_with_a_signal() {
        assert!(keep_waiting(Duration::from_mins(1), Signals::default())());
        assert!(!keep_waiting(Duration::ZERO, Signals::default())());
        let interrupted = Signals::default();
        interrupted.set(signal_hook::consts::SIGINT);
        assert!(!keep_waiting(Duration::from_mins(1), interrupted)());
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
