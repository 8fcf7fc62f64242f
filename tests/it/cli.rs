//! The program as people and scripts see it: what it prints where, and how it ends.

use crate::support::fixtures;
use segvault::repo::disk::{Disk, LockMode};
use segvault::repo::local_disk::LocalDisk;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SERVER: &str = "se-4.6.11-json";

/// The program, with a repository of its own named in its environment.
struct Desk {
    room: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { room: TempDir::new().unwrap() }
    }

    /// With a repository that has been made.
    fn with_repository() -> Self {
        let desk = Self::new();
        desk.ends(0, "init");
        desk
    }

    /// With a backup of the real data.
    fn with_backup() -> Self {
        let desk = Self::with_repository();
        desk.ends(0, &backup(fixtures::dir(SERVER)));
        desk
    }

    fn repository(&self) -> PathBuf {
        self.room.path().join("repository")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segvault"));
        command.env("SEGVAULT_REPOSITORY", self.repository()).current_dir(self.room.path());
        command.args(line.split(' ').map(OsString::from)).stdin(Stdio::null());
        command
    }

    /// Runs a line to its end, which has to be `code`; gives stdout and stderr.
    fn ends(&self, code: i32, line: &str) -> (String, String) {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{line}\n{stdout}\n{stderr}");
        (stdout, stderr)
    }

    /// Runs a line with `--json`: one document, of that type, and nothing on stderr.
    fn document(&self, code: i32, kind: &str, line: &str) -> Value {
        let (stdout, stderr) = self.ends(code, &format!("{line} --json"));
        assert_eq!(stderr, "");
        let document: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(
            (&document["type"], &document["schema"]),
            (&kind.into(), &format!("segvault.{kind}/1").into())
        );
        document
    }

    /// Runs a line that fails; gives the one line that says why.
    fn complaint(&self, code: i32, line: &str) -> String {
        let (stdout, stderr) = self.ends(code, line);
        assert_eq!(stdout, "", "{line}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("segvault: "), "{stderr}");
        stderr
    }

    /// All files of the repository that count, with their lengths: neither its cache nor its locks.
    fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        let mut waiting = vec![self.repository()];
        while let Some(path) = waiting.pop() {
            match fs::metadata(&path).unwrap() {
                found if found.is_dir() => waiting.extend(fixtures::files(&path)),
                found => files.push((path, found.len())),
            }
        }
        let counts = |path: &Path| {
            !["index.sqlite", "/locks/"].iter().any(|part| path.to_str().unwrap().contains(part))
        };
        files.retain(|(path, _)| counts(path));
        files.sort();
        files
    }
}

fn backup(root: &Path) -> String {
    let root = root.display();
    format!("backup --data-dir {root} --control-db {root}/backups --source node-1")
}

/// The data files of a context's directory.
fn data_files(directory: &Path) -> Vec<PathBuf> {
    let is_data =
        |path: &PathBuf| path.extension().is_some_and(|kind| kind == "events" || kind == "snapshots");
    fixtures::files(directory).into_iter().filter(is_data).collect()
}

