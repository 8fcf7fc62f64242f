//! What people see on a real (pseudo) terminal: progress and then the report, colours or none, Ctrl-C.

use crate::support::program::{Room, SERVER, backup};
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use std::io::{Read, Write};
use std::process::Child;

/// A program at a terminal of so many columns.
struct Session {
    pty: Pty,
    child: Child,
    seen: Vec<u8>,
}

impl Session {
    fn begin(room: &Room, columns: u16, line: &str, environment: &[(&str, &str)]) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, columns)).unwrap();
        let command =
            Command::new(env!("CARGO_BIN_EXE_segvault")).args(line.split(' ')).current_dir(room.path(""));
        let command = command.env("SEGVAULT_REPOSITORY", room.repository()).env("TERM", "xterm-256color");
        let command = command.env_remove("NO_COLOR").envs(environment.iter().copied());
        let child = command.spawn(pts).unwrap();
        Self { pty, child, seen: Vec::new() }
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

    /// All that was shown, to the end, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
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
    session.pty.write_all(b"\x03").unwrap();
    let (shown, code) = session.end();
    assert_eq!(code, Some(130), "{shown}");
    assert!(screen(&shown).contains("stopped"), "{shown}");
    assert_eq!(room.points(), [1]);
}
