//! Finds, makes and opens the repository that was named.

use crate::cli::args::{Global, REPOSITORY_VARIABLE};
use crate::cli::failure::Failure;
use crate::cli::progress::Standing;
use crate::cli::random;
use crate::cli::render::Screen;
use crate::cli::run::Run;
use crate::cli::signals::Signals;
use crate::cli::when;
use crate::repo::format::config;
use crate::repo::format::config::Config;
use crate::repo::format::id::Naming;
use crate::repo::local_disk::LocalDisk;
use crate::repo::store::Alone;
use crate::repo::store::IndexPlace;
use crate::repo::store::OpenOptions;
use crate::repo::store::Repository;
use crate::repo::store::Unlocked;
use crate::repo::store::reserve;
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
pub(super) fn open(run: &Run<'_>) -> Result<Repository, Failure> {
    open_at(path(run.global)?, run)
}

/// Opens the one in a directory.
pub(super) fn open_at(path: &Path, run: &Run<'_>) -> Result<Repository, Failure> {
    opened(path, options(path, run, run.global.wait), run)
}

/// Opened; without locks where there can be none, which is said.
fn opened(path: &Path, options: OpenOptions, run: &Run<'_>) -> Result<Repository, Failure> {
    let repository = Repository::open(Arc::new(LocalDisk::new(path.to_path_buf())), options)?;
    if let Some(why) = repository.unlocked() {
        run.screen.warning(&without_locks(&path.display().to_string(), why));
    }
    Ok(repository)
}

fn without_locks(shown: &str, why: Unlocked) -> String {
    let why = match why {
        Unlocked::ReadOnly => format!("{shown} can't be written"),
        Unlocked::NoLocks => format!("locks do not work on the file system of {shown}"),
    };
    format!("{why}: it is read without locks")
}

/// Opens it to prepare deletions: in an append-only one an operator has to allow them.
pub(super) fn open_to_remove(run: &Run<'_>, allow_delete: bool) -> Result<Repository, Failure> {
    let repository = open_to_mend(run, allow_delete)?;
    if !run.global.dry_run {
        repository.may_remove()?;
    }
    Ok(repository)
}

/// Opens it to mend it: what is replaced is marked for deletion only where that is allowed.
pub(super) fn open_to_mend(run: &Run<'_>, allow_delete: bool) -> Result<Repository, Failure> {
    let path = path(run.global)?;
    opened(path, OpenOptions { allow_delete, ..options(path, run, run.global.wait) }, run)
}

/// Opens it when nobody else has it open; waits so long for that.
pub(super) fn open_alone(run: &Run<'_>, wait: Duration, allow_delete: bool) -> Result<Alone, Failure> {
    let path = path(run.global)?;
    let disk = Arc::new(LocalDisk::new(path.to_path_buf()));
    Ok(Alone::open(disk, OpenOptions { allow_delete, ..options(path, run, Some(wait)) })?)
}

fn options(path: &Path, run: &Run<'_>, wait: Option<Duration>) -> OpenOptions {
    OpenOptions {
        index: index_place(path),
        keep_waiting: wait.map(|wait| keep_waiting(wait, run.screen, run.signals.clone())),
        allow_delete: false,
        healings: run.healings.clone(),
    }
}

/// Keeps a little room in it for a full disk.
pub(super) fn reserve(path: &Path) -> Result<(), Failure> {
    Ok(reserve::make(&LocalDisk::new(path.to_path_buf()))?)
}

/// Beside the repository; in the user's cache directory where `SQLite` can't rely on the file system (its locks, its maps), or where nothing can
/// be written.
fn index_place(path: &Path) -> IndexPlace {
    let beside = path.join("index.sqlite");
    if !is_network(path) && can_be_written(path) {
        return IndexPlace::File(beside);
    }
    let cached = cache_directory().and_then(|caches| {
        let name = blake3::hash(path.canonicalize().ok()?.as_os_str().as_encoded_bytes()).to_hex();
        std::fs::create_dir_all(&caches).ok()?;
        Some(IndexPlace::File(caches.join(format!("index-{}.sqlite", name.get(..32)?))))
    });
    cached.unwrap_or(IndexPlace::Memory)
}

