//! Chunks that something needs, that are in no pack, and that nobody brings back. As long as nobody says that they are lost nothing is deleted: what
//! would go might be all that is left of the same events.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::repair::points;
use crate::engine::repair::report::GivenUp;
use crate::engine::repair::salvage::Wreck;
use crate::engine::verify::{Depth, Diagnosis, diagnose, refuse_forbidden, refuse_withheld};
use crate::repo;
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::index::Place;
use crate::repo::paths;
use crate::repo::store::{Repository, Session, lost_chunks};

/// Finds the chunks that are lost and not given up yet; and the packs that are in the way, since what is damaged in them is needed. As long as a
/// pack has good chunks in it that lie nowhere else nothing is given up.
pub(super) fn find(
    repository: &Repository,
    given_up: &mut GivenUp,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let depth = depth(repository)?;
    let mut diagnosis = diagnose(repository, depth, observer)?;
    if diagnosis.lost.is_empty() {
        return Ok(());
    }
    // What a damaged pack has may lie in others, too: whether it is good there only who reads it knows.
    if depth == Depth::Structure && !diagnosis.damaged.is_empty() {
        diagnosis = diagnose(repository, Depth::DataUnrecorded, observer)?;
    }
    for (pack, needed) in &diagnosis.damaged {
        refuse_forbidden(repository, *pack)?;
        if has_more(repository, &diagnosis, *pack)? {
            given_up.not_salvaged.push(*pack);
        } else if is_in_the_way(repository, &diagnosis, *pack, needed)? {
            refuse_withheld(repository, *pack)?;
            given_up.put_aside.push(*pack);
        }
    }
    if !given_up.not_salvaged.is_empty() {
        given_up.put_aside.clear();
        return Ok(());
    }
    let known = lost_chunks(&diagnosis.journal.acts);
    given_up.chunks = diagnosis.lost.difference(&known).copied().collect();
    if !given_up.chunks.is_empty() {
        given_up.points = points::hit(&diagnosis.report);
    }
    Ok(())
}

/// Whether a chunk in a damaged pack is damaged only who reads it knows.
fn depth(repository: &Repository) -> Result<Depth, Error> {
    let acts = repository.acts()?.0;
    let is_damaged = acts.iter().any(|act| matches!(&act.deed, Deed::Damaged { .. }));
    Ok(if is_damaged { Depth::DataUnrecorded } else { Depth::Structure })
}

/// Whether a damaged pack has good chunks in it that are needed and in no good pack. Its directory may be damaged, too: then its blocks tell.
fn has_more(repository: &Repository, diagnosis: &Diagnosis, pack: PackId) -> Result<bool, Error> {
    let needed = diagnosis.damaged.get(&pack).map(Vec::as_slice).unwrap_or_default();
    let Some(wreck) = Wreck::read(repository, pack) else { return Ok(false) };
    for (chunk, _) in wreck.blocks(repository.naming()).flatten() {
        let is_needed = needed.contains(&chunk) || diagnosis.lost.contains(&chunk);
        let is_good = |place: &Place| !diagnosis.damaged.contains_key(&place.pack);
        if is_needed && !repository.index().places(chunk)?.iter().any(is_good) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a lost chunk is in a damaged pack, or may be, since nobody can read what is in it.
fn is_in_the_way(
    repository: &Repository,
    diagnosis: &Diagnosis,
    pack: PackId,
    needed: &[ChunkId],
) -> Result<bool, Error> {
    let path = paths::pack(pack);
    let disk = repository.disk();
    let length = disk.length(&path).map_err(|source| repo::Error::reading(disk.display(&path), source))?;
    let holds_lost = needed.iter().any(|chunk| diagnosis.lost.contains(chunk));
    Ok(holds_lost || repository.directory(pack, length).is_none())
}

/// What somebody has stored since is not lost.
pub(super) fn leave_out_known(session: &mut Session<'_>, given_up: &mut GivenUp) -> Result<(), Error> {
    let mut lost = Vec::new();
    for chunk in std::mem::take(&mut given_up.chunks) {
        if !session.knows(chunk)? {
            lost.push(chunk);
        }
    }
    given_up.chunks = lost;
    Ok(())
}

/// What is left of the packs is kept in `damaged/`.
pub(super) fn put_aside(session: &mut Session<'_>, given_up: &mut GivenUp) -> Result<(), Error> {
    let mut done = Vec::new();
    for pack in std::mem::take(&mut given_up.put_aside) {
        if session.put_damaged_pack_aside(pack)? {
            done.push(pack);
        }
    }
    given_up.put_aside = done;
    Ok(())
}
