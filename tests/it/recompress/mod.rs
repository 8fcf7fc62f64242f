//! `recompress`: the same history in fewer bytes; nothing has another name; whatever stops it, nothing is lost.

mod damage;
mod time;

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup_data};
use crate::support::segments::{Event, SegmentImage};
use segvault::axon::name::Store;
use segvault::repo::format::pack::{CodecId, PackKind, parse_pack};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A repository with a point of a real server, in two steps, compressed as little as can be.
fn fast() -> Room {
    let room = Room::new();
    let line = "backup --no-control-db --source node --compression fast --data-dir";
    room.ends(0, &format!("{line} {}", fixtures::dir(SERVER).display()));
    room.ends(
        0,
        &format!("{line} {}", fixtures::dir("core-2023.2.1-xml").display()).replace("node", "other"),
    );
    room
}

/// The files of the repository that are named by what is archived: all but packs, acts and what is no truth.
fn names(room: &Room) -> BTreeMap<String, Vec<u8>> {
    let mut files = crate::support::archive::tree(&room.repository());
    files.retain(|path, _| ["pages/", "logs/", "points/"].iter().any(|kept| path.starts_with(kept)));
    files
}

fn packs(room: &Room) -> BTreeMap<String, Vec<u8>> {
    let mut files = crate::support::archive::tree(&room.repository());
    files.retain(|path, _| path.starts_with("packs/"));
    files
}

fn recompress(room: &Room, more: &str) -> Value {
    room.document(0, "recompress", &format!("recompress{more}"))
}

/// Deletes the packs that acts mark dead, as a prune does in the end.
fn delete_dead(room: &Room) -> u64 {
    let mut deleted = 0;
    for act in fs::read_dir(room.repository().join("acts")).unwrap() {
        let act: Value = serde_json::from_slice(&fs::read(act.unwrap().path()).unwrap()).unwrap();
        if act["act"] != "dead" {
            continue;
        }
        for pack in act["packs"].as_array().unwrap() {
            let pack = pack.as_str().unwrap();
            let path = room.repository().join("packs").join(&pack[..2]).join(pack);
            if path.exists() {
                fs::remove_file(path).unwrap();
                deleted += 1;
            }
        }
    }
    deleted
}

fn verify(room: &Room) {
    let report = room.document(0, "verify", "verify --data");
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
}

fn total(files: &BTreeMap<String, Vec<u8>>) -> usize {
    files.values().map(Vec::len).sum()
}

#[test]
fn old_packs_are_written_anew_smaller_and_nothing_gets_another_name() {
    let room = fast();
    let (before, small) = (names(&room), packs(&room));
    room.restore(0, "1", "first");
    let done = recompress(&room, "");
    assert_eq!(done["finished"], true);
    assert_eq!(done["marked_packs"], done["planned_packs"]);
    assert_eq!(names(&room), before);
    assert!(
        small.iter().all(|(path, bytes)| packs(&room)[path] == *bytes),
        "old packs stay until they are pruned"
    );
    verify(&room);
    assert_eq!(delete_dead(&room), done["marked_packs"].as_u64().unwrap());
    verify(&room);
    let (old, new) = (total(&small), total(&packs(&room)));
    assert!(new * 3 < old * 2, "{old} bytes became {new}");
    for (point, name) in [("1", "again"), ("2", "other")] {
        room.restore(0, point, name);
    }
    let tree = crate::support::archive::tree;
    assert!(tree(&room.path("first")) == tree(&room.path("again")));
}

#[test]
fn what_is_done_is_done() {
    let room = fast();
    recompress(&room, "");
    let files = crate::support::archive::tree(&room.repository().join("packs"));
    let again = recompress(&room, "");
    assert_eq!((&again["planned_packs"], &again["finished"]), (&0.into(), &true.into()));
    assert_eq!(recompress(&room, " --compression fast")["planned_packs"], 0, "nothing is made worse");
    assert!(crate::support::archive::tree(&room.repository().join("packs")) == files);
    let (text, _) = room.ends(0, "recompress");
    assert_eq!(text, "nothing to write anew: no pack would gain\n");
}

