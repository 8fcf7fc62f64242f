//! The real program, killed and interrupted at many moments: what was acknowledged restores, and the next run just works.

use crate::support::fixtures;
use crate::support::program::{Room, SERVER, assert_restored, backup, files_below, told};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The server that is backed up when the blow falls; nothing of it is archived before.
const OTHER: &str = "se-4.6.11-odd";

/// A repository with one acknowledged point.
struct Scene {
    room: Room,
}

impl Scene {
    /// A copy of one that is made once.
    fn new() -> Self {
        static FIRST: OnceLock<Room> = OnceLock::new();
        let first = FIRST.get_or_init(|| {
            let room = Room::new();
            room.ends(0, &backup(fixtures::dir(SERVER)));
            room
        });
        let room = Room::empty();
        fixtures::copy_tree(&first.repository(), &room.repository());
        // Its index lies elsewhere now, and is made anew: not in the run that is struck.
        room.ends(0, "points");
        Self { room }
    }

    /// The line whose run is killed.
    fn line() -> String {
        format!("-q {}", backup(fixtures::dir(OTHER)).replace("node-1", "node-2"))
    }

    fn spawn(&self, line: &str) -> Child {
        self.room.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Whether the repository has a file below one of its directories that `before` did not have.
    fn has_new(&self, directory: &str, before: &[PathBuf]) -> bool {
        paths_below(&self.room.repository().join(directory)).iter().any(|path| !before.contains(path))
    }

    /// Whether somebody is writing.
    fn is_locked(&self) -> bool {
        let lock = File::open(self.room.repository().join("locks/writer")).unwrap();
        matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// After a blow: nothing acknowledged is lost, whatever is listed restores, and nothing is damaged.
    fn survives(&self) {
        let points = self.room.points();
        assert_eq!(points[0], 1);
        for point in &points {
            self.restores(*point);
        }
        let verified = self.room.document(0, "verify", "verify --data");
        let findings = verified["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["class"] == "note"), "{verified}");
    }

    fn restores(&self, point: u64) {
        let target = self.room.path("survivor");
        let report = self.room.restore(0, &point.to_string(), "survivor");
        let fixture = if report["source"] == "node-1" { SERVER } else { OTHER };
        assert_restored(&fixtures::context_dir(fixture, "default"), &target.join("data/default"));
        fs::remove_dir_all(target).unwrap();
    }

    /// The next run works without any manual step, and leaves no debris: neither in staging nor in packs that nobody needs.
    fn goes_on(&self) {
        let before = self.room.points().len();
        self.room.ends(0, &Self::line());
        assert_eq!(self.room.points().len(), before + 1);
        assert_eq!(paths_below(&self.room.repository().join("staging")), Vec::<PathBuf>::new());
        self.survives();
    }
}

/// All files below a directory that may be changing.
fn paths_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(paths_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Sends a signal as soon as `is_time`; nothing if the process ends before. Gives how it ended.
fn strike(mut child: Child, signal: Signal, mut is_time: impl FnMut() -> bool) -> (ExitStatus, String) {
    let end = Instant::now() + Duration::from_mins(1);
    while child.try_wait().unwrap().is_none() {
        if is_time() {
            // It may have ended meanwhile; then there is nobody to hear it.
            let _ = kill_process(Pid::from_child(&child), signal);
            break;
        }
        assert!(Instant::now() < end, "it hangs");
    }
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

/// The process listens to signals once it has opened a lock.
fn has_open(child: &Child, part: &str) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.into_iter().any(|to| to.to_string_lossy().contains(part))
}

mod a_backup {
    use super::*;

    /// The places that it passes, in their order, as the files show them.
    const PLACES: [&str; 6] = ["staging", "packs", "pages", "logs", "points", "locks"];

    #[test]
    fn is_killed_at_each_step() {
        for place in PLACES {
            let scene = Scene::new();
            let before = paths_below(&scene.room.repository());
            let child = scene.spawn(&Scene::line());
            let (status, _) =
                strike(child, Signal::KILL, || place == "locks" || scene.has_new(place, &before));
            let published = scene.room.points().len() == 2;
            // It may be too fast for whoever watches; never the other way round.
            assert!(status.signal() == Some(9) || (status.success() && published), "{place}: {status}");
            scene.survives();
            scene.goes_on();
        }
    }

    #[test]
    fn is_killed_again_and_again_and_leaves_no_more_than_one_run_leaves() {
        let scene = Scene::new();
        for delay in [0, 1, 2, 4, 8, 12, 16, 20, 24, 32, 48, 64] {
            let end = Instant::now() + Duration::from_millis(delay);
            strike(scene.spawn(&Scene::line()), Signal::KILL, || Instant::now() >= end);
            assert_eq!(scene.room.points()[0], 1);
        }
        scene.survives();
        scene.goes_on();
        let undisturbed = Scene::new();
        undisturbed.goes_on();
        let bytes = |scene: &Scene| files_below(&scene.room.repository().join("packs")).values().sum::<u64>();
        let (found, least) = (bytes(&scene), bytes(&undisturbed));
        assert!(found <= 2 * least, "{found} bytes of packs, {least} without any blow");
    }

    /// A limit on the length of files ends the process in the middle of a write, at that very byte.
    #[test]
    fn dies_in_the_middle_of_a_file() {
        let (mut died, mut torn) = (0, 0);
        for blocks in [0, 1, 2, 8, 64, 256] {
            let scene = Scene::new();
            let preparation = format!("ulimit -c 0; ulimit -f {blocks}");
            let status = scene.room.prepared(&preparation, &Scene::line()).output().unwrap().status;
            died += usize::from(status.signal() == Some(Signal::XFSZ.as_raw()));
            torn += usize::from(!paths_below(&scene.room.repository().join("staging")).is_empty());
            assert!(!status.success() && scene.room.points() == [1], "{blocks}: {status}");
            scene.goes_on();
        }
        // Small limits are met in the index or its journal already.
        assert!(died >= 5 && torn >= 2, "died {died} times, {torn} of them with a torn file");
    }

    /// The same as an error that the program sees: it says so, and nothing is lost.
    #[test]
    fn fails_in_the_middle_of_a_file() {
        for blocks in [1, 8, 64, 256] {
            let scene = Scene::new();
            let preparation = format!("trap '' XFSZ; ulimit -f {blocks}");
            let (code, stdout, stderr) =
                told(scene.room.prepared(&preparation, &Scene::line()).output().unwrap());
            assert_eq!(
                (code, stdout.as_str(), stderr.lines().count()),
                (Some(1), "", 1),
                "{blocks}: {stderr}"
            );
            assert!(stderr.contains("staging/"), "it names the file: {stderr}");
            assert_eq!(scene.room.points(), [1]);
            scene.goes_on();
        }
    }

    /// A place in staging is taken by something that can't be removed: each step in turn fails.
    #[test]
    fn fails_at_each_step() {
        let mut failed = 0;
        for step in 1..=12 {
            let scene = Scene::new();
            let obstacle = scene.room.repository().join(format!("staging/{step}.new"));
            fs::create_dir(&obstacle).unwrap();
            let (code, _, stderr) = told(scene.room.command(&Scene::line()).output().unwrap());
            fs::remove_dir(&obstacle).unwrap();
            if code == Some(0) {
                assert_eq!(scene.room.points(), [1, 2], "there are no more steps");
                break;
            }
            failed += 1;
            assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{step}: {stderr}");
            assert!(stderr.contains(&format!("staging/{step}.new")), "{stderr}");
            assert_eq!(scene.room.points(), [1]);
            scene.goes_on();
        }
        assert!(failed >= 6, "packs, pages, records and the point are written: {failed} steps");
    }

    /// Ctrl-C and SIGTERM while it waits for what it reads: it hears them, publishes nothing, and ends with their codes.
    #[test]
    fn is_interrupted() {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let scene = Scene::new();
            let files = scene.room.files();
            let slow = SlowProperties::new(&scene.room.path("slow.properties"));
            let child = scene.spawn(&slow.line());
            slow.wait_until_opened(&child);
            kill_process(Pid::from_child(&child), signal).unwrap();
            slow.deliver();
            let (ended, _, stderr) = told(child.wait_with_output().unwrap());
            assert_eq!(ended, Some(code), "{stderr}");
            assert_eq!(stderr, "segvault: interrupted: run it again: nothing is half-made\n");
            let points: Vec<_> = files.keys().filter(|path| path.starts_with("points")).collect();
            assert_eq!((points.len(), scene.room.points()), (1, vec![1]));
            scene.goes_on();
        }
    }

    /// A server that takes the request and never answers: the signal is heard long before the time limit.
    #[test]
    fn is_interrupted_while_a_server_does_not_answer() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("--server http://{} --timeout 2m", silent.local_addr().unwrap());
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            for verb in ["backup", "check-server"] {
                let scene = Scene::new();
                let child = scene.spawn(&format!("{verb} {server}"));
                let (_connection, _) = silent.accept().unwrap();
                kill_process(Pid::from_child(&child), signal).unwrap();
                let (ended, stdout, stderr) = told(child.wait_with_output().unwrap());
                assert_eq!(ended, Some(code), "{verb}: {stdout}{stderr}");
                assert_eq!(stderr, "segvault: interrupted: run it again: nothing is half-made\n");
                assert_eq!(scene.room.points(), [1]);
            }
        }
    }

    /// It hangs in a read of something dead: the first signal can't be heard, the second one ends it all the same.
    #[test]
    fn that_hangs_is_ended_by_a_second_signal() {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let scene = Scene::new();
            let slow = SlowProperties::new(&scene.room.path("slow.properties"));
            let mut child = scene.spawn(&slow.line());
            slow.wait_until_opened(&child);
            kill_process(Pid::from_child(&child), signal).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            assert!(child.try_wait().unwrap().is_none(), "nothing was delivered to it");
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code));
            assert_eq!(scene.room.points(), [1]);
            scene.goes_on();
        }
    }

    /// At any other moment: either it was heard, and nothing was published; or it came too late, and all is done.
    #[test]
    fn is_interrupted_at_each_step() {
        let scene = Scene::new();
        for place in ["staging", "packs", "pages", "logs", "points"] {
            let before = paths_below(&scene.room.repository());
            let points = scene.room.points().len();
            let child = scene.spawn(&format!("{} --reread", Scene::line()));
            let (status, stderr) = strike(child, Signal::INT, || scene.has_new(place, &before));
            let published = scene.room.points().len() - points;
            assert!(matches!((status.code(), published), (Some(130), 0) | (Some(0), 1)), "{status} {stderr}");
        }
        scene.survives();
    }

    /// Properties that come through a pipe: the program stands still until they are delivered.
    struct SlowProperties {
        path: PathBuf,
        pipe: File,
    }

    impl SlowProperties {
        fn new(path: &Path) -> Self {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            // Both ends, so that nobody waits for the other.
            let pipe = File::options().read(true).write(true).open(path).unwrap();
            Self { path: path.to_path_buf(), pipe }
        }

        fn line(&self) -> String {
            let (root, properties) = (fixtures::dir(OTHER).display(), self.path.display());
            format!("-q backup --data-dir {root} --properties {properties} --no-control-db --source node-2")
        }

        fn wait_until_opened(&self, child: &Child) {
            let end = Instant::now() + Duration::from_mins(1);
            while !has_open(child, "slow.properties") {
                assert!(Instant::now() < end, "it never opened the properties");
                std::thread::sleep(Duration::from_millis(2));
            }
        }

        /// That nobody can write any more is the end.
        fn deliver(mut self) {
            self.pipe.write_all(b"# none\n").unwrap();
        }
    }
}

