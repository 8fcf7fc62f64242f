//! What is decided of points.

use crate::cli::describe::one_line;
use crate::cli::render::style::{Text, lines, table};
use crate::cli::render::units::{plural, short_time};
use crate::engine::retention::{ForgetReport, Remembered};

/// Every point with keep or forget, and why; then what was done, or `how` to do it.
pub(in crate::cli) fn text(report: &ForgetReport, how: bool) -> String {
    let mut text = Text::default();
    let mut rows = table(&[">POINT", "TIME (UTC)", "SOURCE", "", "WHY"]);
    for point in &report.points {
        rows.add_row([
            point.number.to_string(),
            short_time(point.at.0),
            one_line(&point.source),
            if point.keep { "keep" } else { "forget" }.to_owned(),
            one_line(&point.reasons.join("; ")),
        ]);
    }
    if !report.points.is_empty() {
        text.lines(&lines(&rows));
    }
    text.lines(&done(report, how));
    text.finish()
}

/// What was done, or would be.
pub(in crate::cli) fn done(report: &ForgetReport, how: bool) -> String {
    let (kept, forgotten) = (report.kept as u64, plural(report.forgotten as u64, "point"));
    if report.forgotten == 0 {
        return format!("nothing to forget; {} kept\n", plural(kept, "point"));
    }
    let bare = bare(report);
    if report.dry_run {
        let how = if how { "; do it with --yes" } else { "" };
        return format!("would forget {forgotten} and keep {kept}{how}\n{bare}");
    }
    let them = if report.forgotten == 1 { "it" } else { "them" };
    format!(
        "forgot {forgotten}, kept {kept}; 'segvault forget --undo' lists {them} again until 'segvault prune' has deleted {them}\n{bare}"
    )
}

/// A line, if sources are left without any point.
fn bare(report: &ForgetReport) -> String {
    if report.bare.is_empty() {
        return String::new();
    }
    let names: Vec<String> = report.bare.iter().map(|name| format!("'{}'", one_line(name))).collect();
    let when = if report.dry_run { "then" } else { "now" };
    format!(
        "nothing of {} can be restored {when}; undo with 'segvault forget --undo', before a prune\n",
        names.join(" and ")
    )
}

/// Points that are listed again.
pub(in crate::cli) fn remembered(report: &Remembered) -> String {
    if report.points.is_empty() {
        return "no point is forgotten\n".to_owned();
    }
    let would = if report.dry_run { "would list again" } else { "listed again" };
    let numbers: Vec<String> = report.points.iter().map(u64::to_string).collect();
    format!("{would}: {}\n", numbers.join(", "))
}
