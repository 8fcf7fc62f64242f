//! With `data`: the history itself. Every segment that points and newest records reach is parsed from its stored chunks: CRC-32, tokens, counts,
//! times, hashes, and the prefixes that points claim.

use crate::axon::segment::Ending;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::proof::{Mark, Proven, Prover};
use crate::engine::verify::book::{Book, EntryId, Part};
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::pages::{Pages, chunks_of};
use crate::engine::verify::places::Marks;
use crate::engine::verify::point_logs::Asked;
use crate::engine::verify::report::{Class, Counts};
use crate::engine::verify::times::Met;
use crate::repo;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::{ChunkId, ContentHash, PageId};
use crate::repo::format::time_map::TimeMap;
use crate::repo::store::Repository;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

const ADVICE: &str = "the stored bytes are those that were archived, but not the history they are said to be: keep the repository as it is \
                      and run 'segvault verify --against' the source";
const ADVICE_TIME_MAP: &str =
    "restoring by tokens is not hurt; run 'segvault repair from' a copy of the repository";

/// Proves segments.
pub struct History<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Watches.
    pub observer: &'a dyn Observer,
    /// Pages and segments.
    pub pages: &'a Pages<'a>,
    /// Which chunks can be read.
    pub packs: &'a Packs,
    /// What claims ask, and of which points.
    pub asked: &'a BTreeMap<Asked, Vec<u64>>,
    /// Segments that were proven, or can't be.
    pub done: HashSet<EntryId>,
    /// The times of what claims ask, where it was found.
    pub met: Met,
    /// Where the chunks stand that were read for it, by their places in [`Packs::places`].
    pub read: Marks,
    /// Whether what can't be read is left for later, when more is known of the packs.
    pub leaves_unread: bool,
    /// Which segments to prove.
    pub wanted: &'a (dyn Fn(EntryId, &SegmentEntry) -> bool + Sync),
}

impl History<'_> {
    /// Proves all segments of these leaves, and these tails.
    pub fn prove_all(
        &mut self,
        leaves: &[PageId],
        tails: &[SegmentEntry],
        counts: &mut Counts,
        book: &mut Book,
    ) -> Result<(), Error> {
        if self.leaves_unread {
            self.observer.event(&Event::Phase { name: "history", total: Some(self.bytes_of(leaves)) });
        }
        for leaf in leaves {
            self.prove_some(&self.pages.load_leaf(*leaf), counts, book)?;
        }
        self.prove_some(tails, counts, book)
    }

    /// Valid bytes of the segments under these leaves.
    fn bytes_of(&self, leaves: &[PageId]) -> u64 {
        let all: HashSet<_> = leaves.iter().flat_map(|leaf| self.pages.entries_of(*leaf)).collect();
        all.iter().filter_map(|id| self.pages.known(**id)).map(|known| known.logical_end).sum()
    }

    /// Those that were not proven yet, on all cores; what was found is told in their order.
    fn prove_some(
        &mut self,
        entries: &[SegmentEntry],
        counts: &mut Counts,
        book: &mut Book,
    ) -> Result<(), Error> {
        let mut fresh: Vec<(EntryId, &SegmentEntry)> = Vec::new();
        for entry in entries {
            // What is lost has its finding already.
            let is_lost = || chunks_of(entry).any(|(chunk, length)| !self.packs.has(chunk, length));
            fresh.extend(
                self.pages
                    .id_of(entry)
                    .filter(|id| (self.wanted)(*id, entry) && !self.done.contains(id))
                    .filter(|id| !is_lost() && self.done.insert(*id))
                    .map(|id| (id, entry)),
            );
        }
        let read = fresh.par_iter().map(|(id, entry)| self.read(*id, entry)).collect::<Vec<_>>();
        for ((id, entry), read) in fresh.into_iter().zip(read) {
            stop_if_interrupted(self.observer)?;
            match read {
                Ok(Read { proven, places, time_map }) => {
                    for at in places {
                        self.read.set(at);
                    }
                    self.enter_proven(id, entry, &proven, counts, book);
                    enter_time_map(id, entry, time_map, book);
                }
                Err(repo::Error::Interrupted) => return Err(Error::Interrupted),
                Err(_) if self.leaves_unread => drop(self.done.remove(&id)),
                // What a newer program wrote is told of its pack.
                Err(repo::Error::Unsupported { .. }) => {}
                Err(error) => enter(id, entry, &format!("it can't be read: {error}"), book),
            }
        }
        Ok(())
    }

    fn enter_proven(
        &mut self,
        id: EntryId,
        entry: &SegmentEntry,
        proven: &Proven,
        counts: &mut Counts,
        book: &mut Book,
    ) {
        counts.proven_segments += 1;
        counts.proven_transactions += proven.transactions;
        counts.proven_events += proven.events;
        for fault in faults(entry, proven) {
            enter(id, entry, &fault, book);
        }
        self.met.extend(proven.met.iter().map(|(mark, times)| (Asked::of(id, mark), *times)));
        self.enter_missed(id, entry, proven, book);
    }

    /// Proves a segment.
    fn read(&self, id: EntryId, entry: &SegmentEntry) -> Result<Read, repo::Error> {
        let marks = self.asked_of(id).map(|(asked, _)| asked.mark()).collect();
        let naming = self.repository.naming();
        let (map, unusable) = self.time_map(entry);
        let reading = Prover::new(naming, entry.name.number, entry.stored_length).with_marks(marks);
        let reading = reading.with_time_map(map);
        let mut reading = if entry.flaw.is_some() { reading.with_whole() } else { reading };
        let mut places = Vec::with_capacity(entry.extents.len());
        self.repository.read_chunks(&entry.extents, &mut |bytes, chunk, pack| {
            reading.feed(bytes);
            places.extend(self.packs.place(chunk, pack));
            self.observer.event(&Event::Bytes(bytes.len() as u64));
            if self.observer.interrupted() { Err(repo::Error::Interrupted) } else { Ok(()) }
        })?;
        let proven = reading.finish();
        let lies = || "it says other times, tokens or places than the segment has".to_owned();
        let time_map = unusable.or_else(|| proven.time_map_differs.then(lies));
        Ok(Read { proven, places, time_map })
    }

    fn asked_of(&self, id: EntryId) -> impl Iterator<Item = (&Asked, &Vec<u64>)> {
        let least = Asked { entry: id, length: 0, content: ContentHash([0; 32]), next: Token::ZERO };
        self.asked.range(least..).take_while(move |(asked, _)| asked.entry == id)
    }

    /// Claims that the segment does not hold: the points are hit, the segment is not.
    fn enter_missed(&self, id: EntryId, entry: &SegmentEntry, proven: &Proven, book: &mut Book) {
        let missed: HashSet<&Mark> = proven.missed.iter().collect();
        let mut asked = self.asked_of(id).filter(|(asked, _)| missed.contains(&asked.mark())).peekable();
        let Some((least, _)) = asked.peek() else { return };
        let text = format!(
            "segment {}: its first {} bytes, before token {}, are not those that points claim{}",
            entry.name,
            least.length,
            least.next,
            if missed.len() > 1 {
                format!("; nor are {} longer prefixes", missed.len() - 1)
            } else {
                String::new()
            }
        );
        let number = book.add(Class::Damage, "claim", text, ADVICE);
        for point in asked.flat_map(|(_, points)| points) {
            book.hits_point(number, *point);
        }
    }

    /// The time map, or why it can't be used.
    fn time_map(&self, entry: &SegmentEntry) -> (Option<TimeMap>, Option<String>) {
        let Some(chunk) = entry.time_map else { return (None, None) };
        let read = self.repository.chunk(chunk).map_err(|error| error.to_string());
        let map = read.and_then(|bytes| TimeMap::decode(&bytes).map_err(|damage| damage.to_string()));
        match map {
            Ok(map) => (Some(map), None),
            Err(why) => (None, Some(why)),
        }
    }
}

