//! A server's listing beside what the directory shows: neither is believed alone.
//!
//! The server is asked first, then the directory is looked at. So what the server lists has to be there (or has just been removed: ask
//! again), and what is there has to be listed (or has just been made: the next answer names it).

use crate::axon::name::SegmentName;
use crate::axon::token::Token;
use crate::source::listing::StoreListing;
use crate::source::server::answers::Listed;
use crate::source::server::path_map::ServerPath;
use std::collections::BTreeSet;

/// Why a listing and a directory don't go together (yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The server lists nothing; the directory holds so many segments.
    Empty(usize),
    /// Nothing of what the server lists is there. One path that it names.
    Elsewhere(ServerPath),
    /// Segments that the server lists and the directory does not hold.
    Gone(BTreeSet<Token>),
    /// Segments that the directory holds and the server does not list.
    Unlisted(BTreeSet<Token>),
    /// The listing contradicts itself.
    Nonsense(String),
    /// Files vanished while the directory was looked at.
    Restless(String),
}

/// Whether what the server lists is there, and makes sense.
pub(super) fn compare(listed: &Listed, seen: &StoreListing) -> Result<(), Doubt> {
    let here = numbers(seen);
    if listed.files.is_empty() {
        // The older way to list leaves the open segment out: of a store with one segment it lists none.
        let may_be = here.is_empty() || (!listed.lists_open && here.len() == 1);
        return if may_be { Ok(()) } else { Err(Doubt::Empty(here.len())) };
    }
    let names: BTreeSet<SegmentName> = seen.segments.iter().map(|file| file.name).collect();
    let gone: BTreeSet<Token> =
        listed.files.keys().filter(|name| !names.contains(name)).map(|name| name.number).collect();
    if listed.files.keys().all(|name| !names.contains(name))
        && let Some(path) = listed.files.values().flatten().next()
    {
        return Err(Doubt::Elsewhere(path.clone()));
    }
    if gone.is_empty() { agrees_with_itself(listed, &here) } else { Err(Doubt::Gone(gone)) }
}

/// A closed segment is listed, and one above it is open: listed where open ones are, else in the directory.
fn agrees_with_itself(listed: &Listed, here: &BTreeSet<Token>) -> Result<(), Doubt> {
    let Some(last) = listed.last_closed else { return Ok(()) };
    let numbers = listed.numbers();
    if !numbers.contains(&last) {
        return Err(Doubt::Nonsense(format!("segment {last} is said to be closed, and is not listed")));
    }
    let open = if listed.lists_open { &numbers } else { here };
    if open.range(last..).nth(1).is_none() {
        return Err(Doubt::Nonsense(format!("segment {last} is said to be closed, and none follows it")));
    }
    Ok(())
}

/// Segments in the directory that no listing names.
pub(super) fn unlisted(listed: &[&Listed], seen: &StoreListing) -> BTreeSet<Token> {
    let mut left = numbers(seen);
    for one in listed {
        let named = one.numbers();
        // Open segments are not in the older kind of listing: whatever is above it is open.
        let last = named.last().copied();
        left.retain(|number| {
            !named.contains(number) && (one.lists_open || last.is_some_and(|last| *number < last))
        });
    }
    left
}

/// Versions in the directory that no listing names, of segments that are listed.
pub(super) fn unlisted_versions(listed: &Listed, seen: &StoreListing) -> Vec<SegmentName> {
    let numbers = listed.numbers();
    let names = seen.segments.iter().map(|file| file.name);
    names.filter(|name| numbers.contains(&name.number) && !listed.files.contains_key(name)).collect()
}

/// What is above the last closed segment may still be written, however many files it is.
pub(super) fn mark_volatile(listed: &Listed, seen: &mut StoreListing) {
    for file in &mut seen.segments {
        file.is_volatile = listed.last_closed.is_none_or(|last| file.name.number > last);
    }
}

/// The numbers of the segments in the directory.
pub(super) fn numbers(seen: &StoreListing) -> BTreeSet<Token> {
    seen.segments.iter().map(|file| file.name.number).collect()
}

/// So many runs of tokens are named.
const RUNS_TOLD: usize = 8;

/// `tokens 406 to 804, 1202 and above`: what segments hold, told by where the next ones begin.
pub(super) fn tokens(missing: &BTreeSet<Token>, all: &BTreeSet<Token>) -> String {
    let runs = runs(missing, all);
    let told = runs.iter().take(RUNS_TOLD).map(|(first, last)| match last {
        Some(last) => format!("{first} to {last}"),
        None => format!("{first} and above"),
    });
    let told = told.collect::<Vec<_>>().join(", ");
    match runs.len().saturating_sub(RUNS_TOLD) {
        0 => format!("tokens {told}"),
        more => format!("tokens {told}, and {more} more such gaps"),
    }
}

