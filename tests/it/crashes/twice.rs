//! Each verb, crashed and crashed again in the run after; on disks that are full, broken, or take half of what they are given; and without a sync.

use super::deeds::{Deed, Said, deeds};
use super::{Crash, is_exhaustive, pairs};
use crate::support::crash_disk::{CrashDisk, EIO, ENOSPC, Image, Trouble};
use std::panic::AssertUnwindSafe;

/// So many pairs of crashes are tried of each verb in an ordinary run, and so many errors of each kind.
const SOME: u64 = 3;

impl Deed {
    /// How many mutations, and operations, it takes; what is said behind it is so, and survives a power loss.
    fn measured(&self) -> Result<(u64, u64), String> {
        let disk = self.start.reboot(Image::ProcessKilled);
        let said = Said::from([(self.run)(&disk)?]);
        let counts = (disk.mutations(), disk.operations());
        (self.holds)(&disk.reboot(Image::OnlySynced), &said)?;
        Ok(counts)
    }

    /// Runs on a disk in trouble, and looks at what is left in an image of it.
    fn troubled(
        &self,
        disk: &CrashDisk,
        trouble: Trouble,
        image: Image,
        said: &mut Said,
    ) -> Result<CrashDisk, String> {
        disk.plan(trouble);
        said.extend((self.run)(disk));
        let left = disk.reboot(image);
        (self.holds)(&left, said)?;
        Ok(left)
    }

    /// The next run, without any manual step.
    fn goes_on(&self, disk: &CrashDisk, mut said: Said) -> Result<(), String> {
        said.insert((self.run)(disk).map_err(|why| format!("the next run: {why}"))?);
        (self.holds)(&disk.reboot(Image::OnlySynced), &said)
            .map_err(|why| format!("behind the next run: {why}"))
    }

    fn crashed_once(&self) -> Result<u64, String> {
        let (mutations, _) = self.measured()?;
        let mut crashes = 0;
        for (at, images) in singles(mutations) {
            for image in images {
                let disk = self.start.reboot(Image::ProcessKilled);
                let mut said = Said::new();
                let left = self.troubled(&disk, crash(at), image, &mut said);
                let gone_on = left.and_then(|left| self.goes_on(&left, said));
                gone_on.map_err(|why| format!("crash at {at} of {mutations}, {image:?}: {why}"))?;
                crashes += 1;
            }
        }
        Ok(crashes)
    }

    fn crashed_twice(&self) -> Result<u64, String> {
        let (mutations, _) = self.measured()?;
        let mut crashes = 0;
        // What the first crash left; all pairs that begin with it follow each other.
        let mut once: Option<(Crash, CrashDisk, Said)> = None;
        for (first, second) in pairs(mutations, SOME, self.name.len() as u64) {
            let told = |why| format!("crash at {first:?}, then at {second:?}, of {mutations}: {why}");
            if once.as_ref().is_none_or(|once| once.0 != first) {
                let disk = self.start.reboot(Image::ProcessKilled);
                let mut said = Said::new();
                let left = self.troubled(&disk, crash(first.0), first.1, &mut said).map_err(told)?;
                once = Some((first, left, said));
            }
            let Some((_, left, said)) = &once else { continue };
            let (disk, mut said) = (left.reboot(Image::ProcessKilled), said.clone());
            let left = self.troubled(&disk, crash(second.0), second.1, &mut said).map_err(told)?;
            self.goes_on(&left, said).map_err(told)?;
            crashes += 1;
        }
        Ok(crashes)
    }

