//! What was copied.

use crate::cli::render::style::Text;
use crate::cli::render::units::{bytes, plural};
use crate::engine::copy::{CopiedPoint, CopyReport};

/// Each point with its number there, and what it took.
pub(in crate::cli) fn text(report: &CopyReport) -> String {
    let mut text = Text::default();
    for point in &report.points {
        text.line(&line(*point));
    }
    if !report.known.is_empty() {
        text.line(&format!("{} copied before", plural(report.known.len() as u64, "point")));
    }
    if report.dry_run {
        text.line(&format!("would copy {}", plural(report.chunks, "chunk")));
    } else if !report.points.is_empty() {
        let (raw, grown) = (bytes(report.raw_bytes), bytes(report.file_bytes));
        text.line(&format!(
            "{} new ({raw}); the other repository grew by {grown}",
            plural(report.chunks, "chunk")
        ));
    }
    text.finish()
}

fn line(point: CopiedPoint) -> String {
    match point.to {
        Some(number) => format!("point {} copied, as point {number}", point.from),
        None => format!("point {} would be copied", point.from),
    }
}
