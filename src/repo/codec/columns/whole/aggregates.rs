//! Which aggregate an event is of. Shared by writer and reader.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::whole::NONE;

/// It is a new one.
const NEW: u32 = 0;
/// It is the one that followed the last one before.
const AGAIN: u32 = 1;
/// A number says which one it is.
const NAMED: u32 = 2;
/// It is one of the most recent ones.
const RECENT: u32 = 3;
/// How many of these there are.
const RECENTS: usize = 16;

/// Aggregates, numbered as they come.
#[derive(Debug)]
pub(super) struct Aggregates {
    streams: u32,
    number: Number,
    /// Behind each aggregate the one that followed it last.
    followers: Vec<u32>,
    recent: [u32; RECENTS],
}

impl Aggregates {
    pub(super) fn new<C: Coder>(coder: &mut C) -> Self {
        let streams = coder.allocate(0, 2);
        Self { streams, number: Number::default(), followers: Vec::new(), recent: [NONE; RECENTS] }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.followers.len()
    }

    /// Codes the next event's aggregate; none if what is read names none.
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, is_later: bool, aggregate: u32) -> Option<u32> {
        let [last, ..] = self.recent;
        let follower = self.followers.get(last as usize).copied().unwrap_or(NONE);
        let op = self.op(follower, aggregate);
        let aggregate = match coder.symbol(self.streams + u32::from(is_later), 8, op) {
            NEW => self.add(),
            AGAIN => follower,
            NAMED => u32::try_from(self.number.code(coder, u64::from(aggregate))).unwrap_or(NONE),
            recent => self.recent.get((recent - RECENT) as usize).copied().unwrap_or(NONE),
        };
        self.followers.get(aggregate as usize)?;
        if let Some(follower) = self.followers.get_mut(last as usize) {
            *follower = aggregate;
        }
        self.touch(aggregate);
        Some(aggregate)
    }

    fn add(&mut self) -> u32 {
        self.followers.push(NONE);
        self.followers.len() as u32 - 1
    }

    fn op(&self, follower: u32, aggregate: u32) -> u32 {
        if aggregate as usize == self.followers.len() {
            return NEW;
        }
        if aggregate == follower {
            return AGAIN;
        }
        let rank = self.recent.iter().position(|recent| *recent == aggregate);
        rank.map_or(NAMED, |rank| RECENT + rank as u32)
    }

    /// Moves an aggregate to the front.
    fn touch(&mut self, aggregate: u32) {
        let mut moved = aggregate;
        for place in &mut self.recent {
            let before = std::mem::replace(place, moved);
            if before == aggregate {
                return;
            }
            moved = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::streams::StreamReader;
    use crate::repo::codec::columns::streams::StreamWriter;

    #[test]
    fn aggregates_come_back_in_their_order() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut count = 0;
        let all: Vec<(bool, u32)> = (0..5000)
            .map(|_| {
                let aggregate = random.u32(..=count) & random.u32(..);
                count += u32::from(aggregate == count);
                (random.bool(), aggregate)
            })
            .collect();
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        let mut aggregates = Aggregates::new(&mut writer);
        for (later, aggregate) in &all {
            assert_eq!(aggregates.code(&mut writer, *later, *aggregate), Some(*aggregate));
        }
        writer.finish(all.len(), &mut bytes).unwrap();
        let mut reader = StreamReader::new(&bytes, all.len()).unwrap();
        let mut aggregates = Aggregates::new(&mut reader);
        for (later, aggregate) in &all {
            assert_eq!(aggregates.code(&mut reader, *later, 0), Some(*aggregate));
        }
        assert_eq!(aggregates.count(), count as usize);
    }

    /// What these operations read, with the number 5 wherever one is asked for.
    fn read(ops: &[u32]) -> Vec<Option<u32>> {
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        let stream = writer.allocate(0, 2);
        let mut number = Number::default();
        for op in ops {
            writer.symbol(stream, 8, *op);
            number.code(&mut writer, 5);
        }
        writer.finish(100, &mut bytes).unwrap();
        let mut reader = StreamReader::new(&bytes, 100).unwrap();
        let mut aggregates = Aggregates::new(&mut reader);
        ops.iter().map(|_| aggregates.code(&mut reader, false, 0)).collect()
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        assert_eq!(read(&[NEW, NEW, RECENT, RECENT + 1]), [0, 1, 1, 0].map(Some));
        assert_eq!(read(&[NEW, NEW, RECENT + 1, AGAIN, AGAIN]), [0, 1, 0, 1, 0].map(Some));
        for wrong in [AGAIN, NAMED, RECENT, RECENT + 1, RECENT + 15, RECENT + 16, 255] {
            assert_eq!(read(&[NEW, wrong])[1], Some(0).filter(|_| wrong == RECENT), "{wrong}");
        }
    }
}
