//! A month of hourly backups, by the data's own times: its history is cut where it stood at each hour.

use crate::engine::bench::error::Error;
use crate::engine::bench::measure::Stopped;
use crate::engine::bench::node::{Node, State};
use crate::engine::bench::report::{Growth, Month, Step};
use crate::engine::bench::sample::Sample;
use crate::engine::bench::tools::Workshop;
use crate::engine::error;

/// Hours of a month.
const HOURS: u32 = 30 * 24;
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The last 30 days of the sample, or all of it, stretched. None without times.
pub(super) fn plan(sample: &Sample, made: u32) -> Option<Month> {
    let (first, last) = sample.times().filter(|_| made > 0)?;
    let from = last.saturating_sub(i64::from(HOURS) * HOUR_MS);
    let stretched = first > from;
    Some(Month { backups: HOURS, made, from_ms: first.max(from), to_ms: last, stretched })
}

/// The hours in which a backup is made, from the first to the last.
fn hours(month: &Month) -> impl Iterator<Item = u32> + use<> {
    let (made, backups) = (month.made.max(1), month.backups);
    (1..=made).map(move |step| {
        u32::try_from(u64::from(backups) * u64::from(step) / u64::from(made)).unwrap_or(backups)
    })
}

/// What had happened by an hour.
fn time(month: &Month, hour: u32) -> i64 {
    let span = i128::from(month.to_ms) - i128::from(month.from_ms);
    let into = span * i128::from(hour) / i128::from(month.backups.max(1));
    i64::try_from(i128::from(month.from_ms) + into).unwrap_or(month.to_ms)
}

/// One tool through the month. That it fails is told, with the steps that it did.
pub(super) fn growth(month: &Month, node: &Node, workshop: &Workshop<'_>) -> Result<Growth, error::Error> {
    let mut growth = Growth { steps: Vec::new(), idle: 0, at_least: 0, failed: None };
    match follow(month, node, workshop, &mut growth) {
        Ok(()) => {}
        Err(Stopped::Tool(why)) => growth.failed = Some(why),
        Err(Stopped::Ours(error)) => return Err(error),
    }
    Ok(growth)
}

fn follow(month: &Month, node: &Node, workshop: &Workshop<'_>, growth: &mut Growth) -> Result<(), Stopped> {
    let mut number = 0;
    let mut step = |hour, history| -> Result<Step, Stopped> {
        number += 1;
        workshop.backup(number)?;
        Ok(Step { hour, history, stored: workshop.size().map_err(|error: Error| Stopped::from(error))? })
    };
    workshop.init()?;
    for hour in hours(month) {
        let history = node.set(State::At(time(month, hour)))?;
        if history > 0 {
            growth.steps.push(step(hour, history)?);
        }
    }
    let Some(last) = growth.steps.last().copied() else { return Ok(()) };
    // The first one that finds nothing new may still read once more what was sealed last.
    let settled = step(last.hour, last.history)?;
    let idle = step(last.hour, last.history)?;
    growth.idle = idle.stored.saturating_sub(settled.stored);
    let not_made = u64::from(month.backups).saturating_sub(growth.steps.len() as u64);
    growth.at_least = last.stored.saturating_add(growth.idle.saturating_mul(not_made));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{hours, time};
    use crate::engine::bench::report::Month;

    #[test]
    fn the_hours_are_spread_over_the_month_and_end_with_it() {
        let month = Month { backups: 720, made: 12, from_ms: 1_000, to_ms: 721_000, stretched: true };
        let found: Vec<u32> = hours(&month).collect();
        assert_eq!((found.len(), found[0], found[11]), (12, 60, 720));
        assert_eq!((time(&month, 0), time(&month, 60), time(&month, 720)), (1_000, 61_000, 721_000));
    }
}
