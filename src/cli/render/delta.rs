//! What becomes of the files of a directory that is there.

use crate::cli::describe::one_line;
use crate::cli::render::style::Text;
use crate::cli::render::units::{bytes, count, plural};
use crate::engine::restore::delta::{Change, DeltaFile, DeltaPlan, Total};

/// Files that are named; `--json` has all.
const NAMED: usize = 20;

/// Before it is done: figures, and each file that changes.
pub(in crate::cli) fn planned(plan: &DeltaPlan) -> String {
    let mut text = Text::default();
    text.line(&figures(plan, ["stay", "are written", "are replaced", "are removed"]));
    let changed: Vec<_> = plan.files.iter().filter(|file| file.change != Change::Kept).collect();
    for file in changed.iter().take(NAMED) {
        text.line(&row(file));
    }
    if let Some(more) = changed.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.line(&format!("  and {} more: see --json", count(more as u64)));
    }
    text.lines(&left(plan));
    text.finish()
}

/// When it is done.
pub(in crate::cli) fn done(plan: &DeltaPlan) -> String {
    let mut text = Text::default();
    text.line(&figures(plan, ["stayed untouched", "were written", "were replaced", "were removed"]));
    text.lines(&left(plan));
    text.finish()
}

fn figures(plan: &DeltaPlan, words: [&str; 4]) -> String {
    let totals = [plan.kept, plan.written, plan.replaced, plan.removed];
    let parts: Vec<_> = totals.iter().zip(words).map(|(total, word)| part(*total, word)).collect();
    let goes_on = if plan.goes_on { "goes on with a restore that was interrupted; " } else { "" };
    format!("{goes_on}files: {}", parts.join(", "))
}

fn part(total: Total, word: &str) -> String {
    match total.files {
        0 => format!("0 {word}"),
        files => format!("{} {word} ({})", count(files), bytes(total.bytes)),
    }
}

fn row(file: &DeltaFile) -> String {
    let word = match file.change {
        Change::Kept => "kept",
        Change::Written => "written",
        Change::Replaced => "replaced",
        Change::Removed => "removed",
    };
    let waits = if file.waits { ", written already" } else { "" };
    one_line(&format!("  {word:<8}  {}, {}{waits}", file.path, bytes(file.bytes)))
}

fn left(plan: &DeltaPlan) -> String {
    if plan.left.is_empty() {
        return String::new();
    }
    let named: Vec<_> = plan.left.iter().take(NAMED).map(String::as_str).collect();
    let more = if plan.left.len() > NAMED { ", ..." } else { "" };
    let files = plural(plan.left.len() as u64, "name");
    one_line(&format!("not of this restore, and left as it is ({files}): {}{more}", named.join(", "))) + "\n"
}
