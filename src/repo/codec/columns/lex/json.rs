//! JSON: strings (without their quotes) and scalars are values, unless they are keys; everything else is literal.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::digits_behind;
use crate::repo::codec::columns::lex::find;
use crate::repo::codec::columns::values::Form;

/// Cuts JSON text. It need not be JSON: what is not is literal.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    let mut cutter = Cutter { base, from: 0, label: 0, pieces };
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(text, at + 1) else { return false };
                if text.get(end + 1) != Some(&b':') {
                    let from = at + 1 + digits_behind(text.get(at + 1..end).unwrap_or_default());
                    cutter.value(Form::Text, from, from, end);
                }
                at = end + 1;
            }
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                let rest = text.get(at..).unwrap_or_default();
                let end = at + rest.iter().take_while(|byte| !b",]} \n\r\t".contains(byte)).count();
                cutter.value(Form::Text, at, at, end);
                at = end;
            }
            _ => at += 1,
        }
    }
    cutter.end(text.len());
    true
}

/// Where the string that begins at `at` ends: at its closing quote.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let end = find(text, at, b'"')?;
        let Some(escape) = find(text.get(..end)?, at, b'\\') else { return Some(end) };
        at = escape + 2;
        if at > end {
            at = at.max(end + 1);
        }
    }
}
