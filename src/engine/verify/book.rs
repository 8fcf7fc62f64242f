//! Findings while they come up, and at the end what each of them means for points and tokens.

use crate::engine::verify::report::{Class, Finding, Tokens};
use crate::repo::format::id::{ChunkId, PageId};
use std::collections::{BTreeMap, BTreeSet};

/// A segment entry: the same bytes wherever they stand. Counted from 0 in the order in which they were met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

/// Something that points use, and that a finding can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A segment.
    Entry(EntryId),
    /// A page.
    Page(PageId),
    /// A control database, by the chunk with its list.
    ControlDb(ChunkId),
    /// A set of plain files, by the chunk with the list of its listing.
    Files(ChunkId),
}

/// What is only damaged in the record before the newest.
const COVERED: &str =
    "; only the record before the newest needs it, and the newest holds its tokens, too: no history is lost";
const ADVICE_COVERED: &str = "run 'segvault repair from' a data directory or a copy of the repository; else it is over when the log has two newer \
                              records. Until then 'segvault prune' may refuse to delete";

/// Findings under construction.
#[derive(Debug, Default)]
pub struct Book {
    findings: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    finding: Finding,
    parts: BTreeSet<Part>,
}

/// A finding in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(usize);

impl Book {
    /// Enters a finding.
    pub fn add(&mut self, class: Class, what: &'static str, text: String, advice: &str) -> Number {
        let finding = Finding {
            class,
            what,
            path: None,
            text,
            points: Vec::new(),
            tokens: Vec::new(),
            advice: advice.to_owned(),
        };
        self.findings.push(Open { finding, parts: BTreeSet::new() });
        Number(self.findings.len() - 1)
    }

    /// Enters a finding about a file.
    pub fn add_file(&mut self, what: &'static str, path: String, text: String, advice: &str) -> Number {
        let number = self.add(Class::Damage, what, text, advice);
        if let Some(open) = self.findings.get_mut(number.0) {
            open.finding.path = Some(path);
        }
        number
    }

    /// It weighs something else.
    pub fn set_class(&mut self, number: Number, class: Class) {
        if let Some(open) = self.findings.get_mut(number.0) {
            open.finding.class = class;
        }
    }

    /// It hits this part, and all that use it.
    pub fn hits(&mut self, number: Number, part: Part) {
        if let Some(open) = self.findings.get_mut(number.0) {
            open.parts.insert(part);
        }
    }

    /// It hits this point.
    pub fn hits_point(&mut self, number: Number, point: u64) {
        if let Some(open) = self.findings.get_mut(number.0) {
            open.finding.points.push(point);
        }
    }

    /// It hits these tokens.
    pub fn hits_tokens(&mut self, number: Number, tokens: Tokens) {
        if let Some(open) = self.findings.get_mut(number.0) {
            open.finding.tokens.push(tokens);
        }
    }

    /// All parts that something is wrong with.
    pub fn parts(&self) -> BTreeSet<Part> {
        self.findings.iter().flat_map(|open| open.parts.iter().copied()).collect()
    }

    /// Closes the book. `uses` says for each part which points use it, and which tokens it has.
    pub fn close(self, uses: &BTreeMap<Part, Uses>) -> Vec<Finding> {
        let mut findings: Vec<_> = self.findings.into_iter().map(|open| closed(open, uses)).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.class));
        findings
    }
}

/// Who uses a part.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Points.
    pub points: BTreeSet<u64>,
    /// Its tokens, in each log that has it.
    pub tokens: BTreeSet<Tokens>,
    /// False if it is used only by records before the newest, which hold its tokens in another copy.
    pub is_alone: bool,
}

fn closed(open: Open, uses: &BTreeMap<Part, Uses>) -> Finding {
    let mut finding = open.finding;
    let is_covered = |part: &Part| uses.get(part).is_some_and(|found| !found.is_alone);
    if !open.parts.is_empty() && open.parts.iter().all(is_covered) {
        finding.text.push_str(COVERED);
        ADVICE_COVERED.clone_into(&mut finding.advice);
    }
    for found in open.parts.iter().filter_map(|part| uses.get(part)) {
        finding.points.extend(&found.points);
        finding.tokens.extend(found.tokens.iter().cloned());
    }
    finding.points.sort_unstable();
    finding.points.dedup();
    finding.tokens.sort();
    finding.tokens.dedup();
    finding
}

#[cfg(test)]
mod tests {
    use super::{Book, EntryId, Part, Uses};
    use crate::engine::verify::report::Class;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_finding_ends_up_with_all_points_that_use_its_parts_and_the_worst_stands_first() {
        let mut book = Book::default();
        let note = book.add(Class::Note, "index", "a".into(), "b");
        let damage = book.add_file("pack", "p".into(), "c".into(), "d");
        book.hits(damage, Part::Entry(EntryId(1)));
        book.hits(damage, Part::Entry(EntryId(2)));
        book.hits_point(damage, 9);
        book.hits_point(note, 1);
        let uses = |points: [u64; 2]| Uses { points: points.into(), tokens: BTreeSet::new(), is_alone: true };
        let map = BTreeMap::from([
            (Part::Entry(EntryId(1)), uses([4, 2])),
            (Part::Entry(EntryId(2)), uses([2, 3])),
        ]);
        let findings = book.close(&map);
        assert_eq!(findings[0].points, [2, 3, 4, 9]);
        assert_eq!((findings[0].path.as_deref(), findings[1].points.as_slice()), (Some("p"), [1].as_slice()));
    }
}
