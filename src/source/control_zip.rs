//! Finds and reads a control-db zip that is handed in, and tells whether it is too new to go with the data.
//!
//! The control database must not be newer than the segments. Of a zip that this program did not ask for only hints say when it was
//! made: the milliseconds in the name that the server gave it, and the time of its entry. A zip that is newer, by either, than the newest
//! data file and the newest event was made after the segments were copied.

use crate::axon::control_db::named_ms;
use crate::source::error::Error;
use crate::source::listing::Listing;
use crate::source::newest;
use crate::source::regular;
use crate::source::scan;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A zip above this is refused: it is read whole, and beyond 4 GiB it would need zip64, which the server does not write.
pub(super) const LENGTH_MAX: u64 = u32::MAX as u64;

/// A zip entry's time is local time without a zone. No zone is a day away from UTC, so an entry counts as newer only beyond a day.
const DAY_MS: i64 = 86_400_000;

/// Bytes of a zip's local header up to the entry's time and date.
const HEADER: usize = 14;

/// A zip that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Milliseconds since 1970 from a name like the server gives: `controldb<millis>.zip`.
    named_ms: Option<i64>,
    /// The time of its entry, milliseconds since 1970 if it were UTC.
    entry_ms: Option<i64>,
    /// Modification time of the file; orders zips with other names, and says nothing else: copies change it.
    modified_ms: i64,
}

/// The bytes of all zips in these places (files, or directories of zips) that can be read: for whoever looks for what is in them.
pub fn bytes_of_all(places: &[PathBuf]) -> Vec<Vec<u8>> {
    let found = places.iter().filter_map(|place| candidates(place).ok()).flatten();
    found.filter_map(|zip| zip.read().ok()).collect()
}

/// A zip, chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Which.
    pub(super) candidate: Candidate,
    /// True if it is newer than all data, and the user insisted.
    pub(super) is_too_new: bool,
    /// Those that are newer than it, and than all data.
    pub(super) passed_over: Vec<PathBuf>,
}

/// Chooses a zip: `given`, or of the zips in the directory `given` the newest that is not too new for the data.
/// `data` is the directory that holds the contexts, for the error.
pub(super) fn choose(given: &Path, data: &Path, listing: &Listing, accept: bool) -> Result<Chosen, Error> {
    let mut candidates = candidates(given)?;
    candidates.sort_by_key(|zip| (zip.at_ms(), zip.path.clone()));
    let horizon = horizon(listing, &candidates)?;
    let too_new = candidates.iter().rev().take_while(|zip| zip.is_newer_than(horizon)).count();
    let in_order = candidates.len() - too_new;
    // If all are too new, the oldest runs ahead of the data least.
    let passed_over =
        candidates.drain(in_order.max(1).min(candidates.len())..).rev().map(|zip| zip.path).collect();
    let is_too_new = in_order == 0;
    match candidates.pop() {
        None => Err(Error::NoControlDb { path: given.to_path_buf(), is_there: true }),
        Some(zip) if is_too_new && !accept => {
            Err(Error::ControlDbTooNew { zip: zip.path, directory: data.to_path_buf() })
        }
        Some(candidate) => Ok(Chosen { candidate, is_too_new, passed_over }),
    }
}

/// How new the data is: its newest file, or its newest event if that is newer. Segments are read only if the files leave it open.
fn horizon(listing: &Listing, candidates: &[Candidate]) -> Result<i64, Error> {
    let files = newest::file_ms(listing).unwrap_or(i64::MIN);
    if candidates.iter().any(|zip| zip.is_newer_than(files)) {
        return Ok(newest::event_ms(listing)?.unwrap_or(i64::MIN).max(files));
    }
    Ok(files)
}

fn candidates(given: &Path) -> Result<Vec<Candidate>, Error> {
    let metadata = fs::metadata(given).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NoControlDb { path: given.to_path_buf(), is_there: false },
        _ => Error::io(given, source),
    })?;
    if metadata.is_dir() { zips_in(given) } else { Ok(vec![Candidate::look(given)?]) }
}

