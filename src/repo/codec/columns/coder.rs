//! The coder under the columns: binary decisions with adaptive probabilities through a range coder, and raw bits beside it. (`streams` is
//! the other one.)
//!
//! Writer and reader share one trait, so that what models decisions is written once. A reader never fails on its own: behind the end
//! it reads zeros and says so ([`Reader::is_past`]).

use crate::repo::codec::columns::bits::BitReader;
use crate::repo::codec::columns::bits::BitWriter;
use crate::repo::codec::columns::bits::word;
use crate::repo::codec::columns::slots::Slots;

/// The range is kept at or above this.
const RANGE_MIN: u64 = 1 << 32;

/// Writes or reads decisions. What is passed as the decision counts only when writing; the returned one is the truth.
pub(super) trait Coder {
    /// Whether symbols are bytes in streams, a stream for each place; otherwise they are decisions, each with a slot.
    const IN_STREAMS: bool;

    /// Makes so many slots, or so many streams; gives the first one, or 0 where there is no more room: what is made then shares the first
    /// ones.
    fn allocate(&mut self, slots: u32, streams: u32) -> u32;

    /// Where a symbol belongs: to a slot, or to a stream.
    #[inline]
    fn place(slot: u32, stream: u32) -> u32 {
        if Self::IN_STREAMS { stream } else { slot }
    }

    /// A decision, by the probability in `slot`, which learns from it; or a byte of its stream.
    fn bit(&mut self, slot: u32, bit: bool) -> bool;

    /// A symbol of up to 8 bits: as decisions, the highest bit first, in the slots `base + 1 .. base + 2^bits`. Read from a stream it may be
    /// any byte.
    #[inline]
    fn symbol(&mut self, base: u32, bits: u32, symbol: u32) -> u32 {
        let mut node = 1;
        for at in (0..bits).rev() {
            let bit = self.bit(base + node, symbol >> at & 1 == 1);
            node = node << 1 | u32::from(bit);
        }
        node - (1 << bits)
    }

    /// Up to 64 bits that nothing predicts.
    fn raw(&mut self, bits: u32, value: u64) -> u64;

    /// Says where one is, for coders that predict by more than the slot.
    #[inline]
    fn contexts(&mut self, _: impl FnOnce() -> Contexts) {}

    /// Says what for bits are spent from here on, for those who count.
    #[inline]
    fn account(&mut self, _: Account) {}
}

/// What bits are spent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Account {
    /// Sequence numbers, timestamps, shapes, ends.
    Envelope,
    /// Which literal follows.
    Literals,
    /// The values of this column.
    Column(u32),
}

/// What a decision may depend on besides its slot: hashes.
pub(super) type Contexts = [u64; CONTEXTS];
/// How many there are.
pub(super) const CONTEXTS: usize = 3;

/// A coder that reads.
pub(super) trait Source: Coder {
    /// Whether more was read than was written: then what was read last means nothing.
    fn is_past(&self) -> bool;
}

/// How probable decisions are.
pub(super) trait Predict {
    /// Nothing is known yet of a block of so many bytes.
    fn new(raw_length: usize) -> Self;
    /// Makes `count` slots; gives the first one.
    fn allocate(&mut self, count: u32) -> u32;
    /// Gives the probability of "true" in 65,536ths, never 0 and never all; then learns what `decide` says.
    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool;
    /// Says where one is.
    #[inline]
    fn contexts(&mut self, _: impl FnOnce() -> Contexts) {}
    /// Says what for bits are spent.
    #[inline]
    fn account(&mut self, _: Account) {}
    /// Counts bits that nothing predicts.
    #[inline]
    fn spend(&mut self, _: u32) {}
}

/// Writes decisions.
#[derive(Debug)]
pub(super) struct Writer<P = Slots> {
    slots: P,
    low: u64,
    range: u64,
    coded: Vec<u8>,
    raw: BitWriter,
}

impl<P: Predict> Writer<P> {
    /// For a block of so many bytes.
    pub(super) fn new(raw_length: usize) -> Self {
        Self {
            slots: P::new(raw_length),
            low: 0,
            range: u64::MAX,
            coded: Vec::new(),
            raw: BitWriter::default(),
        }
    }

