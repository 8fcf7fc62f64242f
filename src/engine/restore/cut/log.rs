//! Finds places in a log: behind a token, or at a moment. Only the neighbourhood is decoded.

use crate::axon::event;
use crate::axon::segment::{HEADER_LENGTH, Transaction};
use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::pieces::Piece;
use crate::engine::restore::cut::request::Side;
use crate::engine::restore::error::Error as Refused;
use crate::engine::seek::{Block, Place, Seeker};
use crate::engine::span::Standing;
use crate::repo::format::moment::Moment;
use crate::repo::store::Repository;
use serde::Serialize;
use std::ops::ControlFlow::{self, Break, Continue};

/// The segments of a log that count, by number.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// Where they are.
    pub repository: &'a Repository,
    /// The context, for messages.
    pub context: &'a str,
    /// The segments.
    pub pieces: &'a [Piece],
    /// The point whose they are, for messages; none if they are all that the archive has.
    pub point: Option<u64>,
}

/// Takes events, each with its token, until it breaks.
pub type Visit<'v> = dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>, Error> + 'v;

/// A place in a log, between two whole transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// Which segment; it ends there.
    pub segment: usize,
    /// Where in it.
    pub place: Place,
}

impl LogPlace {
    /// Token of the event behind it.
    pub fn next(&self) -> u64 {
        self.place.next_token.get()
    }
}

/// An event, and when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stamped {
    /// Its token.
    pub token: u64,
    /// When; none if that can't be read.
    pub at: Option<Moment>,
}

/// What lies behind a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Behind {
    /// Events.
    pub events: u64,
    /// Transactions, counted as blocks.
    pub transactions: u64,
}

/// Where a token leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByToken {
    /// Behind the last whole transaction up to it; none in a log without segments.
    pub place: Option<LogPlace>,
    /// Set if the token lies inside a transaction: the last token of that.
    pub inside: Option<u64>,
}

/// Where a moment leads: both are the same where clocks did not run backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByTime {
    /// Before the first transaction with a later event.
    pub first_later: LogPlace,
    /// Behind the last transaction without a later event.
    pub last_not_later: LogPlace,
}

impl ByTime {
    /// The one that is wanted.
    pub fn side(&self, side: Side) -> LogPlace {
        match side {
            Side::FirstLater => self.first_later,
            Side::LastNotLater => self.last_not_later,
        }
    }
}

