//! Which packs to mark, and which to write anew first. Pure.

use crate::engine::prune::PruneOptions;
use crate::engine::prune::ledger::{PackUse, Standing};
use crate::repo::format::id::PackId;
use crate::repo::format::limits::PACK_TARGET;
use crate::repo::format::pack::PackKind;
use std::collections::{BTreeMap, BTreeSet};

/// Packs shorter than this are small.
const SMALL: u64 = PACK_TARGET / 4;
/// So many small packs of one kind are joined. Fewer are left: most of them are joined next time.
const MANY: usize = 16;

/// What to do with the packs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Nothing in them is needed: to be marked.
    pub dead: Vec<PackId>,
    /// What is needed of them is written anew; then they are marked.
    pub repack: Vec<PackId>,
    /// Those of them that go with this one before them: alone, that would come out as it is.
    pub with_previous: BTreeMap<PackId, PackId>,
}

/// Chooses. Packs come by their names; `effort` says how hard one was compressed, and is asked of small ones that may be joined.
pub(super) fn choose(packs: &[PackUse], options: &PruneOptions, effort: &dyn Fn(&PackUse) -> u8) -> Choice {
    let dead = |pack: &&PackUse| pack.live_chunks == 0 && pack.standing != Standing::Marked;
    let mut repack = Repack { left: options.max_repack, ..Repack::default() };
    // Marked, and yet needed: they can't go, and nothing is deduplicated against them.
    repack.add_all(packs.iter().filter(|pack| pack.standing == Standing::Marked));
    let tails: Vec<PackUse> = packs.iter().filter(|pack| pack.kind == PackKind::Tail).cloned().collect();
    repack.add_all(wasteful(&tails, options.max_unused_tails_permille));
    repack.add_all(wasteful(packs, options.max_unused_permille));
    for kind in PackKind::ALL.into_iter().filter(|_| options.join) {
        let small = small(packs, kind);
        if small.len() >= MANY {
            for alike in alike(&small, effort).values() {
                repack.add_together(alike);
            }
        }
    }
    let dead = packs.iter().filter(dead).map(|pack| pack.name).collect();
    Choice { dead, repack: repack.order, with_previous: repack.with_previous }
}

#[derive(Default)]
struct Repack {
    chosen: BTreeSet<PackId>,
    order: Vec<PackId>,
    with_previous: BTreeMap<PackId, PackId>,
    left: u64,
}

impl Repack {
    fn add_all<'p>(&mut self, packs: impl IntoIterator<Item = &'p PackUse>) {
        for pack in packs {
            self.add(pack);
        }
    }

    /// As many as there is room for; none, if that is only one: it would come out as it is.
    fn add_together(&mut self, packs: &[&PackUse]) {
        let is_first = !packs.iter().any(|pack| self.chosen.contains(&pack.name));
        let (before, left) = (self.order.len(), self.left);
        self.add_all(packs.iter().copied());
        match self.order.get(before..) {
            Some([alone]) if is_first => {
                self.chosen.remove(alone);
                self.order.truncate(before);
                self.left = left;
            }
            Some([first, second, ..]) => drop(self.with_previous.insert(*second, *first)),
            _ => {}
        }
    }

    fn add(&mut self, pack: &PackUse) {
        let cost = pack.live_bytes();
        if pack.live_chunks == 0 || cost > self.left || !self.chosen.insert(pack.name) {
            return;
        }
        self.left = self.left.saturating_sub(cost);
        self.order.push(pack.name);
    }
}

fn stay(packs: &[PackUse]) -> impl Iterator<Item = &PackUse> {
    packs.iter().filter(|pack| pack.standing == Standing::Stays && pack.live_chunks > 0)
}

fn dead_bytes(pack: &PackUse) -> u64 {
    pack.length.saturating_sub(pack.live_bytes())
}

/// The packs with the largest dead share, until what is left of dead bytes is within the limit. Nothing allowed is nothing: then it is all of them.
fn wasteful(packs: &[PackUse], permille: u64) -> Vec<&PackUse> {
    let total: u64 = stay(packs).map(|pack| pack.length).sum();
    let mut dead: u64 = stay(packs).map(dead_bytes).sum();
    let allowed = u64::try_from(u128::from(total) * u128::from(permille) / 1000).unwrap_or(u64::MAX);
    let mut order: Vec<&PackUse> = stay(packs).filter(|pack| pack.live_raw < pack.raw).collect();
    let share = |pack: &PackUse| u128::from(pack.live_raw) * 1_000_000 / u128::from(pack.raw.max(1));
    order.sort_by_key(|pack| (share(pack), pack.name));
    let mut chosen = Vec::new();
    for pack in order {
        if dead <= allowed && permille > 0 {
            break;
        }
        dead = dead.saturating_sub(dead_bytes(pack));
        chosen.push(pack);
    }
    chosen
}

fn small(packs: &[PackUse], kind: PackKind) -> Vec<&PackUse> {
    let mut small: Vec<&PackUse> =
        stay(packs).filter(|pack| pack.kind == kind && pack.length < SMALL).collect();
    small.sort_by_key(|pack| (pack.length, pack.name));
    small
}

