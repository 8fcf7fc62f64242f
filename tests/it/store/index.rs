//! The index is a cache: whatever is wrong with it, the answers are the same.

use super::model::{back_up, back_up_on, check, config, noise};
use super::odd_disk::OddDisk;
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use segvault::repo::disk::Disk;
use segvault::repo::format::act::PointRef;
use segvault::repo::format::config::Config;
use segvault::repo::format::id::ChunkId;
use segvault::repo::format::pack::PackKind;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{IndexPlace, OpenOptions, Repository};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};

/// A repository on a real disk with three backups, and its index.
struct Place {
    root: tempfile::TempDir,
    points: Vec<PointRef>,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut place = Self { root, points: Vec::new() };
        Repository::init(&place.disk(), &config()).unwrap();
        for backup in 1..=3 {
            let point = back_up(&place.open(), backup).unwrap();
            place.points.push(point);
        }
        place
    }

    fn disk(&self) -> LocalDisk {
        LocalDisk::new(self.root.path().to_owned())
    }

    fn index(&self) -> PathBuf {
        self.root.path().join("index.sqlite")
    }

    fn open(&self) -> Repository {
        open_with(self.disk(), &self.index())
    }

    /// The same answers as ever; and the next backup stores only what is new.
    fn check(mut self) {
        check(&self.open(), &self.points).unwrap();
        let repository = self.open();
        let mut session = repository.session().unwrap();
        let _ = super::model::prepare(&mut session, 3).unwrap();
        assert_eq!(session.tally().new_chunks, 0, "nothing is new, but was stored again");
        drop(session);
        self.points.push(back_up(&repository, 4).unwrap());
        check(&repository, &self.points).unwrap();
        check(&self.open(), &self.points).unwrap();
    }
}

fn open_with(disk: impl Disk + 'static, index: &Path) -> Repository {
    let options = OpenOptions { index: IndexPlace::File(index.to_owned()), ..OpenOptions::default() };
    Repository::open(Arc::new(disk), options).unwrap()
}

#[test]
fn an_index_that_fits_is_used() {
    let place = Place::new();
    let repository = place.open();
    assert!(!repository.index().is_in_memory());
    assert!(!repository.index().packs().unwrap().is_empty());
    place.check();
}

#[test]
fn a_missing_index_is_made() {
    let place = Place::new();
    std::fs::remove_file(place.index()).unwrap();
    assert!(!place.open().index().is_in_memory());
    place.check();
}

#[test]
fn an_older_copy_of_the_index_catches_up() {
    let mut place = Place::new();
    let older = std::fs::read(place.index()).unwrap();
    place.points.push(back_up(&place.open(), 4).unwrap());
    std::fs::write(place.index(), older).unwrap();
    check(&place.open(), &place.points).unwrap();
}

#[test]
fn an_index_of_what_was_there_once_lets_go_of_it() {
    let place = Place::new();
    let repository = place.open();
    let (gone, _) = repository.index().packs().unwrap()[0];
    drop(repository);
    let name = gone.to_string();
    std::fs::remove_file(place.root.path().join("packs").join(&name[..2]).join(&name)).unwrap();
    assert!(place.open().index().packs().unwrap().iter().all(|(pack, _)| *pack != gone));
}

#[test]
fn a_pack_of_another_length_than_the_index_knows_is_looked_at_again() {
    let place = Place::new();
    let (cut, length) = place.open().index().packs().unwrap()[0];
    let name = cut.to_string();
    let file = std::fs::File::options()
        .write(true)
        .open(place.root.path().join("packs").join(&name[..2]).join(&name));
    file.unwrap().set_len(length - 1).unwrap();
    let unreadable = place.open().index().unreadable().unwrap();
    assert_eq!(unreadable.iter().map(|(pack, _)| *pack).collect::<Vec<_>>(), [cut]);
}

#[test]
fn garbage_is_thrown_away() {
    for garbage in [&b""[..], b"x", b"not a database, but long enough to be one: ".repeat(1000).as_slice()] {
        let place = Place::new();
        std::fs::write(place.index(), garbage).unwrap();
        assert!(!place.open().index().is_in_memory());
        place.check();
    }
}

#[test]
fn an_index_with_any_page_overwritten_gives_no_other_answers() {
    let place = Place::new();
    let good = std::fs::read(place.index()).unwrap();
    for page in 0..good.len() / 4096 {
        for fill in [0_u8, 0xff] {
            let mut bad = good.clone();
            bad[page * 4096..(page + 1) * 4096].fill(fill);
            std::fs::write(place.index(), bad).unwrap();
            check(&place.open(), &place.points).unwrap();
            back_up(&place.open(), 3).unwrap();
            check(&place.open(), &place.points).unwrap();
        }
    }
}

