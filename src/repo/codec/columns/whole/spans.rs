//! Where values lie, in four bytes for most: there are millions in a block, and all are in memory at once.

use crate::repo::codec::columns::span::Span;

/// Bits of a length; those above them say where the value begins.
const LENGTH_BITS: u32 = 7;
/// The length that stands for a place among those that are written out.
const ELSEWHERE: u32 = (1 << LENGTH_BITS) - 1;

/// Places of values, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    packed: Vec<u32>,
    /// Those that are too long or too far away for that.
    written_out: Vec<Span>,
}

impl Spans {
    pub(super) fn with_room(values: usize) -> Self {
        Self { packed: Vec::with_capacity(values), written_out: Vec::new() }
    }

    /// Makes room for so many more, and no more than that.
    pub(super) fn reserve(&mut self, values: usize) {
        self.packed.reserve_exact(values);
    }

    #[inline]
    pub(super) fn push(&mut self, span: Span) {
        let fits = span.length < ELSEWHERE && span.at >> (u32::BITS - LENGTH_BITS) == 0;
        let packed = if fits { span.at << LENGTH_BITS | span.length } else { self.write_out(span) };
        self.packed.push(packed);
    }

    #[cold]
    fn write_out(&mut self, span: Span) -> u32 {
        self.written_out.push(span);
        (self.written_out.len() as u32 - 1) << LENGTH_BITS | ELSEWHERE
    }

    pub(super) const fn len(&self) -> usize {
        self.packed.len()
    }

    /// The place of a value.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Span> {
        let packed = *self.packed.get(at)?;
        let (at, length) = (packed >> LENGTH_BITS, packed & ELSEWHERE);
        if length < ELSEWHERE {
            Some(Span { at, length })
        } else {
            self.written_out.get(at as usize).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_comes_back_near_and_far_short_and_long() {
        let edges = [0, 1, 63, 64, 65, 126, 127, 128, (1 << 25) - 1, 1 << 25, 1 << 31, u32::MAX];
        let all: Vec<Span> = edges
            .iter()
            .flat_map(|at| edges.iter().map(|length| Span { at: *at, length: *length }))
            .collect();
        let mut spans = Spans::default();
        for span in &all {
            spans.push(*span);
        }
        assert_eq!(spans.len(), all.len());
        for (at, span) in all.iter().enumerate() {
            assert_eq!(spans.get(at), Some(*span), "{at}");
        }
        assert_eq!(spans.get(all.len()), None);
    }

    #[test]
    fn a_value_of_a_usual_length_takes_four_bytes() {
        let mut spans = Spans::default();
        for at in 0..1000 {
            spans.push(Span { at: at * 33_000, length: at % 127 });
        }
        assert!(spans.written_out.is_empty());
    }
}
