//! The list of points, and below it what can be restored.

use crate::cli::describe::one_line;
use crate::cli::render::style::{self, Text, fitted, table};
use crate::cli::render::tables::{incarnation, order, tokens};
use crate::cli::render::units::{bytes, count, plural, short_time};
use crate::engine::points::{Changed, ContextRow, LogRow, Overview, PointRow, Problem, TimeSpan, Window};
use crate::repo::format::moment::Moment;
use comfy_table::Table;

/// So many points are named in a cell; the JSON document has them all.
const POINTS_SHOWN: usize = 5;
/// So many contexts of a point have a line each, whether something is new in them or not.
const CONTEXTS_SHOWN: usize = 8;
/// What is said where nothing is new.
const NOTHING: &str = "nothing";

const HEAD: [&str; 11] = [
    ">POINT",
    "TIME (UTC)",
    "SOURCE",
    "CONTEXT",
    ">EVENTS TO",
    ">SNAPSHOTS TO",
    "CHANGED",
    ">HISTORY",
    ">CONTROL DB",
    "ORDER",
    "STATE",
];

/// What narrow terminals do without, first things first.
const LESS: [&str; 5] = ["ORDER", "HISTORY", "SNAPSHOTS TO", "CONTROL DB", "CHANGED"];
const LESS_OF_WINDOWS: [&str; 4] = ["HISTORY", "SEGMENTS", "CONTROL DB OF", "FROM (UTC)"];

/// All points, then all windows, then what could not be read.
pub(in crate::cli) fn text(overview: &Overview) -> String {
    let mut text = Text::default();
    match overview.points.as_slice() {
        [] if overview.forgotten > 0 => {
            text.line("no point is listed: all are forgotten; 'segvault forget --undo' lists them again");
        }
        [] => text.line("no points yet: make one with 'segvault backup'"),
        points => text.lines(&fitted(points_table(points), &LESS)),
    }
    if overview.forgotten > 0 {
        text.line(&format!("({} not listed)", plural(overview.forgotten as u64, "forgotten point")));
    }
    if !overview.windows.is_empty() {
        text.line("\nwhat the archive holds, without a gap:");
        text.lines(&fitted(windows_table(&overview.windows), &LESS_OF_WINDOWS));
    }
    text.lines(&problems(&overview.problems));
    text.finish()
}

fn points_table(points: &[PointRow]) -> Table {
    let mut rows = table(&HEAD);
    for (at, point) in points.iter().enumerate() {
        let mut first = first_columns(point);
        let mut last = last_columns(point);
        if point.contexts.is_empty() {
            rows.add_row(
                [first.as_slice(), &std::array::from_fn::<_, 5, _>(|_| String::new()), &last].concat(),
            );
        }
        for context in contexts_columns(point, is_newest(points, at)) {
            // What concerns the whole point stands on its first line only.
            let (first, last) = (std::mem::take(&mut first), std::mem::take(&mut last));
            rows.add_row([first.as_slice(), &context, &last].concat());
        }
    }
    rows
}

/// Whether no point of its source follows.
fn is_newest(points: &[PointRow], at: usize) -> bool {
    let mut behind = points.iter().skip(at.saturating_add(1));
    points.get(at).is_none_or(|point| !behind.any(|other| other.source == point.source))
}

/// A line for each context. Of many those in which nothing is new are one line, but in the newest point, which tells how all of them stand.
fn contexts_columns(point: &PointRow, is_newest: bool) -> Vec<[String; 5]> {
    let is_long = !is_newest && point.contexts.len() > CONTEXTS_SHOWN;
    let (quiet, told): (Vec<_>, Vec<_>) =
        point.contexts.iter().partition(|context| is_long && changed(context) == NOTHING);
    let mut lines: Vec<_> = told.into_iter().map(context_columns).collect();
    if !quiet.is_empty() {
        let all = quiet.iter().map(|context| history(context)).fold(0, u64::saturating_add);
        let name = plural(quiet.len() as u64, "context");
        lines.push([name, String::new(), String::new(), NOTHING.to_owned(), bytes(all)]);
    }
    lines
}

fn history(context: &ContextRow) -> u64 {
    context.events.bytes.saturating_add(context.snapshots.bytes)
}