mod a_restore {
    use super::*;

    fn left_overs(scene: &Scene) -> Vec<PathBuf> {
        let all = fixtures::files(&scene.room.path(""));
        all.into_iter().filter(|path| path.to_string_lossy().contains(".segvault-restore-")).collect()
    }

    fn assert_whole(scene: &Scene, target: &str) {
        let target = scene.room.path(target).join("data/default");
        assert_restored(&fixtures::context_dir(SERVER, "default"), &target);
    }

    #[test]
    fn that_is_killed_leaves_nothing_under_the_target_s_name_and_the_next_one_tidies_up() {
        let scene = Scene::new();
        for round in 0..3 {
            // The first file is to be 128 KiB long: the process dies of it.
            let dies = "ulimit -c 0; ulimit -f 100";
            let status = scene.room.prepared(dies, "-q restore --target restored").output().unwrap().status;
            assert_eq!(status.signal(), Some(Signal::XFSZ.as_raw()), "round {round}");
            assert!(!scene.room.path("restored").exists());
            assert_eq!(left_overs(&scene).len(), 1, "round {round}: they do not pile up");
        }
        scene.room.ends(0, "restore --target restored");
        assert_whole(&scene, "restored");
        assert_eq!(left_overs(&scene), Vec::<PathBuf>::new());
    }

