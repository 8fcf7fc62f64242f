//! Proves a segment from its bytes, handed over front to back in pieces of any size, in bounded memory.
//!
//! Restored files and archived chunks are judged by this alone: framing, CRC-32, tokens, counts, times, hashes. It knows nothing of what a
//! backup thought of them.

use crate::axon::event;
use crate::axon::segment::{Ending, HEADER_LENGTH, Reason, Step, Transaction, Walker};
use crate::axon::time::Times;
use crate::axon::token::Token;
use crate::engine::runs::Runs;
use crate::repo::format::id::{ContentHash, Hasher, Naming};
use crate::repo::format::limits::memory::SPILL_ABOVE;
use crate::repo::format::time_map::TimeMap;
use crate::source::segment_bytes::Spill;

/// A place in a segment at which its prefix is asked for (a claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Length of the prefix.
    pub length: u64,
    /// The hash that it must have.
    pub content: ContentHash,
    /// The token that must follow on it.
    pub next: Token,
}

/// What a segment turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Length of the valid prefix.
    pub logical_end: u64,
    /// What stands behind it.
    pub ending: Ending,
    /// Its events.
    pub events: u64,
    /// Its transactions.
    pub transactions: u64,
    /// The times of its events; none without events, or where one can't be read.
    pub times: Option<Times>,
    /// Hash of the valid prefix.
    pub content: ContentHash,
    /// Hash of all bytes that were handed over, if that was asked for.
    pub whole: Option<ContentHash>,
    /// The marks at which no transaction ends, or where hash or token are others.
    pub missed: Vec<Mark>,
    /// The others, with the times of the events before them; none without events, or where one can't be read.
    pub met: Vec<(Mark, Option<Times>)>,
    /// Whether a time map says other times, tokens or places of runs than it has.
    pub time_map_differs: bool,
}

/// Takes a segment's bytes in order.
pub struct Prover {
    naming: Naming,
    walker: Walker,
    first: Token,
    /// Bytes that are not walked yet, from the walker's offset on.
    window: Vec<u8>,
    /// In place of `window`, while a giant is handed over.
    spill: Option<Spill>,
    /// As many bytes as the next step needs.
    least: u64,
    prefix: Hasher,
    whole: Option<Hasher>,
    ending: Option<Ending>,
    transactions: u64,
    times: EventTimes,
    /// Sorted, the next one last.
    marks: Vec<Mark>,
    missed: Vec<Mark>,
    met: Vec<(Mark, Option<Times>)>,
    runs: Option<Runs>,
}

/// The times of all events so far, or that one could not be read.
enum EventTimes {
    None,
    Known(Times),
    Unreadable,
}

impl EventTimes {
    fn told(&self) -> Option<Times> {
        if let Self::Known(times) = self { Some(*times) } else { None }
    }
}

impl Prover {
    /// A prover for the segment whose first token is `first`, and of which `length` bytes are going to be handed over.
    pub fn new(naming: Naming, first: Token, length: u64) -> Self {
        Self {
            naming,
            walker: Walker::new(first, length),
            first,
            window: Vec::new(),
            spill: None,
            least: 0,
            prefix: naming.hasher(),
            whole: None,
            ending: None,
            transactions: 0,
            times: EventTimes::None,
            marks: Vec::new(),
            missed: Vec::new(),
            met: Vec::new(),
            runs: None,
        }
    }

    /// Asks for the hash of all bytes, too: those of a damaged segment go on behind its valid prefix.
    #[must_use]
    pub fn with_whole(mut self) -> Self {
        self.whole = Some(self.naming.hasher());
        self
    }

