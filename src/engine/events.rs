//! Events straight from the archive, without a restore: one after the other, in bounded memory.

use crate::axon::event::Event;
use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::history::{self, History};
use crate::engine::observe::Observer;
use crate::engine::pieces::Piece;
use crate::engine::restore::cut::log::Log;
use crate::engine::restore::cut::request::split_context;
use crate::engine::restore::error::Error as Refused;
use crate::engine::select;
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;
use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Continue};

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsOptions {
    /// As this point has them; else as the archive has them today.
    pub point: Option<String>,
    /// Only of this source.
    pub source: Option<String>,
    /// `CONTEXT` or `CONTEXT@INCARNATION`.
    pub context: String,
    /// Of which store.
    pub store: Store,
    /// From here on.
    pub from: Option<Bound>,
    /// Up to here.
    pub to: Option<Bound>,
    /// Only of this aggregate.
    pub aggregate: Option<String>,
    /// Only with this payload type.
    pub payload_type: Option<String>,
}

/// Where events begin or end: both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At a token.
    Token(u64),
    /// At a moment, milliseconds since 1970.
    Time(i64),
}

/// Where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source.
    pub source: String,
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
}

/// What takes the events. One whose bytes are no event (an encrypting server) has none.
pub trait EventSink {
    /// Before the first one.
    fn begin(&mut self, origin: &Origin);
    /// The next one: its token, its stored bytes, what they say.
    fn event(&mut self, token: u64, bytes: &[u8], event: Option<&Event<'_>>) -> ControlFlow<()>;
}

/// What there is, where nothing of it lies between the bounds that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The first and the last token; none if there is no event at all.
    pub tokens: Option<(u64, u64)>,
    /// The least and the greatest time, as far as they are known.
    pub times: Option<(Moment, Moment)>,
}

/// Hands out the events that are asked for, by rising tokens, until the sink breaks. Says what there is instead, if all of it lies outside the
/// bounds.
pub fn events(
    repository: &Repository,
    options: &EventsOptions,
    observer: &dyn Observer,
    sink: &mut dyn EventSink,
) -> Result<Option<Outside>, Error> {
    let (origin, history) = found(repository, options)?;
    sink.begin(&origin);
    let wanted = Wanted::of(options);
    let all = history.store(options.store);
    let pieces: Vec<_> = all.iter().filter(|piece| wanted.may_be_in(piece)).cloned().collect();
    let is_bounded = options.from.is_some() || options.to.is_some();
    if is_bounded && !pieces.iter().any(|piece| wanted.overlaps(piece)) {
        return Ok(Some(Outside::of(all)));
    }
    let log = Log { repository, context: &origin.context, pieces: &pieces, point: None };
    log.visit(wanted.tokens.0, wanted.tokens.1, &mut |token, bytes| {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let event = Event::parse(bytes).ok();
        let is_wanted = wanted.takes(event.as_ref());
        Ok(if is_wanted { sink.event(token, bytes, event.as_ref()) } else { Continue(()) })
    })?;
    Ok(None)
}

impl Outside {
    fn of(pieces: &[Piece]) -> Self {
        let first =
            pieces.iter().find(|piece| piece.span.events > 0).map(|piece| piece.span.name.number.get());
        let last = pieces.iter().rev().find_map(|piece| piece.span.last()).map(Token::get);
        let times = || pieces.iter().filter_map(|piece| piece.entry.as_ref()?.times);
        let earliest = times().map(|times| Moment(times.least.0)).min();
        let latest = times().map(|times| Moment(times.greatest.0)).max();
        Self { tokens: first.zip(last), times: earliest.zip(latest) }
    }
}

fn found(repository: &Repository, options: &EventsOptions) -> Result<(Origin, History), Error> {
    let journal = repository.journal()?;
    let name = options.point.as_deref().unwrap_or("latest");
    let listed = select::point(&journal, name, options.source.as_deref())?;
    let body = &listed.point.body;
    let of_point = body.contexts.iter().map(|(name, context)| (name.clone(), context.incarnation));
    let known: BTreeMap<String, u32> = match &options.point {
        Some(_) => of_point.collect(),
        None => history::contexts(&journal, &body.source),
    };
    let (context, incarnation) = split_context(&options.context, |name| known.contains_key(name));
    let Some(of_known) = known.get(context).copied() else {
        let known = known.into_keys().collect();
        return Err(Refused::UnknownContext { name: context.to_owned(), known }.into());
    };
    let incarnation = incarnation.unwrap_or(of_known);
    let held = body.contexts.get(context).filter(|held| held.incarnation == incarnation);
    let history = match (&options.point, held) {
        (Some(_), Some(held)) => Some(History::of_point(repository, listed, context, held)?),
        (Some(_), None) => None,
        (None, _) => History::of_records(repository, &body.source, context, incarnation)?,
    };
    let none = || Refused::NoSuchIncarnation { context: context.to_owned(), incarnation };
    let origin = Origin { source: body.source.clone(), context: context.to_owned(), incarnation };
    Ok((origin, history.ok_or_else(none)?))
}

/// What is asked for, sorted out.
struct Wanted<'o> {
    tokens: (u64, u64),
    times: (i64, i64),
    aggregate: Option<&'o str>,
    payload_type: Option<&'o str>,
}

impl<'o> Wanted<'o> {
    fn of(options: &'o EventsOptions) -> Self {
        let token =
            |bound: Option<Bound>| if let Some(Bound::Token(token)) = bound { Some(token) } else { None };
        let time = |bound: Option<Bound>| if let Some(Bound::Time(at)) = bound { Some(at) } else { None };
        Self {
            tokens: (token(options.from).unwrap_or(0), token(options.to).unwrap_or(u64::MAX)),
            times: (time(options.from).unwrap_or(i64::MIN), time(options.to).unwrap_or(i64::MAX)),
            aggregate: options.aggregate.as_deref(),
            payload_type: options.payload_type.as_deref(),
        }
    }

    fn is_everything(&self) -> bool {
        self.times == (i64::MIN, i64::MAX) && self.aggregate.is_none() && self.payload_type.is_none()
    }

    /// Segments whose times are known to be others are not read.
    fn may_be_in(&self, piece: &Piece) -> bool {
        let times = piece.entry.as_ref().and_then(|entry| entry.times);
        times.is_none_or(|times| times.greatest.0 >= self.times.0 && times.least.0 <= self.times.1)
    }

    /// Whether it has tokens of those asked for.
    fn overlaps(&self, piece: &Piece) -> bool {
        let first = piece.span.name.number.get();
        piece.span.last().is_some_and(|last| first <= self.tokens.1 && last.get() >= self.tokens.0)
    }

    /// What can't be read is handed out only where everything is.
    fn takes(&self, event: Option<&Event<'_>>) -> bool {
        let Some(event) = event else { return self.is_everything() };
        (self.times.0..=self.times.1).contains(&event.timestamp)
            && self.aggregate.is_none_or(|wanted| wanted == event.aggregate_identifier)
            && self.payload_type.is_none_or(|wanted| is_type(event.payload_type, wanted))
    }
}

/// The whole name of a type, or the simple one behind its package.
fn is_type(full: &str, wanted: &str) -> bool {
    full == wanted || full.rsplit(['.', '$']).next() == Some(wanted)
}
