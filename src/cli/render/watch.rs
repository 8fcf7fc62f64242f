//! What happens while a source is watched: a line each.

use crate::cli::describe::one_line;
use crate::cli::render::findings;
use crate::cli::render::units::{bytes, count, span, time};
use crate::engine::watch::Grown;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::Finding;
use serde::Serialize;

/// Something happened. With `--json` a document on a line of its own.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Event {
    /// When.
    pub(in crate::cli) at: Moment,
    /// What.
    pub(in crate::cli) happened: Happened,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Happened {
    /// A point was made.
    Point {
        /// Its number.
        point: u64,
        /// Whether it is complete.
        complete: bool,
        /// Why it was made now; none if its time had come.
        why: Option<String>,
        /// How long it took.
        milliseconds: i64,
        /// By how many bytes the repository grew.
        file_bytes: u64,
        /// What must be known of it.
        findings: Vec<Finding>,
    },
    /// New transactions are archived.
    Archived {
        /// What has grown.
        logs: Vec<Grown>,
    },
    /// The source can't be followed: a point has changed nothing about it. The next one is made when the source changes.
    Waiting {
        /// What this is.
        why: String,
    },
    /// What had failed (a warning told of it) works again.
    Recovered {
        /// For how long it did not.
        seconds: u64,
    },
    /// It was asked to stop.
    Stopped,
}

/// A line; below that of a point its findings.
pub(in crate::cli) fn text(event: &Event) -> String {
    let said = match &event.happened {
        Happened::Point { point, complete, why, milliseconds, file_bytes, .. } => {
            let state = if *complete { "complete" } else { "incomplete" };
            let why = why.as_ref().map(|why| format!(" ({})", one_line(why))).unwrap_or_default();
            format!(
                "point {point}: {state}, in {}, the repository grew by {}{why}",
                span(*milliseconds),
                bytes(*file_bytes)
            )
        }
        Happened::Archived { logs } => {
            let of = |grown: &Grown| {
                let head = grown.head.map(|head| format!(" to {head}")).unwrap_or_default();
                format!("{}, {} new {}{head}", one_line(&grown.context), count(grown.events), grown.store)
            };
            format!("archived: {}", logs.iter().map(of).collect::<Vec<_>>().join("; "))
        }
        Happened::Waiting { why } => {
            format!(
                "waiting: {}; a point changed nothing in that, the next is made when they change",
                one_line(why)
            )
        }
        Happened::Recovered { seconds } => format!("it works again, after {seconds} s"),
        Happened::Stopped => "stopped".to_owned(),
    };
    format!("{}  {said}\n{}", time(event.at.0), below(&event.happened))
}

/// What must be known of a point, as a backup shows it.
fn below(happened: &Happened) -> String {
    match happened {
        Happened::Point { findings, .. } => findings::list(findings),
        _ => String::new(),
    }
}
