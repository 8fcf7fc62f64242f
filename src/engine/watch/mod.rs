//! `watch`: between two points, what is new in the open segments is archived every few seconds, as records. A crash of the server then loses seconds.
//!
//! A round reads on from the last archived MiB. Whatever is not simply more of the same (another file, a shorter one, other bytes in that MiB, a context
//! that nobody knows) needs a point: that reads and proves everything, and decides what it is. What a point has changed nothing about waits until the source
//! looks otherwise. No lock is held between rounds.

mod follow;
mod odd;

use crate::axon::name::{SegmentName, Store};
use crate::axon::token::Token;
use crate::engine::backup::BackupOptions;
use crate::engine::backup::BackupReport;
use crate::engine::backup::name;
use crate::engine::backup::report::ContextReport;
use crate::engine::backup::selection;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::watch::follow::{Followed, Follower};
use crate::engine::watch::odd::Odd;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::format::record::{LogKey, LogState, PrefixProof};
use crate::repo::store::{Repository, Session};
use crate::source::Source;
use crate::source::listing::{Listing, StoreListing};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a round found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// Nothing is new.
    Quiet,
    /// New transactions are archived, durably.
    Archived(Vec<Grown>),
    /// Only a point can tell what this is.
    NeedsPoint(String),
    /// A point could not tell either, and nothing has changed since. What is new elsewhere is archived.
    Waits {
        /// What this is.
        why: String,
        /// What was archived of other logs.
        archived: Vec<Grown>,
    },
}

/// What was archived of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Grown {
    /// The context.
    pub context: String,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// New events.
    pub events: u64,
    /// The last token that is archived now.
    pub head: Option<u64>,
    /// The record that says so.
    pub record: u64,
}

/// A log of the source: its context and store.
type Which = (String, Store);
/// What the newest record of each log says.
type States = BTreeMap<Which, LogState>;

/// Follows a source from point to point.
pub struct Watch<'o> {
    options: &'o BackupOptions,
    /// The source's name in the archive.
    name: String,
    /// The incarnation that the last point put each context into: not always the newest, a source may be back on an older one.
    incarnations: BTreeMap<String, u32>,
    /// The segments that were there right before the last point.
    files: BTreeMap<Which, BTreeSet<SegmentName>>,
    followers: BTreeMap<Which, Follower>,
    /// How logs looked that tails could not take, before a point was made for that.
    answered: BTreeMap<Which, ContentHash>,
}

/// The name under which a source is watched.
pub fn name_of(source: &dyn Source, options: &BackupOptions) -> Result<String, Error> {
    name::of(source.identity()?.name, options)
}

