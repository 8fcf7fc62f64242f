//! The packs: which chunk lies where, as the packs' own directories say; and with `data`, whether it really does.

use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::verify::parity::{Found, with};
use crate::engine::verify::places::{Gathering, Marks, Place, Places};
use crate::repo::codec;
use crate::repo::format::Damage;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::pack::Block;
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{HealedPack, Repository};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a pack's directory that are read at once.
const PIECE: u64 = 4 << 20;

/// A pack.
#[derive(Clone, Debug)]
pub struct PackFacts {
    /// Its name.
    pub id: PackId,
    /// Its length.
    pub length: u64,
    /// Why its directory can't be read.
    pub unreadable: Option<String>,
    /// What a whole read found.
    pub trouble: Vec<String>,
    /// What its parity made whole: it is damaged, and all of it can be read.
    pub healed: Option<HealedPack>,
    /// What a newer program wrote in it: this one can't judge that.
    pub newer: Option<Damage>,
    /// Whether this run has read it whole.
    pub is_read: bool,
}

impl PackFacts {
    /// Whether nothing in it may be relied on.
    pub fn is_damaged(&self) -> bool {
        self.unreadable.is_some() || !self.trouble.is_empty() || self.healed.is_some()
    }
}

/// All packs and their chunks.
#[derive(Default)]
pub struct Packs {
    /// The packs, by name.
    pub all: Vec<PackFacts>,
    /// The chunks in packs whose directories can be read; their packs are numbers in [`Packs::all`].
    pub places: Places,
    /// Those that a read found damaged.
    bad: Marks,
    /// Those that something published was found to need.
    used: Marks,
    /// Those that were read from their pack, and compared with their names.
    proven: Marks,
    /// Bytes that a whole read has read.
    pub bytes_read: u64,
}

impl Packs {
    /// Reads the directories of all packs.
    pub fn list(repository: &Repository, observer: &dyn Observer) -> Result<Self, Error> {
        let (mut packs, mut places) = (Self::default(), Gathering::new());
        for (id, length) in paths::packs(repository.disk())? {
            stop_if_interrupted(observer)?;
            packs.add(id, length, Found::look(repository, id, length)?, &mut places)?;
        }
        packs.places = places.sorted()?;
        Ok(packs)
    }

    fn add(&mut self, id: PackId, length: u64, found: Found, places: &mut Gathering) -> Result<(), Error> {
        let pack = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let Found { directory, trouble, healed, newer } = found;
        let unreadable = match directory {
            Some(directory) => {
                let mut chunks = directory.blocks.iter().flat_map(|block| &block.chunks);
                chunks.try_for_each(|found| places.push(found.chunk, pack, found.length))?;
                None
            }
            None if newer.is_some() => None,
            None => trouble.first().cloned(),
        };
        let trouble = if unreadable.is_some() { Vec::new() } else { trouble };
        self.all.push(PackFacts { id, length, unreadable, trouble, healed, newer, is_read: false });
        Ok(())
    }

    /// A pack in which a newer program wrote something, if there is one: what is in no other pack may be in that.
    pub fn newer(&self) -> Option<&PackFacts> {
        self.all.iter().find(|pack| pack.newer.is_some())
    }

    /// How many chunks the packs hold; one that lies in several counts for each.
    pub fn chunks(&self) -> u64 {
        self.places.len() as u64
    }

    /// The places of a chunk.
    pub fn of(&self, chunk: ChunkId) -> Vec<Place> {
        self.places.of(chunk)
    }

    /// Whether some pack has the chunk, undamaged as far as is known, with that length.
    pub fn has(&self, chunk: ChunkId, length: Option<u32>) -> bool {
        let fits = |place: &Place| length.is_none_or(|length| place.length == length);
        self.of(chunk).iter().any(|place| !self.bad.has(place.at) && fits(place))
    }

    /// Something that is published needs the chunk.
    pub fn mark_used(&mut self, chunk: ChunkId) {
        self.of(chunk).iter().for_each(|place| self.used.set(place.at));
    }

    /// Whether something that is published was found to need what lies there.
    pub fn is_used(&self, place: &Place) -> bool {
        self.used.has(place.at)
    }

    /// Where a chunk stands that was read from a pack.
    pub fn place(&self, chunk: ChunkId, pack: PackId) -> Option<usize> {
        let pack = self.all.binary_search_by_key(&pack, |facts| facts.id).ok()?;
        self.place_in(chunk, u32::try_from(pack).ok()?)
    }

    fn place_in(&self, chunk: ChunkId, pack: u32) -> Option<usize> {
        self.of(chunk).iter().find(|place| place.pack == pack).map(|place| place.at)
    }

