//! What refusals of holds, policies, prunes and copies mean.

use crate::cli::describe::Meaning;
use crate::cli::exit::Exit;
use crate::engine::copy;
use crate::engine::prune;
use crate::engine::retention::Error;

/// What a refusal means. Nothing was written.
pub(super) fn retention(error: &Error) -> Meaning {
    let (exit, id, hint) = match error {
        Error::NothingSaid => (
            Exit::Usage,
            "forget.nothing-said",
            "give points, or rules like --keep-last 7 --keep-monthly 12, or a policy's file",
        ),
        Error::Held { .. } => (Exit::Usage, "forget.held", "end the hold with 'segvault hold remove'"),
        Error::NotHeld { .. } => (Exit::Usage, "hold.not-held", "see all holds with 'segvault hold list'"),
        Error::Over { .. } => {
            (Exit::Usage, "hold.over", "give a later moment, or end a hold with 'segvault hold remove'")
        }
        Error::Forgotten { .. } => {
            (Exit::Usage, "point.forgotten", "list it again with 'segvault forget --undo'")
        }
        Error::NotForgotten { .. } => (Exit::Usage, "point.not-forgotten", "see them with 'segvault points'"),
        Error::NotConfirmed { .. } => (
            Exit::Usage,
            "drop-history.not-confirmed",
            "look at what goes without --confirm, then repeat what that says",
        ),
        Error::NoContext { .. } => {
            (Exit::Usage, "retention.no-context", "see what there is with 'segvault points'")
        }
        Error::NewestEnds { .. } => {
            (Exit::Usage, "drop-history.newest", "make a new point first, or drop less")
        }
        Error::HeldAgainst { .. } => {
            (Exit::Usage, "erase.held", "end the holds with 'segvault hold remove', if you may")
        }
        Error::Unreadable(_) => {
            (Exit::Damaged, "retention.unreadable", "see what it means with 'segvault verify'")
        }
        Error::Newer(_) => (Exit::Unsupported, "retention.newer", "use a newer segvault"),
    };
    Meaning { exit, id, hint }
}

/// What stops a prune: nothing was deleted that an act had not named before.
pub(super) fn prune(error: &prune::Error) -> Meaning {
    use prune::Error;
    let (exit, id, hint) = match error {
        Error::Unreliable(_) => {
            (Exit::Damaged, "prune.unreliable", "see what it means with 'segvault verify'")
        }
        Error::Newer { .. } => (Exit::Unsupported, "prune.newer", "use a newer segvault"),
        Error::UnknownAct { .. } => (Exit::Unsupported, "prune.unknown-act", "use a newer segvault"),
        Error::ChunkMissing { .. } => (
            Exit::Damaged,
            "prune.chunk-missing",
            "see what it means with 'segvault verify'; bring the pack back from a copy of the repository; where \
             there is none, 'segvault repair give-up'",
        ),
        Error::Ledger(_) => (Exit::Failed, "prune.ledger", "is there room for temporary files?"),
    };
    Meaning { exit, id, hint }
}

/// Why nothing is copied.
pub(super) fn copy(error: &copy::Error) -> Meaning {
    use copy::Error;
    let (exit, id, hint) = match error {
        Error::SameRepository => {
            (Exit::Usage, "copy.same-repository", "make another repository with 'segvault init'")
        }
        Error::Naming => (Exit::Usage, "copy.naming", "make another repository with 'segvault init'"),
        Error::Erased { .. } => (Exit::Conflict, "copy.erased", "erase it here, too, with 'segvault erase'"),
        Error::Dropped { .. } => {
            (Exit::Conflict, "copy.dropped", "drop them here, too, with 'segvault drop-history'")
        }
        Error::Conflict { .. } => {
            (Exit::Conflict, "copy.conflict", "copy to a repository that does not hold another history of it")
        }
    };
    Meaning { exit, id, hint }
}
