//! Pages: a tree of segment entries per log. Leaves hold entries in the order of their keys, nodes hold pages.
//!
//! Where a page ends is chosen by the hash of a key, so that the same entries make the same pages, and a change of one entry makes new
//! pages only near it.

use crate::repo::format::Damage;
use crate::repo::format::entry::ENTRY_LENGTH_LEAST;
use crate::repo::format::entry::{EntryKey, SegmentEntry};
use crate::repo::format::id::PageId;
use crate::repo::format::limits;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;
use std::ops::Bound;
use std::ops::Range;
use std::ops::RangeBounds;

/// The first bytes of a page.
pub const MAGIC: [u8; 8] = *b"SEGVPAGE";
/// The version of pages that this program writes.
pub const VERSION: u16 = 1;

/// The least bytes that a child takes.
const CHILD_LENGTH_LEAST: usize = 53;
const OUT_OF_ORDER: &str = "keys that do not rise";

/// A child of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The page.
    pub page: PageId,
    /// The key of its first entry.
    pub first: EntryKey,
    /// How many entries lie under it.
    pub entries: u64,
}

/// A page, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Entries in rising order of their keys.
    Leaf(Vec<SegmentEntry>),
    /// Pages in rising order of their first keys; all of the same `level` (1: leaves lie under it).
    Node {
        /// The level.
        level: u8,
        /// The children.
        children: Vec<Child>,
    },
}

impl Page {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array("magic", &MAGIC);
        writer.u16("version", VERSION);
        writer.u8("level", self.level());
        writer.reserved::<1>();
        match self {
            Self::Leaf(entries) => {
                writer.count("entries", entries.len());
                for entry in entries {
                    entry.write(writer);
                }
            }
            Self::Node { children, .. } => {
                writer.count("children", children.len());
                for child in children {
                    child.write(writer);
                }
            }
        }
    }

    /// Reads a page.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        reader.magic(&MAGIC)?;
        reader.version("a page of version", VERSION)?;
        let level = reader.u8()?;
        reader.check(level <= limits::PAGE_LEVEL_MAX, "a tree that is too high")?;
        reader.reserved::<1>()?;
        let page = if level == 0 { read_leaf(&mut reader)? } else { read_node(&mut reader, level)? };
        reader.finish()?;
        Ok(page)
    }

    /// 0 for a leaf.
    pub fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Node { level, .. } => *level,
        }
    }

    /// The key of the first entry under it; none in an empty leaf.
    pub fn first(&self) -> Option<EntryKey> {
        match self {
            Self::Leaf(entries) => entries.first().map(SegmentEntry::key),
            Self::Node { children, .. } => children.first().map(|child| child.first),
        }
    }

    /// How many entries lie under it.
    pub fn entries(&self) -> u64 {
        match self {
            Self::Leaf(entries) => entries.len() as u64,
            Self::Node { children, .. } => {
                children.iter().fold(0, |sum, child| sum.saturating_add(child.entries))
            }
        }
    }
}

impl Child {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array("page", &self.page.0);
        writer.u64("entries", self.entries);
        self.first.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let page = PageId(reader.array()?);
        let entries = reader.u64()?;
        reader.check(entries > 0, "an empty page under a node")?;
        Ok(Self { page, first: EntryKey::read(reader)?, entries })
    }
}

fn read_count(reader: &mut Reader<'_>, least: usize) -> Result<usize, Damage> {
    let count = reader.count(least)?;
    reader.check(count <= limits::PAGE_ENTRIES_MAX, "more entries than a page can have")?;
    Ok(count)
}

fn read_leaf(reader: &mut Reader<'_>) -> Result<Page, Damage> {
    let count = read_count(reader, ENTRY_LENGTH_LEAST)?;
    let mut entries: Vec<SegmentEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = SegmentEntry::read(reader)?;
        let rises = entries.last().is_none_or(|last| last.key() < entry.key());
        reader.check(rises, OUT_OF_ORDER)?;
        entries.push(entry);
    }
    Ok(Page::Leaf(entries))
}

fn read_node(reader: &mut Reader<'_>, level: u8) -> Result<Page, Damage> {
    let count = read_count(reader, CHILD_LENGTH_LEAST)?;
    reader.check(count > 0, "a node without children")?;
    let mut children: Vec<Child> = Vec::with_capacity(count);
    for _ in 0..count {
        let child = Child::read(reader)?;
        let rises = children.last().is_none_or(|last| last.first < child.first);
        reader.check(rises, OUT_OF_ORDER)?;
        children.push(child);
    }
    Ok(Page::Node { level, children })
}

