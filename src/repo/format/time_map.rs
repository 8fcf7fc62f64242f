//! Time maps: where in a segment the times of its events lie, so that a moment is found without reading the segment.
//!
//! Nothing guarantees that times rise with the tokens: a mark says the least and the greatest time of its run of transactions, and a
//! search has to look at every mark.

use crate::axon::time::Timestamp;
use crate::axon::token::Token;
use crate::repo::format::Damage;
use crate::repo::format::limits;
use crate::repo::format::wire::Reader;
use crate::repo::format::wire::Writer;

/// The first bytes of a time map.
pub const MAGIC: [u8; 8] = *b"SEGVTIME";
/// The version of time maps that this program writes.
pub const VERSION: u16 = 1;

/// The least bytes that a mark takes.
const MARK_LENGTH_LEAST: usize = 5;

/// The end of a run of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where the run's last transaction ends in the segment, in bytes.
    pub end_offset: u64,
    /// Token of the event behind it.
    pub next_token: Token,
    /// Transactions (counted as blocks) from the head of the segment to here.
    pub transactions: u64,
    /// The least time in the run.
    pub least: Timestamp,
    /// The greatest time in the run.
    pub greatest: Timestamp,
}

/// The marks of a segment, front to back; the first run begins with the segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeMap {
    /// The marks.
    pub marks: Vec<Mark>,
}

impl TimeMap {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array("magic", &MAGIC);
        writer.u16("version", VERSION);
        writer.reserved::<2>();
        writer.count("marks", self.marks.len());
        let mut before = Mark::ORIGIN;
        for mark in &self.marks {
            mark.write(writer, &before);
            before = *mark;
        }
    }

    /// Reads a time map. Offsets and tokens rise.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut reader = Reader::new(bytes);
        reader.check(bytes.len() as u64 <= u64::from(limits::CHUNK_MAX), "a time map that is too long")?;
        reader.magic(&MAGIC)?;
        reader.version("a time map of version", VERSION)?;
        reader.reserved::<2>()?;
        let count = reader.count(MARK_LENGTH_LEAST)?;
        let mut marks = Vec::with_capacity(count);
        let mut before = Mark::ORIGIN;
        for _ in 0..count {
            before = Mark::read(&mut reader, &before)?;
            marks.push(before);
        }
        reader.finish()?;
        Ok(Self { marks })
    }
}

impl Mark {
    pub(crate) const ORIGIN: Self = Self {
        end_offset: 0,
        next_token: Token::ZERO,
        transactions: 0,
        least: Timestamp(0),
        greatest: Timestamp(0),
    };

    /// As differences to the mark before; those of times go round at 64 bits, so that any time can be said.
    pub(crate) fn write(&self, writer: &mut Writer, before: &Self) {
        writer.varint("end offset", self.end_offset.wrapping_sub(before.end_offset));
        writer.varint("next token", self.next_token.get().wrapping_sub(before.next_token.get()));
        writer.varint("transactions", self.transactions.wrapping_sub(before.transactions));
        writer.zigzag("least", self.least.0.wrapping_sub(before.least.0));
        writer.varint("greatest", self.greatest.0.wrapping_sub(self.least.0).cast_unsigned());
    }

    fn read(reader: &mut Reader<'_>, before: &Self) -> Result<Self, Damage> {
        let end_offset = before.end_offset.checked_add(rise(reader)?);
        let next_token = before.next_token.plus(rise(reader)?);
        let transactions = before.transactions.checked_add(rise(reader)?);
        let (Some(end_offset), Some(next_token), Some(transactions)) = (end_offset, next_token, transactions)
        else {
            return Err(reader.damage("a mark past the largest offset, token or count"));
        };
        let least = before.least.0.wrapping_add(reader.zigzag()?);
        let greatest = least.wrapping_add(reader.varint()?.cast_signed());
        reader.check(least <= greatest, "a greatest time below the least")?;
        Ok(Self {
            end_offset,
            next_token,
            transactions,
            least: Timestamp(least),
            greatest: Timestamp(greatest),
        })
    }
}

fn rise(reader: &mut Reader<'_>) -> Result<u64, Damage> {
    let by = reader.varint()?;
    reader.check(by > 0, "a mark that is not behind the one before")?;
    Ok(by)
}

/// A block of a segment, as a time map sees it.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Where it ends in the segment.
    pub end_offset: u64,
    /// Token of the event behind it.
    pub next_token: Token,
    /// The least time in it.
    pub least: Timestamp,
    /// The greatest time in it.
    pub greatest: Timestamp,
    /// Whether it belongs together with the block behind it: then no mark stands between them.
    pub is_continued: bool,
}

/// Makes a time map while a segment is read.
#[derive(Clone, Debug, Default)]
pub struct TimeMapBuilder {
    map: TimeMap,
    pending: Option<Mark>,
}

