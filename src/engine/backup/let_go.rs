//! What was erased or dropped here may still be at the source: it is not archived again.
//!
//! A version that was erased is known by its name and by its bytes: the file is read once and compared (another history may have a segment of
//! that name). What was dropped lies before a segment that the source still begins with; where it has none of that number, it has another
//! history, and all of it is archived.

use crate::axon::name::{SegmentName, Store};
use crate::engine::error::Error;
use crate::engine::prefix;
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ContentHash, Naming};
use crate::repo::format::point::{Finding, Weight};
use crate::repo::store::Repository;
use crate::source::Source;
use crate::source::listing::{ContextListing, Listing, StoreFile};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// What acts have let go of a source's history.
pub struct LetGoFiles {
    naming: Naming,
    erased: BTreeMap<(String, &'static str, SegmentName), BTreeSet<ContentHash>>,
    /// Of each context: incarnations, and the first tokens that were kept of them.
    dropped: BTreeMap<String, BTreeSet<(u32, u64)>>,
    /// Files that were compared: path, length and time, and whether they are what was erased.
    compared: RefCell<HashMap<(PathBuf, u64, i64), bool>>,
}

impl LetGoFiles {
    /// Reads the acts.
    pub fn load(repository: &Repository, name: &str) -> Result<Self, Error> {
        let mut found = Self {
            naming: repository.naming(),
            erased: BTreeMap::new(),
            dropped: BTreeMap::new(),
            compared: RefCell::default(),
        };
        for act in repository.acts()?.0 {
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
        let mut findings = Vec::new();
        for (name, context) in &mut listing.contexts {
            findings.extend(self.dropped(name, context));
            findings.extend(self.erased(source, name, context)?);
        }
        Ok(findings)
    }

    /// The newest incarnation counts whose kept tokens begin where a segment of the source does: another one's numbers are none of its own.
    fn dropped(&self, name: &str, context: &mut ContextListing) -> Option<Finding> {
        let files = &mut context.events.segments;
        let begins = |before: u64| files.iter().any(|file| file.name.number.get() == before);
        let (_, before) =
            self.dropped.get(name)?.iter().rev().find(|(_, before)| begins(*before)).copied()?;
        let all = files.len();
        files.retain(|file| file.name.number.get() >= before);
        let count = all.saturating_sub(files.len());
        let text = format!(
            "events of {name}: {count} segments before token {before} were dropped here, and are not archived again"
        );
        (count > 0).then(|| finding(Weight::Note, "dropped", name, text))
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
        let facts = (file.path.clone(), file.length, file.modified_ns);
        if let Some(known) = self.compared.borrow().get(&facts) {
            return Ok(*known);
        }
        let is_erased = contents.contains(&prefix::of(self.naming, source, file)?.content);
        self.compared.borrow_mut().insert(facts, is_erased);
        Ok(is_erased)
    }
}

fn finding(weight: Weight, what: &str, context: &str, text: String) -> Finding {
    Finding {
        weight,
        what: what.to_owned(),
        context: Some(context.to_owned()),
        store: Some(Store::Events.to_string()),
        file: None,
        offset: None,
        first: None,
        last: None,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axon::token::Token;

    fn context(numbers: &[u64]) -> ContextListing {
        let file = |number: &u64| StoreFile {
            store: Store::Events,
            name: SegmentName { number: Token::new(*number).unwrap(), version: 0 },
            path: PathBuf::new(),
            length: 0,
            on_disk: 0,
            modified_ns: 0,
            is_volatile: false,
        };
        let mut context = ContextListing::default();
        context.events.segments = numbers.iter().map(file).collect();
        context
    }

    #[test]
    fn what_was_dropped_of_another_incarnation_says_nothing_of_the_newest() {
        let kept = |dropped: &[(u32, u64)], numbers: &[u64]| -> Vec<u64> {
            let files = LetGoFiles {
                naming: Naming::Blake3,
                erased: BTreeMap::new(),
                dropped: BTreeMap::from([("default".to_owned(), dropped.iter().copied().collect())]),
                compared: RefCell::default(),
            };
            let mut context = context(numbers);
            files.dropped("default", &mut context);
            context.events.segments.iter().map(|file| file.name.number.get()).collect()
        };
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 30, 50, 70]), [30, 50, 70]);
        assert_eq!(kept(&[(1, 50), (2, 30), (2, 70)], &[0, 30, 50, 70]), [70]);
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 40, 50]), [50], "the source has the older history again");
        assert_eq!(kept(&[(1, 50), (2, 30)], &[0, 40, 80]), [0, 40, 80], "a history of its own");
    }
}
