//! Bad input, through the real program: a clear line that names what is wrong and says what to do, its exit code, and nothing lost.

use crate::support::program::{
    Room, SERVER, assert_restored, backup, backup_data, current, flip, overwrite, told,
};
use crate::support::{PATIENCE, fixtures};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use segvault::axon::control_db::{rebuild, take_apart};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The newest segment of the real server: open. It begins at token 2790 and ends with 2859, at byte 23046.
const NEWEST: &str = "00000000000000002790.events";
/// A sealed one, in the middle: tokens 805 to 1201.
const SEALED: &str = "00000000000000000805.events";

/// A room with a private copy of a real server and one point of it: that point has to stay, whatever comes.
struct Desk {
    room: Room,
    root: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let room = Room::new();
        let root = room.server(SERVER);
        room.ends(0, &backup(&root));
        Self { room, root }
    }

    fn segment(&self, name: &str) -> PathBuf {
        self.root.join("data/default").join(name)
    }

    fn backup(&self) -> String {
        backup(&self.root)
    }

    /// A backup that ends with `code`, as a document.
    fn report(&self, code: i32) -> Value {
        self.room.document(code, "backup", &self.backup())
    }

    /// Refused, and nothing published or lost.
    fn refuses(&self, code: i32, line: &str, names: &[&str]) {
        let before = self.room.files();
        self.room.refused(code, line, names);
        let after = self.room.files();
        assert!(
            before.iter().all(|(path, length)| after.get(path) == Some(length)),
            "{line}: files went away"
        );
        assert_eq!(self.room.points(), [1], "{line}");
        self.keeps_the_first_point();
    }

    /// The first point still restores to the server's data as it was.
    fn keeps_the_first_point(&self) {
        restores_the_first_point(&self.room);
    }
}

fn restores_the_first_point(room: &Room) {
    let target = room.path("first");
    if target.exists() {
        fs::remove_dir_all(&target).unwrap();
    }
    room.restore(0, "1", "first");
    assert_restored(&fixtures::context_dir(SERVER, "default"), &target.join("data/default"));
}

/// The one finding of a kind; it has to be there once.
fn finding<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|finding| finding["what"] == kind).collect();
    assert_eq!(found.len(), 1, "{report}");
    found[0]
}

mod where_there_is_nothing_to_back_up {
    use super::*;

    #[test]
    fn no_such_directory() {
        let desk = Desk::new();
        desk.refuses(1, "backup --data-dir nowhere --no-control-db", &["nowhere", "is it mounted?"]);
        desk.room.write("a-file", b"x");
        desk.refuses(1, "backup --data-dir a-file --no-control-db", &["a-file is not a directory"]);
        let line = format!("backup --data-dir {} --control-db nowhere.zip", desk.root.display());
        desk.refuses(1, &line, &["nowhere.zip is not there", "--no-control-db"]);
    }

    #[test]
    fn no_context() {
        let desk = Desk::new();
        fs::create_dir_all(desk.room.path("bare/data/default")).unwrap();
        desk.refuses(
            1,
            "backup --data-dir bare --no-control-db",
            &["bare", "holds no context", "give the directory that holds the contexts"],
        );
    }

    #[test]
    fn a_name_that_no_file_can_hold() {
        let desk = Desk::new();
        let line =
            |name: &str| format!("backup --data-dir {} --no-control-db --source {name}", desk.root.display());
        let long = "n".repeat(1_025);
        for (name, length) in [("", "has 0"), (long.as_str(), "has 1025")] {
            for line in [line(name), format!("{} --dry-run", line(name))] {
                desk.refuses(2, &line, &[length, "--source"]);
            }
        }
    }

    #[test]
    fn no_such_context() {
        let desk = Desk::new();
        let line = desk.backup();
        desk.refuses(2, &format!("{line} --context other"), &["other", "default"]);
        desk.refuses(2, &format!("{line} --exclude-context default"), &["nothing to back up"]);
    }
}

mod what_is_no_repository {
    use super::*;
    use segvault::repo::format::pack::PackKind;

    fn lines() -> [&'static str; 5] {
        ["points", "show", "verify", "restore --target t", "backup --data-dir . --no-control-db"]
    }

    #[test]
    fn is_refused_by_every_verb() {
        let room = Room::empty();
        fs::create_dir(room.repository()).unwrap();
        room.write("repository/theirs", b"x");
        for line in lines() {
            room.refused(10, line, &["repository is not a segvault repository", "segvault init"]);
        }
        room.refused(31, "init", &["repository is not empty"]);
        assert_eq!(fixtures::files(&room.repository()), [room.repository().join("theirs")]);
    }

    #[test]
    fn nor_is_a_file_in_its_place() {
        let room = Room::empty();
        room.write("repository", b"x");
        for line in lines() {
            room.refused(10, line, &["repository is not a segvault repository", "segvault init"]);
        }
    }

    /// Changes a file as a newer program would write it; gives what it was.
    fn written_newer(path: &Path, change: impl Fn(&mut Value)) -> Vec<u8> {
        let original = fs::read(path).unwrap();
        let mut value: Value = serde_json::from_slice(&original).unwrap();
        change(&mut value);
        value.as_object_mut().unwrap().remove("check");
        let check = blake3::hash(format!("{value}\n").as_bytes()).to_hex();
        value["check"] = check.as_str().into();
        fs::write(path, format!("{value}\n")).unwrap();
        original
    }

    #[test]
    fn with_a_newest_point_of_a_newer_format_is_not_called_damaged() {
        let desk = Desk::new();
        let path = desk.room.repository().join("points/1.json");
        written_newer(&path, |point| point["version"] = 99.into());
        for line in [
            "hold add latest --reason audit",
            "hold add 1 --reason audit",
            "forget 1 --yes",
            "prune",
            "restore --target t",
        ] {
            desk.room.refused(13, line, &["points/1.json", "newer segvault"]);
        }
        desk.room.refused(13, "recompress --compression max", &["points/1.json", "newer segvault"]);
        for line in ["points", "status", "stats", "repair points"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(said.contains("points/1.json"), "{line}: {said}");
        }
        let (said, _) = desk.room.ends(13, "verify");
        assert!(said.contains("newer: ") && !said.contains("damage: "), "{said}");
        for line in ["repair packs", "repair packs --dry-run", "repair from repository"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(!said.contains("all that is published is whole"), "{line}: {said}");
        }
    }

