//! The rule that a log's next record holds all that the one before holds.

use crate::axon::name::SegmentName;
use crate::repo::format::entry::EntryKey;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::format::record::LogState;
use std::collections::BTreeMap;

/// Says that the first `length` bytes of a segment, as it is known now, have the hash `content`. Made by whoever hashed that prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixProof {
    /// The segment.
    pub name: SegmentName,
    /// Bytes of the prefix.
    pub length: u64,
    /// Its hash.
    pub content: ContentHash,
}

/// What a record would lose, or can't prove that it keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASuperset {
    /// It belongs to another log, or another branch.
    #[error("it is of another log, or branches elsewhere")]
    Log,
    /// An entry of the pages is not there any more.
    #[error("sealed segment {} is missing", .0.name)]
    SealedMissing(EntryKey),
    /// An entry of the pages has another content.
    #[error("sealed segment {} has another content", .0.name)]
    SealedChanged(EntryKey),
    /// A tail is neither carried over nor sealed.
    #[error("the tail of segment {0} is missing")]
    TailMissing(SegmentName),
    /// A tail has become shorter.
    #[error("the tail of segment {0} is shorter")]
    TailShorter(SegmentName),
    /// A tail of the same length has another content.
    #[error("the tail of segment {0} has another content")]
    TailChanged(SegmentName),
    /// A tail is longer, and nothing proves that it begins as it did.
    #[error("nothing proves that segment {0} begins with its old tail")]
    TailUnproven(SegmentName),
}

/// Proves that `next` holds all that `previous` holds, each given with the entries of its pages: every entry of the pages is kept, every
/// tail is kept, extended or sealed. Whatever is longer than it was needs a proof that its prefix is what was known.
pub fn prove_superset(
    previous: (&LogState, &[SegmentEntry]),
    next: (&LogState, &[SegmentEntry]),
    proofs: &[PrefixProof],
) -> Result<(), NotASuperset> {
    prove_kept(previous, next, proofs, &|_| false)
}

/// The same, but for what `may_leave` lets go.
pub fn prove_kept(
    previous: (&LogState, &[SegmentEntry]),
    next: (&LogState, &[SegmentEntry]),
    proofs: &[PrefixProof],
    may_leave: &dyn Fn(&SegmentEntry) -> bool,
) -> Result<(), NotASuperset> {
    if previous.0.key != next.0.key || previous.0.branch != next.0.branch {
        return Err(NotASuperset::Log);
    }
    let sealed = by_key(next.1);
    let tails = by_key(&next.0.tails);
    let leaves = |entry: &SegmentEntry, kept: bool| !kept && may_leave(entry);
    let entries = previous.1.iter().filter(|entry| !leaves(entry, sealed.contains_key(&entry.key())));
    entries.into_iter().try_for_each(|entry| prove_sealed(entry, &sealed))?;
    previous.0.tails.iter().try_for_each(|tail| {
        let kept = tails.get(&tail.key()).or_else(|| sealed.get(&tail.key()));
        if leaves(tail, kept.is_some()) { Ok(()) } else { prove_tail(tail, kept.copied(), proofs) }
    })
}

fn by_key(entries: &[SegmentEntry]) -> BTreeMap<EntryKey, &SegmentEntry> {
    entries.iter().map(|entry| (entry.key(), entry)).collect()
}

/// A good copy of a higher version that holds all tokens of an entry, among the sorted entries of a tree.
pub fn replacement<'e>(entry: &SegmentEntry, sealed: &'e [SegmentEntry]) -> Option<&'e SegmentEntry> {
    let number = entry.name.number;
    let from = sealed.partition_point(|other| other.name.number < number);
    let same = sealed.get(from..).unwrap_or_default().iter().take_while(|other| other.name.number == number);
    same.filter(|other| {
        other.flaw.is_none()
            && other.name.version > entry.name.version
            && other.next_token() >= entry.next_token()
    })
    .last()
}

/// How the bytes are cut into chunks may change; which bytes they are may not.
fn prove_sealed(entry: &SegmentEntry, next: &BTreeMap<EntryKey, &SegmentEntry>) -> Result<(), NotASuperset> {
    let kept = next.get(&entry.key()).ok_or(NotASuperset::SealedMissing(entry.key()))?;
    let same = kept.content == entry.content
        && kept.stored_length == entry.stored_length
        && kept.logical_end == entry.logical_end
        && kept.events == entry.events
        && kept.transactions == entry.transactions;
    if same { Ok(()) } else { Err(NotASuperset::SealedChanged(entry.key())) }
}

