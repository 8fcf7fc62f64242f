//! What people see, kept as it was when somebody last looked at it: on a terminal of 80 columns and on a wide one. The repository is the one of
//! `fixtures/`, which never changes; ages, rates and the room on the disk are taken out. `INSTA_UPDATE=always cargo test --test it seen` writes
//! what is seen now into `snapshots/`: look at it before it is committed.

use crate::support::fixtures;
use crate::support::program::Room;
use crate::terminal::Session;

fn room() -> Room {
    let room = Room::empty();
    fixtures::unpack_repository("repository-v1", &room.path("."));
    room
}

/// What a line shows, and how it ends.
fn seen(room: &Room, columns: u16, line: &str) -> String {
    let (shown, code) = Session::begin(room, columns, line, &[("NO_COLOR", "1")]).end();
    let place = room.path("").display().to_string();
    let settled: String = shown.replace(&place, "[room]/").lines().map(|line| settled(line) + "\n").collect();
    format!("{settled}=> {}", code.unwrap())
}

/// A line without what is another time, or elsewhere, another one.
fn settled(line: &str) -> String {
    let line = line.trim_end();
    if line.starts_with("about ") {
        return "[how long it takes]".to_owned();
    }
    if let Some((before, _)) = line.split_once("; ").filter(|_| line.ends_with(" free there")) {
        return format!("{before}; [room on the disk]");
    }
    if line.starts_with("  size ") {
        return "  size          [size]".to_owned();
    }
    let Some((before, after)) = line.split_once(" ago") else { return line.to_owned() };
    let begin = before.rfind(", ").map(|at| at + 2).or_else(|| Some(before.rfind("  ")? + 2)).unwrap_or(0);
    format!("{}[age] ago{after}", &before[..begin])
}

#[test]
fn points() {
    let room = room();
    insta::assert_snapshot!("points-80", seen(&room, 80, "points"));
    insta::assert_snapshot!("points-wide", seen(&room, 200, "points"));
}

#[test]
fn status() {
    let (room, ages) = (room(), ["--max-age", "--max-verify-age", "--max-drill-age"]);
    let patient: String = ages.iter().map(|age| format!(" {age} 36000d")).collect();
    insta::assert_snapshot!("status-80", seen(&room, 80, &format!("status{patient}")));
    insta::assert_snapshot!("status-wide", seen(&room, 200, &format!("status{patient}")));
}

#[test]
fn a_restore_that_is_planned() {
    let room = room();
    let line = "restore --source node-1 --to-token default=1000 --target restored --dry-run";
    insta::assert_snapshot!("restore-plan-80", seen(&room, 80, line));
    insta::assert_snapshot!("restore-plan-wide", seen(&room, 200, line));
}

#[test]
fn forgetting() {
    insta::assert_snapshot!("forget", seen(&room(), 80, "forget --keep-last 1 --dry-run"));
}

#[test]
fn errors() {
    let room = room();
    room.write("segvault.toml", b"[retention]\nkeep-dayly = 7\n");
    let lines =
        ["show 99", "points --frobnicate", "restore latest --target out", "forget --config segvault.toml"];
    let all: Vec<String> =
        lines.iter().map(|line| format!("$ segvault {line}\n{}", seen(&room, 80, line))).collect();
    insta::assert_snapshot!("errors", all.join("\n"));
}
