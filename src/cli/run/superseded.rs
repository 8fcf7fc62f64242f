//! A point, and what is done behind its commit: what tails held and nothing needs any more is given back.

use crate::cli::describe::chain;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine;
use crate::engine::backup::{self, BackupOptions, BackupReport};
use crate::engine::prune::tails;
use crate::repo;
use crate::repo::format::id::PackId;
use crate::repo::format::point::{Finding, Weight};
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
        let mut report = backup::run(&repository, source, options, progress)?;
        let superseded = if report.point.is_some() {
            superseded(&repository, newest_act, progress)
        } else {
            Ok(BTreeSet::new())
        };
        drop(repository);
        let done = superseded.and_then(|superseded| self.give_back(&superseded, progress));
        report.findings.extend(done.err().as_ref().and_then(trouble));
        Ok(report)
    }

    /// Deletes it if nobody else has the repository open just now; nobody is waited for.
    fn give_back(&self, superseded: &BTreeSet<PackId>, progress: &Progress) -> Result<(), Failure> {
        if superseded.is_empty() || self.signals.came() {
            return Ok(());
        }
        let alone = repository::open_alone(self, Duration::ZERO, false)?;
        tails::give_back(&alone, superseded, progress)?;
        Ok(())
    }
}

/// Marks what this backup has superseded; gives what earlier ones marked, if it is worth deleting.
fn superseded(
    repository: &Repository,
    newest_act: u64,
    progress: &Progress,
) -> Result<BTreeSet<PackId>, Failure> {
    tails::mark(repository, progress)?;
    Ok(tails::worth_giving_back(repository, newest_act)?)
}

/// The point stands whatever becomes of this: a trouble is a warning, since what keeps this from being done keeps a prune from it, too, and nobody
/// else may look at the repository for long. Others at work are no trouble: the next backup, or a prune, does it.
fn trouble(failure: &Failure) -> Option<Finding> {
    let is_passing = match failure {
        Failure::Engine(error) => matches!(
            &**error,
            engine::Error::Repo(repo::Error::Locked { .. } | repo::Error::Overtaken { .. })
                | engine::Error::Interrupted
        ),
        _ => false,
    };
    let text = || format!("what tails held was not given back: {}", chain(failure));
    (!is_passing).then(|| Finding::new(Weight::Warning, "not-given-back", text()))
}
