//! The records that the other repository needs: all that the logs hold here, proven to hold all that they hold there. What has left here (an old
//! version, what was erased or dropped) does not leave there for it: the copy keeps what it has.

use crate::axon::token::Token;
use crate::engine;
use crate::engine::copy::Error;
use crate::engine::pieces::hold;
use crate::engine::prune::logs_of;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::record::{
    LogKey, LogState, PrefixProof, Record, prove_kept, prove_superset, replacement,
};
use crate::repo::store::{LetGo, ListedPoint, Repository, Session};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// A log as it has to be there.
pub(super) struct Next {
    pub state: LogState,
    pub proofs: Vec<PrefixProof>,
    /// What only the other repository holds, and keeps.
    pub kept: Kept,
    /// The segments of its tree, where these are no more those of the tree here.
    pub fewer: Option<Vec<SegmentEntry>>,
    /// Whether a record has to be written: the newest one there says something else.
    pub is_new: bool,
}

/// What has left a log here, and is still there.
#[derive(Default)]
pub(super) struct Kept {
    sealed: Vec<SegmentEntry>,
    tails: Vec<SegmentEntry>,
}

impl Next {
    /// The state as it has to be published there.
    pub fn publishable(
        self,
        session: &mut Session<'_>,
        from: &Repository,
    ) -> Result<LogState, engine::Error> {
        let Self { mut state, kept, fewer, .. } = self;
        if fewer.is_some() || !kept.sealed.is_empty() {
            let ours = fewer.map_or_else(|| from.tree(state.root), Ok)?;
            let mut sealed = [ours, kept.sealed].concat();
            sealed.sort_by_key(SegmentEntry::key);
            state.root = session.put_tree(&sealed)?;
        }
        state.tails.extend(kept.tails);
        state.tails.sort_by_key(SegmentEntry::key);
        Ok(state)
    }

    /// Leaves segments out; what the other repository has of them stays there.
    pub fn leave_out(
        &mut self,
        (from, to): (&Repository, &Repository),
        is_lost: &dyn Fn(&SegmentEntry) -> bool,
    ) -> Result<(), engine::Error> {
        let (lost, sealed): (Vec<_>, Vec<_>) = from.tree(self.state.root)?.into_iter().partition(is_lost);
        let (lost_tails, tails): (Vec<_>, Vec<_>) = self.state.tails.drain(..).partition(is_lost);
        self.state.tails = tails;
        let lost: BTreeSet<_> = lost.iter().chain(&lost_tails).map(SegmentEntry::key).collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.fewer = Some(sealed);
        if let Some(Record { state: theirs, .. }) = to.newest_record(&self.state.key)? {
            let is_it = |entry: &SegmentEntry| lost.contains(&entry.key());
            self.kept.sealed.extend(to.tree(theirs.root)?.into_iter().filter(is_it));
            self.kept.tails.extend(theirs.tails.into_iter().filter(is_it));
        }
        Ok(())
    }
}

/// Refuses a point that rests on a record that is lost, here and there, where no backup has made another yet that holds what it claims.
pub(super) fn claims_are_held(
    from: &Repository,
    to: &Repository,
    points: &[ListedPoint],
) -> Result<(), engine::Error> {
    let mut known: BTreeMap<LogKey, Option<Vec<SegmentEntry>>> = BTreeMap::new();
    for listed in points {
        for (key, log) in logs_of(listed) {
            let held = match known.entry(key) {
                Entry::Occupied(held) => held,
                Entry::Vacant(unknown) => {
                    let held = held(from, to, unknown.key())?;
                    unknown.insert_entry(held)
                }
            };
            if !held.get().as_ref().is_some_and(|held| hold(held, log)) {
                return Err(Error::ClaimLost { point: listed.point.number, log: name(held.key()) }.into());
            }
        }
    }
    Ok(())
}

/// All that the newest records of a log hold, here and there; none if it has no record.
fn held(from: &Repository, to: &Repository, key: &LogKey) -> Result<Option<Vec<SegmentEntry>>, repo::Error> {
    Ok(match (from.newest_entries(key)?, to.newest_entries(key)?) {
        (Some(ours), Some(theirs)) => Some([ours, theirs].concat()),
        (ours, theirs) => ours.or(theirs),
    })
}

/// All logs, in every incarnation, of the contexts of these points.
pub(super) fn next(
    from: &Repository,
    to: &Repository,
    points: &[ListedPoint],
) -> Result<Vec<Next>, engine::Error> {
    let contexts: BTreeSet<(String, String)> =
        points.iter().flat_map(logs_of).map(|(key, _)| (key.source, key.context)).collect();
    let (our_acts, their_acts) = (from.acts()?.0, to.acts()?.0);
    let mut next = Vec::new();
    for key in from.logs()? {
        if contexts.contains(&(key.source.clone(), key.context.clone())) {
            let gone = (LetGo::by(&our_acts, &key), LetGo::by(&their_acts, &key));
            next.extend(one(from, to, &key, &gone)?);
        }
    }
    Ok(next)
}