    #[test]
    fn with_records_of_a_newer_format_has_no_points_marked_for_them() {
        let desk = Desk::new();
        let logs = fixtures::files(&desk.room.repository().join("logs"));
        logs.iter().flat_map(|log| fixtures::files(log)).for_each(|record| record_of_newer(&record));
        for line in ["repair points", "repair points --dry-run", "repair give-up --yes", "restore --target t"]
        {
            desk.room.refused(13, line, &["logs/", "a record of version 9", "use a newer segvault"]);
        }
        desk.room.refused(13, "prune", &["logs/", "use a newer segvault"]);
        for line in ["points", "status", "stats"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(said.contains("logs/"), "{line}: {said}");
        }
        assert!(desk.room.files().keys().all(|path| !path.starts_with("acts")));
        for line in ["verify", "verify --data"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(said.contains("newer: ") && !said.contains("damage: "), "{said}");
        }
    }

    /// What an older record of the log says is known, but not what the newest holds.
    #[test]
    fn with_the_newest_record_of_a_log_of_a_newer_format_is_not_called_damaged_either() {
        let desk = Desk::new();
        let open = desk.segment(NEWEST);
        let whole = fs::read(&open).unwrap();
        fs::remove_file(&open).unwrap();
        let line = desk.backup().replace("node-1", "node-2");
        desk.room.ends(0, &line);
        fs::write(&open, whole).unwrap();
        desk.room.ends(0, &line);
        let logs = fixtures::files(&desk.room.repository().join("logs"));
        let newest: Vec<_> = logs.iter().map(|log| log.join("2")).filter(|record| record.exists()).collect();
        assert!(!newest.is_empty());
        newest.iter().for_each(|record| record_of_newer(record));
        for line in ["verify --data", "points", "stats", "prune"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(!said.contains("damage: "), "{line}: {said}");
        }
    }

    /// The next number has its name already, and no other run will ever free it.
    #[test]
    fn with_a_directory_in_the_place_of_its_next_file_says_so() {
        let desk = Desk::new();
        let line = desk.backup();
        let logs = fixtures::files(&desk.room.repository().join("logs"));
        let mut places: Vec<_> = logs.iter().map(|log| log.join("2")).collect();
        places.push(desk.room.repository().join("points/2.json"));
        for place in &places {
            fs::create_dir(place).unwrap();
            let (said, _) = desk.room.ends(20, "verify");
            assert!(said.contains(place.to_str().unwrap()) && said.contains("it is a directory"), "{said}");
            fs::remove_dir(place).unwrap();
        }
        fs::create_dir(places.last().unwrap()).unwrap();
        desk.room.refused(20, &line, &["points/2.json", "a directory stands there"]);
        fs::remove_dir(places.last().unwrap()).unwrap();
        fs::create_dir(desk.room.repository().join("acts/1.json")).unwrap();
        desk.room.refused(20, "hold add 1 --reason audit", &["acts/1.json", "a directory stands there"]);
        fs::remove_dir(desk.room.repository().join("acts/1.json")).unwrap();
        desk.room.ends(0, &line);
    }

    /// What had the name may lie beside: nothing is called lost for it.
    #[test]
    fn with_a_directory_in_the_place_of_a_pack_or_a_page_says_so_and_gives_nothing_up() {
        for top in ["packs", "pages"] {
            let desk = Desk::new();
            let files = desk.room.files().into_iter().filter(|(path, _)| path.starts_with(top));
            let place = desk.room.repository().join(files.max_by_key(|(_, length)| *length).unwrap().0);
            let kept = desk.room.path("kept");
            fs::rename(&place, &kept).unwrap();
            fs::create_dir(&place).unwrap();
            let name = place.to_str().unwrap();
            for line in ["verify", "verify --data", "repair packs"] {
                let (said, _) = desk.room.ends(20, line);
                assert!(said.contains(name), "{line}: {said}");
            }
            let (said, _) = desk.room.ends(20, "verify");
            assert!(said.contains("it is a directory") && said.contains("move it out"), "{said}");
            for line in
                [&desk.backup(), "prune", "repair points", "repair give-up --yes", "repair give-up -n"]
            {
                desk.room.refused(20, line, &[name, "a directory stands there", "move it out"]);
            }
            for act in fixtures::files(&desk.room.repository().join("acts")) {
                let act = fs::read_to_string(act).unwrap();
                assert!(!act.contains("lost") && !act.contains("incomplete"), "{act}");
            }
            assert!(place.is_dir() && !desk.room.repository().join("damaged").exists());
            fs::remove_dir(&place).unwrap();
            fs::rename(&kept, &place).unwrap();
            desk.room.ends(0, &desk.backup());
            desk.room.ends(0, "verify --data");
        }
    }

    /// Reading it is an I/O error, as on a disk with a bad sector.
    fn made_unreadable(path: &Path) {
        fs::remove_file(path).unwrap();
        symlink("/proc/self/mem", path).unwrap();
    }

    /// Another time it may be well: nothing is given up, and all else is listed.
    #[test]
    fn with_a_file_that_the_disk_does_not_give_says_to_see_to_the_disk() {
        let page = |desk: &Desk| {
            let pages = desk.room.files().into_iter().filter(|(path, _)| path.starts_with("pages"));
            desk.room.repository().join(pages.max_by_key(|(_, length)| *length).unwrap().0)
        };
        let record = |desk: &Desk| {
            fixtures::files(&fixtures::files(&desk.room.repository().join("logs"))[0])[0].clone()
        };
        let act = |desk: &Desk| desk.room.repository().join("acts/1.json");
        for file in [&page as &dyn Fn(&Desk) -> PathBuf, &record, &act] {
            let desk = Desk::new();
            desk.room.ends(0, "hold add 1 --reason audit");
            let path = file(&desk);
            made_unreadable(&path);
            let (said, _) = desk.room.ends(20, "verify");
            let at = said.find(path.to_str().unwrap()).unwrap();
            let advice = said[at..].lines().find(|line| line.contains("what to do")).unwrap();
            assert!(advice.contains("see to its permissions, or to the disk"), "{said}");
            let (listed, _) = desk.room.ends(20, "points");
            assert!(listed.contains("node-1") && listed.contains("unreadable: "), "{listed}");
            desk.room.ends(1, "repair give-up --yes");
            assert!(path.is_symlink(), "nothing is given up");
            // Moved away it is missing.
            fs::remove_file(&path).unwrap();
            desk.room.ends(0, "repair give-up --yes");
            desk.room.ends(0, &desk.backup());
        }
    }

    /// Changes a record as a newer program would write it.
    fn record_of_newer(record: &Path) {
        let mut bytes = fs::read(record).unwrap();
        let body = bytes.len() - 32;
        bytes[8] = 9;
        let check = blake3::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(check.as_bytes());
        fs::write(record, bytes).unwrap();
    }

