//! How the repository grows.

use crate::engine::stats::report::{Growth, PointStats};

const DAY: i64 = 24 * 60 * 60 * 1_000;
const HOUR: i64 = 60 * 60 * 1_000;
/// Growth is taken from so many days before the newest point.
const DAYS: i64 = 30;

/// From the points of the last 30 days. The oldest of them is where it begins: what it added does not count.
pub fn growth(points: &[PointStats], free: Option<u64>) -> Growth {
    let per_day = per_day(points);
    let full_in_days = match (per_day, free) {
        (Some(per_day), Some(free)) if per_day > 0 => Some(free / per_day),
        _ => None,
    };
    Growth { per_day, per_month: per_day.map(|bytes| bytes.saturating_mul(30)), free, full_in_days }
}

fn per_day(points: &[PointStats]) -> Option<u64> {
    let newest = points.iter().map(|point| point.at.0).max()?;
    let since = newest.saturating_sub(DAYS * DAY);
    let recent = || points.iter().filter(|point| point.at.0 >= since);
    let oldest = recent().map(|point| point.at.0).min()?;
    let span = newest.saturating_sub(oldest);
    if span < HOUR {
        return None;
    }
    let added: u128 = recent().filter(|point| point.at.0 > oldest).map(|point| u128::from(point.added)).sum();
    u64::try_from(added.saturating_mul(DAY.unsigned_abs().into()) / u128::from(span.unsigned_abs())).ok()
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, growth};
    use crate::engine::stats::report::PointStats;
    use crate::repo::format::moment::Moment;

    fn point(at: i64, added: u64) -> PointStats {
        let source = "s".to_owned();
        PointStats { number: 1, at: Moment(at), source, forgotten: false, copies: 0, added, frees: 0 }
    }

    #[test]
    fn a_day_is_a_day_of_the_last_thirty() {
        let points =
            [point(0, 1_000_000), point(100 * DAY, 5_000), point(101 * DAY, 700), point(102 * DAY, 900)];
        let found = growth(&points, Some(80_000));
        assert_eq!(
            (found.per_day, found.per_month, found.full_in_days),
            (Some(800), Some(24_000), Some(100))
        );
    }

    #[test]
    fn a_moment_says_nothing_of_a_day() {
        assert_eq!(growth(&[], Some(1)).per_day, None);
        assert_eq!(growth(&[point(5, 9), point(6 + HOUR / 2, 9)], Some(1)).per_day, None);
        assert_eq!(growth(&[point(0, 9), point(DAY, 0)], Some(1)).full_in_days, None, "never full");
    }
}