/// Where the user's caches are: as XDG has it.
fn cache_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("segvault"))
}

fn can_be_written(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// File systems behind a network, by the numbers that the kernel has for them: NFS, SMB (three of them), 9P, AFS, Ceph, Lustre, GPFS, OCFS2, Coda, and
/// all that run in user space.
const NETWORK: [u64; 12] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x5346_414f,
    0x00c3_6400,
    0x0bd0_0bd0,
    0x4750_4653,
    0x7461_636f,
    0x7375_7245,
    0x6573_5546,
];

fn is_network(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| is_network_kind(i128::from(found.f_type)))
}

/// Some platforms have these numbers signed; 32 bits count.
fn is_network_kind(kind: i128) -> bool {
    u64::try_from(kind & 0xffff_ffff).is_ok_and(|kind| NETWORK.contains(&kind))
}

fn keep_waiting(wait: Duration, screen: Screen, signals: Signals) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let end = Instant::now() + wait;
    Arc::new(move || {
        let left = end.saturating_duration_since(Instant::now());
        if signals.came() || left.is_zero() {
            return false;
        }
        if signals.asked_for_state() {
            let line = format!("waiting for a lock, {} s more at most", left.as_secs());
            screen.state(&line, &Standing::waiting("waiting for a lock", left.as_secs()));
        }
        std::thread::sleep(TRY_EVERY);
        true
    })
}

/// Makes a repository with these features, and so much parity; gives its configuration.
pub(super) fn make(path: &Path, features: Vec<String>, parity: Option<u8>) -> Result<Config, Failure> {
    let config = Config {
        kind: config::TYPE.to_owned(),
        version: config::VERSION,
        id: random_id()?,
        at: when::now(),
        naming: Naming::Blake3,
        features,
        parity,
    };
    let disk = LocalDisk::new(path.to_path_buf());
    let missing = disk.missing();
    Repository::init(&disk, &config).inspect_err(|error| {
        // Nobody can ever make one there: what is taken away is no other attempt's.
        if error.is_for_good() {
            disk.take_back(&missing);
        }
    })?;
    Ok(config)
}

/// 32 random hexadecimal digits.
fn random_id() -> Result<String, Failure> {
    Ok(format!("{:032x}", u128::from_be_bytes(random::bytes()?)))
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
        assert!(keep_waiting(Duration::from_mins(1), Screen::bare(false), Signals::default())());
        assert!(!keep_waiting(Duration::ZERO, Screen::bare(false), Signals::default())());
        let interrupted = Signals::default();
        interrupted.set(signal_hook::consts::SIGINT);
        assert!(!keep_waiting(Duration::from_mins(1), Screen::bare(false), interrupted)());
    }

    #[test]
    fn why_a_repository_is_read_without_locks_is_said() {
        let said = |why| without_locks("/r", why);
        assert_eq!(said(Unlocked::ReadOnly), "/r can't be written: it is read without locks");
        let no_locks = "locks do not work on the file system of /r: it is read without locks";
        assert_eq!(said(Unlocked::NoLocks), no_locks, "it may be written well");
    }

    #[test]
    fn an_index_lies_beside_its_repository_unless_that_is_behind_a_network() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(index_place(place.path()), IndexPlace::File(place.path().join("index.sqlite")));
        assert!(
            is_network_kind(0x6969) && is_network_kind(i128::from(0xff53_4d42_u32.cast_signed())),
            "NFS, SMB"
        );
        assert!(!is_network_kind(0xef53) && !is_network_kind(0x0102_1994), "ext4, tmpfs");
    }

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
