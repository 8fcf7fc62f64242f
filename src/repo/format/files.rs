//! Plain files of a point: what is neither a segment nor a control database, and is replaced whole by the next backup's (index files,
//! replication logs).
//!
//! A point names sets of files; each set has a list of its own, stored as a content, so that a manifest stays small however many files there
//! are, and a list that did not change is there already.

use crate::repo::format::Damage;
use crate::repo::format::json;
use crate::repo::format::point::Content;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The `type` of a list of files.
pub const TYPE: &str = "segvault.files";
/// The version of lists of files that this program writes.
pub const VERSION: u32 = 1;

/// A set of index and bloom files of one store of a context.
pub const INDEX: &str = "index";
/// A set of replication log files of one replication group.
pub const REPLICATION_LOG: &str = "replication-log";

/// Files that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileSet {
    /// A stable word: [`INDEX`], [`REPLICATION_LOG`]. Sets of other kinds are stepped over by restores, and proven like all.
    pub kind: String,
    /// The context that they belong to, if they belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The store (`events`, `snapshots`) that they belong to, if they belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The replication group that they belong to, if they belong to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many files.
    pub count: u64,
    /// Their lengths together.
    pub bytes: u64,
    /// The list of them: a [`FileList`].
    pub listing: Content,
}

/// The files of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileList {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// The files, by rising names.
    pub files: Vec<ListedFile>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedFile {
    /// Its own name, without a directory.
    pub name: String,
    /// Its bytes; of the zeros at its end, those are left out that fill whole chunks.
    pub content: Content,
    /// Modification time of the file when it was read, nanoseconds since 1970: a hint, never proof.
    pub modified_ns: i64,
    /// How many zeros follow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub zeros: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(zeros: &u64) -> bool {
    *zeros == 0
}

impl ListedFile {
    /// Its length.
    pub fn length(&self) -> u64 {
        self.content.length.saturating_add(self.zeros)
    }
}

impl FileList {
    /// A list of these files, sorted.
    pub fn new(mut files: Vec<ListedFile>) -> Self {
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Self { kind: TYPE.to_owned(), version: VERSION, files }
    }

    /// Its bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        json::encode(self)
    }

    /// Reads a list. No name is there twice.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let list: Self = json::decode(bytes, TYPE, VERSION)?;
        let names: BTreeSet<&str> = list.files.iter().map(|file| file.name.as_str()).collect();
        if names.len() != list.files.len() {
            return Err(Damage::Json("a file that is listed twice".to_owned()));
        }
        Ok(list)
    }

    /// Their lengths together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(ListedFile::length).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::format::id::{ChunkId, ContentHash};

    fn file(name: &str, zeros: u64) -> ListedFile {
        let content = Content { length: 5, blake3: ContentHash([1; 32]), list: ChunkId([2; 32]) };
        ListedFile { name: name.to_owned(), content, modified_ns: -1, zeros }
    }

    #[test]
    fn a_list_comes_back_sorted() {
        let list = FileList::new(vec![file("b", 7), file("a", 0)]);
        assert_eq!(list.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list.bytes(), 17);
        assert_eq!(FileList::decode(&list.encode().unwrap()), Ok(list));
    }

    #[test]
    fn no_file_is_listed_twice() {
        let list = FileList::new(vec![file("a", 0), file("a", 1)]);
        assert!(matches!(FileList::decode(&list.encode().unwrap()), Err(Damage::Json(_))));
    }
}
