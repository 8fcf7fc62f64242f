//! `prune`.

use crate::cli::args::Prune;
use crate::cli::duration::milliseconds;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::render::prune::Pruned;
use crate::cli::repository;
use crate::cli::run::profile::Done;
use crate::cli::run::{Run, whole};
use crate::engine;
use crate::engine::observe::Observer;
use crate::engine::prune;
use crate::engine::prune::{DeleteReport, MarkReport, PruneOptions};
use crate::repo;
use std::time::Duration;

/// How long a prune waits to be alone, if nothing else was asked for.
const WAIT: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Marks beside readers, then deletes alone. Where others don't let it, the marks wait for the next run.
    pub(super) fn prune(&self, asked: &Prune) -> Result<Exit, Failure> {
        let (exit, mark, delete) = self.pruned(asked)?;
        let pruned = Pruned { dry_run: self.global.dry_run, mark: &mark, delete: delete.as_ref() };
        if self.global.dry_run {
            self.screen.result("prune", &pruned, || render::prune::text(&pruned))?;
        } else {
            self.screen.report("prune", &pruned, || render::prune::text(&pruned))?;
        }
        Ok(exit)
    }

    pub(super) fn prune_done(&self, asked: &Prune) -> Result<Done, Failure> {
        let (exit, mark, delete) = self.pruned(asked)?;
        let pruned = Pruned { dry_run: self.global.dry_run, mark: &mark, delete: delete.as_ref() };
        Done::new(exit, &pruned, render::prune::text(&pruned))
    }

    fn pruned(&self, asked: &Prune) -> Result<(Exit, MarkReport, Option<DeleteReport>), Failure> {
        let progress = Progress::new(self.screen, self.signals.clone());
        let options = prune_options(asked, progress.now_ms());
        if self.global.dry_run {
            let plan = prune::plan(&self.open()?, &options, &progress)?;
            return Ok((Exit::Done, plan.mark, Some(plan.delete)));
        }
        let (options, mark) = self.mark(options, asked.allow.allow_delete, &progress)?;
        let delete = self.delete(&options, asked.allow.allow_delete, &progress)?;
        drop(progress);
        Ok((self.ended(&mark, delete.as_ref()), mark, delete))
    }

    fn mark(
        &self,
        mut options: PruneOptions,
        allow_delete: bool,
        progress: &Progress,
    ) -> Result<(PruneOptions, MarkReport), Failure> {
        let repository = self.open_to_remove(allow_delete)?;
        options.newest_act = Some(prune::newest_act(&repository)?);
        let mark = match prune::mark(&repository, &options, progress) {
            // A backup may take hours: it is marked beside it.
            Err(error) if is_locked(&error) && !self.signals.came() => {
                prune::mark_beside(&repository, progress)?
            }
            marked => marked?,
        };
        Ok((options, mark))
    }

    /// None if others have the repository open.
    fn delete(
        &self,
        options: &PruneOptions,
        allow_delete: bool,
        progress: &Progress,
    ) -> Result<Option<DeleteReport>, Failure> {
        let wait = self.global.wait.unwrap_or(WAIT);
        let alone = match repository::open_alone(self, wait, allow_delete) {
            Err(Failure::Engine(error)) if is_locked(&error) && !self.signals.came() => return Ok(None),
            opened => opened?,
        };
        Ok(Some(prune::delete(&alone, options, progress)?))
    }

    fn ended(&self, mark: &MarkReport, delete: Option<&DeleteReport>) -> Exit {
        if delete.is_none() {
            self.screen
                .warning("others have the repository open: nothing was deleted, the next prune does it");
        }
        let unproven = delete.map_or(&[][..], |delete| &delete.unproven);
        for skipped in mark.skipped.iter().chain(unproven) {
            self.screen.warning(&format!("{}: {}", skipped.path, skipped.why));
        }
        whole(delete.is_some() && mark.skipped.is_empty() && unproven.is_empty())
    }
}

fn is_locked(error: &engine::Error) -> bool {
    matches!(error, engine::Error::Repo(repo::Error::Locked { .. }))
}

fn prune_options(asked: &Prune, now_ms: i64) -> PruneOptions {
    PruneOptions {
        grace_ms: milliseconds(asked.grace),
        max_unused_permille: asked.max_unused,
        max_unused_tails_permille: asked.max_unused.min(PruneOptions::default().max_unused_tails_permille),
        max_repack: asked.max_repack.unwrap_or(u64::MAX),
        deadline_ms: asked.max_duration.map(|most| now_ms.saturating_add(milliseconds(most))),
        newest_act: None,
        ..PruneOptions::default()
    }
}
