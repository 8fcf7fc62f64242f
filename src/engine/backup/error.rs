//! Why a backup publishes nothing.

use std::path::PathBuf;

/// What a backup refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A context that was asked for is not there.
    #[error("there is no context {name} at the source; there are: {present}")]
    NoSuchContext {
        /// Its name.
        name: String,
        /// Those that are there.
        present: String,
    },
    /// No file of the repository could hold the name.
    #[error("a source's name has 1 to {limit} bytes, this one has {length}")]
    BadName {
        /// Bytes of the name.
        length: usize,
        /// So many there may be.
        limit: usize,
    },
    /// All contexts are left out.
    #[error("every context is left out: nothing to back up")]
    NothingLeft,
    /// All that is wanted is of a kind that is not archived.
    #[error(
        "{name} is a DCB context: it is not archived, and no other context is wanted; have the server back it up (POST /v2/backup)"
    )]
    OnlyDcb {
        /// One of them.
        name: String,
    },
    /// Two segments at the source hold the same tokens.
    #[error("{} ends at token {last}, but {} begins at token {next}: they overlap", one.display(), other.display())]
    Overlap {
        /// The first one.
        one: PathBuf,
        /// Its last token.
        last: u64,
        /// The next one.
        other: PathBuf,
        /// Its first token.
        next: u64,
    },
    /// Tokens are missing, and the user wants none of that.
    #[error("{store} of {context}: tokens {first} to {last} are missing at the source")]
    Gap {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The first one missing.
        first: u64,
        /// The last one missing.
        last: u64,
    },
    /// A live server said that it had more, before it was read.
    #[error("{store} of {context} end at {}, but the server said before that it had token {claimed}", head.map_or_else(|| "nothing".to_owned(), |head| format!("token {head}")))]
    BehindServer {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The last token that was read; none if there is none.
        head: Option<u64>,
        /// The token that the server said it had.
        claimed: u64,
    },
    /// The history has forked, and the user wants none of that.
    #[error("{store} of {context} is another history from segment {segment} on: {why}")]
    Fork {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The segment.
        segment: String,
        /// Why.
        why: String,
    },
    /// Nothing in common with what is archived under this name.
    #[error("{found} shares no transaction with the history archived as {archived}")]
    OtherHistory {
        /// What was read.
        found: String,
        /// The name.
        archived: String,
    },
    /// The same history, cut into other segments: another node of the same cluster.
    #[error("{store} of {context} is the history archived as {archived}, cut into other segments")]
    CutElsewhere {
        /// The context.
        context: String,
        /// The store.
        store: String,
        /// The name.
        archived: String,
    },
}
