//! Points, acts and records that can't be read, and no copy of the repository anywhere: said to be lost, and all else goes on.

use crate::store::model::{back_up_forked, back_up_on, config, open};
use crate::store::odd_disk::OddDisk;
use crate::support::crash_disk::{CrashDisk, EIO};
use crate::support::fixtures::copy_tree;
use crate::support::program::{Room, SERVER, backup, told};
use crate::support::segments::{Event, SegmentImage};
use segvault::axon::name::Store;
use segvault::engine::observe::{self, Observer, Unobserved};
use segvault::engine::verify::{self, VerifyOptions};
use segvault::engine::{self, repair};
use segvault::repo;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::Deed;
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::PackKind;
use segvault::repo::format::record::LogKey;
use segvault::repo::paths;
use segvault::repo::store::Repository;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Permission denied.
const EACCES: i32 = 13;

/// Three points of a real server, one of them held, one tried; the newest point, act and record can be told.
struct Lab {
    room: Room,
    root: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let room = Room::new();
        let root = room.server(SERVER);
        let newest = newest_segment(&root);
        let kept = fs::read(&newest).unwrap();
        fs::remove_file(&newest).unwrap();
        room.ends(0, &backup(&root));
        fs::write(&newest, kept).unwrap();
        room.ends(0, &backup(&root));
        room.ends(0, &backup(&root));
        room.ends(0, "hold add 1 --reason audit");
        room.ends(0, "drill latest");
        Self { room, root }
    }

    /// Three points of a server that got a segment before each of the last two: three records of events.
    fn grown() -> Self {
        let room = Room::new();
        let root = room.server(SERVER);
        let newest = segments(&root).split_off(6);
        let kept: Vec<Vec<u8>> = newest.iter().map(|path| fs::read(path).unwrap()).collect();
        newest.iter().for_each(|path| fs::remove_file(path).unwrap());
        room.ends(0, &backup(&root));
        for (path, bytes) in newest.iter().zip(kept) {
            fs::write(path, bytes).unwrap();
            room.ends(0, &backup(&root));
        }
        Self { room, root }
    }

    /// Three points of a server that got all segments but the first behind the first point, and lost that one before the last. Beside it the pack
    /// that alone has the first segment.
    fn parted() -> (Self, PathBuf) {
        let room = Room::new();
        let root = room.server(SERVER);
        let rest = segments(&root).split_off(1);
        let kept: Vec<Vec<u8>> = rest.iter().map(|path| fs::read(path).unwrap()).collect();
        rest.iter().for_each(|path| fs::remove_file(path).unwrap());
        room.ends(0, &backup(&root));
        let packs = room.files().into_iter().filter(|(path, _)| path.starts_with("packs"));
        let pack = packs.max_by_key(|(_, length)| *length).unwrap().0;
        rest.iter().zip(kept).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        room.ends(0, &backup(&root));
        fs::remove_file(segments(&root).remove(0)).unwrap();
        room.ends(0, &backup(&root));
        let pack = room.repository().join(pack);
        (Self { room, root }, pack)
    }

    fn spoil(&self, files: &[&str]) {
        for file in files {
            fs::write(self.room.repository().join(file), "zeros, or what was written by accident").unwrap();
        }
    }

    /// Ends with this code, whatever it says.
    fn ends(&self, code: i32, line: &str) {
        self.room.ends(code, line);
    }

    fn gives_up(&self, expected: &[&str]) {
        let done = self.room.document(0, "repair-give-up", "repair give-up --yes");
        let files: Vec<&str> =
            done["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
        assert_eq!(files, expected);
        assert!(done["act"].is_u64());
    }

    /// Backups go on, what they make is whole, and what may go can be deleted.
    fn goes_on(&self) {
        self.ends(0, &backup(&self.root));
        self.ends(0, "verify --data");
        self.ends(0, "restore latest --target restored");
        fs::remove_dir_all(self.room.path("restored")).unwrap();
        self.ends(0, "forget --keep-last 1 --yes");
        for _ in 0..2 {
            self.ends(0, "prune --grace 0s");
        }
        self.ends(0, "verify --data");
        self.gives_up_nothing();
    }

    /// Of the events that the archive says it holds.
    fn first_token(&self) -> u64 {
        let listed = self.room.document(0, "points", "points");
        let windows = listed["windows"].as_array().unwrap();
        let events = windows.iter().filter(|window| window["store"] == "events");
        events.map(|window| window["first"].as_u64().unwrap()).min().unwrap()
    }

    fn gives_up_nothing(&self) {
        let nothing = self.room.document(0, "repair-give-up", "repair give-up --yes");
        assert_eq!((&nothing["files"], &nothing["act"]), (&serde_json::json!([]), &serde_json::Value::Null));
    }

    /// The pages of the three lists of segments of a server that has grown, as one segment after the other came.
    fn pages_as_they_grew(&self) -> [String; 3] {
        let files = self.room.files().into_iter();
        let pages = files.filter(|(path, _)| path.starts_with("pages"));
        let mut pages: Vec<(u64, String)> =
            pages.map(|(path, length)| (length, path.to_str().unwrap().to_owned())).collect();
        pages.sort();
        pages
            .split_off(pages.len() - 3)
            .into_iter()
            .map(|(_, page)| page)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    /// All records.
    fn records(&self) -> Vec<String> {
        let files = self.room.files();
        let names = files.keys().map(|path| path.to_str().unwrap().to_owned());
        names.filter(|path| path.starts_with("logs/")).collect()
    }

    /// The record with the highest number, of events.
    fn newest_record(&self) -> String {
        self.records()
            .into_iter()
            .max_by_key(|path| path.rsplit('/').next().unwrap().parse::<u64>().unwrap())
            .unwrap()
    }
}

fn newest_segment(root: &Path) -> PathBuf {
    segments(root).pop().unwrap()
}

/// One event more.
fn grow(root: &Path) {
    let mut grown = fs::read(newest_segment(root)).unwrap();
    let more = SegmentImage::of_one(0, &[Event::of("late", 0)]).prefix()[5..].to_vec();
    let end = grown.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    grown.splice(end..end, more);
    fs::write(newest_segment(root), grown).unwrap();
}

/// Of events, by their tokens.
fn segments(root: &Path) -> Vec<PathBuf> {
    let directory = root.join("data/default");
    let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let events = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "events"));
    events.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_newest_point_that_no_copy_mends_is_given_up_and_its_number_stays_used() {
    let lab = Lab::new();
    lab.spoil(&["points/3.json"]);
    lab.ends(20, &backup(&lab.root));
    lab.ends(20, "restore latest --target restored");
    lab.gives_up(&["points/3.json"]);
    assert_eq!(lab.room.points(), [1, 2]);
    lab.ends(0, "verify --data");
    lab.ends(0, &backup(&lab.root));
    assert_eq!(lab.room.points(), [1, 2, 4]);
    lab.goes_on();
}

#[test]
fn an_act_that_no_copy_mends_is_given_up_and_holds_nothing_any_more() {
    let lab = Lab::new();
    let holds = || lab.room.document(0, "holds", "hold list")["holds"].as_array().unwrap().len();
    assert_eq!(holds(), 1);
    lab.spoil(&["acts/1.json"]);
    lab.ends(20, "prune");
    lab.gives_up(&["acts/1.json"]);
    assert_eq!(holds(), 0);
    lab.goes_on();
}

