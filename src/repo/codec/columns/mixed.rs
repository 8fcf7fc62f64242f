//! Probabilities for the strongest setting: what several situations say of a decision is mixed, and the mixing learns.
//!
//! Whole numbers only, so that every machine reads what another one wrote. There are three mixtures, each with a codec of its own: one that
//! asks all that it can, one that asks less, of a table that fits a cache, and one that asks only where that paid before.

use crate::repo::codec::columns::coder::CONTEXTS;
use crate::repo::codec::columns::coder::Contexts;
use crate::repo::codec::columns::coder::Predict;
use crate::repo::codec::columns::groups::Groups;
use crate::repo::codec::columns::groups::Slot;
use crate::repo::codec::columns::logistic::Tables;
use crate::repo::codec::columns::slots::steps;
use crate::repo::codec::columns::span::mix as hashed;
use std::hint::select_unpredictable;
use std::marker::PhantomData;

/// What the last input says, always.
const BIAS: i32 = 256;
/// Sets of weights chosen by slot; others are, by how much is known of the situations.
const SETS_BY_SLOT: usize = 4096;
/// Weights at first: of the slot, of the situations. The last input has none. 65,536 stands for 1; both sets are added.
const SLOT_AT_FIRST: i32 = 16_000;
const SITUATION_AT_FIRST: i32 = 9000;
/// The largest weight.
const WEIGHT_MAX: i32 = 1 << 20;
/// Uses after which a probability moves no slower.
const USES_MAX: u32 = 60;
/// A probability of one half.
const HALF: u32 = 1 << 31;
/// Half of how far a probability moves at its n-th use: 32768 / (n + 1.5).
const STEPS: [u32; 64] = steps(65_536);

/// In what mixtures differ.
pub(super) trait Blend {
    /// Places for situations that a large block has.
    const PLACES_MAX: usize;
    /// A slot is not mixed if it is nearer to certainty than so many 65,536ths.
    const CERTAIN: u32;
    /// Whether a situation that came more than once keeps its place for a while when another one comes there.
    const KEEPS_KNOWN: bool;
    /// Whether decisions are mixed only where that paid before.
    const SPARES: bool;
    /// The contexts that are asked.
    const ASKED: &[usize];
}

/// Everything is asked.
#[derive(Debug)]
pub(super) struct Everything;

impl Blend for Everything {
    const PLACES_MAX: usize = 1 << 23;
    const CERTAIN: u32 = 256;
    const KEEPS_KNOWN: bool = false;
    const SPARES: bool = false;
    const ASKED: &[usize] = &[0, 1, 2];
}

/// Two of the contexts are asked, and only about what is less certain.
#[derive(Debug)]
pub(super) struct Less;

impl Blend for Less {
    const PLACES_MAX: usize = 1 << 18;
    const CERTAIN: u32 = 2048;
    const KEEPS_KNOWN: bool = true;
    const SPARES: bool = false;
    const ASKED: &[usize] = &[0, 2];
}

/// As much is asked as in [`Less`], but only where that paid before.
#[derive(Debug)]
pub(super) struct Worth;

impl Blend for Worth {
    const SPARES: bool = true;
    const PLACES_MAX: usize = Less::PLACES_MAX;
    const CERTAIN: u32 = Less::CERTAIN;
    const KEEPS_KNOWN: bool = Less::KEEPS_KNOWN;
    const ASKED: &[usize] = Less::ASKED;
}

/// The mixture of codec 3. Inputs are what is said by the slot, by its last decisions, by each context, and what is always said.
pub(super) type Full = Mixed<Everything, 6>;
/// The mixture of codec 5: nearly as short, and much faster.
pub(super) type Lean = Mixed<Less, 5>;
/// The mixture of codec 7: hardly longer, and faster still.
pub(super) type Sparing = Mixed<Worth, 5>;

/// What is known, by slot and by situation.
#[derive(Debug)]
pub(super) struct Mixed<B, const INPUTS: usize> {
    groups: Groups,
    around: Around<B, INPUTS>,
}

