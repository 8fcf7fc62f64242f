//! Old versions of transformed segments: they leave the records once a higher version, whole, holds all their tokens, and no point names them
//! that is not yet gone. What they held is then reached by nothing, and goes as packs go.

use crate::engine;
use crate::engine::prune::roots::Books;
use crate::engine::rewrite;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::record::{LogKey, LogState, replacement};
use crate::repo::store::{Repository, Session, named_segments};

/// A log that holds versions that may leave.
pub(super) struct Outgrown {
    state: LogState,
    sealed: Vec<SegmentEntry>,
    /// How many entries leave.
    pub count: u64,
}

/// Looks through all logs.
pub(super) fn find(repository: &Repository, books: &Books) -> Result<Vec<Outgrown>, engine::Error> {
    let mut found = Vec::new();
    for key in books.logs.iter().filter_map(|log| log.key.as_ref()) {
        found.extend(in_log(repository, books, key)?);
    }
    Ok(found)
}

fn in_log(repository: &Repository, books: &Books, key: &LogKey) -> Result<Option<Outgrown>, engine::Error> {
    let Some(record) = repository.newest_record(key)? else { return Ok(None) };
    let mut state = record.state;
    let mut sealed = repository.tree(state.root)?;
    let all = sealed.clone();
    let is_old = |entry: &SegmentEntry| replacement(entry, &all).is_some();
    if !all.iter().chain(&state.tails).any(is_old) {
        return Ok(None);
    }
    let named = named_segments(repository, &books.journal, key)?;
    let stays = |entry: &SegmentEntry| named.contains(&entry.name) || !is_old(entry);
    let before = sealed.len().saturating_add(state.tails.len());
    sealed.retain(stays);
    state.tails.retain(stays);
    let count = before.saturating_sub(sealed.len()).saturating_sub(state.tails.len()) as u64;
    Ok((count > 0).then_some(Outgrown { state, sealed, count }))
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
