//! What a comparison found, as data.

use serde::Serialize;

/// Tokens of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Run {
    /// The context.
    pub context: String,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// The segment.
    pub segment: String,
    /// The first token.
    pub first: u64,
    /// The last token.
    pub last: u64,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This repository.
    Archive,
    /// What it is compared with.
    Other,
}

/// How two copies of a segment differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One of them is damaged: the CRC tells which one is good.
    Damage,
    /// Both are damaged there.
    BothDamaged,
    /// Both are good and say different things: two histories.
    Conflict,
}

/// Two copies of a segment that are not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// The context.
    pub context: String,
    /// `events` or `snapshots`.
    pub store: &'static str,
    /// The segment.
    pub segment: String,
    /// How.
    pub kind: Kind,
    /// The first byte that differs, or where the damaged one ends to be good.
    pub at: u64,
    /// The token of the transaction there.
    pub token: u64,
    /// Whose transaction there has a good CRC, if only one has.
    pub good: Option<Side>,
    /// What to do.
    pub advice: &'static str,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Against {
    /// The source, as it is called here.
    pub source: String,
    /// Segments that are the same, as far as both go.
    pub equal_segments: u64,
    /// Bytes of them that were compared.
    pub equal_bytes: u64,
    /// What the other has and the archive does not.
    pub not_archived: Vec<Run>,
    /// What the other has, and was dropped here on purpose: no backup archives it again.
    pub dropped: Vec<Run>,
    /// What the other has, and was erased here on purpose: no backup archives it again.
    pub erased: Vec<Run>,
    /// What the archive has and the other does not, although its segments go further.
    pub only_archived: Vec<Run>,
    /// Segments that only the archive has.
    pub only_archived_segments: u64,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What could not be compared since the archive can't be read there, and why.
    pub unread: Vec<String>,
    /// What could not be compared since the other can't be read there, and why.
    pub unread_there: Vec<String>,
}

impl Against {
    /// Nothing compared yet.
    pub(super) fn of(source: String) -> Self {
        Self { source, ..Self::default() }
    }

    /// Whether the archive itself is the damaged one somewhere.
    pub fn archive_is_damaged(&self) -> bool {
        let is_bad = |found: &Difference| {
            found.kind == Kind::BothDamaged || (found.kind == Kind::Damage && found.good == Some(Side::Other))
        };
        self.differences.iter().any(is_bad) || !self.unread.is_empty()
    }

    /// Whether the other is the damaged one somewhere.
    pub fn other_is_damaged(&self) -> bool {
        let is_bad = |found: &Difference| found.kind == Kind::Damage && found.good != Some(Side::Other);
        self.differences.iter().any(is_bad) || !self.unread_there.is_empty()
    }

    /// Whether two good copies say different things.
    pub fn is_conflict(&self) -> bool {
        self.differences.iter().any(|found| found.kind == Kind::Conflict)
    }
}
