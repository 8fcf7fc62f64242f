//! What follows from the figures: which setting, why, who is better at what, and what a year costs.

use crate::engine::bench::report::{Data, Measured, Report, Row};
use serde::Serialize;

/// A setting that stores so little more than another is as small as that one: hundredths.
const AS_SMALL: f64 = 0.02;
/// From so much less on it is worth to write what is old anew: hundredths.
const WORTH_IT: f64 = 0.03;
const DAY_MS: f64 = 24.0 * 60.0 * 60.0 * 1_000.0;
const GB: f64 = 1e9;

/// What follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Advice {
    /// The setting; none if none of ours gave back what was there.
    pub setting: Option<String>,
    /// Why.
    pub reason: String,
    /// What to do with what is old, if it is worth it.
    pub later: Option<String>,
    /// What others do better than that setting.
    pub lost: Vec<Lost>,
}

/// Something that another tool does better.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lost {
    /// What.
    pub what: &'static str,
    /// Who does it best.
    pub tool: String,
    /// That tool's figure, in `unit`.
    pub theirs: f64,
    /// Ours.
    pub ours: f64,
    /// `bytes` or `seconds`.
    pub unit: &'static str,
}

/// What a year costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Costs {
    /// The price of a GB (a thousand million bytes) for a month.
    pub price: f64,
    /// Its currency, as the user wrote it.
    pub currency: String,
    /// By how much the figures of the sample are multiplied, for all of the data directory.
    pub factor: f64,
    /// Bytes of history that come each month, for all of the data directory; none where the data spans less than a day.
    pub history_a_month: Option<f64>,
    /// The tools.
    pub years: Vec<Year>,
}

/// One tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Year {
    /// Its name.
    pub tool: String,
    /// What twelve months cost.
    pub cost: f64,
}

/// Something that is compared: what, its unit, and its figure.
type Figure = (&'static str, &'static str, fn(&Measured) -> f64);

const COMPARED: [Figure; 8] = [
    ("stored after the first backup", "bytes", |row| number(row.stored)),
    ("added when the open segment had grown", "bytes", |row| number(row.grown)),
    ("added when a segment was sealed", "bytes", |row| number(row.sealed)),
    ("first backup", "seconds", |row| row.first.seconds),
    ("processor time of the first backup", "seconds", |row| row.first.cpu_seconds),
    ("memory of the first backup", "bytes", |row| number(row.first.memory)),
    ("restore", "seconds", |row| row.restore.seconds),
    ("memory of the restore", "bytes", |row| number(row.restore.memory)),
];

/// What follows from a report.
pub fn advice(report: &Report) -> Advice {
    let own = |setting: &str| -> Option<(&Row, &Measured)> {
        let name = format!("segvault {setting}");
        let row = report.rows.iter().find(|row| row.tool == name)?;
        Some((row, row.sound()?))
    };
    let (fast, default, max) = (own("fast"), own("default"), own("max"));
    let chosen = match (fast, default) {
        (Some(fast), Some(default))
            if number(fast.1.stored) <= number(default.1.stored) * (1.0 + AS_SMALL) =>
        {
            Some((
                fast,
                format!("it stores as little as default within {:.0} %, with less work", AS_SMALL * 100.0),
            ))
        }
        (_, Some(default)) => Some((default, reason(report, default.1, fast.map(|fast| fast.1)))),
        (Some(fast), None) => Some((fast, "default was not measured".to_owned())),
        (None, None) => own("high")
            .or(max)
            .or_else(|| own("raw"))
            .map(|other| (other, "no other setting was measured".to_owned())),
    };
    let Some(((row, measured), reason)) = chosen else {
        let reason = "none of the settings was measured with an equal restore".to_owned();
        return Advice { setting: None, reason, later: None, lost: Vec::new() };
    };
    let setting = row.tool.trim_start_matches("segvault ").to_owned();
    let later = max.filter(|_| setting != "max").and_then(|max| later(measured, max.1));
    let lost = lost(report, measured).into_iter().chain(month(report, row)).collect();
    Advice { setting: Some(setting), reason, later, lost }
}