    /// A damaged pack that nothing needs which this program can read.
    #[test]
    fn with_a_point_of_a_newer_format_keeps_a_damaged_pack_that_it_may_need_where_it_is() {
        let desk = Desk::new();
        let path = desk.room.repository().join("packs/00").join("0".repeat(64));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "SEGVPACK and no more").unwrap();
        let original = written_newer(&desk.room.repository().join("points/1.json"), |point| {
            point["version"] = 99.into()
        });
        desk.room.ends(13, "repair packs");
        assert!(path.exists());
        fs::write(desk.room.repository().join("points/1.json"), original).unwrap();
        desk.room.ends(0, "repair packs");
        assert!(!path.exists(), "without it nothing needs the pack");
    }

    /// Nothing stands behind a newest file: the copy's own, which follows the same one, fits there as well.
    #[test]
    fn nor_does_a_copy_of_the_files_that_was_used_on_take_the_place_of_one_that_a_newer_program_wrote() {
        let desk = Desk::new();
        let act = desk.room.repository().join("acts/1.json");
        fixtures::copy_tree(&desk.room.repository(), &desk.room.path("twin"));
        desk.room.ends(0, "hold add 1 --reason audit");
        desk.room.ends(0, "-r twin forget 1 --yes");
        let original = written_newer(&act, |act| act["version"] = 99.into());
        let before = fs::read(&act).unwrap();
        desk.room.ends(13, "repair from twin");
        assert_eq!(fs::read(&act).unwrap(), before);
        assert!(!desk.room.repository().join("damaged").exists());
        // A flipped bit may say the same, but for the check.
        fs::remove_dir_all(desk.room.path("twin")).unwrap();
        fs::write(&act, &original).unwrap();
        fixtures::copy_tree(&desk.room.repository(), &desk.room.path("twin"));
        let text = String::from_utf8(original.clone()).unwrap();
        fs::write(&act, text.replace("\"version\":1", "\"version\":3")).unwrap();
        desk.room.ends(0, "repair from twin");
        assert_eq!(fs::read(&act).unwrap(), original);
    }

    /// Changes segvault.json as a newer program would write it.
    fn newer(desk: &Desk, change: impl Fn(&mut Value)) {
        let path = desk.room.repository().join("segvault.json");
        let original = written_newer(&path, change);
        for line in lines() {
            desk.room.refused(13, line, &["segvault.json", "use a newer segvault"]);
        }
        assert!(!desk.room.path("t").exists());
        fs::write(&path, original).unwrap();
        desk.keeps_the_first_point();
    }

    #[test]
    fn of_a_newer_format_is_refused_by_every_verb() {
        let desk = Desk::new();
        newer(&desk, |config| config["version"] = 2.into());
        newer(&desk, |config| config["features"] = serde_json::json!(["time-travel"]));
    }

    fn with_newer_packs(kinds: &[PackKind]) -> Desk {
        let desk = Desk::new();
        in_newer_packs(&desk.room.repository(), kinds);
        desk
    }

    /// The packs of these kinds as a newer program might write them: their footers say another version, and their names fit.
    fn in_newer_packs(repository: &Path, kinds: &[PackKind]) {
        let packs = repository.join("packs");
        let all: Vec<PathBuf> =
            fixtures::files(&packs).iter().flat_map(|below| fixtures::files(below)).collect();
        for pack in all {
            let mut bytes = fs::read(&pack).unwrap();
            if !kinds.iter().any(|kind| kind.number() == bytes[10]) {
                continue;
            }
            let version = bytes.len() - 64 + 20;
            bytes[version] = 9;
            let name = blake3::hash(&bytes).to_hex().to_string();
            let newer = packs.join(&name[..2]).join(&name);
            fs::create_dir_all(newer.parent().unwrap()).unwrap();
            fs::write(newer, bytes).unwrap();
            fs::remove_file(pack).unwrap();
        }
    }

    #[test]
    fn with_segments_in_packs_of_a_newer_format_misses_no_chunk() {
        let desk = with_newer_packs(&[PackKind::Sealed]);
        desk.room.ends(0, "init -r copy");
        for line in ["prune", "copy --to copy"] {
            desk.room.refused(13, line, &["packs/", "a pack of version 9", "use a newer segvault"]);
        }
    }

    /// A copy that a newer program has gone on with: what it has done there can't be judged here. What there is to tell it, it is told all the same.
    #[test]
    fn as_a_copy_with_packs_of_a_newer_format_lacks_nothing() {
        let desk = Desk::new();
        desk.room.ends(0, "init -r copy");
        desk.room.ends(0, "copy --to copy");
        in_newer_packs(&desk.room.path("copy"), &PackKind::ALL);
        desk.room.ends(0, "hold add 1 --reason audit");
        for line in ["copy --to copy --dry-run", "copy --to copy"] {
            desk.room.refused(13, line, &["packs/", "a pack of version 9", "use a newer segvault"]);
        }
        let (said, _) = desk.room.ends(13, "-r copy status");
        assert!(said.contains("a pack of version 9") && !said.contains("can't be restored"), "{said}");
        assert!(desk.room.ends(0, "-r copy hold list").0.contains("audit"));
    }

    #[test]
    fn with_packs_of_a_newer_format_is_not_called_damaged() {
        let desk = with_newer_packs(&PackKind::ALL);
        desk.room.ends(0, "init -r copy");
        for line in ["restore --target t", "repair packs", "prune", "copy --to copy"] {
            desk.room.refused(13, line, &["packs/", "a pack of version 9", "use a newer segvault"]);
        }
        assert!(!desk.room.path("t").exists());
        for line in ["verify", "verify 1", "verify --data"] {
            let (said, _) = desk.room.ends(13, line);
            assert!(
                said.contains("a pack of version 9") && said.contains("use a newer segvault"),
                "{line}: {said}"
            );
            assert!(said.contains("in no pack that this program can read"), "{line}: {said}");
            assert!(!said.contains("damage:") && !said.contains("not whole any more"), "{line}: {said}");
        }
        assert!(desk.room.files().keys().all(|path| !path.starts_with("acts")), "nothing was called damaged");
    }

    /// What this program can judge it judges all the same.
    #[test]
    fn with_a_pack_of_a_newer_format_all_else_is_verified() {
        let desk = Desk::new();
        let packs = desk.room.repository().join("packs");
        let one = fixtures::files(&fixtures::files(&packs)[0]).remove(0);
        let mut bytes = fs::read(&one).unwrap();
        let version = bytes.len() - 64 + 20;
        bytes[version] = 9;
        let name = blake3::hash(&bytes).to_hex().to_string();
        fs::create_dir_all(packs.join(&name[..2])).unwrap();
        fs::write(packs.join(&name[..2]).join(&name), bytes).unwrap();
        let (said, _) = desk.room.ends(13, "verify --data");
        assert!(said.contains("newer: ") && said.contains(&name) && said.contains("data: "), "{said}");
        let pages = desk.room.repository().join("pages");
        let page = fixtures::files(&fixtures::files(&pages)[0]).remove(0);
        flip(&page, fs::metadata(&page).unwrap().len() / 2);
        let (said, _) = desk.room.ends(20, "verify --data");
        assert!(said.contains("damage: ") && said.contains(&name), "{said}");
    }

    #[test]
    fn with_a_pack_whose_version_was_flipped_is_damage_all_the_same() {
        let desk = Desk::new();
        let packs = desk.room.repository().join("packs");
        let one = fixtures::files(&fixtures::files(&packs)[0]).remove(0);
        let another = packs.join("00").join("0".repeat(64));
        fs::create_dir_all(another.parent().unwrap()).unwrap();
        fs::copy(one, &another).unwrap();
        overwrite(&another, fs::metadata(&another).unwrap().len() - 64 + 20, &[9]);
        desk.room.ends(20, "stats");
        fs::remove_file(another).unwrap();
        for pack in fixtures::files(&packs).iter().flat_map(|below| fixtures::files(below)) {
            let version = fs::metadata(&pack).unwrap().len() - 64 + 20;
            overwrite(&pack, version, &[9]);
        }
        fs::remove_file(desk.room.repository().join("index.sqlite")).unwrap();
        desk.room.refused(20, "restore --target t", &["is in no readable pack"]);
        for line in ["verify", "stats", "prune"] {
            desk.room.ends(20, line);
        }
    }

    #[test]
    fn with_a_damaged_description_is_damage() {
        let desk = Desk::new();
        let path = desk.room.repository().join("segvault.json");
        let original = fs::read(&path).unwrap();
        for bytes in [&b""[..], b"{", &original[..original.len() / 2]] {
            fs::write(&path, bytes).unwrap();
            for line in lines() {
                desk.room.refused(20, line, &["segvault.json"]);
            }
        }
        fs::write(&path, original).unwrap();
        desk.keeps_the_first_point();
    }
}