fn first_columns(point: &PointRow) -> [String; 3] {
    [point.number.to_string(), short_time(point.at.0), one_line(&point.source)]
}

fn context_columns(context: &ContextRow) -> [String; 5] {
    [
        incarnation(&context.context, context.incarnation),
        head(&context.events),
        head(&context.snapshots),
        changed(context),
        bytes(history(context)),
    ]
}

fn head(log: &LogRow) -> String {
    log.head.map_or_else(|| "none".to_owned(), |head| head.to_string())
}

fn last_columns(point: &PointRow) -> [String; 3] {
    let control_db = if point.control_db.present { bytes(point.control_db.bytes) } else { "none".to_owned() };
    [control_db, order(point.order, point.unordered).to_owned(), state(point)]
}

/// `complete`, `incomplete`, and what else must be known of it.
fn state(point: &PointRow) -> String {
    let mut words = vec![if point.complete { "complete" } else { "incomplete" }.to_owned()];
    if point.warnings > 0 {
        words.push(plural(point.warnings as u64, "warning"));
    }
    if !point.left_out.is_empty() {
        words.push(format!("{} left out", plural(point.left_out.len() as u64, "context")));
    }
    if point.held.is_some() {
        words.push(held(point.held_until));
    }
    words.join(", ")
}

/// A hold that ends says when: nobody takes one that is over for one that counts.
fn held(until: Option<Moment>) -> String {
    until.map_or_else(|| "held".to_owned(), |until| format!("held until {}", short_time(until.0)))
}

/// What is new since the point before: `+400 events +12 snapshots`, `nothing`, or `all` where there is nothing to compare with.
fn changed(context: &ContextRow) -> String {
    let (Some(events), Some(snapshots)) = (context.events.changed, context.snapshots.changed) else {
        return "all".to_owned();
    };
    let words = [difference(events.events, "event"), difference(snapshots.events, "snapshot")];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if words.is_empty() { bytes_only(events, snapshots).to_owned() } else { words }
}

/// Without new events, bytes may differ all the same: a transformation wrote other ones.
fn bytes_only(events: Changed, snapshots: Changed) -> &'static str {
    let same = [events.bytes, events.segments, snapshots.bytes, snapshots.segments] == [0; 4];
    if same { NOTHING } else { "segments" }
}

fn difference(number: i64, noun: &str) -> Option<String> {
    let sign = if number < 0 { '-' } else { '+' };
    (number != 0).then(|| format!("{sign}{}", plural(number.unsigned_abs(), noun)))
}

fn windows_table(windows: &[Window]) -> Table {
    let head = [
        "SOURCE",
        "CONTEXT",
        "STORE",
        ">TOKENS",
        "FROM (UTC)",
        "TO (UTC)",
        ">SEGMENTS",
        ">HISTORY",
        "CONTROL DB OF",
        "",
    ];
    let mut rows = table(&head);
    for window in windows {
        let [from, to] = times(window.times);
        rows.add_row([
            one_line(&window.source),
            incarnation(&window.context, window.incarnation),
            window.store.to_owned(),
            tokens(Some(window.first), Some(window.last)),
            from,
            to,
            count(window.segments),
            bytes(window.bytes),
            control_dbs(window),
            remark(window),
        ]);
    }
    rows
}

/// `points 1, 2, 3`; of many only the ends.
fn control_dbs(window: &Window) -> String {
    let points: Vec<_> = window.control_dbs.iter().map(|of| of.point.to_string()).collect();
    match points.as_slice() {
        [] if window.store == "snapshots" => String::new(),
        [] => "none".to_owned(),
        [first, .., last] if points.len() > POINTS_SHOWN => format!("{first} ... {last} ({})", points.len()),
        points => points.join(", "),
    }
}

fn times(span: Option<TimeSpan>) -> [String; 2] {
    span.map_or_else(
        || ["-".to_owned(), "-".to_owned()],
        |span| [short_time(span.first.0), short_time(span.last.0)],
    )
}

fn remark(window: &Window) -> String {
    let branch = window.parent.map(|parent| match parent.token {
        Some(token) => format!("left @{} behind token {token}", parent.incarnation),
        None => format!("shares nothing with @{}", parent.incarnation),
    });
    let damage = window.ends_in_damage.then(|| "ends before damage".to_owned());
    branch.into_iter().chain(damage).collect::<Vec<_>>().join(", ")
}

