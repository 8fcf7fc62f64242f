//! What an operator is told, and not told: with `--quiet`, in a dry run, by a monitor, and by names that a terminal would obey.

use crate::support::program::{Room, SERVER, backup, flip, told};
use std::fs;

const ODD: &str = "a\u{1b}[2J\u{7}b";

/// A room with one backup of a server that stands beside it.
fn backed_up() -> Room {
    let room = Room::new();
    room.ends(0, &backup(&room.server(SERVER)));
    room
}

#[test]
fn quiet_leaves_what_makes_a_verb_fail() {
    let room = backed_up();
    let segment = room.path(SERVER).join("data/default/00000000000000000805.events");
    flip(&segment, 5_000);
    let packs = room.files().into_iter().filter(|(path, _)| path.starts_with("packs"));
    let (pack, length) = packs.max_by_key(|(_, length)| *length).unwrap();
    let lost = [("verify --against se-4.6.11-json", 22, "differs: events of default, segment 805")];
    let damaged = [("verify --data", 20, "packs/"), ("repair packs", 20, "not everything is whole")];
    let check = |lines: &[(&str, i32, &str)]| {
        for quiet in ["-q", "-qq"] {
            for (line, code, words) in lines {
                let (stdout, stderr) = room.ends(*code, &format!("{quiet} {line}"));
                assert!(stdout.is_empty() && stderr.starts_with("segvault: "), "{line}: {stdout}{stderr}");
                assert!(stderr.contains(words), "{line}: {stderr}");
            }
        }
    };
    check(&lost);
    flip(&room.repository().join(pack), length / 2);
    check(&damaged);
}

#[test]
fn quiet_leaves_what_makes_a_run_fail() {
    let room = Room::new();
    room.write("segvault.toml", b"[source.orders]\ndata-dir = \"nowhere\"\nno-control-db = true\n");
    for quiet in ["-q", "-qq"] {
        let (stdout, stderr) = room.ends(1, &format!("{quiet} run --config segvault.toml"));
        assert!(
            stdout.is_empty() && stderr.contains("segvault: backup of orders: nowhere"),
            "{stdout}{stderr}"
        );
    }
}

#[test]
fn a_dry_run_writes_nothing_beside_the_repository_either() {
    let room = backed_up();
    room.ends(0, "status -n --metrics figures.prom");
    room.ends(0, "status -n --nagios --metrics figures.prom");
    assert!(room.ends(0, "man -n pages").0.contains("pages/segvault-restore.1"));
    assert!(room.ends(0, "bench -n --synthetic json --size 1MiB --into made").0.contains("would make json"));
    assert_eq!(room.document(0, "bench-data", "bench -n --synthetic json --into made")["directory"], "made");
    for name in ["figures.prom", "pages", "made"] {
        assert!(!room.path(name).exists(), "{name}");
    }
}

#[test]
fn no_name_reaches_the_terminal_as_a_command() {
    let room = Room::new();
    let server = room.server(SERVER);
    fs::rename(server.join("data/default"), server.join("data").join(ODD)).unwrap();
    let said = |code: i32, line: &[&str]| {
        let mut command = room.command("-v");
        command.args(line).env("CLICOLOR_FORCE", "1");
        let (ended, stdout, stderr) = told(command.output().unwrap());
        assert_eq!(ended, Some(code), "{line:?}\n{stdout}\n{stderr}");
        let is_odd =
            |text: &str| text.contains("\u{1b}[2J") || text.contains('\u{7}') || text.contains("a\nb");
        assert!(!is_odd(&stdout) && !is_odd(&stderr), "{line:?}: {stdout:?} {stderr:?}");
    };
    said(0, &["backup", "--data-dir", SERVER, "--no-control-db", "--source", ODD]);
    said(0, &["verify", "--against", SERVER]);
    said(0, &["stats", "--csv"]);
    said(0, &["drop-history", "--context", ODD, "--before", "1500"]);
    fs::rename(server.join("data").join(ODD), server.join("data/other\u{7}")).unwrap();
    said(0, &["verify", "--against", SERVER]);
    said(0, &["init", "-r", "a\nb"]);
}

#[test]
fn a_monitor_is_told_unknown_where_nobody_could_look() {
    let room = backed_up();
    for line in
        ["status --nagios --config nowhere.toml", "status --nagios --max-age x", "status --nagios --nonsense"]
    {
        let (stdout, stderr) = room.ends(3, line);
        assert!(stdout.starts_with("SEGVAULT UNKNOWN - ") && stderr.is_empty(), "{line}: {stdout}{stderr}");
        assert_eq!(stdout.lines().count(), 1, "{line}: {stdout}");
    }
    assert!(room.ends(0, "status --nagios --help").0.contains("--max-age"));
}

#[test]
fn a_report_that_could_not_be_written_is_refused_before_anything_is_measured() {
    let room = Room::new();
    room.server(SERVER);
    room.refused(2, "bench --data-dir se-4.6.11-json --report x.pdf", &["x.pdf", ".svg"]);
    room.refused(1, "bench --data-dir se-4.6.11-json --report nowhere/x.svg", &["nowhere/x.svg"]);
}

#[test]
fn a_profile_without_steps_is_no_success() {
    let room = Room::new();
    room.write("segvault.toml", b"[profile.none]\nsteps = []\n");
    assert!(room.ends(2, "config check --config segvault.toml").0.contains("steps: nothing would be done"));
    room.refused(2, "run none --config segvault.toml", &["no steps"]);
}

#[test]
fn a_mistyped_source_is_named() {
    let room = backed_up();
    room.refused(2, "erase --source nobody --context default", &["'nobody'", "there are: "]);
    assert!(room.ends(3, "status --source nobody").0.contains("no restore point of the source 'nobody'"));
}

#[test]
fn the_control_database_of_a_dead_server_is_named_as_the_runbook_says() {
    let room = backed_up();
    room.ends(0, "restore --target node");
    room.refused(1, "backup --data-dir node/data --control-db node/data --source node-1", &[".mv.db"]);
    let line =
        "backup --data-dir node/data --control-db node/data/axonserver-controldb.mv.db --source node-1";
    assert_eq!(room.document(0, "backup", line)["order"], "copied");
}

/// Whoever looks at `status` alone must learn it: no verify has to run before.
#[test]
fn a_newest_point_that_lacks_a_pack_or_a_page_is_not_safe() {
    for top in ["packs", "pages"] {
        let room = backed_up();
        let files = room.files().into_iter().filter(|(path, _)| path.starts_with(top));
        let (lost, _) = files.max_by_key(|(_, length)| *length).unwrap();
        let lost = room.repository().join(lost);
        let bytes = fs::read(&lost).unwrap();
        let before = room.command("status --nagios").output().unwrap().status.code();
        fs::remove_file(&lost).unwrap();
        let (told, _) = room.ends(20, "status");
        assert!(told.contains("its newest complete one, can't be restored: "), "{top}: {told}");
        room.ends(2, "status --nagios");
        let status = room.document(20, "status", "status");
        assert!(status["concerns"].to_string().contains("\"lost\""), "{status}");
        fs::write(&lost, bytes).unwrap();
        assert_eq!(room.command("status --nagios").output().unwrap().status.code(), before);
        assert_eq!(room.document(0, "status", "status")["sources"][0]["lacks"], serde_json::Value::Null);
    }
}
