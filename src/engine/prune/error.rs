//! What stops a prune. Nothing was deleted then that an act had not named before.

use crate::engine::points::Problem;
use crate::repo::format::id::ChunkId;

/// Why nothing is deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A root can't be read, or a number is missing: what it reaches is not known.
    #[error("nothing is deleted while {} can't be relied on: {}", .0.path, .0.why)]
    Unreliable(Problem),
    /// A point or act in the format of a newer program: what it reaches is not known.
    #[error("nothing is deleted: {path} is of a newer segvault")]
    Newer {
        /// The file.
        path: String,
    },
    /// An act of a newer program might forbid it.
    #[error("nothing is deleted: act {number} is of a newer segvault")]
    UnknownAct {
        /// The act.
        number: u64,
    },
    /// A chunk that is needed is in no pack: either it is lost, or a pack is not listed just now.
    #[error("nothing is deleted while chunk {chunk}, which is needed, is in no pack that can be read")]
    ChunkMissing {
        /// The chunk.
        chunk: ChunkId,
    },
    /// The temporary database failed.
    #[error("the temporary database of what is needed failed")]
    Ledger(#[from] rusqlite::Error),
}
