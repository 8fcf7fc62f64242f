//! Restores: what was backed up comes back as it was, or nothing comes back and it is said why.

use crate::support::archive::{Archive, WithControlDb, refused, tree};
use crate::support::fixtures;
use crate::support::segments::{Event as Written, SegmentImage};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::observe::{Event, Observer, Unobserved};
use segvault::engine::restore::{self, ControlDbPlan, PlannedEnd, RestoreOptions};
use segvault::repo::format::point::{Finding, Weight};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

type Files = BTreeMap<String, Vec<u8>>;

/// The files that a server would start from: of each segment the highest version.
fn shown(server: &Server) -> Files {
    let mut files = Files::new();
    for (name, context) in &server.contexts {
        for store in Store::ALL {
            let mut newest: BTreeMap<_, &SegmentImage> = BTreeMap::new();
            newest.extend(context.store(store).segments.values().map(|image| (image.name().number, image)));
            for image in newest.values() {
                let bytes = context.damaged.get(&(store, image.name())).cloned();
                let path = format!("data/{name}/{}", image.name().file_name(store));
                files.insert(path, bytes.unwrap_or_else(|| image.bytes()));
            }
        }
    }
    files
}

fn server(seed: u64) -> Server {
    let mut server = Server::new("node", &["default", "billing"], seed);
    for context in server.contexts.values_mut() {
        context.append(Store::Events, 40);
        context.append(Store::Snapshots, 12);
    }
    server
}

fn grow(server: &mut Server, transactions: usize) {
    for context in server.contexts.values_mut() {
        context.append(Store::Events, transactions);
        context.append(Store::Snapshots, transactions / 3);
    }
}

fn same(found: &Files, expected: &Files) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in expected {
        assert!(found[path] == *bytes, "{path} differs");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_point_comes_back_byte_by_byte_with_its_heads() {
    let archive = Archive::new();
    let mut server = server(1);
    archive.backup(&mut server);
    let restored = archive.restore(1, "out").unwrap();
    same(&tree(&archive.beside("out")), &shown(&server));
    assert!(restored.verified && restored.warnings.is_empty(), "{:?}", restored.warnings);
    for (context, found) in server.contexts.values().zip(&restored.contexts) {
        // The contexts of both are in the order of their names.
        assert_eq!(found.events.head.map(|head| head + 1), Some(context.events.next_token()));
        assert_eq!(found.snapshots.head.map(|head| head + 1), Some(context.snapshots.next_token()));
        assert_eq!(found.events.events, context.events.next_token());
    }
    assert_eq!(names(archive.beside("out").parent().unwrap()), ["out", "repo"], "nothing else is left");
}

/// Zeros are data like any: payloads of nothing else, as long as a chunk, or several of them.
#[test]
fn payloads_of_zeros_come_back() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 9);
    let events = server.contexts.get_mut("default").unwrap().store_mut(Store::Events);
    for (at, length) in [0, 1, 700, 4096, 1 << 20, (8 << 20) + 5, 17 << 20].into_iter().enumerate() {
        events.append(&[Written::of("zeros", at as i64).carrying(vec![0; length])]);
    }
    events.roll_now();
    archive.backup(&mut server);
    assert!(archive.restore(1, "out").unwrap().verified);
    same(&tree(&archive.beside("out")), &shown(&server));
}

#[test]
fn every_point_stays_what_it_was_while_segments_grow_and_are_sealed() {
    let archive = Archive::new();
    let mut server = server(2);
    let mut seen = Vec::new();
    for _ in 0..6 {
        archive.backup(&mut server);
        seen.push(shown(&server));
        grow(&mut server, 7);
    }
    for (at, expected) in seen.iter().enumerate() {
        let name = format!("out{at}");
        assert!(archive.restore(at as u64 + 1, &name).unwrap().verified);
        same(&tree(&archive.beside(&name)), expected);
    }
}

#[test]
fn of_a_transformed_segment_each_point_gets_the_version_it_saw() {
    let archive = Archive::new();
    let mut server = server(3);
    archive.backup(&mut server);
    let before = shown(&server);
    server.contexts.get_mut("default").unwrap().transform(1);
    archive.backup(&mut server);
    archive.restore(1, "before").unwrap();
    archive.restore(2, "after").unwrap();
    same(&tree(&archive.beside("before")), &before);
    same(&tree(&archive.beside("after")), &shown(&server));
    assert!(names(&archive.beside("after/data/default")).iter().any(|name| name.contains("_00001.events")));
}

