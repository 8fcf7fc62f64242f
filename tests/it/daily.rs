//! Daily use: the configuration and where its values come from, a profile's run and its report, hooks, metrics, "am I safe?", a restore that is tried.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, backup, flip, told};
use crate::support::{PATIENCE, lines, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use segvault::repo::disk::{Disk, LockMode};
use segvault::repo::local_disk::LocalDisk;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

/// A room with a configuration, which each line finds through the environment.
struct Desk {
    room: Room,
}

impl Desk {
    fn new(configuration: &str) -> Self {
        let room = Room::new();
        room.server(SERVER);
        room.write("segvault.toml", configuration.as_bytes());
        Self { room }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.room.command(line);
        command.env("SEGVAULT_CONFIG", self.room.path("segvault.toml"));
        command
    }

    fn ends(&self, code: i32, line: &str) -> (String, String) {
        let (ended, stdout, stderr) = told(self.command(line).output().unwrap());
        assert_eq!(ended, Some(code), "{line}\n{stdout}\n{stderr}");
        (stdout, stderr)
    }

    fn document(&self, code: i32, kind: &str, line: &str) -> Value {
        let (stdout, _) = self.ends(code, &format!("{line} --json"));
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["type"], kind);
        assert_eq!(crate::json::complaint(&document), None, "{line}");
        document
    }
}

const ONE_SOURCE: &str = r#"
[source.orders]
data-dir = "se-4.6.11-json"
control-db = "se-4.6.11-json/backups"
tag = { env = "prod" }

[retention]
keep-last = 2

[verification]
percent = 50

[prune]
grace = "24h"

[profile.quick]
steps = ["backup"]

[profile.quick.retention]
keep-last = 1
"#;

#[test]
fn a_backup_needs_no_flags_once_they_are_written_down() {
    let desk = Desk::new(ONE_SOURCE);
    let report = desk.document(0, "backup", "backup");
    assert_eq!(report["source"], "orders");
    assert_eq!(desk.document(0, "point", "show")["row"]["tags"]["env"], "prod");
    // What is typed counts, and what can't stand beside it is left out.
    let report = desk.document(0, "backup", "backup --no-control-db --source orders");
    assert!(report["control_db"]["absent"].is_object(), "{report}");
    let forgotten = desk.document(0, "forget", "forget");
    assert_eq!((&forgotten["kept"], &forgotten["dry_run"]), (&2.into(), &true.into()));
}

/// It may be the name of a directory: the one in the file is not meant then.
#[test]
fn a_value_of_the_environment_that_is_no_text_is_not_passed_over() {
    let desk = Desk::new(ONE_SOURCE);
    let mut backup = desk.command("backup");
    backup.env("SEGVAULT_DATA_DIR", OsStr::from_bytes(b"d\xff"));
    let (ended, _, stderr) = told(backup.output().unwrap());
    assert_eq!(ended, Some(1), "{stderr}");
    assert!(stderr.contains("is not a directory"), "{stderr}");
}

