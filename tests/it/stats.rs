//! What is counted adds up: rows to packs, kinds to the repository, and what a point frees is what only it holds.

use crate::support::archive::{Archive, WithControlDb};
use crate::support::fixtures;
use crate::support::program::{Room, backup, files_below};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::stats::{Stats, stats};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

fn measured(archive: &Archive) -> Stats {
    stats(&archive.open(), Some(1 << 40)).unwrap()
}

fn bytes_of(archive: &Archive, files: &[String]) -> u64 {
    files.iter().map(|file| archive.read(file).len() as u64).sum()
}

/// Whatever was archived: each byte on disk stands in exactly one row.
fn assert_adds_up(archive: &Archive, found: &Stats, story: &str) {
    let files = archive.files();
    let on_disk = bytes_of(archive, &files);
    assert_eq!(found.bytes, on_disk, "{story}: the repository");
    assert_eq!(found.kinds.iter().map(|kind| kind.bytes).sum::<u64>(), on_disk, "{story}: kinds");
    let packs: Vec<String> = files.into_iter().filter(|file| file.starts_with("packs/")).collect();
    let logs: u64 = found.logs.iter().map(|log| log.own.stored).sum();
    let control_dbs: u64 = found.control_dbs.iter().map(|row| row.own.stored).sum();
    let needed = logs + control_dbs + found.shared.stored;
    assert_eq!(needed + found.unneeded.stored + found.overhead, bytes_of(archive, &packs), "{story}: packs");
    assert_eq!(found.savings.stored, needed, "{story}");
    let months: u64 = found.months.iter().map(|month| month.own.stored).sum();
    assert_eq!(months, needed, "{story}: months");
    let events: u64 = found.logs.iter().map(|log| log.events).sum();
    assert_eq!(found.months.iter().map(|month| month.events).sum::<u64>(), events, "{story}: events");
    let added: u64 = found.points.iter().map(|point| point.added).sum();
    assert_eq!(found.months.iter().map(|month| month.added).sum::<u64>(), added, "{story}: growth");
    let beside = found.kinds.iter().filter(|kind| ["acts", "segvault.json"].contains(&kind.kind.as_str()));
    let beside: u64 = beside.map(|kind| kind.bytes).sum();
    assert!(added + beside <= on_disk, "{story}: no byte was added twice");
    assert!(found.problems.is_empty(), "{story}: {:?}", found.problems);
}

fn with_control_db(server: &Server, zip: usize) -> WithControlDb {
    let servers = ["se-4.6.11-json", "core-2023.2.1-xml"];
    let bytes = fs::read(&fixtures::control_db_zips(servers[zip % 2])[0]).unwrap();
    WithControlDb { server: server.clone(), name: "controldb.zip".to_owned(), zip: bytes }
}

#[test]
fn every_byte_stands_in_one_row_whatever_was_archived() {
    for seed in 1..=6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let archive = Archive::new();
        let mut servers = [Server::new("one", &["a", "b"], seed), Server::new("two", &["a"], seed)];
        for step in 0..6 {
            let server = &mut servers[random.usize(0..2)];
            let context = server.contexts.get_mut("a").unwrap();
            match random.u8(0..4) {
                0 => context.transform(random.usize(..)),
                1 => context.append(Store::Snapshots, random.usize(0..9)),
                _ => context.append(Store::Events, random.usize(0..40)),
            }
            archive.backup(&mut with_control_db(server, step));
            assert_adds_up(&archive, &measured(&archive), &format!("seed {seed}, step {step}"));
        }
    }
}

#[test]
fn what_two_sources_hold_is_shared_and_counted_once() {
    let archive = Archive::new();
    let mut server = Server::new("one", &["a"], 1);
    server.contexts.get_mut("a").unwrap().append(Store::Events, 30);
    archive.backup(&mut server.clone());
    let alone = measured(&archive);
    server.name = "two".to_owned();
    archive.backup(&mut server);
    let both = measured(&archive);
    assert_eq!(alone.shared.unique, 0);
    assert!(both.shared.unique > 0);
    assert_eq!(both.savings.unique, alone.savings.unique, "the second one has nothing of its own");
    assert_eq!(both.savings.copies, 2 * alone.savings.copies);
    assert_adds_up(&archive, &both, "both");
}