/// Cuts a sorted list of entries into the pages of a tree; calls `put` for each page's bytes (leaves first, the root last) and gives
/// the root. The same entries make the same tree; a change touches only pages near it.
pub fn build<E>(
    entries: &[SegmentEntry],
    put: &mut dyn FnMut(Vec<u8>) -> Result<PageId, E>,
) -> Result<PageId, E> {
    let lengths: Vec<usize> = entries.iter().map(encoded_length).collect();
    let keys = entries.iter().map(SegmentEntry::key);
    let mut children = Vec::new();
    for run in runs(0, keys.zip(lengths)) {
        let leaf = Page::Leaf(entries.get(run).unwrap_or_default().to_vec());
        children.push(put_page(&leaf, put)?);
    }
    for level in 1..=limits::PAGE_LEVEL_MAX {
        if children.len() <= 1 {
            break;
        }
        children = put_level(level, &children, put)?;
    }
    match children.first() {
        Some(root) => Ok(root.page),
        None => put(Page::Leaf(Vec::new()).encode()),
    }
}

fn put_level<E>(
    level: u8,
    below: &[Child],
    put: &mut dyn FnMut(Vec<u8>) -> Result<PageId, E>,
) -> Result<Vec<Child>, E> {
    let mut nodes = Vec::new();
    for run in runs(level, below.iter().map(|child| (child.first, 0))) {
        let children = below.get(run).unwrap_or_default().to_vec();
        nodes.push(put_page(&Page::Node { level, children }, put)?);
    }
    Ok(nodes)
}

/// Puts a page that is not empty.
fn put_page<E>(page: &Page, put: &mut dyn FnMut(Vec<u8>) -> Result<PageId, E>) -> Result<Child, E> {
    let first = page.first().unwrap_or(EntryKey::LEAST);
    Ok(Child { page: put(page.encode())?, first, entries: page.entries() })
}

fn encoded_length(entry: &SegmentEntry) -> usize {
    let mut writer = Writer::new();
    entry.write(&mut writer);
    writer.so_far().len()
}

/// Cuts keys, with the bytes each of them adds, into the runs that become pages. Where a run ends depends only on what came since the
/// last one ended.
fn runs(level: u8, items: impl Iterator<Item = (EntryKey, usize)>) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut begin, mut bytes, mut end) = (0, 0_usize, 0);
    for (index, (key, length)) in items.enumerate() {
        if index > begin && bytes.saturating_add(length) > limits::PAGE_TARGET_MAX {
            runs.push(begin..index);
            (begin, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(length);
        end = index.saturating_add(1);
        if ends_behind(level, &key, end.saturating_sub(begin)) {
            runs.push(begin..end);
            (begin, bytes) = (end, 0);
        }
    }
    if begin < end {
        runs.push(begin..end);
    }
    runs
}

/// Whether a page of `count` entries ends behind the one with this key: its hash decides, so that an insertion moves no other end.
fn ends_behind(level: u8, key: &EntryKey, count: usize) -> bool {
    count >= limits::PAGE_ENTRIES_MAX || (count >= limits::PAGE_ENTRIES_MIN && is_chosen(level, key))
}

fn is_chosen(level: u8, key: &EntryKey) -> bool {
    let mut writer = Writer::new();
    writer.u8("level", level);
    key.write(&mut writer);
    let [a, b, c, d, ..] = *blake3::hash(writer.so_far()).as_bytes();
    u64::from(u32::from_le_bytes([a, b, c, d])).saturating_mul(limits::PAGE_ENTRIES_GROWTH) < 1 << 32
}

/// Why a tree can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError<E> {
    /// A page could not be got.
    #[error("a page could not be read")]
    Get(E),
    /// A page is not what it should be.
    #[error("page {page} is damaged")]
    Page {
        /// The page.
        page: PageId,
        /// What is wrong with it.
        #[source]
        damage: Damage,
    },
}

/// All entries of a tree, in the order of their keys. `get` gives a page's bytes, whose hash it has checked. Levels must fall one by one,
/// and first keys and counts must be what the page above says.
pub fn load<E>(
    root: PageId,
    get: &mut dyn FnMut(PageId) -> Result<Vec<u8>, E>,
) -> Result<Vec<SegmentEntry>, LoadError<E>> {
    load_range(root, &(EntryKey::LEAST..), get)
}

