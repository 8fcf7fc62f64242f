//! Probabilities for the strongest setting: what several situations say of a decision is mixed, and the mixing learns.
//!
//! Whole numbers only, so that every machine reads what another one wrote.

use crate::repo::codec::columns::coder::CONTEXTS;
use crate::repo::codec::columns::coder::Contexts;
use crate::repo::codec::columns::coder::Predict;
use crate::repo::codec::columns::logistic::Tables;
use crate::repo::codec::columns::slots::Slots;
use crate::repo::codec::columns::slots::steps;
use crate::repo::codec::columns::span::mix as hashed;

/// Of the slot, of its last decisions, of each situation, and one that is always the same.
const INPUTS: usize = CONTEXTS + 3;
/// What the last one says.
const BIAS: i32 = 256;
/// Sets of weights chosen by slot, and by how much is known of the situations.
const SETS_BY_SLOT: usize = 4096;
const SETS_BY_KNOWLEDGE: usize = 3_usize.pow(CONTEXTS as u32 + 1);
/// 65,536 stands for 1. Both sets are added.
const WEIGHTS_AT_FIRST: Weights = [16_000, 9000, 9000, 9000, 9000, 0];
/// The largest weight.
const WEIGHT_MAX: i32 = 1 << 20;
/// Uses after which a probability moves no slower.
const USES_MAX: u32 = 60;
/// A probability of one half.
const HALF: u32 = 1 << 31;
/// Half of how far a probability moves at its n-th use: 32768 / (n + 1.5).
const STEPS: [u32; 64] = steps(65_536);

type Weights = [i32; INPUTS];

/// What is known, by slot and by situation.
#[derive(Debug)]
pub(super) struct Mixed {
    slots: Slots,
    /// The last 8 decisions of each slot.
    histories: Vec<u8>,
    /// 16 bits of "it is true", 10 bits of a tag, 6 bits of uses.
    situations: Vec<u32>,
    mask: u32,
    contexts: Contexts,
    by_slot: Vec<Weights>,
    by_knowledge: Vec<Weights>,
    tables: Tables,
    inputs: [i32; INPUTS],
    places: [u32; CONTEXTS + 1],
}

/// How much is known after so many uses: 0, 1, or 2.
const fn knowledge(uses: u32) -> usize {
    match uses {
        0 => 0,
        1..=3 => 1,
        _ => 2,
    }
}

/// A state after a decision.
#[inline]
fn moved(state: u32, bit: bool) -> u32 {
    let (p, uses) = (state >> 16, state & 0x3f);
    let step = STEPS.get(uses as usize).copied().unwrap_or(0);
    let p = if bit { p + (((65_535 - p) * 2 * step) >> 16) } else { p - ((p * 2 * step) >> 16) };
    p << 16 | state & 0xffc0 | (uses + u32::from(uses < USES_MAX))
}

impl Mixed {
    /// Looks at a situation: what it says goes among the inputs; gives how much is known.
    #[inline]
    fn look(&mut self, at: usize, situation: u64, slot: u32) -> usize {
        let place = ((situation >> 32) as u32).wrapping_add(slot) & self.mask;
        let tag = (situation as u32 & 0x3ff) << 6;
        let Some(state) = self.situations.get_mut(place as usize) else { return 0 };
        if *state & 0xffc0 != tag {
            *state = HALF | tag;
        }
        let uses = *state & 0x3f;
        let logit = if uses == 0 { 0 } else { self.tables.logit(*state >> 16) };
        if let (Some(input), Some(kept)) = (self.inputs.get_mut(at + 1), self.places.get_mut(at)) {
            (*input, *kept) = (logit, place);
        }
        knowledge(uses)
    }

    /// What all of them say; gives the set of weights by knowledge. `known` are the slot's probability and history.
    #[inline]
    fn look_around(&mut self, slot: u32, known: (u32, u32)) -> usize {
        let (p, history) = known;
        let mut set = self.look(0, hashed(u64::from(slot), u64::from(history)), 0);
        let contexts = self.contexts;
        for (at, situation) in contexts.iter().enumerate() {
            set = set * 3 + self.look(at + 1, *situation, slot);
        }
        let logit = self.tables.logit(p);
        let [first, .., last] = &mut self.inputs;
        (*first, *last) = (logit, BIAS);
        set
    }

    fn learn(&mut self, bit: bool) {
        for place in self.places {
            if let Some(state) = self.situations.get_mut(place as usize) {
                *state = moved(*state, bit);
            }
        }
    }
}

/// What the weights make of the inputs.
#[inline]
fn mix(inputs: &[i32; INPUTS], weights: [&Weights; 2]) -> i32 {
    let [a, b] = weights;
    let sum: i64 = inputs
        .iter()
        .zip(a.iter().zip(b))
        .map(|(input, (a, b))| i64::from(*input) * (i64::from(*a) + i64::from(*b)))
        .sum();
    (sum >> 16) as i32
}

/// Weights after an error, in 65,536ths. No input is larger than the largest logit: 12 bits, and 17 of the error.
#[inline]
fn learn(weights: &mut Weights, inputs: &[i32; INPUTS], error: i32) {
    for (weight, input) in weights.iter_mut().zip(inputs) {
        let change = (*input * error) >> 15;
        *weight = (*weight + change).clamp(-WEIGHT_MAX, WEIGHT_MAX);
    }
}

impl Predict for Mixed {
    fn new(raw_length: usize) -> Self {
        let places = (raw_length / 4).next_power_of_two().clamp(1 << 12, 1 << 23);
        Self {
            slots: Slots::new(raw_length),
            histories: Vec::new(),
            situations: vec![HALF; places],
            mask: places as u32 - 1,
            contexts: [0; CONTEXTS],
            by_slot: vec![WEIGHTS_AT_FIRST; SETS_BY_SLOT],
            by_knowledge: vec![WEIGHTS_AT_FIRST; SETS_BY_KNOWLEDGE],
            tables: Tables::new(),
            inputs: [0; INPUTS],
            places: [0; CONTEXTS + 1],
        }
    }

    fn allocate(&mut self, count: u32) -> u32 {
        let first = self.slots.allocate(count);
        self.histories.resize(self.slots.count(), 0);
        first
    }

    #[inline]
    fn contexts(&mut self, contexts: impl FnOnce() -> Contexts) {
        self.contexts = contexts();
    }

    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        if self.slots.is_certain(slot) {
            return self.slots.decide(slot, decide);
        }
        let history = self.histories.get(slot as usize).copied().unwrap_or(0);
        let set = self.look_around(slot, (self.slots.probability(slot), u32::from(history)));
        let Some(by_knowledge) = self.by_knowledge.get_mut(set) else { return decide(1 << 15) };
        let Some(by_slot) = self.by_slot.get_mut(slot as usize % SETS_BY_SLOT) else {
            return decide(1 << 15);
        };
        let p = self.tables.squash(mix(&self.inputs, [by_knowledge, by_slot]));
        let bit = decide(u64::from(p));
        let p = p.cast_signed();
        let error = if bit { 65_536 - p } else { -p };
        learn(by_knowledge, &self.inputs, error);
        learn(by_slot, &self.inputs, error);
        self.learn(bit);
        self.slots.learn(slot, bit);
        if let Some(history) = self.histories.get_mut(slot as usize) {
            *history = *history << 1 | u8::from(bit);
        }
        bit
    }
}
