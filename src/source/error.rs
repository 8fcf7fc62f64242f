//! Errors of a source. They may become a finding and an incomplete point; errors of a repository never do.

use crate::axon::control_db::ZipError;
use std::io;
use std::path::PathBuf;

/// What can go wrong at the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory is not there, or is no directory.
    #[error("{} is not a directory", path.display())]
    NoDirectory { path: PathBuf },
    /// No context in it.
    #[error("{} holds no context: no directory in it has .events or .snapshots files", path.display())]
    NoContexts { path: PathBuf },
    /// Two files are the same segment.
    #[error("{} and {} are the same segment", one.display(), other.display())]
    Twice { one: PathBuf, other: PathBuf },
    /// A name that ends like a data file's and has no number: a server would not start on it.
    #[error("{} is no segment's name; Axon Server would refuse to start on it", path.display())]
    Misnamed { path: PathBuf },
    /// A file was listed and is not there any more.
    #[error("{} vanished", path.display())]
    Vanished { path: PathBuf },
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The control-db zip is none.
    #[error("{} is not a control-db zip", path.display())]
    ControlDb {
        path: PathBuf,
        #[source]
        source: ZipError,
    },
    /// There is no control-db zip where one was promised.
    #[error("{} holds no control-db zip", path.display())]
    NoControlDb { path: PathBuf },
    /// The zip is newer than all data: made after the copy of the segments.
    #[error("{} is newer than the newest event and file of {}", zip.display(), directory.display())]
    ControlDbTooNew { zip: PathBuf, directory: PathBuf },
}
