//! Reads a directory that is there, and says what becomes of each file in it.

use crate::axon::control_db::take_apart;
use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::restore::check::Written;
use crate::engine::restore::delta::indexes;
use crate::engine::restore::delta::losses::Losses;
use crate::engine::restore::delta::plan::{
    Change, DeltaFile, DeltaPlan, Seen, Total, marker, staged, unstaged,
};
use crate::engine::restore::delta::shelf::{self, Shelf};
use crate::engine::restore::error::{Error as Refused, at as failed};
use crate::engine::restore::layout::{Layout, below};
use crate::engine::restore::plain::PlainPlan;
use crate::engine::restore::plan::{ContextPlan, ControlDbPlan, RestoreOptions, SegmentPlan, StorePlan};
use crate::engine::restore::remarks::Remarks;
use crate::engine::restore::reread::Reread;
use crate::repo::format::files::{INDEX, ListedFile};
use crate::repo::format::id::ContentHash;
use crate::repo::format::limits::CONTROL_DB_MAX;
use crate::repo::format::point::{ControlDb, Weight};
use crate::repo::store::Repository;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// What is wanted, and where.
pub struct Surveyed<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// The target.
    pub root: &'a Path,
    /// The source.
    pub source: &'a str,
    /// The highest incarnation of each context.
    pub incarnations: &'a BTreeMap<String, u32>,
    /// The contexts.
    pub contexts: &'a [ContextPlan],
    /// The control database.
    pub control_db: &'a ControlDbPlan,
    /// The same, as the manifest has it.
    pub database: &'a ControlDb,
    /// Index files.
    pub plain_files: &'a [PlainPlan],
    /// What is asked for.
    pub options: &'a RestoreOptions,
}

/// A file that is wanted.
enum Wanted<'a> {
    Segment(&'a SegmentPlan),
    Plain(&'a ListedFile),
    Database { length: u64, content: ContentHash },
}

impl Wanted<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Segment(plan) => plan.length,
            Self::Plain(listed) => listed.length(),
            Self::Database { length, .. } => *length,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Segment(plan) => plan.stored,
            Self::Plain(listed) => listed.content.length,
            Self::Database { length, .. } => *length,
        }
    }
}

/// Surveys.
pub fn survey(surveyed: &Surveyed<'_>, remarks: &mut Remarks) -> Result<DeltaPlan, Error> {
    let total = surveyed.contexts.iter().flat_map(ContextPlan::stores).flat_map(|store| &store.segments);
    let total = total.map(|segment| segment.stored).sum();
    surveyed.observer.event(&Event::Phase { name: "compare", total: Some(total) });
    let mut plan = DeltaPlan {
        goes_on: false,
        kept: Total::default(),
        written: Total::default(),
        replaced: Total::default(),
        removed: Total::default(),
        files: surveyed.wanted()?,
        losses: Vec::new(),
        left: Vec::new(),
        may_discard: surveyed.options.discard_unarchived,
        markers: Vec::new(),
        debris: Vec::new(),
    };
    plan.sum();
    let mut losses = Losses::new(surveyed);
    for context in surveyed.contexts {
        for store in context.stores() {
            surveyed.store(&context.context, store, &mut plan, &mut losses, remarks)?;
        }
    }
    surveyed.beside_contexts(&mut plan, remarks)?;
    surveyed.databases(&mut plan, remarks)?;
    surveyed.replication_logs(&mut plan, remarks)?;
    plan.losses = losses.finish()?;
    plan.debris.retain(|path| {
        unstaged(path).is_none_or(|place| !plan.files.iter().any(|file| file.waits && file.path == place))
    });
    plan.sum();
    tell(&plan, remarks);
    Ok(plan)
}

