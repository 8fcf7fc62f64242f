//! One point, for people.

use crate::cli::describe::one_line;
use crate::cli::render::findings;
use crate::cli::render::points::problems;
use crate::cli::render::style::{self, Text, lines, long_table, table};
use crate::cli::render::tables::{incarnation, order, tokens};
use crate::cli::render::units::{bytes, count, short_time};
use crate::engine::points::{ContextDetail, LogDetail, PointDetail, PointRow, SegmentRow, SegmentState};
use crate::repo::format::point::{ControlDb, StepAt, StepKind};
use comfy_table::Table;

/// So many digits of a segment's hash are shown; the JSON document has them all.
const HASH_DIGITS: usize = 16;

/// Everything of a point.
pub(in crate::cli) fn text(point: &PointDetail) -> String {
    let mut text = head(point);
    for context in &point.contexts {
        text.push_str(&self::context(context));
    }
    text.push_str(&section("steps", &lines(&steps(&point.steps))));
    if !point.findings.is_empty() {
        text.push_str(&section("findings", &findings::list(&point.findings)));
    }
    text.push_str(&problems(&point.problems));
    text
}

fn section(title: &str, body: &str) -> String {
    let (head, plain) = (style::HEAD, style::PLAIN);
    format!("\n{head}{title}{plain}\n{body}")
}

fn head(point: &PointDetail) -> String {
    let row = &point.row;
    let mut facts = vec![
        ("point", row.number.to_string()),
        ("hash", row.blake3.to_string()),
        ("made", row.at.to_string()),
        ("by", point.program.clone()),
        ("source", row.source.clone()),
        ("state", state(row)),
        ("order", order(row.order, row.unordered).to_owned()),
        ("control database", control_db(&point.control_db)),
        ("history", bytes(row.bytes)),
    ];
    facts.extend(row.held.as_ref().map(|reason| ("held", held(row, reason))));
    facts.extend((!row.left_out.is_empty()).then(|| ("left out", row.left_out.join(", "))));
    facts.extend(row.tags.iter().map(|(key, value)| ("tag", format!("{key}={value}"))));
    facts.extend(point.facts.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let line = |(key, value): &(&str, String)| format!("{:<17} {}", one_line(key), one_line(value));
    facts.iter().map(line).collect::<Text>().finish()
}

fn state(row: &PointRow) -> String {
    match (&row.marked_incomplete, row.complete) {
        (Some(reason), _) => format!("incomplete, found later: {reason}"),
        (None, true) => "complete".to_owned(),
        (None, false) => "incomplete: see findings".to_owned(),
    }
}

fn held(row: &PointRow, reason: &str) -> String {
    row.held_until.map_or_else(|| reason.to_owned(), |until| format!("{reason}, until {until}"))
}

fn control_db(database: &ControlDb) -> String {
    match database {
        ControlDb::Absent { reason } => format!("none ({reason})"),
        ControlDb::Inner { entry, inner, zip: None } => format!("{entry}, {}", bytes(inner.length)),
        ControlDb::Inner { entry, inner, zip: Some(zip) } => {
            format!("{entry}, {}; {} is rebuilt from it, bit by bit", bytes(inner.length), zip.name)
        }
        ControlDb::Zip { entry, name, zip } => format!("{entry} in {name}, {}", bytes(zip.length)),
    }
}

fn context(context: &ContextDetail) -> String {
    let name = incarnation(&context.context, context.incarnation);
    let logs = [("snapshots", &context.snapshots), ("events", &context.events)];
    logs.map(|(store, log)| section(&title(&name, store, log), &segments(log))).concat()
}

fn title(context: &str, store: &str, log: &LogDetail) -> String {
    let sum = &log.sum;
    let safepoint = sum.safepoint.map_or_else(|| "none".to_owned(), |token| token.to_string());
    format!(
        "{context} {store}: tokens {}, safepoint {safepoint}, {}, record {}",
        tokens(sum.first, sum.head),
        bytes(sum.bytes),
        log.record
    )
}

fn segments(log: &LogDetail) -> String {
    let head = [
        "FILE",
        "STATE",
        ">TOKENS",
        ">EVENTS",
        ">BYTES",
        ">FILE LENGTH",
        "FROM (UTC)",
        "TO (UTC)",
        ">CHUNKS",
        "BLAKE3",
    ];
    long_table(head, || log.segments.iter().map(segment))
}

fn segment(segment: &SegmentRow) -> [String; 10] {
    let unknown = || "-".to_owned();
    let time = |at: Option<i64>| at.map_or_else(unknown, short_time);
    [
        one_line(&segment.file),
        segment_state(segment),
        tokens(segment.last.map(|_| segment.number), segment.last),
        count(segment.events),
        count(segment.bytes),
        segment.file_length.map_or_else(unknown, count),
        time(segment.times.map(|times| times.first.0)),
        time(segment.times.map(|times| times.last.0)),
        segment.chunks.map_or_else(unknown, |chunks| count(chunks as u64)),
        segment.blake3.map_or_else(unknown, |hash| hash.to_string().chars().take(HASH_DIGITS).collect()),
    ]
}

fn segment_state(segment: &SegmentRow) -> String {
    let state = match segment.state {
        SegmentState::Sealed => "sealed",
        SegmentState::Open => "open",
        SegmentState::Damaged => "damaged",
    };
    let flaw = segment.flaw.as_ref().map(|flaw| format!("({})", one_line(flaw)));
    let replaced = (!segment.current).then(|| "(replaced by a higher version)".to_owned());
    let lost = (!segment.found).then(|| "(LOST)".to_owned());
    let words = [Some(state.to_owned()), flaw, replaced, lost];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn steps(steps: &[StepAt]) -> Table {
    let mut rows = table(&["TIME", "STEP"]);
    for step in steps {
        rows.add_row([step.at.to_string(), words(step)]);
    }
    rows
}

fn words(step: &StepAt) -> String {
    let context = step.context.as_deref().map(one_line).unwrap_or_default();
    match step.step {
        StepKind::Versions => "the versions present were listed".to_owned(),
        StepKind::ControlDb => "the control database was captured".to_owned(),
        StepKind::Safepoints => "the safepoints were read".to_owned(),
        StepKind::Snapshots => format!("the snapshots of {context} were archived"),
        StepKind::Events => format!("the events of {context} were archived"),
        StepKind::Recheck => "versions and heads were looked at again".to_owned(),
    }
}
