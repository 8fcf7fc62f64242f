//! Numbers as people read them: sizes, counts, times.

pub(in crate::cli) use crate::engine::words::{are, count, plural, points};
use jiff::Timestamp;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `0 B`, `1023 B`, `1.5 KiB`, `128 MiB`: three digits, or the whole number of bytes.
pub(in crate::cli) fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut whole, mut unit) = (count, UNITS[0]);
    for name in UNITS {
        unit = name;
        // A value that would be shown as 1024 belongs to the next unit.
        if whole < 1024 * 1024 - 512 {
            break;
        }
        whole /= 1024;
    }
    format!("{} {unit}", thousandth(whole))
}

/// A count of 1024ths of a unit, in three digits.
fn thousandth(count: u64) -> String {
    let hundredths = (count * 100 + 512) / 1024;
    match hundredths {
        0..1_000 => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        1_000..10_000 => format!("{}.{}", (hundredths + 5) / 100, (hundredths + 5) % 100 / 10),
        _ => ((hundredths + 50) / 100).to_string(),
    }
}

/// `2026-11-22T21:10:49Z`: RFC 3339 in UTC, to the second.
pub(in crate::cli) fn time(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1_000)) {
        Ok(at) => format!("{at:.0}"),
        Err(_) => format!("{ms} ms"),
    }
}

/// `2026-11-22 21:10:49`: the same for tables whose head says UTC.
pub(in crate::cli) fn short_time(ms: i64) -> String {
    time(ms).trim_end_matches('Z').replacen('T', " ", 1)
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
pub(in crate::cli) fn span(ms: i64) -> String {
    let ms = ms.max(0);
    match ms / 1_000 {
        0..10 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.00 KiB"),
            (1_536, "1.50 KiB"),
            (10 * 1_024, "10.0 KiB"),
            (131_072, "128 KiB"),
            (1_048_575, "1.00 MiB"),
            (300_082, "293 KiB"),
            (268_435_456, "256 MiB"),
            (5 << 40, "5.00 TiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (size, expected) in cases {
            assert_eq!(bytes(size), expected, "{size}");
        }
    }

    #[test]
    fn times_are_utc_to_the_second() {
        assert_eq!(time(1_795_381_849_885), "2026-11-22T21:10:49Z");
        assert_eq!(short_time(1_795_381_849_885), "2026-11-22 21:10:49");
        assert_eq!(time(-1), "1969-12-31T23:59:59Z");
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }

    #[test]
    fn spans_are_short() {
        let cases = [
            (-5, "0.0 s"),
            (450, "0.4 s"),
            (9_999, "9.9 s"),
            (12_345, "12 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
        ];
        for (ms, expected) in cases {
            assert_eq!(span(ms), expected);
        }
    }
}
