//! Errors of a source. They may become a finding and an incomplete point; errors of a repository never do.

use crate::axon::control_db::ZipError;
use crate::source::server;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong at the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The data directory is not there, or is no directory.
    #[error("{} is not a directory", path.display())]
    NoDirectory {
        /// What was given.
        path: PathBuf,
    },
    /// No context in it.
    #[error("{} holds no context: no directory in it has .events or .snapshots files", path.display())]
    NoContexts {
        /// What was given.
        path: PathBuf,
    },
    /// The directory holds contexts, and so does `data/` in it: which one is meant can't be told.
    #[error("{} holds contexts, and so does {}", given.display(), inner.display())]
    Ambiguous {
        /// What was given.
        given: PathBuf,
        /// `data/` in it.
        inner: PathBuf,
    },
    /// A context's name is no UTF-8: it could be written into no manifest.
    #[error("{} is a context whose name is not UTF-8", path.display())]
    NotUtf8 {
        /// The context's directory.
        path: PathBuf,
    },
    /// Two files are the same segment.
    #[error("{} and {} are the same segment", one.display(), other.display())]
    Twice {
        /// The first by name.
        one: PathBuf,
        /// The second.
        other: PathBuf,
    },
    /// A name that ends like a data file's and has no number: a server would not start on it.
    #[error("{} is no segment's name; Axon Server would refuse to start on it", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
    },
    /// Settings that can't be used.
    #[error("{}: {what}", path.display())]
    Properties {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The database of a node that runs, or was not stopped in order.
    #[error("{} can't be taken as the control database of a stopped node: {why}", path.display())]
    NotStopped {
        /// The database.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file was listed and is not there any more.
    #[error("{} vanished", path.display())]
    Vanished {
        /// The file.
        path: PathBuf,
    },
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The control-db zip is none.
    #[error("{} is not a control-db zip", path.display())]
    ControlDb {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ZipError,
    },
    /// There is no control-db zip where one was promised.
    #[error("{} {}", path.display(), if *.is_there { "holds no control-db zip" } else { "is not there" })]
    NoControlDb {
        /// What was given.
        path: PathBuf,
        /// Whether it is there.
        is_there: bool,
    },
    /// The zip is larger than any that a server writes.
    #[error("{} has {length} bytes; a control-db zip has at most {limit}", path.display())]
    ControlDbTooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The zip is newer than all data: made after the copy of the segments.
    #[error("{} is newer than the newest event and file of {}", zip.display(), directory.display())]
    ControlDbTooNew {
        /// The zip.
        zip: PathBuf,
        /// The directory that holds the contexts.
        directory: PathBuf,
    },
}

impl Error {
    /// The error for an I/O error on a file that was seen in a listing: gone is another thing than unreadable.
    pub(super) fn on_listed(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        // A symbolic link that leads nowhere is still there; it did not vanish, it can't be read.
        let is_gone = source.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err();
        if is_gone { Self::Vanished { path } } else { Self::Io { path, source } }
    }

    /// The error for an I/O error on a file or directory that was named by the user.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}
