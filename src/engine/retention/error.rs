//! Why points are not held, forgotten or remembered. Nothing was written then.

use crate::engine::points::Problem;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither a rule nor a point was given.
    #[error("nothing says which points to forget")]
    NothingSaid,
    /// A hold forbids it.
    #[error("point {point} is held: {reason}")]
    Held {
        /// The point.
        point: u64,
        /// Why it is held.
        reason: String,
    },
    /// There is no hold to end.
    #[error("point {point} is not held")]
    NotHeld {
        /// The point.
        point: u64,
    },
    /// A forgotten point can't be held, nor forgotten again.
    #[error("point {point} is forgotten")]
    Forgotten {
        /// The point.
        point: u64,
    },
    /// A point that is listed can't be remembered.
    #[error("point {point} is not forgotten")]
    NotForgotten {
        /// The point.
        point: u64,
    },
    /// A point or an act can't be read: it might be the one that forbids it.
    #[error("{} can't be read, and might forbid it: {}", .0.path, .0.why)]
    Unreadable(Problem),
}
