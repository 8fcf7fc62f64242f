//! Mends what can be mended, and never makes it worse: what is replaced is kept until the new is durable, nothing is deleted, and
//! whatever comes from elsewhere is proven by its hash.

mod files;
mod give_up;
mod lost_chunks;
mod parity;
mod points;
mod report;
mod salvage;
mod stranded;
mod supply;
mod twin;

pub use give_up::give_up;
pub use parity::{PERCENT, add_parity};
pub use points::points;
pub use report::{GivenUp, Marked, Mended, Protected, Salvaged};
pub use supply::Supply;

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::repair::salvage::Wreck;
use crate::engine::verify::{Depth, Diagnosis, diagnose};
use crate::repo::format::act::{Act, Deed};
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::moment::Moment;
use crate::repo::format::pack::PackKind;
use crate::repo::store::{Repository, Session, lost_chunks};
use std::collections::BTreeSet;

/// Stores again what is good in damaged packs; with a supply, fetches what is lost. Reads everything first, as `verify --data` does.
pub fn packs(
    repository: &Repository,
    mut supply: Option<Supply<'_>>,
    dry_run: bool,
    observer: &dyn Observer,
) -> Result<Mended, Error> {
    let mut mended = Mended { dry_run, ..Mended::default() };
    if let Some(Supply::Repository(other)) = &supply {
        files::mend(repository, other, &mut mended, observer)?;
    }
    let depth = if dry_run { Depth::DataUnrecorded } else { Depth::Data };
    let mut diagnosis = diagnose(repository, depth, observer)?;
    mended.newer = points::newer(&diagnosis.report);
    let mut found = BTreeSet::new();
    loop {
        let had = mended.salvaged_chunks.saturating_add(mended.fetched_chunks);
        let after = pass(repository, &diagnosis, (supply.as_mut(), &mut found), &mut mended, observer)?;
        let is_better = mended.salvaged_chunks.saturating_add(mended.fetched_chunks) > had;
        match after {
            // The list of a control database that is back names chunks that nobody knew to be lost.
            Some(after) if is_better && !after.lost.is_empty() => diagnosis = after,
            Some(after) if mended.is_whole() => {
                mark_replaced(repository, &after, &mut mended, observer)?;
                return Ok(mended);
            }
            _ => return Ok(mended),
        }
    }
}

/// Does what can be done for what is known to be lost; gives what is known then.
fn pass(
    repository: &Repository,
    diagnosis: &Diagnosis,
    (supply, had): (Option<&mut Supply<'_>>, &mut BTreeSet<ChunkId>),
    mended: &mut Mended,
    observer: &dyn Observer,
) -> Result<Option<Diagnosis>, Error> {
    mended.packs.clear();
    let session = if mended.dry_run { None } else { Some(writer(repository, diagnosis, observer)?) };
    let mut work = Work { repository, session, observer, had, mended };
    for (pack, needed) in &diagnosis.damaged {
        work.salvage(*pack, needed)?;
    }
    if let Some(supply) = supply {
        let wanted = diagnosis.without(work.had);
        supply.fetch(&wanted, repository.naming(), observer, &mut |kind, chunk, bytes| {
            work.fetched(kind, chunk, bytes)
        })?;
    }
    work.finish(diagnosis)
}

/// A writer that relies on no damaged pack: all of them are named in acts before it begins.
fn writer<'r>(
    repository: &'r Repository,
    diagnosis: &Diagnosis,
    observer: &dyn Observer,
) -> Result<Session<'r>, Error> {
    let mut session = repository.session()?;
    let named = |acts: &[Act]| {
        let damaged = acts.iter().filter_map(|act| match &act.deed {
            Deed::Damaged { packs } => Some(packs.clone()),
            _ => None,
        });
        damaged.flatten().collect::<BTreeSet<PackId>>()
    };
    let known = named(&repository.journal()?.acts);
    let unnamed: Vec<PackId> =
        diagnosis.damaged.keys().copied().filter(|pack| !known.contains(pack)).collect();
    if unnamed.is_empty() {
        return Ok(session);
    }
    session.publish_act(Moment(observer.now_ms()), Deed::Damaged { packs: unnamed })?;
    drop(session);
    Ok(repository.session()?)
}

/// A repair at work.
struct Work<'r, 'o> {
    repository: &'r Repository,
    /// None: nothing is written.
    session: Option<Session<'r>>,
    observer: &'o dyn Observer,
    /// Chunks that were found good, here or elsewhere, in this pass or an earlier one: what is found once more is no progress. (Where an act can't
    /// be read no pack is relied on, and they would be stored again and again.)
    had: &'o mut BTreeSet<ChunkId>,
    mended: &'o mut Mended,
}

impl Work<'_, '_> {
    /// Stores the good chunks of a damaged pack again, block by block.
    fn salvage(&mut self, pack: PackId, needed: &[ChunkId]) -> Result<(), Error> {
        let mut salvaged =
            Salvaged { pack, good_chunks: 0, needed_chunks: needed.len() as u64, replaced: false };
        if let Some(wreck) = Wreck::read(self.repository, pack) {
            for block in wreck.blocks(self.repository.naming()) {
                stop_if_interrupted(self.observer)?;
                salvaged.good_chunks = salvaged.good_chunks.saturating_add(block.len() as u64);
                self.block(wreck.kind, block)?;
            }
        }
        self.mended.packs.push(salvaged);
        Ok(())
    }

