//! Which points use a part that something is wrong with, and which tokens it has. Asked only when something is wrong.

use crate::axon::token::Token;
use crate::engine::verify::book::{EntryId, Part, Uses};
use crate::engine::verify::pages::{PageContent, PageVerdict, Pages};
use crate::engine::verify::point_logs::tokens;
use crate::repo::format::id::PageId;
use crate::repo::format::record::LogKey;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// A tree that somebody uses, and segments that are used beside it.
#[derive(Clone, Debug)]
pub struct Root {
    /// Whose log it is.
    pub key: LogKey,
    /// The point; none for a record.
    pub point: Option<u64>,
    /// The tree.
    pub page: PageId,
    /// Tails of the record, or what holds the point's claims.
    pub beside: Vec<EntryId>,
    /// Segments of a record whose tokens the newest one holds, too, in another copy: no history is lost with them.
    pub covered: HashSet<EntryId>,
}

/// Finds the uses of parts.
pub struct Finder<'a> {
    pages: &'a Pages<'a>,
    wanted: BTreeSet<Part>,
    /// For each page, the wanted parts under it.
    under: HashMap<PageId, Rc<Vec<Part>>>,
    uses: BTreeMap<Part, Uses>,
}

impl<'a> Finder<'a> {
    /// Looks for these parts.
    pub fn new(pages: &'a Pages<'a>, wanted: BTreeSet<Part>) -> Self {
        Self { pages, wanted, under: HashMap::new(), uses: BTreeMap::new() }
    }

    /// The uses in all these trees.
    pub fn find(mut self, roots: &[Root]) -> BTreeMap<Part, Uses> {
        if self.wanted.is_empty() {
            return self.uses;
        }
        for root in roots {
            let under = self.under(root.page);
            let beside =
                root.beside.iter().map(|id| Part::Entry(*id)).filter(|part| self.wanted.contains(part));
            let parts: Vec<_> = under.iter().copied().chain(beside).collect();
            for part in parts {
                self.enter(root, part);
            }
        }
        self.uses
    }

    fn enter(&mut self, root: &Root, part: Part) {
        let uses = self.uses.entry(part).or_default();
        uses.points.extend(root.point);
        if matches!(part, Part::Entry(id) if root.covered.contains(&id)) {
            return;
        }
        uses.is_alone = true;
        if let Part::Entry(id) = part
            && let Some(known) = self.pages.known(id)
        {
            let first = known.span.name.number.get();
            uses.tokens.extend(known.span.last().map(Token::get).map(|last| tokens(&root.key, first, last)));
        }
    }

    fn under(&mut self, page: PageId) -> Rc<Vec<Part>> {
        if let Some(found) = self.under.get(&page) {
            return Rc::clone(found);
        }
        let mut parts: Vec<Part> =
            Some(Part::Page(page)).filter(|part| self.wanted.contains(part)).into_iter().collect();
        let verdict: Option<PageVerdict> = self.pages.verdict(page).cloned();
        match verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()).map(|facts| &facts.content) {
            Some(PageContent::Leaf(entries)) => {
                let entries = entries.iter().map(|id| Part::Entry(*id));
                parts.extend(entries.filter(|part| self.wanted.contains(part)));
            }
            Some(PageContent::Node(children)) => {
                for child in children {
                    parts.extend(self.under(*child).iter());
                }
            }
            None => {}
        }
        let parts = Rc::new(parts);
        self.under.insert(page, Rc::clone(&parts));
        parts
    }
}
