//! What it means that a bench can't be made.

use crate::cli::describe::Meaning;
use crate::cli::exit::Exit;
use crate::engine::bench::Error;

/// What it means. The data was only read.
pub(super) fn bench(error: &Error) -> Meaning {
    let (exit, id, hint) = match error {
        Error::File { .. } => (Exit::Failed, "bench.file", ""),
        Error::Empty { .. } => (
            Exit::Failed,
            "bench.empty",
            "name a directory with a history, or make one with --synthetic json",
        ),
        Error::NoSpace { .. } => {
            (Exit::NoSpace, "bench.no-space", "name a larger directory with --scratch, or a smaller --sample")
        }
    };
    Meaning { exit, id, hint }
}
