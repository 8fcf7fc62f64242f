//! `erase` and `drop-history`.

use crate::cli::args::{DropHistory, Erase};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine::drop_history;
use crate::engine::drop_history::DropOptions;
use crate::engine::erase::prove::{Erased, prove};
use crate::engine::erase::{self, EraseOptions, EraseReport, Proof};
use std::time::Duration;

/// How long an erasure waits to be alone, if nothing else was asked for.
const WAIT: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Without `--yes` it only says what it would do; with `--prove`, it proves what was done.
    pub(super) fn erase(&self, asked: &Erase) -> Result<Exit, Failure> {
        let options = EraseOptions {
            source: asked.source.clone(),
            context: asked.context.clone(),
            snapshots: asked.snapshots,
            reason: asked.reason.clone(),
            prove: asked.prove,
        };
        let progress = Progress::new(self.screen, self.signals.clone());
        if self.global.yes && !self.global.dry_run {
            return self.erase_now(asked, &options, progress);
        }
        let repository = self.open()?;
        if asked.prove {
            let erased = Erased::by_acts(&repository, &options.source, &options.context)?;
            let proof = prove(&repository, &erased, &progress)?;
            drop(progress);
            self.screen.result("erase-proof", &proof, || render::erase::proof(&proof))?;
            return Ok(proven(&proof));
        }
        let report = erase::plan(&repository, &options, &progress)?;
        drop(progress);
        self.screen.result("erase", &report, || render::erase::text(&report))?;
        Ok(Exit::Done)
    }

    fn erase_now(&self, asked: &Erase, options: &EraseOptions, progress: Progress) -> Result<Exit, Failure> {
        let wait = self.global.wait.unwrap_or(WAIT);
        let alone = repository::open_alone(self.global, wait, asked.allow.allow_delete, &self.signals)?;
        let report = erase::erase(&alone, options, &progress)?;
        drop(progress);
        self.screen.report("erase", &report, || render::erase::text(&report))?;
        Ok(ended(&report))
    }

    /// Without `--confirm` it only says what would go, and what confirms it.
    pub(super) fn drop_history(&self, asked: &DropHistory) -> Result<Exit, Failure> {
        let confirmed = asked.confirm.clone().filter(|_| !self.global.dry_run);
        let repository = match &confirmed {
            Some(_) => self.open_to_remove(asked.allow.allow_delete)?,
            None => self.open()?,
        };
        let options = DropOptions {
            source: asked.source.clone(),
            context: asked.context.clone(),
            before: asked.before,
            reason: asked.reason.clone(),
            confirmed,
        };
        let progress = Progress::new(self.screen, self.signals.clone());
        let report = drop_history::drop_history(&repository, &options, &progress)?;
        drop(progress);
        self.screen.result("drop-history", &report, || render::erase::dropped(&report))?;
        Ok(Exit::Done)
    }
}

/// What was erased and is still there is a failure; what stays and was named is for somebody to look at.
fn ended(report: &EraseReport) -> Exit {
    // Where nothing was ever erased there is nothing that a proof could compare.
    let says = |proof: &&Proof| !report.segments.is_empty() || proof.hashes > 0 || proof.names > 0;
    match report.proof.as_ref().filter(says).map(proven) {
        Some(exit) if exit != Exit::Done => exit,
        _ if report.leaves_something() => Exit::Incomplete,
        _ => Exit::Done,
    }
}

fn proven(proof: &Proof) -> Exit {
    match (proof.found.is_empty(), proof.is_clean()) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Done,
        (true, false) => Exit::Incomplete,
    }
}