fn reason(report: &Report, ours: &Measured, fast: Option<&Measured>) -> String {
    let less = |than: u64| (1.0 - number(ours.stored) / number(than).max(1.0)) * 100.0;
    let mut reasons = Vec::new();
    if let Some(fast) = fast {
        reasons.push(format!("it stores {} than fast", than(less(fast.stored))));
    }
    let others = report.rows.iter().filter(|row| !row.own).filter_map(|row| Some((row, row.sound()?.stored)));
    if let Some((row, stored)) = others.min_by_key(|(_, stored)| *stored) {
        reasons.push(format!("{} than the smallest of the others, {}", than(less(stored)), row.tool));
    }
    if reasons.is_empty() { "nothing else was measured".to_owned() } else { reasons.join(", and ") }
}

/// `43 % less`, `5 % more`.
fn than(less: f64) -> String {
    if less < 0.0 { format!("{:.0} % more", -less) } else { format!("{less:.0} % less") }
}

fn later(ours: &Measured, max: &Measured) -> Option<String> {
    let less = 1.0 - number(max.stored) / number(ours.stored).max(1.0);
    let times = |theirs: f64, ours: f64| theirs / ours.max(1e-3);
    (less >= WORTH_IT).then(|| {
        format!(
            "'segvault recompress --compression max' writes what is old anew: {:.0} % less again, for {:.1} times the processor time in a backup and \
             {:.1} times in a restore",
            less * 100.0,
            times(max.first.cpu_seconds, ours.first.cpu_seconds),
            times(max.restore.cpu_seconds, ours.restore.cpu_seconds),
        )
    })
}

/// The best of the others, wherever one is better.
fn lost(report: &Report, ours: &Measured) -> Vec<Lost> {
    let others: Vec<_> =
        report.rows.iter().filter(|row| !row.own).filter_map(|row| Some((row, row.sound()?))).collect();
    let best = |figure: fn(&Measured) -> f64| {
        others
            .iter()
            .map(|(row, measured)| (row, figure(measured)))
            .min_by(|one, other| one.1.total_cmp(&other.1))
    };
    let found = COMPARED.into_iter().filter_map(|(what, unit, figure)| {
        let ((row, theirs), ours) = (best(figure)?, figure(ours));
        (theirs < ours).then(|| Lost { what, tool: row.tool.clone(), theirs, ours, unit })
    });
    found.collect()
}

/// The month of whoever ends it with less.
fn month(report: &Report, ours: &Row) -> Option<Lost> {
    let end = |row: &Row| {
        row.growth.as_ref().filter(|growth| growth.failed.is_none()).map(|growth| growth.at_least)
    };
    let others = report.rows.iter().filter(|row| !row.own && row.sound().is_some());
    let (row, theirs) = others.filter_map(|row| Some((row, end(row)?))).min_by_key(|(_, theirs)| *theirs)?;
    let ours = end(ours).filter(|ours| theirs < *ours)?;
    let what = "a month of hourly backups";
    Some(Lost { what, tool: row.tool.clone(), theirs: number(theirs), ours: number(ours), unit: "bytes" })
}

/// What a year costs with each tool whose restore was equal: all of the data directory, growing as the sample did.
pub fn costs(report: &Report, price: f64, currency: &str) -> Costs {
    let data = &report.data;
    let factor = number(data.files) / number(data.sampled_files).max(1.0);
    let history_a_month = history_a_month(data);
    let years = report.rows.iter().filter_map(|row| {
        let measured = row.sound()?;
        let stored = number(measured.stored.saturating_add(measured.grown).saturating_add(measured.sealed));
        let share = stored / number(data.at_first + data.sealed).max(1.0);
        // Eleven months' growth on average half of the year: 0 + 1 + ... + 11.
        let bytes = 12.0 * stored * factor + 66.0 * share * history_a_month.unwrap_or(0.0);
        Some(Year { tool: row.tool.clone(), cost: bytes / GB * price })
    });
    Costs { price, currency: currency.to_owned(), factor, history_a_month, years: years.collect() }
}

/// The sample is the newest part of each log: it grew in its time as all of the data did.
fn history_a_month(data: &Data) -> Option<f64> {
    let days = number(data.last_ms?.saturating_sub(data.first_ms?).unsigned_abs()) / DAY_MS;
    (days >= 1.0).then(|| number(data.sample) / days * 30.0)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn number(count: u64) -> f64 {
    count as f64
}
