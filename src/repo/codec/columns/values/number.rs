//! Numbers: decimal text with its scale, and binary forms.

use crate::repo::codec::columns::values::Form;
use crate::repo::codec::columns::values::put_varint;
use crate::repo::codec::columns::values::varint;

/// How the numbers of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::repo::codec::columns) struct Format {
    /// Digits behind the point; of 8-byte doubles: the decimal places that they have, or [`BITS`].
    pub(in crate::repo::codec::columns) scale: u8,
    /// Zeros at the end are not written, but for one behind the point (as Java writes doubles).
    pub(in crate::repo::codec::columns) stripped: bool,
    /// Digits before the point, at least: zeros are put in front.
    pub(in crate::repo::codec::columns) width: u8,
}

impl Format {
    /// As 11 bits.
    pub(in crate::repo::codec::columns) fn packed(self) -> u64 {
        u64::from(self.scale & 31) | u64::from(self.width & 31) << 5 | u64::from(self.stripped) << 10
    }

    /// From 11 bits.
    pub(in crate::repo::codec::columns) const fn of(packed: u64) -> Self {
        Self { scale: (packed & 31) as u8, width: (packed >> 5 & 31) as u8, stripped: packed >> 10 == 1 }
    }
}

/// The scale of 8-byte values that are taken as the bits they are.
pub(in crate::repo::codec::columns) const BITS: u8 = 31;
/// The most digits behind the point.
const SCALE_MAX: u8 = 18;
/// No mantissa reaches this.
const LIMIT: u64 = 1 << 62;
const POWERS: [u64; 20] = powers();

const fn powers() -> [u64; 20] {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < 20 {
        #[expect(clippy::indexing_slicing, reason = "a constant, computed by the compiler")]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
}

fn power(exponent: u8) -> u64 {
    POWERS.get(usize::from(exponent)).copied().unwrap_or(1)
}

/// A number in text: its digits as they stand.
struct Digits {
    negative: bool,
    mantissa: u64,
    before: u8,
    behind: u8,
    leading_zero: bool,
    trailing_zero: bool,
}

fn digits(bytes: &[u8]) -> Option<Digits> {
    let (negative, bytes) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, bytes),
    };
    if bytes.len() > 20 {
        return None;
    }
    let (mut mantissa, mut before, mut behind, mut point) = (0_u64, 0_u8, 0_u8, false);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                *(if point { &mut behind } else { &mut before }) += 1;
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let good = before > 0 && (behind > 0 || !point) && behind <= SCALE_MAX && mantissa < LIMIT;
    let leading_zero = before > 1 && bytes.first() == Some(&b'0');
    let trailing_zero = behind > 0 && bytes.last() == Some(&b'0');
    (good && !(negative && mantissa == 0)).then_some(Digits {
        negative,
        mantissa,
        before,
        behind,
        leading_zero,
        trailing_zero,
    })
}

impl Digits {
    fn aligned(&self, format: Format) -> Option<i64> {
        let scale = if format.stripped {
            let fits = self.behind >= 1 && self.behind <= format.scale;
            (fits && (self.behind == 1 || !self.trailing_zero)).then(|| format.scale - self.behind)?
        } else {
            (self.behind == format.scale).then_some(0)?
        };
        let plain = self.before > format.width && !self.leading_zero;
        if !plain && self.before != format.width {
            return None;
        }
        let mantissa = self.mantissa.checked_mul(power(scale)).filter(|mantissa| *mantissa < LIMIT)?;
        Some(if self.negative { -mantissa.cast_signed() } else { mantissa.cast_signed() })
    }

    fn format(&self, before: Format) -> Format {
        let stripped = self.behind > 0 && (self.behind == 1 || !self.trailing_zero);
        let scale = if stripped && before.stripped { before.scale.max(self.behind) } else { self.behind };
        Format { scale, stripped, width: if self.leading_zero { self.before } else { 0 } }
    }
}

/// The number that text is in this format; none if the format would write it differently.
pub(in crate::repo::codec::columns) fn aligned(bytes: &[u8], form: Form, format: Format) -> Option<i64> {
    match form {
        Form::Text | Form::Prefixed | Form::End => digits(bytes)?.aligned(format),
        Form::Varint => Some(varint(bytes)?.0.cast_signed()),
        Form::Fixed32 => Some(i64::from(i32::from_le_bytes(*bytes.first_chunk()?))),
        Form::Fixed64 => double(u64::from_le_bytes(*bytes.first_chunk()?), format),
    }
}

/// A number and the format that it needs, as near as possible to the one before.
pub(in crate::repo::codec::columns) fn parse(
    bytes: &[u8],
    form: Form,
    before: Format,
) -> Option<(i64, Format)> {
    if let Some(number) = aligned(bytes, form, before) {
        return Some((number, before));
    }
    if form == Form::Fixed64 {
        let mut formats = (0..=6).chain([BITS]).map(|scale| Format { scale, ..Format::default() });
        return formats.find_map(|format| Some((aligned(bytes, form, format)?, format)));
    }
    let digits = digits(bytes)?;
    let formats = [digits.format(before), digits.format(Format::default())];
    formats.iter().find_map(|format| Some((digits.aligned(*format)?, *format)))
}

