//! `erase`, on the real data of a server that transformed its events.

use super::{bytes, decoded, holds, old_events, transformed};
use crate::support::fixtures;
use crate::support::program::{Room, assert_restored, backup_data, files_below, flip, segments};
use crate::support::small_disk::SmallDisk;
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::erase::{self, EraseOptions};
use segvault::engine::observe::{Event, Observer, Unobserved};
use segvault::repo;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::store::{Alone, OpenOptions, reserve};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ERASE: &str = "erase --source node-1 --context default";

/// Before the transformation, between it and compaction, after; each a point.
fn room() -> (Room, [PathBuf; 3]) {
    let room = Room::new();
    let states = [
        transformed(&room, "before", |name, _| name.version == 0),
        transformed(&room, "between", |_, _| true),
        transformed(&room, "after", |_, is_old| !is_old),
    ];
    for data in &states {
        room.ends(0, &backup_data(data));
    }
    (room, states)
}

#[test]
fn no_byte_of_an_old_version_is_left_and_older_points_read_the_current_one() {
    let (room, [_, between, after]) = room();
    let old = old_events();
    assert!(old.len() > 3, "{}", old.len());
    assert!(holds(&decoded(&room), &old[0]));
    let plan = room.document(0, "erase", ERASE);
    assert_eq!((&plan["dry_run"], &plan["points"]), (&true.into(), &serde_json::json!([1, 2])));
    assert!(holds(&decoded(&room), &old[0]), "only said");
    let (stdout, _) = room.ends(0, ERASE);
    assert!(stdout.contains("do it with --yes; there is no undo"), "{stdout}");

    let report =
        room.document(report_code(&plan), "erase", &format!("{ERASE} --yes --prove --reason request-17"));
    assert_eq!(report["events"], old.len());
    assert_eq!((&report["dry_run"], &report["points"]), (&false.into(), &plan["points"]));
    assert!(
        report["proof"]["found"].as_array().unwrap().is_empty()
            && report["proof"]["events"].as_u64() > Some(0)
    );
    let blocks = decoded(&room);
    assert!(old.iter().step_by(7).all(|event| !holds(&blocks, event)));
    for (point, shown) in [("1", &after), ("2", &after), ("3", &after)] {
        let restored = room.restore(0, point, &format!("restored-{point}"));
        assert_restored(&shown.join("default"), &room.path(&format!("restored-{point}/data/default")));
        let notes = restored["notes"].to_string();
        assert_eq!(notes.contains("request-17"), point != "3", "{notes}");
    }
    room.ends(0, "verify --data --history");
    let (shown, _) = room.ends(0, "show 1");
    assert!(shown.contains("rewritten by act"), "{shown}");

    // The server has not compacted yet: what was erased does not come back, and that is said.
    let again =
        room.document(3, "backup", &backup_data(&between).replace("backup", "backup --quiet --quiet"));
    assert!(again.to_string().contains("were erased here"), "{again}");
    assert!(!holds(&decoded(&room), &old[0]));
    let proof = room.document(0, "erase-proof", &format!("{ERASE} --prove"));
    assert!(proof["found"].as_array().unwrap().is_empty());
    room.ends(0, "verify --data");
    room.restore(3, "4", "restored-4");
    assert_restored(&after.join("default"), &room.path("restored-4/data/default"));
}

/// What stays was named: then somebody has to look.
fn report_code(plan: &Value) -> i32 {
    let lists = [
        "snapshots",
        "control_dbs",
        "replication_logs",
        "damaged",
        "not_replaced",
        "elsewhere",
        "copies",
        "left",
    ];
    let is_named = |name: &&str| !plan[*name].as_array().unwrap().is_empty();
    if lists.iter().any(is_named) { 3 } else { 0 }
}

#[test]
fn a_hold_forbids_it_loudly_and_a_copy_is_named() {
    let (room, _) = room();
    room.ends(0, "hold add 2 --reason audit");
    let before = bytes(&room);
    room.refused(2, &format!("{ERASE} --yes"), &["holds forbid it", "2 (audit)"]);
    assert_eq!(bytes(&room), before);
    room.ends(0, "hold remove 2");
    room.ends(0, &format!("-r {} init", room.path("copy").display()));
    room.ends(0, &format!("copy --to {}", room.path("copy").display()));
    let (_, stderr) = room.ends(3, &format!("{ERASE} --yes --prove"));
    let _ = stderr;
    let (said, _) = room.ends(0, ERASE);
    assert!(said.contains("erase there, too") && said.contains("copy"), "{said}");
    // The copy still has it, and can be erased by itself; and says where its points come from.
    let repository: Value =
        serde_json::from_slice(&fs::read(room.repository().join("segvault.json")).unwrap()).unwrap();
    let plan = room.document(0, "erase", &format!("-r {} {ERASE}", room.path("copy").display()));
    assert_eq!(plan["copies"], serde_json::json!([{ "repository": repository["id"], "place": null }]));
    let there = format!("-r {} {ERASE} --yes --prove", room.path("copy").display());
    room.ends(3, &there);
    room.ends(0, &format!("-r {} verify --data", room.path("copy").display()));
}

