//! What people and scripts read. The only place that prints: results on stdout, everything else on stderr.
//!
//! With `--json` stdout is one JSON document, with `schema` and `type`, and each warning or error is one JSON object on a line of
//! stderr. Whoever reads stdout may close it: that is no failure.

pub(super) mod against;
pub(super) mod backup;
pub(super) mod bench;
pub(super) mod check_server;
pub(super) mod configured;
pub(super) mod copy;
pub(super) mod cut;
mod delta;
pub(super) mod demo;
pub(super) mod diff;
pub(super) mod drill;
pub(super) mod erase;
pub(super) mod events;
pub(super) mod explain;
mod findings;
pub(super) mod forget;
pub(super) mod hold;
pub(super) mod points;
pub(super) mod profile;
pub(super) mod prune;
pub(super) mod recompress;
pub(super) mod restore;
pub(super) mod show;
pub(super) mod stats;
pub(super) mod status;
pub(super) mod style;
mod tables;
pub(super) mod units;
pub(super) mod verify;
pub(super) mod watch;

pub(super) mod repair;

use crate::cli::args::Global;
use crate::cli::describe::{chain, one_line};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::repo::format::point::{Finding, Weight};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};

/// Where and how things are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    json: bool,
    quiet: u8,
    verbose: u8,
}

/// A JSON document: what every one begins with, then the value's own fields.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    r#type: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

impl Screen {
    pub(super) fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet, verbose: global.verbose }
    }

    /// For errors that come before the flags could be read.
    pub(super) fn bare(json: bool) -> Self {
        Self { json, quiet: 0, verbose: 0 }
    }

    /// The same, but nothing is drawn, and nothing warned of: only what somebody asks for is told.
    pub(super) fn hushed(self) -> Self {
        Self { quiet: 2, verbose: 0, ..self }
    }

    /// Whether progress may be drawn: nobody asked for silence, and nobody parses stderr.
    pub(super) fn wants_progress(self) -> bool {
        !self.json && self.quiet == 0
    }

    /// A step of what is being done, where people read.
    pub(super) fn step(self, text: &str) -> Result<(), Failure> {
        if self.json || self.quiet > 0 { Ok(()) } else { print(text) }
    }

    /// What was asked for: a document, or the text that people read.
    pub(super) fn result<T: Serialize>(
        self,
        kind: &str,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json { document(kind, value) } else { print(&text()) }
    }

    /// What was done: as [`Screen::result`], but not printed as text with `--quiet`.
    pub(super) fn report<T: Serialize>(
        self,
        kind: &str,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.quiet > 0 && !self.json { Ok(()) } else { self.result(kind, value, text) }
    }

    /// Something that the user should see now.
    pub(super) fn warning(self, text: &str) {
        if self.quiet > 1 {
            return;
        }
        let text = one_line(text);
        if self.json {
            tell_json(&json!({ "schema": "segvault.warning/1", "type": "warning", "message": text }));
        } else {
            let (warn, plain) = (style::WARNING, style::PLAIN);
            tell(&format!("segvault: {warn}warning{plain}: {text}"));
        }
    }

    /// Warnings of a report that `--quiet` keeps from being printed.
    pub(super) fn findings(self, findings: &[Finding]) {
        let weighty = findings.iter().filter(|finding| finding.weight >= Weight::Warning);
        self.unprinted(weighty.map(findings::line));
    }

    /// What went wrong in a run, where its report is not printed.
    pub(super) fn findings_of_run(self, ran: &profile::Ran) {
        for step in &ran.steps {
            let trouble = step.trouble().into_iter();
            if step.exit == Exit::Incomplete {
                self.unprinted(trouble);
            } else {
                self.unprinted_errors(trouble);
            }
        }
    }

    /// Lines of a report that `--quiet` keeps from being printed, and that must be seen all the same.
    pub(super) fn unprinted(self, lines: impl Iterator<Item = String>) {
        if self.quiet > 0 && !self.json {
            lines.for_each(|line| self.warning(&line));
        }
    }

    /// Lines of such a report that say why the run fails: `--quiet` twice leaves errors, too.
    pub(super) fn unprinted_errors(self, lines: impl Iterator<Item = String>) {
        if self.quiet > 0 && !self.json {
            let (bad, plain) = (style::BAD, style::PLAIN);
            lines.for_each(|line| tell(&format!("segvault: {bad}{}{plain}", one_line(&line))));
        }
    }

    /// What is done right now, for `--verbose`: level 1 tells the steps, level 2 the files.
    pub(super) fn detail(self, level: u8, text: &str) {
        if self.verbose >= level && !self.json {
            tell(&one_line(text));
        }
    }

    /// Where a verb stands: a line, or an object on a line. Printed even with `--quiet`, since somebody asked for it.
    pub(super) fn state<T: Serialize>(self, line: &str, document: &T) {
        if !self.json {
            return tell(&one_line(line));
        }
        let document =
            Document { schema: "segvault.progress/1".to_owned(), r#type: "progress", value: document };
        if let Ok(value) = serde_json::to_value(&document) {
            tell_json(&value);
        }
    }

    /// Why the run ends: one line, `segvault: what happened: why: what to do`. `exit` is the code the run ends with.
    pub(super) fn failure(self, failure: &Failure, exit: Exit) {
        let (message, meaning) = (chain(failure), failure.meaning());
        if self.json {
            tell_json(&json!({
                "schema": "segvault.error/1", "type": "error", "id": meaning.id,
                "message": message, "hint": meaning.hint, "exit": exit.code(),
            }));
            return;
        }
        let (bad, plain) = (style::BAD, style::PLAIN);
        let hint = if meaning.hint.is_empty() { String::new() } else { format!(": {}", meaning.hint) };
        tell(&format!("segvault: {bad}{message}{plain}{hint}"));
    }

    /// A usage error as the parser words it, or the help or version that was asked for.
    pub(super) fn parser(self, error: &clap::Error) -> Exit {
        let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
        if self.json && exit == Exit::Usage {
            let message = first_paragraph(&error.render().to_string());
            tell_json(&json!({
                "schema": "segvault.error/1", "type": "error", "id": "usage",
                "message": one_line(message.trim_start_matches("error: ")), "hint": "see segvault --help", "exit": exit.code(),
            }));
        } else {
            // There is nobody left to tell if this fails.
            let _ = error.print();
        }
        exit
    }
}

