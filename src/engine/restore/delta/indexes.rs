//! Which of a store's index files may stay: those of segments that stay, from the first one on, without a hole.
//!
//! A server builds what is missing of the newest closed segments at its start, back to the first one that has an index; what is missing before that
//! it never builds, and serves wrong answers without a word.

use crate::engine::restore::plan::{PlannedEnd, StorePlan};
use std::collections::BTreeSet;

/// The names that stay. `is_kept` knows the paths of segments that stay as they are; `there` are the names of the index files.
pub fn staying(
    store: &StorePlan,
    is_kept: &dyn Fn(&str) -> bool,
    there: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut staying = BTreeSet::new();
    let closed = store.segments.split_last().map_or(&[][..], |(_, closed)| closed);
    for segment in closed {
        let names = segment.name.index_names(store.store);
        let is_whole = segment.end != PlannedEnd::AsFound && is_kept(&segment.path);
        if !is_whole || !names.iter().all(|name| there.contains(name)) {
            break;
        }
        staying.extend(names);
    }
    staying
}

#[cfg(test)]
mod tests {
    use super::staying;
    use crate::axon::name::{SegmentName, Store};
    use crate::axon::token::Token;
    use crate::engine::restore::plan::{PlannedEnd, SegmentPlan, StorePlan};
    use std::collections::BTreeSet;

    fn segment(number: u64) -> SegmentPlan {
        let name = SegmentName { number: Token::new(number).unwrap(), version: 0 };
        SegmentPlan {
            path: number.to_string(),
            number,
            version: 0,
            events: 10,
            prefix: 100,
            length: 100,
            end: PlannedEnd::Rolled,
            blake3: None,
            name,
            is_sealed: true,
            stored: 100,
            extents: Vec::new(),
        }
    }

    /// How many of the segments 0, 10, 20, 30 keep their index files.
    fn kept(indexed: &[u64], changed: &[u64]) -> usize {
        let segments: Vec<_> = [0, 10, 20, 30].map(segment).into();
        let names =
            |number: &u64| segment(*number).name.index_names(Store::Events).into_iter().collect::<Vec<_>>();
        let there: BTreeSet<String> = indexed.iter().flat_map(names).collect();
        let changed: Vec<String> = changed.iter().map(u64::to_string).collect();
        let store = StorePlan {
            store: Store::Events,
            directory: String::new(),
            first: Some(0),
            head: Some(39),
            missing: Vec::new(),
            segments,
        };
        staying(&store, &|path| !changed.iter().any(|other| other == path), &there).len() / 2
    }

    #[test]
    fn none_stays_behind_a_hole_and_the_newest_segment_has_none() {
        assert_eq!(kept(&[0, 10, 20, 30], &[]), 3);
        assert_eq!(kept(&[0, 10, 20, 30], &[20]), 2);
        assert_eq!(kept(&[0, 20, 30], &[]), 1);
        assert_eq!(kept(&[0, 10, 20], &[0]), 0);
        assert_eq!(kept(&[], &[]), 0);
    }
}
