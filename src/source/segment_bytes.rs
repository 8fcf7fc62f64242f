//! The bytes of a segment: through a map where it is sealed, by plain reads where it may still be written.
//!
//! The one file with `unsafe` in it. A map of somebody's file is made in one place, `open_mapped`. A file that shrinks, or a disk that fails, under a
//! map sends SIGBUS to whoever reads there: [`end_on_bus_error`] turns that into a message and an exit code. Plain reads return such a failure as
//! an error.

#![expect(
    unsafe_code,
    reason = "memmap2 can't promise that nobody changes the file under the map, see `open_mapped`; what a signal handler may do, nobody checks, see `end_on_bus_error`"
)]

use crate::source::error::Error;
use crate::source::regular;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

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

impl Drop for Mapped {
    fn drop(&mut self) {
        MAPS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Files that are mapped now.
static MAPS: AtomicUsize = AtomicUsize::new(0);
/// What to say of a file under which a map broke.
static WORDS: OnceLock<fn(&Path) -> String> = OnceLock::new();
/// What to say now: a signal handler may allocate nothing, and wait for nobody.
static MESSAGE: [AtomicU8; 8192] = [const { AtomicU8::new(0) }; 8192];
static MESSAGE_LENGTH: AtomicUsize = AtomicUsize::new(0);

/// From here on a read of a mapped file that has shrunk, or that its disk can't read, ends the process with `code`, after what `words` say of
/// that file was written to stderr. A SIGBUS while nothing is mapped does what it always does.
pub fn end_on_bus_error(code: i32, words: fn(&Path) -> String) -> io::Result<()> {
    if WORDS.set(words).is_err() {
        return Ok(());
    }
    let handle = move || {
        if MAPS.load(Ordering::Relaxed) > 0 {
            tell();
            signal_hook::low_level::exit(code);
        }
        if signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGBUS).is_err() {
            signal_hook::low_level::abort();
        }
    };
    // SAFETY: the handler loads atomics, makes the system calls write, _exit and those of the default action, and nothing else: all of them may
    // be made in a signal handler. It neither allocates nor locks.
    unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, handle) }.map(|_| ())
}

/// Writes the message, in pieces that fit on a stack.
fn tell() {
    let length = MESSAGE_LENGTH.load(Ordering::Relaxed).min(MESSAGE.len());
    let mut piece = [0; 512];
    let mut at = 0;
    while at < length {
        let count = piece.len().min(length - at);
        for (to, from) in piece.iter_mut().zip(MESSAGE.iter().skip(at)).take(count) {
            *to = from.load(Ordering::Relaxed);
        }
        let _ = rustix::io::write(rustix::stdio::stderr(), piece.get(..count).unwrap_or_default());
        at += count;
    }
}

/// Says which file is mapped now.
fn announce(path: &Path) {
    MAPS.fetch_add(1, Ordering::Relaxed);
    let Some(words) = WORDS.get() else { return };
    let mut message = words(path).into_bytes();
    message.truncate(MESSAGE.len() - 1);
    message.push(b'\n');
    MESSAGE_LENGTH.store(0, Ordering::Relaxed);
    for (to, from) in MESSAGE.iter().zip(&message) {
        to.store(*from, Ordering::Relaxed);
    }
    MESSAGE_LENGTH.store(message.len(), Ordering::Relaxed);
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
            announce(path);
            Ok(Box::new(Mapped { map }))
        }
        Err(_) => Ok(Box::new(plain)),
    }
}

/// Bytes that are too many for memory: in a file without a name, which nobody else can open.
#[derive(Debug)]
pub struct Spill {
    file: File,
    length: u64,
}

impl Spill {
    /// An empty one, in the system's directory for temporary files.
    pub fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, length: 0 })
    }

    /// One that begins with these bytes; none where there can be none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut spill = Self::new().ok()?;
        spill.push(bytes).ok()?;
        Some(spill)
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of them.
    pub fn read(&self) -> io::Result<Spilled> {
        self.file.set_len(self.length)?;
        // SAFETY: the file has no name and this value has its only descriptor: nobody else can write to it or cut it, and nothing is pushed
        // any more once it is read.
        let map = unsafe { Mmap::map(&self.file) }?;
        let _ = map.advise(Advice::Sequential);
        Ok(Spilled(map))
    }

    /// All of them, in memory after all. What can't be read again is left out.
    pub fn into_vec(self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
        if self.file.read_exact_at(&mut bytes, 0).is_err() {
            bytes.clear();
        }
        bytes
    }
}

/// Spilled bytes, to be read.
#[derive(Debug)]
pub struct Spilled(Mmap);

impl std::ops::Deref for Spilled {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

fn plain(path: &Path) -> Result<Plain, Error> {
    let failed = |source| Error::on_listed(path, source);
    // It may have become something else since it was listed.
    let file = regular::open(path).map_err(failed)?;
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
