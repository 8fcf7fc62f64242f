//! Why points are not held, forgotten or remembered. Nothing was written then.

use crate::engine::points::Problem;
use crate::repo::format::moment::Moment;

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
    /// A hold that ends before it begins.
    #[error("a hold of point {point} until {until} would be over already")]
    Over {
        /// The point.
        point: u64,
        /// Until when.
        until: Moment,
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
    /// What would be done is not what was confirmed.
    #[error("this has to be confirmed: it would begin {needed} now")]
    NotConfirmed {
        /// What has to be said.
        needed: String,
    },
    /// No log of that context.
    #[error("no history of the context '{context}' is archived")]
    NoContext {
        /// The context.
        context: String,
    },
    /// The newest point can't go.
    #[error("point {point}, the newest one, ends before token {before}: it can't go")]
    NewestEnds {
        /// The point.
        point: u64,
        /// The first token that would be kept.
        before: u64,
    },
    /// Holds forbid an erasure.
    #[error("holds forbid it; what these points restore would change: {points}")]
    HeldAgainst {
        /// The points, and why each is held.
        points: String,
    },
    /// A point or an act can't be read: it might be the one that forbids it.
    #[error("{} can't be read, and might forbid it: {}", .0.path, .0.why)]
    Unreadable(Problem),
    /// The same, of one that a newer program wrote (exit 13).
    #[error("{} was written by a newer segvault, and might forbid it: {}", .0.path, .0.why)]
    Newer(Problem),
}
