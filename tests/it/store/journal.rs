//! Points seen through acts.

use super::model::{back_up_on, check_point, config, open};
use super::odd_disk::OddDisk;
use crate::support::crash_disk::CrashDisk;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::{Deed, PointRef};
use segvault::repo::format::id::{FileHash, PackId};
use segvault::repo::format::moment::Moment;
use segvault::repo::store::{Journal, OpenOptions, Repository};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A repository with three points.
fn three() -> (CrashDisk, Vec<PointRef>) {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let points = (1..=3).map(|backup| back_up_on(&disk, backup).unwrap()).collect();
    (disk, points)
}

fn act(disk: &CrashDisk, deed: Deed) -> u64 {
    let repository = open(disk).unwrap();
    let mut session = repository.session().unwrap();
    session.publish_act(Moment(1), deed).unwrap()
}

fn journal(disk: &CrashDisk) -> Journal {
    open(disk).unwrap().journal().unwrap()
}

fn numbers(journal: &Journal) -> Vec<u64> {
    journal.points.iter().map(|point| point.point.number).collect()
}

fn listed(journal: &Journal) -> Vec<u64> {
    journal.listed().map(|point| point.point.number).collect()
}

fn complaints(journal: &Journal) -> Vec<String> {
    journal.unreadable.iter().map(|file| format!("{}: {}", file.path, file.why)).collect()
}

#[test]
fn forgetting_hides_remembering_shows_and_gone_is_for_good() {
    let (disk, points) = three();
    assert_eq!(act(&disk, Deed::Forgotten { points: points[..2].to_vec(), reason: "old".to_owned() }), 1);
    let seen = journal(&disk);
    assert_eq!((numbers(&seen), listed(&seen)), (vec![1, 2, 3], vec![3]));
    act(&disk, Deed::Remembered { points: vec![points[1]] });
    assert_eq!(listed(&journal(&disk)), [2, 3]);
    act(&disk, Deed::Gone { points: vec![points[0]] });
    act(&disk, Deed::Remembered { points: vec![points[0]] });
    assert_eq!(numbers(&journal(&disk)), [2, 3]);
    assert_eq!(complaints(&journal(&disk)), Vec::<String>::new());
}

#[test]
fn an_act_that_was_acknowledged_survives_a_power_loss() {
    let (disk, points) = three();
    act(&disk, Deed::Gone { points: vec![points[0]] });
    let after = disk.reboot(crate::support::crash_disk::Image::OnlySynced);
    assert_eq!(numbers(&journal(&after)), [2, 3]);
}

#[test]
fn a_mark_that_was_acknowledged_survives_a_power_loss() {
    let (disk, _) = three();
    let packs = vec![PackId([7; 32])];
    assert_eq!(open(&disk).unwrap().publish_mark(Moment(1), packs.clone()).unwrap(), 1);
    let after = journal(&disk.reboot(crate::support::crash_disk::Image::OnlySynced));
    assert_eq!(after.acts[0].deed, Deed::Dead { packs });
}

