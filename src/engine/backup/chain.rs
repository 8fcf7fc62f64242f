//! The segments of a point as one chain of tokens: holes are filled from the archive and said, gaps are named.

use crate::axon::token::Token;
use crate::engine::backup;
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::assemble::Assembled;
use crate::engine::backup::assemble::Assembler;
use crate::engine::backup::context::SeenStore;
use crate::engine::backup::read::SeenSegment;
use crate::engine::error::Error;
use crate::engine::words::{are, plural};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::point::Finding;
use crate::repo::format::point::PointTimes;
use crate::repo::format::point::Weight;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a chain of segments holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Bytes of all valid prefixes.
    pub bytes: u64,
    /// The first token; none if there is no event.
    pub first: Option<u64>,
    /// The last token; none if there is none.
    pub head: Option<u64>,
    /// Times of the events; none if there are none or they can't be read.
    pub times: Option<PointTimes>,
    /// Events that the archive did not have.
    pub new_events: u64,
    /// Runs of tokens that no segment holds: first and last.
    pub gaps: Vec<(u64, u64)>,
}

/// Two segments seen that hold the same tokens: no history at all.
pub fn refuse_overlaps(seen: &SeenStore) -> Result<(), Error> {
    let mut before: Option<&SeenSegment> = None;
    for segment in &seen.segments {
        if let Some(one) = before
            && one.name().number < segment.name().number
            && let Some(next) = one.entry().and_then(SegmentEntry::next_token)
            && next > segment.name().number
        {
            return Err(Error::Backup(backup::Error::Overlap {
                one: one.file().path.to_path_buf(),
                last: next.get().saturating_sub(1),
                other: segment.file().path.to_path_buf(),
                next: segment.name().number.get(),
            }));
        }
        before = Some(segment);
    }
    Ok(())
}

/// Looks for archived segments that the source does not show: below what is there they are gone, between they are holes, above the source lags.
pub fn fill_holes(assembler: &Assembler<'_, '_>, out: &mut Assembled, seen: &SeenStore) {
    let log = assembler.log;
    let numbers: BTreeSet<Token> = seen.segments.iter().map(|segment| segment.name().number).collect();
    let missing: BTreeSet<Token> =
        log.whole().map(|entry| entry.name.number).filter(|number| !numbers.contains(number)).collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        if log.has_events() {
            out.findings.push(vanished(assembler, log));
        }
        return;
    };
    let (mut below, mut above) = (0, 0);
    for number in missing {
        if number < *first {
            below += 1;
        } else if number > *last {
            above += 1;
        } else if let Some(entry) = log.longest(number).cloned() {
            out.findings.push(hole(assembler, &entry));
            assembler.name_archived(out, &entry);
        }
    }
    if below > 0 {
        let text = format!(
            "{} below {first} {} gone at the source; the archive keeps them",
            plural(below, "segment"),
            are(below)
        );
        out.findings.push(about_store(assembler, Weight::Note, "gone", &text));
    }
    if above > 0 {
        let head = log.head().map_or(0, Token::get);
        let text = format!(
            "{} above {last} {} not at the source; the archive reaches token {head}",
            plural(above, "segment"),
            are(above)
        );
        out.findings.push(about_store(assembler, Weight::Warning, "lag", &text));
    }
}

fn vanished(assembler: &Assembler<'_, '_>, log: &ArchivedLog) -> Finding {
    let head = log.head().map_or(0, Token::get);
    let text = format!("no segment is left at the source; the archive reaches token {head}");
    about_store(assembler, Weight::Incomplete, "gone", &text)
}

fn hole(assembler: &Assembler<'_, '_>, entry: &SegmentEntry) -> Finding {
    let text = format!("segment {} is missing at the source; the point names the archived copy", entry.name);
    let mut finding = about_store(assembler, Weight::Incomplete, "gone", &text);
    finding.first = Some(entry.name.number.get());
    finding.last = entry.last_token().map(Token::get);
    finding
}

/// Says that the point ends before what is archived, wherever nothing else has said so.
pub fn say_how_far_behind(assembler: &Assembler<'_, '_>, out: &mut Assembled, head: Option<u64>) {
    let archived = assembler.log.head().map(Token::get);
    let is_said = out.findings.iter().any(|finding| finding.what == "lag");
    if archived > head && !is_said {
        let reach =
            |head: Option<u64>| head.map_or_else(|| "nothing".to_owned(), |head| format!("token {head}"));
        let text = format!("what was seen ends at {}; the archive reaches {}", reach(head), reach(archived));
        out.findings.push(about_store(assembler, Weight::Warning, "lag", &text));
    }
}

fn about_store(assembler: &Assembler<'_, '_>, weight: Weight, what: &str, text: &str) -> Finding {
    Finding {
        context: Some(assembler.context.to_owned()),
        store: Some(assembler.store.to_string()),
        ..Finding::new(weight, what, format!("{} of {}: {text}", assembler.store, assembler.context))
    }
}

/// The chain that a restore would write: for each number the highest version.
fn chain(out: &Assembled) -> BTreeMap<Token, &SegmentEntry> {
    let mut chain: BTreeMap<Token, &SegmentEntry> = BTreeMap::new();
    let tree = out.tree.values().map(Arc::as_ref);
    for entry in tree.chain(out.claims.iter().map(|(_, entry)| entry)) {
        let place = chain.entry(entry.name.number).or_insert(entry);
        if place.name.version < entry.name.version {
            *place = entry;
        }
    }
    chain
}

/// Sums up the chain, and names its gaps in the findings.
pub fn span(assembler: &Assembler<'_, '_>, out: &mut Assembled) -> Span {
    let mut span = Span::default();
    let mut next: Option<Token> = None;
    let mut readable = true;
    for (number, entry) in chain(out) {
        if let Some(next) = next.filter(|next| *next < number) {
            span.gaps.push((next.get(), number.get().saturating_sub(1)));
        }
        span.bytes += entry.logical_end;
        if entry.events > 0 {
            span.first = span.first.or(Some(number.get()));
            readable &= entry.times.is_some();
        }
        let known = assembler.log.best(entry.name).or_else(|| assembler.log.other_version(entry.name));
        span.new_events += entry.events.saturating_sub(known.map_or(0, |known| known.events));
        span.times = join(span.times, entry);
        next = entry.next_token();
    }
    span.head = next.and_then(Token::before).map(Token::get);
    if !readable {
        span.times = None;
    }
    let gaps: Vec<Finding> = span.gaps.iter().map(|gap| gap_finding(assembler, *gap)).collect();
    out.findings.extend(gaps);
    span
}

fn join(before: Option<PointTimes>, entry: &SegmentEntry) -> Option<PointTimes> {
    let Some(times) = entry.times else { return before };
    let mine = PointTimes {
        first: times.first.0,
        last: times.last.0,
        least: times.least.0,
        greatest: times.greatest.0,
    };
    Some(before.map_or(mine, |before| PointTimes {
        first: before.first,
        last: mine.last,
        least: before.least.min(mine.least),
        greatest: before.greatest.max(mine.greatest),
    }))
}

fn gap_finding(assembler: &Assembler<'_, '_>, (first, last): (u64, u64)) -> Finding {
    let text = format!("tokens {first} to {last} are missing");
    let mut finding = about_store(assembler, Weight::Incomplete, "gap", &text);
    finding.first = Some(first);
    finding.last = Some(last);
    finding
}
