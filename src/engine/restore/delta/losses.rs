//! What a directory has that is not in what is restored, and whether the archive has it.

use crate::axon::name::{SegmentName, Store};
use crate::engine::error::Error;
use crate::engine::history::key;
use crate::engine::observe::Observer;
use crate::engine::proof::{Mark, Proven, Prover};
use crate::engine::restore::check::is_lost;
use crate::engine::restore::delta::plan::{Loss, Seen};
use crate::engine::restore::delta::survey::Surveyed;
use crate::engine::restore::error::{Error as Refused, at};
use crate::engine::restore::plan::StorePlan;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ContentHash;
use crate::repo::store::Repository;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Adds up what goes.
pub struct Losses<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    source: &'a str,
    root: &'a Path,
    incarnations: &'a BTreeMap<String, u32>,
    /// All that the archive has of a store of a context, in all incarnations.
    archived: BTreeMap<(String, Store), Vec<SegmentEntry>>,
    files: Vec<Lost>,
    /// Contexts of which something is the same.
    is_kin: bool,
    has_events: Option<PathBuf>,
}

/// A segment's file that goes.
struct Lost {
    context: String,
    store: Store,
    name: SegmentName,
    /// Its valid prefix.
    events: u64,
    /// Those that the archive has not.
    unarchived: u64,
    wanted: Option<u64>,
}

/// How much of a file an entry of the archive has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Nothing,
    /// The first transaction.
    Begin,
    /// So many events.
    Events(u64),
}

impl<'a> Losses<'a> {
    /// Nothing yet.
    pub fn new(surveyed: &Surveyed<'a>) -> Self {
        Self {
            repository: surveyed.repository,
            observer: surveyed.observer,
            source: surveyed.source,
            root: surveyed.root,
            incarnations: surveyed.incarnations,
            archived: BTreeMap::new(),
            files: Vec::new(),
            is_kin: false,
            has_events: None,
        }
    }

    /// A segment stays as it is: the directory has this history.
    pub fn kept(&mut self) {
        self.is_kin = true;
    }

    /// A segment goes.
    pub fn file(
        &mut self,
        context: &str,
        store: &StorePlan,
        path: &Path,
        (name, seen): (SegmentName, Seen),
    ) -> Result<(), Error> {
        let entries = self.entries(context, store.store)?;
        let entries: Vec<_> = entries.iter().filter(|entry| entry.name == name).cloned().collect();
        let (proven, first_end) = self.prove(path, name, seen.length, &entries)?;
        let mut shared = Shared::Nothing;
        for entry in &entries {
            shared = shared.max(self.shared(path, entry, &proven, first_end)?);
        }
        self.is_kin |= shared > Shared::Nothing;
        if proven.events > 0 {
            self.has_events = Some(path.to_owned());
        }
        let archived = if let Shared::Events(events) = shared { events } else { 0 };
        self.files.push(Lost {
            context: context.to_owned(),
            store: store.store,
            name,
            events: proven.events,
            unarchived: proven.events.saturating_sub(archived),
            wanted: store.head,
        });
        Ok(())
    }

    fn entries(&mut self, context: &str, store: Store) -> Result<&[SegmentEntry], Error> {
        let place = (context.to_owned(), store);
        if !self.archived.contains_key(&place) {
            let mut entries = Vec::new();
            for incarnation in 1..=self.incarnations.get(context).copied().unwrap_or(0) {
                let key = key(self.source, context, incarnation, store);
                if let Some(record) = self.repository.newest_record(&key)? {
                    entries.extend(self.repository.tree(record.state.root)?);
                    entries.extend(record.state.tails);
                }
            }
            self.archived.insert(place.clone(), entries);
        }
        Ok(self.archived.get(&place).map_or(&[], Vec::as_slice))
    }

    /// Reads a file; gives what it is, and where its first transaction ends.
    fn prove(
        &self,
        path: &Path,
        name: SegmentName,
        length: u64,
        entries: &[SegmentEntry],
    ) -> Result<(Proven, u64), Error> {
        let marks = entries.iter().filter_map(mark_of).collect();
        let mut prover = Prover::new(self.repository.naming(), name.number, length).with_marks(marks);
        let mut first_end = 0;
        let mut file = File::open(path).map_err(at(path))?;
        let mut buffer = vec![0; PIECE];
        loop {
            let got = match file.read(&mut buffer) {
                // What the disk has lost is lost: the rest of it goes like the rest.
                Err(error) if is_lost(&error) => 0,
                read => read.map_err(at(path))?,
            };
            if got == 0 {
                return Ok((prover.finish(), first_end));
            }
            prover.feed_seeing(buffer.get(..got).unwrap_or_default(), &mut |transaction| {
                first_end = if first_end == 0 { transaction.end() } else { first_end };
            });
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
        }
    }

