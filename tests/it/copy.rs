//! From one repository to another: the copy is a full archive.

use crate::store::model::{
    back_up_forked, back_up_on, body, check, check_point, config, entry, key, noise, open, point_log,
    put_all, read,
};
use crate::store::odd_disk::OddDisk;
use crate::support::archive::tree;
use crate::support::crash_disk::{CrashDisk, EIO, Image, Trouble};
use crate::support::fixtures;
use crate::support::program::{Room, SERVER, assert_restored, backup, flip};
use segvault::axon::name::Store;
use segvault::engine;
use segvault::engine::copy::{self, CopyOptions, CopyReport};
use segvault::engine::observe::Unobserved;
use segvault::repo;
use segvault::repo::disk::Disk;
use segvault::repo::format::act::Deed;
use segvault::repo::format::config::Config;
use segvault::repo::format::entry::{End, SegmentEntry};
use segvault::repo::format::moment::Moment;
use segvault::repo::format::pack::{self, PackKind};
use segvault::repo::format::point::ControlDb;
use segvault::repo::format::record::{LogState, PrefixProof};
use segvault::repo::index::read_directory;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::paths;
use segvault::repo::store::{OpenOptions, Repository, Session};
use std::fs;
use std::sync::Arc;

/// A repository with so many backups, and an empty one.
fn lab(backups: u64) -> (CrashDisk, CrashDisk) {
    let from = CrashDisk::default();
    Repository::init(&from, &config()).unwrap();
    (1..=backups).for_each(|backup| _ = back_up_on(&from, backup).unwrap());
    (from, another('f'))
}

pub fn another(digit: char) -> CrashDisk {
    let disk = CrashDisk::default();
    let id = std::iter::repeat_n(digit, 32).collect();
    Repository::init(&disk, &Config { id, ..config() }).unwrap();
    disk
}

fn copy_with(
    from: &CrashDisk,
    to: &CrashDisk,
    change: impl FnOnce(&mut CopyOptions),
) -> Result<CopyReport, engine::Error> {
    let mut options = CopyOptions::default();
    change(&mut options);
    copy::copy(&open(from)?, &open(to)?, &options, &Unobserved)
}

pub fn copy_all(from: &CrashDisk, to: &CrashDisk) -> Result<CopyReport, engine::Error> {
    copy_with(from, to, |_| ())
}

/// The copy has so many points, all whole.
fn whole(disk: &CrashDisk, points: usize) {
    let repository = open(disk).unwrap();
    check(&repository, &[]).unwrap();
    assert_eq!(repository.journal().unwrap().listed().count(), points);
    crate::prune::lab::whole_logs(disk);
}

#[test]
fn a_copy_holds_all_points_and_takes_backups() {
    let (from, to) = lab(4);
    let report = copy_all(&from, &to).unwrap();
    assert_eq!(report.points.iter().map(|point| point.to).collect::<Vec<_>>(), [1, 2, 3, 4].map(Some));
    whole(&to, 4);
    let after = to.reboot(Image::OnlySynced);
    whole(&after, 4);
    // Without the source: what is new there is only what is new.
    back_up_on(&after, 5).unwrap();
    whole(&after, 5);
    // And what was made there can be copied back.
    let back = copy_with(&after, &from, |_| ()).unwrap();
    assert_eq!((back.points.len(), back.known.len()), (1, 4));
    whole(&from, 5);
}

#[test]
fn what_is_there_is_not_copied_again() {
    let (from, to) = lab(3);
    copy_with(&from, &to, |options| options.points = vec!["2".to_owned()]).unwrap();
    whole(&to, 1);
    let rest = copy_all(&from, &to).unwrap();
    assert_eq!((rest.points.len(), rest.known.len()), (2, 1));
    let again = copy_all(&from, &to).unwrap();
    assert_eq!((again.points.len(), again.known.len(), again.chunks), (0, 3, 0));
    back_up_on(&from, 4).unwrap();
    back_up_on(&from, 5).unwrap();
    let new = copy_with(&from, &to, |options| options.since_last = true).unwrap();
    assert_eq!(new.points.iter().map(|point| point.from).collect::<Vec<_>>(), [4, 5]);
    whole(&to, 5);
    // A copy of a copy knows where its points come from.
    let third = another('e');
    copy_all(&to, &third).unwrap();
    assert_eq!(copy_all(&from, &third).unwrap().known.len(), 5);
}