#[test]
fn only_the_contexts_that_are_asked_for_come_back() {
    let archive = Archive::new();
    archive.backup(&mut server(4));
    let mut options = RestoreOptions::latest(archive.beside("out"));
    options.contexts = vec!["billing".to_owned()];
    let restored = archive.restore_with(&options, &Unobserved).unwrap();
    assert_eq!(restored.contexts.len(), 1);
    assert_eq!(names(&archive.beside("out/data")), ["billing"]);

    options.target = archive.beside("other");
    options.contexts.push("Billing".to_owned());
    let restore::Error::UnknownContext { name, known } = refused(archive.plan(&options)) else { panic!() };
    assert_eq!((name.as_str(), known), ("Billing", vec!["billing".to_owned(), "default".to_owned()]));
}

#[test]
fn a_plan_writes_nothing_and_says_what_will_be_there() {
    let archive = Archive::new();
    let mut server = server(5);
    archive.backup(&mut server);
    let plan = archive.plan(&RestoreOptions::latest(archive.beside("out"))).unwrap();
    assert!(!archive.beside("out").exists());
    let planned: BTreeMap<_, _> = plan
        .contexts
        .iter()
        .flat_map(|context| context.stores())
        .flat_map(|store| &store.segments)
        .map(|segment| (segment.path.clone(), segment.length))
        .collect();
    let expected: BTreeMap<_, _> =
        shown(&server).into_iter().map(|(path, bytes)| (path, bytes.len() as u64)).collect();
    assert_eq!(planned, expected);
    assert_eq!((plan.files, plan.length), (expected.len() as u64, expected.values().sum()));
    assert!(plan.fits() && plan.bytes > 0);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["contexts"][0]["events"]["store"], "events");
}

#[test]
fn the_control_database_comes_back_and_so_does_its_zip() {
    let archive = Archive::new();
    let zip_path = fixtures::control_db_zips("se-4.6.11-json").pop().unwrap();
    let zip = fs::read(&zip_path).unwrap();
    let name = zip_path.file_name().unwrap().to_str().unwrap().to_owned();
    archive.backup(&mut WithControlDb { server: server(6), name: name.clone(), zip: zip.clone() });
    let inner = segvault::axon::control_db::take_apart(&zip, 1 << 30).unwrap();

    let mut options = RestoreOptions::latest(archive.beside("out"));
    fs::create_dir(archive.beside("zips")).unwrap();
    options.control_db_zip_to = Some(archive.beside("zips"));
    let restored = archive.restore_with(&options, &Unobserved).unwrap().control_db.unwrap();
    assert!(restored.zip_is_original);
    assert_eq!(fs::read(archive.beside("out/data").join(&inner.entry_name)).unwrap(), inner.inner);
    assert_eq!(fs::read(archive.beside("zips").join(&name)).unwrap(), zip);

    options.target = archive.beside("again");
    assert!(matches!(refused(archive.plan(&options)), restore::Error::Exists { .. }), "the zip is there");
    options.control_db_zip_to = None;
    options.control_db = false;
    let restored = archive.restore_with(&options, &Unobserved).unwrap();
    assert_eq!(restored.control_db, None);
    assert_eq!(names(&archive.beside("again/data")), ["billing", "default"]);
}

#[test]
fn a_point_without_control_database_says_so() {
    let archive = Archive::new();
    archive.backup(&mut server(7));
    let plan = archive.plan(&RestoreOptions::latest(archive.beside("out"))).unwrap();
    assert!(matches!(plan.control_db, ControlDbPlan::Absent { .. }));
    assert_eq!(plan.notes.iter().map(|note| note.what.as_str()).collect::<Vec<_>>(), ["no-control-db"]);
}

#[test]
fn damage_at_the_source_is_handed_out_as_it_was_archived_and_said() {
    let archive = Archive::new();
    let mut server = server(8);
    let context = server.contexts.get_mut("default").unwrap();
    let image = context.events.sealed().nth(1).unwrap().clone();
    let mut bytes = image.bytes();
    let at = image.end() as usize / 2;
    bytes[at] ^= 4;
    context.damaged.insert((Store::Events, image.name()), bytes);
    archive.backup(&mut server);
    let restored = archive.restore(1, "out").unwrap();
    same(&tree(&archive.beside("out")), &shown(&server));
    assert!(!restored.verified);
    let whats: Vec<_> = restored.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert!(
        whats.contains(&"damage") && whats.contains(&"gap") && whats.contains(&"incomplete"),
        "{whats:?}"
    );
    let default = restored.contexts.iter().find(|context| context.context == "default").unwrap();
    let missing = default.events.missing[0];
    assert!(missing.first > image.name().number.get() && missing.last + 1 == image.next_token());

    let plan = archive.plan(&RestoreOptions::latest(archive.beside("x"))).unwrap();
    let ends: Vec<_> = plan.contexts[1].events.segments.iter().map(|segment| segment.end).collect();
    assert_eq!(ends[..3], [PlannedEnd::Rolled, PlannedEnd::AsFound, PlannedEnd::Rolled]);
    assert_eq!(ends.last(), Some(&PlannedEnd::Open));

    let mut options = RestoreOptions::latest(archive.beside("only"));
    options.contexts = vec!["billing".to_owned()];
    let warnings = archive.plan(&options).unwrap().warnings;
    assert!(warnings.iter().all(|warning| warning.context.is_none()), "{warnings:?}");
}