mod files_that_contradict_each_other {
    use super::*;

    #[test]
    fn an_overlap() {
        let desk = Desk::new();
        fs::copy(desk.segment(SEALED), desk.segment("00000000000000000800.events")).unwrap();
        let line = desk.backup();
        desk.refuses(21, &line, &["00000000000000000800.events", "overlap", "nothing was published"]);
        fs::remove_file(desk.segment("00000000000000000800.events")).unwrap();
        assert_eq!(desk.report(0)["complete"], true);
    }

    #[test]
    fn two_files_for_one_segment() {
        let desk = Desk::new();
        fs::copy(desk.segment(SEALED), desk.segment("00000000000805.events")).unwrap();
        let line = desk.backup();
        desk.refuses(21, &line, &[SEALED, "00000000000805.events", "same segment"]);
    }

    #[test]
    fn a_name_that_is_no_segment_s() {
        let desk = Desk::new();
        fs::write(desk.segment("copy-of-805.events"), "x").unwrap();
        let line = desk.backup();
        desk.refuses(22, &line, &["copy-of-805.events", "move it elsewhere"]);
    }
}

mod a_newest_file {
    use super::*;

    const LENGTH: usize = 131_072;

    /// What the newest file may have become: nothing in it is history any more.
    fn remains() -> [(&'static str, Vec<u8>); 5] {
        let mut version_7 = vec![0; LENGTH];
        version_7[0] = 7;
        [
            ("empty", Vec::new()),
            ("short", vec![2, 0, 0]),
            ("all zero", vec![0; LENGTH]),
            ("a header alone", vec![2, 0, 0, 0, 0]),
            ("version 7", version_7),
        ]
    }

    /// The archive had more of it: whatever it is now, the point says that something is missing, and the record keeps it.
    #[test]
    fn that_lost_what_was_archived_of_it_makes_a_point_that_says_so() {
        for (what, bytes) in remains() {
            let desk = Desk::new();
            fs::write(desk.segment(NEWEST), &bytes).unwrap();
            let report = desk.report(3);
            let about = report["findings"].as_array().unwrap().iter();
            let about: Vec<_> =
                about.filter(|finding| finding["text"].as_str().unwrap().contains(NEWEST)).collect();
            assert!(!about.is_empty(), "{what}: {report}");
            desk.keeps_the_first_point();
            let restored = desk.room.restore(3, "2", "second");
            let head = restored["contexts"][0]["events"]["head"].as_u64().unwrap();
            assert!(head == 2_789 || head == 2_859, "{what}: {restored}");
            assert_eq!(
                desk.room.document(0, "verify", "verify --data")["findings"],
                Value::Array(Vec::new()),
                "{what}"
            );

            // Put back what was there: complete again.
            fs::copy(fixtures::context_dir(SERVER, "default").join(NEWEST), desk.segment(NEWEST)).unwrap();
            assert_eq!(desk.report(0)["complete"], true, "{what}");
            desk.room.restore(0, "3", "third");
            assert_restored(&fixtures::context_dir(SERVER, "default"), &desk.room.path("third/data/default"));
        }
    }

    /// Nothing of it was archived before: all that is behind the last sealed segment is nothing.
    #[test]
    fn that_never_held_anything_leaves_all_else_archived() {
        for (what, bytes) in remains() {
            let room = Room::new();
            let root = room.server(SERVER);
            fs::write(root.join("data/default").join(NEWEST), &bytes).unwrap();
            let code = if ["a header alone", "all zero", "empty"].contains(&what) { 0 } else { 3 };
            let report = room.document(code, "backup", &backup(&root));
            assert_eq!(report["contexts"][0]["events"]["head"], 2_789, "{what}: {report}");
            let restored = room.restore(code, "1", "restored");
            assert_eq!(restored["contexts"][0]["events"]["head"], 2_789, "{what}: {restored}");
            let file = room.path("restored/data/default").join(NEWEST);
            if file.exists() {
                let restored = fs::read(file).unwrap();
                let prefix = if what == "a header alone" { &bytes[..] } else { &[] };
                assert!(restored.starts_with(prefix), "{what}");
                assert!(restored[prefix.len()..].iter().all(|byte| *byte == 0), "{what}: prefix, end, zeros");
            }
        }
    }
}

mod a_sealed_file {
    use super::*;

