//! Contexts that the source's last point has, or that are asked for by name, and that are not there any more: deleted, moved away, or on a disk that
//! is not mounted.

use crate::engine::backup::BackupOptions;
use crate::engine::backup::belongs::about;
use crate::engine::backup::proven::Known;
use crate::engine::backup::selection::is_wanted;
use crate::repo::format::point::Finding;
use crate::repo::format::point::PointBody;
use crate::repo::format::point::Weight;
use crate::source::listing::Listing;
use std::collections::BTreeSet;

const GONE: &str = "gone";

/// One for each such context that is wanted. What a point says to be gone is missed by the next one, too, until it is left out on purpose.
pub fn findings(known: &Known, source: &str, everything: &Listing, options: &BackupOptions) -> Vec<Finding> {
    let mut points = known.journal.listed().rev().map(|listed| &listed.point.body);
    let mut expected = points.find(|body| body.source == source).map(expected).unwrap_or_default();
    expected.extend(options.contexts.iter().cloned());
    let archived = known.contexts_of(source);
    let is_there = |name: &String| everything.contexts.contains_key(name) || everything.dcb.contains(name);
    let missed = expected.into_iter().filter(|name| archived.contains(name.as_str()));
    missed.filter(|name| is_wanted(name, options) && !is_there(name)).map(|name| finding(&name)).collect()
}

fn expected(last: &PointBody) -> BTreeSet<String> {
    let is_gone = |finding: &&Finding| finding.what == GONE && finding.store.is_none();
    let gone = last.findings.iter().filter(is_gone).filter_map(|finding| finding.context.clone());
    last.contexts.keys().cloned().chain(gone).collect()
}

fn finding(name: &str) -> Finding {
    let text = format!(
        "{name} is not at the source any more: its history stays in the archive; if it was deleted on purpose say --exclude-context {name}"
    );
    about(name, Weight::Incomplete, GONE, text)
}