fn prove_tail(
    tail: &SegmentEntry,
    next: Option<&SegmentEntry>,
    proofs: &[PrefixProof],
) -> Result<(), NotASuperset> {
    let next = next.ok_or(NotASuperset::TailMissing(tail.name))?;
    if next.logical_end < tail.logical_end || next.events < tail.events {
        return Err(NotASuperset::TailShorter(tail.name));
    }
    if next.logical_end == tail.logical_end {
        return if next.content == tail.content { Ok(()) } else { Err(NotASuperset::TailChanged(tail.name)) };
    }
    let needed = PrefixProof { name: tail.name, length: tail.logical_end, content: tail.content };
    // Everything begins with nothing.
    if tail.logical_end == 0 || proofs.contains(&needed) {
        Ok(())
    } else {
        Err(NotASuperset::TailUnproven(tail.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::name::Store;
    use crate::axon::segment::Reason;
    use crate::axon::token::Token;
    use crate::repo::format::entry::Flaw;
    use crate::repo::format::entry::tests::empty;
    use crate::repo::format::entry::tests::full;
    use crate::repo::format::id::PageId;
    use crate::repo::format::record::Branch;
    use crate::repo::format::record::LogKey;

    fn state(tails: Vec<SegmentEntry>) -> LogState {
        let (source, context) = ("node".to_owned(), "default".to_owned());
        let key = LogKey { source, context, incarnation: 1, store: Store::Events };
        LogState { key, branch: None, root: PageId([0; 32]), tails }
    }

    fn longer(entry: &SegmentEntry) -> SegmentEntry {
        SegmentEntry {
            logical_end: 900,
            stored_length: 900,
            events: 20,
            content: ContentHash([8; 32]),
            ..entry.clone()
        }
    }

    fn proof(entry: &SegmentEntry) -> PrefixProof {
        PrefixProof { name: entry.name, length: entry.logical_end, content: entry.content }
    }

    type Side = (Vec<SegmentEntry>, Vec<SegmentEntry>);

    /// Whether (tails, sealed) may follow (tails, sealed).
    fn prove(previous: &Side, next: &Side, proofs: &[PrefixProof]) -> Result<(), NotASuperset> {
        let (old, new) = (state(previous.0.clone()), state(next.0.clone()));
        prove_superset((&old, &previous.1), (&new, &next.1), proofs)
    }

    #[test]
    fn what_stays_and_what_is_new_is_a_superset() {
        let side = (vec![full(20)], vec![full(0), full(10)]);
        let grown = (vec![full(20), full(30)], vec![full(0), full(5), full(10)]);
        assert_eq!(prove(&side, &side, &[]), Ok(()));
        assert_eq!(prove(&side, &grown, &[]), Ok(()));
        assert_eq!(prove(&grown, &side, &[]), Err(NotASuperset::SealedMissing(full(5).key())));
    }

    #[test]
    fn a_sealed_segment_may_be_cut_anew_but_not_changed() {
        let side = |entry: SegmentEntry| (vec![], vec![entry]);
        let cut = SegmentEntry { extents: full(0).extents[..1].to_vec(), ..full(0) };
        assert_eq!(prove(&side(full(0)), &side(cut), &[]), Ok(()));
        let changes: [fn(&mut SegmentEntry); 5] = [
            |entry| entry.content = ContentHash([1; 32]),
            |entry| entry.stored_length += 1,
            |entry| entry.logical_end -= 1,
            |entry| entry.events += 1,
            |entry| entry.transactions -= 1,
        ];
        for change in changes {
            let mut other = full(0);
            change(&mut other);
            let proven = prove(&side(full(0)), &side(other), &[]);
            assert_eq!(proven, Err(NotASuperset::SealedChanged(full(0).key())));
        }
        let longer = longer(&full(0));
        assert_eq!(
            prove(&side(full(0)), &side(longer), &[proof(&full(0))]),
            Err(NotASuperset::SealedChanged(full(0).key()))
        );
    }

    #[test]
    fn damaged_copies_are_kept_too_and_stand_for_no_good_one() {
        let damaged = SegmentEntry { flaw: Some(Flaw { reason: Reason::Checksum }), ..full(0) };
        let side = (vec![], vec![full(0), damaged.clone()]);
        assert_eq!(prove(&side, &side, &[]), Ok(()));
        let without = (vec![], vec![full(0)]);
        assert_eq!(prove(&side, &without, &[]), Err(NotASuperset::SealedMissing(damaged.key())));
        assert_eq!(
            prove(&without, &(vec![], vec![damaged.clone()]), &[]),
            Err(NotASuperset::SealedMissing(full(0).key()))
        );
        assert_eq!(
            prove(&(vec![full(0)], vec![]), &(vec![], vec![damaged]), &[]),
            Err(NotASuperset::TailMissing(full(0).name))
        );
    }

    #[test]
    fn a_tail_that_grows_or_is_sealed_proves_its_prefix() {
        let before = (vec![full(0)], vec![]);
        for next in [(vec![longer(&full(0))], vec![]), (vec![], vec![longer(&full(0))])] {
            assert_eq!(prove(&before, &next, &[proof(&full(0))]), Ok(()));
            let unproven = Err(NotASuperset::TailUnproven(full(0).name));
            assert_eq!(prove(&before, &next, &[]), unproven);
            let wrong = PrefixProof { content: ContentHash([1; 32]), ..proof(&full(0)) };
            assert_eq!(prove(&before, &next, &[wrong]), unproven);
            let short = PrefixProof { length: 299, ..proof(&full(0)) };
            assert_eq!(prove(&before, &next, &[short]), unproven);
            let other = PrefixProof { name: full(1).name, ..proof(&full(0)) };
            assert_eq!(prove(&before, &next, &[other]), unproven);
        }
        assert_eq!(prove(&(vec![empty(0)], vec![]), &(vec![full(0)], vec![]), &[]), Ok(()));
    }

    #[test]
    fn a_tail_is_never_lost_shortened_or_changed() {
        let before = (vec![longer(&full(0))], vec![]);
        let name = full(0).name;
        let lost = (vec![full(1)], vec![]);
        assert_eq!(prove(&before, &lost, &[]), Err(NotASuperset::TailMissing(name)));
        for short in [(vec![full(0)], vec![]), (vec![], vec![full(0)])] {
            assert_eq!(prove(&before, &short, &[proof(&full(0))]), Err(NotASuperset::TailShorter(name)));
        }
        let changed = SegmentEntry { content: ContentHash([1; 32]), ..longer(&full(0)) };
        for other in [(vec![changed.clone()], vec![]), (vec![], vec![changed])] {
            assert_eq!(prove(&before, &other, &[]), Err(NotASuperset::TailChanged(name)));
        }
        let higher = SegmentEntry { name: SegmentName { version: 1, ..name }, ..longer(&full(0)) };
        assert_eq!(prove(&before, &(vec![], vec![higher]), &[]), Err(NotASuperset::TailMissing(name)));
    }

    #[test]
    fn records_of_different_logs_never_follow_each_other() {
        let old = state(vec![]);
        let elsewhere =
            LogState { branch: Some(Branch { parent: 1, token: Token::new(3) }), ..state(vec![]) };
        let other = LogState { key: LogKey { incarnation: 2, ..state(vec![]).key }, ..state(vec![]) };
        for next in [elsewhere, other] {
            assert_eq!(prove_superset((&old, &[]), (&next, &[]), &[]), Err(NotASuperset::Log));
        }
    }

    #[test]
    fn only_a_good_higher_version_that_holds_all_tokens_stands_for_another() {
        let mut old = full(0);
        old.name.version = 1;
        let stands = |change: fn(&mut SegmentEntry)| {
            let mut other = old.clone();
            other.name.version = 2;
            change(&mut other);
            replacement(&old, &[other]).is_some()
        };
        assert!(stands(|_| ()) && stands(|other| other.events += 1));
        assert!(!stands(|other| other.name.version = 0) && !stands(|other| other.name.version = 1));
        assert!(!stands(|other| other.events -= 1));
        assert!(!stands(|other| other.flaw = Some(Flaw { reason: Reason::Checksum })));
        assert!(!stands(|other| other.name.number = Token::new(50).unwrap()));
    }
}
