//! Exit codes: the one place where the ends of a run become numbers. Scripts rely on them; they never change their meaning.

use crate::cli::describe;
use crate::engine;
use std::process::ExitCode;

/// How a run ends. 21, 22 and 23 mean that nothing was published. Unknown codes mean failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed: an I/O error, or anything that has no code of its own.
    Failed,
    /// What was typed makes no sense, or leaves open what is meant.
    Usage,
    /// Done, but a point was published with something missing or damaged, or the result lists warnings.
    Incomplete,
    /// There is no repository.
    NoRepository,
    /// Another segvault holds the lock.
    Locked,
    /// The key does not fit the repository.
    WrongKey,
    /// The repository has a format that this program does not know.
    Unsupported,
    /// The repository is damaged.
    Damaged,
    /// The history at the source has a gap or an overlap.
    GapOrOverlap,
    /// The source is damaged.
    SourceDamaged,
    /// The same segment, with other content than archived.
    Conflict,
    /// Another history than the one archived under that name.
    WrongSource,
    /// The target can't be reached: no such directory, token or time.
    NotReachable,
    /// The target is not empty.
    TargetNotEmpty,
    /// No space left.
    NoSpace,
    /// The server can't be reached, or refuses.
    Server,
    /// Ctrl-C.
    Interrupted,
    /// Asked to end (SIGTERM).
    Terminated,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 19] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Incomplete,
        Self::NoRepository,
        Self::Locked,
        Self::WrongKey,
        Self::Unsupported,
        Self::Damaged,
        Self::GapOrOverlap,
        Self::SourceDamaged,
        Self::Conflict,
        Self::WrongSource,
        Self::NotReachable,
        Self::TargetNotEmpty,
        Self::NoSpace,
        Self::Server,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::NoRepository => 10,
            Self::Locked => 11,
            Self::WrongKey => 12,
            Self::Unsupported => 13,
            Self::Damaged => 20,
            Self::GapOrOverlap => 21,
            Self::SourceDamaged => 22,
            Self::Conflict => 23,
            Self::WrongSource => 24,
            Self::NotReachable => 30,
            Self::TargetNotEmpty => 31,
            Self::NoSpace => 40,
            Self::Server => 41,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Of two, the one that tells more: a stop, then damage of the repository, then what kept something from being published, then the rest.
    #[must_use]
    pub fn more_telling(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Done => 0,
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::NotReachable | Self::TargetNotEmpty => 4,
            Self::Locked => 5,
            Self::Server => 6,
            Self::NoSpace => 7,
            Self::NoRepository | Self::WrongKey | Self::Unsupported => 8,
            Self::GapOrOverlap | Self::SourceDamaged | Self::Conflict | Self::WrongSource => 9,
            Self::Damaged => 10,
            Self::Interrupted | Self::Terminated => 11,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// The end of `status --nagios`: that protocol has codes of its own, 0 to 3, which are the first four here by their numbers alone.
    pub const fn of_nagios(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Failed,
            2 => Self::Usage,
            _ => Self::Incomplete,
        }
    }

    /// What it means, for `--help` and the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage: what was typed makes no sense, or leaves open what is meant",
            Self::Incomplete => "done, but something is missing or damaged, or the result lists warnings",
            Self::NoRepository => "no repository there",
            Self::Locked => "another segvault holds the lock",
            Self::WrongKey => "wrong key",
            Self::Unsupported => "the repository's format is not supported",
            Self::Damaged => "damage found in the repository",
            Self::GapOrOverlap => "gap or overlap in the history; nothing was published",
            Self::SourceDamaged => "the source is damaged; nothing was published",
            Self::Conflict => "same segment, other content than archived; nothing was published",
            Self::WrongSource => "another history than the one archived under that name",
            Self::NotReachable => "the target can't be reached: no such directory, token or time",
            Self::TargetNotEmpty => "the target is not empty",
            Self::NoSpace => "no space left",
            Self::Server => "the server can't be reached, or refuses",
            Self::Interrupted => "interrupted (Ctrl-C)",
            Self::Terminated => "terminated (SIGTERM)",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&engine::Error> for Exit {
    fn from(error: &engine::Error) -> Self {
        describe::engine(error).exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_tells_more_than_a_warning() {
        use Exit::{Damaged, Done, Incomplete, Interrupted, Locked, Server};
        assert_eq!(Done.more_telling(Incomplete), Incomplete);
        assert_eq!(Damaged.more_telling(Server), Damaged);
        assert_eq!(Locked.more_telling(Server).more_telling(Damaged).more_telling(Interrupted), Interrupted);
        for exit in Exit::ALL {
            assert_eq!((exit.more_telling(Done), Done.more_telling(exit)), (exit, exit));
        }
    }

    #[test]
    fn codes_are_those_of_the_design() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23, 24, 30, 31, 40, 41, 130, 143]);
    }
}