#[test]
fn rows_that_are_wrong_or_lost_without_a_trace_give_no_other_answers() {
    let mut place = Place::new();
    let good = std::fs::read(place.index()).unwrap();
    for harm in [
        "DELETE FROM chunks",
        "DELETE FROM blocks",
        "DELETE FROM packs",
        "DELETE FROM files",
        "UPDATE blocks SET body_offset = body_offset + 1",
        "UPDATE blocks SET raw_length = 4294967295",
        "UPDATE blocks SET codec = 9",
        "UPDATE blocks SET codec = 'x'",
        "UPDATE blocks SET encoded_length = -1",
        "UPDATE chunks SET offset = offset + 1",
        "UPDATE chunks SET length = 99999",
        "UPDATE packs SET name = x'00' WHERE id = 1",
        "UPDATE packs SET length = -1",
        "DROP TABLE files",
        "DROP TABLE chunks",
    ] {
        let spoil = || {
            std::fs::write(place.index(), &good).unwrap();
            let connection = rusqlite::Connection::open(place.index()).unwrap();
            connection.execute_batch(harm).unwrap();
        };
        spoil();
        assert_eq!(super::lacks(&place.open()), None, "{harm}");
        spoil();
        check(&place.open(), &place.points).unwrap_or_else(|why| panic!("{harm}: {why}"));
        place.points.push(back_up(&place.open(), 4).unwrap_or_else(|why| panic!("{harm}: {why}")));
        check(&place.open(), &place.points).unwrap_or_else(|why| panic!("{harm}: {why}"));
    }
}

#[test]
fn whoever_reads_while_lost_rows_are_found_again_finds_them() {
    let place = Place::new();
    let chunks: Vec<ChunkId> = {
        let repository = place.open();
        let mut session = repository.session().unwrap();
        let chunks = (0..40).map(|seed| session.put(PackKind::Tail, noise(seed, 500)).unwrap()).collect();
        let _ = session.barrier().unwrap();
        chunks
    };
    let good = std::fs::read(place.index()).unwrap();
    for lost in 1..=40 {
        std::fs::write(place.index(), &good).unwrap();
        let connection = rusqlite::Connection::open(place.index()).unwrap();
        connection.execute_batch("DELETE FROM chunks").unwrap();
        drop(connection);
        let (repository, all_are_there) = (place.open(), Barrier::new(4));
        std::thread::scope(|scope| {
            for reader in 0..4 {
                let chunk = chunks[(lost * 7 + reader * 3) % 40];
                let (repository, all_are_there) = (&repository, &all_are_there);
                scope.spawn(move || {
                    all_are_there.wait();
                    repository.chunk(chunk).unwrap();
                });
            }
        });
    }
}

/// A worker that waits for others does what else there is to do meanwhile: under a lock it must not.
#[test]
fn who_reads_the_directories_of_packs_does_no_other_work_meanwhile() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let (reads, worked_in) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
    let mut odd = OddDisk::of(&disk);
    let (begun, others, worked) = (Arc::clone(&reads), Arc::clone(&pool), Arc::clone(&worked_in));
    // The second directory is read as long as there is other work; the reader of the first one has nothing to do then.
    odd.before_part = Some(Arc::new(move |_| match begun.fetch_add(1, Ordering::SeqCst) {
        0 => wait(|| begun.load(Ordering::SeqCst) > 1),
        1 => {
            let worked = Arc::clone(&worked);
            let other = Arc::clone(&worked);
            others.spawn(move || other.set(std::thread::current().id()).unwrap());
            wait(|| worked.get().is_some());
        }
        _ => {}
    }));
    let repository = Repository::open(Arc::new(odd), OpenOptions::default()).unwrap();
    for seed in 0..2 {
        super::store(&disk, PackKind::Tail, &[noise(seed, 500)]);
    }
    let reader = pool.install(|| {
        repository.index().refresh().unwrap();
        std::thread::current().id()
    });
    assert!(reads.load(Ordering::SeqCst) >= 4, "two directories were read");
    assert_ne!(worked_in.get(), Some(&reader));
}

fn wait(until: impl Fn() -> bool) {
    while !until() {
        std::thread::yield_now();
    }
}

