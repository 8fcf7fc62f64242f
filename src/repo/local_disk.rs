//! A directory of the local file system.

use std::path::PathBuf;

/// The local file system below a directory.
#[derive(Debug)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// The directory `root`; nothing is touched yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }
}
