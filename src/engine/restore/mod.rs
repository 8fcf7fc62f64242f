//! Restores a point into a directory from which Axon Server starts.
//!
//! [`plan`] says everything beforehand and writes nothing. [`apply`] prepares all files in a directory beside the target, each chunk's hash
//! checked; makes them durable; reads them again from the disk and proves the history in them; and only then gives them the target's name, in
//! one step. On any error, and on an interrupt, nothing stands under that name. A directory that has another state of the history is brought to
//! the one that is wanted by [`delta`].

mod access;
mod aligned;
mod apply;
mod behind;
mod check;
mod control_db;
pub mod cut;
pub mod delta;
pub mod error;
mod estimate;
mod layout;
mod leftovers;
mod names;
mod onto_disk;
mod plain;
mod plan;
mod planning;
pub(super) mod remarks;
mod report;
mod reread;
mod running;
mod seam;
mod staging;
mod target;

pub use access::Access;
pub use apply::{apply, apply_at};
pub use control_db::recipe;
pub use delta::is_marker as is_unfinished;
pub use error::Error;
pub use estimate::{Estimate, estimate};
pub use layout::Layout;
pub use plain::PlainPlan;
pub use plan::{
    ContextPlan, ControlDbPlan, Plan, PlannedEnd, RestoreOptions, SegmentPlan, StorePlan, TokenRange,
};
pub use planning::{plan, plan_seen};
pub use report::{Restored, RestoredContext, RestoredControlDb, RestoredStore};
pub use target::free_space;
