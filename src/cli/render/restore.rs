//! What a restore is going to do, and what it did.

use crate::cli::describe::one_line;
use crate::cli::render::cut;
use crate::cli::render::delta;
use crate::cli::render::findings;
use crate::cli::render::style::{self, Text, fitted, table};
use crate::cli::render::tables::{incarnation, order, tokens};
use crate::cli::render::units::{bytes, count, plural, short_time, span};
use crate::engine::restore::{
    ControlDbPlan, Estimate, PlainPlan, Plan, Restored, RestoredControlDb, RestoredStore, StorePlan,
    TokenRange,
};
use crate::repo::format::moment::Moment;
use comfy_table::Table;
use std::path::Path;

/// What narrow terminals do without, first things first. Never what is missing.
const LESS: [&str; 4] = ["HISTORY", "SEGMENTS", "FROM (UTC)", "EVENTS"];

/// What is going to be done.
pub(in crate::cli) fn planned(plan: &Plan) -> String {
    let mut text = Text::default();
    text.line(&plan_headline(plan));
    text.lines(&fitted(planned_stores(plan), &LESS));
    text.lines(&plan.cut.as_ref().map_or_else(String::new, cut::table_of));
    text.lines(&plan.delta.as_ref().map_or_else(String::new, delta::planned));
    text.line(&format!("control database: {}", planned_control_db(&plan.control_db)));
    text.lines(&plain_files(&plan.plain_files));
    let free = plan.free.map_or_else(|| "unknown".to_owned(), bytes);
    let (files, length) = (plural(plan.files, "file"), bytes(plan.length));
    text.line(&format!("{files}, {length} long, {} on disk; {free} free there", bytes(plan.bytes)));
    text.lines(&plan.estimate.as_ref().map_or_else(String::new, estimate));
    text.lines(&findings::list(&plan.warnings));
    text.lines(&findings::list(&plan.notes));
    text.finish()
}

/// The figure, and where it comes from.
fn estimate(of: &Estimate) -> String {
    let took = span(i64::try_from(of.seconds.saturating_mul(1_000)).unwrap_or(i64::MAX));
    let (rate, sample) = (bytes(of.decoded_per_second()), bytes(of.decoded));
    let (to_decode, at_target) = (bytes(of.to_decode), bytes(of.at_target));
    let target = bytes(of.target_bytes_per_second);
    format!(
        "about {took}: {to_decode} to decode at {rate}/s, measured on {sample} of it, {} at once; {at_target} to write and read again, if the target does {target}/s\n",
        of.at_once
    )
}

fn plan_headline(plan: &Plan) -> String {
    let (number, source, at) = (plan.point.number, one_line(&plan.source), plan.at);
    let (order, target) = (order(plan.order, false), one_line(&plan.target.display().to_string()));
    if let Some(cut) = &plan.cut {
        return format!(
            "would restore {source} {}, archived up to point {number}, into {target}",
            cut::up_to(cut)
        );
    }
    format!("would restore point {number} of {source}, made {at} (order {order}), into {target}")
}

fn planned_stores(plan: &Plan) -> Table {
    let mut rows = table(&["CONTEXT", "STORE", ">TOKENS", ">HEAD", ">SEGMENTS", ">HISTORY", "MISSING"]);
    for context in &plan.contexts {
        let mut name = incarnation(&context.context, context.incarnation);
        for store in context.stores() {
            rows.add_row(planned_store(std::mem::take(&mut name), store));
        }
    }
    rows
}

fn planned_store(context: String, store: &StorePlan) -> [String; 7] {
    let history = store.segments.iter().map(|segment| segment.prefix).sum();
    [
        context,
        store.store.to_string(),
        tokens(store.first, store.head),
        head(store.head),
        count(store.segments.len() as u64),
        bytes(history),
        ranges(&store.missing),
    ]
}

fn head(token: Option<u64>) -> String {
    token.map_or_else(|| "none".to_owned(), |token| token.to_string())
}

fn ranges(missing: &[TokenRange]) -> String {
    missing.iter().map(|range| format!("{}..{}", range.first, range.last)).collect::<Vec<_>>().join(", ")
}

/// A line for each set.
fn plain_files(sets: &[PlainPlan]) -> String {
    let words = |set: &PlainPlan| {
        let of = [set.store.as_deref(), set.context.as_deref(), set.group.as_deref()];
        let of: Vec<&str> = of.into_iter().flatten().collect();
        let (files, length) = (plural(set.files, "file"), bytes(set.length));
        one_line(&format!("{} of {}: {files}, {length}", set.kind, of.join(" of "))) + "\n"
    };
    sets.iter().map(words).collect()
}

