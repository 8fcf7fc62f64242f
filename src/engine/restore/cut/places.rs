//! Where the events of each context are cut.

use crate::axon::name::Store;
use crate::axon::time::Timestamp;
use crate::engine::error::Error;
use crate::engine::history::History;
use crate::engine::restore::cut::log::{Behind, ByTime, Log, LogPlace};
use crate::engine::restore::cut::request::{CutAt, Others, TokenCut, split_context};
use crate::engine::restore::cut::{Backwards, ContextCut, Cutter};
use crate::engine::restore::error::Error as Refused;
use crate::engine::restore::plan::TokenRange;
use crate::repo::format::moment::Moment;

/// A context, placed.
pub struct Placed {
    /// Where it is cut; none if it has no segments.
    pub place: Option<LogPlace>,
    /// True if nothing is behind it.
    pub is_whole: bool,
    /// What is said of it.
    pub cut: ContextCut,
    /// Tokens that may have been asked for, and that the archive has not.
    pub missing: Option<TokenRange>,
}

/// Places all contexts, in their order.
pub fn of(cutter: &Cutter<'_>, histories: &[History]) -> Result<Vec<Placed>, Error> {
    let tokens = match &cutter.request.at {
        CutAt::Time(at) => {
            return histories.iter().map(|history| at_time(cutter, history, Timestamp(*at))).collect();
        }
        CutAt::Tokens(tokens) => tokens,
    };
    let named = histories.iter().map(|history| match token_of(tokens, history) {
        Some(cut) => at_token(cutter, history, cut.token).map(Some),
        None => Ok(None),
    });
    let named = named.collect::<Result<Vec<_>, Error>>()?;
    let time = named.iter().flatten().filter_map(|placed| placed.cut.last?.at).max();
    histories
        .iter()
        .zip(named)
        .map(|(history, placed)| match placed {
            Some(placed) => Ok(placed),
            None => follow(cutter, history, time),
        })
        .collect()
}

/// What was typed for a context.
fn token_of<'t>(tokens: &'t [TokenCut], history: &History) -> Option<&'t TokenCut> {
    tokens.iter().find(|cut| {
        let (name, incarnation) = split_context(&cut.context, |name| name == history.context);
        name == history.context && incarnation.is_none_or(|incarnation| incarnation == history.incarnation)
    })
}

/// A context that was not named.
fn follow(cutter: &Cutter<'_>, history: &History, time: Option<Moment>) -> Result<Placed, Error> {
    match (cutter.request.others, time) {
        (Others::Time, Some(time)) => at_time(cutter, history, Timestamp(time.0)),
        (Others::Time, None) => Err(Refused::NoTime { context: history.context.clone() }.into()),
        (Others::Head, _) => {
            let log = cutter.log(history, Store::Events);
            placed(log, history, log.end()?)
        }
    }
}

fn at_token(cutter: &Cutter<'_>, history: &History, token: Option<u64>) -> Result<Placed, Error> {
    let log = cutter.log(history, Store::Events);
    let found = log.by_token(token)?;
    let mut placed = placed(log, history, found.place)?;
    placed.cut.asked = token;
    placed.cut.inside = found.inside;
    placed.missing = found.place.and_then(|place| gap(log, &place)).filter(|gap| token >= Some(gap.first));
    Ok(placed)
}

fn at_time(cutter: &Cutter<'_>, history: &History, time: Timestamp) -> Result<Placed, Error> {
    let log = cutter.log(history, Store::Events);
    let found = log.by_time(time)?;
    let mut placed = placed(log, history, found.map(|found| found.side(cutter.request.side)))?;
    placed.cut.time = Some(Moment(time.0));
    let last = placed.cut.last.and_then(|last| last.at);
    placed.cut.distance_ms = last.map(|last| last.0.saturating_sub(time.0));
    placed.cut.backwards = found.and_then(|found| backwards(log, &found));
    placed.missing = placed.place.and_then(|place| gap(log, &place));
    Ok(placed)
}

/// What is missing right behind a place.
fn gap(log: Log<'_>, place: &LogPlace) -> Option<TokenRange> {
    let next = log.goes_on(place)?;
    Some(TokenRange { first: place.next(), last: next.saturating_sub(1) })
}

fn backwards(log: Log<'_>, found: &ByTime) -> Option<Backwards> {
    let [first_later, last_not_later] =
        [&found.first_later, &found.last_not_later].map(|place| log.last_before(place));
    (first_later != last_not_later).then_some(Backwards { first_later, last_not_later })
}

fn placed(log: Log<'_>, history: &History, place: Option<LogPlace>) -> Result<Placed, Error> {
    let behind = place.map(|place| log.behind(&place)).transpose()?.unwrap_or_default();
    let last = place.and_then(|place| log.last_before(&place));
    let event = |token: Option<u64>| token.map(|token| log.event(token)).transpose().map(Option::flatten);
    let next = place.map(|place| place.next()).filter(|_| behind != Behind::default());
    let cut = ContextCut {
        context: history.context.clone(),
        incarnation: history.incarnation,
        asked: None,
        inside: None,
        time: None,
        last: event(last)?,
        distance_ms: None,
        next: event(next)?,
        backwards: None,
        behind,
        snapshots: None,
    };
    let is_whole = place.is_none_or(|place| log.is_whole(&place, &behind));
    Ok(Placed { place, is_whole, cut, missing: None })
}
