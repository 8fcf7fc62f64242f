//! Reading a segment once more that is archived as it is now, sealed or open: that its bytes are the archived ones is proven by their hash alone. What
//! was found in them when they were archived need not be found again.

use crate::axon::segment::Ending;
use crate::axon::segment::Step;
use crate::axon::segment::Walker;
use crate::engine::backup::flawed::Behind;
use crate::engine::backup::scan::Scan;
use crate::engine::backup::scan::end_of;
use crate::engine::error::Error;
use crate::engine::observe::Event;
use crate::engine::observe::Observer;
use crate::engine::window::Bytes;
use crate::engine::window::Walked;
use crate::engine::window::Window;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::format::id::Hasher;
use crate::source::listing::StoreFile;
use std::sync::Arc;

/// Bytes that are hashed at once.
const PIECE: u64 = 256 << 10;
/// Bytes that tell an end from another transaction.
const HEAD: usize = 7;

/// What reads a segment once more.
pub struct Again<'a> {
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// The segment as it is archived, all its chunks there.
    pub entry: &'a SegmentEntry,
    /// The lengths (rising) at which the hash of the prefix is wanted.
    pub wanted: &'a [u64],
}

impl Again<'_> {
    /// What a scan of the file would find; none if it is not as it was archived, or can't be read: then a scan has to say what it is.
    pub fn scan(
        &self,
        file: &StoreFile,
        bytes: Bytes<'_>,
        mut hasher: Hasher,
    ) -> Result<Option<Scan>, Error> {
        // One that has grown need not be hashed to know that.
        if self.end(bytes).is_none() {
            return Ok(None);
        }
        let Some(checkpoints) = self.hash(&mut Window::new(bytes), &mut hasher)? else { return Ok(None) };
        let Some(walked) = self.end(bytes) else { return Ok(None) };
        let behind = match Behind::look(bytes, walked, self.observer) {
            Ok(behind) => behind,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(_) => return Ok(None),
        };
        let (file_length, modified_ns) = (bytes.length(), file.modified_ns);
        let noise = behind.last_byte.is_some();
        Ok(Some(Scan {
            file: file.clone(),
            ending: walked.ending,
            entry: Arc::new(SegmentEntry { file_length, modified_ns, ..self.entry.clone() }),
            noise,
            checkpoints,
            prefix: noise.then(|| Box::new(hasher)),
            unreadable: None,
        }))
    }

    /// The hashes that are wanted, if the last one is that of the archived bytes.
    fn hash(
        &self,
        window: &mut Window<'_>,
        hasher: &mut Hasher,
    ) -> Result<Option<Vec<(u64, ContentHash)>>, Error> {
        let end = self.entry.logical_end;
        let mut checkpoints = Vec::with_capacity(self.wanted.len().saturating_add(1));
        let mut at = 0;
        for stop in self.wanted.iter().copied().filter(|stop| *stop < end).chain([end]) {
            while at < stop {
                let length = usize::try_from(PIECE.min(stop - at)).unwrap_or(0);
                let Some(piece) = window.at(at, length).ok().and_then(|visible| visible.get(..length)) else {
                    return Ok(None);
                };
                hasher.update(piece);
                at += piece.len() as u64;
                self.tell(piece.len() as u64)?;
            }
            checkpoints.push((stop, hasher.content()));
        }
        Ok(Some(checkpoints).filter(|checkpoints| checkpoints.contains(&(end, self.entry.content))))
    }

    fn tell(&self, bytes: u64) -> Result<(), Error> {
        self.observer.event(&Event::Bytes(bytes));
        if self.observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The end behind the archived bytes, if it is the one that was there: nothing was appended.
    fn end(&self, bytes: Bytes<'_>) -> Option<Walked> {
        let (logical_end, next_token) = (self.entry.logical_end, self.entry.next_token()?);
        let mut head = [0; HEAD];
        let got = bytes.read_at(logical_end, &mut head).ok()?;
        let visible = head.get(..got)?;
        match Walker::resume(logical_end, next_token, bytes.length()).step(visible) {
            Step::End(ending)
                if !matches!(ending, Ending::Stopped(_)) && end_of(ending) == self.entry.end =>
            {
                Some(Walked { logical_end, ending, next_token })
            }
            _ => None,
        }
    }
}
