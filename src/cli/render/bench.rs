//! What a bench found: a table, what follows, and a page with plots.

mod page;
mod plots;
mod table;

use crate::cli::failure::Failure;
use crate::cli::machine::Machine;
use crate::cli::render::style::{Text, lines, table as new_table};
use crate::cli::render::units::{bytes, count, plural, short_time};
use crate::engine::bench::advice::{Advice, Costs, Lost};
use crate::engine::bench::columns::Columns;
use crate::engine::bench::report::{Data, Month, Report};
use crate::engine::bench::synthetic::Made;
use serde::Serialize;
use std::path::Path;

/// Columns that are shown.
const SHOWN: usize = 24;

/// What the columns of the table mean.
const LEGEND: &str = "STORED: all files of the repository after the first backup, without the reserve (1 MiB in each repository, for a full disk); SMALLER: times, than the history; GROWN, SEALED: what the second and the third \
backup added; MONTH: what a month of hourly backups ends with at least; ENCODE: history a second, of the first backup, with its CPU time and peak MEMORY; \
DECODE, RESTORE: of the restore of the third backup, with its peak MEMORY; EQUAL: restored byte for byte";

/// What is told of a bench: what was found, and all that is needed to do it again.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct BenchDocument<'a> {
    /// This program and its version.
    pub(in crate::cli) program: &'a str,
    /// When it was done.
    pub(in crate::cli) at: String,
    /// The line that was typed.
    pub(in crate::cli) command: String,
    /// The machine.
    pub(in crate::cli) machine: &'a Machine,
    /// What was found.
    #[serde(flatten)]
    pub(in crate::cli) report: &'a Report,
}

/// For people.
pub(in crate::cli) fn text(document: &BenchDocument<'_>) -> String {
    let report = document.report;
    let mut text = Text::default();
    told(&data(&report.data), &mut text);
    text.line(&machine(document));
    text.line("");
    text.lines(&table::text(report));
    text.line("");
    text.line(LEGEND);
    text.line("");
    told(&remarks(report), &mut text);
    text.finish()
}

fn told(sentences: &[String], text: &mut Text) {
    for sentence in sentences {
        text.line(sentence);
    }
}

/// The page, or the plot of sizes alone, as the name of the file says.
pub(in crate::cli) fn page(document: &BenchDocument<'_>, path: &Path) -> Result<String, Failure> {
    match kind(path)? {
        Kind::Page => page::page(document),
        Kind::Picture => page::picture(document),
    }
}

/// What is written beside the text.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Kind {
    /// All of it.
    Page,
    /// The plot of sizes.
    Picture,
}

/// What a name asks for. Hours may pass before it is written: a wrong one is refused before.
pub(in crate::cli) fn kind(path: &Path) -> Result<Kind, Failure> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html" | "htm") => Ok(Kind::Page),
        Some("svg") => Ok(Kind::Picture),
        _ => Err(Failure::Usage {
            message: format!("{}: a report is a page or a picture", path.display()),
            hint: "give a name that ends in .html or .svg",
        }),
    }
}

/// Data that was made.
pub(in crate::cli) fn made(directory: &Path, made: &[Made]) -> String {
    let mut rows = new_table(&["CONTEXT", ">HISTORY", ">EVENTS", ">ENTROPY"]);
    for one in made {
        rows.add_row([one.kind.to_owned(), bytes(one.bytes), count(one.events), bytes(one.entropy)]);
    }
    format!("made in {}:\n{}{ENTROPY}\n", directory.display(), lines(&rows))
}

const ENTROPY: &str = "entropy: what was drawn at random; no compressor can go below that on average";

/// What was measured, in sentences.
fn data(data: &Data) -> Vec<String> {
    let times = match (data.first_ms, data.last_ms) {
        (Some(first), Some(last)) => format!(", {} to {} UTC", short_time(first), short_time(last)),
        _ => String::new(),
    };
    let mut sentences = vec![
        format!(
            "{}: {} of history, {} in {} of {}{times}",
            data.directory.display(),
            bytes(data.sample),
            plural(data.events, "event"),
            plural(data.segments as u64, "segment"),
            plural(data.contexts as u64, "context"),
        ),
        format!(
            "first backup: {}; second: the open segment has grown by {}; third: it was sealed and the next one begun, {} more",
            bytes(data.at_first),
            bytes(data.grown),
            bytes(data.sealed.saturating_sub(data.grown)),
        ),
    ];
    if data.sampled_files < data.files {
        let (part, all) = (bytes(data.sampled_files), bytes(data.files));
        sentences.push(format!("the newest part of the data: from {part} of {all} of segments"));
    }
    sentences.extend(data.synthetic.iter().map(|made| {
        format!("{}: synthetic, {} with an entropy of {}", made.kind, bytes(made.bytes), bytes(made.entropy))
    }));
    sentences
}

