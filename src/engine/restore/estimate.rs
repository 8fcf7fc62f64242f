//! How long a restore takes: a little of it is decoded, and that is timed; what the target does is assumed, and said.

use crate::engine::observe::Observer;
use crate::engine::restore::plan::{ContextPlan, Plan, SegmentPlan};
use crate::repo::store::Repository;
use serde::Serialize;

/// Segments of which a piece is decoded, spread over all.
const SAMPLES: usize = 4;
/// No more time than this is spent on it.
const ENOUGH_MS: i64 = 2_000;
/// What a target is taken to write, and to give back, in a second: nobody has measured it.
const TARGET_BYTES_PER_SECOND: u64 = 200 << 20;

/// How long, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Estimate {
    /// Seconds for all of it.
    pub seconds: u64,
    /// Bytes of it that were decoded.
    pub decoded: u64,
    /// How long that took, in milliseconds.
    pub decoded_in_ms: u64,
    /// How many segments are decoded at once.
    pub at_once: u64,
    /// Bytes that are to be decoded.
    pub to_decode: u64,
    /// Bytes that are written and read again, what stays and is only read included.
    pub at_target: u64,
    /// Bytes that the target is taken to write, and to give back, in a second.
    pub target_bytes_per_second: u64,
}

impl Estimate {
    /// Bytes that are decoded in a second, by one.
    pub fn decoded_per_second(&self) -> u64 {
        self.decoded.saturating_mul(1_000) / self.decoded_in_ms.max(1)
    }

    fn sum(mut self) -> Self {
        let rate = self.decoded_per_second().saturating_mul(self.at_once).max(1);
        // Where nothing could be decoded to measure it, nothing is claimed of it.
        let is_known = self.to_decode > 0 && self.decoded > 0;
        let decoding = if is_known { self.to_decode.div_ceil(rate) } else { 0 };
        self.seconds = decoding.saturating_add(self.at_target.div_ceil(self.target_bytes_per_second));
        self
    }
}

/// Decodes a little of what a plan is going to write. What can't be read stops it: the restore says so.
pub fn estimate(repository: &Repository, plan: &Plan, observer: &dyn Observer) -> Estimate {
    let stores = plan.contexts.iter().flat_map(ContextPlan::stores);
    let segments: Vec<_> =
        stores.flat_map(|store| &store.segments).filter(|segment| plan.writes(&segment.path)).collect();
    let (mut decoded, begun) = (0_u64, observer.now_ms());
    let step = segments.len().div_ceil(SAMPLES).max(1);
    for segment in segments.iter().skip(step / 2).step_by(step) {
        let Some(length) = sample(repository, segment) else { break };
        decoded = decoded.saturating_add(length);
        if observer.now_ms().saturating_sub(begun) > ENOUGH_MS {
            break;
        }
    }
    let took = observer.now_ms().saturating_sub(begun);
    let to_decode = segments.iter().map(|segment| segment.stored).sum();
    let estimate = Estimate {
        seconds: 0,
        decoded,
        decoded_in_ms: u64::try_from(took).unwrap_or(0).max(1),
        at_once: rayon::current_num_threads().min(segments.len()).max(1) as u64,
        to_decode,
        at_target: plan.work(),
        target_bytes_per_second: TARGET_BYTES_PER_SECOND,
    };
    estimate.sum()
}

/// Decodes the first chunk of a segment; gives its length.
fn sample(repository: &Repository, segment: &SegmentPlan) -> Option<u64> {
    let length = segment.extents.first().map_or(0, |extent| u64::from(extent.length)).min(segment.stored);
    repository.read_extents(&segment.extents, 0..length, &mut |_| Ok(())).ok()?;
    Some(length)
}
