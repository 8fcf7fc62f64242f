//! From what was typed to what is done: one short function for each verb.

use crate::cli::args::{Cli, Completions, Global, Man, Verb};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::manual;
use crate::cli::render::Screen;
use crate::cli::signals::Signals;
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
            Verb::Completions(asked) => self.completions(asked),
            Verb::Man(asked) => self.man(asked),
            _ => Ok(Exit::Failed),
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
