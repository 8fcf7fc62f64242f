//! Where the bits of a block go, by column: for people who want to know, and for those who improve the codec.

use crate::repo::codec::columns::coder::Account;
use crate::repo::codec::columns::coder::Contexts;
use crate::repo::codec::columns::coder::Predict;
use std::collections::BTreeMap;

/// What is spent for one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// How often something was written.
    pub times: u64,
    /// Bits of decisions.
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
