//! Months in UTC.

use crate::engine::stats::report::{Lot, MonthStats};
use std::collections::BTreeMap;

/// `2026-11` of a time in milliseconds since 1970; `none` for none, and for times that no calendar has.
pub fn month(at: Option<i64>) -> String {
    let timestamp = at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    timestamp.map_or_else(|| "none".to_owned(), |timestamp| timestamp.strftime("%Y-%m").to_string())
}

/// Rows by month, in their order; `none` is the last.
#[derive(Debug, Default)]
pub struct Months(BTreeMap<String, MonthStats>);

impl Months {
    /// The row of a month.
    pub fn row(&mut self, at: Option<i64>) -> &mut MonthStats {
        let month = month(at);
        self.0.entry(month.clone()).or_insert_with(|| MonthStats {
            month,
            points: 0,
            added: 0,
            events: 0,
            own: Lot::default(),
        })
    }

    /// All rows.
    pub fn finish(self) -> Vec<MonthStats> {
        self.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::month;

    #[test]
    fn a_month_is_the_calendars() {
        assert_eq!(month(Some(1_795_381_849_885)), "2026-11");
        assert_eq!(month(Some(-1)), "1969-12");
        assert_eq!([month(None), month(Some(i64::MAX))], ["none", "none"]);
    }
}
