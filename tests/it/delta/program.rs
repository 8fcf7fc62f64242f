//! The same through the real program, on what real servers wrote.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, assert_restored, backup, backup_data, files_below, flip, told};
use crate::support::segments::{Event, StoreImage};
use rustix::process::Signal;
use segvault::axon::name::Store;
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;

const DATA: &str = "out/data/default";

/// A real server archived without its last segment, then whole; a directory as of the first.
fn room() -> (Room, PathBuf) {
    let room = Room::new();
    let root = room.server(SERVER);
    let open = root.join("data/default/00000000000000002790.events");
    let held = fs::read(&open).unwrap();
    fs::remove_file(&open).unwrap();
    room.document(0, "backup", &backup(&root));
    fs::write(&open, &held).unwrap();
    room.document(0, "backup", &backup(&root));
    room.restore(0, "1", "out");
    (room, root.join("data/default"))
}

fn total(plan: &Value, what: &str) -> u64 {
    plan["delta"][what]["files"].as_u64().unwrap()
}

#[test]
fn a_directory_follows_the_archive_and_goes_back() {
    let (room, original) = room();
    room.refused(31, "restore latest --target out", &["not empty"]);
    let plan = room.document(0, "restore-plan", "restore latest --target out --delta -n");
    assert!(!room.path("out/data/default/00000000000000002790.events").exists());
    assert_eq!((total(&plan, "written"), total(&plan, "removed")), (1, 0));
    let files = plan["delta"]["files"].as_array().unwrap();
    let written = files.iter().find(|file| file["change"] == "written").unwrap();
    assert_eq!(written["path"], "data/default/00000000000000002790.events");
    let (told, _) = room.ends(0, "restore latest --target out --delta");
    assert!(told.contains("stayed untouched") && told.contains("1 were written"), "{told}");
    assert_restored(&original, &room.path(DATA));
    // Back in time: later segments go, the cut one becomes the open one.
    let plan = room.document(3, "restore-plan", "restore --to-token default=1200 --target out --delta -n");
    assert!(total(&plan, "removed") >= 3 && total(&plan, "replaced") >= 1, "{}", plan["delta"]);
    let loss =
        plan["delta"]["losses"].as_array().unwrap().iter().find(|loss| loss["store"] == "events").unwrap();
    assert_eq!((&loss["events"], &loss["unarchived"]), (&1659.into(), &0.into()));
    let (text, _) = room.ends(3, "restore --to-token default=1200 --target out --delta --no-control-db");
    assert!(text.contains("were removed"), "{text}");
    room.ends(3, "restore --to-token default=1200 --target fresh");
    let names = |name: &str| {
        fixtures::files(&room.path(name))
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(DATA), names("fresh/data/default"));
    for path in fixtures::files(&room.path(DATA)) {
        let fresh = room.path("fresh/data/default").join(path.file_name().unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(fresh).unwrap(), "{}", path.display());
    }
    // And forward again, with the control database.
    room.document(0, "restore", "restore latest --target out --delta");
    assert_restored(&original, &room.path(DATA));
    let again = room.document(0, "restore", "restore latest --target out --delta");
    assert_eq!(total(&again, "kept"), again["files"].as_u64().unwrap());
    assert_eq!(again["bytes"], 0);
}

#[test]
fn what_a_server_has_written_since_is_not_thrown_away_unasked() {
    let (room, original) = room();
    room.ends(0, "restore latest --target out --delta");
    // It appends a copy of its last transaction: the archive has no such event.
    let open = room.path(DATA).join("00000000000000002790.events");
    let mut bytes = fs::read(&open).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize + 11;
    let (mut at, mut last) = (5, 5);
    while at < end {
        last = at;
        at += size(at);
    }
    bytes.copy_within(last..at, at);
    fs::write(&open, &bytes).unwrap();
    room.refused(31, "restore latest --target out --delta", &["events", "--yes"]);
    assert!(fs::read(&open).unwrap() == bytes);
    let plan = room.document(3, "restore-plan", "restore latest --target out --delta -n");
    assert!(plan["delta"]["losses"][0]["unarchived"].as_u64().unwrap() > 0);
    room.ends(0, "restore latest --target out --delta --yes");
    assert_restored(&original, &room.path(DATA));
}

