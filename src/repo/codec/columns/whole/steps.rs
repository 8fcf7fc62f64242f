//! What follows what: literals in a payload, kinds of the events of an aggregate. What may follow is said in the head; a symbol says which of
//! these did, unless it can only be one.

use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::symbol::Number;

/// Stands for all places from here on: a number says which one.
const FAR: u32 = 255;

/// What followed, as it is written.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In the order in which they followed first.
    pub(super) next: Vec<u32>,
    last: u32,
    times: usize,
    /// Which one it was each time; none, if it always was the same.
    symbols: Vec<u8>,
}

impl Steps {
    /// The one that followed last.
    #[inline]
    pub(super) fn last(&self) -> Option<u32> {
        (self.times > 0).then_some(self.last)
    }

    /// Notes what follows; a place that is far goes to those of all.
    #[inline]
    pub(super) fn note(&mut self, next: u32, far: &mut Vec<u32>) {
        self.times += 1;
        if self.next.len() != 1 || next != self.last {
            self.note_place(next, far);
        }
    }

    fn note_place(&mut self, next: u32, far: &mut Vec<u32>) {
        let found = self.next.iter().position(|known| *known == next);
        let place = found.unwrap_or(self.next.len()) as u32;
        if found.is_none() {
            self.next.push(next);
        }
        self.last = next;
        if self.next.len() > 1 {
            self.symbols.resize(self.times - 1, 0);
            self.symbols.push(place.min(FAR) as u8);
            far.extend(Some(place).filter(|place| *place >= FAR));
        }
    }
}

/// Writes what followed what: first a stream for each, then the places that are far.
pub(super) fn write<'a, C: Coder>(coder: &mut C, all: impl Iterator<Item = &'a Steps>, far: &[u32]) {
    for steps in all {
        let stream = coder.allocate(0, 1);
        for symbol in &steps.symbols {
            coder.symbol(stream, 8, u32::from(*symbol));
        }
    }
    let mut number = Number::default();
    for place in far {
        number.code(coder, u64::from(*place));
    }
}

/// What follows what, as it is read.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    all: Vec<(&'a [u32], u32)>,
    far: Number,
}

impl<'a> Ways<'a> {
    pub(super) fn new<C: Coder>(coder: &mut C, all: impl Iterator<Item = &'a [u32]>) -> Self {
        Self { all: all.map(|next| (next, coder.allocate(0, 1))).collect(), far: Number::default() }
    }

    /// What follows.
    #[inline]
    pub(super) fn next<C: Coder>(&mut self, coder: &mut C, from: u32) -> Option<u32> {
        let (next, stream) = self.all.get(from as usize)?;
        if let [only] = next {
            return Some(*only);
        }
        let place = match coder.symbol(*stream, 8, 0) {
            FAR => usize::try_from(self.far.code(coder, 0)).unwrap_or(usize::MAX),
            near => near as usize,
        };
        next.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::codec::columns::streams::StreamReader;
    use crate::repo::codec::columns::streams::StreamWriter;

    /// What follows, written and read again; the bytes that it took.
    fn again(walk: &[(usize, u32)], froms: usize) -> (Vec<u32>, usize) {
        let (mut steps, mut far) = (Vec::new(), Vec::new());
        steps.resize_with(froms, Steps::default);
        for (from, next) in walk {
            steps[*from].note(*next, &mut far);
            assert_eq!(steps[*from].last(), Some(*next));
        }
        let (mut writer, mut bytes) = (StreamWriter::default(), Vec::new());
        write(&mut writer, steps.iter(), &far);
        writer.finish(walk.len(), &mut bytes).unwrap();
        let mut reader = StreamReader::new(&bytes, walk.len()).unwrap();
        let mut ways = Ways::new(&mut reader, steps.iter().map(|steps| &steps.next[..]));
        (walk.iter().map(|(from, _)| ways.next(&mut reader, *from as u32).unwrap()).collect(), bytes.len())
    }

    #[test]
    fn what_follows_comes_back_near_and_far() {
        let mut random = fastrand::Rng::with_seed(1);
        let walk: Vec<(usize, u32)> = (0..20_000)
            .map(|_| (random.usize(..4), random.u32(..600)))
            .map(|(from, next)| (from, [7, next % 2, next % 255, next][from]))
            .collect();
        let next: Vec<u32> = walk.iter().map(|step| step.1).collect();
        assert_eq!(again(&walk, 4).0, next);
    }

    #[test]
    fn what_always_is_the_same_takes_no_symbols() {
        let (once, many) = (again(&[(0, 9)], 1).1, again(&[(0, 9)].repeat(50_000), 1).1);
        assert_eq!(once, many);
        let late: Vec<(usize, u32)> = (0..50).map(|at| (0, u32::from(at == 49))).collect();
        assert_eq!(again(&late, 1).0.last(), Some(&1));
    }

    #[test]
    fn where_nothing_follows_nothing_is_read() {
        let bytes = [0; 8];
        let mut reader = StreamReader::new(&bytes, 0).unwrap();
        let mut ways = Ways::new(&mut reader, [&[][..]].into_iter());
        assert_eq!([ways.next(&mut reader, 0), ways.next(&mut reader, 1)], [None, None]);
    }
}