    fn remains(original: &[u8]) -> [(&'static str, Vec<u8>); 5] {
        let mut version_7 = original.to_vec();
        version_7[0] = 7;
        [
            ("empty", Vec::new()),
            ("short", original[..3].to_vec()),
            ("torn", original[..50_000].to_vec()),
            ("all zero", vec![0; original.len()]),
            ("version 7", version_7),
        ]
    }

    fn others(desk_or_root: &Path) -> Vec<PathBuf> {
        current(desk_or_root).into_values().filter(|path| !path.ends_with(SEALED)).collect()
    }

    fn assert_others(original: &Path, restored: &Path) {
        for path in others(original) {
            let copy = restored.join(path.file_name().unwrap());
            assert!(fs::read(&copy).unwrap() == fs::read(&path).unwrap(), "{}", copy.display());
        }
    }

    #[test]
    fn that_was_never_archived_whole_is_archived_as_it_is_and_handed_out_so() {
        let original = fs::read(fixtures::context_dir(SERVER, "default").join(SEALED)).unwrap();
        for (what, bytes) in remains(&original) {
            let room = Room::new();
            let root = room.server(SERVER);
            fs::write(root.join("data/default").join(SEALED), &bytes).unwrap();
            let report = room.document(3, "backup", &backup(&root));
            let text = finding(&report, "damage")["text"].as_str().unwrap().to_owned();
            assert!(text.contains(SEALED), "{what}: {text}");
            assert_eq!(report["complete"], false, "{what}");
            let restored = room.restore(3, "1", "restored");
            assert_eq!(restored["verified"], false, "{what}: {restored}");
            let copy = fs::read(room.path("restored/data/default").join(SEALED)).unwrap();
            assert!(copy == bytes, "{what}: {} bytes, not {}", copy.len(), bytes.len());
            assert_others(&root.join("data/default"), &room.path("restored/data/default"));
        }
    }

    #[test]
    fn of_which_a_good_copy_is_archived_is_restored_from_that_one() {
        let original = fs::read(fixtures::context_dir(SERVER, "default").join(SEALED)).unwrap();
        for (what, bytes) in remains(&original) {
            let desk = Desk::new();
            fs::write(desk.segment(SEALED), &bytes).unwrap();
            let report = desk.report(3);
            let text = finding(&report, "damage")["text"].as_str().unwrap().to_owned();
            assert!(text.contains(SEALED) && text.contains("good copy"), "{what}: {text}");
            desk.room.restore(3, "2", "second");
            let default = fixtures::context_dir(SERVER, "default");
            assert_restored(&default, &desk.room.path("second/data/default"));
            desk.keeps_the_first_point();
            fs::write(desk.segment(SEALED), &original).unwrap();
            assert_eq!(desk.report(0)["complete"], true, "{what}: repaired");
            desk.room.restore(0, "3", "third");
            assert_restored(&default, &desk.room.path("third/data/default"));
        }
    }
}

mod a_bad_crc_in_a_sealed_segment {
    use super::*;

    /// Flips a bit in the payload of the transaction that holds this byte; gives where the transaction begins, and its first token.
    fn damage(path: &Path, at: u64) -> (u64, u64) {
        use segvault::axon::{segment, token::Token};
        let bytes = fs::read(path).unwrap();
        let hit = segment::walk(&bytes, Token::new(805).unwrap()).find(|found| found.end() > at).unwrap();
        let place = (hit.offset, hit.first_token.get());
        assert!(hit.offset + 8 < at && at < hit.end() - 4, "inside its events");
        flip(path, at);
        place
    }

    #[test]
    fn is_named_by_offset_and_tokens_and_all_else_is_archived() {
        let room = Room::new();
        let root = room.server(SERVER);
        let segment = root.join("data/default").join(SEALED);
        let (offset, token) = damage(&segment, 60_000);
        let report = room.document(3, "backup", &backup(&root));
        let found = finding(&report, "damage");
        assert_eq!(
            (&found["offset"], &found["first"], &found["weight"]),
            (&offset.into(), &token.into(), &"incomplete".into())
        );
        let gap = finding(&report, "gap");
        assert_eq!((&gap["first"], &gap["last"]), (&token.into(), &1_201.into()), "up to the next segment");
        let (text, _) = room.ends(3, &backup(&root));
        for name in [SEALED.to_owned(), format!("byte {offset}"), format!("{token}"), "1201".to_owned()] {
            assert!(text.contains(&name), "no {name} in {text}");
        }

        let restored = room.restore(3, "1", "restored");
        assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
        let missing = &restored["contexts"][0]["events"]["missing"];
        assert_eq!(*missing, serde_json::json!([{ "first": token, "last": 1_201 }]));
        let (text, _) = room.ends(3, "restore 1 --target again");
        assert!(text.contains(SEALED) && text.contains(&format!("byte {offset}")), "{text}");
    }

    #[test]
    fn does_not_reach_the_good_copy_that_is_archived() {
        let desk = Desk::new();
        let (offset, token) = damage(&desk.segment(SEALED), 60_000);
        for number in ["2", "3"] {
            let report = desk.report(3);
            let found = finding(&report, "damage");
            let facts = ["offset", "first", "last"].map(|key| found[key].as_u64());
            assert_eq!(facts, [Some(offset), Some(token), Some(1_201)]);
            let target = format!("restored-{number}");
            let restored = desk.room.restore(3, number, &target);
            assert_eq!(restored["verified"], true, "every byte of it is good");
            let default = fixtures::context_dir(SERVER, "default");
            assert_restored(&default, &desk.room.path(&target).join("data/default"));
        }
        flip(&desk.segment(SEALED), 60_000);
        assert_eq!(desk.report(0)["complete"], true, "repaired");
        desk.room.restore(0, "4", "restored-4");
        desk.keeps_the_first_point();
    }

    /// What was found is kept beside the good copy, as it was found, for whoever wants to look into it.
    #[test]
    fn is_kept_beside_the_good_copy() {
        let desk = Desk::new();
        damage(&desk.segment(SEALED), 60_000);
        flip(&desk.segment("00000000000000000406.events"), 2);
        desk.report(3);
        let flawed = flawed_copies(&desk.room);
        assert_eq!(flawed.len(), 2, "a bad CRC, and a header that has changed");
        for (name, bytes) in flawed {
            let found = fs::read(desk.segment(&name)).unwrap();
            assert!(found.starts_with(&bytes), "{name}");
            assert!(found[bytes.len()..].iter().all(|byte| *byte == 0), "{name}: only zeros are left out");
        }
        desk.room.restore(3, "2", "second");
        assert_restored(&fixtures::context_dir(SERVER, "default"), &desk.room.path("second/data/default"));
    }

