//! What a policy is: rules, each of which keeps points. A point is forgotten if no rule keeps it.

use crate::repo::format::moment::Moment;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A length of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// Hours.
    Hourly,
    /// Days.
    Daily,
    /// Weeks, as ISO 8601 counts them.
    Weekly,
    /// Months.
    Monthly,
    /// Years.
    Yearly,
}

impl Period {
    /// What the rule is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    /// The hour, day, week, month or year that a moment lies in: `2026-08`. None beyond the years that a calendar has.
    pub fn of(self, moment: Moment) -> Option<String> {
        let at = utc(moment)?;
        let week = at.date().iso_week_date();
        Some(match self {
            Self::Hourly => format!("{} {:02}h", at.date(), at.hour()),
            Self::Daily => at.date().to_string(),
            Self::Weekly => format!("{:04}-W{:02}", week.year(), week.week()),
            Self::Monthly => format!("{:04}-{:02}", at.year(), at.month()),
            Self::Yearly => format!("{:04}", at.year()),
        })
    }
}

fn utc(moment: Moment) -> Option<DateTime> {
    let at = Timestamp::from_millisecond(moment.0).ok()?;
    Some(TimeZone::UTC.to_datetime(at))
}

/// Rules. More rules never keep less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The newest so many points.
    pub last: u64,
    /// Points made within so many milliseconds before the newest one.
    pub within_ms: Option<i64>,
    /// Of the newest so many periods that have points, one point each.
    pub periods: Vec<(Period, u64)>,
    /// Points with these tags.
    pub tags: Vec<(String, String)>,
}

impl Policy {
    /// Whether it says nothing at all: then nothing is forgotten.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_in_an_hour_a_day_a_week_a_month_and_a_year_of_utc() {
        let at: Moment = "2027-01-01T00:30:00+01:00".parse().unwrap();
        let of = |period: Period| period.of(at).unwrap();
        assert_eq!(of(Period::Hourly), "2026-12-31 23h");
        assert_eq!(of(Period::Daily), "2026-12-31");
        assert_eq!(of(Period::Weekly), "2026-W53");
        assert_eq!(of(Period::Monthly), "2026-12");
        assert_eq!(of(Period::Yearly), "2026");
        assert_eq!(Period::Daily.of(Moment(i64::MAX)), None);
    }
}
