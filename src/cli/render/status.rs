//! "Am I safe?" on one screen, and on one line.

use crate::cli::describe::one_line;
use crate::cli::render::points;
use crate::cli::render::style::{BAD, GOOD, HEAD, PLAIN, Text, WARNING, note, shortened, table};
use crate::cli::render::units::{bytes, count, plural, short_time, span};
use crate::engine::status::{Concern, ContextStatus, Level, SourceStatus, Status};

/// The screen.
pub(in crate::cli) fn text(status: &Status) -> String {
    let mut text = Text::default();
    text.line(&verdict(status));
    for concern in &status.concerns {
        let style = if concern.level == Level::Critical { BAD } else { WARNING };
        text.line(&format!("  {style}{}{PLAIN}: {}", word(concern.level), one_line(&concern.text)));
    }
    let mut hidden = Vec::new();
    for source in &status.sources {
        text.lines(&of_source(source, &mut hidden));
    }
    hidden.dedup();
    text.lines(&note(&hidden));
    text.lines(&of_repository(status));
    text.lines(&points::problems(&status.problems));
    text.finish()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Critical => "critical",
    }
}

fn verdict(status: &Status) -> String {
    match status.level {
        Level::Ok => format!("{GOOD}safe{PLAIN}: everything is as it should be"),
        Level::Warning => format!("{WARNING}safe, but look at this{PLAIN}:"),
        Level::Critical => format!("{BAD}not safe{PLAIN}:"),
    }
}

fn of_source(source: &SourceStatus, hidden: &mut Vec<&'static str>) -> String {
    let mut text = Text::default();
    text.line(&format!("{HEAD}{}{PLAIN}", one_line(&source.source)));
    text.line(&format!("  last point    {}", point(source)));
    let mut rows = table(&["  CONTEXT", "STORE", ">TOKENS", "FROM (UTC)", "TO (UTC)", ">GAPS", ">BEHIND"]);
    for context in &source.contexts {
        for row in of_context(context) {
            rows.add_row(row);
        }
    }
    if !source.contexts.is_empty() {
        let (shown, left_out) = shortened(rows, &["FROM (UTC)"]);
        text.lines(&shown);
        hidden.extend(left_out);
    }
    text.finish()
}

fn point(source: &SourceStatus) -> String {
    let Some(last) = source.last else { return "none".to_owned() };
    let state = if last.complete { "complete" } else { "incomplete" };
    let before = match source.last_complete {
        Some(complete) if complete.point != last.point => {
            format!("; the last complete one is {}, {}", complete.point, ago(complete.seconds))
        }
        _ => String::new(),
    };
    let ago = ago(last.seconds);
    format!("{}, {ago}, {state}{before}; {} in all", last.point, plural(source.points, "point"))
}

/// When it was; under a wrong clock it is still to come.
fn ago(seconds: i64) -> String {
    match seconds {
        ..0 => format!("dated {} in the future", age(seconds.saturating_neg())),
        _ => format!("{} ago", age(seconds)),
    }
}

