//! Point in time: cuts a history behind a token, or at a moment, so that what is kept fits together.
//!
//! [`prepare`] finds the places (decoding only their neighbourhood), tests the snapshots, and chooses the control database. What is kept of
//! the cut segment becomes the open one; later segments are absent.

pub mod choice;
pub mod log;
mod places;
pub mod proof;
mod remarks;
pub mod request;
pub mod snapshots;

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::history::{self, Forks, History};
use crate::engine::pieces::Piece;
use crate::engine::restore::cut::choice::{ControlDbOf, Kept};
use crate::engine::restore::cut::log::{Behind, Log, LogPlace, Stamped};
use crate::engine::restore::cut::places::Placed;
use crate::engine::restore::cut::request::{CutAt, CutRequest, Side, TokenCut, split_context};
use crate::engine::restore::cut::snapshots::SnapshotRule;
use crate::engine::restore::error::Error as Refused;
use crate::engine::restore::plan::RestoreOptions;
use crate::engine::restore::remarks::Remarks;
use crate::engine::select;
use crate::repo::format::moment::Moment;
use crate::repo::store::{Journal, ListedPoint, Repository};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a history is cut, and what lies behind.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CutPlan {
    /// The moment that was asked for.
    pub time: Option<Moment>,
    /// Which side counts where clocks ran backwards.
    pub side: Side,
    /// The contexts, by name.
    pub contexts: Vec<ContextCut>,
    /// The point whose control database is taken.
    pub control_db: Option<ControlDbOf>,
}

impl CutPlan {
    /// The moment that no event of a context is later than; none if it was not cut at one, or later events may stay before earlier ones.
    pub fn latest(&self, context: &str) -> Option<Moment> {
        let cut = self.contexts.iter().find(|cut| cut.context == context)?;
        cut.time.filter(|_| self.side == Side::FirstLater)
    }
}

/// Where a context is cut.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextCut {
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// The token that was asked for.
    pub asked: Option<u64>,
    /// Set if that token lies inside a transaction, which is not kept: the last token of it.
    pub inside: Option<u64>,
    /// The moment that counts here.
    pub time: Option<Moment>,
    /// The last event that is kept.
    pub last: Option<Stamped>,
    /// From that moment to the last event that is kept, in milliseconds: below zero where it happened before.
    pub distance_ms: Option<i64>,
    /// The first event that is dropped.
    pub next: Option<Stamped>,
    /// Set where clocks ran backwards: the last token that either way of cutting keeps.
    pub backwards: Option<Backwards>,
    /// What is dropped.
    pub behind: Behind,
    /// The snapshots, if they were looked at.
    pub snapshots: Option<SnapshotsCut>,
}

/// Clocks ran backwards: a moment leads to two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Backwards {
    /// The last token before the first later event.
    pub first_later: Option<u64>,
    /// The last token that is not later.
    pub last_not_later: Option<u64>,
}

/// Where the snapshots of a context are cut.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SnapshotsCut {
    /// The last snapshot that is kept.
    pub last: Option<u64>,
    /// What is dropped.
    pub behind: Behind,
    /// How that is known; none if all are left out on request.
    pub rule: Option<SnapshotRule>,
}

/// All that a cut needs to be restored.
pub struct Prepared<'j> {
    /// What is kept.
    pub histories: Vec<History>,
    /// What is said of it.
    pub plan: CutPlan,
    /// The point whose control database is taken.
    pub control_db: Option<&'j ListedPoint>,
    /// What a user must know.
    pub(super) remarks: Remarks,
}

/// Who asks.
pub struct Cutter<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Its points.
    pub journal: &'a Journal,
    /// The point that was named, or else the newest one of the source.
    pub listed: &'a ListedPoint,
    /// What is asked for.
    pub request: &'a CutRequest,
}

/// Prepares all that a restore needs.
pub fn prepare<'a>(cutter: &Cutter<'a>, options: &RestoreOptions) -> Result<Prepared<'a>, Error> {
    let whole = cutter.histories(&options.contexts)?;
    let places = places::of(cutter, &whole)?;
    let (mut contexts, mut histories, mut remarks) = (Vec::new(), Vec::new(), Remarks::default());
    for (history, placed) in whole.into_iter().zip(places) {
        remarks.ends_at_gap(&history.context, placed.missing);
        let mut cut = placed.cut.clone();
        let kept = cutter.cut(history, &placed, options.snapshots, &mut cut)?;
        contexts.push(cut);
        histories.push(kept);
    }
    let kept = cutter.kept(&histories, &contexts)?;
    let (control_db, of) = cutter.control_db(options, &kept)?;
    if options.accept_version_reuse || !options.control_db {
        remarks.version_reuse(choice::refuse_version_reuse(cutter.repository, control_db, &kept))?;
    } else {
        choice::refuse_version_reuse(cutter.repository, control_db, &kept)?;
    }
    let plan = CutPlan { time: cutter.time(), side: cutter.request.side, contexts, control_db: of };
    remarks.cut(&plan, options.control_db);
    Ok(Prepared { histories, plan, control_db, remarks })
}

