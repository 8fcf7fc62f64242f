//! Whole repositories beside other backup tools: what is stored, exact; processor time, time on the wall and peak memory as ratios in the same run:
//! of three rounds the least each, since what else a machine does only adds to it (`max` has one round).
//!
//! `cargo bench --bench peers -- [MIB] [json|xml|binary|snapshots|fixtures|segments ...]`: so many MiB of each seeded corpus (256 if not said), as a node that
//! grows: an initial backup; the open segment has grown by a sixteenth; nothing new; restore, and the same until all of it is on the disk (segvault
//! has synced it, and read it again, when it ends; others leave it to the system); a check that reads all data. `segments`: ten thousand sealed
//! segments of which nothing is new. Tools that are not installed are
//! left out, and that is said. Each does its default; borg compresses with zstd,3, since its own default is lz4, and encrypts nothing.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench prints, counts in floating point, and may stop when its own input is wrong"
)]

mod many;
mod node;
mod tools;

use node::Node;
use segvault::engine::bench::corpus;
use segvault::engine::bench::corpus::Kind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::{Tool, Used};

/// The fixtures that are backed up as they are.
const FIXTURES: [&str; 4] =
    ["se-4.6.11-json", "core-2023.2.1-xml", "core-2023.2.1-transformed", "se-4.6.11-odd"];
/// What every tool does, in this order.
const VERBS: [&str; 6] = ["initial", "grown", "nothing new", "restore", "  until synced", "check data"];

/// Rounds of each tool.
const ROUNDS: usize = 3;

/// What one tool used and stored.
struct Round {
    tool: Tool,
    used: Vec<Used>,
    initial_bytes: u64,
    bytes: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "write") {
        return write_only(&arguments);
    }
    let mib = arguments.iter().find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(256);
    let asked = |name: &str| {
        arguments.iter().all(|argument| argument.parse::<usize>().is_ok())
            || arguments.iter().any(|argument| argument == name)
    };
    let tools: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| tool.is_there()).collect();
    println!("{} cores", std::thread::available_parallelism().map_or(1, usize::from));
    for tool in &tools {
        println!("{:20} {}", tool.name(), tool.version());
    }
    for tool in Tool::ALL.iter().filter(|tool| !tool.is_there()) {
        println!("{:20} not installed: left out", tool.name());
    }
    for (name, _) in Kind::ALL.into_iter().filter(|(name, _)| asked(name)) {
        let room = tempfile::tempdir().unwrap();
        write(name, mib, room.path());
        let node = Node::read(room.path());
        print(name, node.bytes(), &all_rounds(&tools, &node, room.path()));
    }
    if asked("fixtures") {
        fixtures(&tools);
    }
    if asked("segments") {
        many::print(&tools);
    }
}

/// Writes a node in a process of its own: the peak memory of those that are measured begins with ours.
fn write(name: &str, mib: usize, room: &Path) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let status = command.args(["write", name, &mib.to_string()]).arg(room).status().unwrap();
    assert!(status.success());
}

/// What that process does.
fn write_only(arguments: &[String]) {
    let kind = Kind::ALL.into_iter().find(|(name, _)| *name == arguments[1]).unwrap().1;
    let mib: usize = arguments[2].parse().unwrap();
    node::write(&corpus::corpus(kind, mib << 20, 1), kind, Path::new(&arguments[3]));
}

/// All tools, one beside the other in each round, so that a slow minute is everybody's.
fn all_rounds(tools: &[Tool], node: &Node, room: &Path) -> Vec<Round> {
    let mut all: Vec<Round> = tools.iter().map(|tool| round(*tool, node, room)).collect();
    for _ in 1..ROUNDS {
        for best in all.iter_mut().filter(|best| best.tool != Tool::Segvault("max")) {
            let next = round(best.tool, node, room);
            best.used = best.used.iter().zip(next.used).map(|(one, other)| one.least(other)).collect();
        }
    }
    all
}

/// One tool through all verbs.
fn round(tool: Tool, node: &Node, room: &Path) -> Round {
    let (repository, target) = (room.join(tool.name()), room.join("target"));
    node.shrink();
    tool.init(&repository);
    let mut used = vec![tool.backup(&repository, node.root())];
    let initial_bytes = size(&repository);
    // Both kinds of backup that follow the first one: segments that were just sealed are read once more by the first complete one after.
    node.grow();
    used.push(tool.backup(&repository, node.root()));
    used.push(tool.backup(&repository, node.root()));
    let bytes = size(&repository);
    let restored = tool.restore(&repository, &target);
    used.extend([restored, restored.then(tools::sync(&target))]);
    used.push(tool.check(&repository));
    std::fs::remove_dir_all(&target).unwrap();
    for rest in [repository.clone(), repository.with_extension("cache"), repository.with_extension("borg")] {
        let _ = std::fs::remove_dir_all(rest);
    }
    Round { tool, used, initial_bytes, bytes }
}

fn print(name: &str, raw: u64, rounds: &[Round]) {
    println!("\n{name}: {raw} bytes of history");
    let peers = || rounds.iter().filter(|round| !round.tool.is_ours());
    let best = peers().map(|round| round.bytes).min().unwrap_or(raw);
    for round in rounds {
        println!(
            "  {:20} {:>12} bytes, at first {:>12}   raw / stored {:>6.2}   of the best other {:.3}",
            round.tool.name(),
            round.bytes,
            round.initial_bytes,
            raw as f64 / round.bytes as f64,
            round.bytes as f64 / best as f64,
        );
    }
    println!(
        "  {:14} {:20} {:>8} {:>7} {:>8} {:>7} {:>8} {:>7}",
        "", "", "CPU s", "ratio", "wall s", "ratio", "MiB", "ratio"
    );
    for (at, verb) in VERBS.into_iter().enumerate() {
        let least =
            |part: fn(&Used) -> f64| peers().map(|round| part(&round.used[at])).fold(f64::INFINITY, f64::min);
        let (cpu, wall, memory) =
            (least(|used| used.cpu), least(|used| used.wall), least(|used| used.memory));
        for round in rounds {
            let used = &round.used[at];
            println!(
                "  {verb:14} {:20} {:>8.2} {:>7.2} {:>8.2} {:>7.2} {:>8.0} {:>7.2}",
                round.tool.name(),
                used.cpu,
                used.cpu / cpu,
                used.wall,
                used.wall / wall,
                used.memory,
                used.memory / memory,
            );
        }
    }
}

/// The real data: sizes only, it is too small for times.
fn fixtures(tools: &[Tool]) {
    println!("\nthe real data, bytes of the whole repository after one backup");
    for fixture in FIXTURES {
        let room = tempfile::tempdir().unwrap();
        node::unpack(fixture, room.path());
        let node = room.path().join(fixture);
        let stored: BTreeMap<&str, u64> =
            tools.iter().map(|tool| (tool.name(), stored(*tool, &node, room.path()))).collect();
        println!("  {fixture:26} {stored:?}");
    }
}

fn stored(tool: Tool, node: &Path, room: &Path) -> u64 {
    let repository: PathBuf = room.join(tool.name());
    tool.init(&repository);
    tool.backup(&repository, node);
    size(&repository)
}

/// Bytes of all files.
fn size(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                size(&entry.path())
            } else {
                entry.metadata().unwrap().len()
            }
        })
        .sum()
}