/// What is known by situation.
#[derive(Debug)]
struct Around<B, const INPUTS: usize> {
    /// 16 bits of "it is true", 10 bits of a tag, 6 bits of uses.
    situations: Vec<u32>,
    mask: u32,
    contexts: Contexts,
    by_slot: Vec<[i32; INPUTS]>,
    by_knowledge: Vec<[i32; INPUTS]>,
    tables: Tables,
    blend: PhantomData<B>,
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
    // 16 bits each: their product fits.
    let step = STEPS.get(uses as usize).copied().unwrap_or(0).wrapping_mul(2);
    let way = select_unpredictable(bit, 65_535_u32.wrapping_sub(p), p);
    let change = way.wrapping_mul(step) >> 16;
    let p = select_unpredictable(bit, p.wrapping_add(change), p.wrapping_sub(change));
    p << 16 | state & 0xffc0 | (uses + u32::from(uses < USES_MAX))
}

/// What becomes of a state when a situation is asked, and whether it says anything: not if it is that of another one, and stays it. Else it is this one's
/// now. Nothing can foresee which: choices are made without branches here.
#[inline]
fn asked<B: Blend>(state: u32, situation: u64) -> (u32, bool) {
    let tag = (situation as u32 & 0x3ff) << 6;
    let is_other = state & 0xffc0 != tag;
    let stays = B::KEEPS_KNOWN && is_other && state & 0x3f > 1;
    let taken = select_unpredictable(is_other, HALF | tag, state);
    (select_unpredictable(stays, state.wrapping_sub(1), taken), !stays)
}

/// Set in a place whose state is that of another situation, and stays it. No table has so many.
const OF_ANOTHER: u32 = 1 << 31;

/// What is known of a decision.
#[derive(Clone, Copy, Debug)]
struct Known<const INPUTS: usize> {
    inputs: [i32; INPUTS],
    /// Of each situation that was asked: where its state is.
    places: [u32; INPUTS],
    /// The set of weights by how much is known of the situations.
    set: usize,
}

impl<B: Blend, const INPUTS: usize> Around<B, INPUTS> {
    /// Looks at a situation: a logit, where its state is, and how much is known.
    #[inline]
    fn look(&mut self, situation: u64, slot: u32) -> (i32, u32, usize) {
        let place = ((situation >> 32) as u32).wrapping_add(slot) & self.mask;
        let Some(state) = self.situations.get_mut(place as usize) else { return (0, OF_ANOTHER, 0) };
        let (now, is_its) = asked::<B>(*state, situation);
        *state = now;
        let uses = select_unpredictable(is_its, now & 0x3f, 0);
        let logit = select_unpredictable(uses == 0, 0, self.tables.logit(now >> 16));
        (logit, select_unpredictable(is_its, place, place | OF_ANOTHER), knowledge(uses))
    }

    /// What all of them say, and the slot's probability and history.
    #[inline]
    fn look_around(&mut self, slot: u32, p: u32, history: u8) -> Known<INPUTS> {
        let mut known = Known { inputs: row(self.tables.logit(p), 0, BIAS), places: [0; INPUTS], set: 0 };
        let contexts = self.contexts;
        let of_contexts = B::ASKED.iter().map(|context| (contexts.get(*context).copied().unwrap_or(0), slot));
        let of_history = (hashed(u64::from(slot), u64::from(history)), 0);
        let situations = std::iter::once(of_history).chain(of_contexts);
        for ((input, place), (situation, slot)) in
            known.inputs.iter_mut().skip(1).zip(&mut known.places).zip(situations)
        {
            let much;
            (*input, *place, much) = self.look(situation, slot);
            known.set = known.set * 3 + much;
        }
        known
    }

    #[inline]
    fn learn(&mut self, known: &Known<INPUTS>, bit: bool) {
        for place in known.places.iter().take(B::ASKED.len() + 1) {
            if let Some(state) = self.situations.get_mut((place & !OF_ANOTHER) as usize) {
                *state = select_unpredictable(place & OF_ANOTHER == 0, moved(*state, bit), *state);
            }
        }
    }
}

/// How wrong a probability in 65,536ths was.
#[inline]
fn error_of(p: u32, bit: bool) -> i32 {
    let p = p.cast_signed();
    if bit { 65_536 - p } else { -p }
}