/// What could not be read; empty if all could.
pub(in crate::cli) fn problems(problems: &[Problem]) -> String {
    let (bad, plain) = (style::BAD, style::PLAIN);
    let line = |problem: &Problem| {
        format!("{bad}unreadable{plain}: {}: {}", one_line(&problem.path), one_line(&problem.why))
    };
    problems.iter().map(line).collect::<Text>().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::points::ControlDbRow;
    use crate::repo::format::id::FileHash;
    use crate::repo::format::point::Order;
    use std::collections::BTreeMap;

    fn log(head: Option<u64>, changed: Option<i64>) -> LogRow {
        LogRow {
            first: head.map(|_| 0),
            head,
            safepoint: head,
            segments: 1,
            open: 1,
            bytes: 1_024,
            times: None,
            changed: changed.map(|events| Changed { events, segments: 0, bytes: 0 }),
        }
    }

    fn context(name: &str, incarnation: u32, events: LogRow, snapshots: LogRow) -> ContextRow {
        ContextRow { context: name.to_owned(), incarnation, snapshots, events }
    }

    fn point(contexts: Vec<ContextRow>) -> PointRow {
        let control_db = ControlDbRow { present: false, reason: None, entry: None, zip: None, bytes: 0 };
        PointRow {
            number: 7,
            blake3: FileHash([0; 32]),
            at: Moment(1_795_381_849_885),
            source: "node-1".to_owned(),
            tags: BTreeMap::new(),
            complete: true,
            marked_incomplete: None,
            order: Order::None,
            unordered: false,
            held: None,
            held_until: None,
            forgotten: false,
            control_db,
            contexts,
            left_out: Vec::new(),
            bytes: 2_048,
            warnings: 0,
        }
    }

    fn printed(overview: &Overview) -> String {
        anstream::adapter::strip_str(&text(overview)).to_string()
    }

    fn of(points: Vec<PointRow>) -> Overview {
        Overview { points, forgotten: 0, windows: Vec::new(), problems: Vec::new() }
    }

    #[test]
    fn each_context_has_a_line_and_each_point_one_number() {
        let contexts = vec![
            context("a", 1, log(Some(9), None), log(None, None)),
            context("b", 2, log(Some(19), Some(5)), log(Some(3), Some(0))),
        ];
        let expected = "\
POINT  TIME (UTC)           SOURCE  CONTEXT  EVENTS TO  SNAPSHOTS TO  CHANGED     HISTORY  CONTROL DB  ORDER  STATE
    7  2026-11-22 21:10:49  node-1  a                9          none  all        2.00 KiB        none  none   complete
                                    b@2             19             3  +5 events  2.00 KiB
";
        assert_eq!(printed(&of(vec![point(contexts)])), expected);
    }

    #[test]
    fn a_point_without_contexts_is_listed_too() {
        assert!(printed(&of(vec![point(Vec::new())])).contains("node-1"));
        assert!(printed(&of(Vec::new())).starts_with("no points yet"));
        let forgotten = printed(&Overview { forgotten: 1, ..of(Vec::new()) });
        assert!(
            forgotten.starts_with("no point is listed") && forgotten.contains("forget --undo"),
            "{forgotten}"
        );
    }

    #[test]
    fn a_hold_that_ends_says_when() {
        let held = |until| {
            let held = Some("audit".to_owned());
            state(&PointRow { held, held_until: until, ..point(Vec::new()) })
        };
        assert_eq!(held(None), "complete, held");
        assert_eq!(held(Some(Moment(1_795_381_849_885))), "complete, held until 2026-11-22 21:10:49");
    }

    #[test]
    fn what_changed_is_said_in_words() {
        let said = |events, snapshots| {
            changed(&context("a", 1, log(Some(1), Some(events)), log(Some(1), Some(snapshots))))
        };
        assert_eq!(said(1, -2), "+1 event -2 snapshots");
        assert_eq!(said(0, 0), "nothing");
    }

    #[test]
    fn what_can_not_be_read_is_listed() {
        let problems = vec![Problem::damaged("points/3.json".to_owned(), "it is cut off".to_owned())];
        assert!(
            printed(&Overview { problems, ..of(Vec::new()) })
                .contains("unreadable: points/3.json: it is cut off")
        );
    }
}
