//! What a restore can fail with. Whatever it is: nothing stands under the target's name that was not there before; but for
//! [`Error::Standing`], which says so.

use crate::repo;
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A context that the point does not have (exit 2).
    #[error("the point has no context '{name}'; it has: {}", .known.join(", "))]
    UnknownContext {
        /// What was given.
        name: String,
        /// The contexts of the point.
        known: Vec<String>,
    },
    /// A context is cut that is not among those that are asked for (exit 2).
    #[error("the context '{name}' is cut, and --context leaves it out")]
    LeftOut {
        /// What was given.
        name: String,
    },
    /// One context is cut at two places (exit 2).
    #[error("{context} can't be cut at {one} and at {other}")]
    TwoCuts {
        /// The context.
        context: String,
        /// One place, as it was typed.
        one: String,
        /// The other one.
        other: String,
    },
    /// The point has neither a context nor a control database that is wanted (exit 2).
    #[error("there is nothing to restore: no context, and no control database")]
    Nothing,
    /// Target and repository lie in one another (exit 2).
    #[error("{} and the repository {} lie in one another", .target.display(), .repository.display())]
    Nested {
        /// The target.
        target: PathBuf,
        /// The repository.
        repository: PathBuf,
    },
    /// The target has something in it (exit 31).
    #[error("{} is not empty: it has {found}; choose an empty or a new directory, or change the server that is there to this state with --delta", .path.display())]
    NotEmpty {
        /// The target.
        path: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// The target has a part of what a restore made that was interrupted (exit 31).
    #[error(
        "{} has a part of what an interrupted restore made ({found}): remove all that is in it, then restore again",
        .path.display()
    )]
    HalfMade {
        /// The target.
        path: PathBuf,
        /// The names in it, or the first of many, and how many there are more.
        found: String,
    },
    /// The file for the control-db zip is there already (exit 31).
    #[error("{} is there already", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The directory in which the target is to be made is not there (exit 30).
    #[error("{} is not there: make it first, or mount what belongs there", .path.display())]
    NoParent {
        /// The directory that is missing.
        path: PathBuf,
    },
    /// The target is a file, or a link that leads nowhere (exit 30).
    #[error("{} is not a directory", .path.display())]
    NotADirectory {
        /// The target.
        path: PathBuf,
    },
    /// It can't be written or read (exit 30).
    #[error("{}: {source}", .path.display())]
    Target {
        /// What could not be used.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is written may not be given to the owner that was asked for (exit 30).
    #[error("{} can't be given to the user and group of --owner: {source}", .path.display())]
    Owner {
        /// What could not be given away.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// All files have their names in the target; that they are there for good could not be brought about (exit 30).
    #[error("{} holds all that was to be restored, read again; but that it stays there is not certain: {source}", .path.display())]
    Standing {
        /// The target.
        path: PathBuf,
        /// What came between.
        #[source]
        source: Box<Error>,
    },
    /// Not enough space (exit 40).
    #[error("not enough space for {}: {needed} bytes are needed{}", .path.display(), free_text(*.needed, *.free))]
    NoSpace {
        /// The target.
        path: PathBuf,
        /// Bytes that are to be written.
        needed: u64,
        /// Bytes that are free, where that is known.
        free: Option<u64>,
    },
    /// A name in the point would lead outside the target, or is not one (exit 20).
    #[error("refused: the point names {name:?}, which {why}")]
    UnsafeName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The settings lay two things in one place (exit 2).
    #[error("the settings lay two contexts, or a context and the control database, in {place}")]
    SamePlace {
        /// The place, below the target.
        place: String,
    },
    /// A claim that no record holds (exit 20).
    #[error("{file}: no record of the repository holds the bytes that the point claims ({})", up_to(*.last))]
    Unresolved {
        /// The file that can't be restored.
        file: String,
        /// The last token that it should have.
        last: Option<u64>,
    },
    /// Bytes that the repository has lost (exit 20).
    #[error("{file} can't be restored, nor the tokens from {first} to {last} in it")]
    Lost {
        /// The file.
        file: String,
        /// Its first token.
        first: u64,
        /// Its last token.
        last: u64,
        /// What is damaged.
        #[source]
        source: Box<repo::Error>,
    },
    /// What the repository holds is whole by itself, but not what the point says (exit 20).
    #[error("{file}: {what}")]
    Contradiction {
        /// The file, or what it is about.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// Tokens are missing or there twice, and the point does not say so (exit 21).
    #[error("{context} {store}: {what} {first} to {last}, and the point does not say so")]
    Broken {
        /// The context.
        context: String,
        /// The store.
        store: &'static str,
        /// `missing tokens` or `tokens that are there twice`.
        what: &'static str,
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A cut at a token that the archive does not have (exit 30).
    #[error("{} has no event {token} of {context}: {}", which(*.point), held(*.token, *.first, *.last))]
    NoSuchToken {
        /// The point that was asked; none if it was the whole archive.
        point: Option<u64>,
        /// The context.
        context: String,
        /// The token.
        token: u64,
        /// The first one that there is.
        first: Option<u64>,
        /// The last one that there is.
        last: Option<u64>,
    },
    /// An incarnation that is not there (exit 2).
    #[error("there is no incarnation {incarnation} of {context}")]
    NoSuchIncarnation {
        /// The context.
        context: String,
        /// The incarnation.
        incarnation: u32,
    },
    /// The times of a segment can't be read: no moment can be found in it (exit 30).
    #[error("the times of the events in segment {segment} of {context} can't be read")]
    NoTimes {
        /// The context.
        context: String,
        /// The segment.
        segment: String,
    },
    /// The contexts that are named keep no event whose time the others could follow (exit 2).
    #[error("no event is kept of the contexts that are named: there is no time that {context} could follow")]
    NoTime {
        /// The context.
        context: String,
    },
    /// The point has no control database, and it was named for it (exit 2).
    #[error("point {point} has no control database: {reason}")]
    NoControlDb {
        /// The point.
        point: u64,
        /// Why.
        reason: String,
    },
    /// The control database does not know the highest version of a segment (exit 1).
    #[error(
        "a segment of {context} has version {version}, which {}: the next event transformation would use that version again",
        whose(*.point)
    )]
    VersionReuse {
        /// The context.
        context: String,
        /// The highest version of its segments.
        version: u32,
        /// The point of the control database; none if there is none.
        point: Option<u64>,
    },
    /// A server runs on the target (exit 31).
    #[error("a server runs on {}: {why}", .path.display())]
    ServerRuns {
        /// The target.
        path: PathBuf,
        /// How that is known.
        why: String,
    },
    /// Something has the name of a file and is none (exit 31).
    #[error("{} is there, and is no plain file", .path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
    /// Another restore is at work there (exit 11).
    #[error("another restore is at work in {}", .path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// A file is not what it was when it was looked at (exit 31).
    #[error("{} was changed while the restore was at work", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The target has events that the archive has not (exit 31).
    #[error("{} has {} that would go, and that no archive has", .path.display(), unarchived(*.events, *.bytes))]
    Unarchived {
        /// The target.
        path: PathBuf,
        /// How many.
        events: u64,
        /// Bytes that can't be read as events: nobody knows what they were.
        bytes: u64,
    },
    /// The target has events, and nothing of this history (exit 24).
    #[error("{} has another history: nothing in {} is archived here", .path.display(), .found.display())]
    OtherHistory {
        /// The target.
        path: PathBuf,
        /// One of its segments.
        found: PathBuf,
    },
    /// The files of the target could not be exchanged to the end (exit 1).
    #[error("{} is neither what it was nor what it will be, and no server starts on it", .path.display())]
    Unfinished {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// Read again from the target's disk, a file is not what was written (exit 1): suspect that disk.
    #[error("{}: read again from disk, it is not what was written: {what}", .path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

fn which(point: Option<u64>) -> String {
    point.map_or("the archive".to_owned(), |point| format!("point {point}"))
}

fn held(token: u64, first: Option<u64>, last: Option<u64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if (first..=last).contains(&token) => {
            format!("it has {first} to {last}, with a gap there")
        }
        (Some(first), Some(last)) => format!("it has {first} to {last}"),
        _ => "it has none".to_owned(),
    }
}

fn unarchived(events: u64, bytes: u64) -> String {
    let (known, unknown) =
        (format!("{events} events or snapshots"), format!("{bytes} bytes that can't be read"));
    match (events, bytes) {
        (_, 0) => known,
        (0, _) => unknown,
        _ => format!("{known} and {unknown}"),
    }
}

fn whose(point: Option<u64>) -> String {
    point.map_or("no control database that fits knows".to_owned(), |point| {
        format!("the control database of point {point} does not know")
    })
}

fn up_to(last: Option<u64>) -> String {
    last.map_or_else(|| "a segment without events".to_owned(), |last| format!("tokens up to {last}"))
}

/// Where the space ran out though there seemed to be enough, that says nothing: something else is short.
fn free_text(needed: u64, free: Option<u64>) -> String {
    match free {
        Some(free) if free >= needed => format!(
            ", {free} are free, and no more was taken: the file system keeps no holes, has no room for more files, or a quota"
        ),
        Some(free) => format!(", {free} are free"),
        None => String::new(),
    }
}

/// Names the path of an I/O error; no space has its own error.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::NoSpace { path: path.to_owned(), needed: 0, free: None }
        }
        _ => Error::Target { path: path.to_owned(), source },
    }
}

/// Ends the reading of content whose sink has failed, or which is interrupted.
pub(super) fn stop_if(stop: bool) -> Result<(), repo::Error> {
    if stop { Err(repo::Error::Interrupted) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::free_text;

    #[test]
    fn room_that_seems_enough_is_not_what_is_short() {
        assert_eq!(free_text(10, Some(9)), ", 9 are free");
        assert_eq!(free_text(10, None), "");
        let text = free_text(10, Some(10));
        assert!(text.contains("keeps no holes") && text.contains("more files"), "{text}");
    }
}
