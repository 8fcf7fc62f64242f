//! Binary payloads that read as protobuf: tags are literals, contents are values; nested messages are cut as well.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::varint;

/// Messages inside messages.
const DEPTH_MAX: usize = 8;
/// No field has a higher number: others are no protobuf.
const FIELD_MAX: u64 = 512;

/// Cuts a message; false if it is none.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    if !is_message(text) {
        return false;
    }
    let mut cutter = Cutter { base, from: 0, label: 0, pieces };
    message(text, (0, text.len()), (0, 1), &mut cutter);
    cutter.label = 0;
    cutter.end(text.len());
    true
}

/// A field: its wire type and where its content begins and ends.
fn field(text: &[u8], at: usize, end: usize) -> Option<(u64, usize, usize, usize)> {
    let (tag, length) = varint(text.get(at..end)?)?;
    if tag >> 3 == 0 || tag >> 3 > FIELD_MAX {
        return None;
    }
    let from = at + length;
    let (content, next) = match tag & 7 {
        0 => (from, from + varint(text.get(from..end)?)?.1),
        1 => (from, from + 8),
        5 => (from, from + 4),
        2 => {
            let (size, length) = varint(text.get(from..end)?)?;
            (from + length, (from + length).checked_add(usize::try_from(size).ok()?)?)
        }
        _ => return None,
    };
    (next <= end).then_some((tag & 7, from, content, next))
}

fn is_message(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        let Some((.., next)) = field(text, at, text.len()) else { return false };
        at = next;
    }
    at > 0
}

fn message(text: &[u8], range: (usize, usize), nest: (usize, u16), cutter: &mut Cutter<'_>) {
    let ((mut at, end), (depth, path)) = (range, nest);
    while let Some((kind, from, content, next)) = field(text, at, end).filter(|_| at < end) {
        let label = path.wrapping_mul(193).wrapping_add(tag(text, at)) | 1;
        cutter.label = label;
        match kind {
            0 => cutter.value(Form::Varint, from, from, next),
            1 => cutter.value(Form::Fixed64, from, from, next),
            5 => cutter.value(Form::Fixed32, from, from, next),
            _ if depth < DEPTH_MAX && is_nested(text.get(content..next).unwrap_or_default()) => {
                cutter.value(Form::Varint, from, from, content);
                message(text, (content, next), (depth + 1, label), cutter);
            }
            _ => cutter.value(Form::Prefixed, from, content, next),
        }
        at = next;
    }
}

fn tag(text: &[u8], at: usize) -> u16 {
    text.get(at..).and_then(varint).map_or(0, |(tag, _)| (tag << 1) as u16)
}

/// Whether a content is a message, and not text or an identifier that reads like one.
fn is_nested(content: &[u8]) -> bool {
    let text = content.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0x80);
    content.len() != 16 && !text && is_message(content)
}