    #[test]
    fn that_is_killed_leaves_an_empty_target_empty() {
        let scene = Scene::new();
        fs::create_dir(scene.room.path("restored")).unwrap();
        for delay in [0, 2, 4, 8, 16, 32] {
            let mut child = scene.spawn("-q restore --target restored");
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            let found = fixtures::files(&scene.room.path("restored"));
            if !found.is_empty() {
                // Killed behind the one step that gives it its name: then it is whole.
                break;
            }
        }
        if fixtures::files(&scene.room.path("restored")).is_empty() {
            scene.room.ends(0, "restore --target restored");
        }
        assert_whole(&scene, "restored");
    }

    #[test]
    fn that_is_interrupted_leaves_nothing_at_all() {
        let scene = Scene::new();
        for (round, (signal, code)) in [(Signal::INT, 130), (Signal::TERM, 143)].into_iter().enumerate() {
            let target = format!("restored-{round}");
            let child = scene.spawn(&format!("-q restore --target {target}"));
            let (status, stderr) = strike(child, signal, || !left_overs(&scene).is_empty());
            let is_there = scene.room.path(&target).exists();
            let expected = if is_there { 0 } else { code };
            assert_eq!(status.code(), Some(expected), "{stderr}");
            assert_eq!(left_overs(&scene), Vec::<PathBuf>::new());
            if is_there {
                assert_whole(&scene, &target);
            } else {
                scene.room.ends(0, &format!("restore --target {target}"));
            }
        }
    }
}