/// What is wrong, with all that is missing; the usage behind it is for people.
pub(super) fn first_paragraph(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

fn document<T: Serialize>(kind: &str, value: &T) -> Result<(), Failure> {
    let document = Document { schema: format!("segvault.{kind}/1"), r#type: kind, value };
    let mut line = serde_json::to_vec(&document).map_err(|error| Failure::Output(error.into()))?;
    line.push(b'\n');
    print_bytes(&line)
}

/// Text on stdout. It may hold colours; they are left out where no terminal wants them.
fn print(text: &str) -> Result<(), Failure> {
    let text = style::harmless(text);
    forgive(anstream::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()))
}

/// Text on stdout, for what is no result but help.
pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    print(text)
}

/// The line of `status --nagios` where nobody knows, and its code.
pub(super) fn nagios_unknown(why: &str) -> Exit {
    // There is nobody left to tell if this fails.
    let _ = print(&format!("SEGVAULT UNKNOWN - {}\n", one_line(why).replace('|', "/")));
    Exit::of_nagios(3)
}

/// A question on stderr; the answer is typed behind it. If this fails nobody answers.
pub(super) fn ask(question: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{} ", one_line(question)).and_then(|()| stderr.flush());
}

/// Bytes on stdout, as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    forgive(io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush()))
}

/// A line on stderr. If this fails there is nobody left to tell.
fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// An object on a line of stderr.
fn tell_json(value: &serde_json::Value) {
    let _ = writeln!(io::stderr().lock(), "{value}");
}

/// Whoever reads stdout has closed it: what was asked for has been done all the same.
fn forgive(printed: io::Result<()>) -> Result<(), Failure> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}
