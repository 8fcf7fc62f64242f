//! Where restores go: mounted file systems, other owners, too little room, and repositories that can only be read.

use crate::support::archive::tree;
use crate::support::mounts::Mounted;
use crate::support::program::{Room, SERVER, assert_restored, backup, told};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// A repository with a point of a real server; where the original is.
fn archived() -> (Room, PathBuf) {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    (room, root.join("data/default"))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_mounted_file_system_is_filled_from_inside() {
    let (room, original) = archived();
    let target = room.path("mounted");
    let Some(_mounted) = Mounted::at(&target, "64m") else { return };
    fs::create_dir(target.join("lost+found")).unwrap();
    // What a killed restore left goes; what another one holds is in the way.
    fs::create_dir_all(target.join(".segvault-restore/data/default")).unwrap();
    let held = File::open(target.join(".segvault-restore")).unwrap();
    held.lock().unwrap();
    room.ends(11, "restore --target mounted");
    drop(held);
    room.restore(0, "1", "mounted");
    assert_eq!(names(&target), ["data", "lost+found"]);
    assert_restored(&original, &target.join("data/default"));
    room.refused(31, "restore --target mounted", &["data"]);
}

#[test]
fn several_names_are_moved_into_a_target_that_is_there() {
    let (room, _) = archived();
    room.write(
        "axonserver.properties",
        b"axoniq.axonserver.event.storage=/ev\naxoniq.axonserver.snapshot.storage=sn\n",
    );
    fs::create_dir(room.path("out")).unwrap();
    room.document(0, "restore", "restore --target out --properties axonserver.properties");
    assert_eq!(names(&room.path("out")), ["data", "ev", "sn"]);
}

/// All that is to be removed has to be told: who removes one name, and is told of the next, takes that for something else.
#[test]
fn all_names_that_an_interrupted_restore_has_moved_are_told() {
    let (room, _) = archived();
    let out = room.path("out");
    for name in ["sn", "data", "ev", "lost+found"] {
        fs::create_dir_all(out.join(name)).unwrap();
    }
    room.write("out/.segvault-restore", b"");
    room.refused(31, "restore --target out", &["interrupted restore made (data, ev, sn): remove"]);
    for name in 10..20 {
        fs::create_dir(out.join(name.to_string())).unwrap();
    }
    room.refused(31, "restore --target out", &["(10, 11, 12, 13, 14, 15, 16, 17, and 5 more): remove"]);
}

#[test]
fn a_store_may_have_the_target_itself() {
    let (room, original) = archived();
    let events: Vec<_> = names(&original).into_iter().filter(|name| name.ends_with(".events")).collect();
    for (place, out) in [(".", "relative"), ("/", "absolute")] {
        let key = "axoniq.axonserver.cluster-template.first.contexts[0]";
        let text = format!("{key}.name=default\n{key}.metaData.event.storage={place}\n");
        room.write("axonserver.properties", text.as_bytes());
        let line = format!("restore --target {out} --properties axonserver.properties");
        // Before anything is written: no path may lead out of the target.
        let plan = room.document(0, "restore-plan", &format!("{line} -n"));
        let segments = plan["contexts"][0]["events"]["segments"].as_array().unwrap();
        let planned: Vec<_> = segments.iter().map(|segment| segment["path"].as_str().unwrap()).collect();
        assert_eq!(planned, events, "{place}");
        room.document(0, "restore", &line);
        assert_eq!(names(&room.path(out)), [events.as_slice(), &["data".to_owned()]].concat());
        // One that is not of this history's end goes, and it alone.
        fs::write(room.path(out).join(&events[0]), "damaged").unwrap();
        let again = room.document(0, "restore", &format!("{line} --delta --yes"));
        assert_eq!(
            (&again["delta"]["replaced"]["files"], &again["delta"]["written"]["files"]),
            (&1.into(), &0.into())
        );
        assert_eq!(
            fs::read(room.path(out).join(&events[0])).unwrap(),
            fs::read(original.join(&events[0])).unwrap()
        );
    }
}

#[test]
fn owner_and_modes_are_those_that_were_told() {
    let (room, original) = archived();
    room.restore(0, "1", "private");
    let modes = |root: &Path| -> Vec<(bool, u32, (u32, u32))> {
        let mut found = Vec::new();
        let mut waiting = vec![root.to_path_buf()];
        while let Some(path) = waiting.pop() {
            let facts = fs::metadata(&path).unwrap();
            found.push((facts.is_dir(), facts.permissions().mode() & 0o777, (facts.uid(), facts.gid())));
            if facts.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        found
    };
    let own = fs::metadata(room.path("private")).unwrap();
    let is_private = |(is_dir, mode, owner): &(bool, u32, (u32, u32))| {
        *mode == if *is_dir { 0o700 } else { 0o600 } && *owner == (own.uid(), own.gid())
    };
    assert!(modes(&room.path("private")).iter().all(is_private));
    room.document(0, "restore", "restore --target open --file-mode 0640 --directory-mode 0755");
    let is_open = |(is_dir, mode, _): &(bool, u32, (u32, u32))| *mode == if *is_dir { 0o755 } else { 0o640 };
    assert!(modes(&room.path("open")).iter().all(is_open));
    let given = "restore --target given --owner 1234:5678";
    if rustix::process::geteuid().is_root() {
        room.document(0, "restore", given);
        assert!(modes(&room.path("given")).iter().all(|(.., owner)| *owner == (1234, 5678)));
        assert_restored(&original, &room.path("given/data/default"));
    }
    room.ends(2, "restore --target never --owner axon");
    let mut command = room.command("restore --target refused --owner 0:0");
    if rustix::process::geteuid().is_root() {
        let mut waiting = vec![room.path("")];
        while let Some(path) = waiting.pop() {
            std::os::unix::fs::lchown(&path, Some(65_534), Some(65_534)).unwrap();
            if path.symlink_metadata().unwrap().is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        command.uid(65_534).gid(65_534);
    }
    // Nobody may not be allowed to run it.
    let Ok(output) = command.output() else { return };
    let (code, _, stderr) = told(output);
    assert_eq!(code, Some(30), "{stderr}");
    assert!(stderr.contains("can't be given") && stderr.contains("restore as root"), "{stderr}");
    assert!(!room.path("refused").exists());
}

#[test]
fn another_file_system_is_as_good() {
    let (room, original) = archived();
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return };
    let target = dir.path().join("out");
    room.restore(0, "1", target.to_str().unwrap());
    assert_restored(&original, &target.join("data/default"));
}

#[test]
fn too_little_room_is_seen_before_the_first_byte() {
    let (room, _) = archived();
    let target = room.path("small");
    let Some(_mounted) = Mounted::at(&target, "256k") else { return };
    room.refused(40, "restore --target small", &["not enough space", "bytes are needed"]);
    assert_eq!(names(&target), [""; 0]);
    room.ends(40, "restore --target small --dry-run");
}

#[test]
fn a_repository_that_can_only_be_read_needs_no_index() {
    for (name, index) in [("missing", None), ("broken", Some("no database at all"))] {
        let room = Room::empty();
        let Some(mounted) = Mounted::at(&room.repository(), "16m") else { return };
        room.ends(0, "init");
        let root = room.server(SERVER);
        room.ends(0, &backup(&root));
        let path = room.repository().join("index.sqlite");
        fs::remove_file(&path).unwrap();
        if let Some(text) = index {
            fs::write(&path, text).unwrap();
        }
        let before = tree(&room.repository());
        mounted.remount("ro");
        let other = room.path("other");
        room.ends(0, &format!("init -r {}", other.display()));
        let copies =
            ["recompress --dry-run", "repair packs --dry-run", "copy --to repository --dry-run -r other"];
        for line in ["points", "show", "verify --data", "restore --target restored"].iter().chain(&copies) {
            let (_, stderr) = room.ends(0, line);
            assert!(
                stderr.contains("repository can't be written: it is read without locks"),
                "{name}: {line}: {stderr}"
            );
        }
        assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
        room.ends(1, &backup(&root));
        let caches = names(&room.path("caches/segvault"));
        assert!(
            caches.iter().any(|name| name.ends_with(".sqlite")),
            "the user's cache directory has one: {caches:?}"
        );
        assert!(tree(&room.repository()) == before, "{name}: something was written");
    }
}
