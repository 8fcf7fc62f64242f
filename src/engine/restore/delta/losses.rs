//! What a directory has that is not in what is restored, and whether the archive has it.

use crate::axon::name::{SegmentName, Store};
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::history::key;
use crate::engine::observe::Observer;
use crate::engine::proof::{Mark, Proven, Prover};
use crate::engine::restore::check::is_lost;
use crate::engine::restore::delta::behind::Behind;
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
    /// The token of the last event that can be read.
    last: Option<u64>,
    /// Events that the archive has not.
    unarchived: u64,
    /// Bytes that can't be read as events, and that the archive has not.
    unreadable: u64,
    wanted: Option<u64>,
}

/// How much of a file an entry of the archive has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Nothing,
    /// The first transaction; or more of it, but for what the repository has lost.
    Begin,
    /// So many events.
    Events(u64),
}

impl Shared {
    fn events(self) -> u64 {
        if let Self::Events(events) = self { events } else { 0 }
    }
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

    /// A segment with events stays as it is: the directory has this history.
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
        let behind = Behind::of(self.repository, path, seen.length, &proven, (name.number, &entries))?;
        let mut shared = Vec::new();
        for entry in &entries {
            shared.push(self.shared(path, entry, &proven, first_end)?);
        }
        let is_kin = |at: usize| behind.equal.contains(&at) || shared.get(at) > Some(&Shared::Nothing);
        self.is_kin |= (0..entries.len()).any(is_kin);
        let archived_end = self.archived_end(path, seen.length, &entries, &is_kin)?;
        if proven.events + behind.events > 0 {
            self.has_events = Some(path.to_owned());
        }
        let archived = shared.iter().map(|shared| shared.events()).max().unwrap_or_default();
        self.files.push(Lost {
            context: context.to_owned(),
            store: store.store,
            name,
            last: behind.last.map(Token::get).or(last_of(name, proven.events)),
            unarchived: proven.events.saturating_sub(archived) + behind.unarchived,
            unreadable: behind.unreadable(path, archived_end)?,
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
                entries.extend(self.repository.newest_entries(&key)?.unwrap_or_default());
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
                // What the disk has lost ends what can be proven; the rest counts as what can't be read.
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
        // An archive may have lost what it names: the file may be the last good copy.
        let may_begin_so = entry.logical_end > proven.logical_end || entry.flaw.is_some();
        let is_named = entry.logical_end == proven.logical_end && entry.content == proven.content;
        if proven.events > 0
            && (may_begin_so && entry.logical_end >= proven.logical_end || is_named)
            && self.hash(entry, proven.logical_end)? == Some(proven.content)
        {
            return Ok(Shared::Events(proven.events));
        }
        if mark_of(entry).is_some_and(|mark| !proven.missed.contains(&mark)) {
            let is_there = self.hash(entry, entry.logical_end)? == Some(entry.content);
            return Ok(if is_there { Shared::Events(entry.events) } else { Shared::Begin });
        }
        if first_end == 0 || entry.logical_end < first_end {
            return Ok(Shared::Nothing);
        }
        let begin = self.hash_of_file(path, first_end)?;
        let is_same = begin.is_some() && self.hash(entry, first_end)? == begin;
        Ok(if is_same { Shared::Begin } else { Shared::Nothing })
    }

    /// Up to where the archive has what the file has, or had before it was damaged.
    fn archived_end(
        &self,
        path: &Path,
        length: u64,
        entries: &[SegmentEntry],
        is_kin: &dyn Fn(usize) -> bool,
    ) -> Result<u64, Error> {
        let mut end = 0;
        for (at, entry) in entries.iter().enumerate() {
            if entry.flaw.is_none() {
                end = end.max(if is_kin(at) { entry.logical_end } else { 0 });
            } else if entry.stored_length <= length
                && self.hash_of_file(path, entry.stored_length)? == Some(entry.content)
            {
                end = end.max(entry.stored_length);
            }
        }
        Ok(end)
    }

    /// The hash of the first bytes of an entry, as the repository gives them; none if it has lost them.
    fn hash(&self, entry: &SegmentEntry, length: u64) -> Result<Option<ContentHash>, Error> {
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

    /// The hash of the first bytes of a file; none if its disk has lost them.
    fn hash_of_file(&self, path: &Path, length: u64) -> Result<Option<ContentHash>, Error> {
        let mut hasher = self.repository.naming().hasher();
        let mut begin = File::open(path).map_err(at(path))?.take(length);
        let mut buffer = vec![0; PIECE];
        loop {
            match begin.read(&mut buffer) {
                Ok(0) => return Ok(Some(hasher.content())),
                Ok(got) => hasher.update(buffer.get(..got).unwrap_or_default()),
                Err(error) if is_lost(&error) => return Ok(None),
                Err(error) => return Err(at(path)(error).into()),
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
                unreadable: 0,
            };
            let loss = losses.entry((lost.context.clone(), lost.store)).or_insert_with(empty);
            loss.head = loss.head.max(lost.last);
            loss.unarchived += lost.unarchived;
            loss.unreadable += lost.unreadable;
            loss.events += if self.is_newest(lost) { lost.behind() } else { 0 };
        }
        Ok(losses.into_values().filter(|loss| loss.events + loss.unarchived + loss.unreadable > 0).collect())
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
    /// Events behind the head that is wanted.
    fn behind(&self) -> u64 {
        let next = self.wanted.map_or(0, |wanted| wanted.saturating_add(1));
        self.last.map_or(0, |last| last.saturating_add(1).saturating_sub(next.max(self.name.number.get())))
    }
}

/// The last token of a segment with so many events.
fn last_of(name: SegmentName, events: u64) -> Option<u64> {
    name.number.get().checked_add(events)?.checked_sub(1).filter(|_| events > 0)
}

/// Where an entry ends, as a place in a file that may go on behind it.
fn mark_of(entry: &SegmentEntry) -> Option<Mark> {
    if entry.flaw.is_some() || entry.events == 0 {
        return None;
    }
    let next = entry.name.number.plus(entry.events)?;
    Some(Mark { length: entry.logical_end, content: entry.content, next })
}
