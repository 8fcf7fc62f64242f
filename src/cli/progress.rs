//! Watches a verb at work: a bar on a terminal, a line each 30 s where stderr is none, warnings always. SIGUSR1 prints the state, wherever that is.

mod state;

pub(in crate::cli) use state::Standing;

use crate::cli::progress::state::State;
use crate::cli::render::Screen;
use crate::cli::signals::Signals;
use crate::cli::when;
use crate::engine::observe::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the bar moves by itself.
const TICK: Duration = Duration::from_millis(200);
/// How soon SIGUSR1 is answered.
const LISTEN: Duration = Duration::from_millis(100);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(30);

/// On a wide terminal, on one of 80 columns, on a narrow one; with and without a known end. A bar that does not fit would leave rests of itself.
const TEMPLATES: [(usize, [&str; 2]); 3] = [
    (
        100,
        [
            "{prefix:12} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {wide_msg:.dim}",
            "{prefix:12} {spinner} {bytes}  {bytes_per_sec}  {wide_msg:.dim}",
        ],
    ),
    (
        50,
        [
            "{prefix:10} {percent:>3} %  {bytes_per_sec}  {eta}  {wide_msg:.dim}",
            "{prefix:10} {bytes}  {wide_msg:.dim}",
        ],
    ),
    (0, ["{percent:>3} %  {wide_msg}", "{bytes}  {wide_msg}"]),
];

/// The observer of the command line.
pub(super) struct Progress {
    bar: ProgressBar,
    screen: Screen,
    signals: Signals,
    state: Arc<State>,
    teller: Option<Teller>,
}

/// Tells the state while others work.
struct Teller {
    thread: JoinHandle<()>,
    stop: Arc<(Mutex<bool>, Condvar)>,
}

impl Progress {
    pub(super) fn new(screen: Screen, signals: Signals) -> Self {
        // The target draws nothing by itself where stderr is no terminal.
        let target =
            if screen.wants_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let state = Arc::new(State::default());
        let teller = Teller::begin(screen, &signals, &state, &bar);
        let progress = Self { bar, screen, signals, state, teller };
        progress.draw_as(false);
        progress
    }

    fn draw_as(&self, has_end: bool) {
        let columns = columns();
        let fitting = TEMPLATES.iter().find(|(least, _)| columns >= *least);
        let template = fitting.map_or("", |(_, [with, without])| if has_end { with } else { without });
        // The templates are ours, and right; should one not be, the bar looks as it did.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    fn phase(&self, name: &str, total: Option<u64>) {
        self.state.phase(name, total);
        self.around_the_bar(|| self.screen.detail(1, name));
        self.draw_as(total.is_some());
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
        self.state.file(&short);
        self.bar.set_message(self.state.message());
    }

    /// Prints without a bar in the way.
    fn around_the_bar(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// How wide the terminal is.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col).max(1))
}

impl Teller {
    /// None if no thread can be had: nobody is told then, and the work goes on.
    fn begin(screen: Screen, signals: &Signals, state: &Arc<State>, bar: &ProgressBar) -> Option<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let has_lines = screen.wants_progress() && !std::io::stderr().is_terminal();
        let (ended, signals, state, bar) =
            (Arc::clone(&stop), signals.clone(), Arc::clone(state), bar.clone());
        let work = move || {
            let mut last = Instant::now();
            while !waited(&ended) {
                let is_due = has_lines && last.elapsed() >= LINE;
                if is_due {
                    last = Instant::now();
                }
                if signals.asked_for_state() || is_due {
                    bar.suspend(|| screen.state(&state.line(), &state.document()));
                }
            }
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(work).ok()?;
        Some(Self { thread, stop })
    }

    fn end(self) {
        if let Ok(mut stop) = self.stop.0.lock() {
            *stop = true;
        }
        self.stop.1.notify_all();
        // It only prints; what went wrong there is no failure of the work.
        let _ = self.thread.join();
    }
}

/// Waits a moment; true once it is to end.
fn waited(stop: &(Mutex<bool>, Condvar)) -> bool {
    let Ok(guard) = stop.0.lock() else { return true };
    stop.1.wait_timeout_while(guard, LISTEN, |stop| !*stop).map_or(true, |(stop, _)| *stop)
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Phase { name, total } => self.phase(name, *total),
            Event::Files(count) => self.state.expect_files(*count),
            Event::File { name } => self.file(name),
            Event::Bytes(count) => {
                self.state.bytes(*count);
                self.bar.inc(*count);
            }
            Event::Saved { raw, stored } => {
                self.state.saved(*raw, *stored);
                self.bar.set_message(self.state.message());
            }
            Event::Warning(text) => self.around_the_bar(|| self.screen.warning(text)),
        }
    }

    fn interrupted(&self) -> bool {
        self.signals.came()
    }

    fn now_ms(&self) -> i64 {
        when::now().0
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(teller) = self.teller.take() {
            teller.end();
        }
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        for (_, templates) in TEMPLATES {
            for template in templates {
                assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
            }
        }
    }
}
