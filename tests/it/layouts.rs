//! Where servers keep what: roots, tiers, settings, old names, odd contexts, other kinds of contexts, and stopped nodes.

use crate::support::archive::tree;
use crate::support::fixtures;
use crate::support::program::{Room, SERVER, assert_restored, backup_data, current};
use segvault::axon::control_db::take_apart;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Moves all files of a directory that end so.
fn take(from: &Path, to: &Path, suffix: &str) {
    fs::create_dir_all(to).unwrap();
    for path in fixtures::files(from).into_iter().filter(|path| path.to_str().unwrap().ends_with(suffix)) {
        fs::rename(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn zip(root: &Path) -> PathBuf {
    fixtures::files(&root.join("backups")).pop().unwrap()
}

#[test]
fn settings_say_where_everything_is_and_restores_mirror_them() {
    let room = Room::new();
    let root = room.server(SERVER);
    let default = fixtures::context_dir(SERVER, "default");
    take(&root.join("data/default"), &root.join("snaps/default"), ".snapshots");
    take(&root.join("data/default"), &room.path("far/default"), ".events");
    let settings = "axoniq.axonserver.name=node-7\naxoniq.axonserver.event.storage=/far\n\
         axoniq.axonserver.snapshot.storage=./snaps\naxoniq.axonserver.controldb-path=/axonserver/conf\n";
    fs::write(root.join("axonserver.properties"), settings).unwrap();
    let line = format!(
        "backup --properties {SERVER}/axonserver.properties --path-map /far={} --control-db {}",
        room.path("far").display(),
        root.join("backups").display()
    );
    let report = room.document(0, "backup", &line);
    assert_eq!((&report["source"], &report["complete"]), (&"node-7".into(), &true.into()));
    room.document(0, "restore", &format!("restore --target out --properties {SERVER}/axonserver.properties"));
    let restored = tree(&room.path("out"));
    assert!(restored.contains_key("axonserver/conf/axonserver-controldb.mv.db"), "{:?}", restored.keys());
    for path in current(&default).into_values() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let place = if name.ends_with(".events") { "far/default" } else { "snaps/default" };
        assert!(restored[&format!("{place}/{name}")] == fs::read(&path).unwrap(), "{name}");
    }
    // Without settings, the server's own places.
    room.restore(0, "1", "plain");
    assert_restored(&default, &room.path("plain/data/default"));
}

#[test]
fn settings_beside_the_data_that_name_another_place_are_heeded_or_a_warning() {
    let room = Room::new();
    let root = room.server(SERVER);
    let line = format!("backup --data-dir {SERVER} --no-control-db --source s");
    let settings = root.join("axonserver.properties");
    fs::write(&settings, "axoniq.axonserver.snapshot.storage=data\n").unwrap();
    room.document(0, "backup", &line);
    take(&root.join("data/default"), &root.join("snaps/default"), ".snapshots");
    fs::write(&settings, "axoniq.axonserver.snapshot.storage=./snaps\n").unwrap();
    let report = room.document(3, "backup", &line.replace("--source s", "--source other"));
    assert_eq!(report["findings"][0]["what"], "store-elsewhere", "{report:#}");
}

#[test]
fn a_directory_that_is_passed_over_since_its_name_begins_with_a_dot_is_said() {
    let room = Room::new();
    let root = room.server(SERVER);
    let line = format!("backup --data-dir {SERVER} --no-control-db --source s");
    fs::create_dir_all(root.join("data/.cache")).unwrap();
    take(&root.join("data/default"), &root.join("data/.old"), ".events");
    fs::create_dir_all(root.join("data/default")).unwrap();
    for file in fs::read_dir(root.join("data/.old")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, root.join("data/default").join(path.file_name().unwrap())).unwrap();
    }
    let report = room.document(0, "backup", &line);
    let findings = report["findings"].as_array().unwrap();
    let hidden: Vec<_> = findings.iter().filter(|finding| finding["what"] == "hidden").collect();
    assert_eq!(hidden.len(), 1, "{report:#}");
    assert!(hidden[0]["text"].as_str().unwrap().contains("data/.old has data files"), "{report:#}");
    assert_eq!((&hidden[0]["weight"], &report["complete"]), (&"note".into(), &true.into()));
}

#[test]
fn a_store_without_a_file_is_said() {
    let room = Room::new();
    let root = room.server(SERVER);
    let line = format!("backup --data-dir {SERVER} --no-control-db --source");
    let said = |report: &serde_json::Value| -> Vec<(String, String)> {
        let findings = report["findings"].as_array().unwrap().iter();
        let bare = findings.filter(|finding| finding["what"] == "bare-store");
        bare.map(|finding| (finding["store"].to_string(), finding["weight"].to_string())).collect()
    };
    assert_eq!(said(&room.document(0, "backup", &format!("{line} whole"))), []);
    take(&root.join("data/default"), &root.join("snaps/default"), ".snapshots");
    let report = room.document(0, "backup", &format!("{line} events"));
    assert_eq!(said(&report), [("\"snapshots\"".to_owned(), "\"note\"".to_owned())]);
    take(&root.join("snaps/default"), &root.join("data/default"), ".snapshots");
    take(&root.join("data/default"), &room.path("away"), ".events");
    let report = room.document(3, "backup", &format!("{line} snapshots"));
    assert_eq!(said(&report), [("\"events\"".to_owned(), "\"warning\"".to_owned())]);
    // What is archived of it is missed in other words.
    let report = room.document(3, "backup", &format!("{line} whole"));
    assert_eq!((said(&report), &report["complete"]), (Vec::new(), &false.into()));
}

#[test]
fn settings_that_only_the_server_understands_are_refused() {
    let room = Room::new();
    room.server(SERVER);
    let line = "backup --properties axonserver.properties --no-control-db";
    room.write("axonserver.properties", b"axoniq.axonserver.event.storage=${HOME}/events\n");
    room.refused(2, line, &["${HOME}/events", "name the directories"]);
    room.write("axonserver.properties", b"axoniq.axonserver.event.storage=/not/here\n");
    room.refused(1, line, &["/not/here", "is it mounted?"]);
}

#[test]
fn older_segments_may_lie_in_other_directories() {
    let room = Room::new();
    let root = room.server(SERVER);
    let (data, cold) = (root.join("data/default"), room.path("cold/default"));
    take(&data, &cold, "00000000000000000000.events");
    take(&data, &cold, "00000000000000000406.events");
    // One that is being moved is in both; the copy is not whole yet.
    let moving = fs::read(data.join("00000000000000000805.events")).unwrap();
    fs::write(cold.join("00000000000000000805.events"), &moving[..moving.len() / 2]).unwrap();
    let line = format!("backup --data-dir {SERVER} --tier cold --no-control-db");
    assert_eq!(room.document(0, "backup", &line)["complete"], true);
    room.restore(0, "1", "out");
    assert_restored(&fixtures::context_dir(SERVER, "default"), &room.path("out/data/default"));
}

#[test]
fn a_context_may_have_a_directory_of_its_own() {
    let room = Room::new();
    fixtures::copy_tree(&fixtures::context_dir("se-4.6.11-odd", "default"), &room.path("fast"));
    room.server(SERVER);
    let line = format!("backup --data-dir {SERVER} --context-dir billing=fast --no-control-db");
    assert_eq!(room.document(0, "backup", &line)["contexts"].as_array().unwrap().len(), 2);
    room.restore(0, "1", "out");
    assert_restored(&room.path("fast"), &room.path("out/data/billing"));
}

/// The findings of a report that are called so: their contexts and weights.
fn found<'r>(report: &'r serde_json::Value, what: &str) -> Vec<(Option<&'r str>, &'r str)> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == what);
    findings.map(|finding| (finding["context"].as_str(), finding["weight"].as_str().unwrap())).collect()
}

