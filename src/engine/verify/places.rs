//! Which chunk lies in which pack, sorted by chunk: in memory as long as it fits, then in a temporary `SQLite` file without a name, which goes with
//! its process. What is found out about each of them is a few bits, and stays in memory.

use crate::engine::error::Error;
use crate::engine::temporary;
use crate::engine::temporary::failed;
use crate::repo::format::id::ChunkId;
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are held in memory: 40 MiB.
const HELD: usize = 1 << 20;
/// So many are read at once from a file.
const STEP: u16 = 4096;

const SCHEMA: &str = "
PRAGMA cache_size = -16384;
CREATE TABLE found (chunk BLOB NOT NULL, pack INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE place (at INTEGER PRIMARY KEY, chunk BLOB NOT NULL, pack INTEGER NOT NULL, length INTEGER NOT NULL);
";
const SORT: &str = "
INSERT INTO place (chunk, pack, length) SELECT chunk, pack, length FROM found ORDER BY chunk, pack, length;
DROP TABLE found;
CREATE INDEX place_of_chunk ON place (chunk);
";

/// A chunk in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of all places it is, counted from 0.
    pub at: usize,
    /// The chunk.
    pub chunk: ChunkId,
    /// Its length.
    pub length: u32,
    /// The pack, by its number.
    pub pack: u32,
}

/// Some of all places.
#[derive(Debug, Default)]
pub struct Marks(Vec<u64>);

impl Marks {
    /// Marks one.
    pub fn set(&mut self, at: usize) {
        let word = at / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (at % 64);
        }
    }

    /// Marks all that `other` has.
    pub fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// Whether one is marked.
    pub fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Whether any is.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

type Found = (ChunkId, u32, u32);

/// All places, while they are found.
pub struct Gathering {
    held: Vec<Found>,
    limit: usize,
    file: Option<Connection>,
}

impl Gathering {
    /// None yet.
    pub fn new() -> Self {
        Self::with_limit(HELD)
    }

    fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), limit, file: None }
    }

    /// A chunk lies in a pack, with that length.
    pub fn push(&mut self, chunk: ChunkId, pack: u32, length: u32) -> Result<(), Error> {
        self.held.push((chunk, pack, length));
        if self.held.len() > self.limit { self.spill().map_err(failed) } else { Ok(()) }
    }

    fn spill(&mut self) -> rusqlite::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(temporary::database(SCHEMA)?),
        };
        let begun = file.transaction()?;
        {
            let mut insert = begun.prepare_cached("INSERT INTO found VALUES (?, ?, ?)")?;
            for (chunk, pack, length) in self.held.drain(..) {
                insert.execute(params![chunk.0, pack, length])?;
            }
        }
        begun.commit()
    }

    /// All of them, sorted.
    pub fn sorted(mut self) -> Result<Places, Error> {
        if self.file.is_some() {
            self.spill().map_err(failed)?;
        }
        if let Some(file) = self.file {
            return Places::in_file(file).map_err(failed);
        }
        self.held.sort_unstable();
        Ok(Places::Held(self.held))
    }
}

/// All places, sorted by chunk and pack.
pub enum Places {
    /// In memory.
    Held(Vec<Found>),
    /// In a file.
    Filed(Box<Filed>),
}

/// A temporary file with places.
pub struct Filed {
    count: usize,
    file: Mutex<(Connection, Option<rusqlite::Error>)>,
}

impl Default for Places {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl Places {
    fn in_file(mut file: Connection) -> rusqlite::Result<Self> {
        let begun = file.transaction()?;
        begun.execute_batch(SORT)?;
        begun.commit()?;
        let count = file.query_row("SELECT count(*) FROM place", [], |row| row.get::<_, i64>(0))?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Self::Filed(Box::new(Filed { count, file: Mutex::new((file, None)) })))
    }

    /// How many there are; a chunk that lies in several packs counts for each.
    pub fn len(&self) -> usize {
        match self {
            Self::Held(held) => held.len(),
            Self::Filed(filed) => filed.count,
        }
    }

    /// The places of a chunk.
    pub fn of(&self, chunk: ChunkId) -> Vec<Place> {
        match self {
            Self::Held(held) => {
                let from = held.partition_point(|found| found.0 < chunk);
                let rest = held.get(from..).unwrap_or_default();
                (from..).zip(rest).take_while(|(_, found)| found.0 == chunk).map(place).collect()
            }
            Self::Filed(filed) => filed.ask("WHERE chunk = ? ORDER BY at", params![chunk.0]),
        }
    }

    /// Hands out all places, those of one chunk together.
    pub fn each_chunk(&self, each: &mut dyn FnMut(&[Place]) -> Result<(), Error>) -> Result<(), Error> {
        let mut together: Vec<Place> = Vec::new();
        let mut from = 0;
        while from < self.len() {
            let step = self.step(from);
            if step.is_empty() {
                break;
            }
            from = from.saturating_add(step.len());
            for place in step {
                if together.first().is_some_and(|first| first.chunk != place.chunk) {
                    each(&together)?;
                    together.clear();
                }
                together.push(place);
            }
        }
        if !together.is_empty() {
            each(&together)?;
        }
        self.check()
    }

