//! Compares what is archived with a data directory, or with another repository: what is there too, what is not archived yet, what differs,
//! and whose copy is the good one, by its CRC. Nothing is written.

mod compare;
mod report;

pub use report::{Against, Difference, Kind, Run, Side};

use crate::axon::name::{SegmentName, Store};
use crate::engine::against::compare::{Comparison, Other};
use crate::engine::error::Error;
use crate::engine::history;
use crate::engine::logs;
use crate::engine::observe::{Event, Observer};
use crate::engine::select;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::record::LogKey;
use crate::repo::store::{LetGo, Repository};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared with.
pub enum With<'a> {
    /// A data directory.
    Source(&'a mut dyn Source),
    /// Another repository.
    Repository(&'a Repository),
}

/// The segments of a source, of the incarnation that its newest point saw: for each context and store, the copies by name; a good one before damaged ones.
type Holdings = BTreeMap<(String, Store), BTreeMap<SegmentName, SegmentEntry>>;

/// What acts have let go of these.
type Gone = BTreeMap<(String, Store), LetGo>;

/// Compares `source` (the only one, if none is named) with its counterpart.
pub fn against(
    repository: &Repository,
    source: Option<&str>,
    with: With<'_>,
    observer: &dyn Observer,
) -> Result<Against, Error> {
    let named = match &with {
        With::Source(other) => Some(other.identity()?.name),
        With::Repository(_) => None,
    };
    let source = chosen(repository, source, named.as_deref())?;
    let keys = keys(repository, &source)?;
    let holdings = holdings(repository, &keys)?;
    observer.event(&Event::Phase { name: "comparing", total: None });
    let known = (gone(repository, &keys)?, Against::of(source.clone()));
    let mut comparison = Comparison::new(repository, observer, known);
    match with {
        With::Source(other) => with_source(&holdings, other, &mut comparison)?,
        With::Repository(other) => {
            let keys = self::keys(other, &chosen(other, None, Some(&source))?)?;
            let theirs = self::holdings(other, &keys)?;
            with_repository(&holdings, &theirs, other, &mut comparison)?;
        }
    }
    Ok(comparison.finish())
}

/// The source that was named; else the one of that name; else the only one.
fn chosen(repository: &Repository, asked: Option<&str>, likely: Option<&str>) -> Result<String, Error> {
    let keys = logs::directories(repository)?.into_iter().filter_map(|log| log.key);
    let sources: BTreeSet<String> = keys.map(|key| key.source).collect();
    if let Some(source_name) = asked {
        let source_name = source_name.to_owned();
        return if sources.contains(&source_name) {
            Ok(source_name)
        } else {
            let sources = sources.into_iter().collect();
            Err(select::Error::NoSuchSource { source_name, sources }.into())
        };
    }
    let likely = likely.filter(|name| sources.contains(*name)).map(str::to_owned);
    let only = || sources.first().filter(|_| sources.len() == 1).cloned();
    match likely.or_else(only) {
        Some(source) => Ok(source),
        None if sources.is_empty() => Err(select::Error::NoPoints.into()),
        None => {
            let sources = sources.iter().cloned().collect();
            Err(select::Error::Sources { name: "this comparison".to_owned(), sources }.into())
        }
    }
}

fn holdings(repository: &Repository, keys: &[LogKey]) -> Result<Holdings, Error> {
    let mut holdings = Holdings::new();
    // The incarnation that counts comes last, and replaces the others.
    for key in keys {
        let Some(entries) = repository.newest_entries(key)? else { continue };
        let mut segments = BTreeMap::new();
        for entry in entries {
            let is_better = |held: &SegmentEntry| held.flaw.is_some() || held.logical_end < entry.logical_end;
            if segments.get(&entry.name).is_none_or(is_better) {
                segments.insert(entry.name, entry);
            }
        }
        holdings.insert((key.context.clone(), key.store), segments);
    }
    Ok(holdings)
}

/// The logs of a source, last those of the incarnation that its newest point saw (of a context that no point names: the newest).
fn keys(repository: &Repository, source: &str) -> Result<Vec<LogKey>, Error> {
    let keys = logs::directories(repository)?.into_iter().filter_map(|log| log.key);
    let mut keys: Vec<_> = keys.filter(|key| key.source == source).collect();
    let followed = history::contexts(&repository.journal()?, source);
    keys.sort_by_key(|key| (followed.get(&key.context) == Some(&key.incarnation), key.incarnation));
    Ok(keys)
}

/// Of the incarnations whose segments are compared, which come last.
fn gone(repository: &Repository, keys: &[LogKey]) -> Result<Gone, Error> {
    let acts = repository.acts()?.0;
    let of = |key: &LogKey| ((key.context.clone(), key.store), LetGo::by(&acts, key));
    Ok(keys.iter().map(of).collect())
}

fn with_source(
    holdings: &Holdings,
    source: &mut dyn Source,
    comparison: &mut Comparison<'_>,
) -> Result<(), Error> {
    let listing = source.listing()?;
    let mut met = BTreeSet::new();
    for (context, stores) in &listing.contexts {
        for store in Store::ALL {
            let place = (context.clone(), store);
            comparison.meets(&place, stores.store(store).segments.iter().map(|file| file.name));
            for file in &stores.store(store).segments {
                let bytes = match source.open(file) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        comparison.unreadable(&place, file.name, &error);
                        continue;
                    }
                };
                let entry = holdings.get(&place).and_then(|held| held.get(&file.name));
                met.insert((place.clone(), file.name));
                comparison.segment(&place, file.name, entry, &Other::File(&*bytes, file.is_volatile))?;
            }
        }
    }
    only_here(holdings, &met, comparison);
    Ok(())
}

fn with_repository(
    holdings: &Holdings,
    theirs: &Holdings,
    other: &Repository,
    comparison: &mut Comparison<'_>,
) -> Result<(), Error> {
    let mut met = BTreeSet::new();
    for (place, segments) in theirs {
        comparison.meets(place, segments.keys().copied());
        for (name, entry) in segments {
            let ours = holdings.get(place).and_then(|held| held.get(name));
            met.insert((place.clone(), *name));
            comparison.segment(place, *name, ours, &Other::Entry(other, entry))?;
        }
    }
    only_here(holdings, &met, comparison);
    Ok(())
}

fn only_here(
    holdings: &Holdings,
    met: &BTreeSet<((String, Store), SegmentName)>,
    comparison: &mut Comparison<'_>,
) {
    for (place, segments) in holdings {
        for (name, entry) in segments {
            if !met.contains(&(place.clone(), *name)) {
                comparison.only_here(place, entry);
            }
        }
    }
}