#[test]
fn a_newest_segment_always_has_room_for_an_end() {
    let archive = Archive::new();
    let mut server = server(9);
    let context = server.contexts.get_mut("default").unwrap();
    let image = context.events.open().clone();
    let cut = image.prefix().to_vec();
    context.damaged.insert((Store::Events, image.name()), cut.clone());
    archive.backup(&mut server);
    archive.restore(1, "out").unwrap();
    let path = format!("data/default/{}", image.name().file_name(Store::Events));
    assert_eq!(tree(&archive.beside("out"))[&path], [cut, vec![0; 4]].concat());
}

#[test]
fn an_empty_store_comes_back_as_a_file_that_a_server_can_open() {
    let archive = Archive::new();
    let mut server = Server::new("node", &["default"], 10);
    archive.backup(&mut server);
    let restored = archive.restore(1, "out").unwrap();
    same(&tree(&archive.beside("out")), &shown(&server));
    assert_eq!((restored.contexts[0].events.first, restored.contexts[0].events.head), (None, None));

    for bytes in [vec![], vec![0; 4], vec![0; 100]] {
        let archive = Archive::new();
        for store in Store::ALL {
            let context = server.contexts.get_mut("default").unwrap();
            let name = context.store(store).open().name();
            context.damaged.insert((store, name), bytes.clone());
        }
        archive.backup(&mut server);
        archive.restore(1, "out").unwrap();
        for found in tree(&archive.beside("out")).values() {
            assert_eq!(*found, vec![0; bytes.len().max(9)]);
        }
    }
}

#[test]
fn a_target_that_is_not_empty_or_nested_is_refused_and_left_alone() {
    let archive = Archive::new();
    archive.backup(&mut server(11));
    let refuse = |target| refused(archive.plan(&RestoreOptions::latest(target)));
    fs::create_dir(archive.beside("full")).unwrap();
    fs::write(archive.beside("full/x"), "x").unwrap();
    assert!(matches!(refuse(archive.beside("full")), restore::Error::NotEmpty { found, .. } if found == "x"));
    assert!(matches!(refuse(archive.beside("no/where")), restore::Error::NoParent { .. }));
    assert!(matches!(refuse(archive.beside("repo/out")), restore::Error::Nested { .. }));
    assert!(matches!(refuse(archive.beside("repo")), restore::Error::Nested { .. }));
    assert!(matches!(refuse(archive.beside("")), restore::Error::Nested { .. }));
    assert_eq!(fs::read(archive.beside("full/x")).unwrap(), b"x");

    let repository = archive.open();
    let plan = restore::plan(&repository, &RestoreOptions::latest(archive.beside("late"))).unwrap();
    fs::create_dir(archive.beside("late")).unwrap();
    fs::write(archive.beside("late/theirs"), "x").unwrap();
    assert!(matches!(
        refused(restore::apply(&repository, plan, &Unobserved)),
        restore::Error::NotEmpty { .. }
    ));
    assert_eq!(names(&archive.beside("late")), ["theirs"]);
}

#[test]
fn an_empty_directory_is_filled() {
    let archive = Archive::new();
    let mut server = server(12);
    archive.backup(&mut server);
    fs::create_dir(archive.beside("out")).unwrap();
    archive.restore(1, "out").unwrap();
    same(&tree(&archive.beside("out")), &shown(&server));
}

/// Interrupts when it is asked for the n-th time.
struct InterruptAt {
    left: AtomicU64,
}

