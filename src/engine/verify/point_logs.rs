//! What each point says of its logs, compared with its own tree and with the records: sums, heads, claims, holes.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::pieces::claim_name;
use crate::engine::proof::Mark;
use crate::engine::restore::remarks::{Place, tells};
use crate::engine::span::{self, Break, BreakKind, Span, Standing};
use crate::engine::verify::book::{Book, EntryId, Number};
use crate::engine::verify::kept::Newest;
use crate::engine::verify::pages::{Known, Pages};
use crate::engine::verify::report::{Class, Tokens};
use crate::engine::verify::times::{Part, Stated, Sum};
use crate::repo::format::id::ContentHash;
use crate::repo::format::point::{Claim, PointLog};
use crate::repo::format::record::LogKey;
use crate::repo::paths;
use crate::repo::store::{ListedPoint, LostFiles};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const ADVICE_SUM: &str =
    "the manifest and its pages contradict each other: run 'segvault repair from' a copy of the repository";
const ADVICE_CLAIM: &str = "restore an earlier point, or run 'segvault repair from' a copy of the repository";
const ADVICE_GAP: &str = "the history was archived with this hole: restore is refused; look for a node or a backup that still has these tokens";

/// A claim, as what it asks of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// The segment that holds the bytes.
    pub entry: EntryId,
    /// Length of the prefix.
    pub length: u64,
    /// Its hash.
    pub content: ContentHash,
    /// The token that must follow on it.
    pub next: Token,
}

impl Asked {
    /// What a mark asks of a segment.
    pub fn of(entry: EntryId, mark: &Mark) -> Self {
        Self { entry, length: mark.length, content: mark.content, next: mark.next }
    }

    /// For the proof of the segment.
    pub fn mark(&self) -> Mark {
        Mark { length: self.length, content: self.content, next: self.next }
    }
}

/// What the newest record of a log holds: where claims are looked for.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    /// For each number and version, its copies: the tail first, then the good copy, then damaged ones.
    pub copies: HashMap<(Token, u32), Vec<EntryId>>,
    /// The newest record, to compare trees with.
    pub newest: Option<Newest>,
}

/// A point's log.
#[derive(Clone, Copy)]
pub struct PointLogOf<'a> {
    /// The point.
    pub listed: &'a ListedPoint,
    /// Which log.
    pub key: &'a LogKey,
    /// What the point says of it.
    pub log: &'a PointLog,
}

/// Compares points with what they stand on.
pub struct PointLogs<'a> {
    /// Pages and segments.
    pub pages: &'a Pages<'a>,
    /// What the newest records hold.
    pub holdings: &'a BTreeMap<LogKey, Holding>,
    /// What claims ask, and of which points.
    pub asked: BTreeMap<Asked, Vec<u64>>,
    /// Holes and overlaps that were found already, in other points.
    breaks: BTreeMap<(LogKey, Token, Token), Number>,
    /// Segments that the newest record of their log lacks, told already.
    lacking: BTreeSet<(LogKey, EntryId)>,
    /// What points say of their times.
    pub stated: Stated,
    /// Points of which acts say what is left of them: of their times too little is known then.
    viewed: BTreeSet<u64>,
    /// Records that were given up.
    given_up: LostFiles,
    /// The directories of logs in which a newer program wrote records: what those hold is not known.
    with_newer: BTreeSet<String>,
}

impl<'a> PointLogs<'a> {
    /// Nothing compared yet.
    pub fn new(
        pages: &'a Pages<'a>,
        holdings: &'a BTreeMap<LogKey, Holding>,
        (viewed, given_up, with_newer): (BTreeSet<u64>, LostFiles, BTreeSet<String>),
    ) -> Self {
        let (asked, breaks, lacking) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self {
            pages,
            holdings,
            asked,
            breaks,
            lacking,
            stated: Stated::default(),
            viewed,
            given_up,
            with_newer,
        }
    }