#[test]
fn forgotten_points_keep_their_undo_and_snapshots_go_if_asked() {
    let (room, [_, _, after]) = room();
    room.ends(0, "forget 1 --yes");
    let report = room.document(0, "erase", ERASE);
    let has_snapshots = !report["snapshots"].as_array().unwrap().is_empty();
    assert!(has_snapshots && report_code(&report) == 3);
    // Nothing else stays that was named.
    let done = room.document(0, "erase", &format!("{ERASE} --yes --snapshots --prove"));
    assert_eq!(done["snapshots_dropped"], has_snapshots);
    room.ends(0, "forget --undo");
    assert_eq!(room.points(), [1, 2, 3]);
    room.ends(0, "verify --data");
    room.restore(0, "1", "restored");
    let snapshots = segments(&room.path("restored/data/default"));
    assert_eq!(snapshots.keys().any(|(store, _)| *store == Store::Snapshots), !has_snapshots);
    room.ends(0, &backup_data(&after));
    room.ends(0, "verify --data");
}

/// Whoever puts packs back, from a copy of the files say, has the erased bytes again: the proof has to see both their names and what is in them.
#[test]
fn a_proof_finds_what_is_there_again_and_never_calls_whole_what_it_can_t_read() {
    let (room, _) = room();
    let (packs, aside) = (room.path("repository/packs"), room.path("aside"));
    fixtures::copy_tree(&packs, &aside);
    room.document(0, "erase", &format!("{ERASE} --yes --snapshots --prove"));
    let now = files_below(&packs);
    room.document(0, "erase-proof", &format!("{ERASE} --prove"));
    let back: Vec<_> = files_below(&aside).into_keys().filter(|pack| !now.contains_key(pack)).collect();
    assert!(!back.is_empty());
    for pack in &back {
        fs::create_dir_all(packs.join(pack).parent().unwrap()).unwrap();
        fs::copy(aside.join(pack), packs.join(pack)).unwrap();
    }
    let proof = room.document(1, "erase-proof", &format!("{ERASE} --prove"));
    let why = |list: &str| -> Vec<String> {
        proof[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["why"].as_str().unwrap().to_owned())
            .collect()
    };
    let found = why("found");
    assert!(found.iter().any(|why| why.ends_with(", which was erased")), "{found:?}");
    let events = found.iter().filter(|why| *why == "holds an event that was erased").count();
    assert!(events >= old_events().len(), "{events} {found:?}");
    // Nothing of a pack that can't be read is known: neither where its directory is lost, nor where a block is.
    for from_end in [true, false] {
        for pack in &back {
            let path = packs.join(pack);
            fs::copy(aside.join(pack), &path).unwrap();
            let length = fs::metadata(&path).unwrap().len();
            flip(&path, if from_end { length - 80 } else { length / 2 });
        }
        let proof = room.command(&format!("{ERASE} --prove --json")).output().unwrap();
        let proof: Value = serde_json::from_slice(&proof.stdout).unwrap();
        let unreadable = proof["unreadable"].as_array().unwrap();
        for pack in &back {
            let name = pack.to_str().unwrap();
            let is_named = unreadable.iter().any(|named| named["path"].as_str().unwrap().ends_with(name));
            assert!(is_named, "{from_end} {name}: {proof:#}");
        }
    }
}