/// Packs by how hard they were compressed: they go to packs that say the same.
fn alike<'p>(small: &[&'p PackUse], effort: &dyn Fn(&PackUse) -> u8) -> BTreeMap<u8, Vec<&'p PackUse>> {
    let mut alike: BTreeMap<u8, Vec<&PackUse>> = BTreeMap::new();
    for pack in small {
        alike.entry(effort(pack)).or_default().push(pack);
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(name: u8, length: u64, live: u64) -> PackUse {
        PackUse {
            name: PackId([name; 32]),
            length,
            kind: PackKind::Sealed,
            standing: Standing::Stays,
            raw: length * 2,
            live_chunks: live.min(1),
            live_raw: live * 2,
        }
    }

    fn names(packs: &[PackId]) -> Vec<u8> {
        packs.iter().map(|pack| pack.0[0]).collect()
    }

    /// Chooses among packs that are all compressed alike.
    fn choose(packs: &[PackUse], options: &PruneOptions) -> Choice {
        super::choose(packs, options, &|_| 2)
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_not_needed_is_marked_and_what_is_marked_and_needed_is_written_anew() {
        let mut packs = vec![pack(1, 50 * MIB, 0), pack(2, 50 * MIB, 50 * MIB), pack(3, 50 * MIB, 9 * MIB)];
        packs[2].standing = Standing::Marked;
        packs.push(PackUse { standing: Standing::Marked, ..pack(4, 50 * MIB, 0) });
        packs.push(PackUse { standing: Standing::Weak, ..pack(5, 50 * MIB, 5 * MIB) });
        packs.push(PackUse { standing: Standing::Weak, ..pack(6, 50 * MIB, 0) });
        let choice = choose(&packs, &PruneOptions::default());
        assert_eq!((names(&choice.dead), names(&choice.repack)), (vec![1, 6], vec![3]));
    }

    #[test]
    fn the_most_wasteful_go_first_until_little_is_unused() {
        let packs = [pack(1, 60 * MIB, 58 * MIB), pack(2, 60 * MIB, 6 * MIB), pack(3, 60 * MIB, 20 * MIB)];
        let unused = |permille| {
            let options = PruneOptions { max_unused_permille: permille, ..PruneOptions::default() };
            names(&choose(&packs, &options).repack)
        };
        assert_eq!(unused(50), [2, 3], "2 of 180 MiB are 1.1 %");
        assert_eq!(unused(0), [2, 3, 1]);
        let hardly = [PackUse { live_raw: 120 * MIB - 1, ..pack(1, 60 * MIB, 60 * MIB) }];
        let options = PruneOptions { max_unused_permille: 0, ..PruneOptions::default() };
        assert_eq!(names(&choose(&hardly, &options).repack), [1], "not even less than a byte");
        assert_eq!(unused(250), [2]);
        assert_eq!(unused(1000), Vec::<u8>::new());
    }

    #[test]
    fn of_tails_little_stays_unused_whatever_the_others_may_keep() {
        let tail = |name, live| PackUse { kind: PackKind::Tail, ..pack(name, MIB, live) };
        let packs = [pack(1, 60 * MIB, 58 * MIB), tail(2, MIB), tail(3, MIB * 9 / 10)];
        let unused = |permille| {
            let options = PruneOptions { max_unused_tails_permille: permille, ..PruneOptions::default() };
            names(&choose(&packs, &options).repack)
        };
        assert_eq!(unused(20), [3]);
        assert_eq!(unused(200), Vec::<u8>::new());
    }

    #[test]
    fn small_packs_are_joined_once_they_are_many_within_the_budget() {
        let few: Vec<PackUse> = (0..15).map(|name| pack(name, MIB, MIB)).collect();
        assert_eq!(choose(&few, &PruneOptions::default()).repack, []);
        let mut many: Vec<PackUse> = (0..16)
            .map(|name| pack(name, (u64::from(name) + 1) * 1000, (u64::from(name) + 1) * 1000))
            .collect();
        many.push(pack(77, 60 * MIB, 60 * MIB));
        assert_eq!(choose(&many, &PruneOptions::default()).repack.len(), 16);
        let options = PruneOptions { max_repack: 6000, ..PruneOptions::default() };
        assert_eq!(names(&choose(&many, &options).repack), [0, 1, 2]);
        let options = PruneOptions { max_repack: 2999, ..PruneOptions::default() };
        assert_eq!(choose(&many, &options).repack, [], "one is joined with nothing");
    }

    #[test]
    fn a_small_pack_that_is_alone_with_its_effort_stays() {
        let many: Vec<PackUse> = (0..17).map(|name| pack(name, MIB, MIB)).collect();
        let joined = |of: &dyn Fn(u8) -> u8| {
            super::choose(&many, &PruneOptions::default(), &|pack| of(pack.name.0[0])).repack.len()
        };
        assert_eq!([joined(&|_| 2), joined(&|name| name.min(1)), joined(&|name| name.min(2))], [17, 16, 15]);
        assert_eq!(joined(&|name| name), 0);
    }
}