#[test]
fn a_newest_act_that_no_copy_mends_is_given_up_and_its_number_stays_used() {
    let lab = Lab::new();
    lab.spoil(&["acts/2.json"]);
    lab.ends(20, "hold add 2 --reason audit");
    lab.gives_up(&["acts/2.json"]);
    let acts = lab.room.repository().join("acts");
    assert!(!acts.join("2.json").exists() && acts.join("3.json").exists());
    lab.ends(0, "hold add 2 --reason audit");
    lab.goes_on();
}

#[test]
fn a_newest_record_that_no_copy_mends_is_given_up_and_the_next_backup_makes_another() {
    let lab = Lab::new();
    let record = lab.newest_record();
    lab.spoil(&[&record]);
    lab.ends(20, &backup(&lab.root));
    lab.gives_up(&[&record]);
    lab.ends(0, &backup(&lab.root));
    lab.ends(0, "verify --data");
    for point in lab.room.points() {
        lab.ends(0, &format!("restore {point} --target of{point}"));
    }
    assert_ne!(lab.newest_record(), record);
    lab.goes_on();
}

/// Snapshots have but one record as long as nothing changes in them. The other log tells which history it is: no other one begins.
#[test]
fn a_log_of_which_no_record_is_left_goes_on_where_it_was() {
    for (at, is_given_up) in [(0, false), (0, true), (1, false), (1, true)] {
        let room = Room::new();
        let lab = Lab { root: room.server(SERVER), room };
        lab.ends(0, &backup(&lab.root));
        let record = lab.records().into_iter().nth(at).unwrap();
        fs::remove_file(lab.room.repository().join(&record)).unwrap();
        lab.ends(20, "verify");
        lab.ends(20, "restore 1 --target lost");
        if is_given_up {
            lab.gives_up(&[&record]);
        }
        // What the lost record needs keeps the room of tails from being given back, which is a warning.
        lab.ends(if is_given_up { 0 } else { 3 }, &backup(&lab.root));
        let listed = lab.room.document(0, "points", "points");
        assert_eq!(listed["points"][1]["contexts"][0]["incarnation"], 1, "{record}");
        assert_eq!(lab.records().len(), 2);
        lab.ends(0, "restore 1 --target found");
        lab.ends(if is_given_up { 0 } else { 20 }, "prune --grace 0s");
        if !is_given_up {
            lab.gives_up(&[&record]);
        }
        lab.goes_on();
    }
}

/// What points have of it is in the next record all the same.
#[test]
fn what_has_left_the_source_since_a_lost_record_is_kept() {
    let lab = Lab::grown();
    let lost = lab.records();
    let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
    lab.spoil(&lost);
    lab.gives_up(&lost);
    fs::remove_file(segments(&lab.root).remove(0)).unwrap();
    lab.ends(0, &backup(&lab.root));
    lab.ends(0, "verify --data");
    lab.ends(3, "restore --to-token default=0 --target first");
    lab.goes_on();
}

/// A record says which segments there are with a list, in pages. Whoever can't read it does not know what the next record has to hold.
#[test]
fn a_record_whose_list_of_segments_is_lost_is_given_up_and_the_next_backup_makes_the_list_again() {
    for is_missing in [false, true] {
        let lab = Lab::grown();
        let [.., page] = lab.pages_as_they_grew();
        let file = lab.room.repository().join(&page);
        let (whole, newest) = (fs::read(&file).unwrap(), lab.newest_record());
        if is_missing {
            fs::remove_file(&file).unwrap()
        } else {
            lab.spoil(&[&page])
        }
        lab.ends(20, &backup(&lab.root));
        lab.ends(20, "prune");
        lab.gives_up(&[&newest]);
        // That a page was damaged is a warning: of the disk, too.
        let (told, _) = lab.room.ends(if is_missing { 0 } else { 3 }, &backup(&lab.root));
        assert_eq!(told.contains("was damaged, and was written again"), !is_missing, "{told}");
        assert_eq!(fs::read(&file).unwrap(), whole);
        for point in 1..=4 {
            lab.ends(0, &format!("restore {point} --target of{point}"));
        }
        lab.goes_on();
    }
}

/// What can be read of the list of an older record, or point, counts, wherever the source has it no more.
#[test]
fn what_the_older_list_has_is_kept_though_the_source_has_it_no_more() {
    let lab = Lab::grown();
    let [.., page] = lab.pages_as_they_grew();
    lab.spoil(&[&page]);
    lab.gives_up(&[&lab.newest_record()]);
    fs::remove_file(segments(&lab.root).remove(0)).unwrap();
    lab.ends(3, &backup(&lab.root));
    lab.ends(0, "restore 3 --target of3");
    lab.goes_on();
}

/// Neither an older list nor the source has what they had: points that need them can be forgotten, and the rest goes on.
#[test]
fn lists_that_nobody_can_make_again_are_lost_with_the_points_that_need_them() {
    let lab = Lab::grown();
    lab.spoil(&lab.pages_as_they_grew().each_ref().map(String::as_str));
    let events = lab.newest_record();
    let log = events.strip_suffix('3').unwrap();
    lab.gives_up(&[1, 2, 3].map(|number| format!("{log}{number}")).each_ref().map(String::as_str));
    fs::remove_file(segments(&lab.root).remove(0)).unwrap();
    lab.ends(0, &backup(&lab.root));
    lab.ends(20, "verify");
    lab.ends(20, "restore 3 --target lost");
    lab.ends(0, "restore 4 --target restored");
    fs::remove_dir_all(lab.room.path("restored")).unwrap();
    lab.ends(20, "prune --grace 0s");
    lab.ends(0, "forget --keep-last 1 --yes");
    lab.ends(0, "prune --grace 0s");
    lab.goes_on();
}

/// Only the newest two are in somebody's way: what an older one says of open segments may be needed once its list is there again.
#[test]
fn an_older_record_whose_list_of_segments_is_lost_is_not_given_up() {
    let lab = Lab::grown();
    let [first, second, _] = lab.pages_as_they_grew();
    lab.spoil(&[&first]);
    lab.gives_up_nothing();
    lab.ends(0, &backup(&lab.root));
    lab.spoil(&[&second]);
    // The segments of a list that can't be read are read again.
    let report = lab.room.document(0, "backup", &backup(&lab.root));
    assert_eq!(report["complete"], true, "{report}");
    lab.ends(20, "verify");
    let log = lab.newest_record().replace("/3", "");
    lab.gives_up(&[&format!("{log}/1"), &format!("{log}/2")]);
}