#[test]
fn what_an_erasure_does_not_reach_is_named() {
    let (room, [before, _, after]) = room();
    let named = |list: &str, words: &str| {
        let plan = room.document(0, "erase", ERASE);
        let list = plan[list].as_array().unwrap();
        list.iter().filter(|named| named.as_str().unwrap().contains(words)).count()
    };
    assert_eq!((named("elsewhere", ""), named("damaged", "")), (0, 0));
    // What has the current versions alone is not concerned.
    room.ends(0, &backup_data(&after).replace("node-1", "node-3"));
    assert_eq!(named("elsewhere", ""), 0);
    // The same old version, under another name of the node.
    room.ends(0, &backup_data(&before).replace("node-1", "node-2"));
    assert!(named("elsewhere", "of events of default@1 of node-2") > 0);
    // What a repair has put aside.
    let aside = room.path("repository/damaged");
    fs::create_dir_all(&aside).unwrap();
    fs::write(aside.join("what"), "ever").unwrap();
    assert_eq!(named("damaged", "damaged/what"), 1);
    // And what the source had damaged, which may hold anything.
    let current = segments(&after.join("default")).into_iter();
    let (_, path) = current.filter(|((store, _), _)| *store == Store::Events).nth(1).unwrap();
    flip(&path, 200);
    room.ends(3, &format!("{} --reread", backup_data(&after)));
    assert_eq!(named("damaged", "a damaged copy of segment"), 1);
    let done = room.document(3, "erase", &format!("{ERASE} --yes --snapshots"));
    assert!(!done["elsewhere"].as_array().unwrap().is_empty());
    assert_eq!(done["damaged"].as_array().unwrap().len(), 2);
    assert_eq!(done["left"], serde_json::json!([]), "chunks that others hold are not erased");
    // Nor does a proof pass over it: the other source has the events.
    let proof = room.document(1, "erase-proof", &format!("{ERASE} --prove"));
    let mut found = proof["found"].as_array().unwrap().iter();
    assert!(found.len() > 0 && found.all(|found| found["why"] == "holds an event that was erased"));
}

fn options(prove: bool) -> EraseOptions {
    EraseOptions {
        source: "node-1".to_owned(),
        context: "default".to_owned(),
        snapshots: false,
        reason: String::new(),
        prove,
    }
}

/// What an erasure writes anew is damaged before it was read back.
struct Spoils<'p>(&'p Path, BTreeMap<PathBuf, u64>);

impl Observer for Spoils<'_> {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Phase { name: "what may go", .. }) {
            let all = files_below(self.0).into_iter();
            let new = all.filter(|(pack, _)| !self.1.contains_key(pack));
            new.for_each(|(pack, length)| flip(&self.0.join(pack), length / 2));
        }
    }
}

#[test]
fn a_pack_that_can_t_go_though_it_holds_what_was_erased_is_told() {
    let (room, _) = room();
    let packs = room.path("repository/packs");
    let before = files_below(&packs);
    let disk = Arc::new(LocalDisk::new(room.repository()));
    let alone = Alone::open(disk, OpenOptions::default()).unwrap();
    let report = erase::erase(&alone, &options(false), &Spoils(&packs, before.clone())).unwrap();
    drop(alone);
    let told = |pack: &PathBuf| {
        let name = pack.to_str().unwrap();
        report
            .left
            .iter()
            .any(|left| left.path.ends_with(name) && left.why == "holds chunks of what was erased")
    };
    assert!(before.keys().any(told), "{report:?}");
    assert!(report.leaves_something());
}

#[test]
fn parity_of_what_was_erased_goes_with_it_and_what_nobody_can_read_is_told() {
    let (room, _) = room();
    room.ends(0, "repair add-parity --parity 50%");
    let plant = |top: &str| {
        let directory = room.repository().join(top).join("00");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("0".repeat(64)), "what ever").unwrap();
    };
    plant("packs");
    let done = room.document(3, "erase", &format!("{ERASE} --yes --snapshots"));
    let left = done["left"].as_array().unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["why"].as_str().unwrap().starts_with("nobody knows what it holds"), "{left:?}");
    let packs = files_below(&room.path("repository/packs"));
    let parity = files_below(&room.path("repository/parity"));
    assert!(!parity.is_empty() && parity.keys().all(|file| packs.contains_key(file)), "{parity:?}");
    fs::remove_file(room.repository().join("packs/00").join("0".repeat(64))).unwrap();
    let proof = |status| room.document(status, "erase-proof", &format!("{ERASE} --prove"));
    assert_eq!(proof(0)["unreadable"], serde_json::json!([]));
    plant("parity");
    assert!(proof(3)["unreadable"][0]["path"].as_str().unwrap().contains("/parity/"));
}

#[test]
fn on_a_full_disk_the_reserve_gives_the_room_for_it() {
    let erase = |with_reserve: bool| {
        let (room, _) = room();
        let disk = LocalDisk::new(room.repository());
        if !with_reserve {
            assert!(reserve::release(&disk).unwrap(), "each repository begins with one");
        }
        let disk = SmallDisk::full(disk);
        let alone = Alone::open(Arc::new(disk.clone()), OpenOptions::default()).unwrap();
        let done = erase::erase(&alone, &options(true), &Unobserved);
        drop(alone);
        room.ends(0, "verify --data");
        assert!(disk.used() <= disk.room());
        (done, holds(&decoded(&room), &old_events()[0]))
    };
    let (done, is_left) = erase(true);
    assert!(done.unwrap().proof.unwrap().found.is_empty() && !is_left);
    let (refused, is_left) = erase(false);
    assert!(matches!(refused, Err(Error::Repo(repo::Error::NoSpace { .. }))) && is_left);
}