    /// Some places, from one on.
    fn step(&self, from: usize) -> Vec<Place> {
        match self {
            Self::Held(held) => {
                let rest = held.get(from..).unwrap_or_default();
                (from..).zip(rest).take(usize::from(STEP)).map(place).collect()
            }
            Self::Filed(filed) => {
                let from = i64::try_from(from).unwrap_or(i64::MAX);
                filed.ask("WHERE at > ? ORDER BY at LIMIT ?", params![from, STEP])
            }
        }
    }

    /// Whether all that was asked was answered: an answer that could not be had looks like no place.
    pub fn check(&self) -> Result<(), Error> {
        let Self::Filed(filed) = self else { return Ok(()) };
        filed.lock().1.take().map_or(Ok(()), |error| Err(failed(error)))
    }
}

impl Filed {
    fn lock(&self) -> MutexGuard<'_, (Connection, Option<rusqlite::Error>)> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, which: &str, parameters: &[&dyn rusqlite::ToSql]) -> Vec<Place> {
        let mut file = self.lock();
        match read(&file.0, which, parameters) {
            Ok(places) => places,
            Err(error) => {
                file.1.get_or_insert(error);
                Vec::new()
            }
        }
    }
}

fn read(file: &Connection, which: &str, parameters: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Place>> {
    let mut ask = file.prepare_cached(&format!("SELECT at, chunk, pack, length FROM place {which}"))?;
    ask.query_map(parameters, filed_place)?.collect()
}

fn filed_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    // They are counted from 1 there.
    let at = usize::try_from(row.get::<_, i64>(0)?.saturating_sub(1)).unwrap_or(usize::MAX);
    Ok(Place { at, chunk: ChunkId(row.get(1)?), pack: row.get(2)?, length: row.get(3)? })
}

fn place((at, (chunk, pack, length)): (usize, &Found)) -> Place {
    Place { at, chunk: *chunk, pack: *pack, length: *length }
}

/// The packs of some places.
pub fn packs_of(places: &[Place]) -> BTreeSet<usize> {
    places.iter().filter_map(|place| usize::try_from(place.pack).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks of which some lie in several packs.
    fn gathered(limit: usize, count: u64) -> Places {
        let mut random = fastrand::Rng::with_seed(7);
        let mut gathering = Gathering::with_limit(limit);
        for at in 0..count {
            let mut chunk = [0; 32];
            chunk[..8].copy_from_slice(&random.u64(..count / 2).to_be_bytes());
            gathering
                .push(ChunkId(chunk), u32::try_from(at % 97).unwrap(), u32::try_from(at % 7).unwrap())
                .unwrap();
        }
        gathering.sorted().unwrap()
    }

    fn all(places: &Places) -> Vec<Vec<Place>> {
        let mut all = Vec::new();
        places
            .each_chunk(&mut |together| {
                all.push(together.to_vec());
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn what_does_not_fit_into_memory_is_the_same_in_a_file() {
        let (held, filed) = (gathered(usize::MAX, 10_000), gathered(300, 10_000));
        assert!(matches!(held, Places::Held(_)) && matches!(filed, Places::Filed(_)));
        let expected = all(&held);
        assert!(expected.iter().any(|together| together.len() > 2) && expected.len() > usize::from(STEP));
        assert!(expected.iter().flatten().map(|place| place.at).eq(0..10_000));
        assert!(expected == all(&filed));
        for together in expected.iter().step_by(97) {
            assert_eq!((&held.of(together[0].chunk), &filed.of(together[0].chunk)), (together, together));
        }
        assert_eq!((held.of(ChunkId([9; 32])), filed.of(ChunkId([9; 32]))), (Vec::new(), Vec::new()));
        assert!(filed.check().is_ok());
    }

    #[test]
    fn an_answer_that_can_not_be_had_is_no_answer() {
        let places = gathered(300, 1_000);
        let Places::Filed(filed) = &places else { panic!("it is in memory") };
        let first = places.step(0)[0].chunk;
        filed.lock().0.execute_batch("DROP TABLE place").unwrap();
        assert_eq!(places.of(first), Vec::new());
        assert!(matches!(places.check(), Err(Error::Temporary { .. })));
        assert!(places.each_chunk(&mut |_| Ok(())).is_err());
    }

    #[test]
    fn marks_are_kept_one_by_one() {
        let mut marks = Marks::default();
        assert!(marks.is_empty());
        for at in [3, 64, 700] {
            marks.set(at);
        }
        let mut more = Marks::default();
        more.add(&marks);
        assert!((0..800).all(|at| more.has(at) == [3, 64, 700].contains(&at)) && !more.is_empty());
    }

    /// `SEGVAULT_PLACES=10000000` measures what so many take.
    #[test]
    fn ten_million_take_little_memory() {
        let Some(count) = std::env::var("SEGVAULT_PLACES").ok().and_then(|count| count.parse().ok()) else {
            return;
        };
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
        };
        let begun = std::time::Instant::now();
        let places = gathered(HELD, count);
        println!("{} sorted in {:?}, {}", places.len(), begun.elapsed(), resident());
        let mut marks = Marks::default();
        places
            .each_chunk(&mut |together| {
                for place in together {
                    marks.set(place.at);
                }
                Ok(())
            })
            .unwrap();
        println!("all read after {:?}, {}", begun.elapsed(), resident());
    }
}
