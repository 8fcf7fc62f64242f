//! One log's aggregates, event by event.

use crate::axon::event::Event;
use crate::engine::error::Error;
use crate::engine::span::{self, Span};
use crate::engine::verify::histories::holes;
use crate::engine::verify::sequences::{Sequences, Standing};

/// So many faults are held; all are counted.
const HELD: usize = 1_000;

/// An aggregate whose numbers do not rise by one, or begin too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    aggregate: String,
    sequence: i64,
    /// Where.
    pub token: u64,
    before: Option<Standing>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "aggregate '{}': number {} at token {}", self.aggregate, self.sequence, self.token)?;
        match self.before {
            Some(before) => write!(f, " follows {} at token {}", before.sequence, before.token),
            None => write!(f, " is its first"),
        }
    }
}

/// A snapshot that knows more than the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    aggregate: String,
    sequence: i64,
    /// Its token, in the store of snapshots.
    pub token: u64,
    last: Option<i64>,
}

impl std::fmt::Display for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "that of aggregate '{}' at token {} is of {}", self.aggregate, self.token, self.sequence)?;
        match self.last {
            Some(last) => write!(f, ", the events end with {last}"),
            None => write!(f, ", there are no events of it"),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The first token that was read.
    pub first: Option<u64>,
    /// Events.
    pub events: u64,
    /// Events that can't be read as such.
    pub unreadable: u64,
    /// Events without an aggregate.
    pub without_aggregate: u64,
    /// Aggregates.
    pub aggregates: u64,
    /// Aggregates that begin behind their first event, with a reason.
    pub begin_later: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Events that are older than one before them.
    pub out_of_time: u64,
    /// By how much at most.
    pub furthest_back_ms: u64,
    /// The first faults.
    pub faults: Vec<Fault>,
    /// All of them.
    pub fault_count: u64,
    /// The first snapshots that are ahead.
    pub ahead: Vec<Ahead>,
    /// All of them.
    pub ahead_count: u64,
}

/// Follows one log.
pub struct Follower {
    sequences: Sequences,
    holes: Vec<(u64, u64)>,
    /// Whether the history is there from its first token on.
    from_zero: bool,
    newest: Option<i64>,
    found: Followed,
}

impl Follower {
    /// Of the segments with these tokens.
    pub fn new(spans: &[Span]) -> Self {
        let first = span::first(spans).map(crate::axon::token::Token::get);
        Self {
            sequences: Sequences::new(),
            holes: holes(spans),
            from_zero: first == Some(0),
            newest: None,
            found: Followed { first, ..Followed::default() },
        }
    }

    /// The next event.
    pub fn event(&mut self, token: u64, event: Option<Event<'_>>) -> Result<(), Error> {
        self.found.events += 1;
        let Some(event) = event else {
            self.found.unreadable += 1;
            self.holes.push((token, token));
            return Ok(());
        };
        self.time(event.timestamp);
        if event.aggregate_type.is_empty() || event.aggregate_identifier.is_empty() {
            self.found.without_aggregate += 1;
            return Ok(());
        }
        let (aggregate, sequence) = (event.aggregate_identifier, event.aggregate_sequence_number);
        let before = self.sequences.get(aggregate)?;
        self.found.aggregates += u64::from(before.is_none());
        let expected = before.map_or(0, |before| before.sequence.saturating_add(1));
        if sequence != expected {
            self.jump(Fault { aggregate: aggregate.to_owned(), sequence, token, before }, expected);
        }
        self.sequences.set(aggregate, Standing { sequence, token })
    }

    /// A number that is not the next: a hole explains one that is too high.
    fn jump(&mut self, fault: Fault, expected: i64) {
        let from = fault.before.map_or(0, |before| before.token);
        let has_hole = self.holes.iter().any(|(first, last)| *first <= fault.token && *last >= from);
        let begins_later = fault.before.is_none() && !self.from_zero;
        if fault.sequence > expected && (has_hole || begins_later) {
            self.found.begin_later += 1;
            return;
        }
        self.found.fault_count += 1;
        if self.found.faults.len() < HELD {
            self.found.faults.push(fault);
        }
    }

    fn time(&mut self, timestamp: i64) {
        if let Some(newest) = self.newest.filter(|newest| *newest > timestamp) {
            self.found.out_of_time += 1;
            self.found.furthest_back_ms = self.found.furthest_back_ms.max(newest.abs_diff(timestamp));
        }
        self.newest = self.newest.max(Some(timestamp));
    }

