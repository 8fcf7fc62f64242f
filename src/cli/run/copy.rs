//! `copy`.

use crate::cli::args::Copy;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine::copy;
use crate::engine::copy::{CopiedPoint, CopyOptions};

impl Run<'_> {
    pub(super) fn copy(&self, asked: &Copy) -> Result<Exit, Failure> {
        let from = self.open()?;
        let to = repository::open_at(&asked.to, self)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let options = CopyOptions {
            points: asked.points.clone(),
            source: asked.source.clone(),
            since_last: asked.since_last,
            place: asked.to.display().to_string(),
            dry_run: self.global.dry_run,
        };
        let report = copy::copy(&from, &to, &options, &progress)?;
        drop(progress);
        if let Some(why) = &report.not_noted {
            self.screen.warning(&format!("it is not remembered here that there is a copy: {why}"));
        }
        for lost in &report.lost {
            let CopiedPoint { from, to } = lost.point;
            self.screen.warning(&format!(
                "point {from} was copied before{}, and can't be restored there: {}; run 'segvault verify' there, and \
                 'segvault repair from' this repository",
                to.map_or_else(String::new, |to| format!(" (as point {to})")),
                lost.why
            ));
        }
        let not_copied = if report.dry_run { "would not be copied" } else { "was not copied" };
        for lost in &report.left_out {
            self.screen.warning(&format!(
                "point {} {not_copied}: {}; see what it means with 'segvault verify --data'",
                lost.point.from, lost.why
            ));
        }
        for lost in &report.history_left_out {
            self.screen.warning(&render::copy::left_out(lost, not_copied));
        }
        self.screen.report("copy", &report, || render::copy::text(&report))?;
        let is_all = report.lost.is_empty()
            && report.left_out.is_empty()
            && report.history_left_out.iter().all(|lost| lost.given_up);
        Ok(if is_all { Exit::Done } else { Exit::Damaged })
    }
}