/// What came of reading a segment.
struct Read {
    proven: Proven,
    /// Where the chunks stand that were read for it.
    places: Vec<usize>,
    /// What is wrong with its time map.
    time_map: Option<String>,
}

fn enter_time_map(id: EntryId, entry: &SegmentEntry, why: Option<String>, book: &mut Book) {
    let Some(why) = why else { return };
    let text = format!("the time map of segment {} can't be used: {why}", entry.name);
    let number = book.add(Class::Damage, "time-map", text, ADVICE_TIME_MAP);
    book.hits(number, Part::Entry(id));
}

fn enter(id: EntryId, entry: &SegmentEntry, why: &str, book: &mut Book) {
    let number = book.add(Class::Damage, "segment", format!("segment {}: {why}", entry.name), ADVICE);
    book.hits(number, Part::Entry(id));
}

/// Where a segment is not what its entry says.
fn faults(entry: &SegmentEntry, proven: &Proven) -> Vec<String> {
    let mut faults = Vec::new();
    if proven.whole.unwrap_or(proven.content) != entry.content {
        faults.push("the hash of its bytes is another".to_owned());
    }
    if proven.logical_end != entry.logical_end {
        faults
            .push(format!("its transactions end at byte {}, not {}", proven.logical_end, entry.logical_end));
    }
    if (proven.events, proven.transactions) != (entry.events, entry.transactions) {
        faults.push(format!(
            "it holds {} events in {} transactions, not {} in {}",
            proven.events, proven.transactions, entry.events, entry.transactions
        ));
    }
    if entry.times.is_some() && proven.times != entry.times {
        faults.push("the times of its events are others".to_owned());
    }
    if let (None, Ending::Stopped(reason)) = (entry.flaw, proven.ending) {
        faults.push(format!("damaged at byte {}: {reason}", proven.logical_end));
    }
    faults
}

/// What needs a chunk that is in no pack any more.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// For each such chunk, what needs it.
    pub parts: BTreeMap<ChunkId, BTreeSet<Part>>,
}

impl Lost {
    /// Looks for the chunks of a segment.
    pub fn look(&mut self, packs: &Packs, id: EntryId, entry: &SegmentEntry) {
        for (chunk, length) in chunks_of(entry) {
            self.look_for(packs, Part::Entry(id), chunk, length);
        }
    }

    /// Looks for one chunk.
    pub fn look_for(&mut self, packs: &Packs, part: Part, chunk: ChunkId, length: Option<u32>) {
        if !packs.has(chunk, length) {
            self.parts.entry(chunk).or_default().insert(part);
        }
    }
}
