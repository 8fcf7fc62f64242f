//! What belongs to its owner alone, and what hostile bytes can't do. (Names that lead out of a target: `restore.rs`. Odd zips: `bad_input.rs`.)

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup};
use segvault::axon::control_db::take_apart;
use segvault::repo::codec;
use segvault::repo::format::pack::CodecId;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

fn modes(root: &Path, found: &mut Vec<(String, u32, bool)>) {
    let facts = std::fs::symlink_metadata(root).unwrap();
    found.push((root.display().to_string(), facts.permissions().mode() & 0o777, facts.is_dir()));
    if facts.is_dir() {
        for entry in std::fs::read_dir(root).unwrap() {
            modes(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn everything_in_a_repository_and_in_a_restore_is_for_its_owner_alone() {
    let room = Room::new();
    let root = room.server(SERVER);
    room.ends(0, &backup(&root));
    room.ends(0, "verify --data");
    room.restore(0, "1", "restored");
    let mut found = Vec::new();
    modes(&room.repository(), &mut found);
    modes(&room.path("restored"), &mut found);
    for (path, mode, is_directory) in found {
        assert_eq!(mode, if is_directory { 0o700 } else { 0o600 }, "{path}: {mode:o}");
    }
}

#[test]
fn a_zstd_bomb_ends_in_an_error_and_takes_no_more_memory_than_it_declares() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    assert!(bomb.len() < 16 << 10);
    for declared in [1, 100, 1 << 20, 32 << 20] {
        assert!(codec::decode(CodecId::Zstd, &bomb, declared).is_err(), "{declared}");
    }
}

/// What a directory is: its files with their lengths, modes, times of change, and what is in them.
fn state(root: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64, Vec<u8>)> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(path) = waiting.pop() {
        let facts = fs::metadata(&path).unwrap();
        let bytes = if facts.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        if facts.is_dir() {
            waiting.extend(fixtures::files(&path));
        }
        let length = if facts.is_dir() { 0 } else { facts.len() };
        found.insert(path, (length, facts.mode(), facts.mtime(), facts.ctime_nsec(), bytes));
    }
    found
}

#[test]
fn a_source_is_never_written_to() {
    let room = Room::new();
    let root = room.server(SERVER);
    let before = state(&root);
    let line = backup(&root);
    for line in [&format!("{line} -n"), &line, &format!("{line} --reread --no-mmap")] {
        room.ends(0, line);
    }
    for line in ["verify --against", "diff 1 --data-dir", "repair from"] {
        room.ends(0, &format!("{line} {}", root.display()));
    }
    assert!(state(&root) == before);
}

#[test]
fn a_zip_bomb_ends_in_an_error() {
    // One entry, deflated: as a server writes it, but of more bytes than are allowed here.
    let zip = std::fs::read(crate::support::fixtures::control_db_zips(SERVER).remove(0)).unwrap();
    let inner = take_apart(&zip, 1 << 30).unwrap().inner.len() as u64;
    assert!(take_apart(&zip, inner).is_ok());
    assert!(take_apart(&zip, inner - 1).is_err());
}
