//! Payloads that are like earlier ones: where a literal is known, and by what the value behind it was found, the next value is found without
//! looking at all that lies between. What does not fit is cut anew.

use crate::repo::codec::columns::lex::Trail;
use crate::repo::codec::columns::lex::digits_behind;
use crate::repo::codec::columns::lex::find;
use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::varint;

/// Where the content of a value begins and ends that lies at `at`, behind a literal whose value was found so; none if cutting the payload
/// would find no such value there.
#[inline]
pub(in crate::repo::codec::columns) fn value_at(
    text: &[u8],
    at: usize,
    form: Form,
    trail: Trail,
) -> Option<(usize, usize)> {
    match trail {
        Trail::Tag(behind) => {
            let end = find(text, at, b'<')?;
            let content = text.get(at..end)?;
            let is_there = behind > 0 || content.iter().any(|byte| !byte.is_ascii_whitespace());
            (is_there && is_behind(text, (at, end), behind)).then_some((at, end))
        }
        Trail::Attribute => {
            let end = find(text, at, b'"')?;
            text.get(at..end)?.iter().any(u8::is_ascii_digit).then_some((at, end))
        }
        Trail::Field(_) | Trail::Nested(_) => field_at(text, at, form),
        Trail::Other => None,
    }
}

/// Whether as many characters before a value belong to its literal as did before.
#[inline]
fn is_behind(text: &[u8], (at, end): (usize, usize), behind: u8) -> bool {
    let behind = usize::from(behind);
    at.checked_sub(behind).and_then(|from| text.get(from..end)).map(digits_behind) == Some(behind)
}

fn field_at(text: &[u8], at: usize, form: Form) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let (from, end) = match form {
        Form::Varint => (at, at + varint(rest)?.1),
        Form::Fixed32 => (at, at + 4),
        Form::Fixed64 => (at, at + 8),
        Form::Prefixed => {
            let (length, taken) = varint(rest)?;
            (at + taken, (at + taken).checked_add(usize::try_from(length).ok()?)?)
        }
        Form::Text | Form::End => return None,
    };
    // Messages begin with a tag, texts with a letter. What is not told apart so is cut as it was before, not as well as it might be.
    let may_be_nested = text.get(from..end)?.first().is_some_and(|byte| *byte < b' ') && end - from != 16;
    (form != Form::Prefixed || !may_be_nested).then_some((from, end))
}
