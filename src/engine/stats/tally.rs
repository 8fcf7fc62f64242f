//! What was found, counted: each pack's chunks go to the rows that need them.

use crate::engine::error::Error;
use crate::engine::points::Problem;
use crate::engine::stats::growth::growth;
use crate::engine::stats::months::Months;
use crate::engine::stats::owners::{Held, Whose};
use crate::engine::stats::report::{Beside, Kind, LogStats, Lot, PointStats, Savings, Stats};
use crate::engine::stats::shares::{self, Share};
use crate::engine::stats::survey::{Row, Survey};
use crate::repo::format::act::Deed;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::index::read_directory;
use crate::repo::paths;
use crate::repo::store::{Journal, Repository};
use std::collections::{BTreeSet, HashSet};

/// The sums so far.
pub(super) struct Tally<'r> {
    survey: Survey<'r>,
    months: Months,
    shared: Lot,
    unneeded: Lot,
    overhead: u64,
    /// Chunks that were met in a pack: what lies in another one too is not needed there.
    met: HashSet<ChunkId>,
}

impl<'r> Tally<'r> {
    /// Nothing is counted yet.
    pub fn of(survey: Survey<'r>) -> Self {
        let mut months = Months::default();
        for (events, at) in &survey.happened {
            let row = months.row(*at);
            row.events = row.events.saturating_add(*events);
        }
        Self {
            survey,
            months,
            shared: Lot::default(),
            unneeded: Lot::default(),
            overhead: 0,
            met: HashSet::new(),
        }
    }

    /// All packs: those that stay first, then those that are marked.
    pub fn packs(&mut self, repository: &Repository, journal: &Journal) -> Result<(), Error> {
        let marked = marked(journal);
        let packs = paths::packs(repository.disk())?;
        let (dead, alive): (Vec<_>, Vec<_>) = packs.into_iter().partition(|(pack, _)| marked.contains(pack));
        for (pack, length) in alive.into_iter().chain(dead) {
            match read_directory(repository.disk(), pack, length) {
                Ok(directory) => {
                    let (shares, rest) = shares::of_pack(&directory);
                    self.overhead = self.overhead.saturating_add(rest);
                    self.pack(&shares, length);
                }
                Err(error) => {
                    let path = repository.disk().display(&paths::pack(pack));
                    let newer = repository.refuse_newer(pack, length, &error).is_err();
                    self.survey.problems.push(Problem { path, why: error.to_string(), newer });
                    self.overhead = self.overhead.saturating_add(length);
                }
            }
        }
        Ok(())
    }

    /// The first point that needs something of a pack is the one that added it.
    fn pack(&mut self, shares: &[Share], length: u64) {
        let mut first = None;
        for share in shares {
            let held = self.survey.owners.chunks.get(&share.chunk).copied();
            first = first.into_iter().chain(held.and_then(|held| held.first)).min();
            let is_first = self.met.insert(share.chunk);
            self.share(share, held_once(held, is_first));
        }
        self.added(first, length);
    }

    fn share(&mut self, share: &Share, held: Option<Held>) {
        let Some(held) = held else { return add(&mut self.unneeded, share) };
        match self.row_of(held.row) {
            Some(own) => add(own, share),
            None => add(&mut self.shared, share),
        }
        add(&mut self.months.row(held.at).own, share);
        self.frees(held, share.stored);
    }

    fn row_of(&mut self, row: Whose) -> Option<&mut Lot> {
        let Whose::One(row) = row else { return None };
        self.survey.rows.get_mut(row).map(|row| match row {
            Row::Log(stats) => &mut stats.own,
            Row::ControlDb(stats) | Row::PlainFiles(stats) => &mut stats.own,
        })
    }

    fn frees(&mut self, held: Held, bytes: u64) {
        if let Whose::One(point) = held.keeper
            && let Some(point) = self.survey.points.get_mut(point)
        {
            point.frees = point.frees.saturating_add(bytes);
        }
    }

    fn added(&mut self, point: Option<usize>, bytes: u64) {
        if let Some(point) = point.and_then(|point| self.survey.points.get_mut(point)) {
            point.added = point.added.saturating_add(bytes);
        }
    }

