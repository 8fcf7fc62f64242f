//! Where things go below the target: as a server looks for them.

use crate::axon::name::Store;
use std::collections::BTreeMap;

/// Directories below the target, without a slash at their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Holds the contexts' directories with their events.
    pub events: String,
    /// The same for their snapshots.
    pub snapshots: String,
    /// Holds the control database.
    pub control_db: String,
    /// Holds the replication groups' directories with their logs.
    pub replication_log: String,
    /// Stores that have a directory of their own.
    pub stores: BTreeMap<(String, Store), String>,
}

impl Default for Layout {
    /// A server's own, with no settings at all.
    fn default() -> Self {
        let data = || "data".to_owned();
        Self {
            events: data(),
            snapshots: data(),
            control_db: data(),
            replication_log: "log".to_owned(),
            stores: BTreeMap::new(),
        }
    }
}

impl Layout {
    /// The directory of a store.
    pub fn store(&self, context: &str, store: Store) -> String {
        let general = match store {
            Store::Events => &self.events,
            Store::Snapshots => &self.snapshots,
        };
        self.stores.get(&(context.to_owned(), store)).cloned().unwrap_or_else(|| below(general, context))
    }

    /// The directory of a replication group's log.
    pub fn group(&self, group: &str) -> String {
        below(&self.replication_log, group)
    }

    /// The place of the control database.
    pub fn database(&self, name: &str) -> String {
        below(&self.control_db, name)
    }
}

/// A name in a directory; the target itself has the name "". Without one, a slash would lead to the root of the machine.
pub(super) fn below(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