/// What a user must know.
fn tell(plan: &DeltaPlan, remarks: &mut Remarks) {
    for loss in plan.losses.iter().filter(|loss| loss.events > 0) {
        let (head, wanted) = (token(loss.head), token(loss.wanted));
        let text = format!(
            "the directory has {} {} of {} behind what is restored (up to token {head}, not {wanted}): they go",
            loss.events, loss.store, loss.context
        );
        remarks.add(Weight::Note, "drops-of-target", text);
    }
    let weight = if plan.may_discard { Weight::Note } else { Weight::Warning };
    for loss in plan.losses.iter().filter(|loss| loss.unarchived > 0) {
        let text = format!(
            "{} {} of {} that go are in no archive: nobody has them then",
            loss.unarchived, loss.store, loss.context
        );
        remarks.add(weight, "unarchived", text);
    }
    for loss in plan.losses.iter().filter(|loss| loss.unreadable > 0) {
        let text = format!(
            "{} bytes in {} of {} that go can't be read, and no archive has what stood there",
            loss.unreadable, loss.store, loss.context
        );
        remarks.add(weight, "unreadable", text);
    }
}

fn token(token: Option<u64>) -> String {
    token.map_or_else(|| "none".to_owned(), |token| token.to_string())
}

impl Surveyed<'_> {
    pub(super) fn layout(&self) -> &Layout {
        &self.options.layout
    }

    /// What becomes of the places of all files that are wanted.
    fn wanted(&self) -> Result<Vec<DeltaFile>, Error> {
        let segments = self.contexts.iter().flat_map(ContextPlan::stores).flat_map(|store| &store.segments);
        let mut wanted: Vec<(String, Wanted<'_>)> =
            segments.map(|segment| (segment.path.clone(), Wanted::Segment(segment))).collect();
        for set in self.plain_files {
            let files = set.list.iter();
            wanted.extend(files.map(|file| (set.path_of(file), Wanted::Plain(file))));
        }
        if let Some(path) = self.control_db.path() {
            let (length, content) = self.database_facts()?;
            wanted.push((path.to_owned(), Wanted::Database { length, content }));
        }
        wanted.par_iter().map(|(path, wanted)| self.judge(path, wanted)).collect()
    }

    fn judge(&self, path: &str, wanted: &Wanted<'_>) -> Result<DeltaFile, Error> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        self.observer.event(&Event::File { name: path });
        let place = self.root.join(path);
        let seen = shelf::seen(&place)?;
        if seen.is_none() && place.symlink_metadata().is_ok() {
            return Err(Refused::InTheWay { path: place }.into());
        }
        let mut content = self.equal(&place, seen, wanted)?;
        let mut change = if seen.is_some() { Change::Replaced } else { Change::Written };
        if content.is_some() {
            change = Change::Kept;
        } else {
            let waiting = self.root.join(staged(path));
            content = self.equal(&waiting, shelf::seen(&waiting)?, wanted)?;
        }
        let waits = change != Change::Kept && content.is_some();
        Ok(DeltaFile { path: path.to_owned(), change, bytes: wanted.bytes(), waits, content, seen })
    }

    /// The hash of a file's stored bytes, if it is what is wanted.
    fn equal(
        &self,
        at: &Path,
        seen: Option<Seen>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<ContentHash>, Error> {
        if seen.is_none_or(|seen| seen.length != wanted.length()) {
            return Ok(None);
        }
        let (stored, end, expected) = match wanted {
            Wanted::Segment(plan) => (plan.stored, plan.end.bytes(), self.hash_of(plan)?),
            Wanted::Plain(listed) => (listed.content.length, &[][..], listed.content.blake3),
            Wanted::Database { length, content } => (*length, &[][..], *content),
        };
        let written = Written {
            file: Reread::new(File::open(at).map_err(failed(at))?),
            path: at,
            naming: self.repository.naming(),
            observer: self.observer,
        };
        let equal = written.equals(stored, end, wanted.length(), expected)?;
        Ok(equal.then_some(expected))
    }

    /// Of what is cut nobody has named a hash: it is read from the archive.
    fn hash_of(&self, plan: &SegmentPlan) -> Result<ContentHash, Error> {
        if let Some(known) = plan.blake3 {
            return Ok(known);
        }
        let mut hasher = self.repository.naming().hasher();
        self.repository.read_extents(&plan.extents, 0..plan.stored, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        Ok(hasher.content())
    }

    /// Length and hash of the control database that is wanted.
    fn database_facts(&self) -> Result<(u64, ContentHash), Error> {
        let naming = self.repository.naming();
        match self.database {
            ControlDb::Inner { inner, .. } => Ok((inner.length, inner.blake3)),
            ControlDb::Absent { .. } => Ok((0, naming.content(&[]))),
            ControlDb::Zip { zip, name, .. } => {
                let mut bytes = Vec::new();
                content::stream(self.repository, zip, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })?;
                let apart = take_apart(&bytes, CONTROL_DB_MAX).map_err(|error| Refused::Contradiction {
                    file: name.clone(),
                    what: format!("the archived zip can't be taken apart: {error}"),
                })?;
                Ok((apart.inner.len() as u64, naming.content(&apart.inner)))
            }
        }
    }

    /// What else is in the directory of a store.
    fn store(
        &self,
        context: &str,
        store: &StorePlan,
        plan: &mut DeltaPlan,
        losses: &mut Losses<'_>,
        remarks: &mut Remarks,
    ) -> Result<(), Error> {
        let place = |name: &str| below(&store.directory, name);
        let there = Shelf::of(&self.root.join(&store.directory), store.store)?;
        plan.goes_on |= there.is_marked;
        plan.markers.push(place(&marker(store.store)));
        plan.debris.extend(there.waiting.iter().map(|name| place(name)));
        let removed: Vec<_> =
            there.segments.iter().filter(|(name, _)| plan.find(&place(name)).is_none()).collect();
        let with_events: BTreeSet<&str> =
            store.segments.iter().filter(|plan| plan.events > 0).map(|plan| plan.path.as_str()).collect();
        for (name, (segment, seen)) in &there.segments {
            let changes = plan.find(&place(name)).is_none_or(|file| file.change != Change::Kept);
            if changes {
                losses.file(context, store, &self.root.join(place(name)), (*segment, *seen))?;
            } else if with_events.contains(place(name).as_str()) {
                losses.kept();
            }
        }
        let mut removals: Vec<_> = removed.iter().map(|(name, (_, seen))| (place(name), *seen)).collect();
        removals.extend(self.index_removals(context, store, &there, plan, !removed.is_empty()));
        for (path, seen) in removals {
            let (change, bytes) = (Change::Removed, seen.length);
            plan.files.push(DeltaFile { path, change, bytes, waits: false, content: None, seen: Some(seen) });
        }
        for name in &there.misnamed {
            let text = format!("{} is no segment's name: a server refuses to start on it", place(name));
            remarks.add(Weight::Warning, "misnamed", text);
        }
        for path in there.misnamed.iter().chain(&there.unknown).map(|name| place(name)) {
            if !plan.left.contains(&path) {
                plan.left.push(path);
            }
        }
        plan.files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(())
    }

    /// The index files that go: those of the point come in their place, or those stay that are right.
    fn index_removals(
        &self,
        context: &str,
        store: &StorePlan,
        found: &Shelf,
        plan: &DeltaPlan,
        has_removed: bool,
    ) -> Vec<(String, Seen)> {
        let place = |name: &str| below(&store.directory, name);
        let is_kept = |path: &str| plan.find(path).is_some_and(|file| file.change == Change::Kept);
        let is_of = |set: &&PlainPlan| {
            set.kind == INDEX
                && set.context.as_deref() == Some(context)
                && set.store.as_deref() == Some(store.store.as_str())
        };
        let there: BTreeSet<String> = found.indexes.keys().cloned().collect();
        let staying = match self.plain_files.iter().find(is_of) {
            Some(set) => set.list.iter().map(|file| file.name.clone()).collect(),
            None => indexes::staying(store, &is_kept, &there),
        };
        let goes = |(name, _): &(&String, &Seen)| !staying.contains(*name);
        let mut removals: Vec<_> =
            found.indexes.iter().filter(goes).map(|(name, seen)| (place(name), *seen)).collect();
        let is_same = !has_removed && store.segments.iter().all(|segment| is_kept(&segment.path));
        if !is_same {
            removals.extend(found.global.iter().map(|(name, seen)| (place(name), *seen)));
        }
        removals
    }
}