/// What the weights make of the inputs.
#[inline]
fn mix<const INPUTS: usize>(inputs: &[i32; INPUTS], weights: [&[i32; INPUTS]; 2]) -> i32 {
    let [a, b] = weights;
    // 12 bits of an input, 22 of two weights, and few of them.
    let sum = inputs.iter().zip(a.iter().zip(b)).fold(0_i64, |sum, (input, (a, b))| {
        sum.wrapping_add(i64::from(*input).wrapping_mul(i64::from(a.wrapping_add(*b))))
    });
    (sum >> 16) as i32
}

/// Weights after an error, in 65,536ths. No input is larger than the largest logit: 12 bits, and 17 of the error.
#[inline]
fn learn<const INPUTS: usize>(weights: &mut [i32; INPUTS], inputs: &[i32; INPUTS], error: i32) {
    for (weight, input) in weights.iter_mut().zip(inputs) {
        let change = input.wrapping_mul(error) >> 15;
        *weight = weight.wrapping_add(change).clamp(-WEIGHT_MAX, WEIGHT_MAX);
    }
}

/// The weights of so many inputs at first, or the inputs.
fn row<const INPUTS: usize>(first: i32, between: i32, last: i32) -> [i32; INPUTS] {
    let mut row = [between; INPUTS];
    if let [begin, .., end] = row.as_mut_slice() {
        (*begin, *end) = (first, last);
    }
    row
}

impl<B: Blend, const INPUTS: usize> Around<B, INPUTS> {
    fn new(raw_length: usize) -> Self {
        const { assert!(INPUTS == B::ASKED.len() + 3) };
        let places = (raw_length / 4).next_power_of_two().clamp(1 << 12, B::PLACES_MAX);
        let weights = row(SLOT_AT_FIRST, SITUATION_AT_FIRST, 0);
        Self {
            situations: vec![HALF; places],
            mask: places as u32 - 1,
            contexts: [0; CONTEXTS],
            by_slot: vec![weights; SETS_BY_SLOT],
            by_knowledge: vec![weights; 3_usize.pow(INPUTS as u32 - 2)],
            tables: Tables::new(),
            blend: PhantomData,
        }
    }

    /// Mixes what is known of a decision, and learns how it came out; gives how wrong the mixture was.
    fn decide(&mut self, number: u32, slot: &Slot<'_>, decide: impl FnOnce(u64) -> bool) -> (bool, i32) {
        let known = self.look_around(number, slot.state.probability(), *slot.history);
        let Some(by_knowledge) = self.by_knowledge.get_mut(known.set) else { return (decide(1 << 15), 0) };
        let Some(by_slot) = self.by_slot.get_mut(number as usize % SETS_BY_SLOT) else {
            return (decide(1 << 15), 0);
        };
        let p = self.tables.squash(mix(&known.inputs, [by_knowledge, by_slot]));
        let bit = decide(u64::from(p));
        let error = error_of(p, bit);
        learn(by_knowledge, &known.inputs, error);
        learn(by_slot, &known.inputs, error);
        self.learn(&known, bit);
        (bit, error)
    }
}

impl<B: Blend, const INPUTS: usize> Predict for Mixed<B, INPUTS> {
    fn new(raw_length: usize) -> Self {
        Self { groups: Groups::new(), around: Around::new(raw_length) }
    }

    fn allocate(&mut self, count: u32) -> u32 {
        self.groups.allocate(count)
    }

    #[inline]
    fn contexts(&mut self, contexts: impl FnOnce() -> Contexts) {
        self.around.contexts = contexts();
    }

    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        let number = slot;
        let Some(mut slot) = self.groups.get(slot) else { return decide(1 << 15) };
        let alone = slot.state.probability().max(1);
        if slot.state.is_certain(B::CERTAIN) || B::SPARES && !slot.is_worth_mixing() {
            let bit = decide(u64::from(alone));
            slot.learn(bit);
            return bit;
        }
        let (bit, error) = self.around.decide(number, &slot, decide);
        if B::SPARES {
            slot.learn_gain(error_of(alone, bit), error);
        }
        slot.learn(bit);
        slot.remember(bit);
        bit
    }
}