#[test]
fn a_copy_that_is_ahead_takes_points_and_keeps_what_it_has() {
    let (from, to) = lab(2);
    copy_all(&from, &to).unwrap();
    back_up_on(&to, 3).unwrap();
    back_up_on(&from, 2).unwrap();
    assert_eq!(copy_all(&from, &to).unwrap().points.len(), 1);
    whole(&to, 4);
}

/// Another time it may be read.
#[test]
fn what_the_disk_does_not_give_is_not_called_lost() {
    let (from, to) = lab(2);
    let record = paths::record(&key(Store::Events), 2);
    let odd = OddDisk { forbidden: Some((record, EIO)), ..OddDisk::of(&from) };
    let done = copy::copy(&open(&odd).unwrap(), &open(&to).unwrap(), &CopyOptions::default(), &Unobserved);
    assert!(matches!(done, Err(engine::Error::Repo(repo::Error::Io { .. }))), "{done:?}");
}

/// "Copied before" is no comfort where it is lost since.
#[test]
fn a_point_that_was_copied_before_and_is_damaged_there_is_no_success() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, "init -r copy");
    room.ends(0, "copy --to copy");
    room.ends(0, "copy --to copy");
    let files = |top: &str| {
        let mut found = Vec::new();
        for directory in fixtures::files(&room.path("copy").join(top)) {
            found.extend(fixtures::files(&directory));
        }
        found
    };
    for top in ["logs", "pages"] {
        for file in files(top) {
            let whole = fs::read(&file).unwrap();
            flip(&file, whole.len() as u64 / 2);
            for line in ["copy --to copy", "copy --to copy --dry-run"] {
                let (stdout, stderr) = room.ends(20, &format!("{line} --json"));
                assert!(stderr.contains("can't be restored there"), "{stderr}");
                let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
                assert_eq!(report["lost"][0]["point"]["from"], 1, "{}: {report}", file.display());
            }
            fs::write(&file, whole).unwrap();
        }
    }
    for pack in files("packs") {
        let aside = room.path("aside");
        fs::rename(&pack, &aside).unwrap();
        room.ends(20, "copy --to copy");
        fs::rename(&aside, &pack).unwrap();
    }
    room.ends(0, "copy --to copy");
}

#[test]
fn a_history_that_has_forked_is_copied_with_all_its_incarnations() {
    let (from, to) = lab(2);
    back_up_forked(&from).unwrap();
    let report = copy_all(&from, &to).unwrap();
    assert_eq!(report.points.iter().map(|point| point.from).collect::<Vec<_>>(), [1, 2, 3]);
    let (from, to) = (open(&from).unwrap(), open(&to).unwrap());
    let logs = to.logs().unwrap();
    assert_eq!(logs, from.logs().unwrap());
    for key in logs {
        let states = [&from, &to].map(|side| side.newest_record(&key).unwrap().unwrap().state);
        assert_eq!(states[0], states[1]);
        for tail in &states[1].tails {
            let bytes = read(&to, &tail.extents, tail.stored_length).unwrap();
            assert_eq!(to.naming().content(&bytes), tail.content);
        }
    }
}

/// Index files lie in packs of their own: nothing else tells that they are lost.
#[test]
fn a_point_whose_index_files_are_not_all_there_any_more_is_no_success() {
    let room = Room::new();
    room.ends(0, &format!("{} --with-indexes", backup(&room.server(SERVER))));
    room.ends(0, "init -r copy");
    room.ends(0, "copy --to copy");
    let packs = tree(&room.path("copy/packs"));
    let of_files = packs.iter().filter(|(_, bytes)| bytes[10] == 4);
    let of_files: Vec<_> = of_files.map(|(pack, _)| room.path("copy/packs").join(pack)).collect();
    assert!(!of_files.is_empty());
    for pack in of_files {
        fs::remove_file(pack).unwrap();
    }
    let (_, stderr) = room.ends(20, "copy --to copy");
    assert!(stderr.contains("can't be restored there"), "{stderr}");
}

#[test]
fn since_last_leaves_out_what_was_left_out_before() {
    let (from, to) = lab(3);
    copy_with(&from, &to, |options| options.points = vec!["2".to_owned()]).unwrap();
    let new = copy_with(&from, &to, |options| options.since_last = true).unwrap();
    assert_eq!(new.points.iter().map(|point| point.from).collect::<Vec<_>>(), [3]);
    assert_eq!(new.older, [1], "it is said");
    assert!(copy_all(&from, &to).unwrap().older.is_empty());
}

