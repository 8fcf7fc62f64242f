//! Figures for Prometheus, as a file that the node exporter's textfile collector reads. It is replaced in one step.
//!
//! Of each profile the last attempt, the last success and the last exit code stand apart: a run that fails must not hide behind the one before, nor
//! make it forgotten. What the file says of other profiles, and of the last success, is carried over.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::engine::status::{SourceStatus, Status};
use crate::repo::format::moment::Moment;
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const ATTEMPT: &str = "segvault_run_last_attempt_timestamp_seconds";
const SUCCESS: &str = "segvault_run_last_success_timestamp_seconds";
const EXIT: &str = "segvault_run_last_exit_code";
const TOOK: &str = "segvault_run_last_duration_seconds";
const OF_RUNS: [(&str, &str); 4] = [
    (ATTEMPT, "When the last run of a profile began, whatever came of it."),
    (SUCCESS, "When the last run of a profile ended that made all its points (exit code 0 or 3)."),
    (EXIT, "The exit code of the last run of a profile."),
    (TOOK, "How long the last run of a profile took."),
];

/// A run of a profile.
pub(super) struct Attempt {
    /// The profile; empty if none was named.
    pub(super) profile: String,
    /// When it began.
    pub(super) at: Moment,
    /// When it ended.
    pub(super) ended: Moment,
    /// How it ended.
    pub(super) exit: Exit,
}

