//! What an erasure has to name: what it reaches, and what it does not.

use crate::axon::event::Event;
use crate::axon::name::Store;
use crate::engine::copy::ORIGIN;
use crate::engine::erase::EraseOptions;
use crate::engine::erase::gather::{Changed, Log, each};
use crate::engine::erase::report::{CopyRow, EraseReport, ErasedRow, SnapshotRow};
use crate::engine::error::Error;
use crate::engine::prune::Skipped;
use crate::engine::rewrite::{Rewritten, points_of};
use crate::engine::window::{Bytes, walk};
use crate::repo::format::act::Deed;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::format::point::{ControlDb, PointLog};
use crate::repo::format::record::{LogKey, LogState};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeSet, HashSet};

/// All lists.
pub(super) fn report(
    repository: &Repository,
    journal: &Journal,
    options: &EraseOptions,
    (logs, changed): (&[Log], &Changed),
) -> Result<EraseReport, Error> {
    let (source, context) = (options.source.as_str(), options.context.as_str());
    let mut report = EraseReport {
        source: source.to_owned(),
        context: context.to_owned(),
        dry_run: true,
        segments: logs.iter().flat_map(erased_rows).collect(),
        events: changed.hashes.len() as u64,
        aggregates: changed.aggregates.iter().cloned().collect(),
        not_replaced: logs.iter().flat_map(lonely_rows).collect(),
        snapshots: snapshots_of(repository, source, context, &changed.aggregates)?,
        damaged: damaged(repository, logs)?,
        elsewhere: elsewhere(repository, options, logs)?,
        copies: copies(journal),
        ..EraseReport::default()
    };
    for (listed, _) in points_of(&journal.points, source, context) {
        let body = &listed.point.body;
        if !matches!(body.control_db, ControlDb::Absent { .. }) {
            report.control_dbs.push(listed.point.number);
        }
        if body.files.iter().any(|set| set.group.is_some()) {
            report.replication_logs.push(listed.point.number);
        }
    }
    Ok(report)
}

fn row(log: &Log, (entry, is_tail): (&SegmentEntry, bool), current: Option<u32>, events: u64) -> ErasedRow {
    let kind = if entry.flaw.is_some() { "damaged" } else { "sealed" };
    ErasedRow {
        incarnation: log.key.incarnation,
        store: Store::Events.as_str(),
        number: entry.name.number.get(),
        version: entry.name.version,
        current,
        kind: if is_tail { "tail" } else { kind },
        events,
    }
}

fn erased_rows(log: &Log) -> impl Iterator<Item = ErasedRow> + '_ {
    log.pairs
        .iter()
        .map(|pair| row(log, (&pair.old, pair.is_tail), Some(pair.current.name.version), pair.events))
}

fn lonely_rows(log: &Log) -> impl Iterator<Item = ErasedRow> + '_ {
    log.alone.iter().map(|(entry, is_tail)| row(log, (entry, *is_tail), None, 0))
}

fn snapshots_of(
    repository: &Repository,
    source: &str,
    context: &str,
    aggregates: &BTreeSet<String>,
) -> Result<Vec<SnapshotRow>, Error> {
    let mut found = BTreeSet::new();
    for (state, sealed) in snapshot_logs(repository, source, context)? {
        for entry in sealed.iter().chain(&state.tails) {
            walk(Bytes::Archived(repository, entry), entry.name.number, &mut |transaction| {
                each(transaction, &mut |token, bytes| {
                    let aggregate = Event::parse(bytes).unwrap_or_default().aggregate_identifier.to_owned();
                    if aggregates.contains(&aggregate) {
                        let incarnation = state.key.incarnation;
                        found.insert(SnapshotRow { incarnation, token, aggregate });
                    }
                });
                Ok(())
            })?;
        }
    }
    Ok(found.into_iter().collect())
}

/// The snapshot logs of a context that hold anything.
pub(super) fn snapshot_logs(
    repository: &Repository,
    source: &str,
    context: &str,
) -> Result<Vec<(LogState, Vec<SegmentEntry>)>, Error> {
    let is_meant =
        |key: &LogKey| key.source == source && key.context == context && key.store == Store::Snapshots;
    let mut found = Vec::new();
    for key in repository.logs()?.into_iter().filter(is_meant) {
        let Some((record, sealed)) = repository.newest_sealed(&key)? else { continue };
        if !sealed.is_empty() || !record.state.tails.is_empty() {
            found.push((record.state, sealed));
        }
    }
    Ok(found)
}

/// A log of snapshots without any.
pub(super) fn emptied(log: &PointLog) -> Rewritten {
    let before = PointLog { first: None, head: None, safepoint: None, times: None, ..log.clone() };
    Rewritten { entries: Vec::new(), open: Vec::new(), before }
}

