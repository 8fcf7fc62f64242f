//! Probabilities, one a slot: each learns from its own decisions alone.

use crate::repo::codec::columns::coder::Predict;

/// Slots that may be allocated: 4 bytes each. What is allocated beyond shares the first ones.
const SLOTS_MAX: usize = 3 << 20;
/// Slots that are shared when there are no more.
const SLOTS_SHARED: usize = 1 << 14;
/// A probability of one half that was never used.
const FRESH: u32 = 1 << 31;
/// Uses after which a probability moves no slower.
const USES_MAX: u32 = 250;
/// Uses from which on a slot may be certain.
const CERTAIN_USES: u32 = 30;

/// How far a probability moves at its n-th use: 65536 / (n + 1.5).
const STEPS: [u32; 256] = steps(131_072);

/// What is to be divided by 2n + 3, for each n.
pub(super) const fn steps<const COUNT: usize>(divided: usize) -> [u32; COUNT] {
    let mut steps = [0; COUNT];
    let mut n = 0;
    while n < COUNT {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            steps[n] = (divided / (2 * n + 3)) as u32;
        }
        n += 1;
    }
    steps
}

/// Probabilities: 22 bits of "it is true", 10 bits of uses.
#[derive(Debug)]
pub(super) struct Slots {
    states: Vec<u32>,
}

impl Predict for Slots {
    fn new(_: usize) -> Self {
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

    #[inline]
    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        let Some(state) = self.states.get_mut(slot as usize) else { return decide(1 << 15) };
        let bit = decide(u64::from((*state >> 16).max(1)));
        *state = moved(*state, bit);
        bit
    }
}

impl Slots {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.states.len()
    }

    /// The probability of "true" in 65,536ths.
    #[inline]
    pub(super) fn probability(&self, slot: u32) -> u32 {
        self.states.get(slot as usize).map_or(1 << 15, |state| *state >> 16)
    }

    /// Whether a slot is so sure, after so many decisions, that nothing else need be asked: nearer to one of both ends than so many
    /// 65,536ths.
    #[inline]
    pub(super) fn is_certain(&self, slot: u32, near: u32) -> bool {
        let state = self.states.get(slot as usize).copied().unwrap_or(FRESH);
        state & 0x3ff >= CERTAIN_USES && (state >> 16).wrapping_sub(near) > 65_535 - 2 * near
    }

    /// Learns from a decision.
    #[inline]
    pub(super) fn learn(&mut self, slot: u32, bit: bool) {
        if let Some(state) = self.states.get_mut(slot as usize) {
            *state = moved(*state, bit);
        }
    }
}

/// A state after a decision.
#[inline]
fn moved(state: u32, bit: bool) -> u32 {
    let uses = state & 0x3ff;
    let step = u64::from(STEPS.get(uses as usize).copied().unwrap_or(0));
    let p = state >> 10;
    let moved = if bit {
        p + ((u64::from(0x3f_ffff - p) * step) >> 16) as u32
    } else {
        p - ((u64::from(p) * step) >> 16) as u32
    };
    moved << 10 | (uses + u32::from(uses < USES_MAX))
}
