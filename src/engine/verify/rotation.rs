//! Which packs a run reads that does not read all: the least recently checked first. When a pack was checked last is told by acts.

use crate::engine::verify::packs::PackFacts;
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::id::PackId;
use crate::repo::format::moment::Moment;
use std::collections::{HashMap, HashSet};

/// What to leave for another time. Nothing: all packs are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Only packs that no verification has read yet.
    pub since_last: bool,
    /// Only packs that were not read within so many milliseconds.
    pub max_age_ms: Option<i64>,
    /// Only so many hundredths of all bytes.
    pub percent: Option<u8>,
    /// Begin no more packs after so many milliseconds.
    pub max_duration_ms: Option<i64>,
}

impl Rotation {
    /// Whether anything may be left out.
    pub fn is_partial(&self) -> bool {
        *self != Self::default()
    }
}

/// What acts say of packs.
pub struct Checked {
    /// The last verdict: its act, counted from 0, and when it was. Order is that of the acts, whatever the clocks said.
    good: HashMap<PackId, (usize, Moment)>,
    damaged: HashSet<PackId>,
}

impl Checked {
    /// Reads the acts.
    pub fn by(acts: &[Act]) -> Self {
        let mut checked = Self { good: HashMap::new(), damaged: HashSet::new() };
        for (at, act) in acts.iter().enumerate() {
            match &act.deed {
                Deed::Verified { packs } => {
                    checked.good.extend(packs.iter().map(|pack| (*pack, (at, act.at))));
                }
                Deed::Damaged { packs } => checked.damaged.extend(packs),
                _ => {}
            }
        }
        checked
    }

    /// The packs that are called damaged.
    pub fn damaged(&self) -> &HashSet<PackId> {
        &self.damaged
    }

    /// When a pack was found good last.
    pub fn last(&self, pack: PackId) -> Option<Moment> {
        self.good.get(&pack).map(|(_, at)| *at)
    }

    /// The packs to read, by their places in `packs`, in the order in which to read them. Those that are called damaged come first, and are
    /// never left out: damage that is known is told in every run.
    pub fn choose(&self, packs: &[PackFacts], rotation: &Rotation, now: Moment) -> Vec<usize> {
        let is_known = |pack: &PackFacts| self.damaged.contains(&pack.id) || pack.unreadable.is_some();
        let is_due = |pack: &PackFacts| match self.last(pack.id) {
            None => true,
            Some(_) if rotation.since_last => false,
            Some(at) => rotation.max_age_ms.is_none_or(|age| now.0.saturating_sub(at.0) > age || at > now),
        };
        let all = packs.iter().enumerate();
        let (known, rest): (Vec<_>, Vec<_>) = all.partition(|(_, pack)| is_known(pack));
        let mut due: Vec<_> = rest.into_iter().filter(|(_, pack)| is_due(pack)).collect();
        due.sort_by_key(|(_, pack)| (self.good.get(&pack.id).map(|(act, _)| *act), pack.id));
        let due = limited(due, packs, rotation.percent);
        known.into_iter().map(|(at, _)| at).chain(due).collect()
    }
}

/// The first of them, up to that share of all bytes; at least one, if there is one.
fn limited(due: Vec<(usize, &PackFacts)>, packs: &[PackFacts], percent: Option<u8>) -> Vec<usize> {
    let all: u64 = packs.iter().map(|pack| pack.length).sum();
    let share = percent.map(|percent| u128::from(all) * u128::from(percent) / 100);
    let mut taken: u128 = 0;
    let is_in = |(_, pack): &(usize, &PackFacts)| {
        let fits = share.is_none_or(|share| taken == 0 || taken < share);
        taken += u128::from(pack.length);
        fits
    };
    due.into_iter().take_while(is_in).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::{Checked, Rotation};
    use crate::engine::verify::packs::PackFacts;
    use crate::repo::format::act::{Act, Deed, TYPE, VERSION};
    use crate::repo::format::id::PackId;
    use crate::repo::format::moment::Moment;

    fn pack(name: u8) -> PackFacts {
        PackFacts {
            id: PackId([name; 32]),
            length: 100,
            unreadable: None,
            trouble: Vec::new(),
            healed: None,
            newer: None,
            is_read: false,
        }
    }

    fn act(at: i64, deed: Deed) -> Act {
        let (kind, repository) = (TYPE.to_owned(), String::new());
        Act { kind, version: VERSION, number: 1, previous: None, repository, at: Moment(at), deed }
    }

    fn verified(at: i64, packs: &[u8]) -> Act {
        act(at, Deed::Verified { packs: packs.iter().map(|name| PackId([*name; 32])).collect() })
    }

    /// Packs 0 to 4: 3 was checked at 10, then 1 (by a clock that went back) at 5; 0, 2 and 4 never.
    fn chosen(rotation: Rotation) -> Vec<usize> {
        let packs: Vec<_> = (0..5).map(pack).collect();
        let checked = Checked::by(&[verified(10, &[3]), verified(5, &[1])]);
        checked.choose(&packs, &rotation, Moment(20))
    }

    #[test]
    fn what_was_never_checked_comes_first_then_what_was_checked_longest_ago() {
        assert_eq!(chosen(Rotation::default()), [0, 2, 4, 3, 1]);
        assert_eq!(chosen(Rotation { since_last: true, ..Rotation::default() }), [0, 2, 4]);
        assert_eq!(chosen(Rotation { max_age_ms: Some(12), ..Rotation::default() }), [0, 2, 4, 1]);
        assert_eq!(chosen(Rotation { percent: Some(40), ..Rotation::default() }), [0, 2]);
        assert_eq!(chosen(Rotation { percent: Some(1), ..Rotation::default() }), [0], "at least one");
        assert_eq!(chosen(Rotation { percent: Some(100), ..Rotation::default() }), [0, 2, 4, 3, 1]);
    }

    #[test]
    fn a_verdict_from_the_future_does_not_put_a_pack_off() {
        let checked = Checked::by(&[verified(1_000_000, &[0])]);
        let rotation = Rotation { max_age_ms: Some(30), ..Rotation::default() };
        assert_eq!(checked.choose(&[pack(0)], &rotation, Moment(20)), [0]);
    }

    #[test]
    fn known_damage_is_read_in_every_run() {
        let damaged = act(11, Deed::Damaged { packs: vec![PackId([1; 32])] });
        let checked = Checked::by(&[verified(10, &[0, 1]), damaged]);
        let rotation = Rotation { since_last: true, ..Rotation::default() };
        assert_eq!(checked.choose(&[pack(0), pack(1)], &rotation, Moment(20)), [1]);
    }
}
