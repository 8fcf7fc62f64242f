//! A backup with nothing new over many sealed segments: what it costs to look at each of them, and what is written for that.

use crate::node;
use crate::size;
use crate::tools::{Tool, Used};
use std::path::Path;

/// Sealed segments, and an open one.
const SEGMENTS: usize = 10_000;
/// Times that nothing is new: the least counts.
const ROUNDS: usize = 5;

/// Prints what each tool needs.
pub fn print(tools: &[Tool]) {
    let room = tempfile::tempdir().unwrap();
    let open = node::write_small(SEGMENTS, room.path());
    println!("\nnothing new over {SEGMENTS} sealed segments, an open one of {open} bytes, one context");
    println!("  {:20} {:>8} {:>8} {:>20}", "", "CPU ms", "wall ms", "bytes of new files");
    for tool in tools.iter().filter(|tool| !matches!(tool, Tool::Segvault("high" | "max"))) {
        let (used, new) = nothing_new(*tool, room.path());
        println!("  {:20} {:>8.0} {:>8.0} {new:>20}", tool.name(), used.cpu * 1e3, used.wall * 1e3);
    }
}

/// What the cheapest of some backups used, and how many bytes longer each of them made the repository, but for ours its index, which is a cache.
fn nothing_new(tool: Tool, room: &Path) -> (Used, u64) {
    let (repository, node) = (room.join(tool.name()), room.join("node"));
    tool.init(&repository);
    // Two: files that were written just now are read once more by the second one.
    for _ in 0..2 {
        tool.backup(&repository, &node);
    }
    let stored = || {
        let index = std::fs::metadata(repository.join("index.sqlite")).map_or(0, |index| index.len());
        size(&repository) - index
    };
    let before = stored();
    let rounds = (0..ROUNDS).map(|_| tool.backup(&repository, &node));
    let used = rounds.reduce(Used::least).unwrap();
    (used, stored().saturating_sub(before) / ROUNDS as u64)
}
