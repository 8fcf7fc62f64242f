//! A restore into a directory that has another state of the same history: what is equal stays, untouched; the rest is exchanged.
//!
//! 1. The plan reads what is there and compares it, by hash, with what is wanted (`survey`); what would be lost is said (`losses`).
//! 2. All new files are written beside the places where they belong, made durable, and read again. Up to here the directory is what it
//!    was: a server starts on it and serves what it served.
//! 3. Markers are set in all stores: files whose names end as a segment's do and have no number. A server that finds one refuses to start, and
//!    so does a backup. So nobody takes what is neither the one state nor the other for a history.
//! 4. Index files that are not right any more go (a server builds them anew); the new files get their names; when those are durable, what is not
//!    wanted is removed; then the markers.
//!
//! Killed at any moment, the same restore goes on when it is called again: what has its place already is equal, what was written and has not is
//! taken as it is.

pub mod gate;

mod behind;
mod beside;
pub(super) mod desk;
mod folder;
mod indexes;
mod losses;
mod plan;
mod shelf;
mod survey;

pub use plan::is_marker;
pub use plan::{Change, DeltaFile, DeltaPlan, Loss, Total};
pub(super) use survey::{Surveyed, survey};