    /// Compares one log of a point; gives the segments that its claims are held by.
    pub fn check(&mut self, of: PointLogOf<'_>, book: &mut Book) -> Vec<EntryId> {
        let claims: Vec<_> = of.log.open.iter().map(|claim| (claim, self.resolve(of, claim, book))).collect();
        let held_by = claims.iter().filter_map(|(_, asked)| asked.map(|asked| asked.entry)).collect();
        if self.pages.is_whole(of.log.root) {
            self.check_sums(of, &claims, book);
            self.check_kept(of, book);
        }
        held_by
    }

    /// The newest record holds all that the point's own tree names; but where the record that it was made with was given up.
    fn check_kept(&mut self, of: PointLogOf<'_>, book: &mut Book) {
        if self.given_up.has(&paths::log(of.key), of.log.record) {
            return;
        }
        let Some(newest) = self.holdings.get(of.key).and_then(|holding| holding.newest.as_ref()) else {
            return;
        };
        for id in newest.lacks(self.pages, of.log.root) {
            if let Some(known) = self.pages.known(id)
                && self.lacking.insert((of.key.clone(), id))
            {
                newest.enter_lacking(of.key, known, of.listed.point.number, book);
            }
        }
    }

    /// What a claim asks of the segment that holds its bytes.
    fn resolve(&mut self, of: PointLogOf<'_>, claim: &Claim, book: &mut Book) -> Option<Asked> {
        let asked = self.find(of.key, claim);
        let point = of.listed.point.number;
        if let Some(asked) = asked {
            self.asked.entry(asked).or_default().push(point);
        } else if !self.with_newer.contains(&paths::log(of.key)) {
            let text = format!(
                "no record holds the first {} bytes of segment {} of {} of {}, which point {point} claims",
                claim.length, claim.number, of.key.store, of.key.context
            );
            let number = book.add(Class::Damage, "claim", text, ADVICE_CLAIM);
            book.hits_point(number, point);
            if let Some(last) = claim.last {
                book.hits_tokens(number, tokens(of.key, claim.number, last));
            }
        }
        asked
    }

    fn find(&self, key: &LogKey, claim: &Claim) -> Option<Asked> {
        let name = claim_name(claim)?;
        let next = match claim.last {
            Some(last) => Token::new(last)?.plus(1)?,
            None => name.number,
        };
        let copies = self.holdings.get(key)?.copies.get(&(name.number, name.version))?;
        // A damaged copy is none that a restore takes.
        let holds = |id: &&EntryId| {
            let known = self.pages.known(**id);
            known.is_some_and(|known| known.key.flawed.is_none() && known.logical_end >= claim.length)
        };
        let entry = *copies.iter().find(holds)?;
        Some(Asked { entry, length: claim.length, content: claim.blake3, next })
    }

    fn check_sums(&mut self, of: PointLogOf<'_>, claims: &[(&Claim, Option<Asked>)], book: &mut Book) {
        let entries = self.pages.entries_under(of.log.root);
        let known = entries.iter().filter_map(|id| self.pages.known(*id));
        let mut pieces: Vec<Counted> = known.map(Counted::of).collect();
        let segments = pieces.len() as u64;
        pieces.extend(claims.iter().filter_map(|(claim, asked)| self.claimed(claim, *asked)));
        let pieces = span::current(pieces, |piece| piece.span);
        let spans: Vec<Span> = pieces.iter().map(|piece| piece.span).collect();
        let bytes = pieces.iter().fold(0, |sum: u64, piece| sum.saturating_add(piece.bytes));
        let times: Option<Vec<Part>> = pieces.iter().map(|piece| piece.times).collect();
        if let Some(times) = times.filter(|_| !self.viewed.contains(&of.listed.point.number)) {
            self.stated.add(of, times.into_iter(), book);
        }
        for text in sum_faults(of.log, &spans, (segments, bytes)) {
            let point = of.listed.point.number;
            let text = format!("point {point}, {} of {}: {text}", of.key.store, of.key.context);
            let number = book.add(Class::Damage, "sum", text, ADVICE_SUM);
            book.hits_point(number, point);
        }
        for found in span::breaks(&spans) {
            self.check_break(of, &found, book);
        }
    }

