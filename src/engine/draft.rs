//! The order that makes a backup consistent, held by types: control database first, then the safepoints, then for each context
//! snapshots, then events, then a second look.
//!
//! [`Draft`] -> [`DraftWithControlDb`] -> [`DraftWithSafepoints`] -> [`CompleteDraft`] -> published. Each is made only by the one before. Events of a context can be
//! added only with the proof that its snapshots were read:
//!
//! ```compile_fail
//! # use segvault::engine::draft::Draft;
//! fn no_segments_before_the_control_db(draft: Draft) {
//!     draft.snapshots_read("default", segvault::repo::format::moment::Moment(0));
//! }
//! ```
//!
//! ```compile_fail
//! # use segvault::engine::draft::{CompleteDraft, DraftWithControlDb};
//! fn no_point_without_segments(draft: DraftWithControlDb) -> CompleteDraft {
//!     draft
//! }
//! ```

use crate::engine::error::Error;
use crate::repo::format::files::FileSet;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::ControlDb;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Order;
use crate::repo::format::point::PointBody;
use crate::repo::format::point::PointContext;
use crate::repo::format::point::PointLog;
use crate::repo::format::point::StepAt;
use crate::repo::format::point::StepKind;
use crate::repo::format::point::Weight;
use crate::repo::store::Published;
use crate::repo::store::RecordsDurable;
use crate::repo::store::Session;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known before anything was read.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// The program's name and version.
    pub program: String,
    /// The source's name.
    pub source: String,
    /// The user's tags.
    pub tags: BTreeMap<String, String>,
    /// What is known of the source.
    pub facts: BTreeMap<String, String>,
}

/// A backup that has begun: the versions present were listed.
#[derive(Debug)]
pub struct Draft {
    opening: Opening,
    at: Moment,
    steps: Vec<StepAt>,
}

/// The control database is archived, or known to be absent.
#[derive(Debug)]
pub struct DraftWithControlDb {
    draft: Draft,
    control_db: ControlDb,
    order: Order,
    unordered: bool,
}

/// The heads were read after the control database: segments may follow.
#[derive(Debug)]
pub struct DraftWithSafepoints {
    draft: DraftWithControlDb,
    contexts: BTreeMap<String, Arc<PointContext>>,
    files: Vec<FileSet>,
}

/// Proof that the snapshots of a context were read, and when.
#[derive(Debug)]
#[must_use = "events follow snapshots"]
pub struct SnapshotsRead {
    context: String,
}

/// Proof that a context was read in the right order.
#[derive(Debug)]
#[must_use = "a context that was read belongs into the point"]
pub struct ContextRead {
    context: String,
}

/// All is read: only the commit is missing.
#[derive(Debug)]
#[must_use = "publish it, or nothing was backed up"]
pub struct CompleteDraft {
    body: PointBody,
}

impl Draft {
    /// Begins: `listed` is when the versions present had been listed.
    pub fn begin(opening: Opening, at: Moment, listed: Moment) -> Self {
        Self { opening, at, steps: vec![StepAt { step: StepKind::Versions, context: None, at: listed }] }
    }

    /// The control database was captured `at`.
    pub fn control_db(mut self, captured: (ControlDb, Order, bool), at: Moment) -> DraftWithControlDb {
        self.steps.push(StepAt { step: StepKind::ControlDb, context: None, at });
        let (control_db, order, unordered) = captured;
        DraftWithControlDb { draft: self, control_db, order, unordered }
    }
}

impl DraftWithControlDb {
    /// The safepoints were read `at`.
    pub fn safepoints(mut self, at: Moment) -> DraftWithSafepoints {
        self.draft.steps.push(StepAt { step: StepKind::Safepoints, context: None, at });
        DraftWithSafepoints { draft: self, contexts: BTreeMap::new(), files: Vec::new() }
    }
}