    /// Asks for prefixes.
    #[must_use]
    pub fn with_marks(mut self, mut marks: Vec<Mark>) -> Self {
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.length));
        self.marks = marks;
        self.meet_marks();
        self
    }

    /// Holds a time map against the transactions.
    #[must_use]
    pub fn with_time_map(mut self, map: Option<TimeMap>) -> Self {
        self.runs = map.map(Runs::of);
        self
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_seeing(bytes, &mut |_| ());
    }

    /// Takes the next bytes, and shows each whole block to `see`.
    pub fn feed_seeing(&mut self, bytes: &[u8], see: &mut dyn FnMut(&Transaction<'_>)) {
        if let Some(whole) = &mut self.whole {
            whole.update(bytes);
        }
        if self.ending.is_some() {
            return;
        }
        if self.least > SPILL_ABOVE as u64 && self.spill(bytes, see) {
            return;
        }
        let rest = self.complete(bytes, see);
        if self.window.is_empty() && self.ending.is_none() {
            let walked = self.walk(rest, see);
            self.window.extend_from_slice(rest.get(walked..).unwrap_or_default());
        }
    }

    /// Walks what began in the piece before, with as many of these bytes as it takes; gives the others. They are walked where they are: most
    /// bytes need not be copied.
    fn complete<'b>(&mut self, mut bytes: &'b [u8], see: &mut dyn FnMut(&Transaction<'_>)) -> &'b [u8] {
        while !self.window.is_empty() && !bytes.is_empty() && self.ending.is_none() {
            let missing = distance(self.window.len() as u64, self.least);
            let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.window.extend_from_slice(taken);
            bytes = rest;
            if self.window.len() as u64 >= self.least {
                let mut window = std::mem::take(&mut self.window);
                window.drain(..self.walk(&window, see));
                self.window = window;
            }
        }
        bytes
    }

    /// Takes the next bytes of a giant into a temporary file, and walks when it is whole. False where there can be none: memory has to do.
    fn spill(&mut self, bytes: &[u8], see: &mut dyn FnMut(&Transaction<'_>)) -> bool {
        let Some(mut spill) = self.spill.take().or_else(|| Spill::of(&self.window)) else { return false };
        if spill.push(bytes).is_err() {
            self.window = spill.into_vec();
            return false;
        }
        self.window = Vec::new();
        if spill.length() < self.least {
            self.spill = Some(spill);
            return true;
        }
        self.window = if let Ok(all) = spill.read() {
            all.get(self.walk(&all, see)..).unwrap_or_default().to_vec()
        } else {
            let mut all = spill.into_vec();
            all.drain(..self.walk(&all, see));
            all
        };
        true
    }

    /// Walks as far as the window goes; gives how many bytes were walked.
    fn walk(&mut self, window: &[u8], see: &mut dyn FnMut(&Transaction<'_>)) -> usize {
        let begin = self.walker.offset();
        let mut hashed = 0;
        loop {
            let at = distance(begin, self.walker.offset());
            if begin == 0 && at > 0 {
                self.meet_header(window);
            }
            if self.is_at_mark() {
                self.prefix.update(window.get(hashed..at).unwrap_or_default());
                hashed = at;
                self.meet_marks();
            }
            match self.walker.step(window.get(at..).unwrap_or_default()) {
                Step::Transaction(transaction) => {
                    self.count(&transaction);
                    see(&transaction);
                }
                Step::NeedMore(bytes) => {
                    self.least = bytes.max((window.len() - at) as u64 + 1);
                    break;
                }
                Step::End(ending) => {
                    self.ending = Some(ending);
                    break;
                }
            }
        }
        let walked = distance(begin, self.walker.offset());
        self.prefix.update(window.get(hashed..walked).unwrap_or_default());
        self.meet_marks();
        walked
    }

    fn count(&mut self, transaction: &Transaction<'_>) {
        self.transactions += 1;
        let times = event::times(transaction);
        self.times = match (&self.times, times) {
            (EventTimes::None, Some(times)) => EventTimes::Known(times),
            (EventTimes::Known(before), Some(times)) => EventTimes::Known(before.then(times)),
            _ => EventTimes::Unreadable,
        };
        if let Some(runs) = &mut self.runs {
            runs.block(transaction, times);
        }
    }

    /// A segment that held nothing but its header was claimed with that; a walk steps over the header and the first transaction at once.
    fn meet_header(&mut self, window: &[u8]) {
        while let Some(mark) = self.marks.pop_if(|mark| mark.length == HEADER_LENGTH) {
            let header = window.get(..distance(0, HEADER_LENGTH)).unwrap_or_default();
            if mark.next != self.first || mark.content != self.naming.content(header) {
                self.missed.push(mark);
            } else {
                self.met.push((mark, None));
            }
        }
    }

    fn is_at_mark(&self) -> bool {
        self.marks.last().is_some_and(|mark| mark.length <= self.walker.offset())
    }

    /// Compares all marks that are reached; all bytes before the walker's offset must have been hashed.
    fn meet_marks(&mut self) {
        while self.is_at_mark() {
            let Some(mark) = self.marks.pop() else { return };
            let is_met = mark.length == self.walker.offset()
                && mark.next == self.walker.next_token()
                && mark.content == self.prefix.content();
            if is_met {
                self.met.push((mark, self.times.told()));
            } else {
                self.missed.push(mark);
            }
        }
    }

    /// What it turned out to be, when all bytes have been handed over.
    pub fn finish(self) -> Proven {
        self.finish_seeing(&mut |_| ())
    }

    /// The same, showing the blocks that were not seen yet.
    pub fn finish_seeing(mut self, see: &mut dyn FnMut(&Transaction<'_>)) -> Proven {
        if self.ending.is_none() {
            let window = std::mem::take(&mut self.window);
            self.walk(&window, see);
        }
        self.missed.append(&mut self.marks);
        Proven {
            logical_end: self.walker.offset(),
            ending: self.ending.unwrap_or(Ending::Stopped(Reason::Truncated)),
            events: self.walker.next_token().get() - self.first.get(),
            transactions: self.transactions,
            times: self.times.told(),
            content: self.prefix.content(),
            whole: self.whole.map(|whole| whole.content()),
            missed: self.missed,
            met: self.met,
            time_map_differs: self.runs.is_some_and(|runs| !runs.fit()),
        }
    }
}

fn distance(from: u64, to: u64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Mark, Proven, Prover};
    use crate::axon::segment::{Ending, Reason};
    use crate::axon::time::{Times, Timestamp};
    use crate::axon::token::Token;
    use crate::repo::format::id::Naming;

    const NAMING: Naming = Naming::Blake3;

    /// An event that has nothing but a timestamp.
    fn event(at: u8) -> Vec<u8> {
        vec![0x28, at]
    }

    fn transaction(events: &[Vec<u8>]) -> Vec<u8> {
        let area: Vec<u8> = events
            .iter()
            .flat_map(|event| {
                [u32::try_from(event.len()).unwrap().to_be_bytes().to_vec(), event.clone()].concat()
            })
            .collect();
        let mut bytes = u32::try_from(area.len()).unwrap().to_be_bytes().to_vec();
        bytes.push(2);
        bytes.extend(u16::try_from(events.len()).unwrap().to_be_bytes());
        bytes.extend(&area);
        bytes.extend(crc32fast::hash(&area).to_be_bytes());
        bytes
    }

    /// Header, two transactions of 2 and 1 events: the places where they end, and the bytes.
    fn segment() -> ([usize; 3], Vec<u8>) {
        let mut bytes = vec![2, 0, 0, 0, 0];
        bytes.extend(transaction(&[event(30), event(10)]));
        let first = bytes.len();
        bytes.extend(transaction(&[event(20)]));
        ([5, first, bytes.len()], bytes)
    }

    fn token(position: u64) -> Token {
        Token::new(position).unwrap()
    }

    fn prove(bytes: &[u8], piece: usize, marks: Vec<Mark>) -> Proven {
        let mut prover = Prover::new(NAMING, token(7), bytes.len() as u64).with_whole().with_marks(marks);
        bytes.chunks(piece).for_each(|piece| prover.feed(piece));
        prover.finish()
    }

    fn mark(bytes: &[u8], next: u64) -> Mark {
        Mark { length: bytes.len() as u64, content: NAMING.content(bytes), next: token(next) }
    }

    #[test]
    fn pieces_of_any_size_prove_the_same() {
        let (ends, mut bytes) = segment();
        bytes.extend([0xff; 4]);
        bytes.extend([0; 9]);
        let expected = Proven {
            logical_end: ends[2] as u64,
            ending: Ending::Rolled,
            events: 3,
            transactions: 2,
            times: Some(Times {
                first: Timestamp(30),
                last: Timestamp(20),
                least: Timestamp(10),
                greatest: Timestamp(30),
            }),
            content: NAMING.content(&bytes[..ends[2]]),
            whole: Some(NAMING.content(&bytes)),
            missed: vec![],
            met: vec![],
            time_map_differs: false,
        };
        for piece in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(prove(&bytes, piece, vec![]), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_claim_is_met_at_each_end_of_a_transaction_and_at_the_header() {
        let (ends, bytes) = segment();
        let marks: Vec<_> = [(0, 7), (5, 7), (ends[1], 9), (ends[2], 10)]
            .into_iter()
            .map(|(end, next)| mark(&bytes[..end], next))
            .collect();
        for piece in [1, 4, bytes.len()] {
            assert_eq!(prove(&bytes, piece, marks.clone()).missed, vec![], "pieces of {piece}");
        }
        assert_eq!(prove(&bytes[..5], 5, marks[..2].to_vec()).missed, vec![], "a header alone");
    }

    #[test]
    fn a_claim_that_the_bytes_do_not_hold_is_missed() {
        let (ends, bytes) = segment();
        let other_hash = Mark { content: NAMING.content(b"other"), ..mark(&bytes[..ends[1]], 9) };
        let other_header = Mark { content: NAMING.content(b"other"), ..mark(&bytes[..5], 7) };
        let other_token = mark(&bytes[..ends[1]], 8);
        let inside = mark(&bytes[..=ends[1]], 9);
        let beyond = Mark { length: bytes.len() as u64 + 1, ..mark(&bytes, 10) };
        for missed in [other_hash, other_header, other_token, inside, beyond] {
            assert_eq!(prove(&bytes, 3, vec![missed]).missed, vec![missed]);
        }
    }

    #[test]
    fn nothing_at_all_is_an_empty_segment() {
        let proven = prove(&[], 1, vec![mark(&[], 7)]);
        assert_eq!((proven.ending, proven.logical_end, proven.missed), (Ending::EndOfFile, 0, vec![]));
    }

    #[test]
    fn bytes_that_end_too_early_are_torn_not_whole() {
        let (ends, bytes) = segment();
        let mut prover = Prover::new(NAMING, token(0), bytes.len() as u64);
        prover.feed(&bytes[..ends[1] + 3]);
        let found = prover.finish();
        assert_eq!(found.ending, Ending::Stopped(Reason::Truncated));
        assert_eq!((found.logical_end, found.events), (ends[1] as u64, 2));
    }

    #[test]
    fn an_event_that_is_not_readable_takes_the_times_away_and_nothing_else() {
        let bytes = [vec![2, 0, 0, 0, 1], transaction(&[event(1), vec![0xff; 3]])].concat();
        let proven = prove(&bytes, 100, vec![]);
        assert_eq!((proven.ending, proven.events, proven.times), (Ending::EndOfFile, 2, None));
    }
}
