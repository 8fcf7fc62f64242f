//! What leaves the archive, and nothing but that: what tails held, old versions of transformed segments, what is erased, what is dropped.

mod append_only;
mod beside;
mod copies;
mod dropping;
mod erasing;
mod life;
mod tails;
mod versions;

use crate::support::fixtures;
use crate::support::program::{Room, segments};
use crate::support::segments::{History, StoreImage};
use segvault::axon::name::{SegmentName, Store};
use segvault::axon::segment::{Step, Walker};
use segvault::axon::token::Token;
use segvault::repo::disk::Disk;
use segvault::repo::index::read_directory;
use segvault::repo::local_disk::LocalDisk;
use segvault::repo::paths;
use segvault::repo::store::{OpenOptions, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The real server whose first segments were transformed.
const TRANSFORMED: &str = "core-2023.2.1-transformed";

/// A store that grows, in a data directory.
struct Growing {
    store: StoreImage,
    history: History,
}

impl Growing {
    fn new(segment_size: usize) -> Self {
        Self { store: StoreImage::new(segment_size), history: History::seeded(9) }
    }

    /// So many bytes more, about; written to the directory.
    fn grow(&mut self, bytes: usize, data: &Path) {
        let mut added = 0;
        while added < bytes {
            let transaction = self.history.transaction_of(20);
            added += transaction.iter().map(|event| event.encode().len()).sum::<usize>();
            self.store.append(&transaction);
        }
        self.store.write_to(&data.join("default"), Store::Events);
    }
}

fn open(room: &Room) -> Repository {
    Repository::open(Arc::new(LocalDisk::new(room.repository())), OpenOptions::default()).unwrap()
}

/// All blocks of all packs, decoded.
fn decoded(room: &Room) -> Vec<Vec<u8>> {
    let repository = open(room);
    let disk: &dyn Disk = repository.disk();
    let mut all = Vec::new();
    for (pack, length) in paths::packs(disk).unwrap() {
        for block in read_directory(disk, pack, length).unwrap().blocks {
            all.push(repository.block(pack, &block).unwrap().raw);
        }
    }
    all
}

/// Bytes of the files that count, but for acts.
fn bytes(room: &Room) -> u64 {
    room.files()
        .iter()
        .filter(|(path, _)| !path.starts_with("acts") && !path.starts_with("reserve"))
        .map(|(_, length)| length)
        .sum()
}

/// The data directory of the transformed server: with old versions, new ones, or both, as it was before, after and while it was transformed.
fn transformed(room: &Room, name: &str, keeps: impl Fn(SegmentName, bool) -> bool) -> PathBuf {
    let data = room.path(name);
    fixtures::copy_tree(&fixtures::dir(TRANSFORMED).join("data"), &data);
    let all = segments(&data.join("default"));
    for ((store, segment), path) in &all {
        let is_old = all.keys().any(|(other, its)| {
            other == store && its.number == segment.number && its.version > segment.version
        });
        if !keeps(*segment, is_old) {
            fs::remove_file(path).unwrap();
        }
    }
    for path in fixtures::files(&data).into_iter().filter(|path| path.is_file()) {
        fs::remove_file(path).unwrap();
    }
    data
}

/// The events of a file, one by one.
fn events(path: &Path, first: Token) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut walker, mut found) = (Walker::new(first, bytes.len() as u64), Vec::new());
    while let Step::Transaction(transaction) =
        walker.step(&bytes[usize::try_from(walker.offset()).unwrap()..])
    {
        found.extend(transaction.event_bytes().map(<[u8]>::to_vec));
    }
    found
}

/// Events that old versions have and no current one does.
fn old_events() -> Vec<Vec<u8>> {
    let all = segments(&fixtures::context_dir(TRANSFORMED, "default"));
    let mut by_number: BTreeMap<Token, Vec<(SegmentName, PathBuf)>> = BTreeMap::new();
    for ((store, name), path) in all {
        if store == Store::Events {
            by_number.entry(name.number).or_default().push((name, path));
        }
    }
    let mut old = Vec::new();
    for versions in by_number.into_values().filter(|versions| versions.len() > 1) {
        let (newest, path) = versions.last().unwrap();
        let current: BTreeSet<Vec<u8>> = events(path, newest.number).into_iter().collect();
        for (name, path) in &versions[..versions.len() - 1] {
            old.extend(events(path, name.number).into_iter().filter(|event| !current.contains(event)));
        }
    }
    old
}

fn holds(blocks: &[Vec<u8>], event: &[u8]) -> bool {
    blocks.iter().any(|block| block.windows(event.len()).any(|window| window == event))
}
