//! What a prune did, or would do.

use crate::cli::render::style::Text;
use crate::cli::render::units::{bytes, plural};
use crate::engine::prune::{DeleteReport, Freed, MarkReport, Skipped};
use serde::Serialize;

/// Both phases; no second one where others had the repository open.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Pruned<'a> {
    pub(in crate::cli) dry_run: bool,
    pub(in crate::cli) mark: &'a MarkReport,
    pub(in crate::cli) delete: Option<&'a DeleteReport>,
}

/// A few lines.
pub(in crate::cli) fn text(pruned: &Pruned<'_>) -> String {
    let mut text = Text::default();
    marked(&mut text, pruned.mark, pruned.dry_run);
    if let Some(delete) = pruned.delete {
        deleted(&mut text, delete, pruned.dry_run);
    }
    text.finish()
}

fn marked(text: &mut Text, mark: &MarkReport, dry_run: bool) {
    let would = |done: &str, would: &str| if dry_run { would.to_owned() } else { done.to_owned() };
    if mark.versions > 0 {
        text.line(&format!(
            "{}: {} of transformed segments that no point names, with a newer version that holds the same tokens",
            would("left the history", "would leave the history"),
            plural(mark.versions, "old version")
        ));
    }
    if mark.beside {
        text.line("somebody else is writing: marked only what was of use once, wrote nothing anew");
    }
    if mark.repacked_packs > 0 {
        text.line(&format!(
            "{} {} anew: {} of {} are needed",
            would("wrote", "would write"),
            plural(mark.repacked_packs, "pack"),
            bytes(mark.copied_bytes),
            bytes(mark.repacked_bytes)
        ));
    }
    if mark.marked_packs == 0 {
        text.line("no pack to mark");
    } else {
        text.line(&format!(
            "{} {}, {}: a later prune deletes them",
            would("marked", "would mark"),
            plural(mark.marked_packs, "pack"),
            bytes(mark.dead_bytes.saturating_add(mark.repacked_bytes))
        ));
    }
    skipped(text, &mark.skipped);
}

fn deleted(text: &mut Text, delete: &DeleteReport, dry_run: bool) {
    skipped(text, &delete.kept);
    if delete.is_empty() {
        text.line(if dry_run { "nothing would be deleted now" } else { "nothing to delete yet" });
        return;
    }
    let kinds = [
        (delete.points, "point"),
        (delete.records, "record"),
        (delete.pages, "page"),
        (delete.packs, "pack"),
        (delete.parities, "parity file"),
    ];
    let some = |(freed, noun): &(Freed, &str)| (freed.files > 0).then(|| plural(freed.files, noun));
    let names: Vec<String> = kinds.iter().filter_map(some).collect();
    let verb = if dry_run { "would delete" } else { "deleted" };
    text.line(&format!("{verb} {}: {} freed", names.join(", "), bytes(delete.bytes())));
    if !delete.gone.is_empty() {
        let numbers: Vec<String> = delete.gone.iter().map(u64::to_string).collect();
        let gone = if dry_run { "would be gone for good" } else { "gone for good" };
        text.line(&format!("{gone}: {} ({})", plural(numbers.len() as u64, "point"), numbers.join(", ")));
    }
}

fn skipped(text: &mut Text, skipped: &[Skipped]) {
    for one in skipped {
        text.line(&format!("stays: {}: {}", one.path, one.why));
    }
}
