//! Random draws that know what they cost: every draw adds its information content, in bits, to the sum of its kind.

use std::collections::BTreeMap;

/// A seeded source of draws. The generator is `SplitMix64`: the same seed gives the same corpus on every machine, for good.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
    bits: BTreeMap<&'static str, f64>,
}

impl Draws {
    /// Draws that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, bits: BTreeMap::new() }
    }

    /// What was drawn so far: bits of information by kind.
    pub fn entropy(&self) -> &BTreeMap<&'static str, f64> {
        &self.bits
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn count(&mut self, kind: &'static str, bits: f64) {
        *self.bits.entry(kind).or_default() += bits;
    }

    /// One of `0..n`, all alike.
    pub fn below(&mut self, kind: &'static str, n: u64) -> u64 {
        self.count(kind, (n.max(1) as f64).log2());
        ((u128::from(self.next()) * u128::from(n.max(1))) >> 64) as u64
    }

    /// `bits` random bits.
    pub fn bits(&mut self, kind: &'static str, bits: u32) -> u64 {
        self.count(kind, f64::from(bits));
        if bits == 0 { 0 } else { self.next() >> (64 - bits) }
    }

    /// True with this probability.
    pub fn chance(&mut self, kind: &'static str, probability: f64) -> bool {
        let hit = self.unit() < probability;
        let p = if hit { probability } else { 1.0 - probability };
        self.count(kind, if p > 0.0 { -p.log2() } else { 0.0 });
        hit
    }

    /// One of `0..n`, the first ones most often: number k with a probability of ln((k+2)/(k+1)) / ln(n+1), which is Zipf's law.
    pub fn skewed(&mut self, kind: &'static str, n: u64) -> u64 {
        let all = ((n + 1) as f64).ln();
        let k = ((((n + 1) as f64).powf(self.unit())).floor() as u64).clamp(1, n.max(1)) - 1;
        let p = (((k + 2) as f64) / ((k + 1) as f64)).ln() / all;
        self.count(kind, if n > 1 { -p.log2() } else { 0.0 });
        k
    }

    /// A step with a geometric distribution of this mean.
    pub fn step(&mut self, kind: &'static str, mean: f64) -> u64 {
        let p = 1.0 / (mean + 1.0);
        let k = ((1.0 - self.unit()).ln() / (1.0 - p).ln()).floor();
        self.count(kind, -(p.log2() + k * (1.0 - p).log2()));
        k as u64
    }
}
