//! Moments as ISO 8601 text.

use crate::repo::codec::columns::values::number::put_digits;

/// How the moments of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::repo::codec::columns) struct Format {
    /// Digits of a second, up to 9; [`DATE`] for a date alone.
    pub(in crate::repo::codec::columns) digits: u8,
    /// Whether a space stands between date and time, and no `T`.
    pub(in crate::repo::codec::columns) space: bool,
    /// What stands behind: an index into [`SUFFIXES`].
    pub(in crate::repo::codec::columns) suffix: u8,
}

/// Stands for a date without a time.
pub(in crate::repo::codec::columns) const DATE: u8 = 15;
const SUFFIXES: [&[u8]; 8] = [b"Z", b"", b"+00:00", b" UTC", b"+0000", b"+01:00", b"+02:00", b".0 UTC"];
const DAY: i64 = 86_400;

impl Format {
    /// As 8 bits.
    pub(in crate::repo::codec::columns) fn packed(self) -> u64 {
        u64::from(self.digits & 15) | u64::from(self.suffix & 7) << 4 | u64::from(self.space) << 7
    }

    /// From 8 bits.
    pub(in crate::repo::codec::columns) const fn of(packed: u64) -> Self {
        Self { digits: (packed & 15) as u8, suffix: (packed >> 4 & 7) as u8, space: packed >> 7 == 1 }
    }

    /// Units of this format in a day.
    const fn day(self) -> i64 {
        if self.digits == DATE { 1 } else { DAY * 10_i64.pow(self.digits as u32 % 10) }
    }

    /// The event's timestamp, in milliseconds, in units of this format.
    pub(in crate::repo::codec::columns) const fn base(self, milliseconds: i64) -> i64 {
        match self.digits {
            DATE => milliseconds.div_euclid(DAY * 1000),
            0..3 => milliseconds.div_euclid(10_i64.pow(3 - self.digits as u32)),
            digits => milliseconds.wrapping_mul(10_i64.pow((digits as u32 % 10).saturating_sub(3))),
        }
    }
}

fn digit_pair(bytes: &[u8], at: usize) -> Option<i64> {
    let (a, b) = (bytes.get(at)?.wrapping_sub(b'0'), bytes.get(at + 1)?.wrapping_sub(b'0'));
    (a < 10 && b < 10).then_some(i64::from(a) * 10 + i64::from(b))
}

/// Reads a moment: units since 1970, and how it is written.
pub(in crate::repo::codec::columns) fn parse(bytes: &[u8]) -> Option<(i64, Format)> {
    if bytes.len() < 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let year = digit_pair(bytes, 0)? * 100 + digit_pair(bytes, 2)?;
    let days = days(year, digit_pair(bytes, 5)?, digit_pair(bytes, 8)?)?;
    let Some(separator) = bytes.get(10) else {
        return Some((days, Format { digits: DATE, ..Format::default() }));
    };
    let space = match separator {
        b'T' => false,
        b' ' => true,
        _ => return None,
    };
    if bytes.get(13) != Some(&b':') || bytes.get(16) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (digit_pair(bytes, 11)?, digit_pair(bytes, 14)?, digit_pair(bytes, 17)?);
    let (part, digits) = fraction(bytes.get(19..)?)?;
    let behind = bytes.get(19 + usize::from(digits) + usize::from(digits > 0)..)?;
    let suffix = SUFFIXES.iter().position(|suffix| *suffix == behind)? as u8;
    let seconds = (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)?;
    let unit = 10_i64.pow(u32::from(digits));
    let value = days.checked_mul(DAY)?.checked_add(seconds)?.checked_mul(unit)?.checked_add(part)?;
    Some((value, Format { digits, space, suffix }))
}

/// Digits behind a point, if there is one: up to 9.
fn fraction(bytes: &[u8]) -> Option<(i64, u8)> {
    let Some((b'.', rest)) = bytes.split_first() else { return Some((0, 0)) };
    let (mut part, mut digits) = (0, 0);
    for byte in rest.iter().take_while(|byte| byte.is_ascii_digit()).take(10) {
        part = part * 10 + i64::from(byte - b'0');
        digits += 1;
    }
    (1..=9).contains(&digits).then_some((part, digits))
}

fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let shifted = (5 * doy + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * shifted + 2) / 5 + 1)
}

/// Appends a moment; false where its year has not four digits.
pub(in crate::repo::codec::columns) fn render(value: i64, format: Format, out: &mut Vec<u8>) -> bool {
    let (days, units) = (value.div_euclid(format.day()), value.rem_euclid(format.day()));
    if !(-719_528..=2_932_896).contains(&days) {
        return false;
    }
    let (year, month, day) = civil(days);
    put_digits(year.unsigned_abs(), 4, out);
    for part in [month, day] {
        out.push(b'-');
        put_digits(part.unsigned_abs(), 2, out);
    }
    if format.digits == DATE {
        return true;
    }
    let digits = format.digits % 10;
    let unit = 10_i64.pow(u32::from(digits));
    let (seconds, part) = (units / unit, units % unit);
    let times = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    for (mark, time) in [if format.space { b' ' } else { b'T' }, b':', b':'].iter().zip(times) {
        out.push(*mark);
        put_digits(time.unsigned_abs(), 2, out);
    }
    if digits > 0 {
        out.push(b'.');
        put_digits(part.unsigned_abs(), usize::from(digits), out);
    }
    out.extend(SUFFIXES.get(usize::from(format.suffix)).copied().unwrap_or_default());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_exactly() {
        for text in [
            "2026-11-22T21:11:08.896513370Z",
            "2026-11-22T21:11:08Z",
            "2026-11-22T21:11:08.1",
            "2026-11-22 21:11:08.896 UTC",
            "1969-12-31T23:59:59.999+00:00",
            "2024-02-29",
            "0001-01-01",
            "9999-12-31T23:59:59Z",
        ] {
            let (value, format) = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a moment"));
            let mut out = Vec::new();
            assert!(render(value, format, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn other_text_is_no_moment() {
        for text in [
            "2023-02-29",
            "2023-13-01",
            "2023-1-01",
            "2023-01-01T",
            "2023-01-01T24:00:00Z",
            "2023-01-01T10:00Z",
            "",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_base_is_in_the_units_of_the_format() {
        let (value, format) = parse(b"2026-11-22T21:11:08.896513370Z").unwrap();
        assert_eq!(value - format.base(1_795_381_868_896), 513_370);
    }

    #[test]
    fn no_number_makes_it_panic() {
        for value in [i64::MIN, i64::MAX, 0, -1] {
            for digits in 0..=15 {
                for suffix in 0..=9 {
                    render(value, Format { digits, space: false, suffix }, &mut Vec::new());
                    Format { digits, space: false, suffix }.base(value);
                }
            }
        }
    }
}
