//! The coder under the columns: binary decisions with adaptive probabilities through a range coder, and raw bits beside it.
//!
//! Writer and reader share one trait, so that what models decisions is written once. A reader never fails on its own: behind the end
//! it reads zeros and says so ([`Reader::is_past`]).

/// Slots that may be allocated: 4 bytes each. What is allocated beyond shares the first ones.
const SLOTS_MAX: usize = 3 << 20;
/// Slots that are shared when there are no more.
const SLOTS_SHARED: usize = 1 << 14;
/// A probability of one half that was never used.
const FRESH: u32 = 1 << 31;
/// Uses after which a probability moves no slower.
const USES_MAX: u32 = 250;
/// The range is kept at or above this.
const RANGE_MIN: u64 = 1 << 32;

/// How far a probability moves at its n-th use: 65536 / (n + 1.5).
const STEPS: [u32; 256] = steps();

const fn steps() -> [u32; 256] {
    let mut steps = [0; 256];
    let mut n = 0;
    while n < 256 {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            steps[n] = (131_072 / (2 * n + 3)) as u32;
        }
        n += 1;
    }
    steps
}

/// Writes or reads decisions. What is passed as the decision counts only when writing; the returned one is the truth.
pub(super) trait Coder {
    /// Makes `count` slots for probabilities; gives the first one.
    fn allocate(&mut self, count: u32) -> u32;
    /// A decision, by the probability in `slot`, which learns from it.
    fn bit(&mut self, slot: u32, bit: bool) -> bool;
    /// Up to 64 bits that nothing predicts.
    fn raw(&mut self, bits: u32, value: u64) -> u64;
}

/// Probabilities: 22 bits of "it is true", 10 bits of uses.
#[derive(Debug)]
struct Slots {
    states: Vec<u32>,
}

impl Slots {
    fn new() -> Self {
        Self { states: vec![FRESH; SLOTS_SHARED] }
    }

    fn allocate(&mut self, count: u32) -> u32 {
        let first = self.states.len();
        let end = first.saturating_add(count as usize);
        if end > SLOTS_MAX {
            return 0;
        }
        self.states.resize(end, FRESH);
        u32::try_from(first).unwrap_or(0)
    }

    /// The probability in 65,536ths, never 0 and never all; then it learns what `decide` says.
    #[inline]
    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        let Some(state) = self.states.get_mut(slot as usize) else { return decide(1 << 15) };
        let bit = decide(u64::from((*state >> 16).max(1)));
        let uses = *state & 0x3ff;
        let step = u64::from(STEPS.get(uses as usize).copied().unwrap_or(0));
        let p = *state >> 10;
        let moved = if bit {
            p + ((u64::from(0x3f_ffff - p) * step) >> 16) as u32
        } else {
            p - ((u64::from(p) * step) >> 16) as u32
        };
        *state = moved << 10 | (uses + u32::from(uses < USES_MAX));
        bit
    }
}

/// Writes decisions.
#[derive(Debug)]
pub(super) struct Writer {
    slots: Slots,
    low: u64,
    range: u64,
    coded: Vec<u8>,
    raw: Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl Writer {
    pub(super) fn new() -> Self {
        let (coded, raw) = (Vec::new(), Vec::new());
        Self { slots: Slots::new(), low: 0, range: u64::MAX, coded, raw, pending: 0, pending_bits: 0 }
    }

    /// The bytes of the decisions, and those of the raw bits.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        let last = self.low.to_be_bytes();
        let length = last.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        self.coded.extend(last.iter().take(length));
        let left = self.pending_bits.div_ceil(8) as usize;
        self.raw.extend(self.pending.to_le_bytes().iter().take(left));
        (self.coded, self.raw)
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

    fn push(&mut self, bits: u32, value: u64) {
        self.pending |= value << self.pending_bits;
        self.pending_bits += bits;
        if self.pending_bits >= 32 {
            self.raw.extend((self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.pending_bits -= 32;
        }
    }
}

impl Coder for Writer {
    fn allocate(&mut self, count: u32) -> u32 {
        self.slots.allocate(count)
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

    fn raw(&mut self, bits: u32, value: u64) -> u64 {
        if bits > 32 {
            self.push(32, value & 0xffff_ffff);
            self.push(bits - 32, value >> 32);
        } else {
            self.push(bits, value);
        }
        value
    }
}

/// Reads decisions.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    slots: Slots,
    code: u64,
    range: u64,
    coded: &'a [u8],
    raw: &'a [u8],
    pending: u64,
    pending_bits: u32,
    /// Zeros that were read behind the ends.
    past: u32,
}

/// Zeros that the last decision may need behind the end.
const PAST_MAX: u32 = 8;

impl<'a> Reader<'a> {
    pub(super) fn new(coded: &'a [u8], raw: &'a [u8]) -> Self {
        let (code, range) = (0, u64::MAX);
        let mut reader =
            Self { slots: Slots::new(), code, range, coded, raw, pending: 0, pending_bits: 0, past: 0 };
        reader.code = u64::from(reader.word()) << 32 | u64::from(reader.word());
        reader
    }

    /// Whether more was read than was written: then what was read last means nothing.
    pub(super) fn is_past(&self) -> bool {
        self.past > PAST_MAX
    }

    fn word(&mut self) -> u32 {
        if let Some((word, rest)) = self.coded.split_first_chunk() {
            self.coded = rest;
            return u32::from_be_bytes(*word);
        }
        // The zeros at the end are not written.
        let mut word = [0; 4];
        word.iter_mut().zip(self.coded).for_each(|(to, from)| *to = *from);
        self.past = self.past.saturating_add(u32::from(self.coded.is_empty()));
        self.coded = &[];
        u32::from_be_bytes(word)
    }

    fn pull(&mut self, bits: u32) -> u64 {
        if self.pending_bits < bits {
            let mut word = [0; 4];
            if let Some((chunk, rest)) = self.raw.split_first_chunk() {
                (word, self.raw) = (*chunk, rest);
            } else {
                word.iter_mut().zip(self.raw).for_each(|(to, from)| *to = *from);
                self.past = self.past.saturating_add(if self.raw.is_empty() { PAST_MAX + 1 } else { 0 });
                self.raw = &[];
            }
            self.pending |= u64::from(u32::from_le_bytes(word)) << self.pending_bits;
            self.pending_bits += 32;
        }
        let value = self.pending & ((1 << bits) - 1);
        self.pending >>= bits;
        self.pending_bits -= bits;
        value
    }
}

impl Coder for Reader<'_> {
    fn allocate(&mut self, count: u32) -> u32 {
        self.slots.allocate(count)
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

    fn raw(&mut self, bits: u32, _: u64) -> u64 {
        if bits > 32 {
            let low = self.pull(32);
            low | self.pull(bits - 32) << 32
        } else {
            self.pull(bits)
        }
    }
}