    /// An error at each operation, in the same process's disk and behind a power loss.
    fn errors(&self) -> Result<u64, String> {
        let (_, operations) = self.measured()?;
        let mut errors = 0;
        for (turn, at) in (1..=operations).step_by(some(operations, SOME - 1)).enumerate() {
            for (error, image) in [(ENOSPC, Image::ProcessKilled), (EIO, Image::OnlySynced)] {
                // Others in an ordinary run than those that every other verb has.
                let at = if is_exhaustive() { at } else { (at + turn as u64) % operations + 1 };
                let told = |why| format!("{error} at {at} of {operations}: {why}");
                let disk = self.start.reboot(Image::ProcessKilled);
                let trouble = Trouble { fail_at: Some((at, error)), ..Trouble::default() };
                let mut said = Said::new();
                let left = self.troubled(&disk, trouble, image, &mut said).map_err(told)?;
                self.goes_on(&left, said).map_err(told)?;
                let debris = left.files().into_iter().find(|file| file.starts_with("staging/"));
                debris.map_or(Ok(()), |file| Err(told(format!("{file} is left"))))?;
                errors += 1;
            }
        }
        Ok(errors)
    }

    fn short_writes(&self) -> Result<(), String> {
        let disk = self.start.reboot(Image::ProcessKilled);
        disk.plan(Trouble { short_writes: true, ..Trouble::default() });
        let said = Said::from([(self.run)(&disk)?]);
        (self.holds)(&disk.reboot(Image::OnlySynced), &said)
    }

    /// Whether it would be seen that syncs are left out.
    fn would_see(&self, wrong: Trouble) -> bool {
        let disk = self.start.reboot(Image::ProcessKilled);
        disk.plan(wrong);
        let said = Said::from([(self.run)(&disk).unwrap()]);
        let left = disk.reboot(Image::OnlySynced);
        let looked = AssertUnwindSafe(|| (self.holds)(&left, &said).is_err());
        std::panic::catch_unwind(looked).unwrap_or(true)
    }
}

/// How far apart those are that are tried of all.
fn some(all: u64, some: u64) -> usize {
    if is_exhaustive() { 1 } else { (all / some + 1) as usize }
}

/// All crashes; or one, and those of a process that is killed when all is done but for the last syncs: the next run finds all done.
fn singles(mutations: u64) -> Vec<(u64, Vec<Image>)> {
    if is_exhaustive() {
        return (1..=mutations).map(|at| (at, Image::ALL.to_vec())).collect();
    }
    let last = [4, 1, 0].map(|before| (mutations - before, vec![Image::ProcessKilled]));
    let middle = mutations / 2;
    last.into_iter().chain([(middle, vec![Image::ALL[middle as usize % Image::ALL.len()]])]).collect()
}

fn crash(at: u64) -> Trouble {
    Trouble { crash_at: Some(at), ..Trouble::default() }
}

fn of_each(what: &str, tried: impl Fn(&Deed) -> Result<u64, String>) {
    let only = std::env::var("SEGVAULT_CRASHES_OF").ok();
    for deed in deeds().into_iter().filter(|deed| only.as_ref().is_none_or(|only| only == deed.name)) {
        let begun = std::time::Instant::now();
        let count = tried(&deed).unwrap_or_else(|why| panic!("{}: {why}", deed.name));
        println!("{}: {count} {what} in {:?}", deed.name, begun.elapsed());
    }
}

#[test]
fn a_crash_and_another_one_in_the_run_after_lose_nothing_that_was_acknowledged() {
    of_each("pairs of crashes", Deed::crashed_twice);
}

#[test]
fn a_crash_anywhere_loses_nothing_that_was_acknowledged() {
    of_each("crashes", Deed::crashed_once);
}

#[test]
fn a_full_or_broken_disk_is_no_false_success_and_leaves_nothing_lying_about() {
    of_each("errors", Deed::errors);
}

#[test]
fn short_writes_are_gone_on_with() {
    of_each("run", |deed| deed.short_writes().map(|()| 1));
}

#[test]
fn a_sync_that_is_left_out_is_seen() {
    for deed in deeds() {
        for wrong in [
            Trouble { skip_file_sync: true, ..Trouble::default() },
            Trouble { skip_directory_sync: true, ..Trouble::default() },
        ] {
            assert!(deed.would_see(wrong), "{}: {wrong:?}", deed.name);
        }
    }
}