/// Damaged copies that stay, and files that a repair has put aside.
fn damaged(repository: &Repository, logs: &[Log]) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for log in logs {
        for entry in log.sealed.iter().filter(|entry| entry.flaw.is_some()) {
            let of = format!("{}@{}", log.key.context, log.key.incarnation);
            found.push(format!("a damaged copy of segment {} of events of {of}", entry.name));
        }
    }
    for file in paths::list(repository.disk(), paths::DAMAGED)? {
        found.push(repository.disk().display(&format!("{}/{}", paths::DAMAGED, file.name)));
    }
    Ok(found)
}

/// The same bytes in logs of other sources or contexts.
fn elsewhere(repository: &Repository, options: &EraseOptions, logs: &[Log]) -> Result<Vec<String>, Error> {
    let old = || logs.iter().flat_map(|log| &log.pairs).map(|pair| &pair.old);
    let contents: HashSet<_> = old().map(|entry| entry.content).collect();
    let chunks: HashSet<ChunkId> =
        old().flat_map(|entry| &entry.extents).map(|extent| extent.chunk).collect();
    let kept = kept_chunks(logs);
    let mut found = Vec::new();
    for key in repository.logs()? {
        if key.source == options.source && key.context == options.context {
            continue;
        }
        for entry in repository.newest_entries(&key)?.unwrap_or_default() {
            let shares = |chunk: &ChunkId| chunks.contains(chunk) && !kept.contains(chunk);
            if contents.contains(&entry.content) || entry.extents.iter().any(|extent| shares(&extent.chunk)) {
                found.push(format!(
                    "segment {} of {} of {}@{} of {}",
                    entry.name, key.store, key.context, key.incarnation, key.source
                ));
            }
        }
    }
    Ok(found)
}

/// Chunks that the logs hold and keep.
fn kept_chunks(logs: &[Log]) -> HashSet<ChunkId> {
    let kept = logs.iter().flat_map(|log| log.sealed.iter().chain(&log.state.tails));
    kept.flat_map(|entry| &entry.extents).map(|extent| extent.chunk).collect()
}

/// The chunks of what is erased, but for those that something else in the archive holds.
pub(super) fn chunks(
    repository: &Repository,
    logs: &[Log],
    snapshots: &[(LogState, Vec<SegmentEntry>)],
) -> Result<Vec<ChunkId>, Error> {
    let mine: HashSet<LogKey> = logs
        .iter()
        .map(|log| log.key.clone())
        .chain(snapshots.iter().map(|(state, _)| state.key.clone()))
        .collect();
    let mut kept = kept_chunks(logs);
    for key in repository.logs()?.into_iter().filter(|key| !mine.contains(key)) {
        for entry in repository.newest_entries(&key)?.unwrap_or_default() {
            kept.extend(entry.extents.iter().map(|extent| extent.chunk));
        }
    }
    let old = logs.iter().flat_map(|log| &log.pairs).map(|pair| &pair.old);
    let dropped = snapshots.iter().flat_map(|(state, sealed)| sealed.iter().chain(&state.tails));
    let chunks = old.chain(dropped).flat_map(|entry| &entry.extents).map(|extent| extent.chunk);
    let chunks: BTreeSet<ChunkId> = chunks.filter(|chunk| !kept.contains(chunk)).collect();
    Ok(chunks.into_iter().collect())
}

fn copies(journal: &Journal) -> Vec<CopyRow> {
    let mut found = BTreeSet::new();
    for act in &journal.acts {
        if let Deed::Copied { to, place } = &act.deed {
            found.insert(CopyRow { repository: to.clone(), place: Some(place.clone()) });
        }
    }
    for listed in &journal.points {
        let origin = listed.point.body.facts.get(ORIGIN).and_then(|origin| origin.split(' ').next());
        found.extend(origin.map(|id| CopyRow { repository: id.to_owned(), place: None }));
    }
    found.into_iter().collect()
}

/// Parity of packs that are not there: whoever has the rest of such a pack could make a part of it again.
pub(super) fn orphans(repository: &Repository) -> Result<Vec<Skipped>, Error> {
    let there = paths::packs(repository.disk())?;
    let parities = paths::parities(repository.disk())?.into_keys().filter(|pack| !there.contains_key(pack));
    let why = "is made of a pack that is gone: nobody knows what it held";
    let path = |pack| repository.disk().display(&paths::parity(pack));
    Ok(parities.map(|pack| Skipped { path: path(pack), why: why.to_owned() }).collect())
}

/// Packs that hold one of these chunks, or that can't be read.
pub(super) fn left(repository: &Repository, chunks: &HashSet<ChunkId>) -> Result<Vec<Skipped>, Error> {
    let mut left = orphans(repository)?;
    for (pack, length) in paths::packs(repository.disk())? {
        let path = repository.disk().display(&paths::pack(pack));
        match read_directory(repository.disk(), pack, length) {
            Ok(directory) => {
                let mut places = directory.blocks.iter().flat_map(|block| &block.chunks);
                if places.any(|place| chunks.contains(&place.chunk)) {
                    left.push(Skipped { path, why: "holds chunks of what was erased".to_owned() });
                }
            }
            Err(error) => left.push(Skipped { path, why: format!("nobody knows what it holds: {error}") }),
        }
    }
    Ok(left)
}
