//! What the real program writes, the second reader puts back, bit by bit; and what was damaged it notices.

use super::packs::Packs;
use super::pages::{Entry, tree};
use super::restore::Restored;
use super::wire::{Bytes, Read, check, hash, hex, number, text, unhex};
use super::{Repository, list};
use crate::support::archive::tree as files_below;
use crate::support::fixtures;
use crate::support::segments::{Change, Event, History, StoreImage};
use segvault::axon::name::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

type Files = BTreeMap<String, Vec<u8>>;

/// Room for a repository, a server's directory, and what is restored.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        room.run("init");
        room
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line of the real program; findings are allowed.
    fn run(&self, line: &str) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_segvault"));
        program.env("SEGVAULT_REPOSITORY", self.at("repository")).current_dir(self.0.path());
        let output = program.args(line.split(' ')).output().unwrap();
        let (out, complaint) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 3)), "{line}\n{out}\n{complaint}");
        out
    }

    /// Writes a context's files anew, and backs the server up.
    fn backup(&self, files: &Files, more: &str) {
        let _ = fs::remove_dir_all(self.at("server"));
        for (path, bytes) in files {
            let path = self.at("server").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        self.run(&format!("backup --data-dir server --source node-1 {more}"));
    }

    fn open(&self) -> Repository {
        let repository = Repository::open(&self.at("repository")).unwrap();
        assert!(repository.packs.damage.is_empty(), "{:?}", repository.packs.damage);
        repository
    }

    fn second(&self, point: u64) -> Restored {
        self.open().restore(point).unwrap_or_else(|wrong| panic!("point {point}: {wrong}"))
    }

    /// What the program itself restores: the files, and the zip's.
    fn first(&self, point: u64) -> (Files, Option<(String, Vec<u8>)>) {
        let (target, zips) = (format!("restored{point}"), format!("zips{point}"));
        fs::create_dir(self.at(&zips)).unwrap();
        self.run(&format!("restore {point} --target {target} --control-db-zip {zips}"));
        (files_below(&self.at(&target)), files_below(&self.at(&zips)).into_iter().next())
    }

    /// Both readers put back the same, and that is what was there.
    fn proves(&self, point: u64, expected: &Files) -> Restored {
        let (second, (files, zip)) = (self.second(point), self.first(point));
        same(&second.files, &files);
        assert!(second.zip == zip, "the zip of point {point} differs");
        let data = |files: &Files| -> Files {
            files
                .iter()
                .filter(|(path, _)| !path.contains(".mv.db"))
                .map(|(p, b)| (p.clone(), b.clone()))
                .collect()
        };
        same(&data(&second.files), &data(expected));
        second
    }
}

fn same(found: &Files, expected: &Files) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in expected {
        assert!(found[path] == *bytes, "{path} differs: {} and {} bytes", found[path].len(), bytes.len());
    }
}

/// The data files of a server in the fixtures.
fn originals(server: &str) -> Files {
    let mut files = files_below(&fixtures::dir(server).join("data"));
    files.retain(|path, _| path.ends_with(".events") || path.ends_with(".snapshots"));
    files.into_iter().map(|(path, bytes)| (format!("data/{path}"), bytes)).collect()
}

/// Of each segment the highest version: names of versions sort behind those without.
fn highest(files: &Files) -> Files {
    let mut highest: BTreeMap<(String, String), &String> = BTreeMap::new();
    for path in files.keys() {
        let (stem, store) = path.rsplit_once('.').unwrap();
        let segment = (stem.split('_').next().unwrap().to_owned(), store.to_owned());
        let known = highest.entry(segment).or_insert(path);
        if path.contains('_') && *path > **known || !known.contains('_') {
            *known = path;
        }
    }
    highest.into_values().map(|path| (path.clone(), files[path].clone())).collect()
}

/// Where the blocks of a segment end, with the count of events up to there.
fn blocks(bytes: &[u8]) -> Vec<(usize, u64)> {
    let (mut at, mut events, mut ends) = (5, 0, Vec::new());
    while at + 4 <= bytes.len() {
        let size = i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let Ok(size) =
            usize::try_from(size).map_err(drop).and_then(|size| if size > 0 { Ok(size) } else { Err(()) })
        else {
            break;
        };
        events += u64::from(u16::from_be_bytes(bytes[at + 5..at + 7].try_into().unwrap()));
        assert_eq!(bytes[at + 7 + size..][..4], crc32fast::hash(&bytes[at + 7..at + 7 + size]).to_be_bytes());
        at += size + 11;
        ends.push((at, events));
    }
    ends
}

/// The store as it was when only `segments` of its segments were there, and the last of them was half as full.
fn earlier(files: &Files, segments: usize) -> Files {
    let mut earlier = Files::new();
    for store in [".events", ".snapshots"] {
        let own = files.iter().filter(|(path, _)| path.ends_with(store) && !path.contains('_'));
        let mut own: Vec<_> = own.take(segments).map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        if let Some((_, open)) = own.last_mut() {
            let ends = blocks(open);
            open[ends.get(ends.len() / 2).map_or(5, |(end, _)| *end)..].fill(0);
        }
        earlier.extend(own);
    }
    earlier
}

#[test]
fn every_point_of_every_real_server_comes_back_bit_by_bit() {
    for server in fixtures::SERVERS {
        let (room, whole) = (Room::new(), originals(server));
        let versions: Files = whole.clone().into_iter().filter(|(path, _)| !path.contains('_')).collect();
        let last = versions.keys().filter(|path| path.ends_with(".events")).count();
        let mut seen: Vec<Files> = (1..=last).step_by(2).map(|segments| earlier(&whole, segments)).collect();
        seen.extend([versions, whole]);
        for files in &seen {
            room.backup(files, "--no-control-db");
        }
        let backups = fixtures::dir(server).join("backups");
        room.run(&format!("backup --data-dir server --source node-1 --control-db {}", backups.display()));
        seen.extend(seen.last().cloned());
        for (files, point) in seen.iter().zip(1..) {
            let restored = room.proves(point, &highest(files));
            assert_eq!(restored.zip.is_some(), point == seen.len() as u64);
            for (name, bytes) in restored.zip {
                assert!(bytes == fs::read(backups.join(name)).unwrap(), "the server's own zip");
                assert!(restored.files.contains_key("data/axonserver-controldb.mv.db"));
            }
        }
    }
}

#[test]
fn captures_of_an_open_segment_come_back_without_their_noise() {
    let (room, name) = (Room::new(), "data/default/00000000000000000000.events");
    let mut captures = fixtures::expect(fixtures::LIVE_CAPTURES).as_array().unwrap().clone();
    captures.sort_by_key(|capture| capture["valid_length"].as_u64());
    let mut seen = Vec::new();
    for capture in captures {
        let file = capture["capture"].as_str().unwrap();
        let mut bytes = fs::read(fixtures::dir(fixtures::LIVE_CAPTURES).join(file)).unwrap();
        room.backup(&[(name.to_owned(), bytes.clone())].into(), "--no-control-db");
        bytes[usize::try_from(capture["valid_length"].as_u64().unwrap()).unwrap()..].fill(0);
        seen.push(Files::from([(name.to_owned(), bytes)]));
    }
    for (expected, point) in seen.iter().zip(1..) {
        room.proves(point, expected);
    }
}
