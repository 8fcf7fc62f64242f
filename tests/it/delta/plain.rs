//! What stays, what is exchanged, what is lost, what is refused.

use super::{Files, delta, grow, index, into, run, server};
use crate::support::archive::{Archive, refused, tree};
use crate::support::segments::StoreImage;
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::restore;
use segvault::engine::restore::cut::request::{CutAt, CutRequest, TokenCut};
use segvault::engine::restore::delta::Change;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Two points of a server that grew, and what each of them is.
fn archived(seed: u64) -> (Archive, Server, [Files; 2]) {
    let (archive, mut server) = (Archive::new(), server(seed));
    archive.backup(&mut server);
    grow(&mut server, 15);
    archive.backup(&mut server);
    let of = |point: u64| {
        archive.restore(point, "model").unwrap();
        let files = tree(&archive.beside("model"));
        fs::remove_dir_all(archive.beside("model")).unwrap();
        files
    };
    let files = [of(1), of(2)];
    (archive, server, files)
}

/// What tells whether a file was touched.
fn facts(root: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let of = |path: &String| {
        let found = fs::metadata(root.join(path)).unwrap();
        (found.ino(), found.mtime_nsec(), found.ctime_nsec())
    };
    tree(root).keys().map(|path| (path.clone(), of(path))).collect()
}

#[test]
fn what_is_equal_stays_untouched_in_both_directions() {
    let (archive, _, states) = archived(11);
    archive.restore(1, "out").unwrap();
    for point in [2, 1, 2, 2] {
        let target = archive.beside("out");
        let (before, touched) = (tree(&target), facts(&target));
        let restored = run(&archive, &into(&archive, point, "out")).unwrap();
        let (after, now) = (tree(&target), facts(&target));
        assert!(after == states[point as usize - 1] && restored.verified, "point {point}");
        let same =
            after.iter().filter(|(path, bytes)| before.get(*path) == Some(bytes)).map(|(path, _)| path);
        let same: Vec<_> = same.collect();
        assert!(same.iter().all(|path| touched[*path] == now[*path]), "point {point}");
        let plan = delta(&restored);
        assert_eq!(plan.kept.files, same.len() as u64);
        assert_eq!(
            plan.written.files + plan.replaced.files,
            after.len() as u64 - plan.kept.files,
            "point {point}"
        );
        assert_eq!(
            plan.removed.files,
            before.keys().filter(|path| !after.contains_key(*path)).count() as u64
        );
    }
}

#[test]
fn a_cut_is_reached_from_any_state_and_is_what_a_new_restore_of_it_is() {
    let (archive, server, _) = archived(12);
    let head = server.contexts["default"].events.next_token() - 1;
    archive.restore(2, "out").unwrap();
    for token in [head / 2, 3, head - 1, head / 3] {
        let at = TokenCut { context: "default".to_owned(), token: Some(token) };
        let cut = CutRequest { at: CutAt::Tokens(vec![at]), ..CutRequest::nowhere() };
        let with = |name: &str| {
            let mut options = into(&archive, 2, name);
            options.point = "latest".to_owned();
            options.cut = Some(cut.clone());
            options
        };
        let restored = run(&archive, &with("out")).unwrap();
        run(&archive, &with("fresh")).unwrap();
        assert!(tree(&archive.beside("out")) == tree(&archive.beside("fresh")), "token {token}");
        fs::remove_dir_all(archive.beside("fresh")).unwrap();
        assert_eq!(
            delta(&run(&archive, &with("out")).unwrap()).kept.files,
            restored.files,
            "again: all stays"
        );
    }
}

