//! The verb `demo`: makes room, plays the demo, shows it.

use crate::cli::args;
use crate::cli::demo::Stage;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine::backup::BackupOptions;
use crate::engine::restore;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

impl Run<'_> {
    /// Plays the demo in a temporary directory, or in the one that was given.
    pub(super) fn demo(&self, asked: &args::Demo) -> Result<Exit, Failure> {
        if let Some(directory) = &asked.keep {
            return self.demo_in(&empty_directory(directory)?, true);
        }
        let temporary = tempfile::Builder::new().prefix("segvault-demo-").tempdir();
        let temporary = temporary.map_err(|source| Failure::File { path: std::env::temp_dir(), source })?;
        self.demo_in(temporary.path(), false)
    }

    fn demo_in(&self, directory: &Path, is_kept: bool) -> Result<Exit, Failure> {
        let repository_path = directory.join("repository");
        repository::make(&repository_path, Vec::new(), None)?;
        let repository = repository::open_at(&repository_path, self)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let stage = Stage {
            directory: directory.to_path_buf(),
            repository: &repository,
            repository_path: repository_path.clone(),
            observer: &progress,
            options: demo_options(),
        };
        let say = |text: String| self.screen.step(&text);
        say(render::demo::heading("a real Axon Server SE 4.6.11 grows, and is backed up at six moments"))?;
        let mut proofs_begun = false;
        let demo = stage.play(&mut |moment| say(render::demo::moment(moment)), &mut |proof| {
            if !std::mem::replace(&mut proofs_begun, true) {
                say(render::demo::heading("each point is restored and compared with what was there"))?;
            }
            say(render::demo::proof(proof))
        })?;
        drop(progress);
        let exit = if demo.verified.findings.is_empty() { Exit::Done } else { Exit::Damaged };
        self.screen
            .result("demo", &demo, || render::demo::closing(&demo, is_kept.then_some(&repository_path)))?;
        Ok(exit)
    }
}

fn demo_options() -> BackupOptions {
    BackupOptions { source: Some("demo".to_owned()), ..BackupOptions::all(crate::cli::run::PROGRAM) }
}

/// A directory for the demo: made, or empty.
pub(super) fn empty_directory(path: &Path) -> Result<PathBuf, Failure> {
    let failure = |source| Failure::File { path: path.to_path_buf(), source };
    if path.exists() && !path.is_dir() {
        return Err(restore::Error::NotADirectory { path: path.to_path_buf() }.into());
    }
    fs::create_dir_all(path).map_err(failure)?;
    if let Some(found) = fs::read_dir(path).map_err(failure)?.next() {
        let found = found.map_err(failure)?.file_name().to_string_lossy().into_owned();
        return Err(Failure::NotEmpty { path: path.to_path_buf(), found });
    }
    Ok(path.to_path_buf())
}
