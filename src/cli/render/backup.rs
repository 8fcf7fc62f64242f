//! What a backup did.

use crate::axon::name::Store;
use crate::cli::describe::one_line;
use crate::cli::render::findings;
use crate::cli::render::style::{self, Text, lines, table};
use crate::cli::render::tables::{incarnation, order, tokens};
use crate::cli::render::units::{bytes, count, plural, span};
use crate::engine::backup::BackupReport;
use crate::engine::backup::report::{ControlDbReport, StoreReport};
use crate::repo::format::point::Order;
use crate::source;
use crate::source::Source;
use comfy_table::Table;
use serde::Serialize;
use std::collections::BTreeMap;

const HEAD: [&str; 9] =
    ["CONTEXT", "STORE", ">NEW", ">GROWN", ">KNOWN", ">DAMAGED", ">NEW EVENTS", ">TOKENS", ">HISTORY"];

/// What the backup was made from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Taken {
    /// What is known of the source: the directory that was taken, and why.
    facts: BTreeMap<String, String>,
}

/// A backup's document.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct BackupDocument<'a> {
    #[serde(flatten)]
    pub(in crate::cli) taken: &'a Taken,
    #[serde(flatten)]
    pub(in crate::cli) report: &'a BackupReport,
}

impl Taken {
    pub(in crate::cli) fn from(source: &dyn Source) -> Result<Self, source::Error> {
        Ok(Self { facts: source.identity()?.facts })
    }

    fn text(&self) -> String {
        let fact = |key: &str| one_line(self.facts.get(key).map_or("-", String::as_str));
        format!("data: {} ({})\n", fact("directory"), fact("taken"))
    }
}

/// The report as people read it.
pub(in crate::cli) fn text(document: &BackupDocument<'_>) -> String {
    let report = document.report;
    let mut text = Text::default();
    text.line(&headline(report));
    text.lines(&document.taken.text());
    text.line(&format!("control database: {}", control_db(report)));
    text.lines(&lines(&stores(report)));
    if !report.left_out.is_empty() {
        text.line(&format!("left out: {}", one_line(&report.left_out.join(", "))));
    }
    text.line(&sums(report));
    text.lines(&findings::list(&report.findings));
    text.finish()
}

fn headline(report: &BackupReport) -> String {
    let (good, warn, plain) = (style::GOOD, style::WARNING, style::PLAIN);
    let (source, took) = (one_line(&report.source), span(report.milliseconds));
    let state =
        if report.complete { format!("{good}complete{plain}") } else { format!("{warn}incomplete{plain}") };
    match report.point {
        Some(point) => format!("point {} of {source}: {state}, in {took}", point.number),
        None => format!("a point of {source} would be {state}; nothing was stored (dry run), in {took}"),
    }
}

fn control_db(report: &BackupReport) -> String {
    match &report.control_db {
        ControlDbReport::Archived { name, bytes: size, rebuilt } => {
            let how = match (report.order, rebuilt) {
                (Order::Copied, _) => "copied from a stopped node",
                (_, true) => "rebuilt bit by bit from the database inside",
                (_, false) => "kept as it is",
            };
            format!(
                "{}, {} inside, {how}; order {}",
                one_line(name),
                bytes(*size),
                order(report.order, report.unordered)
            )
        }
        ControlDbReport::Absent { reason } => format!("none ({})", one_line(reason)),
    }
}

fn stores(report: &BackupReport) -> Table {
    let mut rows = table(&HEAD);
    for context in &report.contexts {
        for store in Store::ALL {
            let name = if store == Store::ALL[0] {
                incarnation(&context.name, context.incarnation)
            } else {
                String::new()
            };
            rows.add_row(row(name, store, context.store(store)));
        }
    }
    rows
}

fn row(context: String, store: Store, seen: &StoreReport) -> [String; 9] {
    let counts = [
        seen.new_segments,
        seen.replaced_segments,
        seen.known_segments,
        seen.damaged_segments,
        seen.new_events,
    ];
    let [new, grown, known, damaged, events] = counts.map(count);
    [
        context,
        store.to_string(),
        new,
        grown,
        known,
        damaged,
        events,
        tokens(seen.first, seen.head),
        bytes(seen.bytes),
    ]
}

fn sums(report: &BackupReport) -> String {
    if report.point.is_none() {
        let (read, raw) = (bytes(report.read_bytes), bytes(report.new_raw_bytes));
        let (new, known) = (plural(report.new_chunks, "chunk"), count(report.known_chunks));
        return format!("read {read}; {new} would be new ({raw} before compression), {known} known");
    }
    format!(
        "read {}; {} new ({} as {}), {} known; the repository grew by {}",
        bytes(report.read_bytes),
        plural(report.new_chunks, "chunk"),
        bytes(report.new_raw_bytes),
        bytes(report.new_stored_bytes),
        count(report.known_chunks),
        bytes(report.file_bytes),
    )
}
