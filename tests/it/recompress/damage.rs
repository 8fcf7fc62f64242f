//! Beside damaged packs nothing is lost, and nothing is written at each run.

use super::*;
use crate::support::program::flip;
use segvault::repo::format::act::Deed;
use segvault::repo::format::id::{Naming, PackId};
use segvault::repo::format::moment::Moment;

/// The chunks of a pack.
fn chunks(pack: &[u8]) -> BTreeSet<[u8; 32]> {
    let blocks = parse_pack(pack).unwrap().blocks;
    blocks.iter().flat_map(|block| block.chunks.iter().map(|place| place.chunk.0)).collect()
}

/// Whether the chunks of a pack lie in packs other than that which has this path.
fn lie_beside(room: &Room, pack: &[u8], path: &str) -> bool {
    let others = packs(room).into_iter().filter(|(other, _)| other != path);
    let good: BTreeSet<_> = others.flat_map(|(_, pack)| chunks(&pack)).collect();
    chunks(pack).is_subset(&good)
}

/// What a crash before the act leaves: the packs that were there before, and the new one.
fn stopped_before_it_said_so(room: &Room) -> (BTreeMap<String, Vec<u8>>, String) {
    let old = packs(room);
    recompress(room, "");
    fs::remove_file(room.repository().join("acts/1.json")).unwrap();
    let new = packs(room).into_keys().find(|path| !old.contains_key(path)).unwrap();
    (old, new)
}

/// Damages a pack where only the header of a block lies: what is in it can be read, and yet it is not what its name says.
fn damage_header(room: &Room, path: &str, pack: &[u8]) {
    let block = parse_pack(pack).unwrap().blocks[0].offset;
    flip(&room.repository().join(path), block + 1);
}

#[test]
fn a_damaged_pack_stays_and_is_said() {
    let room = fast();
    let largest = packs(&room).into_iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let path = room.repository().join(&largest.0);
    let mut bytes = largest.1;
    // Inside a block: what only the headers of blocks say can be read elsewhere.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    let done = room.document(3, "recompress", "recompress");
    assert_eq!(done["damaged_packs"], serde_json::json!([path.file_name().unwrap().to_str().unwrap()]));
    assert_eq!(done["finished"], true, "there is nothing more that a next run could do");
    delete_dead(&room);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    room.ends(20, "verify --data");
}

/// A damaged pack can't be joined: it is said each time, and what is beside it is written once.
#[test]
fn small_packs_beside_a_damaged_one_are_joined_once() {
    let room = Room::new();
    grown(&room);
    let (damaged, bytes) = packs(&room).into_iter().next().unwrap();
    flip(&room.repository().join(&damaged), bytes.len() as u64 / 2);
    let said = serde_json::json!([damaged.rsplit('/').next().unwrap()]);
    let run = || room.document(3, "recompress", "recompress");
    let first = run();
    assert_eq!((&first["damaged_packs"], &first["new_packs"]), (&said, &1.into()));
    assert_eq!(delete_dead(&room), first["marked_packs"].as_u64().unwrap());
    let files = crate::support::archive::tree(&room.repository());
    let next = run();
    assert_eq!(
        (&next["damaged_packs"], &next["new_packs"], &next["finished"]),
        (&said, &0.into(), &true.into())
    );
    let kept = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        files.keys().filter(|path| path.starts_with("packs/") || path.starts_with("acts/")).cloned().collect()
    };
    assert_eq!(kept(&crate::support::archive::tree(&room.repository())), kept(&files));
}

/// That a pack is what its name says does not prove that its chunks are.
#[test]
fn a_pack_with_a_bad_chunk_that_has_its_own_name_is_damaged_too() {
    let room = Room::new();
    grown(&room);
    let (path, mut pack) = packs(&room).into_iter().max_by_key(|(_, pack)| pack.len()).unwrap();
    let middle = pack.len() / 2;
    pack[middle] ^= 1;
    let mut hasher = Naming::Blake3.hasher();
    hasher.update(&pack);
    let name = hasher.pack().to_string();
    fs::remove_file(room.repository().join(path)).unwrap();
    let directory = room.repository().join("packs").join(&name[..2]);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(&name), pack).unwrap();
    let run = || room.document(3, "recompress", "recompress");
    assert_eq!((&run()["damaged_packs"], &run()["planned_packs"]), (&serde_json::json!([name]), &0.into()));
}

/// After many acts a new pack may get the name of one that is marked dead already.
#[test]
fn nothing_is_marked_dead_for_the_sake_of_a_dead_pack() {
    let room = Room::new();
    grown(&room);
    let (_, new) = stopped_before_it_said_so(&room);
    let new: PackId = new.rsplit('/').next().unwrap().parse().unwrap();
    let mut packs: Vec<PackId> = (0..255).map(|number| PackId([number; 32])).collect();
    packs.push(new);
    room.open().session().unwrap().publish_act(Moment(1), Deed::Dead { packs }).unwrap();
    let done = recompress(&room, "");
    assert!(done["planned_packs"].as_u64().unwrap() > 0);
    assert_eq!((&done["marked_packs"], &done["finished"]), (&done["planned_packs"], &true.into()));
    delete_dead(&room);
    verify(&room);
}

/// Two packs hold the same, and one of them is damaged: the other is not marked for its sake.
#[test]
fn nothing_is_marked_dead_for_the_sake_of_a_damaged_pack() {
    let room = Room::new();
    grown(&room);
    let (old, _) = stopped_before_it_said_so(&room);
    let (damaged, pack) = old.iter().max_by_key(|(_, pack)| pack.len()).unwrap();
    damage_header(&room, damaged, pack);
    recompress(&room, "");
    delete_dead(&room);
    assert!(lie_beside(&room, pack, damaged));
    verify(&room);
}

/// The same where the new pack is the damaged one, and what it was made of is compressed less.
#[test]
fn a_weaker_pack_is_not_marked_dead_for_the_sake_of_a_damaged_one() {
    let room = fast();
    let (old, new) = stopped_before_it_said_so(&room);
    damage_header(&room, &new, &packs(&room)[&new]);
    recompress(&room, "");
    assert!(delete_dead(&room) > 0);
    assert!(old.values().all(|pack| lie_beside(&room, pack, "")));
    verify(&room);
}

#[test]
fn a_damaged_small_pack_is_joined_by_way_of_its_parity() {
    let room = Room::empty();
    room.ends(0, "init --parity 3%");
    grown(&room);
    let all = packs(&room).into_iter();
    let (damaged, pack) = all.max_by_key(|(_, pack)| pack.len()).unwrap();
    flip(&room.repository().join(&damaged), pack.len() as u64 / 2);
    let (stdout, _) = room.ends(3, "recompress --json");
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(done["damaged_packs"], serde_json::json!([]));
    assert_eq!(done["marked_packs"], done["planned_packs"]);
    assert_eq!(recompress(&room, "")["planned_packs"], 0);
    delete_dead(&room);
    verify(&room);
}

#[test]
fn a_damaged_small_pack_of_which_all_lies_elsewhere_goes() {
    let room = Room::new();
    grown(&room);
    let (old, _) = stopped_before_it_said_so(&room);
    let (damaged, pack) = old.iter().max_by_key(|(_, pack)| pack.len()).unwrap();
    flip(&room.repository().join(damaged), pack.len() as u64 / 2);
    recompress(&room, "");
    assert_eq!(recompress(&room, "")["planned_packs"], 0);
    delete_dead(&room);
    verify(&room);
}
