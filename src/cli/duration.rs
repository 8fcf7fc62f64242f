//! Durations as people type them: `30s`, `5m`, `1h`, `2d`.

use std::time::Duration;

/// Reads a whole number and its unit: `s`, `m`, `h` or `d`. `0` alone needs none.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration: give a number and s, m, h or d, like 30s or 5m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (digits, seconds) = split(text).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
    // A deadline so far away could not be added to a clock; nobody waits for a century.
    count.filter(|&total| total <= 100 * 366 * 86_400).map(Duration::from_secs).ok_or_else(wrong)
}

/// So many milliseconds, as the engine counts.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn split(text: &str) -> Option<(&str, u64)> {
    [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|digits| (digits, seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        let seconds = |text| parse(text).unwrap().as_secs();
        assert_eq!([seconds("30s"), seconds("5m"), seconds("1h"), seconds("2d")], [30, 300, 3_600, 172_800]);
        assert_eq!([seconds("0"), seconds("0s"), seconds("007m")], [0, 0, 420]);
    }

    #[test]
    fn nothing_else() {
        let odd = [
            "",
            "s",
            "5",
            "-5s",
            "+5s",
            "5 s",
            "1.5h",
            "5S",
            "1h30m",
            "99999999999999999999s",
            "9999999999d",
            "fünfs",
        ];
        for text in odd {
            assert!(parse(text).unwrap_err().contains("like 30s"), "{text}");
        }
    }
}