#[test]
fn each_value_says_where_it_comes_from() {
    let desk = Desk::new(ONE_SOURCE);
    let from = |line: &str, key: &str| {
        let mut command = desk.command(&format!("{line} --json"));
        let (_, stdout, _) =
            told(command.env("SEGVAULT_KEEP_LAST", "9").env("SEGVAULT_GRACE", "").output().unwrap());
        let shown: Value = serde_json::from_str(&stdout).unwrap();
        let values = shown["values"].as_array().unwrap();
        let found = values.iter().find(|value| value["key"] == key).unwrap();
        (found["value"].as_str().unwrap().to_owned(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        from("config show", "keep-last"),
        ("9".to_owned(), "environment, SEGVAULT_KEEP_LAST".to_owned())
    );
    let (value, origin) = from("config show", "percent");
    assert!(value == "50" && origin.ends_with("segvault.toml:11"), "{value} {origin}");
    let (_, origin) = from("config show --profile quick", "steps");
    assert!(origin.starts_with("profile quick, ") && origin.ends_with("segvault.toml:17"), "{origin}");
    let (shown, _) = desk.ends(0, "config show --profile quick");
    let row = shown.lines().find(|line| line.contains("keep-last")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..5], ["[retention]", "keep-last", "1", "profile", "quick,"], "{shown}");
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line_and_a_guess() {
    for (text, code, id, words) in [
        (
            "[retention]\nkeep-dayly = 7\n",
            2,
            "config.unknown-key",
            "segvault.toml:2: there is no 'keep-dayly' in [retention]; is it 'keep-daily'?",
        ),
        ("wait = soon", 2, "config.syntax", "segvault.toml:1: "),
        (
            "[retention]\nkeep-last = \"many\"\n",
            2,
            "config.value",
            "segvault.toml:2: keep-last: invalid value 'many'",
        ),
    ] {
        let desk = Desk::new(text);
        let (ended, _, stderr) = told(desk.command("forget --json").output().unwrap());
        let error: Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((ended, error["id"].as_str().unwrap()), (Some(code), id), "{stderr}");
        assert!(error["message"].as_str().unwrap().contains(words), "{stderr}");
        // Help comes all the same.
        desk.ends(0, "explain config");
    }
    let desk = Desk::new("[profile.night]\nsources = [\"orders\"]\n");
    let (told, _) = desk.ends(2, "config check");
    assert!(told.contains("there is no source 'orders'"), "{told}");
    assert!(desk.ends(2, "run nightly").1.contains("there is no profile 'nightly'"));
    // Each value is right, but nobody could back that up.
    for (table, words) in [
        ("tag = \"a=b\"", "[source.empty]: the following required arguments were not provided: --data-dir"),
        ("data-dir = \"/\"\nno-control-db = true\npassword-file = \"/dev/null\"", "[source.empty]: "),
    ] {
        let (told, _) = Desk::new(&format!("[source.empty]\n{table}\n")).ends(2, "config check");
        assert!(told.contains(words), "{told}");
    }
    let (told, _) = Desk::new(ONE_SOURCE).ends(0, "config check");
    assert!(told.starts_with("ok: "), "{told}");
}

#[test]
fn the_check_refuses_what_a_run_refuses() {
    for (text, words) in [
        (
            "[source.\"\"]\ndata-dir = \"/\"\nno-control-db = true\n",
            "[source.]: a source's name has 1 to 1024 bytes",
        ),
        ("[retention]\nkeep-last = 0\n", "[retention]: no rule keeps anything"),
        ("[retention]\nkeep-tag = []\n", "[retention]: no rule keeps anything"),
        ("[profile.night]\nsteps = [\"verify\", \"forget\"]\n", "[retention]: no rule keeps anything"),
        ("[profile.night]\nsteps = [\"backup\"]\n", "there is no source"),
        ("[hooks]\ntimeout = \"0\"\n", "give more than 0"),
        ("[hooks]\nheartbeat = \"https://\"\n", "heartbeat: empty host"),
    ] {
        let (told, _) = Desk::new(text).ends(2, "config check");
        assert!(told.contains(words), "{told}");
    }
    // Only a run needs sources and rules.
    Desk::new("wait = \"1m\"\n[retention]\n").ends(0, "config check");
}

/// Somebody forgot to say where it is: that is no reason to archive the others, and to say that all is done.
#[test]
fn a_source_without_anything_in_it_is_not_passed_over() {
    let desk = Desk::new(&format!("[source.billing]\n{ONE_SOURCE}"));
    let refused = "[source.billing]: the following required arguments were not provided: --data-dir";
    assert!(desk.ends(2, "config check").0.contains(refused));
    let (told, _) = desk.ends(2, "run");
    assert!(told.contains("backup of billing: usage"), "{told}");
}

#[test]
fn a_run_does_what_is_configured_and_reports_once() {
    let desk = Desk::new(ONE_SOURCE);
    let ran = desk.document(0, "run", "run");
    let names: Vec<_> =
        ran["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["backup", "verify", "forget", "prune"]);
    assert_eq!(ran["steps"][0]["report"]["point"]["number"], 1);
    desk.ends(0, "run");
    desk.ends(0, "run quick");
    assert_eq!(desk.document(0, "points", "points")["points"].as_array().unwrap().len(), 3);
    let (text, _) = desk.ends(0, "run");
    assert_eq!(desk.document(0, "points", "points")["points"].as_array().unwrap().len(), 2, "{text}");
    assert!(
        text.starts_with("run, ")
            && text.contains("\nbackup of orders: done\n")
            && text.contains("\nprune: done\n"),
        "{text}"
    );
    assert_eq!(desk.ends(0, "-q run"), (String::new(), String::new()));
}

/// Hooks write what they are told into files.
const HOOKS: &str = r#"
[source.orders]
data-dir = "se-4.6.11-json"
no-control-db = true

[source.gone]
data-dir = "nowhere"
no-control-db = true

[retention]
keep-last = 5

[status]
metrics = "segvault.prom"

[hooks]
before = "env | sort > before"
after = "env | sort > after"
on-failure = "env | sort > failure; echo told >&2"

[profile.good]
sources = ["orders"]

[profile.refused.hooks]
before = "exit 7"
"#;

#[test]
fn hooks_and_metrics_tell_of_a_run_that_failed() {
    let desk = Desk::new(HOOKS);
    let read = |name: &str| fs::read_to_string(desk.room.path(name)).unwrap_or_default();
    let mut good = desk.command("run good");
    assert_eq!(told(good.env("SEGVAULT_SERVER_TOKEN", "secret").output().unwrap()).0, Some(0));
    assert!(read("before").contains("SEGVAULT_PROFILE=good\n"));
    assert!(read("after").contains("SEGVAULT_EXIT=0\n") && read("after").contains("SEGVAULT_POINTS=1\n"));
    assert!(!read("after").contains("secret") && !Path::new(&desk.room.path("failure")).exists());

    let (report, said) = desk.ends(1, "run");
    assert!(report.contains("\nforget: left out, since backup failed\n"), "{report}");
    assert!(said.contains("told"), "{said}");
    assert!(read("failure").contains("SEGVAULT_ERROR_ID=source.no-directory\n"), "{}", read("failure"));
    let metrics = read("segvault.prom");
    for line in [
        "segvault_run_last_exit_code{profile=\"good\"} 0",
        "segvault_run_last_exit_code{profile=\"\"} 1",
        "# TYPE segvault_complete_point_timestamp_seconds gauge",
        "segvault_last_token{context=\"default\",source=\"orders\",store=\"events\"} 2859",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("segvault_run_last_success_timestamp_seconds{profile=\"\"}"), "{metrics}");

    let before = desk.document(0, "points", "points")["points"].as_array().unwrap().len();
    let (_, stderr) = desk.ends(1, "run refused");
    assert!(stderr.contains("the hook 'before' failed: exit status: 7"), "{stderr}");
    assert_eq!(
        desk.document(0, "points", "points")["points"].as_array().unwrap().len(),
        before,
        "nothing was done"
    );
}

#[test]
fn a_hook_may_call_the_program_and_means_the_same_configuration() {
    let configuration = r#"
[source.orders]
data-dir = "se-4.6.11-json"
no-control-db = true

[hooks]
after = "cd /; PROGRAM points --json > PLACE/seen && PROGRAM config show --json > PLACE/shown"

[profile.night]
steps = ["backup"]
"#;
    let desk = Desk::new("");
    let place = desk.room.path(".").display().to_string();
    let configuration =
        configuration.replace("PROGRAM", env!("CARGO_BIN_EXE_segvault")).replace("PLACE", &place);
    let file = desk.room.write("hooked.toml", configuration.as_bytes());
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(desk.room.path(name)).unwrap()).unwrap() };
    for (points, line) in [(1, "run"), (2, "run night")] {
        // Named by a flag, and from here: the hook goes elsewhere.
        desk.room.ends(0, &format!("{line} --config hooked.toml"));
        assert_eq!(read("seen")["points"].as_array().unwrap().len(), points, "{line}");
        assert_eq!(read("shown")["file"], file.display().to_string(), "{line}");
    }
    let mut points = desk.command("points");
    assert_eq!(told(points.env("SEGVAULT_PROFILE", "").output().unwrap()).0, Some(0), "an empty one is none");
    desk.room.refused(2, "points --profile=", &["no profile ''"]);
}

#[test]
fn status_answers_am_i_safe() {
    let desk = Desk::new(ONE_SOURCE);
    let status = desk.document(3, "status", "status");
    assert_eq!((&status["level"], &status["concerns"][0]["what"]), (&"critical".into(), &"no-point".into()));
    let (line, _) = desk.ends(2, "status --nagios");
    assert!(line.starts_with("SEGVAULT CRITICAL - orders has no restore point | "), "{line}");

    desk.ends(0, "backup");
    desk.ends(0, "verify --data");
    let status = desk.document(0, "status", "status");
    let events = &status["sources"][0]["contexts"][0]["events"];
    assert_eq!((&events["last"], &events["behind"], &events["gaps"]), (&2859.into(), &0.into(), &0.into()));
    assert_eq!(status["verification"]["verified_bytes"], status["verification"]["bytes"]);
    let (screen, _) = desk.ends(0, "status");
    assert!(screen.starts_with("safe: everything is as it should be\norders\n"), "{screen}");
    let (line, _) = desk.ends(0, "status --nagios --metrics figures.prom");
    assert!(line.starts_with("SEGVAULT OK - 1 source, ") && line.contains("'behind orders'=0"), "{line}");
    let (line, _) = desk.ends(2, "status --nagios --max-age 0s");
    assert!(line.starts_with("SEGVAULT CRITICAL - "), "{line}");
    let mut nowhere = desk.command("status --nagios -r nowhere");
    assert_eq!(told(nowhere.output().unwrap()).0, Some(3), "unknown");
}

#[test]
fn a_drill_restores_proves_and_is_remembered() {
    let room = Room::new();
    let server = room.server(SERVER);
    room.ends(0, &backup(&server));
    let told_of = room.document(0, "drill", "drill");
    assert_eq!((&told_of["passed"], &told_of["restored"]["verified"]), (&true.into(), &true.into()));
    assert_eq!(crate::json::complaint(&told_of), None);
    assert_eq!(room.document(0, "drill", "drill --random")["passed"], true);
    // Any token at all: as a rule without a control database, since none is as old.
    let (code, stdout, stderr) = told(room.command("drill --random-token --json").output().unwrap());
    let cut: Value = serde_json::from_str(&stdout).unwrap_or_default();
    assert!(matches!(code, Some(0 | 3)) && cut["passed"] == true, "{stdout}{stderr}");
    assert!(cut["restored"]["cut"].is_object(), "{cut}");
    let status: Value = room.document(0, "status", "status");
    assert_eq!((&status["drill"]["point"], &status["drill"]["passed"]), (&1.into(), &true.into()));
    room.write("good", b"#!/bin/sh\ntest -f data/axonserver-controldb.mv.db && test $SEGVAULT_POINT = 1\n");
    let script = room.path("good");
    room.ends(0, &format!("drill --exec sh\t{}", script.display()));
    let scratch = room.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let (_, stderr) = room.ends(1, "drill --scratch scratch --exec false");
    assert!(stderr.contains("the command ended with exit status: 1"), "{stderr}");
    assert_eq!(fixtures::files(&scratch).len(), 0, "what was restored is removed");
    assert_eq!(room.document(3, "status", "status")["drill"]["passed"], false);
}

#[test]
fn a_drill_that_finds_damage_is_remembered_as_failed() {
    let room = Room::new();
    room.ends(0, &backup(fixtures::dir(SERVER)));
    for directory in fixtures::files(&room.repository().join("packs")) {
        for pack in fixtures::files(&directory) {
            let mut bytes = fs::read(&pack).unwrap();
            let middle = bytes.len() / 3;
            bytes[middle] ^= 1;
            fs::write(&pack, bytes).unwrap();
        }
    }
    room.ends(20, "drill");
    assert_eq!(room.document(3, "status", "status")["drill"]["passed"], false);
}

/// A server that gets healthy: the command waits, a port answers.
#[test]
fn a_drill_waits_for_the_health_of_what_it_starts() {
    let room = Room::new();
    room.ends(0, &backup(fixtures::dir(SERVER)));
    let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    let port = server.server_addr().to_ip().unwrap().port();
    let answers = std::thread::spawn(move || {
        // Before it is started, while it starts, when it has; and once when nothing of ours was started at all.
        for status in [503, 503, 200, 200] {
            let request = server.recv().unwrap();
            request.respond(tiny_http::Response::empty(status)).unwrap();
        }
    });
    let line = format!("drill --exec sleep\t60 --health-url http://127.0.0.1:{port}/actuator/health");
    assert_eq!(room.document(0, "drill", &line)["passed"], true);
    let (_, stderr) = room.ends(2, &line);
    assert!(stderr.contains("something answers at the health URL before"), "{stderr}");
    answers.join().unwrap();
    let (_, stderr) = room.ends(1, "drill --exec sleep\t60 --health-url http://127.0.0.1:9/ --time-limit 1s");
    assert!(stderr.contains("not well within 1 s"), "{stderr}");
}

#[test]
fn what_can_not_be_done_is_said_before_a_hook_or_a_step_runs() {
    let desk = Desk::new("[hooks]\nbefore = \"touch begun\"\non-failure = \"touch failed\"\n");
    let (_, stderr) = desk.ends(2, "run");
    assert!(stderr.contains("names no source"), "{stderr}");
    assert!(!desk.room.path("begun").exists() && desk.room.path("failed").exists());
}

#[test]
fn figures_that_can_not_be_read_are_not_written_over() {
    let desk = Desk::new(ONE_SOURCE);
    desk.ends(0, "backup");
    fs::write(desk.room.path("figures.prom"), [0xff, 0xfe]).unwrap();
    let (line, _) = desk.ends(3, "status --nagios --metrics figures.prom");
    assert!(line.starts_with("SEGVAULT UNKNOWN - "), "{line}");
    assert_eq!(fs::read(desk.room.path("figures.prom")).unwrap(), [0xff, 0xfe]);
}

/// Whoever counts heartbeats: it notes the paths that were asked, and answers 200, or 500 below `/ill`.
struct Monitor {
    server: Arc<tiny_http::Server>,
    asked: Receiver<String>,
}

impl Monitor {
    fn begin() -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let (tell, asked) = mpsc::channel();
        let counts = Arc::clone(&server);
        std::thread::spawn(move || {
            for request in counts.incoming_requests() {
                let status = if request.url().starts_with("/ill") { 500 } else { 200 };
                tell.send(format!("{} {}", request.method(), request.url())).unwrap();
                request.respond(tiny_http::Response::empty(status)).unwrap();
            }
        });
        Self { server, asked }
    }

    fn address(&self) -> String {
        format!("http://{}", self.server.server_addr().to_ip().unwrap())
    }

    fn heard(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

#[test]
fn a_heartbeat_is_sent_when_all_is_well_and_another_one_when_it_is_not() {
    let monitor = Monitor::begin();
    let address = monitor.address();
    let desk = Desk::new(&format!(
        r#"
[source.orders]
data-dir = "se-4.6.11-json"
control-db = "se-4.6.11-json/backups"
[hooks]
heartbeat = "{address}/well?night=1"
heartbeat-failure = "{address}/trouble"
[profile.half]
sources = ["orders"]
[profile.half.hooks]
after = "exit 4"
[profile.ill.hooks]
heartbeat = "{address}/ill"
[profile.alone.hooks]
heartbeat = "http://127.0.0.1:9/nobody"
"#
    ));
    desk.ends(0, "run --dry-run");
    assert_eq!(monitor.heard(), [""; 0], "nothing was done");
    desk.ends(0, "run");
    assert_eq!(monitor.heard(), ["GET /well?night=1"]);
    // All was done, but nobody was told of it as was asked for.
    let (_, stderr) = desk.ends(3, "run half");
    assert!(stderr.contains("the hook 'after' failed: exit status: 4"), "{stderr}");
    assert_eq!(monitor.heard(), ["GET /trouble"]);
    let (_, stderr) = desk.ends(3, "run ill");
    assert!(stderr.contains("the heartbeat could not be sent: it answered 500"), "{stderr}");
    assert_eq!(monitor.heard(), ["GET /ill"]);
    let (_, stderr) = desk.ends(3, "run alone");
    assert!(stderr.contains("the heartbeat could not be sent: "), "{stderr}");
    // A point with something damaged is no reason to sound well.
    let segment = desk.room.path("se-4.6.11-json/data/default/00000000000000000000.events");
    flip(&segment, 300);
    desk.ends(3, "run --dry-run");
    assert_eq!(monitor.heard(), [""; 0]);
    desk.ends(3, "run");
    assert_eq!(monitor.heard(), ["GET /trouble"]);
    fs::remove_dir_all(desk.room.path("se-4.6.11-json")).unwrap();
    desk.ends(1, "run");
    assert_eq!(monitor.heard(), ["GET /trouble"]);
}

/// Somebody who waits for what another process holds: it goes on until that process is gone, or until it has waited for long.
fn is_let_go_of(mut end: impl Read + Send + 'static) -> bool {
    let (tell, ended) = mpsc::channel();
    std::thread::spawn(move || tell.send(end.read_to_end(&mut Vec::new())));
    ended.recv_timeout(PATIENCE).is_ok()
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_that_it_has_started() {
    // The one that goes on holds stderr open.
    let slow = "[hooks]\ntimeout = \"1s\"\nbefore = \"sleep 1000 & sleep 1000; true\"\n";
    let desk = Desk::new(&format!("{ONE_SOURCE}\n{slow}"));
    let mut child = desk.command("run").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(is_let_go_of(stderr), "something of the hook still runs");
    assert_eq!(desk.room.points(), [0; 0]);
}

#[test]
fn ctrl_c_ends_a_hook_before_and_lets_the_one_behind_tell_of_it() {
    let hooks = "[hooks]\nbefore = \"touch begun; sleep 1000 & sleep 1000; true\"\non-failure = \"echo $SEGVAULT_EXIT > told\"\n";
    let desk = Desk::new(&format!("{ONE_SOURCE}\n{hooks}"));
    let mut child = desk.command("run").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let begun = desk.room.path("begun");
    wait_until(|| begun.exists());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(is_let_go_of(stderr), "something of the hook still runs");
    assert_eq!(fs::read_to_string(desk.room.path("told")).unwrap(), "130\n");
    assert_eq!(desk.room.points(), [0; 0]);
}

#[test]
fn what_a_hook_leaves_running_on_purpose_goes_on() {
    let hooks = "[hooks]\nbefore = \"(for i in $(seq 1000); do test -e enough && touch seen && exit; sleep 0.05; done) > /dev/null 2>&1 &\"\n";
    let desk = Desk::new(&format!("{ONE_SOURCE}\n{hooks}"));
    desk.ends(0, "run");
    desk.room.write("enough", b"");
    let seen = desk.room.path("seen");
    wait_until(|| seen.exists());
}

/// Whether a process listens to SIGUSR1 already: before that it would end it.
fn listens(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() & (1 << (Signal::USR1.as_raw() - 1)) != 0
}

/// SIGUSR1 asks where it stands: while a server does not answer, while it waits for a lock, and between two rounds.
#[test]
fn sigusr1_says_where_it_stands_and_changes_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let room = Room::new();
    room.server(SERVER);
    let ask = |line: &str, says_first: &str, words: &str| {
        let mut child = room.command(line).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        if says_first.is_empty() {
            wait_until(|| listens(&child));
        } else {
            let first = stdout.recv_timeout(PATIENCE).expect("it says nothing");
            assert!(first.contains(says_first), "{line}: {first:?}");
        }
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::USR1).unwrap();
        let told = stderr.recv_timeout(PATIENCE);
        kill_process(pid, Signal::TERM).unwrap();
        assert!(told.as_ref().is_ok_and(|told| told.contains(words)), "{line}: {told:?}");
        assert_eq!(child.wait().unwrap().code(), Some(143), "{line}");
    };
    let server = format!("backup --server http://{} --timeout 2m", silent.local_addr().unwrap());
    ask(&server, "", "beginning");
    ask(&format!("{server} --json"), "", "\"phase\":\"beginning\"");
    let watch = "watch --data-dir se-4.6.11-json --no-control-db --source a --interval 1h";
    ask(watch, "point 1: complete", "watching: the next look is in 3");
    let disk = LocalDisk::new(room.repository());
    let _alone = disk.try_lock("locks/repository", LockMode::Exclusive).unwrap().unwrap();
    ask("points --wait 1h", "", "waiting for a lock, 3");
}