/// A copy may keep fewer points than there are here, so they don't come back unasked; one that was left out since something was lost must not be
/// forgotten without a word.
#[test]
fn since_last_says_which_older_points_are_not_there() {
    let room = Room::new();
    let root = room.server(SERVER);
    (0..3).for_each(|_| drop(room.ends(0, &backup(&root))));
    room.ends(0, &format!("-r {} init", room.path("copy").display()));
    room.ends(0, "copy 3 --to copy");
    let (told, _) = room.ends(0, "copy --since-last --to copy --dry-run");
    assert!(told.contains("points 1, 2 are not there, and older than"), "{told}");
    let report = room.document(0, "copy", "copy --since-last --to copy");
    assert_eq!(report["older"], serde_json::json!([1, 2]));
    room.ends(0, "copy 1 --to copy");
    let (told, _) = room.ends(0, "copy --since-last --to copy");
    assert!(told.contains("point 2 is not there, and older than"), "{told}");
    room.ends(0, "copy --to copy");
    let (told, _) = room.ends(0, "copy --since-last --to copy");
    assert!(!told.contains("older"), "{told}");
}

#[test]
fn since_last_looks_at_each_source_by_itself() {
    let room = Room::new();
    let root = room.server(SERVER);
    let data = root.join("data");
    room.ends(0, &format!("backup --data-dir {} --no-control-db --source B", data.display()));
    (0..2).for_each(|_| drop(room.ends(0, &backup(&root))));
    room.ends(0, &format!("-r {} init", room.path("copy").display()));
    let copied = |line: &str| {
        let report = room.document(0, "copy", line);
        report["points"].as_array().unwrap().iter().map(|point| point["from"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(copied("copy 3 --to copy"), [3]);
    assert_eq!(
        copied("copy --since-last --to copy"),
        [1],
        "2 was left out before, of B nothing was copied yet"
    );
}

#[test]
fn holds_and_marks_come_along_and_an_ended_hold_stays_ended() {
    let (from, to) = lab(2);
    let points: Vec<_> =
        open(&from).unwrap().journal().unwrap().points.iter().map(|p| p.reference()).collect();
    let act = |disk: &CrashDisk, deed| {
        open(disk).unwrap().session().unwrap().publish_act(Moment(1), deed).unwrap();
    };
    act(&from, Deed::Held { point: points[0], reason: "audit".to_owned(), until: None });
    act(&from, Deed::Incomplete { point: points[1], reason: "found later".to_owned() });
    copy_all(&from, &to).unwrap();
    let there = open(&to).unwrap().journal().unwrap().points;
    assert_eq!(there[0].held, Some(("audit".to_owned(), None)));
    assert!(!there[1].is_complete());
    act(&to, Deed::Released { point: there[0].reference() });
    copy_all(&from, &to).unwrap();
    assert_eq!(open(&to).unwrap().journal().unwrap().points[0].held, None);
    // What was said after the copy comes along with the next one.
    act(&from, Deed::Held { point: points[1], reason: "later".to_owned(), until: None });
    copy_all(&from, &to).unwrap();
    assert_eq!(open(&to).unwrap().journal().unwrap().points[1].held, Some(("later".to_owned(), None)));
}

/// Databases share chunks: the list of one may be there, and what it names is not.
#[test]
fn a_point_whose_database_is_not_all_there_any_more_is_no_success() {
    let (from, to) = lab(1);
    copy_all(&from, &to).unwrap();
    let first = open(&to).unwrap().index().packs_of(PackKind::ControlDb).unwrap();
    back_up_on(&from, 2).unwrap();
    assert!(copy_all(&from, &to).unwrap().lost.is_empty());
    for (pack, _) in first {
        to.remove(&paths::pack(pack)).unwrap();
    }
    let lost = copy_all(&from, &to).unwrap().lost;
    assert_eq!(lost.iter().map(|lost| lost.point.from).collect::<Vec<_>>(), [1, 2], "{lost:?}");
}

#[test]
fn a_dry_run_copies_nothing() {
    let (from, to) = lab(2);
    // Whoever opens it makes the lock.
    drop(open(&to).unwrap());
    let files = to.files();
    let report = copy_with(&from, &to, |options| options.dry_run = true).unwrap();
    assert_eq!((report.points.len(), report.chunks > 0), (2, true));
    assert_eq!(to.files(), files);
}

#[test]
fn the_same_repository_and_another_history_are_refused() {
    let (from, _) = lab(2);
    let plain = from.reboot(Image::ProcessKilled);
    assert!(matches!(copy_all(&from, &plain), Err(engine::Error::Copy(copy::Error::SameRepository))));
    // The same source there, with a segment that is another one.
    let other = another('d');
    crate::store::model::back_up_other(&other);
    assert!(matches!(copy_all(&from, &other), Err(engine::Error::Copy(copy::Error::Conflict { .. }))));
}

/// Segments with these first tokens, of ten events each; their bytes are told by a number.
fn log_of(session: &mut Session<'_>, segments: &[(u64, u64)]) -> (Vec<SegmentEntry>, LogState) {
    let mut sealed = Vec::new();
    for (first, seed) in segments {
        let bytes = noise(*seed, 900);
        let extents = put_all(session, PackKind::Sealed, &bytes).unwrap();
        sealed.push(entry(*first, &bytes, extents, End::Rolled, 10));
    }
    let root = session.put_tree(&sealed).unwrap();
    (sealed, LogState { key: key(Store::Events), branch: None, root, tails: Vec::new() })
}

/// What is there alone was lost on the way here, and stays, if it lies before bytes that both have, where nothing lies here. Any other is of
/// another history.
#[test]
fn what_they_alone_have_is_kept_where_it_can_be_of_the_same_history() {
    let tail = |session: &mut Session<'_>, seed: u64, (length, events): (usize, u64)| {
        let bytes = &noise(seed, 500)[..length];
        entry(1000, bytes, put_all(session, PackKind::Tail, bytes).unwrap(), End::Open, events)
    };
    let fits_with = |ours: &[(u64, u64)], theirs: &[(u64, u64)], shorter: Option<(u64, (usize, u64))>| {
        let (from, to) = lab(0);
        let (here, there) = (open(&from).unwrap(), open(&to).unwrap());
        let mut session = there.session().unwrap();
        let (_, mut state) = log_of(&mut session, theirs);
        state.tails.extend(shorter.map(|(seed, shorter)| tail(&mut session, seed, shorter)));
        let durable = session.barrier().unwrap();
        let _ = session.publish_records(durable, vec![(state.clone(), Vec::new())]).unwrap();
        drop(session);
        let mut session = here.session().unwrap();
        let tail = tail(&mut session, 7, (500, 1));
        let logs = [(Store::Snapshots, &[][..]), (Store::Events, ours)].map(|(store, segments)| {
            let (sealed, state) = log_of(&mut session, segments);
            (sealed, LogState { key: key(store), tails: vec![tail.clone()], ..state })
        });
        let durable = session.barrier().unwrap();
        let states = logs.each_ref().map(|(_, state)| (state.clone(), Vec::new()));
        let (records, _) = session.publish_records(durable, states.to_vec()).unwrap();
        let [snapshots, events] = logs.map(|(sealed, state)| point_log(1, state.root, &sealed, &tail));
        let none = ControlDb::Absent { reason: "a test".to_owned() };
        session.publish_point(records, body(none, snapshots, events)).unwrap();
        let done = copy_all(&from, &to);
        assert!(matches!(done, Ok(_) | Err(engine::Error::Copy(copy::Error::Conflict { .. }))), "{done:?}");
        if done.is_err() {
            let now = there.newest_record(&key(Store::Events)).unwrap().unwrap();
            assert_eq!(now.state, state);
        }
        done.is_ok()
    };
    let fits = |ours: &[(u64, u64)], theirs: &[(u64, u64)]| fits_with(ours, theirs, None);
    assert!(fits(&[(20, 2)], &[(0, 1), (20, 2)]));
    assert!(fits_with(&[], &[(0, 1)], Some((7, (300, 1)))), "a tail that has grown");
    assert!(!fits_with(&[], &[(0, 1)], Some((8, (300, 1)))), "one of another history");
    assert!(!fits_with(&[], &[(0, 1)], Some((7, (5, 0)))), "an empty one is part of any");
    assert!(!fits(&[(20, 2)], &[(0, 1)]), "nothing in common");
    assert!(!fits(&[(20, 3)], &[(0, 1), (20, 2)]), "nothing in common but a name");
    assert!(!fits(&[(20, 2)], &[(20, 2), (30, 1)]), "behind what both have");
    assert!(!fits(&[(0, 1), (20, 2)], &[(5, 1), (20, 2)]), "where something lies here");
}

#[test]
fn a_copy_that_is_interrupted_anywhere_is_gone_on_with() {
    let (from, to) = lab(3);
    let measured = to.reboot(Image::ProcessKilled);
    copy_all(&from, &measured).unwrap();
    for at in 1..=measured.mutations() {
        let crashed = to.reboot(Image::ProcessKilled);
        crashed.plan(Trouble { crash_at: Some(at), ..Trouble::default() });
        let _ = copy_all(&from, &crashed);
        let image = Image::ALL[at as usize % 6];
        let after = crashed.reboot(image);
        for listed in open(&after).unwrap().journal().unwrap().listed() {
            check_point(&open(&after).unwrap(), listed).unwrap();
        }
        copy_all(&from, &after).unwrap();
        whole(&after.reboot(Image::OnlySynced), 3);
    }
}

#[test]
fn the_real_data_comes_back_from_a_copy() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, &backup(&root));
    room.ends(0, "init -r second");
    let (told, _) = room.ends(0, "copy --to second");
    assert!(told.contains("point 2 copied, as point 2"), "{told}");
    room.ends(0, "verify --data -r second");
    room.ends(0, "restore latest --target restored -r second");
    assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
    let next = room.document(0, "backup", &format!("{} -r second", backup(&root)));
    assert_eq!(next["new_chunks"], 0, "{next}");
    room.refused(10, "copy --to nowhere", &["nowhere"]);
}

