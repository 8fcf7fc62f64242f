//! Holds, forgetting and remembering. A policy says of each point whether it is kept, and why; what is done about it is an act.
//!
//! What expires is what points add around the history: control databases, manifests, versions of transformed segments. The history itself
//! stays: the newest records of each log are roots beside the points.

mod decide;
mod error;
mod forget;
mod hold;
mod policy;

pub use decide::{Decision, decide};
pub use error::Error;
pub use forget::{ForgetOptions, ForgetReport, Remembered, Wanted, forget, remember};
pub use hold::{Hold, HoldChange, holds, holds_in, is_held, release};
pub use hold::{HoldOptions, hold};

pub(in crate::engine) use forget::readable;
pub use policy::{Period, Policy};