#[test]
fn the_whole_round() {
    let desk = Desk::with_backup();
    let points = desk.document(0, "points", "points");
    assert_eq!(points["points"][0]["source"], "node-1");
    assert_eq!(points["windows"].as_array().unwrap().len(), 2);
    assert_eq!(desk.document(0, "point", "show latest")["contexts"][0]["events"]["sum"]["head"], 2_859);

    let restored = desk.document(0, "restore", "restore --target restored");
    assert_eq!(
        (&restored["verified"], &restored["contexts"][0]["events"]["head"]),
        (&true.into(), &2_859.into())
    );
    for original in data_files(&fixtures::context_dir(SERVER, "default")) {
        let copy = desk.path("restored/data/default").join(original.file_name().unwrap());
        assert!(fs::read(&copy).unwrap() == fs::read(&original).unwrap(), "{}", copy.display());
    }
    assert_eq!(desk.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
}

#[test]
fn people_get_text() {
    let desk = Desk::with_backup();
    let (points, _) = desk.ends(0, "points");
    assert!(points.contains("node-1") && points.contains("2859") && points.contains("complete"), "{points}");
    assert!(!points.contains('\x1b'), "no colours where there is no terminal");
    let (shown, _) = desk.ends(0, "show 1");
    assert!(shown.contains("00000000000000002790.events"), "{shown}");
    let (report, _) = desk.ends(0, &backup(fixtures::dir(SERVER)));
    assert!(report.contains("data/ in the directory given"), "what was taken is said: {report}");
    assert!(
        report.contains("newer than all data, and not taken: controldb1795381873164.zip"),
        "what was not taken is said: {report}"
    );
}

#[test]
fn quiet_leaves_results_and_errors() {
    let desk = Desk::with_repository();
    let nothing = (String::new(), String::new());
    assert_eq!(desk.ends(0, &format!("-q {}", backup(fixtures::dir(SERVER)))), nothing);
    assert_eq!(desk.ends(0, "-q restore --target restored"), nothing);
    assert!(desk.ends(0, "-q points").0.contains("node-1"));
    assert!(desk.complaint(31, "-qq restore --target restored").contains("is not empty"));
}

#[test]
fn a_dry_run_changes_nothing() {
    let desk = Desk::new();
    desk.ends(0, "init -n");
    assert!(!desk.repository().exists());
    desk.ends(0, "init");
    let before = desk.files();
    let report = desk.document(0, "backup", &format!("-n {}", backup(fixtures::dir(SERVER))));
    assert_eq!(report["point"], Value::Null);
    assert!(
        desk.ends(0, &format!("-n {}", backup(fixtures::dir(SERVER)))).0.contains("17 chunks would be new")
    );
    assert_eq!(desk.files(), before);
    desk.ends(0, &backup(fixtures::dir(SERVER)));
    let plan = desk.document(0, "restore-plan", "restore --target restored -n");
    assert_eq!(plan["files"], 10);
    assert!(!desk.path("restored").exists());
}

mod it_ends_with {
    use super::*;

    #[test]
    fn usage_where_it_is_not_clear_what_is_meant() {
        let desk = Desk::with_repository();
        desk.ends(2, "backup --data-dir x");
        desk.ends(2, "nonsense");
        assert!(desk.complaint(2, "restore --target t").contains("no point yet"));
        let output = desk.command("points").env_remove("SEGVAULT_REPOSITORY").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("SEGVAULT_REPOSITORY"));
    }

    #[test]
    fn usage_where_a_reason_says_nothing_or_a_rule_would_not_be_heard() {
        let desk = Desk::with_backup();
        assert!(desk.ends(2, "hold add 1 --reason=").1.contains("say why"));
        desk.ends(2, "forget 1 --reason=");
        desk.ends(2, "repair give-up --reason=");
        for rule in ["--keep-last 3", "--keep-daily=1", "--keep-tag=a=b"] {
            let (_, said) = desk.ends(2, &format!("forget --undo {rule}"));
            assert!(said.contains("--undo") && said.contains("cannot be used with"), "{said}");
        }
        desk.ends(0, "forget --undo");
    }

    #[test]
    fn usage_where_a_variable_is_set_and_empty_and_it_is_named() {
        let desk = Desk::with_repository();
        for variable in ["SEGVAULT_REPOSITORY", "SEGVAULT_CONFIG"] {
            for line in ["points", "points --json"] {
                let output = desk.command(line).env(variable, "").output().unwrap();
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
                assert!(stderr.contains(&format!("{variable}, which stands for it, is empty")), "{stderr}");
            }
        }
    }

    #[test]
    fn usage_where_no_point_of_that_source_or_name_is_there() {
        let desk = Desk::with_backup();
        assert!(desk.complaint(2, "points --source other").contains("node-1"));
        desk.complaint(2, "show 7");
        desk.complaint(2, "restore latest~1 --target t");
        desk.complaint(2, "restore --target t --context other");
        desk.complaint(2, &format!("{} --context other", backup(fixtures::dir(SERVER))));
        assert!(!desk.path("t").exists());
    }

    #[test]
    fn no_repository() {
        let desk = Desk::new();
        for line in ["points", "show", "verify", "restore --target t", "backup --data-dir . --no-control-db"]
        {
            assert!(desk.complaint(10, line).contains("segvault init"), "{line}");
        }
    }

    #[test]
    fn failure_where_there_is_no_data() {
        let desk = Desk::with_repository();
        desk.complaint(1, "backup --data-dir nowhere --no-control-db");
        let complaint = desk.complaint(1, "backup --data-dir . --no-control-db");
        assert!(complaint.contains("holds no context"), "{complaint}");
        let root = fixtures::dir(SERVER).display();
        desk.complaint(1, &format!("backup --data-dir {root} --control-db nowhere.zip"));
        let newest =
            format!("backup --data-dir {root} --control-db {root}/backups/controldb1795381873164.zip");
        assert!(desk.complaint(1, &newest).contains("--accept-unordered"));
        assert!(desk.document(0, "points", "points")["points"].as_array().unwrap().is_empty());
        // Whoever insists is told what it means: now, and with every restore, once.
        let (said, _) = desk.ends(3, &format!("{newest} --accept-unordered"));
        assert!(
            said.contains("order unordered") && said.contains("warning: controldb1795381873164.zip is newer")
        );
        let restored = desk.document(3, "restore", "restore --target insisted");
        let warnings = restored["warnings"].as_array().unwrap();
        assert_eq!(warnings.iter().map(|warning| &warning["what"]).collect::<Vec<_>>(), ["unordered"]);
    }

    #[test]
    fn damage_of_the_source_where_the_zip_is_none() {
        let desk = Desk::with_repository();
        fs::write(desk.path("not-a.zip"), "not a zip").unwrap();
        let root = fixtures::dir(SERVER).display();
        desk.complaint(22, &format!("backup --data-dir {root} --control-db not-a.zip"));
    }

    #[test]
    fn a_target_that_is_not_empty() {
        let desk = Desk::with_backup();
        assert!(desk.complaint(31, "init").contains("is not empty"));
        fs::create_dir(desk.path("target")).unwrap();
        fs::write(desk.path("target/x"), "").unwrap();
        desk.complaint(31, "restore --target target");
        desk.complaint(31, "restore --target target -n");
    }

    #[test]
    fn something_missing_where_a_sealed_segment_is_damaged() {
        let desk = Desk::with_repository();
        let copy = fixtures::copy(SERVER);
        let segment = copy.path().join("data/default/00000000000000000805.events");
        let mut bytes = fs::read(&segment).unwrap();
        bytes[60_000] ^= 1;
        fs::write(&segment, bytes).unwrap();
        let (report, _) = desk.ends(3, &backup(copy.path()));
        assert!(report.contains("00000000000000000805.events"), "{report}");
        assert!(desk.ends(0, "points").0.contains("incomplete"));
        let (restored, _) = desk.ends(3, "restore --target restored");
        assert!(restored.contains("not whole"), "{restored}");
        assert!(desk.ends(3, "-q restore --target again").1.contains("warning"));
    }

    #[test]
    fn damage_of_the_repository_where_a_pack_is_damaged() {
        let desk = Desk::with_backup();
        let (pack, _) =
            desk.files().into_iter().find(|(path, _)| path.to_str().unwrap().contains("/packs/")).unwrap();
        let mut bytes = fs::read(&pack).unwrap();
        bytes[100] ^= 1;
        fs::write(&pack, bytes).unwrap();
        desk.ends(0, "points");
        let (report, _) = desk.ends(20, "verify --data");
        assert!(report.contains(pack.file_name().unwrap().to_str().unwrap()), "{report}");
        assert!(desk.ends(20, "-q verify --data").1.contains(pack.file_name().unwrap().to_str().unwrap()));
    }
}

