//! Logs of which a record is lost that points name: what their own trees say of it is archived all the same.
//!
//! Without that the next record would be held against an older one, or none: what has left the source since would be in no record any more, and a
//! fork within it would not be seen.

use crate::engine::backup::archived::{ArchivedLog, prefix_hash};
use crate::engine::error::Error;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::PageId;
use crate::repo::format::page::Page;
use crate::repo::format::record::{LogKey, PrefixProof};
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads a log: its newest record, and where points name a newer one, their trees too.
pub(super) fn load(repository: &Repository, journal: &Journal, key: LogKey) -> Result<ArchivedLog, Error> {
    let log = ArchivedLog::load(repository, key)?;
    let of_points = journal.points.iter().filter_map(|listed| listed.log(&log.key));
    let roots: BTreeSet<PageId> =
        of_points.filter(|point| point.record > log.record).map(|point| point.root).collect();
    if roots.is_empty() { Ok(log) } else { complete(repository, log, roots) }
}

/// Takes in what these trees hold. Pages that can't be read any more, and segments whose chunks are nowhere, are lost, too.
fn complete(
    repository: &Repository,
    mut log: ArchivedLog,
    roots: BTreeSet<PageId>,
) -> Result<ArchivedLog, Error> {
    let mut sealed: BTreeMap<EntryKey, Arc<SegmentEntry>> =
        log.sealed.iter().map(|entry| (entry.key(), Arc::clone(entry))).collect();
    for root in roots {
        for entry in remains(repository, root)? {
            if !sealed.contains_key(&entry.key())
                && is_there(repository, &entry)?
                && fits(repository, &mut log, &entry)?
            {
                sealed.insert(entry.key(), Arc::new(entry));
            }
        }
    }
    log.tails.retain(|tail| !sealed.contains_key(&tail.key()));
    log.sealed = sealed.into_values().collect();
    log.state = None;
    Ok(log)
}

/// What can be read of a tree, in no order.
fn remains(repository: &Repository, root: PageId) -> Result<Vec<SegmentEntry>, Error> {
    let (mut found, mut waiting) = (Vec::new(), vec![root]);
    while let Some(page) = waiting.pop() {
        match repository.page(page) {
            Ok(Page::Leaf(entries)) => found.extend(entries),
            Ok(Page::Node { children, .. }) => waiting.extend(children.iter().map(|child| child.page)),
            Err(error) if error.is_lost() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn is_there(repository: &Repository, entry: &SegmentEntry) -> Result<bool, Error> {
    for chunk in entry.chunks() {
        if !repository.names_chunk(chunk)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether it goes on with the tail that the record has of it, if it has one.
fn fits(repository: &Repository, log: &mut ArchivedLog, entry: &SegmentEntry) -> Result<bool, Error> {
    let Some(tail) = log.tails.iter().find(|tail| tail.key() == entry.key()) else { return Ok(true) };
    let (name, length, content) = (tail.name, tail.logical_end, tail.content);
    let is_prefix = length <= entry.logical_end
        && match prefix_hash(repository, entry, length) {
            Err(Error::Repo(error)) if error.is_lost() => false,
            hash => hash? == content,
        };
    if is_prefix {
        log.proofs.push(PrefixProof { name, length, content });
    }
    Ok(is_prefix)
}
