//! Raw bits: what nothing predicts lies beside what is coded, the lowest bits first.

/// Writes raw bits.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// Writes up to 64 bits; those above must be 0.
    #[inline]
    pub(super) fn put(&mut self, bits: u32, value: u64) {
        self.pending |= value << self.pending_bits;
        let so_far = self.pending_bits + bits;
        self.pending_bits = so_far % 64;
        if so_far >= 64 {
            self.bytes.extend(self.pending.to_le_bytes());
            self.pending = value.checked_shr(bits - self.pending_bits).unwrap_or(0);
        }
    }

    /// All bits, in the fewest bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let left = self.pending_bits.div_ceil(8) as usize;
        self.bytes.extend(self.pending.to_le_bytes().iter().take(left));
        self.bytes
    }
}

/// Reads raw bits; behind the end it reads zeros and says so.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    pending: u64,
    pending_bits: u32,
    is_past: bool,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pending: 0, pending_bits: 0, is_past: false }
    }

    /// Whether more was read than there is.
    pub(super) const fn is_past(&self) -> bool {
        self.is_past
    }

    /// Reads up to 64 bits.
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> u64 {
        if bits > self.pending_bits
            && let Some((word, rest)) = self.bytes.split_first_chunk()
        {
            self.bytes = rest;
            return self.take_with(bits, u64::from_le_bytes(*word));
        }
        if bits > 32 {
            let low = self.pull(32);
            low | self.pull(bits - 32) << 32
        } else {
            self.pull(bits)
        }
    }

    /// The same with the next eight bytes, which are needed.
    #[inline]
    fn take_with(&mut self, bits: u32, word: u64) -> u64 {
        let taken = bits - self.pending_bits;
        let value = self.pending | word << self.pending_bits;
        self.pending = word.checked_shr(taken).unwrap_or(0);
        self.pending_bits = 64 - taken;
        if bits < 64 { value & ((1 << bits) - 1) } else { value }
    }

    fn pull(&mut self, bits: u32) -> u64 {
        if self.pending_bits < bits {
            let word = word(&mut self.bytes);
            self.is_past |= word.is_none();
            self.pending |= u64::from(word.map_or(0, u32::from_le_bytes)) << self.pending_bits;
            self.pending_bits += 32;
        }
        let value = self.pending & ((1 << bits) - 1);
        self.pending >>= bits;
        self.pending_bits -= bits;
        value
    }
}

/// The next four bytes, zeros behind the end; none if there is nothing left.
#[inline]
pub(super) fn word(bytes: &mut &[u8]) -> Option<[u8; 4]> {
    if let Some((word, rest)) = bytes.split_first_chunk() {
        *bytes = rest;
        return Some(*word);
    }
    let mut word = [0; 4];
    word.iter_mut().zip(*bytes).for_each(|(to, from)| *to = *from);
    let is_there = !std::mem::take(bytes).is_empty();
    is_there.then_some(word)
}