fn machine(document: &BenchDocument<'_>) -> String {
    let machine = document.machine;
    let load = machine.load.map(|load| format!(", load {load} before")).unwrap_or_default();
    let (cores, memory) = (plural(machine.cores as u64, "core"), bytes(machine.memory));
    format!(
        "{} on {}, {cores}, {memory}, {}{load}; {}",
        document.program, machine.processor, machine.system, document.at
    )
}

/// What is to be known of the table, and what follows from it.
fn remarks(report: &Report) -> Vec<String> {
    let mut found = failures(report);
    found.extend(report.month.as_ref().map(month));
    found.extend(report.advice.iter().flat_map(advised));
    found.extend(report.costs.iter().flat_map(costs));
    found
}

fn failures(report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    for row in &report.rows {
        let growth = row.growth.as_ref().and_then(|growth| growth.failed.as_ref());
        found.extend(row.failed.as_ref().map(|why| format!("{}: not measured: {why}", row.tool)));
        found.extend(row.differs.as_ref().map(|what| format!("{}: NOT RESTORED EQUAL: {what}", row.tool)));
        found.extend(growth.map(|why| format!("{}: its month ended early: {why}", row.tool)));
    }
    found
}

fn month(month: &Month) -> String {
    let (from, to) = (short_time(month.from_ms), short_time(month.to_ms));
    let stretched = if month.stretched { ", stretched to a month" } else { "" };
    format!(
        "MONTH: {} hourly backups of {from} to {to} UTC{stretched}; {} of them were made, and each of the others adds at least what one adds that \
         finds nothing new",
        month.backups, month.made
    )
}

fn advised(advice: &Advice) -> Vec<String> {
    let mut found = Vec::new();
    match &advice.setting {
        Some(setting) => found.push(format!("recommended: --compression {setting}: {}", advice.reason)),
        None => found.push(format!("nothing is recommended: {}", advice.reason)),
    }
    found.extend(advice.later.clone());
    found.extend(advice.lost.iter().map(lost));
    found
}

fn lost(lost: &Lost) -> String {
    format!(
        "others are better: {}: {} {}, ours {}",
        lost.what,
        lost.tool,
        figure(lost, lost.theirs),
        figure(lost, lost.ours)
    )
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes that were a whole number")]
fn figure(lost: &Lost, figure: f64) -> String {
    if lost.unit == "bytes" { bytes(figure as u64) } else { seconds(figure) }
}

/// `0.04 s`, `12 s`.
fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn costs(costs: &Costs) -> Vec<String> {
    let growth = match costs.history_a_month {
        Some(more) => format!("growing by {:.2} GB of history a month", more / 1e9),
        None => "without growth: the data spans less than a day".to_owned(),
    };
    let years: Vec<String> = costs
        .years
        .iter()
        .map(|year| format!("{} {}", year.tool, money(year.cost, &costs.currency)))
        .collect();
    vec![format!(
        "a year of all the data (the sample times {:.1}), {growth}, at {} a GB and month: {}",
        costs.factor,
        money(costs.price, &costs.currency),
        years.join(", ")
    )]
}

/// `12.34 EUR`, `0.0031 EUR`: two digits that count, at least.
fn money(amount: f64, currency: &str) -> String {
    let digits = if amount >= 0.1 || amount <= 0.0 {
        2
    } else if amount >= 0.001 {
        4
    } else {
        7
    };
    format!("{amount:.digits$} {currency}").trim_end().to_owned()
}

/// Where the bytes go.
pub(in crate::cli) fn columns(columns: &Columns) -> String {
    let mut rows = new_table(&[">BYTES", ">SHARE", ">VALUES", ">UNPREDICTED", "COLUMN"]);
    for column in columns.columns.iter().take(SHOWN) {
        rows.add_row([
            bytes(column.bytes),
            format!("{:.1} %", column.share * 100.0),
            count(column.values),
            bytes(column.unpredicted),
            crate::cli::describe::one_line(&column.name),
        ]);
    }
    let mut text = Text::default();
    text.line(&format!(
        "where the bytes go: {} of history as about {} in columns",
        bytes(columns.raw),
        bytes(columns.stored)
    ));
    text.lines(&lines(&rows));
    let rest = columns.columns.iter().skip(SHOWN);
    let (number, sum) = rest.fold((0_u64, 0), |(number, sum), column| (number + 1, sum + column.bytes));
    if number > 0 {
        text.line(&format!("and {} more with {}", plural(number, "column"), bytes(sum)));
    }
    if columns.not_in_columns > 0 {
        text.line(&format!(
            "not in columns, so not counted here: {} of history",
            bytes(columns.not_in_columns)
        ));
    }
    text.finish()
}