/// The zips in a directory: those named like the server names them; if there are none, all zips.
fn zips_in(directory: &Path) -> Result<Vec<Candidate>, Error> {
    let failed = |source| Error::io(directory, source);
    let mut zips = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
        if is_zip && path.is_file() {
            zips.push(Candidate::look(&path)?);
        }
    }
    if zips.iter().any(|zip| zip.named_ms.is_some()) {
        zips.retain(|zip| zip.named_ms.is_some());
    }
    Ok(zips)
}

impl Candidate {
    fn look(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::on_listed(path, source);
        let file = regular::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mut header = Vec::new();
        file.take(HEADER as u64).read_to_end(&mut header).map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            path: path.to_path_buf(),
            named_ms: named_ms(&name),
            entry_ms: entry_ms(&header),
            modified_ms: scan::modified_ns(&metadata).div_euclid(1_000_000),
        })
    }

    fn at_ms(&self) -> i64 {
        self.named_ms.unwrap_or(self.modified_ms)
    }

    fn is_newer_than(&self, horizon: i64) -> bool {
        let by_entry = self.entry_ms.is_some_and(|at| at.saturating_sub(DAY_MS) > horizon);
        by_entry || self.named_ms.is_some_and(|at| at > horizon)
    }

    /// Its name, for the manifest.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads it whole. Whether it is a whole zip is proven by who takes it apart.
    pub(super) fn read(&self) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::on_listed(&self.path, source);
        let file = regular::open(&self.path).map_err(failed)?;
        self.check_length(file.metadata().map_err(failed)?.len())?;
        let mut bytes = Vec::new();
        // It may grow while it is read.
        let read = file.take(LENGTH_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        self.check_length(read as u64)?;
        Ok(bytes)
    }

    fn check_length(&self, length: u64) -> Result<(), Error> {
        if length <= LENGTH_MAX {
            return Ok(());
        }
        Err(Error::ControlDbTooLarge { path: self.path.clone(), length, limit: LENGTH_MAX })
    }
}

/// The time of the first entry, as if it were UTC; none if the bytes don't begin like a zip, or the time is none.
fn entry_ms(header: &[u8]) -> Option<i64> {
    if header.get(..4)? != b"PK\x03\x04" {
        return None;
    }
    let word = |at: usize| Some(u16::from_le_bytes([*header.get(at)?, *header.get(at + 1)?]));
    dos_ms(word(10)?, word(12)?)
}

fn dos_ms(time: u16, date: u16) -> Option<i64> {
    let bits = |word: u16, from: u32, count: u32| i8::try_from((word >> from) & ((1 << count) - 1)).ok();
    let year = i16::try_from(1980 + (date >> 9)).ok()?;
    let (month, day) = (bits(date, 5, 4)?, bits(date, 0, 5)?);
    let (hour, minute, second) = (bits(time, 11, 5)?, bits(time, 5, 6)?, bits(time, 0, 5)? * 2);
    let at = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(at).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dos_time_is_read_as_utc() {
        let packed = |[high, middle, low]: [u16; 3], bits: u32| (high << (bits + 5)) | (middle << 5) | low;
        // 2026-11-22 21:10:48, as in a zip of a real server.
        let (time, date) = (packed([21, 10, 48 / 2], 6), packed([2026 - 1980, 11, 22], 4));
        assert_eq!(dos_ms(time, date), Some(1_795_381_848_000));
        assert_eq!(dos_ms(0, 0), None, "month 0 is no month");
    }

    #[test]
    fn an_entry_counts_as_newer_only_beyond_a_day() {
        let zip = |named_ms, entry_ms| Candidate { path: PathBuf::new(), named_ms, entry_ms, modified_ms: 0 };
        let horizon = 10 * DAY_MS;
        assert!(!zip(None, Some(horizon + DAY_MS)).is_newer_than(horizon));
        assert!(zip(None, Some(horizon + DAY_MS + 1)).is_newer_than(horizon));
        assert!(!zip(Some(horizon), None).is_newer_than(horizon));
        assert!(zip(Some(horizon + 1), Some(0)).is_newer_than(horizon));
        assert!(!zip(None, None).is_newer_than(horizon), "nothing is known of its time");
    }
}