/// What the headers of all packs but those of tails, which stay, say of their writers, and the codecs of event columns in them.
fn efforts(room: &Room) -> (BTreeSet<u8>, BTreeSet<u8>) {
    let (mut efforts, mut codecs) = (BTreeSet::new(), BTreeSet::new());
    for pack in packs(room).values().filter(|pack| pack[10] != PackKind::Tail.number()) {
        efforts.insert(pack[12]);
        let blocks = parse_pack(pack).unwrap().blocks;
        codecs.extend(blocks.iter().map(|block| block.codec.number()).filter(|codec| *codec > 1));
    }
    (efforts, codecs)
}

#[test]
fn each_setting_is_above_the_one_before() {
    let room = fast();
    let (before, mut size) = (names(&room), total(&packs(&room)));
    for (setting, effort, codec) in [("default", 2, 6), ("high", 4, 2), ("max", 3, 7)] {
        let done = recompress(&room, &format!(" --compression {setting}"));
        assert_eq!((&done["compression"], &done["finished"]), (&setting.into(), &true.into()));
        assert!(done["planned_packs"].as_u64().unwrap() > 0, "{setting}");
        assert_eq!(delete_dead(&room), done["planned_packs"].as_u64().unwrap(), "{setting}");
        assert_eq!(efforts(&room), ([effort].into(), [codec].into()), "{setting}");
        let smaller = total(&packs(&room));
        assert!(smaller < size, "{setting}: {size} bytes became {smaller}");
        size = smaller;
        verify(&room);
    }
    for setting in ["raw", "fast", "default", "high", "max"] {
        let again = recompress(&room, &format!(" --compression {setting}"));
        assert_eq!(again["planned_packs"], 0, "{setting} makes nothing worse");
    }
    assert_eq!(names(&room), before);
}

/// A repository of the first program, and those of its packs that say this of their writer and have blocks of this codec.
fn former(effort: u8, codec: CodecId) -> (Room, Vec<Vec<u8>>) {
    let room = Room::empty();
    fixtures::unpack_repository("repository-v1", &room.path("."));
    let has = |pack: &[u8]| parse_pack(pack).unwrap().blocks.iter().any(|block| block.codec == codec);
    let all = packs(&room).into_values().filter(|pack| pack[12] == effort && has(pack));
    let former: Vec<_> = all.collect();
    assert!(!former.is_empty());
    (room, former)
}

/// What `max` wrote once has another codec than what it writes: it counts as `max` still.
#[test]
fn what_max_wrote_once_stays() {
    let (room, former) = former(3, CodecId::MixedColumns);
    for (path, pack) in packs(&room) {
        if !former.contains(&pack) {
            fs::remove_file(room.repository().join(path)).unwrap();
        }
    }
    assert_eq!(recompress(&room, " --compression max")["planned_packs"], 0);
}

/// What `high` writes was the default once, and its packs still say so.
#[test]
fn what_the_default_wrote_once_is_not_made_larger() {
    let (room, former) = former(2, CodecId::Columns);
    assert!(recompress(&room, "")["planned_packs"].as_u64().unwrap() > 0);
    delete_dead(&room);
    let left: BTreeSet<_> = packs(&room).into_values().collect();
    assert!(former.iter().all(|pack| left.contains(pack)));
    recompress(&room, " --compression high");
    delete_dead(&room);
    assert_eq!(efforts(&room), ([3, 4].into(), [2, 3].into()), "what max wrote stays");
}

