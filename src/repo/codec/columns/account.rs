//! Where the bits of a block go, by column: for people who want to know, and for those who improve the codec.

use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Coder;
use crate::repo::codec::columns::coder::Contexts;
use crate::repo::codec::columns::coder::Predict;
use crate::repo::codec::columns::streams::Numbers;
use std::collections::BTreeMap;

/// What is spent for one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// How often something was written.
    pub times: u64,
    /// Bits of decisions; of symbols in streams what they would be if each were as long as it is rare in its stream: an estimate, before
    /// zstd, which finds repetitions beside.
    pub decided: f64,
    /// Bits that nothing predicts.
    pub raw: u64,
}

impl Spent {
    /// All bits.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn bits(&self) -> f64 {
        self.decided + self.raw as f64
    }
}

/// Predicts as `P` does, and counts.
#[derive(Debug)]
pub(super) struct Counted<P> {
    predict: P,
    now: Account,
    pub(super) spent: BTreeMap<Account, Spent>,
}

impl<P: Predict> Counted<P> {
    fn current(&mut self) -> &mut Spent {
        self.spent.entry(self.now).or_default()
    }
}

impl<P: Predict> Predict for Counted<P> {
    fn new(raw_length: usize) -> Self {
        Self { predict: P::new(raw_length), now: Account::Envelope, spent: BTreeMap::new() }
    }

    fn allocate(&mut self, count: u32) -> u32 {
        self.predict.allocate(count)
    }

    fn decide(&mut self, slot: u32, decide: impl FnOnce(u64) -> bool) -> bool {
        let mut probability = 0.0;
        let bit = self.predict.decide(slot, |p| {
            let bit = decide(p);
            let p = u32::try_from(p).unwrap_or(u32::MAX);
            probability = f64::from(if bit { p } else { 65_536_u32.saturating_sub(p) }) / 65_536.0;
            bit
        });
        self.current().decided -= probability.log2();
        bit
    }

    fn contexts(&mut self, contexts: impl FnOnce() -> Contexts) {
        self.predict.contexts(contexts);
    }

    fn account(&mut self, account: Account) {
        self.now = account;
        self.current().times += 1;
    }

    fn spend(&mut self, bits: u32) {
        self.current().raw += u64::from(bits);
    }
}

/// Counts symbols that go into streams.
#[derive(Debug)]
pub(super) struct StreamCounter {
    numbers: Numbers,
    now: Account,
    spent: BTreeMap<Account, Spent>,
    /// By stream and symbol: how often it came, for each account.
    symbols: BTreeMap<(u32, u8), BTreeMap<Account, u64>>,
}

impl StreamCounter {
    /// Nothing was written yet.
    pub(super) fn new() -> Self {
        let (numbers, now) = (Numbers::default(), Account::Envelope);
        Self { numbers, now, spent: BTreeMap::new(), symbols: BTreeMap::new() }
    }

    /// What was spent.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn finish(self) -> BTreeMap<Account, Spent> {
        let (mut spent, mut lengths) = (self.spent, BTreeMap::<u32, u64>::new());
        for ((stream, _), counts) in &self.symbols {
            *lengths.entry(*stream).or_default() += counts.values().sum::<u64>();
        }
        for ((stream, _), counts) in &self.symbols {
            let length = lengths.get(stream).copied().unwrap_or(0);
            let bits = (length as f64 / counts.values().sum::<u64>().max(1) as f64).log2();
            for (account, count) in counts {
                spent.entry(*account).or_default().decided += bits * *count as f64;
            }
        }
        spent
    }
}

impl Coder for StreamCounter {
    const IN_STREAMS: bool = true;

    fn allocate(&mut self, _: u32, streams: u32) -> u32 {
        self.numbers.allocate(streams)
    }

    fn bit(&mut self, stream: u32, bit: bool) -> bool {
        self.symbol(stream, 1, u32::from(bit)) != 0
    }

    fn symbol(&mut self, stream: u32, _: u32, symbol: u32) -> u32 {
        *self.symbols.entry((stream, symbol as u8)).or_default().entry(self.now).or_default() += 1;
        symbol
    }

    fn raw(&mut self, bits: u32, value: u64) -> u64 {
        self.spent.entry(self.now).or_default().raw += u64::from(bits);
        value
    }

    fn account(&mut self, account: Account) {
        self.now = account;
        self.spent.entry(account).or_default().times += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_charged_to_whom_they_are_for_by_how_rare_they_are() {
        let mut counter = StreamCounter::new();
        let (one, other) = (counter.allocate(1, 1), counter.allocate(1, 1));
        counter.account(Account::Literals);
        (0..3).for_each(|_| _ = counter.symbol(one, 8, 7));
        counter.bit(other, true);
        counter.account(Account::Column(5));
        counter.symbol(one, 8, 9);
        counter.raw(40, 0);
        let spent = counter.finish();
        let (literals, column) = (spent[&Account::Literals], spent[&Account::Column(5)]);
        assert_eq!((literals.times, literals.raw, column.times, column.raw), (1, 0, 1, 40));
        assert!((literals.decided - 3.0 * (4.0_f64 / 3.0).log2()).abs() < 1e-9, "{literals:?}");
        assert!((column.decided - 2.0).abs() < 1e-9, "{column:?}");
    }
}
