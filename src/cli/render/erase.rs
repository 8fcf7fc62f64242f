//! What an erasure or a drop did, or would do; and what it does not reach.

use crate::cli::describe::one_line;
use crate::cli::render::style::Text;
use crate::cli::render::units::{bytes, plural, points};
use crate::engine::drop_history::DropReport;
use crate::engine::erase::{EraseReport, ErasedRow, Proof};

/// So many names are printed of a list; `--json` has all.
const NAMED: usize = 20;

/// An erasure; `how` says how to do it.
pub(in crate::cli) fn text(report: &EraseReport, how: bool) -> String {
    let mut text = Text::default();
    let would = |done: &'static str, would: &'static str| if report.dry_run { would } else { done };
    for segment in &report.segments {
        text.line(&format!("{}: {}", would("erased", "would erase"), row(segment)));
    }
    if report.segments.is_empty() {
        text.line("no old version of a transformed segment is archived");
    } else {
        text.line(&format!(
            "{} of {} in them, which the current versions have no more",
            plural(report.events, "event"),
            plural(report.aggregates.len() as u64, "aggregate")
        ));
    }
    if !report.points.is_empty() {
        let read = would("read the current versions from now on", "would read the current versions");
        text.line(&format!("points that {read}: {}", numbers(&report.points)));
    }
    not_reached(&mut text, report);
    if let Some(deleted) = &report.deleted {
        text.line(&format!("deleted at once: {} freed", bytes(deleted.bytes())));
    }
    if let Some(found) = &report.proof {
        text.lines(&proof(found));
    }
    if how && report.dry_run && !report.segments.is_empty() {
        text.line("do it with --yes; there is no undo");
    }
    text.finish()
}

fn row(segment: &ErasedRow) -> String {
    let instead =
        segment.current.map_or_else(String::new, |current| format!(", read instead: version {current}"));
    format!(
        "version {} of segment {} of {} in incarnation {} ({}; {}){instead}",
        segment.version,
        segment.number,
        segment.store,
        segment.incarnation,
        segment.kind,
        plural(segment.events, "event")
    )
}

/// Nothing of this is skipped silently.
fn not_reached(text: &mut Text, report: &EraseReport) {
    if !report.snapshots.is_empty() {
        let tokens: Vec<u64> = report.snapshots.iter().map(|row| row.token).collect();
        let what = if report.snapshots_dropped {
            "all snapshots of the context go, for these (a backup archives again what the server still has: remove it there first)"
        } else {
            "stay: snapshots of these aggregates (--snapshots erases them)"
        };
        text.line(&format!("{what}: {}", numbers(&tokens)));
    }
    for row in &report.not_replaced {
        text.line(&format!("stays, no whole newer version holds all its events: {}", self::row(row)));
    }
    if !report.control_dbs.is_empty() {
        text.line(&format!("stay: the control databases of {}", points(&report.control_dbs, NAMED)));
    }
    if !report.replication_logs.is_empty() {
        text.line(&format!("stay: the replication logs of {}", points(&report.replication_logs, NAMED)));
    }
    for damaged in report.damaged.iter().chain(&report.elsewhere) {
        text.line(&format!("stays: {}", one_line(damaged)));
    }
    for copy in &report.copies {
        let place = copy.place.as_deref().map_or("points here come from it", |place| place);
        text.line(&format!(
            "erase there, too: repository {} ({})",
            one_line(&copy.repository),
            one_line(place)
        ));
    }
    for left in &report.left {
        text.line(&one_line(&format!("stays: {}: {}", left.path, left.why)));
    }
}

fn numbers(all: &[u64]) -> String {
    let mut words: Vec<String> = all.iter().take(NAMED).map(u64::to_string).collect();
    let more = all.len().saturating_sub(NAMED);
    words.extend((more > 0).then(|| format!("and {more} more")));
    words.join(", ")
}

/// A proof.
pub(in crate::cli) fn proof(proof: &Proof) -> String {
    let mut text = Text::default();
    text.line(&format!(
        "read {} in {}: {} and {}, compared with {} and {} that were erased",
        plural(proof.blocks, "block"),
        plural(proof.packs, "pack"),
        plural(proof.chunks, "chunk"),
        plural(proof.events, "event"),
        plural(proof.names, "chunk"),
        plural(proof.hashes, "event")
    ));
    if proof.pieces > 0 {
        text.line(&format!(
            "{} of segments are no whole transactions: compared by name alone",
            plural(proof.pieces, "chunk")
        ));
    }
    for unreadable in &proof.unreadable {
        text.line(&format!("can't be read: {}: {}", unreadable.path, unreadable.why));
    }
    for found in proof.found.iter().take(NAMED) {
        text.line(&format!("FOUND: {} {}", found.path, found.why));
    }
    let names = proof.hashes.saturating_add(proof.names);
    text.line(match (proof.found.len(), proof.is_clean()) {
        (0, true) => "none of them holds what was erased",
        (0, false) if names == 0 => "nothing was erased yet: there is nothing to compare with",
        (0, false) => "none of what could be read holds what was erased",
        _ => "what was erased is still there",
    });
    text.finish()
}

/// A drop.
pub(in crate::cli) fn dropped(report: &DropReport) -> String {
    let mut text = Text::default();
    if report.logs.is_empty() {
        text.line("no whole segment lies before that: nothing to drop");
        return text.finish();
    }
    let would = |done: &'static str, would: &'static str| if report.dry_run { would } else { done };
    for part in &report.logs {
        let begins = part.begins.map_or_else(String::new, |at| format!(" ({at})"));
        text.line(&format!(
            "{} {} of events of {}@{}, {}: the tokens {} to {}; the history {} with token {}{begins}",
            would("dropped", "would drop"),
            plural(part.segments, "segment"),
            one_line(&report.context),
            part.incarnation,
            bytes(part.bytes),
            part.first,
            part.before.saturating_sub(1),
            would("begins", "would begin"),
            part.before
        ));
    }
    if !report.later.is_empty() {
        text.line(&format!("{} later: {}", would("begin", "would begin"), points(&report.later, NAMED)));
    }
    if !report.gone.is_empty() {
        let gone = would("gone, since they end before", "would be gone, since they end before");
        text.line(&format!("{gone}: {}", points(&report.gone, NAMED)));
    }
    text.line("snapshots stay: aggregates that began before are read from theirs");
    if let Some(confirmation) = report.confirmation.as_ref().filter(|_| report.dry_run) {
        text.line(&format!("do it with --confirm {}; there is no undo", one_line(confirmation)));
    } else {
        text.line("'segvault prune' frees the room");
    }
    text.finish()
}
