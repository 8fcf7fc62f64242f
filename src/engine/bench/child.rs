//! A process that is measured: what it used, and how it ended. None outlives its time, or ours.

use crate::engine::observe::Observer;
use serde::Serialize;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wait4::{ResUse, Wait4};

/// How often a process is looked at: short beside what is measured, and it grows with it.
const LOOK: [Duration; 2] = [Duration::from_micros(500), Duration::from_millis(5)];
/// Letters of what a process said that are shown, from the end.
const SHOWN: usize = 400;
/// How long the end of what it said is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Used {
    /// Seconds of processor time, of all its threads, in the system too.
    pub cpu_seconds: f64,
    /// Seconds on the wall.
    pub seconds: f64,
    /// Bytes of memory at most.
    pub memory: u64,
}

/// Why it is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("can't be run: {0}")]
    Start(io::Error),
    #[error("{step} fails ({status}): {said}")]
    Ended { step: String, status: String, said: String },
    #[error("{step} had not ended after {} s and was stopped", .after.as_secs_f64())]
    TooLong { step: String, after: Duration },
    #[error("interrupted")]
    Interrupted,
}

/// What bounds all processes.
pub(super) struct Bounds<'a> {
    /// No process may take longer.
    pub(super) limit: Duration,
    pub(super) observer: &'a dyn Observer,
}

impl Bounds<'_> {
    /// Runs it to its end. `step` is what it does, for people; `good` its exit codes that mean success.
    pub(super) fn run(&self, command: &mut Command, step: &str, good: &[i32]) -> Result<Used, Failed> {
        self.heard(command, step, good).map(|(used, _)| used)
    }

    /// The same, with the end of what it printed.
    pub(super) fn heard(
        &self,
        command: &mut Command,
        step: &str,
        good: &[i32],
    ) -> Result<(Used, String), Failed> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        forget_own_peak();
        let begun = Instant::now();
        let mut child = command.spawn().map_err(Failed::Start)?;
        let (printed, said) = (listen(child.stdout.take()), listen(child.stderr.take()));
        let ended = self.wait(child, begun, step)?;
        let used = Used {
            cpu_seconds: (ended.rusage.utime + ended.rusage.stime).as_secs_f64(),
            seconds: begun.elapsed().as_secs_f64(),
            memory: ended.rusage.maxrss,
        };
        match ended.status.code() {
            Some(code) if good.contains(&code) => Ok((used, heard(&printed))),
            _ => {
                let status = ended.status.to_string();
                Err(Failed::Ended { step: step.to_owned(), status, said: last_words(&said) })
            }
        }
    }

    fn wait(&self, mut child: Child, begun: Instant, step: &str) -> Result<ResUse, Failed> {
        let mut pause = LOOK[0];
        loop {
            if let Some(ended) = child.try_wait4().map_err(Failed::Start)? {
                return Ok(ended);
            }
            let after = begun.elapsed();
            if after >= self.limit || self.observer.interrupted() {
                end(child);
                return Err(if after >= self.limit {
                    Failed::TooLong { step: step.to_owned(), after: self.limit }
                } else {
                    Failed::Interrupted
                });
            }
            sleep(pause.min(self.limit.saturating_sub(after)));
            pause = (pause * 2).min(LOOK[1]);
        }
    }
}

/// Ends a process and all that it started: they are a group of their own.
fn end(mut child: Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended by itself in this moment.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A new process's peak of memory begins with that of the one that starts it: ours is set back to what it has now. Where the system doesn't do
/// that, small peaks are shown as ours.
fn forget_own_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Reads all that a process says, so that it never waits for us, and remembers the end of it.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut last, mut piece) = (Vec::new(), [0; 4096]);
        let mut pipe = pipe;
        while let Some(count) =
            pipe.as_mut().and_then(|pipe| pipe.read(&mut piece).ok()).filter(|count| *count > 0)
        {
            last.extend_from_slice(piece.get(..count).unwrap_or_default());
            last.drain(..last.len().saturating_sub(piece.len()));
        }
        // Nobody listens any more if the run was given up.
        let _ = tell.send(last);
    });
    told
}

/// What was said, once the process has ended: what it left running may hold the pipe open, and is not waited for.
fn heard(told: &Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&told.recv_timeout(PATIENCE).unwrap_or_default()).into_owned()
}

/// The end of it, on one line.
fn last_words(told: &Receiver<Vec<u8>>) -> String {
    let text = plain(&heard(told));
    let from = text.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    if text.is_empty() {
        "it said nothing".to_owned()
    } else {
        text.get(from..).unwrap_or_default().to_owned()
    }
}

/// Words with one space between, without what would move a terminal's cursor.
pub(super) fn plain(text: &str) -> String {
    let visible: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}
