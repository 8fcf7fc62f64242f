//! Reads a file from its disk, past what the system remembers of it, where the file system lets one: then what is read is what is there, and
//! nothing is copied twice.

use crate::engine::restore::aligned::{ALIGNED, Aligned, WINDOW, index, past_memory};
use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// A file that is read again.
pub struct Reread {
    file: File,
    buffer: Aligned,
    /// What of the file lies in the buffer, from its first aligned byte on.
    window: Range<u64>,
    at: u64,
}

impl Reread {
    /// At the file's head.
    pub fn new(file: File) -> Self {
        // Where it is not taken, memory is read.
        let _ = past_memory(&file, true);
        Self { file, buffer: Aligned::default(), window: 0..0, at: 0 }
    }

    /// The file itself.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Goes on there.
    pub const fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// The next bytes, at most `wanted`; none at the end.
    pub fn next(&mut self, wanted: u64) -> io::Result<&[u8]> {
        if !self.window.contains(&self.at) {
            self.fill()?;
        }
        let from = self.at.saturating_sub(self.window.start);
        let length = self.window.end.saturating_sub(self.at).min(wanted);
        self.at = self.at.saturating_add(length);
        let first = index(from);
        Ok(self.buffer.bytes().get(first..first.saturating_add(index(length))).unwrap_or_default())
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.buffer.bytes().is_empty() {
            let length = self.file.metadata()?.len().next_multiple_of(ALIGNED).clamp(ALIGNED, WINDOW);
            self.buffer = Aligned::new(length);
        }
        let from = self.at - self.at % ALIGNED;
        let read = read_at(&self.file, self.buffer.bytes_mut(), from)?;
        self.window = from..from.saturating_add(read as u64);
        Ok(())
    }
}

/// Reads there; if the disk wants other places or lengths, memory is read from then on.
fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, from) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::InvalidInput && past_memory(file, false)? => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reread;
    use std::io::{Seek, Write};

    fn file(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn bytes(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..length).map(|_| random.u8(..)).collect()
    }

    fn rest(reread: &mut Reread, wanted: u64) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let next = reread.next(wanted).unwrap();
            if next.is_empty() {
                return all;
            }
            all.extend(next);
        }
    }

    #[test]
    fn all_bytes_come_whatever_is_wanted_at_once() {
        for length in [0, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000] {
            let bytes = bytes(length);
            for wanted in [5_000, 1 << 20, u64::MAX] {
                assert!(rest(&mut Reread::new(file(&bytes)), wanted) == bytes, "{length} {wanted}");
            }
        }
    }

    #[test]
    fn it_goes_on_anywhere() {
        let bytes = bytes(2_500_000);
        let mut reread = Reread::new(file(&bytes));
        for at in [2_400_001_usize, 0, 7, 4096, 1_048_575, 1_048_576, 2_499_999, 2_500_000, 9_000_000] {
            reread.seek(at as u64);
            assert!(rest(&mut reread, 100_000) == bytes.get(at..).unwrap_or_default(), "{at}");
        }
    }

    #[test]
    fn where_the_disk_wants_other_places_memory_is_read() {
        let (bytes, mut buffer) = (bytes(10_000), vec![0; 5000]);
        let file = file(&bytes);
        super::past_memory(&file, true).unwrap();
        assert_eq!(super::read_at(&file, &mut buffer[1..4001], 3).unwrap(), 4000);
        assert!(buffer[1..4001] == bytes[3..4003]);
    }

    #[test]
    fn what_is_appended_meanwhile_is_seen() {
        let mut named = tempfile::NamedTempFile::new().unwrap();
        named.write_all(&bytes(10_000)).unwrap();
        let mut reread = Reread::new(named.reopen().unwrap());
        assert_eq!(reread.next(u64::MAX).unwrap().len(), 10_000);
        named.write_all(b"x").unwrap();
        assert_eq!(reread.next(u64::MAX).unwrap(), b"x");
    }
}
