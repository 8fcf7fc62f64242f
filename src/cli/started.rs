//! A command that is started on what was restored: the user's own server, as a rule. It is ended with all that it has started.

use crate::cli::failure::Failure;
use crate::cli::server_args::TOKEN_VARIABLE;
use crate::cli::signals::Signals;
use crate::source::server;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

/// A command, and its process group.
struct Group(Child);

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
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(wanted.command).current_dir(wanted.directory).stdin(Stdio::null());
    // stdout is for results. A group of its own, so that all of it can be ended.
    shell.stdout(std::io::stderr()).process_group(0).env_remove(TOKEN_VARIABLE);
    shell.env("SEGVAULT_TARGET", wanted.directory).env("SEGVAULT_POINT", wanted.point.to_string());
    let mut group = Group(shell.spawn().map_err(|error| failed(error.to_string()))?);
    group.wait(wanted, signals)
}

impl Group {
    fn wait(&mut self, wanted: &Wanted<'_>, signals: &Signals) -> Result<(), Failure> {
        let failed = |why: String| Err(Failure::Drill { why });
        let end = Instant::now() + wanted.limit;
        loop {
            let ended = self.0.try_wait().map_err(|error| Failure::Drill { why: error.to_string() })?;
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

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Whoever is gone needs no signal.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + GRACE;
        while Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }
}

fn is_healthy(address: &str) -> bool {
    server::ping(address, ONE_LOOK).is_ok_and(|status| (200..300).contains(&status))
}