/// Nothing is deleted while a chunk is needed that is nowhere: until somebody says that nobody has it.
#[test]
fn a_chunk_that_nobody_has_any_more_is_given_up_and_all_else_goes_on() {
    for is_missing in [true, false] {
        let (lab, pack) = Lab::parted();
        let whole = fs::read(&pack).unwrap();
        if is_missing {
            fs::remove_file(&pack).unwrap();
        } else {
            let mut rotten = whole.clone();
            // Snapshots come first, and those the source still has.
            let events = rotten.len() / 2;
            rotten[events..events + 40].fill(0);
            fs::write(&pack, rotten).unwrap();
        }
        lab.ends(20, "verify --data");
        assert_eq!(lab.first_token(), 0);
        if !is_missing {
            let early = lab.room.document(20, "repair-give-up", "repair give-up --yes");
            assert!(early["act"].is_null() && early["not_salvaged"].as_array().unwrap().len() == 1);
        }
        lab.ends(20, "repair packs");
        lab.ends(20, &format!("repair from {}", lab.root.display()));
        lab.ends(if is_missing { 20 } else { 0 }, "prune --grace 0s");
        let lost = lab.room.document(0, "repair-give-up", "repair give-up --yes");
        assert!(!lost["chunks"].as_array().unwrap().is_empty() && lost["files"] == serde_json::json!([]));
        assert_eq!(lost["points"], serde_json::json!([1, 2]));
        assert_eq!(lost["put_aside"].as_array().unwrap().len(), usize::from(!is_missing));
        assert!(lab.first_token() > 0, "what is lost is in no window");
        lab.gives_up_nothing();
        // Points that need it call themselves complete, until somebody looks.
        lab.ends(20, "verify --data");
        lab.ends(0, "repair points");
        let (told, _) = lab.room.ends(0, "verify --data");
        assert!(told.contains("but for what was given up"), "{told}");
        lab.ends(20, "verify 1");
        lab.ends(20, "restore 1 --target lost");
        lab.ends(0, "restore 3 --target of3");
        lab.ends(0, "prune --grace 0s");
        lab.goes_on();
        let (told, _) = lab.room.ends(0, "repair packs");
        assert!(told.contains("that were given up"), "{told}");
        fs::write(&pack, &whole).unwrap();
        let (told, _) = lab.room.ends(0, "verify --data");
        assert!(!told.contains("given up"), "what turns up is there: {told}");
    }
}

/// The name of a pack proves what belongs there: whoever has just made it need not ask for help.
#[test]
fn where_another_pack_stands_in_the_place_of_one_the_next_backup_makes_it_again() {
    let lab = Lab::new();
    let packs = lab.room.files().into_keys().filter(|path| path.starts_with("packs"));
    let packs: Vec<_> = packs.map(|path| lab.room.repository().join(path)).collect();
    let (other, lost) = (&packs[0], &packs[1..]);
    for path in lost {
        fs::remove_file(path).unwrap();
        fs::copy(other, path).unwrap();
    }
    lab.ends(20, "verify");
    let (told, _) = lab.room.ends(3, &backup(&lab.root));
    assert!(told.contains("/packs/") && told.contains("was damaged, and was written again"), "{told}");
    lab.ends(0, "restore latest --target mended");
    // It was told by one run, perhaps to nobody.
    let said = |code| lab.room.document(code, "status", "status").to_string().contains("\"put-aside\"");
    let counted = || lab.room.document(0, "verify", "verify")["counts"]["aside_files"].clone();
    assert!(said(3) && counted() != 0);
    let (told, _) = lab.room.ends(0, "verify");
    assert!(told.contains("in damaged/, put aside"), "{told}");
    fs::remove_dir_all(lab.room.repository().join("damaged")).unwrap();
    assert!(!said(0) && counted() == 0);
}