    /// The damaged copies in the newest record of the events, by file name.
    fn flawed_copies(room: &Room) -> Vec<(String, Vec<u8>)> {
        use segvault::axon::name::Store;
        use segvault::repo::local_disk::LocalDisk;
        use segvault::repo::store::{OpenOptions, Repository};
        let disk = std::sync::Arc::new(LocalDisk::new(room.repository()));
        let repository = Repository::open(disk, OpenOptions::default()).unwrap();
        let key = repository.logs().unwrap().into_iter().find(|key| key.store == Store::Events).unwrap();
        let root = repository.newest_record(&key).unwrap().unwrap().state.root;
        let flawed = repository.tree(root).unwrap().into_iter().filter(|entry| entry.flaw.is_some());
        let read = flawed.map(|entry| {
            let mut bytes = Vec::new();
            let all = 0..entry.stored_length;
            repository
                .read_extents(&entry.extents, all, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
            (entry.name.file_name(Store::Events), bytes)
        });
        read.collect()
    }

    #[test]
    fn is_good_again_when_the_source_is_repaired() {
        let room = Room::new();
        let root = room.server(SERVER);
        damage(&root.join("data/default").join(SEALED), 60_000);
        room.ends(3, &backup(&root));
        flip(&root.join("data/default").join(SEALED), 60_000);
        assert_eq!(room.document(0, "backup", &backup(&root))["complete"], true);
        let restored = room.restore(0, "2", "restored");
        assert_eq!(restored["verified"], true);
        assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
        room.restore(3, "1", "as-it-was");
    }

    /// A bit in the 4 bytes of a size, so that it seems to be an end: the next segment's name says that it is none.
    #[test]
    fn is_found_too_where_it_looks_like_an_end() {
        use segvault::axon::{segment, token::Token};
        let room = Room::new();
        let root = room.server(SERVER);
        let path = root.join("data/default").join(SEALED);
        let bytes = fs::read(&path).unwrap();
        let hit = segment::walk(&bytes, Token::new(805).unwrap()).nth(30).unwrap();
        let (offset, token) = (hit.offset, hit.first_token.get());
        for end in [[0; 4], [0xff; 4]] {
            overwrite(&path, offset, &end);
            let source = format!("source-{}", end[0]);
            let report =
                room.document(3, "backup", &backup_data(&root.join("data")).replace("node-1", &source));
            let found = finding(&report, "damage");
            assert_eq!((&found["offset"], &found["first"]), (&offset.into(), &token.into()), "{end:?}");
            let target = format!("restored-{}", end[0]);
            room.restore(3, &format!("latest --source {source}"), &target);
            assert_restored(&root.join("data/default"), &room.path(&target).join("data/default"));
        }
    }
}

mod a_zip {
    use super::*;

    fn line(desk: &Desk, zip: &str) -> String {
        format!("backup --data-dir {} --control-db {zip} --source node-1", desk.root.display())
    }

    #[test]
    fn that_is_none() {
        let desk = Desk::new();
        for (name, bytes) in [("text.zip", &b"not a zip"[..]), ("empty.zip", b""), ("zero.zip", &[0; 3_000])]
        {
            desk.room.write(name, bytes);
            desk.refuses(
                22,
                &line(&desk, name),
                &[name, "is not a control-db zip", "have the server write another"],
            );
        }
    }

    #[test]
    fn that_is_torn() {
        let desk = Desk::new();
        let zip = fs::read(&fixtures::control_db_zips(SERVER)[0]).unwrap();
        for length in [20, zip.len() / 2, zip.len() - 1] {
            desk.room.write("torn.zip", &zip[..length]);
            desk.refuses(22, &line(&desk, "torn.zip"), &["torn.zip", "have the server write another"]);
        }
        let mut flipped = zip.clone();
        flipped[zip.len() / 2] ^= 1;
        desk.room.write("flipped.zip", &flipped);
        desk.refuses(22, &line(&desk, "flipped.zip"), &["flipped.zip"]);
    }

