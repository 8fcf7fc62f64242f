//! What a repair did.

use crate::cli::describe::one_line;
use crate::cli::render::style::Text;
use crate::cli::render::units::{bytes, count, plural, points};
use crate::engine::repair::{GivenUp, Marked, Mended, Protected};

/// So many files or points are named; the JSON document names all.
const NAMED: usize = 8;

/// `repair index`.
pub(in crate::cli) fn index(packs: usize, unreadable: &[String], dry_run: bool) -> String {
    let mut text = Text::default();
    let done = if dry_run { "would be made anew from" } else { "made anew from" };
    text.line(&format!("index: {done} {}", plural(packs as u64, "pack")));
    for pack in unreadable {
        text.line(&format!("  can't be read: {}", one_line(pack)));
    }
    text.finish()
}

/// `repair packs`, `repair from`.
pub(in crate::cli) fn mended(mended: &Mended) -> String {
    let mut text = Text::default();
    let would = if mended.dry_run { "would be " } else { "" };
    for pack in &mended.packs {
        let chunks = plural(pack.good_chunks, "good chunk");
        let replaced = if pack.replaced { "; nothing needs it any more" } else { "" };
        text.line(&format!("damaged pack {}: {chunks}{replaced}", pack.pack));
    }
    if !mended.put_aside.is_empty() {
        let packs = plural(mended.put_aside.len() as u64, "damaged pack");
        text.line(&format!(
            "{packs} that nothing needs put aside, in damaged/: what lies there may be removed by hand"
        ));
    }
    text.line(&format!(
        "{} {would}stored again from damaged packs, {} {would}fetched: {}",
        plural(mended.salvaged_chunks, "chunk"),
        count(mended.fetched_chunks),
        bytes(mended.stored_bytes)
    ));
    if !mended.files.is_empty() {
        text.line(&format!("{would}put back: {}", some(&mended.files)));
    }
    if !mended.not_mended.is_empty() {
        text.line(&format!("still damaged or missing: {}", some(&mended.not_mended)));
    }
    text.line(&verdict(mended));
    text.finish()
}

/// Whether everything is whole now.
pub(in crate::cli) fn verdict(mended: &Mended) -> String {
    if mended.dry_run {
        let lost = mended.still_lost.len() as u64;
        return format!("nothing was written; {} would still be lost", plural(lost, "chunk"));
    }
    if mended.is_whole() {
        let whole = "everything was read again: all that is published is whole";
        let but = plural(mended.given_up_chunks, "chunk");
        return if mended.given_up_chunks == 0 {
            whole.to_owned()
        } else {
            format!("{whole}, but for {but} that were given up")
        };
    }
    if mended.is_undamaged() {
        let newer = some(&mended.newer);
        return format!("what this program can judge is whole; a newer segvault wrote {newer}: use that one");
    }
    let lost = plural(mended.still_lost.len() as u64, "chunk");
    let points = if mended.points.is_empty() { "no point".to_owned() } else { points(&mended.points, NAMED) };
    format!(
        "not everything is whole: {lost} still lost, {points} hit; try 'segvault repair from' another place"
    )
}

/// `repair add-parity`.
pub(in crate::cli) fn protected(done: &Protected) -> String {
    let mut text = Text::default();
    let would = if done.dry_run { "would be " } else { "" };
    let renewed = if done.renewed > 0 { format!(" ({} anew)", count(done.renewed)) } else { String::new() };
    text.line(&format!(
        "parity {would}written for {}{renewed}: {}, {}% of each; {} had it",
        plural(done.made, "pack"),
        bytes(done.bytes),
        done.percent,
        count(done.kept)
    ));
    if let Some(line) = left_damaged(done) {
        text.line(&line);
    }
    text.finish()
}

/// Packs that got no parity, since they are damaged.
pub(in crate::cli) fn left_damaged(done: &Protected) -> Option<String> {
    let names: Vec<String> = done.damaged.iter().map(ToString::to_string).collect();
    let told = || {
        format!("damaged, and left as they are: {}; 'segvault verify --data' says what to do", some(&names))
    };
    (!names.is_empty()).then(told)
}

/// `repair points`.
pub(in crate::cli) fn marked(marked: &Marked) -> String {
    let mut text = Text::default();
    let would = if marked.dry_run { "would be " } else { "" };
    for (point, reason) in &marked.marked {
        text.line(&format!("point {point} {would}marked incomplete: {}", one_line(reason)));
    }
    if !marked.known.is_empty() {
        text.line(&format!("known to be incomplete before: {}", points(&marked.known, NAMED)));
    }
    let not_judged = not_judged(marked);
    for line in &not_judged {
        text.line(line);
    }
    if not_judged.is_empty() && marked.marked.is_empty() && marked.known.is_empty() {
        text.line("every point can be restored whole: nothing to mark");
    }
    text.finish()
}

