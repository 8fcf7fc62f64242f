//! Errors of the verbs.

/// What a verb can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository.
    #[error(transparent)]
    Repo(#[from] crate::repo::Error),
    /// The source.
    #[error(transparent)]
    Source(#[from] crate::source::Error),
    /// A backup refuses.
    #[error(transparent)]
    Backup(#[from] crate::engine::backup::Error),
    /// The source changed while it was read, more often than can be borne.
    #[error("the source changed while it was read: {what}")]
    Unsettled {
        /// What changed.
        what: String,
    },
    /// A temporary file for what does not fit into memory.
    #[error("a temporary database can't be used")]
    Temporary {
        /// What is wrong.
        #[source]
        source: rusqlite::Error,
    },
    /// A file became shorter while it was read.
    #[error("a segment became shorter while it was read, at byte {offset}")]
    Shrank {
        /// Where.
        offset: u64,
    },
    /// A name that fits no point, or more than one (exit 2).
    #[error(transparent)]
    Select(#[from] crate::engine::select::Error),
    /// A restore.
    #[error(transparent)]
    Restore(#[from] crate::engine::restore::Error),
    /// A hold, or a policy.
    #[error(transparent)]
    Retention(#[from] crate::engine::retention::Error),
    /// A copy refuses.
    #[error(transparent)]
    Copy(#[from] crate::engine::copy::Error),
    /// A prune refuses.
    #[error(transparent)]
    Prune(#[from] crate::engine::prune::Error),
    /// A bench can't be made.
    #[error(transparent)]
    Bench(#[from] crate::engine::bench::Error),
    /// A signal asked to stop.
    #[error("interrupted")]
    Interrupted,
}
