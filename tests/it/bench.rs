//! A bench measures what is really there: sizes are those of files, restores are compared, and a tool that fails, hangs or lies is said to.

use crate::json::complaint;
use crate::support::fixtures;
use crate::support::program::{Room, backup_data, told};
use segvault::engine::bench::report::Report;
use segvault::engine::bench::shelf::Codec;
use segvault::engine::bench::{Options, Peer, Tool, bench, corpus};
use segvault::engine::observe::Unobserved;
use segvault::repo::codec::Compression;
use segvault::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SERVER: &str = "se-4.6.11-json";

fn measured(tools: &[Tool], change: impl FnOnce(&mut Options)) -> Report {
    let scratch = tempfile::tempdir().unwrap();
    let directory = fixtures::dir(SERVER).to_path_buf();
    let mut options = Options {
        directory: directory.clone(),
        synthetic: Vec::new(),
        sample: 1 << 30,
        tools: tools.to_vec(),
        scratch: scratch.path().to_path_buf(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_segvault")),
        search: OsString::from("/bin:/usr/bin"),
        limit: Duration::from_secs(600),
        month: 0,
        columns: false,
        price: None,
    };
    change(&mut options);
    let control_db = ControlDbFrom::None("not for a bench".to_owned());
    let mut source =
        DataDir::open(DataDirOptions { path: directory, control_db, accept_unordered: false, no_mmap: true })
            .unwrap();
    bench(&mut source, &options, &Unobserved).unwrap()
}

/// A program called restic that is none.
fn fake(script: &str) -> TempDir {
    fake_of("restic", script)
}

fn fake_of(name: &str, script: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn with_fake(script: &str, limit: Duration) -> segvault::engine::bench::report::Row {
    with_fake_of((Peer::Restic, "restic"), script, limit)
}

fn with_fake_of(
    (peer, name): (Peer, &str),
    script: &str,
    limit: Duration,
) -> segvault::engine::bench::report::Row {
    let fake = fake_of(name, script);
    let mut report = measured(&[Tool::Peer(peer)], |options| {
        options.search = OsString::from(format!("{}:/bin:/usr/bin", fake.path().display()));
        options.limit = limit;
    });
    report.rows.remove(0)
}

const LONG: Duration = Duration::from_secs(600);
/// Copies everything, and gives it back as it is told to.
const COPIES: &str = "case $1 in
version) echo fake 1.0 ;;
init) mkdir -p $RESTIC_REPOSITORY ;;
backup) rm -rf $RESTIC_REPOSITORY/all; cp -r . $RESTIC_REPOSITORY/all ;;
restore) cp -r $RESTIC_REPOSITORY/all/. $4 ; RUIN ;;
esac";

#[test]
fn a_peer_that_fails_is_reported_with_what_it_said() {
    let row =
        with_fake("test $1 = version && echo fake 1.0 && exit 0\necho 'no \x1b[31mroom' >&2; exit 7", LONG);
    assert!(row.measured.is_none());
    let why = row.failed.unwrap();
    assert!(
        why.contains("making a repository fails") && why.contains("7") && why.contains("no [31mroom"),
        "{why}"
    );
    assert_eq!(row.version.as_deref(), Some("fake 1.0"));
}

