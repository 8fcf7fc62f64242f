//! The acts that were read last: a backup asks for all of them again and again. A numbered file stays what it is; whoever wants to know whether it
//! can still be read, as `verify` does, opens the repository anew.

use crate::repo::format::act::Act;
use crate::repo::store::journal::Entry;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Each act, as it was read, with the length of its file then.
type Kept = BTreeMap<u64, (u64, Entry<Act>)>;

/// Acts that were well when they were read last, and of which none behind them said otherwise.
#[derive(Default)]
pub(super) struct KeptActs(Mutex<Kept>);

impl KeptActs {
    /// The act with this number, if it was read, and its file is as long as then.
    pub fn get(&self, number: u64, length: u64) -> Option<Entry<Act>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&number).filter(|(found, _)| *found == length).map(|(_, entry)| entry.clone())
    }

    /// Keeps these, and no others: what was found changed is read again.
    pub fn keep(&self, lengths: &BTreeMap<u64, u64>, good: &BTreeMap<u64, Entry<Act>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|number, _| good.contains_key(number));
        for (number, entry) in good {
            let Some(length) = lengths.get(number) else { continue };
            if kept.get(number).is_none_or(|(found, _)| found != length) {
                kept.insert(*number, (*length, entry.clone()));
            }
        }
    }
}
