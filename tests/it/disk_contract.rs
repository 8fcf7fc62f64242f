//! What every disk promises: one list of sentences, held to both implementations. And what the one in memory forgets.

use crate::support::crash_disk::{CrashDisk, EIO, ENOSPC, Image, Trouble};
use segvault::repo::disk::{Disk, Listed, LockMode};
use segvault::repo::local_disk::LocalDisk;
use std::io::{ErrorKind, Write};

/// Holds a promise to both disks, each empty.
fn on_both(promise: impl Fn(&dyn Disk)) {
    let place = tempfile::tempdir().unwrap();
    promise(&LocalDisk::new(place.path().to_owned()));
    promise(&CrashDisk::default());
}

fn write(disk: &dyn Disk, path: &str, bytes: &[u8]) {
    let mut file = disk.create_new(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync().unwrap();
}

fn names(disk: &dyn Disk, path: &str) -> Vec<String> {
    let mut names: Vec<String> = disk.list(path).unwrap().into_iter().map(|listed| listed.name).collect();
    names.sort();
    names
}

#[test]
fn what_was_written_is_read_back_whole_and_in_parts() {
    on_both(|disk| {
        write(disk, "f", b"0123456789");
        assert_eq!(disk.read("f", 10).unwrap(), b"0123456789");
        assert_eq!(disk.read_range("f", 3, 4).unwrap(), b"3456");
        assert_eq!(disk.read_range("f", 10, 0).unwrap(), b"");
        assert_eq!(disk.length("f").unwrap(), 10);
    });
}

#[test]
fn what_is_longer_than_allowed_is_not_read() {
    on_both(|disk| {
        write(disk, "f", b"0123456789");
        assert_eq!(disk.read("f", 9).unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn a_range_is_read_exactly_or_not_at_all() {
    on_both(|disk| {
        write(disk, "f", b"0123456789");
        for (offset, length) in [(7, 4), (11, 0), (0, 11), (u64::MAX, 1), (1, u64::MAX)] {
            let refused = disk.read_range("f", offset, length).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::UnexpectedEof, "{offset} {length}");
        }
    });
}

#[test]
fn a_file_that_is_there_is_not_created_again_and_stays_as_it_was() {
    on_both(|disk| {
        write(disk, "f", b"old");
        assert_eq!(disk.create_new("f").err().unwrap().kind(), ErrorKind::AlreadyExists);
        assert_eq!(disk.read("f", 9).unwrap(), b"old");
    });
}

#[test]
fn publishing_gives_a_new_name_and_takes_the_old_one() {
    on_both(|disk| {
        disk.create_directory("d").unwrap();
        write(disk, "f", b"bytes");
        disk.publish("f", "d/g").unwrap();
        assert_eq!(disk.read("d/g", 9).unwrap(), b"bytes");
        assert_eq!(names(disk, ""), ["d"]);
    });
}

#[test]
fn publishing_never_replaces_and_leaves_both_as_they_were() {
    on_both(|disk| {
        write(disk, "f", b"new");
        write(disk, "g", b"old");
        assert_eq!(disk.publish("f", "g").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(disk.read("f", 9).unwrap(), b"new");
        assert_eq!(disk.read("g", 9).unwrap(), b"old");
    });
}

#[test]
fn publishing_into_a_directory_that_is_not_there_is_refused_and_leaves_the_file() {
    on_both(|disk| {
        write(disk, "f", b"new");
        assert_eq!(disk.publish("f", "d/g").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.publish("nothing", "g").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(names(disk, ""), ["f"]);
    });
}

#[test]
fn directories_are_created_once_and_only_below_directories() {
    on_both(|disk| {
        assert!(disk.create_directory("d").unwrap());
        assert!(!disk.create_directory("d").unwrap());
        assert!(!disk.create_directory("").unwrap());
        assert_eq!(disk.create_directory("x/y").unwrap_err().kind(), ErrorKind::NotFound);
        write(disk, "f", b"");
        assert_eq!(disk.create_directory("f").unwrap_err().kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_listing_tells_files_from_directories_and_how_long_they_are() {
    on_both(|disk| {
        disk.create_directory("d").unwrap();
        write(disk, "f", b"four");
        let mut listed = disk.list("").unwrap();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(
            listed,
            [
                Listed { name: "d".to_owned(), length: 0, is_directory: true },
                Listed { name: "f".to_owned(), length: 4, is_directory: false },
            ]
        );
        assert_eq!(disk.list("d").unwrap(), []);
        assert_eq!(disk.list("e").unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn what_is_removed_is_gone_and_what_is_not_there_is_not_found() {
    on_both(|disk| {
        write(disk, "f", b"");
        disk.remove("f").unwrap();
        assert_eq!(names(disk, ""), Vec::<String>::new());
        assert_eq!(disk.remove("f").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.read("f", 1).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.read_range("f", 0, 0).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.length("f").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.sync_file("f").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.sync_directory("d").unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_directory_is_not_a_file() {
    on_both(|disk| {
        disk.create_directory("d").unwrap();
        assert_eq!(disk.read("d", 9).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(disk.read_range("d", 0, 0).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(disk.length("d").unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(disk.sync_file("d").unwrap_err().kind(), ErrorKind::IsADirectory);
        disk.remove("d").unwrap_err();
        assert_eq!(names(disk, ""), ["d"]);
    });
}

#[test]
fn no_path_leads_out_of_the_repository() {
    on_both(|disk| {
        for path in ["..", "../f", "a/../../f", "/f", "a//f", "./f", "a/", "f\0g"] {
            assert_eq!(disk.create_new(path).err().unwrap().kind(), ErrorKind::InvalidInput, "{path:?}");
            assert_eq!(disk.read(path, 1).unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
            assert_eq!(disk.list(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
            assert_eq!(disk.remove(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
        }
        assert_eq!(disk.create_new("").err().unwrap().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn syncs_succeed_on_what_is_there() {
    on_both(|disk| {
        disk.create_directory("d").unwrap();
        write(disk, "d/f", b"bytes");
        disk.sync_file("d/f").unwrap();
        disk.sync_directory("d").unwrap();
        disk.sync_directory("").unwrap();
    });
}

#[test]
fn locks_keep_others_out_until_they_are_dropped() {
    on_both(|disk| {
        let alone = disk.try_lock("l", LockMode::Exclusive).unwrap().unwrap();
        assert!(disk.try_lock("l", LockMode::Exclusive).unwrap().is_none());
        assert!(disk.try_lock("l", LockMode::Shared).unwrap().is_none());
        assert!(disk.try_lock("other", LockMode::Exclusive).unwrap().is_some());
        drop(alone);
        let one = disk.try_lock("l", LockMode::Shared).unwrap().unwrap();
        let two = disk.try_lock("l", LockMode::Shared).unwrap().unwrap();
        drop(one);
        assert!(disk.try_lock("l", LockMode::Exclusive).unwrap().is_none());
        drop(two);
        assert!(disk.try_lock("l", LockMode::Exclusive).unwrap().is_some());
    });
}

#[test]
fn a_power_loss_takes_what_was_not_synced() {
    let disk = CrashDisk::default();
    disk.create_new("named").unwrap().write_all(b"content").unwrap();
    disk.sync_directory("").unwrap();
    write(&disk, "synced", b"content");
    assert_eq!(names(&disk.reboot(Image::ProcessKilled), ""), ["named", "synced"]);
    let synced = disk.reboot(Image::OnlySynced);
    assert_eq!(names(&synced, ""), ["named"]);
    assert_eq!(synced.read("named", 9).unwrap(), b"");
    let named = disk.reboot(Image::NamesWithoutData);
    assert_eq!(names(&named, ""), ["named", "synced"]);
    assert_ne!(named.read("named", 9).unwrap(), b"content");
    assert_eq!(named.read("synced", 9).unwrap(), b"content");
    let data = disk.reboot(Image::DataWithoutNames);
    assert_eq!(names(&data, ""), ["named"]);
    assert_eq!(data.read("named", 9).unwrap(), b"content");
}

#[test]
fn a_killed_process_makes_nothing_durable() {
    let disk = CrashDisk::default();
    write(&disk, "f", b"content");
    let killed = disk.reboot(Image::ProcessKilled);
    assert_eq!(names(&killed, ""), ["f"]);
    assert_eq!(names(&killed.reboot(Image::OnlySynced), ""), Vec::<String>::new());
}

#[test]
fn a_dead_process_does_nothing_more() {
    let disk = CrashDisk::default();
    disk.plan(Trouble { crash_at: Some(2), ..Trouble::default() });
    let mut file = disk.create_new("f").unwrap();
    file.write_all(b"0123456789").unwrap_err();
    file.write_all(b"0123456789").unwrap_err();
    file.sync().unwrap_err();
    disk.list("").unwrap_err();
    assert_eq!(disk.reboot(Image::ProcessKilled).read("f", 10).unwrap(), b"01234");
}

#[test]
fn what_a_failed_sync_lost_stays_lost() {
    let disk = CrashDisk::default();
    let mut file = disk.create_new("f").unwrap();
    disk.sync_directory("").unwrap();
    file.write_all(b"content").unwrap();
    disk.plan(Trouble { fail_at: Some((1, EIO)), ..Trouble::default() });
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(disk.reboot(Image::OnlySynced).read("f", 10).unwrap(), b"");
}

#[test]
fn planned_errors_come_once_and_short_writes_are_gone_on_with() {
    let disk = CrashDisk::default();
    disk.plan(Trouble { fail_at: Some((2, ENOSPC)), ..Trouble::default() });
    let mut file = disk.create_new("f").unwrap();
    assert_eq!(file.write_all(b"ab").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read("f", 9).unwrap(), b"a");
    disk.plan(Trouble { short_writes: true, ..Trouble::default() });
    disk.create_new("g").unwrap().write_all(b"0123456789").unwrap();
    assert_eq!(disk.read("g", 10).unwrap(), b"0123456789");
}
