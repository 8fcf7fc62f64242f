//! Directories that were named, and have nothing: mount points of file systems that are not mounted look so.

use crate::axon::name::Store;
use crate::source::listing::{Listing, Remark};
use crate::source::scan;
use crate::source::storage::Storage;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Contexts whose own directories have no data file, and tiers without a context where a history begins above token 0.
pub(super) fn remarks(storage: &Storage, listing: &Listing) -> Vec<Remark> {
    own(storage, listing).into_iter().chain(tiers(storage, listing)).collect()
}

/// A server makes a file of each store with a context: one that has none is not left out without a word.
fn own(storage: &Storage, listing: &Listing) -> Vec<Remark> {
    let is_found = |name: &String| listing.contexts.contains_key(name) || listing.dcb.contains(name);
    let lost: BTreeSet<(&String, &Path)> = storage
        .own
        .iter()
        .filter(|((name, _), _)| !is_found(name))
        .map(|((name, _), path)| (name, path.as_path()))
        .collect();
    let remark = |(name, path): (&String, &Path)| {
        let text = format!(
            "{}, which was named as a directory of the context {name}, has no data file: {name} is not archived; is it mounted?",
            path.display()
        );
        Remark { what: "bare-directory", is_warning: true, context: Some(name.clone()), text }
    };
    lost.into_iter().map(remark).collect()
}

/// A tier that holds nothing is as it should be on a young server only: there all segments are where they were written.
fn tiers(storage: &Storage, listing: &Listing) -> Vec<Remark> {
    let all = [(Store::Events, &storage.events), (Store::Snapshots, &storage.snapshots)];
    let begins_late = |store: Store| {
        let mut first = listing.contexts.values().filter_map(|found| found.store(store).segments.first());
        first.any(|file| file.name.number.get() > 0)
    };
    let tiers: BTreeSet<&Path> = all
        .into_iter()
        .filter(|(store, _)| begins_late(*store))
        .flat_map(|(_, paths)| paths.iter().skip(1).map(PathBuf::as_path))
        .filter(|path| matches!(scan::holds_contexts(path), Ok(false)))
        .collect();
    let remark = |path: &Path| {
        let text = format!(
            "{}, which was named as a directory of older segments, has none, and not every history begins at token 0: is it mounted?",
            path.display()
        );
        Remark { what: "bare-directory", is_warning: true, context: None, text }
    };
    tiers.into_iter().map(remark).collect()
}
