//! Which contexts are archived, and what changed between two listings.

use crate::axon::name::SegmentName;
use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::error::Error;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::source::listing::ContextListing;
use crate::source::listing::Listing;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The contexts that are there and not wanted. One that is named and not there is an error, but for one that was there once (it is one of
/// `archived`): that a wanted one is gone is for the point to say, which holds the others.
pub fn left_out(
    listing: &Listing,
    options: &BackupOptions,
    archived: &BTreeSet<&str>,
) -> Result<Vec<String>, Error> {
    let all = || listing.contexts.keys().chain(&listing.dcb);
    let is_there = |name: &String| listing.contexts.contains_key(name) || listing.dcb.contains(name);
    let missing = |name: &String| {
        let present = all().map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::Backup(backup::Error::NoSuchContext { name: name.clone(), present })
    };
    let mut named = options.contexts.iter().chain(&options.excluded);
    if let Some(name) = named.find(|name| !is_there(name) && !archived.contains(name.as_str())) {
        return Err(missing(name));
    }
    if !listing.contexts.keys().any(|name| is_wanted(name, options)) {
        let gone = options.contexts.iter().find(|name| !is_there(name));
        return Err(gone.map_or_else(|| nothing(listing, options), missing));
    }
    Ok(all().filter(|name| !is_wanted(name, options)).cloned().collect())
}

/// Why nothing is left to archive.
fn nothing(listing: &Listing, options: &BackupOptions) -> Error {
    let dcb = listing.dcb.iter().find(|name| is_wanted(name, options));
    let only = |name: &String| backup::Error::OnlyDcb { name: name.clone() };
    Error::Backup(dcb.map_or(backup::Error::NothingLeft, only))
}

/// Whether the user wants a context.
pub fn is_wanted(name: &String, options: &BackupOptions) -> bool {
    (options.contexts.is_empty() || options.contexts.contains(name)) && !options.excluded.contains(name)
}

/// Contexts that are wanted, and that this program can't archive.
pub fn skipped(listing: &Listing, options: &BackupOptions) -> Vec<Finding> {
    let wanted = listing.dcb.iter().filter(|name| is_wanted(name, options));
    let finding = |name: &String| {
        let text = format!(
            "{name} is a DCB context: it is not archived; have the server back it up (POST /v2/backup), and leave it out here with \
             --exclude-context {name}"
        );
        Finding { context: Some(name.clone()), ..Finding::new(Weight::Warning, "dcb", text) }
    };
    wanted.map(finding).collect()
}

/// A listing without what is left out.
pub fn keep<'l>(listing: &'l Listing, left_out: &[String]) -> Cow<'l, Listing> {
    if !left_out.iter().any(|name| listing.contexts.contains_key(name)) {
        return Cow::Borrowed(listing);
    }
    let mut kept = listing.clone();
    kept.contexts.retain(|name, _| !left_out.contains(name));
    Cow::Owned(kept)
}

/// Whether a version came or went between two listings, or a segment vanished. Segments that are new at the end are no change.
pub fn changed(before: &Listing, now: &Listing) -> Option<String> {
    before.contexts.iter().find_map(|(name, context)| match now.contexts.get(name) {
        None => Some(format!("context {name} vanished")),
        Some(now) => Store::ALL.into_iter().find_map(|store| {
            changed_store(context, now, store).map(|what| format!("{store} of {name}: {what}"))
        }),
    })
}

fn changed_store(before: &ContextListing, now: &ContextListing, store: Store) -> Option<String> {
    if is_plainly_continued(before, now, store) {
        return None;
    }
    let (before, now) = (versions(before, store), versions(now, store));
    let newest = before.keys().next_back();
    let came = now.keys().find(|number| Some(*number) < newest && !before.contains_key(number));
    if let Some(number) = came {
        return Some(format!("segment {number} came"));
    }
    before.iter().find_map(|(number, versions)| match now.get(number) {
        None => Some(format!("segment {number} vanished")),
        Some(now) if now != versions => Some(format!("the versions of segment {number} changed")),
        Some(_) => None,
    })
}

/// Whether the same names come first, in the same order, and behind them only higher numbers: so it is nearly always.
fn is_plainly_continued(before: &ContextListing, now: &ContextListing, store: Store) -> bool {
    let (before, now) = (&before.store(store).segments, &now.store(store).segments);
    let Some((same, new)) = now.split_at_checked(before.len()) else { return false };
    let newest = before.iter().map(|file| file.name.number).max();
    same.iter().zip(before).all(|(now, before)| now.name == before.name)
        && new.iter().all(|file| Some(file.name.number) > newest)
}

fn versions(context: &ContextListing, store: Store) -> BTreeMap<Token, BTreeSet<u32>> {
    let mut versions: BTreeMap<Token, BTreeSet<u32>> = BTreeMap::new();
    for SegmentName { number, version } in context.store(store).segments.iter().map(|file| file.name) {
        versions.entry(number).or_default().insert(version);
    }
    versions
}

/// Files of a transformation or an index being written: left alone, and said.
pub fn in_progress(listing: &Listing, context: &str) -> Vec<Finding> {
    let Some(found) = listing.contexts.get(context) else { return Vec::new() };
    let files = found.snapshots.in_progress.iter().chain(&found.events.in_progress);
    files
        .map(|path| Finding {
            context: Some(context.to_owned()),
            file: Some(path.display().to_string()),
            ..Finding::new(
                Weight::Note,
                "in-progress",
                format!("{} is being written by the server; left alone", path.display()),
            )
        })
        .collect()
}
