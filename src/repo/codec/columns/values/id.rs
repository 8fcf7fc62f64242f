//! Identifiers of 128 bits in their spellings.

/// How an identifier is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Style {
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
    pub(in super::super) const fn number(self) -> u8 {
        match self {
            Self::Lower => 0,
            Self::Upper => 1,
            Self::Plain => 2,
            Self::Bytes => 3,
        }
    }

    pub(in super::super) const fn of(number: u8) -> Self {
        match number {
            0 => Self::Lower,
            1 => Self::Upper,
            2 => Self::Plain,
            _ => Self::Bytes,
        }
    }
}

const BAD: u8 = 0xff;
/// The value of each hexadecimal digit; 16 more for upper case letters.
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut digits = [BAD; 256];
    let mut at = 0;
    while at < 16 {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            digits[b"0123456789abcdef"[at] as usize] = at as u8;
            if at > 9 {
                digits[b"0123456789ABCDEF"[at] as usize] = at as u8 | 16;
            }
        }
        at += 1;
    }
    digits
}

/// Reads an identifier and its spelling.
#[inline]
pub(in super::super) fn parse(bytes: &[u8]) -> Option<(u128, Style)> {
    match bytes.len() {
        36 => parse_dashed(bytes),
        32 => {
            let (id, upper) = hex(bytes)?;
            (!upper && bytes.iter().any(|byte| *byte > b'9')).then_some((id, Style::Plain))
        }
        16 => {
            let id = u128::from_be_bytes(*bytes.first_chunk()?);
            ((id >> 62) & 3 == 2 && (1..=8).contains(&((id >> 76) & 15))).then_some((id, Style::Bytes))
        }
        _ => None,
    }
}

fn parse_dashed(bytes: &[u8]) -> Option<(u128, Style)> {
    let bytes: &[u8; 36] = bytes.first_chunk()?;
    let [a @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = bytes;
    let rest = bytes.get(8..)?;
    let (b, c, d, e) = (rest.get(1..5)?, rest.get(6..10)?, rest.get(11..15)?, rest.get(16..28)?);
    let dashes = [rest.first(), rest.get(5), rest.get(10), rest.get(15)];
    if dashes.iter().any(|dash| *dash != Some(&b'-')) {
        return None;
    }
    let mut all = [0; 32];
    let parts = a.iter().chain(b).chain(c).chain(d).chain(e);
    all.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    let (id, upper) = hex(&all)?;
    Some((id, if upper { Style::Upper } else { Style::Lower }))
}

/// 32 hexadecimal digits of one case; whether it is the upper one.
#[inline]
fn hex(bytes: &[u8]) -> Option<(u128, bool)> {
    let (mut high, mut low, mut seen, mut upper, mut lower) = (0_u64, 0_u64, 0, 0, 0);
    let (first, second) = bytes.split_at_checked(16)?;
    for (part, bytes) in [(&mut high, first), (&mut low, second)] {
        for byte in bytes {
            let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(BAD);
            seen |= digit;
            upper |= digit & 16;
            lower |= u8::from(digit > 9 && digit < 16);
            *part = *part << 4 | u64::from(digit & 15);
        }
    }
    let good = seen & 0x80 == 0 && (upper == 0 || lower == 0);
    good.then_some((u128::from(high) << 64 | u128::from(low), upper != 0))
}

/// Two digits of each byte.
const PAIRS: [[u8; 2]; 256] = pairs();

const fn pairs() -> [[u8; 2]; 256] {
    let mut pairs = [[0; 2]; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            pairs[at] = [b"0123456789abcdef"[at >> 4], b"0123456789abcdef"[at & 15]];
        }
        at += 1;
    }
    pairs
}

/// Appends an identifier.
#[inline]
pub(in super::super) fn render(id: u128, style: Style, out: &mut Vec<u8>) {
    let bytes = id.to_be_bytes();
    if style == Style::Bytes {
        out.extend(bytes);
        return;
    }
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        at += usize::from(style != Style::Plain && matches!(index, 4 | 6 | 8 | 10));
        if let (Some(to), Some(pair)) = (text.get_mut(at..at + 2), PAIRS.get(usize::from(*byte))) {
            to.copy_from_slice(pair);
        }
        at += 2;
    }
    if style == Style::Upper {
        text.make_ascii_uppercase();
    }
    out.extend(text.get(..at).unwrap_or_default());
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
