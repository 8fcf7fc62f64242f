//! What it takes to pass the system's memory on the way back from a disk: buffers that begin and end where every disk takes it, and a flag.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;

/// Places, lengths and memory that every disk takes.
pub const ALIGNED: u64 = 4096;

/// Bytes that are read at once.
pub const WINDOW: u64 = 1 << 20;

/// Bytes that begin at an aligned place.
#[derive(Debug, Default)]
pub struct Aligned {
    bytes: Vec<u8>,
    first: usize,
    length: usize,
}

impl Aligned {
    /// So many zeros.
    pub fn new(length: u64) -> Self {
        let bytes = vec![0; index(length.saturating_add(ALIGNED))];
        let first = bytes.as_ptr().align_offset(index(ALIGNED));
        Self { bytes, first, length: index(length) }
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.first..self.first.saturating_add(self.length)).unwrap_or_default()
    }

    /// The same, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.first..self.first.saturating_add(self.length)).unwrap_or_default()
    }
}

/// A length in memory.
pub fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Says whether memory is to be passed; gives whether that is a change.
pub fn past_memory(file: &File, wanted: bool) -> io::Result<bool> {
    let before = fcntl_getfl(file)?;
    let flags = if wanted { before | OFlags::DIRECT } else { before - OFlags::DIRECT };
    fcntl_setfl(file, flags)?;
    Ok(flags != before)
}
