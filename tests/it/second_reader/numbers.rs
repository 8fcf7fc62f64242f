//! Numbers and moments in event columns, as they stand in payloads.

use super::wire::{Read, check};

type Format = (u32, usize, bool);

const SUFFIXES: [&str; 8] = ["Z", "", "+00:00", " UTC", "+0000", "+01:00", "+02:00", ".0 UTC"];

fn is_text(form: u64) -> bool {
    form < 2
}

/// The number that lies in this form at the beginning of these bytes, if text is what would be written for it.
pub fn read(bytes: &[u8], form: u64, format: Format) -> Option<u64> {
    match form {
        2 => varint(bytes),
        3 => Some(i64::from(i32::from_le_bytes(*bytes.first_chunk()?)).cast_unsigned()),
        4 => from_double(u64::from_le_bytes(*bytes.first_chunk()?), format.0),
        _ => from_text(bytes, format)
            .filter(|number| write(*number, form, format).is_ok_and(|text| text == bytes)),
    }
}

/// The varint that these bytes begin with.
fn varint(bytes: &[u8]) -> Option<u64> {
    let length = bytes.iter().take(10).position(|byte| *byte < 128)? + 1;
    let number = bytes[..length]
        .iter()
        .rev()
        .try_fold(0_u64, |number, byte| Some(number.checked_mul(128)? | u64::from(byte & 127)));
    number.filter(|_| length == 1 || bytes[length - 1] > 0)
}

fn from_double(bits: u64, scale: u32) -> Option<u64> {
    if scale == 31 {
        return Some(bits);
    }
    let number = (f64::from_bits(bits) * 10_f64.powi(scale.min(15) as i32)).round();
    let number = (number.abs() < 9e15).then_some((number as i64).cast_unsigned())?;
    (write(number, 4, (scale, 0, false)).ok()? == bits.to_le_bytes()).then_some(number)
}

fn from_text(bytes: &[u8], (scale, _, strips): Format) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = (scale as usize).checked_sub(behind.len()).filter(|missing| *missing == 0 || strips)?;
    let all = format!("{whole}{behind}{}", "0".repeat(missing));
    let good =
        all.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 20 && !behind.starts_with('+');
    let number =
        if good { all.parse::<i64>().ok().filter(|number| *number < 1 << 62)? } else { return None };
    let negative = text.starts_with('-');
    (!negative || number > 0).then_some(if negative { -number } else { number }.cast_unsigned())
}

/// The number as it lies in this form.
pub fn write(number: u64, form: u64, (scale, width, strips): Format) -> Read<Vec<u8>> {
    Ok(match form {
        0 | 1 | 5 => text(number.cast_signed(), (scale, width, strips))?.into_bytes(),
        2 => {
            let mut bytes = Vec::new();
            let mut rest = number;
            while rest > 127 {
                bytes.push(rest as u8 | 128);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            bytes
        }
        3 => (number as u32).to_le_bytes().to_vec(),
        4 if scale == 31 => number.to_le_bytes().to_vec(),
        4 => (number.cast_signed() as f64 / 10_f64.powi(scale.min(15) as i32)).to_le_bytes().to_vec(),
        _ => return Err("a number in no form".into()),
    })
}

fn text(number: i64, (scale, width, strips): Format) -> Read<String> {
    let (scale, width) = (scale.min(18) as usize, width.min(20));
    let digits = format!("{:0>1$}", number.unsigned_abs(), scale + width.max(1));
    let (whole, behind) = digits.split_at(digits.len() - scale);
    let sign = if number < 0 { "-" } else { "" };
    // The digits before the point are at least the width, which may be none.
    let mut text = format!("{sign}{whole}");
    if scale > 0 {
        text = format!("{text}.{behind}");
        while strips && text.ends_with('0') && !text.ends_with(".0") {
            text.pop();
        }
    }
    Ok(text)
}

/// A moment so many units from the timestamp.
pub fn moment(
    timestamp: i64,
    delta: i64,
    ((digits, suffix, spaced), format): ((u32, usize, bool), Option<Format>),
    form: u64,
) -> Read<Vec<u8>> {
    if let Some(format) = format {
        let number = self::timestamp(timestamp, format).wrapping_add(delta);
        return write(number.cast_unsigned(), form, format);
    }
    check(is_text(form), "a moment that is no text")?;
    if digits == 15 {
        return Ok(date(timestamp.div_euclid(86_400_000).wrapping_add(delta))?.into_bytes());
    }
    let places = digits % 10;
    let units = power(places);
    let all = in_units(timestamp, places).wrapping_add(delta);
    let (seconds, behind) = (all.div_euclid(units), all.rem_euclid(units));
    let of_day = seconds.rem_euclid(86_400);
    let separator = if spaced { ' ' } else { 'T' };
    let mut text = date(seconds.div_euclid(86_400))?;
    text += &format!("{separator}{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60);
    if places > 0 {
        text += &format!(".{behind:0>0$}", places as usize);
    }
    Ok((text + SUFFIXES[suffix]).into_bytes())
}

/// A timestamp as a number in this format.
pub fn timestamp(timestamp: i64, format: Format) -> i64 {
    timestamp.wrapping_mul(power(format.0.min(9).saturating_sub(3)))
}

fn power(of: u32) -> i64 {
    (0..of).fold(1, |power, _| power * 10)
}

/// Milliseconds in units of so many digits of a second, rounded down.
fn in_units(timestamp: i64, places: u32) -> i64 {
    timestamp.div_euclid(power(3_u32.saturating_sub(places))).wrapping_mul(power(places.saturating_sub(3)))
}

/// The date so many days after 1970-01-01.
fn date(days: i64) -> Read<String> {
    check(days.unsigned_abs() < 4_000_000, "a date that is too far away")?;
    // Days since 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    Ok(format!("{:04}-{month:02}-{day:02}", year + era * 400 + i64::from(month < 3)))
}
