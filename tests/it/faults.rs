//! Crashes of whole verbs at every mutation of the disk, and a source that breaks under the reader.
//!
//! `SEGVAULT_CRASHES=1` tries every mutation in every image; an ordinary run takes one image for each, by turns.

use crate::store::model::{config, open};
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use crate::support::program::{Room, files_below};
use crate::support::segments::{Event, SegmentImage};
use crate::support::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use segvault::axon::name::Store;
use segvault::engine::backup::{self, BackupOptions};
use segvault::engine::observe::Unobserved;
use segvault::engine::repair::{self, Supply};
use segvault::engine::verify::{self, Class, Remember, VerifyOptions};
use segvault::repo::store::{OpenOptions, Repository};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions as FileOptions};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn repository(disk: &CrashDisk) -> Repository {
    open(disk).unwrap()
}

fn made() -> CrashDisk {
    let disk = CrashDisk::default();
    Repository::init(&disk, &config()).unwrap();
    disk
}

/// Backs up; gives the number of the point, if it was acknowledged.
pub fn back_up(disk: &CrashDisk, server: &Server) -> Option<u64> {
    let repository = Repository::open(Arc::new(disk.clone()), OpenOptions::default()).ok()?;
    let done = backup::run(&repository, &mut server.clone(), &BackupOptions::all("test"), &Unobserved);
    done.ok()?.point.map(|point| point.number)
}

/// The points that can be restored whole, as `verify --data` tells (it reads all that a restore reads).
pub fn whole(disk: &CrashDisk) -> Result<BTreeSet<u64>, String> {
    let repository = repository(disk);
    let options = VerifyOptions { data: true, remember: Remember::Nothing, ..VerifyOptions::default() };
    let report = verify::verify(&repository, &options, &Unobserved).map_err(|error| error.to_string())?;
    let bad = report.findings.iter().filter(|finding| finding.class == Class::Damage);
    let hit: BTreeSet<u64> = bad.flat_map(|finding| finding.points.iter().copied()).collect();
    let all = repository.journal().map_err(|error| error.to_string())?.points;
    Ok(all.iter().map(|listed| listed.point.number).filter(|number| !hit.contains(number)).collect())
}

/// The images that are tried for a crash.
fn images(at: u64) -> Vec<Image> {
    match std::env::var("SEGVAULT_CRASHES") {
        Ok(_) => Image::ALL.to_vec(),
        Err(_) => vec![Image::ALL[at as usize % Image::ALL.len()]],
    }
}

/// Which mutations are tried.
fn every(step: u64) -> usize {
    if std::env::var("SEGVAULT_CRASHES").is_ok() { 1 } else { step as usize }
}

pub fn grown(server: &Server, events: usize) -> Server {
    let mut server = server.clone();
    for context in server.contexts.values_mut() {
        context.append(Store::Events, events);
        context.append(Store::Snapshots, 2);
    }
    server
}

/// A run that stores what `next` has, crashed at each mutation: acknowledged points stay whole, and the run after works.
fn backup_crashes(start: &CrashDisk, next: &Server, wrong: Trouble) -> Result<u64, String> {
    let before = whole(start)?;
    let copy = start.reboot(Image::ProcessKilled);
    back_up(&copy, next).ok_or("the run itself fails")?;
    let mut crashes = 0;
    for at in (1..=copy.mutations()).step_by(every(3)) {
        for image in images(at) {
            let disk = start.reboot(Image::ProcessKilled);
            disk.plan(Trouble { crash_at: Some(at), ..wrong });
            let acknowledged: BTreeSet<u64> = before.iter().copied().chain(back_up(&disk, next)).collect();
            let disk = disk.reboot(image);
            let told = |what: &str| format!("crash at {at}, {image:?}: {what}");
            if !whole(&disk).map_err(|error| told(&error))?.is_superset(&acknowledged) {
                return Err(told("a point is lost"));
            }
            disk.plan(wrong);
            let point = back_up(&disk, &grown(next, 1)).ok_or_else(|| told("the next run fails"))?;
            let after = whole(&disk.reboot(Image::OnlySynced)).map_err(|error| told(&error))?;
            if !after.is_superset(&acknowledged) || !after.contains(&point) {
                return Err(told("a point is lost after the next run"));
            }
            crashes += 1;
        }
    }
    Ok(crashes)
}

/// An empty repository; one with a tail; with a segment about to be sealed; and a history about to fork.
pub fn histories() -> Vec<(&'static str, CrashDisk, Server)> {
    let empty = Server::new("node", &["default"], 1);
    let first = grown(&empty, 3);
    let archived = |server: &Server| {
        let disk = made();
        back_up(&disk, server).unwrap();
        disk
    };
    let mut sealed = grown(&first, 1);
    sealed.contexts.get_mut("default").unwrap().events.roll_now();
    let mut forked = first.clone();
    let context = forked.contexts.get_mut("default").unwrap();
    context.history.reseed(7);
    let long = grown(&first, 12);
    let forked = grown(&forked, 14);
    vec![
        ("first", made(), first.clone()),
        ("tail extended", archived(&first), grown(&first, 2)),
        ("sealing", archived(&first), grown(&sealed, 2)),
        ("fork", archived(&long), forked),
    ]
}

