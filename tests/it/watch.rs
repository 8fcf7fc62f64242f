//! Between points: what a server writes is archived within a moment, and survives whatever kills the watch.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup};
use crate::support::rest::{ROOT, Reply, Version};
use crate::support::world::World;
use crate::support::{PATIENCE, lines};
use rustix::process::{Pid, Signal, kill_process};
use segvault::axon::name::Store;
use segvault::axon::segment::{Step, Walker};
use segvault::axon::token::Token;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

/// The open segment of the real server, and where each of its transactions ends, with the token of the last event.
struct Open {
    path: PathBuf,
    bytes: Vec<u8>,
    ends: Vec<(usize, u64)>,
}

impl Open {
    /// Cuts it back to its first transactions: the server has only begun to write it.
    fn begin(room: &Room) -> Self {
        let path = room.server(SERVER).join("data/default/00000000000000002790.events");
        let bytes = fs::read(&path).unwrap();
        let mut walker = Walker::new(Token::new(2790).unwrap(), bytes.len() as u64);
        let mut ends = Vec::new();
        loop {
            let offset = usize::try_from(walker.offset()).unwrap();
            match walker.step(&bytes[offset..]) {
                Step::Transaction(found) => {
                    ends.push((usize::try_from(found.end()).unwrap(), found.last_token().get()))
                }
                _ => break,
            }
        }
        assert!(ends.len() > 10);
        let open = Self { path, bytes, ends };
        open.show(3);
        open
    }

    /// The server has written so many transactions: the file keeps its length, zeros stand behind.
    fn show(&self, transactions: usize) -> u64 {
        let (end, token) = self.ends[transactions - 1];
        let file = File::options().write(true).open(&self.path).unwrap();
        let mut image = vec![0; self.bytes.len()];
        image[..end].copy_from_slice(&self.bytes[..end]);
        file.write_all_at(&image, 0).unwrap();
        token
    }
}

/// A watch at work, read line by line.
struct Watching {
    child: Child,
    lines: Receiver<String>,
    warnings: Receiver<String>,
}

impl Watching {
    fn begin(room: &Room) -> Self {
        Self::of(room, "--data-dir se-4.6.11-json --no-control-db --source node-1")
    }

    fn of(room: &Room, source: &str) -> Self {
        Self::at(room.command(&format!("watch {source} --interval 0s --json")))
    }

    fn at(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = lines(child.stdout.take().unwrap());
        let warnings = lines(child.stderr.take().unwrap());
        Self { child, lines: said, warnings }
    }

    /// Reads on until something is warned of.
    fn warns(&self, words: &str) {
        loop {
            let line = self.warnings.recv_timeout(PATIENCE).expect("it ended, or warns of nothing more");
            if line.contains(words) {
                return;
            }
        }
    }

