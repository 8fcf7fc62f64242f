//! Decodes every block on disk, and compares all that is in it with what was erased: chunks by their names, events by their hashes.

use crate::axon::segment::{Step, Walker};
use crate::axon::token::Token;
use crate::engine::erase::lists;
use crate::engine::erase::report::Proof;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::prune::Skipped;
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, ContentHash, PackId};
use crate::repo::format::pack::{Block, PackKind};
use crate::repo::format::time_map;
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::Repository;
use std::collections::HashSet;

/// The header of a segment: its version, and flags.
const FIRST_OF_HEADER: u8 = 2;

/// What was erased of a context.
#[derive(Default)]
pub struct Erased {
    /// Hashes of events.
    pub hashes: HashSet<ContentHash>,
    /// Names of chunks.
    pub chunks: HashSet<ChunkId>,
}

impl Erased {
    /// What the acts say.
    pub fn by_acts(repository: &Repository, source: &str, context: &str) -> Result<Self, Error> {
        let mut erased = Self::default();
        for act in repository.acts()?.0 {
            if let Deed::Erased { source: of, context: within, chunks, hashes, .. } = act.deed
                && of == source
                && within == context
            {
                erased.chunks.extend(chunks);
                erased.hashes.extend(hashes);
            }
        }
        Ok(erased)
    }
}

/// Reads everything.
pub fn prove(repository: &Repository, erased: &Erased, observer: &dyn Observer) -> Result<Proof, Error> {
    let packs = paths::packs(repository.disk())?;
    observer.event(&Event::Phase { name: "reading every block", total: Some(packs.values().sum()) });
    let mut prover =
        Prover { repository, erased, again: again(repository, erased)?, proof: Proof::default() };
    prover.proof.hashes = erased.hashes.len() as u64;
    prover.proof.names = erased.chunks.len() as u64;
    prover.proof.unreadable = lists::orphans(repository)?;
    for (pack, length) in packs {
        prover.pack(pack, length, observer)?;
        observer.event(&Event::Bytes(length));
    }
    Ok(prover.proof)
}

/// Erased chunks that records of today name: a backup has found them at the source, and archived them anew. (Old versions of events are not archived
/// again; snapshots are.)
fn again(repository: &Repository, erased: &Erased) -> Result<HashSet<ChunkId>, Error> {
    let mut found = HashSet::new();
    for key in repository.logs()? {
        for entry in repository.newest_entries(&key)?.unwrap_or_default() {
            let chunks = entry.extents.iter().map(|extent| extent.chunk);
            found.extend(chunks.filter(|chunk| erased.chunks.contains(chunk)));
        }
    }
    Ok(found)
}

struct Prover<'a> {
    repository: &'a Repository,
    erased: &'a Erased,
    again: HashSet<ChunkId>,
    proof: Proof,
}

impl Prover<'_> {
    fn pack(&mut self, pack: PackId, length: u64, observer: &dyn Observer) -> Result<(), Error> {
        self.proof.packs = self.proof.packs.saturating_add(1);
        let path = self.repository.disk().display(&paths::pack(pack));
        let directory = match read_directory(self.repository.disk(), pack, length) {
            Ok(directory) => directory,
            Err(error) => {
                self.proof.unreadable.push(Skipped { path, why: error.to_string() });
                return Ok(());
            }
        };
        for block in &directory.blocks {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            self.block(pack, (&path, directory.kind), block);
        }
        Ok(())
    }

    fn block(&mut self, pack: PackId, (path, kind): (&str, PackKind), block: &Block) {
        self.proof.blocks = self.proof.blocks.saturating_add(1);
        for place in &block.chunks {
            self.proof.chunks = self.proof.chunks.saturating_add(1);
            if self.erased.chunks.contains(&place.chunk) {
                let mut why = format!("holds chunk {}, which was erased", place.chunk);
                if self.again.contains(&place.chunk) {
                    why += ", and was archived again since: the source still had it";
                }
                self.proof.found.push(Skipped { path: path.to_owned(), why });
            }
        }
        let of_segments = matches!(kind, PackKind::Sealed | PackKind::Tail);
        match self.repository.block(pack, block) {
            Ok(read) => block.chunks.iter().for_each(|place| {
                let from = usize::try_from(place.offset).unwrap_or(usize::MAX);
                let to = from.saturating_add(usize::try_from(place.length).unwrap_or(usize::MAX));
                self.chunk(path, read.raw.get(from..to).unwrap_or_default(), of_segments);
            }),
            Err(error) => {
                self.proof.unreadable.push(Skipped { path: path.to_owned(), why: error.to_string() });
            }
        }
    }

    /// A chunk of a segment: transactions, behind the header of the file in the first one. (A transaction whose size begins with such a byte is longer
    /// than a chunk.) Other chunks are none, and soon end.
    fn chunk(&mut self, path: &str, bytes: &[u8], of_segments: bool) {
        let with_header = bytes.first() == Some(&FIRST_OF_HEADER);
        let whole = self.transactions(path, bytes, with_header) || bytes.starts_with(&time_map::MAGIC);
        self.proof.pieces = self.proof.pieces.saturating_add(u64::from(of_segments && !whole));
    }

    /// Whether it is nothing but transactions.
    fn transactions(&mut self, path: &str, bytes: &[u8], with_header: bool) -> bool {
        // A walk begins behind a header: one is put before a chunk from the middle.
        let owned: Vec<u8>;
        let bytes = if with_header {
            bytes
        } else {
            owned = [&[FIRST_OF_HEADER, 0, 0, 0, 0], bytes].concat();
            &owned
        };
        let mut walker = Walker::new(Token::ZERO, bytes.len() as u64);
        loop {
            let at = usize::try_from(walker.offset()).unwrap_or(usize::MAX);
            match walker.step(bytes.get(at..).unwrap_or_default()) {
                Step::Transaction(transaction) => {
                    transaction.event_bytes().for_each(|event| self.event(path, event));
                }
                Step::NeedMore(_) | Step::End(_) => break,
            }
        }
        walker.offset() == bytes.len() as u64
    }

    fn event(&mut self, path: &str, bytes: &[u8]) {
        self.proof.events = self.proof.events.saturating_add(1);
        let mut hasher = self.repository.naming().hasher();
        hasher.update(bytes);
        if self.erased.hashes.contains(&hasher.content()) {
            let why = "holds an event that was erased".to_owned();
            self.proof.found.push(Skipped { path: path.to_owned(), why });
        }
    }
}
