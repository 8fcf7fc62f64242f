//! Everything of one point.

use crate::axon::name::Store;
use crate::axon::segment::Reason;
use crate::axon::token::Token;
use crate::engine::error::Error;
use crate::engine::pieces;
use crate::engine::pieces::{Piece, span_of};
use crate::engine::points::overview::{Problem, problem};
use crate::engine::points::row::{LogRow, PointRow, log, row};
use crate::engine::points::windows::TimeSpan;
use crate::engine::select;
use crate::repo::format::entry::{End, SegmentEntry};
use crate::repo::format::id::{ContentHash, FileHash};
use crate::repo::format::point::{ControlDb, Finding, PointContext, PointLog, StepAt};
use crate::repo::format::record::LogKey;
use crate::repo::store::{Journal, ListedPoint, Repository};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything of one point.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointDetail {
    /// As it is listed.
    pub row: PointRow,
    /// Hash of the point before.
    pub previous: Option<FileHash>,
    /// The program that made it.
    pub program: String,
    /// The steps, in the order in which they were taken, with their times.
    pub steps: Vec<StepAt>,
    /// What is known of the place the data came from.
    pub facts: BTreeMap<String, String>,
    /// The control database, with its hashes.
    pub control_db: ControlDb,
    /// The contexts, by name.
    pub contexts: Vec<ContextDetail>,
    /// What a reader must know.
    pub findings: Vec<Finding>,
    /// What could not be read now: segments are missing above (exit 20).
    pub problems: Vec<Problem>,
}

/// A context.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContextDetail {
    /// Its name.
    pub context: String,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its snapshots.
    pub snapshots: LogDetail,
    /// Its events.
    pub events: LogDetail,
}

/// A log.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogDetail {
    /// As the point sums it up.
    pub sum: LogRow,
    /// The record of the log when the point was made.
    pub record: u64,
    /// Its segments, by number and version.
    pub segments: Vec<SegmentRow>,
}

/// What a segment of a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SegmentState {
    /// Sealed and whole.
    Sealed,
    /// Still open when the point was made: a prefix is claimed.
    Open,
    /// Damaged at the source, kept as it was found.
    Damaged,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SegmentRow {
    /// Its file name.
    pub file: String,
    /// Its first token.
    pub number: u64,
    /// Its version.
    pub version: u32,
    /// What it is.
    pub state: SegmentState,
    /// False if a higher version of the same number is in the point: it is not restored.
    pub current: bool,
    /// Token of its last event; none if it has none.
    pub last: Option<u64>,
    /// Its events.
    pub events: u64,
    /// Its transactions; not known of a prefix.
    pub transactions: Option<u64>,
    /// Times of its events, where they are known.
    pub times: Option<TimeSpan>,
    /// Bytes of the valid prefix.
    pub bytes: u64,
    /// Length of the file.
    pub file_length: Option<u64>,
    /// What stood behind the prefix: `rolled`, `open`, `end-of-file`.
    pub end: Option<&'static str>,
    /// Why it is damaged.
    pub flaw: Option<String>,
    /// Hash of the prefix; of all stored bytes, if it is damaged.
    pub blake3: Option<ContentHash>,
    /// How many chunks hold it.
    pub chunks: Option<usize>,
    /// False if no record holds the bytes that the point claims: damage.
    pub found: bool,
}

/// Shows the point that `name` names among those of `source` (of all, without one).
pub fn show(repository: &Repository, name: &str, source: Option<&str>) -> Result<PointDetail, Error> {
    let journal = repository.journal()?;
    let listed = select::point(&journal, name, source)?;
    let body = &listed.point.body;
    let mut reader = Reader { repository, listed, problems: Vec::new() };
    let contexts = body
        .contexts
        .iter()
        .map(|(name, context)| reader.context(name, context))
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(PointDetail {
        row: row(listed, before(&journal, listed).map(|before| &before.point)),
        previous: listed.point.previous,
        program: body.program.clone(),
        steps: body.steps.clone(),
        facts: body.facts.clone(),
        control_db: body.control_db.clone(),
        contexts,
        findings: body.findings.clone(),
        problems: reader.problems,
    })
}