#[test]
fn an_index_of_another_repository_is_thrown_away() {
    let other = tempfile::tempdir().unwrap();
    let disk = LocalDisk::new(other.path().to_owned());
    Repository::init(&disk, &Config { id: "ff".repeat(16), ..config() }).unwrap();
    let index = other.path().join("index.sqlite");
    back_up(&open_with(disk, &index), 2).unwrap();
    let place = Place::new();
    std::fs::copy(index, place.index()).unwrap();
    drop(place.open());
    let connection = rusqlite::Connection::open(place.index()).unwrap();
    let owner = "SELECT value FROM meta WHERE name = 'repository'";
    let owner: String = connection.query_row(owner, [], |row| row.get(0)).unwrap();
    assert_eq!(owner, config().id);
    drop(connection);
    place.check();
}

#[test]
fn an_index_of_another_schema_is_thrown_away() {
    let place = Place::new();
    let connection = rusqlite::Connection::open(place.index()).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    place.check();
}

#[test]
fn where_the_index_cannot_be_written_memory_serves() {
    let place = Place::new();
    std::fs::remove_file(place.index()).unwrap();
    std::fs::create_dir(place.index()).unwrap();
    assert!(place.open().index().is_in_memory());
    place.check();
}

#[test]
fn an_index_that_another_process_writes_to_for_good_is_not_waited_for_forever() {
    let place = Place::new();
    // Somebody holds locks/index alone: throws the index away just now.
    let throwing = place.disk().try_lock("locks/index", segvault::repo::disk::LockMode::Exclusive).unwrap();
    assert!(place.open().index().is_in_memory());
    drop(throwing);
    assert!(!place.open().index().is_in_memory());
}

#[test]
fn in_a_copy_of_a_repository_nothing_counts_as_synced() {
    let place = Place::new();
    let copy = tempfile::tempdir().unwrap();
    copy_all(place.root.path(), copy.path());
    let repository = open_with(LocalDisk::new(copy.path().to_owned()), &copy.path().join("index.sqlite"));
    let points = |n: u64| format!("points/{n}.json");
    let length = std::fs::metadata(copy.path().join(points(1))).unwrap().len();
    assert!(place.open().index().is_durable(&points(1), length).unwrap());
    assert!(!repository.index().is_durable(&points(1), length).unwrap());
    drop(repository.session().unwrap());
    assert!(repository.index().is_durable(&points(1), length).unwrap());
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_index_that_outlives_a_crash_knows_no_more_than_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let (index, kept) = (home.path().join("index.sqlite"), home.path().join("kept"));
    let start = CrashDisk::default();
    Repository::init(&start, &config()).unwrap();
    let first = back_up(&open_with(start.clone(), &index), 1).unwrap();
    std::fs::copy(&index, &kept).unwrap();
    let measured = start.reboot(Image::ProcessKilled);
    back_up_on(&measured, 2).unwrap();
    for at in (1..=measured.mutations() + 1).step_by(3) {
        for image in [Image::ALL[at as usize % Image::ALL.len()], Image::DataWithoutNames] {
            std::fs::copy(&kept, &index).unwrap();
            let disk = start.reboot(Image::ProcessKilled);
            let repository = open_with(disk.clone(), &index);
            disk.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
            let mut acknowledged = vec![first];
            acknowledged.extend(back_up(&repository, 2));
            drop(repository);
            let durable = disk.reboot(Image::OnlySynced).files();
            for known in known_packs(&index) {
                assert!(
                    durable.iter().any(|path| path.ends_with(&known)),
                    "{at}: {known} is known too early"
                );
            }
            let disk = disk.reboot(image);
            let repository = open_with(disk.clone(), &index);
            acknowledged.push(back_up(&repository, 3).unwrap());
            drop(repository);
            let disk = disk.reboot(Image::OnlySynced);
            check(&open_with(disk, &index), &acknowledged)
                .unwrap_or_else(|why| panic!("{at} {image:?}: {why}"));
        }
    }
}

/// The packs in the file of an index.
fn known_packs(index: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(index).unwrap();
    let mut statement = connection.prepare("SELECT lower(hex(name)) FROM packs").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_pack_that_lost_its_directory_counts_as_absent_and_is_remembered() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    back_up_on(&disk, 1).unwrap();
    let pack = disk.files().into_iter().find(|path| path.starts_with("packs/")).unwrap();
    disk.damage(&pack, |bytes| bytes.truncate(bytes.len() - 1));
    let repository = super::model::open(&disk).unwrap();
    let unreadable = repository.index().unreadable().unwrap();
    assert_eq!(unreadable.len(), 1);
    assert!(pack.ends_with(&unreadable[0].0.to_string()));
    // What it held is stored again, elsewhere.
    let mut session = repository.session().unwrap();
    session.put(PackKind::Tail, noise(3000, 500)).unwrap();
    session.put(PackKind::Sealed, noise(5, 500)).unwrap();
    assert!(session.tally().new_chunks > 0);
}
