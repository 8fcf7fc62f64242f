//! What the demo shows: each step as it is done, and the sums.

use crate::cli::demo::{Demo, Moment, Proof};
use crate::cli::render::style;
use crate::cli::render::units::{bytes, count};

/// A step begins.
pub(in crate::cli) fn heading(text: &str) -> String {
    let (head, plain) = (style::HEAD, style::PLAIN);
    format!("{head}{text}{plain}\n")
}

/// A backup.
pub(in crate::cli) fn moment(moment: &Moment) -> String {
    let number = moment.backup.point.map_or(0, |point| point.number);
    let mut text = String::new();
    for context in &moment.backup.contexts {
        let head = context.events.head.map_or_else(|| "-".to_owned(), count);
        text.push_str(&format!(
            "  point {number}  events to {head:>5}  {:>5} new events  {:>2} segments sealed, {} replaced  repository {:>8} larger\n",
            count(context.events.new_events),
            context.events.new_segments,
            context.events.replaced_segments + context.snapshots.replaced_segments,
            format!("+{}", bytes(moment.backup.file_bytes)),
        ));
    }
    text
}

/// A restore, compared.
pub(in crate::cli) fn proof(proof: &Proof) -> String {
    let head = proof.restored.contexts.iter().find_map(|context| context.events.head);
    format!(
        "  point {}  restored to event {:>5}  {:>2} files, {}: equal byte for byte\n",
        proof.restored.point.number,
        head.map_or_else(|| "-".to_owned(), count),
        proof.equal_files,
        bytes(proof.equal_bytes),
    )
}

/// The sums.
pub(in crate::cli) fn sums(demo: &Demo) -> String {
    let counts = &demo.verified.counts;
    let mut text = heading("verify --data");
    text.push_str(&format!(
        "  {} points, {} packs, {} segments: every byte read, every transaction checked; {} findings\n",
        counts.points,
        counts.packs,
        counts.segments,
        demo.verified.findings.len(),
    ));
    text.push_str(&heading("what it saves"));
    let copies = demo.moments.len();
    let line = |what: &str, size: u64| format!("  {what:<58} {:>10}\n", bytes(size));
    text.push_str(&line(&format!("{copies} plain copies, files as they lie there"), demo.copies_bytes));
    text.push_str(&line(
        &format!("{copies} plain copies, without the zeros behind the history"),
        demo.history_bytes,
    ));
    text.push_str(&line(
        &format!("the repository with {copies} points, index and all"),
        demo.repository_bytes,
    ));
    let (whole, tenth) = ratio(demo.history_bytes, demo.repository_bytes);
    text.push_str(&format!("  {whole}.{tenth} times smaller than the history in the copies\n"));
    text
}

/// A ratio with one decimal, rounded down.
fn ratio(large: u64, small: u64) -> (u64, u64) {
    let tenths = large.saturating_mul(10).checked_div(small).unwrap_or_default();
    (tenths / 10, tenths % 10)
}
