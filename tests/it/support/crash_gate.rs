//! A directory's twin: follows each change that is made to a real directory, says what a crash would have left of it, and stops whoever
//! changes it at any step.

use crate::support::archive::tree;
use crate::support::crash_disk::{CrashDisk, Image, Trouble};
use segvault::engine::restore::delta::gate::{Gate, Step};
use segvault::repo::disk::{Disk, NewFile};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The twin; clones are the same one.
#[derive(Clone)]
pub struct CrashGate {
    disk: CrashDisk,
    open: Arc<Mutex<HashMap<String, Box<dyn NewFile>>>>,
}

impl CrashGate {
    /// Of a directory that stands on its disk as it is.
    pub fn of(root: &Path) -> Self {
        let disk = CrashDisk::default();
        directories(root, "").iter().for_each(|path| _ = disk.create_directory(path).unwrap());
        for (path, bytes) in tree(root) {
            disk.create_new(&path).unwrap().write_all(&bytes).unwrap();
        }
        disk.settle();
        Self::on(disk)
    }

    fn on(disk: CrashDisk) -> Self {
        disk.plan(Trouble::default());
        Self { disk, open: Arc::default() }
    }

    /// The change at which it stops, counted from 1.
    pub fn stopping_at(self, change: u64) -> Self {
        self.disk.plan(Trouble { crash_at: Some(change), ..Trouble::default() });
        self
    }

    /// Without syncs: for tests of the tests.
    pub fn forgetful(self) -> Self {
        self.disk.plan(Trouble { skip_directory_sync: true, skip_file_sync: true, ..Trouble::default() });
        self
    }

    /// Without syncs of files, or of directories.
    pub fn leaving_out(self, files: bool, directories: bool) -> Self {
        let wrong = Trouble { skip_file_sync: files, skip_directory_sync: directories, ..Trouble::default() };
        self.disk.plan(wrong);
        self
    }

    /// Changes so far.
    pub fn changes(&self) -> u64 {
        self.disk.mutations()
    }

    /// The same disk, as the next process finds it.
    pub fn next(&self) -> Self {
        Self::on(self.disk.reboot(Image::ProcessKilled))
    }

    /// Makes a new directory of what a crash leaves.
    pub fn leave(&self, image: Image, to: &Path) {
        let disk = self.disk.reboot(image);
        std::fs::create_dir(to).unwrap();
        disk.directories().iter().for_each(|path| std::fs::create_dir(to.join(path)).unwrap());
        for path in disk.files() {
            let place = to.join(&path);
            std::fs::write(place, disk.read(&path, u64::MAX).unwrap()).unwrap();
        }
    }
}

/// All directories below one, those above before those in them.
fn directories(root: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(below)).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let deeper = directories(root, &path);
            found.push(path);
            found.extend(deeper);
        }
    }
    found
}

impl Gate for CrashGate {
    fn pass(&self, step: &Step<'_>) -> io::Result<()> {
        let mut open = self.open.lock().unwrap();
        match *step {
            Step::MakeDirectory(path) => self.disk.create_directory(path).map(|_| ()),
            Step::Create(path) => {
                open.insert(path.to_owned(), self.disk.create_new(path)?);
                Ok(())
            }
            Step::Write(path, bytes) => open.get_mut(path).unwrap().write_all(bytes),
            Step::SetLength(path, length) => {
                let zeros = length - self.disk.length(path)?;
                open.get_mut(path).unwrap().write_all(&vec![0; zeros as usize])
            }
            Step::SyncFile(path) => self.disk.sync_file(path),
            Step::SyncDirectory(path) => self.disk.sync_directory(path),
            Step::Replace { from, to } => self.disk.replace(from, to),
            Step::Remove(path) => self.disk.remove(path),
            Step::RemoveDirectory(path) => self.disk.remove_directory(path),
        }
    }
}
