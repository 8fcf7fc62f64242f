//! What was copied.

use crate::cli::render::style::Text;
use crate::cli::render::units::{are, bytes, plural, points};
use crate::engine::copy::{CopiedPoint, CopyReport, LostHistory};

/// So many segments, or points, are named; the JSON document names all.
const NAMED: usize = 8;

/// Each point with its number there, and what it took.
pub(in crate::cli) fn text(report: &CopyReport) -> String {
    let mut text = Text::default();
    for point in &report.points {
        text.line(&line(*point));
    }
    if !report.known.is_empty() {
        text.line(&format!("{} copied before", plural(report.known.len() as u64, "point")));
    }
    if !report.older.is_empty() {
        let (points, are) = (points(&report.older, NAMED), are(report.older.len() as u64));
        text.line(&format!(
            "{points} {are} not there, and older than what --since-last asks for: a copy without it takes all"
        ));
    }
    if report.dry_run {
        text.line(&format!("would copy {}", plural(report.chunks, "chunk")));
    } else if !report.points.is_empty() || report.file_bytes > 0 {
        let (raw, grown) = (bytes(report.raw_bytes), bytes(report.file_bytes));
        text.line(&format!(
            "{} new ({raw}); the other repository grew by {grown}",
            plural(report.chunks, "chunk")
        ));
    }
    text.finish()
}

/// What of a log could not be copied.
pub(in crate::cli) fn left_out(lost: &LostHistory, not_copied: &str) -> String {
    let mut named: Vec<&str> = lost.segments.iter().take(NAMED).map(String::as_str).collect();
    let more = format!("and {} more", lost.segments.len().saturating_sub(NAMED));
    if lost.segments.len() > NAMED {
        named.push(&more);
    }
    let (log, segments, why) = (&lost.log, named.join(", "), &lost.why);
    let what = match lost.segments.len() {
        0 => "all of it".to_owned(),
        1 => format!("segment {segments}"),
        _ => format!("of its segments {segments}"),
    };
    let advice = if lost.given_up {
        "it was given up here"
    } else {
        "see what it means with 'segvault verify --data'"
    };
    format!("{log}: {what} {not_copied}: {why}; {advice}")
}

fn line(point: CopiedPoint) -> String {
    match point.to {
        Some(number) => format!("point {} copied, as point {number}", point.from),
        None => format!("point {} would be copied", point.from),
    }
}
