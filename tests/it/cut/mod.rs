//! Point in time: every transaction of a history can be restored, and what is restored is what a plain model keeps.

mod cost;
mod fixtures;
mod odd;
mod plain;
mod program;
mod story;

use crate::support::archive::{Archive, tree};
use plain::{Files, Store};
use segvault::engine::Error;
use segvault::engine::observe::Unobserved;
use segvault::engine::restore::cut::request::{CutAt, CutRequest, TokenCut};
use segvault::engine::restore::{self, RestoreOptions, Restored};

/// A cut of the context `default` at a token.
pub fn to_token(token: u64) -> CutRequest {
    to_tokens(&[("default", Some(token))])
}

pub fn to_tokens(tokens: &[(&str, Option<u64>)]) -> CutRequest {
    let tokens =
        tokens.iter().map(|(context, token)| TokenCut { context: (*context).to_owned(), token: *token });
    CutRequest { at: CutAt::Tokens(tokens.collect()), ..CutRequest::nowhere() }
}

pub fn to_time(at: i64) -> CutRequest {
    CutRequest { at: CutAt::Time(at), ..CutRequest::nowhere() }
}

/// Restores a cut of the newest point into a fresh directory; gives what was said, and the files of each context.
pub fn restored(archive: &Archive, cut: CutRequest) -> (Restored, Files) {
    try_restored(archive, cut, |_| ()).unwrap()
}

pub fn try_restored(
    archive: &Archive,
    cut: CutRequest,
    change: impl FnOnce(&mut RestoreOptions),
) -> Result<(Restored, Files), Error> {
    let target = archive.beside("cut");
    let mut options = RestoreOptions { cut: Some(cut), ..RestoreOptions::latest(target.clone()) };
    change(&mut options);
    let repository = archive.open();
    let restored = restore::apply(&repository, restore::plan(&repository, &options)?, &Unobserved)?;
    let files = tree(&target);
    std::fs::remove_dir_all(target).unwrap();
    Ok((restored, files))
}

/// The files of one context, by name.
pub fn of_context(files: &Files, context: &str) -> Files {
    let prefix = format!("data/{context}/");
    let of = files
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix(&prefix)?.to_owned(), bytes.clone())));
    of.collect()
}

/// Compares a restored context with what the model keeps.
pub fn assert_kept(found: &Files, events: (&Store, usize), snapshots: (&Store, usize), story: &str) {
    let mut expected = events.0.keep(events.1);
    expected.extend(snapshots.0.keep(snapshots.1));
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(&expected), "{story}");
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{story}: {name} differs");
    }
}

/// The tokens at which a history is cut: all transactions where `SEGVAULT_EXHAUSTIVE` is set, else some, and all around segments' ends.
pub fn some_of(store: &Store, every: usize) -> Vec<usize> {
    let is_all = std::env::var_os("SEGVAULT_EXHAUSTIVE").is_some();
    let segment = |at: usize| store.transactions.get(at).map(|transaction| transaction.segment);
    let is_end = |count: usize| count == 0 || segment(count) != segment(count - 1);
    let is_near = |count: usize| is_end(count) || (count > 0 && is_end(count - 1));
    (0..=store.transactions.len())
        .filter(|count| is_all || is_near(*count) || count.is_multiple_of(every))
        .collect()
}
