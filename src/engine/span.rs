//! What a store consists of: for each number the one segment that counts, and where their tokens leave holes or overlap.
//!
//! Pure: the same rules for a plan, a list of windows and a proof.

use crate::axon::name::SegmentName;
use crate::axon::token::Token;

/// How good a copy of a segment is; the better ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Sealed and whole.
    Sealed,
    /// The prefix of one that may still be written.
    Open,
    /// Damaged, kept as it was found.
    Damaged,
}

/// The tokens of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number and version.
    pub name: SegmentName,
    /// How good a copy it is.
    pub standing: Standing,
    /// Events in its valid prefix.
    pub events: u64,
}

impl Span {
    /// The token behind its last event. None past the largest token there is.
    pub fn next(&self) -> Option<Token> {
        self.name.number.plus(self.events)
    }

    /// The token of its last event, if it has any.
    pub fn last(&self) -> Option<Token> {
        self.next().filter(|_| self.events > 0).and_then(Token::before)
    }
}

/// Where two neighbours do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The segment before.
    pub after: SegmentName,
    /// The segment behind.
    pub before: SegmentName,
    /// The first token that is missing, or is there twice.
    pub first: Token,
    /// The last such token.
    pub last: Token,
    /// What it is.
    pub kind: BreakKind,
}

/// What a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakKind {
    /// Tokens are missing: the segment before is damaged, they lie in what could not be read.
    Damage,
    /// Tokens are missing, and nothing in the segments says why.
    Hole,
    /// Tokens are there twice.
    Overlap,
}

/// Keeps, for each number, the highest version, and of that one the best copy (the longest one, where several are as good). Sorted by number.
pub fn current<T>(mut items: Vec<T>, span: impl Fn(&T) -> Span) -> Vec<T> {
    items.sort_by_key(|item| {
        let span = span(item);
        (
            span.name.number,
            std::cmp::Reverse(span.name.version),
            span.standing,
            std::cmp::Reverse(span.events),
        )
    });
    items.dedup_by_key(|item| span(item).name.number);
    items
}

/// Where neighbours do not fit; `spans` as [`current`] gives them.
pub fn breaks(spans: &[Span]) -> Vec<Break> {
    let mut found = Vec::new();
    let mut reach: Option<Span> = None;
    for span in spans {
        if let Some(before) = reach {
            found.extend(compare(&before, span));
        }
        if reach.is_none_or(|before| before.next() <= span.next()) {
            reach = Some(*span);
        }
    }
    found
}

fn compare(before: &Span, span: &Span) -> Option<Break> {
    let begins = span.name.number;
    let ends = before.next()?;
    let kind = match begins.cmp(&ends) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Less => BreakKind::Overlap,
        std::cmp::Ordering::Greater if before.standing == Standing::Damaged => BreakKind::Damage,
        std::cmp::Ordering::Greater => BreakKind::Hole,
    };
    let (first, behind) = if kind == BreakKind::Overlap { (begins, ends) } else { (ends, begins) };
    Some(Break { after: before.name, before: span.name, first, last: behind.before()?, kind })
}

/// The first token of a store; none if it has no events.
pub fn first(spans: &[Span]) -> Option<Token> {
    spans.iter().find(|span| span.events > 0).map(|span| span.name.number)
}

/// The head of a store: the token before the next one that would be written. None only if that would be the first there is; a store whose
/// events were all removed still has a head.
pub fn head(spans: &[Span]) -> Option<Token> {
    spans.last().and_then(Span::next).and_then(Token::before)
}

#[cfg(test)]
mod tests {
    use super::{Break, BreakKind, Span, Standing, breaks, current, first, head};
    use crate::axon::name::SegmentName;
    use crate::axon::token::Token;

    fn name(number: u64, version: u32) -> SegmentName {
        SegmentName { number: Token::new(number).unwrap(), version }
    }

    fn span(number: u64, version: u32, standing: Standing, events: u64) -> Span {
        Span { name: name(number, version), standing, events }
    }

    fn sealed(number: u64, events: u64) -> Span {
        span(number, 0, Standing::Sealed, events)
    }

    #[test]
    fn the_highest_version_counts_and_then_the_best_copy() {
        let items = vec![
            sealed(0, 10),
            span(0, 2, Standing::Sealed, 10),
            span(0, 1, Standing::Sealed, 10),
            span(10, 0, Standing::Damaged, 3),
            span(10, 0, Standing::Damaged, 4),
            span(10, 0, Standing::Sealed, 5),
            span(15, 0, Standing::Damaged, 3),
            span(15, 0, Standing::Damaged, 7),
        ];
        let expected = vec![
            span(0, 2, Standing::Sealed, 10),
            span(10, 0, Standing::Sealed, 5),
            span(15, 0, Standing::Damaged, 7),
        ];
        assert_eq!(current(items, |span| *span), expected);
    }

    #[test]
    fn neighbours_that_fit_leave_no_break() {
        let spans = [sealed(5, 10), sealed(15, 1), span(16, 0, Standing::Open, 0)];
        assert_eq!(breaks(&spans), vec![]);
        assert_eq!(first(&spans), Token::new(5));
        assert_eq!(head(&spans), Token::new(15));
    }

    #[test]
    fn holes_overlaps_and_damage_are_named_by_their_tokens() {
        let spans = [sealed(0, 10), sealed(12, 4), span(15, 0, Standing::Damaged, 2), sealed(20, 1)];
        let expected = vec![
            Break {
                after: name(0, 0),
                before: name(12, 0),
                first: t(10),
                last: t(11),
                kind: BreakKind::Hole,
            },
            Break {
                after: name(12, 0),
                before: name(15, 0),
                first: t(15),
                last: t(15),
                kind: BreakKind::Overlap,
            },
            Break {
                after: name(15, 0),
                before: name(20, 0),
                first: t(17),
                last: t(19),
                kind: BreakKind::Damage,
            },
        ];
        assert_eq!(breaks(&spans), expected);
    }

    #[test]
    fn a_segment_inside_another_hides_no_overlap() {
        let spans = [sealed(0, 100), sealed(10, 5), sealed(50, 50)];
        let kinds: Vec<_> =
            breaks(&spans).iter().map(|found| (found.kind, found.first, found.last)).collect();
        assert_eq!(kinds, vec![(BreakKind::Overlap, t(10), t(99)), (BreakKind::Overlap, t(50), t(99))]);
    }

    #[test]
    fn a_store_without_events_has_no_first_token() {
        assert_eq!((first(&[]), head(&[])), (None, None));
        assert_eq!((first(&[sealed(0, 0)]), head(&[sealed(0, 0)])), (None, None));
        assert_eq!(
            (first(&[sealed(7, 0)]), head(&[sealed(7, 0)])),
            (None, Some(t(6))),
            "all events were removed"
        );
    }

    fn t(position: u64) -> Token {
        Token::new(position).unwrap()
    }
}