#[test]
fn points_are_held_released_and_found_incomplete() {
    let (disk, points) = three();
    let until = Some(Moment(9));
    act(&disk, Deed::Held { point: points[0], reason: "audit".to_owned(), until });
    act(&disk, Deed::Held { point: points[1], reason: "audit".to_owned(), until: None });
    act(&disk, Deed::Released { point: points[1] });
    act(&disk, Deed::Incomplete { point: points[2], reason: "a lost page".to_owned() });
    let journal = journal(&disk);
    assert_eq!(journal.points[0].held, Some(("audit".to_owned(), until)));
    assert_eq!(journal.points[1].held, None);
    assert!(journal.points[1].is_complete());
    assert_eq!(journal.points[2].marked_incomplete.as_deref(), Some("a lost page"));
    assert!(!journal.points[2].is_complete());
    assert_eq!(journal.acts.iter().map(|act| act.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn an_act_that_fits_no_file_has_no_effect() {
    let (disk, points) = three();
    let other = PointRef { blake3: FileHash([7; 32]), ..points[0] };
    act(&disk, Deed::Forgotten { points: vec![other], reason: "?".to_owned() });
    act(&disk, Deed::Held { point: other, reason: "?".to_owned(), until: None });
    let journal = journal(&disk);
    assert_eq!(listed(&journal), [1, 2, 3]);
    assert_eq!(journal.points[0].held, None);
}

#[test]
fn a_point_that_is_not_there_is_missing_unless_an_act_names_it_gone() {
    let (disk, points) = three();
    disk.remove("points/2.json").unwrap();
    assert_eq!(complaints(&journal(&disk)), ["memory:points/2.json: missing"]);
    assert_eq!(listed(&journal(&disk)), [1, 3]);
    act(&disk, Deed::Gone { points: vec![points[1]] });
    assert_eq!(complaints(&journal(&disk)), Vec::<String>::new());
}

/// There is no file behind it that would tell.
#[test]
fn the_newest_point_is_missing_if_an_act_names_it() {
    let (disk, points) = three();
    act(&disk, Deed::Held { point: points[2], reason: "audit".to_owned(), until: None });
    disk.remove("points/3.json").unwrap();
    assert_eq!(complaints(&journal(&disk)), ["memory:points/3.json: missing"]);
}

#[test]
fn an_act_that_is_not_there_is_missing() {
    let (disk, points) = three();
    for _ in 0..4 {
        act(&disk, Deed::Released { point: points[0] });
    }
    disk.remove("acts/2.json").unwrap();
    disk.remove("acts/3.json").unwrap();
    assert_eq!(complaints(&journal(&disk)), ["memory:acts/2.json: missing, and all up to 3"]);
}

#[test]
fn a_bad_file_does_not_hide_the_others() {
    let (disk, points) = three();
    act(&disk, Deed::Forgotten { points: vec![points[0]], reason: "old".to_owned() });
    act(&disk, Deed::Released { point: points[0] });
    disk.damage("points/2.json", |bytes| bytes[40] ^= 1);
    disk.damage("acts/2.json", |bytes| bytes.clear());
    let repository = open(&disk).unwrap();
    let journal = repository.journal().unwrap();
    assert_eq!(listed(&journal), [3]);
    assert_eq!(journal.acts.len(), 1);
    let bad: Vec<&str> = journal.unreadable.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(bad, ["memory:acts/2.json", "memory:points/2.json"]);
    check_point(&repository, &journal.points[1]).unwrap();
}

#[test]
fn a_file_that_was_changed_after_it_was_written_counts_no_more() {
    let (disk, _) = three();
    // Point 1 of another repository of the same name: it reads well, but point 2 vouches for another one.
    let other = CrashDisk::default();
    Repository::init(&other, &config()).unwrap();
    back_up_on(&other, 2).unwrap();
    let forged = other.read("points/1.json", 1 << 20).unwrap();
    disk.damage("points/1.json", |bytes| *bytes = forged);
    assert_eq!(listed(&journal(&disk)), [2, 3]);
    assert_eq!(
        complaints(&journal(&disk)),
        ["memory:points/1.json: the file behind it holds another hash of it"]
    );
}

#[test]
fn a_file_under_another_number_or_of_another_repository_is_not_believed() {
    let (disk, _) = three();
    let first = disk.read("points/1.json", 1 << 20).unwrap();
    disk.damage("points/3.json", |bytes| *bytes = first);
    assert_eq!(complaints(&journal(&disk)), ["memory:points/3.json: it says that it is number 1"]);
    let other = CrashDisk::default();
    let id = "ee".repeat(16);
    let config = segvault::repo::format::config::Config { id: id.clone(), ..config() };
    Repository::init(&other, &config).unwrap();
    for backup in 1..=3 {
        back_up_on(&other, backup).unwrap();
    }
    let foreign = other.read("points/3.json", 1 << 20).unwrap();
    disk.damage("points/3.json", |bytes| *bytes = foreign);
    let expected = format!("memory:points/3.json: it belongs to the repository {id}");
    assert_eq!(complaints(&journal(&disk)), [expected]);
}

/// A writer that begins between two of them sweeps staging: under one name, the first would publish what the second has only begun to write.
#[test]
fn two_marks_beside_a_writer_have_two_names_on_their_way() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let names: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let told = Arc::clone(&names);
    let mut odd = OddDisk::of(&disk);
    odd.before_publish = Some(Arc::new(move |from| _ = told.lock().unwrap().insert(from.to_owned())));
    let repository = Repository::open(Arc::new(odd), OpenOptions::default()).unwrap();
    for pack in 1..=2 {
        assert_eq!(repository.publish_mark(Moment(1), vec![PackId([pack; 32])]).unwrap(), u64::from(pack));
    }
    let names = names.lock().unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.contains(&std::process::id().to_string())), "{names:?}");
}

#[test]
fn numbers_are_never_used_twice() {
    let (disk, points) = three();
    act(&disk, Deed::Forgotten { points: vec![points[2]], reason: "wrong".to_owned() });
    // The newest point is lost, against all rules: its number is not given away again.
    disk.remove("points/3.json").unwrap();
    assert_eq!(back_up_on(&disk, 4).unwrap().number, 4);
    let journal = journal(&disk);
    assert_eq!(listed(&journal), [1, 2, 4]);
    assert_eq!(complaints(&journal), ["memory:points/3.json: missing"]);
}

#[test]
fn each_file_holds_the_hash_of_the_one_before() {
    let (disk, points) = three();
    let journal = journal(&disk);
    assert_eq!(journal.points[0].point.previous, None);
    assert_eq!(journal.points[2].point.previous, Some(points[1].blake3));
    assert_eq!(journal.points[2].reference(), points[2]);
}