/// Seconds, as people say them.
fn age(seconds: i64) -> String {
    match seconds.max(0) / 86_400 {
        0 if seconds < 120 => format!("{} s", seconds.max(0)),
        0 => span(seconds.saturating_mul(1_000)),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn of_context(context: &ContextStatus) -> Vec<[String; 7]> {
    let name = if context.incarnation > 1 {
        format!("  {}@{}", one_line(&context.context), context.incarnation)
    } else {
        format!("  {}", one_line(&context.context))
    };
    let time =
        |at: Option<crate::repo::format::moment::Moment>| at.map(|at| short_time(at.0)).unwrap_or_default();
    [("events", context.events), ("snapshots", context.snapshots)]
        .into_iter()
        .enumerate()
        .map(|(at, (store, log))| {
            let tokens = log
                .first
                .zip(log.last)
                .map_or_else(|| "none".to_owned(), |(first, last)| format!("{first}..{last}"));
            let behind = log.behind.map_or_else(|| "-".to_owned(), count);
            let name = if at == 0 { name.clone() } else { String::new() };
            [name, store.to_owned(), tokens, time(log.from), time(log.to), count(log.gaps), behind]
        })
        .collect()
}

fn of_repository(status: &Status) -> String {
    let mut text = Text::default();
    let (size, verification) = (&status.repository, &status.verification);
    let growth =
        size.per_day.map(|per_day| format!(", grows by {} a day", bytes(per_day))).unwrap_or_default();
    let free = size.free.map(|free| format!(", {} free", bytes(free))).unwrap_or_default();
    let full =
        size.full_in_days.map(|days| format!(" (full in {})", plural(days, "day"))).unwrap_or_default();
    text.line(&format!("{HEAD}repository{PLAIN}"));
    text.line(&format!(
        "  size          {}, {}{growth}{free}{full}",
        bytes(size.bytes),
        plural(size.files, "file")
    ));
    let share = verification.permille();
    let last =
        verification.seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{} ago", age(seconds)));
    text.line(&format!(
        "  verification  {last}; {}.{} % of {} read and found good, {} damaged",
        share / 10,
        share % 10,
        plural(verification.packs, "pack"),
        count(verification.damaged_packs)
    ));
    text.line(&format!("  restore test  {}", drill(status)));
    text.line(&format!("  holds         {}", holds(status)));
    text.finish()
}

fn drill(status: &Status) -> String {
    status.drill.map_or_else(
        || "never".to_owned(),
        |drill| {
            let how = if drill.passed { "passed" } else { "failed" };
            let took = span(i64::try_from(drill.took_seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
            format!("{} ago, of point {}, {how}, in {took}", age(drill.seconds), drill.point)
        },
    )
}

fn holds(status: &Status) -> String {
    let held: Vec<_> = status.holds.iter().filter(|hold| !hold.over).collect();
    if held.is_empty() {
        return "none".to_owned();
    }
    let reason =
        |hold: &&crate::engine::retention::Hold| format!("{} ({})", hold.point, one_line(&hold.reason));
    held.iter().map(reason).collect::<Vec<_>>().join(", ")
}

/// One line: the state, what is wrong, and figures behind a bar.
pub(in crate::cli) fn nagios(status: &Status) -> String {
    let state = match status.level {
        Level::Ok => "OK",
        Level::Warning => "WARNING",
        Level::Critical => "CRITICAL",
    };
    let said: Vec<String> = status.concerns.iter().map(|concern: &Concern| one_line(&concern.text)).collect();
    let said = if said.is_empty() { summary(status) } else { said.join("; ") };
    // A bar ends the text in this protocol.
    format!("SEGVAULT {state} - {} | {}\n", said.replace('|', "/"), figures(status))
}

fn summary(status: &Status) -> String {
    let oldest =
        status.sources.iter().filter_map(|source| source.last_complete).map(|last| last.seconds).max();
    let age = oldest.map_or_else(|| "none".to_owned(), age);
    format!("{}, the oldest newest point is {age} old", plural(status.sources.len() as u64, "source"))
}

fn figures(status: &Status) -> String {
    let mut figures = Vec::new();
    for source in &status.sources {
        // An equals sign and a quote end the name in this protocol.
        let name = one_line(&source.source).replace(['\'', '='], "_");
        figures.extend(source.last_complete.map(|last| format!("'age {name}'={}s", last.seconds)));
        let behind: Option<u64> = source.contexts.iter().map(|context| context.events.behind).sum();
        figures.extend(behind.map(|behind| format!("'behind {name}'={behind}")));
    }
    let share = status.verification.permille();
    figures.push(format!("verified={}.{}%", share / 10, share % 10));
    figures.push(format!("size={}B", status.repository.bytes));
    figures.join(" ")
}
