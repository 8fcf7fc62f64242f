//! Where a history is cut, and what to do then.

use crate::cli::describe::one_line;
use crate::cli::render::style::{Text, lines, table};
use crate::cli::render::tables::incarnation;
use crate::cli::render::units::{count, plural, span};
use crate::engine::restore::Restored;
use crate::engine::restore::cut::log::Stamped;
use crate::engine::restore::cut::proof::RuleFigures;
use crate::engine::restore::cut::{ContextCut, CutPlan};

/// The cuts of all contexts.
pub(in crate::cli) fn table_of(plan: &CutPlan) -> String {
    let head = ["CUT", ">LAST TOKEN", "OF (UTC)", "FROM THE MOMENT", ">NEXT", "OF (UTC)", ">EVENTS BEHIND", ">TRANSACTIONS BEHIND"];
    let mut rows = table(&head);
    for context in &plan.contexts {
        rows.add_row(row(context));
    }
    lines(&rows)
}

fn row(cut: &ContextCut) -> [String; 8] {
    let [last, last_at] = stamped(cut.last);
    let [next, next_at] = stamped(cut.next);
    [
        incarnation(&cut.context, cut.incarnation),
        last,
        last_at,
        cut.distance_ms.map_or_else(|| "-".to_owned(), distance),
        next,
        next_at,
        count(cut.behind.events),
        count(cut.behind.transactions),
    ]
}

/// Token and time. Two events can be less than a second apart: here milliseconds count.
fn stamped(event: Option<Stamped>) -> [String; 2] {
    let at = event.and_then(|event| event.at).map_or_else(|| "-".to_owned(), |at| at.to_string());
    [event.map_or_else(|| "none".to_owned(), |event| event.token.to_string()), at]
}

fn distance(ms: i64) -> String {
    match ms {
        0 => "at it".to_owned(),
        ms if ms.unsigned_abs() < 1_000 => format!("{} ms {}", ms.unsigned_abs(), side(ms)),
        ms => format!("{} {}", span(i64::try_from(ms.unsigned_abs()).unwrap_or(i64::MAX)), side(ms)),
    }
}

fn side(ms: i64) -> &'static str {
    if ms < 0 { "before" } else { "after" }
}

/// What was read again of a cut, in figures.
pub(in crate::cli) fn proofs(done: &Restored) -> String {
    let line = |context: &crate::engine::restore::RestoredContext| {
        let figures = context.snapshot_rule.as_ref()?;
        let name = incarnation(&context.context, context.incarnation);
        let events = &context.events;
        let history = match (events.first, events.head) {
            (Some(first), Some(head)) => format!(
                "{name}: tokens {first} to {head} without a gap, {} in {}",
                plural(events.events, "event"),
                plural(events.transactions, "transaction")
            ),
            _ => format!("{name}: no events"),
        };
        Some(format!("{history}; {}", rule(figures)))
    };
    done.contexts.iter().filter_map(line).collect::<Text>().finish()
}

fn rule(figures: &RuleFigures) -> String {
    let (snapshots, aggregates) = (plural(figures.snapshots, "snapshot"), plural(figures.aggregates, "aggregate"));
    let left_out = match figures.left_out {
        0 => String::new(),
        left_out => format!(", {} not compared", count(left_out)),
    };
    match figures.ahead {
        0 => format!("{snapshots} of {aggregates}, none ahead of its events{left_out}"),
        ahead => format!("{snapshots} of {aggregates}, {} AHEAD of their events{left_out}", count(ahead)),
    }
}

/// What an operator does next.
pub(in crate::cli) fn advice(done: &Restored) -> String {
    let Some(cut) = &done.cut else { return String::new() };
    let mut text = Text::default();
    text.line("next:");
    let target = one_line(&done.target.display().to_string());
    text.line(&format!("  start the server in it: cd {target} && java -jar axonserver.jar"));
    for context in &cut.contexts {
        let name = incarnation(&context.context, context.incarnation);
        let head = context.last.map_or_else(|| "the beginning".to_owned(), |last| format!("token {}", last.token));
        text.line(&format!("  event processors of {name}: reset every token store that is beyond {head}"));
    }
    text.finish()
}
