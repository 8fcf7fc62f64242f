//! Questions: only where somebody sits at a terminal and has seen on it what is asked about.

use crate::cli::failure::Failure;
use crate::cli::render;
use crate::cli::run::Run;
use crate::engine;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How soon a signal ends the waiting.
const LISTEN: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Whether somebody can be asked: nobody is in a dry run, nor where a script reads or writes.
    pub(super) fn can_ask(&self) -> bool {
        let global = self.global;
        let is_at_a_terminal =
            io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
        !global.dry_run && !global.yes && !global.json && global.quiet == 0 && is_at_a_terminal
    }

    /// Asks; true if the answer is word for word what is wanted. No lock may be held meanwhile: people take their time.
    pub(super) fn answers(&self, question: &str, wanted: &str) -> Result<bool, Failure> {
        render::ask(question);
        let (tell, answer) = mpsc::channel();
        // A read that waits for a terminal can't be ended: it ends with the process.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line);
            tell.send(read.map(|_| line))
        });
        loop {
            match answer.recv_timeout(LISTEN) {
                Ok(Ok(line)) => return Ok(line.trim() == wanted),
                // Whoever can't be heard has not agreed.
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) if self.signals.came() => {
                    return Err(engine::Error::Interrupted.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
