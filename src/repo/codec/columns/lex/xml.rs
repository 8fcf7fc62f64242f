//! XML: the text of elements is a value, and so are attributes with digits in them; tags are literals.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::Trail;
use crate::repo::codec::columns::lex::digits_behind;
use crate::repo::codec::columns::lex::find;
use crate::repo::codec::columns::values::Form;

/// Cuts XML text. It need not be XML: what is not is literal.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    let mut cutter = Cutter { base, from: 0, label: 0, trail: Trail::default(), pieces };
    let mut at = 0;
    while at < text.len() {
        let Some(close) = find(text, at, b'>') else { return false };
        attributes(text, at, close, &mut cutter);
        let Some(open) = find(text, close + 1, b'<') else {
            cutter.end(text.len());
            return true;
        };
        let inner = text.get(close + 1..open).unwrap_or_default();
        // An empty element is a value too, if its end follows: sometimes there is one.
        if inner.iter().any(|byte| !byte.is_ascii_whitespace()) {
            let behind = digits_behind(inner);
            let from = close + 1 + behind;
            cutter.trail = Trail::Tag(behind as u8);
            cutter.value(Form::Text, from, from, open);
        }
        at = open;
    }
    cutter.end(text.len());
    true
}

/// Attributes of the tag `text[from..close]` whose values have digits in them.
fn attributes(text: &[u8], from: usize, close: usize, cutter: &mut Cutter<'_>) {
    let Some(tag) = text.get(..close) else { return };
    let mut at = from;
    while let Some(open) = find(tag, at, b'"') {
        let Some(end) = find(tag, open + 1, b'"') else { return };
        let value = tag.get(open + 1..end).unwrap_or_default();
        if value.iter().any(u8::is_ascii_digit) {
            cutter.trail = Trail::Attribute;
            cutter.value(Form::Text, open + 1, open + 1, end);
        }
        at = end + 1;
    }
}
