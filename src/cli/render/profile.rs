//! What a run of a profile did: one report.

use crate::cli::describe::one_line;
use crate::cli::exit::Exit;
use crate::cli::render::style::{self, Text};
use crate::cli::render::units::{span, time};
use crate::repo::format::moment::Moment;
use serde::Serialize;
use serde_json::Value;

/// A run.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Ran {
    /// The profile; none if no profile was named.
    pub(in crate::cli) profile: Option<String>,
    /// When it began.
    pub(in crate::cli) at: Moment,
    /// How long it took.
    pub(in crate::cli) milliseconds: i64,
    /// How it ended: the most telling code of its steps.
    pub(in crate::cli) exit_code: u8,
    /// What that code means.
    pub(in crate::cli) exit_means: &'static str,
    /// Its steps, in their order.
    pub(in crate::cli) steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Step {
    /// `backup`, `verify`, `forget` or `prune`.
    pub(in crate::cli) name: String,
    /// The source of a backup.
    pub(in crate::cli) source: Option<String>,
    /// The code with which it would have ended by itself; none if it was left out.
    pub(in crate::cli) exit_code: Option<u8>,
    /// How long it took.
    pub(in crate::cli) milliseconds: i64,
    /// Why it was left out.
    pub(in crate::cli) left_out: Option<String>,
    /// Why it failed.
    pub(in crate::cli) error: Option<StepError>,
    /// Its own document, without `schema` and `type`.
    pub(in crate::cli) report: Option<Value>,
    #[serde(skip)]
    pub(in crate::cli) exit: Exit,
    #[serde(skip)]
    pub(in crate::cli) text: String,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct StepError {
    /// A stable word: see docs/errors.md.
    pub(in crate::cli) id: &'static str,
    /// What happened and why.
    pub(in crate::cli) message: String,
    /// What to do.
    pub(in crate::cli) hint: &'static str,
}

impl Ran {
    pub(in crate::cli) fn new(
        profile: Option<String>,
        (at, ended): (Moment, Moment),
        exit: Exit,
        steps: Vec<Step>,
    ) -> Self {
        let milliseconds = ended.0.saturating_sub(at.0);
        Self { profile, at, milliseconds, exit_code: exit.code(), exit_means: exit.meaning(), steps }
    }
}

impl Step {
    pub(in crate::cli) fn done(
        name: &str,
        source: Option<String>,
        milliseconds: i64,
        exit: Exit,
        (document, text): (Value, String),
    ) -> Self {
        let (name, exit_code, report) = (name.to_owned(), Some(exit.code()), Some(document));
        Self { name, source, exit_code, milliseconds, left_out: None, error: None, report, exit, text }
    }

    pub(in crate::cli) fn failed(
        name: &str,
        source: Option<String>,
        milliseconds: i64,
        exit: Exit,
        error: StepError,
    ) -> Self {
        let (name, exit_code, text) = (name.to_owned(), Some(exit.code()), String::new());
        Self {
            name,
            source,
            exit_code,
            milliseconds,
            left_out: None,
            error: Some(error),
            report: None,
            exit,
            text,
        }
    }

    pub(in crate::cli) fn left_out(name: &str, why: String, exit: Exit) -> Self {
        let (name, text) = (name.to_owned(), String::new());
        let left_out = Some(why);
        Self {
            name,
            source: None,
            exit_code: None,
            milliseconds: 0,
            left_out,
            error: None,
            report: None,
            exit,
            text,
        }
    }

    /// `backup of orders`.
    pub(in crate::cli) fn title(&self) -> String {
        let of = self.source.as_ref().map(|source| format!(" of {}", one_line(source))).unwrap_or_default();
        format!("{}{of}", self.name)
    }

    /// What went wrong, in a line; none if nothing did.
    pub(in crate::cli) fn trouble(&self) -> Option<String> {
        if let Some(error) = &self.error {
            let hint = if error.hint.is_empty() { String::new() } else { format!(": {}", error.hint) };
            return Some(format!("{}: {}{hint}", self.title(), error.message));
        }
        let told = |exit: Exit| format!("{}: {} (exit code {})", self.title(), exit.meaning(), exit.code());
        (self.exit != Exit::Done).then(|| told(self.exit))
    }
}

/// The report.
pub(in crate::cli) fn text(ran: &Ran) -> String {
    let mut text = Text::default();
    let (good, warn, bad, plain) = (style::GOOD, style::WARNING, style::BAD, style::PLAIN);
    let profile = ran.profile.as_ref().map(|name| format!(" of {}", one_line(name))).unwrap_or_default();
    let state = match ran.exit_code {
        0 => format!("{good}done{plain}"),
        3 => format!("{warn}{}{plain} (3)", ran.exit_means),
        code => format!("{bad}{}{plain} ({code})", ran.exit_means),
    };
    text.line(&format!("run{profile}, {}, in {}: {state}", time(ran.at.0), span(ran.milliseconds)));
    for step in &ran.steps {
        let how = match (&step.left_out, step.exit) {
            (Some(why), _) => format!("{warn}{}{plain}", one_line(why)),
            (None, Exit::Done) => format!("{good}done{plain}"),
            (None, Exit::Incomplete) => format!("{warn}done, with warnings{plain} (3)"),
            (None, exit) => format!("{bad}{}{plain} ({})", exit.meaning(), exit.code()),
        };
        text.line(&format!("{}: {how}", step.title()));
        if let Some(error) = &step.error {
            text.line(&format!(
                "  {} ({}){}",
                error.message,
                error.id,
                if error.hint.is_empty() { String::new() } else { format!(": {}", error.hint) }
            ));
        }
        for line in step.text.lines() {
            text.line(&format!("  {line}"));
        }
    }
    text.finish()
}
