//! The numbers of events: sequence and timestamp. Shared by writer and reader.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::symbol::Number;
use crate::repo::codec::columns::whole::rows::Entry;

/// What is known of these numbers.
#[derive(Debug)]
pub(super) struct Fields {
    is_next: u32,
    first: Number,
    step: Number,
    times: [Number; 2],
    /// By aggregate: the sequence that is likely, 0 before its first event.
    likely: Vec<u64>,
    timestamp: u64,
}

impl Fields {
    /// Of so many aggregates.
    pub(super) fn new<C: Coder>(coder: &mut C, aggregates: usize) -> Self {
        let (is_next, likely) = (coder.allocate(0, 1), vec![0; aggregates]);
        let (first, step, times) = Default::default();
        Self { is_next, first, step, times, likely, timestamp: 0 }
    }

    /// Codes the numbers of the next event: its sequence and its timestamp.
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, entry: &Entry) -> (u64, u64) {
        (self.sequence(coder, entry), self.timestamp(coder, entry))
    }

    fn sequence<C: Coder>(&mut self, coder: &mut C, entry: &Entry) -> u64 {
        let Some(likely) = self.likely.get_mut(entry.aggregate as usize) else { return 0 };
        let sequence = if coder.bit(self.is_next, entry.sequence == *likely) {
            *likely
        } else if *likely == 0 {
            self.first.code(coder, entry.sequence)
        } else {
            let step = entry.sequence.wrapping_sub(*likely).cast_signed();
            likely.wrapping_add(self.step.signed(coder, step).cast_unsigned())
        };
        *likely = sequence.wrapping_add(1);
        sequence
    }

    fn timestamp<C: Coder>(&mut self, coder: &mut C, entry: &Entry) -> u64 {
        let [first, later] = &mut self.times;
        let number = if entry.is_later { later } else { first };
        let delta = number.signed(coder, entry.timestamp.wrapping_sub(self.timestamp).cast_signed());
        self.timestamp = self.timestamp.wrapping_add(delta.cast_unsigned());
        self.timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::streams::StreamReader;
    use crate::repo::codec::columns::streams::StreamWriter;

    #[test]
    fn numbers_come_back_whatever_they_are() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut next = [0_u64, 5, u64::MAX - 3, 1 << 40];
        let entries: Vec<Entry> = (0..2000)
            .map(|at| {
                let aggregate = random.u32(..4);
                let next = &mut next[aggregate as usize];
                *next = if random.u8(..9) == 0 {
                    random.u64(..) >> random.u32(..64)
                } else {
                    next.wrapping_add(1)
                };
                let timestamp = if random.u8(..9) == 0 { random.u64(..) } else { 1_700_000_000_000 + at };
                let is_later = random.bool();
                Entry { aggregate, sequence: *next, timestamp, is_later, ..Entry::default() }
            })
            .collect();
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        let mut fields = Fields::new(&mut writer, 4);
        for entry in &entries {
            fields.code(&mut writer, entry);
        }
        writer.finish(20_000, &mut bytes).unwrap();
        let mut reader = StreamReader::new(&bytes, 20_000).unwrap();
        let mut fields = Fields::new(&mut reader, 4);
        for entry in entries {
            let known = Entry { sequence: 0, timestamp: 0, ..entry };
            assert_eq!(fields.code(&mut reader, &known), (entry.sequence, entry.timestamp));
        }
    }
}