/// Points are read before the acts: whatever goes meanwhile, an act that is read later says so.
#[test]
fn points_that_go_while_the_journal_is_read_are_not_missing() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    let points: Vec<PointRef> = (1..=8).map(|backup| back_up_on(&disk, backup).unwrap()).collect();
    let going = Arc::new(Mutex::new(Vec::new()));
    let (waiting, deleting) = (going.clone(), disk.clone());
    let mut odd = OddDisk::of(&disk);
    odd.before_list = Some(Arc::new(move |path| {
        let next: Option<PointRef> = if path == "points" { waiting.lock().unwrap().pop() } else { None };
        if let Some(point) = next {
            act(&deleting, Deed::Gone { points: vec![point] });
            deleting.remove(&format!("points/{}.json", point.number)).unwrap();
        }
    }));
    let repository = Repository::open(Arc::new(odd), OpenOptions::default()).unwrap();
    *going.lock().unwrap() = points[..7].to_vec();
    let journal = repository.journal().unwrap();
    assert_eq!(complaints(&journal), Vec::<String>::new());
    assert!(numbers(&journal).len() < 8, "some have gone meanwhile");
}

/// A backup asks for the acts again and again, and years leave many of them.
#[test]
fn an_act_is_read_once_unless_the_one_behind_it_knows_another() {
    let (disk, points) = three();
    let held = |reason: &str| Deed::Held { point: points[0], reason: reason.to_owned(), until: None };
    act(&disk, held("audit"));
    act(&disk, held("lawyers"));
    let odd = OddDisk::of(&disk);
    let repository = Repository::open(Arc::new(odd.clone()), OpenOptions::default()).unwrap();
    let read = || -> (Vec<u64>, Vec<String>) {
        odd.read.lock().unwrap().clear();
        let acts = repository.acts().unwrap().0.iter().map(|act| act.number).collect();
        let read =
            odd.read.lock().unwrap().iter().filter(|path| path.starts_with("acts/")).cloned().collect();
        (acts, read)
    };
    let paths = |numbers: &[u64]| numbers.iter().map(|number| format!("acts/{number}.json")).collect();
    assert_eq!(read(), (vec![1, 2], paths(&[1, 2])));
    assert_eq!(read(), (vec![1, 2], vec![]));
    act(&disk, held("tax"));
    assert_eq!(read(), (vec![1, 2, 3], paths(&[3])), "only what is new");
    // Somebody puts another act in the place of the newest; the one behind it holds the hash of the other.
    let third = disk.read("acts/3.json", 1 << 20).unwrap();
    disk.remove("acts/3.json").unwrap();
    act(&disk, held("taxes"));
    act(&disk, held("peace"));
    assert_eq!(read(), (vec![1, 2, 3, 4], paths(&[3, 4])), "its length is another one");
    disk.damage("acts/3.json", |bytes| *bytes = third);
    assert_eq!(read(), (vec![1, 2, 4], paths(&[3])));
    assert_eq!(read(), (vec![1, 2, 4], paths(&[3])), "what is not believed is not kept");
}

/// A disk on which somebody else marks a pack right before the next file gets its name.
fn marked_beside(disk: &CrashDisk) -> OddDisk {
    let (once, other) = (Mutex::new(true), disk.clone());
    let mut odd = OddDisk::of(disk);
    odd.before_publish = Some(Arc::new(move |_| {
        if std::mem::take(&mut *once.lock().unwrap()) {
            open(&other).unwrap().publish_mark(Moment(1), vec![PackId([7; 32])]).unwrap();
        }
    }));
    odd
}

fn deeds(disk: &CrashDisk) -> Vec<Deed> {
    journal(disk).acts.into_iter().map(|act| act.deed).collect()
}

#[test]
fn an_act_whose_number_a_mark_beside_it_takes_gets_the_next_one() {
    let (disk, points) = three();
    let repository = Repository::open(Arc::new(marked_beside(&disk)), OpenOptions::default()).unwrap();
    let held = Deed::Held { point: points[0], reason: "audit".to_owned(), until: None };
    assert_eq!(repository.session().unwrap().publish_act(Moment(2), held.clone()).unwrap(), 2);
    assert_eq!(deeds(&disk), [Deed::Dead { packs: vec![PackId([7; 32])] }, held]);
}

#[test]
fn a_mark_whose_number_another_one_takes_gets_the_next_one() {
    let (disk, _) = three();
    let repository = Repository::open(Arc::new(marked_beside(&disk)), OpenOptions::default()).unwrap();
    assert_eq!(repository.publish_mark(Moment(2), vec![PackId([8; 32])]).unwrap(), 2);
    assert_eq!(deeds(&disk), [7, 8].map(|id| Deed::Dead { packs: vec![PackId([id; 32])] }));
}

/// Others build on numbered files. Packs and pages that can't be synced count as absent, no more.
#[test]
fn a_numbered_file_that_can_not_be_synced_stops_the_writer() {
    let (disk, points) = three();
    act(&disk, Deed::Released { point: points[0] });
    for (begin, stops) in
        [("points/", true), ("acts/", true), ("logs/", true), ("packs/", false), ("pages/", false)]
    {
        let mut odd = OddDisk::of(&disk);
        odd.unsyncable = Some(begin);
        let repository = Repository::open(Arc::new(odd), OpenOptions::default()).unwrap();
        assert_eq!(repository.session().is_err(), stops, "{begin}");
    }
}
