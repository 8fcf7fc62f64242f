//! Points seen through the acts.

use crate::repo::format::act::{Act, PointRef};
use crate::repo::format::id::FileHash;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::Point;

/// All points and acts of a repository at one moment.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// The points that can be read and are not gone, by rising number; forgotten ones too (see [`ListedPoint::forgotten`]).
    pub points: Vec<ListedPoint>,
    /// The acts that can be read, by rising number.
    pub acts: Vec<Act>,
    /// Files in `points/` and `acts/` that can't be read, and numbers that are neither there nor named gone.
    pub unreadable: Vec<Unreadable>,
}

/// A point as readers see it.
#[derive(Clone, Debug)]
pub struct ListedPoint {
    /// The manifest.
    pub point: Point,
    /// Hash of its file.
    pub hash: FileHash,
    /// Set if it is forgotten: not listed unless asked for.
    pub forgotten: bool,
    /// Set while it is held: why, and until when.
    pub held: Option<(String, Option<Moment>)>,
    /// Set if an act says that it is incomplete, with the reason.
    pub marked_incomplete: Option<String>,
}

impl ListedPoint {
    /// Number and hash.
    pub fn reference(&self) -> PointRef {
        PointRef { number: self.point.number, blake3: self.hash }
    }

    /// Whether nothing was missing or damaged when it was made, nor found so later.
    pub fn is_complete(&self) -> bool {
        self.point.body.complete && self.marked_incomplete.is_none()
    }
}

impl Journal {
    /// The points that are listed: neither forgotten nor gone.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &ListedPoint> {
        self.points.iter().filter(|point| !point.forgotten)
    }
}

/// A numbered file that should be readable and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What the user would call it.
    pub path: String,
    /// What is wrong.
    pub why: String,
}