/// What a list names nobody knows that can't read it anywhere. Its name proves the one that they have there.
#[test]
fn a_point_whose_list_of_chunks_is_lost_is_copied_where_the_list_is_there() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, "init -r second");
    room.ends(0, "copy --to second");
    room.ends(0, &backup(&root));
    let repository =
        Repository::open(Arc::new(LocalDisk::new(room.repository())), OpenOptions::default()).unwrap();
    for (pack, _) in repository.index().packs_of(PackKind::ControlDb).unwrap() {
        std::fs::remove_file(room.repository().join(paths::pack(pack))).unwrap();
    }
    drop(repository);
    room.ends(0, "init -r third");
    let (_, warned) = room.ends(20, "copy --to third");
    assert!(
        warned.contains("point 1 was not copied") && warned.contains("point 2 was not copied"),
        "{warned}"
    );
    let (told, _) = room.ends(0, "copy --to second --dry-run");
    assert!(told.contains("point 2 would be copied"), "{told}");
    let (told, _) = room.ends(0, "copy --to second");
    assert!(told.contains("point 2 copied, as point 2"), "{told}");
    room.ends(0, "verify --data -r second");
    room.ends(0, "restore 2 --target restored -r second");
    assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
}

/// The longer copy of a tail that they have there can't be read here any more.
fn without_tails(disk: &CrashDisk) {
    for (pack, _) in open(disk).unwrap().index().packs_of(PackKind::Tail).unwrap() {
        disk.remove(&paths::pack(pack)).unwrap();
    }
}

