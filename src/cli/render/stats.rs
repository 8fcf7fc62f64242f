//! What the archive saves: the sums, a table, growth. The table is the same for people and for spreadsheets.

mod sheets;

use crate::cli::args::By;
use crate::cli::failure::Failure;
use crate::cli::render::points;
use crate::cli::render::style::{Text, lines, table};
use crate::cli::render::units::{bytes, count, plural};
use crate::engine::stats::{Growth, Savings, Stats};
use sheets::{Cell, Sheet};
use std::io;

/// The sums, the table that was asked for, growth, and what could not be read.
pub(in crate::cli) fn text(stats: &Stats, by: By) -> String {
    let mut text = Text::default();
    text.lines(&savings(stats));
    text.line("");
    text.lines(&printed(&sheets::sheet(stats, by)));
    text.lines(&growth(&stats.growth));
    text.lines(&points::problems(&stats.problems));
    text.finish()
}

/// The table as comma-separated values.
pub(in crate::cli) fn csv(stats: &Stats, by: By) -> Result<Vec<u8>, Failure> {
    let sheet = sheets::sheet(stats, by);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Failure::Output(io::Error::other(error));
    writer.write_record(sheet.head.iter().map(|name| name.trim_start_matches('>'))).map_err(failed)?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(Cell::plain)).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Failure::Output(io::Error::other(error.to_string())))
}

fn printed(sheet: &Sheet) -> String {
    let head: Vec<String> = sheet.head.iter().map(|name| name.to_uppercase()).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut rows = table(&head);
    for row in &sheet.rows {
        rows.add_row(row.iter().map(Cell::shown));
    }
    lines(&rows)
}

fn savings(stats: &Stats) -> String {
    let Savings { points, copies, unique, stored, .. } = stats.savings;
    let line = |what: String, size: u64, ratio: Option<f64>| {
        let times = ratio.map(|ratio| format!("  {ratio:.1} times smaller")).unwrap_or_default();
        format!("{what:<54} {:>10}{times}\n", bytes(size))
    };
    [
        line(format!("{} as copies, without zeros", plural(points, "point")), copies, None),
        line("each byte once".to_owned(), unique, stats.savings.deduplicated),
        line("compressed".to_owned(), stored, stats.savings.compressed),
        line(
            format!("the repository, {}, index and all", plural(stats.files, "file")),
            stats.bytes,
            stats.savings.together,
        ),
    ]
    .concat()
}

fn growth(growth: &Growth) -> String {
    let mut text = Text::default();
    if let (Some(day), Some(month)) = (growth.per_day, growth.per_month) {
        text.line(&format!("\ngrows by {} a day, {} a month", bytes(day), bytes(month)));
    }
    if let Some(free) = growth.free {
        let full = growth.full_in_days.map(|days| format!(": full in {} days", count(days)));
        text.line(&format!("{} free{}", bytes(free), full.unwrap_or_default()));
    }
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stats::{Kind, Lot, PointStats};
    use crate::repo::format::moment::Moment;

    fn stats() -> Stats {
        let point = PointStats {
            number: 3,
            at: Moment(1_795_381_849_885),
            source: "a, \"b\"".to_owned(),
            forgotten: false,
            copies: 4_096,
            added: 2_048,
            frees: 10,
        };
        Stats {
            bytes: 3_000,
            files: 1,
            kinds: vec![Kind { kind: "packs".to_owned(), files: 1, bytes: 3_000 }],
            savings: Savings {
                points: 1,
                copies: 4_096,
                unique: 4_096,
                stored: 2_000,
                deduplicated: Some(1.0),
                compressed: Some(2.048),
                together: Some(1.365),
            },
            logs: Vec::new(),
            control_dbs: Vec::new(),
            shared: Lot::default(),
            unneeded: Lot { unique: 9, stored: 7 },
            overhead: 993,
            points: vec![point],
            months: Vec::new(),
            growth: Growth {
                per_day: Some(100),
                per_month: Some(3_000),
                free: Some(1_000_000),
                full_in_days: Some(10_000),
            },
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_table_for_people_and_one_for_spreadsheets() {
        let shown = anstream::adapter::strip_str(&text(&stats(), By::Point)).to_string();
        let expected = "\
1 point as copies, without zeros                         4.00 KiB
each byte once                                           4.00 KiB  1.0 times smaller
compressed                                               1.95 KiB  2.0 times smaller
the repository, 1 file, index and all                    2.93 KiB  1.4 times smaller

POINT  TIME (UTC)           SOURCE      COPY     ADDED  FREES  STATE
    3  2026-11-22 21:10:49  a, \"b\"  4.00 KiB  2.00 KiB   10 B

grows by 100 B a day, 2.93 KiB a month
977 KiB free: full in 10,000 days
";
        assert_eq!(shown, expected);
        let plain = String::from_utf8(csv(&stats(), By::Point).unwrap()).unwrap();
        assert_eq!(
            plain,
            "point,time (UTC),source,copy,added,frees,state\n\
             3,2026-11-22T21:10:49.885Z,\"a, \"\"b\"\"\",4096,2048,10,\n"
        );
    }
}
