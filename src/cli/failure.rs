//! Why a run ends early, whoever says so.

use crate::cli::config;
use crate::cli::describe;
use crate::cli::describe::Meaning;
use crate::cli::exit::Exit;
use crate::cli::signals::Signals;
use crate::engine;
use std::io;
use std::path::PathBuf;

/// Why a run ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A verb failed.
    #[error(transparent)]
    Engine(Box<engine::Error>),
    /// What was typed leaves open what is meant.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// The result can't be printed.
    #[error("the result can't be printed")]
    Output(#[source] io::Error),
    /// A file that is neither the repository's nor the source's.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory in which something is to be made has something in it.
    #[error("{} is not empty: it has {found}", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// What the demo restored is not what was there.
    #[error("{} is not what was backed up, {}", found.display(), expected.display())]
    Differs {
        /// What was there.
        expected: PathBuf,
        /// What was restored.
        found: PathBuf,
    },
    /// The configuration can't be used.
    #[error(transparent)]
    Config(config::Error),
    /// A hook failed.
    #[error("the hook '{name}' failed: {why}")]
    Hook {
        /// Which.
        name: &'static str,
        /// Why.
        why: String,
    },
    /// What was started on a restore did not get well.
    #[error("what was restored is whole, but the command started on it failed: {why}")]
    Drill {
        /// Why.
        why: String,
    },
    /// Nobody could be told that the run went well, or failed.
    #[error("the heartbeat could not be sent: {why}")]
    Heartbeat {
        /// Why.
        why: String,
    },
    /// Signals can't be listened to.
    #[error("signals can't be listened to")]
    Signals(#[source] io::Error),
}

/// What is wrong with a configuration.
fn config(error: &config::Error) -> Meaning {
    let (id, hint) = match error {
        config::Error::Unreadable { .. } => ("config.unreadable", "name another with --config"),
        config::Error::Syntax { .. } => ("config.syntax", "see docs/configuration.md"),
        config::Error::UnknownKey { .. } => ("config.unknown-key", "see docs/configuration.md"),
        config::Error::Value { .. } => ("config.value", "see 'segvault config check'"),
        config::Error::NoSuch { .. } => ("config.no-such", "see 'segvault config show'"),
        config::Error::Sources(_) => {
            ("config.sources", "choose one with --source, or back up all with 'segvault run'")
        }
    };
    Meaning { exit: Exit::Usage, id, hint }
}

impl<E: Into<engine::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Engine(Box::new(error.into()))
    }
}

impl Failure {
    /// How it ends the program, or a step of a run.
    pub(super) fn exit(&self, signals: &Signals) -> Exit {
        match self.meaning().exit {
            Exit::Interrupted => signals.exit(),
            // Waiting for a lock ends with the signal, and is an error of the lock only by the way.
            Exit::Locked if signals.came() => signals.exit(),
            exit => exit,
        }
    }

    /// What it means.
    pub(super) fn meaning(&self) -> Meaning {
        let meaning = |exit, id, hint| Meaning { exit, id, hint };
        match self {
            Self::Engine(error) => describe::engine(error),
            Self::Usage { hint, .. } => meaning(Exit::Usage, "usage", hint),
            Self::Output(_) => meaning(Exit::Failed, "output", ""),
            Self::File { .. } => meaning(Exit::Failed, "file", ""),
            Self::NotEmpty { .. } => {
                meaning(Exit::TargetNotEmpty, "directory.not-empty", "choose an empty or a new directory")
            }
            Self::Differs { .. } => {
                meaning(Exit::Failed, "demo.differs", "this is a bug of segvault, please report it")
            }
            Self::Config(error) => config(error),
            Self::Hook { .. } => {
                meaning(Exit::Failed, "hook.failed", "nothing was done; see what it said above")
            }
            Self::Drill { .. } => meaning(Exit::Failed, "drill.command", "see what it said above"),
            Self::Heartbeat { .. } => meaning(Exit::Failed, "hook.heartbeat", ""),
            Self::Signals(_) => meaning(Exit::Failed, "signals", ""),
        }
    }
}
