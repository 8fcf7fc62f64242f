//! A restore that was tried.

use crate::cli::render::restore;
use crate::cli::render::style::{BAD, GOOD, PLAIN, Text};
use crate::cli::render::units::span;
use crate::engine::restore::Restored;
use serde::Serialize;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Drilled {
    /// Whether it was what it should be.
    pub(in crate::cli) passed: bool,
    /// How long it took, the command included.
    pub(in crate::cli) seconds: u64,
    /// The act that remembers it; none where the repository can't be written.
    pub(in crate::cli) act: Option<u64>,
    /// The command that was started on it.
    pub(in crate::cli) started: Option<Started>,
    /// The restore; its target is gone again.
    pub(in crate::cli) restored: Restored,
}

/// A command that was started on what was restored.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Started {
    /// The command.
    pub(in crate::cli) command: String,
    /// After so many seconds it had ended well, or was healthy.
    pub(in crate::cli) seconds: u64,
}

impl Drilled {
    /// How many things make it less than whole.
    pub(in crate::cli) fn warnings(&self) -> usize {
        self.restored.warnings.len() + usize::from(!self.passed)
    }
}

/// As people read it.
pub(in crate::cli) fn text(drilled: &Drilled) -> String {
    let mut text = Text::default();
    let milliseconds = i64::try_from(drilled.seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
    text.lines(&restore::tried(&drilled.restored, milliseconds));
    if let Some(started) = &drilled.started {
        text.line(&format!("started on it: {}; well after {} s", started.command, started.seconds));
    }
    let how = if drilled.passed { format!("{GOOD}passed{PLAIN}") } else { format!("{BAD}not passed{PLAIN}") };
    let kept = drilled.act.map_or_else(
        || "not remembered: the repository can't be written".to_owned(),
        |act| format!("remembered as act {act}"),
    );
    text.line(&format!("drill {how}, in {}; {kept}; what was restored is removed again", span(milliseconds)));
    text.finish()
}