/// Says where a cut would be, without looking at snapshots: decodes one neighbourhood for each context.
pub fn look(cutter: &Cutter<'_>, contexts: &[String]) -> Result<(CutPlan, Vec<History>), Error> {
    let histories = cutter.histories(contexts)?;
    let contexts: Vec<_> = places::of(cutter, &histories)?.into_iter().map(|placed| placed.cut).collect();
    let kept = cutter.kept(&histories, &contexts)?;
    let found = choice::fitting(cutter.journal, cutter.source(), &kept, cutter.time_ms(), cutter.newest());
    let control_db = found.map(|listed| of_point(listed, false, Vec::new()));
    let plan = CutPlan { time: cutter.time(), side: cutter.request.side, contexts, control_db };
    Ok((plan, histories))
}

/// Says what it means to take the control database of `other` for these histories, which are restored as a point has them.
pub(super) fn other_control_db(
    cutter: &Cutter<'_>,
    other: &ListedPoint,
    histories: &[History],
    accept_version_reuse: bool,
    remarks: &mut Remarks,
) -> Result<(), Error> {
    let mut kept = Vec::new();
    for history in histories {
        kept.push(
            cutter.keeping(
                history,
                history.events.last().and_then(|piece| piece.span.last()).map(Token::get),
            )?,
        );
    }
    let refused = choice::refuse_version_reuse(cutter.repository, Some(other), &kept);
    if accept_version_reuse {
        remarks.version_reuse(refused)?;
    } else {
        refused?;
    }
    remarks.control_db(&of_point(other, true, choice::unfit(&other.point.body, &kept, None)));
    Ok(())
}

fn of_point(listed: &ListedPoint, named: bool, unfit: Vec<String>) -> ControlDbOf {
    ControlDbOf { point: listed.point.number, captured: choice::captured(&listed.point.body), named, unfit }
}

/// Of two places for one context only one could count. Twice the same is one.
fn refuse_two_cuts(tokens: &[TokenCut], known: &BTreeMap<String, u32>) -> Result<(), Refused> {
    let mut seen: BTreeMap<&str, &TokenCut> = BTreeMap::new();
    for token in tokens {
        let (name, _) = split_context(&token.context, |name| known.contains_key(name));
        let before = *seen.entry(name).or_insert(token);
        if before != token {
            let (one, other) = (before.to_string(), token.to_string());
            return Err(Refused::TwoCuts { context: name.to_owned(), one, other });
        }
    }
    Ok(())
}

