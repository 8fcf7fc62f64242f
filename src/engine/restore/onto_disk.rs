//! Writes a file so that its disk begins at once, and not when it is made durable: the disk works while the next bytes are decoded, and what it has
//! pushes nothing else out of memory.

use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

/// Short pieces wait until there are so many bytes.
const WAITING: usize = 256 << 10;
/// The disk is told to begin each time that so many bytes have come.
const STRETCH: u64 = 4 << 20;
/// So far back memory is given up: what lies there has reached the disk by then.
const BEHIND: u64 = 64 << 20;

/// A file that is written from its head on.
#[derive(Debug)]
pub struct OntoDisk {
    file: File,
    waiting: Vec<u8>,
    at: u64,
    /// Up to here the disk was told to begin.
    begun: u64,
}

impl OntoDisk {
    /// A file without content.
    pub const fn new(file: File) -> Self {
        Self { file, waiting: Vec::new(), at: 0, begun: 0 }
    }

    /// The file itself.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Has a short piece wait; false if it is too long, or too many wait: these are to be written first.
    pub fn keeps(&mut self, piece: &[u8]) -> bool {
        let keeps = self.waiting.len().saturating_add(piece.len()) <= WAITING;
        if keeps {
            self.waiting.extend_from_slice(piece);
        }
        keeps
    }

    /// Takes what waits, to be written; the buffer is wanted back.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.waiting)
    }

    /// Gives the buffer back, empty.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.waiting = buffer;
    }

    /// Writes behind what is there.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        if self.at.saturating_sub(self.begun) >= STRETCH {
            self.begin();
        }
        Ok(())
    }

    /// Advice only: where it is not taken, the disk begins when the file is made durable. (Linux begins to write what is to be forgotten.)
    fn begin(&mut self) {
        let from = self.begun.saturating_sub(BEHIND);
        let _ = fadvise(&self.file, from, NonZeroU64::new(self.at.saturating_sub(from)), Advice::DontNeed);
        self.begun = self.at;
    }

    /// The file, with what was put.
    pub fn into_file(self) -> File {
        self.file
    }
}
