//! Which small packs are joined: those whose chunks would have fewer blocks together, and that are what their names say.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::recompress::joining;
use crate::engine::recompress::plan::{History, Moved, OldPack};
use crate::repo::codec::{Compression, Look, Looker};
use crate::repo::format::id::PackId;
use crate::repo::store::{Neighbours, Repository};
use std::collections::{BTreeMap, HashSet};

/// What is to be done with some small packs.
#[derive(Debug)]
pub(super) enum Verdict {
    /// They are as good as they get.
    Stay,
    /// To say it, there would have to be more time.
    Unknown,
    /// Those that can be read are worth joining, or too few by themselves. The damaged ones stay.
    Join { whole: Vec<OldPack>, damaged: Vec<OldPack> },
}

/// Judges groups of small packs.
pub(super) struct Judge<'a> {
    pub repository: &'a Repository,
    pub history: &'a History,
    pub compression: Compression,
    /// When no more is looked at.
    pub end: Option<i64>,
    pub observer: &'a dyn Observer,
}

impl Judge<'_> {
    /// What to do with a group. A damaged pack would be written anew each time, as far as it can be read, and never be done with.
    pub fn verdict(&self, group: &[OldPack]) -> Result<Verdict, Error> {
        match self.is_worth(group)? {
            Some(true) => {}
            Some(false) => return Ok(Verdict::Stay),
            None => return Ok(Verdict::Unknown),
        }
        let Some(damaged) = self.damaged(group)? else { return Ok(Verdict::Unknown) };
        let (damaged, whole): (Vec<_>, Vec<_>) =
            group.iter().cloned().partition(|pack| damaged.contains(&pack.id));
        if damaged.is_empty() {
            return Ok(Verdict::Join { whole, damaged });
        }
        Ok(match self.is_worth(&whole)? {
            Some(true) => Verdict::Join { whole, damaged },
            Some(false) => Verdict::Join { whole: Vec::new(), damaged },
            None => Verdict::Unknown,
        })
    }

    fn is_over(&self) -> Result<bool, Error> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(self.end.is_some_and(|end| self.observer.now_ms() >= end))
    }

    fn is_worth(&self, group: &[OldPack]) -> Result<Option<bool>, Error> {
        let before = group.iter().map(|pack| pack.blocks).sum();
        let mut lookers = BTreeMap::new();
        joining::is_worth(&self.history.chunks(group), before, self.compression, |chunk| {
            if self.is_over()? { Ok(None) } else { Ok(Some(self.look(chunk, &mut lookers)?)) }
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

    /// The packs that are not what their names say. None if the time is over.
    fn damaged(&self, group: &[OldPack]) -> Result<Option<HashSet<PackId>>, Error> {
        let mut damaged = HashSet::new();
        for pack in group {
            if self.is_over()? {
                return Ok(None);
            }
            if !self.repository.is_whole(pack.id, pack.length)? {
                damaged.insert(pack.id);
            }
        }
        Ok(Some(damaged))
    }
}