#[test]
fn errors_are_objects_for_scripts() {
    let desk = Desk::new();
    let error = |code: i32, line: &str| -> Value {
        let (stdout, stderr) = desk.ends(code, line);
        assert_eq!(stdout, "");
        let error: Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((&error["schema"], &error["type"]), (&"segvault.error/1".into(), &"error".into()));
        assert_eq!(error["exit"], code);
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    };
    assert_eq!(error(10, "points --json")["id"], "repository.none");
    let usage = error(2, "backup --json");
    assert_eq!(usage["id"], "usage");
    assert!(usage["message"].as_str().unwrap().contains("--data-dir"), "it names what is missing: {usage}");
    assert_eq!(error(2, "--json --nonsense")["id"], "usage");
}

/// The heading under which an option stands in a verb's help.
fn heading<'h>(help: &'h str, option: &str) -> &'h str {
    let is_it = |line: &&str| line.trim_start().split([' ', ',']).any(|word| word == option);
    let before = help.lines().take_while(|line| !line.trim_start().starts_with('-') || !is_it(line));
    before.filter(|line| !line.starts_with(' ') && line.ends_with(':')).last().unwrap()
}

#[test]
fn each_option_stands_under_its_own_heading() {
    let desk = Desk::new();
    for (verb, options) in [
        ("backup", [("--server", "Live server:"), ("--strict", "Options:"), ("--with-indexes", "Options:")]),
        ("watch", [("--tier", "Layout:"), ("--control-db", "Options:"), ("--interval", "Watching:")]),
        ("restore", [("--to-token", "Point in time:"), ("--owner", "Options:"), ("--json", "Everywhere:")]),
        ("drill", [("--cut", "Point in time:"), ("--scratch", "Options:"), ("--time-limit", "Options:")]),
        ("recompress", [("--memory", "Effort:"), ("--allow-delete", "Options:"), ("--yes", "Everywhere:")]),
    ] {
        let (help, _) = desk.ends(0, &format!("{verb} --help"));
        for (option, expected) in options {
            assert_eq!(heading(&help, option), expected, "{verb} {option}");
        }
    }
}