    /// A zip of two stored files, as another program would write it.
    fn two_entries() -> Vec<u8> {
        let (mut zip, mut directory) = (Vec::new(), Vec::new());
        for name in ["axonserver-controldb.mv.db", "other.mv.db"] {
            let (data, at) = (b"H:2,block:1", zip.len() as u32);
            let mut fields = Vec::new();
            fields.extend([10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5a]);
            fields.extend(crc32fast::hash(data).to_le_bytes());
            fields.extend((data.len() as u32).to_le_bytes());
            fields.extend((data.len() as u32).to_le_bytes());
            fields.extend((name.len() as u16).to_le_bytes());
            fields.extend([0, 0]);
            zip.extend(b"PK\x03\x04".iter().chain(&fields).chain(name.as_bytes()).chain(data));
            directory.extend(b"PK\x01\x02\x0a\x00".iter().chain(&fields));
            directory.extend([0; 10]);
            directory.extend(at.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (begin, length) = (zip.len() as u32, directory.len() as u32);
        zip.extend(directory);
        zip.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
        zip.extend(length.to_le_bytes());
        zip.extend(begin.to_le_bytes());
        zip.extend([0, 0]);
        zip
    }

    /// A zip as the server writes it, of other bytes than a database.
    fn zip_of(bytes: &[u8]) -> Vec<u8> {
        let real = fs::read(&fixtures::control_db_zips(SERVER)[0]).unwrap();
        rebuild(&take_apart(&real, 1 << 30).unwrap().recipe.unwrap(), bytes)
    }

    #[test]
    fn whose_database_is_none_or_does_not_fit_together_is_archived_and_said() {
        let desk = Desk::new();
        let real = fs::read(&fixtures::control_db_zips(SERVER)[0]).unwrap();
        let mut spoilt = take_apart(&real, 1 << 30).unwrap().inner;
        spoilt.iter_mut().skip(8_192).step_by(997).for_each(|byte| *byte ^= 0x55);
        for (bytes, why) in [(&b"not a db"[..], "no database of H2"), (&spoilt, "is not whole")] {
            desk.room.write("controldb1000000000000.zip", &zip_of(bytes));
            let report = desk.room.document(3, "backup", &line(&desk, "controldb1000000000000.zip"));
            let findings = report["findings"].as_array().unwrap();
            let said = findings.iter().find(|finding| finding["what"] == "control-db-inside").unwrap();
            assert!(said["text"].as_str().unwrap().contains(why), "{said}");
            assert_eq!((&said["weight"], &report["complete"]), (&"warning".into(), &true.into()));
        }
        assert!(
            !desk.report(0)["findings"].to_string().contains("control-db-inside"),
            "the server's own is whole"
        );
    }

    #[test]
    fn with_two_entries() {
        let desk = Desk::new();
        desk.room.write("two.zip", &two_entries());
        desk.refuses(22, &line(&desk, "two.zip"), &["two.zip", "several files"]);
    }

    #[test]
    fn that_is_not_there_or_too_new() {
        let desk = Desk::new();
        desk.refuses(1, &line(&desk, "nowhere.zip"), &["nowhere.zip", "createControlDbBackup"]);
        fs::create_dir(desk.room.path("no-zips")).unwrap();
        desk.refuses(1, &line(&desk, "no-zips"), &["no-zips", "--no-control-db"]);
        let newest = fixtures::control_db_zips(SERVER).pop().unwrap();
        let newest = newest.display().to_string();
        desk.refuses(1, &line(&desk, &newest), &[&newest, "--accept-unordered"]);
    }
}

/// To open a pipe waits for whoever writes into it, and a device may never end: neither is tried.
#[test]
fn a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once() {
    let room = Room::new();
    let root = room.server(SERVER);
    let pipe = |name: &str| {
        let (mode, fifo) = (Mode::from_raw_mode(0o600), FileType::Fifo);
        mknodat(CWD, room.path(name), fifo, mode, 0).unwrap();
    };
    ["pipe.zip", "pipe.mv.db"].into_iter().for_each(pipe);
    symlink("/dev/zero", room.path("endless.zip")).unwrap();
    let data = root.join("data");
    let database = data.join("axonserver-controldb.mv.db");
    let ends = |control_db: &Path| {
        let line = format!("backup --data-dir {} --control-db {}", data.display(), control_db.display());
        let mut child = room.command(&line).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("{line} waits");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        told(child.wait_with_output().unwrap())
    };
    for name in ["pipe.zip", "pipe.mv.db", "endless.zip"] {
        let (ended, _, stderr) = ends(Path::new(name));
        assert!(ended == Some(1) && stderr.contains("it is not a regular file"), "{ended:?} {stderr}");
    }
    // A pid file that is none names no process; nor does one with a number below 0.
    fs::write(&database, fixtures_database()).unwrap();
    let pid = root.join("AxonIQ.pid");
    mknodat(CWD, &pid, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(ends(&database).0, Some(0));
    fs::remove_file(&pid).unwrap();
    fs::write(&pid, "-1").unwrap();
    assert_eq!(ends(&database).0, Some(0));
}

/// The database in a zip of the real server.
fn fixtures_database() -> Vec<u8> {
    let zip = fs::read(fixtures::control_db_zips(SERVER).remove(0)).unwrap();
    take_apart(&zip, 64 << 20).unwrap().inner
}

mod a_target {
    use super::*;

    #[test]
    fn that_is_not_empty() {
        let desk = Desk::new();
        fs::create_dir(desk.room.path("target")).unwrap();
        desk.room.write("target/theirs", b"x");
        for line in ["restore --target target", "restore --target target -n"] {
            desk.refuses(
                31,
                line,
                &["target", "is not empty", "theirs", "choose an empty or a new directory"],
            );
        }
        assert_eq!(fs::read(desk.room.path("target/theirs")).unwrap(), b"x");
        assert_eq!(fixtures::files(&desk.room.path("target")).len(), 1);
    }

    #[test]
    fn that_lies_in_the_repository_or_around_it() {
        let desk = Desk::new();
        for target in ["repository/out", "repository", "."] {
            let line = format!("restore --target {target}");
            desk.refuses(2, &line, &["repository", "lie in one another", "choose a target elsewhere"]);
        }
    }

    #[test]
    fn that_can_not_be() {
        let desk = Desk::new();
        desk.room.write("a-file", b"x");
        desk.refuses(30, "restore --target a-file", &["a-file is not a directory"]);
        desk.refuses(30, "restore --target no/such/place", &["no/such", "make it first"]);
        desk.room.write("zip", b"x");
        desk.refuses(31, "restore --target t --control-db-zip zip", &["zip is there already"]);
        assert!(!desk.room.path("t").exists());
    }

    #[test]
    fn of_what_the_archive_does_not_have() {
        let desk = Desk::new();
        desk.refuses(2, "restore --target t --context other", &["other", "default"]);
        for point in ["7", "latest~1", "ffffffff", "nonsense"] {
            desk.refuses(2, &format!("restore {point} --target t"), &["segvault points"]);
        }
        desk.refuses(2, "restore --target t --source other", &["other", "node-1"]);
        assert!(!desk.room.path("t").exists());
    }
}

mod a_repository_that_can_not_be_written {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    /// Somebody who is not root, where the tests run as root: root writes wherever it likes.
    const NOBODY: u32 = 65_534;

    fn is_root() -> bool {
        fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }

    fn chmod(root: &Path, directories: u32, files: u32) {
        for path in fixtures::files(root) {
            if path.is_dir() {
                chmod(&path, directories, files);
            } else {
                fs::set_permissions(&path, fs::Permissions::from_mode(files)).unwrap();
            }
        }
        fs::set_permissions(root, fs::Permissions::from_mode(directories)).unwrap();
    }

    /// The program as somebody without rights; a copy of it, since that user may not reach the original.
    fn run(desk: &Desk, line: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(desk.room.path("segvault"));
        command.args(line.split(' ')).env("SEGVAULT_REPOSITORY", desk.room.repository());
        command.current_dir(desk.room.path("open")).stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY);
        }
        told(command.output().unwrap())
    }

    #[test]
    fn is_read_by_everything_that_reads_and_refused_by_what_writes() {
        let desk = Desk::new();
        fs::copy(env!("CARGO_BIN_EXE_segvault"), desk.room.path("segvault")).unwrap();
        fs::create_dir(desk.room.path("open")).unwrap();
        fs::set_permissions(desk.room.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(desk.room.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        chmod(&desk.room.repository(), 0o555, 0o444);
        let before = desk.room.files();

        let (code, stdout, stderr) = run(&desk, &desk.backup());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let last = stderr.lines().last().unwrap();
        assert!(last.contains("repository") && last.contains("can't be written"), "{stderr}");
        assert!(last.contains("everything that only reads works"), "{stderr}");
        for line in ["points", "show", "verify --data", "restore --target restored"] {
            let (code, _, stderr) = run(&desk, line);
            assert_eq!(code, Some(0), "{line}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
            assert!(stderr.contains("read without locks"), "{line}: {stderr}");
        }
        let (code, _, stderr) = run(&desk, "repair index");
        assert_eq!(code, Some(1), "nobody locks it: {stderr}");
        assert!(stderr.contains("can't be written") && !stderr.contains("wait for it"), "{stderr}");
        let default = fixtures::context_dir(SERVER, "default");
        assert_restored(&default, &desk.room.path("open/restored/data/default"));
        assert_eq!(desk.room.files(), before);
        chmod(&desk.room.repository(), 0o755, 0o644);
        assert_eq!(desk.report(0)["complete"], true, "and works again");
    }

    #[test]
    fn since_its_file_system_is_read_only_is_read_all_the_same() {
        let room = Room::empty();
        let Some(mounted) = crate::support::mounts::Mounted::at(&room.repository(), "16m") else { return };
        room.ends(0, "init");
        let root = room.server(SERVER);
        room.ends(0, &backup(&root));
        mounted.remount("ro");
        let (_, stderr) = room.ends(1, &backup(&root));
        assert!(stderr.lines().last().unwrap().contains("can't be written"), "{stderr}");
        for line in ["points", "show", "verify --data", "restore --target restored"] {
            let (_, stderr) = room.ends(0, line);
            assert!(stderr.contains("read without locks"), "{line}: {stderr}");
        }
        assert_restored(&root.join("data/default"), &room.path("restored/data/default"));
        mounted.remount("rw");
        room.ends(0, &backup(&root));
    }
}

mod a_full_disk {
    use super::*;
    use crate::support::mounts::Mounted;

    /// Takes all that is free but about `left` bytes.
    fn fill(path: &Path, left: usize) {
        let mut file = File::create(path).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        let full = file.metadata().unwrap().len();
        file.set_len(full.saturating_sub(left as u64)).unwrap();
    }

    #[test]
    fn of_the_repository_loses_nothing_and_the_next_run_just_works() {
        let room = Room::empty();
        let Some(_mounted) = Mounted::at(&room.repository(), "5m") else { return };
        room.ends(0, "init");
        let root = room.server(SERVER);
        room.ends(0, &backup(&root));
        let filler = room.repository().join("filler");
        // Another server, with nothing in common: its packs take some 2 MB.
        let other = room.server("se-4.6.11-odd");
        let line = backup(&other).replace("node-1", "node-2");
        for left in [0, 8 << 10, 40 << 10, 200 << 10] {
            fill(&filler, left);
            let (stdout, stderr) = room.ends(40, &line);
            assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{stderr}");
            assert!(stderr.contains("no space") && stderr.contains("make room"), "{stderr}");
            assert!(stderr.contains(room.repository().to_str().unwrap()), "{stderr}");
            assert_eq!(room.points(), [1]);
            room.restore(0, "1", &format!("restored-{left}"));
            assert_restored(&root.join("data/default"), &room.path(&format!("restored-{left}/data/default")));
            fs::remove_file(&filler).unwrap();
        }
        room.ends(0, &line);
        room.restore(0, "2", "other");
        assert_restored(&other.join("data/default"), &room.path("other/data/default"));
        assert_eq!(room.document(0, "verify", "verify --data")["findings"], Value::Array(Vec::new()));
    }

    #[test]
    fn of_the_target_leaves_nothing_there() {
        let desk = Desk::new();
        let Some(_mounted) = Mounted::at(&desk.room.path("small"), "600k") else { return };
        desk.refuses(40, "restore --target small/t", &["small/t", "not enough space", "make room"]);
        desk.refuses(40, "restore --target small", &["small", "not enough space"]);
        assert_eq!(fixtures::files(&desk.room.path("small")), Vec::<PathBuf>::new());
    }
}

mod a_locked_repository {
    use super::*;

    fn lock(desk: &Desk, name: &str) -> File {
        let path = desk.room.repository().join("locks").join(name);
        let file = File::options().read(true).write(true).open(path).unwrap();
        file.lock().unwrap();
        file
    }

    #[test]
    fn refuses_a_second_writer_and_serves_readers() {
        let desk = Desk::new();
        let held = lock(&desk, "writer");
        desk.refuses(11, &desk.backup(), &["locks/writer", "locked by another segvault", "--wait"]);
        let begun = Instant::now();
        desk.room.refused(11, &format!("{} --wait 1s", desk.backup()), &["locks/writer"]);
        assert!(begun.elapsed() >= Duration::from_secs(2), "once for people, once for scripts");
        drop(held);
        assert_eq!(desk.report(0)["complete"], true);
    }

    #[test]
    fn is_waited_for_as_long_as_was_asked() {
        let desk = Desk::new();
        let held = lock(&desk, "writer");
        let mut child = desk.room.command(&format!("-q {} --wait 1h", desk.backup())).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "it waits");
        drop(held);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(desk.room.points(), [1, 2]);
    }

    /// Deletion keeps everything out.
    #[test]
    fn by_one_that_deletes_refuses_readers_too() {
        let desk = Desk::new();
        let held = lock(&desk, "repository");
        for line in ["points", "show", "verify", "restore --target t", &desk.backup()] {
            desk.room.refused(11, line, &["locks/repository", "locked by another segvault", "--wait"]);
        }
        drop(held);
        desk.keeps_the_first_point();
    }
}

mod another_history {
    use super::*;

    #[test]
    fn is_refused_and_both_are_named() {
        let desk = Desk::new();
        let other = desk.room.server("core-2023.2.1-xml");
        let line = backup(&other);
        let found = other.join("data").display().to_string();
        desk.refuses(24, &line, &[&found, "node-1", "--source", "--new-incarnation"]);
        desk.room.ends(0, &line.replace("node-1", "node-2"));
        desk.keeps_the_first_point();
        desk.room.restore(0, "latest --source node-2", "other");
        assert_restored(&other.join("data/default"), &desk.room.path("other/data/default"));
    }

    #[test]
    fn is_archived_beside_the_first_where_that_is_wanted() {
        let desk = Desk::new();
        let other = desk.room.server("core-2023.2.1-xml");
        let line = format!("{} --new-incarnation", backup(&other));
        let report = desk.room.document(3, "backup", &line);
        assert_eq!((&report["complete"], &report["contexts"][0]["incarnation"]), (&false.into(), &2.into()));
        desk.room.restore(3, "2", "other");
        assert_restored(&other.join("data/default"), &desk.room.path("other/data/default"));
        desk.keeps_the_first_point();
    }

    /// The newest segment has a good CRC and other events in it than archived; what came behind it is gone.
    #[test]
    fn from_some_segment_on_is_refused_where_that_is_asked_for() {
        let desk = Desk::new();
        let other = fixtures::context_dir("core-2023.2.1-xml", "default").join("00000000000000001358.events");
        fs::copy(other, desk.segment(SEALED)).unwrap();
        for number in [1_202, 1_594, 1_993, 2_390, 2_790] {
            fs::remove_file(desk.segment(&format!("{number:020}.events"))).unwrap();
        }
        let line = format!("{} --no-fork", desk.backup());
        desk.refuses(23, &line, &["default", "segment 805", "nothing was published"]);
        let report = desk.report(3);
        assert_eq!(report["contexts"][0]["incarnation"], 2);
        desk.keeps_the_first_point();
        desk.room.restore(3, "2", "second");
        assert_restored(&desk.root.join("data/default"), &desk.room.path("second/data/default"));
    }
}

mod output {
    use super::*;

    /// Whoever reads stdout goes away: what was asked for is done all the same.
    #[test]
    fn that_nobody_reads_is_no_failure() {
        let desk = Desk::new();
        let lines = [desk.backup(), format!("{} --json", desk.backup()), "restore --target t".to_owned()];
        for line in lines {
            let mut child =
                desk.room.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let (code, _, stderr) = told(child.wait_with_output().unwrap());
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "{line}");
        }
        assert_eq!(desk.room.points(), [1, 2, 3]);
        assert_restored(&desk.root.join("data/default"), &desk.room.path("t/data/default"));
    }

    #[test]
    fn to_a_full_device_is_a_failure_that_is_told() {
        let desk = Desk::new();
        if !Path::new("/dev/full").exists() {
            println!("skipped: there is no /dev/full here");
            return;
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = desk.room.command("points --json").stdout(full).output().unwrap();
        let (code, _, stderr) = told(output);
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    }
}
