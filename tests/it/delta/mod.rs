//! Restores into a directory that has another state of the history: only what differs is exchanged, and no crash leaves what a server would take for
//! a history.

mod crash;
mod plain;
mod program;

use crate::support::archive::Archive;
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::observe::Unobserved;
use segvault::engine::restore::delta::DeltaPlan;
use segvault::engine::restore::delta::gate::{Gate, Open};
use segvault::engine::restore::{self, RestoreOptions, Restored};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

type Files = BTreeMap<String, Vec<u8>>;

/// A server with two contexts.
pub fn server(seed: u64) -> Server {
    server_of(seed, 20)
}

pub fn server_of(seed: u64, transactions: usize) -> Server {
    let mut server = Server::new("node", &["default", "billing"], seed);
    grow(&mut server, transactions);
    server
}

pub fn grow(server: &mut Server, transactions: usize) {
    for context in server.contexts.values_mut() {
        context.append(Store::Events, transactions);
        context.append(Store::Snapshots, transactions / 2);
    }
}

/// What a restore of that point into that directory is asked with.
pub fn into(archive: &Archive, point: u64, name: &str) -> RestoreOptions {
    let target = archive.beside(name);
    RestoreOptions { point: point.to_string(), delta: true, ..RestoreOptions::latest(target) }
}

pub fn run(archive: &Archive, options: &RestoreOptions) -> Result<Restored, Error> {
    run_at(archive, options, Arc::new(Open))
}

/// In one thread, so that the steps come in the same order each time.
pub fn run_at(archive: &Archive, options: &RestoreOptions, gate: Arc<dyn Gate>) -> Result<Restored, Error> {
    let repository = archive.open();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| restore::apply_at(&repository, restore::plan(&repository, options)?, &Unobserved, gate))
}

pub fn delta(restored: &Restored) -> &DeltaPlan {
    restored.delta.as_ref().unwrap()
}

/// Writes index and bloom files for all segments of a directory, as a server does for closed ones: the content names the segment.
pub fn index(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for (data, suffixes) in [("events", ["index", "bloom"]), ("snapshots", ["sindex", "sbloom"])] {
            if let Some(stem) = name.strip_suffix(&format!(".{data}")) {
                for suffix in suffixes {
                    fs::write(directory.join(format!("{stem}.{suffix}")), &name).unwrap();
                }
            }
        }
    }
}
