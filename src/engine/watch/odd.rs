//! What tails can't take. A point answers it; where that changed nothing, the same is not asked again until the source looks otherwise.

use crate::engine::error::Error;
use crate::engine::prefix;
use crate::repo::format::id::{ContentHash, Naming};
use crate::source::Source;
use crate::source::listing::{StoreFile, StoreListing};

/// A log that does not simply go on.
pub(super) struct Odd {
    /// What is odd about it.
    pub(super) why: String,
    /// How it looked then: names, lengths and times of its files; of the open one, instead of its time, what can be read of it. The time of a
    /// mapped file may stand still while it is written, and change when it is not.
    pub(super) look: ContentHash,
    /// Where the open file's valid prefix ends.
    pub(super) end: u64,
}

impl Odd {
    /// Looks at a log, whose open file is `open`.
    pub(super) fn of(
        naming: Naming,
        source: &dyn Source,
        (files, open): (&StoreListing, &StoreFile),
    ) -> Result<Self, Error> {
        let mut look = naming.hasher();
        for file in &files.segments {
            look.update(file.name.to_string().as_bytes());
            look.update(&file.length.to_le_bytes());
            if file.name != open.name {
                look.update(&file.modified_ns.to_le_bytes());
            }
        }
        let prefix = prefix::of(naming, source, open)?;
        look.update(&prefix.content.0);
        Ok(Self { why: String::new(), look: look.content(), end: prefix.end })
    }
}
