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
use crate::repo::store::Repository;
use std::time::Duration;

/// How long an erasure waits to be alone, if nothing else was asked for.
const WAIT: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Without `--yes` it says what it would do, and asks if it can; with `--prove`, it proves what was done.
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
        let allow_delete = asked.allow.allow_delete;
        let asks = !report.segments.is_empty() && self.may_ask_to_remove(&repository, allow_delete);
        drop((progress, repository));
        self.screen.result("erase", &report, || render::erase::text(&report, !asks))?;
        if !asks {
            return Ok(Exit::Done);
        }
        if !self.answers("erase it? There is no undo. Type erase:", "erase")? {
            self.screen.step("nothing was erased\n")?;
            return Ok(Exit::Done);
        }
        self.erase_now(asked, &options, Progress::new(self.screen, self.signals.clone()))
    }

    fn erase_now(&self, asked: &Erase, options: &EraseOptions, progress: Progress) -> Result<Exit, Failure> {
        let wait = self.global.wait.unwrap_or(WAIT);
        let alone = repository::open_alone(self, wait, asked.allow.allow_delete)?;
        let report = erase::erase(&alone, options, &progress)?;
        drop(progress);
        self.screen.report("erase", &report, || render::erase::text(&report, true))?;
        Ok(ended(&report))
    }

    /// Without `--confirm` it says what would go, and what confirms it: as a flag, or as the answer to a question.
    pub(super) fn drop_history(&self, asked: &DropHistory) -> Result<Exit, Failure> {
        let Some(words) = self.dropped(asked)? else { return Ok(Exit::Done) };
        if self.answers(&format!("drop it? There is no undo. Type {words}:"), &words)? {
            self.dropped(&DropHistory { confirm: Some(words), ..asked.clone() })?;
        } else {
            self.screen.step("nothing was dropped\n")?;
        }
        Ok(Exit::Done)
    }

    /// Gives the words that would confirm it, if there is somebody to ask for them.
    fn dropped(&self, asked: &DropHistory) -> Result<Option<String>, Failure> {
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
        let asks = self.may_ask_to_remove(&repository, asked.allow.allow_delete);
        drop((progress, repository));
        if report.dry_run {
            self.screen.result("drop-history", &report, || render::erase::dropped(&report))?;
        } else {
            self.screen.report("drop-history", &report, || render::erase::dropped(&report))?;
        }
        Ok(report.confirmation.filter(|_| report.dry_run && asks))
    }

    /// Nobody is asked about what would be refused then.
    fn may_ask_to_remove(&self, repository: &Repository, allow_delete: bool) -> bool {
        self.can_ask() && (allow_delete || repository.may_remove().is_ok())
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
