//! Identifiers of 128 bits in their spellings.

/// How an identifier is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::repo::codec::columns) enum Style {
    /// 36 characters, lower case.
    #[default]
    Lower,
    /// 36 characters, upper case.
    Upper,
    /// 32 hexadecimal digits, lower case.
    Plain,
    /// 16 bytes.
    Bytes,
}

impl Style {
    pub(in crate::repo::codec::columns) const fn number(self) -> u8 {
        match self {
            Self::Lower => 0,
            Self::Upper => 1,
            Self::Plain => 2,
            Self::Bytes => 3,
        }
    }

    pub(in crate::repo::codec::columns) const fn of(number: u8) -> Self {
        match number {
            0 => Self::Lower,
            1 => Self::Upper,
            2 => Self::Plain,
            _ => Self::Bytes,
        }
    }
}

/// A byte in each of eight places.
const fn all(byte: u64) -> u64 {
    byte * 0x0101_0101_0101_0101
}

/// Eight hexadecimal digits in lower case, the first one in the highest byte; and 0, or something else if they are no such digits.
#[inline]
const fn nibbles(text: u64) -> (u64, u64) {
    let digits = (text & all(0x0f)).wrapping_add(((text >> 6) & all(1)).wrapping_mul(9));
    let wrong = digits & all(0xf0) | spelled(digits) ^ text;
    let pairs = (digits | digits >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) & 0xffff_ffff, wrong)
}

/// Eight digits, each in a byte of its own, as text.
#[inline]
const fn spelled(digits: u64) -> u64 {
    let letters = (digits.wrapping_add(all(0x76)) >> 7) & all(1);
    digits.wrapping_add(all(0x30)).wrapping_add(letters.wrapping_mul(0x27))
}

/// Eight digits of a 32-bit number, as text.
#[inline]
const fn text_of(number: u32) -> [u8; 8] {
    let number = number as u64;
    let fours = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    spelled((pairs | pairs << 4) & all(0x0f)).to_be_bytes()
}

/// Reads an identifier and its spelling.
#[inline]
pub(in crate::repo::codec::columns) fn parse(bytes: &[u8]) -> Option<(u128, Style)> {
    match bytes.len() {
        36 => parse_dashed(bytes),
        32 => {
            let letters = bytes.iter().any(|byte| *byte > b'9');
            Some((hex(bytes.first_chunk()?)?, Style::Plain)).filter(|_| letters)
        }
        16 => {
            let id = u128::from_be_bytes(*bytes.first_chunk()?);
            ((id >> 62) & 3 == 2 && (1..=8).contains(&((id >> 76) & 15))).then_some((id, Style::Bytes))
        }
        _ => None,
    }
}

#[inline]
fn parse_dashed(bytes: &[u8]) -> Option<(u128, Style)> {
    let text: &[u8; 36] = bytes.first_chunk()?;
    let words = words_of(text)?;
    if let Some(id) = join(words) {
        return Some((id, Style::Lower));
    }
    let mut lower = *text;
    lower.make_ascii_lowercase();
    let upper = !text.iter().any(u8::is_ascii_lowercase);
    join(words_of(&lower)?).filter(|_| upper).map(|id| (id, Style::Upper))
}

/// The digits between the dashes, eight in a word; none if the dashes stand elsewhere.
#[inline]
fn words_of(text: &[u8; 36]) -> Option<[u64; 4]> {
    if (text[8], text[13], text[18], text[23]) != (b'-', b'-', b'-', b'-') {
        return None;
    }
    let four = |at: usize| {
        text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |part| u64::from(u32::from_be_bytes(*part)))
    };
    let eight = |a, b| four(a) << 32 | four(b);
    Some([eight(0, 4), eight(9, 14), eight(19, 24), eight(28, 32)])
}

/// The number that four words of digits are.
#[inline]
fn join(words: [u64; 4]) -> Option<u128> {
    let [a, b, c, d] = words;
    let ((a, not_a), (b, not_b), (c, not_c), (d, not_d)) = (nibbles(a), nibbles(b), nibbles(c), nibbles(d));
    let id = u128::from(a << 32 | b) << 64 | u128::from(c << 32 | d);
    (not_a | not_b | not_c | not_d == 0).then_some(id)
}

/// 32 hexadecimal digits in lower case.
#[inline]
fn hex(digits: &[u8; 32]) -> Option<u128> {
    let [a, b, c, d] = digits.as_chunks::<8>().0 else { return None };
    join([u64::from_be_bytes(*a), u64::from_be_bytes(*b), u64::from_be_bytes(*c), u64::from_be_bytes(*d)])
}

/// Appends an identifier.
#[inline]
pub(in crate::repo::codec::columns) fn render(id: u128, style: Style, out: &mut Vec<u8>) {
    if style == Style::Bytes {
        out.extend(id.to_be_bytes());
        return;
    }
    let parts = [96, 64, 32, 0].map(|shift| text_of((id >> shift) as u32));
    if style == Style::Plain {
        out.extend(parts.as_flattened());
        return;
    }
    let [a, [b0, b1, b2, b3, c0, c1, c2, c3], [d0, d1, d2, d3, e0, e1, e2, e3], rest] = parts;
    let from = out.len();
    out.extend(a);
    out.extend([b'-', b0, b1, b2, b3, b'-', c0, c1, c2, c3, b'-', d0, d1, d2, d3, b'-', e0, e1, e2, e3]);
    out.extend(rest);
    if style == Style::Upper
        && let Some(text) = out.get_mut(from..)
    {
        text.make_ascii_uppercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_back_in_each_spelling() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1000 {
            let id = random.u128(..) & !(0xf << 76) & !(3 << 62) | 4 << 76 | 2 << 62 | 0xa << 120;
            for style in [Style::Lower, Style::Upper, Style::Plain, Style::Bytes] {
                let mut text = Vec::new();
                render(id, style, &mut text);
                assert_eq!(parse(&text), Some((id, style)));
                assert_eq!(Style::of(style.number()), style);
            }
        }
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "f9b178d5-792c-4965-9e2a-9752b81f91fB",
            "f9b178d5-792c-4965-9e2a-9752b81f91fg",
            "f9b178d5-792c-4965-9e2a_9752b81f91fb",
            "01234567890123456789012345678901",
            "sixteen letters.",
            "",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
