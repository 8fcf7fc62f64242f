//! The records that the other repository needs: all that the logs hold here, proven to hold all that they hold there. What has left here (an old
//! version, what was erased or dropped) does not leave there for it: the copy keeps what it has.

use crate::axon::token::Token;
use crate::engine;
use crate::engine::copy::Error;
use crate::engine::copy::points::{Choice, Context};
use crate::engine::copy::taken::Taken;
use crate::engine::pieces::{claim_name, hold};
use crate::engine::prune::logs_of;
use crate::repo;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::{ChunkId, ContentHash};
use crate::repo::format::point::Claim;
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
    /// Whether they lack something that is here, and that nothing there stands for.
    is_lacking: bool,
}

/// Logs that can't be read here, or not be compared, and why.
pub(super) type LostLogs = Vec<(LogKey, String)>;

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

    /// Leaves segments out; what the other repository has of them stays there. Gives those that it does not have as they are here, or of which it
    /// has lost the same.
    pub fn leave_out(
        &mut self,
        (from, to): (&Repository, &Repository),
        is_lost: &dyn Fn(&SegmentEntry) -> bool,
    ) -> Result<Vec<SegmentEntry>, engine::Error> {
        let (mut lost, sealed): (Vec<_>, Vec<_>) = from.tree(self.state.root)?.into_iter().partition(is_lost);
        let (lost_tails, tails): (Vec<_>, Vec<_>) = self.state.tails.drain(..).partition(is_lost);
        self.state.tails = tails;
        lost.extend(lost_tails);
        if lost.is_empty() {
            return Ok(lost);
        }
        self.fewer = Some(sealed);
        if let Some(Record { state: theirs, .. }) = to.newest_record(&self.state.key)? {
            let keys: BTreeSet<_> = lost.iter().map(SegmentEntry::key).collect();
            let is_it = |entry: &SegmentEntry| keys.contains(&entry.key());
            self.kept.sealed.extend(to.tree(theirs.root)?.into_iter().filter(is_it));
            self.kept.tails.extend(theirs.tails.into_iter().filter(is_it));
        }
        let mut kept: BTreeMap<EntryKey, u64> = BTreeMap::new();
        for entry in self.kept.sealed.iter().chain(&self.kept.tails).filter(|entry| !is_lost(entry)) {
            let end = kept.entry(entry.key()).or_default();
            *end = entry.logical_end.max(*end);
        }
        let is_kept =
            |entry: &SegmentEntry| kept.get(&entry.key()).is_some_and(|end| *end >= entry.logical_end);
        lost.retain(|entry| !is_kept(entry));
        Ok(lost)
    }
}

/// The points that rest on a record that is lost, here and there, where no backup has made another yet that holds what they claim; and why.
pub(super) fn unheld(
    from: &Repository,
    to: &Repository,
    points: &[ListedPoint],
) -> Result<BTreeMap<u64, String>, engine::Error> {
    let mut known: BTreeMap<LogKey, Held> = BTreeMap::new();
    let mut unheld = BTreeMap::new();
    for listed in points {
        for (key, log) in logs_of(listed) {
            let held = match known.entry(key) {
                Entry::Occupied(held) => held,
                Entry::Vacant(unknown) => {
                    let held = held(from, to, unknown.key())?;
                    unknown.insert_entry(held)
                }
            };
            let why = match held.get() {
                Ok(Some(entries)) if hold(entries, log) => continue,
                Ok(_) => format!(
                    "it rests on a record of {} that is lost; a backup of its source may make another",
                    name(held.key())
                ),
                Err(why) => why.clone(),
            };
            unheld.entry(listed.point.number).or_insert(why);
        }
    }
    Ok(unheld)
}

/// What the newest records of a log hold; none if it has no record. Or why that is not known.
type Held = Result<Option<Vec<SegmentEntry>>, String>;

/// Of a log, here and there.
fn held(from: &Repository, to: &Repository, key: &LogKey) -> Result<Held, repo::Error> {
    let ours = match lost_or(from.newest_entries(key))? {
        Ok(ours) => ours,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Ok(match (ours, to.newest_entries(key)?) {
        (Some(ours), Some(theirs)) => Some([ours, theirs].concat()),
        (ours, theirs) => ours.or(theirs),
    }))
}

/// What a log holds here.
fn log_here(from: &Repository, key: &LogKey) -> Result<Option<(LogState, Vec<SegmentEntry>)>, repo::Error> {
    Ok(from.newest_sealed(key)?.map(|(record, tree)| (record.state, tree)))
}

/// What was read, or why it is lost.
fn lost_or<T>(read: Result<T, repo::Error>) -> Result<Result<T, String>, repo::Error> {
    match read {
        Err(error) if is_lost(&error) => Ok(Err(error.to_string())),
        read => read.map(Ok),
    }
}

