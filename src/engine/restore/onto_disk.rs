//! Writes a file onto its disk, past what the system remembers of it, where the file system is known to do that well: nothing is copied twice,
//! nothing else is pushed out of memory, and little is left to do when it is made durable.

use crate::engine::restore::aligned::{Aligned, WINDOW, past_memory};
use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

/// ext2 to ext4, and XFS, by the numbers that the kernel has for them. Others compress or check what goes through memory only, or make every
/// such write durable at once.
const KNOWN: [u64; 2] = [0xef53, 0x5846_5342];

/// A file that is written from its head on. What waits is not in the file yet: who is done asks for the rest to be poured, too.
#[derive(Debug)]
pub struct OntoDisk {
    file: File,
    waiting: Aligned,
    filled: usize,
    at: u64,
    way: Way,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Not asked yet: most files are short.
    Unknown,
    Past,
    Through,
}

impl OntoDisk {
    /// A file without content.
    pub fn new(file: File) -> Self {
        Self { file, waiting: Aligned::default(), filled: 0, at: 0, way: Way::Unknown }
    }

    /// The file itself.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Takes as many of these bytes as there is room for; gives how many.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        if self.waiting.bytes().is_empty() {
            self.waiting = Aligned::new(WINDOW);
        }
        let room = self.waiting.bytes_mut().get_mut(self.filled..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        if let (Some(to), Some(from)) = (room.get_mut(..taken), bytes.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.filled = self.filled.saturating_add(taken);
        taken
    }

    /// Whether there is no room.
    pub const fn is_full(&self) -> bool {
        self.filled as u64 == WINDOW
    }

    /// What was taken and is not in the file.
    pub fn waiting(&self) -> &[u8] {
        self.waiting.bytes().get(..self.filled).unwrap_or_default()
    }

    /// Writes what waits.
    pub fn pour(&mut self) -> io::Result<()> {
        self.choose()?;
        write_at(&self.file, self.waiting(), self.at)?;
        self.at = self.at.saturating_add(self.filled as u64);
        self.filled = 0;
        Ok(())
    }

    fn choose(&mut self) -> io::Result<()> {
        match self.way {
            Way::Unknown if self.is_full() => {
                let is_past = is_known(&self.file) && past_memory(&self.file, true).is_ok();
                self.way = if is_past { Way::Past } else { Way::Through };
            }
            // The last ones end anywhere, which no disk takes.
            Way::Past if !self.is_full() => {
                past_memory(&self.file, false)?;
                self.way = Way::Through;
            }
            _ => {}
        }
        Ok(())
    }

    /// The file, with what was poured; who goes on with it need not know of disks.
    pub fn into_file(self) -> File {
        if self.way == Way::Past {
            // It was set: what can be set can be taken back.
            let _ = past_memory(&self.file, false);
        }
        self.file
    }
}

fn is_known(file: &File) -> bool {
    let kind = rustix::fs::fstatfs(file).map_or(0, |found| i128::from(found.f_type));
    u64::try_from(kind & 0xffff_ffff).is_ok_and(|kind| KNOWN.contains(&kind))
}

/// Writes there; if the disk wants other places or lengths, through memory from then on.
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                at = at.saturating_add(written as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::InvalidInput && past_memory(file, false)? => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    fn bytes(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(2);
        (0..length).map(|_| random.u8(..)).collect()
    }

    fn write(bytes: &[u8], at_once: usize) -> OntoDisk {
        let mut disk = OntoDisk::new(tempfile::tempfile().unwrap());
        for mut piece in bytes.chunks(at_once) {
            while !piece.is_empty() {
                piece = &piece[disk.take(piece)..];
                if disk.is_full() {
                    disk.pour().unwrap();
                }
            }
        }
        if !disk.waiting().is_empty() {
            disk.pour().unwrap();
        }
        disk
    }

    fn content(disk: OntoDisk) -> Vec<u8> {
        let (mut file, mut content) = (disk.into_file(), Vec::new());
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn a_file_is_what_was_taken_whatever_comes_at_once() {
        for length in [0, 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, 3_000_000] {
            let bytes = bytes(length);
            for at_once in [777, 1 << 20, usize::MAX] {
                assert!(content(write(&bytes, at_once)) == bytes, "{length} {at_once}");
            }
        }
    }

    #[test]
    fn windows_pass_memory_where_the_file_system_is_known_and_the_rest_goes_through_it() {
        let (whole, more) = (write(&bytes(2 << 20), 1 << 20), write(&bytes((2 << 20) + 5), 1 << 20));
        let expected = if is_known(whole.file()) { Way::Past } else { Way::Through };
        assert_eq!((whole.way, more.way), (expected, Way::Through));
        assert_eq!(write(&bytes(5), 5).way, Way::Unknown);
    }

    #[test]
    fn where_the_disk_wants_other_places_it_goes_through_memory() {
        let (disk, bytes) = (OntoDisk::new(tempfile::tempfile().unwrap()), bytes(10_000));
        past_memory(disk.file(), true).unwrap();
        write_at(disk.file(), &bytes[1..], 0).unwrap();
        assert!(content(disk) == bytes[1..]);
    }
}
