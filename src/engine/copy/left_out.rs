//! What is lost here is not copied, nor are points that need it; all else is.

use crate::engine;
use crate::engine::copy::logs::Next;
use crate::engine::copy::points::Choice;
use crate::engine::copy::there::Looked;
use crate::engine::copy::{CopiedPoint, LostPoint};
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::ChunkId;
use crate::repo::store::Repository;
use std::collections::BTreeSet;

/// Takes the points out of the choice that need a lost chunk, and the segments out of the logs; gives the points.
pub(super) fn leave_out(
    (from, to): (&Repository, &Repository),
    lost: &BTreeSet<ChunkId>,
    choice: &mut Choice,
    next: &mut [Next],
) -> Result<Vec<LostPoint>, engine::Error> {
    let mut looked = Looked::at(from, Some(lost));
    let mut left_out = Vec::new();
    for listed in std::mem::take(&mut choice.missing) {
        match looked.point(&listed)? {
            None => choice.missing.push(listed),
            Some(why) => {
                let point = CopiedPoint { from: listed.point.number, to: None };
                left_out.push(LostPoint { point, why });
            }
        }
    }
    for log in next.iter_mut().filter(|log| log.is_new) {
        log.leave_out((from, to), &|entry| needs(entry, lost))?;
    }
    Ok(left_out)
}

fn needs(entry: &SegmentEntry, lost: &BTreeSet<ChunkId>) -> bool {
    entry.chunks().any(|chunk| lost.contains(&chunk))
}
