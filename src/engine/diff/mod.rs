//! What differs between two points, or between a point and a directory: segments, tokens, events per type, facts of the control database.
//!
//! What is equal by hash is not read. A directory is read once, front to back.

mod side;

use crate::axon::name::Store;
use crate::engine::diff::side::{Segment, Side, Types};
use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::select;
use crate::repo::format::id::ContentHash;
use crate::repo::store::Repository;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffOptions {
    /// A point.
    pub a: String,
    /// Another one, or a directory.
    pub b: Other,
    /// Only points of this source.
    pub source: Option<String>,
}

/// What a point is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// A point.
    Point(String),
    /// A directory that holds contexts, or a server's root with `data/` in it.
    Directory(PathBuf),
}

/// What differs.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diff {
    /// What the first side is called.
    pub a: String,
    /// What the second side is called.
    pub b: String,
    /// Whether nothing differs.
    pub equal: bool,
    /// The contexts of both, by name.
    pub contexts: Vec<ContextDiff>,
    /// The control databases.
    pub control_db: ControlDbDiff,
}

/// A context.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextDiff {
    /// Its name.
    pub context: String,
    /// Whether each side has it.
    pub there: [bool; 2],
    /// The incarnation on each side; none in a directory.
    pub incarnations: [Option<u32>; 2],
    /// Its stores.
    pub stores: Vec<StoreDiff>,
}

/// A store.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoreDiff {
    /// `snapshots` or `events`.
    pub store: &'static str,
    /// The first token on each side.
    pub first: [Option<u64>; 2],
    /// The head on each side.
    pub head: [Option<u64>; 2],
    /// Segments that are equal.
    pub equal: u64,
    /// Segments that are not.
    pub segments: Vec<SegmentDiff>,
    /// Payload types of which one side has more, and how many each side has in the segments that differ.
    pub types: Vec<TypeDiff>,
}

/// A segment that is not the same on both sides.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SegmentDiff {
    /// Its first token.
    pub number: u64,
    /// What each side has; none if it has no such segment.
    pub sides: [Option<SegmentFacts>; 2],
}

/// A segment of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SegmentFacts {
    /// Its version.
    pub version: u32,
    /// Bytes of its valid prefix.
    pub bytes: u64,
    /// Its events.
    pub events: u64,
    /// Hash of the prefix.
    pub blake3: Option<ContentHash>,
}

/// A payload type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TypeDiff {
    /// Its name.
    pub r#type: String,
    /// Events of it on each side, in the segments that differ.
    pub events: [u64; 2],
}

/// The control databases.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlDbDiff {
    /// Whether they are equal, byte for byte; or neither is there.
    pub equal: bool,
    /// Each side's; none if it has none.
    pub sides: [Option<ControlDbFacts>; 2],
}

/// Facts of a control database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlDbFacts {
    /// Its name.
    pub file: String,
    /// Its length.
    pub length: u64,
    /// Its hash.
    pub blake3: ContentHash,
    /// How many rows each of its maps has, where they can be read.
    pub rows: BTreeMap<String, u64>,
}

/// Compares.
pub fn diff(repository: &Repository, options: &DiffOptions, observer: &dyn Observer) -> Result<Diff, Error> {
    let journal = repository.journal()?;
    let point = |name: &str| {
        let listed = select::point(&journal, name, options.source.as_deref())?;
        side::of_point(repository, listed)
    };
    let a = point(&options.a)?;
    let b = match &options.b {
        Other::Point(name) => point(name)?,
        Other::Directory(path) => side::of_directory(repository.naming(), path, observer)?,
    };
    let names: BTreeSet<_> = a.contexts.keys().chain(b.contexts.keys()).collect();
    let contexts = names
        .into_iter()
        .map(|name| context(repository, name, [&a, &b]))
        .collect::<Result<Vec<_>, Error>>()?;
    let control_db = control_db(&a, &b);
    let is_equal = |context: &ContextDiff| {
        context.there == [true; 2] && context.stores.iter().all(|store| store.segments.is_empty())
    };
    let equal = control_db.equal && contexts.iter().all(is_equal);
    Ok(Diff { a: a.name, b: b.name, equal, contexts, control_db })
}

fn control_db(a: &Side, b: &Side) -> ControlDbDiff {
    let hash = |side: &Side| side.control_db.as_ref().map(|facts| facts.blake3);
    ControlDbDiff { equal: hash(a) == hash(b), sides: [a.control_db.clone(), b.control_db.clone()] }
}

fn context(repository: &Repository, name: &str, sides: [&Side; 2]) -> Result<ContextDiff, Error> {
    let held = sides.map(|side| side.contexts.get(name));
    let stores = Store::ALL.map(|kind| {
        let segments = held.map(|held| held.map(|held| held.store(kind)).unwrap_or_default());
        store(repository, kind, segments)
    });
    Ok(ContextDiff {
        context: name.to_owned(),
        there: held.map(|held| held.is_some()),
        incarnations: held.map(|held| held.and_then(|held| held.incarnation)),
        stores: stores.into_iter().collect::<Result<_, Error>>()?,
    })
}

fn store(repository: &Repository, kind: Store, sides: [&[Segment]; 2]) -> Result<StoreDiff, Error> {
    let ends = sides.map(side::ends);
    let mut by_number: BTreeMap<u64, [Option<&Segment>; 2]> = BTreeMap::new();
    for (at, segments) in sides.into_iter().enumerate() {
        for segment in segments {
            if let Some(place) = by_number.entry(segment.name.number.get()).or_default().get_mut(at) {
                *place = Some(segment);
            }
        }
    }
    let (mut equal, mut segments, mut types) = (0, Vec::new(), BTreeMap::new());
    for (number, both) in by_number {
        let facts = both.map(|segment| segment.map(facts));
        let [one, other] = &facts;
        if one == other {
            equal += 1;
            continue;
        }
        count(repository, both, &mut types)?;
        segments.push(SegmentDiff { number, sides: facts });
    }
    let types = types.into_iter().filter(|(_, [one, other])| one != other);
    let types = types.map(|(name, events)| TypeDiff { r#type: name, events }).collect();
    Ok(StoreDiff {
        store: kind.as_str(),
        first: ends.map(|(first, _)| first),
        head: ends.map(|(_, head)| head),
        equal,
        segments,
        types,
    })
}

fn facts(segment: &Segment) -> SegmentFacts {
    SegmentFacts {
        version: segment.name.version,
        bytes: segment.length,
        events: segment.events,
        blake3: segment.content,
    }
}

fn count(
    repository: &Repository,
    both: [Option<&Segment>; 2],
    types: &mut BTreeMap<String, [u64; 2]>,
) -> Result<(), Error> {
    for (at, segment) in both.into_iter().enumerate() {
        let found = segment.map_or_else(|| Ok(Types::new()), |segment| segment.types(repository))?;
        for (name, events) in found {
            if let Some(place) = types.entry(name).or_default().get_mut(at) {
                *place += events;
            }
        }
    }
    Ok(())
}