    /// The bytes of the decisions, and those of the raw bits; and what predicted them.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u8>, P) {
        let last = self.low.to_be_bytes();
        let length = last.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        self.coded.extend(last.iter().take(length));
        (self.coded, self.raw.finish(), self.slots)
    }

    #[cold]
    fn carry(&mut self) {
        for byte in self.coded.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }
}

impl<P: Predict> Coder for Writer<P> {
    const IN_STREAMS: bool = false;

    fn allocate(&mut self, slots: u32, _: u32) -> u32 {
        self.slots.allocate(slots)
    }

    #[inline]
    fn bit(&mut self, slot: u32, bit: bool) -> bool {
        let (range, mut bound) = (self.range, 0);
        self.slots.decide(slot, |p| {
            bound = (range >> 16).wrapping_mul(p);
            bit
        });
        if bit {
            self.range = bound;
        } else {
            let (low, carry) = self.low.overflowing_add(bound);
            self.low = low;
            self.range = range.wrapping_sub(bound);
            if carry {
                self.carry();
            }
        }
        if self.range < RANGE_MIN {
            self.coded.extend(((self.low >> 32) as u32).to_be_bytes());
            self.low <<= 32;
            self.range <<= 32;
        }
        bit
    }

    #[inline]
    fn contexts(&mut self, contexts: impl FnOnce() -> Contexts) {
        self.slots.contexts(contexts);
    }

    #[inline]
    fn account(&mut self, account: Account) {
        self.slots.account(account);
    }

    fn raw(&mut self, bits: u32, value: u64) -> u64 {
        self.slots.spend(bits);
        self.raw.put(bits, value);
        value
    }
}

/// Reads decisions.
#[derive(Debug)]
pub(super) struct Reader<'a, P = Slots> {
    slots: P,
    code: u64,
    range: u64,
    coded: &'a [u8],
    raw: BitReader<'a>,
    /// Zeros that were read behind the end.
    past: u32,
}

/// Zeros that the last decision may need behind the end.
const PAST_MAX: u32 = 8;

impl<'a, P: Predict> Reader<'a, P> {
    /// For a block of so many bytes.
    pub(super) fn new(coded: &'a [u8], raw: &'a [u8], raw_length: usize) -> Self {
        let (slots, raw) = (P::new(raw_length), BitReader::new(raw));
        let mut reader = Self { slots, code: 0, range: u64::MAX, coded, raw, past: 0 };
        reader.code = u64::from(reader.word()) << 32 | u64::from(reader.word());
        reader
    }

    fn word(&mut self) -> u32 {
        // The zeros at the end are not written.
        let word = word(&mut self.coded);
        self.past = self.past.saturating_add(u32::from(word.is_none()));
        word.map_or(0, u32::from_be_bytes)
    }
}

impl<P: Predict> Source for Reader<'_, P> {
    fn is_past(&self) -> bool {
        self.past > PAST_MAX || self.raw.is_past()
    }
}

impl<P: Predict> Coder for Reader<'_, P> {
    const IN_STREAMS: bool = false;

    fn allocate(&mut self, slots: u32, _: u32) -> u32 {
        self.slots.allocate(slots)
    }

    #[inline]
    fn bit(&mut self, slot: u32, _: bool) -> bool {
        let (range, code, mut bound) = (self.range, self.code, 0);
        let bit = self.slots.decide(slot, |p| {
            bound = (range >> 16).wrapping_mul(p);
            code < bound
        });
        if bit {
            self.range = bound;
        } else {
            self.code = code.wrapping_sub(bound);
            self.range = range.wrapping_sub(bound);
        }
        if self.range < RANGE_MIN {
            self.code = self.code << 32 | u64::from(self.word());
            self.range <<= 32;
        }
        bit
    }

    #[inline]
    fn contexts(&mut self, contexts: impl FnOnce() -> Contexts) {
        self.slots.contexts(contexts);
    }

    fn raw(&mut self, bits: u32, _: u64) -> u64 {
        self.raw.take(bits)
    }
}