/// Whether it is lost. What a newer program wrote is not.
pub(super) fn is_lost(error: &repo::Error) -> bool {
    error.is_lost() && !matches!(error, repo::Error::Unsupported { .. })
}

/// All logs, in every incarnation, of the contexts of the points that are to be copied, and of those that are there already what they lack; and those
/// that can't be read here, with the reason.
pub(super) fn next(
    from: &Repository,
    to: &Repository,
    choice: &Choice,
) -> Result<(Vec<Next>, LostLogs), engine::Error> {
    let contexts: BTreeSet<Context> =
        choice.missing.iter().flat_map(logs_of).map(|(key, _)| context(&key)).collect();
    let (our_acts, their_acts) = (from.acts()?.0, to.acts()?.0);
    let (mut next, mut lost) = (Vec::new(), Vec::new());
    for key in from.logs()? {
        let is_asked = contexts.contains(&context(&key));
        if !is_asked && !choice.settled.contains(&context(&key)) {
            continue;
        }
        let gone = (LetGo::by(&our_acts, &key), LetGo::by(&their_acts, &key));
        match lost_or(log_here(from, &key))? {
            Ok(None) => {}
            Ok(Some(ours)) => {
                let is_asked_for = is_asked || names_lost((from, to), &ours)?;
                match one((from, to), &key, ours, &gone) {
                    // No point asks for it: that it does not fit is told when one does, and what is lost there with the points that are there.
                    Err(engine::Error::Copy(_)) if !is_asked => {}
                    Err(engine::Error::Repo(error)) if !is_asked && is_lost(&error) => {}
                    done => match done? {
                        Ok(log) => next.extend((is_asked_for || log.is_lacking).then_some(log)),
                        Err(why) => lost.push((key, why)),
                    },
                }
            }
            Err(why) => lost.push((key, why)),
        }
    }
    Ok((next, lost))
}

