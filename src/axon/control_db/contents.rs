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
    let mut walk = Walk { file: inner, chunks, pages: 0 };
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
    pages: usize,
}

/// Trees are never deeper.
const DEPTH: u32 = 64;
/// Bytes of the smallest page.
const LEAST_PAGE: usize = 9;

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

    /// The map of maps: texts to texts.
    fn texts(&mut self, root: u64) -> Result<BTreeMap<String, String>, WalkError> {
        let mut texts = BTreeMap::new();
        self.leaves(root, DEPTH, &mut |page| {
            if page.compressed {
                return Err(WalkError::Unknown("its pages are compressed"));
            }
            let entries = entries(page.body, page.keys);
            texts.extend(entries.ok_or(WalkError::Inconsistent("the map of maps can't be read"))?);
            Ok(())
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
        self.pages += 1;
        if depth == 0 || self.pages > self.file.len() / LEAST_PAGE {
            return Err(WalkError::Inconsistent("its pages go in circles"));
        }
        let page = self.page(position).ok_or(PAGE)?;
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

/// The entries of a leaf of texts: first all keys, then all values.
fn entries(mut body: Bytes<'_>, count: u64) -> Option<Vec<(String, String)>> {
    let texts = |body: &mut Bytes<'_>| (0..count).map(|_| body.text()).collect::<Option<Vec<_>>>();
    let keys = texts(&mut body)?;
    let values = texts(&mut body)?;
    Some(keys.into_iter().zip(values).collect())
}

/// The name in the description of a map.
fn name_of(text: &str) -> Option<&str> {
    text.split(',').find_map(|pair| pair.strip_prefix("name:"))
}
