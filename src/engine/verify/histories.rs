//! With `history`: the events of each log in the order of their tokens. The sequence numbers of each aggregate rise by one; no snapshot
//! is ahead of the events. Where a history begins later, or has a hole, that is said; the order of times is told, it is no rule.

use crate::axon::event::Event;
use crate::axon::name::Store;
use crate::axon::segment::Transaction;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::observe::{Event as Happened, Observer};
use crate::engine::pieces::{self, Piece};
use crate::engine::span::{self, Span, Standing};
use crate::engine::verify::book::{Book, Number};
use crate::engine::verify::follow::{Followed, Follower};
use crate::engine::verify::packs::stop_if_interrupted;
use crate::engine::verify::point_logs::tokens;
use crate::engine::verify::report::{Class, LogHistory};
use crate::engine::window::{self, Bytes};
use crate::repo;
use crate::repo::format::point::PointContext;
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::{Journal, ListedPoint, Repository};
use std::sync::Arc;

const ADVICE_SEQUENCE: &str = "the server would refuse to go on with such an aggregate; look for a node, or a point, whose history is right, and restore that";
const ADVICE_AHEAD: &str = "after a restore the server would refuse the next event of such an aggregate: restore a point whose events reach further";
const ADVICE_TIMES: &str =
    "nothing guarantees that times rise with the tokens: mind that where a restore names a time";
const ADVICE_UNREAD: &str = "the other findings say what is damaged there";
/// So many aggregates are told of one kind of trouble.
const TOLD: usize = 5;

/// Follows histories.
pub struct Histories<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
}

/// The two stores of a context that are followed together.
struct View {
    events: LogKey,
    snapshots: LogKey,
    event_pieces: Vec<Piece>,
    snapshot_pieces: Vec<Piece>,
}

/// What is to be followed; or why it can't be read.
type FoundView = (LogKey, Result<View, repo::Error>);

