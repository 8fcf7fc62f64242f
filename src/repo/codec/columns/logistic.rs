//! Probabilities as logits and back, in whole numbers only: the same on every machine, for ever.
//!
//! A logit is ln(p / (1 - p)) in 256ths. Both tables are part of the format.

/// The largest logit.
pub(super) const LOGIT_MAX: i32 = 44 * STEP;
/// A support of [`SQUASHED`] every so many logits.
const STEP: i32 = 64;

/// The probability of each support from 0 on, in 65,536ths: 65536 / (1 + e^(-k/4)), rounded down.
const SQUASHED: [u32; 45] = [
    32_768, 36_842, 40_793, 44_510, 47_910, 50_941, 53_580, 55_833, 57_723, 59_287, 60_564, 61_598, 62_427,
    63_089, 63_614, 64_030, 64_357, 64_614, 64_815, 64_973, 65_097, 65_193, 65_269, 65_328, 65_373, 65_409,
    65_437, 65_459, 65_476, 65_489, 65_499, 65_507, 65_514, 65_518, 65_522, 65_525, 65_527, 65_529, 65_531,
    65_532, 65_533, 65_533, 65_534, 65_534, 65_534,
];

/// The probability of a logit, in 65,536ths: 1 to 65,535.
pub(super) fn squash(logit: i32) -> u32 {
    let size = logit.unsigned_abs().min(LOGIT_MAX.unsigned_abs());
    let (at, part) = ((size / STEP.unsigned_abs()) as usize, size % STEP.unsigned_abs());
    let low = SQUASHED.get(at).copied().unwrap_or(65_535);
    let high = SQUASHED.get(at + 1).copied().unwrap_or(low);
    let p = low + (high - low) * part / STEP.unsigned_abs();
    if logit < 0 { 65_536 - p } else { p }
}

/// How many of them there are of each.
const LOGITS: usize = 1 << 12;
const SQUASHES: usize = 2 * LOGIT_MAX as usize + 1;

/// The logits of probabilities in 4,096ths, and the probabilities of all logits.
#[derive(Debug)]
pub(super) struct Tables {
    logits: Box<[i16; LOGITS]>,
    squashed: Box<[u16; SQUASHES]>,
}

impl Tables {
    pub(super) fn new() -> Self {
        let (mut squashed, mut logits) = (Box::new([0; SQUASHES]), Box::new([0; LOGITS]));
        for (place, logit) in squashed.iter_mut().zip(-LOGIT_MAX..) {
            *place = squash(logit) as u16;
        }
        let mut logit = -LOGIT_MAX;
        for (place, p) in logits.iter_mut().zip(0..) {
            // The least logit that is at least as probable as the middle of this 4,096th.
            while logit < LOGIT_MAX && squash(logit) < p * 16 + 8 {
                logit += 1;
            }
            *place = logit as i16;
        }
        Self { logits, squashed }
    }

    /// The logit of a probability in 65,536ths.
    #[inline]
    pub(super) fn logit(&self, p: u32) -> i32 {
        i32::from(self.logits.get((p >> 4) as usize % LOGITS).copied().unwrap_or(0))
    }

    /// [`squash`], looked up.
    #[inline]
    pub(super) fn squash(&self, logit: i32) -> u32 {
        let at = (logit.clamp(-LOGIT_MAX, LOGIT_MAX) + LOGIT_MAX).unsigned_abs() as usize;
        u32::from(self.squashed.get(at).copied().unwrap_or(1 << 15))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_up_is_what_is_computed() {
        let tables = Tables::new();
        for logit in -LOGIT_MAX - 10..=LOGIT_MAX + 10 {
            let p = squash(logit);
            assert!((1..=65_535).contains(&p), "{logit}");
            assert_eq!(tables.squash(logit), p, "{logit}");
            assert_eq!(squash(-logit), 65_536 - p, "{logit}");
        }
    }

    #[test]
    fn logits_go_back_to_their_probability() {
        let tables = Tables::new();
        for p in (0..65_536).step_by(16) {
            let back = squash(tables.logit(p));
            // In the middle, where it is steepest, one logit is 64 of 65,536.
            assert!(back.abs_diff(p + 8) <= 64, "{p} became {back}");
        }
        assert_eq!((tables.logit(0), tables.logit(65_535)), (-2367, 2336));
    }
}