impl TimeMapBuilder {
    /// At the head of a segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next block. One that does not lie behind the one before is left out.
    pub fn push(&mut self, block: Block) {
        let Block { end_offset, next_token, .. } = block;
        let begin = self.map.marks.last().copied().unwrap_or(Mark::ORIGIN);
        let before = self.pending.unwrap_or(begin);
        if end_offset <= before.end_offset || next_token <= before.next_token {
            return;
        }
        let (low, high) = (block.least.min(block.greatest), block.greatest.max(block.least));
        let (least, greatest) =
            self.pending.map_or((low, high), |run| (run.least.min(low), run.greatest.max(high)));
        let transactions = before.transactions.saturating_add(1);
        let run = Mark { end_offset, next_token, transactions, least, greatest };
        if end_offset.saturating_sub(begin.end_offset) >= limits::TIME_MAP_STEP && !block.is_continued {
            self.map.marks.push(run);
            self.pending = None;
        } else {
            self.pending = Some(run);
        }
    }

    /// The map of all that was pushed: its last mark stands at the end of the last transaction.
    pub fn finish(mut self) -> TimeMap {
        self.map.marks.extend(self.pending);
        self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(position: u64) -> Token {
        Token::new(position).unwrap()
    }

    /// As many transactions as tokens.
    fn mark(end_offset: u64, next: u64, least: i64, greatest: i64) -> Mark {
        let (least, greatest) = (Timestamp(least), Timestamp(greatest));
        Mark { end_offset, next_token: token(next), transactions: next, least, greatest }
    }

    fn block(end_offset: u64, next: u64, least: i64, greatest: i64) -> Block {
        let (least, greatest) = (Timestamp(least), Timestamp(greatest));
        Block { end_offset, next_token: token(next), least, greatest, is_continued: false }
    }

    #[test]
    fn a_map_has_a_mark_every_so_many_bytes_and_one_at_the_end() {
        let mut builder = TimeMapBuilder::new();
        for index in 1..=1000_u64 {
            let at = 1000 - i64::try_from(index).unwrap();
            builder.push(block(5 + index * 1024, index, at, at + 5));
        }
        let map = builder.finish();
        assert_eq!(
            map.marks,
            [
                mark(5 + 256 * 1024, 256, 744, 1004),
                mark(5 + 512 * 1024, 512, 488, 748),
                mark(5 + 768 * 1024, 768, 232, 492),
                mark(5 + 1000 * 1024, 1000, 0, 236),
            ]
        );
        assert_eq!(TimeMap::decode(&map.encode()), Ok(map));
    }

    #[test]
    fn any_times_and_the_largest_offsets_come_back() {
        let map = TimeMap {
            marks: vec![
                mark(1, 1, i64::MAX, i64::MAX),
                mark(2, 2, i64::MIN, i64::MAX),
                mark(3, 3, i64::MIN, i64::MIN),
                mark(u64::MAX, i64::MAX.cast_unsigned(), -1, 0),
            ],
        };
        assert_eq!(TimeMap::decode(&map.encode()), Ok(map));
        assert_eq!(TimeMap::decode(&TimeMap::default().encode()), Ok(TimeMap::default()));
    }

    #[test]
    fn a_segment_that_begins_with_a_late_token_has_a_map_too() {
        let mut builder = TimeMapBuilder::new();
        builder.push(block(50, 805, 3, 3));
        builder.push(block(50, 806, 9, 9));
        builder.push(block(60, 805, 9, 9));
        let map = builder.finish();
        assert_eq!(map.marks, [Mark { transactions: 1, ..mark(50, 805, 3, 3) }]);
        assert_eq!(TimeMap::decode(&map.encode()), Ok(map));
    }

    #[test]
    fn no_mark_stands_inside_a_transaction_of_several_blocks() {
        let mut builder = TimeMapBuilder::new();
        let long = limits::TIME_MAP_STEP;
        builder.push(Block { is_continued: true, ..block(long, 32_767, 1, 9) });
        builder.push(block(2 * long, 32_800, 0, 3));
        builder.push(block(2 * long + 1, 32_801, 4, 4));
        let marks = [(2 * long, 32_800, 2, 0, 9), (2 * long + 1, 32_801, 3, 4, 4)];
        let marks = marks.map(|(end, next, transactions, least, greatest)| Mark {
            transactions,
            ..mark(end, next, least, greatest)
        });
        assert_eq!(builder.finish().marks, marks);
    }

    #[test]
    fn what_does_not_rise_is_damage() {
        for marks in [
            vec![mark(0, 1, 0, 0)],
            vec![mark(1, 0, 0, 0)],
            vec![mark(5, 5, 0, 0), mark(5, 6, 0, 0)],
            vec![mark(5, 5, 0, 0), mark(4, 6, 0, 0)],
            vec![mark(5, 5, 0, 0), mark(6, 4, 0, 0)],
            vec![mark(5, 5, 1, 0)],
            vec![Mark { transactions: 0, ..mark(5, 5, 0, 0) }],
        ] {
            assert!(TimeMap::decode(&TimeMap { marks }.encode()).is_err());
        }
    }

    #[test]
    fn damaged_maps_never_panic_and_never_take_memory() {
        let good = TimeMap { marks: vec![mark(10, 1, -5, 5), mark(20, 9, 3, 7)] }.encode();
        assert!(TimeMap::decode(&[&good[..], &[0]].concat()).is_err());
        for at in 0..good.len() {
            assert!(TimeMap::decode(&good[..at]).is_err());
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let _ = TimeMap::decode(&bad);
            }
        }
        assert!(TimeMap::decode(&[&MAGIC[..], &[1, 0, 0, 0], &[0xff; 8]].concat()).is_err());
    }
}
