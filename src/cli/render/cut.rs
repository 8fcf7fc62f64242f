//! Where a history is cut, and what to do then.

use crate::cli::describe::one_line;
use crate::cli::render::style::{Text, fitted, table};
use crate::cli::render::tables::incarnation;
use crate::cli::render::units::{count, plural, span};
use crate::engine::points::At;
use crate::engine::restore::cut::log::Stamped;
use crate::engine::restore::cut::proof::RuleFigures;
use crate::engine::restore::cut::{ContextCut, CutPlan};
use crate::engine::restore::{Restored, RestoredContext};
use std::path::Path;

/// The cuts of all contexts.
pub(in crate::cli) fn table_of(plan: &CutPlan) -> String {
    let head = [
        "CUT",
        ">LAST TOKEN",
        "OF (UTC)",
        "FROM THE MOMENT",
        ">NEXT",
        "OF (UTC)",
        ">EVENTS BEHIND",
        ">TRANSACTIONS BEHIND",
    ];
    let mut rows = table(&head);
    for context in &plan.contexts {
        rows.add_row(row(context));
    }
    fitted(rows, &["TRANSACTIONS BEHIND", "FROM THE MOMENT", "EVENTS BEHIND"])
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

/// What a restore to a moment would give.
pub(in crate::cli) fn at(at: &At) -> String {
    let mut text = Text::default();
    text.line(&format!("a restore of {} would give:", one_line(&at.source)));
    text.lines(&table_of(&at.cut));
    for (context, aggregates) in at.cut.contexts.iter().zip(at.aggregates.iter().flatten()) {
        let name = incarnation(&context.context, context.incarnation);
        text.line(&format!("{} of {name} have events behind it", plural(*aggregates, "aggregate")));
    }
    text.lines(&at.cut.contexts.iter().filter_map(inside).collect::<Text>().finish());
    text.lines(&at.cut.contexts.iter().filter_map(clocks).collect::<Text>().finish());
    text.line(&control_db(at));
    text.finish()
}

fn inside(cut: &ContextCut) -> Option<String> {
    let (asked, last) = (cut.asked?, cut.inside?);
    Some(format!("token {asked} lies inside a transaction that ends with {last}: it is not kept"))
}

fn clocks(cut: &ContextCut) -> Option<String> {
    let both = cut.backwards?;
    let [first, last] = [both.first_later, both.last_not_later]
        .map(|token| token.map_or_else(|| "nothing".to_owned(), |token| format!("up to {token}")));
    let name = incarnation(&cut.context, cut.incarnation);
    Some(format!("clocks ran backwards in {name}: --cut first-later keeps {first}, last-not-later {last}"))
}

fn control_db(at: &At) -> String {
    let Some(of) = &at.cut.control_db else {
        return "control database: no point has one that fits".to_owned();
    };
    let captured = of.captured.map_or_else(String::new, |at| format!(", captured at {at}"));
    let age =
        at.control_db_age_ms.map_or_else(String::new, |ms| format!(", {}", distance(ms.saturating_neg())));
    format!("control database: of point {}{captured}{age}", of.point)
}

/// What was read again of a cut, in figures.
pub(in crate::cli) fn proofs(done: &Restored) -> String {
    let line = |context: &RestoredContext| {
        let figures = context.snapshot_rule.as_ref()?;
        let name = incarnation(&context.context, context.incarnation);
        let events = &context.events;
        let history = match (events.first, events.head) {
            (Some(first), Some(head)) => format!(
                "{name}: tokens {first} to {head} {}, {} in {}",
                if is_whole(first, head, events.events) { "without a gap" } else { "with gaps" },
                plural(events.events, "event"),
                plural(events.transactions, "transaction")
            ),
            _ => format!("{name}: no events"),
        };
        Some(format!("{history}; {}", rule(figures)))
    };
    done.contexts.iter().filter_map(line).collect::<Text>().finish()
}

fn is_whole(first: u64, head: u64, events: u64) -> bool {
    head.checked_sub(first).is_some_and(|between| between == events.saturating_sub(1))
}

fn rule(figures: &RuleFigures) -> String {
    let (snapshots, aggregates) =
        (plural(figures.snapshots, "snapshot"), plural(figures.aggregates, "aggregate"));
    let left_out = match figures.left_out {
        0 => String::new(),
        left_out => format!(", {} not compared", count(left_out)),
    };
    match figures.ahead {
        0 => format!("{snapshots} of {aggregates}, none ahead of its events{left_out}"),
        ahead => format!("{snapshots} of {aggregates}, {} AHEAD of their events{left_out}", count(ahead)),
    }
}

/// What an operator does next. Each command can be pasted as it is.
pub(in crate::cli) fn advice(done: &Restored, repository: &Path) -> String {
    let mut text = Text::default();
    text.line("next:");
    text.line(&format!("  start the server in it: {}", start(&done.target)));
    let cuts = done.cut.iter().flat_map(|cut| &cut.contexts).map(Some);
    for (restored, cut) in done.contexts.iter().zip(cuts.chain(std::iter::repeat(None))) {
        text.line(&heads(restored));
        text.lines(&cut.map_or_else(String::new, |cut| left_behind(cut, &done.source, repository)));
    }
    text.finish()
}

/// A server's program is not archived; where it lies in the target, its name is all that is needed.
fn start(target: &Path) -> String {
    const PROGRAM: &str = "axonserver.jar";
    let program = if target.join(PROGRAM).exists() { PROGRAM } else { "/path/to/axonserver.jar" };
    format!("cd {} && java -jar {program}", shell(&target.display().to_string()))
}

/// The new heads, and who has to know them.
fn heads(restored: &RestoredContext) -> String {
    let name = incarnation(&restored.context, restored.incarnation);
    let head = |head: Option<u64>| head.map_or_else(|| "none".to_owned(), |token| format!("token {token}"));
    let (events, snapshots) = (head(restored.events.head), head(restored.snapshots.head));
    let beyond = if restored.events.head.is_some() { events.clone() } else { "the beginning".to_owned() };
    format!(
        "  new heads of {name}: events {events}, snapshots {snapshots}; reset every token store of its event processors that is beyond {beyond}"
    )
}

fn left_behind(cut: &ContextCut, source: &str, repository: &Path) -> String {
    let Some(next) = cut.next else { return String::new() };
    let repository = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    let words = [shell(&repository.display().to_string()), shell(source), shell(&named(cut))];
    let [repository, source, context] = words;
    format!(
        "  what was left behind: segvault -r {repository} events --source {source} --context {context} --from {}\n",
        next.token
    )
}

/// A word as a shell reads it back.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-@:+,=%".contains(c);
    let word = one_line(word);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The context as it is typed: with its incarnation, so that nothing is left open.
fn named(context: &ContextCut) -> String {
    format!("{}@{}", context.context, context.incarnation)
}

/// Up to where, in words.
pub(in crate::cli) fn up_to(cut: &CutPlan) -> String {
    cut.time.map_or_else(|| "up to the tokens below".to_owned(), |time| format!("up to {time}"))
}

#[cfg(test)]
mod tests {
    use super::shell;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        for plain in ["/data/x-1", "default@1", "node:/a"] {
            assert_eq!(shell(plain), plain);
        }
        assert_eq!(shell("my node"), "'my node'");
        assert_eq!(shell("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!((shell(""), shell("-x")), ("''".to_owned(), "'-x'".to_owned()));
    }
}
