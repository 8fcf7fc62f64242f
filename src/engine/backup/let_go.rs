//! What was erased or dropped here may still be at the source: it is not archived again.
//!
//! A version that was erased is known by its name and by its bytes: the file is read once and compared (another history may have a segment of
//! that name). What was dropped lies before a segment that was kept: where the source shows no event of what was kept, it has another history,
//! which may begin a segment with the same number, and all of it is archived.

use crate::axon::name::{SegmentName, Store};
use crate::engine::backup::archived::ArchivedLog;
use crate::engine::backup::context::Comparer;
use crate::engine::backup::lost_records;
use crate::engine::backup::sources;
use crate::engine::error::Error;
use crate::engine::prefix;
use crate::engine::words::{are, plural};
use crate::repo::format::act::Deed;
use crate::repo::format::id::ContentHash;
use crate::repo::format::point::{Finding, Weight};
use crate::repo::store::{Repository, Unreadable};
use crate::source;
use crate::source::Source;
use crate::source::listing::{ContextListing, Listing, StoreFile};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What acts have let go of a source's history.
pub struct LetGoFiles<'r> {
    repository: &'r Repository,
    /// The source's name.
    name: String,
    erased: BTreeMap<(String, &'static str, SegmentName), BTreeSet<ContentHash>>,
    /// Of each context: incarnations, and the first tokens that were kept of them.
    dropped: BTreeMap<String, BTreeSet<(u32, u64)>>,
    /// Acts that can't be read: what they let go of is not known.
    unread: Vec<Unreadable>,
    /// Files that were compared: path, length and time, and whether they are what was erased.
    compared: RefCell<HashMap<(PathBuf, u64, i64), bool>>,
    /// Incarnations of contexts, and whether the source shows anything of what was kept of them.
    shown: RefCell<HashMap<(String, u32), bool>>,
}