impl<'o> Watch<'o> {
    /// Begins to follow a source where a point has left it; the listing was made right before that.
    pub fn begin(point: &BackupReport, before: &Listing, options: &'o BackupOptions) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        for (which, listing) in stores(&wanted(before, options)?) {
            files.insert(which, names(listing));
        }
        let name = point.source.clone();
        let incarnation = |context: &ContextReport| (context.name.clone(), context.incarnation);
        let incarnations = point.contexts.iter().map(incarnation).collect();
        let (followers, answered) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { options, name, incarnations, files, followers, answered })
    }

    /// Goes on from an earlier point: what was asked before it is answered now.
    #[must_use]
    pub fn after(self, earlier: Option<Self>) -> Self {
        let answered = earlier.map(|earlier| earlier.answered).unwrap_or_default();
        Self { answered, ..self }
    }

    /// Archives what is new. Of all contexts the snapshots are read first, and their records published last: events are never behind.
    pub fn round(
        &mut self,
        repository: &Repository,
        source: &mut dyn Source,
        observer: &dyn Observer,
    ) -> Result<Round, Error> {
        let listing = wanted(&source.listing()?, self.options)?;
        if let Some(why) = self.renamed(&*source)?.or_else(|| self.changed(&listing)) {
            return Ok(Round::NeedsPoint(why));
        }
        let mut session = repository.session()?;
        session.set_effort(self.options.effort);
        // Under the lock of the one that writes: they stay the newest.
        let states = self.states(repository)?;
        // One that is odd keeps nothing of the others out, but for its own snapshots.
        let (mut fresh, mut odd) = (Vec::new(), BTreeMap::new());
        for wanted in [Store::Snapshots, Store::Events] {
            for (which, files) in stores(&listing).filter(|((_, store), _)| *store == wanted) {
                let found =
                    self.store((repository, &*source, observer), &mut session, (&which, files), &states)?;
                match found {
                    Found::Nothing => {}
                    Found::Fresh(found) => fresh.push(*found),
                    Found::Odd(found) => {
                        odd.insert(which, found);
                    }
                }
            }
        }
        fresh.retain(|one| one.is_of_this_history(&odd));
        fresh.reverse();
        let archived = publish(session, fresh)?;
        Ok(self.judge(archived, odd))
    }

    /// What a point has answered is not asked again as long as it looks the same.
    fn judge(&mut self, archived: Vec<Grown>, odd: BTreeMap<Which, Odd>) -> Round {
        let looks = odd.iter().map(|(which, odd)| (which.clone(), odd.look)).collect();
        let answered = std::mem::replace(&mut self.answered, looks);
        if let Some((_, new)) = odd.iter().find(|(which, odd)| answered.get(*which) != Some(&odd.look)) {
            return Round::NeedsPoint(new.why.clone());
        }
        let why: Vec<_> = odd.into_values().map(|odd| odd.why).collect();
        match (why.is_empty(), archived.is_empty()) {
            (true, true) => Round::Quiet,
            (true, false) => Round::Archived(archived),
            (false, _) => Round::Waits { why: why.join("; "), archived },
        }
    }

    /// What the archive holds of the source: of each context the incarnation that the last point put it into.
    fn states(&self, repository: &Repository) -> Result<States, Error> {
        let is_followed = |key: &&LogKey| {
            key.source == self.name && self.incarnations.get(&key.context) == Some(&key.incarnation)
        };
        let mut states = States::new();
        for key in repository.logs()?.iter().filter(is_followed) {
            if let Some(record) = repository.newest_record(key)? {
                states.insert((key.context.clone(), key.store), record.state);
            }
        }
        Ok(states)
    }

    /// Says so if the source has another name than at the last point: what is new belongs under that one.
    fn renamed(&self, source: &dyn Source) -> Result<Option<String>, Error> {
        let name = name_of(source, self.options)?;
        // A directory may be archived under its name with a slash.
        let is_same = name.trim_end_matches('/') == self.name.trim_end_matches('/');
        Ok((!is_same).then(|| format!("the source calls itself {name} now")))
    }

    /// What is not as it was at the last point.
    fn changed(&self, listing: &Listing) -> Option<String> {
        for (which, files) in stores(listing) {
            let (context, store) = &which;
            let Some(known) = self.files.get(&which) else { return Some(format!("{context} is new")) };
            if names(files) != *known {
                return Some(format!("the {store} of {context} have other segments"));
            }
        }
        (stores(listing).count() != self.files.len()).then(|| "a context is gone".to_owned())
    }

    fn store(
        &mut self,
        (repository, source, observer): (&Repository, &dyn Source, &dyn Observer),
        session: &mut Session<'_>,
        (which, files): (&Which, &StoreListing),
        states: &States,
    ) -> Result<Found, Error> {
        let Some(file) = files.segments.last() else { return Ok(Found::Nothing) };
        let odd = |why: &str, archived: u64| -> Result<Found, Error> {
            let odd = Odd::of(repository.naming(), source, (files, file))?;
            let why = if odd.end < archived { "end before what is archived of them" } else { why };
            Ok(Found::Odd(Odd { why: format!("the {} of {} {why}", which.1, which.0), ..odd }))
        };
        let tail_of = |state: &LogState| state.tails.iter().find(|tail| tail.name == file.name).cloned();
        let Some((tail, state)) = states.get(which).and_then(|state| Some((tail_of(state)?, state))) else {
            // What holds nothing yet is in no record: the point before has seen it so.
            let is_empty = !follow::has_transaction(source, file)?;
            return if is_empty {
                Ok(Found::Nothing)
            } else {
                odd("go on in a segment that is not archived", 0)
            };
        };
        let known = self.followers.remove(which).filter(|follower| follower.stands_at(&tail));
        let follower = match known {
            Some(follower) => Some(follower),
            None => Follower::prove(repository.naming(), source, file, &tail)?,
        };
        let Some(mut follower) = follower else { return odd("do not begin as they did", tail.logical_end) };
        match follower.extend(session, source, file, observer)? {
            Followed::Odd => odd("do not begin as they did", tail.logical_end),
            Followed::Same => {
                self.followers.insert(which.clone(), follower);
                Ok(Found::Nothing)
            }
            Followed::Grown { entry, events } => {
                self.followers.insert(which.clone(), follower);
                Ok(Found::Fresh(Box::new(Fresh::of(which, state, &tail, (*entry, events)))))
            }
        }
    }
}

