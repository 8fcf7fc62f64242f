//! Which small packs are joined: those whose chunks would have fewer blocks together, and that can be read.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::recompress::joining;
use crate::engine::recompress::plan::{History, Moved, OldPack};
use crate::repo;
use crate::repo::codec::{Compression, Look, Looker};
use crate::repo::paths;
use crate::repo::store::{Neighbours, Repository};
use std::collections::BTreeMap;

/// Some small packs that stand beside each other.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Those that are worth joining.
    pub join: Vec<OldPack>,
    /// Those that would be, but chunks of theirs can't be read.
    pub damaged: Vec<OldPack>,
}

/// Whether what a pack holds can be had.
enum Standing {
    Readable,
    Damaged,
    /// Somebody deleted it meanwhile.
    Gone,
}

/// Judges groups of small packs.
pub(super) struct Judge<'a> {
    pub repository: &'a Repository,
    pub history: &'a History,
    pub compression: Compression,
    pub observer: &'a dyn Observer,
}

impl Judge<'_> {
    /// What to do with a group. A pack with a chunk that can't be read would be written anew each time, as far as it can be, and never be done
    /// with: it is left out.
    pub fn verdict(&self, group: Vec<OldPack>) -> Result<Verdict, Error> {
        if !self.is_worth(&group)? {
            return Ok(Verdict::default());
        }
        let (mut verdict, packs) = (Verdict::default(), group.len());
        for pack in group {
            match self.standing(&pack)? {
                Standing::Readable => verdict.join.push(pack),
                Standing::Damaged => verdict.damaged.push(pack),
                Standing::Gone => {}
            }
        }
        if verdict.join.len() < packs && !self.is_worth(&verdict.join)? {
            verdict.join.clear();
        }
        Ok(verdict)
    }

    fn check_interrupt(&self) -> Result<(), Error> {
        if self.observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Whether a group is worth joining, if no look is needed to say it.
    pub fn at_a_glance(&self, group: &[OldPack]) -> Result<Option<bool>, Error> {
        joining::is_worth_whatever(&self.history.chunks(group), blocks(group), self.compression)
    }

    fn is_worth(&self, group: &[OldPack]) -> Result<bool, Error> {
        let mut lookers = BTreeMap::new();
        joining::is_worth(&self.history.chunks(group), blocks(group), self.compression, |chunk| {
            self.check_interrupt()?;
            self.look(chunk, &mut lookers)
        })
    }

    /// A look at a chunk, if that matters. One that can't be read is not there.
    fn look(&self, chunk: &Moved, lookers: &mut BTreeMap<Neighbours, Looker>) -> Result<Look, Error> {
        let Ok(room) = chunk.room else { return Ok(Look::default()) };
        if !room.are_looked_at(self.compression) {
            return Ok(Look::default());
        }
        match self.repository.chunk(chunk.id) {
            Ok(bytes) => Ok(lookers.entry(room).or_default().look(&bytes, self.compression)),
            Err(error) if error.is_lost() => Ok(Look::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Each chunk is asked for: it may lie elsewhere, or the pack's parity may know it. That a pack is what its name says does not prove it.
    fn standing(&self, pack: &OldPack) -> Result<Standing, Error> {
        let (disk, path) = (self.repository.disk(), paths::pack(pack.id));
        match disk.length(&path).map_err(|source| repo::Error::reading(disk.display(&path), source)) {
            Ok(_) => {}
            Err(repo::Error::Missing { .. }) => return Ok(Standing::Gone),
            Err(error) => return Err(error.into()),
        }
        for (chunk, _) in &pack.chunks {
            self.check_interrupt()?;
            match self.repository.chunk(*chunk) {
                Ok(_) => {}
                Err(error) if error.is_lost() => return Ok(Standing::Damaged),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Standing::Readable)
    }
}

fn blocks(group: &[OldPack]) -> usize {
    group.iter().map(|pack| pack.blocks).sum()
}