/// A point claimed what they have there: so the lost one went on from it, and what is behind it can be copied.
#[test]
fn of_a_tail_that_is_lost_here_they_keep_what_they_have() {
    let (from, to) = lab(2);
    copy_all(&from, &to).unwrap();
    back_up_on(&from, 3).unwrap();
    without_tails(&from);
    let report = copy_all(&from, &to).unwrap();
    assert!(
        report.points.is_empty() && report.left_out.iter().map(|left| left.point.from).eq([3]),
        "{report:?}"
    );
    let left = report.history_left_out.iter().map(|log| log.segments.len());
    assert!(left.eq([1, 1]), "not all of it: {report:?}");
    whole(&to, 2);
    // What is made of it since goes on there.
    back_up_on(&from, 4).unwrap();
    let report = copy_all(&from, &to).unwrap();
    whole(&to, 2 + report.points.len());
}

/// Nobody knows whether what is lost here went on from what they made there.
#[test]
fn a_log_that_cannot_be_compared_is_left_out_with_its_points() {
    let (from, to) = lab(2);
    copy_all(&from, &to).unwrap();
    back_up_on(&to, 3).unwrap();
    back_up_on(&from, 4).unwrap();
    without_tails(&from);
    let report = copy_all(&from, &to).unwrap();
    assert!(
        report.points.is_empty() && report.left_out.iter().map(|left| left.point.from).eq([3]),
        "{report:?}"
    );
    let logs = report.history_left_out;
    assert!(logs.len() == 2 && logs.iter().all(|log| log.segments.is_empty() && !log.given_up), "{logs:?}");
    assert!(logs[0].why.contains("can't be compared"), "{logs:?}");
    whole(&to, 3);
}

