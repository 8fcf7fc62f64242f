//! The mixtures of codecs 3, 5 and 7: what several situations say of a decision.

use super::columns::mix;
use std::collections::HashMap;

const S: [i64; 46] = [
    32768, 36842, 40793, 44510, 47910, 50941, 53580, 55833, 57723, 59287, 60564, 61598, 62427, 63089, 63614,
    64030, 64357, 64614, 64815, 64973, 65097, 65193, 65269, 65328, 65373, 65409, 65437, 65459, 65476, 65489,
    65499, 65507, 65514, 65518, 65522, 65525, 65527, 65529, 65531, 65532, 65533, 65533, 65534, 65534, 65534,
    65534,
];

fn squash(x: i64) -> i64 {
    let (at, rest) = ((x.abs().min(2_816) / 64) as usize, x.abs().min(2_816) % 64);
    let next = S[(at + 1).min(45)];
    let p = S[at] + (next - S[at]) * rest / 64;
    if x < 0 { 65_536 - p } else { p }
}

#[derive(Clone, Copy)]
struct State {
    u: i64,
    tag: u64,
    m: i64,
}

/// A state of which nothing is known.
const FRESH: State = State { u: 1 << 15, tag: 0, m: 0 };

/// What is known for the mixture, and where one is.
pub struct Mixture {
    /// Of codec 5, or 7.
    is_lean: bool,
    /// Of codec 7: the score of each group of slots.
    scores: Option<HashMap<usize, i64>>,
    logits: Vec<i64>,
    states: Vec<State>,
    by_slot: Vec<[i64; 6]>,
    by_counts: Vec<[i64; 6]>,
    pub situations: [u64; 3],
    used: [Option<usize>; 4],
    inputs: [i64; 6],
    sets: [usize; 2],
    p: i64,
}

impl Mixture {
    pub fn new(length: usize, codec: u64) -> Self {
        let is_lean = codec != 3;
        let most = if is_lean { 1 << 18 } else { 1 << 23 };
        let states = (length / 4).next_power_of_two().clamp(1 << 12, most);
        let weights = [16_000, 9_000, 9_000, 9_000, 9_000, 0];
        let mut x = -2_816;
        let logits = (0..4_096).map(|part| {
            while x < 2_816 && squash(x) < 16 * part + 8 {
                x += 1;
            }
            x
        });
        Self {
            is_lean,
            scores: (codec == 7).then(HashMap::new),
            logits: logits.collect(),
            states: vec![FRESH; states],
            by_slot: vec![weights; 4_096],
            by_counts: vec![weights; 81],
            situations: [0; 3],
            used: [None; 4],
            inputs: [0; 6],
            sets: [0; 2],
            p: 0,
        }
    }

    /// Whether a decision is mixed, by the probability and the count of its slot.
    pub fn mixes(&mut self, slot: usize, q: u64, n: u64) -> bool {
        let least = if self.is_lean { 2_048 } else { 256 };
        if n >= 30 && !(least..=65_535 - least).contains(&q) {
            return false;
        }
        let Some(scores) = &mut self.scores else { return true };
        let score = scores.entry(slot / 8).or_insert(65_536);
        let pays = *score >= 0;
        *score += if pays { 0 } else { 64 };
        pays
    }

    /// The state of a situation; one of which nothing is known where it says nothing.
    fn look(&mut self, n: usize, situation: u64, more: usize) -> State {
        self.used[n] = None;
        if self.is_lean && n == 2 {
            return FRESH;
        }
        let place = ((situation >> 32) as usize + more) % self.states.len();
        let state = &mut self.states[place];
        if state.tag != situation % 1_024 {
            if self.is_lean && state.m > 1 {
                state.m -= 1;
                return FRESH;
            }
            *state = State { tag: situation % 1_024, ..FRESH };
        }
        self.used[n] = Some(place);
        *state
    }

    /// The probability of a decision in 65,536ths, from that of its slot and its history.
    pub fn mix(&mut self, slot: usize, q: u64, history: u64) -> u64 {
        let [a, b, c] = self.situations;
        let looked = [(mix(slot as u64, history), 0), (a, slot), (b, slot), (c, slot)];
        // What one says is taken before the next one is looked at, which may be of the same place.
        let states = [0, 1, 2, 3].map(|n| {
            let (situation, more) = looked[n];
            self.look(n, situation, more)
        });
        let logit = |state: State| if state.m == 0 { 0 } else { self.logits[state.u as usize / 16] };
        let [first, second, third, fourth] = states.map(logit);
        self.inputs = [self.logits[q as usize / 16], first, second, third, fourth, 256];
        let digit = |state: State| [0, 1, 1, 1].get(state.m as usize).copied().unwrap_or(2);
        self.sets = [slot % 4_096, states.into_iter().fold(0, |set, state| set * 3 + digit(state))];
        let weights = self.by_slot[self.sets[0]].into_iter().zip(self.by_counts[self.sets[1]]);
        let sum: i64 = self.inputs.iter().zip(weights).map(|(x, (a, b))| x * (a + b)).sum();
        self.p = squash(sum >> 16);
        self.p as u64
    }

    /// Learns how a decision came out that was mixed, from the probability that its slot had.
    pub fn learn(&mut self, is: bool, slot: usize, q: u64) {
        let error_of = |p: i64| if is { 65_536 - p } else { -p };
        let (error, alone) = (error_of(self.p), error_of(q.max(1) as i64));
        if let Some(score) = self.scores.as_mut().and_then(|scores| scores.get_mut(&(slot / 8))) {
            let gain = (alone * alone - error * error) >> 16;
            *score = (*score + gain - 1_024).clamp(-(1 << 16), 1 << 18);
        }
        for weights in [&mut self.by_slot[self.sets[0]], &mut self.by_counts[self.sets[1]]] {
            for (weight, x) in weights.iter_mut().zip(self.inputs) {
                *weight = (*weight + ((x * error) >> 15)).clamp(-(1 << 20), 1 << 20);
            }
        }
        for at in self.used.into_iter().flatten() {
            let state = &mut self.states[at];
            let step = 2 * (65_536 / (2 * state.m + 3));
            state.u += if is { ((65_535 - state.u) * step) >> 16 } else { -((state.u * step) >> 16) };
            state.m = (state.m + 1).min(60);
        }
    }
}
