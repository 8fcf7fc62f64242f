//! The tables: heads and cells, not yet text.

use crate::cli::args::By;
use crate::cli::describe::one_line;
use crate::cli::render::tables::incarnation;
use crate::cli::render::units::{bytes, count, short_time};
use crate::engine::stats::{Beside, LogStats, Lot, Stats};
use crate::repo::format::moment::Moment;

/// A table.
pub(super) struct Sheet {
    /// The heads; those that begin with `>` stand over numbers.
    pub(super) head: &'static [&'static str],
    /// The rows.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Words(String),
    /// A number of things.
    Count(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A moment.
    At(Moment),
}

impl Cell {
    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Words(words) => one_line(words),
            Self::Count(number) => count(*number),
            Self::Bytes(number) => bytes(*number),
            Self::At(at) => short_time(at.0),
        }
    }

    /// For programs.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            // A spreadsheet is looked at in a terminal, too.
            Self::Words(words) => one_line(words),
            Self::Count(number) | Self::Bytes(number) => number.to_string(),
            Self::At(at) => at.to_string(),
        }
    }
}

fn words(text: impl Into<String>) -> Cell {
    Cell::Words(text.into())
}

/// The table that was asked for.
pub(super) fn sheet(stats: &Stats, by: By) -> Sheet {
    match by {
        By::Log => grouped(stats, |log| [log.source.clone(), context(log), log.store.to_owned()]),
        By::Source => grouped(stats, |log| [log.source.clone(), String::new(), String::new()]),
        By::Context => grouped(stats, |log| [log.source.clone(), log.context.clone(), String::new()]),
        By::Store => grouped(stats, |log| [String::new(), String::new(), log.store.to_owned()]),
        By::Point => points(stats),
        By::Month => months(stats),
        By::File => files(stats),
    }
}

fn context(log: &LogStats) -> String {
    incarnation(&log.context, log.incarnation)
}

/// What a row of logs adds up to.
#[derive(Clone, Copy, Default)]
struct Sum {
    segments: u64,
    events: u64,
    apparent: u64,
    on_disk: Option<u64>,
    valid: u64,
    copies: u64,
    own: Lot,
}

impl Sum {
    fn add(&mut self, log: &LogStats) {
        self.segments += log.segments;
        self.events = self.events.saturating_add(log.events);
        self.apparent = self.apparent.saturating_add(log.apparent);
        self.on_disk = match (self.on_disk, log.on_disk) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            (sum, more) => sum.or(more),
        };
        self.valid = self.valid.saturating_add(log.valid);
        self.copies = self.copies.saturating_add(log.copies);
        self.own.unique = self.own.unique.saturating_add(log.own.unique);
        self.own.stored = self.own.stored.saturating_add(log.own.stored);
    }

    fn cells(&self) -> [Cell; 8] {
        [
            Cell::Count(self.segments),
            Cell::Count(self.events),
            Cell::Bytes(self.apparent),
            self.on_disk.map_or(Cell::Empty, Cell::Bytes),
            Cell::Bytes(self.valid),
            Cell::Bytes(self.copies),
            Cell::Bytes(self.own.unique),
            Cell::Bytes(self.own.stored),
        ]
    }
}

const GROUPED: &[&str] = &[
    "source",
    "context",
    "store",
    ">segments",
    ">events",
    ">files",
    ">on disk",
    ">history",
    ">in all points",
    ">unique",
    ">stored",
];

/// Logs by a key, then control databases, then everything else that the repository consists of: `stored` adds up to it.
fn grouped(stats: &Stats, key: impl Fn(&LogStats) -> [String; 3]) -> Sheet {
    let mut sums: Vec<([String; 3], Sum)> = Vec::new();
    for log in &stats.logs {
        let key = key(log);
        if let Some((_, sum)) = sums.iter_mut().find(|(known, _)| *known == key) {
            sum.add(log);
        } else {
            let mut sum = Sum::default();
            sum.add(log);
            sums.push((key, sum));
        }
    }
    let mut rows: Vec<Vec<Cell>> =
        sums.iter().map(|(key, sum)| key.iter().map(words).chain(sum.cells()).collect()).collect();
    rows.extend(stats.control_dbs.iter().map(|row| beside(row, "control db")));
    rows.extend(stats.plain_files.iter().map(|row| beside(row, "other files")));
    rows.extend(rest(stats));
    Sheet { head: GROUPED, rows }
}

fn beside(row: &Beside, what: &str) -> Vec<Cell> {
    let mut cells = vec![words(&row.source), Cell::Empty, words(what)];
    cells.extend(std::iter::repeat_n(Cell::Empty, 5));
    cells.extend([Cell::Bytes(row.copies), Cell::Bytes(row.own.unique), Cell::Bytes(row.own.stored)]);
    cells
}

fn rest(stats: &Stats) -> Vec<Vec<Cell>> {
    let mut rows = vec![
        remaining("needed by several", Some(stats.shared.unique), stats.shared.stored),
        remaining("needed by none", Some(stats.unneeded.unique), stats.unneeded.stored),
        remaining("headers and directories", None, stats.overhead),
    ];
    let files = stats.kinds.iter().filter(|kind| kind.kind != "packs");
    rows.extend(files.map(|kind| remaining(&kind.kind, None, kind.bytes)));
    rows.retain(|row| row.last() != Some(&Cell::Bytes(0)));
    rows.push(remaining("the repository", None, stats.bytes));
    rows
}

fn remaining(name: &str, unique: Option<u64>, stored: u64) -> Vec<Cell> {
    let mut cells = vec![words(name)];
    cells.extend(std::iter::repeat_n(Cell::Empty, GROUPED.len().saturating_sub(3)));
    cells.extend([unique.map_or(Cell::Empty, Cell::Bytes), Cell::Bytes(stored)]);
    cells
}

fn points(stats: &Stats) -> Sheet {
    let row = |point: &crate::engine::stats::PointStats| {
        vec![
            Cell::Count(point.number),
            Cell::At(point.at),
            words(&point.source),
            Cell::Bytes(point.copies),
            Cell::Bytes(point.added),
            Cell::Bytes(point.frees),
            if point.forgotten { words("forgotten") } else { Cell::Empty },
        ]
    };
    let head = &[">point", "time (UTC)", "source", ">copy", ">added", ">frees", "state"];
    Sheet { head, rows: stats.points.iter().map(row).collect() }
}

fn months(stats: &Stats) -> Sheet {
    let row = |month: &crate::engine::stats::MonthStats| {
        vec![
            words(&month.month),
            Cell::Count(month.events),
            Cell::Bytes(month.own.unique),
            Cell::Bytes(month.own.stored),
            Cell::Count(month.points),
            Cell::Bytes(month.added),
        ]
    };
    let head = &["month", ">events", ">unique", ">stored", ">points made", ">added by them"];
    Sheet { head, rows: stats.months.iter().map(row).collect() }
}

fn files(stats: &Stats) -> Sheet {
    let row = |name: &str, files: u64, bytes: u64| vec![words(name), Cell::Count(files), Cell::Bytes(bytes)];
    let mut rows: Vec<_> = stats.kinds.iter().map(|kind| row(&kind.kind, kind.files, kind.bytes)).collect();
    rows.push(row("the repository", stats.files, stats.bytes));
    Sheet { head: &["kind", ">files", ">bytes"], rows }
}
