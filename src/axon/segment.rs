//! The segment format: a header, transactions back to back, an end, zeros.
//!
//! [`Walker`] walks it in steps over any window of bytes, so that a segment of any size is read front to back in
//! bounded memory. It never panics, and never believes a number in the bytes that it has not checked against what is there.

mod block;

use crate::axon::segment::block::CRC;
use crate::axon::segment::block::Found;
use crate::axon::segment::block::HEAD;
use crate::axon::segment::block::Head;
use crate::axon::segment::block::read_block;
use crate::axon::segment::block::split_event;
use crate::axon::token::Token;

/// Bytes of the header: one of version, four of flags.
pub const HEADER_LENGTH: u64 = 5;
/// Bytes of a transaction besides its events: size, version, count, and the CRC-32 behind.
pub const TRANSACTION_OVERHEAD: u64 = 11;
/// A block of exactly this many events belongs together with the next one.
pub const CONTINUED_EVENTS: u16 = 32_767;
/// Bytes of the end: -1 when rolled, 0 while open.
pub const END_LENGTH: u64 = 4;

/// One block of a segment, proven by its CRC-32 and its events' framing.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Token of its first event.
    pub first_token: Token,
    /// How many events it holds (1 to 32,767).
    pub events: u16,
    /// The stored CRC-32 of its events area.
    pub crc: u32,
    /// All its bytes, from the size to the CRC.
    pub bytes: &'a [u8],
}

impl<'a> Transaction<'a> {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    /// Token of its last event.
    pub fn last_token(&self) -> Token {
        let behind_first = u64::from(self.events).saturating_sub(1);
        self.first_token.plus(behind_first).unwrap_or(self.first_token)
    }

    /// Whether it belongs together with the block behind it.
    pub fn is_continued(&self) -> bool {
        self.events == CONTINUED_EVENTS
    }

    /// The events area: each event with its length in front. The CRC-32 is over exactly this.
    pub fn events_area(&self) -> &'a [u8] {
        let area = HEAD..self.bytes.len().saturating_sub(CRC);
        self.bytes.get(area).unwrap_or_default()
    }

    /// The bytes of each event, in order.
    pub fn event_bytes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.events_area();
        std::iter::from_fn(move || {
            let (event, behind) = split_event(rest)?;
            rest = behind;
            Some(event)
        })
    }
}

/// A file shorter than this, or all zero up to here, holds no transaction.
const PREALLOCATED: u64 = 9;

/// The flags of a segment, of which `head` is the beginning; none if even the header is not there. Events can be read by
/// [`crate::axon::event`] only if they are 0: others say that the server changed (encrypted) what it stored. Framing and
/// CRC-32 hold in any case.
pub fn flags(head: &[u8]) -> Option<u32> {
    let (_version, behind) = head.split_first()?;
    behind.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// Why the walk stopped before a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file ends inside the header, a size, or a transaction.
    #[error("the file ends inside it")]
    Truncated,
    /// The header's version is neither 1 nor 2.
    #[error("header version {0} is not known")]
    HeaderVersion(u8),
    /// A size below 4 that is not an end, or a count of events below 1 (or above 32,767: it is signed).
    #[error("its size or its count of events is impossible")]
    Impossible,
    /// The lengths of the events do not add up to the size.
    #[error("the lengths of its events do not add up")]
    Framing,
    /// The CRC-32 does not fit.
    #[error("its CRC-32 does not fit")]
    Checksum,
    /// Tokens above `i64::MAX`.
    #[error("its tokens run past the largest one there is")]
    Tokens,
    /// The header is not the one that the same segment had before. No walk says so: only a comparison can.
    #[error("the header is not what it was")]
    HeaderChanged,
    /// What looks like an end stands before the next segment's first token. No walk says so: only the next segment's name can.
    #[error("it ends before the next segment begins")]
    EarlyEnd,
}

/// Where the valid prefix of a segment ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// -1: rolled, no longer written.
    Rolled,
    /// 0: still open.
    Open,
    /// The file ends right behind the last transaction, or is empty.
    EndOfFile,
    /// What stands here is no transaction: being written, torn, or damaged.
    Stopped(Reason),
}

/// What one step of a [`Walker`] found.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A whole transaction; the walker stands behind it.
    Transaction(Transaction<'a>),
    /// The window is too short to tell: come again with at least this many bytes from [`Walker::offset`] on.
    NeedMore(u64),
    /// The valid prefix ends at [`Walker::offset`].
    End(Ending),
}