#[test]
fn a_point_frees_what_only_it_holds() {
    let archive = Archive::new();
    let mut server = Server::new("one", &["a"], 1);
    server.contexts.get_mut("a").unwrap().append(Store::Events, 30);
    archive.backup(&mut with_control_db(&server, 0));
    archive.backup(&mut with_control_db(&server, 0));
    let twice = measured(&archive);
    let manifest = |number: u64| archive.read(&format!("points/{number}.json")).len() as u64;
    for (point, number) in twice.points.iter().zip(1..) {
        assert_eq!(point.frees, manifest(number), "the other point holds the rest, and the log its segments");
    }
    assert!(twice.points[0].added > 10 * twice.points[1].added);
    archive.backup(&mut with_control_db(&server, 1));
    let thrice = measured(&archive);
    assert!(thrice.points[2].frees > manifest(3), "its control database is another one");
    assert_eq!(thrice.points[0].frees, manifest(1));
}

#[test]
fn superseded_tails_are_needed_by_none() {
    let archive = Archive::new();
    let mut server = Server::new("one", &["a"], 1);
    for _ in 0..4 {
        server.contexts.get_mut("a").unwrap().append(Store::Events, 12);
        archive.backup(&mut server);
    }
    let found = measured(&archive);
    assert!(found.unneeded.stored > 0, "the tails of segments that are sealed now");
    assert_adds_up(&archive, &found, "tails");
}

#[test]
fn a_damaged_pack_is_named_and_hides_nothing_else() {
    let archive = Archive::new();
    let mut server = Server::new("one", &["a"], 1);
    server.contexts.get_mut("a").unwrap().append(Store::Events, 30);
    archive.backup(&mut server);
    let pack = archive.files().into_iter().find(|file| file.starts_with("packs/")).unwrap();
    let end = archive.read(&pack).len() - 5;
    archive.flip(&pack, end);
    let found = measured(&archive);
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].path.ends_with(&pack));
    assert_eq!(found.bytes, bytes_of(&archive, &archive.files()), "it is there all the same");
}

mod on_the_command_line {
    use super::*;

    #[test]
    fn the_last_row_is_the_repository_and_the_rows_above_add_up_to_it() {
        let room = Room::new();
        let root = room.server("se-4.6.11-json");
        room.ends(0, &backup(&root));
        for by in ["log", "source", "context", "store", "file"] {
            let (table, _) = room.ends(0, &format!("stats --csv --by {by}"));
            let last: Vec<u64> =
                table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
            let (sum, rows) = last.split_last().unwrap();
            assert_eq!(rows.iter().sum::<u64>(), *sum, "{by}: {table}");
        }
        let document = room.document(0, "stats", "stats");
        let on_disk: u64 = files_below(&room.repository()).values().sum();
        assert_eq!(document["bytes"].as_u64().unwrap(), on_disk);
        let log = &document["logs"][1];
        assert_eq!((log["store"].as_str(), log["events"].as_u64()), (Some("events"), Some(2860)));
        let (text, _) = room.ends(0, "stats --by point");
        assert!(text.contains("1 point as copies, without zeros"), "{text}");
    }

    #[test]
    fn what_the_files_took_on_the_disk_is_told_beside_their_lengths() {
        let room = Room::new();
        let root = room.server("se-4.6.11-json");
        let open = data_files(&root, "events").pop().unwrap();
        let length = fs::metadata(&open).unwrap().len() + (1 << 20);
        fs::OpenOptions::new().write(true).open(&open).unwrap().set_len(length).unwrap();
        room.ends(0, &backup(&root));
        let files = data_files(&root, "events");
        let sum = |part: fn(&fs::Metadata) -> u64| -> u64 {
            files.iter().map(|file| part(&fs::metadata(file).unwrap())).sum()
        };
        let log = &room.document(0, "stats", "stats")["logs"][1];
        assert_eq!(log["apparent"].as_u64().unwrap(), sum(|file| file.len()));
        assert_eq!(log["on_disk"].as_u64().unwrap(), sum(|file| file.blocks() * 512));
        assert!(log["on_disk"].as_u64().unwrap() + (1 << 20) <= log["apparent"].as_u64().unwrap() + 65_536);
    }

    fn data_files(root: &Path, ending: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(root.join("data/default")).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            all.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
        files.sort();
        files
    }
}
