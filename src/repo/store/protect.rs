//! Parity beside the packs: written for what a session has made durable, used where a pack turns out to be damaged.

use crate::repo::codec::Compression;
use crate::repo::error::Error;
use crate::repo::format::id::PackId;
use crate::repo::format::pack::{self, Block, Directory, Header, PackKind};
use crate::repo::index::{Place, read_directory};
use crate::repo::parity;
use crate::repo::parity::{Beyond, Healed, Worth};
use crate::repo::paths;
use crate::repo::store::blocks::ReadBlock;
use crate::repo::store::cache::BlockCache;
use crate::repo::store::read::Repository;
use crate::repo::store::session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// So many bytes of damaged packs are held whole; what is asked for beyond that is made again each time.
const HELD: u64 = 64 << 20;

/// What was healed in this run: a pack, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HealedPack {
    /// The pack.
    pub pack: PackId,
    /// Damaged ranges in it.
    pub ranges: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl HealedPack {
    /// What was healed of a pack.
    pub fn of(pack: PackId, healed: &Healed) -> Self {
        Self { pack, ranges: healed.ranges(), bytes: healed.damaged_bytes() }
    }
}

impl fmt::Display for HealedPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.ranges == 1 { "" } else { "s" };
        write!(f, "{} damaged range{plural}, {} bytes", self.ranges, self.bytes)
    }
}

/// Damaged packs that parity was asked for.
pub(super) struct Healer {
    asked: Mutex<Asked>,
    /// Blocks of them that were read last: none of these may pass for one of a good pack.
    pub blocks: BlockCache,
}

#[derive(Default)]
struct Asked {
    answers: BTreeMap<PackId, Result<Arc<Healed>, Arc<Beyond>>>,
    healed: BTreeMap<PackId, HealedPack>,
    /// Packs that were read by a directory which the index has from their parity.
    relied_on: BTreeSet<PackId>,
}

/// What was healed in the repositories that were opened with this: by the files of the packs. Clones are the same one.
#[derive(Clone, Default)]
pub struct Healings(Arc<Mutex<BTreeMap<String, HealedPack>>>);

impl Healings {
    fn add(&self, file: String, pack: HealedPack) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(file, pack);
    }

    fn remove(&self, file: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(file);
    }

    /// All since it was asked last.
    pub fn take(&self) -> BTreeMap<String, HealedPack> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Healer {
    pub fn new(cache: usize) -> Self {
        Self { asked: Mutex::default(), blocks: BlockCache::new(cache) }
    }
}

impl Asked {
    fn held(&self) -> u64 {
        self.answers.values().flatten().map(|healed| healed.held()).sum()
    }
}

impl Repository {
    /// The pack as it was, with what its parity makes of the damaged parts.
    pub fn healed(&self, pack: PackId) -> Result<Arc<Healed>, Arc<Beyond>> {
        let mut asked = self.healer.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = asked.answers.get(&pack) {
            return answer.clone();
        }
        let answer = Healed::make(self.disk(), self.naming(), pack).map(Arc::new).map_err(Arc::new);
        if let Ok(healed) = &answer
            && healed.ranges() > 0
        {
            let healed = HealedPack::of(pack, healed);
            asked.healed.insert(pack, healed);
            self.options.healings.add(self.disk().display(&paths::pack(pack)), healed);
        }
        if asked.held() > HELD {
            asked.answers.clear();
        }
        asked.answers.insert(pack, answer.clone());
        answer
    }

    /// A chunk was read whose place the index may have from a pack's parity: then that counts as any other healing.
    pub(super) fn relied_on(&self, place: &Place) {
        let is_first = || {
            let mut asked = self.healer.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.relied_on.insert(place.pack)
        };
        if place.healed && is_first() {
            // What was wrong with the pack may be mended meanwhile; if it can't be told any more, the chunk is right all the same.
            let _ = self.healed(place.pack);
        }
    }

    /// The packs that were read with the help of their parity so far.
    pub fn healed_packs(&self) -> Vec<HealedPack> {
        let asked = self.healer.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.healed.values().copied().collect()
    }

