//! What refusals of holds and policies mean.

use crate::cli::describe::Meaning;
use crate::cli::exit::Exit;
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
        Error::Forgotten { .. } => {
            (Exit::Usage, "point.forgotten", "list it again with 'segvault forget --undo'")
        }
        Error::NotForgotten { .. } => (Exit::Usage, "point.not-forgotten", "see them with 'segvault points'"),
        Error::Unreadable(_) => {
            (Exit::Damaged, "retention.unreadable", "see what it means with 'segvault verify'")
        }
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
        Error::UnknownAct { .. } => (Exit::Unsupported, "prune.unknown-act", "use a newer segvault"),
        Error::ChunkMissing { .. } => (
            Exit::Damaged,
            "prune.chunk-missing",
            "see what it means with 'segvault verify'; bring the pack back from a copy of the repository",
        ),
        Error::Ledger(_) => (Exit::Failed, "prune.ledger", "is there room for temporary files?"),
    };
    Meaning { exit, id, hint }
}
