//! Whether tokens are taken, asked of many segments at once.

use crate::axon::token::Token;
use crate::repo::format::entry::SegmentEntry;

/// The tokens that segments take: the first one of each, rising, and how far it and those before it reach.
pub(super) struct Taken(Vec<(u64, u64)>);

impl Taken {
    /// By these.
    pub fn by<'e>(entries: impl Iterator<Item = &'e SegmentEntry>) -> Self {
        let span =
            |entry: &SegmentEntry| (entry.name.number.get(), entry.next_token().map_or(u64::MAX, Token::get));
        Self::of(entries.map(span).collect())
    }

    fn of(mut spans: Vec<(u64, u64)>) -> Self {
        spans.sort_unstable();
        let mut furthest = 0;
        for (_, end) in &mut spans {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        Self(spans)
    }

    /// Whether any of the tokens from `first` on, before `next`, is taken.
    pub fn any(&self, first: Token, next: Token) -> bool {
        let begun = self.0.partition_point(|(begin, _)| *begin < next.get());
        let reached = begun.checked_sub(1).and_then(|at| self.0.get(at));
        reached.is_some_and(|(_, end)| *end > first.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_taken_are_found_as_by_looking_at_each_segment() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut span = || {
            let begin = random.u64(..30);
            (begin, begin + random.u64(..8))
        };
        for round in 0..2000 {
            let spans: Vec<_> = (0..round % 6).map(|_| span()).collect();
            let (first, next) = span();
            let is_any = spans.iter().any(|(begin, end)| *begin < next && *end > first);
            let token = |token| Token::new(token).unwrap();
            assert_eq!(
                Taken::of(spans.clone()).any(token(first), token(next)),
                is_any,
                "{spans:?} {first} {next}"
            );
        }
    }
}
