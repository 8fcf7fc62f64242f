//! A comparison with a data directory, or with another repository.

use crate::cli::describe::one_line;
use crate::cli::render::style::{self, Text};
use crate::cli::render::units::{bytes, count, plural};
use crate::engine::against::{Against, Difference, Kind, Run, Side};

/// So many runs of tokens are told; the JSON document names all.
const NAMED: usize = 8;

/// The comparison as people read it.
pub(in crate::cli) fn text(found: &Against) -> String {
    let mut text = Text::default();
    for difference in &found.differences {
        text.lines(&self::difference(difference));
    }
    for unread in found.unread.iter().chain(&found.unread_there) {
        text.line(&format!("{}can't be compared:{} {}", style::BAD, style::PLAIN, one_line(unread)));
    }
    text.line(&format!(
        "{} of {} the same, {} compared",
        plural(found.equal_segments, "segment"),
        one_line(&found.source),
        bytes(found.equal_bytes)
    ));
    text.lines(&runs("not archived yet", &found.not_archived));
    text.lines(&runs("dropped here", &found.dropped));
    text.lines(&runs("erased here", &found.erased));
    text.lines(&runs("only archived", &found.only_archived));
    text.line(verdict(found));
    text.finish()
}

/// What differs, each in a line.
pub(in crate::cli) fn differences(found: &Against) -> impl Iterator<Item = String> {
    let unread = found.unread.iter().chain(&found.unread_there);
    let differing = found.differences.iter().map(|one| format!("differs: {}", place(one)));
    differing.chain(unread.map(|unread| format!("can't be compared: {unread}")))
}

/// Where two copies differ, and which of them is the good one.
fn place(found: &Difference) -> String {
    let what = match (found.kind, found.good) {
        (Kind::Conflict, _) => "both copies have a good CRC and say different things",
        (_, Some(Side::Archive)) => "the archived copy is good, the other is damaged",
        (_, Some(Side::Other)) => "the archived copy is damaged, the other is good",
        (_, None) => "damaged behind what is archived",
    };
    one_line(&format!(
        "{} of {}, segment {}, byte {}, token {}: {what}",
        found.store, found.context, found.segment, found.at, found.token
    ))
}

fn difference(found: &Difference) -> String {
    let mut text = Text::default();
    text.line(&format!("{}differs:{} {}", style::BAD, style::PLAIN, place(found)));
    text.line(&format!("  what to do: {}", one_line(found.advice)));
    text.finish()
}

fn runs(what: &str, runs: &[Run]) -> String {
    let mut text = Text::default();
    for run in runs.iter().take(NAMED) {
        let context = one_line(&run.context);
        text.line(&format!("{what}: {}..{} of {context} {}", run.first, run.last, run.store));
    }
    if runs.len() > NAMED {
        text.line(&format!("{what}: and {} more", count((runs.len() - NAMED) as u64)));
    }
    text.finish()
}

fn verdict(found: &Against) -> &'static str {
    if !found.differences.is_empty() || !found.unread.is_empty() || !found.unread_there.is_empty() {
        "not everything is the same: see above"
    } else {
        let is_all_kept = found.dropped.is_empty() && found.erased.is_empty();
        match (found.not_archived.is_empty(), is_all_kept) {
            (true, true) => "everything that is there is archived",
            (true, false) => {
                "what both have is the same; the rest left here on purpose, and is not archived again"
            }
            (false, true) => "what both have is the same; the next backup archives the rest",
            (false, false) => {
                "what both have is the same; the next backup archives what is not archived yet, and not what left here on purpose"
            }
        }
    }
}
