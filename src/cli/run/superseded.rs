//! What a backup does behind its commit: what tails held and nothing needs any more is given back.

use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine;
use crate::engine::prune::tails;
use crate::repo;
use crate::repo::format::id::PackId;
use crate::repo::store::Repository;
use std::collections::BTreeSet;
use std::time::Duration;

impl Run<'_> {
    /// Marks what this backup has superseded; gives what earlier ones marked, if it is worth deleting. The point stands whatever becomes of this:
    /// a trouble is a warning.
    pub(super) fn superseded(
        &self,
        repository: &Repository,
        newest_act: u64,
        progress: &Progress,
    ) -> BTreeSet<PackId> {
        let marked = tails::mark(repository, progress);
        let found = marked.and_then(|_| tails::worth_giving_back(repository, newest_act));
        found.unwrap_or_else(|error| {
            self.trouble(&error.into());
            BTreeSet::new()
        })
    }

    /// Deletes it if nobody else has the repository open just now; nobody is waited for.
    pub(super) fn give_back(&self, superseded: &BTreeSet<PackId>, progress: &Progress) {
        if superseded.is_empty() || self.signals.came() {
            return;
        }
        let alone = repository::open_alone(self.global, Duration::ZERO, false, &self.signals);
        let done = alone.and_then(|alone| Ok(tails::give_back(&alone, superseded, progress)?));
        if let Err(failure) = done {
            self.trouble(&failure);
        }
    }

    /// Others at work are no trouble: the next backup, or a prune, does it.
    fn trouble(&self, failure: &Failure) {
        let is_passing = match failure {
            Failure::Engine(error) => matches!(
                &**error,
                engine::Error::Repo(repo::Error::Locked { .. } | repo::Error::Overtaken { .. })
                    | engine::Error::Interrupted
            ),
            _ => false,
        };
        if !is_passing {
            self.screen.warning(&format!("what tails held was not given back: {failure}"));
        }
    }
}
