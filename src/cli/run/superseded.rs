//! A point, and what is done behind its commit: what tails held and nothing needs any more is given back.

use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine;
use crate::engine::backup::{self, BackupOptions, BackupReport};
use crate::engine::prune::tails;
use crate::repo;
use crate::repo::format::id::PackId;
use crate::repo::store::Repository;
use crate::source::Source;
use std::collections::BTreeSet;
use std::time::Duration;

impl Run<'_> {
    /// Makes a point, for `backup` and for `watch`. Lets go of the repository, since who deletes has to be alone.
    pub(super) fn make_point(
        &self,
        repository: Repository,
        source: &mut dyn Source,
        options: &BackupOptions,
        progress: &Progress,
    ) -> Result<BackupReport, Failure> {
        let newest_act = tails::newest_act(&repository)?;
        let report = backup::run(&repository, source, options, progress)?;
        let superseded = if report.point.is_some() {
            self.superseded(&repository, newest_act, progress)
        } else {
            BTreeSet::new()
        };
        drop(repository);
        self.give_back(&superseded, progress);
        Ok(report)
    }

    /// Marks what this backup has superseded; gives what earlier ones marked, if it is worth deleting. The point stands whatever becomes of this:
    /// a trouble is a warning.
    fn superseded(&self, repository: &Repository, newest_act: u64, progress: &Progress) -> BTreeSet<PackId> {
        let marked = tails::mark(repository, progress);
        let found = marked.and_then(|_| tails::worth_giving_back(repository, newest_act));
        found.unwrap_or_else(|error| {
            self.trouble(&error.into());
            BTreeSet::new()
        })
    }

    /// Deletes it if nobody else has the repository open just now; nobody is waited for.
    fn give_back(&self, superseded: &BTreeSet<PackId>, progress: &Progress) {
        if superseded.is_empty() || self.signals.came() {
            return;
        }
        let alone = repository::open_alone(self, Duration::ZERO, false);
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
