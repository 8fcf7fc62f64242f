//! XML: the text of elements is a value, and so are attributes with digits in them; tags are literals.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::digits_behind;
use crate::repo::codec::columns::values::Form;

/// Cuts XML text. It need not be XML: what is not is literal.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    let mut cutter = Cutter { base, from: 0, label: 0, pieces };
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
            let from = close + 1 + digits_behind(inner);
            cutter.value(Form::Text, from, from, open);
        }
        at = open;
    }
    cutter.end(text.len());
    true
}

fn find(text: &[u8], from: usize, wanted: u8) -> Option<usize> {
    text.get(from..)?.iter().position(|byte| *byte == wanted).map(|at| from + at)
}

/// Attributes of the tag `text[from..close]` whose values have digits in them.
fn attributes(text: &[u8], from: usize, close: usize, cutter: &mut Cutter<'_>) {
    let mut at = from;
    while let Some(open) = find(text, at, b'"').filter(|open| *open < close) {
        let Some(end) = find(text, open + 1, b'"').filter(|end| *end < close) else { return };
        let value = text.get(open + 1..end).unwrap_or_default();
        if value.iter().any(u8::is_ascii_digit) {
            cutter.value(Form::Text, open + 1, open + 1, end);
        }
        at = end + 1;
    }
}
