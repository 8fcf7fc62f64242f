//! Watches a verb at work: a bar on a terminal, nothing where stderr is redirected, warnings always.

use crate::cli::render::Screen;
use crate::cli::signals::Signals;
use crate::engine::observe::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

const BYTES: &str = "{msg:12} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {prefix:.dim}";
const UNKNOWN: &str = "{msg:12} {spinner} {bytes}  {prefix:.dim}";

/// The observer of the command line.
pub(super) struct Progress {
    bar: ProgressBar,
    screen: Screen,
    signals: Signals,
}

impl Progress {
    pub(super) fn new(screen: Screen, signals: Signals) -> Self {
        // The target draws nothing by itself where stderr is no terminal.
        let target =
            if screen.wants_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar, screen, signals }
    }

    fn phase(&self, name: &str, total: Option<u64>) {
        self.bar.suspend(|| self.screen.detail(1, name));
        let template = if total.is_some() { BYTES } else { UNKNOWN };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.reset();
        self.bar.set_prefix("");
        self.bar.set_message(name.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Phase { name, total } => self.phase(name, *total),
            Event::File { name } => {
                self.bar.suspend(|| self.screen.detail(2, name));
                self.bar.set_prefix((*name).to_owned());
            }
            Event::Bytes(count) => self.bar.inc(*count),
            Event::Warning(text) => self.bar.suspend(|| self.screen.warning(text)),
        }
    }

    fn interrupted(&self) -> bool {
        self.signals.came()
    }

    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