impl DraftWithSafepoints {
    fn step(&mut self, step: StepKind, context: Option<&str>, at: Moment) {
        self.draft.draft.steps.push(StepAt { step, context: context.map(str::to_owned), at });
    }

    /// More became known of the source.
    pub fn know(&mut self, facts: BTreeMap<String, String>) {
        self.draft.draft.opening.facts.extend(facts);
    }

    /// The snapshots of a context were read.
    pub fn snapshots_read(&mut self, context: &str, at: Moment) -> SnapshotsRead {
        self.step(StepKind::Snapshots, Some(context), at);
        SnapshotsRead { context: context.to_owned() }
    }

    /// The events of the same context were read, after its snapshots.
    pub fn events_read(&mut self, snapshots: SnapshotsRead, at: Moment) -> ContextRead {
        self.step(StepKind::Events, Some(&snapshots.context), at);
        ContextRead { context: snapshots.context }
    }

    /// Enters what the point says of a context.
    pub fn place(&mut self, read: ContextRead, found: PointContext) {
        self.contexts.insert(read.context, Arc::new(found));
    }

    /// Plain files that were archived beside stores and control database.
    pub fn add_files(&mut self, sets: Vec<FileSet>) {
        self.files.extend(sets);
    }

    /// Versions and heads were looked at again. What was found decides whether the point is complete.
    pub fn complete(
        mut self,
        at: Moment,
        left_out: Vec<String>,
        mut findings: Vec<Finding>,
    ) -> CompleteDraft {
        self.step(StepKind::Recheck, None, at);
        for (name, context) in &self.contexts {
            findings.extend(behind_safepoint(name, context));
        }
        let DraftWithControlDb { draft, control_db, order, unordered } = self.draft;
        let complete = findings.iter().all(|finding| finding.weight < Weight::Incomplete);
        let Opening { program, source, tags, facts } = draft.opening;
        let body = PointBody {
            program,
            source,
            at: draft.at,
            tags,
            order,
            unordered,
            complete,
            steps: draft.steps,
            facts,
            control_db,
            contexts: self.contexts,
            files: self.files,
            left_out,
            findings,
        };
        CompleteDraft { body }
    }
}

/// A log that ends before its safepoint: the point is incomplete at once.
fn behind_safepoint(name: &str, context: &PointContext) -> Vec<Finding> {
    let logs = [("snapshots", &context.snapshots), ("events", &context.events)];
    logs.into_iter()
        .filter(|(_, log)| log.safepoint > log.head)
        .map(|(store, log)| behind(name, store, log))
        .collect()
}

fn behind(context: &str, store: &str, log: &PointLog) -> Finding {
    let head = log.head.map_or_else(|| "nothing".to_owned(), |head| format!("token {head}"));
    let safepoint = log.safepoint.unwrap_or_default();
    Finding {
        weight: Weight::Incomplete,
        what: "behind-safepoint".to_owned(),
        context: Some(context.to_owned()),
        store: Some(store.to_owned()),
        file: None,
        offset: None,
        first: log.head.map_or(Some(0), |head| head.checked_add(1)),
        last: log.safepoint,
        text: format!("{store} of {context} end at {head}, before the safepoint {safepoint}"),
    }
}

impl CompleteDraft {
    /// What the point will say.
    pub fn body(&self) -> &PointBody {
        &self.body
    }

    /// Enters the number of a log's record, which is known only when all records are durable.
    pub fn set_record(&mut self, context: &str, store: crate::axon::name::Store, number: u64) {
        if let Some(context) = self.body.context_mut(context) {
            match store {
                crate::axon::name::Store::Snapshots => context.snapshots.record = number,
                crate::axon::name::Store::Events => context.events.record = number,
            }
        }
    }

    /// The commit.
    pub fn publish(
        self,
        session: Session<'_>,
        records: RecordsDurable,
    ) -> Result<(Published, PointBody), Error> {
        let published = session.publish_point(records, self.body.clone())?;
        Ok((published, self.body))
    }
}
