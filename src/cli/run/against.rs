//! `verify`: what it is asked for, and `--against`.

use crate::cli::args::Verify;
use crate::cli::duration::milliseconds;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine::against::{self, Against, With};
use crate::engine::verify::{Remember, Rotation, VerifyOptions};
use crate::repo::paths;
use crate::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use std::path::Path;

impl Run<'_> {
    pub(super) fn against(&self, path: &Path, source: Option<&str>) -> Result<Exit, Failure> {
        let repository = self.open()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let found = if path.join(paths::CONFIG).is_file() {
            let other = repository::open_at(path, self)?;
            against::against(&repository, source, With::Repository(&other), &progress)?
        } else {
            let mut other = DataDir::open(DataDirOptions {
                path: path.to_path_buf(),
                control_db: ControlDbFrom::None("not asked for".to_owned()),
                accept_unordered: false,
                no_mmap: true,
            })?;
            against::against(&repository, source, With::Source(&mut other), &progress)?
        };
        drop(progress);
        if compared(&found) != Exit::Done {
            self.screen.unprinted_errors(render::against::differences(&found));
        }
        self.screen.report("against", &found, || render::against::text(&found))?;
        Ok(compared(&found))
    }
}

/// How a comparison ends: damage here is worse than damage there, and that is worse than two histories.
fn compared(found: &Against) -> Exit {
    if found.archive_is_damaged() {
        Exit::Damaged
    } else if found.other_is_damaged() {
        Exit::SourceDamaged
    } else if found.is_conflict() {
        Exit::Conflict
    } else {
        Exit::Done
    }
}

/// What was asked for.
pub(super) fn options(asked: &Verify, dry_run: bool) -> VerifyOptions {
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
        remember: if dry_run { Remember::Nothing } else { Remember::Verdicts },
    }
}
