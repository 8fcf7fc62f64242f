//! Whether the newest record of a log holds every sealed segment that a point's own tree names, and holds no token twice. A record never holds
//! less than what points stand on: nothing leaves it that a point names which is not gone.

use crate::axon::token::Token;
use crate::engine::span::{self, Break, BreakKind, Span};
use crate::engine::verify::book::{Book, EntryId};
use crate::engine::verify::pages::{Known, Pages};
use crate::engine::verify::point_logs::tokens;
use crate::engine::verify::records::{ADVICE_CONTRADICTION, LogFacts};
use crate::engine::verify::report::Class;
use crate::engine::verify::uses::Root;
use crate::repo::format::entry::EntryKey;
use crate::repo::format::id::PageId;
use crate::repo::format::record::LogKey;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The newest record of a log, if it and all its pages can be read.
#[derive(Clone, Debug)]
pub struct Newest {
    number: u64,
    path: String,
    leaves: HashSet<PageId>,
    entries: BTreeMap<EntryKey, EntryId>,
    tails: Vec<Span>,
}

impl Newest {
    /// Looks at it. An older one says nothing: the newest may hold more.
    pub fn of(log: &LogFacts, pages: &Pages<'_>) -> Option<Self> {
        let record = log.roots().next().filter(|record| Some(&record.number) == log.numbers.last())?;
        if !pages.is_whole(record.root) {
            return None;
        }
        let leaves: HashSet<_> = pages.leaves_of(record.root).into_iter().collect();
        let all = leaves.iter().flat_map(|leaf| pages.entries_of(*leaf));
        let entries = all.filter_map(|id| Some((pages.known(*id)?.key, *id))).collect();
        let tails = record.full_tails.iter().filter(|tail| tail.flaw.is_none());
        let tails = tails.map(crate::engine::pieces::span_of).collect();
        Some(Self { number: record.number, path: record.path.clone(), leaves, entries, tails })
    }

    /// The segments of a tree that it does not hold. Leaves that both share need no look.
    pub fn lacks(&self, pages: &Pages<'_>, root: PageId) -> Vec<EntryId> {
        let other = pages.leaves_of(root).into_iter().filter(|leaf| !self.leaves.contains(leaf));
        let named = other.flat_map(|leaf| pages.entries_of(leaf).iter().copied());
        named.filter(|id| pages.known(*id).is_some_and(|known| !self.holds(pages, *id, known))).collect()
    }

    fn holds(&self, pages: &Pages<'_>, id: EntryId, named: &Known) -> bool {
        let Some(held) = self.entries.get(&named.key) else { return false };
        let is_same = |held: &Known| {
            held.content == named.content
                && held.logical_end == named.logical_end
                && held.span.events == named.span.events
        };
        *held == id || pages.known(*held).is_some_and(is_same)
    }

    /// Says that it lacks a segment that a point names. The point itself can be restored: it has a tree of its own.
    pub fn enter_lacking(&self, key: &LogKey, known: &Known, point: u64, book: &mut Book) {
        let name = known.span.name;
        let damaged = if known.key.flawed.is_some() { "the damaged copy of " } else { "" };
        let text = format!(
            "record {} does not hold {damaged}segment {name}, which point {point} names and nothing has let go of",
            self.number
        );
        let number = book.add_file("not-a-superset", self.path.clone(), text, ADVICE_CONTRADICTION);
        if let Some(last) = known.span.last() {
            book.hits_tokens(number, tokens(key, name.number.get(), last.get()));
        }
    }

    /// Says which tokens its tails hold that another number holds, too. (What the points' trees hold twice is said of them.)
    pub fn check_tails(&self, key: &LogKey, pages: &Pages<'_>, book: &mut Book) {
        if self.tails.is_empty() {
            return;
        }
        let sealed = self.entries.values().filter_map(|id| pages.known(*id)).map(|known| known.span);
        let spans = span::current(sealed.chain(self.tails.iter().copied()).collect(), |span| *span);
        let is_of_tail = |found: &Break| {
            self.tails.iter().any(|tail| tail.name == found.after || tail.name == found.before)
        };
        let overlaps = span::breaks(&spans).into_iter().filter(|found| found.kind == BreakKind::Overlap);
        for found in overlaps.filter(is_of_tail) {
            let text = format!(
                "record {} holds the tokens {} to {} twice: in the segments {} and {}",
                self.number, found.first, found.last, found.after, found.before
            );
            let number = book.add_file("overlap", self.path.clone(), text, ADVICE_CONTRADICTION);
            book.set_class(number, Class::History);
            book.hits_tokens(number, tokens(key, found.first.get(), found.last.get()));
        }
    }
}

/// The segments of the record before the newest, whose tokens the newest holds, too: as a longer tail, sealed, or in a higher version.
pub fn covered(newest: &Root, before: &Root, pages: &Pages<'_>) -> HashSet<EntryId> {
    let of = |root: &Root| -> HashSet<EntryId> {
        root.beside.iter().copied().chain(pages.entries_under(root.page)).collect()
    };
    let held = of(newest);
    let mut reach: HashMap<Token, Vec<Span>> = HashMap::new();
    for known in held.iter().filter_map(|id| pages.known(*id)).filter(|known| known.key.flawed.is_none()) {
        reach.entry(known.span.name.number).or_default().push(known.span);
    }
    let is_covered = |id: &EntryId| {
        let Some(span) = pages.known(*id).map(|known| known.span) else { return false };
        let others = reach.get(&span.name.number).map(Vec::as_slice).unwrap_or_default();
        others.iter().any(|other| other.name.version >= span.name.version && other.events >= span.events)
    };
    of(before).difference(&held).copied().filter(is_covered).collect()
}
