//! A disk that is full: the reserve is what a prune begins with.

use super::lab::*;
use crate::store::model::check;
use crate::support::crash_disk::{CrashDisk, Image};
use crate::support::small_disk::SmallDisk;
use segvault::engine::prune::{self, PruneOptions};
use segvault::engine::retention::{self, ForgetOptions, Wanted};
use segvault::repo::disk::Disk;
use segvault::repo::format::act::PointRef;
use segvault::repo::store::{Alone, OpenOptions, Repository, reserve};
use std::sync::Arc;

/// A repository that fills its disk, most of it forgotten.
fn full(with_reserve: bool) -> (SmallDisk, Vec<PointRef>) {
    let (disk, points) = lab(6);
    forget(&disk, &points[..5], 0);
    filled(disk, points, with_reserve)
}

fn filled(disk: CrashDisk, points: Vec<PointRef>, with_reserve: bool) -> (SmallDisk, Vec<PointRef>) {
    if with_reserve {
        reserve::make(&disk).unwrap();
    }
    (SmallDisk::full(disk), points)
}

fn prune(disk: &SmallDisk, at: i64) -> Result<u64, segvault::engine::Error> {
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
    assert!(disk.length("points/1.json").is_err());
    check(&Repository::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap(), &points[5..]).unwrap();
    assert!(disk.used() <= disk.room());
}

#[test]
fn on_a_full_disk_points_can_be_forgotten_to_free_it() {
    let forget_on = |disk: &SmallDisk| {
        let repository = Repository::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap();
        let wanted = Wanted::Points((1..=5).map(|point: u32| point.to_string()).collect());
        let options = ForgetOptions { wanted, source: None, reason: "full".to_owned(), dry_run: false };
        retention::forget(&repository, &options, &At(0))
    };
    let (disk, points) = lab(6);
    let (without, _) = filled(disk.reboot(Image::ProcessKilled), points.clone(), false);
    assert!(forget_on(&without).is_err());
    let (disk, points) = filled(disk, points, true);
    forget_on(&disk).unwrap();
    assert!(prune(&disk, DAY).unwrap() + prune(&disk, 2 * DAY).unwrap() > 0);
    check(&Repository::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap(), &points[5..]).unwrap();
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
