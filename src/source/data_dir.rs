//! An Axon Server data directory, as a stopped node or a file-system snapshot leaves it, or live.

use std::path::PathBuf;

/// Where the control database comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlDbFrom {
    /// A zip, or a directory of zips (the newest is taken).
    Zip(PathBuf),
    /// Nowhere, and why.
    None(String),
}

/// How to read a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirOptions {
    /// The directory that holds the contexts, or a server's root with `data/` in it.
    pub path: PathBuf,
    /// The control database.
    pub control_db: ControlDbFrom,
    /// Take a zip that is newer than all data (the point then says `unordered`).
    pub accept_unordered: bool,
    /// Read sealed segments by plain reads.
    pub no_mmap: bool,
}