#[test]
fn a_backup_that_crashes_anywhere_loses_no_point_and_the_next_one_works() {
    for (name, disk, server) in histories() {
        let crashes = backup_crashes(&disk, &server, Trouble::default());
        let crashes = crashes.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(crashes > 5, "{name}: {crashes}");
    }
}

#[test]
fn a_sync_that_is_left_out_is_seen() {
    let (_, disk, server) = histories().remove(1);
    for wrong in [
        Trouble { skip_file_sync: true, ..Trouble::default() },
        Trouble { skip_directory_sync: true, ..Trouble::default() },
    ] {
        backup_crashes(&disk, &server, wrong).unwrap_err();
    }
}

/// A repository with a damaged page, a missing point and a damaged pack; and a copy of it from before.
pub fn damaged() -> (CrashDisk, CrashDisk) {
    let disk = made();
    let mut server = Server::new("node", &["default"], 3);
    for _ in 0..3 {
        server = grown(&server, 8);
        back_up(&disk, &server).unwrap();
    }
    let mirror = disk.reboot(Image::ProcessKilled);
    let files = disk.files();
    let last = |top: &str| files.iter().rfind(|file| file.starts_with(top)).unwrap().clone();
    disk.damage(&last("pages/"), |bytes| bytes[20] ^= 1);
    disk.damage("points/2.json", Vec::clear);
    disk.damage(&last("packs/"), |bytes| bytes.truncate(100));
    (disk, mirror)
}

pub fn mend(disk: &CrashDisk, mirror: &CrashDisk) -> Result<bool, String> {
    let mirror = repository(mirror);
    let damaged = open(disk).map_err(|error| error.to_string())?;
    let mended = repair::packs(&damaged, Some(Supply::Repository(&mirror)), false, &Unobserved);
    mended.map(|mended| mended.is_whole()).map_err(|error| error.to_string())
}

mod a_mapped_file {
    use super::*;

    /// A server whose first segment is long enough to be caught while it is read.
    fn server(room: &Room) -> std::path::PathBuf {
        let payload: Vec<u8> =
            (0..4 << 20_u32).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let events: Vec<Event> = (0..12).map(|at| Event::of("a", at).carrying(payload.clone())).collect();
        let mut sealed = SegmentImage::new(0, 80 << 20);
        for event in &events {
            sealed.append(std::slice::from_ref(event));
        }
        let next = sealed.next_token();
        sealed.roll();
        let directory = room.path("root/data/default");
        fs::create_dir_all(&directory).unwrap();
        SegmentImage::of_one(next, &[Event::of("b", 0)]).write_to(&directory, Store::Events);
        sealed.write_to(&directory, Store::Events)
    }

    /// Stops the program while it has the file mapped, cuts the file, and lets it go on. None if it was done before.
    fn cut(room: &Room, file: &std::path::Path, line: &str) -> Option<(Option<i32>, String)> {
        let child = room.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (pid, end) = (Pid::from_child(&child), Instant::now() + Duration::from_mins(2));
        let maps = format!("/proc/{}/maps", child.id());
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_mapped = || fs::read_to_string(&maps).unwrap_or_default().contains(name);
        let is_gone = || fs::read_to_string(&maps).is_ok_and(|text| text.is_empty());
        while !is_mapped() && !is_gone() && Instant::now() < end {}
        let _ = kill_process(pid, Signal::STOP);
        let caught = is_mapped();
        if caught {
            FileOptions::new().write(true).open(file).unwrap().set_len(4096).unwrap();
        }
        let _ = kill_process(pid, Signal::CONT);
        let output = child.wait_with_output().unwrap();
        caught.then(|| (output.status.code(), String::from_utf8(output.stderr).unwrap()))
    }

    #[test]
    fn that_shrinks_ends_with_a_message_and_nothing_published() {
        let room = Room::new();
        for flag in ["", " --json"] {
            let mut told = None;
            // It may be read to its end before anybody can stop it: then once more.
            for _ in 0..10 {
                let file = server(&room);
                let root = room.path("root");
                let line = format!("backup --data-dir {} --no-control-db --reread{flag}", root.display());
                let before = room.points();
                let found = cut(&room, &file, &line);
                if let Some((Some(22), stderr)) = &found {
                    assert_eq!(room.points(), before, "nothing was published");
                    told = Some(stderr.clone());
                    break;
                }
                // Read to its end before it was cut: a backup like any other.
                fs::remove_dir_all(room.repository()).unwrap();
                room.ends(0, "init");
            }
            let stderr = told.expect("it was never caught while the file was mapped");
            assert!(
                stderr.contains("00000000000000000000.events") && stderr.contains("--no-mmap"),
                "{stderr}"
            );
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
        assert!(files_below(&room.repository()).len() > 1);
        let line = format!("backup --data-dir {} --no-control-db --no-mmap", room.path("root").display());
        room.ends(3, &line);
    }
}