    /// The next thing that happens.
    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("it ended, or says nothing more");
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(crate::json::complaint(&event), None);
        event["happened"].clone()
    }

    /// Reads on until there is a point.
    fn point(&self) -> Value {
        loop {
            let point = self.next()["point"].take();
            if point.is_object() {
                return point;
            }
        }
    }

    /// Reads on until the events reach a token.
    fn reaches(&self, token: u64) {
        loop {
            let happened = self.next();
            let logs = happened["archived"]["logs"].as_array().cloned().unwrap_or_default();
            if logs.iter().any(|log| log["store"] == "events" && log["head"] == token) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_kill_between_points_loses_nothing_that_a_record_has() {
    let room = Room::new();
    let open = Open::begin(&room);
    let mut watching = Watching::begin(&room);
    assert_eq!(watching.next()["point"]["point"], 1);
    for transactions in [4, 5, 9] {
        let token = open.show(transactions);
        watching.reaches(token);
    }
    let last = open.ends[8].1;
    watching.signal(Signal::KILL);
    watching.child.wait().unwrap();
    assert_eq!(room.points(), [1], "no point was made meanwhile");

    let restored =
        room.document(3, "restore", &format!("restore --to-token default={last} --target restored"));
    assert_eq!(restored["contexts"][0]["events"]["head"], last);
    let file = fs::read(room.path("restored/data/default/00000000000000002790.events")).unwrap();
    let end = open.ends[8].0;
    assert!(file[..end] == open.bytes[..end], "byte for byte what the server wrote");
    assert!(file[end..].iter().all(|byte| *byte == 0));
    assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
    // The next one goes on, whole.
    open.show(10);
    let again = Watching::begin(&room);
    assert_eq!(again.next()["point"]["complete"], true);
}

#[test]
fn what_is_no_more_of_the_same_makes_a_point() {
    let room = Room::new();
    let open = Open::begin(&room);
    let watching = Watching::begin(&room);
    watching.next();
    let token = open.show(5);
    watching.reaches(token);
    // The server lost what was not synced, and goes on with something else: that is no more of the same.
    open.show(4);
    let happened = watching.next();
    assert!(happened["point"]["why"].as_str().unwrap().contains("events of default"), "{happened}");
    let findings = happened["point"]["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["context"] == "default"),
        "as a backup shows them: {happened}"
    );
    // One point tells it; the next rounds say once that they wait, and go on once the server has more than before.
    let waiting = watching.next();
    assert!(waiting["waiting"]["why"].as_str().unwrap().contains("end before what is archived"), "{waiting}");
    let token = open.show(9);
    watching.reaches(token);
    assert_eq!(room.points(), [1, 2]);
}

#[test]
fn a_context_that_is_deleted_does_not_end_the_watch_of_another() {
    let room = Room::new();
    let open = Open::begin(&room);
    let billing = room.path("se-4.6.11-json/data/billing");
    fs::rename(room.server("core-2023.2.1-xml").join("data/default"), &billing).unwrap();
    let named = "--context default --context billing";
    let watching =
        Watching::of(&room, &format!("--data-dir se-4.6.11-json --no-control-db --source node-1 {named}"));
    assert_eq!(watching.next()["point"]["complete"], true);
    // In one step: of one that goes file by file other things are told first.
    fs::rename(&billing, room.path("billing")).unwrap();
    let point = watching.point();
    assert_eq!((&point["complete"], &point["findings"][0]["what"]), (&false.into(), &"gone".into()));
    let token = open.show(6);
    watching.reaches(token);
}

#[test]
fn only_one_watches_a_source_and_others_may_work_between_its_rounds() {
    let room = Room::new();
    let open = Open::begin(&room);
    let mut watching = Watching::begin(&room);
    watching.next();
    let second = "watch --data-dir se-4.6.11-json --no-control-db --source node-1";
    let (_, stderr) = room.ends(11, second);
    assert!(stderr.contains("locks/watch-"), "{stderr}");
    room.ends(0, "verify --wait 1m");
    room.ends(0, "hold add 1 --reason audit --wait 1m");
    let token = open.show(6);
    watching.reaches(token);
    watching.signal(Signal::HUP);
    // It begins anew with a point; what comes before that is in it, and never told of on its own.
    assert_eq!(watching.next()["point"]["point"], 2);
    let token = open.show(7);
    watching.reaches(token);
    watching.signal(Signal::TERM);
    assert_eq!(watching.child.wait().unwrap().code(), Some(143), "it ends by itself, not by the signal");
    assert_eq!(fixtures::files(&room.repository().join("staging")).len(), 0);
}

#[test]
fn another_repository_in_the_configuration_is_not_followed_and_that_is_said() {
    let room = Room::new();
    Open::begin(&room);
    let configure = |repository: &str| {
        let source = "[source.node-1]\ndata-dir = \"se-4.6.11-json\"\nno-control-db = true\n";
        room.write("segvault.toml", format!("repository = \"{repository}\"\n{source}").as_bytes());
    };
    configure("repository");
    let mut command = room.command("watch --interval 0s --json");
    command.env_remove("SEGVAULT_REPOSITORY").env("SEGVAULT_CONFIG", room.path("segvault.toml"));
    let watching = Watching::at(command);
    watching.next();
    configure("elsewhere");
    watching.signal(Signal::HUP);
    watching.warns("another source or repository");
    assert_eq!(watching.next()["point"]["point"], 2);
}

#[test]
fn backups_mark_what_its_rounds_have_stored_in_small_pieces() {
    let room = Room::new();
    let open = Open::begin(&room);
    let last = open.ends.len();
    {
        let watching = Watching::begin(&room);
        watching.next();
        for transactions in (4..last - 1).step_by(2) {
            watching.reaches(open.show(transactions));
        }
    }
    let acts = || fixtures::files(&room.repository().join("acts"));
    let again = || room.ends(0, &backup(&room.path(SERVER)));
    open.show(last - 1);
    again();
    assert_eq!(acts().len(), 0, "the record before the newest one needs each piece");
    open.show(last);
    again();
    let marked = fs::read_to_string(&acts()[0]).unwrap();
    assert!(marked.contains("\"dead\"") && marked.matches("\",\"").count() >= 20, "{marked}");
    assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
}

#[test]
fn a_live_server_that_is_away_for_a_while_is_followed_again() {
    let (room, world) = (Room::new(), World::quiet(Version::Core2023));
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    world.rest.lie(move |_, truth| if away.load(Ordering::SeqCst) { Reply::bare(503, "") } else { truth });
    let root = world.root();
    let line =
        format!("--server {} --path-map {ROOT}={} --source node-1", world.rest.address, root.display());
    let watching = Watching::of(&room, &line);
    assert_eq!(watching.next()["point"]["complete"], true);
    is_away.store(true, Ordering::SeqCst);
    watching.warns("503");
    world.node.lock().unwrap().steps(20);
    is_away.store(false, Ordering::SeqCst);
    assert!(watching.next()["recovered"]["seconds"].is_u64(), "what is told first is that it works again");
    let head = world.node.lock().unwrap().heads()[&("default".to_owned(), Store::Events)];
    let archived = || {
        let listed = room.document(0, "points", "points --wait 1m");
        let windows = listed["windows"].as_array().unwrap().clone();
        windows.iter().filter(|window| window["store"] == "events").filter_map(|w| w["last"].as_u64()).max()
    };
    while archived() != head {
        watching.next();
    }
}
