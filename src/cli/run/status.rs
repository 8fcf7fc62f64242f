//! `status`.

use crate::cli::args::{self, Status, Verb};
use crate::cli::config::{Section, lines_of};
use crate::cli::describe::chain;
use crate::cli::duration::milliseconds;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::metrics;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::{Run, undamaged};
use crate::cli::when;
use crate::engine::restore::free_space;
use crate::engine::status::{self, Heads, Level, Limits, StatusOptions};
use std::collections::BTreeMap;

impl Run<'_> {
    pub(super) fn status(&self, asked: &Status) -> Result<Exit, Failure> {
        if asked.nagios {
            return self.nagios(asked);
        }
        let status = self.look(asked, true)?;
        self.screen.result("status", &status, || render::status::text(&status))?;
        self.figures(asked, &status)?;
        Ok(match (undamaged(&status.problems), status.level) {
            _ if status.verification.damaged_packs > 0 => Exit::Damaged,
            _ if status.sources.iter().any(|source| source.lacks.is_some()) => Exit::Damaged,
            (Exit::Done, Level::Ok) => Exit::Done,
            (Exit::Done, Level::Warning | Level::Critical) => Exit::Incomplete,
            (exit, _) => exit,
        })
    }

    /// One line, and the codes of that protocol: what fails here is "unknown" there.
    fn nagios(&self, asked: &Status) -> Result<Exit, Failure> {
        let looked = self.look(asked, false).and_then(|status| {
            self.figures(asked, &status)?;
            Ok(status)
        });
        match looked {
            Ok(status) => {
                render::print_text(&render::status::nagios(&status))?;
                Ok(Exit::of_nagios(status.level as u8))
            }
            Err(failure) => Ok(render::nagios_unknown(&chain(&failure))),
        }
    }

    fn figures(&self, asked: &Status, status: &status::Status) -> Result<(), Failure> {
        match &asked.metrics {
            Some(path) if !self.global.dry_run => metrics::write(path, Some(status), None),
            _ => Ok(()),
        }
    }

    fn look(&self, asked: &Status, growth: bool) -> Result<status::Status, Failure> {
        let repository = self.open()?;
        let heads = if asked.offline { BTreeMap::new() } else { self.heads(asked.source.as_deref()) };
        let options = StatusOptions {
            now: when::now(),
            source: asked.source.clone(),
            limits: limits(asked),
            heads,
            free: free_space(repository::path(self.global)?),
            growth,
        };
        Ok(status::status(&repository, &options)?)
    }

    /// How far each configured source reaches now; why one could not be asked.
    fn heads(&self, only: Option<&str>) -> BTreeMap<String, Result<Heads, String>> {
        let mut heads = BTreeMap::new();
        for name in self.config.sources_of_profile() {
            if only.is_none_or(|only| only == name) {
                let found = self.heads_of(&name).map_err(|failure| chain(&failure));
                heads.insert(name, found);
            }
        }
        heads
    }

    fn heads_of(&self, name: &str) -> Result<Heads, Failure> {
        let named = format!("--source={name}");
        let line = lines_of(&self.config, "backup", &Section::Source(name.to_owned()), &[&named]);
        let line = line.map_err(Failure::Config)?;
        let cli = args::parse(line).map_err(|error| Failure::Usage {
            message: render::first_paragraph(&error.render().to_string()),
            hint: "see 'segvault config check'",
        })?;
        let Verb::Backup(backup) = &cli.verb else { return Ok(Heads::new()) };
        Ok(status::heads(&mut *self.source(backup)?)?)
    }

    /// The status as metrics have it; none if the repository can't be looked at.
    pub(super) fn status_for_metrics(&self) -> Option<status::Status> {
        let line = lines_of(&self.config, "status", &Section::Status, &[]).ok()?;
        let cli = args::parse(line).ok()?;
        let Verb::Status(asked) = &cli.verb else { return None };
        self.look(asked, true).ok()
    }
}

fn limits(asked: &Status) -> Limits {
    Limits {
        max_age_ms: milliseconds(asked.max_age),
        max_verify_age_ms: milliseconds(asked.max_verify_age),
        max_drill_age_ms: milliseconds(asked.max_drill_age),
    }
}
