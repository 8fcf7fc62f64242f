//! What a backup need not read again, and what earlier points say of an incarnation.

use crate::axon::name::FileKind;
use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::name::classify;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::error::Error;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::PageId;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::repo::format::record::LogKey;
use crate::repo::store::Journal;
use crate::repo::store::ListedPoint;
use crate::repo::store::Repository;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What the repository knew when the backup began to write.
pub struct Known {
    /// Points and acts.
    pub journal: Journal,
    /// The logs that have records.
    pub logs: Vec<LogKey>,
}

/// The contexts that these logs have under a source's name.
pub fn contexts_of<'l>(logs: &'l [LogKey], source: &str) -> BTreeSet<&'l str> {
    logs.iter().filter(|log| log.source == source).map(|log| log.context.as_str()).collect()
}

/// Names of segments, in the order of the tree they were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<SegmentName>);

impl Names {
    /// Whether a name is among them.
    pub fn contains(&self, name: SegmentName) -> bool {
        self.0.binary_search(&name).is_ok()
    }

    /// Those that are in both.
    fn and(mut self, other: &Self) -> Self {
        self.0.retain(|name| other.contains(*name));
        self
    }

    /// Those that are not among others.
    fn without(mut self, others: &BTreeSet<SegmentName>) -> Self {
        self.0.retain(|name| !others.contains(name));
        self
    }
}

impl Known {
    /// Reads it; the writer's lock is held, so it stays true.
    pub fn load(repository: &Repository) -> Result<Self, Error> {
        Ok(Self { journal: repository.journal()?, logs: repository.logs()? })
    }

    /// The contexts that have been archived under a source's name.
    pub fn contexts_of(&self, source: &str) -> BTreeSet<&str> {
        contexts_of(&self.logs, source)
    }

    /// The incarnations of a context that points name.
    pub fn incarnations(&self, source: &str, context: &str) -> BTreeSet<u32> {
        let points = self.journal.points.iter().map(|point| &point.point.body);
        let mine = points.filter(|body| body.source == source);
        mine.filter_map(|body| Some(body.contexts.get(context)?.incarnation)).collect()
    }

    /// Whether an earlier point names an incarnation: somebody had the chance to look.
    pub fn is_named(&self, source: &str, context: &str, incarnation: u32) -> bool {
        self.incarnations(source, context).contains(&incarnation)
    }

    /// The segments of a log that two complete points have seen as sealed. The second of them has read each once more after it was sealed: a power
    /// loss right after the first could have taken unsynced pages and left the time of the file. What a later point found damaged is not among them:
    /// rot leaves sizes and times as they were.
    pub fn twice_read(&self, repository: &Repository, log: &ArchivedLog) -> Result<Names, Error> {
        let LogKey { source, context, incarnation, store } = &log.key;
        let roots = self.complete_roots(source, context, (*incarnation, *store));
        let [newest, before] = roots.as_slice() else { return Ok(Names::default()) };
        let names = good_names(repository, *newest, log)?.without(&self.found_bad(&log.key));
        if newest == before {
            return Ok(names);
        }
        let earlier = good_names(repository, *before, log)?;
        Ok(names.and(&earlier))
    }

    /// The segments of a log that a point behind the newest complete one found damaged, or could not read: nothing has found them good since.
    fn found_bad(&self, key: &LogKey) -> BTreeSet<SegmentName> {
        let LogKey { source, context, incarnation, store } = key;
        let is_good = |point: &&ListedPoint| {
            let of = point.point.body.contexts.get(context);
            !point.forgotten && point.is_complete() && of.is_some_and(|of| of.incarnation == *incarnation)
        };
        let mine = self.journal.points.iter().rev().filter(|point| point.point.body.source == *source);
        let findings = mine.take_while(|point| !is_good(point)).flat_map(|point| &point.point.body.findings);
        findings.filter_map(|finding| bad_segment(finding, context, *store)).collect()
    }

    /// The trees of the two newest complete points of a log.
    fn complete_roots(&self, source: &str, context: &str, (incarnation, store): (u32, Store)) -> Vec<PageId> {
        let mine = self
            .journal
            .listed()
            .rev()
            .filter(|point| point.is_complete() && point.point.body.source == source);
        mine.filter_map(|point| point.point.body.contexts.get(context))
            .filter(|context| context.incarnation == incarnation)
            .map(|context| match store {
                Store::Snapshots => context.snapshots.root,
                Store::Events => context.events.root,
            })
            .take(2)
            .collect()
    }
}

/// The segment of a log that a finding says is damaged, or can't be read.
fn bad_segment(finding: &Finding, context: &str, store: Store) -> Option<SegmentName> {
    let is_bad = finding.weight == Weight::Incomplete && finding.context.as_deref() == Some(context);
    let file = Path::new(finding.file.as_deref().filter(|_| is_bad)?).file_name()?.to_str()?;
    match classify(file) {
        FileKind::Data { store: of, name, .. } if of == store => Some(name),
        _ => None,
    }
}

/// The names in a tree; most often it is the one that was read for the log. Of one that can't be read any more nothing is known: its segments are
/// read again.
fn good_names(repository: &Repository, root: PageId, log: &ArchivedLog) -> Result<Names, Error> {
    let is_read = log.state.as_ref().is_some_and(|state| state.root == root);
    if is_read {
        return Ok(names_of(log.sealed.iter().map(Arc::as_ref)));
    }
    match repository.shared_tree(root) {
        Err(error) if error.is_lost() => Ok(Names::default()),
        tree => Ok(names_of(tree?.iter().map(Arc::as_ref))),
    }
}

fn names_of<'a>(entries: impl Iterator<Item = &'a SegmentEntry>) -> Names {
    Names(entries.filter(|entry| entry.flaw.is_none()).map(|entry| entry.name).collect())
}
