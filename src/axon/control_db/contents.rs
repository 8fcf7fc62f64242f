//! What lies in a control database of format 1, read without Java: its maps and how many entries each has.
//!
//! The walk proves that a file is complete and fits together: every chunk that is in use is whole, every page is where its
//! parent says. It does not prove that no bit changed inside a page. Information and warnings, never a reason to refuse.

use crate::axon::control_db::chunks::Bytes;
use crate::axon::control_db::chunks::Chunk;
use crate::axon::control_db::chunks::Page;
use crate::axon::control_db::chunks::chunk_of;
use crate::axon::control_db::facts::BLOCK;
use crate::axon::control_db::facts::facts;
use std::collections::BTreeMap;

/// What a walk through a database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The version of the newest whole chunk: what a server would see.
    pub version: u64,
    /// How many chunks are in use.
    pub chunks: usize,
    /// Behind the newest whole chunk another one begins that is not whole: a server steps back before it.
    pub torn: bool,
    /// The maps by name, and how many entries each has: `table.<n>` is a table, its entries are rows.
    pub maps: BTreeMap<String, u64>,
}

/// Why a database can't be walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// It may well be whole, but this walk doesn't know its form.
    #[error("a form that is not read: {0}")]
    Unknown(&'static str),
    /// It is not complete, or does not fit together.
    #[error("it does not fit together: {0}")]
    Inconsistent(&'static str),
}

/// Walks through the database file `inner`.
pub fn contents(inner: &[u8]) -> Result<Contents, WalkError> {
    let facts = facts(inner).ok_or(WalkError::Inconsistent("no header is valid"))?;
    if facts.format != 1 {
        return Err(WalkError::Unknown("its format is not 1"));
    }
    let (whole, torn) = chunks_of(inner);
    let newest = *whole.last().ok_or(WalkError::Inconsistent("no chunk is whole"))?;
    if facts.version > newest.version {
        return Err(WalkError::Inconsistent("the chunk that its header names is missing"));
    }
    let torn = torn.iter().any(|chunk| chunk.version > newest.version);
    let chunks = whole.into_iter().map(|chunk| (chunk.id, chunk)).collect();
    let mut walk = Walk { file: inner, chunks, left: inner.len() };
    let meta = walk.texts(newest.root)?;
    let chunks = walk.chunks_in_use(&meta)? + 1;
    let maps = walk.maps(&meta)?;
    Ok(Contents { version: newest.version, chunks, torn, maps })
}

/// All chunks in the file that are whole, and those that only begin; old ones that are no longer in use, too. In the order
/// of their versions.
fn chunks_of(file: &[u8]) -> (Vec<Chunk>, Vec<Chunk>) {
    let blocks = 2..(file.len() / BLOCK) as u64;
    let mut chunks: Vec<_> = blocks.filter_map(|block| Chunk::at(file, block)).collect();
    chunks.sort_by_key(|chunk| chunk.version);
    chunks.into_iter().partition(|chunk| chunk.bytes(file).is_some())
}

struct Walk<'a> {
    file: &'a [u8],
    chunks: BTreeMap<u64, Chunk>,
    /// Bytes of pages that may still be read: no page belongs to two others, so all of them together are no longer than the file.
    left: usize,
}

/// Trees are never deeper.
const DEPTH: u32 = 64;
/// Leaves of the map of maps are read up to so many bytes: a real one names some hundred chunks and maps.
const META_MAX: usize = 4 << 20;

const PAGE: WalkError = WalkError::Inconsistent("a page is not where it should be");

impl<'a> Walk<'a> {
    /// How many chunks the map of maps names: all but the newest, in which it lies itself. Each has to be whole.
    fn chunks_in_use(&self, meta: &BTreeMap<String, String>) -> Result<usize, WalkError> {
        let named: Vec<_> = meta.iter().filter(|(key, _)| key.starts_with("chunk.")).collect();
        for (_, text) in &named {
            let chunk = Chunk::described(text);
            let found = chunk.and_then(|chunk| self.chunks.get(&chunk.id));
            if found.is_none() || found.map(|chunk| chunk.block) != chunk.map(|chunk| chunk.block) {
                return Err(WalkError::Inconsistent("a chunk in use is not whole"));
            }
        }
        Ok(named.len())
    }

    /// The maps by name, with their numbers of entries. A map without a root is empty.
    fn maps(&mut self, meta: &BTreeMap<String, String>) -> Result<BTreeMap<String, u64>, WalkError> {
        let mut maps = BTreeMap::new();
        for (key, text) in meta {
            let Some(id) = key.strip_prefix("map.") else { continue };
            let root = meta.get(&format!("root.{id}")).map(|root| u64::from_str_radix(root, 16));
            let root = root.transpose().map_err(|_| WalkError::Inconsistent("a root is no position"))?;
            let mut entries = 0_u64;
            self.leaves(root.unwrap_or(0), DEPTH, &mut |page| {
                entries = entries.saturating_add(page.keys);
                Ok(())
            })?;
            maps.insert(name_of(text).unwrap_or(id).to_owned(), entries);
        }
        Ok(maps)
    }

    /// The map of maps: texts to texts, as far as they are about chunks and maps.
    fn texts(&mut self, root: u64) -> Result<BTreeMap<String, String>, WalkError> {
        let mut texts = BTreeMap::new();
        let mut read = 0;
        self.leaves(root, DEPTH, &mut |page| {
            if page.compressed {
                return Err(WalkError::Unknown("its pages are compressed"));
            }
            read += page.length;
            if read > META_MAX {
                return Err(WalkError::Unknown("its map of maps is too long"));
            }
            take_entries(page.body, page.keys, &mut texts)
                .ok_or(WalkError::Inconsistent("the map of maps can't be read"))
        })?;
        Ok(texts)
    }

    /// Shows each leaf below the page at `position` to `see`; position 0 is no page.
    fn leaves(
        &mut self,
        position: u64,
        depth: u32,
        see: &mut dyn FnMut(&Page<'a>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        if position == 0 {
            return Ok(());
        }
        let page = self.page(position).ok_or(PAGE)?;
        let left = self.left.checked_sub(page.length);
        self.left = left.filter(|_| depth > 0).ok_or(WalkError::Inconsistent("its pages go in circles"))?;
        if page.children.is_empty() {
            return see(&page);
        }
        page.children.iter().try_for_each(|child| self.leaves(*child, depth - 1, see))
    }

    fn page(&self, position: u64) -> Option<Page<'a>> {
        let chunk = self.chunks.get(&chunk_of(position))?;
        Page::at(position, chunk.bytes(self.file)?)
    }
}

/// Takes the entries of a leaf of texts that are about chunks and maps: first come all keys, then all values.
fn take_entries(mut keys: Bytes<'_>, count: u64, texts: &mut BTreeMap<String, String>) -> Option<()> {
    let mut values = keys;
    values.skip_texts(count)?;
    for _ in 0..count {
        let (key, value) = (keys.text()?, values.text()?);
        if ["chunk.", "map.", "root."].iter().any(|begin| key.starts_with(begin)) {
            texts.insert(key, value);
        }
    }
    Some(())
}

/// The name in the description of a map.
fn name_of(text: &str) -> Option<&str> {
    text.split(',').find_map(|pair| pair.strip_prefix("name:"))
}
