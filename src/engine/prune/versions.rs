//! Old versions of transformed segments: they leave the records once a higher version, whole, holds all their tokens, and no point names them
//! that is not yet gone. What they held is then reached by nothing, and goes as packs go. So the higher version is read first: an old one may be
//! the last good copy of its events.

use crate::axon::name::SegmentName;
use crate::engine;
use crate::engine::observe::Observer;
use crate::engine::prune::report::Skipped;
use crate::engine::prune::roots::Books;
use crate::engine::rewrite;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::record::{LogKey, LogState, replacement};
use crate::repo::store::{LostFiles, Repository, Session, named_segments};
use std::collections::{BTreeMap, BTreeSet};

/// A log that holds versions that may leave.
pub(super) struct Outgrown {
    state: LogState,
    sealed: Vec<SegmentEntry>,
    /// How many entries leave.
    pub count: u64,
}

/// Whether what an entry holds can be read.
pub(super) type Proof<'p> = dyn FnMut(&SegmentEntry) -> Result<bool, engine::Error> + 'p;

/// Looks through all logs; `proof` is asked of each version that would stand for an older one.
pub(super) fn find(
    repository: &Repository,
    books: &Books,
    proof: &mut Proof<'_>,
) -> Result<Vec<Outgrown>, engine::Error> {
    let mut found = Vec::new();
    for key in books.logs.iter().filter_map(|log| log.key.as_ref()) {
        found.extend(in_log(repository, books, key, proof)?);
    }
    Ok(found)
}

fn in_log(
    repository: &Repository,
    books: &Books,
    key: &LogKey,
    proof: &mut Proof<'_>,
) -> Result<Option<Outgrown>, engine::Error> {
    let lost = LostFiles::by(&books.journal.acts);
    let Some(record) = repository.newest_record_but(key, &lost)? else { return Ok(None) };
    let mut state = record.state;
    let mut sealed = repository.tree(state.root)?;
    let pairs = sealed.iter().chain(&state.tails);
    let pairs: Vec<_> = pairs.filter_map(|entry| Some((entry.key(), replacement(entry, &sealed)?))).collect();
    if pairs.is_empty() {
        return Ok(None);
    }
    // A damaged copy stays as long as the good one beside it does.
    let named = match named_segments(repository, &books.journal, key) {
        // What such a point names is not known, until it is gone. If it stays, that stops all the rest; but if it is forgotten, it has to be able to go.
        Err(error) if error.is_lost() => return Ok(None),
        named => named?,
    };
    let named: BTreeSet<SegmentName> = named.into_iter().map(|segment| segment.name).collect();
    let (mut leaving, mut proven) = (BTreeSet::new(), BTreeMap::new());
    for (old, higher) in pairs.into_iter().filter(|(old, _)| !named.contains(&old.name)) {
        let is_good = match proven.get(&higher.key()) {
            Some(is_good) => *is_good,
            None => proof(higher)?,
        };
        proven.insert(higher.key(), is_good);
        leaving.extend(is_good.then_some(old));
    }
    let stays = |entry: &SegmentEntry| !leaving.contains(&entry.key());
    sealed.retain(stays);
    state.tails.retain(stays);
    let count = leaving.len() as u64;
    Ok((count > 0).then_some(Outgrown { state, sealed, count }))
}

/// Reads all that an entry holds: it must be what the entry says.
pub(super) fn is_readable(
    repository: &Repository,
    entry: &SegmentEntry,
    observer: &dyn Observer,
) -> Result<bool, engine::Error> {
    let mut hasher = repository.naming().hasher();
    let read = repository.read_extents(&entry.extents, 0..entry.logical_end, &mut |bytes| {
        hasher.update(bytes);
        if observer.interrupted() { Err(repo::Error::Interrupted) } else { Ok(()) }
    });
    match read {
        Ok(()) => Ok(hasher.content() == entry.content),
        Err(error) if error.is_lost() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What is said of the versions before one that can't be read.
pub(super) fn kept_for(higher: &SegmentEntry) -> Skipped {
    Skipped {
        path: format!("what is older than segment {}", higher.name),
        why: "that one can't be read: see 'segvault verify --data'".to_owned(),
    }
}

/// Publishes records without them: two of each log, or the second newest would go on holding them.
pub(super) fn leave(session: &mut Session<'_>, outgrown: Vec<Outgrown>) -> Result<u64, engine::Error> {
    if outgrown.is_empty() {
        return Ok(0);
    }
    let count = outgrown.iter().map(|log| log.count).sum();
    let mut states = Vec::with_capacity(outgrown.len());
    for Outgrown { state, sealed, .. } in outgrown {
        states.push(LogState { root: session.put_tree(&sealed)?, ..state });
    }
    let durable = session.barrier()?;
    rewrite::leave(session, durable, states)?;
    Ok(count)
}
