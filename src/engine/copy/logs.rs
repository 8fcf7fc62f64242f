//! The records that the other repository needs: all that the logs hold here, proven to hold all that they hold there.

use crate::engine;
use crate::engine::copy::Error;
use crate::engine::prune::logs_of;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::record::{LogKey, LogState, PrefixProof, prove_superset};
use crate::repo::store::{ListedPoint, Repository};
use std::collections::BTreeSet;

/// A log as it has to be there.
pub(super) struct Next {
    pub state: LogState,
    pub proofs: Vec<PrefixProof>,
    /// Whether a record has to be written: the newest one there says something else.
    pub is_new: bool,
}

/// All logs, in every incarnation, of the contexts of these points.
pub(super) fn next(
    from: &Repository,
    to: &Repository,
    points: &[ListedPoint],
) -> Result<Vec<Next>, engine::Error> {
    let contexts: BTreeSet<(String, String)> =
        points.iter().flat_map(logs_of).map(|(key, _)| (key.source, key.context)).collect();
    let mut next = Vec::new();
    for key in from.logs()? {
        if contexts.contains(&(key.source.clone(), key.context.clone())) {
            next.extend(one(from, to, &key)?);
        }
    }
    Ok(next)
}

fn one(from: &Repository, to: &Repository, key: &LogKey) -> Result<Option<Next>, engine::Error> {
    let Some(ours) = from.newest_record(key)?.map(|record| record.state) else { return Ok(None) };
    let Some(theirs) = to.newest_record(key)?.map(|record| record.state) else {
        return Ok(Some(Next { state: ours, proofs: Vec::new(), is_new: true }));
    };
    if ours == theirs {
        return Ok(Some(Next { state: ours, proofs: Vec::new(), is_new: false }));
    }
    let (our_tree, their_tree) = (from.tree(ours.root)?, to.tree(theirs.root)?);
    let proofs = proofs(from, &theirs, (&ours, &our_tree))?;
    match prove_superset((&theirs, &their_tree), (&ours, &our_tree), &proofs) {
        Ok(()) => Ok(Some(Next { state: ours, proofs, is_new: true })),
        Err(lost) => contains(to, (&theirs, &their_tree), (&ours, &our_tree))?
            .then(|| Some(Next { state: ours, proofs: Vec::new(), is_new: false }))
            .ok_or_else(|| Error::Conflict { log: name(key), why: lost.to_string() }.into()),
    }
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
