//! Probabilities, one a slot: each learns from its own decisions alone.

use crate::repo::codec::columns::coder::Predict;

/// Slots that may be allocated. What is allocated beyond shares the first ones.
const SLOTS_MAX: usize = 3 << 20;
/// Slots that are shared when there are no more.
pub(super) const SLOTS_SHARED: usize = 1 << 14;
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

/// Where `more` slots begin and end behind `count`, if there is room for them.
pub(super) fn room(count: usize, more: u32) -> Option<(u32, usize)> {
    let end = count.checked_add(more as usize).filter(|end| *end <= SLOTS_MAX)?;
    Some((u32::try_from(count).ok()?, end))
}

/// A probability: 22 bits of "it is true", 10 bits of uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct State(u32);

/// One half, never used.
pub(super) const FRESH: State = State(1 << 31);

impl State {
    /// The probability of "true" in 65,536ths.
    #[inline]
    pub(super) const fn probability(self) -> u32 {
        self.0 >> 16
    }

    /// Whether it is so sure, after so many decisions, that nothing else need be asked: nearer to one of both ends than so many 65,536ths.
    #[inline]
    pub(super) const fn is_certain(self, near: u32) -> bool {
        self.0 & 0x3ff >= CERTAIN_USES && self.probability().wrapping_sub(near) > 65_535 - 2 * near
    }

    /// What it is after a decision.
    #[inline]
    pub(super) fn moved(self, bit: bool) -> Self {
        let uses = self.0 & 0x3ff;
        let step = u64::from(STEPS.get(uses as usize).copied().unwrap_or(0));
        let p = self.0 >> 10;
        let moved = if bit {
            p + ((u64::from(0x3f_ffff - p) * step) >> 16) as u32
        } else {
            p - ((u64::from(p) * step) >> 16) as u32
        };
        Self(moved << 10 | (uses + u32::from(uses < USES_MAX)))
    }
}

/// Probabilities.
#[derive(Debug)]
pub(super) struct Slots {
    states: Vec<State>,
}

impl Predict for Slots {
    fn new(_: usize) -> Self {
        Self { states: vec![FRESH; SLOTS_SHARED] }
    }

    fn allocate(&mut self, count: u32) -> u32 {
        let Some((first, end)) = room(self.states.len(), count) else { return 0 };
        self.states.resize(end, FRESH);
        first
    }

    #[inline]
    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        let Some(state) = self.states.get_mut(slot as usize) else { return decide(1 << 15) };
        let bit = decide(u64::from(state.probability().max(1)));
        *state = state.moved(bit);
        bit
    }
}
