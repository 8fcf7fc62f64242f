//! What the chunks of tails held is given back once it is superseded: a tail's last chunk by the next backup, all of them when the segment is
//! sealed. A backup marks the packs behind its commit ([`mark`]); a later one deletes them if nobody else has the repository open just then
//! ([`give_back`]), else they wait. What is deleted is computed anew, alone, from all points and records.

use crate::engine;
use crate::engine::observe::Observer;
use crate::engine::prune::PruneOptions;
use crate::engine::prune::closure::Survey;
use crate::engine::prune::deletion;
use crate::engine::prune::marking::{self, MarkPlan};
use crate::engine::prune::report::{DeleteReport, MarkReport};
use crate::engine::prune::roots::newest_records;
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::pack::PackKind;
use crate::repo::store::{Alone, NumberedRow, Repository};
use std::collections::{BTreeMap, BTreeSet};

/// Packs of tails are written anew until at most so much of all of them is without use.
const UNUSED_PERMILLE: u64 = 500;
/// To delete, all there is is computed anew: it must be worth so large a share of the packs, or so many files; and never less than so many bytes, or
/// a small repository would get an act with each backup.
const WORTH_SHARE: u64 = 64;
const WORTH_FILES: usize = 64;
const WORTH_BYTES: u64 = 64 << 10;
/// To mark, the records are looked through.
const MARKED_FILES: usize = 16;

/// Marks the packs of tails that nothing needs. Nothing is done where nothing may be removed.
pub fn mark(repository: &Repository, observer: &dyn Observer) -> Result<MarkReport, engine::Error> {
    if repository.may_remove().is_err() || !is_worth_marking(repository)? {
        return Ok(MarkReport::default());
    }
    let mut session = repository.session()?;
    let (acts, _) = repository.acts()?;
    let (marked, damaged) = (named(&acts, u64::MAX, true), named(&acts, u64::MAX, false));
    let marked: BTreeMap<PackId, bool> = marked.into_iter().map(|pack| (pack, false)).collect();
    // What points need is in the records, too. (A mark that is wrong all the same does no harm: deletion looks at the points.)
    let mut survey = Survey::new(repository, observer)?;
    for record in newest_records(repository, &acts)? {
        survey.tree(record.state.root)?;
        record.state.tails.iter().try_for_each(|tail| survey.entry(tail))?;
    }
    let tails = repository.index().packs_of(PackKind::Tail)?;
    survey.packs_among(
        tails.into_iter().filter(|(name, _)| !marked.contains_key(name)),
        &marked,
        &damaged,
    )?;
    let options = PruneOptions {
        max_unused_permille: UNUSED_PERMILLE,
        max_unused_tails_permille: UNUSED_PERMILLE,
        join: false,
        ..PruneOptions::default()
    };
    let plan = MarkPlan::new(survey, &options, (marked, damaged))?;
    marking::carry_out(&mut session, plan, &options)
}

/// Whether packs of tails hold enough that no tail of today has: acts stay for good, there should not be one for each backup.
fn is_worth_marking(repository: &Repository) -> Result<bool, engine::Error> {
    let (acts, all) = repository.acts()?;
    if !all {
        return Ok(false);
    }
    let marked = named(&acts, u64::MAX, true);
    let mut needed: BTreeSet<ChunkId> = BTreeSet::new();
    for record in newest_records(repository, &acts)? {
        for tail in &record.state.tails {
            needed.extend(tail.chunks());
        }
    }
    let (mut files, mut bytes) = (0_usize, 0_u64);
    for (name, length) in repository.index().packs_of(PackKind::Tail)? {
        if marked.contains(&name) {
            continue;
        }
        let chunks = repository.index().chunks_in(name)?;
        let dead = chunks.iter().filter(|chunk| !needed.contains(chunk)).count();
        files = files.saturating_add(usize::from(dead == chunks.len()));
        let share = u128::from(length) * dead as u128 / (chunks.len().max(1) as u128);
        bytes = bytes.saturating_add(u64::try_from(share).unwrap_or(length));
    }
    is_worth(repository, (files, MARKED_FILES), bytes)
}

/// Whether so many files, or so large a share of all packs, are worth looking at everything.
fn is_worth(
    repository: &Repository,
    (files, many): (usize, usize),
    bytes: u64,
) -> Result<bool, engine::Error> {
    let all: u64 = repository.index().packs()?.iter().map(|(_, length)| *length).sum();
    Ok(files >= many || (bytes >= WORTH_BYTES && bytes.saturating_mul(WORTH_SHARE) >= all))
}

/// Packs that acts up to a number mark dead, or call damaged.
fn named(acts: &[Act], up_to: u64, dead: bool) -> BTreeSet<PackId> {
    let packs = acts.iter().filter(|act| act.number <= up_to).flat_map(|act| match &act.deed {
        Deed::Dead { packs } if dead => packs.as_slice(),
        Deed::Damaged { packs } if !dead => packs.as_slice(),
        _ => &[],
    });
    packs.copied().collect()
}

/// The number of the newest act: what is marked later is for the next run.
pub fn newest_act(repository: &Repository) -> Result<u64, engine::Error> {
    Ok(NumberedRow::Acts.numbers(repository.disk())?.last().copied().unwrap_or(0))
}

/// The packs of tails that acts up to this one have marked, if it is worth to delete them.
pub fn worth_giving_back(
    repository: &Repository,
    newest_act: u64,
) -> Result<BTreeSet<PackId>, engine::Error> {
    if repository.may_remove().is_err() {
        return Ok(BTreeSet::new());
    }
    let marked = named(&repository.acts()?.0, newest_act, true);
    let mut tails = repository.index().packs_of(PackKind::Tail)?;
    tails.retain(|(name, _)| marked.contains(name));
    let bytes: u64 = tails.iter().map(|(_, length)| *length).sum();
    let is_worth = is_worth(repository, (tails.len(), WORTH_FILES), bytes)?;
    Ok(tails.into_iter().filter(|_| is_worth).map(|(name, _)| name).collect())
}

/// Deletes them, as far as nothing needs them.
pub fn give_back(
    alone: &Alone,
    wanted: &BTreeSet<PackId>,
    observer: &dyn Observer,
) -> Result<DeleteReport, engine::Error> {
    let mut session = alone.repository().session()?;
    let deletion = deletion::plan_packs(alone.repository(), observer, wanted)?;
    deletion::carry_out(alone, &mut session, &deletion, observer)
}
