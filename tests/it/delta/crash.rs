//! A crash at every change: the old state or the new one, or a mark that no server starts on; and the next run goes on.

use super::{Files, grow, index, into, run, run_at, server_of};
use crate::support::archive::{Archive, tree};
use crate::support::crash_disk::Image;
use crate::support::crash_gate::CrashGate;
use segvault::axon::name::{FileKind, classify};
use segvault::engine::restore::RestoreOptions;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

/// A repository, a directory with one state, and what a restore makes of it.
struct Lab {
    archive: Archive,
    options: RestoreOptions,
    old: Files,
    new: Files,
}

impl Lab {
    /// Two points; from the state of the one to that of the other, both damaged a little and indexed.
    fn new(from: u64, to: u64) -> Self {
        let (archive, mut server) = (Archive::new(), server_of(3, 8));
        archive.backup(&mut server);
        grow(&mut server, 7);
        archive.backup(&mut server);
        archive.restore(from, "old").unwrap();
        for context in ["default", "billing"] {
            let directory = archive.beside("old/data").join(context);
            index(&directory);
            let first = directory.join("00000000000000000000.events");
            let mut bytes = fs::read(&first).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(first, bytes).unwrap();
        }
        let (old, options) = (tree(&archive.beside("old")), into(&archive, to, "target"));
        let lab = Self { archive, options, old, new: Files::new() };
        let gate = lab.begin();
        lab.run(&gate).unwrap();
        Self { new: lab.end(), ..lab }
    }

    /// The directory, and its twin.
    fn begin(&self) -> CrashGate {
        let target = self.archive.beside("target");
        let _ = fs::remove_dir_all(&target);
        crate::support::fixtures::copy_tree(&self.archive.beside("old"), &target);
        CrashGate::of(&target)
    }

    fn run(&self, gate: &CrashGate) -> Result<(), segvault::engine::Error> {
        let gate: Arc<CrashGate> = Arc::new(gate.clone());
        run_at(&self.archive, &self.options, gate).map(|_| ())
    }

    fn end(&self) -> Files {
        tree(&self.archive.beside("target"))
    }

    /// Puts what a crash left in the place of the directory.
    fn crash(&self, gate: &CrashGate, image: Image) {
        let target = self.archive.beside("target");
        fs::remove_dir_all(&target).unwrap();
        gate.leave(image, &target);
    }

    /// Each file is what it was or what it will be; what goes is there until all that comes is; and a context without a mark is one or the other as a
    /// whole.
    fn assert_sound(&self, story: &str) {
        let found = self.end();
        let mut has_all_new = true;
        for (path, bytes) in &self.new {
            let held = found.get(path);
            has_all_new &= held == Some(bytes);
            assert!(
                held == Some(bytes) || held == self.old.get(path),
                "{story}: {path} is neither old nor new"
            );
        }
        let is_index = |path: &str| !["events", "snapshots"].iter().any(|suffix| path.ends_with(suffix));
        let goes = |path: &str| !self.new.contains_key(path) && !is_index(path);
        for (path, bytes) in self.old.iter().filter(|(path, _)| goes(path)) {
            assert!(found.get(path) == Some(bytes) || has_all_new, "{story}: {path} went too early");
        }
        for context in ["default", "billing"] {
            let of = |files: &Files| -> Files {
                let prefix = format!("data/{context}/");
                let is_of = |path: &str| path.starts_with(&prefix) && !path.ends_with(".segvault-new");
                files
                    .iter()
                    .filter(|(path, _)| is_of(path))
                    .map(|(path, bytes)| (path.clone(), bytes.clone()))
                    .collect()
            };
            let found = of(&found);
            let name = |path: &String| path.rsplit('/').next().unwrap().to_owned();
            let is_marked = found.keys().any(|path| classify(&name(path)) == FileKind::Misnamed);
            let is_one = found == of(&self.old) || found == of(&self.new);
            assert!(is_marked || is_one, "{story}: {context} is a mixture that a server would start on");
        }
    }
}

/// All images at each change where `SEGVAULT_EXHAUSTIVE` is set; else one of them at each, by turns.
fn images(change: u64) -> Vec<Image> {
    let is_all = std::env::var_os("SEGVAULT_EXHAUSTIVE").is_some();
    let turn = |at: usize| is_all || at as u64 == change % Image::ALL.len() as u64;
    (0..Image::ALL.len()).filter(|at| turn(*at)).map(|at| Image::ALL[at]).collect()
}

/// Crashes at each change, and looks at what is left.
fn crash_everywhere(lab: &Lab) {
    let gate = lab.begin();
    lab.run(&gate).unwrap();
    let changes = gate.changes();
    assert!(changes > 40, "{changes}");
    for change in 1..=changes {
        let gate = lab.begin().stopping_at(change);
        assert!(lab.run(&gate).is_err(), "change {change} of {changes}");
        for image in images(change) {
            let story = format!("change {change} of {changes}, {image:?}");
            lab.crash(&gate, image);
            lab.assert_sound(&story);
            run(&lab.archive, &lab.options).unwrap();
            assert!(lab.end() == lab.new, "{story}: the next run goes on");
        }
    }
}

#[test]
fn from_a_newer_state_to_an_older_one() {
    let lab = Lab::new(2, 1);
    let names = |files: &Files| files.keys().cloned().collect::<BTreeSet<_>>();
    assert!(names(&lab.old).difference(&names(&lab.new)).count() > 2, "files go");
    crash_everywhere(&lab);
}

#[test]
fn from_an_older_state_to_a_newer_one() {
    crash_everywhere(&Lab::new(1, 2));
}

/// What a process that was killed has done is seen, and is not durable: the next one sees to that before it says that all is done.
#[test]
fn a_power_loss_behind_a_kill_and_a_success_takes_nothing() {
    let lab = Lab::new(2, 1);
    let gate = lab.begin();
    lab.run(&gate).unwrap();
    for change in (1..=gate.changes()).step_by(2) {
        let gate = lab.begin().stopping_at(change);
        assert!(lab.run(&gate).is_err());
        // Half a write is in the twin alone.
        lab.crash(&gate, Image::ProcessKilled);
        let next = gate.next();
        lab.run(&next).unwrap();
        for image in [Image::OnlySynced, Image::SomeNames] {
            lab.crash(&next, image);
            assert!(lab.end() == lab.new, "change {change}, {image:?}");
        }
    }
}

#[test]
fn these_tests_would_see_a_sync_that_is_missing() {
    let lab = Lab::new(2, 1);
    let gate = lab.begin().forgetful();
    lab.run(&gate).unwrap();
    lab.crash(&gate, Image::OnlySynced);
    assert!(lab.end() != lab.new);
}
