//! The times that points say of their logs, compared with those of their segments. What a point claims of a segment that has grown since has
//! times that only its bytes tell.

use crate::axon::time::Times;
use crate::engine::verify::book::Book;
use crate::engine::verify::point_logs::{Asked, PointLogOf};
use crate::engine::verify::report::Class;
use crate::repo::format::point::PointTimes;
use std::collections::BTreeMap;

const ADVICE: &str = "what 'points' and 'show' say of its times is not so; restoring it is not hurt";

/// The times of the prefixes that claims ask for, as far as they were read; none where they can't be told.
pub type Met = BTreeMap<Asked, Option<Times>>;

/// The times of neighbouring segments.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    times: Option<Times>,
    /// False if one has events whose times can't be told.
    is_readable: bool,
}

impl Sum {
    /// One segment.
    pub fn of(events: u64, times: Option<Times>) -> Self {
        Self { times, is_readable: events == 0 || times.is_some() }
    }

    fn then(self, next: Self) -> Self {
        let times = match (self.times, next.times) {
            (Some(before), Some(next)) => Some(before.then(next)),
            (before, next) => before.or(next),
        };
        Self { times, is_readable: self.is_readable && next.is_readable }
    }
}

/// A part of a log: segments whose times are known, or a prefix that has to be read.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Known from the entries.
    Known(Sum),
    /// A claim, and its events.
    Claim(Asked, u64),
}

/// What a point says of a log.
#[derive(Clone, Debug)]
struct Said {
    point: u64,
    log: String,
    times: PointTimes,
    parts: Vec<Part>,
}

/// All that points say, until it can be compared.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    waiting: Vec<Said>,
}

impl Stated {
    /// Takes what a point says, and compares it at once if the entries tell enough. A point that says no times is taken at its word.
    pub fn add(&mut self, of: PointLogOf<'_>, parts: impl Iterator<Item = Part>, book: &mut Book) {
        let Some(times) = of.log.times else { return };
        let log = format!("{} of {}", of.key.store, of.key.context);
        let said = Said { point: of.listed.point.number, log, times, parts: joined(parts) };
        if said.parts.iter().any(|part| matches!(part, Part::Claim(..))) {
            self.waiting.push(said);
        } else {
            said.check(&Met::new(), book);
        }
    }

    /// Compares the others, as far as what their claims ask was read.
    pub fn check(&self, met: &Met, book: &mut Book) {
        self.waiting.iter().for_each(|said| said.check(met, book));
    }
}

/// Neighbours that are known become one: there are many points, and they have many segments.
fn joined(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (Some(Part::Known(before)), Part::Known(next)) => *before = before.then(next),
            _ => all.push(part),
        }
    }
    all
}

impl Said {
    fn check(&self, met: &Met, book: &mut Book) {
        let mut sum = Sum::of(0, None);
        for part in &self.parts {
            let next = match part {
                Part::Known(sum) => *sum,
                Part::Claim(asked, events) => match met.get(asked) {
                    Some(times) => Sum::of(*events, *times),
                    None => return,
                },
            };
            sum = sum.then(next);
        }
        let found = sum.times.filter(|_| sum.is_readable).map(point_times);
        if found != Some(self.times) {
            self.enter(found, book);
        }
    }

    fn enter(&self, found: Option<PointTimes>, book: &mut Book) {
        let in_words = |times: PointTimes| {
            let PointTimes { first, last, least, greatest } = times;
            format!("first {first}, last {last}, least {least}, greatest {greatest}")
        };
        let text = format!(
            "point {}, {}: it says the times {} (milliseconds since 1970), the events say {}",
            self.point,
            self.log,
            in_words(self.times),
            found.map_or_else(|| "none".to_owned(), in_words)
        );
        let number = book.add(Class::Damage, "point-times", text, ADVICE);
        book.hits_point(number, self.point);
    }
}

fn point_times(times: Times) -> PointTimes {
    PointTimes { first: times.first.0, last: times.last.0, least: times.least.0, greatest: times.greatest.0 }
}
