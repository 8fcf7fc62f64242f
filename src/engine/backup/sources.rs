//! Which incarnation a context belongs to, and whether the source is the one that is archived under its name.

use crate::axon::name::Store;
use crate::engine::backup;
use crate::engine::backup::archived::ArchivedContext;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::archived::Incarnations;
use crate::engine::backup::context::Comparer;
use crate::engine::backup::context::JudgedContext;
use crate::engine::backup::context::SeenContext;
use crate::engine::error::Error;
use crate::repo::format::record::Branch;
use crate::repo::format::record::LogKey;

/// Where a context belongs.
pub struct Decision {
    /// The incarnation; it has no records yet if it is new.
    pub archived: ArchivedContext,
    /// The verdicts beside it.
    pub judged: JudgedContext,
    /// Whether the newest incarnation holds any event: then there was something to compare with.
    pub had_events: bool,
    /// Whether it is an older incarnation than the newest.
    pub is_older: bool,
    /// Whether a new incarnation has to begin.
    pub is_another_history: bool,
    /// Why it began.
    pub fork_text: Option<String>,
}

impl Decision {
    fn new((archived, judged): (ArchivedContext, JudgedContext), had_events: bool, is_older: bool) -> Self {
        Self { archived, judged, had_events, is_older, is_another_history: false, fork_text: None }
    }

    /// Whether the history is another one than archived.
    pub fn is_forked(&self) -> bool {
        self.judged.fork().is_some()
    }
}

/// Key of a log.
pub fn key(source: &str, context: &str, incarnation: u32, store: Store) -> LogKey {
    LogKey { source: source.to_owned(), context: context.to_owned(), incarnation, store }
}

/// An incarnation without records.
pub fn begin(
    source: &str,
    context: &str,
    incarnation: u32,
    branches: [Option<Branch>; 2],
) -> ArchivedContext {
    let [snapshots, events] = branches;
    ArchivedContext {
        incarnation,
        snapshots: ArchivedLog::empty(key(source, context, incarnation, Store::Snapshots), snapshots),
        events: ArchivedLog::empty(key(source, context, incarnation, Store::Events), events),
    }
}

/// Compares with the newest incarnation first; what forks there, or has not one transaction in common with it, but equals or extends an older
/// one belongs to that one. If none fits, the decision is the newest one, with its fork.
pub fn decide(
    comparer: &Comparer<'_>,
    source: &str,
    seen: &SeenContext,
    incarnations: &Incarnations,
) -> Result<Decision, Error> {
    let Some(newest) = incarnations.existing.first() else {
        let archived = begin(source, &seen.name, incarnations.highest.saturating_add(1), [None, None]);
        let judged = comparer.judge(seen, &archived)?;
        return Ok(Decision::new((archived, judged), false, false));
    };
    let mut beside_newest = None;
    for archived in &incarnations.existing {
        let is_older = archived.incarnation != newest.incarnation;
        let judged = comparer.judge(seen, archived)?;
        // The newest goes on with what shares nothing only if there was nothing to share: an older one may know it.
        let has_to_share = is_older || (newest.has_events() && seen.has_events());
        if judged.fork().is_none() && (judged.shares() || !has_to_share) {
            return Ok(Decision::new((archived.clone(), judged), newest.has_events(), is_older));
        }
        beside_newest.get_or_insert(judged);
    }
    let judged = match beside_newest {
        Some(judged) => judged,
        None => comparer.judge(seen, newest)?,
    };
    Ok(Decision::new((newest.clone(), judged), newest.has_events(), false))
}

/// Whether a context of which no transaction is the archived one was made anew, if others of its source fit. Damage proves nothing.
pub fn is_made_anew(seen: &SeenContext, had_events: bool, judged: &JudgedContext) -> bool {
    had_events && seen.has_events() && !judged.shares() && !judged.has_damage()
}

/// Refuses a history that is the archived one cut into other segments: another node of the same cluster needs a name of its own.
pub fn refuse_other_cut(
    comparer: &Comparer<'_>,
    source: &str,
    seen: &SeenContext,
    decision: &Decision,
) -> Result<(), Error> {
    for store in Store::ALL {
        let Some(fork) = decision.judged.store(store).fork() else { continue };
        if comparer.is_cut_elsewhere(seen.store(store), decision.archived.log(store), fork)? {
            return Err(Error::Backup(backup::Error::CutElsewhere {
                context: seen.name.clone(),
                store: store.to_string(),
                archived: source.to_owned(),
            }));
        }
    }
    Ok(())
}

/// Where a new incarnation of a context leaves the one it was compared with.
pub fn branches(
    comparer: &Comparer<'_>,
    seen: &SeenContext,
    decision: &Decision,
) -> Result<[Option<Branch>; 2], Error> {
    let parent = decision.archived.incarnation;
    let at = |store| -> Result<Option<Branch>, Error> {
        let judged = decision.judged.store(store);
        let token = comparer.branch(seen.store(store), decision.archived.log(store), judged)?;
        Ok(Some(Branch { parent, token }))
    };
    Ok([at(Store::Snapshots)?, at(Store::Events)?])
}

/// Refuses a source that shares no transaction with what is archived under its name. No token in common proves nothing, either.
pub fn prove_same_source(
    name: &str,
    found: &str,
    decisions: &[Decision],
    others_share: Option<bool>,
) -> Result<(), Error> {
    let compared = decisions.iter().any(|decision| decision.had_events);
    let shares = decisions.iter().any(|decision| decision.judged.shares());
    let fits = shares || others_share == Some(true) || (!compared && others_share.is_none());
    if fits {
        return Ok(());
    }
    Err(Error::Backup(backup::Error::OtherHistory { found: found.to_owned(), archived: name.to_owned() }))
}
