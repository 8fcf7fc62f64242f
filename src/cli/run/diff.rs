//! The verb `diff`.

use crate::cli::args::diff::Diff;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::run::Run;
use crate::engine::diff::{self, DiffOptions, Other};
use std::path::Path;

impl Run<'_> {
    /// Says what differs. That something does is no failure.
    pub(in crate::cli) fn diff(&self, asked: &Diff) -> Result<Exit, Failure> {
        let b = match (&asked.data_dir, &asked.b) {
            (Some(directory), _) => Other::Directory(directory.clone()),
            (None, Some(b)) if is_directory(b) => Other::Directory(b.into()),
            (None, b) => Other::Point(b.clone().unwrap_or_else(|| "latest".to_owned())),
        };
        let options = DiffOptions { a: asked.a.clone(), b, source: asked.source.clone() };
        let progress = Progress::new(self.screen, self.signals.clone());
        let diff = diff::diff(&self.open()?, &options, &progress)?;
        drop(progress);
        self.screen.result("diff", &diff, || render::diff::text(&diff))?;
        Ok(Exit::Done)
    }
}

/// Whether a word means a directory: one is there, and no point can be called so.
fn is_directory(word: &str) -> bool {
    let is_point = word.starts_with("latest") || word.chars().all(|c| c.is_ascii_hexdigit());
    !is_point && Path::new(word).is_dir()
}
