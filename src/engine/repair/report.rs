//! What a repair did, as data.

use crate::repo::format::id::{ChunkId, PackId};
use serde::Serialize;
use std::collections::BTreeSet;

/// A damaged pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Salvaged {
    /// Which.
    pub pack: PackId,
    /// Chunks that something needs, as far as its directory tells.
    pub needed_chunks: u64,
    /// Good chunks that were found in it.
    pub good_chunks: u64,
    /// True if nothing that is needed lies in it alone any more: it was marked, and the next prunes delete it.
    pub replaced: bool,
}

/// What `repair packs` or `repair from` did.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mended {
    /// True if nothing was written: what would have been done.
    pub dry_run: bool,
    /// The damaged packs.
    pub packs: Vec<Salvaged>,
    /// Chunks that were stored again from damaged packs.
    pub salvaged_chunks: u64,
    /// Chunks that were fetched from elsewhere.
    pub fetched_chunks: u64,
    /// Bytes of both.
    pub stored_bytes: u64,
    /// Points, acts, records and pages that were put back; what stood in their places lies in `damaged/`.
    pub files: Vec<String>,
    /// Damaged packs whose directories can't be read, and that nothing needs: they lie in `damaged/` now.
    pub put_aside: Vec<PackId>,
    /// Chunks that something needs and that are still in no pack.
    pub still_lost: BTreeSet<ChunkId>,
    /// How many more of these were given up: nobody waits for them.
    pub given_up_chunks: u64,
    /// The points that can't be restored whole for that.
    pub points: Vec<u64>,
    /// How many findings of damage a verification has after it.
    pub findings: u64,
    /// Files that could not be put back, or whose counterpart is not proven.
    pub not_mended: Vec<String>,
    /// Files that a newer program wrote: whether what they need is whole is not known.
    pub newer: Vec<String>,
}

impl Mended {
    /// Whether all that was damaged is whole again.
    pub fn is_whole(&self) -> bool {
        self.is_undamaged() && self.newer.is_empty()
    }

    /// Whether all that this program can judge is.
    pub fn is_undamaged(&self) -> bool {
        self.findings == 0 && self.still_lost.is_empty() && self.not_mended.is_empty()
    }
}

/// What `repair add-parity` did.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Protected {
    /// True if nothing was written.
    pub dry_run: bool,
    /// How much there is to be, in hundredths of a pack.
    pub percent: u8,
    /// Packs that got parity, or would.
    pub made: u64,
    /// Of them, how many had some that was damaged: it lies in `damaged/` now.
    pub renewed: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Packs that had it.
    pub kept: u64,
    /// Packs that are damaged: they get none.
    pub damaged: Vec<PackId>,
}

/// What `repair points` did.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Marked {
    /// True if nothing was written.
    pub dry_run: bool,
    /// The points that are marked incomplete now, with the reasons.
    pub marked: Vec<(u64, String)>,
    /// Points that were marked, or incomplete, before.
    pub known: Vec<u64>,
    /// Files of points and acts that can't be read: what they are about could not be judged.
    pub unreadable: Vec<String>,
    /// The same of those that a newer program wrote.
    pub newer: Vec<String>,
}

/// What `repair give-up` did.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GivenUp {
    /// True if nothing was written.
    pub dry_run: bool,
    /// Paths of the points, acts and records that can't be read, or are missing. They count no more; what stood under these names lies in
    /// `damaged/`.
    pub files: Vec<String>,
    /// The points that lose their last events for good with these records: their source has left that history, and no backup makes another.
    pub stranded: Vec<u64>,
    /// Chunks that something needs, and that are in no pack.
    pub chunks: Vec<ChunkId>,
    /// The points that can't be restored whole for that.
    pub points: Vec<u64>,
    /// Damaged packs that nothing needs any more now: they lie in `damaged/`, or would.
    pub put_aside: Vec<PackId>,
    /// Damaged packs that have good chunks in them which lie nowhere else: `repair packs` stores these again first.
    pub not_salvaged: Vec<PackId>,
    /// The number of the act that says so; none if nothing was written.
    pub act: Option<u64>,
}

impl GivenUp {
    /// Whether there is anything to give up, or to put aside for it.
    pub fn is_any(&self) -> bool {
        !(self.files.is_empty() && self.chunks.is_empty() && self.put_aside.is_empty())
    }
}