/// As long as what was claimed here, and yet not the same: what they have goes on otherwise, and stays.
#[test]
fn nor_is_one_compared_with_a_claim_that_is_only_as_long() {
    let (from, to) = lab(2);
    copy_all(&from, &to).unwrap();
    let repository = open(&to).unwrap();
    let mut session = repository.session().unwrap();
    let mut state = repository.newest_record(&key(Store::Events)).unwrap().unwrap().state;
    let old = state.tails.remove(0);
    let begin = read(&repository, &old.extents, old.logical_end).unwrap();
    let bytes = [begin, noise(9, 500)].concat();
    let extents = put_all(&mut session, PackKind::Tail, &bytes).unwrap();
    state.tails = vec![SegmentEntry { name: old.name, ..entry(0, &bytes, extents, End::Open, 3) }];
    let proof = PrefixProof { name: old.name, length: old.logical_end, content: old.content };
    let durable = session.barrier().unwrap();
    let _ = session.publish_records(durable, vec![(state.clone(), vec![proof])]).unwrap();
    drop(session);
    drop(repository);
    (3..=4).for_each(|backup| _ = back_up_on(&from, backup).unwrap());
    without_tails(&from);
    let report = copy_all(&from, &to).unwrap();
    assert!(report.points.is_empty() && report.history_left_out[0].why.contains("can't be compared"));
    assert_eq!(open(&to).unwrap().newest_record(&key(Store::Events)).unwrap().unwrap().state, state);
}

/// What was written is read once more before any record or point relies on it; nor does the next run rely on it.
#[test]
fn a_pack_that_the_disk_there_has_written_otherwise_is_no_copy() {
    let (from, to) = lab(2);
    let disk = to.clone();
    let rots = move |path: &str| {
        disk.damage(path, |bytes| {
            if bytes.starts_with(&pack::MAGIC) {
                bytes[40] ^= 1;
            }
        });
    };
    let odd = OddDisk { before_publish: Some(Arc::new(rots)), ..OddDisk::of(&to) };
    let done = copy::copy(&open(&from).unwrap(), &open(&odd).unwrap(), &CopyOptions::default(), &Unobserved);
    assert!(matches!(done, Err(engine::Error::Repo(_))), "{done:?}");
    let repository = open(&to).unwrap();
    assert!(repository.logs().unwrap().is_empty() && repository.journal().unwrap().points.is_empty());
    drop(repository);
    copy_all(&from, &to).unwrap();
    whole(&to, 2);
}

/// Its list alone is asked for by the rules of points: that all of it is there is for the copy to see.
#[test]
fn a_point_of_which_something_is_lost_is_not_copied() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, "init -r second");
    let repository =
        Repository::open(Arc::new(LocalDisk::new(room.repository())), OpenOptions::default()).unwrap();
    let packs = repository.index().packs_of(PackKind::ControlDb).unwrap();
    let (pack, length) = packs.into_iter().max_by_key(|(_, length)| *length).unwrap();
    let block = read_directory(repository.disk(), pack, length).unwrap().blocks.into_iter();
    let largest = block.max_by_key(|block| block.encoded_length).unwrap();
    drop(repository);
    let path = room.repository().join(paths::pack(pack));
    flip(&path, largest.body_offset + u64::from(largest.encoded_length) / 2);
    let (_, warned) = room.ends(20, "copy --to second");
    assert!(
        warned.contains("point 1 was not copied") && warned.contains("is in no readable pack"),
        "{warned}"
    );
    let second =
        Repository::open(Arc::new(LocalDisk::new(room.path("second"))), OpenOptions::default()).unwrap();
    assert!(second.journal().unwrap().points.is_empty() && second.logs().unwrap().is_empty());
}

/// A misspelt name is no success of nothing.
#[test]
fn one_source_is_copied_by_itself_and_an_unknown_one_is_refused() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &format!("backup --data-dir {} --no-control-db --source B", root.join("data").display()));
    room.ends(0, &backup(&root));
    room.ends(0, "init -r second");
    room.refused(2, "copy --source C --to second", &["'C'", "B"]);
    room.refused(2, "erase --source C --context default", &["'C'", "B"]);
    room.refused(2, "drop-history --source C --context default --before 1", &["'C'", "B"]);
    let report = room.document(0, "copy", "copy --source B --to second");
    let from: Vec<_> = report["points"].as_array().unwrap().iter().map(|point| &point["from"]).collect();
    assert_eq!(from, [1]);
    let second =
        Repository::open(Arc::new(LocalDisk::new(room.path("second"))), OpenOptions::default()).unwrap();
    assert!(second.logs().unwrap().iter().all(|log| log.source == "B"));
}
