//! A run: what is weaker first, then what is small, as long as there is time.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::recompress::plan::{Candidates, History, OldPack};
use crate::engine::recompress::rewrite::Rewriter;
use crate::engine::recompress::small::Judge;
use crate::engine::recompress::{RecompressOptions, Recompressed};
use crate::repo::store::Repository;

/// A run at work.
pub(super) struct Run<'a> {
    repository: &'a Repository,
    options: &'a RecompressOptions,
    observer: &'a dyn Observer,
    /// When nothing more is begun.
    end: Option<i64>,
    /// Packs that were left out since they are damaged.
    left_out: u64,
    report: Recompressed,
}

impl<'a> Run<'a> {
    /// One that began just now.
    pub fn new(
        repository: &'a Repository,
        options: &'a RecompressOptions,
        observer: &'a dyn Observer,
        begun: i64,
    ) -> Self {
        let end = options.max_ms.map(|length| begun.saturating_add(length));
        let report = Recompressed::nothing(options.effort.compression);
        Self { repository, options, observer, end, left_out: 0, report }
    }

    /// Does all of it, or says what it would do.
    pub fn all(mut self) -> Result<Recompressed, Error> {
        let mut candidates = self.candidates()?;
        if !candidates.weaker.is_empty() {
            self.weaker(&candidates)?;
            if !self.options.dry_run {
                drop(candidates);
                candidates = self.candidates()?;
            }
        }
        self.small(candidates)?;
        self.report.finished = self.is_settled() && self.report.all_looked_at;
        Ok(self.report)
    }

    /// Whether all that was planned is done, or can't be.
    fn is_settled(&self) -> bool {
        let damaged = (self.report.damaged_packs.len() as u64).saturating_sub(self.left_out);
        self.report.marked_packs + self.report.same_packs + damaged == self.report.planned_packs
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.observer.now_ms() >= end)
    }

    fn candidates(&self) -> Result<Candidates, Error> {
        Candidates::read(self.repository, self.options.effort.compression)
    }

    fn weaker(&mut self, candidates: &Candidates) -> Result<(), Error> {
        let total = candidates.weaker.iter().map(OldPack::raw_length).sum();
        self.observer.event(&Event::Phase { name: "recompressing", total: Some(total) });
        self.rewrite(&candidates.history, &candidates.weaker, self.end)
    }

    fn small(&mut self, candidates: Candidates) -> Result<(), Error> {
        let Candidates { small, history, .. } = candidates;
        if small.is_empty() {
            return Ok(());
        }
        let total = small.iter().flatten().map(OldPack::raw_length).sum();
        self.observer.event(&Event::Phase { name: "joining small packs", total: Some(total) });
        // The newest first: those before were judged by earlier runs. A group that is begun is finished: what came of the half of it would be one
        // more small pack, and the next run would begin anew.
        for group in small.into_iter().rev() {
            if self.is_over() {
                self.report.all_looked_at = false;
                break;
            }
            self.group(&history, group)?;
        }
        Ok(())
    }

    fn group(&mut self, history: &History, group: Vec<OldPack>) -> Result<(), Error> {
        let (repository, compression) = (self.repository, self.options.effort.compression);
        let length: u64 = group.iter().map(OldPack::raw_length).sum();
        let judge = Judge { repository, history, compression, observer: self.observer };
        let verdict = judge.verdict(group)?;
        self.left_out += verdict.damaged.len() as u64;
        self.report.damaged_packs.extend(verdict.damaged.iter().map(|pack| pack.id.to_string()));
        if verdict.join.is_empty() {
            self.observer.event(&Event::Bytes(length));
            return Ok(());
        }
        self.rewrite(history, &verdict.join, None)
    }

    fn rewrite(&mut self, history: &History, packs: &[OldPack], end: Option<i64>) -> Result<(), Error> {
        self.report.plan(packs);
        if self.options.dry_run {
            return Ok(());
        }
        let asked = (self.options.effort, end);
        Rewriter::new(self.repository, (history, packs), asked, self.observer).all(&mut self.report)
    }
}
