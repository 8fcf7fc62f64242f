//! Finds contexts, stores and segments in a directory, by the names and kinds of files alone.
//!
//! A context is a directory with at least one data file (`.events`, `.snapshots`) directly in it. Symbolic links are followed. What
//! can't be read, or can't be told apart, is an error and never left out silently.

use crate::axon::name::FileKind;
use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::name::classify;
use crate::source::directory::{Directory, Looks, Names};
use crate::source::error::Error;
use crate::source::listing::{ContextListing, FileFacts, Listing, StoreFile, StoreListing};
use crate::source::storage::Storage;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often a listing is begun again because a file went away while it was made.
const ATTEMPTS: usize = 3;
/// What `st_blocks` counts in, whatever the file system's own blocks are.
const STAT_BLOCK: u64 = 512;

/// How closely files are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// By name alone: lengths and times are 0.
    Names,
    /// With lengths and times.
    Files,
}

/// All contexts in `directory`. Empty if there are none.
pub(super) fn contexts(directory: &Path) -> Result<Listing, Error> {
    contexts_of(&Storage::in_one(directory), Look::Files)
}

/// All contexts of a node. Empty if there are none.
pub(super) fn contexts_of(storage: &Storage, look: Look) -> Result<Listing, Error> {
    let mut attempt = 1;
    loop {
        match contexts_once(storage, look) {
            // A server that compacts removes files at any moment; what is there then is seen by looking again.
            Err(Error::Vanished { .. }) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

fn contexts_once(storage: &Storage, look: Look) -> Result<Listing, Error> {
    let mut found = Listing::default();
    for ((name, store), path) in &storage.own {
        add_directory(&mut found, path, || Ok(name.clone()), &[*store], look)?;
    }
    let own = own_directories(storage);
    for (root, stores) in storage.roots() {
        for path in subdirectories(root)? {
            let stores = not_own(&own, &path, &stores);
            if !stores.is_empty() {
                add_directory(&mut found, &path, || context_name(&path), &stores, look)?;
            }
        }
    }
    found.contexts.retain(|name, context| !found.dcb.contains(name) && !is_empty(context));
    found.contexts.values_mut().for_each(tell_open);
    Ok(found)
}

/// Adds what a directory holds of these stores to the context of this name. One that holds nothing may be called what it likes.
fn add_directory(
    found: &mut Listing,
    path: &Path,
    name: impl FnOnce() -> Result<String, Error>,
    stores: &[Store],
    look: Look,
) -> Result<(), Error> {
    let directory = Directory::open(path)?;
    let inside = directory.names()?;
    if is_dcb(path, &inside)? {
        found.dcb.insert(name()?);
    } else if let Some(listing) = sort_out(&directory, &inside, look)? {
        add(found, &name()?, listing, stores);
    }
    Ok(())
}

/// The directories of stores that have one of their own. They may lie in a root; what they are called there names no context.
fn own_directories(storage: &Storage) -> BTreeSet<(PathBuf, Store)> {
    storage.own.iter().map(|((_, store), path)| (real(path), *store)).collect()
}

/// Those of `stores` that this directory is not somebody's own for: that has been read already.
fn not_own(own: &BTreeSet<(PathBuf, Store)>, path: &Path, stores: &[Store]) -> Vec<Store> {
    if own.is_empty() {
        return stores.to_vec();
    }
    let real = real(path);
    stores.iter().copied().filter(|store| !own.contains(&(real.clone(), *store))).collect()
}

/// Where symbolic links lead. A path that can't be followed is its own: whoever opens it says what is wrong.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Adds what one directory has of a context. What is in two directories is being moved from one to the other: the one that came first counts.
fn add(found: &mut Listing, name: &str, mut listing: ContextListing, stores: &[Store]) {
    let context = found.contexts.entry(name.to_owned()).or_default();
    for store in stores {
        let (known, more) = (store_mut(context, *store), std::mem::take(store_mut(&mut listing, *store)));
        known.in_progress.extend(more.in_progress);
        if known.segments.is_empty() {
            known.segments = more.segments;
            continue;
        }
        let names: BTreeSet<SegmentName> = known.segments.iter().map(|file| file.name).collect();
        known.segments.extend(more.segments.into_iter().filter(|file| !names.contains(&file.name)));
        known.segments.sort_by_key(|file| file.name);
    }
}

fn is_empty(context: &ContextListing) -> bool {
    context.snapshots.segments.is_empty() && context.events.segments.is_empty()
}

/// A server appends to the current version of its newest segment only. Whoever asks a running server knows better; directories alone say no
/// more.
fn tell_open(context: &mut ContextListing) {
    for store in Store::ALL {
        let segments = &mut store_mut(context, store).segments;
        let last = segments.len().saturating_sub(1);
        for (at, file) in segments.iter_mut().enumerate() {
            file.is_volatile = at == last;
        }
    }
}

/// Whether `directory`, which has these entries, or one in it, is a store of `RocksDB`: a context of the newer kind (DCB).
fn is_dcb(directory: &Path, names: &Names) -> Result<bool, Error> {
    let all = names.all();
    if is_rocks(&all) {
        return Ok(true);
    }
    if all.iter().any(|name| matches!(kind(name), FileKind::Data { .. })) {
        return Ok(false);
    }
    for name in names.sorted() {
        let path = inside(directory, name);
        if metadata(&path)?.is_dir() && entries(&path).is_ok_and(|names| is_rocks(&names.all())) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_rocks(names: &[&OsStr]) -> bool {
    let has = |begin: &[u8]| names.iter().any(|name| name.as_encoded_bytes().starts_with(begin));
    has(b"CURRENT") && has(b"MANIFEST-")
}

/// Whether any directory in `directory` is a context.
pub(super) fn holds_contexts(directory: &Path) -> Result<bool, Error> {
    for path in subdirectories(directory)? {
        if holds_data(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a data file is directly in a directory: no more of it is read than it takes to know.
fn holds_data(directory: &Path) -> Result<bool, Error> {
    let failed = |source| Error::on_listed(directory, source);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if matches!(kind(&name), FileKind::Data { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Hidden directories in `directory` that have data files: they are passed over. What can't be looked into is no concern of ours.
pub(super) fn hidden_data(directory: &Path) -> Vec<PathBuf> {
    let Ok(names) = entries(directory) else { return Vec::new() };
    let hidden =
        names.sorted().into_iter().filter(|name| is_hidden(name)).map(|name| inside(directory, name));
    hidden.filter(|path| holds_data(path).unwrap_or(false)).collect()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The directories in `directory` that can be contexts, sorted. Hidden ones are none: no context's name begins with a dot, but
/// file systems, `rsync` and the like keep copies in such directories.
fn subdirectories(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for name in entries(directory)?.sorted() {
        let path = inside(directory, name);
        if !is_hidden(name) && metadata(&path)?.is_dir() && !is_lost_and_found(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

/// `lost+found` belongs to the file system, and often only root may look into it.
fn is_lost_and_found(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("lost+found"))
}

fn context_name(path: &Path) -> Result<String, Error> {
    let name = path.file_name().and_then(OsStr::to_str);
    name.map(str::to_owned).ok_or_else(|| Error::NotUtf8 { path: path.to_path_buf() })
}

/// What is in one directory; none if it is no context.
pub(super) fn context(directory: &Path) -> Result<Option<ContextListing>, Error> {
    let directory = Directory::open(directory)?;
    sort_out(&directory, &directory.names()?, Look::Files)
}

/// What of these entries of a directory belongs to a context; none if it is no context. Which of several errors is said does not depend on
/// the file system's order: where there is one, the entries are gone through once more, sorted.
fn sort_out(directory: &Directory<'_>, names: &Names, look: Look) -> Result<Option<ContextListing>, Error> {
    sort_out_in_order(directory, &names.all(), look)
        .or_else(|_| sort_out_in_order(directory, &names.sorted(), look))
}

fn sort_out_in_order(
    directory: &Directory<'_>,
    names: &[&OsStr],
    look: Look,
) -> Result<Option<ContextListing>, Error> {
    let mut listing = ContextListing::default();
    // Most are segments of events.
    listing.events.segments.reserve(names.len());
    let mut misnamed = None;
    for entry in names {
        let path = || inside(directory.path, entry);
        match kind(entry) {
            FileKind::Data { store, name, .. } => {
                let file = store_file((directory, entry), (store, name), look)?;
                store_mut(&mut listing, store).segments.push(file);
            }
            FileKind::InProgress => {
                store_mut(&mut listing, store_in_progress(entry)).in_progress.push(path());
            }
            FileKind::Misnamed => misnamed = misnamed.into_iter().chain([path()]).min(),
            FileKind::Index { .. } | FileKind::GlobalIndex | FileKind::Other => {}
        }
    }
    if listing.snapshots.segments.is_empty() && listing.events.segments.is_empty() {
        return Ok(None);
    }
    if let Some(path) = misnamed {
        return Err(Error::Misnamed { path });
    }
    settle(&mut listing.snapshots)?;
    settle(&mut listing.events)?;
    Ok(Some(listing))
}

/// Puts a store in order: sorted, no segment twice, sealed told from open.
fn settle(store: &mut StoreListing) -> Result<(), Error> {
    store
        .segments
        .sort_unstable_by(|one, other| one.name.cmp(&other.name).then_with(|| one.path.cmp(&other.path)));
    store.in_progress.sort_unstable();
    let pairs = store.segments.iter().zip(store.segments.iter().skip(1));
    for (one, other) in pairs {
        if one.name == other.name {
            return Err(Error::Twice { one: one.path.to_path_buf(), other: other.path.to_path_buf() });
        }
    }
    // A server appends to the current version of its newest segment only. Whoever asks a running server knows better; a directory
    // alone says no more.
    if let Some(newest) = store.segments.last_mut() {
        newest.is_volatile = true;
    }
    Ok(())
}

fn store_file(
    (directory, entry): (&Directory<'_>, &OsStr),
    (store, name): (Store, SegmentName),
    look: Look,
) -> Result<StoreFile, Error> {
    let path = inside(directory.path, entry).into();
    let mut file = StoreFile { store, name, path, length: 0, on_disk: 0, modified_ns: 0, is_volatile: false };
    if look == Look::Files {
        let looks = directory.look(entry).or_else(|_| metadata(&file.path).map(|found| looks(&found)))?;
        if !looks.is_file {
            let source = io::Error::other("it is not a regular file");
            return Err(Error::Io { path: file.path.to_path_buf(), source });
        }
        (file.length, file.modified_ns) = (looks.length, nanoseconds(looks.modified));
        file.on_disk = looks.blocks.saturating_mul(STAT_BLOCK);
    }
    Ok(file)
}

fn looks(metadata: &Metadata) -> Looks {
    Looks {
        is_file: metadata.is_file(),
        length: metadata.len(),
        blocks: metadata.blocks(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}

/// Modification time, nanoseconds since 1970; at the ends of what 64 bits hold for times beyond them.
pub(super) fn modified_ns(metadata: &Metadata) -> i64 {
    nanoseconds((metadata.mtime(), metadata.mtime_nsec()))
}

fn nanoseconds((seconds, beyond): (i64, i64)) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(beyond)
}

/// How a file looks; none if it is not there, or is no file.
pub(super) fn file_facts(path: &Path) -> Result<Option<FileFacts>, Error> {
    match metadata(path) {
        Err(Error::Vanished { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Ok(None),
        Ok(found) => Ok(Some(FileFacts { length: found.len(), modified_ns: modified_ns(&found) })),
    }
}

fn store_mut(listing: &mut ContextListing, store: Store) -> &mut StoreListing {
    match store {
        Store::Snapshots => &mut listing.snapshots,
        Store::Events => &mut listing.events,
    }
}

/// The store that a file being written belongs to: suffixes of the snapshot store are `.snapshots`, `.sindex`, `.sbloom`, `.snindex`.
fn store_in_progress(name: &OsStr) -> Store {
    let name = name.to_string_lossy();
    if name.contains(".s") { Store::Snapshots } else { Store::Events }
}

fn kind(name: &OsStr) -> FileKind {
    match name.to_str() {
        Some(name) => classify(name),
        // What is not UTF-8 loses bytes here; none of them can be part of a number, so no segment is mistaken for another.
        None => classify(&name.to_string_lossy()),
    }
}

/// The names of all entries of a directory.
fn entries(directory: &Path) -> Result<Names, Error> {
    Directory::open(directory)?.names()
}

/// The path of an entry, without more room than it takes, and without taking room twice.
fn inside(directory: &Path, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    path.push(name);
    path
}

/// Follows symbolic links; one that leads nowhere is an I/O error.
fn metadata(path: &Path) -> Result<Metadata, Error> {
    fs::metadata(path).map_err(|source| Error::on_listed(path, source))
}