#[test]
fn a_directory_that_is_a_context_s_own_names_no_other_context() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    let own = data.join("elsewhere");
    fixtures::copy_tree(&fixtures::context_dir("se-4.6.11-odd", "default"), &own);
    fs::write(own.join("00000000000000000000_00001.events.transformed"), "being written").unwrap();
    let key = "axoniq.axonserver.cluster-template.first.contexts[0]";
    let text = format!(
        "{key}.name=billing\n{key}.metaData.event.storage=data/elsewhere\n{key}.metaData.snapshot.storage=data/elsewhere\n"
    );
    room.write(&format!("{SERVER}/axonserver.properties"), text.as_bytes());
    std::os::unix::fs::symlink(&own, room.path("linked")).unwrap();
    for line in [
        format!("backup --properties {SERVER}/axonserver.properties --no-control-db --source s"),
        format!("backup --data-dir {SERVER} --context-dir billing=linked --no-control-db --source s"),
    ] {
        let report = room.document(0, "backup", &line);
        let contexts = report["contexts"].as_array().unwrap().iter();
        assert_eq!(contexts.map(|context| &context["name"]).collect::<Vec<_>>(), ["billing", "default"]);
        assert_eq!(found(&report, "in-progress"), [(Some("billing"), "note")], "{line}");
    }
    room.document(0, "restore", &format!("restore --target out --properties {SERVER}/axonserver.properties"));
    assert_restored(&own, &room.path("out/data/elsewhere"));
    assert_restored(&data.join("default"), &room.path("out/data/default"));
}