/// The entries of a tree whose keys lie in a range: only the pages that can hold such are read.
pub fn load_range<E, R: RangeBounds<EntryKey>>(
    root: PageId,
    range: &R,
    get: &mut dyn FnMut(PageId) -> Result<Vec<u8>, E>,
) -> Result<Vec<SegmentEntry>, LoadError<E>> {
    let mut walk = Walk { range, get, entries: Vec::new(), last: None };
    walk.page(root, None)?;
    Ok(walk.entries)
}

/// Entries for which room is made at once.
const ROOM_MAX: usize = 1 << 16;

/// A walk over a tree, front to back.
struct Walk<'a, E, R> {
    range: &'a R,
    get: &'a mut dyn FnMut(PageId) -> Result<Vec<u8>, E>,
    entries: Vec<SegmentEntry>,
    /// The last key seen: the next one must be greater, over all pages.
    last: Option<EntryKey>,
}

impl<E, R: RangeBounds<EntryKey>> Walk<'_, E, R> {
    /// Reads a page and all under it; `stated` is what the page above says of it, with its level. The depth is bounded by the level of the root.
    fn page(&mut self, id: PageId, stated: Option<(u8, Child)>) -> Result<(), LoadError<E>> {
        let bytes = (self.get)(id).map_err(LoadError::Get)?;
        let damaged = |damage| LoadError::Page { page: id, damage };
        let page = Page::decode(&bytes).map_err(damaged)?;
        check_stated(&page, stated).map_err(damaged)?;
        if stated.is_none() && self.range.end_bound() == Bound::Unbounded {
            // All of it is wanted. What the root says is not proven yet: room for it is made within bounds.
            self.entries.reserve(usize::try_from(page.entries()).unwrap_or(ROOM_MAX).min(ROOM_MAX));
        }
        match page {
            Page::Leaf(entries) => self.leaf(entries).map_err(damaged),
            Page::Node { level, children } => self.node(level, &children),
        }
    }

    fn leaf(&mut self, entries: Vec<SegmentEntry>) -> Result<(), Damage> {
        for entry in entries {
            if self.last.is_some_and(|last| last >= entry.key()) {
                return Err(Damage::Bytes { at: 0, what: OUT_OF_ORDER });
            }
            self.last = Some(entry.key());
            if self.range.contains(&entry.key()) {
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    fn node(&mut self, level: u8, children: &[Child]) -> Result<(), LoadError<E>> {
        let ends = children.iter().skip(1).map(|child| Some(child.first)).chain([None]);
        for (child, end) in children.iter().zip(ends) {
            if self.may_hold(child.first, end) {
                self.page(child.page, Some((level, *child)))?;
            }
        }
        Ok(())
    }

    /// Whether a page with keys from `first` to before `end` can hold one of the range.
    fn may_hold(&self, first: EntryKey, end: Option<EntryKey>) -> bool {
        let begins_in_time = match self.range.end_bound() {
            Bound::Included(last) => first <= *last,
            Bound::Excluded(end) => first < *end,
            Bound::Unbounded => true,
        };
        let ends_late_enough = match (self.range.start_bound(), end) {
            (Bound::Included(from) | Bound::Excluded(from), Some(end)) => *from < end,
            (Bound::Unbounded, _) | (_, None) => true,
        };
        begins_in_time && ends_late_enough
    }
}

fn check_stated(page: &Page, stated: Option<(u8, Child)>) -> Result<(), Damage> {
    let Some((level, child)) = stated else { return Ok(()) };
    let fits = page.level().checked_add(1) == Some(level)
        && page.first() == Some(child.first)
        && page.entries() == child.entries;
    let what = "another level, first key or count of entries than the page above says";
    if fits { Ok(()) } else { Err(Damage::Bytes { at: 0, what }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::name::SegmentName;
    use crate::axon::segment::Reason;
    use crate::axon::token::Token;
    use crate::repo::format::entry::Flaw;
    use crate::repo::format::entry::tests::full;
    use crate::repo::format::id::ContentHash;
    use crate::repo::format::id::Naming;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    type Pages = BTreeMap<PageId, Vec<u8>>;

    fn entries(count: u64) -> Vec<SegmentEntry> {
        (0..count).map(|index| full(index * 10)).collect()
    }

    fn tree(entries: &[SegmentEntry]) -> (PageId, Pages) {
        let mut pages = Pages::new();
        let root = build(entries, &mut |bytes| {
            let id = Naming::Blake3.page(&bytes);
            pages.insert(id, bytes);
            Ok::<_, Infallible>(id)
        });
        (root.unwrap(), pages)
    }

    fn all(root: PageId, pages: &Pages) -> Result<Vec<SegmentEntry>, LoadError<&'static str>> {
        load(root, &mut |id| pages.get(&id).cloned().ok_or("missing"))
    }

    #[test]
    fn trees_of_every_size_come_back() {
        for count in [0, 1, 31, 32, 33, 127, 128, 129, 1000, 20_000] {
            let entries = entries(count);
            let (root, pages) = tree(&entries);
            assert_eq!(all(root, &pages), Ok(entries), "{count}");
        }
    }

    #[test]
    fn an_empty_tree_is_one_empty_leaf() {
        let (root, pages) = tree(&[]);
        assert_eq!(Page::decode(&pages[&root]), Ok(Page::Leaf(vec![])));
        assert_eq!(pages.len(), 1);
    }

    #[test]
    fn good_copies_stand_before_damaged_ones_of_the_same_name() {
        let flaw = Some(Flaw { reason: Reason::Checksum });
        let damaged = |content| SegmentEntry { flaw, content: ContentHash([content; 32]), ..full(0) };
        let entries = vec![full(0), damaged(1), damaged(2)];
        let (root, pages) = tree(&entries);
        assert_eq!(all(root, &pages), Ok(entries.clone()));
        let (wrong, pages) = tree(&[damaged(1), full(0)]);
        assert!(matches!(all(wrong, &pages), Err(LoadError::Page { .. })));
    }

    #[test]
    fn pages_hold_64_entries_on_average_and_128_at_most() {
        let (_, pages) = tree(&entries(20_000));
        let mut leaves = Vec::new();
        for bytes in pages.values() {
            match Page::decode(bytes).unwrap() {
                Page::Leaf(entries) => leaves.push(entries.len()),
                Page::Node { children, .. } => assert!(children.len() <= limits::PAGE_ENTRIES_MAX),
            }
        }
        assert!(leaves.iter().all(|count| *count <= limits::PAGE_ENTRIES_MAX));
        assert!((50..=75).contains(&(20_000 / leaves.len())), "{}", leaves.len());
    }

    #[test]
    fn a_change_touches_only_pages_near_it() {
        let before = entries(20_000);
        let (_, old) = tree(&before);
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..20 {
            let at = random.usize(0..before.len());
            let mut after = before.clone();
            match random.u8(0..3) {
                0 => drop(after.remove(at)),
                1 => after[at].content = ContentHash([7; 32]),
                _ => after.insert(at + 1, full(at as u64 * 10 + 5)),
            }
            let (root, pages) = tree(&after);
            assert_eq!(all(root, &pages), Ok(after));
            let fresh = pages.keys().filter(|id| !old.contains_key(id)).count();
            assert!(fresh <= 8, "{fresh} new pages");
        }
    }

    #[test]
    fn entries_of_many_extents_make_smaller_pages() {
        let mut entries = entries(40);
        for entry in &mut entries {
            let extent = entry.extents[0];
            entry.extents = vec![extent; 2000];
            (entry.logical_end, entry.stored_length) = (400_000, 400_000);
        }
        let (root, pages) = tree(&entries);
        assert_eq!(all(root, &pages), Ok(entries));
        assert!(pages.values().all(|bytes| bytes.len() <= limits::PAGE_TARGET_MAX + 100));
    }

    #[test]
    fn a_range_reads_only_the_pages_it_needs() {
        let entries = entries(20_000);
        let (root, pages) = tree(&entries);
        let key = |number| EntryKey {
            name: SegmentName { number: Token::new(number).unwrap(), version: 0 },
            flawed: None,
        };
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..50 {
            let from = random.u64(0..200_000);
            let range = key(from)..key(from + random.u64(0..500));
            let mut reads = 0;
            let found = load_range(root, &range, &mut |id| {
                reads += 1;
                Ok::<_, Infallible>(pages[&id].clone())
            });
            let expected: Vec<_> =
                entries.iter().filter(|entry| range.contains(&entry.key())).cloned().collect();
            assert_eq!(found, Ok(expected));
            assert!(reads <= 12, "{reads}");
        }
        let last = load_range(root, &(Bound::Excluded(key(199_980)), Bound::Unbounded), &mut |id| {
            Ok::<_, Infallible>(pages[&id].clone())
        });
        assert_eq!(last.unwrap().len(), 1);
    }

    #[test]
    fn a_page_that_is_missing_or_under_another_name_is_found() {
        let (root, pages) = tree(&entries(300));
        let Page::Node { children, .. } = Page::decode(&pages[&root]).unwrap() else { panic!() };
        let mut missing = pages.clone();
        missing.remove(&children[1].page);
        assert_eq!(all(root, &missing), Err(LoadError::Get("missing")));
        let mut swapped = pages.clone();
        swapped.insert(children[1].page, pages[&children[2].page].clone());
        assert!(matches!(all(root, &swapped), Err(LoadError::Page { .. })));
        let mut looped = pages.clone();
        looped.insert(children[0].page, pages[&root].clone());
        assert!(matches!(all(root, &looped), Err(LoadError::Page { .. })));
    }

    #[test]
    fn what_a_node_says_of_a_page_is_held_against_it() {
        let leaf = Page::Leaf(vec![full(1), full(2)]);
        let name = |page: &Page| Naming::Blake3.page(&page.encode());
        let over = |level, page, entries| {
            let child = Child { page, first: full(1).key(), entries };
            Page::Node { level, children: vec![child] }
        };
        let good = over(1, name(&leaf), 2);
        let read = |root: &Page| {
            let known = [&leaf, &good, root].map(|page| (name(page), page.encode()));
            all(name(root), &Pages::from(known))
        };
        assert_eq!(read(&good), Ok(vec![full(1), full(2)]));
        assert_eq!(read(&over(2, name(&good), 2)), Ok(vec![full(1), full(2)]));
        let first = |number| {
            let child = Child { page: name(&leaf), first: full(number).key(), entries: 2 };
            Page::Node { level: 1, children: vec![child] }
        };
        assert_eq!(read(&first(1)), Ok(vec![full(1), full(2)]));
        for bad in [
            first(0),
            first(2),
            over(1, name(&leaf), 1),
            over(1, name(&leaf), 3),
            over(2, name(&leaf), 2),
            over(1, name(&good), 2),
            over(3, name(&good), 2),
        ] {
            assert!(matches!(read(&bad), Err(LoadError::Page { .. })), "{bad:?}");
        }
    }

    #[test]
    fn keys_rise_over_all_pages() {
        let name = |page: &Page| Naming::Blake3.page(&page.encode());
        let read = |numbers: [u64; 4]| {
            let [a, b, c, d] = numbers.map(full);
            let leaves = [Page::Leaf(vec![a, b]), Page::Leaf(vec![c, d])];
            let child = |leaf: &Page| Child { page: name(leaf), first: leaf.first().unwrap(), entries: 2 };
            let root = Page::Node { level: 1, children: leaves.iter().map(child).collect() };
            let [one, other] = &leaves;
            all(name(&root), &Pages::from([one, other, &root].map(|page| (name(page), page.encode()))))
        };
        assert_eq!(read([1, 3, 5, 7]).unwrap().len(), 4);
        for numbers in [[1, 5, 5, 7], [1, 6, 5, 7], [1, 9, 5, 7]] {
            assert!(matches!(read(numbers), Err(LoadError::Page { .. })), "{numbers:?}");
        }
    }

    #[test]
    fn a_page_that_was_cut_or_is_out_of_order_is_damage() {
        let leaf = Page::Leaf(vec![full(1), full(2)]);
        let child = |number| Child { page: PageId([1; 32]), first: full(number).key(), entries: 1 };
        let node = Page::Node { level: 1, children: vec![child(1), child(2)] };
        for page in [&leaf, &node] {
            let bytes = page.encode();
            assert_eq!(Page::decode(&bytes).as_ref(), Ok(page));
            assert!(Page::decode(&[&bytes[..], b"x"].concat()).is_err());
            for length in 0..bytes.len() {
                assert!(Page::decode(&bytes[..length]).is_err());
            }
        }
        for bad in [
            Page::Leaf(vec![full(2), full(1)]),
            Page::Leaf(vec![full(1), full(1)]),
            Page::Leaf(entries(129)),
            Page::Node { level: 1, children: vec![] },
            Page::Node { level: 1, children: vec![child(2), child(1)] },
            Page::Node { level: 1, children: vec![Child { entries: 0, ..child(1) }] },
            Page::Node { level: limits::PAGE_LEVEL_MAX + 1, children: vec![child(1)] },
        ] {
            assert!(matches!(Page::decode(&bad.encode()), Err(Damage::Bytes { .. })));
        }
    }

    #[test]
    fn damaged_pages_never_panic() {
        let mut random = fastrand::Rng::with_seed(6);
        let good = Page::Leaf(entries(3)).encode();
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            if let Ok(page) = Page::decode(&bytes) {
                assert_eq!(page.encode(), bytes);
            }
        }
    }
}