impl Observer for InterruptAt {
    fn interrupted(&self) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn an_interrupt_at_any_moment_leaves_nothing_behind() {
    let archive = Archive::new();
    archive.backup(&mut server(13));
    let options = RestoreOptions::latest(archive.beside("out"));
    for at in 0.. {
        match archive.restore_with(&options, &InterruptAt { left: AtomicU64::new(at) }) {
            Err(Error::Interrupted) => assert_eq!(names(&archive.beside("")), ["repo"]),
            Ok(_) => {
                assert!(at > 20, "it was asked {at} times only");
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn lost_bytes_are_an_error_that_names_file_and_tokens_and_leaves_nothing_behind() {
    let archive = Archive::new();
    let mut server = server(14);
    archive.backup(&mut server);
    for file in archive.files().iter().filter(|file| file.starts_with("packs/")) {
        let bytes = archive.read(file);
        archive.remove(file);
        let error = refused(archive.restore(1, "out"));
        let restore::Error::Lost { file: lost, first, last, .. } = error else { panic!("{error}") };
        let path = shown(&server).keys().find(|path| **path == lost).cloned().unwrap();
        assert!(path.contains(&format!("{first:020}")) && last >= first);
        assert_eq!(names(&archive.beside("")), ["repo"]);
        archive.write(file, &bytes);
    }
    archive.restore(1, "out").unwrap();
}

#[test]
fn a_hole_is_handed_out_only_where_the_point_says_so() {
    let archive = Archive::new();
    archive.backup(&mut server(15));
    let mut tokens = (0, 0);
    let hidden = archive.forge(|session, body| {
        let log = &mut body.context_mut("default").unwrap().events;
        let mut entries = session.repository().tree(log.root).unwrap();
        let gone = entries.remove(1);
        tokens = (gone.name.number.get(), gone.last_token().unwrap().get());
        log.root = session.put_tree(&entries).unwrap();
        log.segments -= 1;
        log.bytes -= gone.logical_end;
    });
    let error = refused(archive.restore(hidden, "out"));
    let restore::Error::Broken { first, last, .. } = error else { panic!("{error}") };
    assert_eq!((first, last), tokens);

    let told = archive.forge(|_, body| {
        body.complete = false;
        body.findings.push(Finding {
            weight: Weight::Incomplete,
            what: "gap".to_owned(),
            context: Some("default".to_owned()),
            store: Some("events".to_owned()),
            file: None,
            offset: None,
            first: Some(tokens.0),
            last: Some(tokens.1),
            text: "missing".to_owned(),
        });
    });
    let restored = archive.restore(told, "out").unwrap();
    assert!(!restored.verified);
    let default = restored.contexts.iter().find(|context| context.context == "default").unwrap();
    assert_eq!((default.events.missing[0].first, default.events.missing[0].last), tokens);
}

#[test]
fn claims_and_heads_that_the_repository_does_not_hold_are_refused() {
    let archive = Archive::new();
    archive.backup(&mut server(16));
    let changed = |change: fn(&mut segvault::repo::format::point::PointLog)| {
        let point = archive.forge(|_, body| {
            // Always from the first point: the newest one is a changed one.
            *body = archive.points()[0].point.body.clone();
            change(&mut body.context_mut("default").unwrap().events);
        });
        refused(archive.restore(point, "out"))
    };
    assert!(matches!(changed(|log| log.open[0].length += 1), restore::Error::Unresolved { .. }));
    assert!(matches!(changed(|log| log.open[0].blake3.0[0] ^= 1), restore::Error::Contradiction { .. }));
    assert!(matches!(changed(|log| log.head = Some(3)), restore::Error::Contradiction { .. }));
    assert!(matches!(
        changed(|log| {
            // One event less than the bytes hold: only reading the history can tell.
            log.head = log.head.map(|head| head - 1);
            log.open[0].last = log.head;
        }),
        restore::Error::Contradiction { .. }
    ));
    assert_eq!(names(&archive.beside("")), ["repo"]);
}

#[test]
fn names_from_a_manifest_never_lead_outside() {
    let archive = Archive::new();
    archive.backup(&mut server(17));
    for evil in ["..", "../evil", "/evil", "a/b", "a\0b", ""] {
        let point = archive.forge(|_, body| {
            *body = archive.points()[0].point.body.clone();
            let context = body.contexts["billing"].clone();
            body.contexts.insert(evil.to_owned(), context);
        });
        match archive.restore(point, "out") {
            Err(Error::Restore(restore::Error::UnsafeName { name, .. })) => assert_eq!(name, evil),
            // Some names are refused already when the manifest is read: then there is no such point.
            Err(Error::Select(_)) => archive.remove(&format!("points/{point}.json")),
            other => panic!("{evil:?}: {:?}", other.map(|_| ())),
        }
    }
    assert_eq!(names(&archive.beside("")), ["repo"]);
}

#[test]
fn bytes_are_told_as_they_are_restored() {
    struct Count(AtomicU64, AtomicU64);
    impl Observer for Count {
        fn event(&self, event: &Event<'_>) {
            match event {
                Event::Bytes(bytes) => drop(self.0.fetch_add(*bytes, Ordering::SeqCst)),
                Event::File { .. } => drop(self.1.fetch_add(1, Ordering::SeqCst)),
                _ => {}
            }
        }
    }
    let archive = Archive::new();
    let mut server = server(18);
    archive.backup(&mut server);
    let count = Count(AtomicU64::new(0), AtomicU64::new(0));
    let restored = archive.restore_with(&RestoreOptions::latest(archive.beside("out")), &count).unwrap();
    assert!(count.0.into_inner() >= 2 * restored.bytes, "each byte is written and read again");
    assert_eq!(count.1.into_inner(), restored.files);
}