/// Points that nobody knows about.
pub(in crate::cli) fn not_judged(marked: &Marked) -> Vec<String> {
    let told = |files: &[String], advice: &str| {
        let line = format!("not judged, since it can't be read: {}; {advice}", some(files));
        (!files.is_empty()).then_some(line)
    };
    let damaged = "try 'segvault repair from' a copy, or 'segvault repair give-up'";
    let newer = "a newer segvault wrote it: use that one";
    [told(&marked.unreadable, damaged), told(&marked.newer, newer)].into_iter().flatten().collect()
}

/// What a file that is given up may have said, by its directory, and what to do about it.
const MEANT: [(&str, &str); 3] = [
    (
        "points/",
        "a point: the next backup makes a new one; what only this point named, a later prune deletes",
    ),
    (
        "acts/",
        "an act: was it a hold, an erasure, a drop or a forgetting, do it again; what 'segvault verify' then misses, an erasure took",
    ),
    (
        "logs/",
        "a record, or its list of segments in pages/: the next backup of its source makes it anew; until then its points may end before their last events, and nothing is deleted",
    ),
];

/// `repair give-up`. `asks`: a question follows.
pub(in crate::cli) fn given_up(done: &GivenUp, asks: bool) -> String {
    let mut text = Text::default();
    if !done.is_any() {
        if done.not_salvaged.is_empty() {
            text.line(
                "all points, acts and newest records, with their lists of segments, can be read, and what they need is there: nothing to give up",
            );
        } else {
            text.line("nothing is given up yet, though something is lost");
        }
        not_salvaged(done, &mut text);
        return text.finish();
    }
    let would = if done.dry_run { "would be " } else { "" };
    if !done.files.is_empty() {
        text.line(&format!("{would}given up for good: {}", some(&done.files)));
    }
    for (directory, meaning) in MEANT {
        if done.files.iter().any(|file| file.starts_with(directory)) {
            text.line(&format!("  {meaning}"));
        }
    }
    if !done.stranded.is_empty() {
        text.line(&format!(
            "  but none for {}: their source has left that history, and what only a record had of it, their last events, goes for good",
            points(&done.stranded, NAMED)
        ));
    }
    lost_chunks(done, would, &mut text);
    if let Some(act) = done.act {
        let aside = if done.files.is_empty() { "" } else { "; what stood there lies in damaged/" };
        text.line(&format!("act {act} says so{aside}. Run 'segvault verify' and a backup now"));
    } else {
        text.line("  is there a copy of the repository anywhere, 'segvault repair from' it instead");
    }
    not_salvaged(done, &mut text);
    if done.dry_run && !asks {
        text.line("nothing was written: give them up with --yes");
    }
    text.finish()
}

fn lost_chunks(done: &GivenUp, would: &str, text: &mut Text) {
    if !done.chunks.is_empty() {
        let chunks = plural(done.chunks.len() as u64, "chunk");
        text.line(&format!("{would}given up for good: {chunks} of what was archived, in no pack any more"));
        let numbers: Vec<String> = done.points.iter().map(u64::to_string).collect();
        let points =
            if numbers.is_empty() { String::new() } else { format!("points {} need them; ", some(&numbers)) };
        text.line(&format!(
            "  {points}'segvault verify' names their tokens; until they are given up nothing is deleted"
        ));
    }
    if !done.put_aside.is_empty() {
        let packs = plural(done.put_aside.len() as u64, "damaged pack");
        text.line(&format!("{would}put aside, in damaged/: {packs} that nothing needs any more"));
    }
}

fn not_salvaged(done: &GivenUp, text: &mut Text) {
    if !done.not_salvaged.is_empty() {
        let packs = plural(done.not_salvaged.len() as u64, "damaged pack");
        text.line(&format!(
            "{packs} with good chunks in them: run 'segvault repair packs' first, and then this again"
        ));
    }
}

fn some(all: &[String]) -> String {
    let mut words: Vec<String> = all.iter().take(NAMED).map(|word| one_line(word)).collect();
    if all.len() > NAMED {
        words.push(format!("and {} more", count((all.len() - NAMED) as u64)));
    }
    words.join(", ")
}