#[test]
fn damage_is_mended_and_nothing_else_is_written() {
    let (archive, _, states) = archived(13);
    archive.restore(2, "out").unwrap();
    let bad = "data/default/00000000000000000000.events";
    let path = archive.beside("out").join(bad);
    let good = fs::read(&path).unwrap();
    for (damage, change) in [("flipped", 60), ("zeros", 61), ("short", 62), ("gone", 63)] {
        match damage {
            "flipped" => fs::write(&path, {
                let mut bytes = good.clone();
                bytes[change] ^= 4;
                bytes
            })
            .unwrap(),
            "zeros" => fs::write(&path, vec![0; good.len()]).unwrap(),
            "short" => fs::write(&path, &good[..good.len() - 9]).unwrap(),
            _ => fs::remove_file(&path).unwrap(),
        }
        let restored = run(&archive, &into(&archive, 2, "out")).unwrap();
        let plan = delta(&restored);
        let changed: Vec<_> = plan.files.iter().filter(|file| file.change != Change::Kept).collect();
        assert_eq!((changed.len(), changed[0].path.as_str()), (1, bad), "{damage}");
        assert!(plan.losses.is_empty() && tree(&archive.beside("out")) == states[1], "{damage}");
    }
}

#[test]
fn index_files_stay_as_far_as_they_are_right() {
    let (archive, _, states) = archived(14);
    archive.restore(1, "out").unwrap();
    let directory = archive.beside("out/data/default");
    index(&directory);
    fs::write(directory.join("global-index-00001.xref"), "x").unwrap();
    fs::write(directory.join("00000000000000000000.nindex"), "x").unwrap();
    run(&archive, &into(&archive, 2, "out")).unwrap();
    let found = tree(&archive.beside("out"));
    let is_index = |path: &&String| !states[1].contains_key(*path);
    for (suffix, data) in
        [("index", "events"), ("bloom", "events"), ("sindex", "snapshots"), ("sbloom", "snapshots")]
    {
        let stays: Vec<_> =
            found.keys().filter(is_index).filter(|path| path.ends_with(&format!(".{suffix}"))).collect();
        // Those of the closed segments of before; the one that was open has got more events.
        let closed =
            states[0].keys().filter(|path| path.starts_with("data/default/") && path.ends_with(data)).count()
                - 1;
        assert_eq!(stays.len(), closed, "{suffix}: {stays:?}");
    }
    assert!(!found.keys().any(|path| path.contains("global") || path.ends_with("nindex")));
    // One in the middle is missing: what is behind it goes.
    fs::remove_file(directory.join("00000000000000000000.bloom")).unwrap();
    run(&archive, &into(&archive, 2, "out")).unwrap();
    assert!(!tree(&archive.beside("out")).keys().any(|path| path.ends_with(".index")));
}

#[test]
fn what_no_archive_has_goes_only_where_that_is_said() {
    let (archive, mut server, states) = archived(15);
    let newest = Archive::new();
    grow(&mut server, 3);
    newest.backup(&mut server);
    newest.restore(1, "ahead").unwrap();
    fs::rename(newest.beside("ahead"), archive.beside("out")).unwrap();
    let before = tree(&archive.beside("out"));
    let plan = archive.plan(&into(&archive, 2, "out")).unwrap();
    let expected = |context: &str| {
        let heads = [&archive.points()[1], &newest.points()[0]]
            .map(|listed| listed.point.body.contexts[context].events.head.unwrap());
        heads[1] - heads[0]
    };
    let losses = &plan.delta.as_ref().unwrap().losses;
    for context in ["billing", "default"] {
        let loss = losses.iter().find(|loss| loss.context == context && loss.store == "events").unwrap();
        assert_eq!((loss.events, loss.unarchived), (expected(context), expected(context)));
    }
    assert!(plan.warnings.iter().any(|warning| warning.what == "unarchived"));
    let refusal = refused(run(&archive, &into(&archive, 2, "out")));
    assert!(matches!(refusal, restore::Error::Unarchived { .. }), "{refusal}");
    assert!(tree(&archive.beside("out")) == before, "nothing was touched");
    let mut options = into(&archive, 2, "out");
    options.discard_unarchived = true;
    run(&archive, &options).unwrap();
    assert!(tree(&archive.beside("out")) == states[1]);
}

/// One segment of a server, archived up to a place, and a directory that has it with more behind.
fn open_segment() -> (Archive, PathBuf, u64, u64) {
    let (archive, newest) = (Archive::new(), Archive::new());
    let mut server = Server::new("node", &["default"], 24);
    let events = |server: &mut Server| {
        let context = server.contexts.get_mut("default").unwrap();
        context.append(Store::Events, 10);
        (context.events.open().end(), context.events.next_token())
    };
    server.contexts.get_mut("default").unwrap().events = StoreImage::new(64 << 10);
    let (end, head) = events(&mut server);
    archive.backup(&mut server);
    let (_, more) = events(&mut server);
    newest.backup(&mut server);
    newest.restore(1, "ahead").unwrap();
    fs::rename(newest.beside("ahead"), archive.beside("out")).unwrap();
    let path = archive.beside("out/data/default/00000000000000000000.events");
    (archive, path, end, more - head)
}

