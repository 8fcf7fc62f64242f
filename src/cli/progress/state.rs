//! Where a verb stands, in words: for a line each 30 s, and for SIGUSR1.

use crate::cli::render::units::{bytes, count, span};
use serde::Serialize;
use std::sync::Mutex;
use std::time::Instant;

/// What is told as long as nothing has begun.
const BEGINNING: &str = "beginning";

/// Where a verb stands. Shared with the thread that tells it.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    phase: String,
    begun: Option<Instant>,
    done: u64,
    total: Option<u64>,
    files: u64,
    of_files: Option<u64>,
    file: String,
    saved: Option<(u64, u64)>,
}

/// The same, for `--json`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Standing {
    /// What is being done.
    phase: String,
    /// Bytes that are done.
    done: u64,
    /// Bytes to do, if that is known.
    total: Option<u64>,
    /// Files (segments, as a rule) that are done or begun.
    files: u64,
    /// Files to do, if that is known.
    of_files: Option<u64>,
    /// The file that is being worked on.
    file: String,
    /// Bytes a second.
    rate: u64,
    /// Seconds to go, if that can be told.
    eta_seconds: Option<u64>,
    /// Bytes of the history so far, each time it came.
    raw: Option<u64>,
    /// What of it had to be stored, compressed.
    stored: Option<u64>,
}

impl Standing {
    /// Nothing is done just now, for so long.
    pub(in crate::cli) fn waiting(phase: &str, seconds: u64) -> Self {
        let (phase, eta_seconds) = (phase.to_owned(), Some(seconds));
        let (done, files, file, rate) = (0, 0, String::new(), 0);
        Self {
            phase,
            done,
            total: None,
            files,
            of_files: None,
            file,
            rate,
            eta_seconds,
            raw: None,
            stored: None,
        }
    }
}

impl State {
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        if let Ok(mut inner) = self.0.lock() {
            change(&mut inner);
        }
    }

    fn look(&self) -> Inner {
        self.0.lock().map(|inner| inner.clone()).unwrap_or_default()
    }

    pub(super) fn phase(&self, name: &str, total: Option<u64>) {
        let (phase, begun) = (name.to_owned(), Some(Instant::now()));
        self.change(|inner| *inner = Inner { phase, begun, total, saved: inner.saved, ..Inner::default() });
    }

    pub(super) fn expect_files(&self, files: u64) {
        self.change(|inner| inner.of_files = Some(files));
    }

    pub(super) fn file(&self, name: &str) {
        self.change(|inner| {
            inner.files += 1;
            name.clone_into(&mut inner.file);
        });
    }

    pub(super) fn bytes(&self, more: u64) {
        self.change(|inner| inner.done = inner.done.saturating_add(more));
    }

    pub(super) fn saved(&self, raw: u64, stored: u64) {
        self.change(|inner| inner.saved = Some((raw, stored)));
    }

    /// What stands behind the bar.
    pub(super) fn message(&self) -> String {
        let inner = self.look();
        let parts = [inner.segments(), inner.saving(), Some(inner.file.clone())];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
    }

    /// One line.
    pub(super) fn line(&self) -> String {
        let inner = self.look();
        let of = inner.total.map(|total| format!("/{}", bytes(total))).unwrap_or_default();
        if inner.begun.is_none() {
            return BEGINNING.to_owned();
        }
        // Not all that is done is counted in bytes.
        let counts = inner.done > 0 || inner.total.is_some();
        let done = format!("{}: {}{of}", inner.phase, bytes(inner.done));
        let done = Some(if counts { done } else { inner.phase.clone() });
        let rate = counts.then(|| format!("{}/s", bytes(inner.rate())));
        let segments = inner.segments().filter(|_| counts || inner.of_files.is_some());
        let eta = inner.eta().map(|seconds| {
            let milliseconds = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
            format!("{} to go", span(milliseconds))
        });
        let parts = [done, segments, rate, eta, inner.saving(), Some(inner.file.clone())];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn document(&self) -> Standing {
        let inner = self.look();
        Standing {
            rate: inner.rate(),
            eta_seconds: inner.eta(),
            raw: inner.saved.map(|(raw, _)| raw),
            stored: inner.saved.map(|(_, stored)| stored),
            phase: if inner.begun.is_none() { BEGINNING.to_owned() } else { inner.phase },
            done: inner.done,
            total: inner.total,
            files: inner.files,
            of_files: inner.of_files,
            file: inner.file,
        }
    }
}

impl Inner {
    fn rate(&self) -> u64 {
        let milliseconds = self.begun.map_or(0, |begun| begun.elapsed().as_millis()).max(1);
        u64::try_from(u128::from(self.done) * 1_000 / milliseconds).unwrap_or(u64::MAX)
    }

    fn eta(&self) -> Option<u64> {
        let left = self.total?.saturating_sub(self.done);
        (self.done > 0).then(|| left / self.rate().max(1))
    }

    fn segments(&self) -> Option<String> {
        match (self.files, self.of_files) {
            (0, _) => None,
            (files, Some(all)) => Some(format!("file {} of {}", count(files), count(all))),
            (files, None) => Some(format!("file {}", count(files))),
        }
    }

    fn saving(&self) -> Option<String> {
        let (raw, stored) = self.saved.filter(|(raw, _)| *raw > 0)?;
        let permille = u128::from(raw.saturating_sub(stored)) * 1_000 / u128::from(raw);
        Some(format!("{}.{} % saved", permille / 10, permille % 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_phase_bytes_segments_rate_and_saving() {
        let state = State::default();
        assert_eq!(state.line(), "beginning");
        state.phase("reading", Some(4096));
        state.expect_files(3);
        state.file("0.events");
        state.bytes(1024);
        state.saved(1000, 93);
        let line = state.line();
        assert!(line.starts_with("reading: 1.00 KiB/4.00 KiB, file 1 of 3, "), "{line}");
        assert!(line.contains(" to go, 90.7 % saved, 0.events"), "{line}");
        assert_eq!(state.message(), "file 1 of 3  90.7 % saved  0.events");
        let state = State::default();
        state.phase("measuring", None);
        state.file("borg");
        assert_eq!(state.line(), "measuring, borg");
    }
}