/// Told of each event, with its token; none that can't be read.
type OnEvent<'f> = &'f mut dyn FnMut(u64, Option<Event<'_>>) -> Result<(), Error>;

impl Histories<'_> {
    /// Follows what the newest records hold; or what one point does.
    pub fn follow(
        &self,
        journal: &Journal,
        point: Option<u64>,
        book: &mut Book,
    ) -> Result<Vec<LogHistory>, Error> {
        self.observer.event(&Happened::Phase { name: "aggregates", total: None });
        let number = point;
        let point = point.and_then(|number| journal.points.iter().find(|it| it.point.number == number));
        let views = match point {
            Some(listed) => self.views_of_point(listed),
            None => self.views_of_records()?,
        };
        let mut histories = Vec::new();
        for (events, view) in views {
            match view {
                Ok(view) => histories.push(self.view(&view, (journal, number), book)?),
                Err(error) => enter_unread(&events, &error, book),
            }
        }
        Ok(histories)
    }

    fn views_of_point(&self, listed: &ListedPoint) -> Vec<FoundView> {
        let path = self.repository.disk().display(&paths::point(listed.point.number));
        let of = |(context, logs): (&String, &Arc<PointContext>)| {
            let key = |store| LogKey {
                source: listed.point.body.source.clone(),
                context: context.clone(),
                incarnation: logs.incarnation,
                store,
            };
            let (events, snapshots) = (key(Store::Events), key(Store::Snapshots));
            let view =
                pieces::of_point(self.repository, &events, &logs.events, &path).and_then(|event_pieces| {
                    let snapshot_pieces =
                        pieces::of_point(self.repository, &snapshots, &logs.snapshots, &path)?;
                    Ok(View { events: events.clone(), snapshots, event_pieces, snapshot_pieces })
                });
            (events, view)
        };
        listed.point.body.contexts.iter().map(of).collect()
    }

    fn views_of_records(&self) -> Result<Vec<FoundView>, Error> {
        let mut views = Vec::new();
        for log in crate::engine::logs::directories(self.repository)? {
            let Some(events) = log.key.filter(|key| key.store == Store::Events) else { continue };
            let snapshots = LogKey { store: Store::Snapshots, ..events.clone() };
            let view = self.newest(&events).and_then(|event_pieces| {
                let snapshot_pieces = self.newest(&snapshots)?;
                Ok(View { events: events.clone(), snapshots, event_pieces, snapshot_pieces })
            });
            views.push((events, view));
        }
        Ok(views)
    }

    /// What the newest record of a log holds: of each number one segment.
    fn newest(&self, key: &LogKey) -> Result<Vec<Piece>, repo::Error> {
        let entries = self.repository.newest_entries(key)?.unwrap_or_default();
        Ok(span::current(entries.into_iter().map(Piece::of_entry).collect(), |piece| piece.span))
    }

    fn view(
        &self,
        view: &View,
        (journal, point): (&Journal, Option<u64>),
        book: &mut Book,
    ) -> Result<LogHistory, Error> {
        let spans: Vec<Span> = view.event_pieces.iter().map(|piece| piece.span).collect();
        let mut follower = Follower::new(&spans);
        for piece in &view.event_pieces {
            self.piece(piece, &view.events, book, &mut |token, event| follower.event(token, event))?;
        }
        for piece in &view.snapshot_pieces {
            self.piece(piece, &view.snapshots, book, &mut |token, event| follower.snapshot(token, event))?;
        }
        let found = follower.finish();
        enter(&view.events, &found, (journal, point), book);
        enter_ahead(&view.snapshots, &found, (journal, point), book);
        Ok(LogHistory {
            source: view.events.source.clone(),
            context: view.events.context.clone(),
            incarnation: view.events.incarnation,
            events: found.events,
            without_aggregate: found.without_aggregate,
            aggregates: found.aggregates,
            begin_later: found.begin_later,
            snapshots: found.snapshots,
            out_of_time: found.out_of_time,
            furthest_back_ms: found.furthest_back_ms,
        })
    }

    /// Hands over each event of a segment; what can't be read is a hole that is said.
    fn piece(&self, piece: &Piece, key: &LogKey, book: &mut Book, each: OnEvent<'_>) -> Result<(), Error> {
        let (Some(entry), Some(behind)) = (&piece.entry, piece.span.next()) else { return Ok(()) };
        let mut visit = |transaction: &Transaction<'_>| {
            stop_if_interrupted(self.observer)?;
            for (at, bytes) in (0..).zip(transaction.event_bytes()) {
                let token = transaction.first_token.plus(at).unwrap_or(transaction.first_token);
                if token < behind {
                    each(token.get(), Event::parse(bytes).ok())?;
                }
            }
            Ok(())
        };
        match window::walk(Bytes::Archived(self.repository, entry), piece.span.name.number, &mut visit) {
            Ok(_) => Ok(()),
            Err(Error::Repo(error)) => {
                enter_unread(key, &error, book);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn enter_unread(key: &LogKey, error: &repo::Error, book: &mut Book) {
    let text = format!("the {} of {} ({}) can't be followed: {error}", key.store, key.context, key.source);
    book.add(Class::Note, "not-followed", text, ADVICE_UNREAD);
}

/// Aggregates whose numbers do not rise by one.
fn enter(key: &LogKey, followed: &Followed, (journal, point): (&Journal, Option<u64>), book: &mut Book) {
    let place = format!("{} of {} ({})", key.store, key.context, key.source);
    let note = |what, text, advice: &str, book: &mut Book| {
        let number = book.add(Class::Note, what, text, advice);
        if let Some(point) = point {
            book.hits_point(number, point);
        }
    };
    if followed.unreadable > 0 {
        let text = format!("{place}: {} events are none that can be read", followed.unreadable);
        note("not-followed", text, "they are archived and restored as they are", book);
    }
    if followed.out_of_time > 0 {
        let text = format!(
            "{place}: {} of {} events are older than one before them, by up to {} ms",
            followed.out_of_time, followed.events, followed.furthest_back_ms
        );
        note("times", text, ADVICE_TIMES, book);
    }
    if followed.begin_later > 0 {
        let text = format!("{place}: {}", later(followed));
        note("begins-later", text, "what was before is not archived here", book);
    }
    if followed.faults.is_empty() {
        return;
    }
    let text = format!("{place}: {}", told(&followed.faults, followed.fault_count));
    let number = book.add(Class::History, "sequence", text, ADVICE_SEQUENCE);
    hit(book, number, key, (journal, point), followed.faults.iter().map(|fault| fault.token));
}

fn later(followed: &Followed) -> String {
    let first = followed.first.map_or_else(String::new, |first| format!(" at token {first}"));
    format!(
        "{} of {} aggregates begin behind their first event: the history begins{first}, or has a hole",
        followed.begin_later, followed.aggregates
    )
}

/// Snapshots of what the events do not hold.
fn enter_ahead(
    key: &LogKey,
    followed: &Followed,
    (journal, point): (&Journal, Option<u64>),
    book: &mut Book,
) {
    if followed.ahead.is_empty() {
        return;
    }
    let text = format!(
        "{} of {} ({}) are ahead of the events: {}",
        key.store,
        key.context,
        key.source,
        told(&followed.ahead, followed.ahead_count)
    );
    let number = book.add(Class::History, "snapshot-ahead", text, ADVICE_AHEAD);
    hit(book, number, key, (journal, point), followed.ahead.iter().map(|ahead| ahead.token));
}

/// The first of many, and how many there are more.
fn told(first: &[impl ToString], all: u64) -> String {
    let mut words: Vec<String> = first.iter().take(TOLD).map(ToString::to_string).collect();
    let more = all.saturating_sub(words.len() as u64);
    words.extend((more > 0).then(|| format!("and {more} more")));
    words.join("; ")
}

/// These tokens are hit; and the point that was followed, or all that hold them.
fn hit(
    book: &mut Book,
    number: Number,
    key: &LogKey,
    (journal, point): (&Journal, Option<u64>),
    hit: impl Iterator<Item = u64>,
) {
    for token in hit {
        book.hits_tokens(number, tokens(key, token, token));
        match point {
            Some(point) => book.hits_point(number, point),
            None => points_with(journal, key, token).for_each(|point| book.hits_point(number, point)),
        }
    }
}

/// The points that hold a token of a log.
fn points_with<'j>(journal: &'j Journal, key: &'j LogKey, token: u64) -> impl Iterator<Item = u64> + 'j {
    let holds = move |listed: &&ListedPoint| {
        let body = &listed.point.body;
        let context = body
            .contexts
            .get(&key.context)
            .filter(|context| body.source == key.source && context.incarnation == key.incarnation);
        context.is_some_and(|context| {
            let log = if key.store == Store::Events { &context.events } else { &context.snapshots };
            log.first.is_some_and(|first| first <= token) && log.head.is_some_and(|head| token <= head)
        })
    };
    journal.points.iter().filter(holds).map(|listed| listed.point.number)
}

/// Holes in a store: where tokens are missing, or lie in what is damaged.
pub fn holes(spans: &[Span]) -> Vec<(u64, u64)> {
    let breaks = span::breaks(spans);
    let holes = breaks.iter().filter(|found| found.kind != span::BreakKind::Overlap);
    let damaged = spans.iter().filter(|span| span.standing == Standing::Damaged);
    let behind = damaged.filter_map(|span| span.next().map(Token::get)).map(|next| (next, next));
    holes.map(|found| (found.first.get(), found.last.get())).chain(behind).collect()
}
