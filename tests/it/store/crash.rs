//! Whatever crashes, wherever: acknowledged points stay, whole, and the next run works without any manual step.

use super::model::{back_up_on, check, config, open};
use crate::crashes::is_exhaustive;
use crate::support::crash_disk::{CrashDisk, EIO, ENOSPC, Image, Trouble};
use segvault::repo::Error;
use segvault::repo::format::act::PointRef;
use segvault::repo::store::Repository;

/// A repository with one backup, on a disk that has just been started.
fn one_backup(trouble: Trouble) -> (CrashDisk, PointRef) {
    let disk = CrashDisk::default();
    disk.plan(trouble);
    Repository::init(&disk, &config()).unwrap();
    let point = back_up_on(&disk, 1).unwrap();
    (disk, point)
}

fn check_disk(disk: &CrashDisk, acknowledged: &[PointRef]) -> Result<(), String> {
    check(&open(disk).map_err(|error| error.to_string())?, acknowledged)
}

/// Backs up on a disk that crashes; gives the disk, and the point if it was acknowledged.
fn back_up_in(trouble: Trouble, disk: &CrashDisk, backup: u64) -> Option<PointRef> {
    disk.plan(trouble);
    back_up_on(disk, backup).ok()
}

/// How many mutations a backup takes from here.
fn mutations(disk: &CrashDisk, backup: u64) -> u64 {
    let copy = disk.reboot(Image::ProcessKilled);
    back_up_on(&copy, backup).unwrap();
    copy.mutations()
}

/// After a crash: what was acknowledged is there; the next backup works; what is acknowledged then survives a power loss.
fn go_on(disk: &CrashDisk, acknowledged: &[PointRef], backup: u64, wrong: Trouble) -> Result<(), String> {
    check_disk(disk, acknowledged)?;
    disk.plan(wrong);
    let next = back_up_on(disk, backup).map_err(|error| format!("the next run: {error}"))?;
    let acknowledged = [acknowledged, &[next]].concat();
    check_disk(&disk.reboot(Image::OnlySynced), &acknowledged)?;
    check_disk(&disk.reboot(Image::DataWithoutNames), &acknowledged)
}

/// A crash at each mutation, in each image; and where `second` says so, another one in the run after.
fn matrix(wrong: Trouble, second: impl Fn(u64, u64) -> bool) -> Result<u64, String> {
    let (start, first) = one_backup(Trouble::default());
    check_disk(&start.reboot(Image::OnlySynced), &[first])?;
    let mut crashes = 0;
    for at in 1..=mutations(&start, 2) + 1 {
        let disk = start.reboot(Image::ProcessKilled);
        let trouble = Trouble { crash_at: Some(at), ..wrong };
        let acknowledged: Vec<PointRef> = [first].into_iter().chain(back_up_in(trouble, &disk, 2)).collect();
        for image in Image::ALL {
            let disk = disk.reboot(image);
            let place = |why| format!("crash at {at}, {image:?}: {why}");
            go_on(&disk.reboot(Image::ProcessKilled), &acknowledged, 3, wrong).map_err(place)?;
            crashes += 1 + matrix_of_the_run_after(&disk, &acknowledged, wrong, |after| second(at, after))
                .map_err(place)?;
        }
    }
    Ok(crashes)
}

fn matrix_of_the_run_after(
    start: &CrashDisk,
    acknowledged: &[PointRef],
    wrong: Trouble,
    chosen: impl Fn(u64) -> bool,
) -> Result<u64, String> {
    let mut crashes = 0;
    if !(1..200).any(&chosen) {
        return Ok(0);
    }
    for at in (1..=mutations(start, 3) + 1).filter(|at| chosen(*at)) {
        let disk = start.reboot(Image::ProcessKilled);
        let point = back_up_in(Trouble { crash_at: Some(at), ..wrong }, &disk, 3);
        let acknowledged: Vec<PointRef> = acknowledged.iter().copied().chain(point).collect();
        let image = Image::ALL[crashes as usize % Image::ALL.len()];
        let place = |why| format!("then at {at}, {image:?}: {why}");
        go_on(&disk.reboot(image), &acknowledged, 4, wrong).map_err(place)?;
        crashes += 1;
    }
    Ok(crashes)
}

