//! From what was typed to what is done: one short function for each verb.

use crate::cli::args::{Backup, Cli, Completions, Global, Man, Verb};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::manual;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::render::Screen;
use crate::cli::repository;
use crate::cli::signals::Signals;
use crate::engine;
use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::repo::codec::Compression;
use crate::repo::format::point::Weight;
use crate::source::data_dir::ControlDbFrom;
use crate::source::data_dir::DataDir;
use crate::source::data_dir::DataDirOptions;
use serde_json::json;
use std::path::Path;

/// What every verb needs.
pub(super) struct Run<'a> {
    pub(super) global: &'a Global,
    pub(super) screen: Screen,
    pub(super) signals: Signals,
}

impl Run<'_> {
    /// Does what was typed; gives how it ended.
    pub(super) fn verb(&self, cli: &Cli) -> Result<Exit, Failure> {
        match &cli.verb {
            Verb::Init => self.init(),
            Verb::Backup(asked) => self.backup(asked),
            Verb::Completions(asked) => self.completions(asked),
            Verb::Man(asked) => self.man(asked),
            _ => Ok(Exit::Failed),
        }
    }

    fn init(&self) -> Result<Exit, Failure> {
        let path = repository::path(self.global)?;
        if self.global.dry_run {
            self.screen.report("init", &json!({ "repository": path, "id": null }), || {
                format!("would make a repository at {}\n", path.display())
            })?;
            return Ok(Exit::Done);
        }
        let config = repository::make(path)?;
        self.screen.report("init", &json!({ "repository": path, "id": config.id }), || {
            format!("made repository {} at {}\n", config.id, path.display())
        })?;
        Ok(Exit::Done)
    }

    fn backup(&self, asked: &Backup) -> Result<Exit, Failure> {
        let repository = repository::open(self.global, &self.signals)?;
        let mut source = DataDir::open(source_options(asked)).map_err(engine::Error::from)?;
        self.screen.detail(1, &format!("contexts are in {}", source.directory().display()));
        let progress = Progress::new(self.screen, self.signals.clone());
        let report = backup::run(&repository, &mut source, &self.backup_options(asked), &progress)?;
        drop(progress);
        self.screen.findings(&report.findings);
        self.screen.report("backup", &report, || render::backup::text(&report))?;
        Ok(if report.complete { worst(report.weight()) } else { Exit::Incomplete })
    }

    fn backup_options(&self, asked: &Backup) -> BackupOptions {
        BackupOptions {
            program: concat!("segvault ", env!("CARGO_PKG_VERSION")).to_owned(),
            source: asked.source.clone(),
            contexts: asked.contexts.clone(),
            excluded: asked.excluded.clone(),
            tags: asked.tags.iter().cloned().collect(),
            new_incarnation: asked.new_incarnation,
            no_fork: asked.no_fork,
            reread: asked.reread,
            strict: asked.strict,
            dry_run: self.global.dry_run,
            compression: Compression::Fast,
        }
    }

    fn completions(&self, asked: &Completions) -> Result<Exit, Failure> {
        self.screen.bytes(&manual::completions(asked.shell))?;
        Ok(Exit::Done)
    }

    fn man(&self, asked: &Man) -> Result<Exit, Failure> {
        match &asked.directory {
            None => self.screen.bytes(&manual::page()?)?,
            Some(directory) => self.write_pages(directory)?,
        }
        Ok(Exit::Done)
    }

    fn write_pages(&self, directory: &Path) -> Result<(), Failure> {
        let written = manual::write_pages(directory)?;
        let lines = written.iter().map(|path| format!("{}\n", path.display())).collect::<String>();
        self.screen.report("man", &serde_json::json!({ "files": written }), || lines)
    }
}

fn source_options(asked: &Backup) -> DataDirOptions {
    let control_db = match &asked.control_db {
        Some(path) => ControlDbFrom::Zip(path.clone()),
        None => ControlDbFrom::None("left out with --no-control-db".to_owned()),
    };
    DataDirOptions {
        path: asked.data_dir.clone(),
        control_db,
        accept_unordered: asked.accept_unordered,
        no_mmap: asked.no_mmap,
    }
}

/// How a run ends whose weightiest finding is this.
fn worst(weight: Option<Weight>) -> Exit {
    match weight {
        None | Some(Weight::Note) => Exit::Done,
        Some(Weight::Warning | Weight::Incomplete) => Exit::Incomplete,
    }
}
