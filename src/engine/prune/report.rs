//! What a prune did, or would do.

use serde::Serialize;

/// The first phase: what was marked, and written anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MarkReport {
    /// Old versions of transformed segments that leave the records.
    pub versions: u64,
    /// Packs of which nothing is needed.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs of which what is needed was written anew.
    pub repacked_packs: u64,
    /// Their bytes.
    pub repacked_bytes: u64,
    /// What was written for that, about.
    pub copied_bytes: u64,
    /// Packs that are marked now: a later run deletes them.
    pub marked_packs: u64,
    /// The acts that mark them.
    pub acts: Vec<u64>,
    /// Packs that stay although they should go, and why.
    pub skipped: Vec<Skipped>,
    /// Whether somebody else was writing: then only what certainly was of use once is marked, and nothing is written anew.
    pub beside: bool,
}

/// A file that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// What the user would call it.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Files that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Freed {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The second phase: what was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeleteReport {
    /// Forgotten points that are gone now: there is no undo.
    pub gone: Vec<u64>,
    /// Manifests.
    pub points: Freed,
    /// Old records.
    pub records: Freed,
    /// Pages.
    pub pages: Freed,
    /// Packs.
    pub packs: Freed,
    /// Parity of packs that went, or were not there.
    pub parities: Freed,
    /// The act that says so.
    pub act: Option<u64>,
    /// Packs that are marked and stay, and why.
    pub kept: Vec<Skipped>,
    /// Those of them that stay since the copy of what they hold is damaged elsewhere: the others are needed, no more.
    #[serde(skip)]
    pub unproven: Vec<Skipped>,
}

impl DeleteReport {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        let all = [self.points, self.records, self.pages, self.packs, self.parities];
        all.iter().fold(0, |sum, freed| sum.saturating_add(freed.bytes))
    }

    /// What two runs have deleted, one behind the other.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        self.gone.extend(next.gone);
        for (mine, others) in [
            (&mut self.points, next.points),
            (&mut self.records, next.records),
            (&mut self.pages, next.pages),
            (&mut self.packs, next.packs),
            (&mut self.parities, next.parities),
        ] {
            mine.files = mine.files.saturating_add(others.files);
            mine.bytes = mine.bytes.saturating_add(others.bytes);
        }
        Self { act: next.act.or(self.act), kept: next.kept, unproven: next.unproven, ..self }
    }

    /// Whether there was nothing to delete.
    pub fn is_empty(&self) -> bool {
        let all = [self.points, self.records, self.pages, self.packs, self.parities];
        self.gone.is_empty() && all.iter().all(|freed| freed.files == 0)
    }
}
