//! `verify`.

use crate::cli::args::Verify;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::run::Run;
use crate::engine::verify;
use crate::engine::verify::{Class, Rotation, VerifyOptions};
use std::time::Duration;

impl Run<'_> {
    pub(super) fn verify(&self, asked: &Verify) -> Result<Exit, Failure> {
        let repository = self.open()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let options = options(asked, self.global.dry_run);
        let report = verify::verify(&repository, &options, &progress)?;
        drop(progress);
        let bad = report.findings.iter().filter(|finding| finding.class > Class::Note);
        self.screen.unprinted(bad.map(render::verify::line));
        self.screen.report("verify", &report, || render::verify::text(&report))?;
        Ok(exit(report.worst()))
    }
}

/// How a run ends whose worst finding is this.
pub(super) fn exit(worst: Option<Class>) -> Exit {
    match worst {
        None | Some(Class::Note) => Exit::Done,
        Some(Class::History) => Exit::GapOrOverlap,
        Some(Class::Damage) => Exit::Damaged,
    }
}

fn options(asked: &Verify, dry_run: bool) -> VerifyOptions {
    let rotation = Rotation {
        since_last: asked.since_last,
        max_age_ms: asked.max_age.map(milliseconds),
        percent: asked.percent,
        max_duration_ms: asked.max_duration.map(milliseconds),
    };
    VerifyOptions {
        data: asked.data || rotation.is_partial(),
        rotation,
        history: asked.history,
        point: asked.point.clone(),
        source: asked.source.clone(),
        remember: !dry_run,
        unrecorded: dry_run,
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
