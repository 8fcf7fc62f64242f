//! Where lost chunks may still be had: another repository, or a data directory. Whatever comes from there is proven by its hash.

use crate::axon::control_db::take_apart;
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::repair::stop_if_interrupted;
use crate::engine::verify::{Diagnosis, LostEntry};
use crate::repo::format::entry::{Extent, encode_extents};
use crate::repo::format::id::{ChunkId, Naming};
use crate::repo::format::limits::{CONTROL_DB_CHUNK, CONTROL_DB_MAX};
use crate::repo::format::pack::PackKind;
use crate::repo::store::Repository;
use crate::source::Source;
use crate::source::listing::{Listing, StoreFile};
use std::collections::BTreeSet;

/// What a repair takes from elsewhere.
pub enum Supply<'a> {
    /// Another repository: a copy of this one, or one of another node of the same cluster.
    Repository(&'a Repository),
    /// A data directory, and control-db zips that may fit.
    Source {
        /// The directory.
        source: &'a mut dyn Source,
        /// Zips, as they are read one by one.
        zips: Vec<Vec<u8>>,
    },
}

/// Takes what was found.
pub type Sink<'s> = &'s mut dyn FnMut(PackKind, ChunkId, Vec<u8>) -> Result<(), Error>;

impl Supply<'_> {
    /// Hands over every lost chunk that can be had.
    pub fn fetch(
        &mut self,
        diagnosis: &Diagnosis,
        naming: Naming,
        observer: &dyn Observer,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        match self {
            Supply::Repository(other) => from_repository(other, diagnosis, observer, sink),
            Supply::Source { source, zips } => {
                let listing = source.listing()?;
                for lost in &diagnosis.entries {
                    stop_if_interrupted(observer)?;
                    from_files(&**source, &listing, lost, diagnosis, naming, sink)?;
                }
                zips.iter().try_for_each(|zip| from_zip(zip, diagnosis, naming, sink))
            }
        }
    }
}

fn from_repository(
    other: &Repository,
    diagnosis: &Diagnosis,
    observer: &dyn Observer,
    sink: Sink<'_>,
) -> Result<(), Error> {
    for chunk in &diagnosis.lost {
        stop_if_interrupted(observer)?;
        // What it does not have, or has damaged, is no error of ours.
        if let Ok(bytes) = other.chunk(*chunk) {
            sink(diagnosis.kind_of(*chunk), *chunk, bytes.to_vec())?;
        }
    }
    Ok(())
}

/// A segment's file of the same number and version: where a chunk lay, the same bytes may lie.
fn from_files(
    source: &dyn Source,
    listing: &Listing,
    lost: &LostEntry,
    diagnosis: &Diagnosis,
    naming: Naming,
    sink: Sink<'_>,
) -> Result<(), Error> {
    for file in files_of(listing, lost) {
        // A file that can't be opened has no chunk for us.
        let Ok(bytes) = source.open(file) else { continue };
        for (at, chunk, length) in lost.extents(&diagnosis.lost) {
            let mut buffer = vec![0; usize::try_from(length).unwrap_or(0)];
            let read = bytes.read_at(at, &mut buffer).unwrap_or(0);
            if read == buffer.len() && naming.chunk(&buffer) == chunk {
                sink(diagnosis.kind_of(chunk), chunk, buffer)?;
            }
        }
    }
    Ok(())
}

fn files_of<'l>(listing: &'l Listing, lost: &'l LostEntry) -> impl Iterator<Item = &'l StoreFile> {
    let stores =
        lost.stores.iter().filter_map(|(context, store)| Some(listing.contexts.get(context)?.store(*store)));
    stores.flat_map(|store| &store.segments).filter(|file| file.name == lost.entry.name)
}

/// The chunks of a control database, and the list of them.
fn from_zip(zip: &[u8], diagnosis: &Diagnosis, naming: Naming, sink: Sink<'_>) -> Result<(), Error> {
    let Ok(apart) = take_apart(zip, CONTROL_DB_MAX) else { return Ok(()) };
    let mut wanted: BTreeSet<ChunkId> = diagnosis.lost.clone();
    for content in [apart.inner.as_slice(), zip] {
        let mut extents = Vec::new();
        for piece in content.chunks(CONTROL_DB_CHUNK) {
            let chunk = naming.chunk(piece);
            extents.push(Extent { chunk, length: u32::try_from(piece.len()).unwrap_or(u32::MAX) });
            if wanted.remove(&chunk) {
                sink(PackKind::ControlDb, chunk, piece.to_vec())?;
            }
        }
        let list = encode_extents(&extents);
        if wanted.remove(&naming.chunk(&list)) {
            sink(PackKind::ControlDb, naming.chunk(&list), list)?;
        }
    }
    Ok(())
}
