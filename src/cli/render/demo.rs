//! What the demo shows: each step as it is done, and the sums.

use crate::cli::demo::{Demo, Moment, Proof};
use crate::cli::render::style;
use crate::cli::render::units::{bytes, count};
use crate::engine::backup::report::ContextReport;
use std::path::Path;

/// A step begins.
pub(in crate::cli) fn heading(text: &str) -> String {
    let (head, plain) = (style::HEAD, style::PLAIN);
    format!("{head}{text}{plain}\n")
}

/// A backup.
pub(in crate::cli) fn moment(moment: &Moment) -> String {
    moment.backup.contexts.iter().map(|context| backed_up(moment, context)).collect()
}

fn backed_up(moment: &Moment, context: &ContextReport) -> String {
    format!(
        "  point {}  events to {:>5}  {:>5} new events  {:>2} segments sealed, {} replaced  repository {:>9} larger\n",
        moment.backup.point.map_or(0, |point| point.number),
        head(context.events.head),
        count(context.events.new_events),
        context.events.new_segments,
        context.events.replaced_segments + context.snapshots.replaced_segments,
        format!("+{}", bytes(moment.backup.file_bytes)),
    )
}

/// A restore, compared.
pub(in crate::cli) fn proof(proof: &Proof) -> String {
    format!(
        "  point {}  restored to event {:>5}  {:>2} files, {:>8}: equal byte for byte\n",
        proof.restored.point.number,
        head(proof.restored.contexts.iter().find_map(|context| context.events.head)),
        proof.equal_files,
        bytes(proof.equal_bytes),
    )
}

fn head(head: Option<u64>) -> String {
    head.map_or_else(|| "-".to_owned(), count)
}

/// The sums, and where to look if all is kept.
pub(in crate::cli) fn closing(demo: &Demo, kept: Option<&Path>) -> String {
    [
        heading("verify --data"),
        verified(demo),
        heading("what it saves"),
        savings(demo),
        kept.map_or_else(String::new, look),
    ]
    .concat()
}

fn verified(demo: &Demo) -> String {
    let counts = &demo.verified.counts;
    format!(
        "  {} points, {} packs, {} segments: every byte read, every transaction checked; {} findings\n",
        counts.points,
        counts.packs,
        counts.segments,
        demo.verified.findings.len(),
    )
}

fn savings(demo: &Demo) -> String {
    let copies = demo.moments.len();
    let line = |what: String, size: u64| format!("  {what:<58} {:>10}\n", bytes(size));
    let (whole, tenth) = ratio(demo.history_bytes, demo.repository_bytes);
    [
        line(format!("{copies} plain copies, files as they lie there"), demo.copies_bytes),
        line(format!("{copies} plain copies, without the zeros behind the history"), demo.history_bytes),
        line(format!("the repository with {copies} points, index and all"), demo.repository_bytes),
        format!("  {whole}.{tenth} times smaller than the history in the copies\n"),
    ]
    .concat()
}

/// A ratio with one decimal, rounded down.
fn ratio(large: u64, small: u64) -> (u64, u64) {
    let tenths = large.saturating_mul(10).checked_div(small).unwrap_or_default();
    (tenths / 10, tenths % 10)
}

fn look(repository: &Path) -> String {
    let path = repository.display();
    format!("{}  segvault points -r {path}\n  segvault show latest -r {path}\n", heading("look around"))
}
