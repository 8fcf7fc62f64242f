//! A restore into a new or an empty directory, crashed at every change of the disk that it restores to: what is half done never looks like a
//! finished restore, nothing else is touched, and the same command again works, or says what to do first.

use super::{is_exhaustive, pairs, singles};
use crate::delta::{run_at, server_of};
use crate::support::archive::{Archive, tree};
use crate::support::crash_disk::Image;
use crate::support::crash_gate::CrashGate;
use crate::support::segments::{Event, StoreImage};
use crate::support::server::Server;
use segvault::axon::name::Store;
use segvault::engine::Error;
use segvault::engine::restore::delta::gate::{Gate, Open};
use segvault::engine::restore::{Error as Refused, Layout, RestoreOptions, Restored};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

type Files = BTreeMap<String, Vec<u8>>;

/// What stands in a target while its files get their names.
const MARK: &str = ".segvault-restore";
const LEFT_OVER: &str = ".target.segvault-restore-";

/// Where a restore goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Missing,
    Empty,
    /// Empty, and what is restored has several names at the top.
    Several,
    /// The root of a file system: it is filled from inside.
    Root,
    /// The same with several names.
    SeveralInRoot,
    /// Missing, and a file is written in more than one step.
    Long,
}

/// A server with a segment that is longer than what is written at once.
fn server_for(kind: Kind) -> Server {
    if kind != Kind::Long {
        return server_of(3, 5);
    }
    let mut server = Server::new("node", &["default"], 3);
    for context in server.contexts.values_mut() {
        context.events = StoreImage::new(4 << 20);
        context.append(Store::Events, 2);
        let digits: String = (0..450_000).map(|number| format!("{number} ")).collect();
        context.events.append(&[Event::of("long", 0).carrying(digits)]);
        context.append(Store::Events, 2);
    }
    server
}

struct Lab {
    archive: Archive,
    kind: Kind,
    options: RestoreOptions,
    repository: Files,
    full: Files,
}

impl Lab {
    fn new(kind: Kind) -> Self {
        let archive = Archive::new();
        archive.backup(&mut server_for(kind));
        let mut options = RestoreOptions::latest(archive.beside("room/target"));
        if matches!(kind, Kind::Several | Kind::SeveralInRoot) {
            let (events, snapshots) = ("events".to_owned(), "snapshots".to_owned());
            options.layout = Layout { events, snapshots, ..Layout::default() };
        }
        let mut lab = Self { archive, kind, options, repository: Files::new(), full: Files::new() };
        let gate = lab.begin();
        lab.repository = tree(&lab.archive.repository_path());
        lab.run(&gate).unwrap();
        lab.full = lab.found();
        assert!(lab.full.len() > 4 || kind == Kind::Long);
        lab
    }

    /// The place as it was before, and its twin.
    fn begin(&self) -> CrashGate {
        let room = self.archive.beside("room");
        let _ = fs::remove_dir_all(&room);
        fs::create_dir(&room).unwrap();
        fs::write(room.join("neighbour"), "of somebody else").unwrap();
        if !matches!(self.kind, Kind::Missing | Kind::Long) {
            fs::create_dir(room.join("target")).unwrap();
        }
        if matches!(self.kind, Kind::Root | Kind::SeveralInRoot) {
            fs::create_dir(room.join("target/lost+found")).unwrap();
        }
        CrashGate::of(&self.watched())
    }

    /// The directory in which all changes are.
    fn watched(&self) -> PathBuf {
        let is_inside = matches!(self.kind, Kind::Root | Kind::SeveralInRoot);
        self.archive.beside(if is_inside { "room/target" } else { "room" })
    }

    fn run(&self, gate: &CrashGate) -> Result<Restored, Error> {
        self.run_with(Arc::new(gate.clone()))
    }

    fn run_with(&self, gate: Arc<dyn Gate>) -> Result<Restored, Error> {
        run_at(&self.archive, &self.options, gate)
    }

    /// What a crash leaves in the place of the directory.
    fn crash(&self, gate: &CrashGate, image: Image) {
        fs::remove_dir_all(self.watched()).unwrap();
        gate.leave(image, &self.watched());
    }

    fn found(&self) -> Files {
        if self.options.target.exists() { tree(&self.options.target) } else { Files::new() }
    }

    fn is_marked(&self) -> bool {
        self.options.target.join(MARK).exists()
    }

    /// All of it, or nothing, or a mark beside it; and nothing else was touched.
    fn assert_sound(&self, story: &str) {
        let found = self.found();
        let is_clean = found == self.full || found.is_empty();
        assert!(is_clean || self.is_marked(), "{story}: {:?} looks finished", found.keys());
        for name in self.beside_target() {
            assert!(name == "neighbour" || name.starts_with(LEFT_OVER), "{story}: {name}");
        }
        let neighbour = fs::read(self.archive.beside("room/neighbour")).unwrap();
        assert_eq!(neighbour, b"of somebody else", "{story}");
    }

    fn beside_target(&self) -> Vec<String> {
        let names = fs::read_dir(self.archive.beside("room")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "target").collect()
    }

