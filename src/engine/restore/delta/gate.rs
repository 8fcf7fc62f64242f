//! The seam to a directory that a restore changes: each change is announced before it is made, so that a twin in the tests can follow it, and
//! stop it at any step.

use std::io;

/// A change that is about to be made. Paths are below the directory; `""` is the directory itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A directory is made.
    MakeDirectory(&'a str),
    /// A file is made that was not there.
    Create(&'a str),
    /// Bytes are written behind those that it has.
    Write(&'a str, &'a [u8]),
    /// A file gets its length: behind what was written come zeros.
    SetLength(&'a str, u64),
    /// A file's content is made durable.
    SyncFile(&'a str),
    /// The names in a directory are made durable.
    SyncDirectory(&'a str),
    /// A file gets the name of another, which is gone then; or a directory one that nobody has.
    Replace {
        /// Its name.
        from: &'a str,
        /// The other one's, which may be nobody's.
        to: &'a str,
    },
    /// A file is removed.
    Remove(&'a str),
    /// A directory is removed, with all that is in it.
    RemoveDirectory(&'a str),
}

/// Stands before every change.
pub trait Gate: Send + Sync {
    /// Lets it happen, or not.
    fn pass(&self, step: &Step<'_>) -> io::Result<()>;
}

/// Lets everything happen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn pass(&self, _: &Step<'_>) -> io::Result<()> {
        Ok(())
    }
}