/// It has their names, and can't give them back: the directory has the last good copy.
#[test]
fn what_the_archive_has_lost_is_not_thrown_away_unasked() {
    let room = Room::new();
    let root = room.server(SERVER);
    let sealed = root.join("data/default/00000000000000002390.events");
    let open = root.join("data/default/00000000000000002790.events");
    let held = [&sealed, &open].map(|path| fs::read(path).unwrap());
    fs::remove_file(&sealed).unwrap();
    fs::remove_file(&open).unwrap();
    room.document(0, "backup", &backup(&root));
    let before = files_below(&room.repository().join("packs"));
    fs::write(&sealed, &held[0]).unwrap();
    fs::write(&open, &held[1]).unwrap();
    room.document(0, "backup", &backup(&root));
    room.restore(0, "latest", "out");
    for pack in
        files_below(&room.repository().join("packs")).keys().filter(|pack| !before.contains_key(*pack))
    {
        flip(&room.repository().join("packs").join(pack), 1_000);
    }
    room.refused(31, "restore 1 --target out --delta", &["events", "--yes"]);
    let plan = room.document(3, "restore-plan", "restore 1 --target out --delta -n");
    assert_eq!(plan["delta"]["losses"][0]["unarchived"], 470, "{}", plan["delta"]["losses"]);
    let there =
        [&sealed, &open].map(|path| fs::read(room.path(DATA).join(path.file_name().unwrap())).unwrap());
    assert!(there == held);
    room.ends(0, "restore 1 --target out --delta --yes");
}

#[test]
fn what_must_not_be_touched_is_refused() {
    let (room, _) = room();
    fs::write(room.path("out/AxonIQ.pid"), std::process::id().to_string()).unwrap();
    room.refused(31, "restore --target out --delta", &["server runs"]);
    fs::remove_file(room.path("out/AxonIQ.pid")).unwrap();
    room.server("core-2023.2.1-xml");
    fs::remove_dir_all(room.path("core-2023.2.1-xml/backups")).unwrap();
    room.refused(24, "restore --target core-2023.2.1-xml --delta", &["another history"]);
    room.ends(2, "restore --target out --delta --with-replication-log");
    room.ends(2, "restore --target repository --delta");
}

/// A limit on the length of files ends it at the first long one, again and again; then what it was is still there, and it goes on.
#[test]
fn it_dies_in_the_middle_of_a_file_and_goes_on() {
    let (room, original) = room();
    flip(&room.path(DATA).join("00000000000000000000.events"), 1_000);
    let before = fs::read(room.path(DATA).join("00000000000000000000.events")).unwrap();
    for blocks in [0, 8, 100] {
        let limit = format!("ulimit -c 0; ulimit -f {blocks}");
        let status = room.prepared(&limit, "-q restore latest --target out --delta").output().unwrap().status;
        assert_eq!(status.signal(), Some(Signal::XFSZ.as_raw()), "{blocks}");
        assert!(fs::read(room.path(DATA).join("00000000000000000000.events")).unwrap() == before);
    }
    room.ends(0, "restore latest --target out --delta");
    assert_restored(&original, &room.path(DATA));
}