/// Walks a segment front to back.
#[derive(Clone, Copy, Debug)]
pub struct Walker {
    offset: u64,
    token: Token,
    length: u64,
}

impl Walker {
    /// A walker at the head of a file of `length` bytes whose name says that its first token is `first`.
    pub const fn new(first: Token, length: u64) -> Self {
        Self { offset: 0, token: first, length }
    }

    /// A walker right behind a transaction known to end at `offset`, before the event with `token`.
    pub const fn resume(offset: u64, token: Token, length: u64) -> Self {
        Self { offset, token, length }
    }

    /// Where it stands: everything before is valid.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The token that the next event would have.
    pub const fn next_token(&self) -> Token {
        self.token
    }

    /// Takes one step. `window` holds the file's bytes from [`Walker::offset`] on, as many as the caller has; at offset 0 the
    /// header is stepped over together with the first transaction, or with the end. A file whose first bytes up to 9 are all zero
    /// ends at offset 0 with [`Ending::Open`] (preallocated, never written); an empty one with [`Ending::EndOfFile`].
    ///
    /// [`Step::NeedMore`] never asks for bytes behind the length given to [`Walker::new`], and the walker does not move.
    /// After [`Step::End`] it stands at the end of the valid prefix.
    pub fn step<'a>(&mut self, window: &'a [u8]) -> Step<'a> {
        let Some(left) = self.length.checked_sub(self.offset) else {
            return Step::End(Ending::Stopped(Reason::Truncated));
        };
        let window = clip(window, left);
        match self.header(window) {
            Ok(header) => self.step_behind(window, header),
            Err(step) => step,
        }
    }

    /// Steps over a block that is damaged inside: its size word leads to a place within the file, and its count could be one.
    /// To be called after [`Ending::Stopped`], with a window from [`Walker::offset`] on. None, and nothing happens, if there is no
    /// telling where the next block begins.
    ///
    /// Whether the size and the count were right only what lies behind can say: a block that [`Walker::step`] then finds
    /// good was written where it stands. Its tokens are right if the damaged count was.
    pub fn skip_damaged(&mut self, window: &[u8]) -> Option<Damaged> {
        let left = self.length.checked_sub(self.offset)?;
        let head = Head::read(window)?;
        let block = head.block_length().ok()?;
        let next = self.token.plus(u64::from(head.events))?;
        if block > left || !(1..=CONTINUED_EVENTS).contains(&head.events) {
            return None;
        }
        let end = self.offset.checked_add(block)?;
        let damaged = Damaged { offset: self.offset, end, first_token: self.token, events: head.events };
        (self.offset, self.token) = (end, next);
        Some(damaged)
    }

    /// How many bytes of header stand in front of `window`; or why there is no walking on.
    fn header(&self, window: &[u8]) -> Result<u64, Step<'static>> {
        if self.offset > 0 {
            return Ok(0);
        }
        let first = PREALLOCATED.min(self.length);
        let Some(head) = usize::try_from(first).ok().and_then(|first| window.get(..first)) else {
            return Err(Step::NeedMore(first));
        };
        match head.first() {
            None => Err(Step::End(Ending::EndOfFile)),
            _ if head.iter().all(|byte| *byte == 0) => Err(Step::End(Ending::Open)),
            _ if first < HEADER_LENGTH => Err(Step::End(Ending::Stopped(Reason::Truncated))),
            Some(1 | 2) => Ok(HEADER_LENGTH),
            Some(version) => Err(Step::End(Ending::Stopped(Reason::HeaderVersion(*version)))),
        }
    }

    /// One step, `header` bytes into the window.
    fn step_behind<'a>(&mut self, window: &'a [u8], header: u64) -> Step<'a> {
        let offset = self.offset.saturating_add(header);
        let rest = usize::try_from(header).ok().and_then(|header| window.get(header..)).unwrap_or_default();
        match read_block(rest, self.length.saturating_sub(offset)) {
            Found::NeedMore(bytes) => Step::NeedMore(header.saturating_add(bytes)),
            Found::End(ending) => {
                self.offset = offset;
                Step::End(ending)
            }
            Found::Block { events, crc, bytes } => self.advance(offset, events, crc, bytes),
        }
    }

    fn advance<'a>(&mut self, offset: u64, events: u16, crc: u32, bytes: &'a [u8]) -> Step<'a> {
        let Some(next) = self.token.plus(u64::from(events)) else {
            self.offset = offset;
            return Step::End(Ending::Stopped(Reason::Tokens));
        };
        let found = Transaction { offset, first_token: self.token, events, crc, bytes };
        (self.offset, self.token) = (found.end(), next);
        Step::Transaction(found)
    }
}

