//! What can be restored: every point, and for each log the windows of tokens that the archive holds.
//!
//! One unreadable file hides nothing else: it is named, and the rest is listed.

mod aggregates;
mod at;
mod detail;
mod overview;
mod row;
mod windows;

pub use at::{At, AtOptions, at};
pub use detail::{ContextDetail, LogDetail, PointDetail, SegmentRow, SegmentState, show};
pub(super) use overview::problem;
pub use overview::{Overview, Problem, overview, overview_of};
pub use row::{Changed, ContextRow, ControlDbRow, LogRow, PointRow};
pub use windows::{ControlDbIn, Parent, TimeSpan, Window};