/// Killed as soon as this is there: what waits for its place, the mark, or the last file.
#[test]
fn it_is_killed_at_each_step_and_goes_on() {
    for place in [
        "00000000000000000000.events.segvault-new",
        "segvault-restore-unfinished.events",
        "00000000000000002790.events",
    ] {
        let (room, original) = room();
        flip(&room.path(DATA).join("00000000000000000000.events"), 1_000);
        let line = "-q restore latest --target out --delta";
        let mut child = room.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let awaited = room.path(DATA).join(place);
        while child.try_wait().unwrap().is_none() && !awaited.exists() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() || status.signal() == Some(9), "{place}: {status}");
        if room.path(DATA).join("segvault-restore-unfinished.events").exists() {
            // Nobody takes it for a history.
            let line =
                format!("backup --data-dir {} --no-control-db --source other", room.path("out").display());
            let (code, _, stderr) = told(room.command(&line).output().unwrap());
            assert_eq!(code, Some(22), "{stderr}");
            assert!(stderr.contains("restore --delta"), "{stderr}");
            let plan = room.document(0, "restore-plan", "restore latest --target out --delta -n");
            assert_eq!(plan["delta"]["goes_on"], true);
        }
        room.ends(0, line.trim_start_matches("-q "));
        assert_restored(&original, &room.path(DATA));
    }
}

#[test]
fn a_context_that_is_left_out_and_was_interrupted_is_said() {
    let room = Room::new();
    let root = room.server(SERVER);
    fixtures::copy_tree(&root.join("data/default"), &root.join("data/billing"));
    room.ends(0, &backup_data(&root.join("data")));
    room.restore(0, "1", "out");
    let marker = room.path("out/data/billing/segvault-restore-unfinished.events");
    fs::write(&marker, "").unwrap();
    let line = "restore --target out --delta --context default";
    let done = room.document(3, "restore", line);
    let said = done["warnings"].as_array().unwrap().iter().find(|warning| warning["what"] == "unfinished");
    let text = said.unwrap()["text"].as_str().unwrap();
    assert!(text.contains("data/billing") && text.contains("no server starts"), "{text}");
    assert!(marker.exists());
    room.document(0, "restore", "restore --target out --delta");
    assert!(!marker.exists());
    room.document(0, "restore", line);
}

/// Writes a data directory with one context that has these events.
fn data(room: &Room, name: &str, sequences: std::ops::Range<i64>, other: &str) -> PathBuf {
    let mut events = StoreImage::new(4096);
    for at in 0..3 {
        events.append(&[Event::of("bike", at).at(1_000 + at)]);
    }
    for at in sequences {
        events.append(&[Event::of(other, at).at(2_000 + at)]);
    }
    let directory = room.path(name).join("default");
    events.write_to(&directory, Store::Events);
    StoreImage::new(4096).write_to(&directory, Store::Snapshots);
    room.path(name)
}

#[test]
fn what_a_newer_incarnation_has_is_archived_too() {
    let room = Room::new();
    for (name, count, other) in [("first", 2, "car"), ("fork", 4, "ship"), ("back", 5, "car")] {
        let line = backup_data(&data(&room, name, 0..count, other));
        let (code, _, said) = told(room.command(&line).output().unwrap());
        assert!(matches!(code, Some(0 | 3)), "{said}");
    }
    fixtures::copy_tree(&room.path("fork"), &room.path("out/data"));
    let plan = room.document(3, "restore-plan", "restore --target out --delta -n");
    let events = plan["delta"]["losses"].as_array().unwrap().iter().find(|loss| loss["store"] == "events");
    assert_eq!(events.map_or(&Value::Null, |loss| &loss["unarchived"]), &Value::Null);
    room.document(3, "restore", "restore --target out --delta");
    let name = "default/00000000000000000000.events";
    assert_eq!(
        fs::read(room.path("out/data").join(name)).unwrap(),
        fs::read(room.path("back").join(name)).unwrap()
    );
}

#[test]
fn a_replication_log_that_stays_is_said_where_the_history_changes() {
    let (room, _) = room();
    let log = room.path("out/log/_admin");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("00000000000000000001.log"), "ahead").unwrap();
    room.document(0, "restore", "restore 1 --target out --delta");
    let done = room.document(3, "restore", "restore 2 --target out --delta");
    let warnings = done["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["what"] == "replication-log-stays"), "{done}");
    assert!(done["delta"]["left"].as_array().unwrap().contains(&"log/_admin".into()), "{done}");
    assert!(log.join("00000000000000000001.log").exists());
}