/// Writes the file.
pub(super) fn write(path: &Path, status: Option<&Status>, attempt: Option<&Attempt>) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: path.to_path_buf(), source };
    // What can't be read is not written over: the last successes of all profiles are in it.
    let before = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(failed)?,
    };
    let text = text(&before, status, attempt)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Somebody else reads it. No name that ends in .prom: an unfinished file is not collected.
    let mut file = builder
        .prefix(".segvault-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(&text).and_then(|()| file.flush()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

struct Book {
    registry: Registry,
    gauges: BTreeMap<String, GaugeVec>,
}

impl Book {
    fn set(
        &mut self,
        (name, help): (&str, &str),
        labels: &[(&str, &str)],
        value: f64,
    ) -> Result<(), prometheus::Error> {
        if !self.gauges.contains_key(name) {
            let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
            let gauge = GaugeVec::new(Opts::new(name, help), &names)?;
            self.registry.register(Box::new(gauge.clone()))?;
            self.gauges.insert(name.to_owned(), gauge);
        }
        let values: Vec<&str> = labels.iter().map(|(_, value)| *value).collect();
        if let Some(gauge) = self.gauges.get(name) {
            gauge.get_metric_with_label_values(&values)?.set(value);
        }
        Ok(())
    }
}

fn text(before: &str, status: Option<&Status>, attempt: Option<&Attempt>) -> Result<Vec<u8>, Failure> {
    let mut book = Book { registry: Registry::new(), gauges: BTreeMap::new() };
    let failed = |error: prometheus::Error| Failure::Output(std::io::Error::other(error));
    carry_over(&mut book, before).map_err(failed)?;
    if let Some(attempt) = attempt {
        of_attempt(&mut book, attempt).map_err(failed)?;
    }
    if let Some(status) = status {
        of_status(&mut book, status).map_err(failed)?;
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&book.registry.gather(), &mut text).map_err(failed)?;
    Ok(text)
}

/// What the file says of runs.
fn carry_over(book: &mut Book, before: &str) -> Result<(), prometheus::Error> {
    for line in before.lines() {
        let read = || {
            let (name, rest) = line.split_once("{profile=\"")?;
            let (profile, value) = rest.rsplit_once("\"} ")?;
            let known = OF_RUNS.into_iter().find(|(known, _)| *known == name)?;
            Some((known, profile.replace("\\\"", "\"").replace("\\\\", "\\"), value.parse::<f64>().ok()?))
        };
        if let Some((known, profile, value)) = read() {
            book.set(known, &[("profile", &profile)], value)?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn seconds(at: Moment) -> f64 {
    at.0 as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

fn of_attempt(book: &mut Book, attempt: &Attempt) -> Result<(), prometheus::Error> {
    let labels = [("profile", attempt.profile.as_str())];
    let values = [
        Some(seconds(attempt.at)),
        matches!(attempt.exit, Exit::Done | Exit::Incomplete).then(|| seconds(attempt.ended)),
        Some(f64::from(attempt.exit.code())),
        Some(seconds(attempt.ended) - seconds(attempt.at)),
    ];
    for (known, value) in OF_RUNS.into_iter().zip(values) {
        if let Some(value) = value {
            book.set(known, &labels, value)?;
        }
    }
    Ok(())
}

fn of_status(book: &mut Book, status: &Status) -> Result<(), prometheus::Error> {
    let level = f64::from(status.level as u8);
    book.set(("segvault_status", "0 safe, 1 safe but with warnings, 2 not safe."), &[], level)?;
    book.set(
        ("segvault_status_timestamp_seconds", "When the status was looked at."),
        &[],
        seconds(status.at),
    )?;
    for source in &status.sources {
        of_source(book, source)?;
    }
    let size = &status.repository;
    book.set(("segvault_repository_bytes", "Bytes of the repository, all files."), &[], number(size.bytes))?;
    for (name, help, value) in [
        ("segvault_repository_free_bytes", "Bytes that are free where the repository lies.", size.free),
        (
            "segvault_repository_growth_bytes_per_day",
            "By how much the repository grows in a day.",
            size.per_day,
        ),
    ] {
        if let Some(value) = value {
            book.set((name, help), &[], number(value))?;
        }
    }
    let held = status.holds.iter().filter(|hold| !hold.over).count() as u64;
    book.set(("segvault_holds", "Points that are held."), &[], number(held))?;
    of_proof(book, status)
}

fn of_proof(book: &mut Book, status: &Status) -> Result<(), prometheus::Error> {
    let verification = &status.verification;
    let ratio = number(verification.permille()) / 1000.0;
    book.set(
        ("segvault_verified_ratio", "The share of the packs that was read whole since it was written."),
        &[],
        ratio,
    )?;
    book.set(("segvault_damaged_packs", "Packs that are damaged."), &[], number(verification.damaged_packs))?;
    if let Some(last) = verification.last {
        book.set(("segvault_verified_timestamp_seconds", "When packs were read last."), &[], seconds(last))?;
    }
    if let Some(drill) = status.drill {
        book.set(
            ("segvault_drill_timestamp_seconds", "When a restore was tried last."),
            &[],
            seconds(drill.at),
        )?;
        book.set(("segvault_drill_seconds", "How long that took."), &[], number(drill.took_seconds))?;
        book.set(
            ("segvault_drill_passed", "1 if it was what it should be."),
            &[],
            f64::from(u8::from(drill.passed)),
        )?;
    }
    Ok(())
}

fn of_source(book: &mut Book, source: &SourceStatus) -> Result<(), prometheus::Error> {
    let name = source.source.as_str();
    let labels = [("source", name)];
    if let Some(last) = source.last {
        book.set(
            ("segvault_point_timestamp_seconds", "When the newest point was made."),
            &labels,
            seconds(last.at),
        )?;
    }
    if let Some(last) = source.last_complete {
        let what = ("segvault_complete_point_timestamp_seconds", "When the newest complete point was made.");
        book.set(what, &labels, seconds(last.at))?;
    }
    for context in &source.contexts {
        for (store, log) in [("events", context.events), ("snapshots", context.snapshots)] {
            let labels = [("source", name), ("context", context.context.as_str()), ("store", store)];
            let figures = [
                ("segvault_last_token", "The last token that is archived.", log.last),
                ("segvault_behind_events", "How many events the source has more.", log.behind),
                ("segvault_gaps", "Gaps in what is archived.", Some(log.gaps)),
            ];
            for (what, help, value) in figures {
                if let Some(value) = value {
                    book.set((what, help), &labels, number(value))?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(profile: &str, at: i64, exit: Exit) -> Attempt {
        Attempt { profile: profile.to_owned(), at: Moment(at), ended: Moment(at + 500), exit }
    }

    fn after(before: &str, attempt: &Attempt) -> String {
        String::from_utf8(text(before, None, Some(attempt)).unwrap()).unwrap()
    }

    #[test]
    fn a_failure_neither_hides_behind_the_last_success_nor_makes_it_forgotten() {
        let good = after("", &attempt("night", 1_000, Exit::Done));
        assert!(
            good.contains("segvault_run_last_success_timestamp_seconds{profile=\"night\"} 1.5\n"),
            "{good}"
        );
        let bad = after(&good, &attempt("night", 9_000, Exit::Server));
        assert!(
            bad.contains("segvault_run_last_success_timestamp_seconds{profile=\"night\"} 1.5\n"),
            "{bad}"
        );
        assert!(bad.contains("segvault_run_last_attempt_timestamp_seconds{profile=\"night\"} 9\n"), "{bad}");
        assert!(bad.contains("segvault_run_last_exit_code{profile=\"night\"} 41\n"), "{bad}");
    }

    #[test]
    fn profiles_share_a_file() {
        let odd = "a\"b\\c";
        let one = after("", &attempt(odd, 1_000, Exit::Done));
        let both = after(&one, &attempt("", 2_000, Exit::Failed));
        assert_eq!(both.matches("segvault_run_last_exit_code{").count(), 2, "{both}");
        assert!(!both.contains("segvault_run_last_success_timestamp_seconds{profile=\"\"}"), "{both}");
        assert!(one.lines().filter(|line| !line.starts_with('#')).all(|line| both.contains(line)), "{both}");
    }
}
