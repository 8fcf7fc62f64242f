//! `run`: a profile's steps, one after the other, and one report.

use crate::cli::args::{self, Verb};
use crate::cli::config::{Section, lines_of};
use crate::cli::describe::chain;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hooks::{Facts, Hooks};
use crate::cli::metrics;
use crate::cli::render;
use crate::cli::render::profile::{Ran, Step, StepError};
use crate::cli::run::Run;
use crate::cli::when::now;
use crate::repo::format::moment::Moment;
use serde::Serialize;
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;

/// What a step that is done gives: how it ended, its document, and the same for people.
pub(super) struct Done {
    pub(super) exit: Exit,
    pub(super) document: Value,
    pub(super) text: String,
}

impl Done {
    pub(super) fn new<T: Serialize>(exit: Exit, document: &T, text: String) -> Result<Self, Failure> {
        let document = serde_json::to_value(document).map_err(|error| Failure::Output(error.into()))?;
        Ok(Self { exit, document, text })
    }
}

/// A step's line, as if it had been typed, with the source of a backup.
type Line = (Option<String>, Vec<OsString>);

impl Run<'_> {
    pub(super) fn profile(&self) -> Result<Exit, Failure> {
        let hooks = Hooks::of(self)?;
        let begun = now();
        let mut facts = Facts::of(self, begun);
        let lines = match self.lines(&facts.steps) {
            Ok(lines) => lines,
            Err(failure) => return Err(self.ended_before(&hooks, facts, failure)),
        };
        if let Err(failure) = hooks.before(&facts) {
            return Err(self.ended_before(&hooks, facts, failure));
        }
        let steps = self.steps(lines);
        let exit = steps.iter().map(|step| step.exit).fold(Exit::Done, Exit::more_telling);
        let ended = now();
        let ran = Ran::new(self.config.profile.clone(), (begun, ended), exit, steps);
        facts.end(&ran);
        let exit = self.tell(&hooks, &facts, &ran, exit);
        let document = Ran { exit_code: exit.code(), exit_means: exit.meaning(), ..ran };
        self.screen.findings_of_run(&document);
        self.screen.report("run", &document, || render::profile::text(&document))?;
        Ok(exit)
    }

    /// Metrics, hooks, heartbeat. That one of them failed does not undo what was done, and is not passed over either.
    fn tell(&self, hooks: &Hooks, facts: &Facts, ran: &Ran, exit: Exit) -> Exit {
        let metrics = |exit| self.write_metrics(ran.at, exit);
        let after = |exit| hooks.after(facts, exit);
        let mut exit = exit;
        for tell in [&metrics as &dyn Fn(Exit) -> Result<(), Failure>, &after] {
            if self.global.dry_run {
                break;
            }
            if let Err(failure) = tell(exit) {
                self.screen.warning(&chain(&failure));
                exit = Exit::more_telling(exit, Exit::Incomplete);
            }
        }
        exit
    }

    /// A step can't be done, or the hook before the run did not allow it.
    fn ended_before(&self, hooks: &Hooks, mut facts: Facts, failure: Failure) -> Failure {
        facts.fail(&failure);
        let exit = failure.meaning().exit;
        if self.global.dry_run {
            return failure;
        }
        for told in [self.write_metrics(facts.begun, exit), hooks.after(&facts, exit)] {
            if let Err(other) = told {
                self.screen.warning(&chain(&other));
            }
        }
        failure
    }

    fn write_metrics(&self, begun: Moment, exit: Exit) -> Result<(), Failure> {
        let Some(path) = self.config.text(&Section::Status, "metrics") else { return Ok(()) };
        let profile = self.config.profile.clone().unwrap_or_default();
        let attempt = metrics::Attempt { profile, at: begun, ended: now(), exit };
        let status = self.status_for_metrics();
        metrics::write(&PathBuf::from(path), status.as_ref(), Some(&attempt))
    }

    /// The lines of all steps: what can't be done is said before anything is.
    fn lines(&self, names: &[String]) -> Result<Vec<(String, Line)>, Failure> {
        if names.is_empty() {
            let message = "there are no steps: nothing would be done".to_owned();
            return Err(Failure::Usage {
                message,
                hint: "name steps, or leave the key out: see 'segvault config check'",
            });
        }
        let mut lines = Vec::new();
        for name in names {
            lines.extend(self.lines_of_step(name)?.into_iter().map(|line| (name.clone(), line)));
        }
        Ok(lines)
    }

    /// The steps, in their order. After one that failed nothing is forgotten or deleted; after a signal nothing is begun.
    fn steps(&self, lines: Vec<(String, Line)>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (name, (source, line)) in lines {
            let deletes = name == "forget" || name == "prune";
            let failed = steps.iter().find(|step| !matches!(step.exit, Exit::Done | Exit::Incomplete));
            if self.signals.came() {
                let why = "left out, since a signal came".to_owned();
                steps.push(Step::left_out(&name, why, self.signals.exit()));
                break;
            }
            match failed.filter(|_| deletes) {
                Some(failed) => {
                    let why = format!("left out, since {} failed", failed.name);
                    steps.push(Step::left_out(&name, why, Exit::Done));
                }
                None => steps.push(self.step(&name, source, line)),
            }
        }
        steps
    }

    /// The lines of a step: for a backup one for each source.
    fn lines_of_step(&self, name: &str) -> Result<Vec<Line>, Failure> {
        let line = |section: &Section, more: &[&str]| {
            lines_of(&self.config, name, section, more).map_err(Failure::Config)
        };
        Ok(match name {
            "backup" => {
                let sources = self.config.sources_of_profile();
                if sources.is_empty() {
                    let message = "the configuration names no source".to_owned();
                    return Err(Failure::Usage {
                        message,
                        hint: "write one: [source.NAME] with data-dir or server",
                    });
                }
                let mut lines = Vec::new();
                for source in sources {
                    let named = format!("--source={source}");
                    lines.push((Some(source.clone()), line(&Section::Source(source), &[&named])?));
                }
                lines
            }
            "verify" => vec![(None, line(&Section::Verification, &[])?)],
            "forget" => vec![(None, line(&Section::Retention, &["--yes"])?)],
            "prune" => vec![(None, line(&Section::Prune, &[])?)],
            other => {
                let message = format!("there is no step '{other}'");
                return Err(Failure::Usage { message, hint: "steps are backup, verify, forget and prune" });
            }
        })
    }

    fn step(&self, name: &str, source: Option<String>, line: Vec<OsString>) -> Step {
        let begun = now();
        let done = self.line(line);
        let milliseconds = now().0.saturating_sub(begun.0);
        match done {
            Ok(done) => {
                let exit = self.tell_healed(done.exit);
                Step::done(name, source, milliseconds, exit, (done.document, done.text))
            }
            Err(failure) => {
                let (meaning, exit) = (failure.meaning(), failure.exit(&self.signals));
                let error = StepError { id: meaning.id, message: chain(&failure), hint: meaning.hint };
                Step::failed(name, source, milliseconds, exit, error)
            }
        }
    }

    /// Does a line as if it had been typed, and prints nothing of it.
    fn line(&self, line: Vec<OsString>) -> Result<Done, Failure> {
        let cli = args::parse(line).map_err(|error| {
            let text = error.render().to_string();
            let message = render::first_paragraph(&text).trim_start_matches("error: ").to_owned();
            Failure::Usage { message, hint: "see the configuration with 'segvault config show'" }
        })?;
        match &cli.verb {
            Verb::Backup(asked) => self.backup_done(asked),
            Verb::Verify(asked) => self.verify_done(asked),
            Verb::Forget(asked) => self.forget_done(asked, self.global.dry_run),
            Verb::Prune(asked) => self.prune_done(asked),
            _ => Err(Failure::Usage { message: "that is no step".to_owned(), hint: "" }),
        }
    }
}
