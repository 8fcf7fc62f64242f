//! What a restore to a moment would give: the token of each context, what lies behind it, and whose control database goes with it.

use crate::axon::event::Event;
use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::history::History;
use crate::engine::points::aggregates::Aggregates;
use crate::engine::restore::cut::log::Log;
use crate::engine::restore::cut::request::CutRequest;
use crate::engine::restore::cut::{self, CutPlan, Cutter};
use crate::engine::select;
use crate::repo::store::Repository;
use serde::Serialize;
use std::ops::ControlFlow::Continue;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtOptions {
    /// Only this source.
    pub source: Option<String>,
    /// Where.
    pub request: CutRequest,
    /// Whether to count the aggregates that have events behind the cut: those are read then.
    pub count_aggregates: bool,
}

/// What a restore would give.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct At {
    /// The source.
    pub source: String,
    /// Where it would be cut.
    pub cut: CutPlan,
    /// From the capture of the control database to the moment, or to the last event that is kept, in milliseconds.
    pub control_db_age_ms: Option<i64>,
    /// Aggregates that have events behind the cut, if they were counted, in the order of the contexts.
    pub aggregates: Option<Vec<u64>>,
}

/// Looks. Decodes one neighbourhood for each context, unless aggregates are counted.
pub fn at(repository: &Repository, options: &AtOptions) -> Result<At, Error> {
    let journal = repository.journal()?;
    let listed = select::point(&journal, "latest", options.source.as_deref())?;
    let cutter = Cutter { repository, journal: &journal, listed, request: &options.request };
    let (cut, histories) = cut::look(&cutter, &[])?;
    let aggregates = options.count_aggregates.then(|| count(repository, &cut, &histories)).transpose()?;
    let control_db_age_ms = age(&cut);
    Ok(At { source: listed.point.body.source.clone(), cut, control_db_age_ms, aggregates })
}

/// How much older than what is kept the control database is.
fn age(cut: &CutPlan) -> Option<i64> {
    let captured = cut.control_db.as_ref()?.captured?;
    let last = || cut.contexts.iter().filter_map(|context| context.last?.at).max();
    let moment = cut.time.or_else(last)?;
    Some(moment.0.saturating_sub(captured.0))
}

fn count(repository: &Repository, cut: &CutPlan, histories: &[History]) -> Result<Vec<u64>, Error> {
    let of = |(context, history): (&cut::ContextCut, &History)| {
        let log =
            Log { repository, context: &history.context, pieces: history.store(Store::Events), point: None };
        let mut aggregates = Aggregates::default();
        if let Some(next) = context.next {
            log.visit(next.token, u64::MAX, &mut |_, bytes| {
                if let Ok(event) = Event::parse(bytes)
                    && !event.aggregate_type.is_empty()
                {
                    aggregates.add(event.aggregate_identifier)?;
                }
                Ok(Continue(()))
            })?;
        }
        aggregates.count()
    };
    cut.contexts.iter().zip(histories).map(of).collect()
}
