//! What is wrong with packs, and what is lost with them.

use crate::engine::error::Error;
use crate::engine::verify::book::{Book, Number, Part};
use crate::engine::verify::debris::Debris;
use crate::engine::verify::history::Lost;
use crate::engine::verify::packs::{PackFacts, Packs};
use crate::engine::verify::places::packs_of;
use crate::engine::verify::report::Class;
use crate::engine::verify::withheld;
use crate::engine::words::{deletes, plural, puts_aside};
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::paths;
use crate::repo::store::Repository;
use std::collections::{BTreeMap, BTreeSet};

const ADVICE_PACK: &str = "run 'segvault repair packs' for what is good in it, then 'segvault repair from' a data directory or a copy of the \
                           repository for the rest";
const ADVICE_UNUSED: &str = "nothing needs it: an interrupted run left it, or what it held is stored elsewhere since; until it is gone, 'segvault status' counts it: ";
const ADVICE_UNKNOWN: &str = "nobody knows what it holds, but nothing that is needed is missing: ";
const ADVICE_LOST: &str = "run 'segvault repair from' a data directory or a copy of the repository; or restore a point that does not need it. Where nothing \
                           has it any more, 'segvault repair give-up' says so: until then nothing is deleted";
const ADVICE_GIVEN_UP: &str = "restore a point that does not need it; a copy of the repository or the source that turns up has it still: 'segvault repair from'";
/// A chunk that was given up.
pub const GIVEN_UP: &str = "chunk-given-up";
const ADVICE_NEWER: &str = "use a newer segvault: what is in there can't be judged by this one";
const ADVICE_HEALED: &str =
    "all of it can be read; run 'segvault repair packs', which stores it again, before more of it is damaged";
/// So many troubles of one pack are told.
const TOLD: usize = 3;

/// Enters all findings about packs and lost chunks, of which some were given up; gives packs that nothing needs.
pub fn enter(
    repository: &Repository,
    packs: &Packs,
    (lost, given_up): (&Lost, &BTreeSet<ChunkId>),
    book: &mut Book,
) -> Result<Debris, Error> {
    let nowhere = lost.parts.keys().any(|chunk| packs.of(*chunk).is_empty());
    let mut debris = Debris::default();
    let mut numbers = BTreeMap::new();
    let relied_on = packs.relied_on()?;
    for (at, (pack, (needed, all))) in packs.all.iter().zip(packs.used()?).enumerate() {
        let is_needed = match &pack.unreadable {
            Some(_) => nowhere,
            None if pack.is_damaged() => relied_on.contains(&at),
            None => needed > 0,
        };
        if let Some(newer) = &pack.newer {
            let path = repository.disk().display(&paths::pack(pack.id));
            let number = book.add_file("pack-newer", path, newer.to_string(), ADVICE_NEWER);
            book.set_class(number, Class::Newer);
        } else if !is_needed {
            debris.add(pack.length);
        }
        if let Some(text) = trouble(pack, all) {
            numbers.insert(at, enter_pack(repository, pack, text, is_needed, book));
        }
    }
    enter_lost(packs, (lost, given_up), &numbers, book);
    Ok(debris)
}

fn trouble(pack: &PackFacts, chunks: u64) -> Option<String> {
    if let Some(why) = &pack.unreadable {
        return Some(why.clone());
    }
    if let Some(healed) = &pack.healed {
        let why = pack.trouble.first().map_or("it is longer than it should be", String::as_str);
        return Some(format!("{why}; made whole by its parity: {healed}"));
    }
    let chunks = plural(chunks, "chunk");
    let told = pack.trouble.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    match pack.trouble.len() {
        0 => None,
        more if more > TOLD => Some(format!("{told}; and {} more ({chunks} in all)", more - TOLD)),
        _ => Some(format!("{told} ({chunks} in all)")),
    }
}

fn enter_pack(
    repository: &Repository,
    pack: &PackFacts,
    text: String,
    is_needed: bool,
    book: &mut Book,
) -> Number {
    let path = repository.disk().display(&paths::pack(pack.id));
    let what = match (&pack.unreadable, &pack.healed) {
        (Some(_), _) => "pack-directory",
        (None, Some(_)) => "pack-healed",
        (None, None) => "pack",
    };
    let is_append_only = repository.config().is_append_only();
    let unknown = format!("{ADVICE_UNKNOWN}{}, in 'damaged/'", puts_aside(is_append_only));
    let unused = format!("{ADVICE_UNUSED}{}", deletes(is_append_only));
    let advice = match &pack.healed {
        _ if !is_needed && pack.unreadable.is_some() => &unknown,
        _ if !is_needed => &unused,
        Some(_) => ADVICE_HEALED,
        None if withheld::refuse_forbidden(repository, pack.id).is_err() => withheld::ADVICE,
        None => ADVICE_PACK,
    };
    if !is_needed {
        // A repair changes nothing about it any more, and a prune takes it away.
        repository.healed_is_told_of(std::iter::once(path.as_str()));
    }
    let number = book.add_file(what, path, text, advice);
    if !is_needed {
        book.set_class(number, Class::Note);
    }
    number
}

/// A lost chunk belongs to the packs that should hold it; without one it is a finding of what needs it.
fn enter_lost(
    packs: &Packs,
    (lost, given_up): (&Lost, &BTreeSet<ChunkId>),
    numbers: &BTreeMap<usize, Number>,
    book: &mut Book,
) {
    let mut nowhere: BTreeMap<(bool, Part), u64> = BTreeMap::new();
    for (chunk, parts) in &lost.parts {
        let told: Vec<Number> =
            packs_of(&packs.of(*chunk)).into_iter().filter_map(|at| numbers.get(&at).copied()).collect();
        for part in parts {
            for number in &told {
                book.hits(*number, *part);
            }
            if told.is_empty() {
                *nowhere.entry((given_up.contains(chunk), *part)).or_default() += 1;
            }
        }
    }
    // Whether it is lost a newer program knows: it may be in what only that can read.
    if packs.newer().is_some() {
        if !nowhere.is_empty() {
            let chunks = plural(nowhere.values().sum(), "chunk");
            let text =
                format!("{chunks} that points or records need are in no pack that this program can read");
            book.add(Class::Newer, "chunk-newer", text, ADVICE_NEWER);
        }
        return;
    }
    for ((is_given_up, part), chunks) in nowhere {
        let what = match part {
            Part::ControlDb(_) => "a control database",
            Part::Files(_) => "a set of plain files",
            Part::Entry(_) | Part::Page(_) => "a segment",
        };
        let are = if chunks == 1 { "is" } else { "are" };
        let text = format!("{} of {what} {are} in no pack", plural(chunks, "chunk"));
        let number = if is_given_up {
            book.add(Class::Note, GIVEN_UP, format!("{text}: given up for lost"), ADVICE_GIVEN_UP)
        } else {
            book.add(Class::Damage, "chunk-lost", text, ADVICE_LOST)
        };
        book.hits(number, part);
    }
}

/// The packs that are damaged, whether anything needs them or not: none of them may be relied on.
pub fn damaged(packs: &Packs) -> Vec<PackId> {
    packs.all.iter().filter(|pack| pack.is_damaged()).map(|pack| pack.id).collect()
}