    fn block(&mut self, kind: PackKind, block: Vec<(ChunkId, Vec<u8>)>) -> Result<(), Error> {
        let mut fresh = Vec::new();
        for (chunk, bytes) in block {
            let is_first = self.had.insert(chunk);
            let is_known = match &mut self.session {
                Some(session) => !is_first || session.knows(chunk)?,
                None => !is_first,
            };
            if !is_known {
                self.mended.salvaged_chunks += 1;
                self.mended.stored_bytes = self.mended.stored_bytes.saturating_add(bytes.len() as u64);
                fresh.push(bytes);
            }
        }
        match &mut self.session {
            Some(session) => store(session, kind, fresh),
            None => Ok(()),
        }
    }

    fn fetched(&mut self, kind: PackKind, chunk: ChunkId, bytes: Vec<u8>) -> Result<(), Error> {
        if !self.had.insert(chunk) {
            return Ok(());
        }
        self.mended.fetched_chunks += 1;
        self.mended.stored_bytes = self.mended.stored_bytes.saturating_add(bytes.len() as u64);
        match &mut self.session {
            Some(session) => store(session, kind, vec![bytes]),
            None => Ok(()),
        }
    }

    /// Makes it durable, marks what is replaced, and looks again.
    fn finish(mut self, diagnosis: &Diagnosis) -> Result<Option<Diagnosis>, Error> {
        self.mended.still_lost = still_lost(&diagnosis.without(self.had));
        let Some(mut session) = self.session.take() else { return Ok(None) };
        drop(session.barrier()?);
        parity::renew(self.repository, &mut session, self.observer)?;
        drop(session);
        judge(self.repository, self.mended, self.observer).map(Some)
    }
}

fn stop_if_interrupted(observer: &dyn Observer) -> Result<(), Error> {
    if observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

/// Small chunks of one block resemble each other, and stay together.
fn store(session: &mut Session<'_>, kind: PackKind, mut chunks: Vec<Vec<u8>>) -> Result<(), Error> {
    match chunks.len() {
        0 => {}
        1 => {
            session.put(kind, chunks.pop().unwrap_or_default())?;
        }
        _ => {
            session.put_together(kind, chunks)?;
        }
    }
    Ok(())
}

/// Marks the damaged packs of which nothing is needed any more: a prune deletes them, when it has proven that for itself.
fn mark_replaced(
    repository: &Repository,
    diagnosis: &Diagnosis,
    mended: &mut Mended,
    observer: &dyn Observer,
) -> Result<(), Error> {
    // A pack whose directory is lost may hold anything that is lost: this is asked only when nothing is.
    if mended.packs.is_empty() {
        return Ok(());
    }
    let mut session = repository.session()?;
    let mut replaced = Vec::new();
    for salvaged in &mut mended.packs {
        let needed = diagnosis.damaged.get(&salvaged.pack).map(Vec::as_slice).unwrap_or_default();
        let mut is_elsewhere = true;
        for chunk in needed {
            is_elsewhere = is_elsewhere && session.knows(*chunk)?;
        }
        salvaged.replaced = is_elsewhere;
        if is_elsewhere {
            replaced.push(salvaged.pack);
        }
    }
    let marked: BTreeSet<PackId> = diagnosis
        .journal
        .acts
        .iter()
        .filter_map(|act| if let Deed::Dead { packs } = &act.deed { Some(packs.clone()) } else { None })
        .flatten()
        .collect();
    // Where nothing may be removed, nothing is marked or put aside: they stay.
    if repository.may_remove().is_err() {
        return Ok(());
    }
    put_aside(&mut session, &mut replaced, mended)?;
    replaced.retain(|pack| !marked.contains(pack));
    if !replaced.is_empty() {
        session.publish_act(Moment(observer.now_ms()), Deed::Dead { packs: replaced })?;
    }
    Ok(())
}

/// A prune never deletes a pack of which it can't read what it holds; and until it is gone, every verb complains of it.
fn put_aside(
    session: &mut Session<'_>,
    replaced: &mut Vec<PackId>,
    mended: &mut Mended,
) -> Result<(), Error> {
    let mut stay = Vec::new();
    for pack in replaced.drain(..) {
        if session.put_pack_aside(pack)? {
            mended.put_aside.push(pack);
        } else {
            stay.push(pack);
        }
    }
    *replaced = stay;
    Ok(())
}

/// Reads all again: only what was read is called whole.
fn judge(repository: &Repository, mended: &mut Mended, observer: &dyn Observer) -> Result<Diagnosis, Error> {
    let after = diagnose(repository, Depth::Data, observer)?;
    mended.points = points::hit(&after.report);
    mended.findings = points::count(&after.report);
    mended.newer = points::newer(&after.report);
    mended.not_mended.extend(points::files(&after.report));
    mended.not_mended.sort();
    mended.not_mended.dedup();
    mended.still_lost = still_lost(&after);
    mended.given_up_chunks = after.lost.len().saturating_sub(mended.still_lost.len()) as u64;
    Ok(after)
}

/// What is lost and was not given up.
fn still_lost(diagnosis: &Diagnosis) -> BTreeSet<ChunkId> {
    let given_up = lost_chunks(&diagnosis.journal.acts);
    diagnosis.lost.difference(&given_up).copied().collect()
}