impl<'r> LetGoFiles<'r> {
    /// Reads the acts.
    pub fn load(repository: &'r Repository, name: &str) -> Result<Self, Error> {
        let mut found = Self {
            repository,
            name: name.to_owned(),
            erased: BTreeMap::new(),
            dropped: BTreeMap::new(),
            unread: Vec::new(),
            compared: RefCell::default(),
            shown: RefCell::default(),
        };
        let (acts, are_all) = repository.acts()?;
        if !are_all {
            let unreadable = repository.journal()?.unreadable.into_iter();
            found.unread.extend(unreadable.filter(|file| file.points.is_none()));
        }
        for act in acts {
            match act.deed {
                Deed::Erased { source, context, segments, .. } if source == name => {
                    for segment in segments.iter().filter(|segment| segment.store == Store::Events) {
                        let Some(number) = crate::axon::token::Token::new(segment.number) else { continue };
                        let name = SegmentName { number, version: segment.version };
                        let key = (context.clone(), segment.store.as_str(), name);
                        found.erased.entry(key).or_default().insert(segment.blake3);
                    }
                }
                Deed::Dropped { source, context, logs, .. } if source == name => {
                    let before = logs.iter().map(|log| (log.incarnation, log.before));
                    found.dropped.entry(context).or_default().extend(before);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Takes such files out of a listing; says so.
    pub fn take_out(&self, source: &dyn Source, listing: &mut Listing) -> Result<Vec<Finding>, Error> {
        let mut findings: Vec<Finding> = self.unread.iter().map(unread).collect();
        for (name, context) in &mut listing.contexts {
            findings.extend(self.dropped(source, name, context)?);
            findings.extend(self.erased(source, name, context)?);
        }
        Ok(findings)
    }

    fn dropped(
        &self,
        source: &dyn Source,
        name: &str,
        context: &mut ContextListing,
    ) -> Result<Option<Finding>, Error> {
        let Some(dropped) = self.dropped.get(name) else { return Ok(None) };
        let files = &mut context.events.segments;
        let is_shown = |incarnation: u32| self.is_shown(source, (name, incarnation), files);
        let Some(before) = first_kept(dropped, files, &is_shown)? else { return Ok(None) };
        let all = files.len();
        files.retain(|file| file.name.number.get() >= before);
        let count = all.saturating_sub(files.len()) as u64;
        let text = format!(
            "events of {name}: {} before token {before} {} dropped here, and {} not archived again",
            plural(count, "segment"),
            if count == 1 { "was" } else { "were" },
            are(count)
        );
        Ok((count > 0).then(|| finding(Weight::Note, "dropped", name, text)))
    }

    /// Whether the source shows any event of what was kept of an incarnation.
    fn is_shown(
        &self,
        source: &dyn Source,
        (context, incarnation): (&str, u32),
        files: &[StoreFile],
    ) -> Result<bool, Error> {
        let key = (context.to_owned(), incarnation);
        if let Some(known) = self.shown.borrow().get(&key) {
            return Ok(*known);
        }
        let log = sources::key(&self.name, context, incarnation, Store::Events);
        let kept = lost_records::load(self.repository, &self.repository.journal()?, log)?;
        // Where nothing was kept but an empty segment there is nothing to compare: its number has to do.
        let is_empty = kept.state.is_some() && !kept.has_events();
        let comparer = Comparer { repository: self.repository, source, is_last: false };
        let is_shown = is_empty || shows_any(&comparer, files, &kept)?;
        self.shown.borrow_mut().insert(key, is_shown);
        Ok(is_shown)
    }

    fn erased(
        &self,
        source: &dyn Source,
        name: &str,
        context: &mut ContextListing,
    ) -> Result<Option<Finding>, Error> {
        if !self.erased.keys().any(|(context, ..)| context == name) {
            return Ok(None);
        }
        let mut kept = Vec::with_capacity(context.events.segments.len());
        let mut names = Vec::new();
        for file in std::mem::take(&mut context.events.segments) {
            if self.is_erased(source, name, &file)? {
                names.push(file.name.to_string());
            } else {
                kept.push(file);
            }
        }
        context.events.segments = kept;
        let text = format!(
            "events of {name}: the source still has old versions that were erased here, they are not archived again: {}; compact them",
            names.join(", ")
        );
        Ok((!names.is_empty()).then(|| finding(Weight::Warning, "erased", name, text)))
    }

    fn is_erased(&self, source: &dyn Source, context: &str, file: &StoreFile) -> Result<bool, Error> {
        let key = (context.to_owned(), file.store.as_str(), file.name);
        let Some(contents) = self.erased.get(&key) else { return Ok(false) };
        let facts = (file.path.to_path_buf(), file.length, file.modified_ns);
        if let Some(known) = self.compared.borrow().get(&facts) {
            return Ok(*known);
        }
        let is_erased = contents.contains(&prefix::of(self.repository.naming(), source, file)?.content);
        self.compared.borrow_mut().insert(facts, is_erased);
        Ok(is_erased)
    }
}

/// Of a history that the source shows: the first token that was kept. The newest incarnation counts.
fn first_kept(
    dropped: &BTreeSet<(u32, u64)>,
    files: &[StoreFile],
    is_shown: &dyn Fn(u32) -> Result<bool, Error>,
) -> Result<Option<u64>, Error> {
    for (incarnation, before) in dropped.iter().rev() {
        let begins = files.iter().any(|file| file.name.number.get() == *before);
        if begins && is_shown(*incarnation)? {
            return Ok(Some(*before));
        }
    }
    Ok(None)
}

/// A file that can't be read shows nothing: what is archived of it says so.
fn shows_any(comparer: &Comparer<'_>, files: &[StoreFile], kept: &ArchivedLog) -> Result<bool, Error> {
    for file in files {
        match comparer.files_share(std::slice::from_ref(file), kept) {
            Ok(false) | Err(Error::Source(source::Error::Io { .. })) => {}
            found => return found,
        }
    }
    Ok(false)
}

/// What an act says that can't be read is not followed. Nor is any pack relied on, which it may call damaged.
fn unread(act: &Unreadable) -> Finding {
    let text = format!(
        "{} can't be read ({}): where it says that something was dropped or erased, that is archived again; and as no pack is relied on, so is all else: \
         see 'segvault verify'",
        act.path, act.why
    );
    Finding { context: None, store: None, ..finding(Weight::Warning, "act-unreadable", "", text) }
}

fn finding(weight: Weight, what: &str, context: &str, text: String) -> Finding {
    Finding {
        context: Some(context.to_owned()),
        store: Some(Store::Events.to_string()),
        ..Finding::new(weight, what, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::token::Token;

    fn files(numbers: &[u64]) -> Vec<StoreFile> {
        let file = |number: &u64| StoreFile {
            store: Store::Events,
            name: SegmentName { number: Token::new(*number).unwrap(), version: 0 },
            path: PathBuf::new().into(),
            length: 0,
            on_disk: 0,
            modified_ns: 0,
            is_volatile: false,
        };
        numbers.iter().map(file).collect()
    }

    #[test]
    fn what_was_dropped_of_another_incarnation_says_nothing_of_the_newest() {
        let kept = |dropped: &[(u32, u64)], numbers: &[u64], shown: &[u32]| -> Option<u64> {
            let dropped = dropped.iter().copied().collect();
            first_kept(&dropped, &files(numbers), &|incarnation| Ok(shown.contains(&incarnation))).unwrap()
        };
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 30, 50, 70], &[1, 2]), Some(30));
        assert_eq!(kept(&[(1, 50), (2, 30), (2, 70)], &[0, 30, 50, 70], &[1, 2]), Some(70));
        assert_eq!(
            kept(&[(1, 50), (2, 30)], &[0, 40, 50], &[1]),
            Some(50),
            "the source has the older history again"
        );
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 40, 80], &[1, 2]), None, "a history of its own");
        assert_eq!(
            kept(&[(1, 50), (2, 30)], &[0, 30, 50], &[]),
            None,
            "a history of its own, with the same numbers"
        );
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 30, 50], &[1]), Some(50));
    }
}