#[test]
fn what_stands_behind_damage_goes_only_where_that_is_said() {
    let (archive, path, end, more) = open_segment();
    let (good, end) = (fs::read(&path).unwrap(), end as usize);
    let damages: [(&str, usize, &[u8]); 5] = [
        ("in the header", 0, &[9]),
        ("in what is archived", 60, &[good[60] ^ 1]),
        ("in what is not", end + 60, &[good[end + 60] ^ 1]),
        ("in a size", end, &[0x7f; 4]),
        ("where it looks like an end", end, &[0; 4]),
    ];
    for (damage, at, bytes) in damages {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, &bad).unwrap();
        let plan = archive.plan(&into(&archive, 1, "out")).unwrap();
        let loss = &plan.delta.as_ref().unwrap().losses[0];
        let is_archived = at < end;
        assert_eq!(loss.unarchived == more, is_archived, "{damage}: {loss:?}");
        assert_eq!(loss.unarchived > 0, at != end, "{damage}: {loss:?}");
        assert_eq!(loss.unreadable > 0, !is_archived, "{damage}: {loss:?}");
        let refusal = refused(run(&archive, &into(&archive, 1, "out")));
        assert!(matches!(refusal, restore::Error::Unarchived { .. }), "{damage}: {refusal}");
        assert!(fs::read(&path).unwrap() == bad, "{damage}: nothing was touched");
    }
    let mut options = into(&archive, 1, "out");
    options.discard_unarchived = true;
    run(&archive, &options).unwrap();
    assert_eq!(fs::read(&path).unwrap()[..end], good[..end]);
}

#[test]
fn stores_that_are_empty_make_no_kin() {
    let archives = [25, 26].map(|seed| {
        let (archive, mut server) = (Archive::new(), Server::new("node", &["default"], seed));
        server.contexts.get_mut("default").unwrap().append(Store::Events, 20);
        archive.backup(&mut server);
        archive
    });
    let [archive, other] = archives;
    other.restore(1, "other").unwrap();
    fs::rename(other.beside("other"), archive.beside("out")).unwrap();
    let before = tree(&archive.beside("out"));
    let snapshots = archive.beside("out/data/default/00000000000000000000.snapshots");
    let mut options = into(&archive, 1, "out");
    options.discard_unarchived = true;
    let refusal = refused(run(&archive, &options));
    assert!(matches!(refusal, restore::Error::OtherHistory { .. }), "{refusal}");
    assert!(tree(&archive.beside("out")) == before);
    // Nor where the server allocated another length.
    fs::File::options().write(true).open(&snapshots).unwrap().set_len(900).unwrap();
    assert!(matches!(refused(run(&archive, &options)), restore::Error::OtherHistory { .. }));
}

#[test]
fn another_history_is_never_overwritten() {
    let (archive, ..) = archived(16);
    let other = Archive::new();
    other.backup(&mut super::server(99));
    other.restore(1, "other").unwrap();
    fs::rename(other.beside("other"), archive.beside("out")).unwrap();
    let before = tree(&archive.beside("out"));
    let mut options = into(&archive, 2, "out");
    options.discard_unarchived = true;
    assert!(matches!(refused(run(&archive, &options)), restore::Error::OtherHistory { .. }));
    assert!(tree(&archive.beside("out")) == before);
}

