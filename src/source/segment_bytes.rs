//! The bytes of a segment: through a map where it is sealed, by plain reads where it may still be written.
//!
//! The one file with `unsafe` in it. A map is made in one place, `open_mapped`: whoever turns a SIGBUS (a file that shrinks, a disk
//! that fails under the map) into a message has to know of that place only. Plain reads return such a failure as an error.

#![expect(
    unsafe_code,
    reason = "memmap2 can't promise that nobody changes the file under the map; see `open_mapped`"
)]

use crate::source::error::Error;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a segment's file.
pub trait SegmentBytes {
    /// Its length when it was opened.
    fn length(&self) -> u64;
    /// All its bytes, if it is mapped.
    fn mapped(&self) -> Option<&[u8]>;
    /// Reads at `offset` into `buffer`; fewer bytes only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error>;
}

/// A file that is read by plain reads: no signal can come of it, and bytes that are written meanwhile are seen.
#[derive(Debug)]
struct Plain {
    path: PathBuf,
    file: File,
    length: u64,
}

/// A file that is read through a map.
#[derive(Debug)]
struct Mapped {
    map: Mmap,
}

/// Opens a file for plain reads.
pub(super) fn open_plain(path: &Path) -> Result<Box<dyn SegmentBytes>, Error> {
    Ok(Box::new(plain(path)?))
}

/// Opens a sealed segment through a map. An empty file, and one that can't be mapped here, is read plainly.
pub(super) fn open_mapped(path: &Path) -> Result<Box<dyn SegmentBytes>, Error> {
    let plain = plain(path)?;
    if plain.length == 0 {
        return Ok(Box::new(plain));
    }
    // SAFETY: the map is read-only and private to this process, and only sealed segments are mapped: nobody writes to them. Should
    // somebody do so all the same, other bytes are seen than were there (each CRC and hash is computed from what was read, so that is
    // found); should the file shrink, the kernel sends SIGBUS.
    match unsafe { Mmap::map(&plain.file) } {
        Ok(map) => {
            // Only advice: a kernel that does not take it reads as well, a little slower.
            let _ = map.advise(Advice::Sequential);
            Ok(Box::new(Mapped { map }))
        }
        Err(_) => Ok(Box::new(plain)),
    }
}

fn plain(path: &Path) -> Result<Plain, Error> {
    let failed = |source| Error::on_listed(path, source);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    // Only advice, as above.
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    Ok(Plain { path: path.to_path_buf(), file, length })
}

impl SegmentBytes for Plain {
    fn length(&self) -> u64 {
        self.length
    }

    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        // No file is longer than a signed offset can tell; the system calls it invalid, a map calls it the end.
        if i64::try_from(offset).is_err() {
            return Ok(0);
        }
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&self.path, error)),
            }
        }
        Ok(done)
    }
}

impl SegmentBytes for Mapped {
    fn length(&self) -> u64 {
        self.map.len() as u64
    }

    fn mapped(&self) -> Option<&[u8]> {
        Some(&self.map)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let rest = usize::try_from(offset).ok().and_then(|from| self.map.get(from..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}
