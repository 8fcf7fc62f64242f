//! Reads a restored file again from the target's disk and proves it, since no server will: servers start on damage without a word.

use crate::axon::segment::{Ending, Transaction};
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::proof::{Proven, Prover};
use crate::engine::restore::error::{Error as Refused, at};
use crate::engine::restore::plan::{PlannedEnd, SegmentPlan};
use crate::engine::restore::reread::Reread;
use crate::repo::format::id::{ContentHash, Naming};
use std::path::Path;

/// Enough behind a prefix to see any end.
const BEHIND: usize = 16;

/// A file that was just written.
pub struct Written<'a> {
    /// The file, at its head.
    pub file: Reread,
    /// Where it is.
    pub path: &'a Path,
    /// How names are made.
    pub naming: Naming,
    /// Watches.
    pub observer: &'a dyn Observer,
}

impl Written<'_> {
    fn differs(&self, what: impl Into<String>) -> Error {
        Refused::Written { path: self.path.to_owned(), what: what.into() }.into()
    }

    /// Hands the next `length` bytes on.
    fn hand_on(&mut self, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let mut left = length;
        while left > 0 {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let bytes = self.file.next(left).map_err(at(self.path))?;
            if bytes.is_empty() {
                return Err(self.differs("it is shorter"));
            }
            sink(bytes);
            left -= bytes.len() as u64;
            self.observer.event(&Event::Bytes(bytes.len() as u64));
        }
        Ok(())
    }

    fn check_length(&self, expected: u64) -> Result<(), Error> {
        let length = self.file.file().metadata().map_err(at(self.path))?.len();
        if length == expected {
            Ok(())
        } else {
            Err(self.differs(format!("its length is {length}, not {expected}")))
        }
    }

    /// Proves that the file has this length and this hash.
    pub fn check_content(mut self, length: u64, expected: ContentHash) -> Result<(), Error> {
        self.check_length(length)?;
        let mut hasher = self.naming.hasher();
        self.hand_on(length, &mut |bytes| hasher.update(bytes))?;
        if hasher.content() == expected { Ok(()) } else { Err(self.differs("its hash is another")) }
    }

    /// Proves that the file is `stored` bytes with this hash, `end`, and zeros up to `length`.
    pub fn check_padded(
        mut self,
        stored: u64,
        end: &[u8],
        length: u64,
        expected: ContentHash,
    ) -> Result<(), Error> {
        self.check_length(length)?;
        let mut hasher = self.naming.hasher();
        self.hand_on(stored, &mut |bytes| hasher.update(bytes))?;
        if hasher.content() != expected {
            return Err(self.differs("its hash is another"));
        }
        let mut found = Vec::new();
        self.hand_on(end.len() as u64, &mut |bytes| found.extend_from_slice(bytes))?;
        if found != end {
            return Err(self.differs("it has another end"));
        }
        self.check_zeros(stored.saturating_add(end.len() as u64), length)
    }

    /// Whether it is. A file that its disk has lost is not.
    pub fn equals(self, stored: u64, end: &[u8], length: u64, expected: ContentHash) -> Result<bool, Error> {
        match self.check_padded(stored, end, length, expected) {
            Ok(()) => Ok(true),
            Err(Error::Restore(Refused::Written { .. })) => Ok(false),
            Err(Error::Restore(Refused::Target { source, .. })) if is_lost(&source) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Proves a segment: prefix, tokens, end, zeros to its length, and the hash of its stored bytes. Gives what its prefix turned out to be,
    /// and shows each block to `see`.
    pub fn check_segment(
        mut self,
        plan: &SegmentPlan,
        expected: ContentHash,
        see: &mut dyn FnMut(&Transaction<'_>),
    ) -> Result<Proven, Error> {
        self.check_length(plan.length)?;
        let prover = Prover::new(self.naming, plan.name.number, plan.length);
        let as_found = plan.end == PlannedEnd::AsFound;
        let mut prover = if as_found { prover.with_whole() } else { prover };
        self.hand_on(plan.stored, &mut |bytes| prover.feed_seeing(bytes, see))?;
        let behind = self.peek(plan)?;
        // The hash of a damaged segment is that of its stored bytes alone, which end before the zeros.
        if !as_found {
            prover.feed_seeing(&behind, see);
        }
        let end = if plan.end == PlannedEnd::Rolled { 4 } else { 0 };
        self.check_zeros(plan.stored + end, plan.length)?;
        let found = prover.finish_seeing(see);
        if found.whole.unwrap_or(found.content) != expected && !self.is_as_written(plan, expected)? {
            return Err(self.differs("the hash of its bytes is another"));
        }
        match contradiction(plan, &found) {
            Some(what) => Err(Refused::Contradiction { file: plan.path.clone(), what }.into()),
            None => Ok(found),
        }
    }

    /// Whether the stored bytes are on the disk as they are named: then what does not fit is what the point says of them.
    fn is_as_written(&mut self, plan: &SegmentPlan, expected: ContentHash) -> Result<bool, Error> {
        self.file.seek(0);
        let mut hasher = self.naming.hasher();
        self.hand_on(plan.stored, &mut |bytes| hasher.update(bytes))?;
        Ok(hasher.content() == expected)
    }

    /// The first bytes behind the stored ones.
    fn peek(&mut self, plan: &SegmentPlan) -> Result<Vec<u8>, Error> {
        let mut behind = Vec::new();
        let left = plan.length.saturating_sub(plan.stored).min(BEHIND as u64);
        self.hand_on(left, &mut |bytes| behind.extend_from_slice(bytes))?;
        Ok(behind)
    }

    /// Behind the end there is nothing but zeros. Holes are skipped, where the file system tells them.
    fn check_zeros(&mut self, mut from: u64, end: u64) -> Result<(), Error> {
        while let Some((begin, length)) = self.next_data(from, end) {
            self.file.seek(begin);
            let mut is_zero = true;
            self.hand_on(length, &mut |bytes| is_zero &= bytes.iter().all(|byte| *byte == 0))?;
            if !is_zero {
                return Err(self.differs("something stands behind its end"));
            }
            from = begin.saturating_add(length);
        }
        Ok(())
    }

    /// The next run of the file, from `from` on, that is no hole: where it begins and how long it is.
    fn next_data(&self, from: u64, length: u64) -> Option<(u64, u64)> {
        use rustix::fs::{SeekFrom, seek};
        use rustix::io::Errno;
        if from >= length {
            return None;
        }
        let begin = match seek(self.file.file(), SeekFrom::Data(from)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => return None,
            Err(_) => return Some((from, length - from)),
        };
        let end = seek(self.file.file(), SeekFrom::Hole(begin)).unwrap_or(length).min(length);
        (begin < end).then(|| (begin, end - begin))
    }
}

/// What the kernel says of a disk that can't be read.
pub fn is_lost(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// What is right on the disk and yet not what the point says.
fn contradiction(plan: &SegmentPlan, proven: &Proven) -> Option<String> {
    if plan.end == PlannedEnd::AsFound {
        return None;
    }
    if proven.logical_end != plan.prefix {
        return Some(format!("its transactions end at byte {}, not {}", proven.logical_end, plan.prefix));
    }
    if proven.events != plan.events {
        return Some(format!("it holds {} events, not {}", proven.events, plan.events));
    }
    match (plan.end, proven.ending) {
        (PlannedEnd::Rolled, Ending::Rolled)
        | (PlannedEnd::Open | PlannedEnd::EndOfFile, Ending::Open)
        | (PlannedEnd::EndOfFile, Ending::EndOfFile) => None,
        (_, Ending::Stopped(reason)) => Some(format!("behind its last transaction: {reason}")),
        _ => Some("it has another end than it had".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Written;
    use crate::axon::name::SegmentName;
    use crate::axon::token::Token;
    use crate::engine::error::Error;
    use crate::engine::observe::Unobserved;
    use crate::engine::restore::error::Error as Refused;
    use crate::engine::restore::plan::{PlannedEnd, SegmentPlan};
    use crate::engine::restore::reread::Reread;
    use crate::repo::format::id::Naming;
    use std::fs::File;

    /// A header and a transaction of one event without content.
    fn prefix() -> Vec<u8> {
        let area = [0_u8; 4];
        let transaction =
            [&[0, 0, 0, 4, 2, 0, 1], area.as_slice(), &crc32fast::hash(&area).to_be_bytes()].concat();
        [&[2, 0, 0, 0, 0], transaction.as_slice()].concat()
    }

    fn plan(stored: &[u8]) -> SegmentPlan {
        SegmentPlan {
            is_sealed: true,
            path: "data/default/x".into(),
            number: 0,
            version: 0,
            events: 1,
            prefix: stored.len() as u64,
            length: 10_000,
            end: PlannedEnd::Rolled,
            blake3: Some(Naming::Blake3.content(stored)),
            name: SegmentName { number: Token::ZERO, version: 0 },
            stored: stored.len() as u64,
            extents: vec![],
        }
    }

    /// The whole file: prefix, end, zeros.
    fn file(stored: &[u8]) -> Vec<u8> {
        let mut bytes = [stored, &[0xff; 4]].concat();
        bytes.resize(10_000, 0);
        bytes
    }

    fn written<T>(bytes: &[u8], check: impl FnOnce(Written<'_>) -> T) -> T {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let file = Reread::new(file);
        check(Written { file, path: &path, naming: Naming::Blake3, observer: &Unobserved })
    }

    fn check(bytes: &[u8], plan: &SegmentPlan) -> Result<u64, Error> {
        let content = plan.blake3.unwrap();
        written(bytes, |written| written.check_segment(plan, content, &mut |_| ()).map(|found| found.events))
    }

    #[test]
    fn what_was_written_is_well() {
        assert_eq!(check(&file(&prefix()), &plan(&prefix())).unwrap(), 1);
    }

    #[test]
    fn every_other_byte_and_every_other_length_is_found() {
        let (good, plan) = (file(&prefix()), plan(&prefix()));
        let end = prefix().len() + 4;
        for at in (0..end + 20).chain([5_000, 9_999]) {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(check(&bytes, &plan).is_err(), "byte {at}");
        }
        assert!(check(&good[..9_999], &plan).is_err());
        assert!(check(&[good.as_slice(), &[0]].concat(), &plan).is_err());
    }

    #[test]
    fn whether_the_disk_or_the_point_is_wrong_is_told_apart() {
        let mut bytes = file(&prefix());
        bytes[8] ^= 1;
        let disk = check(&bytes, &plan(&prefix()));
        assert!(matches!(disk, Err(Error::Restore(Refused::Written { .. }))), "{disk:?}");
        let cut = &prefix()[..12];
        let point = check(&file(cut), &plan(cut));
        assert!(matches!(point, Err(Error::Restore(Refused::Contradiction { .. }))), "{point:?}");
    }

    #[test]
    fn of_what_is_no_segment_every_other_byte_and_every_other_length_is_found_too() {
        let good = b"a control database";
        let content = Naming::Blake3.content(good);
        let is_good = |bytes: &[u8]| {
            let length = good.len() as u64;
            let plain = written(bytes, |written| written.check_content(length, content)).is_ok();
            assert_eq!(
                written(bytes, |written| written.check_padded(length, &[], length, content)).is_ok(),
                plain
            );
            plain
        };
        assert!(is_good(good));
        for at in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            assert!(!is_good(&bytes), "byte {at}");
        }
        assert!(!is_good(&good[1..]) && !is_good(&[good.as_slice(), &[0]].concat()));
    }

    #[test]
    fn a_segment_holds_as_many_events_as_the_point_says_and_they_end_where_it_says() {
        let more = check(&file(&prefix()), &SegmentPlan { events: 2, ..plan(&prefix()) });
        assert!(matches!(more, Err(Error::Restore(Refused::Contradiction { .. }))), "{more:?}");
        // It would be read as one that ends earlier.
        let longer = [prefix().as_slice(), &[0; 4]].concat();
        let mut bytes = longer.clone();
        bytes.resize(10_000, 0);
        let longer = check(&bytes, &SegmentPlan { end: PlannedEnd::Open, ..plan(&longer) });
        assert!(matches!(longer, Err(Error::Restore(Refused::Contradiction { .. }))), "{longer:?}");
    }
}
