//! Payloads, taken apart into literals and values. Only the writer does this: whoever reads puts one behind the other.
//!
//! So nothing in here can harm: any way to cut a payload gives it back. A good way puts what repeats into literals, and what differs
//! into values, one column each.

pub(super) mod follow;
mod json;
mod proto;
mod xml;

use crate::repo::codec::columns::span::Span;
use crate::repo::codec::columns::values::Form;

/// A literal and the value behind it. The last piece of a payload has the form [`Form::End`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) literal: Span,
    pub(super) form: Form,
    pub(super) value: Span,
    /// Tells literals apart that are alike but stand for different paths; 0 where the text says it.
    pub(super) label: u16,
    /// By what the value was found.
    pub(super) trail: Trail,
}

/// By what a value is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trail {
    /// By its form. So many messages are around it.
    Field(u8),
    /// By the message that it is the length of. So many are around that.
    Nested(u8),
    /// By the tag that ends it: the text of an element. So many characters before it belong to the literal.
    Tag(u8),
    /// By the mark that ends it: an attribute.
    Attribute,
    /// Otherwise. JSON is cut as quickly as it is followed.
    #[default]
    Other,
}

/// The longest literal.
pub(super) const LITERAL_MAX: usize = 1024;
/// Pieces of one payload.
const PIECES_MAX: usize = 1 << 16;

/// Cuts a payload into pieces; false if it is better taken as one value.
pub(super) fn cut(bytes: &[u8], payload: Span, pieces: &mut Vec<Piece>) -> bool {
    pieces.clear();
    let text = payload.of(bytes);
    let at = payload.at as usize;
    let good = match text.first() {
        Some(b'{' | b'[') => json::cut(text, at, pieces),
        Some(b'<') => xml::cut(text, at, pieces),
        Some(_) => proto::cut(text, at, pieces),
        None => false,
    };
    good && pieces.len() <= PIECES_MAX
        && pieces.iter().all(|piece| piece.literal.length as usize <= LITERAL_MAX)
}

/// Whether payloads like this one leave trails.
pub(super) fn may_be_followed(text: &[u8]) -> bool {
    !matches!(text.first(), Some(b'{' | b'['))
}

/// Puts pieces one behind the other.
struct Cutter<'p> {
    /// Where the payload begins.
    base: usize,
    /// Where the next literal begins.
    from: usize,
    label: u16,
    trail: Trail,
    pieces: &'p mut Vec<Piece>,
}

impl Cutter<'_> {
    /// A value of this form at `at..end`, with whatever is its framing before it from `framed` on. Of pieces that are too many one is kept:
    /// a payload of many short values has as many pieces as half its bytes, and each of them takes more than twenty.
    fn value(&mut self, form: Form, framed: usize, at: usize, end: usize) {
        if self.pieces.len() > PIECES_MAX {
            return;
        }
        let literal = Span::new(self.base + self.from, framed - self.from);
        self.pieces.push(Piece {
            literal,
            form,
            value: Span::new(self.base + at, end - at),
            label: self.label,
            trail: self.trail,
        });
        self.from = end;
    }

    fn end(self, length: usize) {
        if self.pieces.len() > PIECES_MAX {
            return;
        }
        let literal = Span::new(self.base + self.from, length - self.from);
        self.pieces.push(Piece {
            literal,
            form: Form::End,
            value: Span::new(self.base + length, 0),
            label: 0,
            trail: Trail::default(),
        });
    }
}

/// Where a byte is next, from `from` on.
#[inline]
fn find(text: &[u8], from: usize, wanted: u8) -> Option<usize> {
    find_either(text, from, [wanted; 2])
}

/// Where one of two bytes is next, from `from` on: eight bytes at a time.
#[inline]
fn find_either(text: &[u8], from: usize, wanted: [u8; 2]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let rest = text.get(from..)?;
    let [one, other] = wanted.map(|byte| u64::from(byte) * ONES);
    let (chunks, tail) = rest.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let [a, b] = [word ^ one, word ^ other];
        let found = (a.wrapping_sub(ONES) & !a | b.wrapping_sub(ONES) & !b) & (ONES << 7);
        if found != 0 {
            return Some(from + at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|byte| wanted.contains(byte)).map(|at| from + chunks.len() * 8 + at)
}

/// Where digits at the end of a short word begin, if they are worth a value of their own: `INV-000123`.
fn digits_behind(text: &[u8]) -> usize {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let prefix = text.len() - digits;
    let head = text.get(..prefix).unwrap_or_default();
    let short = prefix > 0 && prefix <= 12 && (3..=15).contains(&digits);
    let plain = head.iter().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_lowercase());
    if short && plain { prefix } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(payload: &[u8]) -> (bool, Vec<Piece>) {
        let mut pieces = Vec::new();
        (cut(payload, Span::new(0, payload.len()), &mut pieces), pieces)
    }

    #[test]
    fn pieces_that_are_too_many_take_no_memory() {
        let many = 4 * PIECES_MAX;
        let json = format!("[{}1]", "1,".repeat(many)).into_bytes();
        let xml = "<a>1</a>".repeat(many).into_bytes();
        let proto = [8, 1].repeat(many);
        for payload in [json, xml, proto] {
            let (good, pieces) = pieces_of(&payload);
            assert!(!good && pieces.capacity() <= 4 * PIECES_MAX, "{} {}", good, pieces.capacity());
        }
    }

    #[test]
    fn as_many_as_there_may_be_are_cut_and_what_is_taken_back_does_not_count() {
        let json = format!("[{}1]", "1,".repeat(PIECES_MAX - 2)).into_bytes();
        assert!(matches!(pieces_of(&json), (true, pieces) if pieces.len() == PIECES_MAX));
        let no_message = [[8, 1].repeat(2 * PIECES_MAX), vec![0]].concat();
        let mut proto = vec![10];
        crate::repo::codec::columns::values::put_varint(no_message.len() as u64, &mut proto);
        proto.extend(no_message);
        assert!(matches!(pieces_of(&proto), (true, pieces) if pieces.len() == 2));
    }
}