#[test]
fn a_backup_in_the_setting_above_the_default_says_so() {
    let room = Room::new();
    let line = "backup --no-control-db --source node --compression high --data-dir";
    room.ends(0, &format!("{line} {}", fixtures::dir(SERVER).display()));
    assert_eq!(efforts(&room), ([4].into(), [2].into()));
    assert_eq!(recompress(&room, "")["planned_packs"], 0, "the default makes nothing of it");
    verify(&room);
}

#[test]
fn a_dry_run_writes_nothing() {
    let room = fast();
    let before = packs(&room);
    let (text, _) = room.ends(0, "recompress --dry-run");
    assert!(text.contains("would be written anew; nothing was done (dry run)"), "{text}");
    assert!(packs(&room) == before && !room.repository().join("acts/1.json").exists());
}

/// Backs up a server that grows: each time one segment more is there.
fn grown(room: &Room) {
    let data = fixtures::dir(SERVER).join("data/default");
    let mut segments: Vec<_> = fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "events"));
    segments.sort();
    let node = room.path("node/default");
    fs::create_dir_all(&node).unwrap();
    for segment in segments {
        fs::copy(&segment, node.join(segment.file_name().unwrap())).unwrap();
        room.ends(0, "backup --no-control-db --data-dir node --source node");
    }
}

#[test]
fn a_pack_that_comes_out_as_it_was_stays_and_nothing_is_left_to_do() {
    let room = Room::new();
    grown(&room);
    let marked = recompress(&room, "")["marked_packs"].as_u64().unwrap();
    // As if it had been stopped before it said so.
    fs::remove_file(room.repository().join("acts/1.json")).unwrap();
    let (text, _) = room.ends(0, "recompress");
    assert!(text.contains(&format!("of {} packs", marked + 1)), "{text}");
    assert!(text.contains(&format!("{marked} old packs (")), "{text}");
    assert!(text.ends_with("1 pack came out as it was, and stays\n"), "no next run goes on: {text}");
    assert_eq!(recompress(&room, "")["planned_packs"], 0);
    verify(&room);
}

#[test]
fn many_small_packs_become_few() {
    let room = Room::new();
    grown(&room);
    let (before, small) = (names(&room), packs(&room));
    let done = recompress(&room, "");
    let [marked, new] = ["marked_packs", "new_packs"].map(|name| done[name].as_u64().unwrap());
    assert!(marked >= 6 && new == 1, "{done}");
    assert_eq!(recompress(&room, "")["planned_packs"], 0);
    assert_eq!(delete_dead(&room), marked);
    assert!(total(&packs(&room)) < total(&small));
    assert_eq!(names(&room), before);
    verify(&room);
}