/// A pack that was cut short has lost its directory: what its blocks still have is stored again first.
#[test]
fn nothing_is_given_up_before_what_is_good_in_damaged_packs_is_stored_again() {
    let (lab, pack) = Lab::parted();
    let whole = fs::read(&pack).unwrap();
    fs::write(&pack, &whole[..whole.len() - 50]).unwrap();
    let (told, _) = lab.room.ends(20, "repair give-up --yes");
    assert!(
        told.contains("though something is lost") && told.contains("'segvault repair packs' first"),
        "{told}"
    );
    let early = lab.room.document(20, "repair-give-up", "repair give-up --yes");
    assert!(early["act"].is_null() && early["not_salvaged"].as_array().unwrap().len() == 1, "{early}");
    assert_eq!((&early["chunks"], &early["put_aside"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert!(pack.exists());
    lab.ends(0, "repair packs");
    lab.gives_up_nothing();
    lab.ends(0, "restore 1 --target of1");
}

/// Another pack has it, too, by its directory; whether it is good there only who reads it knows.
#[test]
fn a_damaged_pack_is_not_put_aside_for_a_copy_of_what_it_holds_that_is_rotten() {
    let (lab, pack) = Lab::parted();
    let packs =
        || lab.room.files().into_keys().filter(|path| path.starts_with("packs")).collect::<BTreeSet<_>>();
    let (whole, before) = (fs::read(&pack).unwrap(), packs());
    let other = before.iter().find(|path| !pack.ends_with(path)).unwrap();
    fs::write(&pack, &whole[..whole.len() - 50]).unwrap();
    copy_tree(&lab.room.repository(), &lab.room.path("mended"));
    lab.ends(0, &format!("repair packs -r {}", lab.room.path("mended").display()));
    // What was stored again there.
    for path in crate::support::program::files_below(&lab.room.path("mended")).into_keys() {
        if path.starts_with("packs") && !before.contains(&path) {
            let mut bytes = fs::read(lab.room.path("mended").join(&path)).unwrap();
            let events = bytes.len() / 2;
            bytes[events..events + 40].fill(0);
            let to = lab.room.repository().join(&path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
    }
    fs::remove_file(lab.room.repository().join(other)).unwrap();
    let early = lab.room.document(20, "repair-give-up", "repair give-up --yes");
    assert!(early["act"].is_null() && early["put_aside"] == serde_json::json!([]), "{early}");
    assert!(pack.exists());
    lab.ends(20, "repair packs");
    lab.ends(0, "restore 1 --target of1");
}

/// Another time it may be read.
#[test]
fn a_pack_that_can_not_be_read_is_not_given_up() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    (1..=2).for_each(|backup| _ = back_up_on(&disk, backup).unwrap());
    let (pack, _) = open(&disk).unwrap().index().packs_of(PackKind::Sealed).unwrap().remove(0);
    let pack = paths::pack(pack);
    let give_up = |repository: Repository| repair::give_up(&repository, "a test", false, &Unobserved);
    for error in [EACCES, EIO] {
        let odd = OddDisk { forbidden: Some((pack.clone(), error)), ..OddDisk::of(&disk) };
        let refused = give_up(open(&odd).unwrap()).map(|done| done.chunks.len());
        assert!(matches!(refused, Err(engine::Error::Repo(repo::Error::Io { .. }))), "{refused:?}");
        assert!(open(&disk).unwrap().acts().unwrap().0.is_empty());
    }
    disk.remove(&pack).unwrap();
    assert!(!give_up(open(&disk).unwrap()).unwrap().chunks.is_empty());
}

/// Nor is a point, an act or a record that the disk does not give.
#[test]
fn a_numbered_file_that_can_not_be_read_is_not_given_up() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    (1..=3).for_each(|backup| _ = back_up_on(&disk, backup).unwrap());
    let deed = Deed::Copied { to: "f".repeat(32), place: "copy".to_owned() };
    (0..2).for_each(|_| {
        _ = open(&disk).unwrap().session().unwrap().publish_act(Moment(1), deed.clone()).unwrap()
    });
    let log = open(&disk).unwrap().logs().unwrap().remove(0);
    let records = [1, 2, 3].map(|number| paths::record(&log, number));
    let others = ["points/1.json", "points/3.json", "acts/1.json", "acts/2.json"].map(str::to_owned);
    for file in records.into_iter().chain(others) {
        let odd = OddDisk { forbidden: Some((file.clone(), EIO)), ..OddDisk::of(&disk) };
        let refused = open(&odd).map(|there| repair::give_up(&there, "a test", false, &Unobserved));
        assert!(!matches!(refused, Ok(Ok(_))), "{file}: {refused:?}");
        assert_eq!(open(&disk).unwrap().acts().unwrap().0.len(), 2, "{file}");
        assert!(disk.files().contains(&file));
    }
}

/// Somebody copies the good file back while this program looks what else is lost.
#[test]
fn what_comes_back_while_it_is_looked_for_is_not_given_up() {
    struct Back(CrashDisk, Vec<u8>);
    impl Observer for Back {
        fn event(&self, _: &observe::Event<'_>) {
            self.0.damage("points/1.json", |bytes| bytes.clone_from(&self.1));
        }
    }
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    (1..=2).for_each(|backup| _ = back_up_on(&disk, backup).unwrap());
    let good = disk.read("points/1.json", 1 << 20).unwrap();
    disk.damage("points/1.json", Vec::clear);
    let repository = open(&disk).unwrap();
    let would_be = repair::give_up(&repository, "a test", true, &Unobserved).unwrap();
    assert_eq!(would_be.files, ["points/1.json"]);
    let done = repair::give_up(&repository, "a test", false, &Back(disk.clone(), good)).unwrap();
    assert_eq!((done.files, done.act), (Vec::new(), None));
    assert_eq!(open(&disk).unwrap().journal().unwrap().points.len(), 2);
}

/// That a point is incomplete stays said: a pack that this program may not read says nothing of it. `verify` says to see to its permissions.
#[test]
fn no_point_is_marked_for_a_pack_that_may_not_be_read() {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    back_up_on(&disk, 1).unwrap();
    let (pack, _) = open(&disk).unwrap().index().packs_of(PackKind::Sealed).unwrap().remove(0);
    let pack = paths::pack(pack);
    let odd = OddDisk { forbidden: Some((pack.clone(), EACCES)), ..OddDisk::of(&disk) };
    let report = verify::verify(&open(&odd).unwrap(), &VerifyOptions::default(), &Unobserved).unwrap();
    let of_pack = report
        .findings
        .iter()
        .find(|finding| finding.path.as_ref().is_some_and(|path| path.ends_with(&pack)));
    let advice = &of_pack.unwrap().advice;
    assert!(advice.contains("see to its permissions"), "{advice}");
    for dry_run in [true, false] {
        let refused = repair::points(&open(&odd).unwrap(), dry_run, &Unobserved);
        assert!(matches!(refused, Err(engine::Error::Repo(repo::Error::Io { .. }))), "{refused:?}");
    }
    assert!(open(&disk).unwrap().journal().unwrap().points.iter().all(|listed| listed.is_complete()));
    disk.remove(&pack).unwrap();
    assert_eq!(repair::points(&open(&disk).unwrap(), true, &Unobserved).unwrap().marked.len(), 1);
}

/// An offsite copy must not stand still for what is lost here.
#[test]
fn points_that_need_what_is_lost_are_not_copied_and_all_others_are() {
    for is_given_up in [false, true] {
        let (lab, pack) = Lab::parted();
        let whole = fs::read(&pack).unwrap();
        fs::remove_file(&pack).unwrap();
        lab.ends(20, &format!("repair from {}", lab.root.display()));
        if is_given_up {
            lab.ends(0, "repair give-up --yes");
        }
        let there = |code: i32, line: &str| {
            lab.ends(code, &format!("{line} -r {}", lab.room.path("copy").display()));
        };
        there(0, "init");
        let (told, warned) = lab.room.ends(20, "copy --to copy --dry-run");
        assert!(told.contains("point 3 would be copied") && !told.contains("point 2"), "{told}");
        assert!(warned.contains("point 2 would not be copied"), "{warned}");
        let (told, warned) = lab.room.ends(20, "copy --to copy");
        assert!(told.contains("point 3 copied, as point 1"), "{told}");
        assert!(
            warned.contains("point 1 was not copied") && warned.contains("point 2 was not copied"),
            "{warned}"
        );
        there(0, "verify --data");
        there(0, "restore 1 --target of3");
        lab.ends(20, "copy 1 --to copy");
        // Of its history something is missing there; what was given up is no news.
        lab.ends(if is_given_up { 0 } else { 20 }, "copy 3 --to copy");
        // The next one holds what turned up.
        fs::write(&pack, &whole).unwrap();
        lab.ends(0, "copy --to copy");
        there(0, "verify --data");
        there(0, "restore 3 --target of2");
    }
}

/// The copy is to hold all that the logs hold: what it does not is said, though no point needs it any more. What such a copy brings back is no
/// other history for what is missing in it.
#[test]
fn history_that_is_lost_and_that_no_point_needs_is_not_left_out_without_a_word() {
    let (lab, pack) = Lab::parted();
    lab.ends(0, "forget 1 2 --yes");
    fs::remove_file(&pack).unwrap();
    lab.ends(20, &format!("repair from {}", lab.root.display()));
    lab.ends(0, "init -r copy");
    for (line, left_out) in
        [("copy --to copy --dry-run", "would not be copied"), ("copy --to copy", "was not copied")]
    {
        let (told, warned) = lab.room.ends(20, line);
        let named = format!("events of default@1 of node-1: segment 0 {left_out}");
        assert!(told.contains("point 3 ") && warned.contains(&named), "{told}{warned}");
    }
    lab.ends(0, "-r copy verify --data");
    for (line, left_out) in
        [("copy --to copy --dry-run", "would not be copied"), ("copy --to copy", "was not copied")]
    {
        let (told, warned) = lab.room.ends(20, line);
        assert!(told.contains("copied before") && warned.contains(left_out), "each time: {told}{warned}");
    }
    // No news, once it was given up; and no record that says the same once more.
    let (told, _) = lab.room.ends(0, "repair give-up --yes");
    assert!(told.contains(" says so. Run") && !lab.room.repository().join("damaged").exists(), "{told}");
    lab.ends(0, &backup(&lab.root));
    let (_, warned) = lab.room.ends(0, "copy --to copy");
    assert!(warned.contains("segment 0 was not copied") && warned.contains("given up"), "{warned}");
    let records = fs::read_dir(lab.room.path("copy/logs")).unwrap();
    assert_eq!(records.flat_map(|log| fs::read_dir(log.unwrap().path()).unwrap()).count(), 2);
    grow(&lab.root);
    lab.ends(0, &format!("-r copy {}", backup(&lab.root)));
    let (told, _) = lab.room.ends(0, &format!("-r copy copy --to {}", lab.room.repository().display()));
    assert!(told.contains("point 3 copied, as point 5"), "{told}");
    lab.ends(0, "restore latest --target restored");
}

/// A copy, made so, that lacks the first segment of what its points go on from: its pack is gone here. Then another source has a point. Gives
/// the pack's path, too, and what it held.
fn lacking(copy: &str) -> (Lab, PathBuf, Vec<u8>) {
    let (lab, pack) = Lab::parted();
    let whole = fs::read(&pack).unwrap();
    lab.ends(0, "forget 1 2 --yes");
    fs::remove_file(&pack).unwrap();
    lab.ends(20, &format!("repair from {}", lab.root.display()));
    lab.ends(0, "init -r copy");
    lab.ends(20, copy);
    lab.ends(0, &backup(&lab.root).replace("node-1", "other"));
    (lab, pack, whole)
}

/// What the copy lacks is said whatever else is copied, and comes along as soon as it is here again: no new point has to ask for it.
#[test]
fn history_that_a_copy_lacks_is_said_each_time_and_copied_once_it_is_here_again() {
    let (lab, pack, whole) = lacking("copy --to copy");
    for line in ["copy --to copy --dry-run", "copy --to copy"] {
        let (told, warned) = lab.room.ends(20, line);
        assert!(
            told.contains("point 4 ") && warned.contains("events of default@1 of node-1: segment 0"),
            "{told}{warned}"
        );
    }
    let from_first = || {
        let windows = lab.room.document(0, "points", "points --source node-1 -r copy");
        windows["windows"]
            .as_array()
            .unwrap()
            .iter()
            .any(|window| window["store"] == "events" && window["first"] == 0)
    };
    assert!(!from_first());
    fs::write(&pack, whole).unwrap();
    let (told, _) = lab.room.ends(0, "copy --to copy --dry-run");
    assert!(told.contains("would copy") && !told.contains("would copy 0"), "{told}");
    let (told, _) = lab.room.ends(0, "copy --to copy");
    assert!(told.contains("2 points copied before") && told.contains(" new ("), "{told}");
    assert!(from_first());
    lab.ends(0, "verify --data -r copy");
    let (told, _) = lab.room.ends(0, "copy --to copy");
    assert!(!told.contains(" new ("), "{told}");
}

/// Their record goes on to name it, and what is new is copied all the same.
#[test]
fn history_that_is_lost_here_and_there_keeps_no_point_from_being_copied() {
    let (lab, pack) = Lab::parted();
    lab.ends(0, "forget 1 2 --yes");
    lab.ends(0, "init -r copy");
    lab.ends(0, "copy --to copy");
    let first = || lab.room.document(0, "points", "points -r copy")["windows"][1]["first"].clone();
    assert_eq!(first(), 0);
    fs::remove_file(&pack).unwrap();
    lab.ends(20, &format!("repair from {}", lab.root.display()));
    fs::remove_dir_all(lab.room.path("copy/packs")).unwrap();
    for (from, to) in [(4, 2), (5, 3)] {
        lab.ends(0, &backup(&lab.root));
        let (told, warned) = lab.room.ends(20, "copy --to copy");
        assert!(told.contains(&format!("point {from} copied, as point {to}")), "{told}");
        assert!(warned.contains("events of default@1 of node-1: segment 0 was not copied"), "{warned}");
        for line in ["copy --to copy", "copy --to copy --dry-run"] {
            let (_, warned) = lab.room.ends(20, line);
            assert!(warned.contains("events of default@1 of node-1: segment 0"), "each time: {warned}");
        }
        lab.ends(0, &format!("restore {to} --target of{to} -r copy"));
        assert_eq!(first(), 0);
        grow(&lab.root);
    }
    lab.ends(0, "repair give-up --yes");
    let (_, warned) = lab.room.ends(0, "copy --to copy");
    assert!(warned.contains("given up"), "{warned}");
}

/// The same where the points are named: of the contexts that they have, and no others.
#[test]
fn named_points_that_are_there_bring_along_what_the_copy_lacks_of_their_history() {
    let (lab, pack, whole) = lacking("copy 3 --to copy");
    lab.ends(0, "copy 4 --to copy");
    for line in ["copy 3 --to copy --dry-run", "copy 3 --to copy"] {
        let (_, warned) = lab.room.ends(20, line);
        assert!(warned.contains("events of default@1 of node-1: segment 0"), "{line}: {warned}");
    }
    fs::write(&pack, whole).unwrap();
    lab.ends(0, "copy 4 --to copy");
    let (told, _) = lab.room.ends(0, "copy 3 --to copy");
    assert!(told.contains("1 point copied before") && told.contains(" new ("), "{told}");
    lab.ends(0, "verify --data -r copy");
    let (told, _) = lab.room.ends(0, "copy 3 --to copy");
    assert!(!told.contains(" new ("), "{told}");
}

/// What is missing there and in no pack here that this program can read is not lost: a newer one may copy it.
#[test]
fn with_nothing_new_to_copy_a_pack_of_a_newer_format_is_no_reason_to_call_history_lost() {
    let (lab, pack) = Lab::parted();
    lab.ends(0, "forget 1 2 --yes");
    let mut newer = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    lab.ends(20, &format!("repair from {}", lab.root.display()));
    lab.ends(0, "init -r copy");
    lab.ends(20, "copy --to copy");
    let version = newer.len() - 64 + 20;
    newer[version] = 9;
    let name = blake3::hash(&newer).to_hex().to_string();
    let place = lab.room.repository().join("packs").join(&name[..2]).join(&name);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, newer).unwrap();
    for line in ["copy --to copy", "copy --to copy --dry-run"] {
        lab.room.refused(13, line, &[&name, "a pack of version 9", "use a newer segvault"]);
    }
    lab.ends(0, "-r copy verify --data");
}

/// An offsite copy goes on with all that can be read here: of points and logs of which a page is lost nobody knows what they hold.
#[test]
fn a_point_whose_list_of_segments_is_lost_is_not_copied_and_all_others_are() {
    let lab = Lab::grown();
    let [_, second, third] = lab.pages_as_they_grew();
    lab.spoil(&[&second]);
    lab.ends(0, "init -r copy");
    let (told, warned) = lab.room.ends(20, "copy --to copy");
    assert!(
        told.contains("point 1 copied, as point 1") && told.contains("point 3 copied, as point 2"),
        "{told}"
    );
    assert!(warned.contains("point 2 was not copied"), "{warned}");
    lab.ends(0, "-r copy verify --data");
    lab.spoil(&[&third]);
    lab.ends(0, "init -r other");
    let (_, warned) = lab.room.ends(20, "copy --to other");
    assert!(
        warned.contains("point 1 was not copied") && warned.contains("point 3 was not copied"),
        "{warned}"
    );
}

/// It may say what was dropped or erased, and that packs are damaged.
#[test]
fn a_backup_beside_an_act_that_cannot_be_read_says_so() {
    let lab = Lab::new();
    lab.spoil(&["acts/1.json"]);
    let (told, _) = lab.room.ends(3, &backup(&lab.root));
    assert!(told.contains("acts/1.json can't be read"), "{told}");
    lab.gives_up(&["acts/1.json"]);
    lab.ends(0, &backup(&lab.root));
}

/// What a prune has deleted is not missed, nor given up one by one.
#[test]
fn a_second_newest_record_is_given_up_at_once() {
    let lab = Lab::grown();
    lab.ends(0, "prune --grace 0s");
    let newest = lab.newest_record();
    let before = format!("{}/2", newest.strip_suffix("/3").unwrap());
    assert!(!lab.records().contains(&before.replace("/2", "/1")));
    lab.spoil(&[&before]);
    lab.gives_up(&[&before]);
    lab.ends(0, "verify --data");
    lab.ends(0, "prune --grace 0s");
    lab.goes_on();
}

/// The newest one was written before the other was lost, and holds its hash.
#[test]
fn a_record_in_the_middle_is_given_up_at_once() {
    let lab = Lab::grown();
    let newest = lab.newest_record();
    let middle = format!("{}/2", newest.strip_suffix("/3").unwrap());
    lab.spoil(&[&middle]);
    lab.gives_up(&[&middle]);
    lab.ends(0, "verify --data");
    lab.ends(0, "prune --grace 0s");
    lab.goes_on();
}

/// As if a crash had come before it left its name.
#[test]
fn a_lost_record_that_still_has_its_name_is_none_of_the_two_that_stay() {
    let lab = Lab::grown();
    let newest = lab.newest_record();
    let log = newest.strip_suffix("/3").unwrap();
    let [oldest, middle] = [1, 2].map(|number| format!("{log}/{number}"));
    let good = fs::read(lab.room.repository().join(&middle)).unwrap();
    lab.spoil(&[&middle]);
    lab.gives_up(&[&middle]);
    fs::write(lab.room.repository().join(&middle), good).unwrap();
    for _ in 0..2 {
        lab.ends(0, "prune --grace 0s");
    }
    assert!(lab.room.repository().join(&oldest).exists());
}

/// The next backup makes such a record anew, unless the source has left its history: what goes for good is said before it goes.
#[test]
fn points_of_a_history_that_its_source_has_left_are_named_before_their_record_is_given_up() {
    for is_left in [false, true] {
        let disk = CrashDisk::default();
        Repository::init(&disk, &config()).unwrap();
        back_up_on(&disk, 1).unwrap();
        let repository = open(&disk).unwrap();
        let logs = repository.logs().unwrap();
        let events = logs.iter().find(|key| key.store == Store::Events).unwrap();
        if is_left {
            back_up_forked(&disk).unwrap();
        }
        disk.remove(&paths::record(events, 1)).unwrap();
        let would_be = repair::give_up(&repository, "a test", true, &Unobserved).unwrap();
        assert_eq!(would_be.files, [paths::record(events, 1)]);
        assert_eq!(would_be.stranded, if is_left { vec![1] } else { Vec::new() });
    }
}

/// The same, whatever was wrong with the record: its own bytes, or its list of segments.
#[test]
fn whoever_reads_a_log_believes_an_act_that_gives_its_newest_record_up() {
    for is_list in [false, true] {
        let lab = Lab::grown();
        let newest = lab.newest_record();
        let [.., page] = lab.pages_as_they_grew();
        let record = fs::read(lab.room.repository().join(&newest)).unwrap();
        lab.spoil(&[if is_list { &page } else { &newest }]);
        lab.gives_up(&[&newest]);
        lab.ends(0, "init -r copy");
        let against = format!("verify --against {}", lab.root.display());
        let lines = [
            "restore --to-token default=100 --target t --dry-run --json",
            "events --context default --from 0 --to 10",
            against.as_str(),
            "verify --history",
            "copy --to copy --dry-run",
            "erase --source node-1 --context default --dry-run",
            "recompress --dry-run",
        ];
        let say = || lines.map(|line| lab.room.command(line).output().unwrap());
        let told = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let done = say();
        if is_list {
            fs::write(lab.room.repository().join(&newest), &record).unwrap();
        } else {
            lab.spoil(&[&newest]);
        }
        for ((now, done), line) in say().iter().zip(&done).zip(lines) {
            assert_eq!((now.status, told(&now.stderr)), (done.status, told(&done.stderr)), "{line}");
        }
    }
}

/// The same where nothing is left of a log, nor of any.
#[test]
fn whoever_lists_logs_goes_past_those_of_which_all_records_were_given_up() {
    for all in [false, true] {
        let lab = Lab::new();
        let newest = lab.newest_record();
        let log = newest.rsplit_once('/').unwrap().0;
        let records: Vec<String> =
            lab.records().into_iter().filter(|path| all || path.starts_with(log)).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        lab.spoil(&records);
        lab.gives_up(&records);
        lab.ends(0, "init -r copy");
        let lines = [
            "stats",
            "copy --to copy --dry-run",
            "erase --source node-1 --context default --dry-run",
            "drop-history --before 50 --context default --dry-run",
            "recompress --dry-run",
            "verify --history",
            "restore latest --target t --dry-run",
            "events --context default --from 0 --to 10",
        ];
        let say = || lines.map(|line| told(lab.room.command(line).output().unwrap()));
        let done = say();
        lab.spoil(&records);
        for ((now, done), line) in say().iter().zip(&done).zip(lines) {
            assert_eq!((now.0, &now.2), (done.0, &done.2), "{line}");
        }
    }
}

/// The act is there, and the file still has its name: readers believe the act, and whoever writes next puts the file aside.
#[test]
fn giving_up_that_was_killed_behind_its_act_is_as_good_as_done() {
    let lab = Lab::grown();
    let newest = lab.newest_record();
    lab.spoil(&[&newest]);
    lab.gives_up(&[&newest]);
    let say = || ["points", "verify", "prune --dry-run"].map(|line| lab.room.command(line).output().unwrap());
    let done = say();
    lab.spoil(&[&newest]);
    assert_eq!(say(), done);
    lab.ends(0, "points");
    lab.ends(0, "stats");
    assert!(lab.room.repository().join(&newest).exists());
    lab.ends(0, &backup(&lab.root));
    assert!(!lab.room.repository().join(&newest).exists());
    lab.goes_on();
}

#[test]
fn points_that_claim_what_no_record_holds_are_not_copied_before_one_does() {
    let lab = Lab::new();
    let record = lab.newest_record();
    lab.spoil(&[&record]);
    lab.gives_up(&[&record]);
    lab.ends(0, "init -r copy");
    for line in ["copy 2 3 --to copy", "copy --to copy --dry-run", "copy --to copy"] {
        assert!(fs::read_dir(lab.room.path("copy/points")).unwrap().next().is_none(), "nothing is published");
        let (_, warned) = lab.room.ends(20, line);
        for point in [2, 3] {
            let begin = format!("point {point} w");
            let warned = warned.lines().find(|line| line.contains(&begin)).unwrap();
            assert!(warned.contains("rests on a record of events of default@1 of node-1"), "{warned}");
        }
        assert!(!warned.contains("point 1 w"), "{warned}");
    }
    lab.ends(0, "-r copy restore 1 --target of1");
    lab.ends(0, &backup(&lab.root));
    lab.ends(0, "copy --to copy");
    lab.ends(0, "-r copy verify --data");
}

/// A log in which nothing is open has to have a record there, too.
#[test]
fn nor_are_those_of_a_log_that_has_no_record_any_more() {
    let room = Room::new();
    let root = room.server(SERVER);
    let files = fs::read_dir(root.join("data/default")).unwrap().map(|entry| entry.unwrap().path());
    let of_snapshots =
        |path: &PathBuf| path.extension().is_some_and(|suffix| suffix.to_str().unwrap().starts_with('s'));
    files.filter(of_snapshots).for_each(|path| fs::remove_file(path).unwrap());
    room.ends(0, &backup(&root));
    let lab = Lab { room, root };
    let (source, context) = ("node-1".to_owned(), "default".to_owned());
    let log = paths::log(&LogKey { source, context, incarnation: 1, store: Store::Snapshots });
    let record = format!("{log}/1");
    lab.spoil(&[&record]);
    lab.gives_up(&[&record]);
    lab.ends(0, "init -r copy");
    let (_, warned) = lab.room.ends(20, "copy --to copy");
    assert!(
        warned.contains("point 1 was not copied: it rests on a record of snapshots of default@1"),
        "{warned}"
    );
    lab.ends(0, &backup(&lab.root));
    lab.ends(0, "copy --to copy");
    lab.ends(0, "-r copy verify --data");
}

#[test]
fn what_was_written_last_can_be_lost_all_together() {
    let lab = Lab::new();
    let record = lab.newest_record();
    lab.spoil(&["points/3.json", "acts/2.json", &record]);
    lab.gives_up(&["acts/2.json", &record, "points/3.json"]);
    lab.goes_on();
}

#[test]
fn all_of_them_can_be_lost_and_the_next_backup_begins_anew_on_the_packs_that_are_there() {
    let lab = Lab::new();
    let files = lab.room.files();
    let numbered = files.keys().map(|path| path.to_str().unwrap());
    let all: Vec<&str> = numbered
        .filter(|path| ["points/", "acts/", "logs/"].iter().any(|top| path.starts_with(top)))
        .collect();
    lab.spoil(&all);
    let packs = || lab.room.files().keys().filter(|path| path.starts_with("packs")).count();
    let before = packs();
    lab.gives_up(&all);
    assert_eq!(lab.room.points(), [0; 0]);
    lab.ends(0, &backup(&lab.root));
    assert_eq!(lab.room.points(), [4]);
    assert!(packs() <= before + 1, "what was stored is not stored again");
    lab.goes_on();
}

#[test]
fn what_is_missing_is_given_up_like_what_is_damaged() {
    let lab = Lab::new();
    fs::remove_file(lab.room.repository().join("points/2.json")).unwrap();
    fs::remove_file(lab.room.repository().join("acts/1.json")).unwrap();
    lab.ends(20, "prune");
    lab.gives_up(&["acts/1.json", "points/2.json"]);
    lab.goes_on();
}

#[test]
fn a_missing_record_is_missed_until_it_is_given_up_and_its_number_is_never_used_again() {
    let lab = Lab::new();
    let record = lab.newest_record();
    let (log, number) = record.rsplit_once('/').unwrap();
    let next = format!("{log}/{}", number.parse::<u64>().unwrap() + 1);
    fs::remove_file(lab.room.repository().join(&record)).unwrap();
    lab.ends(20, "verify");
    let names = lab.room.files();
    assert!(!names.contains_key(Path::new(&next)));
    lab.ends(3, &backup(&lab.root));
    assert!(lab.room.files().contains_key(Path::new(&next)), "a point names the one that is missing");
    lab.ends(20, "prune");
    lab.gives_up(&[&record]);
    lab.goes_on();
}

#[test]
fn a_record_that_was_given_up_since_it_is_missing_is_not_written_again() {
    let lab = Lab::new();
    let record = lab.newest_record();
    fs::remove_file(lab.room.repository().join(&record)).unwrap();
    lab.gives_up(&[&record]);
    // Nor when no point is left that names it.
    lab.spoil(&["points/2.json", "points/3.json"]);
    lab.gives_up(&["points/2.json", "points/3.json"]);
    lab.ends(0, &backup(&lab.root));
    assert!(!lab.room.files().contains_key(Path::new(&record)));
    lab.goes_on();
}

/// Three records, and the one in the middle is damaged: no other is given up for it, however often that is asked for.
#[test]
fn a_record_before_the_newest_is_given_up_and_none_of_those_that_are_good() {
    for is_pruned in [false, true] {
        let room = Room::new();
        let root = room.server(SERVER);
        let kept = [(); 2].map(|()| {
            let newest = newest_segment(&root);
            let bytes = fs::read(&newest).unwrap();
            fs::remove_file(&newest).unwrap();
            (newest, bytes)
        });
        room.ends(0, &backup(&root));
        for (segment, bytes) in kept.iter().rev() {
            fs::write(segment, bytes).unwrap();
            room.ends(0, &backup(&root));
        }
        let lab = Lab { room, root };
        if is_pruned {
            lab.ends(0, "forget 1 --yes");
            lab.ends(0, "prune --grace 0s");
        }
        let newest = lab.newest_record();
        let (log, number) = newest.rsplit_once('/').unwrap();
        let number: u64 = number.parse().unwrap();
        assert_eq!(lab.room.files().contains_key(Path::new(&format!("{log}/{}", number - 2))), !is_pruned);
        let middle = format!("{log}/{}", number - 1);
        lab.spoil(&[&middle]);
        lab.ends(20, "prune");
        lab.gives_up(&[&middle]);
        lab.ends(0, "verify");
        lab.ends(0, "prune");
        lab.goes_on();
    }
}

#[test]
fn a_file_that_vouches_for_damaged_bytes_is_no_obstacle() {
    let lab = Lab::new();
    // The very bytes of another point, under the name of one in the middle: the next one knows that it is not the one that was there.
    let points = lab.room.repository().join("points");
    fs::copy(points.join("1.json"), points.join("2.json")).unwrap();
    lab.ends(20, "prune");
    lab.gives_up(&["points/2.json"]);
    lab.goes_on();
}

#[test]
fn without_a_yes_nothing_is_given_up_and_what_would_be_is_said() {
    let lab = Lab::new();
    lab.spoil(&["points/3.json", "acts/1.json"]);
    let before = lab.room.files();
    for line in ["repair give-up", "repair give-up --dry-run --yes"] {
        let (text, _) = lab.room.ends(0, line);
        for word in ["would be given up", "points/3.json", "acts/1.json", "hold", "repair from"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    assert_eq!(lab.room.files(), before);
    lab.ends(20, "prune");
}

#[test]
fn what_a_newer_program_wrote_is_not_lost() {
    let lab = Lab::new();
    let path = lab.room.repository().join("points/3.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
    let before = lab.room.files();
    lab.ends(13, "repair give-up --yes");
    assert_eq!(lab.room.files(), before);
}

/// It holds the hash of the one before that.
#[test]
fn what_was_written_behind_a_lost_one_comes_back_from_a_copy() {
    let lab = Lab::new();
    let record = lab.newest_record();
    lab.spoil(&["points/3.json", &record]);
    lab.gives_up(&[&record, "points/3.json"]);
    lab.ends(0, &backup(&lab.root));
    copy_tree(&lab.room.repository(), &lab.room.path("copy"));
    let next = lab.newest_record();
    assert_ne!(next, record);
    lab.spoil(&["points/4.json", &next]);
    lab.ends(0, "repair from copy");
    assert_eq!(lab.room.points(), [1, 2, 4]);
    lab.goes_on();
}

#[test]
fn what_was_given_up_is_not_brought_back_by_a_copy_that_turns_up() {
    let lab = Lab::new();
    copy_tree(&lab.room.repository(), &lab.room.path("copy"));
    lab.spoil(&["points/3.json", "acts/1.json"]);
    lab.gives_up(&["acts/1.json", "points/3.json"]);
    lab.ends(0, &backup(&lab.root));
    let before = lab.room.points();
    lab.ends(0, "repair from copy");
    assert_eq!(lab.room.points(), before);
    lab.goes_on();
}

#[test]
fn what_somebody_puts_under_a_lost_name_counts_no_more() {
    let lab = Lab::new();
    let path = lab.room.repository().join("points/2.json");
    let good = fs::read(&path).unwrap();
    lab.spoil(&["points/2.json"]);
    lab.gives_up(&["points/2.json"]);
    fs::write(&path, good).unwrap();
    assert_eq!(lab.room.points(), [1, 3]);
    // It was given up once: what has its name is put aside, and no other act says so.
    lab.gives_up_nothing();
    assert!(!path.exists());
    lab.goes_on();
}

#[test]
fn an_act_that_somebody_puts_under_a_lost_name_holds_nothing() {
    let lab = Lab::new();
    let path = lab.room.repository().join("acts/1.json");
    let good = fs::read(&path).unwrap();
    lab.spoil(&["acts/1.json"]);
    lab.gives_up(&["acts/1.json"]);
    fs::write(&path, good).unwrap();
    let holds = lab.room.document(0, "holds", "hold list");
    assert_eq!(holds["holds"], serde_json::json!([]));
    lab.ends(0, "verify");
}

/// A crash came between both: no file behind it tells that there was one.
#[test]
fn an_act_that_was_put_aside_and_is_not_called_lost_is_missing() {
    let lab = Lab::new();
    let repository = lab.room.repository();
    fs::create_dir_all(repository.join("damaged")).unwrap();
    fs::rename(repository.join("acts/2.json"), repository.join("damaged/acts-2.json.1")).unwrap();
    lab.ends(20, "verify");
    lab.ends(20, "prune");
    lab.gives_up(&["acts/2.json"]);
    lab.goes_on();
}

/// The same of a point, and no act has ever named it.
#[test]
fn a_point_that_was_put_aside_and_is_not_called_lost_is_missing() {
    let lab = Lab::grown();
    let repository = lab.room.repository();
    fs::create_dir_all(repository.join("damaged")).unwrap();
    fs::rename(repository.join("points/3.json"), repository.join("damaged/points-3.json.1")).unwrap();
    lab.ends(20, "verify");
    lab.ends(20, "prune");
    lab.gives_up(&["points/3.json"]);
    lab.goes_on();
}

#[test]
fn points_of_a_lost_record_need_no_other_that_holds_their_segments() {
    let lab = Lab::new();
    let files = lab.room.files();
    let all: Vec<&str> =
        files.keys().map(|path| path.to_str().unwrap()).filter(|path| path.starts_with("logs/")).collect();
    for records in [vec![lab.newest_record()], all.into_iter().map(str::to_owned).collect()] {
        let there = records.into_iter().filter(|path| lab.room.repository().join(path).exists());
        let records: Vec<String> = there.collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        lab.spoil(&records);
        lab.gives_up(&records);
        // Only what was open then is in no tree of a point's own.
        let report = lab.room.document(20, "verify", "verify");
        let whats = report["findings"].as_array().unwrap().iter().map(|finding| &finding["what"]);
        let damage: BTreeSet<&str> =
            whats.filter_map(|what| what.as_str()).filter(|what| *what != "debris").collect();
        assert_eq!(damage, BTreeSet::from(["claim"]));
        // Which packs have what was open then nobody knows: none goes before a record says so again, or the points are given up, too.
        lab.ends(20, "prune --grace 0s");
    }
    lab.goes_on();
}

#[test]
fn points_that_only_a_lost_record_made_whole_can_be_forgotten() {
    let lab = Lab::new();
    let record = lab.newest_record();
    lab.spoil(&[&record]);
    lab.gives_up(&[&record]);
    lab.ends(20, "prune --grace 0s");
    for point in [2, 3] {
        lab.ends(0, &format!("forget {point} --yes"));
    }
    lab.ends(0, "prune --grace 0s");
}

#[test]
fn a_repository_that_is_append_only_asks_for_more() {
    let room = Room::empty();
    room.ends(0, "init --append-only");
    room.ends(0, &backup(&room.server(SERVER)));
    fs::write(room.repository().join("points/1.json"), "").unwrap();
    room.refused(2, "repair give-up --yes", &["append-only", "--allow-delete"]);
    room.ends(0, "repair give-up --yes --allow-delete");
    room.ends(0, "verify");
}

#[test]
fn where_segvault_json_is_another_ones_or_gone_it_is_named_and_nothing_is_given_up() {
    let lab = Lab::new();
    let config = lab.room.repository().join("segvault.json");
    let own = fs::read_to_string(&config).unwrap();
    lab.ends(0, &format!("init -r {}", lab.room.path("other").display()));
    let is_told = || {
        for line in
            ["verify", "points", "restore latest --target restored", "repair give-up --yes", "repair points"]
        {
            lab.room.refused(20, line, &["segvault.json", "segvault explain repository.config"]);
        }
    };
    fs::copy(lab.room.path("other").join("segvault.json"), &config).unwrap();
    is_told();
    assert_ne!(lab.room.ends(20, &backup(&lab.root)).1, "");
    fs::write(&config, own.replacen("blake3", "blake4", 1)).unwrap();
    is_told();
    fs::remove_file(&config).unwrap();
    is_told();
    fs::write(&config, own).unwrap();
    lab.gives_up_nothing();
}

#[test]
fn segvault_json_is_written_anew_as_the_document_says() {
    let lab = Lab::new();
    let config = lab.room.repository().join("segvault.json");
    let point = fs::read_to_string(lab.room.repository().join("points/1.json")).unwrap();
    let id = point.split("\"repository\":\"").nth(1).unwrap().split('"').next().unwrap();
    let line = format!(r#""id":"{id}","naming":"blake3","type":"segvault.repository","version":1}}"#);
    assert!(include_str!("../../docs/runbooks.md").contains(&line.replace(id, "'$id'")));
    let at = r#"{"at":"2026-01-01T00:00:00.000Z","#;
    assert!(
        include_str!("../../docs/runbooks.md").contains(&format!("printf '%s\\n' '{at}'\"$line\" | b3sum"))
    );
    let check = blake3::hash(format!("{at}{line}\n").as_bytes()).to_hex();
    fs::write(&config, format!("{at}\"check\":\"{check}\",{line}\n")).unwrap();
    lab.gives_up_nothing();
    lab.goes_on();
}
