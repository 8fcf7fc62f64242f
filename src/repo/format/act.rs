//! Acts: a journal of what was done to points and packs after they were published. Nothing that is published ever changes;
//! readers see points through the acts.

use crate::repo::format::id::{FileHash, PackId};
use crate::repo::format::moment::Moment;
use serde::{Deserialize, Serialize};

/// The `type` of an act.
pub const TYPE: &str = "segvault.act";
/// The version of acts that this program writes.
pub const VERSION: u32 = 1;

/// A point, named by number and hash: an act that fits no file has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointRef {
    /// Its number.
    pub number: u64,
    /// The hash of its file.
    pub blake3: FileHash,
}

/// An act as it stands in `acts/<number>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// Counted from 1.
    pub number: u64,
    /// Hash of the act before.
    pub previous: Option<FileHash>,
    /// The repository's id.
    pub repository: String,
    /// When.
    pub at: Moment,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Deed {
    /// A point is kept whatever a policy says.
    Held {
        point: PointRef,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Moment>,
    },
    /// A hold has ended.
    Released { point: PointRef },
    /// Points are not listed any more; undone by `remembered` until they are gone.
    Forgotten { points: Vec<PointRef>, reason: String },
    /// Forgotten points are listed again.
    Remembered { points: Vec<PointRef> },
    /// Forgotten points are about to be deleted: there is no undo from here.
    Gone { points: Vec<PointRef> },
    /// Old versions of transformed segments were erased; these points read the current version.
    Erased { points: Vec<PointRef>, reason: String },
    /// A point was found incomplete after it was published.
    Incomplete { point: PointRef, reason: String },
    /// These packs were read whole and found good.
    Verified { packs: Vec<PackId> },
    /// These packs are damaged: nothing is deduplicated against them.
    Damaged { packs: Vec<PackId> },
    /// A restore was tried.
    Drilled { point: PointRef, seconds: u64, passed: bool },
    /// These packs are marked dead: nothing is deduplicated against them, a later prune may delete them.
    Dead { packs: Vec<PackId> },
    /// Of a newer program: without effect here, but nothing is deleted while there is one.
    #[serde(other)]
    Unknown,
}