    /// These chunks were read from their packs, and compared with their names.
    pub fn mark_proven(&mut self, places: &Marks) {
        self.proven.add(places);
    }

    fn is_proven(&self, chunk: ChunkId, pack: PackId) -> bool {
        self.place(chunk, pack).is_some_and(|at| self.proven.has(at))
    }

    /// The name of a pack, by its place in [`Packs::all`].
    pub fn name(&self, pack: u32) -> Option<PackId> {
        self.all.get(usize::try_from(pack).ok()?).map(|pack| pack.id)
    }

    /// Whether a read found a chunk damaged.
    pub fn has_bad(&self) -> bool {
        !self.bad.is_empty()
    }

    /// For each pack, how many of its chunks are needed, and how many chunks it has.
    pub fn used(&self) -> Result<Vec<(u64, u64)>, Error> {
        let mut used = vec![(0, 0); self.all.len()];
        self.places.each_chunk(&mut |places| {
            for place in places {
                let pack = usize::try_from(place.pack).ok();
                if let Some((needed, all)) = pack.and_then(|pack| used.get_mut(pack)) {
                    *needed += u64::from(self.is_used(place));
                    *all += 1;
                }
            }
            Ok(())
        })?;
        Ok(used)
    }

    /// The packs, by their places in [`Packs::all`], that hold a chunk that is needed and lies in no undamaged pack.
    pub fn relied_on(&self) -> Result<HashSet<usize>, Error> {
        let mut found = HashSet::new();
        let pack = |place: &Place| usize::try_from(place.pack).unwrap_or(usize::MAX);
        let is_good = |place: &Place| {
            !self.bad.has(place.at) && self.all.get(pack(place)).is_some_and(|pack| !pack.is_damaged())
        };
        self.places.each_chunk(&mut |places| {
            let is_used = places.first().is_some_and(|place| self.is_used(place));
            if is_used && !places.iter().any(is_good) {
                found.extend(places.iter().map(pack));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads these packs whole (by their places in [`Packs::all`]): hashes, blocks, chunks. A block all of whose chunks were proven already is
    /// not decoded again, unless the pack is not what its name says.
    pub fn read(
        &mut self,
        which: &[usize],
        repository: &Repository,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let read = AtomicU64::new(0);
        let reader = Reader { packs: self, repository, observer, read: &read };
        let found = which.par_iter().filter_map(|at| Some((*at, self.all.get(*at)?)));
        let verdicts =
            found.map(|(at, pack)| Ok((at, reader.pack(pack)?))).collect::<Result<Vec<_>, Error>>()?;
        for (at, verdict) in verdicts {
            self.take(at, verdict);
        }
        self.bytes_read = self.bytes_read.saturating_add(read.into_inner());
        Ok(())
    }

    /// Bytes of these packs.
    pub fn bytes_of(&self, which: &[usize]) -> u64 {
        which.iter().filter_map(|at| self.all.get(*at)).map(|pack| pack.length).sum()
    }

    /// What was read with the help of parity while something else was looked at is damaged, too.
    pub fn enter_healed(&mut self, healed: &[HealedPack]) {
        for healed in healed {
            let at = self.all.binary_search_by_key(&healed.pack, |facts| facts.id).unwrap_or(usize::MAX);
            if let Some(facts) = self.all.get_mut(at).filter(|facts| facts.healed.is_none()) {
                facts.trouble.push("a part of it can't be read as it is".to_owned());
                facts.healed = Some(*healed);
            }
        }
    }

    fn take(&mut self, at: usize, verdict: Verdict) {
        let pack = u32::try_from(at).unwrap_or(u32::MAX);
        for chunk in verdict.bad {
            if let Some(at) = self.place_in(chunk, pack) {
                self.bad.set(at);
            }
        }
        if let Some(facts) = self.all.get_mut(at) {
            facts.trouble = verdict.trouble;
            facts.healed = verdict.healed;
            facts.is_read = true;
        }
    }
}

pub fn stop_if_interrupted(observer: &dyn Observer) -> Result<(), Error> {
    if observer.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

/// What reading a pack found.
#[derive(Default)]
struct Verdict {
    trouble: Vec<String>,
    /// Chunks that can't be read from it.
    bad: Vec<ChunkId>,
    /// Those of blocks that only a newer program can decode.
    foreign: Vec<ChunkId>,
    healed: Option<HealedPack>,
}

struct Reader<'a> {
    packs: &'a Packs,
    repository: &'a Repository,
    observer: &'a dyn Observer,
    read: &'a AtomicU64,
}

impl Reader<'_> {
    /// A pack that can't be read is a verdict, not an error.
    fn pack(&self, pack: &PackFacts) -> Result<Verdict, Error> {
        let is_proven =
            |block: &Block| block.chunks.iter().all(|place| self.packs.is_proven(place.chunk, pack.id));
        let verdict = self.whole(pack, &is_proven)?;
        if verdict.trouble.is_empty() { Ok(verdict) } else { self.whole(pack, &|_| false) }
    }

    /// Reads all of it, and decodes all but what is proven.
    fn whole(&self, pack: &PackFacts, is_proven: &dyn Fn(&Block) -> bool) -> Result<Verdict, Error> {
        let mut verdict = Verdict::default();
        let directory = read_directory(self.repository.disk(), pack.id, pack.length);
        let blocks = directory.map(|directory| directory.blocks).unwrap_or_default();
        let mut hasher = self.repository.naming().hasher();
        let mut at = 0;
        for (number, block) in blocks.iter().enumerate() {
            stop_if_interrupted(self.observer)?;
            let read = self.range(pack, at, block.body_offset).and_then(|head| {
                hasher.update(&head);
                self.range(pack, block.body_offset, block.end())
            });
            match read {
                Ok(body) => {
                    hasher.update(&body);
                    if !is_proven(block) {
                        self.block(number, block, &body, &mut verdict);
                    }
                }
                Err(error) => verdict.lose(number, block, &error.to_string()),
            }
            at = block.end();
        }
        self.rest(pack, at, &mut hasher, &mut verdict)?;
        if hasher.pack() != pack.id {
            verdict.trouble.insert(0, "its hash is not its name".to_owned());
        }
        if !verdict.trouble.is_empty() {
            self.heal(pack.id, &mut verdict);
        }
        verdict.bad.append(&mut verdict.foreign);
        Ok(verdict)
    }

    /// Where parity makes the pack whole, nothing in it is lost: its name has proven all of it.
    fn heal(&self, pack: PackId, verdict: &mut Verdict) {
        match self.repository.healed(pack) {
            Ok(whole) => {
                verdict.bad.clear();
                verdict.healed = Some(HealedPack::of(pack, &whole));
            }
            Err(beyond) => verdict.trouble.iter_mut().take(1).for_each(|why| {
                *why = with(std::mem::take(why), &beyond);
            }),
        }
    }

    /// What is behind the blocks; all of it, if the directory can't be read.
    fn rest(
        &self,
        pack: &PackFacts,
        mut at: u64,
        hasher: &mut crate::repo::format::id::Hasher,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        while at < pack.length {
            stop_if_interrupted(self.observer)?;
            let to = at.saturating_add(PIECE).min(pack.length);
            match self.range(pack, at, to) {
                Ok(bytes) => hasher.update(&bytes),
                Err(error) => {
                    verdict.trouble.push(format!("it can't be read from byte {at} on: {error}"));
                    break;
                }
            }
            at = to;
        }
        Ok(())
    }

    fn range(&self, pack: &PackFacts, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let length = to.saturating_sub(from);
        if length == 0 {
            return Ok(Vec::new());
        }
        let bytes = self.repository.disk().read_range(&paths::pack(pack.id), from, length)?;
        self.read.fetch_add(length, Ordering::Relaxed);
        self.observer.event(&Event::Bytes(length));
        Ok(bytes)
    }

    fn block(&self, number: usize, block: &Block, body: &[u8], verdict: &mut Verdict) {
        if block.check_readable().is_err() {
            verdict.foreign.extend(block.chunks.iter().map(|place| place.chunk));
            return;
        }
        let raw = match codec::decode(block.codec, body, block.raw_length) {
            Ok(raw) => raw,
            Err(error) => {
                verdict.lose(number, block, &error.to_string());
                return;
            }
        };
        for place in &block.chunks {
            let from = usize::try_from(place.offset).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(place.length).unwrap_or(usize::MAX));
            let bytes = raw.get(from..to);
            if bytes.is_none_or(|bytes| self.repository.naming().chunk(bytes) != place.chunk) {
                verdict
                    .trouble
                    .push(format!("chunk {} in block {number} is not what its name says", place.chunk));
                verdict.bad.push(place.chunk);
            }
        }
    }
}

impl Verdict {
    fn lose(&mut self, number: usize, block: &Block, why: &str) {
        self.trouble.push(format!("block {number} at byte {}: {why}", block.offset));
        self.bad.extend(block.chunks.iter().map(|place| place.chunk));
    }
}