fn one(
    from: &Repository,
    to: &Repository,
    key: &LogKey,
    (ours_gone, gone_there): &(LetGo, LetGo),
) -> Result<Option<Next>, engine::Error> {
    let next = |state, proofs, kept, is_new| Ok(Some(Next { state, proofs, kept, fewer: None, is_new }));
    let Some(ours) = from.newest_record(key)?.map(|record| record.state) else { return Ok(None) };
    let our_tree = from.tree(ours.root)?;
    stays_gone(key, gone_there, our_tree.iter().chain(&ours.tails))?;
    let Some(theirs) = to.newest_record(key)?.map(|record| record.state) else {
        return next(ours, Vec::new(), Kept::default(), true);
    };
    if ours == theirs {
        return next(ours, Vec::new(), Kept::default(), false);
    }
    let their_tree = to.tree(theirs.root)?;
    let may_leave = |entry: &SegmentEntry| {
        replacement(entry, &our_tree).is_some()
            || ours_gone.has(entry.name, entry.next_token(), entry.content)
    };
    let proofs = proofs(from, &theirs, (&ours, &our_tree))?;
    if contains(to, (&theirs, &their_tree), (&ours, &our_tree))? {
        return next(ours, Vec::new(), Kept::default(), false);
    }
    match prove_kept((&theirs, &their_tree), (&ours, &our_tree), &proofs, &may_leave) {
        Ok(()) => {
            let kept = kept((&theirs, &their_tree), (&ours, &our_tree));
            next(ours, proofs, kept, true)
        }
        Err(lost) => Err(Error::Conflict { log: name(key), why: lost.to_string() }.into()),
    }
}

/// What was erased or dropped there does not come back from here.
fn stays_gone<'e>(
    key: &LogKey,
    gone_there: &LetGo,
    ours: impl Iterator<Item = &'e SegmentEntry>,
) -> Result<(), Error> {
    for entry in ours {
        if gone_there.erased.contains(&(entry.name, entry.content)) {
            return Err(Error::Erased { log: name(key), segment: entry.name });
        }
        // One that is still empty may be the first that was kept.
        let is_dropped = |before: &Token| {
            entry.name.number < *before && entry.next_token().is_some_and(|next| next <= *before)
        };
        if let Some(before) = gone_there.before.filter(is_dropped) {
            return Err(Error::Dropped { log: name(key), before });
        }
    }
    Ok(())
}

/// What is there and not here.
fn kept(theirs: (&LogState, &[SegmentEntry]), ours: (&LogState, &[SegmentEntry])) -> Kept {
    let sealed: BTreeSet<_> = ours.1.iter().map(SegmentEntry::key).collect();
    let tails: BTreeSet<_> = ours.0.tails.iter().map(SegmentEntry::key).collect();
    let only_sealed = theirs.1.iter().filter(|entry| !sealed.contains(&entry.key()));
    let only_tails =
        theirs.0.tails.iter().filter(|tail| !sealed.contains(&tail.key()) && !tails.contains(&tail.key()));
    Kept { sealed: only_sealed.cloned().collect(), tails: only_tails.cloned().collect() }
}

/// Whether it holds more there than here: it was copied from elsewhere too, or backed up there.
fn contains(
    to: &Repository,
    theirs: (&LogState, &[SegmentEntry]),
    ours: (&LogState, &[SegmentEntry]),
) -> Result<bool, repo::Error> {
    let proofs = proofs(to, ours.0, theirs)?;
    Ok(prove_superset(ours, theirs, &proofs).is_ok())
}

/// Of each tail that has grown since: the hash of as much of it as there was.
fn proofs(
    repository: &Repository,
    before: &LogState,
    (state, tree): (&LogState, &[SegmentEntry]),
) -> Result<Vec<PrefixProof>, repo::Error> {
    let mut proofs = Vec::new();
    for tail in &before.tails {
        let is_it = |entry: &&SegmentEntry| entry.key() == tail.key() && entry.logical_end > tail.logical_end;
        let Some(grown) = state.tails.iter().chain(tree).find(is_it) else { continue };
        let mut hasher = repository.naming().hasher();
        repository.read_extents(&grown.extents, 0..tail.logical_end, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        proofs.push(PrefixProof { name: tail.name, length: tail.logical_end, content: hasher.content() });
    }
    Ok(proofs)
}

fn name(key: &LogKey) -> String {
    format!("{} of {}@{} of {}", key.store, key.context, key.incarnation, key.source)
}
