//! What people see on a real (pseudo) terminal: progress and then the report, colours or none, Ctrl-C.

use crate::support::PATIENCE;
use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};

/// A program at a terminal of so many columns.
pub struct Session {
    pty: Pty,
    child: Child,
    seen: Vec<u8>,
    /// Whoever waits for it longer than anything should take sees it end: it goes with this.
    _watched: Sender<()>,
}

/// Ends a process if it is still wanted after all patience.
fn watched(child: &Child) -> Sender<()> {
    let (wanted, ended) = mpsc::channel::<()>();
    let pid = Pid::from_child(child);
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    wanted
}

impl Session {
    pub fn begin(room: &Room, columns: u16, line: &str, environment: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, columns)).unwrap();
        let command =
            Command::new(env!("CARGO_BIN_EXE_segvault")).args(line.split(' ')).current_dir(room.path(""));
        let command = command.env("SEGVAULT_REPOSITORY", room.repository()).env("TERM", "xterm-256color");
        let command = command.env_remove("NO_COLOR").envs(environment.iter().copied());
        let child = command.spawn(pts).unwrap();
        let watched = watched(&child);
        Self { pty, child, seen: Vec::new(), _watched: watched }
    }

    /// Reads on until `words` were seen.
    fn until(&mut self, words: &str) -> &mut Self {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&self.seen).contains(words) {
            let read = self.pty.read(&mut buffer).unwrap_or(0);
            assert!(read > 0, "it ended without {words:?}: {}", String::from_utf8_lossy(&self.seen));
            self.seen.extend_from_slice(&buffer[..read]);
        }
        self
    }

    fn types(&mut self, keys: &str) -> &mut Self {
        self.pty.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// All that was shown, to the end, and the exit code.
    pub fn end(mut self) -> (String, Option<i32>) {
        let mut buffer = [0; 4096];
        // The other side of a terminal that is closed is an error, not an end.
        while let Ok(read) = self.pty.read(&mut buffer) {
            if read == 0 {
                break;
            }
            self.seen.extend_from_slice(&buffer[..read]);
        }
        let code = self.child.wait().unwrap().code();
        (String::from_utf8_lossy(&self.seen).into_owned(), code)
    }
}

/// What stands there when all was drawn: each line as it was written last.
fn screen(shown: &str) -> String {
    let text = anstream::adapter::strip_str(shown).to_string();
    text.lines()
        .map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

#[test]
fn a_terminal_shows_phases_and_then_the_report() {
    let room = Room::new();
    let server = room.server(SERVER);
    let (shown, code) = Session::begin(&room, 120, &backup(&server), &[]).end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("reading") && shown.contains("file 1 of 9"), "{shown:?}");
    let screen = screen(&shown);
    assert!(screen.contains("point 1 of node-1: complete"), "{screen}");
    assert!(!screen.contains("reading"), "nothing of the bar is left: {screen}");
    let (shown, _) = Session::begin(&room, 120, &format!("{} -q", backup(&server)), &[]).end();
    assert_eq!(shown, "", "-q is silent");
}

#[test]
fn a_narrow_terminal_is_not_written_past_its_edge() {
    let room = Room::new();
    let (shown, code) = Session::begin(&room, 24, &backup(&room.server(SERVER)), &[]).end();
    assert_eq!(code, Some(0));
    let text = anstream::adapter::strip_str(&shown).to_string();
    let bars = text.split(['\r', '\n']).filter(|line| line.contains(" %  ") && !line.contains("saved by"));
    for bar in bars {
        assert!(bar.chars().count() <= 24, "{bar:?}");
    }
}

#[test]
fn colours_are_for_those_who_want_them() {
    let room = Room::new();
    room.ends(0, &backup(&room.server(SERVER)));
    assert!(Session::begin(&room, 100, "points", &[]).end().0.contains("\u{1b}[1m"));
    assert!(!Session::begin(&room, 100, "points", &[("NO_COLOR", "1")]).end().0.contains('\u{1b}'));
}

#[test]
fn ctrl_c_ends_it_with_130() {
    let room = Room::new();
    room.server(SERVER);
    let line = "watch --data-dir se-4.6.11-json --no-control-db --source node-1 --interval 1h";
    let mut session = Session::begin(&room, 100, line, &[]);
    session.until("point 1: complete");
    session.types("\x03");
    let (shown, code) = session.end();
    assert_eq!(code, Some(130), "{shown}");
    assert!(screen(&shown).contains("stopped"), "{shown}");
    assert_eq!(room.points(), [1]);
}

/// Types `keys` once a line has asked with these words; gives what was shown and the exit code.
fn answered(room: &Room, line: &str, question: &str, keys: &str) -> (String, Option<i32>) {
    let mut session = Session::begin(room, 120, line, &[]);
    session.until(question).types(keys);
    session.end()
}

#[test]
fn what_is_forgotten_is_seen_and_asked_about() {
    let room = Room::new();
    let server = room.server(SERVER);
    (0..3).for_each(|_| drop(room.ends(0, &backup(&server))));
    let line = "forget --keep-last 1";
    // Enter, another word, Ctrl-D: none of them is a yes.
    for keys in ["\n", "no\n", "\x04"] {
        let (shown, code) = answered(&room, line, "Type yes:", keys);
        assert!(code == Some(0) && shown.contains("nothing was forgotten"), "{keys:?}: {shown}");
    }
    let (shown, code) = answered(&room, line, "Type yes:", "\x03");
    assert!(code == Some(130) && shown.contains("interrupted"), "{shown}");
    assert_eq!(room.points(), [1, 2, 3]);
    // Others work while somebody thinks; what goes is what was shown.
    let mut session = Session::begin(&room, 120, line, &[]);
    session.until("Type yes:");
    room.ends(0, &backup(&server));
    session.types("yes\n");
    let (shown, code) = session.end();
    assert!(code == Some(0) && shown.contains("forgot 2 points"), "{shown}");
    assert_eq!(room.points(), [3, 4]);
    // Nobody is asked where there is nothing to do, or who has said it already.
    for line in ["forget --keep-last 2", "forget --keep-last 1 --dry-run", "forget --keep-last 1 --yes"] {
        let (shown, code) = Session::begin(&room, 120, line, &[]).end();
        assert!(code == Some(0) && !shown.contains("Type yes"), "{shown}");
    }
    assert_eq!(room.points(), [4]);
}

#[test]
fn what_can_not_be_undone_asks_for_more_than_a_yes() {
    let room = Room::empty();
    fixtures::unpack_repository("repository-v1", &room.path("."));
    room.ends(0, "hold remove 4");
    let line = "erase --source node-2 --context default";
    let files = room.files();
    let (shown, code) = answered(&room, line, "Type erase:", "yes\n");
    assert!(code == Some(0) && shown.contains("nothing was erased"), "{shown}");
    let line = "drop-history --source node-1 --context default --before 1000";
    let words = room.document(0, "drop-history", line)["confirmation"].as_str().unwrap().to_owned();
    let (shown, code) = answered(&room, line, &format!("Type {words}:"), "yes\n");
    assert!(code == Some(0) && shown.contains("nothing was dropped"), "{shown}");
    assert_eq!(room.files(), files);

    let (shown, code) = answered(&room, line, &format!("Type {words}:"), &format!("{words}\n"));
    assert!(code == Some(0) && shown.contains("dropped"), "{shown}");
    let (shown, code) = answered(&room, "erase --source node-2 --context default", "Type erase:", "erase\n");
    assert!(matches!(code, Some(0 | 3)) && shown.contains("erased: version"), "{shown}");
    room.ends(0, "verify --data");
}