/// First and last token of what is missing, segments that follow each other together; no last one where nothing follows.
fn runs(missing: &BTreeSet<Token>, all: &BTreeSet<Token>) -> Vec<(Token, Option<Token>)> {
    let mut runs: Vec<(Token, Option<Token>)> = Vec::new();
    let (mut numbers, mut goes_on) = (all.union(missing).copied().peekable(), false);
    while let Some(number) = numbers.next() {
        let (is_missing, last) = (missing.contains(&number), numbers.peek().copied().and_then(Token::before));
        match runs.last_mut().filter(|_| goes_on && is_missing) {
            Some(run) => run.1 = last,
            None if is_missing => runs.push((number, last)),
            None => {}
        }
        goes_on = is_missing;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::name::Store;
    use crate::source::listing::StoreFile;
    use std::path::Path;

    fn token(number: u64) -> Token {
        Token::new(number).unwrap()
    }

    fn name((number, version): (u64, u32)) -> SegmentName {
        SegmentName { number: token(number), version }
    }

    fn seen(names: &[(u64, u32)]) -> StoreListing {
        let file = |parts: &(u64, u32)| StoreFile {
            store: Store::Events,
            name: name(*parts),
            path: Path::new("").into(),
            length: 0,
            on_disk: 0,
            modified_ns: 0,
            is_volatile: false,
        };
        StoreListing { segments: names.iter().map(file).collect(), in_progress: Vec::new() }
    }

    fn listed(last: Option<u64>, names: &[(u64, u32)]) -> Listed {
        let path = ServerPath::parse("/x/y.events").unwrap();
        let files = names.iter().map(|parts| (name(*parts), vec![path.clone()])).collect();
        Listed { last_closed: last.map(token), lists_open: true, files }
    }

    fn older(names: &[(u64, u32)]) -> Listed {
        let last = names.iter().map(|(number, _)| *number).max();
        Listed { lists_open: false, ..listed(last, names) }
    }

    fn set(numbers: &[u64]) -> BTreeSet<Token> {
        numbers.iter().copied().map(token).collect()
    }

    #[test]
    fn what_is_listed_has_to_be_there() {
        let here = seen(&[(0, 0), (0, 1), (5, 0)]);
        assert_eq!(compare(&listed(Some(0), &[(0, 0), (0, 1), (5, 0)]), &here), Ok(()));
        assert_eq!(compare(&listed(None, &[(0, 0)]), &here), Ok(()));
        assert_eq!(compare(&listed(Some(5), &[(0, 0), (5, 0), (9, 0)]), &here), Err(Doubt::Gone(set(&[9]))));
        assert_eq!(compare(&listed(Some(0), &[(0, 2), (5, 0)]), &here), Err(Doubt::Gone(set(&[0]))));
        assert!(matches!(compare(&listed(None, &[(7, 0)]), &here), Err(Doubt::Elsewhere(_))));
    }

    #[test]
    fn nothing_listed_is_no_answer_where_there_is_something() {
        assert_eq!(compare(&listed(None, &[]), &seen(&[])), Ok(()));
        assert_eq!(compare(&listed(None, &[]), &seen(&[(0, 0)])), Err(Doubt::Empty(1)));
        assert_eq!(compare(&older(&[]), &seen(&[(0, 0)])), Ok(()), "the only one is open");
        assert_eq!(compare(&older(&[]), &seen(&[(0, 0), (5, 0)])), Err(Doubt::Empty(2)));
    }

    #[test]
    fn a_listing_agrees_with_itself() {
        let here = seen(&[(0, 0), (5, 0)]);
        for last in [3, 5, 9] {
            let listed = listed(Some(last), &[(0, 0), (5, 0)]);
            assert!(matches!(compare(&listed, &here), Err(Doubt::Nonsense(_))), "{last}");
        }
        assert_eq!(compare(&older(&[(0, 0)]), &here), Ok(()));
        assert!(matches!(compare(&older(&[(0, 0), (5, 0)]), &here), Err(Doubt::Nonsense(_))), "none is open");
    }

    #[test]
    fn what_is_there_has_to_be_listed_sooner_or_later() {
        let here = seen(&[(0, 0), (5, 0), (9, 0)]);
        let (first, second) =
            (listed(Some(0), &[(0, 0), (5, 0)]), listed(Some(5), &[(0, 0), (5, 0), (9, 0), (12, 0)]));
        assert_eq!(unlisted(&[&first], &here), set(&[9]));
        assert_eq!(unlisted(&[&first, &second], &here), set(&[]));
        assert_eq!(unlisted(&[&older(&[(0, 0)])], &here), set(&[]), "the others are open");
        assert_eq!(unlisted(&[&older(&[(0, 0), (9, 0)])], &here), set(&[5]));
    }

    #[test]
    fn everything_above_the_last_closed_one_may_be_written() {
        let mut here = seen(&[(0, 0), (0, 1), (5, 0), (9, 0)]);
        let volatile =
            |here: &StoreListing| here.segments.iter().map(|file| file.is_volatile).collect::<Vec<_>>();
        mark_volatile(&listed(Some(0), &[(0, 0), (5, 0)]), &mut here);
        assert_eq!(volatile(&here), [false, false, true, true]);
        mark_volatile(&listed(None, &[(0, 0)]), &mut here);
        assert_eq!(volatile(&here), [true; 4]);
    }

    #[test]
    fn missing_tokens_are_named() {
        assert_eq!(tokens(&set(&[5, 12]), &set(&[0, 5, 9, 12])), "tokens 5 to 8, 12 and above");
        assert_eq!(tokens(&set(&[5, 7]), &set(&[0, 9])), "tokens 5 to 8");
        assert_eq!(tokens(&set(&[3, 5]), &set(&[0, 5, 4])), "tokens 3 to 3, 5 and above");
    }

    #[test]
    fn many_missing_tokens_are_one_line_and_soon_told() {
        let all: Vec<u64> = (0..200_000).collect();
        let told = |missing: Vec<u64>| tokens(&set(&missing), &set(&all));
        assert_eq!(told((7..150_000).collect()), "tokens 7 to 149999");
        let odd = told((0..200_000).filter(|number| number % 2 == 1).collect());
        assert!(odd.starts_with("tokens 1 to 1, 3 to 3, "), "{odd}");
        assert!(odd.ends_with(", 15 to 15, and 99992 more such gaps"), "{odd}");
    }
}
