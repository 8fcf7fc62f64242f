//! The runs of a text: words, and what is between them.

use crate::repo::codec::columns::spell::TOKEN_MAX;

/// Values up to this length are words whatever they are.
const SHORT: usize = 4;

/// What a byte of a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A letter or a digit, or above ASCII.
    Word,
    /// What is between words.
    Between,
    /// Nothing that stands in a text.
    Control,
}

const KINDS: [Kind; 256] = kinds();

const fn kinds() -> [Kind; 256] {
    let mut kinds = [Kind::Between; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        if value.is_ascii_alphanumeric() || value >= 0x80 {
            kinds[byte] = Kind::Word;
        } else if is_control(value) {
            kinds[byte] = Kind::Control;
        }
        byte += 1;
    }
    kinds
}

const fn is_control(byte: u8) -> bool {
    byte < b' ' && !byte.is_ascii_whitespace()
}

#[inline]
fn kind(byte: u8) -> Kind {
    KINDS.get(usize::from(byte)).copied().unwrap_or(Kind::Between)
}

#[inline]
pub(super) fn is_word(byte: u8) -> bool {
    kind(byte) == Kind::Word
}

/// The bytes from the beginning on that are all of words, or all of none.
#[inline]
pub(super) fn first_run(text: &[u8]) -> (&[u8], &[u8]) {
    let is_first_word = text.first().is_some_and(|byte| is_word(*byte));
    let end = text.iter().position(|byte| is_word(*byte) != is_first_word).unwrap_or(text.len());
    text.split_at(end)
}

/// Whether bytes can be taken as words: a text (or too short to matter), and no run of it is longer than a token.
pub(super) fn fit(bytes: &[u8]) -> bool {
    let short = bytes.len() <= SHORT;
    if bytes.len() <= TOKEN_MAX {
        // Most are: all bytes at once, where none of their runs can be too long.
        let has_control = bytes.iter().fold(false, |has, byte| has | is_control(*byte));
        return short || !has_control && std::str::from_utf8(bytes).is_ok();
    }
    let (mut length, mut was_word) = (0, false);
    let plain = bytes.iter().all(|byte| {
        let kind = kind(*byte);
        let word = kind == Kind::Word;
        length = if word == was_word { length + 1 } else { 1 };
        was_word = word;
        length <= TOKEN_MAX && kind != Kind::Control
    });
    plain && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(mut text: &[u8]) -> Vec<&[u8]> {
        let mut runs = Vec::new();
        while !text.is_empty() {
            let (run, behind) = first_run(text);
            runs.push(run);
            text = behind;
        }
        runs
    }

    #[test]
    fn runs_are_of_words_or_of_what_is_between() {
        let all: [&[u8]; 6] = [b"Order", b" ", b"4711", b", ", "für".as_bytes(), b"?!"];
        assert_eq!(runs("Order 4711, für?!".as_bytes()), all);
        assert_eq!(runs(b""), [b""; 0]);
        assert_eq!(runs(b"\x00_a"), [&b"\x00_"[..], b"a"]);
    }

    #[test]
    fn texts_fit_and_other_bytes_do_not_unless_they_are_few() {
        for text in
            [&b"one line\r\n\tand another"[..], "ärger".as_bytes(), b"", b"\x00\x01\x02\xff", b"\x7f del"]
        {
            assert!(fit(text), "{text:?}");
        }
        for other in [&b"bell\x07"[..], b"not \xff UTF-8", b"\x00\x01\x02\x03\x04", b"\x0bfive"] {
            assert!(!fit(other), "{other:?}");
        }
    }

    #[test]
    fn no_run_is_longer_than_a_token() {
        for byte in [b'a', b' ', b'-'] {
            let long = vec![byte; TOKEN_MAX];
            assert!(fit(&long));
            assert!(!fit(&[&long[..], &[byte]].concat()));
            assert!(fit(&[&long[..], b"1", &long].concat()) == (byte != b'a'));
        }
    }
}