#[test]
fn a_peer_that_hangs_is_ended_with_all_that_it_started() {
    let room = tempfile::tempdir().unwrap();
    let note = room.path().join("child");
    let script = format!("/bin/sleep 3600 &\necho $! > {}\nwait", note.display());
    let row = with_fake(&script, Duration::from_millis(400));
    let why = row.failed.unwrap();
    assert!(why.contains("asking for its version had not ended after 0.4 s"), "{why}");
    // On a machine so busy that the fake was ended before it began, there is no child to look for.
    if let Ok(child) = fs::read_to_string(&note) {
        let state = || fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        let runs = |state: &str| !state.is_empty() && !state.contains(" Z ");
        // Killed is not gone at once.
        let begun = Instant::now();
        while runs(&state()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "it still runs: {}", state());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_peer_that_prints_nonsense_and_does_nothing_is_not_believed() {
    let row = with_fake("printf 'all \\033[2J is well\\n'", LONG);
    assert_eq!(
        row.version.as_deref(),
        Some("unknown: asked for its version, it printed \"all [2J is well\"")
    );
    let measured = row.measured.unwrap();
    assert!(!measured.equal && measured.stored == 0);
    assert!(row.differs.unwrap().ends_with("was not restored"));
    for other in [(Peer::Borg, "borg"), (Peer::Kopia, "kopia"), (Peer::Rustic, "rustic")] {
        let row = with_fake_of(other, "echo all is well", LONG);
        assert!(row.differs.is_some_and(|why| why.ends_with("restored")), "{}", other.1);
    }
}

#[test]
fn a_peer_that_is_not_there_is_said_not_to_be() {
    let report = measured(&[Tool::Peer(Peer::Kopia)], |options| options.search = OsString::from("/nowhere"));
    assert_eq!(report.rows[0].failed.as_deref(), Some("not installed: not found on PATH"));
}

#[test]
fn a_restore_that_is_not_equal_is_reported_and_one_that_is_counts() {
    let honest = with_fake(&COPIES.replace("RUIN", "true"), LONG);
    assert_eq!(honest.differs, None);
    assert!(honest.measured.unwrap().equal);
    let ruin = "printf x | dd of=$4/data/default/00000000000000000000.events bs=1 seek=99 conv=notrunc 2>&1";
    let liar = with_fake(&COPIES.replace("RUIN", ruin), LONG);
    assert_eq!(liar.differs.as_deref(), Some("data/default/00000000000000000000.events differs at byte 99"));
    assert!(!liar.measured.unwrap().equal);
}

#[test]
fn a_backup_that_follows_costs_plain_copies_the_files_that_changed_and_an_archive_everything() {
    let report =
        measured(&[Tool::Files(Codec::Plain), Tool::Files(Codec::TarZst)], |options| options.month = 3);
    let [plain, archive] = &report.rows[..] else { panic!() };
    let (one, all) = (plain.measured.unwrap(), archive.measured.unwrap());
    assert!(one.equal && all.equal);
    assert_eq!(one.grown, 131_072, "the open segment, as long as it was preallocated");
    assert!(all.grown > all.stored, "an archive is made anew, of more");
    let data = &report.data;
    assert!(data.at_first > 0 && data.grown > 0 && data.sealed > data.grown);
    let (month, growth) = (report.month.unwrap(), plain.growth.as_ref().unwrap());
    assert!(month.stretched, "these 17 seconds are shown as a month");
    assert_eq!(growth.steps.iter().map(|step| step.hour).collect::<Vec<_>>(), [240, 480, 720]);
    assert!(
        growth
            .steps
            .windows(2)
            .all(|pair| pair[0].history < pair[1].history && pair[0].stored < pair[1].stored)
    );
    assert_eq!(growth.steps[2].history, data.at_first + data.sealed, "it ends with all there is");
    assert_eq!((growth.idle, growth.at_least), (0, growth.steps[2].stored), "nothing new costs no copy");
    let growth = archive.growth.as_ref().unwrap();
    assert!(growth.idle > 0 && growth.at_least > growth.idle * 717);
}

#[test]
fn a_sample_is_the_newest_part_and_a_history_of_its_own() {
    let report = measured(&[Tool::Own(Compression::Fast)], |options| options.sample = 200_000);
    let data = &report.data;
    assert!((100_000..=200_000).contains(&data.sample), "{}", data.sample);
    assert!(data.sampled_files < data.files);
    let all = measured(&[], |_| ()).data;
    assert_eq!((all.last_ms, all.events), (data.last_ms, 2_860 + 224));
    assert!(all.first_ms < data.first_ms);
    let row = &report.rows[0];
    assert!(row.measured.is_some_and(|measured| measured.equal), "{:?} {:?}", row.failed, row.differs);
}

#[test]
fn synthetic_data_is_the_corpus_of_its_seed_and_can_be_backed_up() {
    let room = Room::new();
    room.ends(0, "bench --synthetic json,snapshots --size 300KiB --into made");
    let context = room.path("made/data/json");
    let mut history = vec![2, 0, 0, 0, 0];
    for path in fixtures::files(&context) {
        let bytes = fs::read(path).unwrap();
        history.extend(&bytes[5..bytes.len() - (1 << 20)]);
    }
    let expected = corpus::corpus(corpus::Kind::Json, 300 << 10, 1);
    assert!(history == expected.data, "{} bytes, not {}", history.len(), expected.data.len());
    room.ends(0, &backup_data(&room.path("made")));
    for line in ["bench --synthetic json --into made", "demo --keep made"] {
        room.refused(31, line, &["made", "choose an empty or a new directory"]);
        let (_, said) = room.ends(31, line);
        assert!(!said.contains("--delta"), "{said}");
    }
    room.write("file", b"x");
    room.refused(30, "demo --keep file", &["file is not a directory"]);
    let (_, said) = room.ends(2, "bench");
    assert!(said.contains("--data-dir <DIR>|--synthetic <KIND>"), "{said}");
    for unheard in ["--into other", "--size 1MiB"] {
        let (_, said) = room.ends(2, &format!("bench --data-dir made {unheard}"));
        assert!(said.contains("cannot be used with"), "{said}");
    }
}

/// Two runs through the program, with a peer that gives back nothing: of all the data, for people, and of a part of it, for scripts.
pub struct Shown {
    pub text: String,
    document: Value,
    page: PathBuf,
    _room: Room,
}

pub fn shown() -> &'static Shown {
    static SHOWN: OnceLock<Shown> = OnceLock::new();
    SHOWN.get_or_init(|| {
        let room = Room::empty();
        let fake = fake(&COPIES.replace("RUIN", "rm -r $4/data"));
        let root = room.server(SERVER);
        let run = |rest: &str| {
            let mut command =
                room.command(&format!("bench --data-dir {} --against restic,tar.zst {rest}", root.display()));
            command.env("PATH", format!("{}:/bin:/usr/bin", fake.path().display()));
            let (ended, stdout, stderr) = told(command.output().unwrap());
            assert_eq!(ended, Some(3), "{stdout}\n{stderr}");
            stdout
        };
        let text = run("--month 3 --price 2EUR --report page.html");
        let document = serde_json::from_str(&run("--month 0 --sample 100KiB --price 0.02 --json")).unwrap();
        Shown { text, document, page: room.path("page.html"), _room: room }
    })
}

#[test]
fn every_setting_and_every_codec_has_a_row_that_was_restored_equal_but_the_one_that_was_not() {
    let document = &shown().document;
    assert_eq!(complaint(document), None);
    let rows = document["rows"].as_array().unwrap();
    let equal: BTreeMap<&str, bool> =
        rows.iter().map(|row| (row["tool"].as_str().unwrap(), row["measured"]["equal"] == true)).collect();
    assert_eq!(equal.len(), 12);
    assert!(
        ["raw", "fast", "default", "high", "max"]
            .iter()
            .all(|own| equal.contains_key(format!("segvault {own}").as_str()))
    );
    assert!(equal.iter().all(|(tool, equal)| *equal == (*tool != "restic")), "{equal:?}");
    for figure in ["cpu_seconds", "seconds", "memory"] {
        assert!(rows[0]["measured"]["first"][figure].as_f64().unwrap() > 0.0, "{figure}");
    }
    assert!(document["data"]["sampled_files"].as_u64() < document["data"]["files"].as_u64());
    assert!(document["costs"]["years"].as_array().unwrap().iter().all(|year| year["tool"] != "restic"));
    let ours = rows.iter().find(|row| row["tool"] == "segvault default").unwrap();
    let year =
        document["costs"]["years"].as_array().unwrap().iter().find(|year| year["tool"] == "segvault default");
    let stored: u64 =
        ["stored", "grown", "sealed"].iter().map(|part| ours["measured"][part].as_u64().unwrap()).sum();
    let expected = stored as f64 * document["costs"]["factor"].as_f64().unwrap() * 12.0 * 0.02 / 1e9;
    assert!(
        (year.unwrap()["cost"].as_f64().unwrap() / expected - 1.0).abs() < 1e-9,
        "no growth is known of 17 seconds"
    );
}

/// The rows of a table for people: the first cell, and the others.
pub fn rows(text: &str) -> BTreeMap<String, Vec<String>> {
    let table = text
        .lines()
        .skip_while(|line| !line.starts_with("TOOL "))
        .skip(1)
        .take_while(|line| !line.is_empty());
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    table.map(cells).map(|mut cells| (cells.remove(0), cells)).collect()
}

#[test]
fn the_terminal_says_what_was_not_equal_what_is_recommended_and_what_a_year_costs() {
    let text = &shown().text;
    for said in [
        "restic: NOT RESTORED EQUAL: data/default/",
        "recommended: --compression default: it stores ",
        "others are better: ",
        "a year of all the data",
        "at 2.00 EUR a GB and month: segvault raw ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let rows = rows(text);
    assert_eq!(
        (rows.len(), rows["restic"].last().unwrap().as_str(), rows["xz"].last().unwrap().as_str()),
        (12, "NO", "yes")
    );
}

#[test]
fn the_columns_add_up() {
    let room = Room::empty();
    let root = room.server(SERVER);
    let line = format!("bench --data-dir {} --columns", root.display());
    let document = room.document(0, "bench-columns", &line);
    let columns = document["columns"].as_array().unwrap();
    let sum: u64 = columns.iter().map(|column| column["bytes"].as_u64().unwrap()).sum();
    let stored = document["stored"].as_u64().unwrap();
    assert!(columns.len() > 20 && sum.abs_diff(stored) <= columns.len() as u64, "{sum} and {stored}");
    assert_eq!(document["raw"].as_u64().unwrap(), measured(&[], |_| ()).data.sample, "all of the history");
}

#[test]
fn the_page_needs_no_network_and_names_what_is_needed_to_do_it_again() {
    let page = fs::read_to_string(&shown().page).unwrap();
    for said in
        ["prefers-color-scheme: dark", "@media print", "bench --data-dir", "core", "NOT EQUAL", "segvault 0."]
    {
        assert!(page.contains(said), "{said}");
    }
    assert_eq!(page.matches("<svg").count(), 4, "sizes, growth, speed, columns");
    let links = ["src=", "href=", "url(", "<script", "@import"];
    assert!(links.iter().all(|link| !page.contains(link)), "nothing is fetched");
}

/// Words that lie on others, or outside their picture, or can hardly be read: found by the browser itself.
const LOOK: &str = "<script>
function light(c) { const v = c.match(/[0-9.]+/g).slice(0, 3).map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; }
const paper = light(getComputedStyle(document.body).backgroundColor), bad = [];
let words = 0;
for (const svg of document.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect(), light(getComputedStyle(t).fill)]);
  words += texts.length;
  texts.forEach(([name, box, ink], at) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) bad.push(name + ' sticks out');
    if ((Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5) bad.push(name + ' is hard to read');
    texts.slice(at + 1).forEach(([other, its]) => {
      const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left), high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
      if (wide > 1 && high > 4) bad.push(name + ' lies on ' + other);
    });
  });
}
if (document.documentElement.scrollWidth > innerWidth) bad.push('the page is wider than the window');
document.title = 'words ' + words + ' paper ' + (paper > 0.5 ? 'light' : 'dark') + ' bad ' + JSON.stringify(bad);
</script></body>";

#[test]
fn a_browser_finds_nothing_that_overlaps_or_is_hard_to_read_in_either_theme() {
    let Some(browser) = ["chromium", "chromium-browser"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
    else {
        println!("skipped: no chromium is installed");
        return;
    };
    let room = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(&shown().page).unwrap().replace("</body>", LOOK);
    let path = room.path().join("page.html");
    fs::write(&path, page).unwrap();
    for (theme, setting) in [("light", 1), ("dark", 0)] {
        let title = title(browser, &path, setting, room.path());
        assert!(title.contains(&format!(" paper {theme} bad []")), "{theme}: {title}");
        let words: u32 = title.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(words > 60, "{title}");
    }
}

fn title(browser: &str, page: &Path, theme: u8, room: &Path) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,3000", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={theme}"))
        .arg(format!("--user-data-dir={}", room.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}
