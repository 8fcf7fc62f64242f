//! What is never published, whoever asks for it: a record that loses something, a point that can't be restored.

use crate::axon::name::{SegmentName, Store};
use crate::axon::token::Token;
use crate::repo::error::Error;
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::{ChunkId, ContentHash};
use crate::repo::format::page::Page;
use crate::repo::format::point::{Claim, ControlDb, PointBody, PointLog};
use crate::repo::format::record::{
    LogKey, LogState, PrefixProof, Record, prove_kept, prove_superset, replacement,
};
use crate::repo::store::journal::Journal;
use crate::repo::store::read::Repository;
use crate::repo::store::session::Session;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// A record must hold all that the newest one of its log holds; and of what is new in it every chunk must be there. (What was there
/// before and is lost by now is for `verify` to say: it must not keep new history out.)
pub(super) fn next_record(
    session: &Session<'_>,
    next: &LogState,
    proofs: &[PrefixProof],
) -> Result<(), Error> {
    let repository = session.repository;
    let sealed = repository.tree(next.root)?;
    let Some(Record { state: newest, .. }) = repository.newest_record(&next.key)? else {
        return chunks_are_there(session, &HashSet::new(), &sealed, next);
    };
    let old_sealed = if newest.root == next.root { sealed.clone() } else { repository.tree(newest.root)? };
    prove_superset((&newest, &old_sealed), (next, &sealed), proofs)
        .map_err(|lost| session.rule(format!("{}: {lost}", name(&next.key))))?;
    let old: HashSet<ChunkId> =
        old_sealed.iter().chain(&newest.tails).flat_map(SegmentEntry::chunks).collect();
    chunks_are_there(session, &old, &sealed, next)
}

/// A record that holds less than the newest one of its log. What leaves is named by no point that is not gone, and is one of these: an old
/// version of which a higher one holds all tokens; what an act says was dropped, or erased.
pub(super) fn fewer(session: &Session<'_>, journal: &Journal, next: &LogState) -> Result<(), Error> {
    let repository = session.repository;
    let refuse = |why: String| session.rule(format!("{}: {why}", name(&next.key)));
    let Some(Record { state: newest, .. }) = repository.newest_record(&next.key)? else {
        return Err(refuse("it has no record yet".to_owned()));
    };
    let (old_sealed, sealed) = (repository.tree(newest.root)?, repository.tree(next.root)?);
    if let Some(file) = journal.unreadable.first() {
        return Err(refuse(format!("{} might forbid it", file.path)));
    }
    let let_go = LetGo::by(&journal.acts, &next.key);
    let named = named_segments(repository, journal, &next.key)?;
    let may_leave = |entry: &SegmentEntry| {
        !named.contains(&entry.key())
            && (replacement(entry, &sealed).is_some()
                || let_go.has(entry.name, entry.next_token(), entry.content))
    };
    prove_kept((&newest, &old_sealed), (next, &sealed), &[], &may_leave)
        .map_err(|lost| refuse(lost.to_string()))?;
    let old: HashSet<ChunkId> =
        old_sealed.iter().chain(&newest.tails).flat_map(SegmentEntry::chunks).collect();
    chunks_are_there(session, &old, &sealed, next)
}

/// The segments that points name in a log: those that are not gone, as acts let them be read. What is claimed is a good copy.
pub fn named_segments(
    repository: &Repository,
    journal: &Journal,
    key: &LogKey,
) -> Result<BTreeSet<EntryKey>, Error> {
    let (mut named, mut seen) = (BTreeSet::new(), HashSet::new());
    for log in journal.points.iter().filter_map(|listed| listed.log(key)) {
        let claims = log.open.iter().filter_map(|claim| {
            let name = SegmentName { number: Token::new(claim.number)?, version: claim.version };
            Some(EntryKey { name, flawed: None })
        });
        named.extend(claims);
        let mut waiting = vec![log.root];
        while let Some(page) = waiting.pop() {
            if !seen.insert(page) {
                continue;
            }
            match repository.page(page)? {
                Page::Leaf(entries) => named.extend(entries.iter().map(SegmentEntry::key)),
                Page::Node { children, .. } => waiting.extend(children.iter().map(|child| child.page)),
            }
        }
    }
    Ok(named)
}

/// What acts have let go of a log.
#[derive(Clone, Debug, Default)]
pub struct LetGo {
    /// The first token that is kept, if the events before were dropped.
    pub before: Option<Token>,
    /// Segments that were erased, with the hashes of their contents.
    pub erased: HashSet<(SegmentName, ContentHash)>,
}

impl LetGo {
    /// Reads the acts.
    pub fn by(acts: &[Act], key: &LogKey) -> Self {
        let mut found = Self::default();
        for act in acts {
            match &act.deed {
                Deed::Dropped { source, context, logs, .. } if is_of(key, source, context) => {
                    let mine = logs.iter().filter(|log| log.incarnation == key.incarnation);
                    let before = mine.filter(|_| key.store == Store::Events).map(|log| log.before);
                    found.before = found.before.max(before.filter_map(Token::new).max());
                }
                Deed::Erased { source, context, segments, .. } if is_of(key, source, context) => {
                    let mine = segments.iter().filter(|segment| {
                        segment.incarnation == key.incarnation && segment.store == key.store
                    });
                    found.erased.extend(mine.filter_map(|segment| {
                        let number = Token::new(segment.number)?;
                        Some((SegmentName { number, version: segment.version }, segment.blake3))
                    }));
                }
                _ => {}
            }
        }
        found
    }

