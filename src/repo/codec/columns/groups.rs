//! Slots of which more is known than a probability: their last decisions, and whether mixing pays.
//!
//! Most decisions of events are about what nothing foretells: digits of an amount, letters of a name. There a mixture says no more than the slot does,
//! and takes ten times as long. What it gained so far is kept by groups of slots: those of one symbol lie side by side.

use crate::repo::codec::columns::slots::FRESH;
use crate::repo::codec::columns::slots::SLOTS_SHARED;
use crate::repo::codec::columns::slots::State;
use crate::repo::codec::columns::slots::room;

/// Slots of a group.
const GROUP: usize = 8;
/// What a group's score is at first: its decisions are mixed until that was in vain for a while.
const AT_FIRST: i32 = 1 << 16;
/// No score is beyond these, so that a group that changes is noticed.
const MOST: i32 = 1 << 18;
const LEAST: i32 = -(1 << 16);
/// What a mixed decision has to gain.
const PRICE: i32 = 1024;
/// What a decision gives back that is not mixed, so that mixing is tried again some time.
const PATIENCE: i32 = 64;

/// All that is known of eight slots: what is asked together lies together.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Group {
    states: [State; GROUP],
    /// The last 8 decisions of each slot.
    histories: [u8; GROUP],
    /// Below 0 decisions are not mixed.
    score: i32,
}

impl Group {
    const NEW: Self = Self { states: [FRESH; GROUP], histories: [0; GROUP], score: AT_FIRST };
}

/// Slots in groups.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Vec<Group>,
    count: usize,
}

/// A slot: what is known of it.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    pub(super) state: &'a mut State,
    pub(super) history: &'a mut u8,
    score: &'a mut i32,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self { groups: vec![Group::NEW; SLOTS_SHARED / GROUP], count: SLOTS_SHARED }
    }

    /// Makes `count` slots; gives the first one.
    pub(super) fn allocate(&mut self, count: u32) -> u32 {
        let Some((first, end)) = room(self.count, count) else { return 0 };
        self.count = end;
        self.groups.resize(end.div_ceil(GROUP), Group::NEW);
        first
    }

    #[inline]
    pub(super) fn get(&mut self, slot: u32) -> Option<Slot<'_>> {
        let group = self.groups.get_mut(slot as usize / GROUP)?;
        let at = slot as usize % GROUP;
        let (state, history) = (group.states.get_mut(at)?, group.histories.get_mut(at)?);
        Some(Slot { state, history, score: &mut group.score })
    }
}

impl Slot<'_> {
    /// Whether the next decision is worth mixing.
    #[inline]
    pub(super) fn is_worth_mixing(&mut self) -> bool {
        let is_worth = *self.score >= 0;
        *self.score += if is_worth { 0 } else { PATIENCE };
        is_worth
    }

    /// Learns from a decision that was mixed: how wrong the slot alone would have been, and the mixture was, in 65,536ths.
    #[inline]
    pub(super) fn learn_gain(&mut self, alone: i32, mixed: i32) {
        let square = |error: i32| u64::from(error.unsigned_abs()).pow(2).cast_signed();
        // Each square has up to 32 bits.
        let gain = ((square(alone) - square(mixed)) >> 16) as i32;
        *self.score = (*self.score + gain - PRICE).clamp(LEAST, MOST);
    }

    /// Learns from a decision.
    #[inline]
    pub(super) fn learn(&mut self, bit: bool) {
        *self.state = self.state.moved(bit);
    }

    /// Remembers a decision.
    #[inline]
    pub(super) fn remember(&mut self, bit: bool) {
        *self.history = *self.history << 1 | u8::from(bit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of a probability: as wrong as one can be who knows nothing.
    const HALF: i32 = 1 << 15;

    fn slot(groups: &mut Groups, number: u32) -> Slot<'_> {
        groups.get(number).unwrap()
    }

    /// Decisions until one is not mixed, where mixing is so wrong, and the slot alone is wrong by half.
    fn mixed(groups: &mut Groups, number: u32, error: i32) -> u32 {
        let is_mixed = |groups: &mut Groups| {
            let mut slot = slot(groups, number);
            let is_worth = slot.is_worth_mixing();
            if is_worth {
                slot.learn_gain(HALF, error);
            }
            is_worth
        };
        (0..10_000).take_while(|_| is_mixed(groups)).count() as u32
    }

    #[test]
    fn a_group_that_gains_nothing_is_mixed_no_more() {
        let mut groups = Groups::new();
        // 65,536 at first, 1,024 each: the last one leaves nothing, and the next one is below it.
        assert_eq!(mixed(&mut groups, 0, HALF), 65);
        // What is worse than nothing ends sooner: a half is a quarter, three quarters nine sixteenths.
        assert_eq!(mixed(&mut groups, 8, HALF / 2 * 3), 4);
        // A gain of 1,008 is nearly the price; a little more, and it is mixed for ever.
        assert_eq!(mixed(&mut groups, 16, 31_744), 65_536 / (1_024 - 1_008) + 1);
        assert_eq!(mixed(&mut groups, 24, 31_700), 10_000);
    }

    #[test]
    fn it_is_tried_again_after_a_while() {
        let mut groups = Groups::new();
        mixed(&mut groups, 0, HALF);
        let waits =
            |groups: &mut Groups| (0..10_000).take_while(|_| !slot(groups, 0).is_worth_mixing()).count();
        // It lacks a price, and was asked once already.
        assert_eq!(waits(&mut groups), 1_024 / 64 - 1);
        // However wrong it was, it need not wait for longer than this.
        slot(&mut groups, 0).learn_gain(0, 1 << 16);
        slot(&mut groups, 0).learn_gain(0, 1 << 16);
        assert_eq!(waits(&mut groups), 65_536 / 64);
        // However much it gained, that is forgotten.
        (0..100).for_each(|_| slot(&mut groups, 0).learn_gain(1 << 16, 0));
        assert_eq!(mixed(&mut groups, 0, HALF), 257);
    }

    #[test]
    fn eight_slots_have_a_score_together_and_all_else_alone() {
        let mut groups = Groups::new();
        mixed(&mut groups, 7, HALF);
        slot(&mut groups, 7).learn(true);
        slot(&mut groups, 7).remember(true);
        assert!(!slot(&mut groups, 0).is_worth_mixing() && slot(&mut groups, 8).is_worth_mixing());
        let known = |groups: &mut Groups, number| {
            let slot = slot(groups, number);
            (slot.state.probability() > 1 << 15, *slot.history)
        };
        assert_eq!([7, 6, 8].map(|number| known(&mut groups, number)), [(true, 1), (false, 0), (false, 0)]);
    }

    #[test]
    fn groups_are_made_as_slots_are() {
        let mut groups = Groups::new();
        let shared = SLOTS_SHARED as u32;
        assert_eq!(
            [groups.allocate(3), groups.allocate(9), groups.allocate(0)],
            [shared, shared + 3, shared + 12]
        );
        assert!(groups.get(shared + 11).is_some() && groups.get(shared + 16).is_none());
        // There is no room for so many: the first ones serve instead.
        assert_eq!([groups.allocate(3 << 20), groups.allocate(u32::MAX)], [0; 2]);
        assert_eq!(groups.allocate(1), shared + 12);
        assert_eq!(size_of::<Group>(), 64);
    }
}
