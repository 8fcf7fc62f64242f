//! JSON: strings (without their quotes) and scalars are values, unless they are keys; everything else is literal.

use crate::repo::codec::columns::lex::Cutter;
use crate::repo::codec::columns::lex::Piece;
use crate::repo::codec::columns::lex::Trail;
use crate::repo::codec::columns::lex::digits_behind;
use crate::repo::codec::columns::lex::find_either;
use crate::repo::codec::columns::values::Form;

/// What a byte outside of strings is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other,
    Quote,
    /// A scalar begins.
    Scalar,
    /// A scalar ends.
    End,
}

const KINDS: [Kind; 256] = kinds();

const fn kinds() -> [Kind; 256] {
    let mut kinds = [Kind::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            kinds[byte] = match byte as u8 {
                b'"' => Kind::Quote,
                b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => Kind::Scalar,
                b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' => Kind::End,
                _ => Kind::Other,
            };
        }
        byte += 1;
    }
    kinds
}

fn kind(byte: u8) -> Kind {
    KINDS.get(usize::from(byte)).copied().unwrap_or(Kind::Other)
}

/// Cuts JSON text. It need not be JSON: what is not is literal.
pub(super) fn cut(text: &[u8], base: usize, pieces: &mut Vec<Piece>) -> bool {
    let mut cutter = Cutter { base, from: 0, label: 0, trail: Trail::default(), pieces };
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let kind = kind(*byte);
        if kind == Kind::Quote {
            let Some(end) = string_end(text, at + 1) else { return false };
            if text.get(end + 1) != Some(&b':') {
                let from = at + 1 + digits_behind(text.get(at + 1..end).unwrap_or_default());
                cutter.value(Form::Text, from, from, end);
            }
            at = end + 1;
        } else if kind == Kind::Scalar {
            let end = scalar_end(text, at);
            cutter.value(Form::Text, at, at, end);
            at = end;
        } else {
            at += 1;
        }
    }
    cutter.end(text.len());
    true
}

/// Where the scalar that begins at `at` ends.
fn scalar_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| kind(*byte) == Kind::End).unwrap_or(rest.len())
}

/// Where the string that begins at `at` ends: at its closing quote.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = find_either(text, at, [b'"', b'\\'])?;
        if text.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}