/// A power of ten as a double, exactly.
#[expect(clippy::cast_precision_loss, reason = "up to ten to the 15th nothing is lost")]
fn factor(scale: u8) -> f64 {
    power(scale.min(15)) as f64
}

/// A double as a decimal number of this scale, if exactly that decimal gives the double.
fn double(bits: u64, format: Format) -> Option<i64> {
    if format.scale == BITS {
        return Some(bits.cast_signed());
    }
    let rounded = (f64::from_bits(bits) * factor(format.scale)).round();
    let number = rounded as i64;
    let exact = rounded.abs() < 9e15 && quotient(number, format).to_bits() == bits;
    exact.then_some(number)
}

/// The double that a decimal number of this scale is.
#[expect(clippy::cast_precision_loss, reason = "what is written stays below 9e15")]
fn quotient(number: i64, format: Format) -> f64 {
    number as f64 / factor(format.scale)
}

/// Appends a number.
pub(in crate::repo::codec::columns) fn render(number: i64, form: Form, format: Format, out: &mut Vec<u8>) {
    match form {
        Form::Text | Form::Prefixed | Form::End => render_text(number, format, out),
        Form::Varint => put_varint(number.cast_unsigned(), out),
        Form::Fixed32 => out.extend((number as i32).to_le_bytes()),
        Form::Fixed64 if format.scale == BITS => out.extend(number.to_le_bytes()),
        Form::Fixed64 => out.extend(quotient(number, format).to_bits().to_le_bytes()),
    }
}

fn render_text(number: i64, format: Format, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    let scale = format.scale.min(SCALE_MAX);
    let unit = power(scale);
    let (whole, mut part) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    put_digits(whole, usize::from(format.width.min(20)), out);
    if scale == 0 {
        return;
    }
    let mut places = usize::from(scale);
    while format.stripped && places > 1 && part.is_multiple_of(10) {
        part /= 10;
        places -= 1;
    }
    out.push(b'.');
    put_digits(part, places, out);
}

/// Appends a number with at least so many digits.
pub(super) fn put_digits(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 24];
    let mut length = 0;
    for byte in text.iter_mut().rev() {
        if number == 0 && length >= width.max(1) {
            break;
        }
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
        length += 1;
    }
    out.extend(text.get(24 - length..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str, before: Format) -> Option<(String, Format)> {
        let (number, format) = parse(text.as_bytes(), Form::Text, before)?;
        let mut out = Vec::new();
        render(number, Form::Text, format, &mut out);
        Some((String::from_utf8(out).unwrap(), format))
    }

    #[test]
    fn text_comes_back_exactly() {
        let mut format = Format::default();
        for text in [
            "0",
            "1",
            "-1",
            "10",
            "0.16",
            "25.5",
            "25.50",
            "100.0",
            "0.0",
            "-0.5",
            "000123",
            "123456",
            "0012",
            "1.000",
            "50.24296170540665",
            "4.912309641271154",
            "0.12345678901234567",
            "4611686018427387903",
            "-17.25",
            "007.5",
        ] {
            let (back, next) = again(text, format).unwrap_or_else(|| panic!("{text} is a number"));
            assert_eq!(back, text);
            format = next;
        }
    }

    #[test]
    fn other_text_is_no_number() {
        for text in ["", "-", "-0", "-0.0", ".5", "5.", "1e5", "+1", "1.2.3", "4611686018427387904", "0x1"] {
            assert_eq!(again(text, Format::default()), None, "{text}");
        }
    }

    #[test]
    fn random_text_of_digits_comes_back() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut format = Format::default();
        for _ in 0..100_000 {
            let text: String =
                (0..random.usize(1..8)).map(|_| char::from(b"000159.-"[random.usize(0..8)])).collect();
            if let Some((back, next)) = again(&text, format) {
                assert_eq!(back, text, "{format:?}");
                format = next;
            }
        }
    }

    #[test]
    fn binary_numbers_come_back() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..10_000 {
            let bits = random.u64(..) >> random.u32(0..64);
            let price = (f64::from(random.u32(..1_000_000)) / 100.0).to_bits();
            for value in [bits, price, f64::NAN.to_bits(), (-0.0_f64).to_bits()] {
                let bytes = value.to_le_bytes();
                let (number, format) = parse(&bytes, Form::Fixed64, Format::default()).unwrap();
                let mut out = Vec::new();
                render(number, Form::Fixed64, format, &mut out);
                assert_eq!(out, bytes);
            }
            let mut text = Vec::new();
            put_varint(bits, &mut text);
            let (number, format) = parse(&text, Form::Varint, Format::default()).unwrap();
            let mut out = Vec::new();
            render(number, Form::Varint, format, &mut out);
            assert_eq!(out, text);
        }
    }
}
