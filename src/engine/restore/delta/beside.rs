//! What lies in a directory beside what is restored, and stays: other contexts, control databases, replication logs.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::restore::delta::plan::{Change, DeltaPlan, unstaged};
use crate::engine::restore::delta::shelf::{self, Shelf};
use crate::engine::restore::delta::survey::Surveyed;
use crate::engine::restore::layout::below;
use crate::engine::restore::plan::{ContextPlan, SegmentPlan};
use crate::engine::restore::remarks::Remarks;
use crate::repo::format::point::Weight;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Surveyed<'_> {
    /// Contexts that are there and are not restored.
    pub(super) fn beside_contexts(&self, plan: &mut DeltaPlan, remarks: &mut Remarks) -> Result<(), Error> {
        let ours: BTreeSet<_> =
            self.contexts.iter().flat_map(ContextPlan::stores).map(|store| store.directory.clone()).collect();
        let mut found = BTreeMap::new();
        for (above, store) in
            [(&self.layout().events, Store::Events), (&self.layout().snapshots, Store::Snapshots)]
        {
            for (name, _) in shelf::names(&self.root.join(above))? {
                let directory = below(above, &name);
                let path = self.root.join(&directory);
                if ours.contains(&directory) || !path.is_dir() {
                    continue;
                }
                let there = Shelf::of(&path, store)?;
                if there.is_marked || !there.segments.is_empty() {
                    *found.entry(directory).or_default() |= there.is_marked;
                }
            }
        }
        for (directory, is_marked) in found {
            self.tell_other(&directory, is_marked, remarks);
            plan.left.push(directory);
        }
        Ok(())
    }

    /// Whoever leaves a context out knows that it is there, but not that a restore was interrupted in it.
    fn tell_other(&self, directory: &str, is_marked: bool, remarks: &mut Remarks) {
        let weight = if self.options.contexts.is_empty() { Weight::Warning } else { Weight::Note };
        let text = format!("{directory} has segments of a context that is not restored: it stays as it is");
        remarks.add(weight, "other-context", text);
        if is_marked {
            let text = format!(
                "{directory} is of a restore that was interrupted, and no server starts on it: restore that context, too"
            );
            remarks.add(Weight::Warning, "unfinished", text);
        }
    }

    /// Replication logs that are there and are not of this restore. Where the history stays as it is, they are right.
    pub(super) fn replication_logs(&self, plan: &mut DeltaPlan, remarks: &mut Remarks) -> Result<(), Error> {
        let is_kept =
            |segment: &SegmentPlan| plan.find(&segment.path).is_some_and(|file| file.change == Change::Kept);
        let mut segments =
            self.contexts.iter().flat_map(ContextPlan::stores).flat_map(|store| &store.segments);
        if segments.all(is_kept) && plan.with(Change::Removed).next().is_none() {
            return Ok(());
        }
        let above = &self.layout().replication_log;
        for (group, _) in shelf::names(&self.root.join(above))? {
            let directory = below(above, &group);
            let path = self.root.join(&directory);
            let files = if path.is_dir() { shelf::names(&path)? } else { Vec::new() };
            let is_log = |name: &str| Path::new(name).extension().is_some_and(|suffix| suffix == "log");
            let stays = |name: &str| is_log(name) && plan.find(&below(&directory, name)).is_none();
            if files.iter().any(|(name, _)| stays(name)) {
                let text = format!(
                    "the replication log {directory} is not of this restore and stays: it may run ahead of the events; remove it"
                );
                remarks.add(Weight::Warning, "replication-log-stays", text);
                plan.left.push(directory);
            }
        }
        Ok(())
    }

    /// Control databases that are there and are not the one that is restored.
    pub(super) fn databases(&self, plan: &mut DeltaPlan, remarks: &mut Remarks) -> Result<(), Error> {
        let directory = &self.layout().control_db;
        let place = |name: &str| below(directory, name);
        for (name, _) in shelf::names(&self.root.join(directory))? {
            let path = place(&name);
            if unstaged(&name).is_some() {
                plan.debris.push(path);
            } else if name.ends_with(".mv.db") && plan.find(&path).is_none() {
                let text = format!(
                    "the control database {path} is not of this restore and stays: it may rely on events that are not there; remove it, or restore one"
                );
                remarks.add(Weight::Warning, "control-db-stays", text);
                plan.left.push(path);
            }
        }
        Ok(())
    }
}
