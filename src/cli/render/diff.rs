//! What differs between two points, or a point and a directory.

use crate::cli::describe::one_line;
use crate::cli::render::style::{Text, lines, table};
use crate::cli::render::tables::tokens;
use crate::cli::render::units::{bytes, count, plural};
use crate::engine::diff::{ContextDiff, ControlDbDiff, Diff, SegmentFacts, StoreDiff};

/// Everything that differs.
pub(in crate::cli) fn text(diff: &Diff) -> String {
    let mut text = Text::default();
    let (a, b) = (one_line(&diff.a), one_line(&diff.b));
    if diff.equal {
        text.line(&format!("{a} and {b} are equal"));
        return text.finish();
    }
    text.line(&format!("from {a} to {b}:"));
    for context in &diff.contexts {
        self::context(context, &mut text);
    }
    text.line(&control_db(&diff.control_db));
    text.finish()
}

fn context(context: &ContextDiff, text: &mut Text) {
    let name = one_line(&context.context);
    match (context.there, context.incarnations) {
        ([true, false], _) => text.line(&format!("{name} is only in the first")),
        ([false, true], _) => text.line(&format!("{name} is only in the second")),
        (_, [Some(one), Some(other)]) if one != other => {
            text.line(&format!("{name} is another history: incarnation {one}, then {other}"));
        }
        _ => {}
    }
    for store in &context.stores {
        self::store(&name, store, text);
    }
}

fn store(name: &str, store: &StoreDiff, text: &mut Text) {
    let [before, after] = [0, 1].map(|at| {
        let of = |ends: [Option<u64>; 2]| ends.get(at).copied().flatten();
        tokens(of(store.first), of(store.head))
    });
    let equal = plural(store.equal, "segment");
    text.line(&format!("{name} {}: tokens {before}, then {after}; {equal} equal", store.store));
    if store.segments.is_empty() {
        return;
    }
    let mut rows = table(&["  SEGMENT", "FIRST", "SECOND"]);
    for segment in &store.segments {
        let [one, other] = segment.sides.each_ref().map(|side| side.as_ref().map_or("-".to_owned(), facts));
        rows.add_row([format!("  {}", segment.number), one, other]);
    }
    text.lines(&lines(&rows));
    let mut rows = table(&["  TYPE", ">FIRST", ">SECOND"]);
    for of in &store.types {
        let [one, other] = of.events.map(count);
        rows.add_row([format!("  {}", one_line(&of.r#type)), one, other]);
    }
    if !store.types.is_empty() {
        text.lines(&lines(&rows));
    }
}

fn facts(segment: &SegmentFacts) -> String {
    let version = if segment.version == 0 { String::new() } else { format!("version {}, ", segment.version) };
    format!("{version}{}, {}", plural(segment.events, "event"), bytes(segment.bytes))
}

fn control_db(diff: &ControlDbDiff) -> String {
    match &diff.sides {
        [None, None] => "control database: neither has one".to_owned(),
        _ if diff.equal => "control database: equal".to_owned(),
        [Some(_), None] => "control database: only in the first".to_owned(),
        [None, Some(_)] => "control database: only in the second".to_owned(),
        [Some(one), Some(other)] => {
            let names = one.rows.keys().chain(other.rows.keys().filter(|name| !one.rows.contains_key(*name)));
            let rows = names.filter_map(|name| {
                let [before, after] = [one, other].map(|facts| facts.rows.get(name).copied().unwrap_or(0));
                (before != after).then(|| format!("{} {before} to {after}", one_line(name)))
            });
            let rows = rows.collect::<Vec<_>>();
            let rows = if rows.is_empty() { String::new() } else { format!("; rows: {}", rows.join(", ")) };
            format!("control database: differs, {}, then {}{rows}", bytes(one.length), bytes(other.length))
        }
    }
}