#[test]
fn a_directory_that_was_named_and_has_nothing_is_said() {
    let room = Room::new();
    let data = room.server(SERVER).join("data/default");
    fs::create_dir(room.path("empty")).unwrap();
    let line = format!("backup --data-dir {SERVER} --no-control-db --source s");
    let report = room.document(3, "backup", &format!("{line} --context-dir billing=empty"));
    assert_eq!(found(&report, "bare-directory"), [(Some("billing"), "warning")]);
    room.document(0, "backup", &format!("{line} --context-dir billing=empty --context default"));
    // A context of the newer kind has no data file, either.
    fs::create_dir(room.path("dcb")).unwrap();
    for file in ["CURRENT", "MANIFEST-000004", "000007.sst"] {
        room.write(&format!("dcb/{file}"), b"x");
    }
    let report = room.document(3, "backup", &format!("{line} --context-dir ledger=dcb"));
    assert_eq!(
        (found(&report, "bare-directory"), found(&report, "dcb")),
        (vec![], vec![(Some("ledger"), "warning")])
    );
    room.document(0, "backup", &format!("{line} --context-dir ledger=dcb --exclude-context ledger"));
    // A tier may be empty where nothing can have been moved there.
    room.document(0, "backup", &format!("{line} --tier empty"));
    take(&data, &room.path("cold/default"), "00000000000000000000.events");
    let other = line.replace("--source s", "--source other");
    let report = room.document(3, "backup", &format!("{other} --tier empty"));
    assert_eq!(found(&report, "bare-directory"), [(None, "warning")]);
    room.document(0, "backup", &format!("{other} --tier cold"));
}

#[test]
fn settings_that_lay_two_contexts_in_one_place_are_refused() {
    let room = Room::new();
    let data = two_contexts(&room);
    room.document(0, "backup", &backup_data(&data));
    let key = "axoniq.axonserver.cluster-template.first.contexts[0]";
    let text = format!("{key}.name=default\n{key}.metaData.event.storage=data/billing\n");
    room.write("axonserver.properties", text.as_bytes());
    room.refused(
        2,
        "restore --target out --properties axonserver.properties",
        &["data/billing", "two contexts"],
    );
    assert!(!room.path("out").exists());
}

#[test]
fn names_of_the_first_version_come_back_as_a_server_renames_them() {
    let room = Room::new();
    let data = room.server(SERVER).join("data/default");
    for path in fixtures::files(&data).into_iter().filter(|path| path.to_str().unwrap().ends_with("s")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        fs::rename(&path, data.join(&name[6..])).unwrap();
    }
    room.document(0, "backup", &backup_data(data.parent().unwrap()));
    room.restore(0, "1", "out");
    assert_restored(&fixtures::context_dir(SERVER, "default"), &room.path("out/data/default"));
}

#[test]
fn contexts_are_called_what_their_directories_are_called() {
    let room = Room::new();
    let data = room.path("data");
    let names = [
        "a b",
        "Default",
        "default",
        "..x",
        "x%2Fy",
        "back\\slash",
        "\u{fc}n\u{ef}.c\u{f6}d\u{e9} \u{4e2d}",
        "-r",
        "_admin",
    ];
    for name in names.into_iter().filter(|name| !name.starts_with('.')) {
        fixtures::copy_tree(&fixtures::context_dir("se-4.6.11-odd", "default"), &data.join(name));
    }
    let report = room.document(0, "backup", &backup_data(&data));
    assert_eq!(report["contexts"].as_array().unwrap().len(), names.len() - 1);
    room.restore(0, "1", "out");
    for name in names.into_iter().filter(|name| !name.starts_with('.')) {
        assert_restored(&data.join(name), &room.path("out/data").join(name));
    }
}

#[test]
fn a_context_of_the_newer_kind_is_named_and_skipped() {
    let room = Room::new();
    let data = room.server(SERVER).join("data");
    for name in ["ledger", "deep/events"] {
        let directory = data.join(name);
        fs::create_dir_all(&directory).unwrap();
        for file in ["CURRENT", "MANIFEST-000004", "000007.sst"] {
            fs::write(directory.join(file), "x").unwrap();
        }
    }
    let report = room.document(3, "backup", &backup_data(&data));
    let named: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| (&f["what"], &f["context"])).collect();
    assert_eq!(named, [(&"dcb".into(), &"deep".into()), (&"dcb".into(), &"ledger".into())]);
    let line = format!("{} --exclude-context ledger --exclude-context deep", backup_data(&data));
    let report = room.document(0, "backup", &line);
    assert_eq!(report["left_out"], serde_json::json!(["deep", "ledger"]));
    room.refused(2, &format!("{} --context ledger", backup_data(&data)), &["ledger is a DCB context"]);
    let line = format!("{} --context ledger --exclude-context ledger", backup_data(&data));
    room.refused(2, &line, &["every context is left out"]);
}

