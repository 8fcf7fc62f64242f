//! Page trees, each page read once however many points share it, and the segments in them, each met once.

use crate::axon::time::Times;
use crate::engine::pieces::span_of;
use crate::engine::span::Span;
use crate::engine::verify::book::EntryId;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::{ChunkId, ContentHash, PageId};
use crate::repo::format::limits::{PAGE_LEVEL_MAX, SMALL_FILE_MAX};
use crate::repo::format::page::Page;
use crate::repo::paths;
use crate::repo::store::Repository;
use std::collections::HashMap;
use std::sync::Arc;

/// What is remembered of a segment.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its tokens.
    pub span: Span,
    /// Its key.
    pub key: EntryKey,
    /// Bytes of its valid prefix.
    pub logical_end: u64,
    /// Hash of its valid prefix (of all stored bytes, if it is damaged).
    pub content: ContentHash,
    /// Times of its events.
    pub times: Option<Times>,
}

/// A page that was read.
#[derive(Clone, Debug)]
pub struct PageFacts {
    first: Option<EntryKey>,
    last: Option<EntryKey>,
    /// How many entries lie under it.
    pub entries: u64,
    /// What is in it.
    pub content: PageContent,
}

/// What is in a page.
#[derive(Clone, Debug)]
pub enum PageContent {
    /// Entries.
    Leaf(Vec<EntryId>),
    /// Pages.
    Node(Vec<PageId>),
}

/// What a page turned out to be; the error says why it can't be used.
pub type PageVerdict = Result<Arc<PageFacts>, String>;

/// All pages and segments that were met.
pub struct Pages<'a> {
    repository: &'a Repository,
    read: HashMap<PageId, PageVerdict>,
    ids: HashMap<[u8; 32], EntryId>,
    known: Vec<Known>,
    /// Leaves, in the order in which they were met.
    pub leaves: Vec<PageId>,
}

/// Chunks that an entry needs, told when the entry is met for the first time.
pub type OnEntry<'f> = &'f mut dyn FnMut(EntryId, &SegmentEntry);

impl<'a> Pages<'a> {
    /// None yet.
    pub fn new(repository: &'a Repository) -> Self {
        Self { repository, read: HashMap::new(), ids: HashMap::new(), known: Vec::new(), leaves: Vec::new() }
    }

    /// How many pages were read.
    pub fn count(&self) -> u64 {
        self.read.len() as u64
    }

    /// All pages that were met.
    pub fn met(&self) -> impl Iterator<Item = (&PageId, &PageVerdict)> {
        self.read.iter()
    }

    /// What a page turned out to be; none if it was not met.
    pub fn verdict(&self, page: PageId) -> Option<&PageVerdict> {
        self.read.get(&page)
    }

    /// Whether a page was met.
    pub fn has_met(&self, page: PageId) -> bool {
        self.read.contains_key(&page)
    }

    /// How many segments were met.
    pub fn segments(&self) -> u64 {
        self.known.len() as u64
    }

    /// What is remembered of a segment.
    pub fn known(&self, entry: EntryId) -> Option<&Known> {
        self.known.get(usize::try_from(entry.0).ok()?)
    }

