//! Holds.

use crate::cli::describe::one_line;
use crate::cli::render::style::{lines, table};
use crate::cli::render::units::short_time;
use crate::engine::retention::{Hold, HoldChange};
use crate::repo::format::moment::Moment;

/// A point is held now.
pub(in crate::cli) fn held(change: &HoldChange) -> String {
    let would = if change.act.is_none() { "would be held" } else { "is held" };
    format!("point {} {would}{}: {}\n", change.point, until(change.until), one_line(&change.reason))
}

/// A hold has ended.
pub(in crate::cli) fn released(change: &HoldChange) -> String {
    let would = if change.act.is_none() { "would not be" } else { "is not" };
    format!("point {} {would} held any more; it was: {}\n", change.point, one_line(&change.reason))
}

fn until(until: Option<Moment>) -> String {
    until.map_or_else(String::new, |until| format!(" until {} UTC", short_time(until.0)))
}

/// All holds.
pub(in crate::cli) fn list(holds: &[Hold]) -> String {
    if holds.is_empty() {
        return "no point is held\n".to_owned();
    }
    let mut rows = table(&[">POINT", "TIME (UTC)", "SOURCE", "UNTIL (UTC)", "REASON"]);
    for hold in holds {
        let until = hold.until.map_or_else(|| "for good".to_owned(), |until| short_time(until.0));
        rows.add_row([
            hold.point.to_string(),
            short_time(hold.at.0),
            one_line(&hold.source),
            if hold.over { format!("{until}, over") } else { until },
            one_line(&hold.reason),
        ]);
    }
    lines(&rows)
}
