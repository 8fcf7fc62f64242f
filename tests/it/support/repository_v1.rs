//! A small repository that is the same to the last byte whenever it is made: what every later version has to read. Made by the real
//! program from a made-up server; then the clock, chance and the machine are taken out of its JSON files.

use crate::support::segments::{Change, History, StoreImage};
use segvault::axon::name::Store;
use serde_json::{Value, json};
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

const ID: &str = "00112233445566778899aabbccddeeff";

/// Makes the repository in `into`, which must not be there: three points of a context that grows, is sealed, and is transformed. Gives, of
/// each point, the data files that were there.
pub fn make(into: &Path) -> Vec<Vec<(String, Vec<u8>)>> {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("default");
    run(into, room.path(), &["init"]);
    let mut seen = Vec::new();
    for step in 0..3 {
        write(&server(step), &data);
        let source = ["backup", "--data-dir", ".", "--no-control-db", "--source", "node-1"];
        run(into, room.path(), &[&source[..], &["--compression", "fast"]].concat());
        seen.push(files(&data));
    }
    for cache in ["index.sqlite", "index.sqlite-journal", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(into.join(cache));
    }
    settle(into);
    seen
}

fn server(step: usize) -> [(Store, StoreImage); 2] {
    let mut stores = [(Store::Events, 24), (Store::Snapshots, 7)].map(|(store, transactions)| {
        let (mut history, mut image) = (History::seeded(transactions), StoreImage::new(1_500));
        for transaction in history.transactions(usize::try_from(transactions).unwrap() * (step + 1)) {
            image.append(&transaction);
        }
        (store, image)
    });
    if step == 2 {
        let next = stores[0].1.segments.values().nth(1).unwrap().transformed(|_, _| Change::Keep);
        stores[0].1.insert(next);
    }
    stores
}

/// Writes the files, with times of their own: entries remember them.
fn write(server: &[(Store, StoreImage)], data: &Path) {
    for path in server.iter().flat_map(|(store, image)| image.write_to(data, *store)) {
        let length = fs::metadata(&path).unwrap().len();
        let time = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(1_795_442_729 + length));
        File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
    }
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn run(repository: &Path, room: &Path, arguments: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_segvault"));
    let output =
        program.env("SEGVAULT_REPOSITORY", repository).current_dir(room).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Gives the repository's JSON files an id, times and facts that do not change. Neither packs, pages nor records know any of these.
fn settle(repository: &Path) {
    rewrite(&repository.join("segvault.json"), |config| {
        config["id"] = ID.into();
        config["at"] = "2026-11-23T14:00:00.000Z".into();
    });
    let mut previous = Value::Null;
    for number in 1..=3 {
        let bytes = rewrite(&repository.join(format!("points/{number}.json")), |point| {
            let at = format!("2026-11-23T14:0{number}:00.000Z");
            for step in point["steps"].as_array_mut().unwrap() {
                step["at"] = at.clone().into();
            }
            point["at"] = at.into();
            point["repository"] = ID.into();
            point["previous"] = previous.take();
            point["facts"] = json!({ "host": "node-1" });
        });
        previous = blake3::hash(&bytes).to_hex().as_str().into();
    }
}

/// Changes a JSON file, and writes it in canonical form with the check that fits.
fn rewrite(path: &Path, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    value.as_object_mut().unwrap().remove("check");
    value["check"] = blake3::hash(format!("{value}\n").as_bytes()).to_hex().as_str().into();
    let bytes = format!("{value}\n").into_bytes();
    // The program writes files that may only be read.
    fs::remove_file(path).unwrap();
    fs::write(path, &bytes).unwrap();
    bytes
}