    /// A report has all of that: nobody else need tell it.
    pub fn healed_is_told(&self) {
        for healed in self.healed_packs() {
            self.options.healings.remove(&self.disk().display(&paths::pack(healed.pack)));
        }
    }

    /// A report names these files of packs that were healed: nobody else need tell of them.
    pub fn healed_is_told_of<'f>(&self, files: impl Iterator<Item = &'f str>) {
        files.for_each(|file| self.options.healings.remove(file));
    }

    /// The directory of a pack of this length; where it is damaged, as its parity knows it.
    pub fn directory(&self, pack: PackId, length: u64) -> Option<Directory> {
        let read = read_directory(self.disk(), pack, length).ok();
        read.or_else(|| self.healed(pack).ok()?.directory(self.disk()).ok())
    }

    /// The header of a pack of this kind; where it is damaged, as its parity knows it. One that can't be read counts as that of a writer with the
    /// default settings.
    pub fn header(&self, pack: PackId, kind: PackKind) -> Header {
        let path = paths::pack(pack);
        let parsed = |bytes: io::Result<Vec<u8>>| {
            let header = pack::parse_header(&bytes.ok()?).ok()?;
            (header.kind == kind).then_some(header)
        };
        let healed = || {
            let healed = self.healed(pack).ok()?;
            parsed(healed.read_range(self.disk(), 0, pack::HEADER_LENGTH))
        };
        let read = parsed(self.disk().read_range(&path, 0, pack::HEADER_LENGTH)).or_else(healed);
        read.unwrap_or(Header { effort: Compression::default().number(), ..Header::of(kind) })
    }

    /// The same as [`Repository::block`]; where the block is damaged, as its pack's parity knows it.
    pub fn block_or_healed(&self, pack: PackId, block: &Block) -> Result<ReadBlock, Error> {
        self.block(pack, block).or_else(|error| {
            let healed = self.healed(pack).map_err(|_| error)?;
            self.block_by(pack, block, &|offset, length| healed.read_range(self.disk(), offset, length))
        })
    }

    /// The parity of a pack, so many hundredths of it. `Damaged` if the pack is not what its name says.
    pub fn parity_of(&self, pack: PackId, percent: u8) -> Result<Vec<u8>, Error> {
        parity::make(self.disk(), self.naming(), pack, percent)
    }

    /// The packs that have no parity, or one that is damaged, with what is wrong; `whole` reads the parity too.
    pub fn without_parity(&self, whole: bool) -> Result<Vec<(PackId, Option<String>)>, Error> {
        let mut found = Vec::new();
        for pack in paths::packs(self.disk())?.into_keys() {
            match parity::check(self.disk(), pack, whole) {
                Worth::Whole => {}
                Worth::None => found.push((pack, None)),
                Worth::Damaged(why) => found.push((pack, Some(why))),
            }
        }
        Ok(found)
    }
}

impl Session<'_> {
    /// Writes the parity of a pack; what stood in its place is kept. Made by [`Repository::parity_of`].
    pub fn put_parity(&mut self, pack: PackId, bytes: &[u8]) -> Result<(), Error> {
        self.guarded(|session| session.write_parity(pack, bytes))
    }

    /// The same for what a barrier has made durable, where the repository is to have parity.
    pub(super) fn protect_new(&mut self, packs: &[(PackId, u64)]) -> Result<(), Error> {
        let Some(percent) = self.repository.config.parity else { return Ok(()) };
        for (pack, _) in packs {
            if parity::check(self.repository.disk(), *pack, true) != Worth::Whole {
                let bytes = self.repository.parity_of(*pack, percent)?;
                self.write_parity(*pack, &bytes)?;
            }
        }
        Ok(())
    }

    fn write_parity(&mut self, pack: PackId, bytes: &[u8]) -> Result<(), Error> {
        let disk = self.repository.disk();
        let made = disk.create_directory(paths::PARITY).and_then(|_| disk.sync_directory(""));
        made.map_err(|source| Error::writing(disk.display(paths::PARITY), source))?;
        self.mend(&paths::parity(pack), bytes)?;
        self.tally.file_bytes = self.tally.file_bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }
}