fn planned_control_db(plan: &ControlDbPlan) -> String {
    match plan {
        ControlDbPlan::Absent { reason } => format!("none ({})", one_line(reason)),
        ControlDbPlan::LeftOut => "left out".to_owned(),
        ControlDbPlan::File { path, length, zip_to } => {
            let size = length.map_or_else(String::new, |length| format!(", {}", bytes(length)));
            let zip =
                zip_to.as_ref().map_or_else(String::new, |zip| format!("; its zip to {}", zip.display()));
            one_line(&format!("{path}{size}{zip}"))
        }
        ControlDbPlan::ZipOnly { zip_to } => one_line(&format!("only its zip, to {}", zip_to.display())),
    }
}

/// What was done, in so many milliseconds, and what comes next.
pub(in crate::cli) fn text(done: &Restored, took: i64, repository: &Path) -> String {
    let mut text = Text::default();
    text.lines(&done_and_proven(done, took));
    text.lines(&findings::list(&done.warnings));
    text.lines(&findings::list(&done.notes));
    text.lines(&cut::advice(done, repository));
    text.finish()
}

/// The same for a restore that was only tried: its target is gone again, nothing comes next.
pub(in crate::cli) fn tried(done: &Restored, took: i64) -> String {
    let mut text = Text::default();
    text.lines(&done_and_proven(done, took));
    text.lines(&findings::list(&done.warnings));
    text.lines(&findings::list(&done.notes));
    text.finish()
}

fn done_and_proven(done: &Restored, took: i64) -> String {
    let mut text = Text::default();
    text.line(&headline(done, took));
    text.lines(&fitted(restored_stores(done), &LESS));
    text.line(&format!("control database: {}", restored_control_db(done.control_db.as_ref())));
    text.lines(&plain_files(&done.plain_files));
    let (files, length) = (plural(done.files, "file"), bytes(done.length));
    text.line(&format!("{files}, {length} long, {} written", bytes(done.bytes)));
    text.lines(&done.delta.as_ref().map_or_else(String::new, delta::done));
    text.line(&proof(done));
    text.lines(&cut::proofs(done));
    text.finish()
}

fn headline(done: &Restored, took: i64) -> String {
    let (number, source, at) = (done.point.number, one_line(&done.source), done.at);
    let (target, took) = (one_line(&done.target.display().to_string()), span(took));
    if let Some(cut) = &done.cut {
        let up_to = cut::up_to(cut);
        return format!("restored {source} {up_to}, archived up to point {number}, into {target}, in {took}");
    }
    format!("restored point {number} of {source}, made {at}, into {target}, in {took}")
}

fn proof(done: &Restored) -> String {
    let (good, warn, end) = (style::GOOD, style::WARNING, style::PLAIN);
    if done.verified {
        format!("{good}read again from disk and proven whole{end}: tokens, checksums, hashes")
    } else {
        format!("{warn}read again from disk, as archived, but not whole{end}: see below")
    }
}

fn restored_stores(done: &Restored) -> Table {
    let head = [
        "CONTEXT",
        "STORE",
        ">TOKENS",
        ">HEAD",
        ">EVENTS",
        ">SEGMENTS",
        ">HISTORY",
        "FROM (UTC)",
        "TO (UTC)",
        "MISSING",
    ];
    let mut rows = table(&head);
    for context in &done.contexts {
        let name = incarnation(&context.context, context.incarnation);
        rows.add_row(restored_store(name, "snapshots", &context.snapshots));
        rows.add_row(restored_store(String::new(), "events", &context.events));
    }
    rows
}

fn restored_store(context: String, name: &str, store: &RestoredStore) -> [String; 10] {
    [
        context,
        name.to_owned(),
        tokens(store.first, store.head),
        head(store.head),
        count(store.events),
        count(store.segments),
        bytes(store.bytes),
        moment(store.first_time),
        moment(store.last_time),
        ranges(&store.missing),
    ]
}

fn moment(at: Option<Moment>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| short_time(at.0))
}

fn restored_control_db(done: Option<&RestoredControlDb>) -> String {
    let Some(done) = done else { return "none".to_owned() };
    let file = done.path.as_ref().map(|path| format!("{path}, {}", bytes(done.length)));
    let zip = done.zip.as_ref().map(|zip| {
        let how = if done.zip_is_original { "as the server wrote it" } else { "packed anew" };
        format!("zip {} ({how})", zip.display())
    });
    one_line(&file.into_iter().chain(zip).collect::<Vec<_>>().join("; "))
}