    /// All pages.
    pub fn pages(&mut self, repository: &Repository) -> Result<(), Error> {
        for (page, length) in paths::pages(repository.disk())? {
            if let Some(held) = self.survey.owners.pages.get(&page).copied() {
                self.frees(held, length);
                self.added(held.first, length);
            }
        }
        Ok(())
    }

    /// The report.
    pub fn finish(mut self, kinds: Vec<Kind>, free: Option<u64>) -> Stats {
        self.made();
        let Survey { rows, points, problems, .. } = self.survey;
        let Parted { logs, control_dbs, plain_files } = parted(rows);
        let bytes = kinds.iter().fold(0, |sum: u64, kind| sum.saturating_add(kind.bytes));
        let needed =
            logs.iter().map(|log| log.own).chain(control_dbs.iter().chain(&plain_files).map(|one| one.own));
        Stats {
            bytes,
            files: kinds.iter().map(|kind| kind.files).sum(),
            kinds,
            savings: savings(&points, needed.fold(self.shared, together), bytes),
            logs,
            control_dbs,
            plain_files,
            shared: self.shared,
            unneeded: self.unneeded,
            overhead: self.overhead,
            growth: growth(&points, free),
            points,
            months: self.months.finish(),
            problems,
        }
    }

    /// The months in which points were made.
    fn made(&mut self) {
        for point in &self.survey.points {
            let row = self.months.row(Some(point.at.0));
            row.points += 1;
            row.added = row.added.saturating_add(point.added);
        }
    }
}

/// The rows by what they are.
#[derive(Default)]
struct Parted {
    logs: Vec<LogStats>,
    control_dbs: Vec<Beside>,
    plain_files: Vec<Beside>,
}

/// Logs in the order in which people look for them, and what stands beside them.
fn parted(rows: Vec<Row>) -> Parted {
    let mut parted = Parted::default();
    for row in rows {
        match row {
            Row::Log(stats) => parted.logs.push(stats),
            Row::ControlDb(stats) => parted.control_dbs.push(stats),
            Row::PlainFiles(stats) => parted.plain_files.push(stats),
        }
    }
    parted.logs.sort_by(|one, other| {
        let first = one.source.cmp(&other.source).then_with(|| one.context.cmp(&other.context));
        // Snapshots stand before events, as everywhere.
        first.then_with(|| one.incarnation.cmp(&other.incarnation)).then_with(|| other.store.cmp(one.store))
    });
    parted
}

fn together(one: Lot, other: Lot) -> Lot {
    Lot { unique: one.unique.saturating_add(other.unique), stored: one.stored.saturating_add(other.stored) }
}

/// What nobody keeps counts for nothing, and so does a chunk's second place.
fn held_once(held: Option<Held>, is_first: bool) -> Option<Held> {
    held.filter(|held| is_first && held.keeper != Whose::Nobody)
}

fn add(lot: &mut Lot, share: &Share) {
    lot.unique = lot.unique.saturating_add(share.raw);
    lot.stored = lot.stored.saturating_add(share.stored);
}

fn marked(journal: &Journal) -> BTreeSet<PackId> {
    let marked = journal.acts.iter().filter_map(|act| match &act.deed {
        Deed::Dead { packs } | Deed::Damaged { packs } => Some(packs.iter().copied()),
        _ => None,
    });
    marked.flatten().collect()
}

fn savings(points: &[PointStats], needed: Lot, bytes: u64) -> Savings {
    let copies = points.iter().fold(0, |sum: u64, point| sum.saturating_add(point.copies));
    Savings {
        points: points.len() as u64,
        copies,
        unique: needed.unique,
        stored: needed.stored,
        deduplicated: ratio(copies, needed.unique),
        compressed: ratio(needed.unique, needed.stored),
        together: ratio(copies, bytes),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio, for people")]
fn ratio(more: u64, less: u64) -> Option<f64> {
    (less > 0).then(|| (more as f64 / less as f64 * 1_000.0).round() / 1_000.0)
}
