//! What a point says of a log once something has left it: its own tree and its claims made anew, and the sums that follow from them.

use crate::engine::error::Error;
use crate::engine::pieces::Piece;
use crate::engine::span;
use crate::repo::format::entry::SegmentEntry;
use crate::repo::format::id::PageId;
use crate::repo::format::point::{Claim, PointLog};
use crate::repo::format::record::{LogKey, LogState};
use crate::repo::store::{Durable, ListedPoint, Repository, Session};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A log of a point, before it is stored.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The entries of its own tree, sorted.
    pub entries: Vec<SegmentEntry>,
    /// Its claims.
    pub open: Vec<Claim>,
    /// What it said before.
    pub before: PointLog,
}

impl Rewritten {
    /// Stores the tree, and gives what the point says now. First token, head and times are those of before.
    pub fn store(self, session: &mut Session<'_>) -> Result<PointLog, Error> {
        let root = session.put_tree(&self.entries)?;
        Ok(self.log(root))
    }

    fn log(self, root: PageId) -> PointLog {
        let claims = self.open.iter().filter_map(|claim| Piece::of_claim(*claim, None));
        let pieces: Vec<Piece> = self.entries.iter().cloned().map(Piece::of_entry).chain(claims).collect();
        let bytes = span::current(pieces, |piece| piece.span).iter().map(Piece::prefix).sum();
        PointLog { root, segments: self.entries.len() as u64, bytes, open: self.open, ..self.before }
    }
}

/// Publishes two records of each log: the second newest is a root, too, and would go on holding what leaves.
pub fn leave(session: &mut Session<'_>, durable: Durable, states: Vec<LogState>) -> Result<(), Error> {
    session.publish_fewer(durable, states.clone())?;
    let durable = session.barrier()?;
    session.publish_fewer(durable, states)?;
    Ok(())
}

/// Goes on with what stopped between its two records: their second one is published where the second newest record of a log holds something
/// that has left the newest.
pub fn go_on(session: &mut Session<'_>, is_meant: impl Fn(&LogKey) -> bool) -> Result<(), Error> {
    let repository = session.repository();
    let mut states = Vec::new();
    for key in repository.logs()?.into_iter().filter(is_meant) {
        let numbers = repository.record_numbers(&key)?;
        let [.., before, newest] = numbers.as_slice() else { continue };
        let newest = repository.record(&key, *newest)?.state;
        if holds_more(repository, &repository.record(&key, *before)?.state, &newest)? {
            states.push(newest);
        }
    }
    if !states.is_empty() {
        let durable = session.barrier()?;
        session.publish_fewer(durable, states)?;
    }
    Ok(())
}

/// Whether something left after this state.
fn holds_more(repository: &Repository, before: &LogState, newest: &LogState) -> Result<bool, Error> {
    let name = |entry: &SegmentEntry| (entry.name, entry.content);
    if before.root == newest.root {
        let stays: BTreeSet<_> = newest.tails.iter().map(|tail| tail.name).collect();
        return Ok(before.tails.iter().any(|tail| !stays.contains(&tail.name)));
    }
    let sealed = repository.tree(newest.root)?;
    let names: BTreeSet<_> = sealed.iter().chain(&newest.tails).map(|entry| entry.name).collect();
    let stays: HashSet<_> = sealed.iter().map(name).collect();
    Ok(repository.tree(before.root)?.iter().any(|entry| !stays.contains(&name(entry)))
        || before.tails.iter().any(|tail| !names.contains(&tail.name)))
}

/// The trees of points, each read once.
#[derive(Default)]
pub struct Trees(BTreeMap<PageId, Vec<SegmentEntry>>);

impl Trees {
    /// The entries of a tree.
    pub fn read(&mut self, repository: &Repository, root: PageId) -> Result<&[SegmentEntry], Error> {
        if !self.0.contains_key(&root) {
            // Neighbours share trees; a whole history's need not all be kept.
            if self.0.len() > 64 {
                self.0.clear();
            }
            self.0.insert(root, repository.tree(root)?);
        }
        Ok(self.0.get(&root).map(Vec::as_slice).unwrap_or_default())
    }
}

/// The points of a context, with its logs.
pub fn points_of<'j>(
    points: &'j [ListedPoint],
    source: &'j str,
    context: &'j str,
) -> impl Iterator<Item = (&'j ListedPoint, &'j crate::repo::format::point::PointContext)> {
    points.iter().filter(move |listed| listed.point.body.source == source).filter_map(move |listed| {
        let logs = listed.point.body.contexts.get(context)?;
        Some((listed, logs.as_ref()))
    })
}
