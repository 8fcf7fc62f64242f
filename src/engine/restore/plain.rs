//! Plain files of a point: which are handed out, and how.
//!
//! Index files are handed out for all segments of a store but the newest, or for none: a server that finds some of them serves wrong answers
//! without a word, and one that finds none builds them.

use crate::engine::content;
use crate::engine::error::Error;
use crate::engine::files;
use crate::engine::observe::{Event, Observer};
use crate::engine::restore::check::Written;
use crate::engine::restore::delta::desk::{Desk, Place};
use crate::engine::restore::error::{Error as Refused, stop_if};
use crate::engine::restore::layout::{Layout, below};
use crate::engine::restore::names;
use crate::engine::restore::plan::{ContextPlan, PlannedEnd, RestoreOptions, SegmentPlan, StorePlan};
use crate::engine::restore::remarks::Remarks;
use crate::engine::restore::reread::Reread;
use crate::engine::restore::staging::NewFile;
use crate::repo;
use crate::repo::format::files::{FileSet, INDEX, ListedFile, REPLICATION_LOG};
use crate::repo::format::point::PointBody;
use crate::repo::store::Repository;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

/// Files that are handed out together.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlainPlan {
    /// What they are: `index`, `replication-log`.
    pub kind: String,
    /// The context that they belong to, if they belong to one.
    pub context: Option<String>,
    /// The store that they belong to, if they belong to one.
    pub store: Option<String>,
    /// The replication group that they belong to, if they belong to one.
    pub group: Option<String>,
    /// Where they go, below the target.
    pub directory: String,
    /// How many.
    pub files: u64,
    /// Their lengths together.
    pub length: u64,
    /// They.
    #[serde(skip)]
    pub(super) list: Vec<ListedFile>,
}

impl PlainPlan {
    fn new(set: &FileSet, directory: String, list: Vec<ListedFile>) -> Self {
        Self {
            kind: set.kind.clone(),
            context: set.context.clone(),
            store: set.store.clone(),
            group: set.group.clone(),
            directory,
            files: list.len() as u64,
            length: list.iter().map(ListedFile::length).fold(0, u64::saturating_add),
            list,
        }
    }

    /// Where one of them goes, below the target.
    pub(super) fn path_of(&self, file: &ListedFile) -> String {
        below(&self.directory, &file.name)
    }
}

/// Chooses files.
pub struct Chooser<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The point.
    pub body: &'a PointBody,
    /// Where things go.
    pub layout: &'a Layout,
    /// What is told.
    pub remarks: &'a mut Remarks,
}