/// What was found of a log.
enum Found {
    Nothing,
    Fresh(Box<Fresh>),
    Odd(Odd),
}

/// A log that has grown.
struct Fresh {
    which: Which,
    state: LogState,
    proof: PrefixProof,
    events: u64,
    head: Option<u64>,
}

impl Fresh {
    fn of(
        which: &Which,
        before: &LogState,
        tail: &SegmentEntry,
        (entry, events): (SegmentEntry, u64),
    ) -> Self {
        let proof = PrefixProof { name: tail.name, length: tail.logical_end, content: tail.content };
        let head = entry.last_token().map(Token::get);
        let replaced =
            |old: &SegmentEntry| if old.key() == entry.key() { entry.clone() } else { old.clone() };
        let tails = before.tails.iter().map(replaced).collect();
        let state = LogState { tails, ..before.clone() };
        Self { which: which.clone(), state, proof, events, head }
    }

    /// Snapshots of a context whose events do not simply go on may belong to the history that the events went over to: they wait with them.
    fn is_of_this_history(&self, odd: &BTreeMap<Which, Odd>) -> bool {
        let (context, store) = &self.which;
        *store == Store::Events || !odd.contains_key(&(context.clone(), Store::Events))
    }
}

/// Makes it durable, then says so.
fn publish(mut session: Session<'_>, fresh: Vec<Fresh>) -> Result<Vec<Grown>, Error> {
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let durable = session.barrier()?;
    let (mut states, mut told) = (Vec::new(), Vec::new());
    for one in fresh {
        let (context, store) = one.which;
        told.push(Grown { context, store: store.as_str(), events: one.events, head: one.head, record: 0 });
        states.push((one.state, vec![one.proof]));
    }
    let (_, numbers) = session.publish_records(durable, states)?;
    for (grown, number) in told.iter_mut().zip(numbers) {
        grown.record = number;
    }
    Ok(told)
}

fn wanted(listing: &Listing, options: &BackupOptions) -> Result<Listing, Error> {
    // A point has told already whether what is named was ever there.
    let told = options.contexts.iter().chain(&options.excluded).map(String::as_str).collect();
    let left_out = selection::left_out(listing, options, &told)?;
    Ok(selection::keep(listing, &left_out).into_owned())
}

fn stores(listing: &Listing) -> impl Iterator<Item = (Which, &StoreListing)> {
    let contexts = listing.contexts.iter();
    contexts.flat_map(|(name, context)| Store::ALL.map(|store| ((name.clone(), store), context.store(store))))
}

fn names(files: &StoreListing) -> BTreeSet<SegmentName> {
    files.segments.iter().map(|file| file.name).collect()
}
