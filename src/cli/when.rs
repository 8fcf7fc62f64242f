//! Moments as people type them: `2027-01-01` (its first moment, UTC) or RFC 3339.

use crate::repo::format::moment::Moment;

/// The clock.
pub(super) fn now() -> Moment {
    Moment(jiff::Timestamp::now().as_millisecond())
}

/// Reads a moment. A time without an offset is refused: nobody knows whose it is.
pub fn parse(text: &str) -> Result<Moment, String> {
    let is_date = text.len() == "2027-01-01".len();
    let midnight = || format!("{text}T00:00:00Z").parse::<Moment>().ok().filter(|_| is_date);
    midnight().or_else(|| text.parse().ok()).ok_or_else(|| {
        format!("'{text}' is no time: give a date like 2027-01-01, or RFC 3339 like 2027-01-01T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_in_utc() {
        assert_eq!(parse("2027-01-01").unwrap(), parse("2027-01-01T00:00:00Z").unwrap());
        assert_eq!(parse("2027-01-01T01:00:00+01:00").unwrap(), parse("2027-01-01").unwrap());
    }

    #[test]
    fn nothing_else_is() {
        for odd in ["", "tomorrow", "2027-13-01", "2027-01-01T12:00:00", "20270101", "2027"] {
            assert!(parse(odd).unwrap_err().contains("2027-01-01T12:00:00Z"), "{odd}");
        }
    }
}