    /// A snapshot; all events must have been handed over before.
    pub fn snapshot(&mut self, token: u64, event: Option<Event<'_>>) -> Result<(), Error> {
        self.found.snapshots += 1;
        let Some(event) = event else { return Ok(()) };
        let (aggregate, sequence) = (event.aggregate_identifier, event.aggregate_sequence_number);
        let last = self.sequences.get(aggregate)?.map(|standing| standing.sequence);
        // Without events of it, nothing is proven where the history begins later or has holes.
        let is_ahead = match last {
            Some(last) => sequence > last,
            None => self.from_zero && self.holes.is_empty(),
        };
        if is_ahead {
            self.found.ahead_count += 1;
            if self.found.ahead.len() < HELD {
                self.found.ahead.push(Ahead { aggregate: aggregate.to_owned(), sequence, token, last });
            }
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(self) -> Followed {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::{Followed, Follower};
    use crate::axon::event::Event;
    use crate::axon::name::SegmentName;
    use crate::axon::token::Token;
    use crate::engine::span::{Span, Standing};

    fn span(number: u64, events: u64) -> Span {
        let name = SegmentName { number: Token::new(number).unwrap(), version: 0 };
        Span { name, standing: Standing::Sealed, events }
    }

    fn event(aggregate: &'static str, sequence: i64, timestamp: i64) -> Event<'static> {
        Event {
            aggregate_identifier: aggregate,
            aggregate_sequence_number: sequence,
            aggregate_type: "Bike",
            timestamp,
            ..Event::default()
        }
    }

    /// Events with their tokens, then snapshots.
    fn followed(
        spans: &[Span],
        events: &[(u64, &'static str, i64)],
        snapshots: &[(&'static str, i64)],
    ) -> Followed {
        let mut follower = Follower::new(spans);
        for (token, aggregate, sequence) in events {
            follower.event(*token, Some(event(aggregate, *sequence, 1))).unwrap();
        }
        for (token, (aggregate, sequence)) in (0..).zip(snapshots) {
            follower.snapshot(token, Some(event(aggregate, *sequence, 1))).unwrap();
        }
        follower.finish()
    }

    #[test]
    fn numbers_rise_by_one_from_zero() {
        let well =
            followed(&[span(0, 4)], &[(0, "a", 0), (1, "b", 0), (2, "a", 1), (3, "a", 2)], &[("a", 2)]);
        assert_eq!((well.aggregates, well.fault_count, well.ahead_count, well.begin_later), (2, 0, 0, 0));
    }

    #[test]
    fn a_number_that_is_missing_twice_or_not_the_first_is_a_fault() {
        for (events, text) in [
            (vec![(0, "a", 0), (1, "a", 2)], "aggregate 'a': number 2 at token 1 follows 0 at token 0"),
            (vec![(0, "a", 0), (1, "a", 0)], "aggregate 'a': number 0 at token 1 follows 0 at token 0"),
            (vec![(0, "a", 4)], "aggregate 'a': number 4 at token 0 is its first"),
        ] {
            let found = followed(&[span(0, 2)], &events, &[]);
            assert_eq!(found.faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        }
    }

    #[test]
    fn a_history_that_begins_later_or_has_a_hole_explains_what_is_missing_but_nothing_that_is_there_twice() {
        let later = followed(&[span(100, 2)], &[(100, "a", 7), (101, "a", 8)], &[("b", 3)]);
        assert_eq!((later.begin_later, later.fault_count, later.ahead_count), (1, 0, 0));
        let hole = [span(0, 1), span(5, 3)];
        let found = followed(&hole, &[(0, "a", 0), (5, "a", 3), (6, "b", 2)], &[]);
        assert_eq!((found.begin_later, found.fault_count), (2, 0));
        let found = followed(&hole, &[(0, "a", 3), (5, "a", 3), (6, "a", 5)], &[]);
        assert_eq!(
            found.fault_count, 3,
            "the first event, one twice, and a number that is missing behind the hole"
        );
    }

    #[test]
    fn a_snapshot_of_what_the_events_do_not_hold_is_ahead() {
        let found = followed(&[span(0, 1)], &[(0, "a", 0)], &[("a", 0), ("a", 1), ("b", 0)]);
        assert_eq!(found.ahead_count, 2);
        assert_eq!(
            found.ahead[0].to_string(),
            "that of aggregate 'a' at token 1 is of 1, the events end with 0"
        );
    }

    #[test]
    fn times_that_go_back_are_counted() {
        let mut follower = Follower::new(&[span(0, 4)]);
        for (token, timestamp) in [(0, 10), (1, 30), (2, 5), (3, 20)] {
            follower.event(token, Some(event("", 0, timestamp))).unwrap();
        }
        let found = follower.finish();
        assert_eq!((found.out_of_time, found.furthest_back_ms, found.without_aggregate), (2, 25, 4));
    }
}
