//! Plain files of a point: index files are archived when they are asked for, and come back all of a store or none.

use crate::support::archive::tree;
use crate::support::program::{Room, SERVER, told};
use segvault::repo::format::pack::PackKind;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

fn backup(room: &Room, code: i32, more: &str) -> serde_json::Value {
    room.document(code, "backup", &format!("backup --data-dir {SERVER} --no-control-db {more}"))
}

/// The index and bloom files below a directory.
fn indexes(root: &Path) -> Files {
    let mut files = tree(root);
    files.retain(|path, _| path.ends_with("index") || path.ends_with("bloom"));
    files
}

fn whats(document: &serde_json::Value, member: &str) -> Vec<String> {
    let found = document[member].as_array().unwrap();
    found.iter().map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn index_files_come_back_bit_by_bit_and_only_if_asked_for() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    assert_eq!(whats(&backup(&room, 0, "--with-indexes"), "findings"), [""; 0]);
    room.restore(0, "1", "without");
    assert!(indexes(&room.path("without")).is_empty());
    let done = room.document(0, "restore", "restore 1 --target with --with-indexes");
    assert_eq!(
        indexes(&room.path("with/data")),
        indexes(&data),
        "every sealed segment of the server has them"
    );
    assert!(!indexes(&data).is_empty());
    let files: u64 =
        done["plain_files"].as_array().unwrap().iter().map(|set| set["files"].as_u64().unwrap()).sum();
    assert_eq!(files, indexes(&data).len() as u64);
    // What did not change is not read again, and takes nothing.
    let again = backup(&room, 0, "--with-indexes");
    assert_eq!(again["new_chunks"], 0);
    room.ends(0, "verify --data");
}

#[test]
fn all_of_a_store_or_none() {
    let room = Room::new();
    let data = room.server(SERVER).join("data/default");
    fs::remove_file(data.join("00000000000000000805.bloom")).unwrap();
    let report = backup(&room, 0, "--with-indexes");
    assert_eq!(whats(&report, "findings"), ["index"], "it is said which is not there");
    let done = room.document(0, "restore", "restore 1 --target out --with-indexes");
    assert!(indexes(&room.path("out")).is_empty(), "the others would make the server lose events silently");
    assert!(whats(&done, "notes").contains(&"no-indexes".to_owned()));
}

#[test]
fn a_bloom_file_that_is_not_whole_is_left_out() {
    let room = Room::new();
    let bloom = room.server(SERVER).join("data/default/00000000000000000805.bloom");
    let bytes = fs::read(&bloom).unwrap();
    fs::write(&bloom, &bytes[..bytes.len() - 8]).unwrap();
    let report = backup(&room, 0, "--with-indexes");
    let text = report["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("00000000000000000805.bloom was being written"), "{text}");
    room.document(0, "restore", "restore 1 --target out --with-indexes");
    assert!(indexes(&room.path("out")).is_empty());
}

#[test]
fn damaged_index_files_hurt_nothing_else() {
    let room = Room::new();
    room.server(SERVER);
    backup(&room, 0, "--with-indexes");
    let packs = tree(&room.repository().join("packs"));
    let (pack, bytes) = packs.iter().find(|(_, bytes)| bytes[10] == 4).expect("a pack of plain files");
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 400].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(room.repository().join("packs").join(pack), bytes).unwrap();
    let report = room.document(20, "verify", "verify --data");
    assert_eq!(report["findings"][0]["points"], serde_json::json!([1]));
    room.restore(0, "1", "out");
    let (_, stderr) = room.ends(20, "restore 1 --target with --with-indexes");
    assert!(!room.path("with").exists(), "{stderr}");
    // The next backup that is asked for them stores them again.
    backup(&room, 0, "--with-indexes");
    room.document(0, "restore", "restore 2 --target with --with-indexes");
    assert!(!indexes(&room.path("with")).is_empty());
}

#[test]
fn a_prune_keeps_what_points_need_of_them_and_stats_count_them() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    backup(&room, 0, "--with-indexes");
    backup(&room, 0, "--with-indexes");
    let stats = room.document(0, "stats", "stats");
    assert_eq!(stats["plain_files"][0]["points"], 2);
    assert!(stats["plain_files"][0]["stored"].as_u64().unwrap() > 0);
    room.ends(0, "forget 1 --yes");
    // Marked, then deleted; then there is nothing left to do.
    for _ in 0..3 {
        room.ends(0, "prune --grace 0s --yes");
    }
    room.ends(0, "verify --data");
    room.document(0, "restore", "restore latest --target out --with-indexes");
    assert_eq!(indexes(&room.path("out/data")), indexes(&data));
}

#[test]
fn a_cut_history_gets_no_index_files_of_the_point() {
    let room = Room::new();
    room.server(SERVER);
    backup(&room, 0, "--with-indexes");
    let line = "restore 1 --target cut --to-token default=2000 --with-indexes";
    let (code, stdout, stderr) = told(room.command(line).output().unwrap());
    assert!(matches!(code, Some(0 | 3)), "{stdout}\n{stderr}");
    assert!(room.path("cut/data/default/00000000000000000805.events").exists());
    assert!(indexes(&room.path("cut")).is_empty(), "they may be of other bytes");
    assert!(stdout.contains("the history is cut"), "{stdout}");
}

/// Sets share files: the listing of one may be there, and what it lists is not.
#[test]
fn a_copied_point_whose_files_are_not_all_there_any_more_is_told() {
    let room = Room::new();
    let data = room.server(SERVER).join("data/default");
    backup(&room, 0, "--with-indexes");
    fs::remove_file(data.join("00000000000000000805.bloom")).unwrap();
    backup(&room, 0, "--with-indexes");
    room.ends(0, "init -r copy");
    room.ends(0, "copy 1 --to copy");
    let first = tree(&room.path("copy/packs"));
    room.ends(0, "copy 2 --to copy");
    assert_eq!(room.document(0, "copy", "copy --to copy")["lost"], serde_json::json!([]));
    for (path, bytes) in first {
        if bytes[10] == PackKind::Files.number() {
            fs::remove_file(room.path("copy/packs").join(path)).unwrap();
        }
    }
    let (_, said) = room.ends(20, "copy --to copy");
    for point in ["point 1 was copied before", "point 2 was copied before"] {
        assert!(said.contains(point), "{said}");
    }
}
