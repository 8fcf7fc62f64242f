//! Hooks: the user's own commands before and after a run, and when it failed; and addresses that are told that it went well.
//!
//! What happened stands in the environment of a hook. Secrets never do: the server's token is taken out.

use crate::cli::config::{CONFIG_VARIABLE, PROFILE_VARIABLE, Section};
use crate::cli::describe::chain;
use crate::cli::duration;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::profile::Ran;
use crate::cli::run::Run;
use crate::cli::signals::Signals;
use crate::cli::started::{Group, shell};
use crate::engine;
use crate::repo::format::moment::Moment;
use crate::source::server;
use std::collections::BTreeMap;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long a hook or a request may take, if nothing else is said.
const TIMEOUT: Duration = Duration::from_mins(10);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The hooks of a profile.
pub(super) struct Hooks {
    before: Option<String>,
    after: Option<String>,
    on_failure: Option<String>,
    heartbeat: Option<String>,
    heartbeat_failure: Option<String>,
    timeout: Duration,
    is_dry: bool,
    signals: Signals,
}

/// How a hook ended.
enum Ended {
    By(ExitStatus),
    Late,
    Stopped,
}

/// What hooks are told.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// When the run began.
    pub(super) begun: Moment,
    /// Its steps.
    pub(super) steps: Vec<String>,
    told: BTreeMap<&'static str, String>,
}

impl Facts {
    pub(super) fn of(run: &Run<'_>, begun: Moment) -> Self {
        let repository = run.global.repository.as_ref().map(|path| path.display().to_string());
        let steps = run.config.steps();
        let mut told = BTreeMap::from([
            (PROFILE_VARIABLE, run.config.profile.clone().unwrap_or_default()),
            ("SEGVAULT_REPOSITORY", repository.unwrap_or_default()),
            ("SEGVAULT_SOURCES", run.config.sources_of_profile().join(" ")),
            ("SEGVAULT_STEPS", steps.join(" ")),
            ("SEGVAULT_BEGUN", begun.to_string()),
        ]);
        // A profile is one of a file: a segvault in a hook has to read the same one.
        told.extend(config_of(run).map(|path| (CONFIG_VARIABLE, path)));
        Self { begun, steps, told }
    }

    /// The run has ended.
    pub(super) fn end(&mut self, ran: &Ran) {
        let points: Vec<String> = ran
            .steps
            .iter()
            .filter_map(|step| Some(step.report.as_ref()?.get("point")?.get("number")?.to_string()))
            .collect();
        let error = ran.steps.iter().find_map(|step| step.error.as_ref());
        let troubles: Vec<String> =
            ran.steps.iter().filter_map(super::render::profile::Step::trouble).collect();
        self.told.insert("SEGVAULT_SECONDS", (ran.milliseconds / 1_000).to_string());
        self.told.insert("SEGVAULT_POINTS", points.join(" "));
        self.told.insert("SEGVAULT_ERROR_ID", error.map(|error| error.id.to_owned()).unwrap_or_default());
        self.told.insert("SEGVAULT_MESSAGE", troubles.join("; "));
    }

    /// It ended before it had begun.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.told.insert("SEGVAULT_ERROR_ID", failure.meaning().id.to_owned());
        self.told.insert("SEGVAULT_MESSAGE", chain(failure));
    }
}

/// The file, wherever a hook may go.
fn config_of(run: &Run<'_>) -> Option<String> {
    let path = run.config.path.as_deref()?;
    Some(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string())
}

impl Hooks {
    pub(super) fn of(run: &Run<'_>) -> Result<Self, Failure> {
        let text = |key: &str| run.config.text(&Section::Hooks, key);
        let timeout = match text("timeout") {
            None => TIMEOUT,
            Some(timeout) => duration::parse(&timeout)
                .map_err(|message| Failure::Usage { message, hint: "see 'segvault config check'" })?,
        };
        Ok(Self {
            before: text("before"),
            after: text("after"),
            on_failure: text("on-failure"),
            heartbeat: text("heartbeat"),
            heartbeat_failure: text("heartbeat-failure"),
            timeout,
            is_dry: run.global.dry_run,
            signals: run.signals.clone(),
        })
    }

    /// Before anything is done; if it fails, nothing is.
    pub(super) fn before(&self, facts: &Facts) -> Result<(), Failure> {
        self.command(self.before.as_deref(), "before", facts, None)
    }

    /// When all is done: whatever came of it is told. The first that goes wrong is told, all are tried.
    pub(super) fn after(&self, facts: &Facts, exit: Exit) -> Result<(), Failure> {
        // A run with warnings has made its points: it is no failure, and no reason to stay silent either.
        let is_failure = !matches!(exit, Exit::Done | Exit::Incomplete);
        let (command, name) =
            if is_failure { (&self.on_failure, "on-failure") } else { (&self.after, "after") };
        let told = self.command(command.as_deref(), name, facts, Some(exit));
        // A heartbeat has no words: it says that all is well, or else that it is not.
        let is_well = exit == Exit::Done && told.is_ok();
        let address = if is_well { &self.heartbeat } else { &self.heartbeat_failure };
        let beaten = self.beat(address.as_deref());
        told.and(beaten)
    }

    fn beat(&self, address: Option<&str>) -> Result<(), Failure> {
        let Some(address) = address.filter(|_| !self.is_dry) else { return Ok(()) };
        match server::ping(address, HEARTBEAT_TIMEOUT) {
            Ok(status) if (200..300).contains(&status) => Ok(()),
            Ok(status) => Err(Failure::Heartbeat { why: format!("it answered {status}") }),
            Err(why) => Err(Failure::Heartbeat { why }),
        }
    }

    fn command(
        &self,
        command: Option<&str>,
        name: &'static str,
        facts: &Facts,
        exit: Option<Exit>,
    ) -> Result<(), Failure> {
        let Some(command) = command.filter(|_| !self.is_dry) else { return Ok(()) };
        let failed = |why: String| Failure::Hook { name, why };
        let mut shell = shell(command);
        shell.env("SEGVAULT_HOOK", name).envs(&facts.told);
        if let Some(exit) = exit {
            shell.env("SEGVAULT_EXIT", exit.code().to_string()).env("SEGVAULT_EXIT_MEANS", exit.meaning());
        }
        let group = Group::begin(&mut shell).map_err(|error| failed(error.to_string()))?;
        match self.wait(group).map_err(|error| failed(error.to_string()))? {
            Ended::By(status) if status.success() => Ok(()),
            Ended::By(status) => Err(failed(status.to_string())),
            Ended::Late => {
                Err(failed(format!("it took longer than {} s, and was ended", self.timeout.as_secs())))
            }
            Ended::Stopped => Err(engine::Error::Interrupted.into()),
        }
    }

    /// Waits for it, as long as it may take, and until a signal comes. (One that came before is what a hook behind the run tells of.)
    fn wait(&self, mut group: Group) -> io::Result<Ended> {
        let (end, is_new) = (Instant::now() + self.timeout, !self.signals.came());
        loop {
            if let Some(status) = group.ended()? {
                group.leave();
                return Ok(Ended::By(status));
            }
            if is_new && self.signals.came() {
                return Ok(Ended::Stopped);
            }
            if Instant::now() >= end {
                return Ok(Ended::Late);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
