//! What is wrong with a configuration. Each names the file and the line.

use std::io;
use std::path::PathBuf;

/// Why a configuration can't be used (exit 2).
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Error {
    /// The file that was named can't be read.
    #[error("the configuration {} can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{}:{line}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Why.
        why: String,
    },
    /// A key that nothing stands behind.
    #[error("{}:{line}: there is no '{key}' in {place}{}", path.display(), guess.as_ref().map(|guess| format!("; is it '{guess}'?")).unwrap_or_default())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// The key.
        key: String,
        /// The table.
        place: String,
        /// What may be meant.
        guess: Option<String>,
    },
    /// A value that its flag refuses.
    #[error("{}: {key}: {why}", origin)]
    Value {
        /// File and line, or the variable.
        origin: String,
        /// The key.
        key: String,
        /// Why.
        why: String,
    },
    /// A name that nothing stands behind.
    #[error("there is no {what} '{name}' in {}{}", path.as_ref().map_or_else(|| "any configuration".to_owned(), |path| path.display().to_string()), names(known))]
    NoSuch {
        /// `profile` or `source`.
        what: &'static str,
        /// The name.
        name: String,
        /// The file.
        path: Option<PathBuf>,
        /// What there is.
        known: Vec<String>,
    },
    /// Several sources, and none was named.
    #[error("the configuration has several sources: {}", .0.join(", "))]
    Sources(Vec<String>),
}

fn names(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) }
}
