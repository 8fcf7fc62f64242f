//! Why a bench can't be made at all. That one tool fails is a row of its report.

use std::io;
use std::path::{Path, PathBuf};

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scratch directory, or a file of the data.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing to measure.
    #[error("{}: no store has a transaction", path.display())]
    Empty {
        /// The data directory.
        path: PathBuf,
    },
    /// There is too little room for copies of the sample.
    #[error("{} has {free} bytes free, and about {needed} are needed", path.display())]
    NoSpace {
        /// The scratch directory.
        path: PathBuf,
        /// Bytes for copies of the sample, what is made of it, and what is restored.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
}

impl Error {
    /// An error of a file, for `map_err`.
    pub(super) fn of(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
