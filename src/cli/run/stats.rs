//! `stats`.

use crate::cli::args::Stats;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::{Run, undamaged};
use crate::engine::restore::free_space;
use crate::engine::stats;

impl Run<'_> {
    pub(super) fn stats(&self, asked: &Stats) -> Result<Exit, Failure> {
        let free = free_space(repository::path(self.global)?);
        let stats = stats::stats(&self.open()?, free)?;
        if asked.csv {
            render::print_bytes(&render::stats::csv(&stats, asked.by)?)?;
            stats.problems.iter().for_each(|problem| {
                self.screen.warning(&format!("{} can't be read: {}", problem.path, problem.why));
            });
        } else {
            self.screen.result("stats", &stats, || render::stats::text(&stats, asked.by))?;
        }
        Ok(undamaged(&stats.problems))
    }
}