impl Chooser<'_> {
    /// All that is asked for.
    pub fn choose(
        &mut self,
        options: &RestoreOptions,
        contexts: &[ContextPlan],
    ) -> Result<Vec<PlainPlan>, Error> {
        let mut chosen = Vec::new();
        if options.cut.is_some() {
            self.tell_cut(options, contexts);
            return Ok(chosen);
        }
        if options.with_indexes {
            for (context, store) in contexts.iter().flat_map(|c| c.stores().map(|store| (c, store))) {
                chosen.extend(self.indexes(&context.context, store)?);
            }
        }
        if options.with_replication_log {
            chosen.extend(self.logs()?);
        }
        Ok(chosen)
    }

    /// What belongs to a point does not belong to a history that is cut, maybe out of another incarnation: an index of other bytes would give wrong
    /// answers, and a replication log would run ahead of the events.
    fn tell_cut(&mut self, options: &RestoreOptions, contexts: &[ContextPlan]) {
        if options.with_indexes {
            for (context, store) in contexts.iter().flat_map(|c| c.stores().map(|store| (c, store))) {
                self.remarks.no_indexes(&context.context, store.store, "the history is cut");
            }
        }
        if options.with_replication_log {
            self.remarks.no_replication_log("the history is cut: no replication log is handed out beside it");
        }
    }

    /// The index files of a store: all or none.
    fn indexes(&mut self, context: &str, store: &StorePlan) -> Result<Option<PlainPlan>, Error> {
        let Some((_, closed)) = store.segments.split_last().filter(|(_, closed)| !closed.is_empty()) else {
            return Ok(None);
        };
        let name = store.store.as_str();
        let set = self.body.files.iter().find(|set| {
            set.kind == INDEX && set.context.as_deref() == Some(context) && set.store.as_deref() == Some(name)
        });
        let Some(set) = set else {
            self.remarks.no_indexes(context, store.store, "the point has none");
            return Ok(None);
        };
        let listed = files::list(self.repository, set)?.files;
        let mut listed: BTreeMap<String, ListedFile> =
            listed.into_iter().map(|file| (file.name.clone(), file)).collect();
        let mut list = Vec::new();
        for segment in closed {
            match of_segment(segment, store, &mut listed) {
                Ok(found) => list.extend(found),
                Err(why) => {
                    self.remarks.no_indexes(context, store.store, &why);
                    return Ok(None);
                }
            }
        }
        Ok(Some(PlainPlan::new(set, self.layout.store(context, store.store), list)))
    }

    fn logs(&mut self) -> Result<Vec<PlainPlan>, Error> {
        let mut plans = Vec::new();
        for set in self.body.files.iter().filter(|set| set.kind == REPLICATION_LOG) {
            let group = names::plain(set.group.as_deref().unwrap_or_default())?;
            let list = files::list(self.repository, set)?.files;
            for file in &list {
                names::plain(&file.name)?;
            }
            plans.push(PlainPlan::new(set, self.layout.group(group), list));
        }
        if plans.is_empty() {
            self.remarks.no_replication_log("the point has no replication log");
        }
        Ok(plans)
    }
}

/// Index and bloom file of a segment; or why it has none that may be handed out.
fn of_segment(
    segment: &SegmentPlan,
    store: &StorePlan,
    listed: &mut BTreeMap<String, ListedFile>,
) -> Result<Vec<ListedFile>, String> {
    if segment.end == PlannedEnd::AsFound || !segment.is_sealed {
        return Err(format!("{} is not whole", segment.path));
    }
    let names = segment.name.index_names(store.store);
    names
        .into_iter()
        .map(|name| listed.remove(&name).ok_or_else(|| format!("{name} is not among them")))
        .collect()
}

/// Writes files, and reads them again.
pub struct PlainHandout<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// Where they are prepared.
    pub desk: &'a Desk,
}

impl PlainHandout<'_> {
    /// Writes all files of a set; their directory is there.
    pub fn write(&self, plan: &PlainPlan) -> Result<(), Error> {
        plan.list.par_iter().try_for_each(|file| self.file(plan, file))
    }

    fn file(&self, plan: &PlainPlan, listed: &ListedFile) -> Result<(), Error> {
        let path = plan.path_of(listed);
        self.observer.event(&Event::File { name: &path });
        let (file, at) = match self.desk.place(&path)? {
            Place::There(there) => (there.file, there.path),
            Place::New(file) => self.written(&path, listed, file)?,
        };
        let naming = self.repository.naming();
        let written = Written { file: Reread::new(file), path: &at, naming, observer: self.observer };
        written.check_padded(listed.content.length, &[], listed.length(), listed.content.blake3)
    }

    fn written(&self, path: &str, listed: &ListedFile, mut file: NewFile) -> Result<(File, PathBuf), Error> {
        let mut failed = None;
        let streamed = content::stream(self.repository, &listed.content, &mut |bytes| {
            failed = file.write(bytes).err();
            self.observer.event(&Event::Bytes(bytes.len() as u64));
            stop_if(failed.is_some() || self.observer.interrupted())
        });
        match (failed, streamed) {
            (Some(error), _) => return Err(error.into()),
            (None, Err(repo::Error::Interrupted)) => return Err(Error::Interrupted),
            (None, Err(source)) => return Err(lost(path, &source)),
            (None, Ok(())) => {}
        }
        let at = file.path().to_owned();
        Ok((file.finish(listed.length())?, at))
    }
}

fn lost(path: &str, source: &repo::Error) -> Error {
    Refused::Contradiction { file: path.to_owned(), what: format!("it can't be read: {source}") }.into()
}