    /// The same command again, and what it says is to be done first.
    fn go_on(&self, story: &str) {
        match self.run_with(Arc::new(Open)) {
            Ok(_) => assert_eq!(self.beside_target(), ["neighbour"], "{story}: left-overs"),
            Err(Error::Restore(Refused::NotEmpty { .. })) => {
                assert!(self.found() == self.full && !self.is_marked(), "{story}: it was done");
            }
            Err(Error::Restore(Refused::HalfMade { found, .. })) => {
                assert!(self.is_marked(), "{story}");
                for entry in fs::read_dir(&self.options.target).unwrap().map(Result::unwrap) {
                    let name = entry.file_name().into_string().unwrap();
                    let is_told = found.split(", ").any(|told| told == name);
                    assert!(
                        is_told || name.starts_with(".segvault") || name == "lost+found",
                        "{story}: {name}"
                    );
                    let is_directory = entry.file_type().unwrap().is_dir();
                    let remove = if is_directory { fs::remove_dir_all } else { fs::remove_file };
                    remove(entry.path()).unwrap();
                }
                self.run_with(Arc::new(Open)).unwrap();
            }
            Err(error) => panic!("{story}: {error}"),
        }
        assert!(self.found() == self.full && !self.is_marked(), "{story}: the next run");
    }

    fn changes(&self) -> u64 {
        let gate = self.begin();
        self.run(&gate).unwrap();
        for image in Image::ALL {
            self.crash(&gate, image);
            assert!(self.found() == self.full && !self.is_marked(), "{image:?}: what is said to be done");
        }
        gate.changes()
    }

    /// The files come first, and are much alike; what gives them their names comes last.
    fn crash_everywhere(&self) {
        let changes = self.changes();
        for (change, images) in singles(changes, 24) {
            let gate = self.begin().stopping_at(change);
            assert!(self.run(&gate).is_err(), "change {change} of {changes}");
            for image in images {
                let story = format!("{:?}, change {change} of {changes}, {image:?}", self.kind);
                self.crash(&gate, image);
                self.assert_sound(&story);
                self.go_on(&story);
            }
        }
    }

    /// And again in the run after.
    fn crash_twice(&self) {
        let changes = self.changes();
        for (first, second) in pairs(changes, 10, self.kind as u64) {
            let gate = self.begin().stopping_at(first.0);
            assert!(self.run(&gate).is_err());
            self.crash(&gate, first.1);
            let gate = CrashGate::of(&self.watched()).stopping_at(second.0);
            let done = self.run(&gate);
            self.crash(&gate, second.1);
            let story = format!("{:?}, {first:?}, then {second:?}, of {changes}", self.kind);
            self.assert_sound(&story);
            assert!(done.is_err() || self.found() == self.full, "{story}: it was done");
            self.go_on(&story);
        }
    }

    /// What a process that was killed has done is seen, and may not be durable.
    fn killed_then_power_loss(&self) {
        for change in (1..=self.changes()).step_by(if is_exhaustive() { 1 } else { 23 }) {
            let gate = self.begin().stopping_at(change);
            assert!(self.run(&gate).is_err());
            self.crash(&gate, Image::ProcessKilled);
            let next = gate.next();
            if self.run(&next).is_ok() {
                for image in [Image::OnlySynced, Image::SomeNames, Image::OtherNames] {
                    self.crash(&next, image);
                    let is_there = self.found() == self.full && !self.is_marked();
                    assert!(is_there, "{:?}, change {change}, {image:?}", self.kind);
                }
            }
        }
    }
}

fn of(kind: Kind) {
    let lab = Lab::new(kind);
    lab.crash_everywhere();
    lab.crash_twice();
    lab.killed_then_power_loss();
    let mut after = tree(&lab.archive.repository_path());
    after.retain(|path, _| !path.starts_with("locks/"));
    let mut before = lab.repository;
    before.retain(|path, _| !path.starts_with("locks/"));
    assert!(after == before, "the repository is what it was");
}

#[test]
fn a_restore_to_a_new_directory() {
    of(Kind::Missing);
    of(Kind::Long);
}

#[test]
fn a_restore_into_an_empty_directory() {
    of(Kind::Empty);
    of(Kind::Several);
}

#[test]
fn a_restore_into_the_root_of_a_file_system() {
    of(Kind::Root);
    of(Kind::SeveralInRoot);
}

/// Whoever is told to choose another target would leave all of the history in this one.
#[test]
fn an_error_behind_the_last_name_says_that_all_of_it_stands_there() {
    for kind in [Kind::Missing, Kind::Empty, Kind::Several, Kind::Root, Kind::SeveralInRoot] {
        let lab = Lab::new(kind);
        let mut standing = 0;
        for change in 1..=lab.changes() {
            let gate = lab.begin().stopping_at(change);
            let Err(Error::Restore(error)) = lab.run(&gate) else { panic!("{kind:?}, change {change}") };
            let is_said = matches!(error, Refused::Standing { .. });
            assert_eq!(is_said, lab.found() == lab.full, "{kind:?}, change {change}: {error}");
            standing += usize::from(is_said);
        }
        assert!(standing > 0, "{kind:?}");
    }
}

#[test]
fn these_tests_would_see_a_sync_that_is_missing() {
    for kind in [Kind::Missing, Kind::Empty, Kind::Several, Kind::Root] {
        let lab = Lab::new(kind);
        for files in [true, false] {
            let gate = lab.begin().leaving_out(files, !files);
            lab.run(&gate).unwrap();
            lab.crash(&gate, Image::OnlySynced);
            assert!(lab.found() != lab.full, "{kind:?}");
        }
    }
}