impl<'a> Log<'a> {
    fn seeker(&self, at: usize) -> Result<Seeker<'a>, Error> {
        let piece = self.pieces.get(at);
        let seeker = piece.and_then(|piece| Seeker::new(self.repository, piece));
        let unresolved = || Refused::Unresolved {
            file: format!("a segment of {}", self.context),
            last: piece.and_then(|piece| piece.span.last()).map(Token::get),
        };
        Ok(seeker.ok_or_else(unresolved)?)
    }

    /// The segment that has this token.
    fn with(&self, token: u64) -> Option<usize> {
        let has = |piece: &Piece| {
            piece.span.name.number.get() <= token && piece.span.last().is_some_and(|last| token <= last.get())
        };
        self.pieces.iter().position(has)
    }

    /// Where a segment ends.
    pub fn end_of(&self, at: usize) -> Result<LogPlace, Error> {
        let mut place = Place { offset: 0, next_token: Token::ZERO, transactions: 0 };
        if let Some(piece) = self.pieces.get(at) {
            place = self.seeker(at)?.end()?;
            place.offset = piece.prefix();
        }
        Ok(LogPlace { segment: at, place })
    }

    /// Where the log ends; none if it has no segments.
    pub fn end(&self) -> Result<Option<LogPlace>, Error> {
        self.pieces.len().checked_sub(1).map(|last| self.end_of(last)).transpose()
    }

    /// Before the first event; none if there are no segments.
    pub fn begin(&self) -> Option<LogPlace> {
        let piece = self.pieces.first()?;
        let offset = HEADER_LENGTH.min(piece.prefix());
        Some(LogPlace { segment: 0, place: Place { offset, ..Place::head(piece) } })
    }

    /// The head of a segment is the end of the one before.
    fn at(&self, segment: usize, place: Place) -> Result<LogPlace, Error> {
        match (place.is_head(), segment.checked_sub(1)) {
            (true, Some(before)) => self.end_of(before),
            (true, None) => Ok(self.begin().unwrap_or(LogPlace { segment, place })),
            (false, _) => Ok(LogPlace { segment, place }),
        }
    }

    /// Behind the longest run of whole transactions whose last token is at most `token`.
    pub fn by_token(&self, token: Option<u64>) -> Result<ByToken, Error> {
        let Some(token) = token else { return Ok(ByToken { place: self.begin(), inside: None }) };
        let segment = self.with(token).ok_or_else(|| self.no_such_token(token))?;
        let seeker = self.seeker(segment)?;
        let mut good = seeker.before(Token::new(token).unwrap_or(Token::ZERO))?;
        let mut inside = None;
        seeker.walk(good, &mut |block| {
            let last = block.transaction.last_token().get();
            if block.is_end && last <= token {
                (good, inside) = (block.behind, None);
                return Ok(Continue(()));
            }
            inside = (good.next_token.get() <= token).then_some(last);
            Ok(if block.is_end { Break(()) } else { Continue(()) })
        })?;
        Ok(ByToken { place: Some(self.at(segment, good)?), inside })
    }

    fn no_such_token(&self, token: u64) -> Refused {
        let first =
            self.pieces.iter().find(|piece| piece.span.events > 0).map(|piece| piece.span.name.number.get());
        let last = self.pieces.iter().rev().find_map(|piece| piece.span.last()).map(Token::get);
        Refused::NoSuchToken { point: self.point, context: self.context.to_owned(), token, first, last }
    }

    /// The two places at a moment; none if there are no segments.
    pub fn by_time(&self, time: Timestamp) -> Result<Option<ByTime>, Error> {
        let first_later = match self.first_later(time)? {
            Some(place) => place,
            None => match self.end()? {
                Some(end) => end,
                None => return Ok(None),
            },
        };
        let last = self.last_not_later(time, first_later.segment)?;
        let last_not_later = last.filter(|last| last.next() > first_later.next()).unwrap_or(first_later);
        Ok(Some(ByTime { first_later, last_not_later }))
    }

    /// Least and greatest time of a segment; none if it has no events.
    fn times(&self, piece: &Piece) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        if piece.span.events == 0 {
            return Ok(None);
        }
        let times = piece.entry.as_ref().and_then(|entry| entry.times);
        let times = times.ok_or_else(|| Refused::NoTimes {
            context: self.context.to_owned(),
            segment: piece.span.name.to_string(),
        })?;
        Ok(Some((times.least, times.greatest)))
    }

    fn first_later(&self, time: Timestamp) -> Result<Option<LogPlace>, Error> {
        for (at, piece) in self.pieces.iter().enumerate() {
            if self.times(piece)?.is_some_and(|(_, greatest)| greatest > time)
                && let Some(place) = self.first_later_in(at, time)?
            {
                return self.at(at, place).map(Some);
            }
        }
        Ok(None)
    }

    fn first_later_in(&self, at: usize, time: Timestamp) -> Result<Option<Place>, Error> {
        let seeker = self.seeker(at)?;
        let runs = seeker.runs()?;
        let Some(run) = runs.iter().find(|run| run.times.is_none_or(|(_, greatest)| greatest > time)) else {
            return Ok(None);
        };
        let mut good = run.begin;
        let came_to_the_end = seeker.walk(run.begin, &mut |block| {
            if has_later(block.transaction, time) {
                return Ok(Break(()));
            }
            if block.is_end {
                good = block.behind;
            }
            Ok(Continue(()))
        })?;
        Ok((!came_to_the_end).then_some(good))
    }

    /// The last transaction without a later event, in segments from `lowest` on.
    fn last_not_later(&self, time: Timestamp, lowest: usize) -> Result<Option<LogPlace>, Error> {
        for (at, piece) in self.pieces.iter().enumerate().skip(lowest).rev() {
            if self.times(piece)?.is_some_and(|(least, _)| least <= time)
                && let Some(place) = self.last_not_later_in(at, time)?
            {
                return Ok(Some(LogPlace { segment: at, place }));
            }
        }
        Ok(None)
    }

    fn last_not_later_in(&self, at: usize, time: Timestamp) -> Result<Option<Place>, Error> {
        let seeker = self.seeker(at)?;
        let mut end = u64::MAX;
        for run in seeker.runs()?.iter().rev() {
            if run.times.is_none_or(|(least, _)| least <= time) {
                let found = last_in_run(&seeker, run.begin, end, time)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            end = run.begin.offset;
        }
        Ok(None)
    }

    /// The event with this token; none if there is none.
    pub fn event(&self, token: u64) -> Result<Option<Stamped>, Error> {
        let mut found = None;
        self.visit(token, token, &mut |token, bytes| {
            found = Some(Stamped { token, at: event::timestamp(bytes).ok().map(|at| Moment(at.0)) });
            Ok(Break(()))
        })?;
        Ok(found)
    }

    /// Hands out the stored bytes of the events from `first` to `last`, until `visit` breaks.
    pub fn visit(&self, first: u64, last: u64, visit: &mut Visit<'_>) -> Result<(), Error> {
        for at in 0..self.pieces.len() {
            let Some(piece) = self.pieces.get(at) else { break };
            if piece.span.last().is_none_or(|end| end.get() < first) {
                continue;
            }
            if piece.span.name.number.get() > last {
                break;
            }
            let seeker = self.seeker(at)?;
            let from = seeker.before(Token::new(first).unwrap_or(Token::ZERO))?;
            if !seeker.walk(from, &mut |block| visit_block(block, first, last, visit))? {
                break;
            }
        }
        Ok(())
    }

    /// The last token before a place; none if there is none.
    pub fn last_before(&self, place: &LogPlace) -> Option<u64> {
        self.at_most(place.next().checked_sub(1)?)
    }

    /// The greatest token that is there, up to this one.
    pub fn at_most(&self, token: u64) -> Option<u64> {
        let lasts = self.pieces.iter().rev().filter(|piece| piece.span.name.number.get() <= token);
        lasts.filter_map(|piece| piece.span.last()).map(|last| last.get().min(token)).next()
    }

    /// Whether it can stay as it is: nothing is behind the cut, no segment from there on is damaged (cut, the one there is a good one), and
    /// none lies behind a gap.
    pub fn is_whole(&self, cut: &LogPlace, behind: &Behind) -> bool {
        let is_apart = |piece: &Piece| {
            piece.span.standing == Standing::Damaged || piece.span.name.number.get() > cut.next()
        };
        behind.events == 0 && !self.pieces.iter().skip(cut.segment).any(is_apart)
    }

    /// Where the archive goes on, if it has nothing right behind a place but more behind that.
    pub fn goes_on(&self, cut: &LogPlace) -> Option<u64> {
        let next = self.pieces.get(cut.segment.saturating_add(1))?.span.name.number.get();
        let is_end = self.pieces.get(cut.segment).and_then(|piece| piece.span.next()).map(Token::get)
            == Some(cut.next());
        (is_end && next > cut.next()).then_some(next)
    }

    /// What lies behind a place.
    pub fn behind(&self, cut: &LogPlace) -> Result<Behind, Error> {
        let mut behind = Behind::default();
        for at in cut.segment..self.pieces.len() {
            let end = self.end_of(at)?.place;
            let begin =
                if at == cut.segment { Some(cut.place) } else { self.pieces.get(at).map(Place::head) };
            let Some(begin) = begin else { break };
            behind.events += end.next_token.get().saturating_sub(begin.next_token.get());
            behind.transactions += end.transactions.saturating_sub(begin.transactions);
        }
        Ok(behind)
    }
}

