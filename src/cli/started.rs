//! Commands of the user: a hook, or what is started on a restore (a server, as a rule). One that is ended is ended with all that it has started.

use crate::cli::failure::Failure;
use crate::cli::server_args::TOKEN_VARIABLE;
use crate::cli::signals::Signals;
use crate::source::server;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// One look at an address.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// So long a command has to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What to start, and when it is well.
pub(super) struct Wanted<'a> {
    pub(super) command: &'a str,
    pub(super) directory: &'a Path,
    pub(super) point: u64,
    /// Well when this address answers; without one, when it ends with success.
    pub(super) health: Option<&'a str>,
    pub(super) limit: Duration,
}

/// A command, and its process group: it is ended with all of it when this is dropped.
pub(super) struct Group(Child);

/// Starts it, and waits until it is well. However that goes, nothing of it runs afterwards.
pub(super) fn run(wanted: &Wanted<'_>, signals: &Signals) -> Result<(), Failure> {
    // Another server would be taken for the one that is about to be started.
    if wanted.health.is_some_and(is_healthy) {
        let message = "something answers at the health URL before anything was started".to_owned();
        return Err(Failure::Usage {
            message,
            hint: "stop it, or give the server of the drill a port of its own",
        });
    }
    let failed = |why: String| Failure::Drill { why };
    let mut shell = shell(wanted.command);
    shell.current_dir(wanted.directory);
    shell.env("SEGVAULT_TARGET", wanted.directory).env("SEGVAULT_POINT", wanted.point.to_string());
    let mut group = Group::begin(&mut shell).map_err(|error| failed(error.to_string()))?;
    group.wait(wanted, signals)
}

/// A line for `sh`. It is given no secrets, and its stdout is our stderr: stdout is for results.
pub(super) fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line).stdin(Stdio::null()).stdout(std::io::stderr()).env_remove(TOKEN_VARIABLE);
    shell
}

impl Group {
    /// Starts it, in a group of its own.
    pub(super) fn begin(shell: &mut Command) -> io::Result<Self> {
        shell.process_group(0).spawn().map(Self)
    }

    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// It has ended well: what it has left running, it meant to.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }

    fn wait(&mut self, wanted: &Wanted<'_>, signals: &Signals) -> Result<(), Failure> {
        let failed = |why: String| Err(Failure::Drill { why });
        let end = Instant::now() + wanted.limit;
        loop {
            let ended = self.ended().map_err(|error| Failure::Drill { why: error.to_string() })?;
            match (ended, wanted.health) {
                (Some(status), None) if status.success() => return Ok(()),
                (Some(status), None) => return failed(format!("the command ended with {status}")),
                (Some(status), Some(_)) => {
                    return failed(format!("the command ended before it was healthy: {status}"));
                }
                (None, Some(address)) if is_healthy(address) => return Ok(()),
                (None, _) if Instant::now() >= end => {
                    return failed(format!("not well within {} s", wanted.limit.as_secs()));
                }
                (None, _) if signals.came() => return Err(crate::engine::Error::Interrupted.into()),
                (None, _) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id() {
            // Whoever is gone needs no signal.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Whether anything of it still runs. (The shell counts as long as nobody has asked how it ended.)
    fn runs(&mut self) -> bool {
        matches!(self.ended(), Ok(None)) || self.id().is_some_and(|id| test_kill_process_group(id).is_ok())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + GRACE;
        while Instant::now() < end && self.runs() {
            std::thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}

fn is_healthy(address: &str) -> bool {
    server::ping(address, ONE_LOOK).is_ok_and(|status| (200..300).contains(&status))
}
