//! Chunks that something needs, that are in no pack, and that nobody brings back. As long as nobody says that they are lost nothing is deleted: what
//! would go might be all that is left of the same events.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::repair::points;
use crate::engine::repair::report::GivenUp;
use crate::engine::verify::{Depth, Diagnosis, diagnose};
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::store::{Repository, Session, lost_chunks};
use std::collections::BTreeSet;

/// Finds the chunks that are lost and not given up yet; and the packs that are in the way, since what is damaged in them is needed.
pub(super) fn find(
    repository: &Repository,
    given_up: &mut GivenUp,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let diagnosis = diagnose(repository, depth(repository)?, observer)?;
    let known = lost_chunks(&diagnosis.journal.acts);
    let (mut lost, mut kept) = (diagnosis.lost.clone(), BTreeSet::new());
    for (pack, needed) in &diagnosis.damaged {
        if needed.is_empty() && diagnosis.lost.is_empty() {
            // `repair packs` puts it aside.
        } else if is_no_use(repository, &diagnosis, needed)? {
            given_up.put_aside.push(*pack);
        } else {
            kept.extend(needed.iter().copied());
            given_up.not_salvaged.push(*pack);
        }
    }
    lost.retain(|chunk| !kept.contains(chunk));
    given_up.chunks = lost.difference(&known).copied().collect();
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

/// Whether all that is needed of a damaged pack is lost, or lies in a good one, too.
fn is_no_use(repository: &Repository, diagnosis: &Diagnosis, needed: &[ChunkId]) -> Result<bool, Error> {
    for chunk in needed.iter().filter(|chunk| !diagnosis.lost.contains(chunk)) {
        let is_good = |pack: PackId| !diagnosis.damaged.contains_key(&pack);
        if !repository.index().places(*chunk)?.iter().any(|place| is_good(place.pack)) {
            return Ok(false);
        }
    }
    Ok(true)
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