fn visit_block(
    block: &Block<'_, '_>,
    first: u64,
    last: u64,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Error> {
    let begin = block.transaction.first_token.get();
    if begin > last {
        return Ok(Break(()));
    }
    for (token, bytes) in (begin..).zip(block.transaction.event_bytes()) {
        if (first..=last).contains(&token) && visit(token, bytes)?.is_break() {
            return Ok(Break(()));
        }
    }
    Ok(if block.behind.next_token.get() > last { Break(()) } else { Continue(()) })
}

fn has_later(transaction: &Transaction<'_>, time: Timestamp) -> bool {
    transaction.event_bytes().any(|bytes| event::timestamp(bytes).is_ok_and(|at| at > time))
}

/// The end of the last transaction without a later event that ends at most at `end`.
fn last_in_run(seeker: &Seeker<'_>, begin: Place, end: u64, time: Timestamp) -> Result<Option<Place>, Error> {
    let (mut last, mut is_later) = (None, false);
    seeker.walk(begin, &mut |block| {
        if block.behind.offset > end {
            return Ok(Break(()));
        }
        is_later |= has_later(block.transaction, time);
        if block.is_end {
            last = if is_later { last } else { Some(block.behind) };
            is_later = false;
        }
        Ok(Continue(()))
    })?;
    Ok(last)
}
