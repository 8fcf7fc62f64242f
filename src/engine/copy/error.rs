//! Why nothing is copied.

use crate::axon::name::SegmentName;
use crate::axon::token::Token;

/// A refusal. What was copied before stays, and is not copied again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Both have one id.
    #[error("that is the same repository, or a plain copy of it")]
    SameRepository,
    /// Names are made differently there.
    #[error("the other repository names its chunks in another way")]
    Naming,
    /// The other repository holds a history under that name that does not fit.
    #[error("the other repository holds another history of {log}: {why}")]
    Conflict {
        /// Which log.
        log: String,
        /// What does not fit.
        why: String,
    },
    /// What was erased there is still here: it must not come back.
    #[error("segment {segment} of {log} was erased there, and is still here")]
    Erased {
        /// Which log.
        log: String,
        /// The segment.
        segment: SegmentName,
    },
    /// What was dropped there is still here: it must not come back either.
    #[error("the events before token {before} of {log} were dropped there, and are still here")]
    Dropped {
        /// Which log.
        log: String,
        /// The first token that was kept.
        before: Token,
    },
}