#[test]
fn a_crash_anywhere_and_another_one_after_it_lose_nothing_that_was_acknowledged() {
    let chosen = |first: u64, after: u64| is_exhaustive() || (first * 5 + after).is_multiple_of(41);
    let crashes = matrix(Trouble::default(), chosen).unwrap();
    println!("{crashes} crashes");
    assert!(crashes > 1000, "{crashes}");
}

#[test]
fn the_matrix_sees_it_if_files_are_not_synced() {
    let wrong = Trouble { skip_file_sync: true, ..Trouble::default() };
    matrix(wrong, |_, _| false).unwrap_err();
}

#[test]
fn the_matrix_sees_it_if_directories_are_not_synced() {
    let wrong = Trouble { skip_directory_sync: true, ..Trouble::default() };
    matrix(wrong, |_, _| false).unwrap_err();
}

#[test]
fn a_crash_while_a_repository_is_made_leaves_none_or_a_whole_one() {
    let measured = CrashDisk::default();
    Repository::init(&measured, &config()).unwrap();
    for at in 1..=measured.mutations() {
        let disk = CrashDisk::default();
        disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        Repository::init(&disk, &config()).unwrap_err();
        for image in Image::ALL {
            let disk = disk.reboot(image);
            match open(&disk) {
                Ok(_) => {}
                Err(Error::NotARepository { .. }) => Repository::init(&disk, &config()).unwrap(),
                Err(error) => panic!("{at} {image:?}: {error}"),
            }
            let point = back_up_on(&disk, 1).unwrap();
            check_disk(&disk.reboot(Image::OnlySynced), &[point]).unwrap();
        }
    }
}

/// An error at each operation: no false success, and the next run works, in the same process's disk and after a power loss.
fn errors_everywhere(error: i32) {
    let (start, first) = one_backup(Trouble::default());
    let copy = start.reboot(Image::ProcessKilled);
    back_up_on(&copy, 2).unwrap();
    let mut refused = 0;
    for at in 1..=copy.operations() {
        let disk = start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { fail_at: Some((at, error)), ..Trouble::default() });
        let tried = back_up_on(&disk, 2);
        refused += u64::from(tried.is_err());
        if let Err(found) = &tried {
            let fits = !matches!(found, Error::Rule { .. } | Error::Locked { .. } | Error::Overtaken { .. });
            assert!(fits, "{at}: {found:?}");
        }
        disk.plan(Trouble::default());
        let acknowledged: Vec<PointRef> = [first].into_iter().chain(tried).collect();
        for image in [Image::OnlySynced, Image::ProcessKilled] {
            go_on(&disk.reboot(image), &acknowledged, 3, Trouble::default())
                .unwrap_or_else(|why| panic!("{error} at {at}, {image:?}: {why}"));
        }
    }
    assert!(refused > copy.operations() / 2, "{refused} of {}", copy.operations());
}

#[test]
fn a_full_disk_is_never_taken_for_success() {
    errors_everywhere(ENOSPC);
}

#[test]
fn a_broken_disk_is_never_taken_for_success() {
    errors_everywhere(EIO);
}

#[test]
fn a_full_disk_is_called_by_its_name() {
    let (disk, _) = one_backup(Trouble::default());
    let copy = disk.reboot(Image::ProcessKilled);
    copy.plan(Trouble { fail_at: Some((1, ENOSPC)), ..Trouble::default() });
    let repository = open(&copy);
    assert!(repository.is_err());
    let repository = open(&disk).unwrap();
    let mut session = repository.session().unwrap();
    disk.plan(Trouble { fail_at: Some((2, ENOSPC)), ..Trouble::default() });
    session.put(segvault::repo::format::pack::PackKind::Tail, b"new".to_vec()).unwrap();
    assert!(matches!(session.barrier(), Err(Error::NoSpace { .. })));
    // What failed is not built upon.
    assert!(matches!(session.barrier(), Err(Error::Rule { .. })));
}

#[test]
fn short_writes_are_gone_on_with() {
    let (disk, point) = one_backup(Trouble { short_writes: true, ..Trouble::default() });
    check_disk(&disk.reboot(Image::OnlySynced), &[point]).unwrap();
}
