//! Which points are copied, what becomes of them there, and what acts said of them.

use crate::axon::name::Store;
use crate::engine;
use crate::engine::copy::logs::context;
use crate::engine::copy::{CopiedPoint, CopyOptions, CopyReport};
use crate::engine::observe::Observer;
use crate::engine::prune::logs_of;
use crate::engine::retention::readable;
use crate::engine::select;
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::PointBody;
use crate::repo::store::{Journal, ListedPoint, Repository, Tally};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The fact that says where a point was first: repository, number, hash.
pub const ORIGIN: &str = "copied-from";

/// A source, and one of its contexts.
pub(super) type Context = (String, String);

/// Points, chosen.
pub(super) struct Choice {
    /// To be copied, by rising number.
    pub missing: Vec<ListedPoint>,
    /// There already.
    pub known: Vec<CopiedPoint>,
    /// Not there, and older than what is asked for.
    pub older: Vec<u64>,
    /// The contexts of those that are there already: what they lack there of their history is copied too.
    pub settled: BTreeSet<Context>,
}

impl Choice {
    pub fn report(&self) -> CopyReport {
        let missing = self.missing.iter().map(|listed| CopiedPoint { from: listed.point.number, to: None });
        let (known, older) = (self.known.clone(), self.older.clone());
        CopyReport { points: missing.collect(), known, older, ..CopyReport::default() }
    }
}

impl CopyReport {
    /// Adds what a session has stored.
    pub(super) fn count(&mut self, tally: Tally) {
        self.chunks = self.chunks.saturating_add(tally.new_chunks);
        self.raw_bytes = self.raw_bytes.saturating_add(tally.new_raw_bytes);
        self.file_bytes = self.file_bytes.saturating_add(tally.file_bytes);
    }
}

/// Where a point was made: as it says itself, or here.
fn origin(repository: &Repository, listed: &ListedPoint) -> String {
    let here = || format!("{} {} {}", repository.config().id, listed.point.number, listed.hash);
    listed.point.body.facts.get(ORIGIN).cloned().unwrap_or_else(here)
}

/// Chooses: what is named, or all that is listed; what is there already is known by its origin.
pub(super) fn choose(
    from: &Repository,
    to: &Repository,
    options: &CopyOptions,
) -> Result<Choice, engine::Error> {
    let (ours, theirs) = (readable(from)?, readable(to)?);
    let there: BTreeMap<String, u64> =
        theirs.points.iter().map(|listed| (origin(to, listed), listed.point.number)).collect();
    let mut choice =
        Choice { missing: Vec::new(), known: Vec::new(), older: Vec::new(), settled: BTreeSet::new() };
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for listed in wanted(&ours, options)? {
        match there.get(&origin(from, listed)) {
            Some(number) => {
                last.insert(&listed.point.body.source, listed.point.number);
                choice.known.push(CopiedPoint { from: listed.point.number, to: Some(*number) });
                choice.settled.extend(logs_of(listed).iter().map(|(key, _)| context(key)));
            }
            None => choice.missing.push(listed.clone()),
        }
    }
    if options.since_last {
        // Of each source: a copy of one says nothing about the others.
        let of_source = |listed: &ListedPoint| last.get(listed.point.body.source.as_str()).copied();
        let is_newer = |listed: &ListedPoint| Some(listed.point.number) > of_source(listed);
        let (newer, older): (Vec<_>, Vec<_>) =
            std::mem::take(&mut choice.missing).into_iter().partition(is_newer);
        choice.missing = newer;
        choice.older = older.iter().map(|listed| listed.point.number).collect();
    }
    Ok(choice)
}

fn wanted<'j>(journal: &'j Journal, options: &CopyOptions) -> Result<Vec<&'j ListedPoint>, select::Error> {
    let source = options.source.as_deref();
    if options.points.is_empty() {
        if let Some(source) = source {
            select::source(journal, source)?;
        }
        let is_of = |listed: &&ListedPoint| source.is_none_or(|name| listed.point.body.source == name);
        return Ok(journal.listed().filter(is_of).collect());
    }
    let mut found = BTreeMap::new();
    for name in &options.points {
        let listed = select::point(journal, name, source)?;
        found.insert(listed.point.number, listed);
    }
    Ok(found.into_values().collect())
}

/// What a point says there: the same, with the numbers of the records there, and where it comes from.
pub(super) fn body(
    from: &Repository,
    to: &Repository,
    listed: &ListedPoint,
) -> Result<PointBody, repo::Error> {
    let mut body = listed.point.body.clone();
    body.facts.insert(ORIGIN.to_owned(), origin(from, listed));
    let mut records = BTreeMap::new();
    for (key, _) in logs_of(listed) {
        let newest = to.record_numbers(&key)?.last().copied().unwrap_or_default();
        records.insert((key.context.clone(), key.store), newest);
    }
    for (name, context) in &mut body.contexts {
        let context = Arc::make_mut(context);
        for (store, log) in [(Store::Snapshots, &mut context.snapshots), (Store::Events, &mut context.events)]
        {
            log.record = records.get(&(name.clone(), store)).copied().unwrap_or_default();
        }
    }
    Ok(body)
}

/// Holds, and what made points incomplete, come along; also for points that had been copied before.
pub(super) fn copy_acts(
    from: &Repository,
    to: &Repository,
    report: &CopyReport,
    observer: &dyn Observer,
) -> Result<(), engine::Error> {
    let (ours, theirs) = (readable(from)?, readable(to)?);
    let find = |journal: &Journal, number: u64| {
        journal.points.iter().find(|listed| listed.point.number == number).cloned()
    };
    let mut deeds = Vec::new();
    for pair in report.points.iter().chain(&report.known) {
        let Some(there) = pair.to.and_then(|number| find(&theirs, number)) else { continue };
        let Some(here) = find(&ours, pair.from) else { continue };
        deeds.extend(missing_deeds(&here, &there, &theirs));
    }
    if deeds.is_empty() {
        return Ok(());
    }
    let mut session = to.session()?;
    for deed in deeds {
        session.publish_act(Moment(observer.now_ms()), deed)?;
    }
    Ok(())
}

/// A hold that was ended there is not begun again.
fn missing_deeds(here: &ListedPoint, there: &ListedPoint, theirs: &Journal) -> Vec<Deed> {
    let point = there.reference();
    let was_held = theirs.acts.iter().any(|act| {
        matches!(act.deed, Deed::Held { point: held, .. } | Deed::Released { point: held } if held == point)
    });
    let mut deeds = Vec::new();
    if let (Some((reason, until)), false) = (&here.held, was_held) {
        deeds.push(Deed::Held { point, reason: reason.clone(), until: *until });
    }
    if let (Some(reason), None) = (&here.marked_incomplete, &there.marked_incomplete) {
        deeds.push(Deed::Incomplete { point, reason: reason.clone() });
    }
    deeds
}
