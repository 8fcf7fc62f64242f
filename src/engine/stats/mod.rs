//! What the archive saves, and where its bytes are: rows that add up to the size of the repository on disk, to the byte.
//!
//! Who needs a chunk is found by walking from all points and records (`owners`); what a chunk takes is its share of the block it was encoded in
//! (`shares`); everything else is a file on disk (`files`).

mod files;
mod growth;
mod months;
mod owners;
mod report;
mod shares;
mod survey;
mod tally;

pub use report::{Beside, Growth, Kind, LogStats, Lot, MonthStats, PointStats, Savings, Stats};
pub use survey::{files_of as files, stats, stats_of};
