//! Binary payloads that read as protobuf: tags are literals, contents are values; nested messages are cut as well.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::Trail;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::varint;

/// Messages inside messages.
const DEPTH_MAX: usize = 8;
/// No field has a higher number: others are no protobuf.
const FIELD_MAX: u64 = 512;

/// Cuts a message; false if it is none.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    let mut cutter = Cutter { base, from: 0, label: 0, trail: Trail::default(), pieces };
    if !message(text, (0, text.len()), (0, 1), &mut cutter) {
        return false;
    }
    cutter.label = 0;
    cutter.end(text.len());
    true
}

/// A field: its wire type, where what is behind its tag begins, where its content does, and where the next field does.
struct Field {
    kind: u64,
    from: usize,
    content: usize,
    end: usize,
}

fn field(text: &[u8], at: usize, end: usize) -> Option<Field> {
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
    (next <= end).then_some(Field { kind: tag & 7, from, content, end: next })
}

/// Cuts a message; false if it is none: then pieces are to be taken back.
fn message(text: &[u8], range: (usize, usize), nest: (usize, u16), cutter: &mut Cutter<'_>) -> bool {
    let ((mut at, end), (depth, path)) = (range, nest);
    while at < end {
        let Some(field) = field(text, at, end) else { return false };
        let label = path.wrapping_mul(193).wrapping_add(tag(text, at)) | 1;
        (cutter.label, cutter.trail) = (label, Trail::Field(depth as u8));
        match field.kind {
            0 => cutter.value(Form::Varint, field.from, field.from, field.end),
            1 => cutter.value(Form::Fixed64, field.from, field.from, field.end),
            5 => cutter.value(Form::Fixed32, field.from, field.from, field.end),
            _ => block(text, &field, (depth, label), cutter),
        }
        at = field.end;
    }
    range.0 < end
}

/// What has a length in front: a message inside of this one, or a value.
fn block(text: &[u8], field: &Field, nest: (usize, u16), cutter: &mut Cutter<'_>) {
    let (depth, label) = nest;
    let inner = (field.content, field.end);
    if depth < DEPTH_MAX && may_be_nested(text.get(inner.0..inner.1).unwrap_or_default()) {
        let (pieces, from) = (cutter.pieces.len(), cutter.from);
        cutter.trail = Trail::Nested(depth as u8);
        cutter.value(Form::Varint, field.from, field.from, field.content);
        if message(text, inner, (depth + 1, label), cutter) {
            return;
        }
        cutter.pieces.truncate(pieces);
        (cutter.from, cutter.label) = (from, label);
    }
    cutter.trail = Trail::Field(depth as u8);
    cutter.value(Form::Prefixed, field.from, field.content, field.end);
}

fn tag(text: &[u8], at: usize) -> u16 {
    text.get(at..).and_then(varint).map_or(0, |(tag, _)| (tag << 1) as u16)
}

/// Whether a content may be a message: text and identifiers can read like one.
fn may_be_nested(content: &[u8]) -> bool {
    let text = content.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0x80);
    content.len() != 16 && !text
}
