//! A run: what is weaker first, then what is small, as long as there is time.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::recompress::plan::{Candidates, History, OldPack, groups};
use crate::engine::recompress::rewrite::Rewriter;
use crate::engine::recompress::small::Judge;
use crate::engine::recompress::{RecompressOptions, Recompressed};
use crate::repo::store::Repository;

/// A run at work.
pub(super) struct Run<'a> {
    repository: &'a Repository,
    options: &'a RecompressOptions,
    observer: &'a dyn Observer,
    /// When no more groups are begun. One that is begun is finished: the next run would have to go through all of it again.
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
            if !self.options.dry_run && !self.is_settled() && self.is_over() {
                return Ok(Recompressed { all_looked_at: false, finished: false, ..self.report });
            }
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
        self.report.plan(&candidates.weaker);
        if self.options.dry_run {
            return Ok(());
        }
        let mut rewriter = self.rewriter(&candidates.history, &candidates.weaker);
        for group in groups(&candidates.weaker) {
            if self.is_over() {
                break;
            }
            rewriter.group(group, &mut self.report)?;
        }
        Ok(())
    }

    fn small(&mut self, candidates: Candidates) -> Result<(), Error> {
        let Candidates { small, history, .. } = candidates;
        let (repository, compression) = (self.repository, self.options.effort.compression);
        let judge = Judge { repository, history: &history, compression, observer: self.observer };
        let all = self.in_order(small, &judge)?;
        if all.is_empty() {
            return Ok(());
        }
        let total = all.iter().flatten().map(OldPack::raw_length).sum();
        self.observer.event(&Event::Phase { name: "joining small packs", total: Some(total) });
        for group in all {
            if self.is_over() {
                self.report.all_looked_at = false;
                break;
            }
            self.group(&judge, group)?;
        }
        Ok(())
    }

    /// Groups that may be worth it, those first that are, whatever is in them.
    fn in_order(&self, small: Vec<Vec<OldPack>>, judge: &Judge<'_>) -> Result<Vec<Vec<OldPack>>, Error> {
        let (mut sure, mut others) = (Vec::new(), Vec::new());
        for group in small {
            match judge.at_a_glance(&group)? {
                Some(true) => sure.push(group),
                Some(false) => {}
                None => others.push(group),
            }
        }
        let now = self.observer.now_ms();
        Ok([rotated(sure, now), rotated(others, now)].concat())
    }

    fn group(&mut self, judge: &Judge<'_>, group: Vec<OldPack>) -> Result<(), Error> {
        let length: u64 = group.iter().map(OldPack::raw_length).sum();
        let verdict = judge.verdict(group)?;
        self.left_out += verdict.damaged.len() as u64;
        self.report.damaged_packs.extend(verdict.damaged.iter().map(|pack| pack.id.to_string()));
        if verdict.join.is_empty() {
            self.observer.event(&Event::Bytes(length));
            return Ok(());
        }
        self.report.plan(&verdict.join);
        if self.options.dry_run {
            return Ok(());
        }
        self.rewriter(judge.history, &verdict.join).group(&verdict.join, &mut self.report)
    }

    fn rewriter<'r>(&self, history: &'r History, packs: &[OldPack]) -> Rewriter<'r>
    where
        'a: 'r,
    {
        Rewriter::new(self.repository, (history, packs), self.options.effort, self.observer)
    }
}

/// The same, beginning with any of them, as the clock has it: short runs would look at the same ones for ever, and come to nothing.
fn rotated<T>(mut groups: Vec<T>, now: i64) -> Vec<T> {
    let length = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    let begin = now.checked_rem_euclid(length).and_then(|begin| usize::try_from(begin).ok());
    groups.rotate_left(begin.unwrap_or_default());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_with_another_group_as_time_goes_on() {
        let begins = |now| rotated(vec![1, 2, 3], now);
        assert_eq!([6, 7, 8].map(begins), [vec![1, 2, 3], vec![2, 3, 1], vec![3, 1, 2]]);
        assert_eq!(begins(-1), [3, 1, 2]);
        assert!(rotated(Vec::<u8>::new(), 7).is_empty());
    }
}
