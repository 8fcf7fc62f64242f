//! Repositories that earlier programs made, committed once and never made again: everything in them can be had for ever.
//!
//! `fixtures/repository-v1.tar.zst` (and `-streams`, when the default began to write codec 4, `-lean`, when max began to write codec 5, and `-sparing`, when it began to write codec 7) holds `repository/` and `expect.json`: for each point the files that were restored from it when it was made,
//! with the SHA-256 of each; they were equal to those at the source. What went in: real servers before and after a transformation, in all three
//! compressions, their control databases, their index files; a tail that grew and was sealed; a hold, a forgotten point, an old copy of a node. Into
//! `-streams`: a tail that grew and was sealed, real servers before and after a transformation, one of them in `high`. Into `-lean`: the same, written
//! anew by `recompress`, so that it has a block that is longer than a MiB: from there on the table of states of codec 5 grows no more. Into
//! `-sparing`: the same again, and one of the servers as the default has them in codec 6.

use crate::support::fixtures;
use crate::support::program::{Room, backup, files_below, told};

use segvault::repo::format::pack::parse_pack;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The versions of the format of which there is one, and what came to them later.
const VERSIONS: [&str; 4] =
    ["repository-v1", "repository-v1-streams", "repository-v1-lean", "repository-v1-sparing"];

/// An old repository, and what is expected of it: by point, by path, the SHA-256.
fn old(version: &str) -> (Room, BTreeMap<u64, BTreeMap<String, String>>) {
    let room = Room::empty();
    fixtures::unpack_repository(version, &room.path("."));
    let expect: Value = serde_json::from_slice(&fs::read(room.path("expect.json")).unwrap()).unwrap();
    (room, serde_json::from_value(expect).unwrap())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn restored(room: &Room, point: u64) -> BTreeMap<String, String> {
    let target = format!("point-{point}");
    // Some of its points are restored with warnings: that is what they were made for.
    let (code, _, stderr) =
        told(room.command(&format!("-q restore {point} --target {target}")).output().unwrap());
    assert!(matches!(code, Some(0 | 3)), "point {point}: {stderr}");
    let hash = |path: &Path| sha256(&fs::read(path).unwrap());
    let root = room.path(&target);
    files_below(&root).into_keys().map(|path| (path.display().to_string(), hash(&root.join(path)))).collect()
}

#[test]
fn every_point_of_them_restores_as_it_did() {
    for version in VERSIONS {
        let (room, expect) = old(version);
        assert!(expect.len() >= 6, "{version}");
        for (point, files) in &expect {
            assert_eq!(&restored(&room, *point), files, "{version}, point {point}");
        }
    }
}

#[test]
fn they_verify_and_are_written_on() {
    for version in VERSIONS {
        let (room, expect) = old(version);
        let (said, _) = room.ends(0, "verify --data --history");
        assert!(said.contains("everything is there and whole"), "{version}: {said}");
        let line = backup(fixtures::dir("core-2023.2.1-xml")).replace("node-1", "another-node");
        room.ends(0, &line);
        let last = *expect.keys().last().unwrap();
        assert_eq!(*room.points().last().unwrap(), last + 1, "{version}");
        room.restore(0, &(last + 1).to_string(), "new");
        room.ends(0, "verify --data");
    }
}

/// Together they have blocks of every codec of event columns, also of those that no setting writes any more.
#[test]
fn they_have_blocks_of_every_codec() {
    let codecs = VERSIONS.map(|version| {
        let (room, _) = old(version);
        let packs = files_below(&room.repository().join("packs")).into_keys();
        let packs = packs.map(|path| fs::read(room.repository().join("packs").join(path)).unwrap());
        let blocks = packs.flat_map(|pack| parse_pack(&pack).unwrap().blocks);
        blocks.map(|block| block.codec.number()).filter(|codec| *codec > 1).collect::<BTreeSet<u8>>()
    });
    assert_eq!(codecs, [[2, 3].into(), [2, 4].into(), [4, 5].into(), [6, 7].into()]);
}

/// Whoever has only the document can read them too.
#[test]
fn the_second_reader_reads_them() {
    for version in VERSIONS {
        let (room, expect) = old(version);
        for (point, files) in &expect {
            let second = crate::second_reader::tests::restore_files(&room.repository(), *point);
            let hashes: BTreeMap<_, _> =
                second.into_iter().map(|(path, bytes)| (path, sha256(&bytes))).collect();
            assert_eq!(&hashes, files, "{version}, point {point}");
        }
    }
}