    /// Whether it lets this go.
    pub fn has(&self, name: SegmentName, next: Option<Token>, content: ContentHash) -> bool {
        let is_dropped = |before: Token| next.is_some_and(|next| next <= before);
        self.before.is_some_and(is_dropped) || self.erased.contains(&(name, content))
    }
}

fn is_of(key: &LogKey, source: &str, context: &str) -> bool {
    key.source == source && key.context == context
}

fn chunks_are_there(
    session: &Session<'_>,
    old: &HashSet<ChunkId>,
    sealed: &[SegmentEntry],
    next: &LogState,
) -> Result<(), Error> {
    for entry in sealed.iter().chain(&next.tails) {
        for chunk in entry.chunks().filter(|chunk| !old.contains(chunk)) {
            if !session.known.is_somewhere(&session.repository.index, chunk)? {
                let rule = format!("{}: chunk {chunk} of segment {} is nowhere", name(&next.key), entry.name);
                return Err(session.rule(rule));
            }
        }
    }
    Ok(())
}

fn name(key: &LogKey) -> String {
    format!("{}, {}@{} {}", key.source, key.context, key.incarnation, key.store)
}

/// A point must rest on the newest records, all of them durable, and on trees that can be read; what it claims must be in them.
pub(super) fn point(session: &Session<'_>, body: &PointBody) -> Result<(), Error> {
    for (context, logs) in &body.contexts {
        for (store, log) in [(Store::Snapshots, &logs.snapshots), (Store::Events, &logs.events)] {
            let (source, context) = (body.source.clone(), context.clone());
            let key = LogKey { source, context, incarnation: logs.incarnation, store };
            point_log(session, body.complete, &key, log)?;
        }
    }
    let database = match &body.control_db {
        ControlDb::Absent { .. } => None,
        ControlDb::Inner { inner, .. } => Some(inner.list),
        ControlDb::Zip { zip, .. } => Some(zip.list),
    };
    let database = database.map(|list| ("the control database's", list));
    let files = body.files.iter().map(|set| ("a file list's", set.listing.list));
    for (whose, list) in database.into_iter().chain(files) {
        if !session.known.is_somewhere(&session.repository.index, list)? {
            return Err(session.rule(format!("{whose} list of chunks, {list}, is nowhere")));
        }
    }
    Ok(())
}

fn point_log(session: &Session<'_>, complete: bool, key: &LogKey, log: &PointLog) -> Result<(), Error> {
    let refuse = |why: String| Err(session.rule(format!("{}: {why}", name(key))));
    // Under the lock of the one that writes, each record that is there was synced: when the session began, or when it was published.
    let newest = session.repository.newest_record(key)?;
    let Some(record) = newest.filter(|record| record.number == log.record) else {
        return refuse(format!("record {} is not the newest one", log.record));
    };
    if complete && log.safepoint > log.head {
        return refuse("its safepoint is above its head, and the point says that it is complete".to_owned());
    }
    let sealed = session.repository.shared_tree(record.state.root)?;
    let own = session.repository.shared_tree(log.root)?;
    if own.len() as u64 != log.segments {
        return refuse(format!("its tree has {} segments, not {}", own.len(), log.segments));
    }
    // Most often it is the very same tree.
    let others = if Arc::ptr_eq(&own, &sealed) { &[] } else { own.as_ref() };
    if let Some(entry) = others.iter().find(|entry| !holds(&sealed, entry)) {
        return refuse(format!("record {} does not hold segment {}", record.number, entry.name));
    }
    match log.open.iter().find(|claim| claim.last.is_some() && !is_held(&record, &sealed, claim)) {
        Some(claim) => refuse(format!(
            "record {} does not hold what is claimed of segment {}",
            record.number, claim.number
        )),
        None => Ok(()),
    }
}

/// The record's tree is the superset of every point's own.
fn holds(sealed: &[Arc<SegmentEntry>], entry: &SegmentEntry) -> bool {
    let found =
        sealed.binary_search_by_key(&entry.key(), |held| held.key()).ok().and_then(|at| sealed.get(at));
    found.is_some_and(|found| found.content == entry.content && found.logical_end == entry.logical_end)
}

/// A claim must be the whole or a prefix of what the record says, in its tails or of a good copy in its pages.
fn is_held(record: &Record, sealed: &[Arc<SegmentEntry>], claim: &Claim) -> bool {
    record.state.tails.iter().chain(sealed.iter().map(Arc::as_ref)).filter(|entry| entry.flaw.is_none()).any(
        |entry| {
            let is_it = (entry.name.number.get(), entry.name.version) == (claim.number, claim.version);
            let ends_there = entry.logical_end == claim.length && entry.content == claim.blake3;
            is_it && (entry.logical_end > claim.length || ends_there)
        },
    )
}
