//! The verb `recompress`.

use crate::cli::args::Recompress;
use crate::cli::duration::milliseconds;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::run::{Run, effort, whole};
use crate::engine::recompress;
use crate::engine::recompress::RecompressOptions;

impl Run<'_> {
    /// Writes old packs anew.
    pub(super) fn recompress(&self, asked: &Recompress) -> Result<Exit, Failure> {
        let options = RecompressOptions {
            effort: effort(asked.effort)?,
            max_ms: asked.max_duration.map(milliseconds),
            dry_run: self.global.dry_run,
        };
        let repository = self.open_to_remove(asked.allow.allow_delete)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let done = recompress::run(&repository, &options, &progress)?;
        drop(progress);
        self.screen.unprinted(render::recompress::warnings(&done).into_iter());
        let text = || render::recompress::text(&done, options.dry_run);
        self.screen.report("recompress", &done, text)?;
        Ok(whole(done.damaged_packs.is_empty()))
    }
}