/// Whether a log names a chunk that is in no pack, neither here nor there: it is told each time, though the record there names it, too.
fn names_lost(
    (from, to): (&Repository, &Repository),
    (state, tree): &(LogState, Vec<SegmentEntry>),
) -> Result<bool, repo::Error> {
    for chunk in tree.iter().chain(&state.tails).flat_map(SegmentEntry::chunks) {
        if !to.names_chunk(chunk)? && !from.names_chunk(chunk)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Source and context of a log.
pub(super) fn context(key: &LogKey) -> Context {
    (key.source.clone(), key.context.clone())
}

/// A log as it has to be there, or why that can't be said.
fn one(
    (from, to): (&Repository, &Repository),
    key: &LogKey,
    (ours, our_tree): (LogState, Vec<SegmentEntry>),
    (ours_gone, gone_there): &(LetGo, LetGo),
) -> Result<Result<Next, String>, engine::Error> {
    let next = |state, proofs, kept, (is_new, is_lacking)| {
        Ok(Ok(Next { state, proofs, kept, fewer: None, is_new, is_lacking }))
    };
    stays_gone(key, gone_there, our_tree.iter().chain(&ours.tails))?;
    let Some(theirs) = to.newest_record(key)?.map(|record| record.state) else {
        return next(ours, Vec::new(), Kept::default(), (true, true));
    };
    if ours == theirs {
        return next(ours, Vec::new(), Kept::default(), (false, false));
    }
    let their_tree = to.tree(theirs.root)?;
    let of_theirs = proofs([to, from], &ours, (&theirs, &their_tree))?;
    let of_ours = proofs([from, to], &theirs, (&ours, &our_tree))?;
    let (of_theirs, proofs) = match (of_theirs, of_ours) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
    };
    // It holds more there than here: it was copied from elsewhere too, or backed up there.
    if prove_superset((&ours, &our_tree), (&theirs, &their_tree), &of_theirs).is_ok() {
        return next(ours, Vec::new(), Kept::default(), (false, false));
    }
    let missed = missed((&theirs, &their_tree), (&ours, &our_tree));
    let may_leave = |entry: &SegmentEntry| {
        replacement(entry, &our_tree).is_some()
            || ours_gone.has(entry.name, entry.next_token(), entry.content)
            || missed.contains(&entry.key())
    };
    match prove_kept((&theirs, &their_tree), (&ours, &our_tree), &proofs, &may_leave) {
        Ok(()) => {
            let kept = kept((&theirs, &their_tree), (&ours, &our_tree));
            let is_lacking = is_lacking((&theirs, &their_tree), (&ours, &our_tree));
            next(ours, proofs, kept, (true, is_lacking))
        }
        Err(lost) => Err(Error::Conflict { log: name(key), why: lost.to_string() }.into()),
    }
}

/// Whether something is here that they don't have, nor a version that stands for it.
fn is_lacking(theirs: (&LogState, &[SegmentEntry]), ours: (&LogState, &[SegmentEntry])) -> bool {
    let mut ends: BTreeMap<EntryKey, u64> = BTreeMap::new();
    for entry in theirs.1.iter().chain(&theirs.0.tails) {
        let end = ends.entry(entry.key()).or_default();
        *end = entry.logical_end.max(*end);
    }
    ours.1.iter().chain(&ours.0.tails).any(|entry| {
        ends.get(&entry.key()).is_none_or(|end| *end < entry.logical_end)
            && replacement(entry, theirs.1).is_none()
    })
}

/// What is missing here alone: nothing here has any of its tokens, and behind it there is something that both have. (Histories that have parted
/// have nothing more in common, so it is no other one: it was lost on the way here. That what has the same name has the same bytes, as far as it
/// was there, is asked of all that is kept.)
fn missed(theirs: (&LogState, &[SegmentEntry]), ours: (&LogState, &[SegmentEntry])) -> BTreeSet<EntryKey> {
    let here = || ours.1.iter().chain(&ours.0.tails);
    let there = || theirs.1.iter().chain(&theirs.0.tails);
    let keys: BTreeSet<EntryKey> = here().map(SegmentEntry::key).collect();
    let is_common =
        |entry: &&SegmentEntry| entry.events > 0 && entry.flaw.is_none() && keys.contains(&entry.key());
    let Some(last) = there().filter(is_common).map(|entry| entry.name.number).max() else {
        return BTreeSet::new();
    };
    let taken = Taken::by(here());
    let is_missed = |entry: &&SegmentEntry| {
        let (first, Some(next)) = (entry.name.number, entry.next_token()) else { return false };
        first < next && next <= last && !keys.contains(&entry.key()) && !taken.any(first, next)
    };
    there().filter(is_missed).map(SegmentEntry::key).collect()
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

/// Of each tail that has grown since: the hash of as much of it as there was. Or why one can't be told.
fn proofs(
    repositories: [&Repository; 2],
    before: &LogState,
    (state, tree): (&LogState, &[SegmentEntry]),
) -> Result<Result<Vec<PrefixProof>, String>, repo::Error> {
    let mut proofs = Vec::new();
    for tail in &before.tails {
        let is_it = |entry: &&SegmentEntry| entry.key() == tail.key() && entry.logical_end > tail.logical_end;
        let Some(grown) = state.tails.iter().chain(tree).find(is_it) else { continue };
        let [first, _] = repositories;
        let content = match prefix(repositories, grown, tail.logical_end)? {
            Ok(content) => content,
            Err(_) if was_claimed(first, &before.key, tail)? => tail.content,
            Err(chunk) => {
                let why = repo::Error::ChunkMissing { chunk };
                return Ok(Err(format!(
                    "segment {} can't be compared with what they have of it: {why}",
                    tail.name
                )));
            }
        };
        proofs.push(PrefixProof { name: tail.name, length: tail.logical_end, content });
    }
    Ok(Ok(proofs))
}

/// Whether a point claims the very bytes of a tail: then what has grown of the segment since, here, begins with them. (What points claim was proven
/// when they were made.)
fn was_claimed(repository: &Repository, key: &LogKey, tail: &SegmentEntry) -> Result<bool, repo::Error> {
    if tail.flaw.is_some() {
        return Ok(false);
    }
    let is_it = |claim: &Claim| claim_name(claim) == Some(tail.name) && claim.blake3 == tail.content;
    let points = repository.journal()?.points;
    Ok(points.iter().filter_map(|listed| listed.log(key)).any(|log| log.open.iter().any(is_it)))
}

/// The hash of so much of a segment; or a chunk of it that no repository has.
fn prefix(
    repositories: [&Repository; 2],
    entry: &SegmentEntry,
    length: u64,
) -> Result<Result<ContentHash, ChunkId>, repo::Error> {
    let [first, second] = repositories;
    let (mut hasher, mut rest) = (first.naming().hasher(), length);
    for extent in &entry.extents {
        let bytes = match first.chunk(extent.chunk) {
            Err(error) if is_lost(&error) => match second.chunk(extent.chunk) {
                Err(error) if is_lost(&error) => return Ok(Err(extent.chunk)),
                read => read?,
            },
            read => read?,
        };
        let all: &[u8] = bytes.as_ref();
        let part = all.get(..usize::try_from(rest).unwrap_or(usize::MAX)).unwrap_or(all);
        hasher.update(part);
        rest = rest.saturating_sub(part.len() as u64);
        if rest == 0 {
            break;
        }
    }
    Ok(Ok(hasher.content()))
}

pub(super) fn name(key: &LogKey) -> String {
    format!("{} of {}@{} of {}", key.store, key.context, key.incarnation, key.source)
}