    fn shared(
        &self,
        path: &Path,
        entry: &SegmentEntry,
        proven: &Proven,
        first_end: u64,
    ) -> Result<Shared, Error> {
        if entry.logical_end >= proven.logical_end
            && self.hash(entry, proven.logical_end)? == Some(proven.content)
        {
            return Ok(Shared::Events(proven.events));
        }
        if mark_of(entry).is_some_and(|mark| !proven.missed.contains(&mark)) {
            return Ok(Shared::Events(entry.events));
        }
        if first_end == 0 || entry.logical_end < first_end {
            return Ok(Shared::Nothing);
        }
        let begin = self.hash_of_file(path, first_end)?;
        let is_same = self.hash(entry, first_end)? == Some(begin);
        Ok(if is_same { Shared::Begin } else { Shared::Nothing })
    }

    /// The hash of the first bytes of an entry; none if the repository has lost them.
    fn hash(&self, entry: &SegmentEntry, length: u64) -> Result<Option<ContentHash>, Error> {
        if length == entry.logical_end && entry.flaw.is_none() {
            return Ok(Some(entry.content));
        }
        let mut hasher = self.repository.naming().hasher();
        let read = self.repository.read_extents(&entry.extents, 0..length, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        });
        match read {
            Ok(()) => Ok(Some(hasher.content())),
            Err(repo::Error::ChunkDamaged { .. } | repo::Error::ChunkMissing { .. }) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    fn hash_of_file(&self, path: &Path, length: u64) -> Result<ContentHash, Error> {
        let mut hasher = self.repository.naming().hasher();
        let mut begin = File::open(path).map_err(at(path))?.take(length);
        let mut buffer = vec![0; PIECE];
        loop {
            match begin.read(&mut buffer).map_err(at(path))? {
                0 => return Ok(hasher.content()),
                got => hasher.update(buffer.get(..got).unwrap_or_default()),
            }
        }
    }

    /// What goes of each store. Refuses a directory that has events and none of this history.
    pub fn finish(self) -> Result<Vec<Loss>, Error> {
        if let Some(found) = self.has_events.as_ref().filter(|_| !self.is_kin) {
            return Err(Refused::OtherHistory { path: self.root.to_owned(), found: found.clone() }.into());
        }
        let mut losses: BTreeMap<(String, Store), Loss> = BTreeMap::new();
        for lost in &self.files {
            let empty = || Loss {
                context: lost.context.clone(),
                store: lost.store.as_str(),
                head: None,
                wanted: lost.wanted,
                events: 0,
                unarchived: 0,
            };
            let loss = losses.entry((lost.context.clone(), lost.store)).or_insert_with(empty);
            loss.head = loss.head.max(lost.last());
            loss.unarchived += lost.unarchived;
            loss.events += if self.is_newest(lost) { lost.behind() } else { 0 };
        }
        Ok(losses.into_values().filter(|loss| loss.events > 0 || loss.unarchived > 0).collect())
    }

    /// Of several versions of a segment, only one counts.
    fn is_newest(&self, lost: &Lost) -> bool {
        !self.files.iter().any(|other| {
            (&other.context, other.store, other.name.number) == (&lost.context, lost.store, lost.name.number)
                && other.name.version > lost.name.version
        })
    }
}

impl Lost {
    fn last(&self) -> Option<u64> {
        self.name.number.get().checked_add(self.events)?.checked_sub(1).filter(|_| self.events > 0)
    }

    /// Events behind the head that is wanted.
    fn behind(&self) -> u64 {
        let next = self.wanted.map_or(0, |wanted| wanted.saturating_add(1));
        self.last().map_or(0, |last| last.saturating_add(1).saturating_sub(next.max(self.name.number.get())))
    }
}

/// Where an entry ends, as a place in a file that may go on behind it.
fn mark_of(entry: &SegmentEntry) -> Option<Mark> {
    if entry.flaw.is_some() || entry.events == 0 {
        return None;
    }
    let next = entry.name.number.plus(entry.events)?;
    Some(Mark { length: entry.logical_end, content: entry.content, next })
}