    /// The number of a segment; `on_entry` is told of new ones.
    pub fn meet(&mut self, entry: &SegmentEntry, on_entry: OnEntry<'_>) -> EntryId {
        let print = *blake3::hash(&Page::Leaf(vec![entry.clone()]).encode()).as_bytes();
        if let Some(id) = self.ids.get(&print) {
            return *id;
        }
        let id = EntryId(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        self.ids.insert(print, id);
        self.known.push(Known {
            span: span_of(entry),
            key: entry.key(),
            logical_end: entry.logical_end,
            content: entry.content,
            times: entry.times,
        });
        on_entry(id, entry);
        id
    }

    /// Reads a tree, as far as it was not read before.
    pub fn tree(&mut self, root: PageId, on_entry: OnEntry<'_>) -> PageVerdict {
        self.page(root, None, on_entry)
    }

    fn page(&mut self, id: PageId, level: Option<u8>, on_entry: OnEntry<'_>) -> PageVerdict {
        if let Some(read) = self.read.get(&id) {
            return read.clone();
        }
        let verdict = match self.load(id) {
            Ok(page) if level.is_some_and(|level| level != page.level()) || page.level() > PAGE_LEVEL_MAX => {
                Err("it is of another level than the page above says".to_owned())
            }
            Ok(page) => self.facts(page, on_entry).map(Arc::new),
            Err(why) => Err(why),
        };
        if verdict.as_ref().is_ok_and(|facts| matches!(facts.content, PageContent::Leaf(_))) {
            self.leaves.push(id);
        }
        self.read.insert(id, verdict.clone());
        verdict
    }

    /// Reads a page, its hash checked.
    fn load(&self, id: PageId) -> Result<Page, String> {
        let read = self.repository.disk().read(&paths::page(id), SMALL_FILE_MAX);
        let bytes = read.map_err(|error| error.to_string())?;
        if self.repository.naming().page(&bytes) != id {
            return Err("its hash is not its name".to_owned());
        }
        Page::decode(&bytes).map_err(|damage| damage.to_string())
    }

    fn facts(&mut self, page: Page, on_entry: OnEntry<'_>) -> Result<PageFacts, String> {
        let (first, entries) = (page.first(), page.entries());
        let (content, last) = match page {
            Page::Leaf(entries) => {
                let last = entries.last().map(SegmentEntry::key);
                let ids = entries.iter().map(|entry| self.meet(entry, on_entry)).collect();
                (PageContent::Leaf(ids), last)
            }
            Page::Node { level, children } => {
                let mut last = None;
                let mut ids = Vec::with_capacity(children.len());
                for child in children {
                    ids.push(child.page);
                    // A child that can't be read is its own finding; the node is well.
                    let Ok(facts) = self.page(child.page, level.checked_sub(1), on_entry) else { continue };
                    if facts.first != Some(child.first)
                        || facts.entries != child.entries
                        || facts.first <= last
                    {
                        return Err(format!("what it says of page {} is not so", child.page));
                    }
                    last = facts.last;
                }
                (PageContent::Node(ids), last)
            }
        };
        Ok(PageFacts { first, last, entries, content })
    }

    /// The leaves of a tree, in order; those under pages that can't be read are left out.
    pub fn leaves_of(&self, root: PageId) -> Vec<PageId> {
        let mut leaves = Vec::new();
        let mut stack = vec![root];
        while let Some(page) = stack.pop() {
            match self.read.get(&page).and_then(|read| read.as_ref().ok()).map(|facts| &facts.content) {
                Some(PageContent::Leaf(_)) => leaves.push(page),
                Some(PageContent::Node(children)) => stack.extend(children.iter().rev()),
                None => {}
            }
        }
        leaves
    }

    /// The entries of a leaf.
    pub fn entries_of(&self, leaf: PageId) -> &[EntryId] {
        match self.read.get(&leaf).and_then(|read| read.as_ref().ok()).map(|facts| &facts.content) {
            Some(PageContent::Leaf(entries)) => entries,
            _ => &[],
        }
    }

    /// All entries of a tree, in order.
    pub fn entries_under(&self, root: PageId) -> Vec<EntryId> {
        self.leaves_of(root).into_iter().flat_map(|leaf| self.entries_of(leaf).iter().copied()).collect()
    }

    /// Whether all pages of a tree can be read.
    pub fn is_whole(&self, root: PageId) -> bool {
        match self.read.get(&root).map(|read| read.as_ref().map(|facts| &facts.content)) {
            Some(Ok(PageContent::Leaf(_))) => true,
            Some(Ok(PageContent::Node(children))) => children.iter().all(|child| self.is_whole(*child)),
            Some(Err(_)) | None => false,
        }
    }

    /// The segments of a leaf, read again: they are too large to be kept.
    pub fn load_leaf(&self, leaf: PageId) -> Vec<SegmentEntry> {
        match self.load(leaf) {
            Ok(Page::Leaf(entries)) => entries,
            _ => Vec::new(),
        }
    }

    /// The number of a segment that was met before.
    pub fn id_of(&self, entry: &SegmentEntry) -> Option<EntryId> {
        self.ids.get(blake3::hash(&Page::Leaf(vec![entry.clone()]).encode()).as_bytes()).copied()
    }
}

/// The chunks that an entry needs, with their lengths, and the one with its time map.
pub fn chunks_of(entry: &SegmentEntry) -> impl Iterator<Item = (ChunkId, Option<u32>)> + '_ {
    let extents = entry.extents.iter().map(|extent| (extent.chunk, Some(extent.length)));
    extents.chain(entry.time_map.map(|chunk| (chunk, None)))
}