/// The data of a real server, with the context of another one beside its own.
fn two_contexts(room: &Room) -> PathBuf {
    let data = room.server(SERVER).join("data");
    fs::rename(room.server("core-2023.2.1-xml").join("data/default"), data.join("billing")).unwrap();
    data
}

#[test]
fn a_context_asked_for_by_name_that_is_gone_keeps_no_other_one_out() {
    let room = Room::new();
    let data = two_contexts(&room);
    let line = format!("{} --context default --context billing", backup_data(&data));
    room.document(0, "backup", &line);
    fs::remove_dir_all(data.join("billing")).unwrap();
    // Twice: a point without it does not make that right.
    for _ in 0..2 {
        let report = room.document(3, "backup", &line);
        let finding = &report["findings"][0];
        assert_eq!((&finding["what"], &finding["context"]), (&"gone".into(), &"billing".into()), "{finding}");
        assert_eq!(report["contexts"][0]["name"], "default");
    }
    room.document(0, "backup", &backup_data(&data).replace("backup", "backup --exclude-context billing"));
    assert_eq!(room.document(3, "backup", &line)["findings"][0]["context"], "billing");
    let alone = format!("{} --context billing", backup_data(&data));
    room.refused(2, &alone, &["no context billing", "default"]);
    let mistyped = format!("{} --context default --context biling", backup_data(&data));
    room.refused(2, &mistyped, &["no context biling", "default"]);
    room.ends(0, "forget 1 2 3 4 5 --yes");
    assert_eq!(room.document(3, "backup", &line)["findings"][0]["context"], "billing", "no point is listed");
}

/// The database in a zip of a real server, under the name that newer ones give it, beside the data.
fn stopped(room: &Room) -> (PathBuf, Vec<u8>) {
    let root = room.server(SERVER);
    let inner = take_apart(&fs::read(zip(&root)).unwrap(), 1 << 30).unwrap().inner;
    let path = root.join("data/axonserver-configdb.mv.db");
    fs::write(&path, &inner).unwrap();
    (path, inner)
}

fn copied(path: &Path) -> String {
    format!("backup --data-dir {SERVER} --control-db {}", path.display())
}

#[test]
fn the_database_of_a_stopped_node_is_copied() {
    let room = Room::new();
    let (path, inner) = stopped(&room);
    let report = room.document(0, "backup", &copied(&path));
    assert_eq!((&report["order"], &report["complete"]), (&"copied".into(), &true.into()));
    room.restore(0, "1", "out");
    assert!(
        fs::read(room.path("out/data/axonserver-configdb.mv.db")).unwrap() == inner,
        "under its own name"
    );
    room.ends(0, "verify --data");
    let (stdout, _) = room.ends(3, "restore --target again --control-db-zip given.zip");
    assert!(stdout.contains("not archived from a zip"), "{stdout}");
}

/// A process that looks like a server.
struct Java(Child);

impl Drop for Java {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_database_of_a_node_that_runs_is_refused() {
    let room = Room::new();
    let (path, inner) = stopped(&room);
    let mut command = Command::new("bash");
    let java =
        Java(command.args(["-c", "exec -a java-axonserver sleep 600"]).stdin(Stdio::null()).spawn().unwrap());
    let pid_file = room.path(SERVER).join("AxonIQ.pid");
    fs::write(&pid_file, java.0.id().to_string()).unwrap();
    // Until bash has become the other program its line holds the word all the same.
    room.refused(1, &copied(&path), &["AxonIQ.pid", "runs", "stop the node first"]);
    drop(java);
    // Its lock, as H2 takes it.
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    room.refused(1, &copied(&path), &["holds its lock"]);
    drop(file);
    // A copy that was cut short.
    fs::write(&path, &inner[..inner.len() - 4096 * 3]).unwrap();
    room.refused(1, &copied(&path), &["stopped node", "have it write a zip"]);
    fs::write(&path, &inner).unwrap();
    room.document(0, "backup", &copied(&path));
}

#[test]
fn a_database_that_is_newer_than_the_data_is_told_by_every_restore() {
    let room = Room::new();
    let root = room.server(SERVER);
    let newer = root.join("controldb4102444800000.zip");
    fs::copy(zip(&root), &newer).unwrap();
    let line = format!("backup --data-dir {SERVER} --control-db {}", newer.display());
    room.refused(1, &line, &["controldb4102444800000.zip", "--accept-unordered"]);
    room.ends(3, &format!("{line} --accept-unordered"));
    let restored = room.restore(3, "1", "out");
    let whats: Vec<_> = restored["warnings"].as_array().unwrap().iter().map(|f| &f["what"]).collect();
    assert_eq!(whats, ["unordered"]);
    let shown: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(room.document(0, "points", "points")["points"][0].clone()).unwrap();
    assert_eq!(shown["unordered"], true);
}