fn before<'j>(journal: &'j Journal, point: &ListedPoint) -> Option<&'j ListedPoint> {
    let is_before = |other: &&ListedPoint| {
        other.point.number < point.point.number && other.point.body.source == point.point.body.source
    };
    journal.listed().rfind(is_before)
}

struct Reader<'a> {
    repository: &'a Repository,
    listed: &'a ListedPoint,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn context(&mut self, name: &str, context: &PointContext) -> Result<ContextDetail, Error> {
        let mut one = |store, log| {
            let source = self.listed.point.body.source.clone();
            self.log(
                &LogKey { source, context: name.to_owned(), incarnation: context.incarnation, store },
                log,
            )
        };
        Ok(ContextDetail {
            context: name.to_owned(),
            incarnation: context.incarnation,
            snapshots: one(Store::Snapshots, &context.snapshots)?,
            events: one(Store::Events, &context.events)?,
        })
    }

    fn log(&mut self, key: &LogKey, found: &PointLog) -> Result<LogDetail, Error> {
        let file = format!("point {}", self.listed.point.number);
        let segments = match self.segments(key, found, &file) {
            Ok(segments) => segments,
            Err(error) => {
                self.problems.push(problem(&format!("{} of {}", key.store, key.context), error)?);
                Vec::new()
            }
        };
        Ok(LogDetail { sum: log(found, None), record: found.record, segments })
    }

    fn segments(
        &self,
        key: &LogKey,
        log: &PointLog,
        file: &str,
    ) -> Result<Vec<SegmentRow>, crate::repo::Error> {
        let current = pieces::of_point(self.repository, key, log, file)?;
        // Of each number there is one, and they are sorted by it.
        let superseded = self.repository.tree(log.root)?.into_iter().filter(|entry| {
            let at = current.binary_search_by_key(&entry.name.number, |piece| piece.span.name.number);
            let one = at.ok().and_then(|at| current.get(at));
            one.is_none_or(|one| (one.span, one.content()) != (span_of(entry), Some(entry.content)))
        });
        let superseded: Vec<_> =
            superseded.map(|entry| segment(key.store, &Piece::of_entry(entry), false)).collect();
        let mut rows: Vec<_> = current.iter().map(|piece| segment(key.store, piece, true)).collect();
        rows.extend(superseded);
        rows.sort_by_key(|row| (row.number, row.version, !row.current));
        Ok(rows)
    }
}

fn segment(store: Store, piece: &Piece, current: bool) -> SegmentRow {
    let name = piece.span.name;
    // Of a claim only the prefix is the point's: what the record knows of a longer one is not told.
    let entry = piece.entry.as_ref().filter(|entry| entry.logical_end == piece.prefix());
    let flaw = entry.filter(|_| piece.claim.is_none()).and_then(|entry| entry.flaw);
    SegmentRow {
        file: name.file_name(store),
        number: name.number.get(),
        version: name.version,
        state: match (piece.claim, flaw) {
            (Some(_), _) => SegmentState::Open,
            (None, Some(_)) => SegmentState::Damaged,
            (None, None) => SegmentState::Sealed,
        },
        current,
        last: piece.span.last().map(Token::get),
        events: piece.span.events,
        transactions: entry.map(|entry| entry.transactions),
        times: entry.and_then(|entry| entry.times).map(TimeSpan::from),
        bytes: piece.prefix(),
        file_length: piece.entry.as_ref().map(|entry| entry.file_length),
        end: entry.filter(|_| piece.claim.is_none()).map(end),
        flaw: flaw.map(|flaw| reason(flaw.reason)),
        blake3: piece.content(),
        chunks: entry.map(|entry| entry.extents.len()),
        found: piece.entry.is_some(),
    }
}

fn reason(reason: Reason) -> String {
    reason.to_string()
}

fn end(entry: &SegmentEntry) -> &'static str {
    match entry.end {
        End::Rolled => "rolled",
        End::Open => "open",
        End::EndOfFile => "end-of-file",
    }
}
