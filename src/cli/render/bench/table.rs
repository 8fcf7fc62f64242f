//! The table: the same cells for the terminal and for the page.

use super::seconds;
use crate::cli::render::style::{lines, table};
use crate::cli::render::units::bytes;
use crate::engine::bench::report::{Measured, Report, Row};

/// The heads; those that begin with `>` stand over numbers.
pub(super) const HEAD: [&str; 13] = [
    "TOOL", ">STORED", ">SMALLER", ">GROWN", ">SEALED", ">MONTH", ">ENCODE", ">CPU", ">MEMORY", ">DECODE",
    ">RESTORE", ">MEMORY", "EQUAL",
];

/// The rows of a report.
pub(super) fn rows(report: &Report) -> Vec<[String; 13]> {
    report.rows.iter().map(|row| cells(row, report.data.at_first)).collect()
}

pub(super) fn text(report: &Report) -> String {
    let mut shown = table(&HEAD);
    for row in rows(report) {
        shown.add_row(row);
    }
    lines(&shown)
}

fn cells(row: &Row, history: u64) -> [String; 13] {
    let Some(measured) = &row.measured else {
        let mut cells = std::array::from_fn(|_| String::new());
        (cells[0], cells[12]) = (row.tool.clone(), "not measured".to_owned());
        return cells;
    };
    let month =
        row.growth.as_ref().filter(|growth| growth.failed.is_none()).map(|growth| bytes(growth.at_least));
    let Measured { stored, grown, sealed, first, restore, encode_speed, decode_speed, equal, .. } = *measured;
    [
        row.tool.clone(),
        bytes(stored),
        times(history, stored),
        format!("+{}", bytes(grown)),
        format!("+{}", bytes(sealed)),
        month.unwrap_or_default(),
        format!("{}/s", bytes(encode_speed)),
        seconds(first.cpu_seconds),
        bytes(first.memory),
        format!("{}/s", bytes(decode_speed)),
        seconds(restore.seconds),
        bytes(restore.memory),
        if equal { "yes" } else { "NO" }.to_owned(),
    ]
}

/// `5.6 x`: how many times smaller than the history.
#[expect(clippy::cast_precision_loss, reason = "a ratio, for people")]
fn times(history: u64, stored: u64) -> String {
    format!("{:.2} x", history as f64 / stored.max(1) as f64)
}