#[test]
fn help_and_version_are_results() {
    let desk = Desk::new();
    let (help, nothing) = desk.ends(0, "--help");
    assert!(help.contains("Exit codes:") && nothing.is_empty());
    assert_eq!(desk.ends(0, "--version").0, format!("segvault {}\n", env!("CARGO_PKG_VERSION")));
    assert!(desk.ends(0, "man").0.contains(".TH segvault"));
    assert!(desk.ends(0, "completions bash").0.contains("complete -F"));
    assert!(desk.ends(0, "man pages").0.contains("segvault-backup.1"));
    assert!(desk.path("pages/segvault-restore.1").exists());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let desk = Desk::with_backup();
    for line in ["completions zsh", "show latest", "points --json"] {
        let mut child = desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
            (Some(0), ""),
            "{line}"
        );
    }
}

mod a_lock {
    use super::*;

    /// Waits until the child has opened a lock: then it listens to signals, and is about to wait.
    fn wait_for_lock_file(child: &Child) {
        let descriptors = PathBuf::from(format!("/proc/{}/fd", child.id()));
        let end = Instant::now() + Duration::from_mins(1);
        let is_lock =
            |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_str().unwrap().contains("/locks/"));
        while !fixtures::files(&descriptors).iter().any(is_lock) {
            assert!(Instant::now() < end, "no lock was opened");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn ends_a_run_unless_it_is_told_to_wait() {
        let desk = Desk::with_backup();
        let guard = LocalDisk::new(desk.repository()).try_lock("locks/writer", LockMode::Exclusive).unwrap();
        assert!(guard.is_some());
        let line = backup(fixtures::dir(SERVER));
        assert!(desk.complaint(11, &line).contains("--wait"));
        desk.complaint(11, &format!("{line} --wait 1s"));
        desk.ends(0, "points");
        let mut child = desk.command(&format!("-q {line} --wait 1h")).spawn().unwrap();
        wait_for_lock_file(&child);
        drop(guard);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn is_waited_for_until_a_signal_comes() {
        use rustix::process::{Pid, Signal, kill_process};
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let desk = Desk::with_backup();
            let _guard =
                LocalDisk::new(desk.repository()).try_lock("locks/writer", LockMode::Exclusive).unwrap();
            let line = format!("{} --wait 1h", backup(fixtures::dir(SERVER)));
            let mut child = desk.command(&line).stderr(Stdio::null()).spawn().unwrap();
            wait_for_lock_file(&child);
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code));
        }
    }
}