impl<'a> Cutter<'a> {
    fn source(&self) -> &'a str {
        &self.listed.point.body.source
    }

    fn time_ms(&self) -> Option<i64> {
        if let CutAt::Time(at) = self.request.at { Some(at) } else { None }
    }

    fn time(&self) -> Option<Moment> {
        self.time_ms().map(Moment)
    }

    /// The newest point that may be asked for anything: the one that was named.
    fn newest(&self) -> Option<u64> {
        self.request.of_point.then_some(self.listed.point.number)
    }

    /// The contexts that there are, each with the incarnation that counts if none is named.
    fn known(&self) -> BTreeMap<String, u32> {
        if self.request.of_point {
            let contexts = self.listed.point.body.contexts.iter();
            contexts.map(|(name, context)| (name.clone(), context.incarnation)).collect()
        } else {
            history::contexts(self.journal, self.source())
        }
    }

    /// The histories that are wanted, whole.
    fn histories(&self, contexts: &[String]) -> Result<Vec<History>, Error> {
        let known = self.known();
        let tokens = if let CutAt::Tokens(tokens) = &self.request.at { tokens.as_slice() } else { &[] };
        refuse_two_cuts(tokens, &known)?;
        let named = tokens.iter().map(|token| &token.context);
        let mut wanted = if contexts.is_empty() { known.clone() } else { BTreeMap::new() };
        for (typed, may_add) in
            contexts.iter().map(|typed| (typed, true)).chain(named.map(|typed| (typed, false)))
        {
            let (name, incarnation) = split_context(typed, |name| known.contains_key(name));
            let of_known = known.get(name).copied();
            if of_known.is_none() {
                let known = known.keys().cloned().collect();
                return Err(Refused::UnknownContext { name: name.to_owned(), known }.into());
            }
            if !may_add && !wanted.contains_key(name) {
                return Err(Refused::LeftOut { name: name.to_owned() }.into());
            }
            if let Some(wish) = incarnation.or(of_known.filter(|_| !wanted.contains_key(name))) {
                wanted.insert(name.to_owned(), wish);
            }
        }
        wanted.iter().map(|(name, incarnation)| self.history(name, *incarnation)).collect()
    }

    fn history(&self, name: &str, incarnation: u32) -> Result<History, Error> {
        let none = || Refused::NoSuchIncarnation { context: name.to_owned(), incarnation };
        if !self.request.of_point {
            let found = History::of_records(self.repository, self.source(), name, incarnation)?;
            return Ok(found.ok_or_else(none)?);
        }
        let context =
            self.listed.point.body.contexts.get(name).filter(|held| held.incarnation == incarnation);
        History::of_point(self.repository, self.listed, name, context.ok_or_else(none)?)
    }

    fn log<'l>(&'l self, history: &'l History, store: Store) -> Log<'l> {
        Log {
            repository: self.repository,
            context: &history.context,
            pieces: history.store(store),
            point: self.newest(),
        }
    }

    /// Leaves of a history what is kept.
    fn cut(
        &self,
        history: History,
        placed: &Placed,
        with_snapshots: bool,
        cut: &mut ContextCut,
    ) -> Result<History, Error> {
        let mut kept = history.clone();
        if with_snapshots {
            let next = placed.place.map_or(0, |place| place.next());
            let (place, snapshots) = self.snapshots(&history, next)?;
            kept.snapshots = cut_pieces(history.snapshots, place);
            cut.snapshots = Some(snapshots);
        } else {
            let events = history.snapshots.iter().map(|piece| piece.span.events).sum();
            let behind = Behind { events, transactions: 0 };
            cut.snapshots = Some(SnapshotsCut { last: None, behind, rule: None });
            kept.snapshots = Vec::new();
        }
        kept.events = cut_pieces(history.events, placed.place.filter(|_| !placed.is_whole));
        Ok(kept)
    }

    /// Where the snapshots are cut, none if they stay whole.
    fn snapshots(&self, history: &History, cut: u64) -> Result<(Option<LogPlace>, SnapshotsCut), Error> {
        let log = self.log(history, Store::Snapshots);
        let (name, incarnation) = (history.context.as_str(), history.incarnation);
        let pairs = snapshots::pairs(self.journal, self.source(), (name, incarnation), self.newest());
        let (keep, rule) = snapshots::kept(log, self.log(history, Store::Events), &pairs, cut)?;
        let last = snapshots::last(keep).and_then(|last| log.at_most(last));
        let Some(place) = log.by_token(last)?.place else {
            return Ok((None, SnapshotsCut { last: None, behind: Behind::default(), rule: Some(rule) }));
        };
        let behind = log.behind(&place)?;
        let last = log.last_before(&place);
        let is_whole = log.is_whole(&place, &behind);
        Ok(((!is_whole).then_some(place), SnapshotsCut { last, behind, rule: Some(rule) }))
    }

    fn kept(&self, histories: &[History], contexts: &[ContextCut]) -> Result<Vec<Kept>, Error> {
        let of =
            |(history, cut): (&History, &ContextCut)| self.keeping(history, cut.last.map(|last| last.token));
        histories.iter().zip(contexts).map(of).collect()
    }

    fn keeping(&self, history: &History, last: Option<u64>) -> Result<Kept, Error> {
        let highest = history::incarnations(self.journal, self.source()).get(&history.context).copied();
        let highest = highest.unwrap_or(1).max(history.incarnation);
        let forks = Forks::read(self.repository, self.source(), &history.context, highest)?;
        Ok(Kept::of(history, last, forks))
    }

    fn control_db(
        &self,
        options: &RestoreOptions,
        kept: &[Kept],
    ) -> Result<(Option<&'a ListedPoint>, Option<ControlDbOf>), Error> {
        if !options.control_db {
            return Ok((None, None));
        }
        if let Some(name) = &options.control_db_of {
            let listed = select::point(self.journal, name, Some(self.source()))?;
            let unfit = choice::unfit(&listed.point.body, kept, self.time_ms());
            return Ok((Some(listed), Some(of_point(listed, true, unfit))));
        }
        let found = choice::fitting(self.journal, self.source(), kept, self.time_ms(), self.newest());
        Ok((found, found.map(|listed| of_point(listed, false, Vec::new()))))
    }
}

/// Without a place they stay as they are.
fn cut_pieces(mut pieces: Vec<Piece>, place: Option<LogPlace>) -> Vec<Piece> {
    let Some(place) = place else { return pieces };
    pieces.truncate(place.segment.saturating_add(1));
    if let Some(last) = pieces.pop() {
        let events = place.next().saturating_sub(last.span.name.number.get());
        pieces.push(last.cut(place.place.offset, events));
    }
    pieces
}