/// A block that [`Walker::skip_damaged`] stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it begins.
    pub offset: u64,
    /// Where the next one begins, if its size word is right.
    pub end: u64,
    /// Token of its first event.
    pub first_token: Token,
    /// How many events it says it holds (1 to 32,767).
    pub events: u16,
}

/// Walks a segment that lies in `bytes` as a whole.
pub fn walk(bytes: &[u8], first: Token) -> Walk<'_> {
    Walk { bytes, walker: Walker::new(first, bytes.len() as u64), ending: None }
}

/// The transactions of a segment in memory: see [`walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    walker: Walker,
    ending: Option<Ending>,
}

impl Walk<'_> {
    /// How the valid prefix ends; walks there if need be.
    pub fn ending(&mut self) -> Ending {
        while self.next().is_some() {}
        self.ending.unwrap_or(Ending::Stopped(Reason::Truncated))
    }

    /// Where it stands: everything before is valid.
    pub const fn offset(&self) -> u64 {
        self.walker.offset()
    }

    /// The token that the next event would have.
    pub const fn next_token(&self) -> Token {
        self.walker.next_token()
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Transaction<'a>;

    fn next(&mut self) -> Option<Transaction<'a>> {
        if self.ending.is_some() {
            return None;
        }
        let window = usize::try_from(self.walker.offset()).ok().and_then(|at| self.bytes.get(at..));
        match self.walker.step(window.unwrap_or_default()) {
            Step::Transaction(transaction) => return Some(transaction),
            Step::NeedMore(_) => self.ending = Some(Ending::Stopped(Reason::Truncated)),
            Step::End(ending) => self.ending = Some(ending),
        }
        None
    }
}

/// The part of `window` that the file can hold.
fn clip(window: &[u8], left: u64) -> &[u8] {
    match usize::try_from(left) {
        Ok(left) => window.get(..left).unwrap_or(window),
        Err(_) => window,
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers of these tests are small"
)]
mod tests {
    use super::*;

    /// A block of these events.
    fn block(events: &[&[u8]]) -> Vec<u8> {
        let mut area = Vec::new();
        for event in events {
            area.extend((event.len() as i32).to_be_bytes());
            area.extend(*event);
        }
        let mut block = (area.len() as i32).to_be_bytes().to_vec();
        block.push(2);
        block.extend((events.len() as u16).to_be_bytes());
        block.extend(&area);
        block.extend(crc32fast::hash(&area).to_be_bytes());
        block
    }

    /// A header, and these parts.
    fn segment(parts: &[&[u8]]) -> Vec<u8> {
        [&[2, 0, 0, 0, 0], parts.concat().as_slice()].concat()
    }

    fn ending(bytes: &[u8]) -> (Ending, u64) {
        let mut walk = walk(bytes, Token::ZERO);
        (walk.ending(), walk.offset())
    }

    const ROLLED: &[u8] = &[0xff; 4];
    const STOPPED: fn(Reason) -> Ending = Ending::Stopped;