    fn claimed(&self, claim: &Claim, asked: Option<Asked>) -> Option<Counted> {
        let name = claim_name(claim)?;
        let events = match claim.last {
            Some(last) => last.checked_sub(claim.number)?.checked_add(1)?,
            None => 0,
        };
        let span = Span { name, standing: Standing::Open, events };
        let whole = asked.and_then(|asked| self.pages.known(asked.entry)).filter(|known| {
            (known.logical_end, known.content, known.span.events) == (claim.length, claim.blake3, events)
        });
        let times = match whole {
            Some(known) => Some(Part::Known(Sum::of(events, known.times))),
            None => asked.map(|asked| Part::Claim(asked, events)),
        };
        Some(Counted { span, bytes: claim.length, times })
    }

    fn check_break(&mut self, of: PointLogOf<'_>, found: &Break, book: &mut Book) {
        let place = Place { context: &of.key.context, store: of.key.store };
        let is_told = match found.kind {
            BreakKind::Damage => true,
            BreakKind::Hole => tells(&of.listed.point.body, place, found.first, found.last),
            BreakKind::Overlap => false,
        };
        if is_told {
            return;
        }
        let number = *self
            .breaks
            .entry((of.key.clone(), found.first, found.last))
            .or_insert_with(|| enter_break(of.key, found, book));
        book.hits_point(number, of.listed.point.number);
    }
}

fn enter_break(key: &LogKey, found: &Break, book: &mut Book) -> Number {
    let is_overlap = found.kind == BreakKind::Overlap;
    let what = if is_overlap { "overlap" } else { "gap" };
    let text = format!(
        "{} of {} ({}): the tokens {} to {} are {}, between the segments {} and {}, and the points do not say so",
        key.store,
        key.context,
        key.source,
        found.first,
        found.last,
        if is_overlap { "there twice" } else { "missing" },
        found.after,
        found.before
    );
    let number = book.add(Class::History, what, text, ADVICE_GAP);
    book.hits_tokens(number, tokens(key, found.first.get(), found.last.get()));
    number
}

/// A segment, or what is claimed of one, as it counts for a point.
struct Counted {
    span: Span,
    bytes: u64,
    /// None if nothing holds what is claimed.
    times: Option<Part>,
}

impl Counted {
    fn of(known: &Known) -> Self {
        let times = Some(Part::Known(Sum::of(known.span.events, known.times)));
        Self { span: known.span, bytes: known.logical_end, times }
    }
}

/// Tokens of a log, for a finding.
pub fn tokens(key: &LogKey, first: u64, last: u64) -> Tokens {
    Tokens {
        source: key.source.clone(),
        context: key.context.clone(),
        incarnation: key.incarnation,
        store: match key.store {
            Store::Snapshots => Store::Snapshots.as_str(),
            Store::Events => Store::Events.as_str(),
        },
        first,
        last,
    }
}

/// `found` is the number of entries in the tree, and the bytes of all segments that count.
fn sum_faults(log: &PointLog, spans: &[Span], found: (u64, u64)) -> Vec<String> {
    let mut faults = Vec::new();
    let mut compare = |what: &str, said: Option<u64>, found: Option<u64>| {
        if said != found {
            let text =
                |value: Option<u64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            faults.push(format!("it says {what} {}, the pages say {}", text(said), text(found)));
        }
    };
    compare("segments", Some(log.segments), Some(found.0));
    compare("bytes", Some(log.bytes), Some(found.1));
    // Of a store that ends in damage the head is what could be read: no pages can say more.
    if spans.last().is_none_or(|span| span.standing != Standing::Damaged) {
        compare("first token", log.first, span::first(spans).map(Token::get));
        compare("last token", log.head, span::head(spans).map(Token::get));
    }
    faults
}
