//! A disk that is full: the reserve is what a prune begins with.

use super::lab::*;
use crate::store::model::check;
use crate::support::crash_disk::{CrashDisk, ENOSPC};
use segvault::engine::prune::{self, PruneOptions};
use segvault::repo::disk::{Disk, Guard, Listed, LockMode, NewFile};
use segvault::repo::format::act::PointRef;
use segvault::repo::store::{Alone, OpenOptions, Repository, reserve};
use std::io::{self, Write};
use std::sync::Arc;

/// A disk with room for so many bytes of files, and no more.
#[derive(Clone)]
struct Small {
    disk: CrashDisk,
    room: u64,
}

impl Small {
    fn used(&self) -> u64 {
        self.disk.files().iter().map(|path| self.disk.length(path).unwrap()).sum()
    }
}

struct SmallFile {
    file: Box<dyn NewFile>,
    disk: Small,
}

impl Write for SmallFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.used() + bytes.len() as u64 > self.disk.room {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for SmallFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Disk for Small {
    fn create_new(&self, path: &str) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(SmallFile { file: self.disk.create_new(path)?, disk: self.clone() }))
    }

    fn publish(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.publish(from, to)
    }

    fn create_directory(&self, path: &str) -> io::Result<bool> {
        self.disk.create_directory(path)
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.disk.sync_file(path)
    }

    fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.disk.read(path, limit)
    }

    fn read_range(&self, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.disk.read_range(path, offset, length)
    }

    fn length(&self, path: &str) -> io::Result<u64> {
        self.disk.length(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Listed>> {
        self.disk.list(path)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn try_lock(&self, path: &str, mode: LockMode) -> io::Result<Option<Box<dyn Guard>>> {
        self.disk.try_lock(path, mode)
    }

    fn identity(&self) -> io::Result<String> {
        self.disk.identity()
    }

    fn display(&self, path: &str) -> String {
        self.disk.display(path)
    }
}

/// A repository that fills its disk, most of it forgotten.
fn full(with_reserve: bool) -> (Small, Vec<PointRef>) {
    let (disk, points) = lab(6);
    forget(&disk, &points[..5], 0);
    if with_reserve {
        reserve::make(&disk).unwrap();
    }
    let mut small = Small { disk, room: u64::MAX };
    small.room = small.used();
    (small, points)
}

fn prune(disk: &Small, at: i64) -> Result<u64, segvault::engine::Error> {
    let repository = Repository::open(Arc::new(disk.clone()), OpenOptions::default())?;
    let newest_act = Some(prune::newest_act(&repository)?);
    let options = PruneOptions { newest_act, ..options(0) };
    prune::mark(&repository, &options, &At(at))?;
    drop(repository);
    let alone = Alone::open(Arc::new(disk.clone()), OpenOptions::default())?;
    Ok(prune::delete(&alone, &options, &At(at))?.bytes())
}

#[test]
fn a_prune_frees_a_full_disk_with_the_help_of_its_reserve() {
    let (disk, points) = full(true);
    let freed = prune(&disk, DAY).unwrap() + prune(&disk, 2 * DAY).unwrap();
    assert!(freed > 0);
    assert!(!disk.disk.files().contains(&"points/1.json".to_owned()));
    check(&Repository::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap(), &points[5..]).unwrap();
    assert!(disk.used() <= disk.room);
}

#[test]
fn without_a_reserve_a_full_disk_is_called_by_its_name() {
    let (disk, points) = full(false);
    let refused = prune(&disk, DAY).unwrap_err();
    assert!(
        matches!(refused, segvault::engine::Error::Repo(segvault::repo::Error::NoSpace { .. })),
        "{refused}"
    );
    check(&Repository::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap(), &points[5..]).unwrap();
}

#[test]
fn the_reserve_is_made_once_and_given_back_once() {
    let (disk, _) = lab(1);
    reserve::make(&disk).unwrap();
    reserve::make(&disk).unwrap();
    assert_eq!(disk.length("reserve").unwrap(), reserve::LENGTH as u64);
    assert!(reserve::release(&disk).unwrap());
    assert!(!reserve::release(&disk).unwrap());
}