mod two_at_once {
    use super::*;

    #[test]
    fn one_wins_and_the_other_is_refused_or_waits() {
        let scene = Scene::new();
        for round in 0..3 {
            let before = scene.room.points().len();
            let patient = round == 2;
            let line = if patient { format!("{} --wait 1h", Scene::line()) } else { Scene::line() };
            let both = [scene.spawn(&line), scene.spawn(&line)];
            let mut codes: Vec<_> =
                both.into_iter().map(|child| told(child.wait_with_output().unwrap()).0.unwrap()).collect();
            codes.sort_unstable();
            let done = codes.iter().filter(|code| **code == 0).count();
            assert!(codes == [0, 0] || (!patient && codes == [0, 11]), "{codes:?}");
            assert_eq!(scene.room.points().len(), before + done);
        }
        scene.survives();
    }

    #[test]
    fn a_backup_and_readers_do_not_disturb_each_other() {
        let scene = Scene::new();
        let writer = scene.spawn(&Scene::line());
        for _ in 0..5 {
            let points = scene.room.points();
            assert!(points == [1] || points == [1, 2], "{points:?}");
        }
        scene.restores(1);
        assert_eq!(told(writer.wait_with_output().unwrap()).0, Some(0));
        scene.survives();
    }
}

mod stopped {
    use super::*;

    #[test]
    fn a_backup_that_stands_still_keeps_others_from_writing_only_and_goes_on() {
        let caught = (0..20).any(|_| stopped_while_it_holds_the_lock("packs"));
        assert!(caught, "it was never caught");
        // Behind its commit there is little left to be caught at.
        stopped_while_it_holds_the_lock("points");
    }

    /// It may let go of its lock, or end, just before it stands still: then nothing is proven.
    fn stopped_while_it_holds_the_lock(place: &str) -> bool {
        let scene = Scene::new();
        let before = paths_below(&scene.room.repository());
        let mut child = scene.spawn(&Scene::line());
        let end = Instant::now() + Duration::from_mins(1);
        while child.try_wait().unwrap().is_none() && !scene.has_new(place, &before) {
            assert!(Instant::now() < end, "it hangs");
        }
        let _ = kill_process(Pid::from_child(&child), Signal::STOP);
        scene.restores(1);
        scene.room.document(0, "verify", "verify");
        let caught = scene.is_locked();
        if caught {
            scene.room.refused(11, &Scene::line(), &["locked"]);
        }
        let _ = kill_process(Pid::from_child(&child), Signal::CONT);
        assert_eq!(told(child.wait_with_output().unwrap()).0, Some(0), "{place}");
        scene.survives();
        caught
    }
}

mod eight_at_once {
    use super::*;
    use crate::support::asked;

    /// Eight verbs; the codes with which each may end beside the others.
    fn lines(round: u64) -> [(String, &'static [i32]); 8] {
        let backup = || Scene::line();
        [
            (format!("{} --wait 1h", backup()), &[0]),
            (backup(), &[0, 11]),
            ("-q verify --data".to_owned(), &[0]),
            ("points".to_owned(), &[0]),
            (format!("-q restore 1 --target beside-{round}"), &[0]),
            ("-q prune --grace 0s --wait 1h".to_owned(), &[0]),
            ("-q repair packs".to_owned(), &[0, 11]),
            ("-q repair add-parity --wait 1h".to_owned(), &[0]),
        ]
    }

    /// `SEGVAULT_EIGHT=100` plays more rounds.
    #[test]
    fn mixed_verbs_end_as_they_may_and_lose_nothing() {
        let scene = Scene::new();
        for round in 0..asked("SEGVAULT_EIGHT", 1) {
            let lines = lines(round);
            let all: Vec<Child> = lines.iter().map(|(line, _)| scene.spawn(line)).collect();
            for ((line, codes), child) in lines.iter().zip(all) {
                let (code, _, stderr) = told(child.wait_with_output().unwrap());
                assert!(code.is_some_and(|code| codes.contains(&code)), "{line}: {code:?} {stderr}");
            }
            fs::remove_dir_all(scene.room.path(&format!("beside-{round}"))).unwrap();
            scene.survives();
        }
        scene.room.ends(0, "repair add-parity");
        scene.goes_on();
    }
}
