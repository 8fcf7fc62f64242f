//! A run: what is weaker first, then what is small, as long as there is time and something gains.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::recompress::plan::{Candidates, History, OldPack};
use crate::engine::recompress::rewrite::Rewriter;
use crate::engine::recompress::small::{Judge, Verdict};
use crate::engine::recompress::{RecompressOptions, Recompressed};
use crate::repo::store::Repository;

/// A run at work.
pub(super) struct Run<'a> {
    repository: &'a Repository,
    options: &'a RecompressOptions,
    observer: &'a dyn Observer,
    /// When nothing more is begun.
    end: Option<i64>,
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
        Self { repository, options, observer, end, report }
    }

    /// Does all of it, or says what it would do.
    pub fn all(mut self) -> Result<Recompressed, Error> {
        let mut candidates = self.candidates()?;
        if !candidates.weaker.is_empty() {
            self.weaker(&candidates)?;
            if !self.options.dry_run {
                candidates = self.candidates()?;
            }
        }
        if self.options.dry_run || self.report.is_settled() {
            self.small(candidates)?;
        }
        self.report.finished = self.report.is_settled() && self.report.all_looked_at;
        Ok(self.report)
    }

    fn candidates(&self) -> Result<Candidates, Error> {
        Candidates::read(self.repository, self.options.effort.compression)
    }

    fn weaker(&mut self, candidates: &Candidates) -> Result<(), Error> {
        let total = candidates.weaker.iter().map(OldPack::raw_length).sum();
        self.observer.event(&Event::Phase { name: "recompressing", total: Some(total) });
        self.rewrite(&candidates.history, &candidates.weaker)
    }

    fn small(&mut self, candidates: Candidates) -> Result<(), Error> {
        let Candidates { small, history, .. } = candidates;
        if small.is_empty() {
            return Ok(());
        }
        let total = small.iter().flatten().map(OldPack::raw_length).sum();
        self.observer.event(&Event::Phase { name: "joining small packs", total: Some(total) });
        for group in small {
            self.group(&history, &group)?;
        }
        Ok(())
    }

    fn group(&mut self, history: &History, group: &[OldPack]) -> Result<(), Error> {
        let (repository, compression) = (self.repository, self.options.effort.compression);
        let judge = Judge { repository, history, compression, end: self.end, observer: self.observer };
        match judge.verdict(group)? {
            Verdict::Stay => {
                let length = group.iter().map(OldPack::raw_length).sum();
                self.observer.event(&Event::Bytes(length));
            }
            Verdict::Unknown => self.report.all_looked_at = false,
            Verdict::Join { whole, damaged } => {
                self.report.plan(&damaged);
                self.report.damaged_packs.extend(damaged.iter().map(|pack| pack.id.to_string()));
                self.rewrite(history, &whole)?;
            }
        }
        Ok(())
    }

    fn rewrite(&mut self, history: &History, packs: &[OldPack]) -> Result<(), Error> {
        self.report.plan(packs);
        if self.options.dry_run {
            return Ok(());
        }
        let asked = (self.options.effort, self.end);
        Rewriter::new(self.repository, (history, packs), asked, self.observer).all(&mut self.report)
    }
}
