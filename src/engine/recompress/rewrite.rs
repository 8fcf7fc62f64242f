//! Writing packs anew, group by group: new packs durable and read back, then the old ones marked.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::recompress::Recompressed;
use crate::engine::recompress::plan::{History, Moved, OldPack, refused};
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::moment::Moment;
use crate::repo::store::{Effort, Repository, Session};
use std::collections::{HashMap, HashSet};

/// Writes packs anew.
pub(super) struct Rewriter<'a> {
    repository: &'a Repository,
    history: &'a History,
    effort: Effort,
    observer: &'a dyn Observer,
    /// The names of the packs: what lies only in them has to be written.
    old: HashSet<PackId>,
    /// Chunks of the group that lie elsewhere by now.
    done: HashSet<ChunkId>,
    /// Chunks of the group that can't be read.
    lost: HashSet<ChunkId>,
    /// Whether packs that the group relies on are what their names say, and durable.
    proven: HashMap<PackId, bool>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        (history, packs): (&'a History, &[OldPack]),
        effort: Effort,
        observer: &'a dyn Observer,
    ) -> Self {
        let old = packs.iter().map(|pack| pack.id).collect();
        let (done, lost, proven) = Default::default();
        Self { repository, history, effort, observer, old, done, lost, proven }
    }

    /// Writes a group of the packs.
    pub(super) fn group(&mut self, group: &[OldPack], report: &mut Recompressed) -> Result<(), Error> {
        let mut session = self.repository.session()?;
        session.set_effort(self.effort);
        // Between groups other writers had their turn.
        let refused = refused(self.repository)?;
        (self.done, self.lost, self.proven) = Default::default();
        let mut new = self.write(&mut session, group, &refused)?;
        if !new.is_disjoint(&refused) {
            // A new pack came to have the name of one that was refused long ago: nothing is marked for the sake of that.
            session.attempt_anew();
            self.done.clear();
            new = self.write(&mut session, group, &refused)?;
        }
        report.count(&session, new.len());
        report.same(group, &new);
        report.damaged_packs.extend(self.damaged(group));
        if new.is_disjoint(&refused) {
            self.mark(&mut session, group, &new, &refused, report)?;
        }
        Ok(())
    }

    /// Writes the chunks of a group; gives the packs that hold them, read back.
    fn write(
        &mut self,
        session: &mut Session<'_>,
        group: &[OldPack],
        refused: &HashSet<PackId>,
    ) -> Result<HashSet<PackId>, Error> {
        let before = session.read_back()?.len();
        for chunk in self.history.chunks(group) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            self.chunk(session, &chunk, refused)?;
            self.observer.event(&Event::Bytes(u64::from(chunk.length)));
        }
        let _ = session.barrier()?;
        Ok(session.read_back()?.iter().skip(before).map(|(id, _)| *id).collect())
    }

    /// The packs with chunks that can't be read.
    fn damaged(&self, group: &[OldPack]) -> impl Iterator<Item = String> {
        let is_damaged = |pack: &&OldPack| pack.chunks.iter().any(|(chunk, _)| self.lost.contains(chunk));
        group.iter().filter(is_damaged).map(|pack| pack.id.to_string())
    }

    fn chunk(
        &mut self,
        session: &mut Session<'_>,
        chunk: &Moved,
        refused: &HashSet<PackId>,
    ) -> Result<(), Error> {
        if self.done.contains(&chunk.id) || self.lost.contains(&chunk.id) {
            return Ok(());
        }
        if !self.is_elsewhere(chunk.id, refused)? {
            let bytes = match self.repository.chunk(chunk.id) {
                Ok(bytes) => bytes,
                // Damage keeps a pack from being written anew; anything else ends the run.
                Err(error) if error.is_lost() => {
                    self.lost.insert(chunk.id);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            session.put_again(chunk.room, chunk.id, bytes.to_vec())?;
        }
        self.done.insert(chunk.id);
        Ok(())
    }

    /// Whether a pack that stays holds the chunk, read and compared: an earlier run may have been interrupted.
    fn is_elsewhere(&mut self, chunk: ChunkId, refused: &HashSet<PackId>) -> Result<bool, Error> {
        for place in self.repository.index().places(chunk)? {
            let stays = !self.old.contains(&place.pack) && !refused.contains(&place.pack);
            if stays && self.is_proven(place.pack) && self.repository.chunk_in(chunk, place.pack).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a pack is what its name says, and durable: nothing is marked dead for the sake of a damaged one, which may be called so any day.
    fn is_proven(&mut self, pack: PackId) -> bool {
        let repository = self.repository;
        let prove = || repository.prove_pack(pack).is_ok() && repository.sync_pack(pack);
        *self.proven.entry(pack).or_insert_with(prove)
    }

    /// Marks the old packs whose chunks all lie elsewhere now.
    fn mark(
        &self,
        session: &mut Session<'_>,
        group: &[OldPack],
        new: &HashSet<PackId>,
        refused: &HashSet<PackId>,
        report: &mut Recompressed,
    ) -> Result<(), Error> {
        let is_moved = |pack: &&OldPack| pack.chunks.iter().all(|(chunk, _)| self.done.contains(chunk));
        // What was written again under the very same name stays, of course.
        let stays = |pack: &&OldPack| new.contains(&pack.id) || refused.contains(&pack.id);
        let moved: Vec<&OldPack> = group.iter().filter(is_moved).filter(|pack| !stays(pack)).collect();
        if !moved.is_empty() {
            let packs = moved.iter().map(|pack| pack.id).collect();
            session.publish_act(Moment(self.observer.now_ms()), Deed::Dead { packs })?;
        }
        report.marked_packs += moved.len() as u64;
        report.marked_bytes += moved.iter().map(|pack| pack.length).sum::<u64>();
        Ok(())
    }
}

impl Recompressed {
    fn count(&mut self, session: &Session<'_>, packs: usize) {
        let tally = session.tally();
        self.new_packs += packs as u64;
        self.new_bytes += tally.file_bytes;
        self.chunks += tally.new_chunks;
        self.raw_bytes += tally.new_raw_bytes;
    }

    /// A pack that was written again under its own name is no new one, and is done with.
    fn same(&mut self, group: &[OldPack], new: &HashSet<PackId>) {
        let same = group.iter().filter(|pack| new.contains(&pack.id)).count() as u64;
        self.same_packs += same;
        self.new_packs = self.new_packs.saturating_sub(same);
    }
}