    #[test]
    fn transactions_come_with_their_place_and_their_tokens() {
        let (one, two) = (block(&[b"a", b"bb"]), block(&[b""]));
        let bytes = segment(&[&one, &two, ROLLED, &[0; 20]]);
        let mut walk = walk(&bytes, Token::new(7).unwrap());
        let found: Vec<_> = walk.by_ref().collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].offset, found[0].end()), (5, 5 + one.len() as u64));
        assert_eq!((found[0].first_token.get(), found[0].last_token().get()), (7, 8));
        assert_eq!(found[0].event_bytes().collect::<Vec<_>>(), [b"a".as_slice(), b"bb"]);
        assert_eq!((found[0].bytes, found[1].bytes), (one.as_slice(), two.as_slice()));
        assert_eq!((found[1].first_token.get(), found[1].last_token().get()), (9, 9));
        assert_eq!(found[1].event_bytes().collect::<Vec<_>>(), [b"".as_slice()]);
        assert_eq!(found[0].crc, crc32fast::hash(found[0].events_area()));
        assert_eq!((walk.ending(), walk.offset()), (Ending::Rolled, found[1].end()));
        assert_eq!(walk.next_token().get(), 10);
    }

    #[test]
    fn every_end_is_told_apart() {
        let one = block(&[b"abc"]);
        let behind = 5 + one.len() as u64;
        assert_eq!(ending(&segment(&[&one, ROLLED])), (Ending::Rolled, behind));
        assert_eq!(ending(&segment(&[&one, &[0; 4]])), (Ending::Open, behind));
        assert_eq!(ending(&segment(&[&one, &[0; 99]])), (Ending::Open, behind));
        assert_eq!(ending(&segment(&[&one])), (Ending::EndOfFile, behind));
        assert_eq!(ending(&segment(&[&one, &[0; 3]])), (Ending::EndOfFile, behind));
        assert_eq!(ending(&segment(&[&one, &[0, 0, 1]])), (STOPPED(Reason::Truncated), behind));
        assert_eq!(ending(&segment(&[&one, &one[..9]])), (STOPPED(Reason::Truncated), behind));
        assert_eq!(ending(&segment(&[&one, &(-2_i32).to_be_bytes()])), (STOPPED(Reason::Impossible), behind));
        assert_eq!(ending(&segment(&[&one, &3_i32.to_be_bytes()])), (STOPPED(Reason::Impossible), behind));
    }

    #[test]
    fn a_head_is_a_header_or_nothing() {
        assert_eq!(ending(&[]), (Ending::EndOfFile, 0));
        for zeros in [1, 4, 5, 8, 9, 1000] {
            assert_eq!(ending(&vec![0; zeros]), (Ending::Open, 0), "{zeros}");
        }
        assert_eq!(ending(&[2, 0, 0]), (STOPPED(Reason::Truncated), 0));
        assert_eq!(ending(&segment(&[])), (Ending::EndOfFile, 5));
        assert_eq!(ending(&segment(&[&[0; 4]])), (Ending::Open, 5));
        assert_eq!(ending(&segment(&[ROLLED])), (Ending::Rolled, 5));
        assert_eq!(ending(&[3, 0, 0, 0, 0, 0, 0, 0, 0]), (STOPPED(Reason::HeaderVersion(3)), 0));
        let mut old = segment(&[&block(&[b"4.0"]), ROLLED]);
        old[0] = 1;
        assert_eq!(ending(&old).0, Ending::Rolled);
    }

    #[test]
    fn flags_are_those_of_the_header() {
        assert_eq!(flags(&[2, 0, 0, 0]), None);
        assert_eq!(flags(&segment(&[])), Some(0));
        assert_eq!(flags(&[2, 0, 0, 1, 2, 9, 9]), Some(0x102));
    }

    #[test]
    fn each_damage_has_its_reason() {
        let damaged = |change: fn(&mut Vec<u8>)| {
            let mut block = block(&[b"abc", b"def"]);
            change(&mut block);
            ending(&segment(&[&block, ROLLED])).0
        };
        assert_eq!(damaged(|_| ()), Ending::Rolled);
        assert_eq!(damaged(|block| block[12] ^= 1), STOPPED(Reason::Checksum));
        assert_eq!(damaged(|block| *block.last_mut().unwrap() ^= 1), STOPPED(Reason::Checksum));
        assert_eq!(damaged(|block| block[10] += 1), STOPPED(Reason::Framing));
        assert_eq!(damaged(|block| block[7] = 0xff), STOPPED(Reason::Framing));
        assert_eq!(damaged(|block| block[6] = 1), STOPPED(Reason::Framing));
        assert_eq!(damaged(|block| block[6] = 3), STOPPED(Reason::Framing));
        assert_eq!(damaged(|block| block[6] = 0), STOPPED(Reason::Impossible));
        assert_eq!(damaged(|block| block[5] = 0x80), STOPPED(Reason::Impossible));
    }

    #[test]
    fn a_size_beyond_the_file_asks_for_nothing() {
        let mut walker = Walker::resume(5, Token::ZERO, 1_000);
        let word = (985_i32).to_be_bytes();
        assert!(matches!(walker.step(&word), Step::End(Ending::Stopped(Reason::Truncated))));
        let word = (984_i32).to_be_bytes();
        assert!(matches!(walker.step(&word), Step::NeedMore(995)));
        let word = i32::MAX.to_be_bytes();
        assert!(matches!(walker.step(&word), Step::End(Ending::Stopped(Reason::Truncated))));
        assert_eq!(walker.offset(), 5);
    }

    #[test]
    fn tokens_stay_below_the_largest() {
        let bytes = segment(&[&block(&[b"a", b"b"]), ROLLED]);
        let mut near = walk(&bytes, Token::new(i64::MAX as u64 - 1).unwrap());
        assert_eq!((near.ending(), near.offset()), (STOPPED(Reason::Tokens), 5));
        let mut room = walk(&bytes, Token::new(i64::MAX as u64 - 2).unwrap());
        assert_eq!(room.ending(), Ending::Rolled);
    }

    #[test]
    fn a_file_that_shrank_below_the_walker_is_truncated() {
        let mut walker = Walker::resume(50, Token::ZERO, 49);
        assert!(matches!(walker.step(&[]), Step::End(Ending::Stopped(Reason::Truncated))));
    }

    #[test]
    fn bytes_behind_the_length_do_not_count() {
        let bytes = segment(&[&block(&[b"abc"]), &[0, 0, 9, 9, 9, 9, 9, 9]]);
        let length = bytes.len() as u64 - 6;
        let mut walker = Walker::new(Token::ZERO, length);
        let Step::Transaction(found) = walker.step(&bytes) else { panic!("not found") };
        assert!(matches!(walker.step(&bytes[found.end() as usize..]), Step::End(Ending::EndOfFile)));
    }

    /// Walks in windows that grow only when the walker asks for it.
    fn walk_in_windows(bytes: &[u8]) -> (Vec<(u64, u64, u16)>, Ending, u64) {
        let mut walker = Walker::new(Token::ZERO, bytes.len() as u64);
        let (mut found, mut window) = (Vec::new(), 0_u64);
        loop {
            let from = walker.offset();
            match walker.step(&bytes[from as usize..(from + window) as usize]) {
                Step::Transaction(t) => {
                    found.push((t.offset, t.first_token.get(), t.events));
                    window = 0;
                }
                Step::NeedMore(more) => {
                    assert!(more > window, "it asks for what it has");
                    assert!(from + more <= bytes.len() as u64, "it asks for more than there is");
                    assert_eq!(walker.offset(), from);
                    window = more;
                }
                Step::End(ending) => return (found, ending, walker.offset()),
            }
        }
    }

    fn random_segment(random: &mut fastrand::Rng) -> Vec<u8> {
        let mut parts = Vec::new();
        for _ in 0..random.usize(0..6) {
            let events: Vec<Vec<u8>> =
                (0..random.usize(1..5)).map(|_| vec![7; random.usize(0..40)]).collect();
            parts.push(block(&events.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        }
        parts.push(if random.bool() { vec![0xff; 4] } else { Vec::new() });
        parts.push(vec![0; random.usize(0..20)]);
        segment(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn windows_show_the_same_as_the_whole_whatever_the_bytes_are() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..5_000 {
            let mut bytes = random_segment(&mut random);
            for _ in 0..random.usize(0..3) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(0..=bytes.len() * 2));
            let (found, ending, offset) = walk_in_windows(&bytes);
            let mut whole = walk(&bytes, Token::ZERO);
            let seen: Vec<_> = whole.by_ref().map(|t| (t.offset, t.first_token.get(), t.events)).collect();
            assert_eq!((found, ending, offset), (seen, whole.ending(), whole.offset()));
        }
    }

    #[test]
    fn good_blocks_behind_damage_are_found() {
        let (one, two, three) = (block(&[b"a"]), block(&[b"b", b"c"]), block(&[b"d"]));
        let mut bytes = segment(&[&one, &two, &three, ROLLED]);
        let begin = 5 + one.len();
        bytes[begin + 11] ^= 1;
        let mut walker = Walker::new(Token::ZERO, bytes.len() as u64);
        assert!(matches!(walker.step(&bytes), Step::Transaction(_)));
        assert!(matches!(walker.step(&bytes[begin..]), Step::End(Ending::Stopped(Reason::Checksum))));
        let damaged = walker.skip_damaged(&bytes[begin..]).unwrap();
        assert_eq!((damaged.offset, damaged.first_token.get(), damaged.events), (begin as u64, 1, 2));
        assert_eq!(damaged.end, (begin + two.len()) as u64);
        let Step::Transaction(found) = walker.step(&bytes[damaged.end as usize..]) else {
            panic!("not found")
        };
        assert_eq!((found.bytes, found.first_token.get()), (three.as_slice(), 3));
    }

    #[test]
    fn damage_in_a_size_word_or_a_count_is_not_stepped_over() {
        let good = block(&[b"abc"]);
        let skip = |bytes: &[u8]| Walker::resume(5, Token::ZERO, 5 + good.len() as u64).skip_damaged(bytes);
        assert!(skip(&good).is_some());
        for (at, value) in [(0, 0x80), (3, 0), (3, 3), (3, 8), (2, 1), (6, 0), (5, 0x80)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert_eq!(skip(&bytes), None, "{at}");
        }
        assert_eq!(skip(&good[..6]), None);
    }
}
