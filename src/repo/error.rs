//! Errors of the repository. They never become warnings.

use crate::repo::format::Damage;
use std::io::{self, ErrorKind};

/// What can go wrong with a repository. `path` is what the user would call the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing there that is a repository.
    #[error("{path} is not a segvault repository")]
    NotARepository {
        /// Where.
        path: String,
    },
    /// There is something at the place of a new repository.
    #[error("{path} is not empty")]
    NotEmpty {
        /// Where.
        path: String,
    },
    /// Written by a newer program.
    #[error("{path} has a format that this program does not know")]
    Unsupported {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: Damage,
    },
    /// A file is damaged.
    #[error("{path} is damaged")]
    Damaged {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: Damage,
    },
    /// A file that must be there is missing.
    #[error("{path} is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// A chunk that must be there is in no pack.
    #[error("chunk {chunk} is in no readable pack")]
    ChunkMissing {
        /// The chunk.
        chunk: crate::repo::format::id::ChunkId,
    },
    /// A chunk is there, but not what its name says.
    #[error("chunk {chunk} in {path} is damaged")]
    ChunkDamaged {
        /// The chunk.
        chunk: crate::repo::format::id::ChunkId,
        /// Where.
        path: String,
    },
    /// Nothing is removed here, nor prepared for it, unless an operator allows it.
    #[error("{path} is append-only: nothing is removed from it")]
    AppendOnly {
        /// The repository.
        path: String,
    },
    /// Somebody else holds a lock.
    #[error("{path} is locked by another segvault")]
    Locked {
        /// Where.
        path: String,
    },
    /// Locks do not work here: writing would be unsafe.
    #[error("locks do not work on the file system of {path}")]
    NoLocks {
        /// Where.
        path: String,
    },
    /// It can't be written.
    #[error("{path} can't be written")]
    ReadOnly {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// No space left.
    #[error("no space left to write {path}")]
    NoSpace {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// Another writer took a number that this one was about to take: begin again from what is there now.
    #[error("another writer published {path} meanwhile")]
    Overtaken {
        /// Where.
        path: String,
    },
    /// Any other I/O error.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The index could not be used, nor rebuilt.
    #[error("the index {path} can't be used")]
    Index {
        /// Where.
        path: String,
        /// What is wrong.
        #[source]
        source: rusqlite::Error,
    },
    /// A rule of the repository would have been broken; this is a bug of segvault, and nothing was published.
    #[error("refused to write {path}: {rule}")]
    Rule {
        /// Where.
        path: String,
        /// The rule.
        rule: String,
    },
    /// A signal asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Whether it says that what is stored can't be had from here: it is lost, damaged, or of a newer program. Anything else (a disk that fails, a
    /// signal) says nothing about what is stored.
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::ChunkDamaged { .. }
                | Self::ChunkMissing { .. }
                | Self::Damaged { .. }
                | Self::Missing { .. }
                | Self::Unsupported { .. }
        )
    }

    /// What a failed read means.
    pub fn reading(path: String, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, source },
        }
    }

    /// What a failed write means.
    pub fn writing(path: String, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// Whether the file system can't do what was asked of it, and never will.
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::Unsupported)
    }

    /// What damaged bytes mean: those of a newer program are not damaged.
    pub fn damaged(path: String, source: Damage) -> Self {
        match source {
            Damage::Newer { .. } => Self::Unsupported { path, source },
            _ => Self::Damaged { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::repo::format::Damage;
    use std::io::{self, ErrorKind};

    #[test]
    fn what_is_lost_is_no_disk_that_fails() {
        let path = || "a".to_owned();
        let damage = || Damage::Json("b".to_owned());
        let newer = Damage::Newer { what: "c", found: "2".to_owned(), supported: "1".to_owned() };
        for lost in
            [Error::damaged(path(), damage()), Error::damaged(path(), newer), Error::Missing { path: path() }]
        {
            assert!(lost.is_lost(), "{lost}");
        }
        let failed = Error::reading(path(), io::Error::from(ErrorKind::TimedOut));
        assert!(!failed.is_lost() && !Error::Interrupted.is_lost());
    }
}
