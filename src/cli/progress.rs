//! Watches a verb at work: a bar on a terminal, nothing where stderr is redirected, warnings always.

use crate::cli::render::Screen;
use crate::cli::signals::Signals;
use crate::engine::observe::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::Path;
use std::time::Duration;

/// How often the bar moves by itself.
const TICK: Duration = Duration::from_millis(200);

const BYTES: &str = "{prefix:12} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {wide_msg:.dim}";
const UNKNOWN: &str = "{prefix:12} {spinner} {bytes}  {wide_msg:.dim}";

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
        let progress = Self { bar, screen, signals };
        progress.draw_as(UNKNOWN);
        progress
    }

    fn draw_as(&self, template: &str) {
        // The templates are ours, and right; should one not be, the bar looks as it did.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    fn phase(&self, name: &str, total: Option<u64>) {
        self.around_the_bar(|| self.screen.detail(1, name));
        self.draw_as(if total.is_some() { BYTES } else { UNKNOWN });
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.set_message("");
        self.bar.set_prefix(name.to_owned());
        self.bar.reset();
        self.bar.enable_steady_tick(TICK);
    }

    fn file(&self, name: &str) {
        self.around_the_bar(|| self.screen.detail(2, name));
        let short = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
        self.bar.set_message(short.into_owned());
    }

    /// Prints without a bar in the way.
    fn around_the_bar(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Phase { name, total } => self.phase(name, *total),
            Event::File { name } => self.file(name),
            Event::Bytes(count) => self.bar.inc(*count),
            Event::Warning(text) => self.around_the_bar(|| self.screen.warning(text)),
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