/// What a run makes of weaker packs may be small beside what is small already.
#[test]
fn a_run_goes_on_until_nothing_gains() {
    let room = Room::new();
    let line = "backup --no-control-db --source node --data-dir";
    room.ends(0, &format!("{line} {}", fixtures::dir(SERVER).display()));
    let xml = fixtures::dir("core-2023.2.1-xml");
    let line = line.replace("node", "other --compression fast");
    room.ends(0, &format!("{line} {}", xml.display()));
    let done = recompress(&room, "");
    // The one of `fast`; then what came of it, and the other.
    let counts = ["planned_packs", "marked_packs", "new_packs"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(counts, [3, 3, 2]);
    assert_eq!(recompress(&room, "")["planned_packs"], 0);
    delete_dead(&room);
    verify(&room);
}

/// Backups of two servers with events of 27 MiB each, whose payloads are encrypted.
fn two_noisy() -> Room {
    let (room, mut random) = (Room::new(), fastrand::Rng::with_seed(1));
    for node in ["one", "other"] {
        let data = room.path(node).join("default");
        fs::create_dir_all(&data).unwrap();
        let mut segment = SegmentImage::new(0, 29 << 20);
        for number in 0..400 {
            let payload: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(70_000).collect();
            segment.append(&[Event::of(node, number).carrying(payload)]);
        }
        segment.roll().write_to(&data, Store::Events);
        SegmentImage::new(segment.next_token(), 1000).write_to(&data, Store::Events);
        room.ends(0, &backup_data(&room.path(node)).replace("node-1", node));
    }
    room
}

/// Noise shares no long blocks, since it gains nothing by it: nor is it written anew, as if it could.
#[test]
fn short_blocks_that_are_as_long_as_they_get_are_left_alone() {
    let room = two_noisy();
    let of_noise: Vec<usize> =
        packs(&room).values().map(Vec::len).filter(|length| *length > 20 << 20).collect();
    assert!(
        of_noise.len() == 2 && of_noise.iter().all(|length| *length < 32 << 20),
        "small packs: {of_noise:?}"
    );
    let stopped = recompress(&room, " --max-duration 0s");
    let said = ["planned_packs", "all_looked_at", "finished"].map(|name| &stopped[name]);
    assert_eq!(said, [&Value::from(0), &false.into(), &false.into()], "there was no time to look");
    let done = recompress(&room, "");
    assert_eq!((&done["planned_packs"], &done["finished"]), (&0.into(), &true.into()));
}

/// Who compresses again has to know what is weak in a copy too.
#[test]
fn copied_packs_say_how_hard_they_were_compressed() {
    let room = Room::new();
    for (source, setting) in [("core-2023.2.1-xml", "fast"), (SERVER, "max")] {
        let server = fixtures::dir(source);
        room.ends(
            0,
            &format!(
                "backup --no-control-db --source {setting} --compression {setting} --data-dir {}",
                server.display()
            ),
        );
    }
    let copy = Room::new();
    room.ends(0, &format!("copy --to {}", copy.repository().display()));
    assert_eq!(efforts(&copy), efforts(&room));
    assert_eq!(efforts(&copy), ([1, 3].into(), [7].into()));
    let done = recompress(&copy, "");
    assert_eq!((&done["planned_packs"], &done["finished"]), (&1.into(), &true.into()), "{done}");
    assert_eq!(delete_dead(&copy), 1);
    assert_eq!(efforts(&copy), ([2, 3].into(), [6, 7].into()));
    verify(&copy);
}

/// A header that can't be read is taken from the parity; without it a pack counts as written with the default, not as weaker; unless its blocks
/// tell.
#[test]
fn a_copied_pack_whose_header_is_damaged_is_not_called_weaker() {
    for (init, setting, effort) in [("init --parity 3%", "fast", 1), ("init", "fast", 2), ("init", "max", 3)]
    {
        let (room, copy) = (Room::empty(), Room::new());
        room.ends(0, init);
        let server = fixtures::dir("core-2023.2.1-xml");
        let line = format!("backup --no-control-db --compression {setting} --data-dir {}", server.display());
        room.ends(0, &line);
        for path in packs(&room).into_keys().filter(|path| !path.ends_with(".par")) {
            crate::support::program::flip(&room.repository().join(path), 0);
        }
        let copied = room.command(&format!("copy --to {}", copy.repository().display())).output().unwrap();
        assert!(matches!(copied.status.code(), Some(0 | 3)), "{copied:?}");
        assert_eq!(efforts(&copy).0, [effort].into(), "{init} {setting}");
    }
}

/// Its header says what is the default today, which makes no such blocks.
#[test]
fn a_copy_of_what_the_default_wrote_once_says_what_it_is() {
    let (room, _) = former(2, CodecId::Columns);
    let copy = Room::new();
    room.ends(0, &format!("copy --to {}", copy.repository().display()));
    let plain = CodecId::Columns.number();
    let has_plain =
        |pack: &[u8]| parse_pack(pack).unwrap().blocks.iter().any(|block| block.codec.number() == plain);
    let copied: BTreeSet<u8> =
        packs(&copy).values().filter(|pack| has_plain(pack)).map(|pack| pack[12]).collect();
    assert_eq!(copied, [4].into());
    verify(&copy);
}