#[test]
fn other_versions_go_and_come() {
    let (archive, mut server) = (Archive::new(), server(17));
    archive.backup(&mut server);
    server.contexts.get_mut("default").unwrap().transform(1);
    archive.backup(&mut server);
    archive.restore(1, "first").unwrap();
    archive.restore(2, "out").unwrap();
    let second = tree(&archive.beside("out"));
    let restored = run(&archive, &into(&archive, 1, "out")).unwrap();
    assert!(tree(&archive.beside("out")) == tree(&archive.beside("first")));
    let plan = delta(&restored);
    assert_eq!((plan.written.files, plan.removed.files), (1, 1));
    assert!(plan.losses.is_empty(), "the archive has both versions: {:?}", plan.losses);
    run(&archive, &into(&archive, 2, "out")).unwrap();
    assert!(tree(&archive.beside("out")) == second);
}

#[test]
fn what_is_not_ours_stays_and_is_named() {
    let (archive, ..) = archived(18);
    archive.restore(1, "out").unwrap();
    let out = archive.beside("out");
    fs::write(out.join("axonserver.jar"), "jar").unwrap();
    fs::write(out.join("data/default/notes.txt"), "mine").unwrap();
    fs::write(out.join("data/axonserver-configdb.mv.db"), "H2").unwrap();
    fs::create_dir(out.join("data/more")).unwrap();
    fs::copy(
        out.join("data/default/00000000000000000000.events"),
        out.join("data/more/00000000000000000000.events"),
    )
    .unwrap();
    let restored = run(&archive, &into(&archive, 2, "out")).unwrap();
    let left = &delta(&restored).left;
    for name in ["data/default/notes.txt", "data/axonserver-configdb.mv.db", "data/more"] {
        assert!(left.iter().any(|path| path == name), "{name}: {left:?}");
    }
    let said: Vec<_> = restored.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(said, ["other-context", "control-db-stays"]);
    assert_eq!(fs::read(out.join("axonserver.jar")).unwrap(), b"jar");
    assert!(out.join("data/more/00000000000000000000.events").exists());
    // One context alone: the other one is none of its business.
    let mut options = into(&archive, 1, "out");
    options.contexts = vec!["billing".to_owned()];
    let before = tree(&out.join("data/default"));
    run(&archive, &options).unwrap();
    assert!(tree(&out.join("data/default")) == before);
}

#[test]
fn snapshots_go_where_none_are_wanted() {
    let (archive, _, states) = archived(19);
    archive.restore(2, "out").unwrap();
    let mut options = into(&archive, 2, "out");
    options.snapshots = false;
    let restored = run(&archive, &options).unwrap();
    assert!(tree(&archive.beside("out")).keys().all(|path| path.ends_with(".events")));
    assert_eq!(
        delta(&restored).kept.files as usize,
        states[1].keys().filter(|path| path.ends_with(".events")).count()
    );
}

#[test]
fn what_stands_in_the_way_is_refused() {
    let (archive, ..) = archived(20);
    archive.restore(1, "out").unwrap();
    let path = archive.beside("out/data/default/00000000000000000000.events");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(run(&archive, &into(&archive, 1, "out"))), restore::Error::InTheWay { .. }));
    fs::remove_dir(&path).unwrap();
    let held = fs::File::open(archive.beside("out")).unwrap();
    held.lock().unwrap();
    assert!(matches!(refused(run(&archive, &into(&archive, 1, "out"))), restore::Error::Busy { .. }));
    drop(held);
    // A server that came to life between plan and work.
    let plan = archive.plan(&into(&archive, 2, "out")).unwrap();
    let repository = archive.open();
    fs::write(archive.beside("out/data/default/00000000000000009999.events"), "new").unwrap();
    let open = archive.beside("out/data/default");
    let newest =
        tree(&open).into_keys().rfind(|name| name.ends_with("events") && !name.contains("9999")).unwrap();
    let bytes = fs::read(open.join(&newest)).unwrap();
    fs::write(open.join(&newest), &bytes).unwrap();
    let late = restore::apply(&repository, plan, &segvault::engine::observe::Unobserved);
    assert!(matches!(refused(late), restore::Error::Changed { .. }));
}

#[test]
fn a_new_or_an_empty_directory_is_filled_as_ever() {
    let (archive, _, states) = archived(21);
    fs::create_dir(archive.beside("empty")).unwrap();
    for name in ["new", "empty"] {
        let restored = run(&archive, &into(&archive, 2, name)).unwrap();
        assert!(restored.delta.is_none() && tree(&archive.beside(name)) == states[1]);
    }
}
