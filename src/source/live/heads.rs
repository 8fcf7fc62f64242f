//! What the heads that a server tells, or keeps to itself, say of what is archived of it.

use crate::axon::name::Store;
use crate::source::listing::Remark;
use crate::source::live::LiveSource;
use crate::source::live::replication::ADMIN;
use std::collections::BTreeSet;

impl LiveSource {
    /// Without the server's own heads only the files say how far a history has to reach: that is said.
    pub(super) fn remark_untold_heads(&mut self) {
        let untold = |name: &&String| {
            Store::ALL.iter().any(|store| !self.heads.contains_key(&((*name).clone(), *store)))
        };
        let names: Vec<&str> = self
            .contexts
            .iter()
            .filter(|name| self.is_wanted(name))
            .filter(untold)
            .map(String::as_str)
            .collect();
        if !names.is_empty() {
            let text = format!(
                "the server does not tell how far the stores of {} reach: only the files say it",
                names.join(", ")
            );
            self.remark("heads-untold", false, None, text);
        }
    }

    /// Contexts and stores that one answer of the server has and another has not: somebody should look.
    pub(super) fn remark_doubtful_stores(&mut self) {
        let is_unnamed = |name: &&String| !self.contexts.contains(*name) && self.is_wanted(name);
        let told = self.heads.keys().map(|(name, _)| name).filter(|name| *name != ADMIN);
        let unnamed: BTreeSet<String> = told.filter(is_unnamed).cloned().collect();
        // However many they are: each is another one, and needs no comparing with the others.
        self.remarks.extend(unnamed.into_iter().map(unnamed_context));
        let untold: Vec<_> = self.bare.iter().filter(|key| !self.heads.contains_key(key)).cloned().collect();
        for (name, store) in untold {
            let text = format!(
                "neither the server nor its directory shows a segment of the {store} of {name}, where a server always has one, and the server does not \
                 tell how far they reach: whether there are none is not known"
            );
            self.remark("bare-store", true, Some(&name), text);
        }
    }
}

fn unnamed_context(name: String) -> Remark {
    let text = format!(
        "the server tells how far {name} reaches, and does not name it among the contexts that it stores: it is not archived"
    );
    Remark { what: "unnamed-context", is_warning: true, context: Some(name), text }
}
